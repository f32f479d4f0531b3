"""The journal and the database, one made from the other: marks put back after a rebuild, the journal written anew."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app import rows
from app.journal import Journal
from app.store import Store

_FIELDS = {"favourite": int, "rating": int, "note": str}


def replay(store: Store, journal: Journal) -> None:
    """Put back all that the journal says of pictures that are listed; the rest of it is passed over."""
    with store.changing() as db:
        touched: set[int] = set()
        for entry in journal.entries():
            with contextlib.suppress(TypeError, ValueError, KeyError, OverflowError):
                _apply(db, entry, touched)
        for number in touched:
            rows.reindex(db, number)


def _apply(db: sqlite3.Connection, entry: dict[str, Any], touched: set[int]) -> None:
    if "collection" in entry:
        _apply_collection(db, str(entry["collection"]), str(entry.get("name", "")))
    elif "folder" in entry:
        _apply_folder(db, str(entry["folder"]), bool(entry.get("gone")))
    elif "id" in entry and (number := _number(db, str(entry["id"]), str(entry.get("hash", "")))) is not None:
        _apply_picture(db, number, entry)
        touched.add(number)


def _apply_collection(db: sqlite3.Connection, key: str, name: str) -> None:
    if name:
        db.execute("INSERT OR IGNORE INTO collections VALUES (?, ?, ?)", (key, name, time.time()))
        db.execute("UPDATE OR IGNORE collections SET name = ? WHERE id = ?", (name, key))
    else:
        db.execute("DELETE FROM collected WHERE collection = ?", (key,))
        db.execute("DELETE FROM collections WHERE id = ?", (key,))


def _apply_folder(db: sqlite3.Connection, folder: str, gone: bool) -> None:
    if gone:
        db.execute("DELETE FROM folders WHERE path = ?", (folder,))
    else:
        db.execute("INSERT OR IGNORE INTO folders VALUES (?, ?)", (folder, time.time()))


def _apply_picture(db: sqlite3.Connection, number: int, entry: dict[str, Any]) -> None:
    given = entry.get("set")
    for name, value in (given if isinstance(given, dict) else {}).items():
        if name in _FIELDS:
            db.execute(f"UPDATE results SET {name} = ? WHERE number = ?", (_FIELDS[name](value), number))
    for tag in entry.get("untag") or ():
        db.execute("DELETE FROM tags WHERE tag = ? AND number = ?", (str(tag), number))
    for tag in entry.get("tag") or ():
        db.execute("INSERT OR IGNORE INTO tags VALUES (?, ?)", (str(tag), number))
    if entry.get("collect"):
        db.execute("INSERT OR IGNORE INTO collected VALUES (?, ?)", (str(entry["collect"]), number))
    if entry.get("uncollect"):
        db.execute("DELETE FROM collected WHERE collection = ? AND number = ?", (str(entry["uncollect"]), number))
    if "trashed" in entry:
        when = entry["trashed"]
        db.execute("UPDATE results SET trashed = ? WHERE number = ?", (None if when is None else float(when), number))
        if when is not None and entry.get("path") and not _imported(db, number):
            db.execute("UPDATE results SET path = ? WHERE number = ?", (str(entry["path"]), number))
    if entry.get("forgotten"):
        row = db.execute("SELECT id, path FROM results WHERE number = ?", (number,)).fetchone()
        if row and (_imported(db, number) or not Path(row[1]).exists()):
            rows.drop(db, row[0])


def _imported(db: sqlite3.Connection, number: int) -> bool:
    row = db.execute("SELECT imported FROM results WHERE number = ?", (number,)).fetchone()
    return bool(row and row[0])


def _number(db: sqlite3.Connection, key: str, digest: str) -> int | None:
    """By id; a picture that lies elsewhere by now is known by its bytes."""
    row = db.execute("SELECT number FROM results WHERE id = ?", (key,)).fetchone()
    if row is None and digest:
        row = db.execute("SELECT number FROM results WHERE hash = ? LIMIT 1", (digest,)).fetchone()
    return int(row[0]) if row else None


def snapshot(store: Store) -> Iterator[dict[str, Any]]:
    """A journal that says what the database says now."""
    for (path,) in store.query("SELECT path FROM folders ORDER BY added"):
        yield {"folder": path}
    for key, name in store.query("SELECT id, name FROM collections ORDER BY created"):
        yield {"collection": key, "name": name}
    for key, digest, favourite, rating, note in store.query(
        "SELECT id, hash, favourite, rating, note FROM results WHERE favourite OR rating OR note != ''"
    ):
        yield {"id": key, "hash": digest, "set": {"favourite": favourite, "rating": rating, "note": note}}
    for key, digest, tag in store.query(
        "SELECT r.id, r.hash, t.tag FROM tags t JOIN results r ON r.number = t.number ORDER BY r.number"
    ):
        yield {"id": key, "hash": digest, "tag": [tag]}
    for key, digest, collection in store.query(
        "SELECT r.id, r.hash, i.collection FROM collected i JOIN results r ON r.number = i.number ORDER BY r.number"
    ):
        yield {"id": key, "hash": digest, "collect": collection}
    for key, digest, path, when in store.query("SELECT id, hash, path, trashed FROM results WHERE trashed IS NOT NULL"):
        yield {"id": key, "hash": digest, "path": path, "trashed": when}
