"""What a LoRA adds to one layer, as a function of the layer's input, for every way of writing it down.

The layer's own weights are never touched: what is added is computed beside them, so a LoRA can be taken away, weighed
otherwise or laid over quantised and offloaded weights, and afterwards every bit is as before. The kinds are those of
kohya's scripts and of LyCORIS (https://github.com/KohakuBlueleaf/LyCORIS, docs/Algo-List.md):

- low rank (LoRA, LoCon): W' = W + s B A
- Kronecker product (LoKr): W' = W + s A (x) B, each of them perhaps a product itself
- Hadamard product (LoHa): W' = W + s (A1 B1) o (A2 B2)
- full difference: W' = W + D
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Parts = Mapping[str, torch.Tensor]
"""The tensors of one layer by part, as ``recognise.adapters.part_of`` calls them."""


class NotSupportedError(ValueError):
    """A way of changing a layer that is not known here; the text names it."""


@dataclass(frozen=True)
class Shape:
    """A layer's own shape: how many numbers it takes and gives, and how a convolution goes over its input."""

    inputs: int
    outputs: int
    kernel: tuple[int, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def conv(self) -> bool:
        return bool(self.kernel)

    @property
    def one(self) -> tuple[int, ...]:
        """A kernel of one."""
        return (1,) * len(self.kernel)

    def full(self) -> tuple[int, ...]:
        return (self.outputs, self.inputs, *self.kernel)


def shape_of(module: nn.Module) -> Shape | None:
    """The shape of a layer a LoRA can change; None for others. Quantised weights are packed, so the layer is asked."""
    if isinstance(module, nn.Conv2d):
        if module.groups != 1 or module.padding_mode not in ("zeros", "circular"):
            return None
        options = {"stride": module.stride, "padding": module.padding, "dilation": module.dilation}
        return Shape(module.in_channels, module.out_channels, tuple(module.kernel_size), tuple(options.items()))
    inputs, outputs = getattr(module, "in_features", None), getattr(module, "out_features", None)
    if isinstance(inputs, int) and isinstance(outputs, int) and isinstance(module, nn.Linear):
        return Shape(inputs, outputs)
    return None


@dataclass(frozen=True)
class Delta:
    """What is added to one layer's output at weight 1. ``tensors`` are the factors, ``rows`` which rows of their
    product this layer takes (None: all), for files in which several layers are one."""

    kind: str
    tensors: tuple[torch.Tensor, ...]
    scale: float
    shape: Shape
    rows: torch.Tensor | None = None

    @property
    def bytes(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors)

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> Delta:
        moved = tuple(tensor.to(device=device, dtype=dtype or tensor.dtype) for tensor in self.tensors)
        return replace(self, tensors=moved, rows=None if self.rows is None else self.rows.to(device))

    def __call__(self, x: torch.Tensor, module: nn.Module) -> torch.Tensor:
        """The addition for the input ``x`` of ``module``; the same shape as the module's output."""
        factors = [t if t.device == x.device and t.dtype == x.dtype else t.to(x.device, x.dtype) for t in self.tensors]
        if self.kind == "low":
            return self._scaled(self._low_rank(x, factors, module))
        if self.kind == "kron" and not self.shape.conv:
            return self._scaled(_kron(x, factors[0], factors[1]))
        return self._scaled(self._apply(x, self._full(factors), module))

    def _scaled(self, y: torch.Tensor) -> torch.Tensor:
        if self.rows is not None:
            y = y.index_select(1 if self.shape.conv else -1, self.rows.to(y.device))
        return y * self.scale

    def _low_rank(self, x: torch.Tensor, factors: list[torch.Tensor], module: nn.Module) -> torch.Tensor:
        down, up = factors[0], factors[-1]
        if not self.shape.conv:
            return functional.linear(functional.linear(x, down), up)
        if len(factors) == 3:  # LoCon's Tucker form: across the channels, then over the picture, then back
            return functional.conv2d(self._apply(functional.conv2d(x, down), factors[1], module), up)
        return functional.conv2d(self._apply(x, down, module), up)

    def _full(self, factors: list[torch.Tensor]) -> torch.Tensor:
        if self.kind == "full":
            return factors[0]
        if self.kind == "kron":
            one, two = factors
            return torch.kron(one.reshape(*one.shape, *(1,) * (two.dim() - one.dim())), two)
        one_a, one_b, two_a, two_b = factors[:4]
        return ((one_a @ one_b) * (two_a @ two_b)).reshape(-1, *self.shape.full()[1:])

    def _apply(self, x: torch.Tensor, weight: torch.Tensor, module: nn.Module) -> torch.Tensor:
        """``x`` through ``weight`` as the layer itself would take it."""
        if not self.shape.conv:
            return functional.linear(x, weight)
        options: dict[str, Any] = dict(self.shape.options)
        kernel = tuple(weight.shape[2:])
        if kernel != self.shape.one:  # it may pad with the other side just now, for textures whose edges meet
            return module._conv_forward(x, weight, None)  # type: ignore[operator,no-any-return]
        options["padding"], options["dilation"] = 0, 1
        return functional.conv2d(x, weight, **options)


def _kron(x: torch.Tensor, one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """``x`` times the transposed Kronecker product of ``one`` (a x b) and ``two`` (c x d), without making it."""
    folded = x.reshape(*x.shape[:-1], one.shape[1], two.shape[1])
    return (one @ functional.linear(folded, two)).flatten(-2)


def delta_of(parts: Parts, shape: Shape, rows: torch.Tensor | None = None, alpha: float | None = None) -> Delta:
    """The change that a file's tensors mean for a layer; ``alpha`` is what the file says of it elsewhere.

    Raises:
        NotSupportedError: for OFT, DoRA and others.
        ValueError: the shapes fit neither each other nor the layer.
    """
    strange = set(parts) - _KNOWN
    if strange:
        raise NotSupportedError(sorted(strange)[0])
    told = float(parts["alpha"].float().mean()) if "alpha" in parts else alpha
    kind, tensors, rank = _factors(parts)
    scale = 1.0 if told is None or not rank else told / rank
    delta = Delta(kind, tensors, scale, shape, rows)
    if not _fits(delta):
        raise ValueError(f"{[tuple(t.shape) for t in tensors]} for a layer of {shape.full()}")
    return delta


_KNOWN = frozenset(
    (
        "down", "up", "alpha", "lora_mid", "diff", "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b",
        "lokr_w1", "lokr_w2", "lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b",
    )
)  # fmt: skip


def _factors(parts: Parts) -> tuple[str, tuple[torch.Tensor, ...], int]:
    """The kind of change, its tensors, and the rank that alpha is divided by (0: alpha says nothing)."""
    if "down" in parts and "up" in parts:
        middle = (parts["lora_mid"],) if "lora_mid" in parts else ()
        return "low", (parts["down"], *middle, parts["up"]), parts["down"].shape[0]
    if "diff" in parts:
        return "full", (parts["diff"],), 0
    if "hada_w1_a" in parts:
        tensors = tuple(parts[f"hada_w{n}_{side}"] for n in (1, 2) for side in "ab")
        return "hada", tensors, parts["hada_w1_b"].shape[0]
    if "lokr_w1" in parts or "lokr_w1_a" in parts:
        one, rank_one = _factor(parts, "lokr_w1")
        two, rank_two = _factor(parts, "lokr_w2")
        return "kron", (one, two), rank_two or rank_one
    raise ValueError("half of it is missing")


def _factor(parts: Parts, name: str) -> tuple[torch.Tensor, int]:
    """One factor of a Kronecker product, and its rank where it is a product itself (0: it is whole)."""
    if name in parts:
        return parts[name], 0
    first, second = parts[f"{name}_a"], parts[f"{name}_b"]
    made = first.float() @ second.float().flatten(1)
    return made.reshape(first.shape[0], *second.shape[1:]).to(first.dtype), second.shape[0]


def _fits(delta: Delta) -> bool:
    """Whether the factors multiply to what the layer takes and gives."""
    shape, tensors = delta.shape, delta.tensors
    outputs = _outputs(delta)
    if delta.rows is None:
        right = outputs == shape.outputs
    else:
        right = delta.rows.numel() == shape.outputs and int(delta.rows.max()) < outputs
    if not right:
        return False
    if delta.kind == "low":
        dims = 4 if shape.conv else 2
        joined = tensors[-1].shape[1] == (tensors[-2].shape[0] if len(tensors) == 2 else tensors[1].shape[0])
        inner = len(tensors) == 2 or tensors[1].shape[1] == tensors[0].shape[0]
        return all(t.dim() == dims for t in tensors) and joined and inner and tensors[0].shape[1] == shape.inputs
    if delta.kind == "full":
        return tuple(tensors[0].shape[1:]) == shape.full()[1:]
    if delta.kind == "hada":
        wide = [a.shape[1] == b.shape[0] for a, b in (tensors[:2], tensors[2:])]
        sides = {tensors[1].shape[1], tensors[3].shape[1]}
        return all(t.dim() == 2 for t in tensors) and all(wide) and sides == {_product(shape.full()[1:])}
    one, two = tensors
    return one.dim() == 2 and one.shape[1] * two.shape[1] == shape.inputs and tuple(two.shape[2:]) == shape.kernel


def _outputs(delta: Delta) -> int:
    if delta.kind == "kron":
        return int(delta.tensors[0].shape[0] * delta.tensors[1].shape[0])
    return int(delta.tensors[-1 if delta.kind == "low" else 0].shape[0])


def _product(sides: tuple[int, ...]) -> int:
    result = 1
    for side in sides:
        result *= side
    return result
