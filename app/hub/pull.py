"""One download, from the question which files it is to the snapshot that other programs find."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable

from app.hub.api import Api
from app.hub.blobs import Fetcher, Slots
from app.hub.cache import Cache, MissingBlobError, blob_name
from app.hub.errors import HaltedError, as_info
from app.hub.net import Halt, Net, unless_halted
from app.hub.notes import Begun, Verified
from app.hub.part import checksum
from app.hub.plan import Plan, open_plan
from app.hub_protocol import (
    Checking,
    FromHub,
    Hello,
    HubFile,
    Moved,
    Pull,
    Pulled,
    PullFailed,
    Pulling,
    PullSpec,
    Stopped,
)
from models.errors import AtelierError, ErrorCode

log = logging.getLogger(__name__)

STOP_SECONDS = 0.2
"""How long a stop waits for threads; one that is just connecting is left behind and ends by itself."""
_ROUNDS = 3
_LARGE = 8 << 20  # bytes


class Kit:
    """What all pulls of this process share."""

    def __init__(self, net: Net, hello: Hello, cache: Cache, verified: Verified, begun: Begun) -> None:
        self.net, self.hello, self.cache, self.verified, self.begun = net, hello, cache, verified, begun
        self.slots = Slots(hello.parallel)


class Puller:
    """Runs one pull on a thread of its own and tells how it goes by ``send``; the last message is ``Pulled``,
    ``PullFailed`` or ``Stopped``."""

    def __init__(
        self,
        kit: Kit,
        pull: Pull,
        send: Callable[[FromHub], None],
        ended: Callable[[Puller], None],
        others: Callable[[Puller], set[str]],
    ) -> None:
        """``ended`` is called before the last message; ``others`` gives the blobs that other pulls of this process
        and repository are about."""
        self.id, self._spec = pull.id, pull.spec
        self._kit, self._send, self._ended, self._others = kit, send, ended, others
        self._halt = Halt()
        self._stopping = self._discard = False
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._over = False
        self._told: object = None
        self._plan: Plan | None = None
        self._fetcher: Fetcher | None = None
        threading.Thread(target=self._run, name=f"pull {pull.id}", daemon=True).start()

    @property
    def repo(self) -> str:
        return self._spec.repo

    @property
    def names(self) -> set[str]:
        """The blobs it is about."""
        return {blob_name(file) for file in self._plan.files} if self._plan else set()

    def stop(self, discard: bool) -> None:
        """Stop soon; may be called again to discard."""
        self._discard = self._discard or discard
        self._stopping = True
        self._halt.set()

    def tell(self) -> None:
        """Say how far it is, if that changed since the last time."""
        if self._fetcher is None:
            return
        now = self._fetcher.meter.reading()
        with self._lock:
            if not self._over and now != self._told:
                self._told = now
                self._send(Moved(self.id, now.done, now.fetched, now.file, now.waiting))

    # -- the thread

    def _run(self) -> None:
        try:
            last: FromHub = self._work()
        except HaltedError as halted:
            last = self._end(self._error or halted)
        except AtelierError as error:
            log.warning("pull %s of %s ended: %s", self.id, self._spec.repo, error)
            last = self._end(error)
        except Exception as error:
            log.exception("pull %s of %s ended", self.id, self._spec.repo)
            last = self._end(error)
        self._ended(self)
        with self._lock:
            self._over = True
            self._send(last)

    def _end(self, error: BaseException) -> FromHub:
        if self._stopping:
            return Stopped(self.id, self._throw_away() if self._discard else 0)
        return PullFailed(self.id, as_info(error))

    def _throw_away(self) -> int:
        spec = self._spec if self._plan is None else _at(self._spec, self._plan.commit)
        return throw_away(self._kit, spec, self.names, self._others(self))

    def _work(self) -> Pulled:
        kit = self._kit
        self._plan = plan = unless_halted(self._halt, lambda: open_plan(Api(kit.net, self._halt), self._spec))
        kit.cache.prepare(plan.repo)
        check_room(kit, plan)
        kit.begun.note(kit.cache.repo(plan.repo).name, _at(self._spec, plan.commit), self.names)
        self._send(Pulling(self.id, plan.commit, plan.total_bytes, len(plan.files)))
        patience = kit.hello.patience_seconds
        self._fetcher = fetcher = Fetcher(
            kit.net, kit.cache, kit.verified, kit.slots, patience, plan.repo, plan.commit, self._halt
        )
        for file in plan.files:
            fetcher.meter.have(file, kit.cache.here(plan.repo, file))
        with kit.cache.claim(plan.repo):
            folder = self._fetch_all(plan, fetcher)
        kit.begun.forget(kit.cache.repo(plan.repo).name, _at(self._spec, plan.commit))
        self.tell()
        return Pulled(self.id, folder, plan.commit, plan.total_bytes, fetcher.meter.reading().fetched)

    def _fetch_all(self, plan: Plan, fetcher: Fetcher) -> str:
        """Fetch, check, make the snapshot; again when a blob was bad, or was taken away meanwhile."""
        bad: set[str] = set()
        for _ in range(_ROUNDS):
            self._fetch(plan.files, fetcher, bad)
            self.tell()
            self._send(Checking(self.id))
            bad |= {file.path for file in plan.files if self._is_bad(plan, file, file.path in fetcher.shared - bad)}
            try:
                snapshot = self._kit.cache.publish(plan.repo, plan.revision, plan.commit, plan.files)
            except MissingBlobError as missing:
                log.info("%s has to be fetched again", missing)
            else:
                return str(snapshot)
        raise AtelierError(ErrorCode.CHECKSUM_WRONG, file=min(bad, default="a file"))

    def _is_bad(self, plan: Plan, file: HubFile, shared: bool) -> bool:
        """Check a blob that was here before us; a bad one is thrown away."""
        blob = self._kit.cache.blob(plan.repo, file)
        if self._kit.verified.holds(blob) and not shared:
            return False
        try:
            if checksum(blob, file, self._halt) == blob_name(file):
                self._kit.verified.add(blob)
                return False
        except FileNotFoundError:
            return False
        log.warning("%s of %s was damaged on the disk", file.path, plan.repo)
        blob.unlink(missing_ok=True)
        return True

    def _fetch(self, files: Iterable[HubFile], fetcher: Fetcher, fresh: set[str]) -> None:
        """Fetch all files, several at once: small ones first, since what is wrong shows with them."""
        waiting: queue.SimpleQueue[HubFile] = queue.SimpleQueue()
        ordered = sorted(files, key=lambda file: (file.size > _LARGE, -file.size, file.path))
        for file in ordered:
            waiting.put(file)

        def work() -> None:
            while not self._halt.is_set():
                try:
                    file = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    fetcher.bring(file, file.path in fresh)
                except BaseException as error:  # noqa: BLE001 - carried over to the pull's own thread
                    self._give_up(error)

        # More threads than slots: one that waits for another process' blob holds up nobody.
        count = min(len(ordered), 2 * self._kit.slots.count)
        threads = [threading.Thread(target=work, name=f"fetch {self.id}", daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        self._join(threads)
        if self._error is not None:
            raise self._error
        self._halt.check()

    def _give_up(self, error: BaseException) -> None:
        with self._lock:
            if self._error is None and not isinstance(error, HaltedError):
                self._error = error
        self._halt.set()

    def _join(self, threads: list[threading.Thread]) -> None:
        stop_at = float("inf")
        for thread in threads:
            while thread.is_alive() and time.monotonic() < stop_at:
                thread.join(0.02 if self._halt.is_set() else 0.1)
                if self._halt.is_set():
                    stop_at = min(stop_at, time.monotonic() + STOP_SECONDS)


def _at(spec: PullSpec, commit: str) -> PullSpec:
    return PullSpec(spec.repo, spec.revision, commit, spec.allow, spec.file)


def check_room(kit: Kit, plan: Plan) -> None:
    """Raises AtelierError ROOM_SHORT (``needed_gb``, ``free_gb``, ``path``) unless the disk has room for the rest."""
    missing = sum(file.size - kit.cache.here(plan.repo, file) for file in plan.files)
    needed, free = missing + kit.hello.min_free, kit.cache.free()
    if missing and needed > free:
        raise AtelierError(
            ErrorCode.ROOM_SHORT,
            path=str(kit.cache.root),
            needed_gb=round(needed / 1e9, 2),
            free_gb=round(free / 1e9, 2),
        )


def throw_away(kit: Kit, spec: PullSpec, names: set[str], keep: set[str]) -> int:
    """Delete what a pull has fetched and nothing else uses; returns the bytes that became free.

    ``names`` are its blobs as far as they are known, ``keep`` those of pulls that run.
    """
    folder = kit.cache.repo(spec.repo).name
    own, others = kit.begun.names(folder, spec)
    freed = kit.cache.discard(spec.repo, names | own, keep | others)
    kit.begun.forget(folder, spec)
    return freed
