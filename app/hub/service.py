"""The hub process's threads: one listens, each pull has its own, questions are answered by a few, one keeps time."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app import hub_protocol as protocol
from app.hub.errors import as_info
from models.codec import BrokenStreamError, Reader, Writer
from models.errors import ErrorCode, ErrorInfo

if TYPE_CHECKING:
    from app.hub.net import Net
    from app.hub.pull import Kit, Puller

log = logging.getLogger(__name__)

TELL_SECONDS = 0.1
COUNT_SECONDS = 1.0
QUESTIONS_AT_ONCE = 6


def serve(requests: BinaryIO, messages: BinaryIO) -> None:
    """Serve one app until the request pipe ends or it says so. Never returns."""
    reader: Reader[protocol.ToHub] = Reader(requests, protocol.ToHub)  # type: ignore[arg-type]
    writer = Writer(messages)

    def send(message: object) -> None:
        try:
            writer.send(message)
        except (OSError, ValueError):
            os._exit(0)  # nobody listens any more

    service: Service | None = None
    try:
        for message in reader:
            if isinstance(message, protocol.Shutdown):
                break
            if isinstance(message, protocol.Hello):
                service = _greeted(message, send)
            elif service is None:
                raise RuntimeError(f"{type(message).__name__} came before Hello")
            else:
                service.handle(message)
    except BrokenStreamError:
        log.exception("the request pipe is broken")
    except Exception as error:
        log.exception("the hub process cannot go on")
        send(protocol.Fatal(_fatal(error)))
        os._exit(1)
    # The parent is gone or wants us gone. Nothing is lost: parts are only added to, blobs are renamed when whole.
    os._exit(0)


def _fatal(error: Exception) -> ErrorInfo:
    return ErrorInfo(ErrorCode.HUB_PROCESS_FAILED, {"reason": str(error)[:200]}, as_info(error).detail)


def _greeted(hello: protocol.Hello, send: Callable[[object], None]) -> Service:
    if hello.version != protocol.VERSION:
        raise RuntimeError(f"the app speaks {hello.version}, the hub process {protocol.VERSION}")
    os.environ["HF_HUB_CACHE"] = hello.cache
    if hello.endpoint:
        os.environ["HF_ENDPOINT"] = hello.endpoint
    return Service(hello, send)


class Service:
    """Answers what the app asks."""

    def __init__(self, hello: protocol.Hello, send: Callable[[object], None]) -> None:
        # huggingface_hub reads its address and cache when it is imported: not before they are known.
        from huggingface_hub import constants

        from app.hub.cache import Cache
        from app.hub.net import Net
        from app.hub.notes import Begun, Verified
        from app.hub.pull import Kit

        self._send, self._state = send, Path(hello.state)
        self._net: Net = Net(constants.ENDPOINT, hello.stall_seconds)
        cache = Cache(Path(hello.cache).expanduser().resolve())
        self._kit: Kit = Kit(self._net, hello, cache, Verified(self._state), Begun(self._state))
        self._pulls: dict[str, Puller] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(QUESTIONS_AT_ONCE, thread_name_prefix="question")
        threading.Thread(target=self._keep_time, name="time", daemon=True).start()
        send(protocol.Ready(protocol.VERSION, constants.ENDPOINT))

    def handle(self, message: protocol.ToHub) -> None:
        """Begin what ``message`` asks for; never waits."""
        match message:
            case protocol.Pull():
                self._pull(message)
            case protocol.Stop(key, discard):
                self._stop(key, discard)
            case protocol.Discard():
                self._pool.submit(self._discard, message)
            case protocol.Hello() | protocol.Shutdown():
                pass
            case _:
                self._pool.submit(self._answer, message)

    # -- questions

    def _answer(self, message: protocol.ToHub) -> None:
        request = getattr(message, "request", "")
        try:
            self._send(self._said(message))
        except Exception as error:
            log.exception("%s failed", type(message).__name__)
            self._send(protocol.Refused(request, as_info(error)))

    def _said(self, message: protocol.ToHub) -> protocol.FromHub:
        from app.hub import access, describe, search
        from app.hub.api import Api
        from app.hub.net import Halt
        from app.hub.probe import Probe

        halt = Halt()
        api = Api(self._net, halt)
        match message:
            case protocol.Describe(request, spec):
                probe = Probe(self._net, self._kit.cache, self._state, halt)
                return protocol.Described(request, describe.describe(api, probe, self._kit.cache, spec))
            case protocol.Search():
                return search.search(api, message)
            case protocol.SignIn():
                return access.sign_in(api, message)
            case protocol.SignOut():
                return access.sign_out(message)
            case protocol.WhoAmI():
                return access.who(api, message, self._net.token())
        raise RuntimeError(f"no answer to {type(message).__name__}")

    # -- pulls

    def _pull(self, message: protocol.Pull) -> None:
        from app.hub.pull import Puller

        with self._lock:
            if message.id not in self._pulls:
                self._pulls[message.id] = Puller(self._kit, message, self._send, self._ended, self._others)

    def _stop(self, key: str, discard: bool) -> None:
        with self._lock:
            pull = self._pulls.get(key)
        if pull is None:
            self._send(protocol.Stopped(key))  # it ended meanwhile
        else:
            pull.stop(discard)

    def _ended(self, pull: Puller) -> None:
        with self._lock:
            self._pulls.pop(pull.id, None)

    def _others(self, one: Puller | None, repo: str = "") -> set[str]:
        """The blobs that pulls of a repository are about, but those of ``one``."""
        repo = one.repo if one is not None else repo
        with self._lock:
            pulls = [pull for pull in self._pulls.values() if pull is not one and pull.repo == repo]
        return set().union(*(pull.names for pull in pulls))

    def _discard(self, message: protocol.Discard) -> None:
        from app.hub.pull import throw_away

        freed = 0
        try:
            freed = throw_away(self._kit, message.spec, set(), self._others(None, message.spec.repo))
        except Exception:
            log.exception("what was fetched of %s could not be deleted", message.spec.repo)
        self._send(protocol.Stopped(message.id, freed))

    def _keep_time(self) -> None:
        counted, next_count = 0, 0.0
        while True:
            with self._lock:
                pulls = list(self._pulls.values())
            for pull in pulls:
                pull.tell()
            if self._net.requests != counted and time.monotonic() >= next_count:
                counted, next_count = self._net.requests, time.monotonic() + COUNT_SECONDS
                self._send(protocol.Counted(counted))
            time.sleep(TELL_SECONDS if pulls else 0.3)
