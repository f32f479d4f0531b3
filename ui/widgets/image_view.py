"""The picture and its preview, with fit, 100 %, zoom to the pointer, and pan."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, QRect, QRectF, Qt, QUrl, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QDrag,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QGestureEvent,
    QGraphicsRectItem,
    QGraphicsScene,
    QGraphicsView,
    QPinchGesture,
    QWidget,
)

from ui.i18n import tr
from ui.theme import current
from ui.widgets.canvas_items import PictureItem
from ui.widgets.enlarge import enlarged, factor_for

ZOOM_MIN, ZOOM_MAX, ZOOM_STEP = 0.02, 32.0, 1.25
FIT_UP = 8.0
"""A small picture is enlarged by at most this much to fill the view."""
PIXELS_FROM = 4.0
"""From this zoom on, pixels are shown as they are; below they are smoothed."""


class ImageView(QGraphicsView):
    """Shows one image in a scene as large as the finished picture, so that a preview and its result do not jump."""

    zoomed = Signal(float, bool)
    stepped = Signal(int)
    menu_wanted = Signal(QPoint)
    drag_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setScene(QGraphicsScene(self))
        self.setObjectName("create.canvas")
        self.setAccessibleName(tr("Picture"))
        self.viewport().setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the view itself takes it: one stop, not two
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setMouseTracking(True)
        # Graphics views take drags for their scene; ours belong to the window.
        self.setAcceptDrops(False)
        self.viewport().setAcceptDrops(False)
        self.viewport().grabGesture(Qt.GestureType.PinchGesture)
        self._frame = QGraphicsRectItem()
        self._frame.setPen(Qt.PenStyle.NoPen)
        self._item = PictureItem()
        self.scene().addItem(self._frame)
        self.scene().addItem(self._item)
        self._size = (0, 0)
        self._image: QImage | None = None
        self._levels: tuple[QImage, ...] = ()
        self._drawn: tuple[int, int] | None = None
        self._showing: tuple[int, int, int, bool, int] | None = None
        self._pixel_exact = False
        self._fit = True
        self._background = ""
        self._panning: QPointF | None = None
        self._pressed: QPointF | None = None
        self._space = False
        self._ring = False

    # what is shown

    def clear(self) -> None:
        self._size = (0, 0)
        self._image = None
        self._showing = None
        self._item.show_image(None, 0, 0)
        self._frame.hide()

    def show_picture(
        self, image: QImage | None, width: int, height: int, preview: bool = False, levels: Sequence[QImage] = ()
    ) -> None:
        """``image`` stretched over ``width`` x ``height``; None shows the empty frame of that size.

        ``levels`` are smaller versions of it, for small zooms.
        """
        key = (image.cacheKey() if image is not None else 0, width, height, preview, len(levels))
        if key == self._showing and image is not None:
            return
        self._showing = key
        resized = (width, height) != self._size
        self._size = (width, height)
        self.make_room()
        self._frame.setRect(0, 0, width, height)
        self._frame.setBrush(QColor(current().raised))
        self._frame.setVisible(image is None)
        self._image = image
        self._levels = tuple(levels)
        self._drawn = None
        if image is None:
            self._item.show_image(None, width, height)
        self._pixel_exact = not preview
        if resized and self._fit:
            self.fit()
        else:
            self._smooth()

    def make_room(self) -> None:
        """Room around the picture, so that zoomed in, its edges can be brought to the middle."""
        frame = self.fitted_frame()
        width, height = frame.width(), frame.height()
        self.scene().setSceneRect(frame.adjusted(-width, -height, width, height))

    def has_picture(self) -> bool:
        return self._image is not None

    def set_background(self, color: str) -> None:
        """Empty: the theme's own canvas."""
        self._background = color
        self.viewport().update()

    def drawBackground(self, painter: QPainter, rect: QRectF | QRect) -> None:  # noqa: N802
        painter.fillRect(rect, QColor(self._background or current().canvas))

    # zoom

    @property
    def zoom(self) -> float:
        return self.transform().m11()

    @property
    def is_fit(self) -> bool:
        return self._fit

    def fit(self) -> None:
        self._fit = True
        frame = self.fitted_frame()
        room = self.viewport().rect()
        if not frame.isEmpty() and room.width() > 2 and room.height() > 2:
            scale = min(room.width() / frame.width(), room.height() / frame.height(), FIT_UP)
            self._set_zoom(scale)
            self.centerOn(frame.center())

    def fitted_frame(self) -> QRectF:
        """What ``fit`` brings into the view, in pixels of the picture."""
        return QRectF(0, 0, *self._size)

    def actual_size(self) -> None:
        """One pixel of the picture on one pixel of the screen."""
        self._zoom_at(1.0 / self.devicePixelRatioF(), QPointF(self.viewport().rect().center()))

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        self._zoom_at(self.zoom * factor, at or QPointF(self.viewport().rect().center()))

    def _zoom_at(self, scale: float, at: QPointF) -> None:
        if not self._size[0]:
            return
        self._fit = False
        before = self.to_scene(at)
        self._set_zoom(max(ZOOM_MIN, min(ZOOM_MAX, scale)))
        offset = at - QPointF(self.viewport().rect().center())
        self.centerOn(before - offset / self.zoom)

    def to_scene(self, at: QPointF) -> QPointF:
        """A place in the view as one in the picture, with fractions of pixels."""
        inverse, _ = self.viewportTransform().inverted()
        return inverse.map(at)

    def _set_zoom(self, scale: float) -> None:
        self.setTransform(QTransform.fromScale(scale, scale))
        self._smooth()
        self.zoomed.emit(scale * self.devicePixelRatioF(), self._fit)

    def _smooth(self) -> None:
        exact = self._pixel_exact and not self._fit and self.zoom * self.devicePixelRatioF() >= PIXELS_FROM
        self._draw(exact)
        self._item.exact = exact
        self._item.update()

    def _draw(self, exact: bool) -> None:
        """Put the picture into the scene, made larger first if it is small and shown large."""
        image = self._image
        if image is None:
            return
        scale = self._size[0] / max(1, image.width()) * self.zoom * self.devicePixelRatioF()
        factor = 1 if exact else factor_for(image, scale)
        if (image.cacheKey(), factor) == self._drawn:
            return
        self._drawn = (image.cacheKey(), factor)
        shown = image if factor == 1 else enlarged(image, factor)
        self._item.show_image(shown, *self._size, self._levels if factor == 1 else ())

    # hands

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        if self._fit:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        turn = event.angleDelta().y() or event.angleDelta().x()
        if turn:
            self.zoom_by(ZOOM_STEP ** (turn / 120), event.position())
        event.accept()

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802
        if isinstance(event, QNativeGestureEvent) and event.gestureType() is Qt.NativeGestureType.ZoomNativeGesture:
            self.zoom_by(1 + event.value(), event.position())
            return True
        if isinstance(event, QGestureEvent):
            return self._pinched(event)
        return super().viewportEvent(event)

    def _pinched(self, event: QGestureEvent) -> bool:
        pinch = event.gesture(Qt.GestureType.PinchGesture)
        if not isinstance(pinch, QPinchGesture):
            return False
        self.zoom_by(pinch.scaleFactor(), QPointF(self.viewport().mapFromGlobal(pinch.centerPoint().toPoint())))
        event.accept(pinch)
        return True

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        middle = event.button() is Qt.MouseButton.MiddleButton
        if middle or (event.button() is Qt.MouseButton.LeftButton and (self._space or self._larger_than_view())):
            self._panning = event.position()
            self.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)
        elif event.button() is Qt.MouseButton.LeftButton:
            self._pressed = event.position()
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._panning is not None:
            delta = event.position() - self._panning
            self._panning = event.position()
            center = self.mapToScene(self.viewport().rect().center()) - delta / self.zoom
            self._fit = False
            self.centerOn(center)
        elif self._pressed is not None:
            far = (event.position() - self._pressed).manhattanLength() >= QApplication.startDragDistance()
            if far and self.has_picture():
                self._pressed = None
                self.drag_wanted.emit()
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._panning = self._pressed = None
        self.viewport().setCursor(Qt.CursorShape.OpenHandCursor if self._space else Qt.CursorShape.ArrowCursor)
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._fit:
            self._zoom_at(1.0 / self.devicePixelRatioF(), event.position())
        else:
            self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        key = event.key()
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        shift = event.modifiers() == Qt.KeyboardModifier.ShiftModifier
        if key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal) and (plain or shift):
            self.zoom_by(ZOOM_STEP)
        elif key == Qt.Key.Key_Minus and plain:
            self.zoom_by(1 / ZOOM_STEP)
        elif key == Qt.Key.Key_0 and plain:
            self.fit()
        elif key == Qt.Key.Key_1 and plain:
            self.actual_size()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right) and plain:
            self.stepped.emit(-1 if key == Qt.Key.Key_Left else 1)
        elif key == Qt.Key.Key_Space and plain and not event.isAutoRepeat():
            self._space = True
            self.viewport().setCursor(Qt.CursorShape.OpenHandCursor)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
            self.viewport().setCursor(Qt.CursorShape.ArrowCursor)
        super().keyReleaseEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        self._ring = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        self.viewport().update()
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        self._ring = self._space = False
        self.viewport().update()
        super().focusOutEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        if self._ring:
            painter = QPainter(self.viewport())
            painter.setPen(QPen(QColor(current().accent), 2))
            painter.drawRoundedRect(self.viewport().rect().adjusted(1, 1, -1, -1), 6, 6)
            painter.end()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802
        self.menu_wanted.emit(event.globalPos())

    def _larger_than_view(self) -> bool:
        room = self.viewport().rect()
        return self._size[0] * self.zoom > room.width() + 1 or self._size[1] * self.zoom > room.height() + 1

    def drag_file(self, path: str) -> None:
        """Start dragging the file behind the picture to another program."""
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(path)])
        drag = QDrag(self)
        drag.setMimeData(data)
        side = round(96 * self.devicePixelRatioF())
        small = self._levels[-1] if self._levels else self._image
        if small is not None:
            ways = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            drag.setPixmap(QPixmap.fromImage(small.scaled(side, side, *ways)))
        drag.exec(Qt.DropAction.CopyAction)
