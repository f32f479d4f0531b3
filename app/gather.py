"""Folders of old pictures, of A1111, ComfyUI, InvokeAI or anything: listed with their recipes, used where they lie.

Rows are written in small groups, so that stopping, or being killed, loses nothing: the next run passes over what is
listed and goes on. Checksums come last, since they read every byte and nothing waits for them.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from app import rows
from app.background import Tell
from app.files import is_text
from app.jobs import Result
from app.journal import Journal
from app.listing import SUFFIXES, checksum, imported_id, result_of
from app.store import Store

log = logging.getLogger(__name__)

GROUP = 200
"""Pictures in one transaction."""

_SKIPPED = frozenset((".trash", "node_modules", "__pycache__", "@eaDir", ".thumbnails"))


class Gathered(msgspec.Struct, frozen=True):
    """How an import ended. ``added`` with and ``plain`` without a recipe, ``known`` were listed before, ``unreadable``
    are no pictures whatever their name."""

    added: int = 0
    plain: int = 0
    known: int = 0
    unreadable: int = 0
    tools: dict[str, int] = {}


class Gathering:
    """Runs on a thread of its own beside the one that takes in new pictures; the store lets one at a time write."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal

    def folders(self) -> list[str]:
        """Folders that were gathered, oldest first."""
        return [str(path) for (path,) in self._store.query("SELECT path FROM folders ORDER BY added")]

    def gather(self, folder: Path, tell: Tell, hashed: bool = True) -> Gathered:
        """List all pictures in ``folder`` and below. ``tell`` is told pictures done and in all; it may raise
        ``StoppedError``, which leaves what was listed.

        Raises:
            OSError: the folder itself cannot be read.
        """
        folder = folder.expanduser().absolute()
        os.scandir(folder).close()
        self._remember(folder)
        files = list(pictures_in(folder))
        total = len(files) * (2 if hashed else 1)
        counts = {"added": 0, "plain": 0, "known": 0, "unreadable": 0}
        tools: dict[str, int] = {}
        done = 0
        for group in _groups(files):
            tell(done, total)
            self._list(group, counts, tools)
            done += len(group)
        if hashed:
            self.checksums(lambda part, whole: tell(min(total, done + part), max(total, done + whole)), folder)
        tell(total, total)
        return Gathered(**counts, tools=tools)

    def forget(self, folder: Path) -> int:
        """Take a folder's pictures off the list; the files stay. Returns how many there were."""
        path = str(folder.expanduser().absolute())
        self._journal.add([{"folder": path, "gone": True}])
        gone = [key for key, at in self._store.query("SELECT id, path FROM results WHERE imported = 1")
                if Path(at).is_relative_to(path)]  # fmt: skip
        with self._store.changing() as db:
            db.execute("DELETE FROM folders WHERE path = ?", (path,))
            for key in gone:
                rows.drop(db, key)
        return len(gone)

    def checksums(self, tell: Tell, folder: Path | None = None) -> int:
        """Take the checksums that are missing; returns how many. ``tell`` as above."""
        found = self._store.query(
            "SELECT number, path FROM results WHERE hash = '' AND missing = 0 AND trashed IS NULL"
        )
        wanted = [row for row in found if folder is None or Path(row[1]).is_relative_to(folder)]
        taken: list[tuple[str, int, int]] = []
        for done, (number, path) in enumerate(wanted):
            tell(done, len(wanted))
            try:
                taken.append((checksum(Path(path)), Path(path).stat().st_size, number))
            except OSError:
                continue
            if len(taken) % GROUP == 0:
                self._keep_checksums(taken[-GROUP:])
        self._keep_checksums(taken[len(taken) // GROUP * GROUP :])
        return len(taken)

    def _keep_checksums(self, taken: list[tuple[str, int, int]]) -> None:
        with self._store.changing() as db:
            db.executemany("UPDATE results SET hash = ?, bytes = ? WHERE number = ?", taken)

    def _remember(self, folder: Path) -> None:
        if str(folder) not in self.folders():
            self._journal.add([{"folder": str(folder)}])
            with self._store.changing() as db:
                db.execute("INSERT OR IGNORE INTO folders VALUES (?, ?)", (str(folder), time.time()))

    def _list(self, group: list[Path], counts: dict[str, int], tools: dict[str, int]) -> None:
        places = ", ".join("?" * len(group))
        listed = {path for (path,) in self._store.query(
            f"SELECT path FROM results WHERE path IN ({places})", [str(path) for path in group])}  # fmt: skip
        found: list[tuple[Result, dict[str, Any]]] = []
        for path in group:
            if str(path) in listed:
                counts["known"] += 1
                continue
            row = read_one(path)
            if row is None:
                counts["unreadable"] += 1
                continue
            made = bool(row[0].recipe.get("inputs"))
            counts["added" if made else "plain"] += 1
            if made:
                tool = str(row[0].recipe.get("tool", "Atelier"))
                tools[tool] = tools.get(tool, 0) + 1
            found.append(row)
        with self._store.changing() as db:
            for result, facts in found:
                _put(db, result, facts)


def read_one(path: Path) -> tuple[Result, dict[str, Any]] | None:
    """A picture's row and the facts of its file; None for what is none."""
    from models import metadata  # the readers come with the first import, not with the window

    try:
        about = path.stat()
        look = metadata.read_all(path)
        if not look.carried.format:
            return None
        recipe = look.recipe or {"width": look.carried.width, "height": look.carried.height}
        facts = {"imported": 1, "bytes": about.st_size, "modified": about.st_mtime}
        return result_of(recipe, path, "", about.st_mtime, imported_id(path)), facts
    except (OSError, ValueError, TypeError, AttributeError, OverflowError):
        log.warning("cannot list %s", path, exc_info=True)
        return None


def _put(db: sqlite3.Connection, result: Result, facts: dict[str, Any]) -> None:
    try:
        rows.put(db, result, facts)
    except (ValueError, TypeError, OverflowError, sqlite3.DataError, sqlite3.IntegrityError):
        log.exception("cannot list %s", result.path)  # one strange recipe must not cost the others their place


def _groups(files: list[Path]) -> Iterator[list[Path]]:
    for start in range(0, len(files), GROUP):
        yield files[start : start + GROUP]


def pictures_in(folder: Path) -> Iterator[Path]:
    """All picture files below ``folder``, in order. Links to folders are not followed."""
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            continue
        folders = []
        for entry in entries:
            if not is_text(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _SKIPPED:
                    folders.append(Path(entry.path))
            elif entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith("."):
                yield Path(entry.path)
        waiting += reversed(folders)
