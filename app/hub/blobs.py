"""Fetching one file of a repository into the cache: resumed, verified, once for all who want it."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import httpx2

from app.hub.api import Api
from app.hub.cache import Cache, blob_name
from app.hub.errors import NetError, host_of, refusal
from app.hub.locks import hold
from app.hub.net import Halt, Net, Patience
from app.hub.notes import Verified
from app.hub.part import Part
from app.hub_protocol import HubFile
from models.errors import AtelierError, ErrorCode

SLICE = 32_000_000_000
"""Bytes asked for at once: delivery networks refuse answers above 50 GB."""
_HOPS = 6
_EXPIRED = frozenset({400, 401, 403, 404, 410})
"""What a delivery network says to an address whose signature has run out; a new one is asked for, so many times."""
_EXPIRIES = 4
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class WrongBytesError(Exception):
    """The answer cannot be the file that the listing told of."""


class Reading(NamedTuple):
    """How far a pull is: bytes here, bytes that came over the network, the file at hand, seconds until the next try."""

    done: int
    fetched: int
    file: str
    waiting: float


class Meter:
    """Counts one pull's bytes, from all its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._have: dict[str, int] = {}
        self._active: dict[str, int] = {}  # file: its size
        self._waits: dict[str, float] = {}
        self._fetched = 0

    def begin(self, file: HubFile) -> None:
        with self._lock:
            self._active[file.path] = file.size

    def end(self, file: HubFile) -> None:
        with self._lock:
            self._active.pop(file.path, None)
            self._waits.pop(file.path, None)

    def have(self, file: HubFile, size: int) -> None:
        with self._lock:
            self._have[file.path] = size

    def came(self, file: HubFile, size: int) -> None:
        with self._lock:
            self._have[file.path] = self._have.get(file.path, 0) + size
            self._fetched += size

    def waits(self, file: HubFile, until: float) -> None:
        """``until`` is in monotonic seconds, 0 when the wait is over."""
        with self._lock:
            if until:
                self._waits[file.path] = until
            else:
                self._waits.pop(file.path, None)

    def reading(self) -> Reading:
        with self._lock:
            waiting = 0.0
            if self._waits and len(self._waits) >= len(self._active):
                waiting = max(0.0, round(min(self._waits.values()) - time.monotonic(), 1))
            largest = max(self._active, key=lambda path: self._active[path], default="")
            return Reading(sum(self._have.values()), self._fetched, largest, waiting)


class Slots:
    """How many files are fetched at once, over all pulls."""

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(max(1, count))
        self.count = max(1, count)

    @contextlib.contextmanager
    def one(self, halt: Halt) -> Iterator[None]:
        """Raises HaltedError when it is told to stop before its turn."""
        while not self._free.acquire(timeout=0.1):
            halt.check()
        try:
            halt.check()
            yield
        finally:
            self._free.release()


class Fetcher:
    """Fetches files of one commit."""

    def __init__(
        self,
        net: Net,
        cache: Cache,
        verified: Verified,
        slots: Slots,
        patience_seconds: float,
        repo: str,
        commit: str,
        halt: Halt,
    ) -> None:
        self._net, self._cache, self._verified, self._slots = net, cache, verified, slots
        self._patience_seconds = patience_seconds
        self._repo, self._commit, self._halt = repo, commit, halt
        self._api = Api(net, halt)
        self.meter = Meter()
        self.shared: set[str] = set()
        """Files whose blobs were taken over from other repositories: no note of ours vouches for them."""

    def bring(self, file: HubFile, fresh: bool = False) -> None:
        """See to it that the blob of ``file`` is in the cache; ``fresh`` mistrusts what other repositories have.

        Raises:
            HaltedError, NetError; AtelierError CHECKSUM_WRONG (with ``file``), DISK_FULL, FOLDER_NOT_WRITABLE.
        """
        self.meter.begin(file)
        try:
            with contextlib.ExitStack() as held:
                for lock in self._cache.locks(self._repo, file):
                    held.enter_context(hold(lock, self._halt, lambda: self._others(file)))
                if self._is_here(file, fresh):
                    self._cache.tidy(self._repo, file)
                else:
                    with self._slots.one(self._halt):
                        self._fetch(file)
            self.meter.have(file, file.size)
        finally:
            self.meter.end(file)

    def _others(self, file: HubFile) -> None:
        """Somebody else fetches the same blob: that is progress, too."""
        self.meter.have(file, self._cache.elsewhere(self._repo, file))

    def _is_here(self, file: HubFile, fresh: bool) -> bool:
        if self._cache.has(self._repo, file):
            return True
        if fresh or not self._cache.share(self._repo, file, self._halt):
            return False
        self.shared.add(file.path)
        return True

    def _fetch(self, file: HubFile) -> None:
        part, blob = self._cache.part(self._repo, file), self._cache.blob(self._repo, file)
        for _ in range(2):
            with contextlib.suppress(WrongBytesError):
                if self._download(file) == blob_name(file):
                    part.replace(blob)
                    self._verified.add(blob)
                    return
            part.unlink(missing_ok=True)
            self.meter.have(file, 0)
        raise AtelierError(ErrorCode.CHECKSUM_WRONG, f"{self._repo} {self._commit}", file=file.path)

    def _download(self, file: HubFile) -> str:
        """Add what is missing to the part; returns its checksum."""
        waiting = lambda until: self.meter.waits(file, until)  # noqa: E731
        patience = Patience(self._halt, self._patience_seconds, connect=True, waiting=waiting)
        expiries = 0
        with Part(self._cache.part(self._repo, file), file, self._halt) as part:
            self.meter.have(file, part.size)
            while (before := part.size) < file.size:
                try:
                    self._receive(file, part, patience)
                except _ExpiredError as error:
                    expiries = 0 if part.size > before else expiries + 1
                    if expiries >= _EXPIRIES:
                        raise error.refusal from error
                    patience.again(NetError(ErrorCode.HUB_TROUBLE, again=True, status=0))
                except NetError as error:
                    patience.again(error)
            return part.finish()

    def _receive(self, file: HubFile, part: Part, patience: Patience) -> None:
        """Read one answer into ``part``, as far as it goes."""
        end = min(file.size, part.size + SLICE)
        with self._answer(file, part.size, end) as response:
            if _start(response, file.size) != part.size:
                part.restart()
                self.meter.have(file, 0)
            before = part.size
            for block in response.iter_raw():
                self._halt.check()
                block = block[: end - part.size]
                part.write(block)
                self.meter.came(file, len(block))
                patience.moved()
                if part.size >= end:
                    return
            if part.size == before:
                raise NetError(ErrorCode.CONNECTION_LOST, "an answer without bytes", again=True)

    @contextlib.contextmanager
    def _answer(self, file: HubFile, start: int, end: int) -> Iterator[httpx2.Response]:
        """The answer that holds the file's bytes from ``start``, after the hub sent us to where it keeps them."""
        url, is_hub = self._api.address(self._repo, self._commit, file.path), False
        for hop in range(_HOPS):
            headers = {**self._net.headers(url), "Accept-Encoding": "identity"}
            if start or end < file.size:
                headers["Range"] = f"bytes={start}-{end - 1}"
            with self._net.stream(url, self._halt, headers, follow=False, stall=self._net.stall_seconds) as response:
                is_hub = is_hub or "x-repo-commit" in response.headers
                if response.is_redirect and response.has_redirect_location:
                    url = str(response.url.join(response.headers["location"]))
                    continue
                self._look(response, file, hop, is_hub)
                yield response
                return
        raise NetError(ErrorCode.NOT_A_HUB, "redirected without end", host=host_of(url))

    def _look(self, response: httpx2.Response, file: HubFile, hop: int, is_hub: bool) -> None:
        """Raises unless the answer may hold the file."""
        status, headers, url = response.status_code, response.headers, str(response.url)
        if status == 416:
            raise WrongBytesError
        if status not in (200, 206):
            error = refusal(status, headers, self._net.endpoint, self._repo, file.path)
            if hop and status in _EXPIRED and "x-error-code" not in headers:
                raise _ExpiredError(error)
            raise error
        page = headers.get("content-type", "").startswith("text/html") and not file.path.endswith(".html")
        if not is_hub or page:
            raise NetError(ErrorCode.NOT_A_HUB, f"{status} {headers.get('content-type')}", host=host_of(url))


class _ExpiredError(Exception):
    def __init__(self, error: NetError) -> None:
        super().__init__()
        self.refusal = error


def _start(response: httpx2.Response, size: int) -> int:
    """Where in the file an answer begins. Raises WrongBytesError when it is about a file of another size."""
    length = response.headers.get("content-length", "")
    if response.status_code == 200:
        if length.isdigit() and int(length) != size:
            raise WrongBytesError
        return 0
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if match is None or match[2] not in ("*", str(size)):
        raise WrongBytesError
    return int(match[1])
