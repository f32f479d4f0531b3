"""A list model that is told its new rows and works out the smallest changes, so views keep selection and scroll."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

Index = QModelIndex | QPersistentModelIndex
T = TypeVar("T")


class RowsModel(QAbstractListModel, Generic[T]):
    """Rows with an identity; ``key`` says it, and equal rows of one key are not announced as changed."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[T] = []

    def key(self, row: T) -> str:
        raise NotImplementedError

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's signature
        return 0 if parent.isValid() else len(self._rows)

    def row_at(self, index: Index) -> T | None:
        return self._rows[index.row()] if index.isValid() and 0 <= index.row() < len(self._rows) else None

    def rows(self) -> Sequence[T]:
        return tuple(self._rows)

    def find(self, key: str) -> QModelIndex:
        for position, row in enumerate(self._rows):
            if self.key(row) == key:
                return self.index(position)
        return QModelIndex()

    def sync(self, wanted: Sequence[T]) -> None:
        """Become ``wanted`` by removals, insertions, moves and changes of single rows."""
        keep = {self.key(row) for row in wanted}
        for position in range(len(self._rows) - 1, -1, -1):
            if self.key(self._rows[position]) not in keep:
                self.beginRemoveRows(QModelIndex(), position, position)
                del self._rows[position]
                self.endRemoveRows()
        for position, row in enumerate(wanted):
            self._place(position, row)

    def _place(self, position: int, row: T) -> None:
        key = self.key(row)
        here = self._rows[position] if position < len(self._rows) else None
        if here is None or self.key(here) != key:
            old = next((i for i in range(position, len(self._rows)) if self.key(self._rows[i]) == key), -1)
            if old < 0:
                self.beginInsertRows(QModelIndex(), position, position)
                self._rows.insert(position, row)
                self.endInsertRows()
                return
            self.beginMoveRows(QModelIndex(), old, old, QModelIndex(), position)
            self._rows.insert(position, self._rows.pop(old))
            self.endMoveRows()
        if self._rows[position] != row:
            self._rows[position] = row
            index = self.index(position)
            self.dataChanged.emit(index, index)

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
