"""A blob on its way: bytes are added to its file, and its checksum is taken behind them.

The checksum's thread reads the file back while it grows, which costs no reading from the disk (the bytes are still in
memory), and makes no difference between bytes that came now and those of an earlier run.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from types import TracebackType

from app.cache import hasher
from app.hub.net import Halt
from app.hub_protocol import HubFile
from models import faults
from models.errors import disk_error, is_disk_error

BLOCK = 1 << 20
"""Bytes that are taken into the checksum at a time; smaller files are not worth a thread."""


class Part:
    """One growing file; a context manager. ``size`` is how many bytes there are."""

    def __init__(self, path: Path, file: HubFile, halt: Halt) -> None:
        """Raises AtelierError DISK_FULL or FOLDER_NOT_WRITABLE."""
        self._path, self._file, self._halt = path, file, halt
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            self.size = os.fstat(self._handle).st_size
            if self.size > file.size:
                os.ftruncate(self._handle, 0)
                self.size = 0
            os.lseek(self._handle, self.size, os.SEEK_SET)
        except OSError as error:
            raise disk_error(error, str(path.parent)) from error
        self._behind = Behind(path, file, self.size)

    def __enter__(self) -> Part:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._behind.stop()
        os.close(self._handle)

    def write(self, block: bytes) -> None:
        """Raises AtelierError DISK_FULL and the like; what was written stays."""
        rest = memoryview(block)
        try:
            faults.hit("hub.write")
            while rest:
                written = os.write(self._handle, rest)
                self.size += written
                rest = rest[written:]
        except OSError as error:
            if is_disk_error(error):
                raise disk_error(error, str(self._path.parent)) from error
            raise
        self._behind.grown(self.size)

    def restart(self) -> None:
        """Throw the bytes away."""
        self._behind.stop()
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)
        self.size = 0
        self._behind = Behind(self._path, self._file, 0)

    def finish(self) -> str:
        """The checksum, as the blob would be named; the bytes are on the disk then.

        Raises:
            HaltedError, and AtelierError as ``write``.
        """
        try:
            os.fsync(self._handle)
        except OSError as error:
            if is_disk_error(error):
                raise disk_error(error, str(self._path.parent)) from error
            raise
        return self._behind.finish(self._halt)


class Behind:
    """Takes the checksum of a file behind its writer."""

    def __init__(self, path: Path, file: HubFile, size: int) -> None:
        self._path, self._goal = path, file.size
        self._sum = hasher(file.size, git=not file.sha256)
        self._size, self._told = size, 0
        self._ended = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None

    def grown(self, size: int) -> None:
        if size - self._told < BLOCK and size < self._goal:
            return
        self._told = size
        if self._thread is None and self._goal > BLOCK:
            self._thread = threading.Thread(target=self._run, name="checksum", daemon=True)
            self._thread.start()
        with self._changed:
            self._size = size
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def finish(self, halt: Halt) -> str:
        self.grown(self._goal)
        if self._thread is None:
            self._take_all()
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.1)
            halt.check()
        if self._error is not None:
            raise self._error
        return self._sum.hexdigest()

    def _take_all(self) -> None:
        with self._path.open("rb") as file:
            while block := file.read(BLOCK):
                self._sum.update(block)

    def _run(self) -> None:
        buffer = memoryview(bytearray(BLOCK))
        done = 0
        try:
            with self._path.open("rb", buffering=0) as file:
                while done < self._goal and self._wait_beyond(done):
                    count = file.readinto(buffer[: min(BLOCK, self._size - done)])
                    if not count:
                        return  # somebody cut the file short: the sum will be wrong
                    self._sum.update(buffer[:count])
                    done += count
        except OSError as error:
            self._error = error

    def _wait_beyond(self, done: int) -> bool:
        """Whether there are bytes after ``done``; False when it is over."""
        with self._changed:
            while self._size <= done and not self._ended:
                self._changed.wait()
            return not self._ended


def checksum(path: Path, file: HubFile, halt: Halt) -> str:
    """What the blob ``path`` would be named by what it holds. Raises HaltedError, OSError."""
    taken = hasher(file.size, git=not file.sha256)
    with path.open("rb", buffering=0) as blob:
        with contextlib.suppress(AttributeError, OSError):
            os.posix_fadvise(blob.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        buffer = memoryview(bytearray(4 * BLOCK))
        while count := blob.readinto(buffer):
            halt.check()
            taken.update(buffer[:count])
    return taken.hexdigest()
