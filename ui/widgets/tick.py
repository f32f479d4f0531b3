"""A check box with our own tick."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QWidget

from ui.theme import current, tokens
from ui.theme.icons import paint_icon

SIDE = 18


class Tick(QCheckBox):
    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setAccessibleName(text)
        self.setMinimumHeight(tokens.TARGET)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        colors = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(1, (self.height() - SIDE) / 2, SIDE, SIDE)
        on, focus = self.isChecked(), self.hasFocus()
        edge = colors.accent if on or focus else colors.soft
        painter.setPen(QPen(QColor(edge), 2 if focus else 1))
        painter.setBrush(QColor(colors.accent if on else colors.raised))
        painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        if on:
            paint_icon(painter, "check", box.adjusted(2, 2, -2, -2), colors.on_accent)
        painter.setPen(QColor(colors.text if self.isEnabled() else colors.faint))
        text = QRectF(SIDE + 12, 0, self.width() - SIDE - 12, self.height())
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap, self.text())
        painter.end()
