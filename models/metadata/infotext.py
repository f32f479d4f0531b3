"""The ``parameters`` text of the A1111 web UI, which Forge, SD.Next, Fooocus (on request) and many others write:

    a red apple <lora:ink:0.8>
    Negative prompt: blurry
    Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x768, Model hash: 6ce0161689,
    Model: v1-5, Lora hashes: "ink: 1234567890ab", Version: v1.10.1

Source: modules/infotext_utils.py (``parse_generation_parameters``) and modules/processing.py (``create_infotext``) of
the web UI; values that hold commas or colons are JSON strings. Every pattern is linear in the text's length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from models.metadata import names
from models.metadata.found import (
    MAX_LIST,
    MAX_WORDS,
    Found,
    Hires,
    LoraUse,
    ModelName,
    mapping,
    number,
    parsed,
    size_in,
    stem,
    whole,
    words,
)

_PAIR = re.compile(
    r'\s{0,9}([\w][\w \-/+.()]{0,80}):\s{0,9}("(?:\\.|[^\\"])*"|\[[^\[\]]*\]|\{[^{}]*\}|[^,]*)(?:,|$)', re.DOTALL
)
_NEGATIVE = "Negative prompt:"
_LORA = re.compile(r"<(?:lora|lyco):([^:<>]{1,300})(?::([^<>]{0,100}))?>")
_KNOWN = frozenset(
    (
        "Steps", "Sampler", "Schedule type", "Scheduler", "CFG scale", "Seed", "Size", "Model hash", "Model", "VAE",
        "VAE hash", "Denoising strength", "Clip skip", "Hires upscale", "Hires steps", "Hires upscaler", "Hires resize",
        "Hashes", "Lora hashes", "TI hashes", "TI", "Version", "Civitai resources", "Distilled CFG Scale", "App",
        "Civitai metadata", "Created Date", "Guidance Scale", "Strength", "Backend", "Pipeline", "Operations",
        "Embeddings", "LoRAs", "Parser", "Hires strength", "Seed Mode", "CFG Scale",
    )
)  # fmt: skip
_LOUD = (
    "ControlNet",
    "ADetailer",
    "Regional",
    "Refiner",
    "Variation seed",
    "FreeU",
    "Dynamic",
    "Mask",
    "Tiled",
    "Ultimate",
)
"""Beginnings of settings that change the picture and have to be named when they are lost."""


def looks_right(text: str) -> bool:
    """Whether a text is of this kind: its last line has the settings."""
    return bool(re.search(r"(?:^|\n|, )[ \t]{0,8}(?:Steps|Sampler|Seed|Size|CFG scale): ?\S", text[-20_000:]))


def read(text: str, tool: str = "") -> Found | None:
    """The settings in ``text``; None when it is no such text."""
    if not looks_right(text):
        return None
    prompt, negative, last = _parts(text[: 4 * MAX_WORDS])
    pairs = _pairs(last)
    prompt, loras = _loras(prompt, pairs)
    how = names.sampler(pairs.get("Sampler", ""), pairs.get("Schedule type", pairs.get("Scheduler", "")))
    lost = ([how.unmapped] if how.unmapped else []) + _lost(pairs)
    width, height = size_in(pairs.get("Size", ""))
    hashes = _hashes(pairs)
    return Found(
        tool=tool or _tool(pairs),
        version=words(pairs.get("Version", ""), 200),
        prompt=prompt,
        negative_prompt=negative,
        steps=whole(pairs.get("Steps"), 1, 100_000),
        guidance_scale=number(pairs.get("CFG scale", pairs.get("CFG Scale", pairs.get("Guidance Scale"))), 0, 1000),
        distilled_guidance=number(pairs.get("Distilled CFG Scale"), 0, 1000),
        seed=whole(pairs.get("Seed")),
        sampler=words(pairs.get("Sampler", ""), 200),
        scheduler=how.scheduler,
        width=width,
        height=height,
        clip_skip=whole(pairs.get("Clip skip"), 0, 50),
        strength=number(pairs.get("Denoising strength", pairs.get("Strength")), 0, 1),
        model=ModelName(stem(pairs.get("Model", "")), words(pairs.get("Model hash", hashes.get("model", "")), 100)),
        vae=words(pairs.get("VAE", ""), 300),
        loras=loras,
        embeddings=_embeddings(pairs, hashes),
        hires=_hires(pairs),
        hashes=hashes,
        resources=_resources(pairs.get("Civitai resources", "")),
        others={key: words(value, 2000) for key, value in pairs.items() if key not in _KNOWN},
        unmapped=tuple(lost),
    )


def _parts(text: str) -> tuple[str, str, str]:
    """Prompt, negative prompt and the settings, which stand in the last line, or where "Steps:" begins one."""
    lines = text.strip().split("\n")
    start = len(lines) - 1
    for place in range(len(lines) - 1, -1, -1):
        if re.match(r"\s*Steps: ?\d", lines[place]):
            start = place
            break
    if len(_PAIR.findall(lines[start][:20_000])) < 1:
        return text.strip()[:MAX_WORDS], "", ""
    prompt: list[str] = []
    negative: list[str] = []
    target = prompt
    for line in lines[:start]:
        if line.strip().startswith(_NEGATIVE):
            target, line = negative, line.strip()[len(_NEGATIVE) :]
        target.append(line.rstrip("\r"))
    return _joined(prompt), _joined(negative), "\n".join(lines[start:])[:MAX_WORDS]


def _joined(lines: list[str]) -> str:
    return words("\n".join(lines).strip())


def _pairs(line: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _PAIR.finditer(line):
        key, value = match[1].strip(), match[2].strip()
        if value.startswith('"') and value.endswith('"') and len(value) > 1:
            try:
                value = str(json.loads(value))
            except ValueError:
                value = value[1:-1]
        found.setdefault(key, value)
        if len(found) >= 500:
            break
    return found


def _tool(pairs: Mapping[str, str]) -> str:
    version, app = pairs.get("Version", ""), pairs.get("App", "")
    if version.startswith("Atelier"):
        return "Atelier"
    if version.startswith("Fooocus"):
        return "Fooocus"
    if app.lower().startswith("sd.next") or pairs.get("Backend") in ("Diffusers", "Original") or "Pipeline" in pairs:
        return "SD.Next"
    if version.startswith("f") or "Distilled CFG Scale" in pairs:
        return "Forge"
    if version == "ComfyUI" or version.startswith("ComfyUI"):
        return "ComfyUI"
    if "Civitai resources" in pairs:
        return "CivitAI"
    return "A1111"


def _loras(prompt: str, pairs: Mapping[str, str]) -> tuple[str, tuple[LoraUse, ...]]:
    """The prompt without its ``<lora:name:weight>`` tags, and those as what they are."""
    hashes = _listed(pairs.get("Lora hashes", ""))
    found: dict[str, LoraUse] = {}
    for match in _LORA.finditer(prompt):
        name = match[1].strip()
        weight = number(re.split(r"[:@]", (match[2] or "1").replace("te=", "").replace("unet=", ""))[0], -100, 100)
        if name and len(found) < MAX_LIST:
            found[name] = LoraUse(stem(name), 1.0 if weight is None else weight, hashes.get(name, ""))
    bare = re.sub(r"[ \t]{2,}", " ", _LORA.sub("", prompt)).strip(" \t\n,") if found else prompt
    return bare, tuple(found.values())


def _listed(text: str) -> dict[str, str]:
    """``name: hash, name: hash`` as a mapping."""
    found = {}
    for part in text[:20_000].split(",")[:MAX_LIST]:
        name, colon, value = part.rpartition(":")
        if colon and name.strip():
            found[name.strip()] = value.strip()
    return found


def _hashes(pairs: Mapping[str, str]) -> dict[str, str]:
    """CivitAI's ``Hashes: {"model": "...", "lora:ink": "..."}`` and the older lists."""
    found = {
        words(key, 300): words(value, 100) for key, value in list(mapping(parsed(pairs.get("Hashes"))).items())[:200]
    }
    for name, value in _listed(pairs.get("Lora hashes", "")).items():
        found.setdefault(f"lora:{name}", value)
    for name, value in _listed(pairs.get("TI hashes", "")).items():
        found.setdefault(f"embed:{name}", value)
    for key, name in (("Model hash", "model"), ("VAE hash", "vae")):
        if pairs.get(key):
            found.setdefault(name, words(pairs[key], 100))
    return found


def _embeddings(pairs: Mapping[str, str], hashes: Mapping[str, str]) -> tuple[str, ...]:
    named = [key.partition(":")[2] for key in hashes if key.startswith(("embed:", "embedding:"))]
    named += [name.strip() for name in pairs.get("TI", pairs.get("Embeddings", "")).split(",") if name.strip()]
    return tuple(dict.fromkeys(name[:300] for name in named[:MAX_LIST]))


def _hires(pairs: Mapping[str, str]) -> Hires | None:
    if not any(key.startswith("Hires") for key in pairs):
        return None
    return Hires(
        scale=number(pairs.get("Hires upscale"), 0, 100),
        steps=whole(pairs.get("Hires steps"), 0, 100_000),
        strength=number(pairs.get("Hires strength", pairs.get("Denoising strength")), 0, 1),
        upscaler=words(pairs.get("Hires upscaler", ""), 300),
        size=words(pairs.get("Hires resize", ""), 50),
    )


def _resources(text: str) -> tuple[dict[str, str], ...]:
    listed: Any = parsed(text)
    if not isinstance(listed, list):
        return ()
    return tuple(
        {words(key, 100): words(value, 300) for key, value in list(item.items())[:20]}
        for item in listed[:MAX_LIST]
        if isinstance(item, dict)
    )


def _lost(pairs: Mapping[str, str]) -> list[str]:
    lost = [key for key in pairs if key not in _KNOWN and key.startswith(_LOUD)]
    groups = sorted({re.match(r"[A-Za-z]+(?: seed)?", key)[0] for key in lost})  # type: ignore[index]
    return [f"“{group}” settings are not taken over." for group in groups[:8]]
