"""Looking at pictures one after the other: which one, its pixels, and those of its neighbours before they are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QImage

from app.events import LibraryChanged, ResultRemoved
from app.records import Row
from models.errors import ErrorInfo
from ui.i18n import tr
from ui.viewmodels.gallery_rows import GalleryModel, GalleryRole
from ui.viewmodels.pictures import PictureLoader
from ui.viewmodels.ports import CorePort
from ui.viewmodels.words import error_view

SETTLE_MS = 150
"""Who follows is told when the keys rest for so long."""
AHEAD_PIXELS = 40_000_000
"""Larger neighbours are read only when they are wanted: three of them at once would fill the memory."""


class Line(Protocol):
    """Pictures in the order they are gone through."""

    def count(self) -> int: ...
    def at(self, place: int) -> str: ...
    def find(self, key: str) -> int:
        """-1: not among them."""

    def small(self, place: int) -> QImage | None:
        """A small version, if one is at hand."""

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Tell of each change until what is returned is called."""


class Ids:
    """A line that is given as a list."""

    def __init__(self, ids: Sequence[str], small: Callable[[str], QImage | None] = lambda key: None) -> None:
        self._ids, self._small = list(ids), small

    def count(self) -> int:
        return len(self._ids)

    def at(self, place: int) -> str:
        return self._ids[place]

    def find(self, key: str) -> int:
        return self._ids.index(key) if key in self._ids else -1

    def drop(self, key: str) -> None:
        if key in self._ids:
            self._ids.remove(key)

    def put(self, place: int, key: str) -> None:
        self._ids.insert(place, key)

    def small(self, place: int) -> QImage | None:
        return self._small(self._ids[place])

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


class ModelLine:
    """What the gallery shows, as it shows it: pictures that come and go meanwhile come and go here."""

    def __init__(self, model: GalleryModel) -> None:
        self._model = model

    def count(self) -> int:
        return self._model.rowCount()

    def at(self, place: int) -> str:
        return self._model.ids_of([place])[0]

    def find(self, key: str) -> int:
        return self._model.find(key)

    def small(self, place: int) -> QImage | None:
        image = self._model.data(self._model.index(place), GalleryRole.THUMB)
        return image if isinstance(image, QImage) else None

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        signals = (self._model.rowsInserted, self._model.rowsRemoved, self._model.modelReset)

        def told(*_: object) -> None:
            changed()

        for signal in signals:
            signal.connect(told)

        def end() -> None:
            for signal in signals:
                signal.disconnect(told)

        return end


@dataclass
class _Kept:
    image: QImage | None = None
    levels: tuple[QImage, ...] = ()


class ViewerVM(QObject):
    """``changed``: another picture, its pixels or its marks; ``moved`` tells whoever follows when the keys rest;
    ``ended`` says that there is nothing to look at any more; ``noticed`` carries words and a way back, or None."""

    changed = Signal()
    moved = Signal(str)
    ended = Signal()
    noticed = Signal(str, object)

    def __init__(self, core: CorePort, loader: PictureLoader, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._loader = core, loader
        self._line: Line = Ids(())
        self._key, self._place = "", 0
        self._row: Row | None = None
        self._kept: dict[str, _Kept] = {}
        self._asked: dict[int, str] = {}
        self._levels_of: dict[int, str] = {}
        self._gone: set[str] = set()
        self._awaited = ""
        self._unwatch: Callable[[], None] = lambda: None
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settle.timeout.connect(lambda: self.moved.emit(self._key) if self._key else None)
        loader.loaded.connect(self._loaded)
        loader.levelled.connect(self._levelled)
        self._ends = [
            core.events.subscribe(LibraryChanged, lambda event: self._library_changed(event.ids)),
            core.events.subscribe(ResultRemoved, lambda event: self._removed(event.id)),
        ]

    def close(self) -> None:
        self._unwatch()
        for end in self._ends:
            end()

    # which picture

    @property
    def key(self) -> str:
        """Empty while nothing is looked at."""
        return self._key

    @property
    def row(self) -> Row | None:
        return self._row

    @property
    def place(self) -> int:
        return self._place

    def count(self) -> int:
        return self._line.count()

    def open(self, key: str, line: Line) -> None:
        self._unwatch()
        self._line, self._unwatch = line, line.watch(self._line_changed)
        self._gone.clear()
        self._go(max(0, line.find(key)))

    def leave(self) -> None:
        """Nothing is looked at any more; the memory is given back."""
        if self._settle.isActive():
            self._settle.stop()
            self.moved.emit(self._key)
        self._key, self._row, self._awaited = "", None, ""
        self._unwatch()
        self._unwatch = lambda: None
        self._kept.clear()
        self._asked.clear()
        self._levels_of.clear()

    def step(self, by: int) -> bool:
        """To a neighbour; False at the ends."""
        return self._to(self._here() + by)

    def go(self, key: str) -> bool:
        """To this picture; False when it is not among these."""
        place = self._line.find(key)
        return place >= 0 and self._to(place)

    def first(self) -> None:
        self._to(0)

    def last(self) -> None:
        self._to(self._line.count() - 1)

    def _line_changed(self) -> None:
        if self._key and self._awaited and (at := self._line.find(self._awaited)) >= 0:
            self._awaited = ""
            self._go(at)
        elif self._key:
            self._place = min(self._here(), max(0, self._line.count() - 1))
            self.changed.emit()

    def _here(self) -> int:
        """The line may have grown or shrunk meanwhile."""
        found = self._line.find(self._key)
        return found if found >= 0 else self._place

    def _to(self, place: int) -> bool:
        if not 0 <= place < self._line.count() or (place == self._place and self._line.at(place) == self._key):
            return False
        self._go(place)
        return True

    def _go(self, place: int) -> None:
        if not 0 <= place < self._line.count():
            return
        self._place, self._key = place, self._line.at(place)
        self._row = self._row_of(self._key)
        self._forget_far()
        self._want()
        self._settle.start()
        self.changed.emit()

    def _row_of(self, key: str) -> Row | None:
        return next(iter(self._core.history.records.rows([key])), None)

    # its pixels

    def picture(self) -> tuple[QImage | None, tuple[QImage, ...]]:
        """The image (None while it is read, null when it cannot be) and its smaller versions."""
        kept = self._kept.get(self._key)
        return (kept.image, kept.levels) if kept is not None else (None, ())

    def small(self) -> QImage | None:
        """Its thumbnail, to be shown until it is read."""
        small = self._line.small(self._place) if 0 <= self._place < self._line.count() else None
        return small if small is not None and not small.isNull() else None

    @property
    def missing(self) -> bool:
        image, _ = self.picture()
        return image is not None and image.isNull()

    def _forget_far(self) -> None:
        near = {self._key, *self._neighbours()}
        self._kept = {key: kept for key, kept in self._kept.items() if key in near}
        self._levels_of = {ticket: key for ticket, key in self._levels_of.items() if key in near}

    def _neighbours(self) -> list[str]:
        places = (self._place + 1, self._place - 1)
        return [self._line.at(place) for place in places if 0 <= place < self._line.count()]

    def _want(self) -> None:
        """Read one at a time: who leafs fast has no queue behind. The shown one first, then its neighbours."""
        if self._asked or not self._key:
            return
        for key in (self._key, *self._neighbours()):
            if key in self._kept:
                continue
            row = self._row if key == self._key else self._row_of(key)
            if row is None or (key != self._key and row.width * row.height > AHEAD_PIXELS):
                continue
            self._asked[self._loader.request(row.path)] = key
            return

    def _loaded(self, ticket: int, image: QImage) -> None:
        key = self._asked.pop(ticket, "")
        if not key:
            return
        if key == self._key or key in self._neighbours():
            self._kept[key] = _Kept(image)
            self._levels_of[ticket] = key
        if key == self._key:
            self.changed.emit()
        self._want()

    def _levelled(self, ticket: int, levels: tuple[QImage, ...]) -> None:
        key = self._levels_of.pop(ticket, "")
        if key in self._kept:
            self._kept[key].levels = levels
            if key == self._key:
                self.changed.emit()

    # marks, and putting away

    def _library_changed(self, ids: Sequence[str]) -> None:
        if self._key and (not ids or self._key in ids):
            row = self._row_of(self._key)
            if row is not None and row != self._row:
                self._row = row
                self.changed.emit()

    def favour(self) -> None:
        if self._row is not None:
            self._core.history.favour([self._key], not self._row.favourite, self._failed)

    def rate(self, rating: int) -> None:
        if self._row is not None:
            self._core.history.rate([self._key], rating, self._failed)

    def throw(self) -> None:
        """Into the trash, and on to the next one."""
        if self._row is None:
            return
        key, place = self._key, self._here()
        words = tr("Deleted.")
        self._core.history.throw([key], self._failed, lambda _: self.noticed.emit(words, self._undo(key, place)))

    def _undo(self, key: str, place: int) -> Callable[[], None]:
        """What brings it back and looks at it again."""

        def back(_: object) -> None:
            self._gone.discard(key)
            if isinstance(self._line, Ids) and self._line.find(key) < 0:
                self._line.put(min(place, self._line.count()), key)
            self._awaited = key
            self._line_changed()

        return lambda: self._core.history.restore([key], self._failed, back)

    def _removed(self, key: str) -> None:
        if isinstance(self._line, Ids):
            at = self._line.find(key)
            self._line.drop(key)
            if 0 <= at < self._place:
                self._place -= 1
        self._gone.add(key)
        if key != self._key:
            return
        # A model's line holds what is gone for a moment yet: the next one that is not stands behind it, or before.
        at, count = self._here(), self._line.count()
        places = [*range(at, count), *range(min(at, count) - 1, -1, -1)]
        place = next((one for one in places if self._line.at(one) not in self._gone), -1)
        if place < 0:
            self.ended.emit()
        else:
            self._go(place)

    def _failed(self, info: ErrorInfo) -> None:
        view = error_view(info)
        self.noticed.emit(f"{view.sentence} {view.advice}".strip(), None)

    # words

    def title(self) -> str:
        return (self._row.title or Path(self._row.path).name) if self._row is not None else ""

    def subtitle(self) -> str:
        if self._row is None:
            return ""
        size = tr("{w} × {h}", w=self._row.width, h=self._row.height)
        where = tr("{n} of {all}", n=f"{self._place + 1:,}", all=f"{self._line.count():,}")
        return f"{where} · {size}"

    @property
    def path(self) -> str:
        return self._row.path if self._row is not None else ""
