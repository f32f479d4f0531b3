"""What the painted rows of lists have in common: their ground with the focus ring, and the buttons at their end."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from ui.theme import current, tokens
from ui.theme.icons import paint_icon


def paint_ground(painter: QPainter, box: QRectF, fill: str, focus: bool) -> None:
    """A rounded ground of the colour ``fill``; with a ring where the keyboard is."""
    painter.setPen(QPen(QColor(current().accent), 2) if focus else Qt.PenStyle.NoPen)
    painter.setBrush(QColor(fill))
    painter.drawRoundedRect(box.adjusted(1, 1, -1, -1) if focus else box, tokens.RADIUS, tokens.RADIUS)


def button_rects(rect: QRect, count: int, margin: int) -> list[QRect]:
    """Where ``count`` buttons stand in the row ``rect``, ``margin`` pixels from its right end."""
    side = tokens.TARGET
    right = rect.right() - margin
    return [QRect(right - side * (count - i) + 1, rect.center().y() - side // 2, side, side) for i in range(count)]


def paint_buttons(painter: QPainter, rects: Sequence[QRect], shown: Sequence[tuple[str, str, str]]) -> None:
    """The icons of (command, icon, words) in their places."""
    for place, (_, name, _) in zip(rects, shown, strict=True):
        paint_icon(painter, name, QRectF(place).adjusted(6, 6, -6, -6), current().soft)
