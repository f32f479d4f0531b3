"""What ControlNets say, put together and as the denoiser takes it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from models.control import Controlled

Residuals = list[torch.Tensor] | dict[int, torch.Tensor] | None


@dataclass
class Answer:
    """What one network says: for each of ``Controlled.hands`` the tensors to add, by block. A network with fewer blocks
    than the denoiser speaks for several next to each other, or all of them in turn where it ``repeats``."""

    parts: list[Residuals]
    repeats: bool = False


def handed(way: Controlled, denoiser: Any, answers: list[Answer]) -> dict[str, Any]:
    """The sum of ``answers`` by the names of the denoiser's parameters."""
    found: dict[str, Any] = {}
    for place, name in enumerate(way.hands):
        parts = [(answer.parts[place], answer.repeats) for answer in answers if answer.parts[place]]
        if not parts:
            continue
        if isinstance(parts[0][0], dict):
            found[name] = _by_layer([part for part, _ in parts])
            continue
        depth = _depth(name, denoiser)
        spread = [_spread(list(part), depth, repeats, name) for part, repeats in parts]  # type: ignore[arg-type]
        found[name] = [_sum(list(each)) for each in zip(*spread, strict=True)]
    if "mid_block_additional_residual" in found:
        found["mid_block_additional_residual"] = found["mid_block_additional_residual"][0]
    return found


def _depth(name: str, denoiser: Any) -> int:
    """How many blocks take one residual each; 0 where networks always have the denoiser's number."""
    if "single" in name:
        return len(denoiser.single_transformer_blocks)
    if name in ("controlnet_block_samples", "block_controlnet_hidden_states"):
        blocks = getattr(denoiser, "transformer_blocks", None)
        spreads = type(denoiser).__name__.startswith(("Flux", "QwenImage", "SD3"))
        return len(blocks) if blocks is not None and spreads else 0
    return 0


def _spread(part: list[torch.Tensor], depth: int, repeats: bool, name: str) -> list[torch.Tensor]:
    """One for each block, as the denoisers themselves count (FLUX and Qwen-Image round the interval up)."""
    if not depth or len(part) == depth:
        return part
    if repeats:
        return [part[index % len(part)] for index in range(depth)]
    interval = depth / len(part)
    interval = interval if name.startswith("block_controlnet") else math.ceil(interval)
    return [part[min(int(index / interval), len(part) - 1)] for index in range(depth)]


def _by_layer(parts: list[Any]) -> dict[int, torch.Tensor]:
    layers = sorted({layer for part in parts for layer in part})
    return {layer: _sum([part[layer] for part in parts if layer in part]) for layer in layers}


def _sum(tensors: list[torch.Tensor]) -> torch.Tensor:
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total + tensor
    return total
