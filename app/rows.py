"""Writing one picture's row together with its line in the full-text index, inside whatever transaction is open."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from app.indexing import columns_of, number_of, stored_seed
from app.jobs import Result

_FACTS = ("imported", "hash", "bytes", "modified")


def put(db: sqlite3.Connection, result: Result, facts: Mapping[str, Any] | None = None) -> int:
    """Add a picture, or renew what is said of one that is there; marks of the user's stay. Returns its number.

    ``facts`` may hold ``imported`` (0 or 1), ``hash`` (SHA-256 of the file), ``bytes`` and ``modified`` of the file.
    """
    recipe = msgspec.json.encode(result.recipe).decode()
    row = db.execute("SELECT number FROM results WHERE id = ?", (result.id,)).fetchone()
    number = int(row[0]) if row else _free_number(db, number_of(result.created))
    values = {
        "number": number, "id": result.id, "job": result.job, "path": result.path, "created": result.created,
        "model": result.model, "model_name": result.model_name, "prompt": result.prompt,
        "seed": stored_seed(result.seed), "width": result.width, "height": result.height,
        "seconds": _number(result.recipe.get("seconds")), "recipe": recipe, "tool": str(result.recipe.get("tool", "")),
        "parent": parent_of(result.recipe), "missing": 0,
        **{name: (facts or {})[name] for name in _FACTS if name in (facts or {})},
    }  # fmt: skip
    changed = ", ".join(f"{name} = excluded.{name}" for name in values if name not in ("number", "id"))
    db.execute(
        f"INSERT INTO results ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
        f" ON CONFLICT (id) DO UPDATE SET {changed}",
        tuple(values.values()),
    )
    reindex(db, number)
    return number


def _free_number(db: sqlite3.Connection, wanted: int) -> int:
    """The next that is free: files that were unpacked together have one time by the thousand."""
    while db.execute("SELECT 1 FROM results WHERE number = ?", (wanted,)).fetchone():
        taken = db.execute("SELECT max(number) FROM results WHERE number BETWEEN ? AND ?", (wanted, wanted + 10**6))
        wanted = int(taken.fetchone()[0]) + 1
    return wanted


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def parent_of(recipe: Mapping[str, Any]) -> str:
    """The SHA-256 of the picture this one was made from, as the runner noted it; empty for one made from words."""
    pictures = recipe.get("pictures")
    for name in ("image", "reference_1"):
        about = pictures.get(name) if isinstance(pictures, Mapping) else None
        if isinstance(about, Mapping) and isinstance(about.get("sha256"), str):
            return str(about["sha256"])
    return ""


def reindex(db: sqlite3.Connection, number: int) -> None:
    """Bring the index in step with the row."""
    row = db.execute(
        "SELECT recipe, model_name, model, path, seed, width, height, note, favourite, rating, imported"
        " FROM results WHERE number = ?", (number,)
    ).fetchone()  # fmt: skip
    db.execute("DELETE FROM search WHERE rowid = ?", (number,))
    if row is None:
        return
    recipe, name, model, path, seed, width, height, note, favourite, rating, imported = row
    tags = [str(tag) for (tag,) in db.execute("SELECT tag FROM tags WHERE number = ? ORDER BY tag", (number,))]
    words = columns_of(
        recipe, f"{name} {model}", path, seed, (width, height), note, tags, bool(favourite), rating, bool(imported)
    )
    db.execute("INSERT INTO search (rowid, prompt, negative, model, notes, tags, inputs, marks)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (number, *words))  # fmt: skip


def drop(db: sqlite3.Connection, result_id: str) -> None:
    """Forget a picture and all that was said of it."""
    row = db.execute("SELECT number FROM results WHERE id = ?", (result_id,)).fetchone()
    if row is None:
        return
    for statement in (
        "DELETE FROM search WHERE rowid = ?", "DELETE FROM tags WHERE number = ?",
        "DELETE FROM collected WHERE number = ?", "DELETE FROM results WHERE number = ?",
    ):  # fmt: skip
        db.execute(statement, (int(row[0]),))
