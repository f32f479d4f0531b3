"""Pictures that belong to a job beside its own (maps, masks of regions), cut and scaled exactly as that one is."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageOps

from models import canvas, pictures
from models.inputs import Size
from models.runners.diffusion.easel import Easel

_SHAPES = 0.02
"""So much may two shapes differ (of width by height) and still be called the same."""


@dataclass(frozen=True)
class Cut:
    """How a job's picture is cut: ``easel`` is None for a job without one, ``margins`` are the new edges."""

    work: Size
    easel: Easel | None = None
    margins: canvas.Box = (0, 0, 0, 0)

    def map(self, picture: Image.Image) -> Image.Image:
        """``picture`` (a map of the job's picture, or of any other) as it lies on the work, RGB.

        A job without a picture takes its middle, in the work's shape. For a job with one it is laid over that picture,
        or over the whole canvas where it has the canvas's shape, and cut as the picture is; new edges have no map:
        they are black.
        """
        return self._laid(pictures.flatten(picture).convert("RGB"), stretched=False)

    def mask(self, mask: Image.Image) -> Image.Image:
        """``mask`` (L) as it lies on the work; one of another shape is stretched, as the job's own mask is."""
        return self._laid(mask.convert("L"), stretched=True)

    def _laid(self, picture: Image.Image, stretched: bool) -> Image.Image:
        size = (self.work.width, self.work.height)
        if self.easel is None:
            return _shaped(picture, size, stretched)
        frame = self.easel.frame
        whole = (frame.canvas.width, frame.canvas.height)
        if not frame.stitched:
            return ImageOps.fit(_shaped(picture, whole, stretched), size, Image.Resampling.LANCZOS)
        left, top, right, bottom = self.margins
        own = (whole[0] - left - right, whole[1] - top - bottom)
        if own != whole and _same_shape(picture.size, whole) and not _same_shape(picture.size, own):
            ground = _shaped(picture, whole, stretched)
        else:
            ground = Image.new(picture.mode, whole)
            ground.paste(_shaped(picture, own, stretched), (left, top))
        return ground.crop(frame.window).resize(size, Image.Resampling.LANCZOS)


def _shaped(picture: Image.Image, size: tuple[int, int], stretched: bool) -> Image.Image:
    if picture.size == size:
        return picture
    if stretched:
        return picture.resize(size, Image.Resampling.BILINEAR)
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) < _SHAPES
