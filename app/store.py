"""The library's SQLite file: pictures, the queues of jobs and downloads, licences. Of pictures it is only an index.

Writes come from background threads (``SerialWorker``), one at a time; reads from anywhere. Standard library sqlite3 in
WAL mode with numbered migrations (``app.migrations``), each after a copy of the file was put beside it: for a few
tables an ORM would weigh more than it carries. Pictures' words are in an FTS5 table of the same file (``app.rows``):
what finds them cannot differ from what there is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from app import rows
from app.indexing import real_seed
from app.jobs import Job, Result
from app.migrations import MIGRATIONS, SEARCH, run_all
from app.weights import Download

log = logging.getLogger(__name__)

RESULT = "id, job, path, created, model, model_name, prompt, seed, width, height, recipe"

_BACKUPS = 3
"""So many copies from before migrations are kept."""


class DamagedLibraryError(Exception):
    """The file is no database any more; it was put aside as ``aside``."""

    def __init__(self, aside: Path, detail: str) -> None:
        self.aside = aside
        super().__init__(detail)


class Store:
    """Open, migrate, read and write. All methods raise ``sqlite3.Error``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = self._open()
        self._writing = threading.RLock()
        # Reads never wait for a write that is on its way to the disk. Each thread reads by a connection of its own: on
        # a shared one, a read of one thread keeps the others in the past, before the row just written.
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []

    def close(self) -> None:
        for reader in self._readers:
            reader.close()
        self._db.close()

    @property
    def _reader(self) -> sqlite3.Connection:
        reader: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = sqlite3.connect(self._path, timeout=10, check_same_thread=False)
            self._readers.append(reader)
        return reader

    def query(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows as they are now; from any thread."""
        found: list[tuple[Any, ...]] = self._reader.execute(sql, tuple(values)).fetchall()
        return found

    @contextlib.contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction for several writes: all of them, or none. Other programs wait from its beginning, so that
        what is read in it is still true when it is written."""
        with self._writing:
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:
                yield self._db

    # -- jobs --

    def save_job(self, job: Job, session: str, origin: str, position: float) -> None:
        with self._writing, self._db:
            self._db.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " session = excluded.session, position = excluded.position,"
                " state = excluded.state, body = excluded.body",
                (job.id, session, origin, position, job.state, job.created, msgspec.json.encode(job).decode()),
            )

    def remove_job(self, job_id: str) -> None:
        with self._writing, self._db:
            self._db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def open_jobs(self) -> list[tuple[Job, str, str]]:
        """Jobs that have not ended well or been cancelled, with their session and origin, in queue order."""
        rows = self._reader.execute(
            "SELECT id, body, session, origin FROM jobs WHERE state NOT IN ('succeeded', 'cancelled')"
            " ORDER BY position, created"
        )
        found = []
        for job_id, body, session, origin in rows.fetchall():
            try:
                found.append((msgspec.json.decode(body, type=Job), session, origin))
            except msgspec.MsgspecError:
                log.exception("job %s in the database cannot be read", job_id)
        return found

    # -- downloads --

    def save_download(self, download: Download, session: str, origin: str) -> None:
        body = msgspec.json.encode(download).decode()
        with self._writing, self._db:
            self._db.execute(
                "INSERT INTO downloads VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " session = excluded.session, state = excluded.state, body = excluded.body",
                (download.id, session, origin, download.state, download.created, body),
            )

    def remove_download(self, key: str) -> None:
        with self._writing, self._db:
            self._db.execute("DELETE FROM downloads WHERE id = ?", (key,))

    def downloads(self) -> list[tuple[Download, str, str]]:
        """All that were not dismissed, with their session and origin, oldest first."""
        rows = self._reader.execute("SELECT id, body, session, origin FROM downloads ORDER BY created, id")
        found = []
        for key, body, session, origin in rows.fetchall():
            try:
                found.append((msgspec.json.decode(body, type=Download), session, origin))
            except msgspec.MsgspecError:
                log.exception("download %s in the database cannot be read", key)
        return found

    # -- licences --

    def accept_licence(self, model: str, licence: str, when: float) -> None:
        """Keep that a licence was accepted; the first time counts."""
        with self._writing, self._db:
            self._db.execute("INSERT OR IGNORE INTO licences VALUES (?, ?, ?)", (model, licence, when))

    def accepted_licences(self) -> dict[tuple[str, str], float]:
        """(model, licence) -> seconds since 1970."""
        rows = self._reader.execute("SELECT model, licence, accepted FROM licences")
        return {(str(model), str(licence)): float(when) for model, licence, when in rows.fetchall()}

    # -- results --

    def add_result(self, result: Result, facts: Mapping[str, Any] | None = None) -> None:
        """Add or renew a picture; ``facts`` as ``app.rows.put`` has them."""
        with self.changing() as db:
            rows.put(db, result, facts)

    def result(self, result_id: str) -> Result | None:
        rows = self._results(f"SELECT {RESULT} FROM results WHERE id = ?", result_id)
        return rows[0] if rows else None

    def results_of(self, job_id: str) -> list[Result]:
        return self._results(f"SELECT {RESULT} FROM results WHERE job = ? ORDER BY number", job_id)

    def recent(self, limit: int) -> list[Result]:
        """The newest, without those in the trash."""
        return self._results(f"SELECT {RESULT} FROM results WHERE trashed IS NULL ORDER BY number DESC LIMIT ?", limit)

    def mend_index(self) -> bool:
        """Make the full-text index anew if it is damaged, or does not hold every picture; whether it had to be."""
        with self.changing() as db:
            try:
                db.execute("INSERT INTO search (search) VALUES ('integrity-check')")
                sound = True
            except sqlite3.DatabaseError:
                sound = False
            missing = "SELECT 1 FROM results WHERE number NOT IN (SELECT rowid FROM search) LIMIT 1"
            if sound and db.execute(missing).fetchone() is None:
                return False
            log.warning("the index of words is made anew")
            db.execute("DROP TABLE search")
            db.execute(SEARCH)
            for (number,) in db.execute("SELECT number FROM results").fetchall():
                rows.reindex(db, number)
            return True

    def remove_result(self, result_id: str) -> None:
        with self._writing, self._db:
            rows.drop(self._db, result_id)

    def last_used(self) -> dict[str, float]:
        """Model id -> when its newest picture was made, in seconds since 1970."""
        rows = self._reader.execute("SELECT model, max(created) FROM results GROUP BY model")
        return {str(model): float(when) for model, when in rows.fetchall()}

    def seconds_lately(self, model: str, limit: int = 5) -> list[float]:
        """What the last pictures of ``model`` took, in seconds, newest first."""
        rows = self._reader.execute(
            "SELECT seconds FROM results WHERE model = ? AND seconds IS NOT NULL ORDER BY created DESC LIMIT ?",
            (model, limit),
        )
        return [float(row[0]) for row in rows]

    def _results(self, query: str, *values: object) -> list[Result]:
        rows: Iterable[tuple[object, ...]] = self._reader.execute(query, values).fetchall()
        names = [name.strip() for name in RESULT.split(",")]
        return [as_result(dict(zip(names, row, strict=True))) for row in rows]

    # -- opening --

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        wal = self._path.with_name(self._path.name + "-wal")
        unclean = wal.exists() and wal.stat().st_size > 0
        # The core's threads take turns (see module docstring), so sqlite's own check would only be in the way.
        db = sqlite3.connect(self._path, timeout=10, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA foreign_keys = ON")
            # Reading the whole file takes its time, so only where the last program did not close it.
            if unclean and (check := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(str(check))
            _migrate(db, self._path)
        except sqlite3.OperationalError:
            db.close()
            raise  # locked, read-only, no room: the file itself is sound
        except sqlite3.DatabaseError as error:
            db.close()
            raise DamagedLibraryError(self._put_aside(), str(error)) from error
        return db

    def _put_aside(self) -> Path:
        aside = self._path.with_name(f"{self._path.stem}-damaged-{time.strftime('%Y%m%d-%H%M%S')}.sqlite3")
        self._path.rename(aside)
        for ending in ("-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        return aside


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the newest version. Of two programs that do so at once the second finds it done.

    A file that holds something is copied first: beside it, in ``backups``.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if 0 < version < len(MIGRATIONS):
        _back_up(db, path, version)
    while True:
        db.execute("BEGIN IMMEDIATE")
        with db:  # commits, or rolls back what failed
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version >= len(MIGRATIONS):
                return
            step = MIGRATIONS[version]
            if isinstance(step, str):
                run_all(db, step)
            else:
                step(db)
            db.execute(f"PRAGMA user_version = {version + 1}")


def _back_up(db: sqlite3.Connection, path: Path, version: int) -> None:
    """A copy of the whole file as it is, under its version's name; it appears complete or not at all.

    Raises OSError (no room): then nothing is migrated either.
    """
    folder = path.parent / "backups"
    folder.mkdir(exist_ok=True)
    target = folder / f"{path.stem}-version-{version}-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}"
    part = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        copy = sqlite3.connect(part)
        try:
            db.backup(copy)
        finally:
            copy.close()
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    for old in sorted(folder.glob(f"{path.stem}-version-*{path.suffix}"))[:-_BACKUPS]:
        old.unlink(missing_ok=True)


def as_result(row: dict[str, object]) -> Result:
    """A row of ``RESULT`` as what it stands for."""
    try:
        recipe = msgspec.json.decode(str(row.pop("recipe")), type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        recipe = {}  # one damaged row must not hide the others
    seed = real_seed(int(str(row.pop("seed"))))
    return msgspec.convert({**row, "seed": seed, "recipe": recipe}, Result)
