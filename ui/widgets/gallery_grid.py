"""Pictures as a grid that lays out by arithmetic and paints only what is seen, so that a hundred thousand are light.

It is a list view, so that selection, dragging and screen readers work as in any list; places and tiles are its own.
Thumbnails are never read here: the model answers None until it has one, and says when it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, cast

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QItemSelectionRange,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QRegion,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListView, QWidget

from ui.i18n import tr
from ui.theme import current
from ui.widgets.gallery_tile import Facts, heart_box, paint_gallery_tile

Index = QModelIndex | QPersistentModelIndex
Flag = QItemSelectionModel.SelectionFlag

LEAST_SIDE, MOST_SIDE, SIDE = 96, 320, 176
GAP, EDGE = 8, 16
WHEEL_STEP = 16


class Roles(NamedTuple):
    """The model's roles: the picture's id, its thumbnail (``QImage``, None while it is read) and what is known of it
    (favourite, rating, missing; None while it is read)."""

    id: int
    thumb: int
    row: int


class GalleryGrid(QListView):
    """``opened`` carries a row, ``favoured`` and ``rated`` are meant for all that is chosen, ``hearted`` for one row;
    ``menu_wanted`` has the place on the screen."""

    opened = Signal(int)
    favoured = Signal()
    hearted = Signal(int)
    rated = Signal(int)
    trash_wanted = Signal()
    menu_wanted = Signal(QPoint)
    side_changed = Signal(int)
    choice_changed = Signal()

    def __init__(self, roles: Roles, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._roles = roles
        self._side, self._whole = SIDE, False
        self._columns, self._cell = 1, SIDE
        self._hover = -1
        self._anchor = QPersistentModelIndex()
        self._band_from: QPoint | None = None
        self._band_to: QPoint | None = None
        self.setObjectName("gallery.grid")
        self.setAccessibleName(tr("Pictures"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setTabKeyNavigation(False)
        self.verticalScrollBar().setSingleStep(48)

    # what is chosen

    def chosen_rows(self) -> list[int]:
        """In the order of the grid."""
        return sorted(row for one in self._ranges() for row in range(one.top(), one.bottom() + 1))

    def chosen_count(self) -> int:
        """Without a list of them: all of a large library can be chosen."""
        return sum(one.height() for one in self._ranges())

    def _ranges(self) -> list[QItemSelectionRange]:
        model = self.selectionModel()
        return [] if model is None else list(cast("Iterable[QItemSelectionRange]", model.selection()))

    def selectionChanged(self, now: QItemSelection, before: QItemSelection) -> None:  # noqa: N802
        super().selectionChanged(now, before)
        self.viewport().update()
        self.choice_changed.emit()

    # where things stand

    @property
    def side(self) -> int:
        return self._side

    def set_side(self, side: int) -> None:
        """How wide a picture is at least; what is in the middle stays there."""
        side = min(MOST_SIDE, max(LEAST_SIDE, side))
        if side == self._side:
            return
        middle = self._middle_row()
        self._side = side
        self._place()
        if middle >= 0:
            self.verticalScrollBar().setValue(self._rect(middle).center().y() - self.viewport().height() // 2)
        self.side_changed.emit(side)

    def show_whole(self, whole: bool) -> None:
        """The whole picture in its shape instead of its middle as a square."""
        self._whole = whole
        self.viewport().update()

    def rows(self) -> int:
        return self.model().rowCount() if self.model() is not None else 0

    def _middle_row(self) -> int:
        now = self.currentIndex()
        if now.isValid() and self.viewport().rect().intersects(self.visualRect(now)):
            return now.row()
        line = (self.verticalOffset() + self.viewport().height() // 2 - EDGE) // (self._cell + GAP)
        return min(self.rows() - 1, max(0, line) * self._columns)

    def _place(self) -> None:
        room = max(LEAST_SIDE, self.viewport().width() - 2 * EDGE)
        self._columns = max(1, (room + GAP) // (self._side + GAP))
        self._cell = (room - GAP * (self._columns - 1)) // self._columns
        lines = -(-self.rows() // self._columns)
        height = 2 * EDGE + lines * (self._cell + GAP) - GAP if lines else 0
        bar, page = self.verticalScrollBar(), self.viewport().height()
        bar.setPageStep(page)
        bar.setRange(0, max(0, height - page))
        self.viewport().update()

    def _rect(self, row: int) -> QRect:
        """In the whole grid, not in what is scrolled to."""
        line, column = divmod(row, self._columns)
        step = self._cell + GAP
        return QRect(EDGE + column * step, EDGE + line * step, self._cell, self._cell)

    def visualRect(self, index: Index) -> QRect:  # noqa: N802
        return self._rect(index.row()).translated(0, -self.verticalOffset()) if index.isValid() else QRect()

    def _row_at(self, point: QPoint) -> int:
        x, y, step = point.x() - EDGE, point.y() + self.verticalOffset() - EDGE, self._cell + GAP
        if x < 0 or y < 0 or x % step >= self._cell or y % step >= self._cell or x // step >= self._columns:
            return -1
        row = int(y // step * self._columns + x // step)
        return row if row < self.rows() else -1

    def indexAt(self, point: QPoint) -> QModelIndex:  # noqa: N802
        row = self._row_at(point)
        return self.model().index(row, 0) if row >= 0 else QModelIndex()

    def scrollTo(  # noqa: N802
        self, index: Index, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        if not index.isValid():
            return
        rect, bar, page = self._rect(index.row()), self.verticalScrollBar(), self.viewport().height()
        if hint is QAbstractItemView.ScrollHint.PositionAtCenter:
            bar.setValue(rect.center().y() - page // 2)
        elif rect.top() - GAP < bar.value():
            bar.setValue(rect.top() - GAP)
        elif rect.bottom() + GAP > bar.value() + page:
            bar.setValue(rect.bottom() + GAP - page)

    def horizontalOffset(self) -> int:  # noqa: N802
        return 0

    def verticalOffset(self) -> int:  # noqa: N802
        return self.verticalScrollBar().value()

    def isIndexHidden(self, index: Index) -> bool:  # noqa: N802
        return False

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:  # noqa: N802
        """All that is seen: a region of each of a hundred thousand chosen tiles would take seconds."""
        return QRegion(self.viewport().rect())

    def doItemsLayout(self) -> None:  # noqa: N802
        """In place of the list's own, which would ask for the size of every row."""
        self._place()

    def updateGeometries(self) -> None:  # noqa: N802
        self._place()

    def rowsInserted(self, parent: Index, start: int, end: int) -> None:  # noqa: N802
        """What comes in above what is looked at does not move it."""
        before, first = self.verticalOffset(), self._row_near(self.verticalOffset())
        super().rowsInserted(parent, start, end)
        self._place()
        if before > EDGE and start <= first:
            moved = self._rect(first + end - start + 1).top() - self._rect(first).top()
            self.verticalScrollBar().setValue(before + moved)

    def _row_near(self, y: int) -> int:
        return max(0, y - EDGE) // (self._cell + GAP) * self._columns

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        middle = self._middle_row()
        columns = self._columns
        super().resizeEvent(event)
        self._place()
        if columns != self._columns and middle >= 0:
            self.scrollTo(self.model().index(middle, 0))

    # choosing

    def selectionCommand(self, index: Index, event: QEvent | None = None) -> Flag:  # noqa: N802
        command = super().selectionCommand(index, event)
        if index.isValid() and not command & Flag.Current and command != Flag.NoUpdate:
            self._anchor = QPersistentModelIndex(index)
        return command

    def setSelection(self, rect: QRect, command: Flag) -> None:  # noqa: N802
        """Shift chooses from the first to the last as they are read; the rubber band what it touches."""
        if self._band_from is not None:
            banded = self._banded(rect.normalized())
            if banded.count() or command & Flag.Clear:
                self.selectionModel().select(banded, command)
            return
        index = self.indexAt(rect.bottomRight())
        chosen = QItemSelection()
        if index.isValid():
            start = self._anchor if self._anchor.isValid() and command & Flag.Current else index
            low, high = sorted((start.row(), index.row()))
            chosen.select(self.model().index(low, 0), self.model().index(high, 0))
        self.selectionModel().select(chosen, command)

    def _banded(self, rect: QRect) -> QItemSelection:
        """One range for each line that the band touches."""
        step, top = self._cell + GAP, self.verticalOffset() - EDGE
        left = max(0, -(-(rect.left() - EDGE - self._cell) // step))
        right = min(self._columns - 1, (rect.right() - EDGE) // step)
        first = max(0, -(-(rect.top() + top - self._cell) // step))
        last = min((self.rows() - 1) // self._columns, (rect.bottom() + top) // step)
        chosen = QItemSelection()
        for line in range(first, last + 1):
            low, high = line * self._columns + left, min(line * self._columns + right, self.rows() - 1)
            if low <= high:
                chosen.select(self.model().index(low, 0), self.model().index(high, 0))
        return chosen

    def moveCursor(  # noqa: N802
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        rows, now = self.rows(), self.currentIndex().row()
        if not rows:
            return QModelIndex()
        if now < 0:
            return self.model().index(0, 0)
        acts = QAbstractItemView.CursorAction
        page = max(1, self.viewport().height() // (self._cell + GAP)) * self._columns
        steps = {
            acts.MoveLeft: -1, acts.MovePrevious: -1, acts.MoveRight: 1, acts.MoveNext: 1, acts.MoveUp: -self._columns,
            acts.MoveDown: self._columns, acts.MovePageUp: -page, acts.MovePageDown: page, acts.MoveHome: -rows,
            acts.MoveEnd: rows,
        }  # fmt: skip
        wanted = now + steps[action]
        if action in (acts.MoveUp, acts.MoveDown) and not 0 <= wanted < rows:
            below = now // self._columns < (rows - 1) // self._columns
            wanted = rows - 1 if action is acts.MoveDown and below else now
        return self.model().index(min(rows - 1, max(0, wanted)), 0)

    # keys, wheel and mouse

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        key, plain = event.key(), not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        now = self.currentIndex()
        if plain and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and now.isValid():
            self.opened.emit(now.row())
        elif plain and key == Qt.Key.Key_Delete and self.chosen_count():
            self.trash_wanted.emit()
        elif plain and key == Qt.Key.Key_F and self.chosen_count():
            self.favoured.emit()
        elif plain and Qt.Key.Key_0 <= key <= Qt.Key.Key_5 and self.chosen_count():
            self.rated.emit(int(key) - int(Qt.Key.Key_0))
        elif event.text().isprintable() and event.text() and not event.modifiers() & ~Qt.KeyboardModifier.ShiftModifier:
            event.ignore()  # typing belongs to the search field
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            if event.angleDelta().y():
                self.set_side(self._side + (WHEEL_STEP if event.angleDelta().y() > 0 else -WHEEL_STEP))
            event.accept()
            return
        super().wheelEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        point = event.position().toPoint()
        row = self._row_at(point)
        left = event.button() is Qt.MouseButton.LeftButton
        if left and row >= 0 and self._heart(row).contains(point):
            self.hearted.emit(row)
            event.accept()
            return
        self._band_from = point + QPoint(0, self.verticalOffset()) if left and row < 0 else None
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        point = event.position().toPoint()
        self._hovered(self._row_at(point))
        super().mouseMoveEvent(event)
        if self._band_from is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self._band_to = point + QPoint(0, self.verticalOffset())
            self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        super().mouseReleaseEvent(event)
        self._band_from = self._band_to = None
        self.viewport().update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        point = event.position().toPoint()
        row = self._row_at(point)
        if row >= 0 and event.button() is Qt.MouseButton.LeftButton and not self._heart(row).contains(point):
            self.opened.emit(row)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802
        """By mouse for what lies under it, by the menu key for what is current."""
        by_mouse = event.reason() is QContextMenuEvent.Reason.Mouse
        index = self.indexAt(event.pos()) if by_mouse else self.currentIndex()
        if index.isValid():
            spot = event.pos() if by_mouse else self.visualRect(index).center()
            self.menu_wanted.emit(self.viewport().mapToGlobal(spot))

    def _heart(self, row: int) -> QRect:
        return heart_box(QRectF(self._rect(row).translated(0, -self.verticalOffset()))).toAlignedRect()

    def _hovered(self, row: int) -> None:
        if row != self._hover:
            for changed in (self._hover, row):
                if changed >= 0:
                    self.viewport().update(self._rect(changed).translated(0, -self.verticalOffset()))
            self._hover = row

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802
        if event.type() is QEvent.Type.Leave:
            self._hovered(-1)
        return super().viewportEvent(event)

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self.viewport())
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        first = self._row_near(self.verticalOffset() + event.rect().top())
        last = self._row_near(self.verticalOffset() + event.rect().bottom()) + self._columns
        for row in range(first, min(last, self.rows())):
            self._paint_row(painter, row)
        if self._band_from is not None and self._band_to is not None:
            colors, band = current(), QRect(self._band_from, self._band_to).normalized()
            tint = QColor(colors.accent)
            painter.setPen(tint)
            tint.setAlphaF(0.14)
            painter.setBrush(tint)
            painter.drawRect(band.translated(0, -self.verticalOffset()))
        painter.end()

    def _paint_row(self, painter: QPainter, row: int) -> None:
        index = self.model().index(row, 0)
        facts: Facts | None = index.data(self._roles.row)
        paint_gallery_tile(
            painter,
            QRectF(self.visualRect(index)),
            index.data(self._roles.thumb),
            facts,
            whole=self._whole,
            chosen=self.selectionModel().isSelected(index),
            hover=row == self._hover,
            focus=self.hasFocus() and index == self.currentIndex(),
        )
