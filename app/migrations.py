"""The library's tables, as numbered steps from an empty file to the newest version.

Step n brings ``PRAGMA user_version`` from n to n + 1: SQL, or a function where rows have to be worked on. Never edit a
step that was released; add one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from app.indexing import columns_of, number_of

Step = str | Callable[[sqlite3.Connection], None]

_PICTURES = """
    CREATE TABLE pictures (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, job TEXT NOT NULL, path TEXT NOT NULL,
        created REAL NOT NULL, model TEXT NOT NULL, model_name TEXT NOT NULL, prompt TEXT NOT NULL,
        seed INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, seconds REAL, recipe TEXT NOT NULL,
        favourite INTEGER NOT NULL DEFAULT 0, rating INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT '',
        tool TEXT NOT NULL DEFAULT '', imported INTEGER NOT NULL DEFAULT 0, hash TEXT NOT NULL DEFAULT '',
        bytes INTEGER NOT NULL DEFAULT -1, modified REAL NOT NULL DEFAULT 0, parent TEXT NOT NULL DEFAULT '',
        trashed REAL, missing INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE tags (
        tag TEXT NOT NULL COLLATE NOCASE, number INTEGER NOT NULL, PRIMARY KEY (tag, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tags_by_picture ON tags (number);
    CREATE TABLE collections (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, created REAL NOT NULL
    ) STRICT;
    CREATE TABLE collected (
        collection TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (collection, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX collected_by_picture ON collected (number);
    CREATE TABLE folders (path TEXT PRIMARY KEY, added REAL NOT NULL) STRICT
"""

SEARCH = """
    CREATE VIRTUAL TABLE search USING fts5 (
        prompt, negative, model, notes, tags, inputs, marks, tokenize = 'unicode61 remove_diacritics 2',
        prefix = '1 2 3 4 5'
    )
"""

_INDEXES = """
    ALTER TABLE pictures RENAME TO results;
    CREATE INDEX results_by_model ON results (model, created DESC);
    CREATE INDEX results_by_job ON results (job);
    CREATE INDEX results_by_path ON results (path);
    CREATE INDEX results_by_hash ON results (hash) WHERE hash != '';
    CREATE INDEX results_by_parent ON results (parent) WHERE parent != '';
    CREATE INDEX results_trashed ON results (trashed) WHERE trashed IS NOT NULL;
    CREATE INDEX results_missing ON results (missing) WHERE missing = 1
"""


def run_all(db: sqlite3.Connection, script: str) -> None:
    """The statements of ``script`` in the transaction that is open (``executescript`` would commit it)."""
    for statement in filter(str.strip, script.split(";")):
        db.execute(statement)


def _search_and_marks(db: sqlite3.Connection) -> None:
    """Pictures get a number that sorts by time, marks of the user's, and an index of all words."""
    run_all(db, f"{_PICTURES}; {SEARCH}")
    old = db.execute(
        "SELECT id, job, path, created, model, model_name, prompt, seed, width, height, seconds, recipe"
        " FROM results ORDER BY created, id"
    )
    taken = 0
    for row in old:
        taken = max(number_of(float(row[3])), taken + 1)
        places = ", ".join("?" * 13)
        names = "number, id, job, path, created, model, model_name, prompt, seed, width, height, seconds, recipe"
        db.execute(f"INSERT INTO pictures ({names}) VALUES ({places})", (taken, *row))
        words = columns_of(
            str(row[11]), str(row[5]) or str(row[4]), str(row[2]), int(row[7]), (int(row[8]), int(row[9]))
        )
        db.execute("INSERT INTO search (rowid, prompt, negative, model, notes, tags, inputs, marks)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (taken, *words))  # fmt: skip
    db.execute("DROP TABLE results")
    run_all(db, _INDEXES)


MIGRATIONS: tuple[Step, ...] = (
    """
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY, session TEXT NOT NULL, origin TEXT NOT NULL, position REAL NOT NULL,
        state TEXT NOT NULL, created REAL NOT NULL, body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX jobs_by_state ON jobs (state, position);
    CREATE TABLE results (
        id TEXT PRIMARY KEY, job TEXT NOT NULL, path TEXT NOT NULL, created REAL NOT NULL, model TEXT NOT NULL,
        model_name TEXT NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL, width INTEGER NOT NULL,
        height INTEGER NOT NULL, seconds REAL, recipe TEXT NOT NULL
    ) STRICT;
    CREATE INDEX results_by_time ON results (created DESC);
    CREATE INDEX results_by_model ON results (model, created DESC);
    """,
    """
    CREATE TABLE downloads (
        id TEXT PRIMARY KEY, session TEXT NOT NULL, origin TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE TABLE licences (
        model TEXT NOT NULL, licence TEXT NOT NULL, accepted REAL NOT NULL, PRIMARY KEY (model, licence)
    ) STRICT;
    """,
    _search_and_marks,
)
