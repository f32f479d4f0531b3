"""What appears while something is dragged into the window: over the canvas one field for each thing a picture can
become, over a page that files are taken there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme import current, tokens
from ui.theme.icons import paint_icon
from ui.widgets.controls import IconLabel, label, mark


class Offer(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def icon(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def line(self) -> str: ...
    @property
    def possible(self) -> bool: ...


class DropHere(QFrame):
    """Lies over a page while files are dragged into the window."""

    def __init__(self, name: str, title: str, line: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        mark(self, surface="drop")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        centre = Qt.AlignmentFlag.AlignHCenter
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(IconLabel("download", "accent", 32), 0, centre)
        layout.addWidget(label(title, "heading"), 0, centre)
        layout.addWidget(label(line, tone="soft"), 0, centre)
        layout.addStretch(1)
        self.hide()


class DropZones(QWidget):
    """Painted, not made of widgets: drags are watched by the window, which asks what lies under the pointer."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("canvas.drop")
        self.setAccessibleName(tr("What the dropped picture becomes"))
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._offers: list[Offer] = []
        self._over = ""
        self.hide()

    def show_offers(self, offers: Sequence[Offer]) -> None:
        self._offers = list(offers)
        self.setAccessibleDescription(". ".join(f"{offer.title}: {offer.line}" for offer in offers))
        self.update()

    def boxes(self) -> dict[str, QRectF]:
        """Where each field lies: side by side, or beneath each other where that is too narrow."""
        count = max(1, len(self._offers))
        gap, edge = 12, tokens.CANVAS_EDGE
        wide = min(220.0, (self.width() - 2 * edge - gap * (count - 1)) / count)
        if wide >= 132:
            high = min(168.0, self.height() - 2 * edge)
            left = (self.width() - wide * count - gap * (count - 1)) / 2
            top = (self.height() - high) / 2
            return {o.name: QRectF(left + i * (wide + gap), top, wide, high) for i, o in enumerate(self._offers)}
        wide = min(360.0, self.width() - 2 * edge)
        high = min(104.0, (self.height() - 2 * edge - gap * (count - 1)) / count)
        left, top = (self.width() - wide) / 2, (self.height() - high * count - gap * (count - 1)) / 2
        return {o.name: QRectF(left, top + i * (high + gap), wide, high) for i, o in enumerate(self._offers)}

    def name_at(self, place: QPoint) -> str:
        """The field under ``place`` (in this widget), empty between them."""
        return next((name for name, box in self.boxes().items() if box.contains(place)), "")

    def hover(self, place: QPoint | None) -> None:
        over = self.name_at(place) if place is not None else ""
        if over != self._over:
            self._over = over
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        colors = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QColor(colors.canvas)
        ground.setAlphaF(0.88)
        painter.fillRect(self.rect(), ground)
        boxes = self.boxes()
        for offer in self._offers:
            self._paint(painter, offer, boxes[offer.name])
        painter.end()

    def _paint(self, painter: QPainter, offer: Offer, box: QRectF) -> None:
        colors = current()
        over = offer.possible and offer.name == self._over
        painter.setBrush(QColor(colors.accent_tint if over else colors.panel))
        edge = colors.accent if over else colors.edge if offer.possible else colors.line
        painter.setPen(QPen(QColor(edge), 2 if over else 1.5, Qt.PenStyle.SolidLine if over else Qt.PenStyle.DashLine))
        painter.drawRoundedRect(box, tokens.RADIUS_FLOAT, tokens.RADIUS_FLOAT)
        tall = box.height() > 150
        inside = box.adjusted(14, 14, -14, -14) if tall else box.adjusted(14, 10, -14, -6)
        side = 26.0
        top = inside.top() + (10 if tall else 0)
        tint = colors.accent if over else colors.text if offer.possible else colors.faint
        paint_icon(painter, offer.icon, QRectF(inside.center().x() - side / 2, top, side, side), tint)
        top += side + (12 if tall else 4)
        font = QFont(self.font())
        font.setPixelSize(tokens.BODY)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(colors.text if offer.possible else colors.soft))
        painter.drawText(QRectF(inside.left(), top, inside.width(), 20), Qt.AlignmentFlag.AlignHCenter, offer.title)
        font.setPixelSize(tokens.SECONDARY)
        font.setWeight(QFont.Weight.Normal)
        painter.setFont(font)
        painter.setPen(QColor(colors.soft))
        words = Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(QRectF(inside.left(), top + 24, inside.width(), inside.bottom() - top - 24), words, offer.line)
