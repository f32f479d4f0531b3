"""Pictures whose opposite edges meet: what it takes in the denoiser and in the decoder.

*Convolutional denoisers* (UNets) know where the picture ends only by the zeros around it: within a job their
convolutions see the other side there instead, along the chosen axes (circular padding, as A1111's and InvokeAI's
"tiling" have it). Attention has no places in them.

*Transformers* have no padding; they know places by the tokens' own positions. There the latents are moved round by
another distance at each step before the denoiser sees them, and its answer is moved back: the places stay those it was
trained with, and the seam lies somewhere else each time, so that each step smooths the one before (the panorama
trick of "SyncDiffusion" and "MultiDiffusion" pictures; rolling latents is as in Bar-Tal and others 2023, section 4).

*Decoders* get the latents with some of the other side around them, and where the surplus overlaps the picture the two
are blended: the pixels on both sides of the edge come out of one decoding. That holds for any decoder, and for one that
works in tiles as well.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional

from models.pipelines import PipelineRow
from models.runners.diffusion.hooks import Steps, attribute

Axes = tuple[bool, bool]

_AROUND = 8
"""Latents of the other side that a decoder sees beyond each edge."""

_BLEND = 4
"""Latents over which the two decodings of the same place are blended."""

_ALONG = ("controlnet_block_samples", "controlnet_single_block_samples", "block_controlnet_hidden_states")
"""What transformers are handed besides that lies as the latents do."""


class Decodes(Protocol):
    def decode(self, latents: torch.Tensor, options: dict[str, Any]) -> Any: ...
    def decode_safely(self, latents: torch.Tensor, options: dict[str, Any]) -> Any: ...


@contextmanager
def tiling(
    pipe: Any, row: PipelineRow, across: Axes, grid: tuple[int, int], seed: int, steps: Steps,
    beside: Sequence[nn.Module] = (),
) -> Iterator[None]:  # fmt: skip
    """Within, the denoisers of ``pipe`` make edges meet ``across`` (x, y); afterwards they are as before.

    ``grid`` is how many tokens there are in height and width where latents are strung up; ``seed`` (the picture's own)
    says by how much they are moved. ``beside`` are networks that look at the picture with the denoiser.
    """
    with ExitStack() as stack:
        if any(across):
            for name, module in pipe.components.items():
                if isinstance(module, nn.Module) and name.startswith("unet"):
                    stack.enter_context(_circular(module, across))
                elif isinstance(module, nn.Module) and (name == row.denoiser or name.startswith("transformer")):
                    stack.enter_context(_rolled(module, across, grid, seed, steps))
            for net in dict.fromkeys(beside):
                stack.enter_context(_circular(net, across))
        yield


# -- convolutions


@contextmanager
def _circular(module: nn.Module, across: Axes) -> Iterator[None]:
    """Within, convolutions in ``module`` pad with the other side along the chosen axes, those of LoRAs too."""
    with ExitStack() as stack:
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d) and _pads(layer) and layer.padding_mode == "zeros":
                stack.enter_context(attribute(layer, "_conv_forward", _convolution(layer, across)))
        yield


def _pads(layer: nn.Conv2d) -> bool:
    return isinstance(layer.padding, tuple) and any(layer.padding)


def _convolution(layer: nn.Conv2d, across: Axes) -> Any:
    tall, wide = (int(side) for side in layer.padding)

    def forward(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        for pad, wrap in (((wide, wide, 0, 0), across[0]), ((0, 0, tall, tall), across[1])):
            x = functional.pad(x, pad, mode="circular" if wrap else "constant")
        return functional.conv2d(x, weight, bias, layer.stride, 0, layer.dilation, layer.groups)

    return forward


# -- tokens


@contextmanager
def _rolled(module: nn.Module, across: Axes, grid: tuple[int, int], seed: int, steps: Steps) -> Iterator[None]:
    """Within, ``module`` sees latents moved round, and its answers are moved back."""
    shifts = _Shifts(across, seed, steps)

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        share = shifts.now()
        name = next((name for name in ("hidden_states", "x") if name in kwargs), "")
        if name:
            kwargs = {**kwargs, name: moved(kwargs[name], share, grid)}
        elif args:
            args = (moved(args[0], share, grid), *args[1:])
        along = {key: moved(kwargs[key], share, grid) for key in _ALONG if kwargs.get(key) is not None}
        return args, {**kwargs, **along}

    def after(_: nn.Module, args: Any, kwargs: Any, answer: Any) -> Any:
        right, down = shifts.now()
        back = -right, -down
        if isinstance(answer, tuple):
            return (moved(answer[0], back, grid), *answer[1:])
        answer.sample = moved(answer.sample, back, grid)
        return answer

    handles = (
        module.register_forward_pre_hook(before, with_kwargs=True),
        module.register_forward_hook(after, with_kwargs=True),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Shifts:
    """By what share of width and height to move at a step: the same for all calls of one step, another at the next."""

    def __init__(self, across: Axes, seed: int, steps: Steps) -> None:
        self._across, self._seed, self._steps = across, seed, steps

    def now(self) -> tuple[float, float]:
        chance = random.Random(self._seed * 1_000_003 + self._steps.done)
        # Far from the step before: odd steps by about half, even ones by little.
        middle = 0.5 if self._steps.done % 2 == 0 else 0.0
        x, y = (middle + chance.uniform(0.08, 0.42) for _ in range(2))
        return x * self._across[0], y * self._across[1]


def moved(value: Any, share: tuple[float, float], grid: tuple[int, int]) -> Any:
    """Latents moved round by ``share`` of their width and height (rounded so that back is exactly back).

    (..., height, width) as they lie, lists of such, or (batch, tokens, channels) of which the first are a ``grid``
    (height, width); what follows them (pictures to look at) stays.
    """
    if isinstance(value, dict):
        return {key: moved(each, share, grid) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(moved(each, share, grid) for each in value)
    if value.ndim >= 4:
        return torch.roll(value, _whole(share, value.shape[-2], value.shape[-1]), (-2, -1))
    tall, wide = grid
    count = tall * wide
    if value.ndim != 3 or not count or value.shape[1] < count:
        return value
    picture = value[:, :count].unflatten(1, (tall, wide))
    picture = torch.roll(picture, _whole(share, tall, wide), (1, 2)).flatten(1, 2)
    return picture if value.shape[1] == count else torch.cat([picture, value[:, count:]], dim=1)


def _whole(share: tuple[float, float], tall: int, wide: int) -> tuple[int, int]:
    """Down and right, even where it can be: some denoisers take latents two by two."""
    down, right = (round(abs(part) * side / 2) * 2 for part, side in ((share[1], tall), (share[0], wide)))
    return (-down if share[1] < 0 else down), (-right if share[0] < 0 else right)


# -- decoding


class Wrapped:
    """A decoder whose pictures meet at the edges, around one that knows nothing of it."""

    def __init__(self, decoder: Decodes, across: Axes) -> None:
        self._decoder, self._across = decoder, across

    def decode(self, latents: torch.Tensor, options: dict[str, Any]) -> Any:
        return self._cut(self._decoder.decode(surrounded(latents, self._across), options), latents)

    def decode_safely(self, latents: torch.Tensor, options: dict[str, Any]) -> Any:
        return self._cut(self._decoder.decode_safely(surrounded(latents, self._across), options), latents)

    def _cut(self, answer: Any, latents: torch.Tensor) -> Any:
        pixels = answer[0]
        for wanted, axis in ((self._across[0], -1), (self._across[1], -2)):
            if wanted:
                pixels = closed(pixels, latents.shape[axis], axis)
        if isinstance(answer, tuple):
            return (pixels, *answer[1:])
        answer.sample = pixels
        return answer


def wrapped(decoder: Decodes, across: Axes) -> Decodes:
    return Wrapped(decoder, across) if any(across) else decoder


def surrounded(latents: torch.Tensor, across: Axes) -> torch.Tensor:
    """(..., height, width) with latents of the other side before and after, along the chosen axes."""
    for wanted, axis in ((across[0], -1), (across[1], -2)):
        if wanted:
            count = latents.shape[axis]
            places = torch.arange(-_AROUND, count + _AROUND + _BLEND, device=latents.device) % count
            latents = latents.index_select(latents.ndim + axis, places)
    return latents


def closed(pixels: torch.Tensor, latents: int, axis: int) -> torch.Tensor:
    """Of decoded ``surrounded`` latents (``latents`` of them along ``axis`` without the surplus) the picture itself.

    Its first pixels are blended into from those that follow its last ones: neighbours across the edge are neighbours
    in one decoding.
    """
    factor = pixels.shape[axis] // (latents + 2 * _AROUND + _BLEND)
    first, length = _AROUND * factor, latents * factor
    blend = min(_BLEND * factor, length)
    picture = pixels.narrow(axis, first, length).clone()
    beyond = pixels.narrow(axis, first + length, blend)
    shape = [1] * pixels.ndim
    shape[axis] = blend
    weight = (torch.arange(blend, device=pixels.device, dtype=torch.float32) / blend).reshape(shape).to(pixels.dtype)
    start = picture.narrow(axis, 0, blend)
    start.copy_(beyond * (1 - weight) + start * weight)
    return picture
