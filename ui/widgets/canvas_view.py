"""The canvas as something to work on: brush, shapes and frame by mouse and pen, and the slider between two pictures.

What hands do is told by signals in pixels of the picture; what it means is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPointingDevice,
    QPolygonF,
    QTabletEvent,
)
from PySide6.QtWidgets import QWidget

from ui.theme import current, tokens
from ui.widgets.canvas_items import BeforeItem, HatchItem, MaskItem
from ui.widgets.image_view import ImageView

BRUSHES = ("brush", "eraser")
SHAPES = ("lasso", "rectangle", "fill")
"""What is drawn or pointed at first and counts when the button is let go."""
GRIP = 9.0
"""How near to an edge of the frame, in pixels of the screen, the pointer takes hold of it."""

Extents = tuple[int, int, int, int]

_CURSORS = {
    (1, 0): Qt.CursorShape.SizeHorCursor,
    (0, 1): Qt.CursorShape.SizeVerCursor,
    (1, 1): Qt.CursorShape.SizeFDiagCursor,
    (-1, 1): Qt.CursorShape.SizeBDiagCursor,
}


class CanvasView(ImageView):
    """``frame_dragged`` carries how far the frame should reach beyond the picture: left, top, right, bottom."""

    stroke_began = Signal(QPointF, float, bool)
    stroke_moved = Signal(QPointF, float)
    stroke_ended = Signal()
    shape_drawn = Signal(str, list, bool)
    frame_dragged = Signal(tuple)
    frame_settled = Signal()
    split_moved = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tool = ""
        self._source: Callable[[], QImage | None] = lambda: None
        self._given: Callable[[], QImage | None] | None = None
        self._tint = MaskItem(lambda: self._source())
        self._hatch = HatchItem()
        self._before = BeforeItem()
        self._hatch.setZValue(-1)
        self._tint.setZValue(2)
        self._before.setZValue(1)
        for item in (self._hatch, self._tint, self._before):
            item.hide()
            self.scene().addItem(item)
        self._extents: Extents = (0, 0, 0, 0)
        self._diameter = 80.0
        self._pointer: QPointF | None = None
        self._busy = ""
        self._points: list[QPointF] = []
        self._erase = False
        self._edges = (0, 0)
        self._split = 0.5
        self._names = ("", "")

    # what is asked of it

    @property
    def tool(self) -> str:
        return self._tool

    def set_tool(self, name: str) -> None:
        """ "" looks and moves; others are ``BRUSHES``, ``SHAPES`` and "frame"."""
        framed = "frame" in (name, self._tool) and name != self._tool
        self._tool = name
        self._busy, self._points = "", []
        self._show_cursor()
        if framed:
            self._frame_changed(refit=True)
        self.viewport().update()

    def set_brush(self, diameter: float) -> None:
        """The circle at the pointer, in pixels of the picture."""
        if diameter == self._diameter:
            return
        self._diameter = diameter
        self._show_cursor()
        self.viewport().update()

    def set_mask(self, source: Callable[[], QImage | None] | None) -> None:
        """Tint the picture by the grey image that ``source`` gives; what changes in it is told by ``mask_dirty``."""
        if source == self._given:
            return
        self._given = source
        self._source = source or (lambda: None)
        self._tint.setVisible(source is not None)

    def mask_dirty(self, box: QRect) -> None:
        self._tint.update(QRectF(box))

    def set_frame(self, extents: Extents) -> None:
        """How far the finished picture reaches beyond this one."""
        if extents != self._extents:
            self._extents = extents
            self._frame_changed(refit=self._busy != "frame")

    def set_compare(
        self,
        before: QImage | None,
        levels: Sequence[QImage] = (),
        box: QRectF | None = None,
        names: tuple[str, str] = ("", ""),
    ) -> None:
        """Lay ``before`` over the picture, left of a line that can be moved; None ends that."""
        self._names = names
        if before is None:
            self._before.hide()
        else:
            place = box or QRectF(0, 0, *self._size)
            self._before.show_image(before, place.width(), place.height(), levels, place.topLeft())
            self._before.show()
        self.set_split(0.5)

    @property
    def comparing(self) -> bool:
        return self._before.isVisible()

    @property
    def split(self) -> float:
        return self._split

    def set_split(self, share: float) -> None:
        self._split = max(0.0, min(1.0, share))
        self._before.set_split(self._split * self._size[0])
        self.viewport().update()
        if self.comparing:
            self.split_moved.emit(self._split)

    # frames

    def frame(self) -> QRectF:
        left, top, right, bottom = self._extents
        return QRectF(-left, -top, self._size[0] + left + right, self._size[1] + top + bottom)

    def fitted_frame(self) -> QRectF:
        frame = self.frame()
        if self._tool == "frame":  # room to drag the edges into
            across, down = frame.width() * 0.16, frame.height() * 0.16
            return frame.adjusted(-across, -down, across, down)
        return frame

    def _frame_changed(self, refit: bool) -> None:
        self._hatch.show_frame(self.frame())
        self._hatch.setVisible(any(self._extents))
        self.make_room()
        if refit and self.is_fit:
            self.fit()
        self.viewport().update()

    def show_picture(
        self, image: QImage | None, width: int, height: int, preview: bool = False, levels: Sequence[QImage] = ()
    ) -> None:
        super().show_picture(image, width, height, preview, levels)
        self._tint.fit(width, height)
        self._hatch.show_frame(self.frame())

    # hands

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802
        if isinstance(event, QTabletEvent) and self._pen(event):
            return True
        if event.type() == QEvent.Type.Leave:
            self._point_at(None)
        return super().viewportEvent(event)

    def _pen(self, event: QTabletEvent) -> bool:
        """A pen draws as the mouse does, with its pressure; its other end erases."""
        kind, place = event.type(), event.position()
        if self._tool not in BRUSHES + SHAPES or self._space:
            return False
        rubber = event.pointerType() is QPointingDevice.PointerType.Eraser
        if kind == QEvent.Type.TabletPress and event.button() is Qt.MouseButton.LeftButton:
            self._press(place, event.pressure(), rubber or self._erasing(event.modifiers()))
        elif kind == QEvent.Type.TabletMove:
            self._move(place, event.pressure())
        elif kind == QEvent.Type.TabletRelease and self._busy:
            self._release()
        else:
            return False
        event.accept()
        return True

    def _erasing(self, keys: Qt.KeyboardModifier) -> bool:
        turned = bool(keys & Qt.KeyboardModifier.AltModifier)
        return (self._tool == "eraser") != turned

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() is Qt.MouseButton.LeftButton and not self._space:
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            if self._press(event.position(), 1.0, self._erasing(event.modifiers())):
                event.accept()
                return
        super().mousePressEvent(event)

    def _press(self, place: QPointF, pressure: float, erase: bool) -> bool:
        if not self.has_picture():
            return False
        at = self.to_scene(place)
        if self.comparing:
            self._busy = "split" if abs(place.x() - self._split_x()) < 24 else ""
        elif self._tool in BRUSHES:
            self._busy = "stroke"
            self.stroke_began.emit(at, pressure, erase)
        elif self._tool in SHAPES:
            self._busy, self._points, self._erase = "shape", [at], erase
        elif self._tool == "frame":
            self._edges = self._edges_at(place)
            self._busy = "frame" if self._edges != (0, 0) else ""
        return bool(self._busy)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._busy:
            self._move(event.position(), 1.0)
            event.accept()
            return
        super().mouseMoveEvent(event)
        self._move(event.position(), 1.0)

    def _move(self, place: QPointF, pressure: float) -> None:
        at = self.to_scene(place)
        self._point_at(place)
        match self._busy:
            case "stroke":
                self.stroke_moved.emit(at, pressure)
            case "shape":
                self._draw_shape(at)
            case "frame":
                self._drag_frame(at)
            case "split":
                self.set_split(at.x() / max(1, self._size[0]))
            case _ if self._tool == "frame" and self._panning is None:
                self._show_cursor()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._busy and event.button() is Qt.MouseButton.LeftButton:
            self._release()
            event.accept()
            return
        super().mouseReleaseEvent(event)
        self._show_cursor()

    def _release(self) -> None:
        busy, self._busy = self._busy, ""
        if busy == "stroke":
            self.stroke_ended.emit()
        elif busy == "shape":
            points, self._points = self._points, []
            self.viewport().update()
            if len(points) > 1 or self._tool == "fill":
                self.shape_drawn.emit(self._tool, points, self._erase)
        elif busy == "frame":
            self.frame_settled.emit()
            self._frame_changed(refit=True)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._tool or self.comparing:  # quick strokes are no double clicks
            self.mousePressEvent(event)
        else:
            super().mouseDoubleClickEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        arrow = {Qt.Key.Key_Left: -0.02, Qt.Key.Key_Right: 0.02}.get(Qt.Key(event.key()))
        if self.comparing and arrow is not None:
            self.set_split(self._split + arrow)
            return
        super().keyPressEvent(event)
        if event.key() == Qt.Key.Key_Space:
            self.viewport().update()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        super().keyReleaseEvent(event)
        if event.key() == Qt.Key.Key_Space:
            self._show_cursor()

    def _draw_shape(self, at: QPointF) -> None:
        if self._tool == "fill":
            return
        if self._tool == "rectangle":
            self._points = [self._points[0], at]
        elif (at - self._points[-1]).manhattanLength() * self.zoom >= 2:
            self._points.append(at)
        self.viewport().update()

    # the frame's edges

    def _frame_on_screen(self) -> QRectF:
        return self.viewportTransform().mapRect(self.frame())

    def _edges_at(self, place: QPointF) -> tuple[int, int]:
        """Which edges the pointer holds: -1 for left or top, 1 for right or bottom, 0 for none."""
        box = self._frame_on_screen()
        if not box.adjusted(-GRIP, -GRIP, GRIP, GRIP).contains(place):
            return (0, 0)
        across = -1 if abs(place.x() - box.left()) <= GRIP else 1 if abs(place.x() - box.right()) <= GRIP else 0
        down = -1 if abs(place.y() - box.top()) <= GRIP else 1 if abs(place.y() - box.bottom()) <= GRIP else 0
        return (across, down)

    def _drag_frame(self, at: QPointF) -> None:
        left, top, right, bottom = self._extents
        across, down = self._edges
        left = max(0, round(-at.x())) if across < 0 else left
        right = max(0, round(at.x() - self._size[0])) if across > 0 else right
        top = max(0, round(-at.y())) if down < 0 else top
        bottom = max(0, round(at.y() - self._size[1])) if down > 0 else bottom
        self.frame_dragged.emit((left, top, right, bottom))

    # what is painted over the picture

    def _point_at(self, place: QPointF | None) -> None:
        if self._tool in BRUSHES:
            for spot in (self._pointer, place):
                if spot is not None:
                    reach = self._diameter * self.zoom / 2 + 3
                    box = QRectF(spot.x() - reach, spot.y() - reach, 2 * reach, 2 * reach)
                    self.viewport().update(box.toAlignedRect())
        self._pointer = place

    def _show_cursor(self) -> None:
        shape = Qt.CursorShape.ArrowCursor
        if self._space:
            shape = Qt.CursorShape.OpenHandCursor
        elif self._tool in BRUSHES:
            large = self._diameter * self.zoom >= 8
            shape = Qt.CursorShape.BlankCursor if large else Qt.CursorShape.CrossCursor
        elif self._tool in SHAPES:
            shape = Qt.CursorShape.CrossCursor
        elif self._tool == "frame" and self._pointer is not None:
            across, down = self._edges_at(self._pointer)
            key = (across * down, 1) if across and down else (abs(across), abs(down))
            shape = _CURSORS.get(key, shape)
        elif self.comparing:
            shape = Qt.CursorShape.SplitHCursor
        self.viewport().setCursor(shape)

    def _split_x(self) -> float:
        return self.viewportTransform().map(QPointF(self._split * self._size[0], 0)).x()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        if not self.has_picture():
            return
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._tool == "frame" or any(self._extents):
            self._paint_frame(painter)
        if self._points:
            self._paint_shape(painter)
        if self._tool in BRUSHES and self._pointer is not None and not self._space:
            at, reach = self._pointer, self._diameter * self.zoom / 2
            _twice(painter, lambda: painter.drawEllipse(at, reach, reach))
        if self.comparing:
            self._paint_split(painter)
        painter.end()

    def _paint_frame(self, painter: QPainter) -> None:
        box = self._frame_on_screen()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(current().accent), 1.5))
        painter.drawRect(box)
        if self._tool != "frame":
            return
        painter.setPen(QPen(QColor(current().accent), 1.5))
        painter.setBrush(QColor(current().panel))
        middle = box.center()
        for x in (box.left(), middle.x(), box.right()):
            for y in (box.top(), middle.y(), box.bottom()):
                if (x, y) != (middle.x(), middle.y()):
                    painter.drawRoundedRect(QRectF(x - 5, y - 5, 10, 10), 3, 3)

    def _paint_shape(self, painter: QPainter) -> None:
        where = self.viewportTransform()
        if self._tool == "fill":
            return
        if self._tool == "rectangle":
            box = where.mapRect(QRectF(self._points[0], self._points[-1]).normalized())
            _twice(painter, lambda: painter.drawRect(box))
        else:
            line = where.map(QPolygonF(self._points))
            _twice(painter, lambda: painter.drawPolyline(line))

    def _paint_split(self, painter: QPainter) -> None:
        x = self._split_x()
        box = self.viewportTransform().mapRect(QRectF(0, 0, *self._size)).intersected(QRectF(self.viewport().rect()))
        top, bottom = QPointF(x, box.top()), QPointF(x, box.bottom())
        painter.setPen(QPen(QColor(0, 0, 0, 120), 4))
        painter.drawLine(top, bottom)
        painter.setPen(QPen(QColor(255, 255, 255), 2))
        painter.drawLine(top, bottom)
        middle = QPointF(x, box.center().y())
        painter.setPen(QPen(QColor(0, 0, 0, 90), 1))
        painter.setBrush(QColor(255, 255, 255))
        painter.drawEllipse(middle, 14, 14)
        painter.setPen(QPen(QColor(40, 40, 40), 2))
        for side in (-1, 1):
            tip = middle + QPointF(side * 8, 0)
            painter.drawPolyline([tip + QPointF(-side * 4, -4), tip, tip + QPointF(-side * 4, 4)])
        for name, left in zip(self._names, (True, False), strict=True):
            self._paint_name(painter, name, box, x, left)

    def _paint_name(self, painter: QPainter, name: str, box: QRectF, x: float, left: bool) -> None:
        wide = painter.fontMetrics().horizontalAdvance(name) + 16
        start = box.left() + 10 if left else box.right() - 10 - wide
        fits = start + wide < x - 4 if left else start > x + 4
        if not name or not fits:
            return
        plate = QRectF(start, box.top() + 10, wide, 24)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 150))
        painter.drawRoundedRect(plate, tokens.RADIUS - 2, tokens.RADIUS - 2)
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, name)


def _twice(painter: QPainter, draw: Callable[[], object]) -> None:
    """Dark, then light inside it: seen on any picture."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(0, 0, 0, 170), 3))
    draw()
    painter.setPen(QPen(QColor(255, 255, 255), 1.2))
    draw()
