"""The pictures a job works on, as they were when it was sent: copied beside the job, whatever happens to the originals.

The copies lie in the job's own folder and go when that goes: after it ended well, was cancelled or was removed. They
are named by their contents, so that the same picture in many jobs lies on the disk once, as hard links of each other.
The originals are never linked to: many programs write over a file in place, which would change a link's contents too.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from app.serial import SerialWorker

log = logging.getLogger(__name__)

FOLDER = "inputs"
_PART = 1 << 20


class KeptInputs:
    """``keep`` is for the owner thread; the copying is done on the core's background thread, ``disk``."""

    def __init__(self, folder_of: Callable[[str], Path], disk: SerialWorker) -> None:
        self._folder_of = folder_of
        self._disk = disk
        self._copies: dict[str, Path] = {}  # by checksum: where one lay last

    def keep(self, job_id: str, paths: Mapping[str, str], then: Callable[[dict[str, str]], None]) -> None:
        """Copy each of ``paths`` (with an earlier copy of it, or nothing); ``then`` is told where the copies are.

        What cannot be copied is left out: the job then reads the original, and says so if that is gone. Files are
        opened at once, so that one that is removed a moment later is still copied.
        """
        opened: dict[str, BinaryIO] = {}
        for path in paths:
            with contextlib.suppress(OSError):
                opened[path] = Path(path).open("rb")  # noqa: SIM115 - closed when it is copied
        if paths:
            self._disk.do(lambda: self._all(self._folder_of(job_id) / FOLDER, paths, opened), then)

    def _all(self, folder: Path, paths: Mapping[str, str], opened: Mapping[str, BinaryIO]) -> dict[str, str]:
        kept: dict[str, str] = {}
        for number, (path, before) in enumerate(paths.items(), 1):
            if before and Path(before).is_file():
                kept[path] = before
            elif path in opened:
                try:
                    kept[path] = str(self._copy(opened[path], folder, f"{number}-", Path(path).suffix.lower()))
                except OSError as error:
                    log.warning("no copy of %s is kept: %s", path, error)
        for file in opened.values():
            file.close()
        return kept

    def _copy(self, source: BinaryIO, folder: Path, head: str, suffix: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                checksum = _through(source, file.write)
                target = folder / f"{head}{checksum[:24]}{suffix}"
                if not self._linked(checksum, target):
                    file.flush()
                    os.fsync(file.fileno())
            if not target.exists():
                os.replace(part, target)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(part)
        self._copies[checksum] = target
        return target

    def _linked(self, checksum: str, target: Path) -> bool:
        """Whether ``target`` could be made from a copy that another job has."""
        other = self._copies.get(checksum)
        if other is None or other == target:
            return target.exists()
        try:
            os.link(other, target)
        except OSError:  # that job is done, or the disk knows no links
            return target.exists()
        return True


def _through(source: BinaryIO, write: Callable[[bytes], object]) -> str:
    """Hand all bytes of ``source`` to ``write``; returns their SHA-256."""
    digest = hashlib.sha256()
    while part := source.read(_PART):
        digest.update(part)
        write(part)
    return digest.hexdigest()
