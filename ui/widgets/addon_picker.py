"""A list of add-ons that opens beside a button: searched by typing, those that do not fit greyed, with the reason.

It serves every kind of add-on: LoRAs, ControlNets, IP-Adapters, VAEs, embeddings, upscalers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import IntEnum

from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from ui.i18n import tr
from ui.theme import current, tokens
from ui.theme.icons import icon, paint_icon
from ui.widgets.controls import Button, label, mark
from ui.widgets.fields import AddonRow

ROW, MOST, LEAST_WIDTH = 46, 7, 308
"""Pixels of one line, how many are seen at once, and how wide the list is at least."""


class Role(IntEnum):
    ID = Qt.ItemDataRole.UserRole
    DETAIL = Qt.ItemDataRole.UserRole + 1
    FITS = Qt.ItemDataRole.UserRole + 2
    TAKEN = Qt.ItemDataRole.UserRole + 3
    WORDS = Qt.ItemDataRole.UserRole + 4


class _Delegate(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: N802
        return QSize(200, ROW)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        colors = current()
        rect = QRectF(option.rect)
        fits, taken = bool(index.data(Role.FITS)), bool(index.data(Role.TAKEN))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if fits and option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.hover))
            painter.drawRoundedRect(rect.adjusted(2, 1, -2, -1), 7, 7)
        inner = rect.adjusted(10, 5, -10, -5)
        if taken or not fits:
            name = "check" if taken else "triangle-alert"
            colour = colors.accent if taken else colors.faint
            paint_icon(painter, name, QRectF(inner.right() - 16, inner.center().y() - 8, 16, 16), colour)
            inner.setRight(inner.right() - 24)
        font = painter.font()
        font.setPixelSize(tokens.BODY)
        font.setWeight(font.Weight.Medium)
        painter.setFont(font)
        painter.setPen(QColor(colors.text if fits else colors.soft))
        top = QRectF(inner.left(), inner.top(), inner.width(), 18)
        elided = painter.fontMetrics().elidedText(
            str(index.data(Qt.ItemDataRole.DisplayRole)), Qt.TextElideMode.ElideMiddle, int(inner.width())
        )
        painter.drawText(top, Qt.AlignmentFlag.AlignVCenter, elided)
        font.setPixelSize(tokens.HINT)
        font.setWeight(font.Weight.Normal)
        painter.setFont(font)
        painter.setPen(QColor(colors.soft))
        beneath = QRectF(inner.left(), inner.top() + 18, inner.width(), 17)
        line = painter.fontMetrics().elidedText(
            str(index.data(Role.DETAIL)), Qt.TextElideMode.ElideRight, int(inner.width())
        )
        painter.drawText(beneath, Qt.AlignmentFlag.AlignVCenter, line)
        painter.restore()


class _Filter(QSortFilterProxyModel):
    """Rows in which every word that was typed occurs."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._words: list[str] = []

    def search(self, text: str) -> None:
        self.beginFilterChange()
        self._words = text.casefold().split()
        self.endFilterChange()

    def filterAcceptsRow(self, row: int, parent: QModelIndex | QPersistentModelIndex) -> bool:  # noqa: N802
        found = str(self.sourceModel().index(row, 0, parent).data(Role.WORDS))
        return all(word in found for word in self._words)


class AddonPicker(QFrame):
    """``chosen`` carries the add-on's row; ``more_wanted`` asks for the Models page. ``what`` is the word for several
    of them ("LoRAs"), ``name`` the start of the object names ("create.loras")."""

    chosen = Signal(object)
    more_wanted = Signal()

    def __init__(self, what: str, name: str, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._rows: dict[str, AddonRow] = {}
        self._anchor: QWidget = parent
        mark(self, surface="popup")
        self.setObjectName(f"{name}.picker")
        self.setAccessibleName(what)
        self.search = QLineEdit()
        self.search.setObjectName(f"{name}.search")
        self.search.setPlaceholderText(tr("Search {what}", what=what))
        self.search.setAccessibleName(tr("Search {what}", what=what))
        self.search.addAction(icon("search"), QLineEdit.ActionPosition.LeadingPosition)
        self.search.installEventFilter(self)
        self.list = QListView()
        self.list.setObjectName(f"{name}.list")
        self.list.setAccessibleName(what)
        self.list.setItemDelegate(_Delegate(self))
        self.list.setUniformItemSizes(True)
        self.list.setMouseTracking(True)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self._filter = _Filter(self)
        self.list.setModel(self._filter)
        self.list.entered.connect(self._hover)
        self.list.clicked.connect(self._clicked)
        self._nothing = label("", "secondary", "soft", wrap=True)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._what = what
        self.more = Button(tr("Get more {what}…", what=what), "quiet", "boxes")
        self.more.setObjectName(f"{name}.more")
        self.more.setAccessibleName(tr("Get more {what} on the Models page", what=what))
        self.more.clicked.connect(self._ask_for_more)
        layout = self._layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self.search)
        layout.addWidget(self.list)
        layout.addWidget(self._nothing)
        layout.addWidget(self.more)
        self.search.textChanged.connect(self._search)

    def open_at(self, anchor: QWidget, rows: Sequence[AddonRow], taken: Collection[str] = ()) -> None:
        """Show ``rows`` (in their order) beneath ``anchor``; those whose id is in ``taken`` are marked as chosen."""
        self._anchor = anchor
        self._rows = {row.id: row for row in rows}
        model = QStandardItemModel(self._filter)
        for row in rows:
            model.appendRow(_item(row, row.id in taken))
        self._filter.setSourceModel(model)
        self.search.clear()
        self._search("")
        self.resize(self._size())
        self.move(self._place())
        self.show()
        self.search.setFocus(Qt.FocusReason.PopupFocusReason)

    def _search(self, text: str) -> None:
        self._filter.search(text)
        count = self._filter.rowCount()
        self.list.setVisible(count > 0)
        self._nothing.setVisible(count == 0)
        none = tr("No {what} on this computer yet.", what=self._what)
        self._nothing.setText(tr("Nothing is called “{text}”.", text=text) if self._rows else none)
        self._nothing.setFixedHeight(ROW + 8)
        self.list.setFixedHeight(ROW * max(1, min(MOST, count)) + 2)
        self._step_to(next((n for n in range(count) if self._at(n).data(Role.FITS)), -1))
        if self.isVisible():
            self.resize(self._size())

    def _size(self) -> QSize:
        return QSize(max(LEAST_WIDTH, self._anchor.width()), self._layout.sizeHint().height())

    def _place(self) -> QPoint:
        """Beneath the anchor, above it where there is no room, and always on its screen."""
        room: QRect = self._anchor.screen().availableGeometry()
        highest = self.height() + ROW * (MOST - max(1, min(MOST, self._filter.rowCount())))
        at = self._anchor.mapToGlobal(QPoint(0, self._anchor.height() + 4))
        if at.y() + min(self.height(), highest) > room.bottom():
            above = self._anchor.mapToGlobal(QPoint(0, -4)).y() - self.height()
            at.setY(max(room.top(), above))
        at.setX(max(room.left(), min(at.x(), room.right() - self.width())))
        return at

    # choosing

    def _at(self, number: int) -> QModelIndex:
        return self._filter.index(number, 0)

    def _step_to(self, number: int) -> None:
        if number >= 0:
            self.list.setCurrentIndex(self._at(number))
        else:
            self.list.clearSelection()
            self.list.setCurrentIndex(QModelIndex())

    def _step(self, by: int) -> None:
        """To the next line that can be chosen."""
        number = self.list.currentIndex().row() + by
        while 0 <= number < self._filter.rowCount():
            if self._at(number).data(Role.FITS):
                self._step_to(number)
                return
            number += by

    def _hover(self, index: QModelIndex) -> None:
        if index.data(Role.FITS):
            self.list.setCurrentIndex(index)

    def _clicked(self, index: QModelIndex) -> None:
        if index.isValid() and index.data(Role.FITS):
            self._choose(str(index.data(Role.ID)))

    def _choose(self, key: str) -> None:
        self.close()
        self.chosen.emit(self._rows[key])

    def _ask_for_more(self) -> None:
        self.close()
        self.more_wanted.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Arrows and Enter in the search field are the list's."""
        if watched is self.search and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            key = event.key()
            steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}
            if key in steps:
                self._step(steps[Qt.Key(key)])
                return True
            if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._clicked(self.list.currentIndex())
                return True
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Escape:
            self.close()
            return
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.list.hasFocus():
            self._clicked(self.list.currentIndex())
            return
        super().keyPressEvent(event)


def _item(row: AddonRow, taken: bool) -> QStandardItem:
    item = QStandardItem(row.name)
    item.setEditable(False)
    item.setData(row.id, Role.ID)
    item.setData(row.problem or row.detail, Role.DETAIL)
    item.setData(row.fits, Role.FITS)
    item.setData(taken, Role.TAKEN)
    item.setData(" ".join((row.name, row.id, row.detail, *row.trigger)).casefold(), Role.WORDS)
    item.setData(f"{row.name}, {row.problem or row.detail}", Qt.ItemDataRole.AccessibleTextRole)
    item.setToolTip("\n".join(part for part in (row.name, row.problem, row.detail, ", ".join(row.trigger)) if part))
    item.setEnabled(row.fits)
    return item
