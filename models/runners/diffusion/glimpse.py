"""The preview of a job that changes only a part: that part as it is now, in its place on the picture it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from models import pictures
from models.runners.diffusion.easel import Easel
from models.runners.diffusion.preview import MAX_SIDE

_MOST = 3
"""How many times larger than a preview of its own one with its surroundings may be, so that small parts are seen."""


@dataclass(frozen=True)
class Glimpse:
    """``ground`` (RGB) is the small picture; ``alpha`` (L) is how much of what is made shows, at ``place`` on it."""

    ground: Image.Image
    alpha: Image.Image
    place: tuple[int, int]

    def of(self, painted: Image.Image) -> Image.Image:
        """The whole, with ``painted`` (a preview of what is made, of any size) in it. Some 0.1 ms."""
        whole = self.ground.copy()
        whole.paste(painted.resize(self.alpha.size, Image.Resampling.BILINEAR), self.place, self.alpha)
        return whole


def glimpse(easel: Easel | None) -> Glimpse | None:
    """What previews of a job are laid into; None when all of the picture is made anew."""
    if easel is None or easel.alpha is None:
        return None
    whole, window = easel.whole, easel.frame.window
    longest, wide = max(whole.size), max(easel.frame.window_size.width, easel.frame.window_size.height)
    side = min(longest, MAX_SIDE * _MOST, MAX_SIDE * longest / wide)
    factor = side / longest
    small = (max(1, round(whole.width * factor)), max(1, round(whole.height * factor)))
    ground = pictures.flatten(whole.resize(small, Image.Resampling.BOX, reducing_gap=1.0))
    left, top, right, bottom = (round(edge * factor) for edge in window)
    size = (max(1, min(right, small[0]) - left), max(1, min(bottom, small[1]) - top))
    return Glimpse(ground, easel.alpha.resize(size, Image.Resampling.BOX), (left, top))
