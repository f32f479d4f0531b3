"""One picture of the gallery, painted: the thumbnail, and upon it what is said of the picture."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen

from ui.theme import current, tokens
from ui.theme.icons import paint_icon

HEART, STAR = 18.0, 11.0
TARGET = 28.0


class Facts(Protocol):
    """What a tile shows beside the picture."""

    @property
    def favourite(self) -> bool: ...
    @property
    def rating(self) -> int: ...
    @property
    def missing(self) -> bool: ...


def heart_box(tile: QRectF) -> QRectF:
    """Where a click makes the picture a favourite."""
    return QRectF(tile.right() - TARGET - 4, tile.top() + 4, TARGET, TARGET)


def paint_gallery_tile(
    painter: QPainter,
    tile: QRectF,
    image: QImage | None,
    facts: Facts | None,
    *,
    whole: bool,
    chosen: bool,
    hover: bool,
    focus: bool,
) -> None:
    """``image`` None is still being read, a null one cannot be."""
    colors = current()
    shape = QPainterPath()
    shape.addRoundedRect(tile, tokens.RADIUS, tokens.RADIUS)
    if image is None or image.isNull() or whole:
        painter.fillPath(shape, QColor(colors.pressed if chosen else colors.raised))
    if image is not None and not image.isNull():
        _paint_image(painter, tile, image, whole, shape)
    elif image is not None:
        box = QRectF(0, 0, 24, 24)
        box.moveCenter(tile.center())
        paint_icon(painter, "image-off", box, colors.soft)
    if facts is not None and facts.missing:
        _paint_missing(painter, tile, shape)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if chosen:
        painter.setPen(QPen(QColor(colors.accent), 3))
        painter.drawRoundedRect(tile.adjusted(1.5, 1.5, -1.5, -1.5), tokens.RADIUS, tokens.RADIUS)
    elif focus or hover:
        painter.setPen(QPen(QColor(colors.text if focus else colors.edge), 2 if focus else 1))
        painter.drawRoundedRect(tile.adjusted(1, 1, -1, -1), tokens.RADIUS, tokens.RADIUS)
    if chosen and focus:
        painter.setPen(QPen(QColor(colors.text), 1))
        painter.drawRoundedRect(tile.adjusted(4, 4, -4, -4), tokens.RADIUS - 3, tokens.RADIUS - 3)
    if facts is not None:
        _paint_marks(painter, tile, facts, hover)


def _paint_image(painter: QPainter, tile: QRectF, image: QImage, whole: bool, shape: QPainterPath) -> None:
    width, height = image.width(), image.height()
    if whole:
        scale = min((tile.width() - 12) / width, (tile.height() - 12) / height)
        box = QRectF(0, 0, width * scale, height * scale)
        box.moveCenter(tile.center())
        painter.drawImage(box, image)
        return
    side = min(width, height)
    source = QRectF((width - side) / 2, (height - side) / 2, side, side)
    painter.save()
    painter.setClipPath(shape)
    painter.drawImage(tile, image, source)
    painter.restore()


def _paint_missing(painter: QPainter, tile: QRectF, shape: QPainterPath) -> None:
    """The file is not where it was: the picture that is remembered steps back, and a sign says so."""
    veil = QColor(current().bg)
    veil.setAlphaF(0.6)
    painter.fillPath(shape, veil)
    disc = QRectF(tile.left() + 5, tile.top() + 5, TARGET - 2, TARGET - 2)
    _disc(painter, disc)
    box = QRectF(0, 0, 15, 15)
    box.moveCenter(disc.center())
    paint_icon(painter, "image-off", box, tokens.DARK.text)


def _paint_marks(painter: QPainter, tile: QRectF, facts: Facts, hover: bool) -> None:
    """White upon a dark disc can be seen on every picture."""
    if facts.favourite or hover:
        target = heart_box(tile)
        _disc(painter, target.adjusted(1, 1, -1, -1))
        box = QRectF(0, 0, HEART, HEART)
        box.moveCenter(target.center())
        tint = tokens.DARK.accent if facts.favourite else tokens.DARK.text
        paint_icon(painter, "heart-filled" if facts.favourite else "heart", box, tint)
    if facts.rating:
        room = QRectF(tile.left() + 6, tile.bottom() - STAR - 12, facts.rating * (STAR + 1) + 9, STAR + 6)
        _disc(painter, room)
        for number in range(facts.rating):
            box = QRectF(room.left() + 5 + number * (STAR + 1), room.top() + 3, STAR, STAR)
            paint_icon(painter, "star-filled", box, tokens.DARK.text)


def _disc(painter: QPainter, box: QRectF) -> None:
    ground = QColor(tokens.DARK.canvas)
    ground.setAlphaF(0.66)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ground)
    painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
