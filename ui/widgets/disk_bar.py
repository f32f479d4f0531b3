"""A disk as one bar: what models take, what else is there, what is free."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from ui.theme import current

HEIGHT = 8


class DiskBar(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("storage.disk")
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._models = self._other = 0.0

    def show_parts(self, models: float, other: float, words: str) -> None:
        """Both are parts of the disk, 0 to 1."""
        self._models, self._other = models, other
        self.setAccessibleName(words)
        self.setToolTip(words)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(200, HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        colors = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        path = QPainterPath()
        path.addRoundedRect(QRectF(self.rect()), HEIGHT / 2, HEIGHT / 2)
        painter.setClipPath(path)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.fillRect(self.rect(), QColor(colors.track))
        ours = self.width() * self._models
        painter.fillRect(QRectF(0, 0, ours, HEIGHT), QColor(colors.accent))
        painter.fillRect(QRectF(ours + 1, 0, max(0.0, self.width() * self._other - 1), HEIGHT), QColor(colors.faint))
        painter.end()
