"""The gallery: which pictures are shown, in which order, and what is done with those that are chosen.

The search field is the one truth of what is filtered; a place (favourites, a collection, the trash) narrows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal

from app.events import LibraryChanged, ResultAdded, ResultRemoved
from app.records import Collection, Record, Records, Sort
from app.refind import Refound
from models.errors import ErrorInfo
from ui.i18n import plural, tr
from ui.state import WindowState
from ui.viewmodels.gallery_rows import GalleryModel
from ui.viewmodels.ports import CorePort
from ui.viewmodels.thumbnails import Thumbnails
from ui.viewmodels.words import ErrorView, error_view

CALM_MS = 150
"""So long after a change of the library the list is asked for again: a job brings several at once."""

ALL, FAVOURITES, IMPORTED, MISSING, TRASH = "all", "favourites", "imported", "missing", "trash"
_STATE = {FAVOURITES: "is:favourite", IMPORTED: "is:imported", MISSING: "is:missing", TRASH: "is:trash"}
COLLECTION, TAG = "collection:", "tag:"

ORDERS = {
    Sort.NEWEST: "Newest first", Sort.OLDEST: "Oldest first", Sort.RATING: "Best rated first",
    Sort.MODEL: "By model", Sort.LARGEST: "Largest first",
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A row at the left. ``kind`` is "state", "collection" or "tag"."""

    key: str
    title: str
    icon: str
    count: int
    kind: str = "state"


@dataclass(frozen=True)
class Notice:
    """A short word on what was done, with the way back where there is one."""

    text: str
    undo: Callable[[], None] | None = None


class GalleryVM(QObject):
    """``changed`` tells of another search, order, place or count; ``failed`` carries an ``ErrorView``."""

    changed = Signal()
    places_changed = Signal()
    noticed = Signal(object)
    failed = Signal(object)

    def __init__(self, core: CorePort, state: WindowState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._state = core, state
        self._history = core.history
        self.thumbs = Thumbnails(core.paths.cache / "thumbnails", self)
        self.model = GalleryModel(self._history, self.thumbs, self)
        self.model.ready.connect(self.changed)
        self.model.failed.connect(self._refused)
        kept = state.table("gallery")
        self.query = ""
        self.sort = Sort(kept["sort"]) if kept.get("sort") in list(Sort) else Sort.NEWEST
        self.place = ALL
        side = kept.get("side")
        self.side = side if isinstance(side, int) and 96 <= side <= 320 else 176
        self._places: list[Place] = []
        self._touched: set[str] = set()
        self._any = False
        self._opened = False
        self._calm = QTimer(self, singleShot=True, interval=CALM_MS)
        self._calm.timeout.connect(self._refresh)
        bus = core.events
        self._ends = [
            bus.subscribe(LibraryChanged, lambda event: self._library_changed(event.ids)),
            bus.subscribe(ResultAdded, lambda event: self._library_changed((event.result.id,))),
            bus.subscribe(ResultRemoved, lambda event: self._library_changed((event.id,))),
        ]

    def close(self) -> None:
        for end in self._ends:
            end()
        self._calm.stop()
        self._state.set("gallery", {"sort": self.sort.value, "side": self.side})
        self.thumbs.close()

    # what is shown

    def opened(self) -> None:
        """The page is on the screen; the first time, pictures that somebody moved are looked for, too."""
        if not self._opened:
            self._opened = True
            self._ask()
            self._ask_places()
            self.look_for_moved(quietly=True)

    def search(self, text: str) -> None:
        if text != self.query:
            self.query = text
            self._ask()

    def add_filter(self, words: str) -> None:
        """Write a filter into the search, in place of another of its name."""
        name = words.split(":")[0] + ":"
        others = [part for part in self.query.split() if not part.startswith(name)]
        self.search(" ".join([*others, words]))
        self.changed.emit()

    def set_sort(self, sort: Sort) -> None:
        if sort is not self.sort:
            self.sort = sort
            self._ask()

    def set_place(self, key: str) -> None:
        if key != self.place:
            self.place = key
            self._ask()

    def set_side(self, side: int, ratio: float = 1.0) -> None:
        """Thumbnails are shown ``side`` points large, on a screen of ``ratio`` pixels a point."""
        self.side = side
        self.thumbs.set_side(round(side * ratio))

    def count(self) -> int | None:
        """How many there are; None while they are being counted."""
        return self.model.rowCount() if self.model.whole else None

    def count_words(self) -> str:
        count = self.count()
        return "" if count is None else plural("1 picture", "{n} pictures", count)

    def is_filtered(self) -> bool:
        return bool(self.query.strip()) or self.place != ALL

    def empty_words(self) -> tuple[str, str]:
        """What stands there instead of pictures: a title and a line."""
        if self.query.strip():
            return tr("Nothing found"), tr("No picture fits “{words}”.", words=self.query.strip()[:80])
        if self.place == TRASH:
            return tr("The trash is empty"), tr("Pictures you delete can be brought back from here.")
        if self.place == FAVOURITES:
            return tr("No favourites yet"), tr("Choose a picture and press F, or click its heart.")
        if self.place.startswith(COLLECTION):
            return tr("Nothing in this collection yet"), tr("Drag pictures onto its name, or use “Add to collection”.")
        if self.place == MISSING:
            return tr("Nothing is missing"), tr("All files are where they should be.")
        if self.place == IMPORTED:
            return tr("Nothing was imported yet"), tr("Pictures of other programs can be found here, too.")
        return tr("No pictures yet"), tr("What you make is kept here, with how it was made.")

    def asked(self) -> str:
        """The place and the search as one question of the library's search language."""
        place = _STATE.get(self.place, "")
        if self.place.startswith(TAG):
            place = f'tag:"{self.place.removeprefix(TAG)}"'
        found = self.collection(self.place)
        if self.place.startswith(COLLECTION):
            place = f'collection:"{found.title if found else ""}"'
        return f"{place} {self.query}".strip()

    def _ask(self) -> None:
        self.model.ask(self.asked(), self.sort)
        self.changed.emit()

    def _library_changed(self, ids: Sequence[str]) -> None:
        if self._opened:
            self._touched.update(ids)
            self._any = self._any or not ids
            if not self._calm.isActive():
                self._calm.start()

    def _refresh(self) -> None:
        changed = () if self._any else tuple(self._touched)
        self._touched.clear()
        self._any = False
        self.model.refresh(changed)
        self._ask_places()

    # places

    def places(self) -> list[Place]:
        return list(self._places)

    def collection(self, key: str) -> Place | None:
        return next((place for place in self._places if place.key == key and place.kind == "collection"), None)

    def collections(self) -> list[Place]:
        return [place for place in self._places if place.kind == "collection"]

    def _ask_places(self) -> None:
        self._history.look(_places, self._show_places, self._failed)

    def _show_places(self, places: list[Place]) -> None:
        self._places = places
        if all(place.key != self.place for place in places):
            self.set_place(ALL)
        self.places_changed.emit()

    # commands

    def favour(self, ids: Sequence[str], favourite: bool | None = None) -> None:
        """Make favourites of them; without a word, turn it round by the first."""
        if ids:
            first = self._history.records.get(ids[0]) if favourite is None else None
            wanted = favourite if favourite is not None else not (first is not None and first.favourite)
            self._history.favour(list(ids), wanted, self._failed)

    def rate(self, ids: Sequence[str], rating: int) -> None:
        if ids:
            self._history.rate(list(ids), rating, self._failed)

    def tag(self, ids: Sequence[str], words: str) -> None:
        """Add tags, separated by commas."""
        tags = [tag for part in words.split(",") if (tag := part.strip())]
        if ids and tags:
            self._history.tag(list(ids), tags, (), self._failed)
            self.noticed.emit(Notice(plural("1 picture tagged.", "{n} pictures tagged.", len(ids))))

    def collect(self, ids: Sequence[str], name: str) -> None:
        """Put them into the collection ``name``, which is made when it is not there."""
        if not name.strip():
            return
        chosen = list(ids)

        def done(made: Collection) -> None:
            if chosen:
                words = plural(
                    "1 picture is in “{name}” now.", "{n} pictures are in “{name}” now.", len(chosen), name=made.name
                )
                self.noticed.emit(Notice(words, lambda: self._history.uncollect(made.id, chosen, self._failed)))

        self._history.collect(name, chosen, self._failed, done)

    def uncollect(self, ids: Sequence[str]) -> None:
        """Take them out of the collection that is shown; they stay in the library."""
        found, chosen = self.collection(self.place), list(ids)
        if found is None or not chosen:
            return
        self._history.uncollect(found.key.removeprefix(COLLECTION), chosen, self._failed)
        words = plural("1 picture was taken out.", "{n} pictures were taken out.", len(chosen))
        self.noticed.emit(Notice(words, lambda: self._history.collect(found.title, chosen, self._failed)))

    def rename_collection(self, key: str, name: str) -> None:
        self._history.rename_collection(key.removeprefix(COLLECTION), name, self._failed)

    def remove_collection(self, key: str) -> None:
        """The pictures in it stay; the way back puts them into a new one of its name."""
        found = self.collection(key)
        if found is None:
            return
        ids = self._history.records.ids(f'collection:"{found.title}"')
        self._history.remove_collection(key.removeprefix(COLLECTION), self._failed)
        words = tr("“{name}” is no collection any more; its pictures stay.", name=found.title)
        self.noticed.emit(Notice(words, lambda: self._history.collect(found.title, ids, self._failed)))

    def throw(self, ids: Sequence[str]) -> None:
        """Into the trash, with the way back."""
        chosen = list(ids)
        if not chosen:
            return

        def done(gone: list[Record]) -> None:
            words = plural("1 picture is in the trash.", "{n} pictures are in the trash.", len(gone))
            back = [one.result.id for one in gone]
            self.noticed.emit(Notice(words, lambda: self._history.restore(back, self._failed)))

        self._history.throw(chosen, self._failed, done)

    def restore(self, ids: Sequence[str]) -> None:
        if ids:
            self._history.restore(list(ids), self._failed)

    def purge(self, ids: Sequence[str] | None) -> None:
        """Delete for good what is in the trash, all of it without ids. Whoever calls has asked."""

        def done(gone: list[str]) -> None:
            words = plural("1 picture is deleted for good.", "{n} pictures are deleted for good.", len(gone))
            self.noticed.emit(Notice(words))

        self._history.purge(None if ids is None else list(ids), self._failed, done)

    def look_for_moved(self, quietly: bool = False) -> None:
        """See whether files are where they were, and find those that were moved by their content."""
        self._history.look_for_moved(lambda done, total: None, partial(self._looked, quietly), self._failed)

    def _looked(self, quietly: bool, found: Refound | None) -> None:
        if found is None or (quietly and not found.missing):
            return
        again, lost = found.found + found.back, found.missing - found.found
        said = (
            [plural("1 moved picture was found again.", "{n} moved pictures were found again.", again)] if again else []
        )
        said += [plural("1 file is missing.", "{n} files are missing.", lost)] if lost > 0 else []
        self.noticed.emit(Notice(" ".join(said) or tr("All files are where they should be.")))

    def _failed(self, error: ErrorInfo) -> None:
        self.failed.emit(error_view(error))

    def _refused(self, error: ErrorInfo) -> None:
        view: ErrorView = error_view(error)
        self.failed.emit(view)


def _places(records: Records) -> list[Place]:
    """Counted where the search is, off the GUI thread."""
    states = [
        Place(ALL, tr("All pictures"), "images", records.count()),
        Place(FAVOURITES, tr("Favourites"), "heart", records.count(_STATE[FAVOURITES])),
        Place(IMPORTED, tr("Imported"), "download", records.count(_STATE[IMPORTED])),
        Place(MISSING, tr("Missing files"), "image-off", records.count(_STATE[MISSING])),
        Place(TRASH, tr("Trash"), "trash-2", records.count(_STATE[TRASH])),
    ]
    shown = [one for one in states if one.count or one.key not in (IMPORTED, MISSING)]
    collections = [
        Place(COLLECTION + one.id, one.name, "layers", one.count, "collection") for one in records.collections()
    ]
    tags = [Place(TAG + tag, tag, "type", count, "tag") for tag, count in records.tags()[:40]]
    return [*shown, *collections, *tags]
