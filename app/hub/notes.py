"""Small notes of ours about the cache: which blobs were checked, and what a broken-off download consists of.

They save work and nothing is lost with them: a blob without a note is checked again, a download without one leaves
nothing behind but parts.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import msgspec

from app.files import write_atomically


class Verified:
    """Blobs whose checksum was right, by name, size and time of change: one line each, only ever added to.

    Several processes write the file at once; a line is written in one go, and one that got mangled is no note.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / "verified.txt"
        self._lock = threading.Lock()
        self._lines: set[str] = set()
        with contextlib.suppress(OSError):
            self._lines = set(self._path.read_text(encoding="ascii", errors="replace").splitlines())

    def add(self, blob: Path) -> None:
        with self._lock, contextlib.suppress(OSError):
            line = _line(blob)
            if line not in self._lines:
                self._lines.add(line)
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("a", encoding="ascii") as file:
                    file.write(line + "\n")

    def holds(self, blob: Path) -> bool:
        with self._lock, contextlib.suppress(OSError):
            return _line(blob) in self._lines
        return False


def _line(blob: Path) -> str:
    facts = blob.stat()
    return f"{blob.name} {facts.st_size} {facts.st_mtime_ns}"


class Begun:
    """The blobs that each unfinished download is made of, so that it can be thrown away without a network."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "pulls"

    def note(self, folder: str, commit: str, names: list[str]) -> None:
        """``folder`` is that of the repository in the cache."""
        with contextlib.suppress(OSError):
            known = self.names(folder, commit)
            write_atomically(self._file(folder, commit), msgspec.json.encode(sorted({*known, *names})))

    def names(self, folder: str, commit: str = "") -> list[str]:
        """Of one commit, or of all of them."""
        found: set[str] = set()
        for path in [self._file(folder, commit)] if commit else self._folder.glob(f"{folder}@*.json"):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                found |= set(msgspec.json.decode(path.read_bytes(), type=list[str]))
        return sorted(found)

    def forget(self, folder: str, commit: str = "") -> None:
        for path in [self._file(folder, commit)] if commit else list(self._folder.glob(f"{folder}@*.json")):
            path.unlink(missing_ok=True)

    def _file(self, folder: str, commit: str) -> Path:
        return self._folder / f"{folder}@{commit}.json"
