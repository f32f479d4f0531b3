"""Killed between any two changes to the disk or the database: no picture is lost, and rows and files agree again.

Each trial runs in a forked child that ends itself with SIGKILL just before its n-th change: one to the disk, as
Python's audit events tell it, or a statement of the database.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from app.gather import Gathering
from app.library import Library
from app.records import Records
from app.store import Store
from app.trash import Trash
from models import recipe
from models.card import ModelRef
from tests.unit import foreign_texts as written
from tests.unit.test_metadata_readers import png
from tests.unit.test_records import Shelf, old_database

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate", "shutil.")
WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "COMMIT", "BEGIN")


def die_at(change: int, deed: Callable[[Callable[[str], None]], object]) -> bool:
    """Do ``deed`` in a child that is killed before its n-th change; False if it was done before that."""
    child = os.fork()
    if child == 0:
        left = change

        def count() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if writes or event.startswith(CHANGES):
                count()

        def statement(sql: str) -> None:
            if sql.lstrip().upper().startswith(WRITES):
                count()

        sys.addaudithook(watch)
        try:
            deed(statement)
        except BaseException:  # noqa: BLE001 - whatever it is, the parent must not go on twice
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the deed itself failed"
    return False


def put(folder: Path, job: str, number: int) -> None:
    made = recipe.build(ModelRef("m", "M", "diffusers"), {"prompt": f"{job} {number}"}, number,
                        {"picture": number, "width": 8, "height": 8}, {"job": job})  # fmt: skip
    path = folder / "outbox" / job / f"{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    recipe.save_png(Image.new("RGB", (8, 8)), path, made)


def opened(folder: Path, statement: Callable[[str], None] | None = None) -> Shelf:
    shelf = Shelf.__new__(Shelf)
    shelf.folder = folder
    shelf.store = Store(folder / "library.sqlite3")
    if statement is not None:
        shelf.store._db.set_trace_callback(statement)
    shelf.library = Library(shelf.store, folder / "outbox", folder / "pictures")
    shelf.records = Records(shelf.store, shelf.library.journal)
    shelf.trash = Trash(shelf.records, shelf.library.pictures)
    return shelf


def check(folder: Path, purged: bool = False) -> Shelf:
    """What the next start finds: everything is where its row says, and every picture has a row."""
    shelf = opened(folder)
    db = sqlite3.connect(folder / "library.sqlite3")
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.execute("INSERT INTO search (search) VALUES ('integrity-check')")
    db.rollback()
    db.close()
    shelf.trash.settle()
    shelf.library.take_in_orphans(frozenset)
    everything = shelf.records.ids() + shelf.records.ids("is:trash")
    places = set()
    for key in everything:
        record = shelf.records.get(key)
        assert record is not None
        lying = shelf.trash.place(record) if record.trashed and not record.imported else Path(record.result.path)
        assert lying.is_file(), (key, record.trashed)
        with Image.open(lying) as picture:
            assert picture.size == (8, 8)
        places.add(lying)
    assert len(places) == len(everything)
    on_disk = {file for file in (folder / "pictures").rglob("*.png") if not file.name.startswith(".")}
    assert on_disk <= places
    assert not list((folder / "outbox").rglob("*.png"))
    indexed = shelf.store.query("SELECT count(*) FROM search")[0][0]
    assert indexed == shelf.store.query("SELECT count(*) FROM results")[0][0] == len(everything)
    if not purged:
        assert {f"a-{n}" for n in range(1, 5)} <= set(everything)
    return shelf


def trials(root: Path, prepare: Callable[[Path], None], deed: Callable[[Shelf], object], purged: bool = False) -> int:
    luck, change, killed = random.Random(5), 1, 0
    while True:
        folder = root / str(change)
        (folder / "outbox").mkdir(parents=True)
        prepare(folder)
        if not die_at(change, lambda statement, folder=folder: deed(opened(folder, statement))):  # type: ignore[misc]
            check(folder, purged)
            return killed
        killed += 1
        check(folder, purged).store.close()
        change += luck.randint(1, 3)


def four(folder: Path) -> None:
    for number in range(1, 5):
        put(folder, "a", number)
    shelf = opened(folder)
    shelf.library.take_in("a")
    shelf.store.close()


def test_while_pictures_are_taken_in(tmp_path: Path) -> None:
    def prepare(folder: Path) -> None:
        for number in range(1, 5):
            put(folder, "a", number)

    assert trials(tmp_path, prepare, lambda shelf: shelf.library.take_in("a")) > 5


def test_while_things_are_said_of_them(tmp_path: Path) -> None:
    def say(shelf: Shelf) -> None:
        shelf.records.rate(["a-1", "a-2"], 4)
        shelf.records.tag(["a-1", "a-3"], ["x", "y"], ["z"])
        shelf.records.collect("Best", ["a-1", "a-2", "a-3"])
        shelf.records.note("a-4", "note")

    assert trials(tmp_path, four, say) > 10


def test_while_they_are_thrown_away_and_come_back(tmp_path: Path) -> None:
    def throw(shelf: Shelf) -> None:
        shelf.trash.throw(["a-1", "a-2", "a-3"])
        shelf.trash.restore(["a-2"])

    assert trials(tmp_path, four, throw) > 5


def test_while_the_trash_is_emptied(tmp_path: Path) -> None:
    def purge(shelf: Shelf) -> None:
        shelf.trash.throw(["a-1", "a-2"])
        shelf.trash.purge()

    assert trials(tmp_path, four, purge, purged=True) > 5


def test_while_a_folder_is_imported(tmp_path: Path) -> None:
    def prepare(folder: Path) -> None:
        four(folder)
        (folder / "old").mkdir()
        for number in range(6):
            png(folder / "old" / f"{number}.png", {"parameters": written.A1111_OLD})

    def gather(shelf: Shelf) -> None:
        Gathering(shelf.store, shelf.library.journal).gather(shelf.folder / "old", lambda done, total: None)

    assert trials(tmp_path, prepare, gather) > 5
    for folder in tmp_path.iterdir():
        shelf = opened(folder)
        gather(shelf)
        assert shelf.records.count("is:imported") == 6
        shelf.store.close()


def test_while_the_database_is_rebuilt(tmp_path: Path) -> None:
    def prepare(folder: Path) -> None:
        four(folder)
        shelf = opened(folder)
        shelf.records.rate(["a-1"], 4)
        shelf.trash.throw(["a-2"])
        shelf.store.close()
        for file in folder.glob("library.sqlite3*"):
            file.unlink()

    def rebuild(shelf: Shelf) -> None:
        shelf.library.rebuild()

    luck, change = random.Random(7), 1
    while True:
        folder = tmp_path / str(change)
        (folder / "outbox").mkdir(parents=True)
        prepare(folder)
        killed = die_at(change, lambda statement, folder=folder: rebuild(opened(folder, statement)))  # type: ignore[misc]
        shelf = opened(folder)
        shelf.library.rebuild()  # begun again
        shelf.store.close()
        shelf = check(folder)
        assert shelf.records.ids("rating:4") == ["a-1"]
        assert shelf.records.ids("is:trash") == ["a-2"]
        if not killed:
            return
        change += luck.randint(1, 4)


def test_while_an_older_database_is_brought_up_to_date(tmp_path: Path) -> None:
    """The migration runs inside ``Store``; its statements are counted by the connection's own factory."""
    change, killed = 1, True
    while killed:
        folder = tmp_path / str(change)
        folder.mkdir()
        path = folder / "library.sqlite3"
        old_database(path, 4)

        def migrate(statement: Callable[[str], None], path: Path = path) -> None:
            connect = sqlite3.connect

            def watched(*arguments: object, **options: object) -> sqlite3.Connection:
                db = connect(*arguments, **options)  # type: ignore[arg-type, call-overload]
                db.set_trace_callback(statement)
                return db

            sqlite3.connect = watched  # type: ignore[assignment]
            Store(path)

        killed = die_at(change, migrate)
        store = Store(path)
        assert len(store.recent(10)) == 4
        assert store.query("SELECT count(*) FROM search") == [(4,)]
        store.close()
        change += 2
