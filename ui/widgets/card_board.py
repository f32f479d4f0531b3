"""Cards in sections: a grid that lays out by arithmetic and paints only what is seen, so that ten thousand are light.

It is a list view, so selection, keys and screen readers work as in any list, but places and paints its items itself;
the model gives the sections.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QRegion, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from ui.i18n import tr
from ui.theme import current, tokens
from ui.widgets.card_paint import CARD_HEIGHT, Card, paint_card, paint_skeleton

Index = QModelIndex | QPersistentModelIndex

LEAST_WIDTH = 272
GAP = 12
EDGE = 24
HEADING = 44
NOTE = 40


class BoardSection(Protocol):
    """What the board has to know of a section."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def keys(self) -> tuple[str, ...]: ...
    @property
    def row_only(self) -> bool: ...
    @property
    def note(self) -> str: ...
    @property
    def waiting(self) -> int: ...
    @property
    def action(self) -> str: ...
    @property
    def start(self) -> int: ...


class _Placed(NamedTuple):
    """Where a section stands: ``top`` of its heading, ``cards`` where its cards begin, how many are shown, its end."""

    section: BoardSection
    top: int
    cards: int
    shown: int
    bottom: int


class CardDelegate(QStyledItemDelegate):
    def __init__(self, role: int, view: QAbstractItemView) -> None:
        super().__init__(view)
        self._role = role

    def paint(self, painter: QPainter, option: Any, index: Index) -> None:
        card: Card | None = index.data(self._role)
        if card is not None:
            hover = bool(option.state & QStyle.StateFlag.State_MouseOver)
            chosen = bool(option.state & QStyle.StateFlag.State_Selected)
            focus = bool(option.state & QStyle.StateFlag.State_HasFocus)
            paint_card(painter, QRectF(option.rect), card, option.font, hover, chosen, focus)


class CardBoard(QListView):
    """``opened`` carries a card's key, ``more_wanted`` the id of a section whose heading's button was pressed."""

    opened = Signal(str)
    more_wanted = Signal(str)

    def __init__(self, card_role: int, key_role: int, sections: Any, parent: QWidget | None = None) -> None:
        """``sections`` is called for the model's sections whenever it was reset."""
        super().__init__(parent)
        self._key_role = key_role
        self._ask = sections
        self._placed: list[_Placed] = []
        self._kept = ""
        self._first: tuple[str, ...] = ()
        self._columns, self._width, self._height = 1, LEAST_WIDTH, 0
        self._hover = QPersistentModelIndex()
        self.setObjectName("models.list")
        self.setAccessibleName(tr("Models"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMouseTracking(True)
        self.setItemDelegate(CardDelegate(card_role, self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTabKeyNavigation(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalScrollBar().setSingleStep(40)
        self.clicked.connect(self._open)
        self.activated.connect(self._open)

    def _open(self, index: Index) -> None:
        key = index.data(self._key_role)
        if key:
            self.opened.emit(str(key))

    # where things stand

    def setModel(self, model: QAbstractItemModel | None) -> None:  # noqa: N802
        super().setModel(model)
        if model is not None:
            model.modelAboutToBeReset.connect(self._keep_place)

    def _keep_place(self) -> None:
        """Note what is current and first: an answer that adds a section below must not move what is looked at."""
        now = self.currentIndex()
        self._kept = str(now.data(self._key_role)) if now.isValid() else ""
        self._first = self._placed[0].section.keys if self._placed else ()

    def reset(self) -> None:
        super().reset()
        self._place()
        if not self._placed or self._placed[0].section.keys != self._first:
            self.verticalScrollBar().setValue(0)
        elif self._kept:
            QTimer.singleShot(0, self, self._restore)  # the selection is reset after the view

    def _restore(self) -> None:
        if self._kept in self._first and not self.currentIndex().isValid():
            row = self._placed[0].section.start + self._first.index(self._kept)
            keep = QItemSelectionModel.SelectionFlag.NoUpdate
            self.selectionModel().setCurrentIndex(self.model().index(row, 0), keep)

    def _place(self) -> None:
        """Work out columns and the sections' places; costs nothing per card."""
        room = max(LEAST_WIDTH, self.viewport().width() - 2 * EDGE)
        before = self._columns
        self._columns = max(1, (room + GAP) // (LEAST_WIDTH + GAP))
        self._width = (room - GAP * (self._columns - 1)) // self._columns
        top, placed = 4, []
        sections: Sequence[BoardSection] = self._ask() if self.model() is not None else ()
        for section in sections:
            cards = top + HEADING
            shown = min(len(section.keys), self._columns) if section.row_only else len(section.keys)
            lines = -(-(shown or min(section.waiting, self._columns)) // self._columns)
            bottom = cards + lines * (CARD_HEIGHT + GAP) + (NOTE if section.note else 0)
            placed.append(_Placed(section, top, cards, shown, bottom))
            top = bottom + 8
        self._placed, self._height = placed, top + 16
        bar = self.verticalScrollBar()
        bar.setPageStep(self.viewport().height())
        bar.setRange(0, max(0, self._height - self.viewport().height()))
        now = self.currentIndex()
        if before != self._columns and now.isValid() and self.selectionModel().isSelected(now):
            self.scrollTo(now)  # the details took room: the card they belong to stays in sight
        self.viewport().update()

    def _section_of(self, row: int) -> _Placed | None:
        return next((p for p in self._placed if p.section.start <= row < p.section.start + len(p.section.keys)), None)

    def _rect(self, row: int) -> QRect:
        """In the whole board, not in what is scrolled to."""
        placed = self._section_of(row)
        if placed is None or row - placed.section.start >= placed.shown:
            return QRect()
        line, column = divmod(row - placed.section.start, self._columns)
        return self._cell(placed, line, column)

    def _cell(self, placed: _Placed, line: int, column: int) -> QRect:
        left = EDGE + column * (self._width + GAP)
        return QRect(left, placed.cards + line * (CARD_HEIGHT + GAP), self._width, CARD_HEIGHT)

    def visualRect(self, index: Index) -> QRect:  # noqa: N802
        return self._rect(index.row()).translated(0, -self.verticalOffset()) if index.isValid() else QRect()

    def indexAt(self, point: QPoint) -> QModelIndex:  # noqa: N802
        y = point.y() + self.verticalOffset()
        for placed in self._placed:
            if placed.cards <= y < placed.bottom:
                line = (y - placed.cards) // (CARD_HEIGHT + GAP)
                column = (point.x() - EDGE) // (self._width + GAP)
                row = line * self._columns + column
                inside = 0 <= column < self._columns and row < placed.shown
                if inside and self._cell(placed, line, column).contains(point.x(), y):
                    return self.model().index(placed.section.start + row, 0)
        return QModelIndex()

    def scrollTo(  # noqa: N802
        self, index: Index, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        rect = self._rect(index.row()) if index.isValid() else QRect()
        if rect.isNull():
            return
        bar, top, page = self.verticalScrollBar(), self.verticalOffset(), self.viewport().height()
        if rect.top() - HEADING < top:
            bar.setValue(rect.top() - HEADING)
        elif rect.bottom() + GAP > top + page:
            bar.setValue(rect.bottom() + GAP - page)

    def horizontalOffset(self) -> int:  # noqa: N802
        return 0

    def verticalOffset(self) -> int:  # noqa: N802
        return self.verticalScrollBar().value()

    def isIndexHidden(self, index: Index) -> bool:  # noqa: N802
        return self._rect(index.row()).isNull()

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:  # noqa: N802
        region = QRegion()
        for index in selection.indexes():
            region += QRegion(self.visualRect(index))
        return region

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:  # noqa: N802
        index = self.indexAt(rect.center())
        if index.isValid():
            self.selectionModel().select(index, command)

    def doItemsLayout(self) -> None:  # noqa: N802
        """In place of the list's own, which would ask for the size of every row."""
        self._place()

    def updateGeometries(self) -> None:  # noqa: N802
        self._place()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._place()

    # keys

    def moveCursor(  # noqa: N802
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        shown = [p for p in self._placed if p.shown]
        if not shown:
            return QModelIndex()
        now = self.currentIndex()
        placed = self._section_of(now.row()) if now.isValid() else None
        first = self.model().index(shown[0].section.start, 0)
        if placed is None or self.isIndexHidden(now):
            return first
        acts = QAbstractItemView.CursorAction
        last = self.model().index(shown[-1].section.start + shown[-1].shown - 1, 0)
        if action in (acts.MoveHome, acts.MoveEnd):
            return first if action is acts.MoveHome else last
        if action in (acts.MoveLeft, acts.MovePrevious, acts.MoveRight, acts.MoveNext):
            return self._beside(shown, placed, now, -1 if action in (acts.MoveLeft, acts.MovePrevious) else 1)
        lines = (
            max(1, self.viewport().height() // (CARD_HEIGHT + GAP))
            if action in (acts.MovePageUp, acts.MovePageDown)
            else 1
        )
        by = -1 if action in (acts.MoveUp, acts.MovePageUp) else 1
        for _ in range(lines):
            now = self._above(shown, now, by)
        return now

    def _beside(self, shown: list[_Placed], placed: _Placed, now: QModelIndex, by: int) -> QModelIndex:
        place = now.row() - placed.section.start + by
        if 0 <= place < placed.shown:
            return self.model().index(placed.section.start + place, 0)
        other = shown.index(placed) + by
        if not 0 <= other < len(shown):
            return now
        target = shown[other]
        return self.model().index(target.section.start + (0 if by > 0 else target.shown - 1), 0)

    def _above(self, shown: list[_Placed], now: QModelIndex, by: int) -> QModelIndex:
        """The card one line up or down, in the next section when this one ends."""
        placed = self._section_of(now.row())
        if placed is None:
            return now
        line, column = divmod(now.row() - placed.section.start, self._columns)
        lines = -(-placed.shown // self._columns)
        if 0 <= line + by < lines:
            row = min((line + by) * self._columns + column, placed.shown - 1)
            return self.model().index(placed.section.start + row, 0)
        other = shown.index(placed) + by
        if not 0 <= other < len(shown):
            return now
        target = shown[other]
        first = 0 if by > 0 else (-(-target.shown // self._columns) - 1) * self._columns
        return self.model().index(target.section.start + min(first + column, target.shown - 1), 0)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and not event.modifiers():
            self._open(self.currentIndex())
        elif event.text() and event.text().isprintable() and not event.text().isspace():
            event.ignore()  # typing belongs to the search field
        else:
            super().keyPressEvent(event)

    # the heading's button

    def _more_rect(self, placed: _Placed) -> QRect:
        fits = placed.section.row_only and len(placed.section.keys) <= self._columns
        if fits or not placed.section.action:
            return QRect()
        return QRect(self.viewport().width() - EDGE - 96, placed.top + 10 - self.verticalOffset(), 96, tokens.TARGET)

    def _more_at(self, point: QPoint) -> str:
        return next((p.section.id for p in self._placed if self._more_rect(p).contains(point)), "")

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        section = self._more_at(event.position().toPoint())
        if section and event.button() is Qt.MouseButton.LeftButton:
            self.more_wanted.emit(section)
            event.accept()
            return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        point = event.position().toPoint()
        index = self.indexAt(point)
        over = index.isValid() or bool(self._more_at(point))
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)
        self._hovered(index)
        super().mouseMoveEvent(event)

    def _hovered(self, index: Index) -> None:
        if QPersistentModelIndex(index) != self._hover:
            for changed in (self._hover, index):
                self.viewport().update(self.visualRect(changed).adjusted(-1, -1, 1, 1))
            self._hover = QPersistentModelIndex(index)

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802
        if event.type() is QEvent.Type.Leave:
            self._hovered(QModelIndex())
        return super().viewportEvent(event)

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        top, page = self.verticalOffset(), self.viewport().height()
        for placed in self._placed:
            if placed.bottom >= top and placed.top <= top + page:
                self._paint_section(painter, placed, top, page, event.rect())
        painter.end()

    def _paint_section(self, painter: QPainter, placed: _Placed, top: int, page: int, wanted: QRect) -> None:
        """``wanted`` is what has to be painted again: while a download moves, its own card only."""
        if wanted.intersects(QRect(0, placed.top - top, self.viewport().width(), HEADING + NOTE)):
            self._paint_heading(painter, placed, placed.top - top)
        first = max(0, (top - placed.cards) // (CARD_HEIGHT + GAP))
        last = (top + page - placed.cards) // (CARD_HEIGHT + GAP)
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        chosen, now = self.selectionModel(), self.currentIndex()
        for place in range(first * self._columns, min(placed.shown, (last + 1) * self._columns)):
            index = self.model().index(placed.section.start + place, 0)
            option.rect = self.visualRect(index)
            if not wanted.intersects(option.rect):
                continue
            state = QStyle.StateFlag.State_Enabled
            if chosen is not None and chosen.isSelected(index):
                state |= QStyle.StateFlag.State_Selected
            if index == self._hover:
                state |= QStyle.StateFlag.State_MouseOver
            if index == now and self.hasFocus():
                state |= QStyle.StateFlag.State_HasFocus
            option.state = state
            self.itemDelegate().paint(painter, option, index)
        if not placed.shown:
            for place in range(min(placed.section.waiting, self._columns)):
                paint_skeleton(painter, QRectF(self._cell(placed, 0, place).translated(0, -top)))

    def _paint_heading(self, painter: QPainter, placed: _Placed, y: int) -> None:
        colors, section = current(), placed.section
        font = QFont(self.font())
        font.setPixelSize(tokens.HEADING)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(colors.text))
        line = QRectF(EDGE, y + 12, self.viewport().width() - 2 * EDGE, 24)
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, section.title)
        used = painter.fontMetrics().horizontalAdvance(section.title) + 12
        more = self._more_rect(placed)
        font.setPixelSize(tokens.SECONDARY)
        font.setWeight(QFont.Weight.Normal)
        painter.setFont(font)
        painter.setPen(QColor(colors.soft))
        room = line.width() - used - (more.width() + 8 if not more.isNull() else 0)
        words = painter.fontMetrics().elidedText(section.summary, Qt.TextElideMode.ElideRight, int(max(0, room)))
        painter.drawText(line.adjusted(used, 1, 0, 1), Qt.AlignmentFlag.AlignVCenter, words)
        if not more.isNull():
            painter.drawText(QRectF(more), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, section.action)
        if section.note:
            note = QRectF(EDGE, y + HEADING - 4, self.viewport().width() - 2 * EDGE, NOTE)
            painter.drawText(note, Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap, section.note)
