"""Pictures that were moved, renamed or deleted behind the app's back: noticed, and found again by their bytes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from app import rows
from app.background import Tell
from app.gather import pictures_in
from app.listing import checksum
from app.store import Store

_EVERY = 500


class Refound(msgspec.Struct, frozen=True):
    """``missing`` were not there, ``found`` of them lie elsewhere, ``back`` are where they belong again."""

    missing: int = 0
    found: int = 0
    back: int = 0


def refind(store: Store, places: Iterable[Path], tell: Tell = lambda done, total: None) -> Refound:
    """Look whether every listed file is there; look in ``places`` for those that are not. ``tell`` may raise to stop.

    Only files with the size of a missing one are read.
    """
    listed = store.query("SELECT number, path, hash, bytes, missing FROM results WHERE trashed IS NULL")
    gone, back = [], []
    for done, (number, path, digest, size, missing) in enumerate(listed):
        if done % _EVERY == 0:
            tell(done, len(listed))
        if not Path(path).exists():
            gone.append((number, path, digest, size))
        elif missing:
            back.append(number)
    found = _elsewhere(gone, {path for _, path, *_ in listed}, places, tell)
    with store.changing() as db:
        for number, *_ in gone:
            if number not in found:
                db.execute("UPDATE results SET missing = 1 WHERE number = ?", (number,))
        for number in back:
            db.execute("UPDATE results SET missing = 0 WHERE number = ?", (number,))
        for number, path in found.items():
            db.execute("UPDATE results SET path = ?, missing = 0 WHERE number = ?", (str(path), number))
            rows.reindex(db, number)
    tell(len(listed), len(listed))
    return Refound(len(gone), len(found), len(back))


def _elsewhere(
    gone: list[tuple[int, str, str, int]], listed: set[str], places: Iterable[Path], tell: Tell
) -> dict[int, Path]:
    """Number -> where it lies now. Two pictures with the same bytes are told apart by their names, if they can be."""
    wanted: dict[int, list[tuple[int, str, str]]] = {}
    for number, path, digest, size in gone:
        if digest and size >= 0:
            wanted.setdefault(size, []).append((number, path, digest))
    found: dict[int, Path] = {}
    if not wanted:
        return found
    for place in dict.fromkeys(places):
        for file in pictures_in(place):
            tell(0, 0)
            try:
                same = wanted.get(file.stat().st_size)
                digest = checksum(file) if same and str(file) not in listed else ""
            except OSError:
                continue
            fitting = [(n, path) for n, path, one in same or () if digest and one == digest and n not in found]
            fitting.sort(key=lambda pair: Path(pair[1]).name != file.name)
            if fitting:
                found[fitting[0][0]] = file
    return found
