"""A picture laid beside itself without end: dragging moves on and on, the wheel zooms."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QTransform, QWheelEvent
from PySide6.QtWidgets import QWidget

from ui.i18n import tr
from ui.theme import current

_LEAST, _MOST = 0.02, 16.0


class TiledView(QWidget):
    """``set_repeat`` says how many times the picture is to fit across; along an axis that is no tile it stands once."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("canvas.tiled.view")
        self.setAccessibleName(tr("The picture laid beside itself; arrow keys move it, plus and minus zoom"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self._image = QImage()
        self._zoom = 0.0
        self._offset = QPointF()
        self._repeat = 2
        self._axes = (True, True)
        self._held: QPoint | None = None

    def show_picture(self, image: QImage, axes: tuple[bool, bool] = (True, True)) -> None:
        if image.cacheKey() != self._image.cacheKey() or axes != self._axes:
            self._image, self._axes = image, axes
            self.set_repeat(self._repeat)

    def set_repeat(self, count: int) -> None:
        self._repeat, self._zoom, self._offset = count, 0.0, QPointF()
        self.update()

    @property
    def zoom(self) -> float:
        """Pixels of the screen for one of the picture."""
        if self._zoom or self._image.isNull():
            return self._zoom or 1.0
        wide = self._image.width() * (self._repeat if self._axes[0] else 1)
        tall = self._image.height() * (self._repeat if self._axes[1] else 1)
        return max(_LEAST, min(self.width() / wide, self.height() / tall))

    def move_by(self, x: float, y: float) -> None:
        self._offset += QPointF(x, y)
        self.update()

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        middle = QPointF(self.width() / 2, self.height() / 2)
        at = middle if at is None else at
        before = self.zoom
        self._zoom = max(_LEAST, min(before * factor, _MOST))
        self._offset = (at - middle) - ((at - middle) - self._offset) * (self._zoom / before)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(current().canvas))
        if self._image.isNull():
            painter.end()
            return
        zoom = self.zoom
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, zoom < 4)
        wide, tall = self._image.width() * zoom, self._image.height() * zoom
        # An even number of tiles meets in the middle of the view: there a seam would show.
        left = self.width() / 2 + self._offset.x() - (0 if self._axes[0] and self._repeat % 2 == 0 else wide / 2)
        top = self.height() / 2 + self._offset.y() - (0 if self._axes[1] and self._repeat % 2 == 0 else tall / 2)
        brush = QBrush(self._image)
        brush.setTransform(QTransform.fromTranslate(left, top).scale(zoom, zoom))
        area = self.rect().toRectF()
        if not self._axes[0]:
            area.setLeft(left)
            area.setWidth(wide)
        if not self._axes[1]:
            area.setTop(top)
            area.setHeight(tall)
        painter.fillRect(area, brush)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._held = event.position().toPoint()
        self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._held is not None:
            at = event.position().toPoint()
            self.move_by(at.x() - self._held.x(), at.y() - self._held.y())
            self._held = at

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._held = None
        self.setCursor(Qt.CursorShape.OpenHandCursor)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        self.zoom_by(1.0015 ** event.angleDelta().y(), event.position())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        steps = {
            Qt.Key.Key_Left: (40, 0), Qt.Key.Key_Right: (-40, 0), Qt.Key.Key_Up: (0, 40), Qt.Key.Key_Down: (0, -40),
        }  # fmt: skip
        key = Qt.Key(event.key())
        if key in steps:
            self.move_by(*steps[key])
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom_by(1.25)
        elif key == Qt.Key.Key_Minus:
            self.zoom_by(0.8)
        elif key == Qt.Key.Key_0:
            self.set_repeat(self._repeat)
        else:
            super().keyPressEvent(event)
