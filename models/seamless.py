"""Seamless textures: the input, how well opposite edges meet, and what is done with a finished tile.

Light: forms, the command line and the worker all use it. What it takes to make one is in
``models.runners.diffusion.seamless``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageChops, ImageDraw

from models import ways
from models.errors import InvalidInputError, Problem
from models.inputs import Input, InputSpec, Kind
from models.pipelines import PipelineRow
from models.ways import Way

SEAMLESS = "seamless"
NONE, X, Y, BOTH = "none", "x", "y", "both"
CHOICES = (NONE, X, Y, BOTH)

MAX_SHEET = 16_384
"""Pixels a side of a tile sheet may have."""

_GRAIN = 0.5
"""Of 255: differences below this are rounding, not a seam."""


def specs(found: PipelineRow) -> list[InputSpec]:
    """The input, for pipelines whose denoiser is convolutional or whose latents lie as is known."""
    if not found.denoiser.startswith("unet") and ways.taking(found.name).way is Way.WORDS:
        return []
    words = "Which opposite edges meet when the picture is laid beside itself: left and right (x), top and bottom (y)."
    about = Input("Edges that meet", words, choices=CHOICES, group="texture")
    return [InputSpec(SEAMLESS, Kind.CHOICE, NONE, about)]


def axes(inputs: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether left and right, and whether top and bottom are to meet."""
    choice = inputs.get(SEAMLESS) or NONE
    return choice in (X, BOTH), choice in (Y, BOTH)


def seam_score(image: Image.Image, across: tuple[bool, bool] = (True, True)) -> float:
    """How visible the worse of the edges is when ``image`` is laid beside itself: about 1 is seamless.

    For each axis the mean difference between neighbouring pixels on both sides of the edge (the last column and the
    first) is divided by the mean difference of all neighbours within the picture along that axis, both in steps of
    255 of RGB plus half a step, so that flat pictures have no seam. The measure is our own: the boundary gradient
    against the interior gradient, as in tests for blocking artefacts (Wang, Sheikh and Bovik, "No-reference perceptual
    quality assessment of JPEG compressed images", ICIP 2002). Pictures with less than two pixels along an axis score 1.
    """
    import numpy as np  # not at the start of the window

    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    scores = [1.0]
    for wanted, axis in zip(across, (1, 0), strict=True):
        if wanted and pixels.shape[axis] > 2:
            inside = float(np.abs(np.diff(pixels, axis=axis)).mean())
            edge = float(np.abs(pixels.take(0, axis) - pixels.take(-1, axis)).mean())
            scores.append((edge + _GRAIN) / (inside + _GRAIN))
    return round(max(scores[1:] or scores), 3)


def sheet(image: Image.Image, columns: int, rows: int) -> Image.Image:
    """``image`` beside and beneath itself so many times.

    Raises:
        InvalidInputError: nothing, or more than ``MAX_SHEET`` pixels a side.
    """
    for name, count, side in (("columns", columns, image.width), ("rows", rows, image.height)):
        if count < 1 or count * side > MAX_SHEET:
            most = max(1, MAX_SHEET // side)
            raise InvalidInputError(
                Problem(name, str(count), f"{name.capitalize()} must be from 1 to {most} for this picture.")
            )
    mode = image.mode if image.mode in ("RGB", "RGBA", "L", "LA") else "RGBA" if "A" in image.getbands() else "RGB"
    tile, made = image.convert(mode), Image.new(mode, (image.width * columns, image.height * rows))
    for row in range(rows):
        for column in range(columns):
            made.paste(tile, (column * image.width, row * image.height))
    return made


def shifted(image: Image.Image, across: tuple[bool, bool] = (True, True)) -> Image.Image:
    """``image`` moved round by half along the chosen axes: what were its edges cross in the middle, and its new edges
    meet already."""
    return ImageChops.offset(image, image.width // 2 * across[0], image.height // 2 * across[1])


def cross(size: tuple[int, int], across: tuple[bool, bool] = (True, True), share: float = 0.2) -> Image.Image:
    """The mask to mend a ``shifted`` picture with: white where its old edges are, ``share`` (0..1) of each side wide.

    Along a single axis the band stops short of neither end: those edges stay as they were.
    """
    width, height = size
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    if across[0]:
        half = max(2, round(width * share / 2))
        draw.rectangle((width // 2 - half, 0, width // 2 + half - 1, height), fill=255)
    if across[1]:
        half = max(2, round(height * share / 2))
        draw.rectangle((0, height // 2 - half, width, height // 2 + half - 1), fill=255)
    return mask


def wrapped(image: Image.Image, pad: int, across: tuple[bool, bool] = (True, True)) -> Image.Image:
    """``image`` with ``pad`` pixels of its other side around it, for tools that look at neighbours; ``unwrapped``
    takes them off again. ``pad`` is cut to the picture's own size."""
    left, top = min(pad, image.width) * across[0], min(pad, image.height) * across[1]
    made = Image.new(image.mode, (image.width + 2 * left, image.height + 2 * top))
    for x in range(left - image.width, made.width, image.width):
        for y in range(top - image.height, made.height, image.height):
            made.paste(image, (x, y))
    return made


def unwrapped(
    made: Image.Image, size: tuple[int, int], pad: int, across: tuple[bool, bool] = (True, True)
) -> Image.Image:
    """The middle of what a tool made of a ``wrapped`` picture of ``size``, whatever the tool's own scale is."""
    width, height = size
    left, top = min(pad, width) * across[0], min(pad, height) * across[1]
    wide, tall = made.width / (width + 2 * left), made.height / (height + 2 * top)
    box = (round(left * wide), round(top * tall))
    return made.crop((*box, box[0] + round(width * wide), box[1] + round(height * tall)))
