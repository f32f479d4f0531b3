"""LoRAs on a loaded pipeline: any number, each with a weight, put on for a run and taken off after it.

They are hooks on the layers: what a LoRA adds to a layer's output is computed beside the layer
(``models.runners.diffusion.lora_layers``). So nothing is fused and the model is not loaded again, weights may be
quantised or offloaded, LoRAs of different kinds share a layer, and without them every bit is as before. PEFT, which
diffusers loads LoRAs with, puts layers of its own in the place of the model's instead: then offloading has to be taken
down and set up again, tensors change their names, and LoKr cannot share a layer with other kinds. What is taken over
from diffusers is what it knows best: the names of layers in other programs' files.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from models import devices
from models.adapters import Count, target
from models.card import AddonRef
from models.recognise.adapters import part_of, plain
from models.runners.base import Addons, Report
from models.runners.diffusion.hooks import execution_device
from models.runners.diffusion.lora_files import alphas_of, broken, file_of, misfit, read_tensors, short_hash
from models.runners.diffusion.lora_layers import Delta, NotSupportedError, Shape, delta_of, shape_of

log = logging.getLogger(__name__)

_KEPT = 4
"""So many LoRAs that are not in use stay in memory..."""
_KEPT_BYTES = 2 * 1024**3
"""...of so many bytes together, for the next job."""
_ROOM = 1024**3
"""Bytes on a device that LoRAs leave free for the work itself; else they stay outside and travel for each layer."""

_STRANGE = {"dora_scale": "DoRA", "lora_magnitude_vector": "DoRA", "oft_blocks": "OFT", "oft_diag": "OFT"}
"""Kinds that are known by a tensor of theirs, and cannot be used."""

Places = dict[str, dict[str, tuple[str, Shape]]]
"""By component and path with underscores: the layer's path and shape."""
Layers = dict[str, dict[str, torch.Tensor]]
"""The tensors of a file by layer and part."""


@dataclass
class _Lora:
    """One LoRA that was read: what it adds to which layer (component, path)."""

    deltas: list[tuple[str, str, Delta]]
    hash: str
    count: Count

    @property
    def bytes(self) -> int:
        return sum(delta.bytes for _, _, delta in self.deltas)

    def move(self, device: torch.device, dtype: torch.dtype | None = None) -> None:
        self.deltas = [(component, path, delta.to(device, dtype)) for component, path, delta in self.deltas]


Worn = Sequence[tuple[AddonRef, float]]
_Key = tuple[str, int, int]


class Adapters:
    """The LoRAs of one pipeline. ``bytes`` is what those that were read take."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._known: OrderedDict[_Key, _Lora] = OrderedDict()

    @property
    def bytes(self) -> int:
        return sum(lora.bytes for lora in self._known.values())

    @contextmanager
    def worn(self, wanted: Worn, report: Report, facts: dict[str, Any]) -> Iterator[None]:
        """Within, the pipeline computes with these LoRAs, each by its weight; one of weight 0 is not even read.
        ``facts`` gets what the recipe says of them.

        Raises:
            AtelierError: ADDON_MISFIT when less than half of its layers are layers of this model; ADDON_BROKEN,
                MODEL_CORRUPT or MODEL_NEEDS_PICKLE as ``lora_files.read_tensors``.
        """
        chosen: list[tuple[_Lora, float]] = []
        keys = set()
        for ref, weight in wanted:
            report.checkpoint()
            if not weight:
                continue
            key = _key(ref)
            keys.add(key)
            lora = self._get(key, ref, report)
            chosen.append((lora, weight))
            facts.setdefault("loras", []).append({"name": ref.name, "weight": weight, "hash": lora.hash})
        self._settle(keys)
        with ExitStack() as stack:
            self._hook(chosen, stack)
            yield

    def _hook(self, chosen: list[tuple[_Lora, float]], stack: ExitStack) -> None:
        by_layer: dict[tuple[str, str], list[tuple[float, Delta]]] = {}
        for lora, weight in chosen:
            for component, path, delta in lora.deltas:
                by_layer.setdefault((component, path), []).append((weight, delta))
        for (component, path), several in by_layer.items():
            module = getattr(self._pipe, component).get_submodule(path)
            stack.callback(module.register_forward_hook(_adding(several), with_kwargs=True).remove)

    # -- which are in memory, and where

    def _get(self, key: _Key, ref: AddonRef, report: Report) -> _Lora:
        lora = self._known.get(key)
        if lora is None:
            report.loading(0.0, ref.name)
            lora = self._known[key] = _read(self._pipe, ref)
            report.loading(1.0, "")
            report.stage("running")
        self._known.move_to_end(key)
        matched, layers = lora.count
        if matched < layers:
            report.notice("lora_partly", name=ref.name, matched=matched, layers=layers)
        return lora

    def _settle(self, used: set[_Key]) -> None:
        """Those in use on the device, if it has room; a few of the others outside; the rest forgotten."""
        idle = [key for key in self._known if key not in used]
        outside, device = torch.device("cpu"), execution_device(self._pipe)
        while idle and (len(idle) > _KEPT or sum(self._known[key].bytes for key in idle) > _KEPT_BYTES):
            del self._known[idle.pop(0)]
        for key in idle:
            self._known[key].move(outside)
        dtype = _dtype(self._pipe)
        needed = sum(self._known[key].bytes for key in used)
        here = device.type in ("cpu", "mps") or devices.free_bytes(str(device)) > needed + _ROOM
        for key in used:
            self._known[key].move(device if here else outside, dtype)


def _adding(several: list[tuple[float, Delta]]) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], options: dict[str, Any], output: torch.Tensor) -> torch.Tensor:
        x = args[0] if args else options["input"]
        for weight, delta in several:
            output = output + weight * delta(x, module).to(output.dtype)
        return output

    return hook


def _key(ref: AddonRef) -> _Key:
    path = file_of(ref)
    try:
        about = path.stat()
    except OSError as error:
        raise broken(ref, path, "the file is no longer there", str(error)) from error
    return str(path), about.st_mtime_ns, about.st_size


def _dtype(pipe: Any) -> torch.dtype:
    """What the denoiser computes in; quantised weights have no say."""
    denoiser = getattr(pipe, "transformer", None) or getattr(pipe, "unet", None)
    found = getattr(denoiser, "dtype", torch.float32)
    return found if found in (torch.float32, torch.float16, torch.bfloat16) else torch.bfloat16


# -- reading


def _read(pipe: Any, ref: AddonRef) -> _Lora:
    tensors, metadata = read_tensors(ref)
    path = file_of(ref)
    layers: Layers = {}
    for name, tensor in tensors.items():
        if found := part_of(name):
            layers.setdefault(found[0], {})[found[1]] = tensor
    layers = {layer: parts for layer, parts in layers.items() if set(parts) != {"alpha"}}
    strange = {part for parts in layers.values() for part in parts} & _STRANGE.keys()
    if not layers or strange:
        kind = _STRANGE[min(strange)] if strange else ""
        raise broken(ref, path, f"it is of the kind {kind}, which is not known here" if kind else "it is no LoRA")
    alphas, places = alphas_of(path, metadata), _places(pipe)
    deltas, matched = [], set()
    for layer, component, where, rows in _found(pipe, layers, places):
        parts, (path_there, shape) = layers[layer], where
        rank = parts["down"].shape[0] if "down" in parts else 0
        alpha = alphas.of(layer, component, rank)
        try:
            deltas.append((component, path_there, delta_of(_as_wide(parts, shape), shape, rows, alpha)))
            matched.add(layer)
        except NotSupportedError as error:
            raise broken(ref, path, f"it changes layers in a way that is not known here ({error})") from error
        except (ValueError, KeyError, IndexError, RuntimeError) as error:
            log.info("%s: %s: %s", ref.name, layer, error)
    count = Count(len(matched), len(layers))
    if 2 * count.matched < count.total:
        raise misfit(ref, *count)
    return _Lora(deltas, short_hash(path), count)


def _as_wide(parts: dict[str, torch.Tensor], shape: Shape) -> dict[str, torch.Tensor]:
    """Linear layers and convolutions of one pixel are written as either; as the model has it."""

    def fitted(name: str, tensor: torch.Tensor) -> torch.Tensor:
        if name not in ("down", "up"):
            return tensor
        if shape.conv and tensor.dim() == 2:
            return tensor[..., None, None]
        return tensor.flatten(1) if not shape.conv and tensor.dim() == 4 and tensor.shape[2:].numel() == 1 else tensor

    return {name: fitted(name, tensor) for name, tensor in parts.items()}


def _places(pipe: Any) -> Places:
    places: Places = {}
    for component, module in pipe.components.items():
        if isinstance(module, nn.Module) and component.startswith(("unet", "transformer", "text_encoder", "prior")):
            found = ((path, shape_of(layer)) for path, layer in module.named_modules())
            places[component] = {plain(path): (path, shape) for path, shape in found if shape is not None}
    return places


def _found(
    pipe: Any, layers: Layers, places: Places
) -> Iterator[tuple[str, str, tuple[str, Shape], torch.Tensor | None]]:
    """For each layer of the file the layer (or layers) of the model, and which rows of its product those take."""
    unknown = []
    for layer in layers:
        place = target(plain(layer), places)
        if place is None:
            unknown.append(layer)
        else:
            yield layer, *place, None
    for layer, name, rows in _translated(pipe, layers) if unknown else ():
        place = target(plain(name), places)
        if place is not None and layer in unknown:
            yield layer, *place, rows


def _translated(pipe: Any, layers: Layers) -> Iterator[tuple[str, str, torch.Tensor | None]]:
    """What diffusers' converter of this pipeline calls each layer.

    Converters rename, split joined projections and swap rows, and know low-rank LoRAs only. So each gets stand-ins of
    rank one that carry the layer's number and the numbers of its rows, and what comes out says which is where.
    """
    convert = getattr(type(pipe), "lora_state_dict", None)
    names = list(layers)
    standins: dict[str, torch.Tensor] = {}
    dotted = any("." in name for name in names)
    for number, name in enumerate(names, 1):
        size = _size(layers[name])
        if size is None:
            continue
        outputs, inner = size
        down, up = ("lora_A", "lora_B") if dotted else ("lora_down", "lora_up")
        standins[f"{name}.{down}.weight"] = torch.full((1, *inner), float(number))
        standins[f"{name}.{up}.weight"] = torch.arange(outputs, dtype=torch.float32).reshape(-1, *(1,) * len(inner))
    if convert is None or not standins:
        return
    unet = getattr(getattr(pipe, "unet", None), "config", None)
    try:
        made = convert(standins, **({"unet_config": unet} if unet is not None else {}))
    except Exception as error:  # noqa: BLE001 - converters raise whatever a file can make them raise
        log.info("no names for this LoRA: %s", error)
        return
    found: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in (made[0] if isinstance(made, tuple) else made).items():
        if parts := part_of(key):
            found.setdefault(parts[0], {})[parts[1]] = tensor
    for name, both in found.items():
        number = round(float(both["down"].flatten()[0])) if {"down", "up"} <= both.keys() else 0
        if 1 <= number <= len(names):
            rows = both["up"].flatten().round().long()
            size = _size(layers[names[number - 1]])
            whole = size is not None and torch.equal(rows, torch.arange(size[0]))
            yield names[number - 1], name, None if whole else rows


def _size(parts: dict[str, torch.Tensor]) -> tuple[int, tuple[int, ...]] | None:
    """How many rows a layer's change has, and the shape of what goes into each."""
    if "down" in parts and "up" in parts:
        return parts["up"].shape[0], tuple(parts["down"].shape[1:])
    if "diff" in parts:
        return parts["diff"].shape[0], tuple(parts["diff"].shape[1:])
    if "hada_w1_a" in parts and "hada_w1_b" in parts:
        return parts["hada_w1_a"].shape[0], (parts["hada_w1_b"].shape[1],)
    one = [parts[name].shape[0] for name in ("lokr_w1", "lokr_w1_a") if name in parts]
    two = [parts[name].shape[0] for name in ("lokr_w2", "lokr_w2_a") if name in parts]
    wide = [parts[name].shape[1] for name in ("lokr_w1", "lokr_w1_b") if name in parts]
    deep = [tuple(parts[name].shape[1:]) for name in ("lokr_w2", "lokr_w2_b") if name in parts]
    if not (one and two and wide and deep):
        return None
    return one[0] * two[0], (wide[0] * deep[0][0], *deep[0][1:])


def refs_of(inputs: Mapping[str, Any], addons: Addons) -> list[tuple[AddonRef, float]]:
    """The LoRAs that a job's inputs name, with their weights."""
    return [(addons[item["name"]], float(item["weight"])) for item in inputs.get("loras") or ()]
