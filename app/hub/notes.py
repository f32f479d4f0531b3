"""Small notes of ours about the cache: which blobs were checked, and what a broken-off download consists of.

They save work and nothing is lost with them: a blob without a note is checked again, a download without one leaves
nothing behind but parts.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from pathlib import Path

import msgspec

from app.files import write_atomically
from app.hub_protocol import PullSpec


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
    """The blobs that each unfinished download is made of, so that it can be thrown away without a network.

    Downloads of the same repository are told apart by what was asked for.
    """

    def __init__(self, state: Path) -> None:
        self._folder = state / "pulls"

    def note(self, folder: str, spec: PullSpec, names: set[str]) -> None:
        """``folder`` is that of the repository in the cache; the commit in ``spec`` is known."""
        with contextlib.suppress(OSError):
            write_atomically(self._folder / f"{folder}@{spec.commit}@{_key(spec)}.json", msgspec.json.encode(names))

    def names(self, folder: str, spec: PullSpec) -> tuple[set[str], set[str]]:
        """The blobs of a download, and those of all others of the repository."""
        own = set(self._files(folder, spec))
        return _read(own), _read(set(self._folder.glob(f"{folder}@*.json")) - own)

    def forget(self, folder: str, spec: PullSpec) -> None:
        for path in self._files(folder, spec):
            path.unlink(missing_ok=True)

    def _files(self, folder: str, spec: PullSpec) -> list[Path]:
        return list(self._folder.glob(f"{folder}@{spec.commit or '*'}@{_key(spec)}.json"))


def _key(spec: PullSpec) -> str:
    asked = msgspec.json.encode((spec.revision, spec.allow, spec.file))
    return hashlib.sha256(asked).hexdigest()[:16]


def _read(paths: set[Path]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found |= msgspec.json.decode(path.read_bytes(), type=set[str])
    return found
