"""The library as windows use it: every call answers on the owner thread, and what changed is announced.

Searching has a thread of its own, so that typing never waits for the disk; what takes long (importing, exporting,
looking for moved pictures) has another, with progress and a way to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from app import events as announced
from app import replay
from app.background import Background, Failed, Post, Progress, StoppedError, Then, Worker
from app.events import EventBus
from app.gather import Gathered, Gathering
from app.jobs import Result
from app.library import Library
from app.records import Collection, Page, Record, Records
from app.refind import Refound, refind
from app.store import Store
from app.trash import Trash

if TYPE_CHECKING:
    from app.export import Export, Skip


class History:
    """``records`` may be read directly where an answer at once is wanted (a page takes a few milliseconds)."""

    def __init__(
        self,
        store: Store,
        library: Library,
        disk: Worker,
        searcher: Worker,
        worker: Worker,
        post: Post,
        events: EventBus,
    ) -> None:
        self.records = Records(store, library.journal)
        self.trash = Trash(self.records, library.pictures)
        self.gathering = Gathering(store, library.journal)
        self.store = store
        self._library, self._events = library, events
        self._disk = Background(disk, post)
        self._search = Background(searcher, post)
        self._long = Background(worker, post)

    def settle(self) -> None:
        """Finish what a crash interrupted; on the disk thread, while the core starts."""
        self.trash.settle()
        if self._library.journal.grown:
            self._library.journal.renew(replay.snapshot(self.store))

    def ready(self, then: Then[object]) -> None:
        """Tell when all that the start of the core asked of the library is done, a rebuild too."""
        self._disk.do(lambda: None, then, then)

    def moved(self, pictures: Path) -> None:
        """New pictures go elsewhere from now on."""
        self.trash.pictures = pictures

    def close(self) -> None:
        self._long.close()

    # -- finding --

    def page(self, query: str, then: Then[Page], failed: Failed, after: int | None = None, limit: int = 200,
             oldest: bool = False) -> None:  # fmt: skip
        self._search.do(lambda: self.records.page(query, after, limit, oldest), then, failed)

    def count(self, query: str, then: Then[int], failed: Failed) -> None:
        self._search.do(lambda: self.records.count(query), then, failed)

    def ids(self, query: str, then: Then[list[str]], failed: Failed) -> None:
        self._search.do(lambda: self.records.ids(query), then, failed)

    def look(self, work: Callable[[Records], T], then: Then[T], failed: Failed) -> None:
        """Read anything on the thread that searches, where it keeps nobody waiting."""
        self._search.do(lambda: work(self.records), then, failed)

    def record(self, result_id: str, then: Then[Record | None], failed: Failed) -> None:
        self._search.do(lambda: self.records.get(result_id), then, failed)

    def family(self, result_id: str, then: Then[tuple[list[Record], list[Record]]], failed: Failed) -> None:
        """The line of pictures that led to this one, itself last, and those that were made from it."""

        def look() -> tuple[list[Record], list[Record]]:
            record = self.records.get(result_id)
            return self.records.lineage(result_id), self.records.children(record) if record else []

        self._search.do(look, then, failed)

    # -- saying something; ``failed`` is told when it could not be kept --

    def favour(self, ids: Sequence[str], favourite: bool, failed: Failed) -> None:
        self._change(lambda: self.records.favour(ids, favourite), ids, failed)

    def rate(self, ids: Sequence[str], rating: int, failed: Failed) -> None:
        self._change(lambda: self.records.rate(ids, rating), ids, failed)

    def note(self, result_id: str, text: str, failed: Failed) -> None:
        self._change(lambda: self.records.note(result_id, text), [result_id], failed)

    def tag(self, ids: Sequence[str], add: Iterable[str], remove: Iterable[str], failed: Failed) -> None:
        plus, minus = list(add), list(remove)
        self._change(lambda: self.records.tag(ids, plus, minus), ids, failed)

    def collect(self, name: str, ids: Sequence[str], failed: Failed, then: Then[Collection] | None = None) -> None:
        self._change(lambda: self.records.collect(name, ids), ids, failed, then)

    def uncollect(self, collection: str, ids: Sequence[str], failed: Failed) -> None:
        self._change(lambda: self.records.uncollect(collection, ids), ids, failed)

    def rename_collection(self, collection: str, name: str, failed: Failed) -> None:
        self._change(lambda: self.records.rename_collection(collection, name), [], failed)

    def remove_collection(self, collection: str, failed: Failed) -> None:
        self._change(lambda: self.records.remove_collection(collection), [], failed)

    # -- the trash --

    def throw(self, ids: Sequence[str], failed: Failed, then: Then[list[Record]] | None = None) -> None:
        """Into the trash; ``restore`` with the same ids undoes it."""

        def gone(records: list[Record]) -> None:
            for one in records:
                self._events.emit(announced.ResultRemoved(one.result.id))
            if then is not None:
                then(records)

        self._change(lambda: self.trash.throw(ids), ids, failed, gone)

    def restore(self, ids: Sequence[str], failed: Failed, then: Then[list[Record]] | None = None) -> None:
        def back(records: list[Record]) -> None:
            for one in records:
                self._events.emit(announced.ResultAdded(one.result))
            if then is not None:
                then(records)

        self._change(lambda: self.trash.restore(ids), ids, failed, back)

    def purge(self, ids: Sequence[str] | None, failed: Failed, then: Then[list[str]] | None = None) -> None:
        """Delete for good what is in the trash; None: all of it."""
        self._change(lambda: self.trash.purge(ids), ids or [], failed, then)

    # -- what takes long; ``progress`` answers False to stop, and ``then`` is told None of what was stopped --

    def gather(self, folder: Path, progress: Progress, then: Then[Gathered | None], failed: Failed) -> None:
        """Import a folder of old pictures; what was listed when it is stopped stays, and the next time goes on."""
        tell = self._long.meter(progress)
        self._long.do(_stoppable(lambda: self.gathering.gather(folder, tell)), self._announcing(then), failed)

    def look_for_moved(self, progress: Progress, then: Then[Refound | None], failed: Failed) -> None:
        tell = self._long.meter(progress)
        places = [self.trash.pictures, *map(Path, self.gathering.folders())]
        self._long.do(_stoppable(lambda: refind(self.store, places, tell)), self._announcing(then), failed)

    def export(
        self, results: Iterable[Result], folder: Path, options: Export, progress: Progress,
        then: Then[list[Path] | None], failed: Failed, skip: Skip | None = None,
    ) -> None:  # fmt: skip
        """``results`` may be lazy: they are asked for where the work is done, and so is ``skip`` (``export_all``)."""
        from app.export import export_all  # what opens pictures comes with the first, not with the window

        tell = self._long.meter(progress)
        self._long.do(_stoppable(lambda: export_all(results, folder, options, tell, skip)), then, failed)

    def _change(
        self, work: Callable[[], Any], ids: Iterable[str], failed: Failed, then: Callable[[Any], None] | None = None
    ) -> None:
        changed = tuple(ids)

        def done(answer: Any) -> None:
            self._events.emit(announced.LibraryChanged(changed))
            if then is not None:
                then(answer)

        self._disk.do(work, done, failed)

    def _announcing(self, then: Callable[[Any], None]) -> Callable[[Any], None]:
        def done(answer: Any) -> None:
            self._events.emit(announced.LibraryChanged())
            then(answer)

        return done


T = TypeVar("T")


def _stoppable(work: Callable[[], T]) -> Callable[[], T | None]:
    def run() -> T | None:
        try:
            return work()
        except StoppedError:
            return None

    return run
