"""What the library knows of pictures beside how they were made, and finding them among a hundred thousand.

Pages are by key (a picture's number), not by offset: the thousandth costs what the first does. Reading is allowed on
any thread, writing on background threads, and each change stands in the journal before it is made.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from app import rows
from app.jobs import Result
from app.journal import Journal
from app.search_query import Query, parse
from app.store import RESULT, Store, as_result

MAX_NOTE = 20_000
MAX_TAG = 100


class Record(msgspec.Struct, frozen=True):
    """A picture with all that is said of it. ``number`` sorts by time; ``rating`` is 0 (none) to 5; ``hash`` is the
    SHA-256 of its file, ``parent`` that of the picture it was made from; ``trashed`` is when it was thrown away."""

    result: Result
    number: int
    favourite: bool = False
    rating: int = 0
    note: str = ""
    tags: tuple[str, ...] = ()
    tool: str = ""
    imported: bool = False
    hash: str = ""
    parent: str = ""
    trashed: float | None = None
    missing: bool = False


class Sort(StrEnum):
    """In which order pictures stand; the newest comes first among equals."""

    NEWEST = "newest"
    OLDEST = "oldest"
    RATING = "rating"
    MODEL = "model"
    LARGEST = "largest"


class Row(msgspec.Struct, frozen=True):
    """What a grid of pictures shows of one, without its recipe. ``width`` and ``height`` in pixels."""

    id: str
    path: str
    title: str
    model: str
    width: int
    height: int
    favourite: bool
    rating: int
    missing: bool


class Page(msgspec.Struct, frozen=True):
    """``next`` is what to ask for the pictures after these with; None when there are none."""

    results: tuple[Result, ...]
    next: int | None


class Collection(msgspec.Struct, frozen=True):
    id: str
    name: str
    count: int


_EXTRA = "number, favourite, rating, note, tool, imported, hash, parent, trashed, missing"
_COLUMNS = ", ".join(f"r.{name.strip()}" for name in RESULT.split(","))


class Records:
    """All methods raise ``sqlite3.Error``; those that write also OSError, having changed nothing."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self.journal = journal

    # -- finding --

    def page(self, query: str | Query = "", after: int | None = None, limit: int = 200, oldest: bool = False) -> Page:
        """Pictures that ``query`` (as typed) finds, newest first or ``oldest`` first; ``after`` is the last page's
        ``next``."""
        asked = parse(query) if isinstance(query, str) else query
        clause, values = _where(asked, after, oldest)
        order = "ASC" if oldest else "DESC"
        key = "search.rowid" if asked.match else "r.number"
        sql = f"SELECT r.number, {_COLUMNS} {clause} ORDER BY {key} {order} LIMIT ?"
        found = self._store.query(sql, (*values, limit + 1))
        results = tuple(_result(row[1:]) for row in found[:limit])
        return Page(results, int(found[limit - 1][0]) if len(found) > limit else None)

    def count(self, query: str | Query = "") -> int:
        """How many there are."""
        asked = parse(query) if isinstance(query, str) else query
        clause, values = _where(asked, None, False)
        if values != [_words(asked)] or asked.trash or asked.missing or asked.shape:
            return int(self._store.query(f"SELECT count(*) {clause}", values)[0][0])
        # Words alone are counted in the index, without looking up each row; what is in the trash is taken off.
        found = self._store.query("SELECT count(*) FROM search WHERE search MATCH ?", values)[0][0]
        thrown = self._store.query(
            "SELECT count(*) FROM results r WHERE r.trashed IS NOT NULL"
            " AND EXISTS (SELECT 1 FROM search WHERE search MATCH ? AND rowid = r.number)", values
        )[0][0]  # fmt: skip
        return int(found) - int(thrown)

    def ids(self, query: str | Query = "", sort: Sort = Sort.NEWEST, limit: int = -1) -> list[str]:
        """The ids of what ``query`` finds, in order; the first ``limit`` of them when that is not negative."""
        asked = parse(query) if isinstance(query, str) else query
        clause, values = _where(asked, None, False)
        key = "search.rowid" if asked.match else "r.number"
        order = {
            Sort.NEWEST: f"{key} DESC",
            Sort.OLDEST: key,
            Sort.RATING: f"r.rating DESC, {key} DESC",
            Sort.MODEL: f"r.model_name COLLATE NOCASE, {key} DESC",
            Sort.LARGEST: f"r.width * r.height DESC, {key} DESC",
        }[sort]
        sql = f"SELECT r.id {clause} ORDER BY {order} LIMIT ?"
        return [row[0] for row in self._store.query(sql, (*values, limit))]

    def rows(self, ids: Sequence[str]) -> list[Row]:
        """What a grid shows of these (at most some hundreds), in any order; those that are gone are left out."""
        marks = ", ".join("?" * len(ids))
        sql = ("SELECT id, path, prompt, model_name, width, height, favourite, rating, missing FROM results"
               f" WHERE id IN ({marks})")  # fmt: skip
        return [
            Row(key, path, title or Path(path).name, model, width, height, bool(favourite), rating, bool(missing))
            for key, path, title, model, width, height, favourite, rating, missing in self._store.query(sql, ids)
        ]

    def get(self, result_id: str) -> Record | None:
        sql = f"SELECT {RESULT}, {_EXTRA} FROM results WHERE id = ?"
        found = self._store.query(sql, (result_id,))
        return self._record(found[0]) if found else None

    def at_path(self, path: str) -> Record | None:
        found = self._store.query(f"SELECT {RESULT}, {_EXTRA} FROM results WHERE path = ?", (path,))
        return self._record(found[0]) if found else None

    def with_hash(self, digest: str) -> list[Record]:
        """Pictures whose file has this content, newest first."""
        if not digest:
            return []
        sql = f"SELECT {RESULT}, {_EXTRA} FROM results WHERE hash = ? AND hash != '' ORDER BY number DESC"
        return [self._record(row) for row in self._store.query(sql, (digest,))]

    def parent(self, record: Record) -> Record | None:
        """The picture that ``record`` was made from, if it is here."""
        found = [one for one in self.with_hash(record.parent) if one.result.id != record.result.id]
        return found[0] if found else None

    def children(self, record: Record, limit: int = 200) -> list[Record]:
        """Pictures that were made from this one, oldest first."""
        if not record.hash:
            return []
        sql = (f"SELECT {RESULT}, {_EXTRA} FROM results WHERE parent = ? AND parent != '' AND id != ?"
               " ORDER BY number LIMIT ?")  # fmt: skip
        return [self._record(row) for row in self._store.query(sql, (record.hash, record.result.id, limit))]

    def lineage(self, result_id: str, depth: int = 50) -> list[Record]:
        """From the first ancestor that is here down to the picture itself."""
        line: list[Record] = []
        record = self.get(result_id)
        while record is not None and len(line) < depth and record.result.id not in {one.result.id for one in line}:
            line.insert(0, record)
            record = self.parent(record)
        return line

    def tags(self) -> list[tuple[str, int]]:
        """All tags with how many pictures have them, most used first."""
        sql = (
            "SELECT t.tag, count(*) AS n FROM tags t JOIN results r ON r.number = t.number AND r.trashed IS NULL"
            " GROUP BY t.tag ORDER BY n DESC, t.tag"
        )
        return [(str(tag), int(count)) for tag, count in self._store.query(sql)]

    def collections(self) -> list[Collection]:
        sql = (
            "SELECT c.id, c.name, count(r.number) FROM collections c LEFT JOIN collected i ON i.collection = c.id"
            " LEFT JOIN results r ON r.number = i.number AND r.trashed IS NULL GROUP BY c.id ORDER BY c.name"
        )
        return [Collection(str(key), str(name), int(count)) for key, name, count in self._store.query(sql)]

    def collection(self, name: str) -> Collection | None:
        """By id or by name, without case."""
        return next((c for c in self.collections() if c.id == name or c.name.casefold() == name.casefold()), None)

    # -- saying something --

    def favour(self, ids: Iterable[str], favourite: bool = True) -> None:
        self._set(ids, "favourite", int(favourite))

    def rate(self, ids: Iterable[str], rating: int) -> None:
        """0 takes a rating away. Raises ValueError outside of 0..5."""
        if not 0 <= rating <= 5:
            raise ValueError("a rating is from 0 to 5")
        self._set(ids, "rating", rating)

    def note(self, result_id: str, text: str) -> None:
        self._set([result_id], "note", text[:MAX_NOTE])

    def tag(self, ids: Iterable[str], add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Tags are words or several, compared without case."""
        plus, minus = _tags(add), _tags(remove)
        known = self._known(ids)
        self.journal.add({"id": key, "hash": digest, "tag": plus, "untag": minus} for key, _, digest in known)
        with self._store.changing() as db:
            for _, number, _ in known:
                db.executemany("DELETE FROM tags WHERE tag = ? AND number = ?", [(tag, number) for tag in minus])
                db.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", [(tag, number) for tag in plus])
                rows.reindex(db, number)

    def collect(self, name: str, ids: Iterable[str] = ()) -> Collection:
        """Put pictures into the collection ``name``, made if it is not there. Raises ValueError without a name."""
        name = " ".join(name.split())[:200]
        if not name:
            raise ValueError("a collection needs a name")
        found, known = self.collection(name), self._known(ids)
        key = found.id if found else f"c{time.time_ns():x}"
        self.journal.add([{"collection": key, "name": found.name if found else name},
                          *({"id": one, "hash": digest, "collect": key} for one, _, digest in known)])  # fmt: skip
        with self._store.changing() as db:
            db.execute("INSERT OR IGNORE INTO collections VALUES (?, ?, ?)", (key, name, time.time()))
            db.executemany("INSERT OR IGNORE INTO collected VALUES (?, ?)", [(key, number) for _, number, _ in known])
        made = self.collection(key)
        assert made is not None
        return made

    def uncollect(self, collection: str, ids: Iterable[str]) -> None:
        known = self._known(ids)
        self.journal.add({"id": one, "hash": digest, "uncollect": collection} for one, _, digest in known)
        with self._store.changing() as db:
            gone = [(collection, number) for _, number, _ in known]
            db.executemany("DELETE FROM collected WHERE collection = ? AND number = ?", gone)

    def rename_collection(self, collection: str, name: str) -> None:
        """Raises ValueError when the name is empty or another collection has it."""
        name = " ".join(name.split())[:200]
        other = self.collection(name) if name else None
        if not name or (other is not None and other.id != collection):
            raise ValueError("a collection needs a name of its own")
        self.journal.add([{"collection": collection, "name": name}])
        with self._store.changing() as db:
            db.execute("UPDATE collections SET name = ? WHERE id = ?", (name, collection))

    def remove_collection(self, collection: str) -> None:
        """The pictures in it stay."""
        self.journal.add([{"collection": collection, "name": ""}])
        with self._store.changing() as db:
            db.execute("DELETE FROM collected WHERE collection = ?", (collection,))
            db.execute("DELETE FROM collections WHERE id = ?", (collection,))

    # -- for the library's other parts --

    def set_trashed(self, known: Sequence[Record], when: float | None) -> None:
        """Say that pictures are in the trash since ``when``, or not any more; ``app.trash`` moves their files."""
        self.journal.add(
            {"id": one.result.id, "hash": one.hash, "path": one.result.path, "trashed": when} for one in known
        )
        with self._store.changing() as db:
            for one in known:
                db.execute("UPDATE results SET trashed = ? WHERE number = ?", (when, one.number))

    def trashed(self) -> list[Record]:
        sql = f"SELECT {RESULT}, {_EXTRA} FROM results WHERE trashed IS NOT NULL ORDER BY trashed DESC"
        return [self._record(row) for row in self._store.query(sql)]

    def named(self, name: str) -> list[Record]:
        """Pictures whose file has this name, wherever it lies."""
        escaped = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        sql = f"SELECT {RESULT}, {_EXTRA} FROM results WHERE path LIKE ? ESCAPE '\\' LIMIT 100"
        return [self._record(row) for row in self._store.query(sql, (f"%{escaped}",))]

    def set_path(self, record: Record, path: Path) -> None:
        """The picture lies elsewhere now."""
        with self._store.changing() as db:
            db.execute("UPDATE results SET path = ?, missing = 0 WHERE number = ?", (str(path), record.number))
            rows.reindex(db, record.number)

    def forget(self, ids: Iterable[str]) -> None:
        """Take pictures off the list for good; their files are not touched."""
        gone = list(ids)
        self.journal.add({"id": key, "forgotten": True} for key in gone)
        with self._store.changing() as db:
            for key in gone:
                rows.drop(db, key)

    def _set(self, ids: Iterable[str], name: str, value: int | str) -> None:
        known = self._known(ids)
        self.journal.add({"id": key, "hash": digest, "set": {name: value}} for key, _, digest in known)
        with self._store.changing() as db:
            for _, number, _ in known:
                db.execute(f"UPDATE results SET {name} = ? WHERE number = ?", (value, number))
                rows.reindex(db, number)

    def _known(self, ids: Iterable[str]) -> list[tuple[str, int, str]]:
        """Id, number and hash of those that are here."""
        found = []
        for key in dict.fromkeys(ids):
            for number, digest in self._store.query("SELECT number, hash FROM results WHERE id = ?", (key,)):
                found.append((key, int(number), str(digest)))
        return found

    def _record(self, row: tuple[Any, ...]) -> Record:
        width = len(RESULT.split(","))
        number, favourite, rating, note, tool, imported, digest, parent, trashed, missing = row[width:]
        tags = self._store.query("SELECT tag FROM tags WHERE number = ? ORDER BY tag", (number,))
        return Record(
            _result(row[:width]), number, bool(favourite), rating, note, tuple(str(tag) for (tag,) in tags), tool,
            bool(imported), digest, parent, trashed, bool(missing),
        )  # fmt: skip


def _result(row: Sequence[Any]) -> Result:
    return as_result(dict(zip((name.strip() for name in RESULT.split(",")), row, strict=True)))


def _tags(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(tag for name in names if (tag := " ".join(name.split())[:MAX_TAG])))


def _words(query: Query) -> str:
    """The expression of the full-text search that a query with words is."""
    return f"({query.match}) NOT ({query.without})" if query.without else query.match


def _where(query: Query, after: int | None, oldest: bool) -> tuple[str, list[Any]]:
    """FROM and WHERE of a query. With words the index leads, in its own order; the rows are looked up as they come."""
    values: list[Any] = []
    if query.match:
        key, start = "search.rowid", "FROM search CROSS JOIN results r ON r.number = search.rowid WHERE search MATCH ?"
        values.append(_words(query))
    else:
        key, start = "r.number", "FROM results r WHERE 1"
    clauses = [f"r.trashed IS {'NOT ' if query.trash else ''}NULL"]
    clauses += ["r.missing = 1"] if query.missing else []
    if query.without and not query.match:
        clauses.append("r.number NOT IN (SELECT rowid FROM search WHERE search MATCH ?)")
        values.append(query.without)
    for limit, sign in ((query.since, ">="), (query.until, "<")):
        if limit is not None:
            clauses.append(f"{key} {sign} ?")
            values.append(int(max(limit, 0) * 1e6))
    if after is not None:
        clauses.append(f"{key} {'>' if oldest else '<'} ?")
        values.append(after)
    clauses += [{"landscape": "r.width > r.height", "portrait": "r.width < r.height",
                 "square": "r.width = r.height"}[query.shape]] if query.shape else []  # fmt: skip
    for tag in query.tags:
        clauses.append("r.number IN (SELECT number FROM tags WHERE tag = ?)")
        values.append(tag)
    for name in query.collections:
        clauses.append("r.number IN (SELECT i.number FROM collected i JOIN collections c ON c.id = i.collection"
                       " WHERE c.name = ?)")  # fmt: skip
        values.append(name)
    return f"{start} AND {' AND '.join(clauses)}", values
