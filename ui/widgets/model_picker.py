"""The model picker: a card that opens a list; models that cannot be used stand there greyed, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from ui.i18n import tr
from ui.theme import current, tokens
from ui.theme.icons import paint_icon
from ui.widgets.controls import Combo, mark

ADD = "\0add"
MORE = "\0more"
EXTRA = {ADD: "folder-plus", MORE: "boxes"}
"""Lines that are no models, and their icons."""


class Row(Protocol):
    """What the picker shows of a model."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def line(self) -> str: ...
    @property
    def tone(self) -> str: ...
    @property
    def tooltip(self) -> str: ...
    @property
    def usable(self) -> bool: ...


class Role(IntEnum):
    ID = Qt.ItemDataRole.UserRole
    LINE = Qt.ItemDataRole.UserRole + 1
    TONE = Qt.ItemDataRole.UserRole + 2
    USABLE = Qt.ItemDataRole.UserRole + 3


def paint_model(painter: QPainter, box: QRectF, name: str, line: str, tone: str, usable: bool) -> None:
    """A tile with the name's first letter, the name, and the line beneath it."""
    colors = current()
    tile = QRectF(box.left(), box.center().y() - 18, 36, 36)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colors.accent_tint if usable else colors.raised))
    painter.drawRoundedRect(tile, 8, 8)
    if usable:
        font = painter.font()
        font.setPixelSize(15)
        font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(colors.accent))
        painter.drawText(tile, Qt.AlignmentFlag.AlignCenter, name[:1].upper())
    else:
        paint_icon(painter, "triangle-alert", QRectF(tile.center().x() - 9, tile.center().y() - 9, 18, 18), colors.bad)
    left, width = tile.right() + 10, box.right() - tile.right() - 10
    font = painter.font()
    font.setPixelSize(14)
    font.setWeight(font.Weight.DemiBold)
    painter.setFont(font)
    painter.setPen(QColor(colors.text if usable else colors.soft))
    top = box.center().y() - 18 if line else box.center().y() - 9
    elided = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, int(width))
    painter.drawText(QRectF(left, top, width, 18), Qt.AlignmentFlag.AlignVCenter, elided)
    font.setPixelSize(tokens.SECONDARY)
    font.setWeight(font.Weight.Normal)
    painter.setFont(font)
    painter.setPen(QColor(getattr(colors, tone if tone in ("good", "warn", "bad") else "soft")))
    elided = painter.fontMetrics().elidedText(line, Qt.TextElideMode.ElideRight, int(width))
    painter.drawText(QRectF(left, box.center().y() + 1, width, 17), Qt.AlignmentFlag.AlignVCenter, elided)


class _Delegate(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: N802
        return QSize(200, 40 if index.data(Role.ID) in EXTRA else 52)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        colors = current()
        rect = QRectF(option.rect)
        state = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.hover))
            painter.drawRoundedRect(rect.adjusted(2, 1, -2, -1), 7, 7)
        inner = rect.adjusted(8, 4, -10, -4)
        extra = EXTRA.get(str(index.data(Role.ID)), "")
        if extra:
            if str(index.model().index(index.row() - 1, 0).data(Role.ID)) not in EXTRA:
                painter.setPen(QPen(QColor(colors.line), 1))
                painter.drawLine(rect.topLeft(), rect.topRight())
            paint_icon(painter, extra, QRectF(inner.left() + 9, inner.center().y() - 9, 18, 18), colors.soft)
            painter.setPen(QColor(colors.text))
            text = inner.adjusted(46, 0, 0, 0)
            painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, str(index.data(Qt.ItemDataRole.DisplayRole)))
        else:
            name = str(index.data(Qt.ItemDataRole.DisplayRole))
            paint_model(painter, inner, name, index.data(Role.LINE), index.data(Role.TONE), index.data(Role.USABLE))
        painter.restore()


class ModelPicker(Combo):
    """``chosen`` is a model's id; ``add_wanted`` and ``more_wanted`` come from the last lines of the list."""

    chosen = Signal(str)
    add_wanted = Signal()
    more_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("create.model")
        self.setAccessibleName(tr("Model"))
        mark(self, kind="model")
        self._current = ""
        view = QListView(self)
        view.setUniformItemSizes(False)
        view.setMouseTracking(True)
        view.setAccessibleName(tr("Models"))
        view.setObjectName("create.model.list")
        self.setView(view)
        self.setItemDelegate(_Delegate(self))
        self.setMaxVisibleItems(8)
        self.activated.connect(self._activated)

    def show_rows(self, rows: Sequence[Row], chosen: str) -> None:
        model = QStandardItemModel(self)
        for entry in rows:
            item = QStandardItem(entry.name)
            item.setData(entry.id, Role.ID)
            item.setData(entry.line, Role.LINE)
            item.setData(entry.tone, Role.TONE)
            item.setData(entry.usable, Role.USABLE)
            item.setData(f"{entry.name}, {entry.line}", Qt.ItemDataRole.AccessibleTextRole)
            item.setToolTip(entry.tooltip)
            item.setEnabled(entry.usable)
            model.appendRow(item)
        more = QStandardItem(tr("Get more models…"))
        more.setData(MORE, Role.ID)
        model.appendRow(more)
        add = QStandardItem(tr("Add a model folder…"))
        add.setData(ADD, Role.ID)
        model.appendRow(add)
        self.blockSignals(True)
        self.setModel(model)
        self.blockSignals(False)
        self.show_chosen(chosen)

    def show_chosen(self, key: str) -> None:
        self._current = key
        index = self.findData(key, Role.ID)
        self.blockSignals(True)
        self.setCurrentIndex(index)
        self.blockSignals(False)
        tip = self.itemData(index, Qt.ItemDataRole.ToolTipRole) if index >= 0 else ""
        self.setToolTip(str(tip or ""))
        self.setAccessibleDescription(str(tip or "").replace("\n", ", "))
        self.update()

    def _activated(self, index: int) -> None:
        key = str(self.itemData(index, Role.ID))
        if key in EXTRA:
            self.show_chosen(self._current)
            (self.add_wanted if key == ADD else self.more_wanted).emit()
        else:  # the one that stood there, too: it may only have stood in for another
            self.show_chosen(key)
            self.chosen.emit(key)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        colors = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        focused = self.hasFocus() or self.property("drop") == "true"
        width = 2.0 if focused else 1.0
        painter.setPen(QPen(QColor(colors.accent if focused else colors.line), width))
        painter.setBrush(QColor(colors.hover if self.underMouse() else colors.raised))
        frame = QRectF(self.rect()).adjusted(width / 2, width / 2, -width / 2, -width / 2)
        painter.drawRoundedRect(frame, tokens.RADIUS_CARD, tokens.RADIUS_CARD)
        inner = QRectF(self.rect()).adjusted(11, 8, -36, -8)
        index = self.currentIndex()
        if index >= 0:
            line, tone = str(self.itemData(index, Role.LINE) or ""), str(self.itemData(index, Role.TONE) or "")
            paint_model(painter, inner, self.itemText(index), line, tone, bool(self.itemData(index, Role.USABLE)))
        else:
            painter.setPen(QColor(colors.soft))
            painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter, tr("Choose a model"))
        paint_icon(painter, "chevron-down", QRectF(self.width() - 28, self.height() / 2 - 8, 16, 16), colors.soft)
        painter.end()
