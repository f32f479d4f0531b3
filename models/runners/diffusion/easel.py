"""One picture job seen in pixels: what the model is given of picture and mask, and how its answer becomes the result.

What the mask keeps is never touched by the model's answer: it is taken from the picture itself, pixel by pixel. Only
within the feather are the two blended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageChops, ImageFilter, ImageOps
from torch.nn import functional

from models import canvas, pictures
from models.canvas import Frame, Space
from models.errors import InvalidInputError, Problem
from models.inputs import Size
from models.ways import Taking

_GRAIN = 10.0
"""Standard deviation, of 255, of the noise laid over the hint of a new area: smooth colours alone stay smooth."""

_SMOOTH_SIDE = 1024
"""Pixels of the longer side at which the hint of a new area is blurred."""

_MATCH_SIDE = 384
"""Pixels of the longer side at which colours are compared; they differ in broad strokes only."""

_MOST_SHIFT = 12.0
"""Of 255: colours that differ by more are meant to, or edges that came out a little beside their place."""


@dataclass
class Easel:
    """``image`` (RGB), ``mask`` and ``core`` (L, white is made anew; ``core`` without the feather) have the work's
    size; both masks are None when all is made anew. ``facts`` are for the recipe; ``multiple`` is what the model's
    sizes are multiples of, and ``references`` are more pictures to look at. ``whole`` is the picture with what is new
    around it; ``alpha`` (L, the window's size) is how much of what is made the result takes, None: all."""

    frame: Frame
    image: Image.Image
    mask: Image.Image | None
    core: Image.Image | None
    facts: dict[str, Any]
    multiple: int
    references: list[Image.Image]
    whole: Image.Image
    alpha: Image.Image | None = None

    def finish(self, made: Image.Image) -> Image.Image:
        """The result: what the model made, or the canvas with it stitched in."""
        if self.alpha is None:
            return made
        left, top = self.frame.window[:2]
        box = self.alpha.getbbox() or (0, 0, 1, 1)
        place = (left + box[0], top + box[1], left + box[2], top + box[3])
        new, before, alpha = self._matched(made.convert("RGB"), box), self.whole.crop(place), self.alpha.crop(box)
        if before.mode == "RGBA":
            new.putalpha(ImageChops.lighter(before.getchannel("A"), alpha))
        result = self.whole.copy()
        result.paste(Image.composite(new, before, alpha), place[:2])
        return result

    def _matched(self, made: Image.Image, box: canvas.Box) -> Image.Image:
        """What lies in ``box`` of the window, of all that was made, in the colours of what is kept."""
        assert self.alpha is not None
        size = self.frame.window_size
        part = _part(made, size, box)
        before = pictures.flatten(self.whole.crop(self.frame.window))
        shift = colour_shift(made, before, self.alpha, self.multiple * size.width / self.frame.work.width)
        if shift is None:
            return part
        bands = [np.array(_part(Image.fromarray(band.numpy()), size, box, Image.Resampling.BILINEAR)) for band in shift]
        pixels = np.array(part, dtype=np.float32) + np.stack(bands, axis=2)
        return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))

    def to_fill(self) -> Image.Image:
        """The mask for models made for filling, which know no grey: all that the result takes from them is white."""
        mask = self.mask if self.mask is not None else Image.new("L", self.image.size, 255)
        return mask.point(lambda value: 255 * (value > 0))

    def untouched(self) -> Image.Image:
        """The result when nothing is to be changed."""
        return self.whole.copy() if self.alpha is not None else self.image.copy()


def set_up(inputs: Mapping[str, Any], space: Space, seed: int, taking: Taking) -> Easel | None:
    """Read the pictures that ``inputs`` name and lay everything out; None for a job without a picture.

    Raises:
        AtelierError: PICTURE_UNREADABLE for a file that is gone or damaged by now.
        InvalidInputError: the mask covers nothing.
    """
    if not inputs.get(canvas.IMAGE):
        return None
    opened = pictures.open_picture(inputs[canvas.IMAGE], alpha=True)
    picture = opened.image
    facts = {canvas.IMAGE: about(inputs[canvas.IMAGE], opened)}
    mask = None
    if inputs.get(canvas.MASK):
        found = pictures.open_mask(inputs[canvas.MASK])
        facts[canvas.MASK] = about(inputs[canvas.MASK], found)
        mask = found.image
        mask = mask if mask.size == picture.size else mask.resize(picture.size, Image.Resampling.BILINEAR)
        if mask.getbbox() is None and not any(canvas.extension(inputs)):
            sentence = "Mask is black everywhere: paint white what is to be changed."
            raise InvalidInputError(Problem(canvas.MASK, str(inputs[canvas.MASK]), sentence))
    change = _change(mask, picture.size, inputs)
    box = change.getbbox() if change is not None else None
    frame = canvas.frame(inputs, Size(*picture.size), space, box, canvas.room_of(taking))
    easel = laid_out(frame, picture, change, inputs, seed, facts, space)
    for name in canvas.REFERENCES:
        if inputs.get(name):
            found = pictures.open_picture(inputs[name])
            facts[name] = about(inputs[name], found)
            size = canvas.within(Size(*found.image.size), space, canvas.room_of(taking))
            easel.references.append(ImageOps.fit(found.image, (size.width, size.height), Image.Resampling.LANCZOS))
    return easel


def about(path: str, opened: pictures.Opened) -> dict[str, Any]:
    size = {"width": opened.image.width, "height": opened.image.height}
    return {"path": str(path), "sha256": opened.sha256, **size}


def _change(mask: Image.Image | None, size: tuple[int, int], inputs: Mapping[str, Any]) -> Image.Image | None:
    """What is to be changed, on the canvas: the mask and all that is new; None when that is everything."""
    left, top, right, bottom = canvas.extension(inputs)
    if mask is None and not any((left, top, right, bottom)):
        return None
    change = Image.new("L", (size[0] + left + right, size[1] + top + bottom), 255)
    change.paste(mask if mask is not None else Image.new("L", size, 0), (left, top))
    return change


def laid_out(
    frame: Frame,
    picture: Image.Image,
    change: Image.Image | None,
    inputs: Mapping[str, Any],
    seed: int,
    facts: dict[str, Any],
    space: Space,
) -> Easel:
    work = (frame.work.width, frame.work.height)
    if change is None:
        image = ImageOps.fit(pictures.flatten(picture), work, Image.Resampling.LANCZOS)
        return Easel(frame, image, None, None, facts, space.multiple, [], picture)
    ground = extended(picture, frame)
    core = change.crop(frame.window)
    alpha = feathered(core, int(inputs.get("mask_feather") or 0))
    image = pictures.flatten(ground).crop(frame.window).resize(work, Image.Resampling.LANCZOS)
    if ground is not picture:
        image = _grained(image, frame, picture.size, seed)
    return Easel(frame, image, _not_less(alpha, work), _not_less(core, work), facts, space.multiple, [], ground, alpha)


def _not_less(alpha: Image.Image, size: tuple[int, int]) -> Image.Image:
    """``alpha`` at another size, where nothing that is to be changed gets lost between two pixels."""
    tensor = torch.from_numpy(np.array(alpha, dtype=np.float32))[None, None]
    if alpha.width > size[0] or alpha.height > size[1]:
        tensor = functional.adaptive_max_pool2d(tensor, (min(size[1], alpha.height), min(size[0], alpha.width)))
    return Image.fromarray(tensor[0, 0].round().byte().numpy()).resize(size, Image.Resampling.BILINEAR)


def extended(picture: Image.Image, frame: Frame) -> Image.Image:
    """The canvas with the picture in its place; what is new holds the edge's colours, blurred."""
    size = (frame.canvas.width, frame.canvas.height)
    if size == picture.size:
        return picture
    # A blur needs no fine pixels: it is made small and enlarged.
    factor = min(1.0, _SMOOTH_SIDE / max(size))
    small = tuple(max(1, round(side * factor)) for side in picture.size)
    left, top = (round(margin * factor) for margin in (frame.left, frame.top))
    width, height = (max(1, round(side * factor)) for side in size)
    right, bottom = max(0, width - left - small[0]), max(0, height - top - small[1])
    pixels = np.array(pictures.flatten(picture.resize((small[0], small[1]), Image.Resampling.BOX)))
    padded = Image.fromarray(np.pad(pixels, ((top, bottom), (left, right), (0, 0)), mode="edge"))
    smooth = padded.filter(ImageFilter.GaussianBlur(max(1.0, max(left, top, right, bottom) / 6)))
    ground = smooth.resize(size, Image.Resampling.BICUBIC).convert(picture.mode)
    ground.paste(picture, (frame.left, frame.top))
    return ground


def _grained(image: Image.Image, frame: Frame, picture: tuple[int, int], seed: int) -> Image.Image:
    """``image``, of the work's size, with grain where the canvas is new."""
    new = Image.new("L", (frame.canvas.width, frame.canvas.height), 255)
    new.paste(0, (frame.left, frame.top, frame.left + picture[0], frame.top + picture[1]))
    new = new.crop(frame.window).resize(image.size, Image.Resampling.BOX)
    grain = np.random.default_rng(seed).normal(0.0, _GRAIN, (image.height, image.width, 1))
    rough = Image.fromarray(np.clip(np.array(image) + grain, 0, 255).astype(np.uint8))
    return Image.composite(rough, image, new)


def feathered(mask: Image.Image, reach: int) -> Image.Image:
    """``mask`` with a ramp of ``reach`` pixels around it: full within the mask, nothing beyond the ramp."""
    box = mask.getbbox()
    if reach <= 0 or box is None:
        return mask
    left, top = max(0, box[0] - reach), max(0, box[1] - reach)
    part = mask.crop((left, top, min(mask.width, box[2] + reach), min(mask.height, box[3] + reach)))
    hard = torch.from_numpy(np.array(part, dtype=np.float32))[None, None] / 255
    grow = (reach + 1) // 2
    grown = functional.max_pool2d(hard, (1, 2 * grow + 1), 1, (0, grow))
    grown = functional.max_pool2d(grown, (2 * grow + 1, 1), 1, (grow, 0))
    soft = torch.maximum(hard, _box(grown, reach - grow))
    result = mask.copy()
    result.paste(Image.fromarray((soft[0, 0] * 255).round().byte().numpy()), (left, top))
    return result


def _box(tensor: torch.Tensor, radius: int) -> torch.Tensor:
    """The mean over a square of ``2 * radius + 1``; edges are continued."""
    if radius < 1:
        return tensor
    for padding, kernel in (
        ((radius, radius, 0, 0), (1, 2 * radius + 1)),
        ((0, 0, radius, radius), (2 * radius + 1, 1)),
    ):
        tensor = functional.avg_pool2d(functional.pad(tensor, padding, mode="replicate"), kernel, 1)
    return tensor


def _part(
    image: Image.Image, size: Size, box: canvas.Box, way: Image.Resampling = Image.Resampling.LANCZOS
) -> Image.Image:
    """What ``image`` would hold in ``box`` if it were scaled to ``size``."""
    wide, high = image.width / size.width, image.height / size.height
    given = (box[0] * wide, box[1] * high, min(box[2] * wide, image.width), min(box[3] * high, image.height))
    return image.resize((box[2] - box[0], box[3] - box[1]), way, box=given)


def colour_shift(made: Image.Image, before: Image.Image, alpha: Image.Image, latent: float) -> torch.Tensor | None:
    """What to add to ``made`` to have the colours of ``before``, (3, height, width) and small; None if nothing tells.

    Where the mask keeps the picture both should be the same, so what they differ there in broad strokes is carried on
    into what is new. ``latent`` is how many pixels of ``before`` one latent covers.
    """
    factor = min(1.0, _MATCH_SIDE / max(before.size))
    small = (max(1, round(before.width * factor)), max(1, round(before.height * factor)))
    # The model changes whole latents: beside the mask it has not kept the picture either.
    around = max(1, round(factor * latent))
    touched = functional.max_pool2d(_floats(alpha.resize(small, Image.Resampling.BOX)), 2 * around + 1, 1, around)
    known = (touched < 1).float()
    if float(known.mean()) < 0.01:
        return None
    gap = _floats(before.resize(small, Image.Resampling.BOX)) - _floats(made.resize(small, Image.Resampling.BOX))
    whole = torch.stack([band[known[0, 0] > 0].median() for band in gap[0]]).reshape(1, -1, 1, 1)
    whole = whole.clamp(-_MOST_SHIFT, _MOST_SHIFT)
    weight = known / (1 + (gap.abs().amax(1, keepdim=True) / _MOST_SHIFT) ** 4)
    radius = max(1, max(small) // 32)
    near = gap.clamp(-_MOST_SHIFT, _MOST_SHIFT) * weight
    for _ in range(3):
        near, weight = _box(near, radius), _box(weight, radius)
    sure = (weight * 4).clamp(0, 1)  # half of the square is known at a straight edge, a quarter some way off
    return (sure * near / weight.clamp(min=1e-3) + (1 - sure) * whole)[0]


def _floats(image: Image.Image) -> torch.Tensor:
    """(1, channels, height, width), 0..255."""
    array = torch.from_numpy(np.array(image, dtype=np.float32))
    return array[None, None] if array.ndim == 2 else array.permute(2, 0, 1)[None]
