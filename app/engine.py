"""Starts, talks to, restarts and ends a worker process. The only user of ``subprocess`` for it.

The engine owns no jobs: it says what the worker said (``heard``) and when a worker is gone (``lost``); the queue
decides. Everything runs on the owner thread but the reader thread, which only posts. Messages of a worker that was
replaced are dropped by generation number.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from app import child
from app.dispatch import Dispatcher, later
from app.events import EngineChanged, EventBus, TroubleArose
from app.hardware import said_exit
from app.states import ENGINE_MOVES, EngineState, move
from models import protocol
from models.codec import BrokenStreamError, Reader, Writer
from models.errors import ErrorCode, ErrorInfo
from models.planning import DeviceFacts

log = logging.getLogger(__name__)

START_SECONDS = 120.0
"""A cold disk and a virus scanner make the first import of torch slow; past this the worker is given up."""

CANCEL_SECONDS = 4.0
"""A worker that has not answered a cancel by then is ended."""

PING_SECONDS = 15.0
SILENCE_SECONDS = 90.0
"""A busy worker answers pings from a thread of its own; this long without any word means it hangs."""

MAX_FAILED_STARTS = 3
BACK_OFF = 1.0  # seconds before the second start, doubled before each further one


class Engine:
    """One worker for one device."""

    def __init__(
        self,
        python: str,
        hello: protocol.Hello,
        logs: Path,
        dispatcher: Dispatcher,
        events: EventBus,
    ) -> None:
        self._python = python
        self._hello = hello
        self._log_file = logs / "engine.log"
        self._dispatcher = dispatcher
        self._events = events
        self.heard: Callable[[protocol.FromWorker], None] = lambda message: None
        self.lost: Callable[[ErrorInfo], None] = lambda error: None
        self.status = EngineChanged(EngineState.ABSENT)
        self.versions: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: Writer | None = None
        self._generation = 0
        self._failed_starts = 0
        self._job = ""
        self._fatal: ErrorInfo | None = None
        self._heard_at = 0.0
        self._pulse: threading.Timer | None = None
        self.stale = False  # the running worker was started with settings that have changed since
        self._timers: list[threading.Timer] = []

    @property
    def state(self) -> EngineState:
        return self.status.state

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    # -- what the core asks for --

    def start(self) -> None:
        """Start a worker, unless there is one. A failure to start is reported as ``EngineChanged``."""
        if self.state not in (EngineState.ABSENT, EngineState.CRASHED, EngineState.UNUSABLE):
            return
        self._generation += 1
        self._fatal, self._job, self.stale = None, "", False
        self._become(EngineState.STARTING)
        try:
            process = child.spawn(self._python, "models.worker", self._log_file)
        except OSError as error:
            self._become(EngineState.UNUSABLE, ErrorInfo(ErrorCode.ENGINE_START_FAILED, {}, str(error)))
            return
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._writer = Writer(process.stdin)
        generation = self._generation
        threading.Thread(target=self._listen, args=(process, generation), name="engine", daemon=True).start()
        self._send(self._first_words())
        self._later(START_SECONDS, self._check_started)

    def configure(self, python: str, hello: protocol.Hello) -> None:
        """What the next worker is started with; the running one is only marked ``stale``."""
        self._python, self._hello = python, hello
        self.stale = self._process is not None

    def run(self, request: protocol.Run) -> None:
        """Hand the worker a job; only when READY."""
        self._job = request.job
        self._become(EngineState.BUSY)
        self._send(request)
        self._heard_at = time.monotonic()
        if self._pulse is not None:
            self._pulse.cancel()
        self._pulse = self._later(PING_SECONDS, self._ping)

    def cancel(self, job: str) -> None:
        """Ask the worker to stop within a step; end it if it does not."""
        self._send(protocol.Cancel(job))
        self._later(CANCEL_SECONDS, lambda: self._end_if_still_at(job))

    def load(self, request: protocol.Load) -> None:
        if self.state is EngineState.READY:
            self._send(request)

    def unload(self) -> None:
        """Drop the models that are kept loaded, so that their files can be removed."""
        if self.state is EngineState.READY:
            self._send(protocol.Unload())

    def restart(self) -> None:
        """End the worker, if there is one, and start a fresh one; also the way out of UNUSABLE.

        A job under it is lost to this worker, as in a crash: the queue hears so.
        """
        self._failed_starts = 0
        busy = self.state is EngineState.BUSY
        self.stop(wait=False)
        self.start()
        if busy:
            self.lost(ErrorInfo(ErrorCode.ENGINE_CRASHED, {"reason": "it was restarted"}))

    def stop(self, wait: bool = True) -> None:
        """End the worker: it is asked, and after two seconds forced. Nothing of it is heard afterwards.

        Without ``wait`` that happens on a thread of its own, so that a window need not stand still for it.
        """
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._generation += 1
        process, self._process = self._process, None
        if process is not None:
            if self.state in (EngineState.STARTING, EngineState.READY, EngineState.BUSY):
                self._become(EngineState.STOPPING)
            with contextlib.suppress(OSError, ValueError):
                self._send(protocol.Shutdown())
            end = threading.Thread(target=child.end, args=(process, 2.0), name="end engine", daemon=True)
            end.start()
            if wait:
                end.join(10.0)
        self._writer = None
        if self.state is not EngineState.ABSENT:
            self._become(EngineState.ABSENT)

    # -- the worker's side --

    def _first_words(self) -> protocol.Hello:
        """The greeting; on the last try without any graphics device, since drivers crash where they are looked at."""
        if self._failed_starts < MAX_FAILED_STARTS - 1 or self._hello.device == "cpu":
            return self._hello
        trouble = ErrorInfo(ErrorCode.DEVICE_FAILED, {"device": self._hello.device})
        self._events.emit(TroubleArose(trouble))
        return msgspec.structs.replace(self._hello, device="cpu")

    def _listen(self, process: subprocess.Popen[bytes], generation: int) -> None:
        assert process.stdout is not None
        reader: Reader[protocol.FromWorker] = Reader(process.stdout, protocol.FromWorker)  # type: ignore[arg-type]
        try:
            for message in reader:
                self._dispatcher.post(lambda message=message: self._hear(message, generation))  # type: ignore[misc]
        except BrokenStreamError:
            log.exception("the engine's pipe is broken")
            process.kill()
        code = process.wait()
        self._dispatcher.post(lambda: self._gone(code, generation))

    def _hear(self, message: protocol.FromWorker, generation: int) -> None:
        if generation != self._generation:
            return
        self._heard_at = time.monotonic()
        if isinstance(message, protocol.Ready):
            self._failed_starts = 0
            self.versions = message.versions
            self._become(EngineState.READY, device=message.device)
        elif isinstance(message, protocol.Fatal):
            self._fatal = message.error
        elif isinstance(message, protocol.Loading) and not message.job:
            self._become(self.state, loading=message.model)
        elif isinstance(message, protocol.Loaded | protocol.LoadFailed) and self.status.loading:
            self._become(self.state)
        elif isinstance(message, protocol.Finished | protocol.Failed | protocol.Cancelled):
            self._job = ""
            self._become(EngineState.READY)
        self.heard(message)

    def _gone(self, code: int, generation: int) -> None:
        """The worker ended by itself: say why, start another unless it keeps failing, tell the queue."""
        if generation != self._generation:
            return
        started = self.state is not EngineState.STARTING
        if self._process is not None:
            child.close_pipes(self._process)
        self._process = self._writer = None
        error = self._fatal or ErrorInfo(
            ErrorCode.ENGINE_CRASHED if started else ErrorCode.ENGINE_START_FAILED,
            {"reason": exit_words(code)},
            child.log_tail(self._log_file),
        )
        self._failed_starts += 0 if started else 1
        hopeless = error.code is ErrorCode.ENGINE_MISSING or self._failed_starts >= MAX_FAILED_STARTS
        self._become(EngineState.UNUSABLE if hopeless else EngineState.CRASHED, error)
        self.lost(error)
        if self.state is EngineState.CRASHED:
            self._later(0.0 if started else BACK_OFF * 2**self._failed_starts, self.start)

    def _send(self, message: protocol.ToWorker) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError, ValueError):  # its end is noticed by the reader
                self._writer.send(message)

    def _become(
        self, state: EngineState, error: ErrorInfo | None = None, device: DeviceFacts | None = None, loading: str = ""
    ) -> None:
        move(ENGINE_MOVES, self.state, state)
        self.status = EngineChanged(state, device or self.status.device, error, loading=loading)
        self._events.emit(self.status)

    # -- watching --

    def _later(self, seconds: float, function: Callable[[], None]) -> threading.Timer:
        """Call ``function`` on the owner thread in ``seconds``, unless the worker was replaced by then."""
        generation = self._generation

        def guarded() -> None:
            if generation == self._generation:
                function()

        timer = later(self._dispatcher, seconds, guarded)
        self._timers = [other for other in self._timers if other.is_alive()] + [timer]
        return timer

    def _check_started(self) -> None:
        if self.state is EngineState.STARTING:
            self._fatal = ErrorInfo(ErrorCode.ENGINE_UNRESPONSIVE)
            self._force_end()

    def _end_if_still_at(self, job: str) -> None:
        if self._job == job and self.state is EngineState.BUSY:
            log.warning("the engine does not answer a cancel; it is ended")
            self._fatal = ErrorInfo(ErrorCode.ENGINE_UNRESPONSIVE)
            self._force_end()

    def _ping(self) -> None:
        """While a job runs, ask now and then whether anybody is there; the listener thread answers even mid-step."""
        if self.state is not EngineState.BUSY:
            return
        if time.monotonic() - self._heard_at >= SILENCE_SECONDS:
            self._fatal = ErrorInfo(ErrorCode.ENGINE_UNRESPONSIVE)
            self._force_end()
            return
        self._send(protocol.Ping(0))
        self._pulse = self._later(PING_SECONDS, self._ping)

    def _force_end(self) -> None:
        if self._process is not None:
            self._process.kill()  # the reader thread notices and `_gone` goes on from there


def exit_words(code: int) -> str:
    """How a process ended, in words: "SIGKILL, perhaps because memory ran out", "exit code 1"."""
    words = said_exit(code)
    return f"{words}, perhaps because memory ran out" if words == "SIGKILL" else words


def engine_python(setting: str) -> str:
    """The interpreter that runs the engine: the setting's, or the one that runs the app."""
    return setting or sys.executable
