"""A picture of the user's own, made ready for the canvas; runs off the GUI thread.

``models.pictures`` is the one that opens them, here as in the worker. A plain PNG is the exception: Qt reads it
straight into the form the screen wants, which halves the time for very large ones. Qt holds Python's lock while it
scales or converts, so that is done in strips: the window never waits longer than for one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColorSpace, QImage, QImageReader, QPainter

from models import pictures, recipe
from ui.viewmodels.mask_shapes import writable

STRIP = 384
LEVEL_LEAST = 900
"""Smaller versions are made until the longer side is below this."""

_PLAIN = (QImage.Format.Format_RGB32, QImage.Format.Format_ARGB32, QImage.Format.Format_ARGB32_Premultiplied)


@dataclass(frozen=True)
class Opened:
    """``levels`` are the picture halved again and again; ``notes`` say what was left away."""

    image: QImage
    levels: tuple[QImage, ...] = ()
    notes: tuple[str, ...] = ()


def open_for_canvas(path: str) -> Opened:
    """The picture in ``path`` upright and in sRGB, without levels. Raises AtelierError (PICTURE_UNREADABLE)."""
    image = _plain_png(path)
    if image is not None:
        return Opened(image)
    opened = pictures.open_picture(path, alpha=True)
    return Opened(from_pillow(opened.image), notes=opened.notes)


def _plain_png(path: str) -> QImage | None:
    """Read by Qt, if there is nothing to it that Qt would show in another way than the engine reads it."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(4096)
    except OSError:
        return None
    if not head.startswith(b"\x89PNG") or b"acTL" in head:
        return None
    reader = QImageReader(path, b"png")
    reader.setAutoTransform(True)
    reader.setAllocationLimit(2048)
    size = reader.size()
    if max(size.width(), size.height()) > pictures.MAX_SIDE or size.width() * size.height() > pictures.MAX_PIXELS:
        return None
    image: QImage = reader.read()
    space = image.colorSpace()
    profiled = space.isValid() and space != QColorSpace(QColorSpace.NamedColorSpace.SRgb)
    if image.isNull() or profiled or image.format() not in _PLAIN:
        return None
    return premultiplied(image)


def from_pillow(picture: Any) -> QImage:
    """A Pillow image (RGB or RGBA) as the screen wants it."""
    alpha = picture.mode == "RGBA"
    picture = picture if alpha or picture.mode == "RGB" else picture.convert("RGB")
    width, height = picture.size
    image = QImage(width, height, QImage.Format.Format_ARGB32 if alpha else QImage.Format.Format_RGB32)
    room, line = writable(image), image.bytesPerLine()
    for top in range(0, height, STRIP):
        bottom = min(height, top + STRIP)
        strip = picture.crop((0, top, width, bottom))
        room[top * line : bottom * line] = strip.tobytes("raw", "BGRA" if alpha else "BGRX")
    return premultiplied(image)


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


def _in_strips(source: QImage, target: QImage, work: Any) -> None:
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


def recipe_in(path: str) -> dict[str, Any] | None:
    """How the picture was made, if it says so; None for all others."""
    try:
        return recipe.read(Path(path))
    except OSError:
        return None


def open_mask(path: str, size: tuple[int, int]) -> QImage:
    """A picture as a mask of ``size``. Raises AtelierError (PICTURE_UNREADABLE)."""
    from PIL import Image  # comes with the first picture, not with the window

    from ui.viewmodels.mask_shapes import to_qimage

    mask = pictures.open_mask(path).image
    return to_qimage(mask if mask.size == size else mask.resize(size, Image.Resampling.BILINEAR))
