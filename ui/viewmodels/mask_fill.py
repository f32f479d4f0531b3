"""The bucket: fills the area that painted strokes enclose, on plain grey pictures, off the GUI thread.

A scanline fill over bytes: the ends of each run are found by ``bytearray.find``, so that even an empty 4K mask takes a
few thousand steps. (Pillow's own ``ImageDraw.floodfill`` looks at each pixel in Python; OpenCV and SciPy would be large
packages for this one thing.)
"""

from __future__ import annotations

from PIL import Image, ImageChops
from PySide6.QtGui import QImage

from ui.viewmodels.mask_shapes import to_pillow, to_qimage

_FREE, _WALL = 255, 0
_BARE = 64
"""Of 255: what is darker counts as not painted."""
_FULL = 250
"""What is brighter needs no more paint."""
_LEVELS = (250, 224, 192, 160, 128, 96)
"""How far into a soft edge the fill may reach, the furthest first."""
_NEAR = 32
"""Where a place is painted half already, all that is enclosed of about the same value is filled."""


def filled(image: QImage, x: int, y: int, erase: bool = False) -> QImage | None:
    """``image`` with the area around (``x``, ``y``) white, or with ``erase`` black; None where there is nothing to do.

    The area ends at painted strokes. Their soft edges are filled too, as far as that does not lead out of the area.
    """
    if not (0 <= x < image.width() and 0 <= y < image.height()):
        return None
    mask = to_pillow(image)
    mask = ImageChops.invert(mask) if erase else mask
    area = enclosed(mask, x, y)
    if area is None:
        return None
    made = ImageChops.lighter(mask, area)
    return to_qimage(ImageChops.invert(made) if erase else made)


def enclosed(mask: Image.Image, x: int, y: int) -> Image.Image | None:
    """What a fill at (``x``, ``y``) covers, white on black; None where ``mask`` is white already."""
    value = mask.getpixel((x, y))
    assert isinstance(value, int | float)
    if value >= _FULL:
        return None
    if value >= _BARE:
        return _reached(mask.point(lambda v: _FREE * (value - _NEAR <= v <= value + _NEAR)), x, y)
    bare = mask.point(lambda v: _FREE * (v < _BARE))
    least = _reached(bare, x, y)
    for level in _LEVELS:
        area = _reached(mask.point(lambda v, level=level: _FREE * (v < level)), x, y)
        # Over a thin or faint stroke the fill would run out at the other side, to where nothing is painted.
        if ImageChops.darker(ImageChops.subtract(area, least), bare).getbbox() is None:
            return area
    return least


def _reached(free: Image.Image, x: int, y: int) -> Image.Image:
    """White: the pixels that a way of pixels, side by side and white in ``free``, joins to (``x``, ``y``)."""
    width, height = free.size
    left = bytearray(free.tobytes())  # what is not reached yet
    reached = bytearray(width * height)
    waiting = [(y, x, x + 1)]
    while waiting:
        row, low, high = waiting.pop()
        start, end = row * width, (row + 1) * width
        place = left.find(_FREE, start + low, start + high)
        while place >= 0:
            first = left.rfind(_WALL, start, place) + 1 or start
            last = left.find(_WALL, place, end)
            last = end if last < 0 else last
            left[first:last] = bytes(last - first)
            reached[first:last] = b"\xff" * (last - first)
            for neighbour in (row - 1, row + 1):
                if 0 <= neighbour < height:
                    waiting.append((neighbour, first - start, last - start))
            place = left.find(_FREE, last, start + high)
    return Image.frombuffer("L", free.size, bytes(reached), "raw", "L", 0, 1)
