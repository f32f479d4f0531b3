"""What a picture says of how it was made, whatever tool made it, in this field's own terms."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

MAX_WORDS = 100_000
"""Characters kept of a prompt; longer ones are somebody's joke."""

MAX_LIST = 64


class ModelName(msgspec.Struct, frozen=True):
    """A model as another tool calls it. ``hash`` is the short one of the web UIs (the first 10 digits of the SHA-256,
    or of 8 digits in old pictures)."""

    name: str = ""
    hash: str = ""


class LoraUse(msgspec.Struct, frozen=True):
    name: str
    weight: float = 1.0
    hash: str = ""


class Hires(msgspec.Struct, frozen=True):
    """The second pass at a larger size ("hires fix"); None where the picture does not say."""

    scale: float | None = None
    steps: int | None = None
    strength: float | None = None
    upscaler: str = ""
    size: str = ""


class Found(msgspec.Struct, frozen=True):
    """The settings of one picture. None, or empty, is what it does not say.

    ``scheduler`` is a name of ``models.samplers``; ``sampler`` is what the tool itself calls it. ``guidance_scale`` is
    CFG, ``distilled_guidance`` the guidance of distilled models such as FLUX. ``strength`` is the denoising strength
    0..1. ``hashes`` are by what they are of ("model", "lora:ink"); ``resources`` are as CivitAI lists them.
    ``others`` are settings with no counterpart, as written; ``unmapped`` are sentences on what is lost.
    """

    tool: str
    version: str = ""
    prompt: str = ""
    negative_prompt: str = ""
    steps: int | None = None
    guidance_scale: float | None = None
    distilled_guidance: float | None = None
    seed: int | None = None
    sampler: str = ""
    scheduler: str = ""
    width: int | None = None
    height: int | None = None
    clip_skip: int | None = None
    strength: float | None = None
    model: ModelName = ModelName()
    vae: str = ""
    loras: tuple[LoraUse, ...] = ()
    embeddings: tuple[str, ...] = ()
    hires: Hires | None = None
    hashes: dict[str, str] = {}
    resources: tuple[dict[str, str], ...] = ()
    others: dict[str, str] = {}
    unmapped: tuple[str, ...] = ()


# -- values of others are made sure of -----------------------------------------------------------------------------


def whole(value: Any, low: int = 0, high: int = 2**64 - 1) -> int | None:
    """``value`` as a whole number in the range, or None."""
    found = number(value, low, high)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value  # seeds are larger than a float can tell apart
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,20}\s*", value):
        exact = int(value)
        return exact if low <= exact <= high else None
    return int(found) if found is not None and found == int(found) else None


def number(value: Any, low: float = -1e9, high: float = 2.0**64) -> float | None:
    """``value`` as a finite number in the range, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and low <= found <= high else None


def words(value: Any, limit: int = MAX_WORDS) -> str:
    """``value`` as text without zero bytes and lone surrogates; lists are joined, anything else is empty."""
    if isinstance(value, list):
        value = "\n".join(item for item in value[:MAX_LIST] if isinstance(item, str))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value)[:limit].replace("\0", "")
    return text.encode("utf-8", "replace").decode("utf-8")


def size(width: Any, height: Any) -> tuple[int | None, int | None]:
    """Both or neither."""
    wide, high = whole(width, 1, 100_000), whole(height, 1, 100_000)
    return (wide, high) if wide and high else (None, None)


def size_in(text: Any) -> tuple[int | None, int | None]:
    """The two numbers of ``512x768``, ``(512, 768)`` and the like."""
    match = re.search(r"(\d{1,6})\s*[xX×,*]\s*(\d{1,6})", text[:200]) if isinstance(text, str) else None
    return size(match[1], match[2]) if match else (None, None)


def stem(name: Any) -> str:
    """A model file's name without folders and ending."""
    base = re.split(r"[\\/]", words(name, 1000))[-1].strip()
    return re.sub(r"\.(safetensors|ckpt|pt|pth|bin|gguf|sft|onnx)$", "", base, flags=re.IGNORECASE)


def parsed(text: Any) -> Any:
    """JSON, or None for what is none. ``NaN``, as Python writes it, is accepted; depth is what Python can bear."""
    if not isinstance(text, str) or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    """``value`` if it is an object with names, else an empty one."""
    return value if isinstance(value, dict) else {}
