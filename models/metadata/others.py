"""Fooocus, NovelAI, Draw Things, Easy Diffusion and SwarmUI: each writes one JSON object (Easy Diffusion: one text a
setting) with names of its own.

Sources: Fooocus modules/meta_parser.py; NovelAI's ``Comment`` as its pictures have it; Draw Things' XMP (``c`` and
``uc`` are the prompts, ``v2`` the full configuration); easydiffusion utils/save_utils.py (``TASK_TEXT_MAPPING``); the
SwarmUI document "Image Metadata Format". Draw Things and Easy Diffusion are from descriptions by others, not from
pictures of our own.
"""

from __future__ import annotations

import ast
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
    size_in,
    stem,
    whole,
    words,
)  # fmt: skip


def _sampled(name: Any, schedule: Any = "") -> tuple[str, str, tuple[str, ...]]:
    """What the tool called it, our name, and what is lost."""
    told, plan = words(name, 100), words(schedule, 100)
    how = names.sampler(told, plan)
    return f"{told} {plan}".strip(), how.scheduler, (how.unmapped,) if how.unmapped else ()


# -- Fooocus -----------------------------------------------------------------------------------------------------------


def fooocus(text: str) -> Found | None:
    """Its own scheme; with the A1111 one it writes a ``parameters`` text."""
    data = mapping(parsed(text))
    if not ("base_model" in data or "Base Model" in data) or not ("prompt" in data or "Prompt" in data):
        return None
    get = _either(data)
    sampler, scheduler, lost = _sampled(get("sampler"), get("scheduler"))
    width, height = size_in(words(get("resolution"), 100))
    styles = words(get("styles"), 2000)
    told = [*lost]
    if styles not in ("", "[]"):
        told.append(f"Styles change the prompt and are not taken over: {styles}.")
    if words(get("refiner_model")) not in ("", "None"):
        told.append(f"The refiner “{stem(get('refiner_model'))}” is not taken over.")
    return Found(
        tool="Fooocus",
        version=words(get("version"), 50).removeprefix("Fooocus "),
        prompt=words(get("prompt")),
        negative_prompt=words(get("negative_prompt")),
        steps=whole(get("steps"), 1, 100_000),
        guidance_scale=number(get("guidance_scale"), 0, 1000),
        seed=whole(get("seed")),
        sampler=sampler,
        scheduler=scheduler,
        width=width,
        height=height,
        clip_skip=whole(get("clip_skip"), 0, 50),
        model=ModelName(stem(get("base_model")), words(get("base_model_hash"), 100)),
        vae=stem(get("vae")) if "Default" not in words(get("vae"), 100) else "",
        loras=_fooocus_loras(data),
        others={key: words(get(key), 500) for key in ("performance", "sharpness", "styles") if words(get(key), 500)},
        unmapped=tuple(told),
    )


def _either(data: Mapping[str, Any]) -> Any:
    """Its settings by their plain name, or by the label older versions wrote ("Guidance Scale")."""
    labels = {re.sub(r"\W+", "_", str(key).lower()): value for key, value in list(data.items())[:500]}
    return lambda name: data.get(name, labels.get(name, ""))


def _fooocus_loras(data: Mapping[str, Any]) -> tuple[LoraUse, ...]:
    """``[["name", weight, "hash"], ...]``, or ``lora_combined_1: "name : weight"``."""
    found: list[LoraUse] = []
    listed = data.get("loras")
    for item in (listed if isinstance(listed, list) else [])[:MAX_LIST]:
        if isinstance(item, list) and item and isinstance(item[0], str):
            weight = number(item[1], -100, 100) if len(item) > 1 else None
            code = words(item[2], 100) if len(item) > 2 else ""
            found.append(LoraUse(stem(item[0]), 1.0 if weight is None else weight, code))
    for key, value in [] if found else list(data.items())[:500]:
        if re.match(r"(?i)lora(_combined)?[_ ]\d", str(key)) and isinstance(value, str):
            name, _, weight_text = value.rpartition(" : ")
            weight = number(weight_text, -100, 100)
            if name and name != "None" and len(found) < MAX_LIST:
                found.append(LoraUse(stem(name), 1.0 if weight is None else weight))
    return tuple(found)


# -- NovelAI -----------------------------------------------------------------------------------------------------------


def novelai(carried: Mapping[str, str]) -> Found | None:
    """``Software: NovelAI``, ``Description`` (the prompt), ``Source`` (model and its hash), ``Comment`` (JSON)."""
    comment = mapping(parsed(carried.get("Comment")))
    if "NovelAI" not in carried.get("Software", "") and not ({"uc", "scale"} <= set(comment)):
        return None
    sampler, scheduler, lost = _sampled(comment.get("sampler"), comment.get("noise_schedule"))
    width, height = size(comment.get("width"), comment.get("height"))
    source = re.fullmatch(r"(.{0,200}?)\s([0-9A-Fa-f]{8})", carried.get("Source", "")[:300])
    characters = _characters(comment.get("v4_prompt"))
    told = [*lost]
    if characters:
        told.append("Prompts of single characters were put behind the main one.")
    if comment.get("reference_strength_multiple") or comment.get("reference_image_multiple"):
        told.append("Vibe transfer pictures are not taken over.")
    prompt = words(comment.get("prompt")) or carried.get("Description", "")
    return Found(
        tool="NovelAI",
        version=words(comment.get("version"), 20),
        prompt=words("\n".join([prompt.strip(), *characters])),
        negative_prompt=words(comment.get("uc")),
        steps=whole(comment.get("steps"), 1, 100_000),
        guidance_scale=number(comment.get("scale"), 0, 1000),
        seed=whole(comment.get("seed")),
        sampler=sampler,
        scheduler=scheduler,
        width=width,
        height=height,
        strength=number(comment.get("strength"), 0, 1)
        if comment.get("request_type") != "PromptGenerateRequest"
        else None,
        model=ModelName(source[1] if source else words(carried.get("Source", ""), 200), source[2] if source else ""),
        unmapped=tuple(told),
    )


def _characters(prompt: Any) -> list[str]:
    listed = mapping(mapping(prompt).get("caption")).get("char_captions")
    found = [words(mapping(item).get("char_caption")) for item in (listed if isinstance(listed, list) else [])[:20]]
    return [text for text in found if text]


# -- Draw Things -------------------------------------------------------------------------------------------------------


def draw_things(text: str) -> Found | None:
    data = mapping(parsed(text))
    if "c" not in data or not ({"uc", "v2", "sampler"} & set(data)):
        return None
    more = mapping(data.get("v2"))
    sampler, scheduler, lost = _sampled(data.get("sampler"))
    width, height = size_in(words(data.get("size"), 50))
    loras = data.get("lora") if isinstance(data.get("lora"), list) else more.get("loras")
    found = []
    for item in (loras if isinstance(loras, list) else [])[:MAX_LIST]:
        entry = mapping(item)
        name, weight = stem(entry.get("model", entry.get("file", ""))), number(entry.get("weight"), -100, 100)
        if name:
            found.append(LoraUse(name, 1.0 if weight is None else weight))
    told = [*lost] + (["Controls are not taken over."] if more.get("controls") or data.get("control") else [])
    return Found(
        tool="Draw Things",
        prompt=words(data.get("c")),
        negative_prompt=words(data.get("uc")),
        steps=whole(data.get("steps"), 1, 100_000),
        guidance_scale=number(data.get("scale"), 0, 1000),
        distilled_guidance=number(more.get("guidanceEmbed"), 0, 1000),
        seed=whole(data.get("seed")),
        sampler=sampler,
        scheduler=scheduler,
        width=width,
        height=height,
        clip_skip=whole(more.get("clipSkip"), 0, 50),
        strength=strength if (strength := number(data.get("strength"), 0, 1)) is not None and strength < 1 else None,
        model=ModelName(stem(data.get("model", ""))),
        loras=tuple(found),
        unmapped=tuple(told),
    )


# -- Easy Diffusion ----------------------------------------------------------------------------------------------------

_EASY = {
    "prompt": "Prompt", "negative_prompt": "Negative Prompt", "seed": "Seed", "clip_skip": "Clip Skip",
    "use_stable_diffusion_model": "Stable Diffusion model", "sampler_name": "Sampler", "width": "Width",
    "height": "Height", "num_inference_steps": "Steps", "guidance_scale": "Guidance Scale",
    "use_vae_model": "VAE model",
    "prompt_strength": "Prompt Strength", "use_lora_model": "LoRA model", "lora_alpha": "LoRA Strength",
    "distilled_guidance_scale": "Distilled Guidance", "scheduler_name": "Scheduler",
    "use_controlnet_model": "ControlNet model",
}  # fmt: skip


def easy_diffusion(carried: Mapping[str, Any]) -> Found | None:
    """The settings as texts of their own (PNG) or in one object (EXIF), by name or by label."""

    def get(name: str) -> Any:
        return carried.get(name, carried.get(_EASY[name], ""))

    if not get("use_stable_diffusion_model") or not (get("num_inference_steps") or get("sampler_name")):
        return None
    sampler, scheduler, lost = _sampled(get("sampler_name"), get("scheduler_name"))
    width, height = size(get("width"), get("height"))
    skip = words(get("clip_skip"), 20).lower() in ("true", "1", "yes")
    control = words(get("use_controlnet_model"), 300)
    told = [*lost] + (["The ControlNet is not taken over."] if control not in ("", "None", "null") else [])
    return Found(
        tool="Easy Diffusion",
        prompt=words(get("prompt")),
        negative_prompt=words(get("negative_prompt")),
        steps=whole(get("num_inference_steps"), 1, 100_000),
        guidance_scale=number(get("guidance_scale"), 0, 1000),
        distilled_guidance=number(get("distilled_guidance_scale"), 0, 1000),
        seed=whole(get("seed")),
        sampler=sampler,
        scheduler=scheduler,
        width=width,
        height=height,
        clip_skip=2 if skip else None,
        strength=number(get("prompt_strength"), 0, 1),
        model=ModelName(stem(get("use_stable_diffusion_model"))),
        vae=stem(get("use_vae_model")),
        loras=_easy_loras(get("use_lora_model"), get("lora_alpha")),
        unmapped=tuple(told),
    )


def _easy_loras(models: Any, weights: Any) -> tuple[LoraUse, ...]:
    """One, or a list in Python's or JSON's writing."""
    listed, numbers = _list(models), _list(weights)
    found = []
    for place, name in enumerate(listed[:MAX_LIST]):
        weight = number(numbers[place], -100, 100) if place < len(numbers) else None
        if stem(name) not in ("", "None"):
            found.append(LoraUse(stem(name), 1.0 if weight is None else weight))
    return tuple(found)


def _list(value: Any) -> list[Any]:
    if isinstance(value, str) and value.startswith("[") and len(value) < 10_000:
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return []
    return value if isinstance(value, list) else [] if value in ("", None) else [value]


# -- SwarmUI -----------------------------------------------------------------------------------------------------------


def swarm(text: str) -> Found | None:
    data = mapping(parsed(text))
    given = mapping(data.get("sui_image_params"))
    if not given:
        return None
    sampler, scheduler, lost = _sampled(given.get("sampler"), given.get("scheduler"))
    width, height = size(given.get("width"), given.get("height"))
    loras, weights = _list(given.get("loras", "")), _list(given.get("loraweights", ""))
    if loras and isinstance(loras[0], str) and "," in loras[0]:
        loras, weights = loras[0].split(","), words(given.get("loraweights"), 2000).split(",")
    paired = [(stem(name), number(weights[i], -100, 100) if i < len(weights) else None) for i, name in enumerate(loras)]
    scale = number(given.get("refinerupscale"), 0, 100)
    return Found(
        tool="SwarmUI",
        version=words(given.get("swarm_version"), 50),
        prompt=words(given.get("prompt")),
        negative_prompt=words(given.get("negativeprompt")),
        steps=whole(given.get("steps"), 1, 100_000),
        guidance_scale=number(given.get("cfgscale"), 0, 1000),
        distilled_guidance=number(given.get("fluxguidancescale"), 0, 1000),
        seed=whole(given.get("seed")),
        sampler=sampler,
        scheduler=scheduler,
        width=width,
        height=height,
        strength=number(given.get("initimagecreativity"), 0, 1),
        model=ModelName(stem(given.get("model", ""))),
        vae=stem(given.get("vae", "")) if given.get("vae") not in ("Automatic", "None") else "",
        loras=tuple(LoraUse(name, 1.0 if weight is None else weight) for name, weight in paired[:MAX_LIST] if name),
        hires=Hires(scale=scale, upscaler=words(given.get("refinerupscalemethod"), 100))
        if scale and scale > 1
        else None,
        unmapped=lost,
    )
