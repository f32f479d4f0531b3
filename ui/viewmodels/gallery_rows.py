"""The pictures of the gallery as rows: all ids are known, what is said of each is read around what is looked at.

The first rows of an answer are shown at once and the rest follow at their end, so that typing never waits for all
of it. What changed is worked out beside the GUI thread and told as the rows that came and went, so that the
selection and the place that is looked at stay.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QObject, Qt, QTimer, Signal

from app.history import History
from app.records import Records, Row, Sort
from models.errors import ErrorInfo
from ui.i18n import tr
from ui.viewmodels.desktop import picture_data
from ui.viewmodels.rows import Index
from ui.viewmodels.thumbnails import Thumbnails

FIRST = 200
"""Rows that are shown before the others are known."""
BLOCK = 120
"""Rows whose facts are read together."""
KEPT_ROWS = 6_000
MOST_SPANS = 200
"""Of more separate changes than this the list is shown anew."""

Spans = list[tuple[int, int]]
Change = tuple[Spans, list[tuple[int, list[str]]]]


class GalleryRole(IntEnum):
    ID = Qt.ItemDataRole.UserRole + 1
    THUMB = Qt.ItemDataRole.UserRole + 2
    ROW = Qt.ItemDataRole.UserRole + 3


class GalleryModel(QAbstractListModel):
    """``ready`` tells that all rows of the query that was asked last are here."""

    ready = Signal()
    failed = Signal(object)

    def __init__(self, history: History, thumbs: Thumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._history, self._thumbs = history, thumbs
        self._ids: list[str] = []
        self._known: OrderedDict[str, Row] = OrderedDict()
        self._place_of: dict[str, int] = {}
        self._wanted: set[int] = set()
        self._blocks: set[int] = set()
        self._asked = 0
        self._query, self._sort = "", Sort.NEWEST
        self.whole = False
        self._fetch = QTimer(self, singleShot=True, interval=0)
        self._fetch.timeout.connect(self._read_blocks)
        thumbs.arrived.connect(self._thumb_arrived)

    # asking

    def ask(self, query: str, sort: Sort) -> None:
        """Show what ``query`` finds; an answer to an older question is dropped."""
        self._query, self._sort = query, sort
        self._asked += 1
        number, self.whole = self._asked, False
        self._history.look(
            lambda records: _first(records, query, sort), lambda found: self._show_first(number, *found), self._wrong
        )

    def refresh(self, changed: Sequence[str] = ()) -> None:
        """The library changed: ask again, and tell which rows came and went. ``changed`` are known no more."""
        for key in changed or list(self._known):
            self._known.pop(key, None)
        if not self.whole:
            self.ask(self._query, self._sort)
            return
        self._asked += 1
        self._follow(self._asked)

    def _follow(self, number: int) -> None:
        before, query, sort = self._ids, self._query, self._sort

        def work(records: Records) -> tuple[list[str], Change | None]:
            now = records.ids(query, sort)
            return now, difference(before, now)

        self._history.look(work, lambda found: self._show_all(number, *found), self._wrong)

    def _show_first(self, number: int, ids: list[str], rows: list[Row]) -> None:
        if number != self._asked:
            return
        self.beginResetModel()
        self._ids = ids
        self._learn(rows)
        self.endResetModel()
        if len(ids) < FIRST:
            self._done()
        else:
            self._follow(number)

    def _show_all(self, number: int, ids: list[str], change: Change | None) -> None:
        if number != self._asked:
            return
        if change is None:
            self.beginResetModel()
            self._ids = ids
            self.endResetModel()
        else:
            self._apply(*change)
        self._blocks.clear()
        self._wanted.clear()
        self._done()

    def _apply(self, gone: Spans, come: list[tuple[int, list[str]]]) -> None:
        ids = list(self._ids)
        for start, end in reversed(gone):
            self.beginRemoveRows(QModelIndex(), start, end - 1)
            del ids[start:end]
            self._ids = ids
            self.endRemoveRows()
        for start, new in come:
            self.beginInsertRows(QModelIndex(), start, start + len(new) - 1)
            ids[start:start] = new
            self._ids = ids
            self.endInsertRows()

    def _done(self) -> None:
        self.whole = True
        self._place_of.clear()
        if self._ids:
            self.dataChanged.emit(self.index(0), self.index(len(self._ids) - 1))
        self.ready.emit()

    def _wrong(self, error: ErrorInfo) -> None:
        self.failed.emit(error)

    # rows

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's signature
        return 0 if parent.isValid() else len(self._ids)

    def ids_of(self, rows: Iterable[int]) -> list[str]:
        return [self._ids[row] for row in rows if 0 <= row < len(self._ids)]

    def find(self, key: str) -> int:
        """The row of a picture; -1 when it is not among them."""
        return self._ids.index(key) if key in self._ids else -1

    def known(self, key: str) -> Row | None:
        """What is known of a picture without asking."""
        return self._known.get(key)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        place = index.row()
        if not index.isValid() or place >= len(self._ids):
            return None
        key = self._ids[place]
        if role == GalleryRole.ID:
            return key
        row = self._known.get(key)
        if row is None:
            self._want(place)
            return None
        self._place_of[row.path] = place
        if role == GalleryRole.ROW:
            return row
        if role == GalleryRole.THUMB:
            return self._thumbs.get(row.path)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tooltip(row)
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.DisplayRole):
            return row.title
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsDragEnabled if index.isValid() else flags

    def mimeTypes(self) -> list[str]:  # noqa: N802
        return ["text/uri-list"]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:  # noqa: N802
        return picture_data(self.paths(self.ids_of(sorted({index.row() for index in indexes}))))

    def supportedDragActions(self) -> Qt.DropAction:  # noqa: N802
        return Qt.DropAction.CopyAction

    def paths(self, ids: Sequence[str]) -> list[str]:
        """The files of these pictures, in their order."""
        known = {row.id: row.path for start in range(0, len(ids), 500)
                 for row in self._history.records.rows(ids[start : start + 500])}  # fmt: skip
        return [known[key] for key in ids if key in known]

    # reading what is looked at

    def _want(self, place: int) -> None:
        block = place // BLOCK
        if block not in self._blocks:
            self._blocks.add(block)
            self._wanted.add(block)
            self._fetch.start()

    def _read_blocks(self) -> None:
        wanted, self._wanted = self._wanted, set()
        for block in wanted:
            ids = self._ids[block * BLOCK : (block + 1) * BLOCK]
            self._history.look(
                lambda records, ids=ids: records.rows(ids),  # type: ignore[misc]
                lambda rows, block=block: self._told(block, rows),  # type: ignore[misc]
                self._wrong,
            )

    def _told(self, block: int, rows: list[Row]) -> None:
        self._blocks.discard(block)
        self._learn(rows)
        last = min(len(self._ids), (block + 1) * BLOCK) - 1
        if block * BLOCK <= last:
            self.dataChanged.emit(self.index(block * BLOCK), self.index(last))

    def _learn(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._known[row.id] = row
            self._known.move_to_end(row.id)
        while len(self._known) > KEPT_ROWS:
            self._known.popitem(last=False)

    def _thumb_arrived(self, path: str) -> None:
        place = self._place_of.get(path, -1)
        if 0 <= place < len(self._ids):
            index = self.index(place)
            self.dataChanged.emit(index, index, [GalleryRole.THUMB])


def _first(records: Records, query: str, sort: Sort) -> tuple[list[str], list[Row]]:
    ids = records.ids(query, sort, FIRST)
    return ids, records.rows(ids[:BLOCK])


def difference(before: list[str], now: list[str]) -> Change | None:
    """The spans of ``before`` that are gone and then the rows that are new; None when the order is another, or too
    much changed for a list of changes to be worth it."""
    if before == now[: len(before)]:
        return [], [(len(before), now[len(before) :])] if len(now) > len(before) else []
    here, there = set(now), set(before)
    if [key for key in before if key in here] != [key for key in now if key in there]:
        return None
    gone, come = _spans(before, here), _spans(now, there)
    if len(gone) + len(come) > MOST_SPANS:
        return None
    return gone, [(start, now[start:end]) for start, end in come]


def _spans(ids: list[str], known: set[str]) -> Spans:
    """Runs of ``ids`` that are not among ``known``, as (first, after the last)."""
    spans: Spans = []
    for place, key in enumerate(ids):
        if key not in known:
            if spans and spans[-1][1] == place:
                spans[-1] = spans[-1][0], place + 1
            else:
                spans.append((place, place + 1))
    return spans


def _tooltip(row: Row) -> str:
    title = row.title if len(row.title) <= 240 else row.title[:239] + "…"
    facts = tr("{w} × {h}", w=row.width, h=row.height)
    missing = "\n" + tr("The file is not where it was.") if row.missing else ""
    return f"{title}\n{row.model}\n{facts}{missing}".replace("\n\n", "\n")
