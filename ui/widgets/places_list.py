"""The places of the gallery as a list: what there is of each, and pictures can be dropped on collections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QPainter,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QWidget,
)

from ui.i18n import tr
from ui.theme import current, tokens
from ui.theme.icons import paint_icon

KEY = Qt.ItemDataRole.UserRole + 1
PLACE = Qt.ItemDataRole.UserRole + 2
ROW, HEADING = 32, 36
HEADINGS = {"collection": "Collections", "tag": "Tags"}


class Row(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def icon(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def kind(self) -> str: ...


class _Delegate(QStyledItemDelegate):
    over = ""

    def sizeHint(self, option: Any, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: N802
        return QSize(0, ROW if index.data(KEY) else HEADING)

    def paint(self, painter: QPainter, option: Any, index: QModelIndex | QPersistentModelIndex) -> None:
        colors, row = current(), index.data(PLACE)
        box = QRectF(option.rect).adjusted(8, 1, -8, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPixelSize(tokens.SECONDARY if row is None else tokens.BODY)
        painter.setFont(font)
        if row is None:
            painter.setPen(QColor(colors.soft))
            painter.drawText(box.adjusted(8, 8, 0, 0), Qt.AlignmentFlag.AlignVCenter, index.data())
            painter.restore()
            return
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        lit = bool(option.state & QStyle.StateFlag.State_MouseOver) or self.over == row.key
        if chosen or lit:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.raised))
            painter.drawRoundedRect(box, tokens.RADIUS, tokens.RADIUS)
        tone = colors.accent if chosen else colors.soft
        paint_icon(painter, row.icon, QRectF(box.left() + 8, box.center().y() - 8, 16, 16), tone)
        count = f"{row.count:,}"
        wide = painter.fontMetrics().horizontalAdvance(count)
        painter.setPen(QColor(colors.soft))
        painter.drawText(box.adjusted(0, 0, -8, 0), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, count)
        room = box.adjusted(32, 0, -16 - wide, 0)
        title = painter.fontMetrics().elidedText(row.title, Qt.TextElideMode.ElideMiddle, int(room.width()))
        painter.setPen(QColor(colors.text))
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, title)
        painter.restore()


class PlacesList(QListWidget):
    """``chosen`` and ``menu_wanted`` carry a place's key; ``dropped`` that of a collection pictures were dropped on."""

    chosen = Signal(str)
    menu_wanted = Signal(str, QPoint)
    dropped = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("gallery.places")
        self.setAccessibleName(tr("Places"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self._paint = _Delegate(self)
        self.setItemDelegate(self._paint)
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAcceptDrops(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DropOnly)
        self._rows: list[Row] = []
        self._filling = False
        self.currentItemChanged.connect(self._changed)

    def show_places(self, places: Sequence[Row], current_key: str) -> None:
        self._filling = True
        self._rows = list(places)
        self.clear()
        kind = "state"
        for place in places:
            if place.kind != kind:
                kind = place.kind
                heading = QListWidgetItem(tr(HEADINGS[kind]))
                heading.setFlags(Qt.ItemFlag.NoItemFlags)
                self.addItem(heading)
            item = QListWidgetItem(place.title)
            item.setData(KEY, place.key)
            item.setData(PLACE, place)
            item.setToolTip(place.title)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{place.title}, {place.count:,}")
            self.addItem(item)
            if place.key == current_key:
                self.setCurrentItem(item)
        self._filling = False

    def _changed(self, item: QListWidgetItem | None) -> None:
        if not self._filling and item is not None and item.data(KEY):
            self.chosen.emit(str(item.data(KEY)))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802
        item = self.itemAt(event.pos())
        if item is not None and item.data(KEY):
            self.menu_wanted.emit(str(item.data(KEY)), event.globalPos())

    # pictures dragged over it

    def _under(self, event: QDropEvent) -> str:
        item = self.itemAt(event.position().toPoint())
        place = item.data(PLACE) if item is not None else None
        return str(place.key) if place is not None and (place.kind == "collection" or place.key == "trash") else ""

    def _light(self, key: str) -> None:
        self._paint.over = key
        self.viewport().update()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if event.source() is not None and event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:  # noqa: N802
        key = self._under(event)
        self._light(key)
        event.setAccepted(bool(key))

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802
        self._light("")

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        key = self._under(event)
        self._light("")
        if key:
            event.acceptProposedAction()
            self.dropped.emit(key)
