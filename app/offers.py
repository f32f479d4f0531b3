"""The catalog as this machine sees it: what is here, what is on its way, what fits, and what was agreed to.

It joins the catalog's data with the disk, the downloads and the device; it owns nothing but the licences accepted.
"""

from __future__ import annotations

import difflib
import fnmatch
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from app.downloads import Downloads
from app.events import DownloadChanged, DownloadRemoved, EventBus, ModelsChanged, OffersChanged
from app.hub_protocol import PullSpec
from app.links import parse_link
from app.models import Models
from app.serial import SerialWorker
from app.states import DownloadState
from app.store import Store
from app.weights import Download, Offer, Shelf, Status, Wanted
from models import planning
from models.catalog.entry import CatalogEntry, Use
from models.catalog.load import catalog
from models.catalog.search import Index
from models.catalog.shelves import runs_well, shelves
from models.choose import unmet
from models.errors import AtelierError, ErrorCode
from models.machine import Backend, DeviceFacts, Fit, Verdict

_SHELF = 8  # entries on the shelf of this computer


class Presence(msgspec.Struct, frozen=True):
    """What of an entry's files lies in the cache."""

    status: Status = Status.AVAILABLE
    here_bytes: int = 0


class LateCatalog:
    """The catalog, read when it is first asked for: the start of a window has no time for it."""

    def get(self, key: str, /) -> CatalogEntry | None:
        return catalog().get(key)

    def by_repo(self, repo: str, /) -> tuple[CatalogEntry, ...]:
        return catalog().by_repo(repo)


class View(msgspec.Struct, frozen=True):
    """All that takes time to find out, found out together off the owner thread."""

    present: dict[str, Presence] = {}
    verdicts: dict[str, Verdict] = {}
    shelves: tuple[Shelf, ...] = ()


class Offers:
    """All entries of the catalog, each with its state here. Changes are announced by ``OffersChanged``.

    In a window the catalog is empty until the first look was made, some tens of milliseconds after the start.
    """

    def __init__(
        self,
        models: Models,
        downloads: Downloads,
        store: Store,
        disk: SerialWorker,
        looker: SerialWorker,
        events: EventBus,
        cache: Callable[[], Path],
    ) -> None:
        """``looker`` looks at the cache off the owner thread, ``disk`` writes; ``cache`` is the hub cache in use."""
        self._models, self._downloads = models, downloads
        self._store, self._disk, self._looker, self._events, self._cache = store, disk, looker, events, cache
        self._accepted = store.accepted_licences()
        self._index: Index | None = None
        self._view = View()
        self.device: DeviceFacts | None = None
        self._looks = 0  # asked for and not answered yet
        self._stale = False  # the models changed since the last look
        events.subscribe(ModelsChanged, lambda _: self._models_changed())
        events.subscribe(DownloadChanged, lambda event: self._download_moved(event.download))
        events.subscribe(DownloadRemoved, lambda _: events.emit(OffersChanged()))

    # -- asking --

    def all(self) -> list[Offer]:
        """In the catalog's order, recommended ones first."""
        return [self._offer(entry) for entry in catalog()] if self._index else []

    def get(self, key: str) -> Offer | None:
        entry = self.entry(key)
        return None if entry is None else self._offer(entry)

    def entry(self, key: str) -> CatalogEntry | None:
        """By id or by repository, in any capitals."""
        return _named(key) or next(iter(catalog().by_repo(key)), None)

    def search(self, query: str) -> list[Offer]:
        """Best first; an empty query gives all."""
        if self._index is None or not query.strip():
            return self.all()
        return [self._offer(entry) for entry in self._index.search(query)]

    def shelves(self) -> list[Shelf]:
        """What to look at first; what runs well on this computer before all others."""
        return list(self._view.shelves)

    @property
    def settled(self) -> bool:
        """Whether every look that was asked for has been made."""
        return self._looks == 0

    def wanted(self, model: str, spec: PullSpec | None = None) -> list[Wanted]:
        """What has to be downloaded for a catalog id, a repository or a link: what it requires first, itself last.

        Raises:
            AtelierError: REPO_NOT_FOUND for a name that means nothing; LICENCE_NOT_ACCEPTED.
        """
        linked = spec or parse_link(model)
        chain = self.chain(model, linked)
        if not chain:
            if linked is None:
                near = difflib.get_close_matches(model, [known.id for known in catalog()], n=3, cutoff=0.5)
                raise AtelierError(
                    ErrorCode.REPO_NOT_FOUND, f"Did you mean {', '.join(near)}?" if near else "", repo=model
                )
            return [Wanted(linked.repo, linked.repo.partition("/")[2], linked)]
        for link in chain:
            self._need_acceptance(link)
        found = [Wanted(link.id, link.name, pull_spec(link), link.download_bytes) for link in chain]
        if spec is not None or (linked and linked.revision != "main"):
            assert linked is not None
            found[-1] = msgspec.structs.replace(found[-1], spec=linked)
        return found

    def chain(self, model: str, spec: PullSpec | None = None) -> list[CatalogEntry]:
        """The entry a name or link means, after those it requires that are not here; empty when it means none."""
        linked = spec or parse_link(model)
        entry = _named(model) or (self.entry(linked.repo) if linked and not linked.file else None)
        return [] if entry is None else [*self._required(entry), entry]

    # -- doing --

    def accept(self, key: str) -> None:
        """Record that the licence of an entry (or repository) was accepted, now."""
        entry = self.entry(key)
        model, licence = (entry.id, entry.licence.name) if entry else (key, "")
        now = time.time()
        self._accepted.setdefault((model, licence), now)
        self._disk.do(lambda: self._store.accept_licence(model, licence, now))
        self._events.emit(OffersChanged((model,)))

    def judge(self, device: DeviceFacts) -> None:
        """Decide what fits by ``device`` from now on."""
        self.device = device
        self.refresh()

    def refresh(self) -> None:
        """Look again at what lies in the cache."""
        cache, device, ready = self._cache(), self.device, self._index
        self._looks += 1
        self._looker.do(lambda: (ready or Index(tuple(catalog())), survey(cache, device)), self._saw, self._failed)

    # -- inside --

    def _models_changed(self) -> None:
        self._stale = True
        self.refresh()

    def _saw(self, seen: tuple[Index, View]) -> None:
        told, old = self._index is not None and not self._stale, self._view
        self._index, self._view = seen
        self._looks -= 1
        self._stale = False
        if not told or old != self._view:
            self._events.emit(OffersChanged())

    def _failed(self, error: Exception) -> None:
        self._looks -= 1  # the worker has logged it

    def _required(self, entry: CatalogEntry) -> Iterable[CatalogEntry]:
        for key in entry.requires:
            other = catalog().get(key)
            if other is not None and self._offer(other).status is not Status.INSTALLED:
                yield other

    def _need_acceptance(self, entry: CatalogEntry) -> None:
        new = self._view.present.get(entry.id, Presence()).status is Status.AVAILABLE
        if new and needs_acceptance(entry) and not self._accepted.get((entry.id, entry.licence.name)):
            licence = entry.licence
            raise AtelierError(
                ErrorCode.LICENCE_NOT_ACCEPTED, licence.note, model=entry.name, licence=licence.name, url=licence.url
            )

    def _offer(self, entry: CatalogEntry) -> Offer:
        found = self._view.present.get(entry.id, Presence())
        download = self._download_of(entry)
        status, model_id = self._here(entry, found.status)
        if download is not None and not download.ended:
            halted = download.state in (DownloadState.PAUSED, DownloadState.FAILED)
            status = Status.PARTIAL if halted else Status.DOWNLOADING
        return Offer(
            entry=entry,
            status=status,
            verdict=self._view.verdicts.get(entry.id),
            download=download,
            model_id=model_id,
            here_bytes=found.here_bytes,
            accepted=self._accepted.get((entry.id, entry.licence.name), 0.0),
        )

    def _download_of(self, entry: CatalogEntry) -> Download | None:
        """By the entry's id, or by its repository unless another entry or file of it was meant."""
        if (own := self._downloads.find(entry.id)) is not None:
            return own
        found = self._downloads.find(entry.repo)
        if found is None or catalog().get(found.model) is not None or found.spec.file not in ("", entry.file):
            return None
        return found

    def _here(self, entry: CatalogEntry, by_files: Status) -> tuple[Status, str]:
        """Status and model id by what was found of the model itself, whose files may have other names than the catalog
        says; else by its files."""
        model_id = ""
        if by_files is Status.INSTALLED:
            model_id = self._models.id_of(entry)
        elif entry.is_model and not entry.file and self._models.knows(entry.repo):
            model_id = self._models.get(entry.repo).card.id
        if not model_id or not self._models.knows(model_id):
            return by_files, model_id
        problem = self._models.get(model_id).problem
        if problem is None:
            return Status.INSTALLED, model_id
        told = {ErrorCode.MODEL_CORRUPT: Status.DAMAGED, ErrorCode.MODEL_INCOMPLETE: Status.PARTIAL}
        return told.get(problem.code, by_files), model_id

    def _download_moved(self, download: Download) -> None:
        entry = catalog().get(download.model) or self.entry(download.spec.repo)
        if entry is None:
            return
        if download.ended:
            self.refresh()
        self._events.emit(OffersChanged((entry.id,)))


def _named(key: str) -> CatalogEntry | None:
    return catalog().get(key) or catalog().get(key.lower())


def needs_acceptance(entry: CatalogEntry) -> bool:
    """Licences that restrict what may be done with the pictures or the model are shown before the download."""
    return entry.licence.use is not Use.COMMERCIAL


def pull_spec(entry: CatalogEntry) -> PullSpec:
    """Which files an entry means."""
    return PullSpec(entry.repo, entry.revision, allow=entry.allow)


def survey(cache: Path, device: DeviceFacts | None) -> View:
    """Look at the cache, and at what fits ``device``. Any thread."""
    entries = tuple(catalog())
    runnable = [entry for entry in entries if entry.is_model and entry.components]
    verdicts = {entry.id: planning.verdict(entry.needs, device) for entry in runnable} if device else {}
    rows = [
        Shelf(row.id, row.title, row.summary, tuple(entry.id for entry in row.entries)) for row in shelves(catalog())
    ]
    here = _for_this_computer(rows, verdicts, device)
    return View({entry.id: presence(cache, entry) for entry in entries}, verdicts, (*here, *rows))


def _for_this_computer(rows: list[Shelf], verdicts: dict[str, Verdict], device: DeviceFacts | None) -> list[Shelf]:
    """The first shelf: on a graphics card what the planner says runs well, without one what is light enough."""
    if device is None:
        return []
    title = "Runs well on this computer"
    if device.backend is Backend.CPU:
        title = "Light enough for this computer"
        light = next((row.entries for row in rows if row.id == "processor"), ())
        entries = tuple(key for key in light if verdicts[key].fit is not Fit.TOO_LARGE)
    else:
        whole = (entry for entry in catalog() if entry.id in verdicts and not entry.requires)
        entries = tuple(entry.id for entry in whole if runs_well(verdicts[entry.id]))[:_SHELF]
    return [Shelf("here", title, device.name, entries)] if entries else []


def presence(cache: Path, entry: CatalogEntry) -> Presence:
    """What of an entry's files lies in the hub cache ``cache``. A few directory listings; any thread."""
    repo = cache / ("models--" + entry.repo.replace("/", "--"))
    if not repo.is_dir():
        return Presence()
    try:
        files = _snapshot_files(repo, entry.revision)
        unfinished = [part for part in (repo / "blobs").glob("*.part") if part.is_file()]
    except OSError:
        return Presence()
    if files and not unmet(entry.allow, files):
        chosen = {name for pattern in entry.allow for name in fnmatch.filter(files, pattern)}
        return Presence(Status.INSTALLED, sum(files[name] for name in chosen))
    if unfinished:
        return Presence(Status.PARTIAL, sum(part.stat().st_size for part in unfinished))
    return Presence()


def _snapshot_files(repo: Path, revision: str) -> dict[str, int]:
    """Relative name -> size of the files that can be read in the snapshot of ``revision``."""
    ref = repo / "refs" / revision
    commit = ref.read_text(encoding="utf-8").strip() if ref.is_file() else revision
    folder = repo / "snapshots" / commit
    if not commit or not folder.is_dir():
        return {}
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():  # a broken link is not
            found[path.relative_to(folder).as_posix()] = path.stat().st_size
    return found
