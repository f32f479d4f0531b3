"""Hires-fix: the second pass of a picture made from words, at a larger size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch.nn import functional

from models import refine, sizes
from models.canvas import Frame
from models.card import ModelRef
from models.errors import InvalidInputError, Problem
from models.inputs import LANCZOS, LATENT, Size
from models.planning import Plan
from models.runners.diffusion import easel
from models.runners.diffusion.encode import denoised
from models.runners.diffusion.loading import vae_of

if TYPE_CHECKING:
    from models.runners.diffusion.passes import Passes


def second(passes: Passes) -> Image.Image:
    """Both passes; returns the larger picture."""
    inputs = passes.inputs
    width, height = refine.second_size(inputs, passes.space.multiple)
    if max(width, height) > max(sizes.MAX_SIDE, passes.space.highest):
        sentence = (
            f"The second pass would have {width} × {height} pixels; sides of at most {sizes.MAX_SIDE} can be made."
        )
        raise InvalidInputError(Problem("hires_scale", str(inputs["hires_scale"]), sentence))
    first, (asked, taken) = int(inputs.get("steps") or 1), refine.second_steps(inputs)
    passes.expect(first + taken)
    small, latents = passes.one(first)
    way = str(inputs.get("hires_upscaler") or LANCZOS)
    given = None
    if way == LATENT and latents is not None:
        given = _resized(passes, latents, (small.width, small.height), (width, height))
        large = small.resize((width, height), Image.Resampling.BICUBIC)
    else:
        large = upscaled(passes, small, (width, height), way)
    strength = float(inputs.get("hires_strength") or 0.4)
    made, _ = passes.one(
        taken,
        flat(large, passes.space.multiple),
        given,
        True,
        steps=asked,
        strength=strength,
        width=width,
        height=height,
    )
    passes.facts["hires"] = {
        "first": f"{small.width}x{small.height}", "size": f"{width}x{height}", "upscaler": way, "steps": taken,
        "strength": strength,
    }  # fmt: skip
    return made


def flat(image: Image.Image, multiple: int, size: Size | None = None) -> easel.Easel:
    """A whole picture to start from, worked on at its own size (or at ``size``)."""
    whole = Size(*image.size)
    work = size or whole
    frame = Frame(whole, 0, 0, (0, 0, whole.width, whole.height), work, False)
    given = image if (work.width, work.height) == image.size else image.resize((work.width, work.height))
    return easel.Easel(frame, given.convert("RGB"), None, None, {}, multiple, [], image)


def upscaled(passes: Passes, image: Image.Image, size: tuple[int, int], way: str) -> Image.Image:
    """``image`` at ``size`` by the upscaler called ``way``; the network is there for this only."""
    from models.runners.upscale import UpscaleKind

    addon = passes.addons.get(way)
    path = addon.path if addon is not None else ""
    with passes.aside() as device:
        plan = Plan(device, "float32" if torch.device(device).type == "cpu" else "float16")
        network = UpscaleKind().load(ModelRef(way, way, "upscale", path), plan, _Quiet(passes.report), Path())
        try:
            return network.enlarged(image, size, _Quiet(passes.report))
        finally:
            network.close()


def _resized(passes: Passes, latents: torch.Tensor, small: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
    """What was decoded, made larger as it is and put into the space that is denoised in."""
    flat_ = latents[:, :, 0] if latents.ndim == 5 else latents
    height = round(flat_.shape[-2] * size[1] / small[1])
    width = round(flat_.shape[-1] * size[0] / small[0])
    large = functional.interpolate(flat_.float().cpu(), (height, width), mode="bicubic", align_corners=False)
    return denoised(vae_of(passes.runner.pipe)[1], large)


class _Quiet:
    """The report of a pass beside the steps: it can be cancelled and says what had to be done, but counts nothing."""

    def __init__(self, report: Any) -> None:
        self._report = report

    def loading(self, fraction: float, what: str) -> None: ...

    def step(self, step: int, steps: int, within: float = 0.0) -> None: ...

    def preview(self, image: Image.Image, width: int, height: int, seconds: float) -> None: ...

    def wants_preview(self) -> bool:
        return False

    def stage(self, stage: str) -> None: ...

    def notice(self, code: str, **facts: str | int | float) -> None:
        self._report.notice(code, **facts)

    def checkpoint(self) -> None:
        self._report.checkpoint()
