"""How a Stable Diffusion checkpoint is sampled: what its markers, its metadata and one of its tensors say."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

from models.headers import Listing, Tensor
from models.recognise.finding import Finding
from models.recognise.words import prediction_of
from models.singles.templates import Template

_SPREAD = 0.09
_TELLING = "output_blocks.11.1.transformer_blocks.0.norm1.bias"
"""SD 2 came in two kinds with the same shapes, one that predicts noise at 512 pixels and one that predicts velocity at
768. In the second, and in what was trained from it, this small tensor spreads wider than ``_SPREAD`` (a finding of
ComfyUI's)."""
_LARGER = 768
_LONGEST = 65_536
_WIDTHS = {"float16": ("e", 2), "float32": ("f", 4), "bfloat16": ("", 2)}


def scheduler(template: Template, found: Finding, listing: Listing, path: Path) -> dict[str, Any]:
    """The family's scheduler, set to what this model predicts."""
    settings = dict(template.scheduler)
    if found.variant == "v-prediction" or prediction_of(listing.metadata) == "v" or _is_velocity(found, listing, path):
        settings["prediction_type"] = "v_prediction"
    if "ztsnr" in listing.tensors:
        settings.update(rescale_betas_zero_snr=True, timestep_spacing="trailing")
    return settings


def side_of(template: Template, settings: dict[str, Any], found: Finding) -> int:
    """The picture size a model was made for, in pixels, where it does not say."""
    velocity = settings.get("prediction_type") == "v_prediction"
    return _LARGER if found.family == "sd2" and velocity else template.side


def _is_velocity(found: Finding, listing: Listing, path: Path) -> bool:
    tensor = listing.tensors.get(found.prefix + _TELLING)
    if found.family != "sd2" or found.variant or tensor is None or listing.format != "safetensors":
        return False
    return _spread(_numbers(path, tensor)) > _SPREAD


def _numbers(path: Path, tensor: Tensor) -> list[float]:
    """The numbers of one small tensor of a safetensors file; none where its type is not one of weights."""
    letter, width = _WIDTHS.get(tensor.dtype, ("", 0))
    if not width or tensor.size_bytes > _LONGEST:
        return []
    with path.open("rb") as file:
        file.seek(tensor.begin)
        data = file.read(tensor.size_bytes)
    if not letter:  # bfloat16 is the upper half of float32
        data = b"".join(b"\0\0" + data[at : at + 2] for at in range(0, len(data), 2))
        letter, width = "f", 4
    return list(struct.unpack(f"<{len(data) // width}{letter}", data))


def _spread(numbers: list[float]) -> float:
    """The standard deviation; 0 for fewer than two numbers or ones that are not finite."""
    if len(numbers) < 2 or not all(math.isfinite(number) for number in numbers):
        return 0.0
    mean = sum(numbers) / len(numbers)
    return math.sqrt(sum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1))
