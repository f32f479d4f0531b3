"""The readers in the order they are asked, and their answer as a recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from models import recipe, texts
from models.metadata import comfy, infotext, invoke, others, stealth
from models.metadata.found import Found, mapping, parsed, words
from models.texts import Carried

MAX_SEED = 2**64 - 1


@dataclass(frozen=True)
class Read:
    """One look at a file: what it carries, and its recipe (None where it says nothing of how it was made)."""

    carried: Carried
    recipe: dict[str, Any] | None
    ours: bool = False


def read(path: Path, hidden: bool = True) -> dict[str, Any] | None:
    """The recipe of the picture in ``path``, ours or another tool's; None when it says nothing.

    ``hidden`` also looks into pixels, which decodes pictures that say nothing otherwise. Raises OSError if there is no
    file.
    """
    return read_all(path, hidden).recipe


def read_all(path: Path, hidden: bool = True) -> Read:
    """As ``read``, with size and format of the picture."""
    carried = texts.read(path)
    own = recipe.of_texts(carried.texts)
    if own is not None and isinstance(own.get("inputs"), dict):
        return Read(carried, own, True)
    found = foreign(carried.texts)
    if found is None and hidden and carried.format in ("PNG", "WEBP"):
        found = _from_pixels(path)
    return Read(carried, None if found is None else as_recipe(found, carried))


def foreign(carried: Mapping[str, str]) -> Found | None:
    """What the texts of a picture say, whichever tool wrote them; None when nothing is understood."""
    values = texts.xmp_values(carried[texts.XMP]) if texts.XMP in carried else {}
    comment = carried.get(texts.COMMENT, "") or carried.get("comment", "")
    main = carried.get("parameters", "") or comment or carried.get(texts.DESCRIPTION, "")
    for attempt in (
        lambda: invoke.read(carried),
        lambda: others.swarm(main),
        lambda: others.fooocus(main),
        lambda: others.fooocus(carried.get("fooocus_scheme", "") or carried.get("Comment", "")),
        lambda: others.novelai({"Comment": comment, **carried}),
        lambda: others.draw_things(values.get("UserComment", "")),
        lambda: others.draw_things(comment),
        lambda: others.easy_diffusion(carried),
        lambda: others.easy_diffusion(mapping(parsed(main))),
        # Workflows before the text: extensions of ComfyUI write a text too, but not all of what was done.
        lambda: _comfy(carried, main),
        lambda: infotext.read(main),
        lambda: infotext.read(values.get("description", ""), _maker(values)),
        lambda: infotext.read(values.get("UserComment", ""), _maker(values)),
    ):
        found = _tried(attempt)
        if found is not None:
            return found
    return None


def _tried(attempt: Any) -> Found | None:
    """Readers make sure of what they are given; should one meet something nobody thought of, the next is asked."""
    try:
        found = attempt()
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError):
        return None
    return found if isinstance(found, Found) else None


def _comfy(carried: Mapping[str, str], main: str) -> Found | None:
    """A graph; where its sampler is hidden in nodes nobody knows, a ``parameters`` text beside it counts."""
    prompt, workflow = comfy.texts_of(carried)
    if not prompt and not workflow:
        data = mapping(parsed(main))
        prompt, workflow = (_text(data.get(name)) for name in ("prompt", "workflow")) if data else ("", "")
    found = comfy.read(prompt, workflow) if prompt or workflow else None
    if found is not None and found.steps is None and found.seed is None:
        return infotext.read(main) or found
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict) else ""


def _maker(values: Mapping[str, str]) -> str:
    maker = words(values.get("CreatorTool", ""), 100)
    return maker if maker == "Draw Things" else ""


def _from_pixels(path: Path) -> Found | None:
    text = stealth.read(path)
    if not text:
        return None
    data = parsed(text)
    if isinstance(data, dict):
        flat = {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in data.items()}
        found = _tried(lambda: others.novelai(flat)) or foreign(flat)
        if found is not None:
            return found
    return _tried(lambda: infotext.read(text))


def as_recipe(found: Found, carried: Carried) -> dict[str, Any]:
    """``found`` as a recipe: inputs by our names, the tool under ``tool``, the rest under ``found``."""
    hires = found.hires if found.hires is not None and (found.hires.scale or 1) > 1 else None
    lost = [f"The upscaler “{hires.upscaler}” is not taken over."] if hires is not None and hires.upscaler else []
    width, height = found.width or carried.width, found.height or carried.height
    given = {
        "prompt": found.prompt,
        "negative_prompt": found.negative_prompt or None,
        "steps": found.steps,
        "guidance_scale": _guidance(found),
        "true_cfg_scale": found.guidance_scale if found.distilled_guidance is not None else None,
        "seed": found.seed,
        "scheduler": found.scheduler or None,
        "width": width or None,
        "height": height or None,
        # With a second pass, the web UIs' one number is that pass's.
        "strength": found.strength if hires is None else None,
        "hires_scale": hires.scale if hires is not None else None,
        "hires_strength": hires.strength if hires is not None else None,
        "hires_steps": hires.steps if hires is not None else None,
        "clip_skip": found.clip_skip,
        "loras": [{"name": lora.name, "weight": lora.weight} for lora in found.loras] or None,
        "embeddings": list(found.embeddings) or None,
    }
    name = found.model.name
    return {
        "format": recipe.FORMAT,
        "tool": found.tool,
        "tool_version": found.version,
        "model": {"id": "", "name": name, "hash": found.model.hash},
        "inputs": {key: value for key, value in given.items() if value is not None},
        "seed": found.seed if found.seed is not None and found.seed <= MAX_SEED else 0,
        "width": carried.width or width or 0,
        "height": carried.height or height or 0,
        "unmapped": [*found.unmapped, *lost],
        "found": _plain(found),
    }


def _guidance(found: Found) -> float | None:
    """What the form calls guidance: for distilled models their own, else CFG."""
    return found.distilled_guidance if found.distilled_guidance is not None else found.guidance_scale


def _plain(found: Found) -> dict[str, Any]:
    """Without what is empty, and without what the recipe says already."""
    plain: dict[str, Any] = json.loads(json.dumps(msgspec.to_builtins(found)))  # lists, as they are read again
    said = ("prompt", "negative_prompt", "unmapped", "tool", "version")
    return {key: value for key, value in plain.items() if value not in (None, "", [], {}, ()) and key not in said}
