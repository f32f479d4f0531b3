"""The queue's list: rows with state and progress, buttons under the pointer, reorder by drag and by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QDropEvent, QHelpEvent, QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolTip,
    QWidget,
)

from ui.i18n import tr
from ui.theme import current, tokens
from ui.widgets.controls import tabular
from ui.widgets.row_paint import button_rects, paint_buttons, paint_ground

_END = 4  # pixels between the last button and the end of a row
ROW_HEIGHT = 40
Index = QModelIndex | QPersistentModelIndex


class Row(Protocol):
    """What a line shows of a job."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def words(self) -> str: ...
    @property
    def tone(self) -> str: ...
    @property
    def fraction(self) -> float: ...
    @property
    def can_cancel(self) -> bool: ...
    @property
    def can_retry(self) -> bool: ...
    @property
    def can_remove(self) -> bool: ...
    @property
    def can_move(self) -> bool: ...


def buttons(row: Row) -> list[tuple[str, str, str]]:
    """Command, icon and words of each button a row has."""
    found = []
    if row.can_retry:
        found.append(("retry", "rotate-ccw", tr("Try again")))
    if row.can_remove or row.can_move:
        found.append(("take_out", "x", tr("Remove from the list")))
    elif row.can_cancel:
        found.append(("take_out", "x", tr("Cancel")))
    return found


class QueueDelegate(QStyledItemDelegate):
    def __init__(self, role: int, view: QListView) -> None:
        super().__init__(view)
        self._role = role
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: N802
        return QSize(120, ROW_HEIGHT)

    def paint(self, painter: QPainter, option: Any, index: Index) -> None:
        row: Row | None = index.data(self._role)
        if row is None:
            return
        colors = current()
        box = QRectF(option.rect).adjusted(0, 2, 0, -2)
        hover = bool(option.state & QStyle.StateFlag.State_MouseOver)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        focus = bool(option.state & QStyle.StateFlag.State_HasFocus)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_ground(painter, box, colors.hover if hover or chosen else colors.raised, focus)
        if row.fraction >= 0:
            self._paint_line(painter, box.adjusted(0, 0, 0, -2) if focus else box, row.fraction)
        shown = buttons(row) if hover or focus else []
        right = self._paint_end(painter, QRect(option.rect), row, shown, box)
        font = tabular(option.font)
        font.setPixelSize(tokens.BODY)
        painter.setFont(font)
        painter.setPen(QColor(colors.soft if row.can_remove else colors.text))
        text = QRectF(box.left() + 10, box.top(), right - box.left() - 18, box.height())
        words = painter.fontMetrics().elidedText(row.title[:300], Qt.TextElideMode.ElideRight, int(text.width()))
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, words)
        painter.restore()

    @staticmethod
    def _paint_line(painter: QPainter, box: QRectF, fraction: float) -> None:
        colors = current()
        track = QRectF(box.left() + 10, box.bottom() - 4, box.width() - 20, 2)
        painter.save()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors.edge))
        painter.drawRoundedRect(track, 1, 1)
        painter.setBrush(QColor(colors.accent))
        track.setWidth(track.width() * max(0.0, min(1.0, fraction)))
        painter.drawRoundedRect(track, 1, 1)
        painter.restore()

    @staticmethod
    def _paint_end(painter: QPainter, rect: QRect, row: Row, shown: list[tuple[str, str, str]], box: QRectF) -> float:
        """The buttons or the state's words; returns where they begin."""
        colors = current()
        if shown:
            rects = button_rects(rect, len(shown), _END)
            paint_buttons(painter, rects, shown)
            return float(rects[0].left())
        font = tabular(painter.font())
        font.setPixelSize(tokens.HINT)
        painter.setFont(font)
        tone = getattr(colors, row.tone if row.tone in ("soft", "good", "warn", "bad") else "soft")
        painter.setPen(QColor(tone))
        width = painter.fontMetrics().horizontalAdvance(row.words)
        spot = QRectF(box.right() - 10 - width, box.top(), width + 1, box.height())
        painter.drawText(spot, Qt.AlignmentFlag.AlignVCenter, row.words)
        return spot.left()


class QueueList(QListView):
    """``commanded`` carries a command ("take_out", "retry", "up", "down", "show") and the job's id."""

    commanded = Signal(str, str)
    menu_wanted = Signal(str, QPoint)

    def __init__(self, role: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._role = role
        self.setObjectName("queue.list")
        self.setAccessibleName(tr("Queue"))
        self.setItemDelegate(QueueDelegate(role, self))
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDropIndicatorShown(True)
        self.setTabKeyNavigation(False)
        self.setDragDropOverwriteMode(False)
        self.activated.connect(lambda index: self._say("show", index))

    def _row(self, index: Index) -> Row | None:
        row: Row | None = index.data(self._role) if index.isValid() else None
        return row

    def _say(self, command: str, index: Index) -> None:
        row = self._row(index)
        if row is not None:
            self.commanded.emit(command, row.id)

    def button_at(self, position: QPoint) -> tuple[str, str]:
        """Command and words of the button there; empty when there is none."""
        index = self.indexAt(position)
        row = self._row(index)
        if row is None:
            return "", ""
        shown = buttons(row)
        rects = button_rects(self.visualRect(index), len(shown), _END)
        for place, (command, _, words) in zip(rects, shown, strict=True):
            if place.contains(position):
                return command, words
        return "", ""

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        position = event.position().toPoint()
        command, _ = self.button_at(position)
        if command and event.button() is Qt.MouseButton.LeftButton:
            self._say(command, self.indexAt(position))
            event.accept()
            return
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        position = event.position().toPoint()
        super().mouseReleaseEvent(event)
        if event.button() is Qt.MouseButton.LeftButton and not self.button_at(position)[0]:
            self._say("show", self.indexAt(position))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        over = bool(self.button_at(event.position().toPoint())[0])
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)
        super().mouseMoveEvent(event)

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802
        if isinstance(event, QHelpEvent):
            _, words = self.button_at(event.pos())
            if words:
                QToolTip.showText(event.globalPos(), words, self)
                return True
        return super().viewportEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        index = self.currentIndex()
        alt = event.modifiers() == Qt.KeyboardModifier.AltModifier
        commands: dict[int, Callable[[], None]] = {
            Qt.Key.Key_Delete: lambda: self._say("take_out", index),
            Qt.Key.Key_Backspace: lambda: self._say("take_out", index),
            Qt.Key.Key_R: lambda: self._say("retry", index) if self._can_retry(index) else None,
        }
        if alt and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._say("up" if event.key() == Qt.Key.Key_Up else "down", index)
        elif not event.modifiers() and event.key() in commands:
            commands[event.key()]()
        else:
            super().keyPressEvent(event)

    def _can_retry(self, index: Index) -> bool:
        row = self._row(index)
        return row is not None and row.can_retry

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802
        index = (
            self.currentIndex() if event.reason() is QContextMenuEvent.Reason.Keyboard else self.indexAt(event.pos())
        )
        row = self._row(index)
        if row is not None:
            self.setCurrentIndex(index)
            self.menu_wanted.emit(row.id, self.viewport().mapToGlobal(self.visualRect(index).center()))

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """The core moves the job and the model follows: the view itself must neither move nor remove rows."""
        at = event.position().toPoint()
        index = self.indexAt(at)
        place = self.model().rowCount()
        if index.isValid():
            place = index.row() + (at.y() > self.visualRect(index).center().y())
        self.model().dropMimeData(event.mimeData(), Qt.DropAction.MoveAction, place, 0, QModelIndex())
        event.setDropAction(Qt.DropAction.IgnoreAction)
        event.accept()
        self.stopAutoScroll()
        self.setState(QAbstractItemView.State.NoState)
        self.viewport().update()
