"""ComfyUI: the settings of the sampler that made the picture, found by walking up the graph from where it is saved.

Where several samplers stand in a row, the first (which makes the composition) gives seed, steps and guidance, and the
later ones are told as a second pass. Nodes nobody knows are walked through; what they do is not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from models.metadata import names
from models.metadata.comfy_graph import Graph, Link, Node, from_prompt, from_workflow
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

_ENDS = ("SaveImage", "PreviewImage", "Image Save", "SaveImageWebsocket", "SaveAnimatedWEBP", "Save Image", "ImageSave")
_POSITIVE = ("positive", "conditioning", "guider", "basic_pipe", "sdxl_tuple", "cond1", "pipe", "CONDITIONING")
_NEGATIVE = ("negative", "cond2", "guider", "basic_pipe", "sdxl_tuple", "pipe")
_TEXTS = ("text", "text_g", "t5xxl", "prompt", "positive", "positive_prompt", "string", "text_positive", "text1",
          "Text", "clip_l", "text_l", "value", "wildcard_text", "populated_text")  # fmt: skip
_NEGATIVE_TEXTS = ("negative", "negative_prompt", "text_negative", *_TEXTS)
_MODELS = ("ckpt_name", "unet_name", "model_name", "base_ckpt_name", "gguf_name", "diffusion_model", "model_path",
           "checkpoint")  # fmt: skip
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def read(prompt: str, workflow: str = "") -> Found | None:
    """The settings in the two texts a picture of ComfyUI has; None when neither is a graph."""
    graph = from_prompt(parsed(prompt)) or from_workflow(parsed(workflow)) or from_workflow(parsed(prompt))
    if graph is None:
        return None
    sampler, later = _samplers(graph)
    if sampler is None:
        return Found("ComfyUI", unmapped=("No sampler was found in this workflow; only the picture can be used.",))
    return _settings(graph, sampler, later, _version(workflow))


def _version(workflow: str) -> str:
    """The editor's version, where the workflow names it."""
    extra = mapping(mapping(parsed(workflow)).get("extra"))
    return words(extra.get("frontendVersion", ""), 50)


def _is_sampler(node: Node) -> bool:
    """By its inputs, since there are hundreds of kinds: it denoises a latent with a model or a guider."""
    given = node.inputs
    steps = "steps" in given or "sigmas" in given or "sampler_name" in given
    driven = any(name in given for name in ("model", "guider", "basic_pipe", "sdxl_tuple", "pipe"))
    seeded = any(name in given for name in ("seed", "noise_seed", "noise", "sampler"))
    return (driven and seeded and steps) or ("KSampler" in node.kind and driven and "Select" not in node.kind)


def _samplers(graph: Graph) -> tuple[Node | None, list[Node]]:
    """The first sampler on the way to the saved picture, and those behind it."""
    ends = [node for node in graph.nodes.values() if node.kind.startswith(_ENDS)]
    ends = [node for node in ends if node.kind.startswith("Save")] + ends or list(graph.nodes.values())
    for end in ends:
        chain = [node for node in graph.above(end) if _is_sampler(node)][:50]
        if chain:
            return _first(graph, chain)
    return None, []


def _first(graph: Graph, chain: list[Node]) -> tuple[Node, list[Node]]:
    """Walk from the last sampler up its latents (or pixels) to one that has no other before it."""
    last, later = chain[0], []
    for _ in range(len(chain)):
        names_of = ("latent_image", "samples", "latent", "image", "images", "pixels", "optional_latent")
        before = next((n for n in graph.above(last, names_of) if n is not last and _is_sampler(n)), None)
        if before is None or before in later:
            break
        later.append(last)
        last = before
    return last, later


def _settings(graph: Graph, sampler: Node, later: list[Node], version: str) -> Found:
    steps, start = _steps(graph, sampler)
    name, schedule = _method(graph, sampler)
    how = names.sampler(name, schedule)
    guidance, distilled = _guidance(graph, sampler)
    width, height = _size(graph, sampler)
    strength = number(_reach(graph, sampler, "denoise"), 0, 1)
    lost = [how.unmapped] if how.unmapped else []
    if start and start > 0:
        lost.append(f"It began at step {start} of {steps}; here it begins at the first.")
    if any("ControlNet" in node.kind for node in graph.above(sampler)):
        lost.append("ControlNets of the workflow are not taken over.")
    if any("IPAdapter" in node.kind for node in graph.above(sampler)):
        lost.append("IP-Adapters of the workflow are not taken over.")
    made_from = _input_picture(graph, sampler)
    if made_from:
        lost.append(f"It was made from the picture “{made_from}”, which is not in this file.")
    return Found(
        tool="ComfyUI",
        version=version,
        prompt=_prompt(graph, sampler, _POSITIVE, _TEXTS),
        negative_prompt=_prompt(graph, sampler, _NEGATIVE, _NEGATIVE_TEXTS) if _has_negative(graph, sampler) else "",
        steps=steps,
        guidance_scale=guidance,
        distilled_guidance=distilled,
        seed=whole(_reach(graph, sampler, "noise_seed", "seed")),
        sampler=" ".join(part for part in (name, schedule) if part),
        scheduler=how.scheduler,
        width=width,
        height=height,
        clip_skip=_clip_skip(graph, sampler),
        strength=strength if made_from else None,
        model=ModelName(_model(graph, sampler)),
        vae=_vae(graph),
        loras=_loras(graph, sampler),
        embeddings=tuple(dict.fromkeys(re.findall(r"embedding:([\w.\-]{1,200})", _all_text(graph, sampler))))[
            :MAX_LIST
        ],
        hires=_hires(graph, later),
        unmapped=tuple(lost),
    )


def _reach(graph: Graph, sampler: Node, *wanted: str) -> Any:
    """A value of the sampler, or of the small nodes that feed it (noise, sigmas, sampler, guider)."""
    found = graph.value(sampler, *wanted)
    for name in ("noise", "sigmas", "sampler", "guider"):
        node = graph.source(sampler, name)
        for near in list(graph.above(node))[:6] if found is None and node is not None else []:
            if not _is_sampler(near) and (found := graph.value(near, *wanted)) is not None:
                break
    return found


def _steps(graph: Graph, sampler: Node) -> tuple[int | None, int | None]:
    """How many steps, and at which one it began."""
    steps = whole(_reach(graph, sampler, "steps"), 1, 100_000)
    return steps, whole(graph.value(sampler, "start_at_step"))


def _method(graph: Graph, sampler: Node) -> tuple[str, str]:
    name, schedule = _reach(graph, sampler, "sampler_name"), _reach(graph, sampler, "scheduler")
    if not isinstance(name, str) and (node := graph.source(sampler, "sampler")) is not None:
        # Nodes such as SamplerDPMPP_2M_SDE are one sampler each.
        name = re.sub(r"^Sampler_?", "", node.kind)
    if not isinstance(schedule, str) and (node := graph.source(sampler, "sigmas")) is not None:
        schedule = {"KarrasScheduler": "karras", "ExponentialScheduler": "exponential"}.get(node.kind, "")
    return words(name, 100), words(schedule, 100)


def _guidance(graph: Graph, sampler: Node) -> tuple[float | None, float | None]:
    """CFG, and the guidance given to distilled models."""
    cfg = number(_reach(graph, sampler, "cfg", "cfg_conds"), 0, 1000)
    nodes = [node for node in graph.above(sampler) if node.kind in ("FluxGuidance", "CLIPTextEncodeFlux")]
    distilled = number(graph.value(nodes[0], "guidance"), 0, 1000) if nodes else None
    return cfg, distilled


def _conditioning(graph: Graph, sampler: Node, sockets: tuple[str, ...]) -> Node | None:
    for name in sockets:
        node = graph.source(sampler, name)
        if node is None:
            continue
        if name in ("guider", "basic_pipe", "pipe", "sdxl_tuple"):
            inner = _conditioning(graph, node, sockets) if node.id != sampler.id else None
            return inner or node
        return node
    return None


def _has_negative(graph: Graph, sampler: Node) -> bool:
    guider = graph.source(sampler, "guider")
    holder = guider or sampler
    return any(isinstance(holder.inputs.get(name), Link) for name in ("negative", "cond2", *_NEGATIVE[3:]))


def _prompt(graph: Graph, sampler: Node, sockets: tuple[str, ...], texts: tuple[str, ...]) -> str:
    """The nearest words above the conditioning; several encoders that are combined give several lines."""
    start = _conditioning(graph, sampler, sockets)
    if start is None:
        return ""
    found: list[str] = []
    combined = "Combine" in start.kind or "Concat" in start.kind
    for node in list(graph.above(start))[:200]:
        if _is_sampler(node) or "ConditioningZeroOut" in node.kind:
            if "ConditioningZeroOut" in node.kind and node is start:
                return ""
            continue
        text = _text(graph, node, texts)
        if text and text not in found:
            found.append(text)
            if not combined:
                break
    return words("\n".join(found))


def _text(graph: Graph, node: Node, texts: tuple[str, ...]) -> str:
    encodes = "TextEncode" in node.kind or "Prompt" in node.kind or "Loader" in node.kind or "Text" in node.kind
    if not encodes and not any(name in node.inputs for name in ("text", "text_g", "t5xxl")):
        return ""
    pieces = []
    for name in texts:
        value = graph.value(node, name)
        if isinstance(value, str) and value.strip():
            pieces.append(value.strip())
            break
    return pieces[0] if pieces else ""


def _all_text(graph: Graph, sampler: Node) -> str:
    return "\n".join(
        value for node in graph.above(sampler) for value in node.inputs.values() if isinstance(value, str)
    )[:1_000_000]


def _upwards(graph: Graph, sampler: Node) -> list[Node]:
    """The nodes the model comes through, nearest first."""
    guider = graph.source(sampler, "guider")
    sockets = ("model", "basic_pipe", "pipe", "sdxl_tuple", "guider")
    start = guider if guider is not None and "model" in guider.inputs else sampler
    return [node for node in graph.above(start, sockets) if node is not sampler]


def _model(graph: Graph, sampler: Node) -> str:
    for node in _upwards(graph, sampler):
        if "Lora" in node.kind or "Upscale" in node.kind or "ControlNet" in node.kind:
            continue
        value = graph.value(node, *_MODELS)
        if isinstance(value, dict):
            value = value.get("content")
        if isinstance(value, str) and value.strip():
            return stem(value)
    return ""


def _vae(graph: Graph) -> str:
    found = next((node for node in graph.nodes.values() if node.kind == "VAELoader"), None)
    return stem(graph.value(found, "vae_name")) if found else ""


def _loras(graph: Graph, sampler: Node) -> tuple[LoraUse, ...]:
    found: dict[str, LoraUse] = {}
    for node in _upwards(graph, sampler):
        if "lora" in node.kind.lower() or "lora_name" in node.inputs or "lora_stack" in node.inputs:
            for name, weight in _loras_of(node):
                if len(found) < MAX_LIST and name:
                    found.setdefault(name, LoraUse(name, weight))
    return tuple(reversed(found.values()))


def _loras_of(node: Node) -> list[tuple[str, float]]:
    """A loader of one, a stack of numbered ones, or a list of objects (Power Lora Loader and its like)."""
    given, found = node.inputs, []
    for name, value in given.items():
        item = mapping(value)
        if item.get("on", True) and isinstance(item.get("lora"), str):
            found.append((stem(item["lora"]), _weight(item.get("strength"))))
        match = re.fullmatch(r"lora_name(?:_?(\d{1,3}))?", name) if isinstance(value, str) else None
        if match and value not in ("None", ""):
            number_ = match[1] or ""
            keys = (f"strength_model{number_}", f"lora_wt_{number_}", f"model_str_{number_}", "lora_model_strength",
                    f"strength_{number_}", "strength", f"lora_weight_{number_}")  # fmt: skip
            found.append((stem(value), _weight(next((given[key] for key in keys if key in given), None))))
    found += [(stem(match[1]), _weight(match[2])) for value in given.values() if isinstance(value, str)
              for match in re.finditer(r"<lora:([^:<>]{1,300}):([-\d.]{1,10})", value[:20_000])]  # fmt: skip
    return found


def _weight(value: Any) -> float:
    found = number(value, -100, 100)
    return 1.0 if found is None else found


def _size(graph: Graph, sampler: Node) -> tuple[int | None, int | None]:
    for name in ("latent_image", "latent", "samples", "optional_latent", "image"):
        for node in list(graph.above(graph.source(sampler, name)))[:50]:
            if _is_sampler(node):
                continue
            found = size(
                graph.value(node, "width", "empty_latent_width"), graph.value(node, "height", "empty_latent_height")
            )
            if found[0] and ("Latent" in node.kind or "latent" in " ".join(node.inputs) or "Loader" in node.kind):
                return found
    return None, None


def _input_picture(graph: Graph, sampler: Node) -> str:
    """The file a latent was encoded from, if the sampler did not start from nothing."""
    for name in ("latent_image", "latent", "samples", "optional_latent", "image"):
        for node in list(graph.above(graph.source(sampler, name)))[:50]:
            value = graph.value(node, "image") if "LoadImage" in node.kind else None
            if isinstance(value, str) and value.lower().split(" [")[0].endswith(_PICTURES):
                return words(value, 200)
    return ""


def _clip_skip(graph: Graph, sampler: Node) -> int | None:
    for node in graph.above(sampler):
        last = number(graph.value(node, "stop_at_clip_layer", "clip_skip"), -50, 50)
        if last:
            return int(abs(last))
    return None


def _hires(graph: Graph, later: list[Node]) -> Hires | None:
    if not later:
        return None
    second = later[-1]
    scale = upscaler = None
    for node in list(graph.above(second))[:100]:
        scale = scale or number(graph.value(node, "scale_by", "upscale_by"), 0, 100)
        upscaler = upscaler or graph.value(node, "upscale_method")
    return Hires(
        scale=scale,
        steps=whole(_reach(graph, second, "steps"), 0, 100_000),
        strength=number(_reach(graph, second, "denoise"), 0, 1),
        upscaler=words(upscaler, 200) if isinstance(upscaler, str) else "",
    )


def texts_of(carried: Mapping[str, str]) -> tuple[str, str]:
    """Prompt and workflow of a file: PNG texts, or EXIF make and model ("workflow:{...}") in WebP and JPEG."""
    prompt, workflow = carried.get("prompt", ""), carried.get("workflow", "")
    for name in ("exif:Make", "exif:Model", "exif:ImageDescription", "exif:UserComment"):
        value = carried.get(name, "")
        kind, colon, _ = value[:20].partition(":")
        if colon and kind.strip().lower() == "prompt":
            prompt = prompt or value.partition(":")[2]
        elif colon and kind.strip().lower() == "workflow":
            workflow = workflow or value.partition(":")[2]
    return prompt, workflow
