"""What lies over a picture that is painted on: the stroke under the hand, and areas in their colours with labels."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QImage, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from ui.theme import tokens

_TINT = 130
"""Opacity of areas, of 255."""


def pen_for(size: float, ink: QColor | QBrush) -> QPen:
    brush = ink if isinstance(ink, QBrush) else QBrush(ink)
    return QPen(brush, size, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)


class StrokeItem(QGraphicsItem):
    """The stroke that is being drawn; it becomes pixels when it is done."""

    def __init__(self) -> None:
        super().__init__()
        self.path = QPainterPath()
        self._pen = QPen()
        self._box = QRectF()

    def begin(self, at: QPointF, pen: QPen, box: QRectF) -> None:
        self.prepareGeometryChange()
        self._box, self._pen = box, pen
        self.path = QPainterPath(at)
        self.path.lineTo(at + QPointF(0.01, 0))  # a dot has a length, or no pen draws it
        self.update()

    def move(self, at: QPointF) -> None:
        self.path.lineTo(at)
        self.update()

    def end(self) -> tuple[QPainterPath, QPen]:
        done = self.path, self._pen
        self.path = QPainterPath()
        self.update()
        return done

    def boundingRect(self) -> QRectF:  # noqa: N802
        return self._box

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        if not self.path.isEmpty():
            painter.save()
            painter.setClipRect(self._box)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.strokePath(self.path, self._pen)
            painter.restore()


class AreaItem(QGraphicsItem):
    """One area: its grey mask as a tint, an outline where it is in hand, and its words in its middle."""

    def __init__(self, mask: QImage, colour: str, words: str) -> None:
        super().__init__()
        self._colour, self._words = QColor(colour), words
        self._tint = QImage()
        self._middle = QPointF()
        self._box = QRectF(mask.rect())
        self.chosen = False
        self.show_mask(mask)

    def show_mask(self, mask: QImage) -> None:
        tint = QImage(mask.size(), QImage.Format.Format_ARGB32_Premultiplied)
        tint.fill(QColor(self._colour.red(), self._colour.green(), self._colour.blue(), 255))
        alpha = QImage(mask)
        alpha.reinterpretAsFormat(QImage.Format.Format_Alpha8)
        painter = QPainter(tint)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_DestinationIn)
        painter.drawImage(0, 0, alpha)
        painter.end()
        self._tint = tint
        self._middle = middle_of(mask)
        self.update()

    @property
    def is_empty(self) -> bool:
        return self._middle.isNull()

    def boundingRect(self) -> QRectF:  # noqa: N802
        return self._box

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        painter.save()
        painter.setOpacity((_TINT + (40 if self.chosen else 0)) / 255)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(0, 0, self._tint)
        painter.setOpacity(1.0)
        if not self.is_empty:
            self._label(painter)
        painter.restore()

    def _label(self, painter: QPainter) -> None:
        """In the screen's pixels, so that it is readable at any zoom."""
        at = painter.worldTransform().map(self._middle)
        painter.resetTransform()
        font = QFont(painter.font())
        font.setPixelSize(tokens.SECONDARY)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        words = painter.fontMetrics().elidedText(self._words, Qt.TextElideMode.ElideRight, 200)
        box = QRectF(0, 0, painter.fontMetrics().horizontalAdvance(words) + 16, 22)
        box.moveCenter(at)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._colour, 2 if self.chosen else 1))
        painter.setBrush(QColor(tokens.DARK.bg))
        painter.drawRoundedRect(box, 6, 6)
        painter.setPen(QColor(tokens.DARK.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)


def middle_of(mask: QImage) -> QPointF:
    """The middle of what is white, null where nothing is; looked for on a small copy."""
    small = mask.scaled(48, 48, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)
    small = small.convertToFormat(QImage.Format.Format_Grayscale8)
    data, line = bytes(small.constBits()), small.bytesPerLine()
    places = [(x, y) for y in range(48) for x in range(48) if data[y * line + x] > 40]
    if not places:
        return QPointF()
    # The white place nearest to the mean: the middle of a ring lies outside of it.
    mean = sum(x for x, _ in places) / len(places), sum(y for _, y in places) / len(places)
    x, y = min(places, key=lambda place: (place[0] - mean[0]) ** 2 + (place[1] - mean[1]) ** 2)
    return QPointF((x + 0.5) / 48 * mask.width(), (y + 0.5) / 48 * mask.height())
