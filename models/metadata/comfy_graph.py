"""A ComfyUI graph as nodes with inputs, from either of its two forms.

The *prompt* (API form) was run: ``{"3": {"class_type": "KSampler", "inputs": {"seed": 1, "model": ["4", 0]}}}``
The *workflow* is the editor's: a list of nodes whose widget values stand in order without names, and a list of links
``[id, from node, from slot, to node, to slot, type]`` (subgraphs use objects). It is read where there is nothing else;
the names of widget values come from a table, and from the sockets newer editors write beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from models.metadata.found import mapping

MAX_NODES = 5_000
MUTED = (2, 4)
"""Modes of nodes that do not run: muted, bypassed."""


@dataclass(frozen=True)
class Link:
    """Output ``slot`` of the node ``source``."""

    source: str
    slot: int


@dataclass(frozen=True)
class Node:
    id: str
    kind: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""


class Graph:
    """Nodes by id, and how to walk up from one."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.nodes = nodes

    def source(self, node: Node, name: str) -> Node | None:
        """The node that feeds input ``name``."""
        value = node.inputs.get(name)
        return self.nodes.get(value.source) if isinstance(value, Link) else None

    def above(self, start: Node | None, only: tuple[str, ...] = ()) -> Iterator[Node]:
        """``start`` and all that feeds it, nearest first, each once; of ``start``'s own inputs only those named."""
        if start is None:
            return
        seen, waiting = {start.id}, [start]
        while waiting:
            node = waiting.pop(0)
            yield node
            for name, value in node.inputs.items():
                if node is start and only and name not in only:
                    continue
                if isinstance(value, Link) and value.source not in seen and value.source in self.nodes:
                    seen.add(value.source)
                    waiting.append(self.nodes[value.source])

    def value(self, node: Node | None, *names: str) -> Any:
        """The first of the inputs ``names`` that has a value; links to nodes that only hold one are followed."""
        for name in names:
            found = self._resolve(node.inputs.get(name) if node else None, name, set())
            if found is not None:
                return found
        return None

    def _resolve(self, value: Any, name: str, seen: set[str]) -> Any:
        """Each node is asked once, so that a graph with rings, or one made to be slow, costs no more than its size."""
        if not isinstance(value, Link):
            return value
        source = self.nodes.get(value.source)
        if source is None or source.id in seen or len(seen) > _FARTHEST:
            return None
        seen.add(source.id)
        for key in (name, *_HOLDERS):
            if key in source.inputs and (found := self._resolve(source.inputs[key], key, seen)) is not None:
                return found
        plain = [found for found in source.inputs.values() if not isinstance(found, Link)]
        links = [found for found in source.inputs.values() if isinstance(found, Link)]
        if len(plain) == 1:
            return plain[0]
        return self._resolve(links[0], name, seen) if len(links) == 1 and not plain else None


_FARTHEST = 40
_HOLDERS = (
    "value", "seed", "noise_seed", "text", "string", "String", "int", "float", "INT", "FLOAT", "number", "Number",
    "Value", "prompt", "result", "output", "sampler_name", "scheduler", "steps", "cfg", "width", "height", "text_0",
)  # fmt: skip
"""Inputs under which nodes that hold one value keep it."""


def from_prompt(prompt: Any) -> Graph | None:
    """The API form; None for anything else."""
    nodes: dict[str, Node] = {}
    for key, value in list(mapping(prompt).items())[:MAX_NODES]:
        if isinstance(value, dict) and isinstance(value.get("class_type"), str):
            inputs = {str(name): _api_value(given) for name, given in mapping(value.get("inputs")).items()}
            title = mapping(value.get("_meta")).get("title", "")
            nodes[str(key)] = Node(str(key), value["class_type"], inputs, str(title)[:200])
    return Graph(nodes) if nodes else None


def _api_value(value: Any) -> Any:
    pair = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int)
    if pair and isinstance(value[1], int) and not isinstance(value[1], bool) and not isinstance(value[0], bool):
        return Link(str(value[0]), value[1])
    return value


def from_workflow(workflow: Any) -> Graph | None:
    """The editor's form, with its subgraphs unfolded; None for anything else."""
    root = mapping(workflow)
    if not isinstance(root.get("nodes"), list):
        return None
    inner = mapping(root.get("definitions")).get("subgraphs")
    subgraphs = {
        str(graph.get("id")): graph for graph in (inner if isinstance(inner, list) else []) if isinstance(graph, dict)
    }
    nodes: dict[str, Node] = {}
    _unfold(root, subgraphs, nodes, "", {}, 0)
    return Graph(_without_reroutes(nodes)) if nodes else None


def _unfold(
    graph: Mapping[str, Any], subgraphs: Mapping[str, Any], nodes: dict[str, Node], prefix: str,
    outer: Mapping[int, Any], depth: int,
) -> dict[int, Link]:  # fmt: skip
    """Add a graph's nodes under ``prefix``; ``outer`` are the values of its inputs, the answer its outputs by slot."""
    links: dict[Any, Any] = {}
    outputs: dict[int, Link] = {}
    ends: list[tuple[int, str, int]] = []
    listed = graph.get("links")
    for link in (listed if isinstance(listed, list) else [])[: MAX_NODES * 4]:
        parts = _link(link)
        if parts is None:
            continue
        key, source, slot, target, target_slot = parts
        links[key] = outer.get(slot) if source == "-10" else Link(prefix + source, slot)
        if target == "-20":
            ends.append((target_slot, source, slot))
    inner_outputs: dict[str, dict[int, Link]] = {}
    raw = graph.get("nodes")
    for item in raw if isinstance(raw, list) else []:
        if not isinstance(item, dict) or len(nodes) >= MAX_NODES:
            continue
        number, kind = str(item.get("id")), str(item.get("type", ""))[:200]
        if item.get("mode") in MUTED:
            nodes[prefix + number] = Node(prefix + number, "Reroute", _sockets(item, links))
        elif kind in subgraphs and depth < 8:
            inputs = _sockets(item, links)
            given = dict(enumerate(inputs.get(name) for name in _input_names(item)))
            inner_outputs[number] = _unfold(subgraphs[kind], subgraphs, nodes, f"{prefix}{number}:", given, depth + 1)
        else:
            nodes[prefix + number] = Node(
                prefix + number,
                kind,
                {**_widgets(kind, item), **_sockets(item, links)},
                str(item.get("title", ""))[:200],
            )
    _join_subgraphs(nodes, prefix, inner_outputs)
    for target_slot, source, slot in ends:
        outputs[target_slot] = inner_outputs.get(source, {}).get(slot, Link(prefix + source, slot))
    return outputs


def _join_subgraphs(nodes: dict[str, Node], prefix: str, outputs: Mapping[str, Mapping[int, Link]]) -> None:
    """Links that come out of a subgraph's node come from the node inside."""
    if not outputs:
        return
    for key, node in list(nodes.items()):
        changed = dict(node.inputs)
        for name, value in node.inputs.items():
            if isinstance(value, Link) and value.source.startswith(prefix):
                inside = outputs.get(value.source[len(prefix) :], {}).get(value.slot)
                changed[name] = inside or value
        nodes[key] = Node(node.id, node.kind, changed, node.title)


def _link(link: Any) -> tuple[Any, str, int, str, int] | None:
    if isinstance(link, list) and len(link) >= 5:
        key, source, slot, target, target_slot = link[:5]
    elif isinstance(link, dict):
        key, source, slot = link.get("id"), link.get("origin_id"), link.get("origin_slot")
        target, target_slot = link.get("target_id"), link.get("target_slot")
    else:
        return None
    if not isinstance(key, int | str) or not isinstance(slot, int) or not isinstance(target_slot, int):
        return None
    return key, str(source), slot, str(target), target_slot


def _input_names(item: Mapping[str, Any]) -> list[str]:
    inputs = item.get("inputs")
    return [str(one.get("name", "")) for one in (inputs if isinstance(inputs, list) else []) if isinstance(one, dict)]


def _sockets(item: Mapping[str, Any], links: Mapping[Any, Any]) -> dict[str, Any]:
    inputs, found = item.get("inputs"), {}
    for one in (inputs if isinstance(inputs, list) else [])[:500]:
        key = one.get("link") if isinstance(one, dict) else None
        if isinstance(key, int | str) and links.get(key) is not None:
            found[str(one.get("name", ""))] = links[key]
    return found


def _widgets(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """The widget values of a node with names: its own sockets name them in newer editors, else the table."""
    values = item.get("widgets_values")
    if isinstance(values, dict):
        return {str(name): value for name, value in values.items()}
    if not isinstance(values, list):
        return {}
    names = list(WIDGETS.get(kind, ()))
    if not names:
        inputs = item.get("inputs")
        listed = [one for one in (inputs if isinstance(inputs, list) else []) if isinstance(one, dict)]
        for one in listed:
            if isinstance(one.get("widget"), dict):
                name = str(one["widget"].get("name", one.get("name", "")))
                names.append(name)
                if name in ("seed", "noise_seed"):
                    names.append("control_after_generate")
    if not names and len(values) == 1:
        names = ["value"]
    return {name: value for name, value in zip(names, values, strict=False) if name}


def _without_reroutes(nodes: dict[str, Node]) -> dict[str, Node]:
    """Links through nodes that only pass something on, or do not run, come from what stands before."""
    for node in list(nodes.values()):
        if any(isinstance(value, Link) and _passes(nodes.get(value.source)) for value in node.inputs.values()):
            inputs = {name: _behind(nodes, value, name) for name, value in node.inputs.items()}
            nodes[node.id] = Node(node.id, node.kind, {k: v for k, v in inputs.items() if v is not None}, node.title)
    return nodes


def _passes(node: Node | None) -> bool:
    return node is not None and node.kind in ("Reroute", "Reroute (rgthree)", "Reroute|pysssss")


def _behind(nodes: Mapping[str, Node], value: Any, name: str) -> Any:
    for _ in range(64):
        node = nodes.get(value.source) if isinstance(value, Link) else None
        if not _passes(node) or node is None:
            return value
        links = {key: found for key, found in node.inputs.items() if isinstance(found, Link)}
        value = links.get(name) or (next(iter(links.values())) if links else None)
    return None


_SEED = ("seed", "control_after_generate")
WIDGETS: dict[str, tuple[str, ...]] = {
    "KSampler": (*_SEED, "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("add_noise", "noise_seed", "control_after_generate", "steps", "cfg", "sampler_name",
                         "scheduler", "start_at_step", "end_at_step", "return_with_leftover_noise"),
    "KSampler (Efficient)": (*_SEED, "steps", "cfg", "sampler_name", "scheduler", "denoise", "preview_method",
                             "vae_decode"),
    "KSampler SDXL (Eff.)": ("noise_seed", "control_after_generate", "steps", "cfg", "sampler_name", "scheduler",
                             "start_at_step", "refine_at_step", "preview_method", "vae_decode"),
    "SamplerCustom": ("add_noise", "noise_seed", "control_after_generate", "cfg"),
    "RandomNoise": ("noise_seed", "control_after_generate"),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KarrasScheduler": ("steps", "sigma_max", "sigma_min", "rho"),
    "SDTurboScheduler": ("steps", "denoise"),
    "Flux2Scheduler": ("steps", "width", "height"),
    "LTXVScheduler": ("steps", "max_shift", "base_shift", "stretch", "terminal"),
    "FluxGuidance": ("guidance",),
    "CFGGuider": ("cfg",),
    "DualCFGGuider": ("cfg_conds", "cfg_cond2_negative"),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
    "CLIPTextEncodeSDXL": ("width", "height", "crop_w", "crop_h", "target_width", "target_height", "text_g", "text_l"),
    "CLIPTextEncodeSDXLRefiner": ("ascore", "width", "height", "text"),
    "CLIPTextEncodeSD3": ("clip_l", "clip_g", "t5xxl", "empty_padding"),
    "TextEncodeQwenImageEdit": ("prompt",),
    "TextEncodeQwenImageEditPlus": ("prompt",),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CheckpointLoader": ("config_name", "ckpt_name"),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "UnetLoaderGGUF": ("unet_name",),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "EmptyFlux2LatentImage": ("width", "height", "batch_size"),
    "EmptyHunyuanLatentVideo": ("width", "height", "length", "batch_size"),
    "ModelSamplingFlux": ("max_shift", "base_shift", "width", "height"),
    "LatentUpscale": ("upscale_method", "width", "height", "crop"),
    "LatentUpscaleBy": ("upscale_method", "scale_by"),
    "ImageScaleBy": ("upscale_method", "scale_by"),
    "UpscaleModelLoader": ("model_name",),
    "LoadImage": ("image", "upload"),
    "PrimitiveNode": ("value", "control_after_generate"),
    "PrimitiveInt": ("value", "control_after_generate"),
    "PrimitiveFloat": ("value",),
    "PrimitiveString": ("value",),
    "PrimitiveStringMultiline": ("value",),
    "Seed (rgthree)": ("seed",),
    "Efficient Loader": ("ckpt_name", "vae_name", "clip_skip", "lora_name", "lora_model_strength", "lora_clip_strength",
                         "positive", "negative", "token_normalization", "weight_interpretation", "empty_latent_width",
                         "empty_latent_height", "batch_size"),
    "UltimateSDUpscale": ("upscale_by", *_SEED, "steps", "cfg", "sampler_name", "scheduler", "denoise"),
}  # fmt: skip
"""Widget values in the editor's order, from the nodes' ``INPUT_TYPES`` (ComfyUI ``nodes.py``, ``comfy_extras``)."""
