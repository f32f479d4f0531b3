"""Builds and wires every service; the only place that knows them all. Window and command line both start here."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import logging
import os
import secrets
import sqlite3
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import msgspec

from app import events as announced
from app import hardware, hub_protocol
from app.dispatch import Dispatcher
from app.downloads import Downloads
from app.engine import Engine, engine_python
from app.history import History
from app.hub_client import HubClient
from app.imports import Imports
from app.job_queue import JobQueue, as_info
from app.jobs import Job, JobProgress, Result
from app.journal import Journal
from app.library import Library
from app.models import Models, default_hub_cache
from app.offers import LateCatalog, Offers
from app.paths import ASSETS, Paths
from app.prompting.service import Prompting
from app.serial import SerialWorker
from app.settings import SettingsStore, is_offline
from app.states import EngineState, JobState
from app.storage import Storage
from app.store import DamagedLibraryError, Store
from app.weights import Download
from models import planning, protocol
from models.errors import AtelierError, ErrorCode, ErrorInfo, disk_error
from models.machine import Needs, Verdict
from models.planning import ProbeReport
from models.singles import prepare

log = logging.getLogger(__name__)

GB = 1_000_000_000
PRELOAD_LIMIT = 2 * GB
"""Models up to this size are loaded before the first Generate; larger ones would fill the memory unasked."""


class Core:
    """Everything but the looks. Create, ``start`` and use it on one thread, the one ``dispatcher`` posts to.

    ``origin`` is "window" or "cli": only a window takes over jobs that an earlier program left.
    """

    def __init__(self, paths: Paths, dispatcher: Dispatcher, origin: str = "window") -> None:
        """Raises AtelierError when the home folder or the library in it cannot be used."""
        self.paths = paths
        self.origin = origin
        with _usable(paths):
            paths.create()
        self.events = announced.EventBus()
        self._session = secrets.token_hex(6)
        self._lock = filelock.FileLock(paths.sessions / f"{self._session}.lock")
        with _usable(paths):
            self._lock.acquire()
        self._troubles: list[ErrorInfo] = []
        self._disk = SerialWorker(dispatcher, "disk")
        self.settings = SettingsStore(paths.settings, self._settings_changed, self._save_settings)
        if self.settings.problems:
            what = " ".join(self.settings.problems)
            self._troubles.append(ErrorInfo(ErrorCode.SETTINGS_DAMAGED, {"what": what}))
        self._store, damaged = self._open_store()
        pictures = Path(self.settings.value.pictures_folder or paths.pictures).expanduser()
        self.library = Library(self._store, paths.outbox, pictures, Journal(paths.journal))
        # Looking through model folders gets a thread of its own: a slow disk must not hold up finished pictures.
        self._looker = SerialWorker(dispatcher, "models")
        self.models = Models(
            self.settings, self.events, ASSETS, default_hub_cache(), self._looker.do, paths, LateCatalog(), prepare
        )
        self.engine = Engine(
            engine_python(self.settings.value.engine_python), self._hello(), paths.logs, dispatcher, self.events
        )
        self.prompting = Prompting(paths.data, ASSETS, self.library.recent)
        self.queue = JobQueue(
            self._store, self.library, self.models, self.engine, self._disk, self.events, self._session, origin,
            {"atelier": version()}, lambda: self.settings.value.previews, self._memory_limit, self.prompting,
        )  # fmt: skip
        self.hub = HubClient(
            self._hub_hello, lambda: is_offline(self.settings.value), paths.logs, dispatcher, self.events
        )
        self.downloads = Downloads(
            self._store, self.hub, self._disk, self.events, dispatcher, self._session, origin,
            lambda: self.settings.value.downloads_at_once,
        )  # fmt: skip
        self.offers = Offers(
            self.models, self.downloads, self._store, self._disk, self._looker, self.events, self.hub_cache
        )
        # What takes long with large files gets a thread of its own, too.
        self._mover = SerialWorker(dispatcher, "storage")
        self.storage = Storage(
            self.settings, paths, self.models, self._looker, self._mover, dispatcher.post, self.downloads,
            self._needed, self._store.last_used,
        )  # fmt: skip
        self._searcher = SerialWorker(dispatcher, "search")
        self.history = History(
            self._store, self.library, self._disk, self._searcher, self._mover, dispatcher.post, self.events
        )
        self.imports = Imports(self.settings, paths, self.models, self._mover, dispatcher.post, self._looker)
        self.models.allow(self.imports.allowed)
        self.downloads.resolve = self.offers.wanted
        self.downloads.arrived = self._arrived
        self._offline = self.hub.offline
        if device := hardware.remembered(paths.machine):
            self.offers.judge(device)
        self.engine.heard = self._heard
        self.engine.lost = self.queue.engine_lost
        self.events.subscribe(announced.ModelsChanged, self._preload_wanted)
        self._wanted_model = ""
        if damaged:
            self._disk.do(self.library.rebuild, self._took_in_orphans)
        self._disk.do(self.history.settle)

    def start(self) -> None:
        """Begin: find what earlier programs left, start the engine. Announces troubles met so far."""
        for trouble in self._troubles:
            self.events.emit(announced.TroubleArose(trouble))
        self._take_over(self._dead_sessions())
        self.engine.start()
        if self.origin == "window":
            self.storage.resume()
            self.models.refresh()
            if self.settings.value.preload:
                self.preload(self.settings.value.model)

    def look(self) -> None:
        """Look at what is on the disk, without an engine: for commands that run no model."""
        self.storage.resume()
        self.models.refresh()
        self.offers.refresh()

    def hub_cache(self) -> Path:
        """Where downloads are kept."""
        chosen = self.settings.value.models_cache
        return Path(chosen).expanduser() if chosen else default_hub_cache()

    def know_device(self) -> None:
        """Make sure that offers can say what fits; the first time on a machine that takes some seconds."""
        if self.offers.device is not None:
            return
        probe = hardware.probe_engine(engine_python(self.settings.value.engine_python))
        if isinstance(probe, ProbeReport) and probe.devices:
            device = planning.choose(probe.devices)
            hardware.remember(self.paths.machine, device)
            self.offers.judge(device)

    def verdict(self, needs: Needs) -> Verdict | None:
        """Whether something that needs this runs here; None while the device is not known."""
        return None if self.offers.device is None else planning.verdict(needs, self.offers.device)

    def close(self) -> None:
        """End in order: jobs go back to the queue on the disk, the engine ends, disk work is finished."""
        self.downloads.close()
        self.queue.close()
        self.engine.stop()
        self.storage.close()
        self.imports.close()
        self.history.close()
        self._searcher.finish()
        self._looker.finish()
        self._mover.finish()
        self._disk.finish()
        self._store.close()
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)

    def preload(self, model_id: str) -> None:
        """Load a model before it is needed, if it is small enough; remembered until the engine is ready."""
        self._wanted_model = model_id
        if self.engine.state is not EngineState.READY or self.queue.busy or not self.models.knows(model_id):
            return
        self._wanted_model = ""
        try:
            card, _ = self.models.runnable(model_id)
        except AtelierError:
            return  # the form says it
        if card.size_bytes <= PRELOAD_LIMIT:
            self.engine.load(protocol.Load(card.ref))

    def take_in(self, folder: str) -> None:
        """Bring finished pictures that lie in the outbox under this name into the library, and tell everyone."""
        self._disk.do(lambda: self.library.take_in(folder), self._took_in_orphans)

    def estimate(self, model_id: str) -> float | None:
        """Seconds a picture of this model took lately on this machine; None before the first."""
        seconds = self._store.seconds_lately(model_id)
        return statistics.median(seconds) if seconds else None

    # -- wiring --

    def _heard(self, message: protocol.FromWorker) -> None:
        if isinstance(message, protocol.Ready):
            device = message.device
            self._disk.do(lambda: hardware.remember(self.paths.machine, device))
            self.offers.judge(device)
            if self.origin == "window":
                self.models.refresh(device)
        self.queue.hear(message)
        if isinstance(message, protocol.Ready):
            self._preload_wanted()

    def _preload_wanted(self, _: object = None) -> None:
        if self._wanted_model:
            self.preload(self._wanted_model)

    def _hello(self) -> protocol.Hello:
        settings = self.settings.value
        runners = () if settings.model == "fake" else ("diffusers",)
        budget = int(settings.worker_memory_gb * GB)
        return protocol.Hello(protocol.VERSION, settings.device, budget, str(self.paths.cache), runners)

    def _arrived(self, download: Download) -> None:
        self.storage.arrived(Path(download.folder))
        self.models.refresh()

    def _needed(self, model_id: str) -> bool:
        """Whether a job is at a model, or waits for it. A model that is only kept loaded is let go."""
        if any(job.model == model_id and not job.ended for job in self.queue.jobs()):
            return True
        if self.engine.state is EngineState.READY:
            self.engine.unload()
        return False

    def _hub_hello(self) -> hub_protocol.Hello:
        endpoint = self.settings.value.hub_endpoint or os.environ.get("HF_ENDPOINT", "")
        return hub_protocol.Hello(hub_protocol.VERSION, str(self.hub_cache()), str(self.paths.hub), endpoint)

    def _memory_limit(self) -> int:
        """Bytes held beside weights at which the worker is replaced between jobs; 0: no limit."""
        if self.settings.value.worker_memory_gb:
            return int(self.settings.value.worker_memory_gb * GB)
        device = self.engine.status.device
        return max(4 * GB, device.ram_total // 4) if device else 0

    def _settings_changed(self, names: tuple[str, ...]) -> None:
        self.events.emit(announced.SettingsChanged(names))
        if "pictures_folder" in names:
            self.library.pictures = Path(self.settings.value.pictures_folder or self.paths.pictures).expanduser()
            self.history.moved(self.library.pictures)
        if (offline := self.hub.offline) is not self._offline:
            self._offline = offline
            (self.downloads.went_offline if offline else self.downloads.went_online)()
        if {"models_cache", "hub_endpoint"} & set(names):
            self.downloads.begin_again()
            self.models.refresh()  # and with it the offers
        if {"device", "worker_memory_gb", "engine_python"} & set(names):
            self.engine.configure(engine_python(self.settings.value.engine_python), self._hello())
            if not self.queue.busy:
                self.engine.restart()

    def _save_settings(self, write: Callable[[], None]) -> None:
        def failed(error: Exception) -> None:
            info = disk_error(error, str(self.paths.config)).info if isinstance(error, OSError) else as_info(error)
            self.events.emit(announced.TroubleArose(info))

        self._disk.do(write, failed=failed)

    def _open_store(self) -> tuple[Store, bool]:
        with _usable(self.paths):
            try:
                return Store(self.paths.library), False
            except DamagedLibraryError as error:
                log.exception("the library is damaged")
                self._troubles.append(ErrorInfo(ErrorCode.LIBRARY_DAMAGED, {"path": str(error.aside)}, str(error)))
                return Store(self.paths.library), True

    # -- what earlier programs left --

    def _dead_sessions(self) -> frozenset[str]:
        """Sessions whose program has ended: their lock can be had. Their lock files are removed."""
        dead = []
        for file in self.paths.sessions.glob("*.lock"):
            if file.stem == self._session:
                continue
            lock = filelock.FileLock(file)
            try:
                lock.acquire(blocking=False)
            except filelock.Timeout:
                continue
            dead.append(file.stem)
            lock.release()
            file.unlink(missing_ok=True)
        return frozenset(dead)

    def _take_over(self, dead: frozenset[str]) -> None:
        """Pictures nobody listed are listed; a window also takes jobs of ended windows: unfinished ones are held,
        failed ones that can go on from their kept steps can be tried again."""
        mine = []
        locked = {file.stem for file in self.paths.sessions.glob("*.lock")} - dead - {self._session}
        for job, session, origin in self._store.open_jobs():
            failed = job.state is JobState.FAILED
            if session in locked | {self._session}:  # a command line has sent its own job before it starts
                continue
            if failed and not self.library.keeps_latents(job.id):
                self._disk.do(functools.partial(self.library.discard_folder, job.id))
                continue
            if origin == "window" and self.origin == "window":
                mine.append(job)
                self._disk.do(functools.partial(self.library.take_in, job.id), self._took_in_orphans)
            elif origin != "window":
                self._end_orphan(job, session, origin)
        self.take_in_orphans()
        self.queue.adopt(mine)
        if self.origin == "window":
            left = [row for row in self._store.downloads() if row[1] not in locked | {self._session}]
            self.downloads.adopt(left)

    def take_in_orphans(self) -> None:
        """Bring finished pictures of programs that were killed into the library."""
        self._disk.do(lambda: self.library.take_in_orphans(self._open_ids), self._took_in_orphans)

    def _open_ids(self) -> frozenset[str]:
        return frozenset(job.id for job, _, _ in self._store.open_jobs())

    def _end_orphan(self, job: Job, session: str, origin: str) -> None:
        """A job of a command line that was killed: nobody waits for it any more."""
        ended = msgspec.structs.replace(job, state=JobState.CANCELLED, progress=JobProgress())
        self._disk.do(lambda: self._store.save_job(ended, session, origin, -1.0))

    def _took_in_orphans(self, results: list[Result]) -> None:
        for result in results:
            self.events.emit(announced.ResultAdded(result))


@contextlib.contextmanager
def _usable(paths: Paths) -> Iterator[None]:
    """What the system refuses while the home folder is opened, as an error with words."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, str(paths.data)) from error
    except sqlite3.OperationalError as error:
        raise AtelierError(ErrorCode.LIBRARY_UNUSABLE, str(error), path=str(paths.library)) from error


def version() -> str:
    """The installed version of Atelier."""
    try:
        return importlib.metadata.version("atelier")
    except importlib.metadata.PackageNotFoundError:
        return "0"
