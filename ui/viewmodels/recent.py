"""The newest pictures as a list with thumbnails that are read when they are first shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

from PySide6.QtCore import QMimeData, QModelIndex, QObject, Qt, Signal
from PySide6.QtGui import QImage

from app.events import ResultAdded, ResultRemoved
from app.jobs import Result
from ui.viewmodels.desktop import picture_data
from ui.viewmodels.levels import THUMB_SIDE
from ui.viewmodels.pictures import PictureLoader
from ui.viewmodels.ports import CorePort
from ui.viewmodels.rows import Index, RowsModel
from ui.viewmodels.words import measures, named

LIMIT = 60
THUMBS_KEPT = 400


class RecentRole(IntEnum):
    ID = Qt.ItemDataRole.UserRole + 1
    THUMB = Qt.ItemDataRole.UserRole + 2
    MISSING = Qt.ItemDataRole.UserRole + 3


class Thumbs(QObject):
    """Small versions of picture files, by path; ``None`` until they are read, a null image if they cannot be.

    ``awaited`` tells of files that somebody else is reading and will ``put`` here: large ones are not read twice.
    """

    arrived = Signal(str)

    def __init__(self, loader: PictureLoader, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._loader = loader
        self._images: dict[str, QImage] = {}
        self._asked: dict[int, str] = {}
        self.awaited: Callable[[str], bool] = lambda path: False
        loader.loaded.connect(self._loaded)

    def get(self, path: str) -> QImage | None:
        image = self._images.get(path)
        if image is None and self.awaited(path):
            return None
        if image is None and path not in self._asked.values():
            self._asked[self._loader.request(path, THUMB_SIDE)] = path
        return image

    def _loaded(self, ticket: int, image: QImage) -> None:
        path = self._asked.pop(ticket, "")
        if path:
            self.put(path, image)

    def put(self, path: str, image: QImage) -> None:
        while len(self._images) >= THUMBS_KEPT:
            self._images.pop(next(iter(self._images)))
        self._images[path] = image
        self.arrived.emit(path)


class RecentModel(RowsModel[Result]):
    """Newest first; at most ``LIMIT``."""

    count_changed = Signal()

    def __init__(self, core: CorePort, thumbs: Thumbs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core = core
        self._thumbs = thumbs
        thumbs.arrived.connect(self._arrived)
        bus = core.events
        self._ends = [
            bus.subscribe(ResultAdded, lambda _: self.refresh()),
            bus.subscribe(ResultRemoved, lambda _: self.refresh()),
        ]
        self.refresh()

    def close(self) -> None:
        for end in self._ends:
            end()

    def key(self, row: Result) -> str:
        return row.id

    def refresh(self) -> None:
        self.sync(self._core.library.recent(LIMIT))
        self.count_changed.emit()

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row_at(index)
        if row is None:
            return None
        if role == RecentRole.ID:
            return row.id
        if role == RecentRole.THUMB:
            return self._thumbs.get(row.path)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tooltip(row)
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.DisplayRole):
            return named(row) or Path(row.path).name
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsDragEnabled if index.isValid() else flags

    def mimeTypes(self) -> list[str]:  # noqa: N802
        return ["text/uri-list"]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:  # noqa: N802
        return picture_data([row.path for index in indexes if (row := self.row_at(index)) is not None])

    def supportedDragActions(self) -> Qt.DropAction:  # noqa: N802
        return Qt.DropAction.CopyAction

    def _arrived(self, path: str) -> None:
        for position, row in enumerate(self._rows):
            if row.path == path:
                index = self.index(position)
                self.dataChanged.emit(index, index, [RecentRole.THUMB])


def _tooltip(row: Result) -> str:
    prompt = named(row) or Path(row.path).name
    prompt = prompt if len(prompt) <= 240 else prompt[:239] + "…"
    facts = measures(row)
    return f"{prompt}\n{row.model_name}\n{facts}"
