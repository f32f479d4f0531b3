"""InvokeAI: ``invokeai_metadata`` (from 3 on), ``sd-metadata`` (2.x) and the ``Dream`` command line (1.x and 2.x).

Sources: invokeai/app/invocations/metadata.py (``CoreMetadata``), and the metadata reference of the 2.3 documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from models.metadata import names
from models.metadata.found import (
    MAX_LIST,
    Found,
    Hires,
    LoraUse,
    ModelName,
    mapping,
    number,
    parsed,
    size,
    stem,
    whole,
    words,
)  # fmt: skip


def read(carried: Mapping[str, str]) -> Found | None:
    """The settings in whichever of its texts a picture has."""
    if core := mapping(parsed(carried.get("invokeai_metadata"))):
        return _core(core)
    if old := mapping(parsed(carried.get("sd-metadata"))):
        return _old(old)
    if "Dream" in carried:
        return _dream(carried["Dream"])
    return None


def _core(data: Mapping[str, Any]) -> Found:
    how = names.sampler(words(data.get("scheduler"), 100))
    width, height = size(data.get("width"), data.get("height"))
    model = mapping(data.get("model"))
    lost = [how.unmapped] if how.unmapped else []
    for key, told in (("controlnets", "ControlNets"), ("ipAdapters", "IP-Adapters"), ("t2iAdapters", "T2I-Adapters"),
                      ("controlLayers", "Control layers"), ("regions", "Regions"), ("ref_images", "Reference pictures"),
                      ("canvas_v2_metadata", "Canvas layers"), ("refiner_model", "The refiner")):  # fmt: skip
        if data.get(key):
            lost.append(f"{told}: not taken over.")
    mode = words(data.get("generation_mode"), 50)
    strength = number(data.get("strength"), 0, 1)
    if mode.endswith(("img2img", "inpaint", "outpaint")):
        lost.append("It was made from another picture, which is not in this file.")
    guidance = number(data.get("guidance"), 0, 1000)
    return Found(
        tool="InvokeAI",
        version=words(data.get("app_version"), 50),
        prompt=_prompt(data, "positive"),
        negative_prompt=_prompt(data, "negative"),
        steps=whole(data.get("steps"), 1, 100_000),
        guidance_scale=number(data.get("cfg_scale"), 0, 1000),
        distilled_guidance=guidance,
        seed=whole(data.get("seed")),
        sampler=words(data.get("scheduler"), 100),
        scheduler=how.scheduler,
        width=width,
        height=height,
        # Invoke counts the layers left away, the web UIs the layer that is used.
        clip_skip=(skip + 1 if (skip := whole(data.get("clip_skip"), 0, 50)) else None),
        strength=strength,
        model=ModelName(stem(model.get("name", model.get("model_name", ""))), words(model.get("hash"), 200)),
        vae=stem(mapping(data.get("vae")).get("name", mapping(data.get("vae")).get("model_name", ""))),
        loras=_loras(data.get("loras")),
        hires=_hires(data),
        unmapped=tuple(lost),
    )


def _prompt(data: Mapping[str, Any], side: str) -> str:
    """Prompt and, for SDXL, the style prompt where it is another."""
    text, style = words(data.get(f"{side}_prompt")), words(data.get(f"{side}_style_prompt"))
    return f"{text}\n{style}" if style and style != text else text


def _loras(value: Any) -> tuple[LoraUse, ...]:
    found = []
    for item in (value if isinstance(value, list) else [])[:MAX_LIST]:
        entry = mapping(item)
        model = mapping(entry.get("model")) or mapping(entry.get("lora")) or entry
        name = stem(model.get("name", model.get("model_name", "")))
        weight = number(entry.get("weight"), -100, 100)
        if name:
            found.append(LoraUse(name, 1.0 if weight is None else weight, words(model.get("hash"), 200)))
    return tuple(found)


def _hires(data: Mapping[str, Any]) -> Hires | None:
    if not data.get("hrf_enabled"):
        return None
    return Hires(strength=number(data.get("hrf_strength"), 0, 1), upscaler=words(data.get("hrf_method"), 100))


def _old(data: Mapping[str, Any]) -> Found:
    """``{"model_weights": ..., "app_version": ..., "image": {"prompt": [{"prompt": ..., "weight": 1}], ...}}``"""
    image = mapping(data.get("image"))
    given = image.get("prompt")
    if isinstance(given, list):
        given = " ".join(words(mapping(item).get("prompt")) for item in given[:MAX_LIST])
    prompt, negative = _split(words(given))
    how = names.sampler(words(image.get("sampler"), 100))
    width, height = size(image.get("width"), image.get("height"))
    return Found(
        tool="InvokeAI",
        version=words(data.get("app_version"), 50),
        prompt=prompt,
        negative_prompt=negative,
        steps=whole(image.get("steps"), 1, 100_000),
        guidance_scale=number(image.get("cfg_scale"), 0, 1000),
        seed=whole(image.get("seed")),
        sampler=words(image.get("sampler"), 100),
        scheduler=how.scheduler,
        width=width,
        height=height,
        strength=number(image.get("strength"), 0, 1),
        model=ModelName(stem(data.get("model_weights", "")), words(data.get("model_hash"), 100)),
        unmapped=(how.unmapped,) if how.unmapped else (),
    )


def _dream(text: str) -> Found | None:
    """``"a red apple [blurry]" -s 50 -S 123 -W 512 -H 512 -C 7.5 -A k_lms``"""
    text = text[:200_000]
    end = text.rfind('"')
    if not text.startswith('"') or end < 1:
        return None
    flags = dict(re.findall(r"-([a-zA-Z]{1,3})\s?([^\s-][^\s]{0,60})", text[end + 1 : end + 2000]))
    prompt, negative = _split(words(text[1:end]))
    how = names.sampler(flags.get("A", ""))
    width, height = size(flags.get("W"), flags.get("H"))
    return Found(
        tool="InvokeAI",
        prompt=prompt,
        negative_prompt=negative,
        steps=whole(flags.get("s"), 1, 100_000),
        guidance_scale=number(flags.get("C"), 0, 1000),
        seed=whole(flags.get("S")),
        sampler=flags.get("A", ""),
        scheduler=how.scheduler,
        width=width,
        height=height,
        strength=number(flags.get("f"), 0, 1),
        unmapped=(how.unmapped,) if how.unmapped else (),
    )


def _split(prompt: str) -> tuple[str, str]:
    """What is to be avoided stood in square brackets."""
    negative = ", ".join(part.strip() for part in re.findall(r"\[([^\[\]]*)\]", prompt))
    return re.sub(r"\[[^\[\]]*\]", "", prompt).strip(), negative
