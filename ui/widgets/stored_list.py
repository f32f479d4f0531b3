"""What lies on the disk as a list: name and state at the left, size at the right, buttons under the pointer."""

from __future__ import annotations

from typing import Any, Protocol

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFont,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
)
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
from ui.theme.icons import paint_icon
from ui.widgets.card_paint import paint_track, tone_color
from ui.widgets.controls import tabular
from ui.widgets.row_paint import button_rects, paint_buttons, paint_ground

_END = 8  # pixels between the last button and the end of a row
ROW_HEIGHT = 60
BUTTONS_WIDTH = 4 * tokens.TARGET + 12
Index = QModelIndex | QPersistentModelIndex
KEYS: dict[int, str] = {
    Qt.Key.Key_Delete: "remove",
    Qt.Key.Key_Backspace: "remove",
    Qt.Key.Key_V: "verify",
    Qt.Key.Key_R: "repair",
}


class Row(Protocol):
    """What a line shows."""

    @property
    def id(self) -> str: ...
    @property
    def icon(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def line(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def tone(self) -> str: ...
    @property
    def size(self) -> str: ...
    @property
    def freed(self) -> str: ...
    @property
    def share(self) -> float: ...
    @property
    def fraction(self) -> float: ...
    @property
    def can_verify(self) -> bool: ...
    @property
    def can_repair(self) -> bool: ...
    @property
    def can_remove(self) -> bool: ...
    @property
    def can_show(self) -> bool: ...


def commands(row: Row) -> list[tuple[str, str, str]]:
    """Command, icon and words of all that can be done with ``row``, in the order of its buttons."""
    found = (
        (row.can_repair, ("repair", "wrench", tr("Repair"))),
        (row.can_verify, ("verify", "circle-check", tr("Check every byte"))),
        (row.can_show, ("show", "folder-open", tr("Show in the file manager"))),
        (row.can_remove, ("remove", "trash-2", tr("Remove"))),
    )
    return [command for can, command in found if can]


def shown_buttons(row: Row, active: bool) -> list[tuple[str, str, str]]:
    """Repair always stands there; the others only under the pointer or with the focus."""
    return [command for command in commands(row) if active or command[0] == "repair"]


class StoredDelegate(QStyledItemDelegate):
    def __init__(self, role: int, view: QListView) -> None:
        super().__init__(view)
        self._role = role

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: N802
        return QSize(200, ROW_HEIGHT)

    def paint(self, painter: QPainter, option: Any, index: Index) -> None:
        row: Row | None = index.data(self._role)
        if row is None:
            return
        colors = current()
        box = QRectF(option.rect).adjusted(0, 3, 0, -3)
        hover = bool(option.state & QStyle.StateFlag.State_MouseOver)
        focus = bool(option.state & QStyle.StateFlag.State_HasFocus)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_ground(painter, box, colors.raised if hover or focus else colors.panel, focus)
        inner = box.adjusted(14, 0, -14, 0)
        paint_icon(painter, row.icon, QRectF(inner.left(), inner.center().y() - 9, 18, 18), colors.soft)
        right = self._paint_size(painter, inner, row, option.font, hover or focus, QRect(option.rect))
        self._paint_words(
            painter, QRectF(inner.left() + 32, inner.top(), right - inner.left() - 32, inner.height()), row, option.font
        )
        painter.restore()

    @staticmethod
    def _paint_size(painter: QPainter, inner: QRectF, row: Row, base: QFont, active: bool, rect: QRect) -> float:
        """Size, what removing gives back, and the buttons; where the words have to end."""
        colors = current()
        shown = shown_buttons(row, active)
        paint_buttons(painter, button_rects(rect, len(shown), _END), shown)
        right = inner.right() - BUTTONS_WIDTH
        font = tabular(base)
        font.setPixelSize(tokens.BODY)
        font.setWeight(QFont.Weight.Medium)
        painter.setFont(font)
        painter.setPen(QColor(colors.text))
        column = QRectF(right - 110, inner.top() + 9, 110, 18)
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(column if row.freed else column.adjusted(0, 9, 0, 9), flags, row.size)
        font.setPixelSize(tokens.HINT)
        font.setWeight(QFont.Weight.Normal)
        painter.setFont(font)
        painter.setPen(QColor(colors.soft))
        painter.drawText(QRectF(right - 150, inner.top() + 28, 150, 16), flags, row.freed)
        left = right - 160
        if row.state:
            font.setWeight(QFont.Weight.Medium)
            painter.setFont(font)
            wide = min(150, painter.fontMetrics().horizontalAdvance(row.state) + 2)
            painter.setPen(tone_color(row.tone))
            painter.drawText(QRectF(left - wide, inner.top(), wide, inner.height()), flags, row.state)
            left -= wide + 12
        return left

    @staticmethod
    def _paint_words(painter: QPainter, box: QRectF, row: Row, base: QFont) -> None:
        colors = current()
        font = QFont(base)
        font.setPixelSize(tokens.BODY)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(colors.text))
        name = painter.fontMetrics().elidedText(row.name[:200], Qt.TextElideMode.ElideMiddle, int(box.width()))
        painter.drawText(QRectF(box.left(), box.top() + 9, box.width(), 18), Qt.AlignmentFlag.AlignVCenter, name)
        font = tabular(base)
        font.setPixelSize(tokens.SECONDARY)
        painter.setFont(font)
        painter.setPen(QColor(colors.soft))
        line = painter.fontMetrics().elidedText(row.line, Qt.TextElideMode.ElideRight, int(box.width()))
        painter.drawText(QRectF(box.left(), box.top() + 28, box.width(), 16), Qt.AlignmentFlag.AlignVCenter, line)
        if row.fraction > -2:
            paint_track(painter, QRectF(box.left(), box.bottom() - 5, box.width(), 2), row.fraction)


class StoredList(QListView):
    """``commanded`` carries a command and the item's id."""

    commanded = Signal(str, str)
    menu_wanted = Signal(str, QPoint)

    def __init__(self, role: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._role = role
        self._waiting = False
        self.setObjectName("storage.list")
        self.setAccessibleName(tr("Models on this computer"))
        self.setItemDelegate(StoredDelegate(role, self))
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)

    def show_waiting(self, on: bool) -> None:
        """Grey lines stand in while the disk is being looked at."""
        self._waiting = on
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        if self._waiting and self.model().rowCount() == 0:
            painter = QPainter(self.viewport())
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            for line in range(3):
                box = QRectF(0, line * ROW_HEIGHT + 3, self.viewport().width(), ROW_HEIGHT - 6)
                painter.setBrush(QColor(current().panel))
                painter.drawRoundedRect(box, tokens.RADIUS, tokens.RADIUS)
                painter.setBrush(QColor(current().raised))
                for top, share in ((13, 0.25), (31, 0.4)):
                    painter.drawRoundedRect(QRectF(46, box.top() + top, box.width() * share, 10), 5, 5)
            painter.end()

    def _row(self, index: Index) -> Row | None:
        row: Row | None = index.data(self._role) if index.isValid() else None
        return row

    def _active(self, index: Index, position: QPoint) -> bool:
        focused = self.hasFocus() and index == self.currentIndex()
        return focused or self.visualRect(index).contains(position)

    def button_at(self, position: QPoint) -> tuple[str, str]:
        """Command and words of the button there; empty when there is none."""
        index = self.indexAt(position)
        row = self._row(index)
        if row is None:
            return "", ""
        shown = shown_buttons(row, self._active(index, position))
        rects = button_rects(self.visualRect(index), len(shown), _END)
        for place, (command, _, words) in zip(rects, shown, strict=True):
            if place.contains(position):
                return command, words
        return "", ""

    def button_center(self, index: Index, command: str) -> QPoint:
        """Where the button of ``command`` stands, for tests and screen readers' clicks."""
        row = self._row(index)
        shown = shown_buttons(row, active=True) if row is not None else []
        rects = button_rects(self.visualRect(index), len(shown), _END)
        return next(
            (rect.center() for rect, (name, _, _) in zip(rects, shown, strict=True) if name == command), QPoint()
        )

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        position = event.position().toPoint()
        command, _ = self.button_at(position)
        row = self._row(self.indexAt(position))
        super().mouseReleaseEvent(event)
        if command and row is not None and event.button() is Qt.MouseButton.LeftButton:
            self.commanded.emit(command, row.id)

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
        row = self._row(self.currentIndex())
        keys = {
            Qt.Key.Key_Delete: "remove",
            Qt.Key.Key_Backspace: "remove",
            Qt.Key.Key_V: "verify",
            Qt.Key.Key_R: "repair",
        }
        command = keys.get(Qt.Key(event.key())) if not event.modifiers() else None
        if row is not None and command in [name for name, _, _ in commands(row)]:
            self.commanded.emit(command, row.id)
        elif row is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Menu):
            self.menu_wanted.emit(row.id, self.viewport().mapToGlobal(self.visualRect(self.currentIndex()).center()))
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802
        keyboard = event.reason() is QContextMenuEvent.Reason.Keyboard
        index = self.currentIndex() if keyboard else self.indexAt(event.pos())
        row = self._row(index)
        if row is not None:
            self.setCurrentIndex(index)
            self.menu_wanted.emit(row.id, self.viewport().mapToGlobal(self.visualRect(index).center()))
