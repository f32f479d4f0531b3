"""Very large pictures made ready for the screen, off the GUI thread.

Qt holds Python's lock while it scales or converts, and the window has to take that lock for every event; so pixels are
handed to Pillow, which lets go of it, and what has to be copied is copied in strips.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

STRIP = 1 << 20
"""Bytes that are copied at a time."""
THUMB_SIDE = 256
LEVEL_LEAST = 900
"""Smaller versions are made until the longer side is below twice this."""

_FORM = QImage.Format
_FOUR_BYTES = (_FORM.Format_RGB32, _FORM.Format_ARGB32, _FORM.Format_ARGB32_Premultiplied)


def writable(image: QImage) -> memoryview:
    """The image's own pixels."""
    room = image.bits()
    assert isinstance(room, memoryview)
    return room


def strips(width: int, height: int) -> list[tuple[int, int]]:
    """Rows (from, to) that make about ``STRIP`` bytes each, an even number of them."""
    rows = max(2, STRIP // max(1, width * 4) & ~1)
    return [(top, min(height, top + rows)) for top in range(0, height, rows)]


def _seen(image: QImage, mode: str) -> Any:
    """The pixels as a Pillow image, not copied; colours stand in Qt's order, which averages do not mind."""
    from PIL import Image  # comes with the first picture, not with the window

    pixels: Any = image.constBits()
    return Image.frombuffer(mode, (image.width(), image.height()), pixels, "raw", mode, image.bytesPerLine(), 1)


def premultiplied(image: QImage) -> QImage:
    """Pictures with alpha in the form that is painted fastest; others as they are."""
    if image.format() is not _FORM.Format_ARGB32:
        return image
    made = QImage(image.size(), _FORM.Format_ARGB32_Premultiplied)
    source, room, line = _seen(image, "RGBA"), writable(made), made.bytesPerLine()
    for top, bottom in strips(image.width(), image.height()):
        part = source.crop((0, top, image.width(), bottom)).convert("RGBa")
        room[top * line : bottom * line] = part.tobytes("raw", "RGBa")
    return made


def levels_of(image: QImage) -> tuple[QImage, ...]:
    """``image`` at a half, a quarter and so on, for pictures much larger than any view."""
    levels: list[QImage] = []
    while max(image.width(), image.height()) > 2 * LEVEL_LEAST:
        image = _halved(image if image.format() in _FOUR_BYTES else image.convertToFormat(_FORM.Format_RGB32))
        levels.append(image)
    return tuple(levels)


def _halved(image: QImage) -> QImage:
    """Each pixel the mean of four. ``premultiplied`` has weighed colours by their alpha already."""
    width, height = image.width(), image.height()
    half = QImage((width + 1) // 2, (height + 1) // 2, image.format())
    source, room, line = _seen(image, "RGBX"), writable(half), half.bytesPerLine()
    for top, bottom in strips(width, height):
        part = source.reduce(2, (0, top, width, bottom))
        room[top // 2 * line : (top // 2 + part.height) * line] = part.tobytes()
    return half


def smaller(image: QImage) -> tuple[tuple[QImage, ...], QImage]:
    """The levels of ``image``, and a thumbnail made of the last."""
    levels = levels_of(image)
    last = levels[-1] if levels else image
    ways = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return levels, last.scaled(THUMB_SIDE, THUMB_SIDE, *ways)
