"""What people say of their pictures, line by line beside the database: favourites, ratings, tags, notes, collections,
the trash. Pictures' files tell how they were made; this file tells the rest when the database is lost.

One JSON object a line, appended and flushed before the database is changed. A line that was cut off by a crash is
passed over. When the file has grown it is written anew from the database, whole or not at all.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from app.files import write_atomically

log = logging.getLogger(__name__)

LIMIT = 8 << 20
"""Bytes from which on the journal is written anew at the next start."""


class Journal:
    """Append-only; used by the threads that write to the database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def add(self, entries: Iterable[dict[str, Any]]) -> None:
        """Append and flush to the disk. Raises OSError: then nothing may be changed."""
        data = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
        if not data:
            return
        with self._lock, self.path.open("ab") as file:
            if file.tell() and not self._ends_well():
                data = b"\n" + data  # a line that was cut off must not swallow this one
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def entries(self) -> Iterator[dict[str, Any]]:
        """All that can be read, oldest first."""
        try:
            with self.path.open("rb") as file:
                for line in file:
                    try:
                        entry = msgspec.json.decode(line)
                    except (msgspec.MsgspecError, RecursionError):
                        log.warning("a line of the journal cannot be read")
                        continue
                    if isinstance(entry, dict):
                        yield entry
        except FileNotFoundError:
            return

    @property
    def grown(self) -> bool:
        try:
            return self.path.stat().st_size > LIMIT
        except OSError:
            return False

    def renew(self, entries: Iterable[dict[str, Any]]) -> None:
        """Write the whole file anew. Raises OSError, leaving the old one."""
        data = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
        with self._lock:
            write_atomically(self.path, data)

    def _ends_well(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
