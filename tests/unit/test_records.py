"""What is said of pictures is kept, found, and comes back when the database is lost."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app import replay
from app.background import StoppedError
from app.gather import Gathering, pictures_in
from app.jobs import Result
from app.journal import Journal
from app.library import Library
from app.listing import checksum
from app.migrations import MIGRATIONS, run_all
from app.records import Records
from app.refind import refind
from app.store import Store
from app.trash import Trash, thrown_in
from models import recipe
from models.card import ModelRef
from tests.unit import foreign_texts as written
from tests.unit.test_metadata_readers import png


class Shelf:
    """A library in a folder, with a few pictures; ``lose`` loses the database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "outbox").mkdir(exist_ok=True)
        self.open()

    def open(self) -> None:
        self.store = Store(self.folder / "library.sqlite3")
        self.library = Library(self.store, self.folder / "outbox", self.folder / "pictures")
        self.records = Records(self.store, self.library.journal)
        self.trash = Trash(self.records, self.library.pictures)

    def make(self, job: str, number: int = 1, colour: str = "red", **inputs: object) -> Result:
        given = {"prompt": f"{colour} {job}", "width": 8, "height": 8, **inputs}
        facts: dict[str, object] = {"picture": number, "width": 8, "height": 8}
        if "image" in inputs:
            facts["pictures"] = {"image": {"path": inputs["image"], "sha256": checksum(Path(str(inputs["image"])))}}
        made = recipe.build(ModelRef("m", "M", "diffusers"), given, number, facts, {"job": job})
        path = self.folder / "outbox" / job / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        recipe.save_png(Image.new("RGB", (8, 8), colour), path, made)
        return next(one for one in self.library.take_in(job) if one.id == f"{job}-{number}")

    def lose(self) -> None:
        self.store.close()
        for file in self.folder.glob("library.sqlite3*"):
            file.unlink()
        self.open()
        self.library.rebuild()

    def ids(self, query: str = "") -> list[str]:
        return sorted(self.records.ids(query))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_marks_are_kept_and_renewing_a_row_does_not_lose_them(shelf: Shelf) -> None:
    one = shelf.make("a")
    shelf.records.favour([one.id])
    shelf.records.rate([one.id], 4)
    shelf.records.note(one.id, "for the wall")
    shelf.records.tag([one.id], ["Poster", "  two  words "])
    shelf.store.add_result(one)
    found = shelf.records.get(one.id)
    assert found is not None
    assert (found.favourite, found.rating, found.note) == (True, 4, "for the wall")
    assert found.tags == ("Poster", "two words")
    assert shelf.ids("wall tag:poster rating:4 is:favourite") == [one.id]
    shelf.records.tag([one.id], remove=["POSTER"])
    assert shelf.records.tags() == [("two words", 1)]
    with pytest.raises(ValueError, match="0 to 5"):
        shelf.records.rate([one.id], 6)


def test_collections(shelf: Shelf) -> None:
    one, two = shelf.make("a"), shelf.make("b")
    made = shelf.records.collect(" Best  of ", [one.id, two.id])
    assert (made.name, made.count) == ("Best of", 2)
    assert shelf.records.collect("best OF", [one.id]).id == made.id
    shelf.records.uncollect(made.id, [two.id])
    shelf.records.rename_collection(made.id, "Better")
    assert [(c.name, c.count) for c in shelf.records.collections()] == [("Better", 1)]
    shelf.records.collect("Other")
    with pytest.raises(ValueError, match="name"):
        shelf.records.rename_collection(made.id, "OTHER")
    shelf.records.remove_collection(made.id)
    assert [c.name for c in shelf.records.collections()] == ["Other"]
    assert shelf.ids() == ["a-1", "b-1"]


def test_pages_follow_each_other_without_gap_or_repeat(shelf: Shelf) -> None:
    for number in range(1, 24):
        shelf.make("job", number)
    for query in ("", "red", "is:made"):
        seen: list[str] = []
        after = None
        while True:
            page = shelf.records.page(query, after, limit=5)
            seen += [result.id for result in page.results]
            after = page.next
            if after is None:
                break
        assert seen == [f"job-{n}" for n in range(23, 0, -1)]


def test_the_trash_can_be_undone(shelf: Shelf) -> None:
    one, two = shelf.make("a"), shelf.make("b")
    shelf.records.rate([one.id], 5)
    shelf.trash.throw([one.id])
    assert not Path(one.path).exists()
    assert shelf.ids() == [two.id]
    assert [result.id for result in shelf.library.recent()] == [two.id]
    assert shelf.ids("is:trash") == [one.id]
    shelf.trash.restore([one.id])
    assert Path(one.path).exists()
    assert shelf.ids("rating:5") == [one.id]
    shelf.trash.throw([one.id])
    assert shelf.trash.purge() == [one.id]
    assert shelf.records.get(one.id) is None
    assert thrown_in(shelf.folder / "pictures") == []


def test_a_restored_picture_does_not_overwrite_another(shelf: Shelf) -> None:
    one = shelf.make("a")
    shelf.trash.throw([one.id])
    Path(one.path).write_bytes(b"something else")
    (back,) = shelf.trash.restore([one.id])
    assert back.result.path != one.path
    assert recipe.read(Path(back.result.path)) is not None
    assert Path(one.path).read_bytes() == b"something else"


def test_a_file_that_cannot_be_moved_stays(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    one = shelf.make("a")

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("app.trash.move_atomically", full)
        with pytest.raises(OSError, match="No space"):
            shelf.trash.throw([one.id])
    assert shelf.ids() == [one.id]
    assert Path(one.path).exists()


def test_lineage(shelf: Shelf) -> None:
    first = shelf.make("a")
    second = shelf.make("b", image=first.path)
    third = shelf.make("c", image=second.path)
    assert [one.result.id for one in shelf.records.lineage(third.id)] == ["a-1", "b-1", "c-1"]
    first_record = shelf.records.get("a-1")
    assert first_record is not None
    assert [one.result.id for one in shelf.records.children(first_record)] == ["b-1"]


def test_all_that_was_said_survives_the_loss_of_the_database(shelf: Shelf) -> None:
    one, two, three = shelf.make("a"), shelf.make("b"), shelf.make("c")
    outside = shelf.folder / "old"
    outside.mkdir()
    png(outside / "x.png", {"parameters": written.A1111_OLD})
    Gathering(shelf.store, shelf.library.journal).gather(outside, lambda done, total: None)
    (imported,) = shelf.records.ids("is:imported")
    shelf.records.rate([one.id, imported], 4)
    shelf.records.favour([two.id])
    shelf.records.note(two.id, "né")
    shelf.records.tag([one.id], ["x", "y"])
    shelf.records.tag([one.id], remove=["y"])
    shelf.records.collect("Best", [one.id, imported])
    shelf.records.collect("Gone", [one.id])
    shelf.records.remove_collection(shelf.records.collection("Gone").id)  # type: ignore[union-attr]
    shelf.trash.throw([three.id])
    before = [shelf.records.get(key) for key in (one.id, two.id, three.id, imported)]
    for again in (False, True):
        shelf.lose()
        after = [shelf.records.get(key) for key in (one.id, two.id, three.id, imported)]
        for old, new in zip(before, after, strict=True):
            assert old is not None
            assert new is not None
            for name in ("favourite", "rating", "note", "tags", "imported", "tool"):
                assert getattr(old, name) == getattr(new, name)
            assert old.result.path == new.result.path
        assert [(c.name, c.count) for c in shelf.records.collections()] == [("Best", 2)]
        assert shelf.ids("is:trash") == [three.id]
        if not again:  # the journal written anew says the same
            shelf.library.journal.renew(list(replay.snapshot(shelf.store)))
    shelf.trash.restore([three.id])
    assert Path(three.path).exists()


def test_the_trash_is_found_without_a_journal(shelf: Shelf) -> None:
    one = shelf.make("a")
    shelf.trash.throw([one.id])
    shelf.library.journal.path.unlink()
    shelf.lose()
    assert shelf.ids("is:trash") == [one.id]
    shelf.trash.restore([one.id])
    assert Path(one.path).exists()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.integers(0, 400))
def test_a_damaged_journal_gives_what_it_can(tmp_path: Path, noise: bytes, cut: int) -> None:
    journal = Journal(tmp_path / "journal")
    journal.path.unlink(missing_ok=True)
    journal.add([{"id": "a", "set": {"rating": 3}}])
    journal.path.write_bytes(journal.path.read_bytes() + noise[:cut])
    journal.add([{"id": "a", "set": {"rating": 5}}, {"id": 7}, {"collection": []}])
    found = list(journal.entries())
    assert found[0] == {"id": "a", "set": {"rating": 3}}
    assert {"id": "a", "set": {"rating": 5}} in found


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(
    st.sampled_from(["id", "hash", "set", "tag", "untag", "collect", "collection", "name", "folder", "trashed", "path",
                     "forgotten"]),
    st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)
    | st.dictionaries(st.sampled_from(["rating", "note", "x"]), st.integers() | st.text(max_size=3), max_size=2)
    | st.just("a-1")), max_size=6))  # fmt: skip
def test_any_journal_can_be_replayed(tmp_path: Path, entries: list[dict[str, object]]) -> None:
    journal = Journal(tmp_path / "journal")
    journal.path.unlink(missing_ok=True)
    journal.add(entries)
    store = Store(tmp_path / "library.sqlite3")
    store.add_result(Result("a-1", "a", "/gone.png", 1.0, "m", "M", "p", 1, 8, 8, {}))
    replay.replay(store, journal)
    Records(store, journal).page("p")
    store.close()


def test_an_index_that_is_damaged_or_incomplete_is_made_anew(shelf: Shelf) -> None:
    one, two = shelf.make("a"), shelf.make("b")
    assert not shelf.store.mend_index()
    with shelf.store.changing() as db:
        db.execute("DELETE FROM search WHERE rowid = (SELECT number FROM results WHERE id = 'a-1')")
    assert shelf.ids("red") == [two.id]
    assert shelf.store.mend_index()
    assert shelf.ids("red") == [one.id, two.id]
    with shelf.store.changing() as db:
        db.execute("UPDATE search_data SET block = x'00' WHERE id > 10")
    assert shelf.store.mend_index()
    assert shelf.ids("red") == [one.id, two.id]


# -- moved behind the app's back ---------------------------------------------------------------------------------------


def test_moved_pictures_are_found_by_their_bytes(shelf: Shelf) -> None:
    one, two, three = shelf.make("a"), shelf.make("b", colour="blue"), shelf.make("c", colour="green")
    elsewhere = shelf.folder / "pictures" / "sorted" / "renamed.png"
    elsewhere.parent.mkdir()
    os.replace(one.path, elsewhere)
    os.replace(two.path, shelf.folder / "away.png")
    found = refind(shelf.store, [shelf.library.pictures])
    assert (found.missing, found.found) == (2, 1)
    assert shelf.records.get(one.id).result.path == str(elsewhere)  # type: ignore[union-attr]
    assert shelf.ids("is:missing") == [two.id]
    assert shelf.ids("renamed") == [one.id]
    os.replace(shelf.folder / "away.png", two.path)
    assert refind(shelf.store, [shelf.library.pictures]).back == 1
    assert shelf.ids("is:missing") == []
    assert Path(three.path).exists()


# -- importing ---------------------------------------------------------------------------------------------------------


def old_folder(folder: Path, count: int = 12) -> Path:
    for number in range(count):
        sub = folder / ("2024" if number % 2 else "2025")
        sub.mkdir(parents=True, exist_ok=True)
        text = written.A1111_OLD.replace("Seed: 5", f"Seed: {number}")
        png(sub / f"{number:05}.png", {"parameters": text})
    Image.new("RGB", (5, 5)).save(folder / "plain.jpg")
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def quiet(done: int, total: int) -> None:
    pass


def test_a_folder_is_listed_where_it_lies(shelf: Shelf) -> None:
    folder = old_folder(shelf.folder / "old")
    before = sorted(pictures_in(folder))
    gathering = Gathering(shelf.store, shelf.library.journal)
    steps: list[tuple[int, int]] = []
    done = gathering.gather(folder, lambda now, total: steps.append((now, total)))
    assert (done.added, done.plain, done.known, done.unreadable) == (12, 1, 0, 1)
    assert done.tools == {"A1111": 12}
    assert steps[-1][0] == steps[-1][1]
    assert sorted(pictures_in(folder)) == before
    assert shelf.ids("is:imported tool:a1111 seed:7 apple")
    (found,) = (shelf.records.get(key) for key in shelf.records.ids("seed:7"))
    assert found is not None
    assert (found.imported, found.tool, len(found.hash)) == (True, "A1111", 64)
    again = gathering.gather(folder, quiet)
    assert (again.added, again.known, again.plain) == (0, 13, 0)


def test_an_import_can_be_stopped_and_goes_on(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.gather.GROUP", 5)
    folder = old_folder(shelf.folder / "old")
    gathering = Gathering(shelf.store, shelf.library.journal)

    def stop(done: int, total: int) -> None:
        if done >= 5:
            raise StoppedError

    with pytest.raises(StoppedError):
        gathering.gather(folder, stop)
    assert shelf.records.count("is:imported") == 4  # one of the first five is no picture
    done = gathering.gather(folder, quiet)
    assert (done.added + done.plain, done.known) == (9, 4)
    assert gathering.folders() == [str(folder)]


def test_throwing_away_what_was_imported_leaves_the_file(shelf: Shelf) -> None:
    folder = old_folder(shelf.folder / "old", 2)
    gathering = Gathering(shelf.store, shelf.library.journal)
    gathering.gather(folder, quiet)
    chosen = shelf.records.ids("seed:1")
    shelf.trash.throw(chosen)
    assert shelf.records.ids("seed:1") == []
    shelf.trash.purge(chosen)
    assert (folder / "2024" / "00001.png").exists()
    assert gathering.forget(folder) == 2
    assert shelf.ids() == []
    assert gathering.folders() == []


def test_strange_recipes_do_not_stop_an_import(shelf: Shelf) -> None:
    folder = shelf.folder / "old"
    folder.mkdir()
    strange = [
        '{"inputs": {}, "seed": 1e300}',
        '{"inputs": {"prompt": []}, "model": 3}',
        '{"inputs": {"a": 99999999999999999999999999999999}}',
        '{"inputs": {}, "width": "x"}',
        '{"inputs": {"prompt": "\\ud800"}}',
    ]
    for number, text in enumerate(strange):
        png(folder / f"{number}.png", {"atelier": text})
    png(folder / "good.png", {"parameters": written.A1111_OLD})
    done = Gathering(shelf.store, shelf.library.journal).gather(folder, quiet)
    assert shelf.records.ids("apple")
    assert done.added >= 1


def test_a_folder_that_is_not_there_is_an_error(shelf: Shelf) -> None:
    with pytest.raises(FileNotFoundError):
        Gathering(shelf.store, shelf.library.journal).gather(shelf.folder / "nowhere", quiet)
    assert Gathering(shelf.store, shelf.library.journal).folders() == []


# -- older databases ---------------------------------------------------------------------------------------------------


def old_database(path: Path, count: int = 3) -> None:
    db = sqlite3.connect(path)
    for step in MIGRATIONS[:2]:
        assert isinstance(step, str)
        run_all(db, step)
    for number in range(count):
        text = '{"inputs": {"prompt": "a red apple"}, "seed": 5}'
        row = (f"j-{number}", "j", f"/p/{number}.png", 100.0, "m", "Model", "a red apple", 5, 8, 8, 1.5, text)
        db.execute(f"INSERT INTO results VALUES ({', '.join('?' * 12)})", row)
    db.execute("INSERT INTO jobs VALUES ('j', 's', 'window', 1, 'succeeded', 1, '{}')")
    db.execute("PRAGMA user_version = 2")
    db.commit()
    db.close()


def test_an_older_database_is_copied_and_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    old_database(path)
    store = Store(path)
    records = Records(store, Journal(tmp_path / "journal"))
    assert records.ids("apple model:model seed:5") == ["j-2", "j-1", "j-0"]
    assert store.seconds_lately("m") == [1.5, 1.5, 1.5]
    (backup,) = (tmp_path / "backups").glob("*.sqlite3")
    copy = sqlite3.connect(backup)
    assert copy.execute("SELECT count(*) FROM results").fetchone() == (3,)
    assert copy.execute("PRAGMA user_version").fetchone() == (2,)
    copy.close()
    store.close()
    Store(path).close()
    assert len(list((tmp_path / "backups").iterdir())) == 1


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "library.sqlite3"
    old_database(path)

    def broken(db: sqlite3.Connection) -> None:
        db.execute("DROP TABLE results")
        raise sqlite3.OperationalError("no room")

    monkeypatch.setattr("app.store.MIGRATIONS", (*MIGRATIONS[:2], broken))
    with pytest.raises(sqlite3.OperationalError):
        Store(path)
    monkeypatch.undo()
    store = Store(path)
    assert len(store.recent(10)) == 3
