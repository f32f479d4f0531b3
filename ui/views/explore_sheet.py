"""The sheet of a grid: rows and columns with their headings, each cell a picture."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from ui.i18n import tr
from ui.theme import current
from ui.viewmodels.explore import ExploreVM
from ui.viewmodels.recent import Thumbs
from ui.widgets.controls import mark
from ui.widgets.thumb_grid import paint_tile, ring

CELL = 132
_RESULT, _PATH = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1


class _Cell(QStyledItemDelegate):
    def __init__(self, thumbs: Thumbs, parent: QWidget) -> None:
        super().__init__(parent)
        self._thumbs = thumbs

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        box = QRectF(rect.adjusted(4, 4, -4, -4))
        painter.save()
        path = index.data(_PATH)
        if path:
            paint_tile(painter, box, self._thumbs.get(path))
        else:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(current().raised))
            painter.drawRoundedRect(box, 6, 6)
        if state & QStyle.StateFlag.State_Selected:
            ring(painter, box, 6)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: N802
        return QSize(CELL, CELL)


class SheetView(QTableWidget):
    """A click or Enter opens a cell's picture; the menu key and the right button ask for its menu."""

    opened = Signal(str)
    menu_wanted = Signal(str)

    def __init__(self, vm: ExploreVM, thumbs: Thumbs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm = vm
        self._block = 0
        self.setObjectName("explore.sheet")
        self.setAccessibleName(tr("Sheet"))
        self.setItemDelegate(_Cell(thumbs, self))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setFrameShape(QTableWidget.Shape.NoFrame)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        mark(self, kind="sheet")
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            header.setDefaultSectionSize(CELL)
            header.setHighlightSections(False)
            header.setSectionsClickable(False)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.verticalHeader().setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.itemClicked.connect(self._open)
        self.itemActivated.connect(self._open)
        self.customContextMenuRequested.connect(self._menu)
        thumbs.arrived.connect(lambda _: self.viewport().update())

    def show_block(self, number: int) -> None:
        self._block = max(0, number)
        self.refresh()

    def refresh(self) -> None:
        """Show what is made by now; the place that has the focus keeps it."""
        columns, rows = self._vm.columns, self._vm.rows_count
        if (self.columnCount(), self.rowCount()) != (columns, rows):
            self._block = 0
            self.setRowCount(rows)
            self.setColumnCount(columns)
        for number, text in enumerate(self._vm.headings(0)):
            self._head(number, text, True)
        for number, text in enumerate(self._vm.headings(1)):
            self._head(number, text, False)
        beside = self.verticalHeader()
        longest = max(beside.fontMetrics().horizontalAdvance(text) for text in self._vm.headings(1))
        beside.setFixedWidth(min(200, longest + 28))
        beside.setVisible(bool(self._vm.headings(1)[0]))
        for number, place in enumerate(self._vm.places(self._block)):
            row, column = divmod(number, columns)
            item = self.item(row, column)
            if item is None:
                item = QTableWidgetItem()
                self.setItem(row, column, item)
            item.setData(_RESULT, place.result)
            item.setData(_PATH, place.path)
            words = place.words if place.result else tr("{words}: not made yet", words=place.words)
            item.setToolTip(words)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, words)

    def _head(self, number: int, text: str, across: bool) -> None:
        item = self.horizontalHeaderItem(number) if across else self.verticalHeaderItem(number)
        if item is None:
            item = QTableWidgetItem()
            (self.setHorizontalHeaderItem if across else self.setVerticalHeaderItem)(number, item)
        item.setText(text)
        item.setToolTip(text)

    def _open(self, item: QTableWidgetItem) -> None:
        if item.data(_RESULT):
            self.opened.emit(str(item.data(_RESULT)))

    def _menu(self, at: QPoint) -> None:
        item = self.itemAt(at)
        if item is not None and item.data(_RESULT):
            self.menu_wanted.emit(str(item.data(_RESULT)))
