"""A picture worked on in tiles that leave no seams, so that memory depends on the tile and not on the picture.

Tiles overlap. Half of each overlap is thrown away, since a network knows least at the edge of what it sees; over the
other half one tile passes into the next. What is done is written into the result strip by strip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Span:
    """One tile along one axis: from ``start`` to ``stop``; it counts from ``first`` to ``last``, fading in over the
    ``fade_in`` places after ``first`` and out over the ``fade_out`` before ``last``."""

    start: int
    stop: int
    first: int
    last: int
    fade_in: int
    fade_out: int

    def weights(self, scale: int) -> Floats:
        """How much each place counts between ``first`` and ``last``, enlarged ``scale`` times. Neighbours' add up to
        one."""
        whole = np.ones((self.last - self.first) * scale, np.float32)
        if self.fade_in:
            whole[: self.fade_in * scale] = _ramp(self.fade_in * scale)
        if self.fade_out:
            whole[-self.fade_out * scale :] = 1 - _ramp(self.fade_out * scale)
        return whole


def _ramp(length: int) -> Floats:
    return ((np.arange(length) + 0.5) / length).astype(np.float32)


def spans(length: int, tile: int, overlap: int) -> list[Span]:
    """``length`` places in tiles of at most ``tile``, evenly spread; neighbours share at least ``overlap``, which is at
    most half of a tile."""
    if length <= tile:
        return [Span(0, length, 0, length, 0, 0)]
    overlap = max(0, min(overlap, tile // 2))
    count = -(-(length - overlap) // (tile - overlap))
    starts = [round(index * (length - tile) / (count - 1)) for index in range(count)]
    fade = overlap // 2
    found = []
    for index, start in enumerate(starts):
        first, fade_in = (0, 0) if index == 0 else (_seam(starts[index - 1] + tile, start, fade), fade)
        is_last = index == count - 1
        last, fade_out = (length, 0) if is_last else (_seam(start + tile, starts[index + 1], fade) + fade, fade)
        found.append(Span(start, start + tile, first, last, fade_in, fade_out))
    return found


def _seam(before_stop: int, after_start: int, fade: int) -> int:
    """Where the passing from one tile into the next begins: in the middle of what they share."""
    return (before_stop + after_start - fade) // 2


def count(width: int, height: int, tile: int, overlap: int) -> int:
    """How many tiles ``run`` will take."""
    return len(spans(width, tile, overlap)) * len(spans(height, tile, overlap))


def run(
    pixels: Pixels, work: Callable[[Pixels], Floats], scale: int, tile: int, overlap: int, done: Callable[[], None]
) -> Pixels:
    """``work`` done on ``pixels`` (height, width, channels) in tiles of ``tile`` places a side.

    ``work`` takes a tile and gives it back ``scale`` times as large, as floats 0..255; ``done`` is called after each.
    """
    height, width = pixels.shape[:2]
    result: Pixels | None = None
    carried: Floats | None = None  # the lower fade of the strip above
    for row in spans(height, tile, overlap):
        strip: Floats | None = None
        down = row.weights(scale)[:, None, None]
        for column in spans(width, tile, overlap):
            made = work(pixels[row.start : row.stop, column.start : column.stop])
            if result is None:
                result = np.empty((height * scale, width * scale, made.shape[2]), np.uint8)
            if strip is None:
                strip = np.zeros((down.shape[0], width * scale, made.shape[2]), np.float32)
            top, left = (row.first - row.start) * scale, (column.first - column.start) * scale
            part = made[top : top + down.shape[0], left : left + (column.last - column.first) * scale]
            strip[:, column.first * scale : column.last * scale] += part * column.weights(scale)[None, :, None]
            done()
        assert strip is not None
        assert result is not None
        strip *= down
        if carried is not None:
            strip[: carried.shape[0]] += carried
        fade = row.fade_out * scale
        carried = strip[-fade:].copy() if fade else None
        whole = strip[:-fade] if fade else strip
        begin = row.first * scale
        result[begin : begin + whole.shape[0]] = np.clip(np.rint(whole), 0, 255).astype(np.uint8)
    assert result is not None
    return result
