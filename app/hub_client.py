"""Starts, talks to and ends the hub process, the only part of Atelier that uses the network.

It is started when something is asked of it and ends when it was idle for a while, so an Atelier that downloads nothing
has no process for it. Everything here runs on the owner thread but the reader thread, which only posts.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from app import child
from app import hub_protocol as protocol
from app.dispatch import Dispatcher, later
from app.events import EventBus, NetworkCounted
from app.hardware import said_exit
from app.hub_protocol import Hit, Identity, PullSpec, RepoFacts
from models.codec import BrokenStreamError, Reader, Writer
from models.errors import AtelierError, ErrorCode, ErrorInfo

log = logging.getLogger(__name__)

IDLE_SECONDS = 60.0
STOP_SECONDS = 3.0
"""A process that has not answered a stop by then is ended; what it fetched is kept."""

Failed = Callable[[ErrorInfo], None]


class HubClient:
    """One hub process, started when needed.

    ``heard`` gets every message about pulls, ``lost`` is called with the reason when the process ended unasked.
    """

    def __init__(
        self,
        hello: Callable[[], protocol.Hello],
        offline: Callable[[], bool],
        logs: Path,
        dispatcher: Dispatcher,
        events: EventBus,
    ) -> None:
        """``hello`` gives the first message for the next process; ``offline`` whether the network is forbidden now."""
        self._hello = hello
        self._offline = offline
        self._log_file = logs / "hub.log"
        self._dispatcher = dispatcher
        self._events = events
        self.heard: Callable[[protocol.FromHub], None] = lambda message: None
        self.lost: Callable[[ErrorInfo], None] = lambda error: None
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: Writer | None = None
        self._generation = 0
        self._numbers = count(1)
        self._waiting: dict[str, tuple[Callable[[Any], None], Failed]] = {}
        self._pulls: set[str] = set()
        self._fatal: ErrorInfo | None = None
        self._counted, self._counted_before = 0, 0
        self._used = time.monotonic()

    # -- what can be asked --

    @property
    def offline(self) -> bool:
        """Whether the network is forbidden: by the setting or by ATELIER_OFFLINE."""
        return self._offline()

    @property
    def requests(self) -> int:
        """Requests sent over the network since this program started."""
        return self._counted_before + self._counted

    def describe(self, spec: PullSpec, then: Callable[[RepoFacts], None], failed: Failed) -> None:
        """What a repository holds and what of it would be fetched."""
        self._ask(lambda request: protocol.Describe(request, spec), then, failed)

    def search(self, query: str, role: str, then: Callable[[tuple[Hit, ...]], None], failed: Failed) -> None:
        self._ask(lambda request: protocol.Search(request, query, role), then, failed)

    def sign_in(self, token: str, then: Callable[[Identity], None], failed: Failed) -> None:
        """Check a token and let the hub's library keep it."""
        self._ask(lambda request: protocol.SignIn(request, token), then, failed)

    def sign_out(self, then: Callable[[Identity], None], failed: Failed) -> None:
        self._ask(protocol.SignOut, then, failed, local=True)

    def who(self, then: Callable[[Identity], None], failed: Failed) -> None:
        self._ask(protocol.WhoAmI, then, failed)

    def pull(self, key: str, spec: PullSpec) -> None:
        """Begin to fetch; ``heard`` is told how it goes. Raises AtelierError: OFFLINE, HUB_PROCESS_FAILED."""
        self._need_network()
        self._start()
        self._pulls.add(key)
        self._send(protocol.Pull(key, spec))

    def stop_pull(self, key: str, discard: bool = False) -> None:
        """Stop a pull; the process is ended if it does not answer soon."""
        self._send(protocol.Stop(key, discard))
        generation = self._generation
        self._later(STOP_SECONDS, lambda: self._end_if_deaf(key, generation))

    def discard(self, key: str, spec: PullSpec) -> None:
        """Delete what a pull that does not run has fetched; works offline. Raises AtelierError: HUB_PROCESS_FAILED."""
        self._start()
        self._pulls.add(key)
        self._send(protocol.Discard(key, spec))

    def stop(self) -> None:
        """End the process, if there is one; nothing of it is heard afterwards. Requests under way are dropped."""
        self._generation += 1
        self._waiting.clear()
        self._pulls.clear()
        process, self._process, self._writer = self._process, None, None
        self._counted_before, self._counted = self.requests, 0
        if process is None:
            return
        with contextlib.suppress(OSError, ValueError):
            assert process.stdin is not None
            Writer(process.stdin).send(protocol.Shutdown())
        threading.Thread(target=child.end, args=(process, 2.0), name="end hub", daemon=True).start()

    # -- asking --

    def _ask(
        self, message: Callable[[str], protocol.ToHub], then: Callable[[Any], None], failed: Failed, local: bool = False
    ) -> None:
        request = f"r{next(self._numbers)}"
        try:
            if not local:
                self._need_network()
            self._start()
        except AtelierError as error:
            info = error.info
            self._dispatcher.post(lambda: failed(info))
            return
        self._waiting[request] = (then, failed)
        self._send(message(request))

    def _need_network(self) -> None:
        if self.offline:
            raise AtelierError(ErrorCode.OFFLINE)

    def _send(self, message: protocol.ToHub) -> None:
        self._used = time.monotonic()
        if self._writer is not None:
            with contextlib.suppress(OSError, ValueError):  # its end is noticed by the reader
                self._writer.send(message)

    # -- the process --

    def _start(self) -> None:
        if self._process is not None:
            return
        self._generation += 1
        self._fatal = None
        try:
            process = child.spawn(sys.executable, "app.hub", self._log_file)
        except OSError as error:
            raise AtelierError(ErrorCode.HUB_PROCESS_FAILED, str(error), reason="it could not be started") from error
        assert process.stdin is not None
        self._process, self._writer = process, Writer(process.stdin)
        threading.Thread(target=self._listen, args=(process, self._generation), name="hub", daemon=True).start()
        self._send(self._hello())
        self._later(IDLE_SECONDS, self._end_if_idle)

    def _listen(self, process: subprocess.Popen[bytes], generation: int) -> None:
        assert process.stdout is not None
        reader: Reader[protocol.FromHub] = Reader(process.stdout, protocol.FromHub)  # type: ignore[arg-type]
        try:
            for message in reader:
                self._dispatcher.post(lambda message=message: self._hear(message, generation))  # type: ignore[misc]
        except BrokenStreamError:
            log.exception("the hub's pipe is broken")
            process.kill()
        code = process.wait()
        self._dispatcher.post(lambda: self._gone(code, generation))

    def _hear(self, message: protocol.FromHub, generation: int) -> None:
        if generation != self._generation:
            return
        match message:
            case protocol.Described(request, facts):
                self._answer(request, facts)
            case protocol.Found(request, hits):
                self._answer(request, hits)
            case protocol.Identity(request):
                self._answer(request, message)
            case protocol.Refused(request, error):
                _, failed = self._waiting.pop(request, (None, None))
                if failed is not None:
                    failed(error)
            case protocol.Counted(requests):
                self._counted = requests
                self._events.emit(NetworkCounted(self.requests))
            case protocol.Fatal(error):
                self._fatal = error
            case protocol.Ready():
                pass
            case _:
                if isinstance(message, protocol.Pulled | protocol.PullFailed | protocol.Stopped):
                    self._pulls.discard(message.id)
                    self._used = time.monotonic()
                self.heard(message)

    def _answer(self, request: str, value: object) -> None:
        then, _ = self._waiting.pop(request, (None, None))
        if then is not None:
            then(value)

    def _gone(self, code: int, generation: int) -> None:
        """The process ended by itself: whoever waits for it is told."""
        if generation != self._generation:
            return
        if self._process is not None:
            child.close_pipes(self._process)
        self._process = self._writer = None
        self._counted_before, self._counted = self.requests, 0
        error = self._fatal or ErrorInfo(
            ErrorCode.HUB_PROCESS_FAILED, {"reason": said_exit(code)}, child.log_tail(self._log_file)
        )
        waiting, self._waiting = self._waiting, {}
        self._pulls.clear()
        for _, failed in waiting.values():
            failed(error)
        self.lost(error)

    # -- time --

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        later(self._dispatcher, seconds, what)

    def _end_if_idle(self) -> None:
        if self._process is None:
            return
        left = self._used + IDLE_SECONDS - time.monotonic()
        if self._pulls or self._waiting or left > 0:
            self._later(max(left, 5.0), self._end_if_idle)
        else:
            self.stop()

    def _end_if_deaf(self, key: str, generation: int) -> None:
        if generation == self._generation and key in self._pulls and self._process is not None:
            log.warning("the hub process did not stop %s; it is ended", key)
            self._process.kill()
