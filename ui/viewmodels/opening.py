"""A picture of the user's own, made ready for the canvas; runs off the GUI thread.

``models.pictures`` is the one that opens them, here as in the worker. A plain PNG is the exception: Qt reads it
straight into the form the screen wants, which halves the time for very large ones. Pillow comes with the first
picture, not with the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtGui import QColorSpace, QImage, QImageReader

from models.errors import InvalidInputError, Problem
from models.inputs import Size
from ui.i18n import tr
from ui.viewmodels.levels import premultiplied, strips, writable

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
    from models import pictures

    opened = pictures.open_picture(path, alpha=True)
    return Opened(from_pillow(opened.image), notes=opened.notes)


def _plain_png(path: str) -> QImage | None:
    """Read by Qt, if there is nothing to it that Qt would show in another way than the engine reads it."""
    from models.pictures import MAX_PIXELS, MAX_SIDE

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
    if max(size.width(), size.height()) > MAX_SIDE or size.width() * size.height() > MAX_PIXELS:
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
    for top, bottom in strips(width, height):
        strip = picture.crop((0, top, width, bottom))
        room[top * line : bottom * line] = strip.tobytes("raw", "BGRA" if alpha else "BGRX")
    return premultiplied(image)


def recipe_in(path: str) -> dict[str, Any] | None:
    """How the picture was made, by Atelier or another tool, if it says so; None for all others."""
    from models import metadata

    try:
        return metadata.read(Path(path))
    except OSError:
        return None


class MisfitError(InvalidInputError):
    """A mask of another shape than its picture."""


def open_mask(path: str, size: tuple[int, int], fit: bool = False) -> QImage:
    """A picture as a mask of ``size``; with ``fit`` one of another shape is put in the middle, whole.

    Raises:
        AtelierError: PICTURE_UNREADABLE.
        MisfitError: it has another shape.
    """
    from PIL import Image, ImageOps

    from models import pictures
    from ui.viewmodels.mask_shapes import to_qimage

    mask = pictures.open_mask(path).image
    if mask.size == size:
        return to_qimage(mask)
    if Size(*mask.size).is_shaped_as(Size(*size)):
        return to_qimage(mask.resize(size, Image.Resampling.BILINEAR))
    if fit:
        return to_qimage(ImageOps.pad(mask, size, Image.Resampling.BILINEAR, color=0))
    sentence = tr(
        "The mask “{name}” has another shape ({w} × {h}) than the picture ({pw} × {ph}).",
        name=Path(path).name, w=mask.width, h=mask.height, pw=size[0], ph=size[1],
    )  # fmt: skip
    raise MisfitError(Problem("mask", path, sentence))
