"""Throwing pictures away so that it can be undone, and keeping rows and files in step whatever was interrupted.

A picture in the trash lies in ``.trash`` of its own folder, so that moving it is a rename; its row stays, with all that
was said of it. First the row says where the picture belongs, then the file is moved: after a crash between the two
``settle`` moves it. Pictures that were imported stay where their own tool put them; throwing them away hides them.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from app.files import move_atomically
from app.records import Record, Records

log = logging.getLogger(__name__)

FOLDER = ".trash"


class Trash:
    """All methods do disk work: call them on the core's background thread."""

    def __init__(self, records: Records, pictures: Path) -> None:
        self._records = records
        self.pictures = pictures

    def place(self, record: Record) -> Path:
        """Where the picture lies while it is in the trash."""
        short = hashlib.sha256(record.result.id.encode()).hexdigest()[:12]
        path = Path(record.result.path)
        return path.parent / FOLDER / f"{short}-{path.name}"

    def throw(self, ids: Iterable[str]) -> list[Record]:
        """Put pictures into the trash; returns those that are there now.

        Raises OSError when a file cannot be moved: it and those after it are not in the trash then.
        """
        chosen = [one for one in self._found(ids) if one.trashed is None]
        self._records.set_trashed(chosen, time.time())
        for number, one in enumerate(chosen):
            try:
                self._move_in(one)
            except OSError:
                self._records.set_trashed(chosen[number:], None)
                raise
        return self._found(one.result.id for one in chosen)

    def restore(self, ids: Iterable[str]) -> list[Record]:
        """Bring pictures back to where they were. Raises OSError as ``throw``."""
        chosen = [one for one in self._found(ids) if one.trashed is not None]
        self._records.set_trashed(chosen, None)
        for number, one in enumerate(chosen):
            try:
                self._move_back(one)
            except OSError:
                self._records.set_trashed(chosen[number:], one.trashed)
                raise
        return self._found(one.result.id for one in chosen)

    def purge(self, ids: Iterable[str] | None = None) -> list[str]:
        """Delete for good what is in the trash (all of it, or ``ids``); returns the ids. First the file, then the row:
        what a crash leaves is a row in the trash without a file, which ``settle`` takes away."""
        chosen = (
            self._records.trashed() if ids is None else [one for one in self._found(ids) if one.trashed is not None]
        )
        for one in chosen:
            if not one.imported:
                self.place(one).unlink(missing_ok=True)
        self._records.forget(one.result.id for one in chosen)
        return [one.result.id for one in chosen]

    def settle(self, rows: Sequence[Record] | None = None) -> None:
        """Finish what a crash interrupted. Files nobody can place stay where they are."""
        for one in self._records.trashed() if rows is None else rows:
            if one.imported:
                continue
            with contextlib.suppress(OSError):
                self._move_in(one)
                there = self.place(one).exists() or Path(one.result.path).exists()
                # Without its folder the disk may only be away.
                if not there and self.place(one).parent.is_dir():
                    self._records.forget([one.result.id])
        self._settle_restored()

    def _settle_restored(self) -> None:
        """Files that still lie in the trash although their rows say that they came back."""
        expected = {self.place(one) for one in self._records.trashed()}
        for file in thrown_in(self.pictures, deep=False):
            if file in expected or file.name.startswith("."):
                continue
            for one in self._records.named(file.name.partition("-")[2]):
                if self.place(one) == file and one.trashed is None:
                    with contextlib.suppress(OSError):
                        self._move_back(one)

    def _move_in(self, one: Record) -> None:
        source = Path(one.result.path)
        if not one.imported and source.exists() and not self.place(one).exists():
            move_atomically(source, self.place(one))

    def _move_back(self, one: Record) -> None:
        lying, target = self.place(one), Path(one.result.path)
        if one.imported or not lying.exists():
            return
        number = 2
        while target.exists():  # something else has its name by now
            target = target.with_name(f"{Path(one.result.path).stem}-{number}{target.suffix}")
            number += 1
        if target != Path(one.result.path):
            self._records.set_path(one, target)
        move_atomically(lying, target)

    def _found(self, ids: Iterable[str]) -> list[Record]:
        return [one for key in ids if (one := self._records.get(key)) is not None]


def thrown_in(pictures: Path, deep: bool = True) -> list[Path]:
    """All files that lie in trash folders below ``pictures``; not ``deep``: in those of the months only, which is quick
    with any number of pictures."""
    folders = pictures.rglob(FOLDER) if deep else [pictures / FOLDER, *pictures.glob(f"*/{FOLDER}")]
    return sorted(file for folder in folders for file in folder.glob("*-*"))
