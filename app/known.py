"""What model folders and weight files were found to be, remembered by their sizes and times.

Looking through two hundred models takes seconds the first time (their headers are read) and a moment from then on,
also after a restart. The notes lie in one file that can be lost; they are dropped whole when the code that looks has
changed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec

from app.files import write_atomically
from models import folders, recognise
from models.box import BoxSchema
from models.errors import AtelierError, ErrorInfo
from models.folders import FolderInfo
from models.recognise import Recognised
from models.schemas import schema_of

log = logging.getLogger(__name__)

KEPT = 20_000
"""Notes of each sort; the ones used longest ago go first."""


class _Folder(msgspec.Struct, frozen=True, array_like=True):
    stamp: str
    info: FolderInfo | None = None
    error: ErrorInfo | None = None


class _File(msgspec.Struct, frozen=True, array_like=True):
    size: int
    mtime_ns: int
    found: Recognised | None = None
    error: ErrorInfo | None = None


class _Notes(msgspec.Struct):
    """``lists`` is what a cache folder held when it was last there: id and name of each model."""

    code: str
    folders: dict[str, _Folder] = {}
    files: dict[str, _File] = {}
    lists: dict[str, list[tuple[str, str]]] = {}


class Known:
    """Looks at folders and files, each only once while it stays as it is. May be used from any thread."""

    def __init__(self, path: Path | None = None) -> None:
        """``path`` is where the notes are kept between runs; without one they last as long as this object."""
        self._path = path
        self._lock = threading.Lock()
        self._notes = self._read()
        self._changed = False
        self._schemas: dict[str, tuple[FolderInfo, BoxSchema]] = {}

    def folder(self, folder: Path, name: str, stamp: str = "") -> FolderInfo:
        """``models.folders.inspect``, remembered. ``stamp`` changes when the folder does; empty: it is worked out.

        Raises:
            AtelierError: what is wrong with the model.
            OSError: it cannot be read; this is not remembered.
        """
        key, stamp = f"{folder}\0{name}", stamp or folder_stamp(folder)
        note = self._notes.folders.get(key)
        if note is None or note.stamp != stamp:
            try:
                note = _Folder(stamp, folders.inspect(folder, name))
            except AtelierError as error:
                note = _Folder(stamp, None, error.info)
            self._put(self._notes.folders, key, note)
        if note.info is None:
            assert note.error is not None
            raise AtelierError.from_info(note.error)
        return note.info

    def schema(self, info: FolderInfo) -> BoxSchema:
        """``models.schemas.schema_of``, made once for what ``folder`` returned. Raises as that."""
        key = f"{info.folder}\0{info.name}"
        made = self._schemas.get(key)
        if made is None or made[0] is not info:
            made = self._schemas[key] = (info, schema_of(info))
        return made[1]

    def file(self, path: Path) -> Recognised:
        """``models.recognise.recognise``, remembered.

        Raises:
            AtelierError: MODEL_CORRUPT or FILE_UNKNOWN.
            OSError: it cannot be read; this is not remembered.
        """
        facts = path.stat()
        note = self._notes.files.get(str(path))
        if note is None or (note.size, note.mtime_ns) != (facts.st_size, facts.st_mtime_ns):
            try:
                note = _File(facts.st_size, facts.st_mtime_ns, recognise.recognise(path))
            except AtelierError as error:
                note = _File(facts.st_size, facts.st_mtime_ns, None, error.info)
            self._put(self._notes.files, str(path), note)
        if note.found is None:
            assert note.error is not None
            raise AtelierError.from_info(note.error)
        return note.found

    def last_seen(self, cache: Path) -> list[tuple[str, str]]:
        """Ids and names of the models that were in ``cache`` when it was last there."""
        return self._notes.lists.get(str(cache), [])

    def saw(self, cache: Path, models: Iterable[tuple[str, str]]) -> None:
        """Note what is in ``cache`` now."""
        seen = list(models)
        if self.last_seen(cache) != seen:
            with self._lock:
                self._notes.lists[str(cache)] = seen
                self._changed = True

    def save(self) -> None:
        """Write the notes down if they changed. What cannot be written is found out again: only logged."""
        with self._lock:
            if self._path is None or not self._changed:
                return
            self._changed = False
            for notes in (self._notes.folders, self._notes.files):
                for key in list(notes)[: max(0, len(notes) - KEPT)]:
                    del notes[key]
            data = msgspec.msgpack.encode(self._notes)
        try:
            write_atomically(self._path, data)
        except OSError as error:
            log.warning("cannot keep what was found out about models: %s", error)

    def _put(self, notes: dict[str, _Folder] | dict[str, _File], key: str, note: _Folder | _File) -> None:
        with self._lock:
            notes.pop(key, None)
            notes[key] = note  # type: ignore[assignment]
            self._changed = True

    def _read(self) -> _Notes:
        code = _code_stamp()
        if self._path is None:
            return _Notes(code)
        try:
            notes = msgspec.msgpack.decode(self._path.read_bytes(), type=_Notes)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _Notes(code)
        return notes if notes.code == code else _Notes(code, lists=notes.lists)


def folder_stamp(folder: Path) -> str:
    """Changes when a file of ``folder`` or of its direct subfolders does; links are followed."""
    return digest(_listing(folder))


def digest(lines: Iterable[str]) -> str:
    """32 hex digits for what was listed."""
    whole = hashlib.blake2b(digest_size=16)
    for line in lines:
        whole.update(line.encode("utf-8", "surrogateescape"))
        whole.update(b"\n")
    return whole.hexdigest()


def _listing(folder: Path, deeper: bool = True) -> Iterable[str]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if deeper and entry.is_dir():
            yield f"{entry.name}/"
            yield from _listing(Path(entry.path), deeper=False)
            continue
        try:
            facts = entry.stat()
        except OSError:
            yield f"{entry.name}?"  # a link to nowhere
            continue
        yield f"{entry.name} {facts.st_size} {facts.st_mtime_ns}"


def _code_stamp() -> str:
    """Changes when the code does that finds out: what it found before may be found differently."""
    room = Path(folders.__file__).parent
    files = [*room.glob("*.py"), *room.glob("*.json"), *room.glob("recognise/*.py"), *room.glob("singles/*.py")]
    return digest(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sorted(files))
