"""The queue of downloads: what is wanted, how far it is, and what happens when something goes wrong.

The hub process fetches (``hub_client``); here is decided what it fetches when, and every change of state is written
down, so that a download goes on after a crash, a restart or a lost connection. What was fetched lies in the cache: the
rows here only say what was asked for.
"""

from __future__ import annotations

import functools
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Any

import msgspec

from app import hub_protocol as protocol
from app.dispatch import Dispatcher, later
from app.events import DownloadChanged, DownloadRemoved, EventBus
from app.hub_client import HubClient
from app.hub_protocol import PullSpec
from app.serial import SerialWorker
from app.states import DOWNLOAD_ACTIVE, DOWNLOAD_MOVES, DownloadState, move
from app.store import Store
from app.weights import Download, Wanted
from models.errors import AtelierError, ErrorCode, ErrorInfo

log = logging.getLogger(__name__)

SPEED_SECONDS = 6.0
"""Speed is taken over this long: shorter flickers, longer lags."""

RETRY_SECONDS = (15.0, 30.0, 60.0, 120.0, 300.0)
"""A window tries again by itself after the net was lost for long; the last one repeats."""

PASSING = frozenset({ErrorCode.NO_CONNECTION, ErrorCode.CONNECTION_LOST, ErrorCode.HUB_TROUBLE, ErrorCode.RATE_LIMITED})
"""Errors that pass by themselves."""

_S = DownloadState
_LOSABLE = 1  # times a download is begun again after the process that fetched it was lost


class _Stop(Enum):
    PAUSE = auto()
    CANCEL = auto()
    PAUSE_THEN_CANCEL = auto()


class Downloads:
    """All downloads of this program. Use it on the owner thread; changes are announced by ``DownloadChanged``."""

    def __init__(
        self,
        store: Store,
        hub: HubClient,
        disk: SerialWorker,
        events: EventBus,
        dispatcher: Dispatcher,
        session: str,
        origin: str,
        at_once: Callable[[], int],
    ) -> None:
        """``at_once`` says how many may run at the same time; ``session`` and ``origin`` as for jobs."""
        self._store, self._hub, self._disk = store, hub, disk
        self._events, self._dispatcher = events, dispatcher
        self._session, self._origin, self._at_once = session, origin, at_once
        self._known: dict[str, Download] = {}
        self._meters: dict[str, Meter] = {}
        self._stopping: dict[str, _Stop] = {}  # the process was told to stop these and has not answered yet
        self._losses: dict[str, int] = {}
        self._retries: dict[str, int] = {}
        self._held: list[str] = []  # paused because the network was forbidden
        self._closed = False
        self.resolve: Callable[[str, PullSpec | None], list[Wanted]] = _as_named
        self.arrived: Callable[[Download], None] = lambda download: None
        hub.heard, hub.lost = self._heard, self._lost

    # -- what is asked for --

    def all(self) -> list[Download]:
        """Oldest first; ended ones until they are dismissed."""
        return list(self._known.values())

    def unfinished(self) -> list[Download]:
        """Those of this program and of all others that may still go on."""
        others = [download for download, _, _ in self._store.downloads() if download.id not in self._known]
        return [download for download in (*self._known.values(), *others) if not download.ended]

    def get(self, key: str) -> Download | None:
        return self._known.get(key)

    def quiet(self) -> bool:
        """Whether nothing runs and nothing is still being stopped."""
        return not self._stopping and not any(d.state in DOWNLOAD_ACTIVE for d in self._known.values())

    def find(self, model: str) -> Download | None:
        """The newest download of a model (by its id or repository) that was not dismissed."""
        wanted = (d for d in reversed(self._known.values()) if model in (d.model, d.spec.repo))
        return next(wanted, None)

    def start(self, model: str, spec: PullSpec | None = None) -> Download:
        """Download what ``model`` means (a catalog id, repository or link) and what that requires.

        Raises:
            AtelierError: OFFLINE, REPO_NOT_FOUND, LICENCE_NOT_ACCEPTED; nothing was queued then.
        """
        if self._hub.offline:
            raise AtelierError(ErrorCode.OFFLINE)
        wanted = self.resolve(model, spec)
        return [self.add(each.model, each.name, each.spec, each.total_bytes) for each in wanted][-1]

    def add(self, model: str, name: str, spec: PullSpec, total_bytes: int = 0) -> Download:
        """Queue one; an unfinished one of the same files goes on instead. Raises AtelierError: OFFLINE."""
        if self._hub.offline:
            raise AtelierError(ErrorCode.OFFLINE)
        for known in self._known.values():
            if not known.ended and _same_files(known.spec, spec):
                if known.state in (_S.PAUSED, _S.FAILED):
                    self.resume(known.id)
                return self._known[known.id]
        download = Download(secrets.token_hex(6), model, name, spec, created=time.time(), total_bytes=total_bytes)
        self._put(download)
        self._pump()
        return self._known[download.id]

    def pause(self, key: str) -> None:
        """Stop for now; what was fetched is kept."""
        download = self._known[key]
        if download.state in DOWNLOAD_ACTIVE:
            self._stopping[key] = _Stop.PAUSE
            self._hub.stop_pull(key)
        if download.state in DOWNLOAD_ACTIVE | {_S.QUEUED}:
            self._become(download, _S.PAUSED)
            self._pump()

    def resume(self, key: str) -> None:
        """Go on with a paused or failed one. Raises AtelierError: OFFLINE."""
        download = self._known.get(key)
        if download is None or download.state not in (_S.PAUSED, _S.FAILED):
            return
        if self._hub.offline:
            raise AtelierError(ErrorCode.OFFLINE)
        self._become(download, _S.QUEUED, error=None, waiting=0.0)
        self._pump()

    def cancel(self, key: str) -> None:
        """Stop, and delete what it fetched and nothing else uses."""
        download = self._known[key]
        if download.ended:
            return
        active = download.state in DOWNLOAD_ACTIVE
        self._become(download, _S.CANCELLED, error=None)
        if key in self._stopping:
            self._stopping[key] = _Stop.PAUSE_THEN_CANCEL
        elif active:
            self._stopping[key] = _Stop.CANCEL
            self._hub.stop_pull(key, discard=True)
        else:
            self._discard(key)
        self._pump()

    def dismiss(self, key: str) -> None:
        """Take an ended one off the list, once the process has let go of it."""
        if key in self._known and self._known[key].ended and key not in self._stopping:
            del self._known[key]
            self._disk.do(lambda: self._store.remove_download(key))
            self._events.emit(DownloadRemoved(key))

    def went_offline(self) -> None:
        """The network is forbidden from now on: everything pauses until ``went_online``, and the process ends."""
        going = [d for d in self.all() if d.state in DOWNLOAD_ACTIVE | {_S.QUEUED}]
        failed = [d for d in self.all() if d.state is _S.FAILED and d.waiting]
        self._held = [d.id for d in (*going, *failed)]
        for download in going:
            self._become(download, _S.PAUSED, speed=0.0, seconds_left=None, waiting=0.0)
        for download in failed:  # nothing is tried again meanwhile
            self._become(download, _S.FAILED, waiting=0.0)
        self._end_process()

    def went_online(self) -> None:
        held, self._held = self._held, []
        for key in held:
            self.resume(key)

    def begin_again(self) -> None:
        """Let a new process with the present settings take over what runs."""
        for download in self.all():
            if download.state in DOWNLOAD_ACTIVE:
                self._become(download, _S.QUEUED, speed=0.0, seconds_left=None)
        self._end_process()
        self._pump()

    # -- life --

    def adopt(self, rows: Iterable[tuple[Download, str, str]]) -> None:
        """Take over what ended programs left: a window's go on where they stopped, a command line's are paused."""
        rows = list(rows)
        newest = {_files(download.spec): download.id for download, _, _ in rows}  # what came of it counts
        for download, _, origin in rows:
            if download.ended or newest[_files(download.spec)] != download.id:
                self._disk.do(functools.partial(self._store.remove_download, download.id))
                continue
            retries = download.state is _S.FAILED and download.waiting > 0
            if retries or download.state in DOWNLOAD_ACTIVE | {_S.QUEUED}:
                state = _S.QUEUED if origin == "window" and not self._hub.offline else _S.PAUSED
                if origin == "window" and self._hub.offline:
                    self._held.append(download.id)
                download = msgspec.structs.replace(download, state=state, speed=0.0, seconds_left=None, waiting=0.0)
            self._put(download)
        self._pump()

    def close(self) -> None:
        """End: running ones go on with the next start."""
        self._closed = True
        self._hub.stop()

    # -- what the process says --

    def _heard(self, message: protocol.FromHub) -> None:
        key = getattr(message, "id", "")
        if isinstance(message, protocol.Stopped) or (key in self._stopping and _ends(message)):
            self._stopped(key, message.freed_bytes if isinstance(message, protocol.Stopped) else 0)
            if not isinstance(message, protocol.Pulled):
                return
        download = self._known.get(key)
        if download is None or download.state not in DOWNLOAD_ACTIVE:
            return
        match message:
            case protocol.Pulling():
                spec = msgspec.structs.replace(download.spec, commit=message.commit)
                self._meters[key] = Meter()
                self._become(download, _S.RUNNING, spec=spec, total_bytes=message.total_bytes)
            case protocol.Moved():
                self._moved(download, message)
            case protocol.Checking():
                self._become(download, _S.VERIFYING, waiting=0.0, speed=0.0, seconds_left=None)
            case protocol.Pulled():
                total = message.total_bytes
                facts = {"folder": message.folder, "total_bytes": total, "done_bytes": total, "waiting": 0.0}
                self._become(download, _S.DONE, **facts, speed=0.0, seconds_left=None, error=None)
                self._drop_forerunners(self._known[key])
                self.arrived(self._known[key])
                self._pump()
            case protocol.PullFailed(_, error):
                self._failed(download, error)

    def _moved(self, download: Download, message: protocol.Moved) -> None:
        meter = self._meters.setdefault(download.id, Meter())
        meter.add(message.fetched_bytes)
        if message.fetched_bytes:
            self._retries.pop(download.id, None)
        left = max(0, download.total_bytes - message.done_bytes)
        moved = msgspec.structs.replace(
            download,
            done_bytes=message.done_bytes,
            file=message.file,
            waiting=message.waiting,
            speed=meter.speed,
            seconds_left=left / meter.speed if meter.speed > 0 else None,
        )
        self._known[download.id] = moved  # not written down: the disk itself knows how far it is
        self._events.emit(DownloadChanged(moved))

    def _failed(self, download: Download, error: ErrorInfo) -> None:
        waiting = 0.0
        if error.code in PASSING and self._origin == "window":
            tries = self._retries.get(download.id, 0)
            self._retries[download.id] = tries + 1
            waiting = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
            self._later(waiting, functools.partial(self._try_again, download.id))
        self._become(download, _S.FAILED, error=error, waiting=waiting, speed=0.0, seconds_left=None)
        self._pump()

    def _try_again(self, key: str) -> None:
        download = self._known.get(key)
        if not self._closed and not self._hub.offline and download is not None and download.state is _S.FAILED:
            self.resume(key)

    def _stopped(self, key: str, freed: int) -> None:
        how = self._stopping.pop(key, None)
        download = self._known.get(key)
        if how is _Stop.PAUSE_THEN_CANCEL:
            self._discard(key)
        elif download is not None and download.state is _S.CANCELLED:
            self._put(msgspec.structs.replace(download, freed_bytes=freed, done_bytes=0))
        self._pump()

    def _lost(self, error: ErrorInfo) -> None:
        """The process ended unasked: what it was at is begun once more, then it has failed."""
        self._discard_cancelled()
        for download in self.all():
            if download.state in DOWNLOAD_ACTIVE:
                losses = self._losses[download.id] = self._losses.get(download.id, 0) + 1
                again = losses <= _LOSABLE
                self._become(download, _S.QUEUED if again else _S.FAILED, error=None if again else error, speed=0.0)
        self._pump()

    # -- inside --

    def _pump(self) -> None:
        """Start waiting downloads while there is room for them."""
        if self._closed:
            return
        running = sum(download.state in DOWNLOAD_ACTIVE for download in self._known.values())
        for download in self.all():
            if running >= self._at_once():
                return
            if download.state is _S.QUEUED and download.id not in self._stopping:
                try:
                    self._hub.pull(download.id, download.spec)
                except AtelierError as error:
                    self._become(download, _S.FAILED, error=error.info)
                    continue
                running += 1
                self._become(download, _S.PREPARING)

    def _end_process(self) -> None:
        self._hub.stop()
        self._discard_cancelled()

    def _discard_cancelled(self) -> None:
        """The process that was told to stop is gone: what was cancelled is still to be deleted."""
        stopping, self._stopping = self._stopping, {}
        for key, how in stopping.items():
            if how is not _Stop.PAUSE:
                self._discard(key)

    def _discard(self, key: str) -> None:
        download = self._known[key]
        if not download.spec.commit and not download.done_bytes:
            return  # nothing was fetched
        try:
            self._stopping[key] = _Stop.CANCEL
            self._hub.discard(key, download.spec)
        except AtelierError:
            self._stopping.pop(key, None)
            log.exception("what %s fetched could not be deleted", key)  # storage shows it as an orphan

    def _drop_forerunners(self, done: Download) -> None:
        """Earlier unfinished tries for the same files have nothing left to do."""
        for other in self.all():
            if other.id != done.id and other.state in (_S.PAUSED, _S.FAILED) and _same_files(other.spec, done.spec):
                self._become(other, _S.CANCELLED)
                self.dismiss(other.id)

    def _become(self, download: Download, state: DownloadState, **changes: Any) -> None:
        state = move(DOWNLOAD_MOVES, download.state, state)
        self._put(msgspec.structs.replace(download, state=state, **changes))

    def _put(self, download: Download) -> None:
        self._known[download.id] = download
        self._disk.do(lambda: self._store.save_download(download, self._session, self._origin))
        self._events.emit(DownloadChanged(download))

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        later(self._dispatcher, seconds, what)


class Meter:
    """Bytes a second over the last seconds, from a running total."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque()

    def add(self, total: int) -> None:
        now = self._clock()
        self._marks.append((now, total))
        while len(self._marks) > 2 and now - self._marks[0][0] > SPEED_SECONDS:
            self._marks.popleft()

    @property
    def speed(self) -> float:
        """0 until a second of it was seen."""
        if not self._marks:
            return 0.0
        (began, first), (ended, last) = self._marks[0], self._marks[-1]
        return max(0.0, (last - first) / (ended - began)) if ended - began >= 1.0 else 0.0


def _as_named(model: str, spec: PullSpec | None) -> list[Wanted]:
    return [Wanted(model, model, spec or PullSpec(model))]


def _ends(message: protocol.FromHub) -> bool:
    return isinstance(message, protocol.Pulled | protocol.PullFailed)


def _files(spec: PullSpec) -> tuple[object, ...]:
    """What is the same for downloads of the same files."""
    return spec.repo.lower(), spec.revision, spec.allow, spec.file


def _same_files(one: PullSpec, other: PullSpec) -> bool:
    return _files(one) == _files(other)
