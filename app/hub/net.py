"""The one way out: huggingface_hub's own HTTP client, with every request counted and every wait interruptible."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx2
from huggingface_hub import get_session, get_token, set_client_factory
from huggingface_hub.constants import HF_URL_HOSTS
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import default_client_factory

from app.hub.errors import HaltedError, NetError, hide, unreached

T = TypeVar("T")

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 10.0
"""How long a question to the hub may go without a byte of its answer."""
LONGEST_WAIT = 30.0
"""Seconds between two tries, at most, unless the hub asks for more."""


class Halt:
    """A word to stop that is heard at once: it ends waits and wakes reads from the network."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    def set(self) -> None:
        self._event.set()
        with self._lock:
            for one in self._sockets:
                _wake(one)

    def is_set(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raises HaltedError once it was set."""
        if self._event.is_set():
            raise HaltedError

    def wait(self, seconds: float) -> None:
        """Sleep. Raises HaltedError at once when it is set."""
        if self._event.wait(seconds):
            raise HaltedError

    @contextlib.contextmanager
    def watch(self, response: httpx2.Response) -> Iterator[None]:
        """While the block reads from ``response``, ``set`` ends its connection."""
        stream = response.extensions.get("network_stream")
        one = stream.get_extra_info("socket") if stream is not None else None
        if one is None:
            yield
            return
        with self._lock:
            self._sockets.add(one)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._sockets.discard(one)


def unless_halted(halt: Halt, work: Callable[[], T]) -> T:
    """What ``work`` returns or raises; when ``halt`` is set first, it is left behind, and ends by its time limits.

    Reads that wait for the first byte of an answer cannot be woken: there is no hold on their connection yet.
    """
    answer: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answer.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    thread = threading.Thread(target=run, name="question", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.05)
        halt.check()
    if errors:
        raise errors[0]
    return answer[0]


def _wake(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not the method of an encrypted socket, which would take the encryption away from under the reader.
        socket.socket.shutdown(one, socket.SHUT_RDWR)


class Net:
    """Requests to one hub. ``stall_seconds`` without a byte of a file are a lost connection."""

    def __init__(self, endpoint: str, stall_seconds: float) -> None:
        self.endpoint = endpoint
        self.stall_seconds = stall_seconds
        self.requests = 0
        self._lock = threading.Lock()
        set_client_factory(self._client)

    def _client(self) -> httpx2.Client:
        client = default_client_factory()
        hooks = client.event_hooks
        client.event_hooks = {**hooks, "request": [*hooks.get("request", []), self._count]}
        return client

    def _count(self, request: httpx2.Request) -> None:
        with self._lock:
            self.requests += 1

    def headers(self, url: str, token: str | None = None) -> dict[str, str]:
        """Headers for ``url``; a token (the one signed in with, if none is given) goes to the hub's own hosts only."""
        token = (token or self.token()) if self._is_hub(url) else None
        return build_hf_headers(token=token or False, library_name="atelier", library_version="1")

    def token(self) -> str | None:
        """The access token kept by the hub's library, if there is one."""
        token = get_token()
        if token:
            hide(token)
        return token

    def _is_hub(self, url: str) -> bool:
        target, home = httpx2.URL(url), httpx2.URL(self.endpoint)
        if (target.scheme, target.host, target.port) == (home.scheme, home.host, home.port):
            return True
        return target.scheme == "https" and target.host in HF_URL_HOSTS

    @contextlib.contextmanager
    def stream(
        self, url: str, halt: Halt, headers: dict[str, str], follow: bool = True, stall: float = 0.0, params: Any = None
    ) -> Iterator[httpx2.Response]:
        """GET ``url``; the body is read by the caller, who may be interrupted.

        Raises:
            NetError: no answer, or it broke off.
            HaltedError: when ``halt`` was set.
        """
        timeout = httpx2.Timeout(stall or ANSWER_SECONDS, connect=CONNECT_SECONDS)
        try:
            with (
                get_session().stream(
                    "GET", url, headers=headers, params=params, timeout=timeout, follow_redirects=follow
                ) as response,
                halt.watch(response),
            ):
                yield response
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ConnectionError) as error:
            halt.check()
            raise unreached(error, url) from error


class Patience:
    """Decides whether to try again after an error, and waits: longer each time, never longer than there is hope.

    ``seconds`` without progress are too many. ``connect`` says that even a hub that cannot be reached is waited for.
    ``waiting`` is told until when (monotonic seconds) a wait lasts, and 0 when it is over.
    """

    def __init__(
        self,
        halt: Halt,
        seconds: float,
        connect: bool = False,
        waiting: Callable[[float], None] = lambda until: None,
    ) -> None:
        self._halt, self._seconds, self._connect, self._waiting = halt, seconds, connect, waiting
        self._tries = 0
        self._moved = time.monotonic()

    def moved(self) -> None:
        """There was progress."""
        self._tries = 0
        self._moved = time.monotonic()

    def again(self, error: NetError) -> None:
        """Wait before the next try.

        Raises:
            NetError: ``error`` itself, when there is no use in trying.
            HaltedError: somebody said stop meanwhile.
        """
        self._halt.check()
        pause = min(0.5 * 2**self._tries, LONGEST_WAIT) * random.uniform(0.75, 1.25)
        pause = max(pause, error.after or 0.0)
        given_up = time.monotonic() + pause - self._moved > self._seconds
        if not error.again or given_up or not (error.reached or self._connect):
            raise error
        self._tries += 1
        self._waiting(time.monotonic() + pause)
        try:
            self._halt.wait(pause)
        finally:
            self._waiting(0.0)
