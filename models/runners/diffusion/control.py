"""ControlNets around a loaded pipeline: asked just before the denoiser is, with what that is called with.

So they hold for everything the pipeline does (guidance, pictures and masks, variations, LoRAs), several kinds of them
act together, and the pipeline itself is as before when the run is over. See ``models.control`` for why not by the
sibling pipelines of diffusers. Cost: a ControlNet of a UNet takes about a third of the denoiser's time a step, those of
transformers in proportion to their blocks; nothing outside their window of steps, and nothing at strength 0.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetUnionModel, FluxControlNetModel
from PIL import Image
from torch import nn

from models.card import AddonRef
from models.control import Controlled, Map
from models.planning import Placement, Plan
from models.runners.base import Report
from models.runners.diffusion import residuals
from models.runners.diffusion.beside import arrive, leave
from models.runners.diffusion.clock import Clock
from models.runners.diffusion.encode import laid
from models.runners.diffusion.hooks import execution_device, repeated_blocks
from models.runners.diffusion.nets import refused
from models.ways import Layout

_NOT_HANDED = frozenset(
    {"cross_attention_kwargs", "joint_attention_kwargs", "attention_kwargs", "attention_mask", "return_dict",
     "patch_size", "f_patch_size", "guidance"}
)  # fmt: skip
"""Parameters that denoiser and network share by name but not by meaning, or that concern how the answer is given."""

_TIMES = ("timestep", "t", "timestep_cond", "image_rotary_emb", "img_ids", "txt_ids")
_MISFITS = ("shapes cannot be multiplied", "must match the size", "expected input", "invalid for input of size")
"""Words in what torch says of tensors that do not fit each other."""


@dataclass
class Hold:
    """One map and its network. ``map`` is as ``Map`` says, for one picture, on the CPU in float32; ``number`` is the
    kind of map for networks that know several; ``ref`` says which network it is."""

    ref: AddonRef
    net: Any
    map: torch.Tensor
    strength: float
    start: float
    end: float
    number: int | None = None


def as_pixels(image: Image.Image, lowest: float = 0.0) -> torch.Tensor:
    """(1, 3, height, width), from ``lowest`` (0 or -1) to 1."""
    pixels = torch.from_numpy(np.array(image.convert("RGB"), dtype=np.float32)).permute(2, 0, 1)[None] / 255
    return pixels * (1 - lowest) + lowest


def wants_pixels(net: Any, way: Controlled) -> bool:
    """Networks of some authors look at the map itself where their family's others take latents (XLabs' for FLUX)."""
    return way.map is Map.PIXELS or getattr(net, "input_hint_block", None) is not None


def as_latents(pipe: Any, net: Any, way: Controlled, latents: torch.Tensor) -> torch.Tensor:
    """The map's latents (as ``encode.encoded`` gives them) as the network takes them."""
    config = net.config
    if config.get("force_zeros_for_pooled_projection"):  # InstantX trained SD3's without the autoencoder's shift
        latents = latents + (pipe.vae.config.shift_factor or 0.0) * pipe.vae.config.scaling_factor
    if way.map is Map.PACKED:
        return laid(pipe, latents, Layout.PACKED)
    if way.map is Map.STACKED:
        empty = latents.new_zeros(1, max(0, config["control_in_dim"] - latents.shape[1]), *latents.shape[2:])
        return torch.cat([latents, empty], dim=1).unsqueeze(2)
    return latents


@contextmanager
def controlled(
    pipe: Any, denoiser: nn.Module, way: Controlled | None, holds: list[Hold], clock: Clock, plan: Plan, report: Report
) -> Iterator[None]:
    """Within, ``denoiser`` is guided by ``holds``; a job without any is not touched."""
    if not holds or way is None:
        yield
        return
    guide = _Guide(pipe, denoiser, way, holds, clock, plan)
    nets = {hold.ref.path: hold.net for hold in holds}.values()
    with ExitStack() as stack:
        for net in nets:
            stack.callback(leave, net, plan)
            stack.enter_context(_sharing(net, denoiser))
            for block in repeated_blocks(net):
                stack.callback(block.register_forward_pre_hook(lambda *_: report.checkpoint()).remove)
        stack.callback(denoiser.register_forward_pre_hook(guide.before, with_kwargs=True).remove)
        yield


@contextmanager
def _sharing(net: Any, denoiser: Any) -> Iterator[None]:
    """Within, a network that is only a part has what it shares with the denoiser (Z-Image's embedders and refiners,
    SD 3.5 large's positions); only within, so that its memory and place stay its own."""
    names: list[str] = []
    if hasattr(net, "control_all_x_embedder"):
        names = ["t_scale", "t_embedder", "all_x_embedder", "cap_embedder", "rope_embedder", "noise_refiner",
                 "context_refiner", "x_pad_token", "cap_pad_token"]  # fmt: skip
    elif net.config.get("use_pos_embed") is False:
        names = ["pos_embed"]
    for name in names:
        vars(net)[name] = getattr(denoiser, name)  # past torch, which would take them for the network's own
        for own in (net._modules, net._parameters):
            own.pop(name, None)
    try:
        yield
    finally:
        for name in names:
            vars(net)[name] = None


class _Guide:
    def __init__(self, pipe: Any, denoiser: Any, way: Controlled, holds: list[Hold], clock: Clock, plan: Plan) -> None:
        self._pipe = pipe
        self._denoiser = denoiser
        self._way = way
        self._holds = holds
        self._clock = clock
        self._plan = plan
        self._signature = inspect.signature(type(denoiser).forward)
        self._maps: dict[int, torch.Tensor] = {}
        self._last: tuple[int, torch.Tensor, dict[str, Any]] | None = None

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Called before each call of the denoiser: adds what the networks say to what it is called with."""
        active = [hold for hold in self._holds if self._clock.within(hold.start, hold.end)]
        if not active:
            return None
        named = dict(self._signature.bind(None, *args, **kwargs).arguments)
        named.update(named.pop("kwargs", {}))
        return args, {**kwargs, **self._said(active, named)}

    def _said(self, active: list[Hold], named: Mapping[str, Any]) -> dict[str, Any]:
        """Families that call the denoiser twice a step, once for what is to be avoided, ask their networks once."""
        seen = named.get("hidden_states")
        if self._last is not None and seen is not None:
            index, tensor, said = self._last
            if index == self._clock.index and tensor is seen:
                return said
        if self._plan.placement is Placement.MODEL_OFFLOAD and hasattr(self._denoiser, "_hf_hook"):
            self._denoiser._hf_hook.pre_forward(self._denoiser)  # what was on the device before it leaves now
        try:
            said = self._asked(active, named)
        except RuntimeError as error:
            if not any(words in str(error) for words in _MISFITS):
                raise
            raise refused(active[0].ref, f"does not fit this model ({error}).") from error
        said = {name: _cast(value, self._denoiser.dtype) for name, value in said.items()}
        if isinstance(seen, torch.Tensor):
            self._last = (self._clock.index, seen, said)
        return said

    def _asked(self, active: list[Hold], named: Mapping[str, Any]) -> dict[str, Any]:
        answers = []
        fused: dict[str, list[Hold]] = {}
        for hold in active:
            arrive(hold.net, self._plan)
            if isinstance(hold.net, ControlNetUnionModel):
                fused.setdefault(hold.ref.path, []).append(hold)
            else:
                answers.append(self._answer(hold, named))
        answers += [self._fused(holds, named) for holds in fused.values()]
        return residuals.handed(self._way, self._denoiser, answers)

    def _map(self, hold: Hold, batch: int, dtype: torch.dtype) -> torch.Tensor:
        if id(hold) not in self._maps:
            self._maps[id(hold)] = hold.map.to(execution_device(self._pipe), dtype)
        found = self._maps[id(hold)]
        return found.expand(batch, *found.shape[1:])

    def _shared(self, net: Any, named: Mapping[str, Any]) -> dict[str, Any]:
        """What the denoiser is called with, as far as the network takes it too."""
        takes = inspect.signature(type(net).forward).parameters
        names = (name for name in takes if name in named and name not in _NOT_HANDED)
        given = {name: named[name] for name in names if named[name] is not None}
        dtype = _dtype(net)  # another than the denoiser's where that runs once more in float32
        return {name: value if name in _TIMES else _cast(value, dtype) for name, value in given.items()}

    def _answer(self, hold: Hold, named: Mapping[str, Any]) -> residuals.Answer:
        net, dtype = hold.net, _dtype(hold.net)
        shared = self._shared(net, named)
        if self._way.map is Map.STACKED:
            maps = list(self._map(hold, len(named["x"]), dtype).unbind(0))
            return residuals.Answer([net(**shared, control_context=maps, conditioning_scale=hold.strength)])
        key = "sample" if "sample" in shared else "hidden_states"
        batch = shared[key].shape[0]
        options: dict[str, Any] = {
            "controlnet_cond": self._map(hold, batch, dtype), "conditioning_scale": hold.strength, "return_dict": False
        }  # fmt: skip
        if self._way.map is Map.PIXELS:
            return self._unet(hold, shared, options)
        if isinstance(net, FluxControlNetModel):
            options.update(self._flux(net, hold, named, batch))
            blocks, singles = net(**shared, **options)
            return residuals.Answer([blocks, singles], repeats=net.input_hint_block is not None)
        if net.config.get("force_zeros_for_pooled_projection"):
            shared["pooled_projections"] = torch.zeros_like(shared["pooled_projections"])
        if "joint_attention_dim" in net.config and net.config["joint_attention_dim"] is None:
            shared.pop("encoder_hidden_states", None)
        said = net(**shared, **options)
        return residuals.Answer([said[0] if isinstance(said, tuple) else said])

    def _flux(self, net: Any, hold: Hold, named: Mapping[str, Any], batch: int) -> dict[str, Any]:
        device, more = execution_device(self._pipe), {}
        if net.config.get("guidance_embeds"):
            scale = float(getattr(self._pipe, "_guidance_scale", 1.0) or 1.0)
            given = named.get("guidance")
            more["guidance"] = given if given is not None else torch.full((batch,), scale, device=device)
        if net.union:
            more["controlnet_mode"] = torch.full((batch, 1), int(hold.number or 0), device=device, dtype=torch.long)
        return more

    def _unet(self, hold: Hold, shared: dict[str, Any], options: dict[str, Any]) -> residuals.Answer:
        """Models made for filling have more channels than the networks: mask and picture come after the latents."""
        net = hold.net
        shared["sample"] = shared["sample"][:, : net.config.in_channels]
        pooled = bool(net.config.get("global_pool_conditions"))
        down, middle = net(**shared, **options, guess_mode=pooled)
        if pooled and self._pipe.do_classifier_free_guidance:
            # Such networks (shuffle) speak of content: what is to be avoided is not to look like it too.
            down, middle = [_without_first(one) for one in down], _without_first(middle)
        return residuals.Answer([list(down), [middle]])

    def _fused(self, holds: list[Hold], named: Mapping[str, Any]) -> residuals.Answer:
        """Several maps of one network for several kinds: it was trained to look at them together."""
        net, dtype = holds[0].net, _dtype(holds[0].net)
        shared = self._shared(net, named)
        shared["sample"] = shared["sample"][:, : net.config.in_channels]
        batch = shared["sample"].shape[0]
        numbers = [int(hold.number or 0) for hold in holds]
        types = torch.zeros(batch, net.config.num_control_type, device=shared["sample"].device, dtype=dtype)
        types[:, numbers] = 1
        down, middle = net(
            **shared,
            controlnet_cond=[self._map(hold, batch, dtype) for hold in holds],
            control_type=types,
            control_type_idx=numbers,
            conditioning_scale=[hold.strength for hold in holds],
            return_dict=False,
        )
        return residuals.Answer([list(down), [middle]])


def _without_first(tensor: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.zeros_like(tensor[:1]), tensor[1:]])


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: _cast(one, dtype) for key, one in value.items()}
    return [_cast(one, dtype) for one in value] if isinstance(value, list) else value


def _dtype(net: nn.Module) -> torch.dtype:
    return next(net.parameters()).dtype
