"""Long work off the owner thread: its progress comes to the owner, and the owner's word to stop goes back."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from models.errors import AtelierError, ErrorCode, ErrorInfo, disk_error, is_disk_error

log = logging.getLogger(__name__)

T = TypeVar("T")
Then = Callable[[T], None]
Failed = Callable[[ErrorInfo], None]
"""What the owner thread is told: the answer, or why there is none."""
Progress = Callable[[int, int], bool | None]
Tell = Callable[[int, int], None]
"""What the work calls with bytes done and in all; it raises StoppedError when the owner wants no more."""

_EVERY = 0.1  # seconds between two reports


class StoppedError(Exception):
    """The owner asked to stop."""


class Worker(Protocol):
    """``app.serial.SerialWorker``, or something as good."""

    def do(
        self,
        work: Callable[[], T],
        then: Callable[[T], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> None: ...


Post = Callable[[Callable[[], None]], None]


class Background:
    """One thread for what takes long, with errors as people read them."""

    def __init__(self, worker: Worker, post: Post) -> None:
        """``post`` brings a function to the owner thread."""
        self._worker = worker
        self._post = post
        self._closing = threading.Event()

    def do(self, work: Callable[[], T], then: Callable[[T], None], failed: Callable[[ErrorInfo], None]) -> None:
        """Run ``work`` there; its answer, or its error, comes back on the owner thread."""

        def guarded() -> Callable[[], None]:
            try:
                answer = work()
            except AtelierError as error:
                info = error.info
                return lambda: failed(info)
            except OSError as error:
                info = as_info(error)
                return lambda: failed(info)
            return lambda: then(answer)

        def broken(error: Exception) -> None:
            failed(as_info(error))

        self._worker.do(guarded, lambda answer: answer(), broken)

    def meter(self, progress: Progress) -> Meter:
        return Meter(progress, self._post, self._closing)

    def close(self) -> None:
        """The program ends: whatever tells its progress stops as if its owner had said so."""
        self._closing.set()


class Meter:
    """Carries progress to the owner thread, ten times a second at most. Call it with bytes done and in all."""

    def __init__(self, progress: Progress, post: Post, closing: threading.Event) -> None:
        self._progress, self._post, self._closing = progress, post, closing
        self._stop = threading.Event()
        self._last = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Raises StoppedError once the owner answered False, or the program ends."""
        if self._stop.is_set() or self._closing.is_set():
            raise StoppedError
        now = time.monotonic()
        if now - self._last >= _EVERY or done >= total:
            self._last = now
            self._post(lambda: self._told(done, total))

    def _told(self, done: int, total: int) -> None:
        if self._progress(done, total) is False:
            self._stop.set()


def as_info(error: Exception) -> ErrorInfo:
    """Any error in words."""
    if isinstance(error, AtelierError):
        return error.info
    if isinstance(error, OSError) and is_disk_error(error):
        return disk_error(error).info
    if isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EIO, errno.ENODEV):
        return ErrorInfo(ErrorCode.FOLDER_GONE, {"path": str(error.filename or "?")}, str(error))
    return ErrorInfo(ErrorCode.INTERNAL, {}, f"{type(error).__name__}: {error}")
