"""Very large pictures made ready for the screen, off the GUI thread.

Qt holds Python's lock while it scales or converts, so that is done in strips: the window never waits longer than for
one of them.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage, QPainter

STRIP = 384
"""Rows of a picture 2048 pixels wide; wider ones are cut into thinner strips."""
THUMB_SIDE = 256
LEVEL_LEAST = 900
"""Smaller versions are made until the longer side is below twice this."""


def writable(image: QImage) -> memoryview:
    """The image's own pixels."""
    room = image.bits()
    assert isinstance(room, memoryview)
    return room


def premultiplied(image: QImage) -> QImage:
    """Pictures with alpha in the form that is painted fastest; others as they are."""
    if image.format() is not QImage.Format.Format_ARGB32:
        return image
    made = QImage(image.size(), QImage.Format.Format_ARGB32_Premultiplied)
    _in_strips(image, made, lambda strip, size: strip)
    return made


def levels_of(image: QImage) -> tuple[QImage, ...]:
    """``image`` at a half, a quarter and so on, for pictures much larger than any view."""
    levels: list[QImage] = []
    while max(image.width(), image.height()) > 2 * LEVEL_LEAST:
        half = QImage(max(1, image.width() // 2), max(1, image.height() // 2), image.format())
        _in_strips(image, half, _scaled)
        levels.append(half)
        image = half
    return tuple(levels)


def _scaled(strip: QImage, size: QSize) -> QImage:
    ways = Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
    return strip.scaled(size, *ways)


def _in_strips(source: QImage, target: QImage, work: Callable[[QImage, QSize], QImage]) -> None:
    painter = QPainter(target)
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
    rows = max(1, STRIP * 2048 // max(2048, source.width())) & ~1 or 2
    ratio = target.height() / source.height()
    for top in range(0, source.height(), rows):
        strip = source.copy(0, top, source.width(), min(rows, source.height() - top))
        start, end = round(top * ratio), round((top + strip.height()) * ratio)
        if end > start:
            painter.drawImage(0, start, work(strip, QSize(target.width(), end - start)))
    painter.end()


def smaller(image: QImage) -> tuple[tuple[QImage, ...], QImage]:
    """The levels of ``image``, and a thumbnail made of the last."""
    levels = levels_of(image)
    last = levels[-1] if levels else image
    ways = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return levels, last.scaled(THUMB_SIDE, THUMB_SIDE, *ways)
