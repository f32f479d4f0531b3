"""A slider with two handles: where something begins and where it ends."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ui.i18n import tr
from ui.theme import current, tokens

STEP, PAGE = 0.01, 0.1
_RADIUS = 7.0


class RangeSlider(QWidget):
    """``changed`` carries both shares, 0 to 1. Arrows move the handle in hand, Space takes the other one; a double
    click puts both back to the ends."""

    changed = Signal(float, float)
    left = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self._low, self._high = 0.0, 1.0
        self._hand = 0
        self._dragging = False
        self.setAccessibleName(name)
        self.setToolTip(tr("Arrow keys move one end, Space takes the other"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(80)
        self.setFixedHeight(tokens.TARGET)
        self._describe()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(160, tokens.TARGET)

    @property
    def shares(self) -> tuple[float, float]:
        return self._low, self._high

    def set_shares(self, low: float, high: float) -> None:
        low, high = max(0.0, min(1.0, low)), max(0.0, min(1.0, high))
        self._low, self._high = min(low, high), max(low, high)
        self._describe()
        self.update()

    def _describe(self) -> None:
        ends = tr("from {low} % to {high} %", low=round(self._low * 100), high=round(self._high * 100))
        held = tr("the end is in hand") if self._hand else tr("the beginning is in hand")
        self.setAccessibleDescription(f"{ends}; {held}")

    def _put(self, share: float) -> None:
        share = round(max(0.0, min(1.0, share)), 2)
        before = self.shares
        if self._hand == 0:
            self._low = min(share, self._high)
        else:
            self._high = max(share, self._low)
        if self.shares != before:
            self._describe()
            self.update()
            self.changed.emit(*self.shares)

    # hands

    def _track(self) -> QRectF:
        return QRectF(_RADIUS + 2, self.height() / 2 - 2, self.width() - 2 * _RADIUS - 4, 4)

    def _x(self, share: float) -> float:
        track = self._track()
        return track.left() + share * track.width()

    def _share_at(self, x: float) -> float:
        track = self._track()
        return (x - track.left()) / max(1.0, track.width())

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() is Qt.MouseButton.LeftButton:
            x = event.position().x()
            near, far = abs(x - self._x(self._low)), abs(x - self._x(self._high))
            # Both at one place: the side of the press decides, so that neither can be buried.
            self._hand = int(far < near or (far == near and x > self._x(self._high)))
            self._dragging = True
            self._put(self._share_at(x))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._dragging:
            self._put(self._share_at(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._dragging:
            self._dragging = False
            self.left.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.set_shares(0.0, 1.0)
        self.changed.emit(*self.shares)
        self.left.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        at = self.shares[self._hand]
        steps = {
            Qt.Key.Key_Left: at - STEP, Qt.Key.Key_Down: at - STEP, Qt.Key.Key_Right: at + STEP,
            Qt.Key.Key_Up: at + STEP, Qt.Key.Key_PageDown: at - PAGE, Qt.Key.Key_PageUp: at + PAGE,
            Qt.Key.Key_Home: 0.0, Qt.Key.Key_End: 1.0,
        }  # fmt: skip
        key = Qt.Key(event.key())
        if key in steps:
            self._put(steps[key])
            self.left.emit()
        elif key == Qt.Key.Key_Space:
            self._hand = 1 - self._hand
            self._describe()
            self.update()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        colors, track = current(), self._track()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors.track))
        painter.drawRoundedRect(track, 2, 2)
        low, high = self._x(self._low), self._x(self._high)
        painter.setBrush(QColor(colors.accent if self.isEnabled() else colors.faint))
        painter.drawRoundedRect(QRectF(low, track.top(), high - low, track.height()), 2, 2)
        for number, x in enumerate((low, high)):
            middle = QPointF(x, self.height() / 2)
            if self.hasFocus() and number == self._hand:
                painter.setPen(QPen(QColor(colors.accent), 2))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawEllipse(middle, _RADIUS + 3, _RADIUS + 3)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.knob if self.isEnabled() else colors.faint))
            painter.drawEllipse(middle, _RADIUS, _RADIUS)
        painter.end()
