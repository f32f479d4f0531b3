"""Finished pictures: taken from the outbox into the pictures folder, listed in the store, found again after a crash.

A picture's way is: the worker renames it whole into ``outbox/<job>/<n>.png`` -> a row is written with the path it will
have -> it is moved there. Its id is made of job and number, so doing any of this twice, after a crash at any point,
ends in the same state.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from app import replay, trash
from app.files import move_atomically
from app.gather import Gathering, pictures_in
from app.jobs import Result
from app.journal import Journal
from app.listing import facts_of, result_of
from app.store import Store
from models import recipe as recipes

log = logging.getLogger(__name__)

_COPIED = 120
"""Seconds between a recipe's time and its file's from which on the file is a copy."""


class Library:
    """All methods do disk work: call them on the core's background thread, or while the core starts."""

    def __init__(self, store: Store, outbox: Path, pictures: Path, journal: Journal | None = None) -> None:
        """``journal`` holds what people say of their pictures; without one it lies beside the outbox."""
        self._store = store
        self.journal = journal or Journal(outbox.parent / "library.journal")
        self._outbox = outbox
        self.pictures = pictures

    def recent(self, limit: int = 60) -> list[Result]:
        """The newest pictures first."""
        return self._store.recent(limit)

    def get(self, result_id: str) -> Result | None:
        return self._store.result(result_id)

    def job_folder(self, job_id: str) -> Path:
        """Where the worker puts a job's files."""
        return self._outbox / job_id

    def take_in(self, job_id: str) -> list[Result]:
        """Bring a job's finished pictures from the outbox into the library; returns all the job has by now.

        Raises:
            OSError: no room or no permission in the pictures folder; the picture stays in the outbox.
            sqlite3.Error: the store cannot be written; likewise.
        """
        for file in sorted(self.job_folder(job_id).glob("*.png"), key=lambda file: (len(file.name), file.name)):
            self._take_one(job_id, file)
        return self._store.results_of(job_id)

    def take_in_orphans(self, claimed: Callable[[], frozenset[str]]) -> list[Result]:
        """Pictures of jobs nobody works on any more: a program was killed between saving and listing.

        ``claimed`` names the jobs that somebody works on or will; it is asked after the folders were listed, so that a
        job begun meanwhile is among them.
        """
        found = []
        folders = [folder for folder in self._outbox.iterdir() if folder.is_dir()]
        taken = claimed()
        for folder in folders:
            if folder.name not in taken:
                with contextlib.suppress(OSError):
                    found += self.take_in(folder.name) if any(folder.glob("*.png")) else []
                    self.discard_folder(folder.name)
        return found

    def keeps_latents(self, job_id: str) -> bool:
        """Whether steps already done for a job lie on the disk."""
        return any(self.job_folder(job_id).glob("*.latents"))

    def discard_folder(self, job_id: str) -> None:
        """Remove what a job kept while it ran, unless a finished picture still lies there."""
        folder = self.job_folder(job_id)
        if folder.is_dir() and not any(folder.glob("*.png")):
            shutil.rmtree(folder, ignore_errors=True)

    def rebuild(self) -> list[Result]:
        """Fill the store from the recipes in the picture files, the folders that were imported and the journal of what
        people said of their pictures; returns what was found. On a store that is sound it adds what is missing."""
        found = []
        for path in sorted(pictures_in(self.pictures), key=_written):  # those of one moment keep their order
            found += self._list_again(path)
        for path in trash.thrown_in(self.pictures):
            self._list_trashed(path)
        replay.replay(self._store, self.journal)  # with the folders
        gathering = Gathering(self._store, self.journal)
        for folder in gathering.folders():
            with contextlib.suppress(OSError):
                gathering.gather(Path(folder), lambda done, total: None, hashed=False)
        replay.replay(self._store, self.journal)  # with what is said of the pictures in them
        self._store.mend_index()
        return found

    def _list_again(self, path: Path) -> list[Result]:
        try:
            recipe = recipes.read(path)
            if recipe is None:
                return []
            result = result_of(recipe, path, str(recipe.get("job", "")), _made(recipe, path))
            self._store.add_result(result, facts_of(path))
        except (OSError, ValueError, TypeError, AttributeError, OverflowError, sqlite3.Error):
            log.exception("cannot list %s", path)  # anybody can write such a chunk; the next file may be ours
            return []
        return [result]

    def _list_trashed(self, path: Path) -> None:
        for result in self._list_again(path):
            belongs = path.parent.parent / path.name.partition("-")[2]
            with self._store.changing() as db:
                db.execute(
                    "UPDATE results SET path = ?, trashed = ? WHERE id = ?", (str(belongs), time.time(), result.id)
                )

    def _take_one(self, job_id: str, file: Path) -> None:
        recipe = recipes.read(file) or {}
        recipe = {**recipe, "picture": int(file.stem) if file.stem.isdigit() else 1}
        fresh = result_of(recipe, file, job_id, time.time())
        known = self._store.result(fresh.id)
        if known is None:
            known = _with_path(fresh, self._free_path(recipe, fresh))
            self._store.add_result(known, facts_of(file))
        target = Path(known.path)
        if target.exists():
            file.unlink()
            return
        try:
            move_atomically(file, target)
        except OSError:
            self._store.remove_result(known.id)
            raise

    def _free_path(self, recipe: dict[str, Any], result: Result) -> Path:
        """``pictures/2026-11/20261123-154501-red-apple-1.png``, with a number added if that is taken."""
        now = time.localtime(result.created)
        slug = re.sub(r"[^\w]+", "-", result.prompt.lower(), flags=re.ASCII).strip("-")[:40].strip("-") or "picture"
        folder = self.pictures / time.strftime("%Y-%m", now)
        stem = f"{time.strftime('%Y%m%d-%H%M%S', now)}-{slug}-{result.seed}"
        path, number = folder / f"{stem}.png", 2
        while path.exists():
            path, number = folder / f"{stem}-{number}.png", number + 1
        return path


def _made(recipe: dict[str, Any], path: Path) -> float:
    """When a picture was made, in seconds since 1970: as its file says, unless the recipe says that it is a later copy.
    Recipes are exact to the second only, and several pictures may be made in one."""
    written = path.stat().st_mtime
    try:
        told = dt.datetime.fromisoformat(str(recipe["created"])).timestamp()
    except (KeyError, ValueError, OverflowError, OSError):
        return written
    return written if abs(written - told) < _COPIED else told


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _with_path(result: Result, path: Path) -> Result:
    return msgspec.structs.replace(result, path=str(path))
