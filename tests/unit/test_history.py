"""The library as windows use it: answers on the owner thread, changes announced, long work stoppable."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app import events as announced
from app.core import Core
from app.dispatch import LoopDispatcher
from app.export import Export
from app.jobs import Result
from app.journal import Journal
from app.paths import default_paths
from app.records import Records
from app.store import Store
from models import recipe
from models.card import ModelRef
from models.errors import ErrorInfo
from tests.unit import foreign_texts as written
from tests.unit.test_metadata_readers import png


class Desk:
    """A real core without an engine, and what it announced."""

    def __init__(self) -> None:
        self.loop = LoopDispatcher()
        self.core = Core(default_paths(), self.loop, origin="cli")
        self.told: list[Any] = []
        for kind in (announced.LibraryChanged, announced.ResultRemoved, announced.ResultAdded):
            self.core.events.subscribe(kind, self.told.append)

    def make(self, job: str) -> str:
        made = recipe.build(ModelRef("m", "M", "diffusers"), {"prompt": f"a {job}", "width": 8, "height": 8}, 1,
                            {"picture": 1}, {"job": job})  # fmt: skip
        path = self.core.paths.outbox / job / "1.png"
        path.parent.mkdir()
        recipe.save_png(Image.new("RGB", (8, 8)), path, made)
        return self.core.library.take_in(job)[0].id

    def answer(self, call: Any, *arguments: Any, **options: Any) -> Any:
        got: list[Any] = []
        wrong: list[ErrorInfo] = []
        call(*arguments, then=got.append, failed=wrong.append, **options)
        assert self.loop.run_until(lambda: bool(got or wrong), 20)
        assert not wrong, wrong
        return got[0]

    def until(self, kind: type) -> Any:
        assert self.loop.run_until(lambda: any(isinstance(one, kind) for one in self.told), 20)
        return next(one for one in self.told if isinstance(one, kind))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path / "home"))
    made = Desk()
    yield made
    made.core.close()


def fail(error: ErrorInfo) -> None:
    raise AssertionError(error)


def test_searching_and_marking(desk: Desk) -> None:
    one, two = desk.make("cat"), desk.make("dog")
    history = desk.core.history
    history.rate([one], 5, fail)
    assert desk.until(announced.LibraryChanged).ids == (one,)
    history.tag([one, two], ["pet"], [], fail)
    history.note(two, "good", fail)
    history.favour([two], True, fail)
    assert desk.answer(history.collect, "Animals", [one, two]).count == 2
    assert [result.id for result in desk.answer(history.page, "pet rating:5").results] == [one]
    assert desk.answer(history.count, "tag:pet") == 2
    assert desk.answer(history.ids, "collection:animals") == [two, one]
    assert desk.answer(history.record, two).note == "good"
    line, children = desk.answer(history.family, one)
    assert ([record.result.id for record in line], children) == ([one], [])
    history.uncollect(history.records.collection("Animals").id, [one], fail)  # type: ignore[union-attr]
    assert desk.answer(history.collect, "Animals", []).count == 1


def test_the_trash_is_announced_and_undone(desk: Desk) -> None:
    one = desk.make("cat")
    history = desk.core.history
    (gone,) = desk.answer(history.throw, [one])
    assert desk.until(announced.ResultRemoved).id == one
    assert not Path(gone.result.path).exists()
    desk.answer(history.restore, [one])
    assert desk.until(announced.ResultAdded).result.id == one
    desk.answer(history.throw, [one])
    assert desk.answer(history.purge, None) == [one]
    assert desk.answer(history.count, "is:trash") == 0


def test_what_cannot_be_kept_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = desk.make("cat")
    wrong: list[ErrorInfo] = []

    def full(entries: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(desk.core.history.records.journal, "add", full)
    desk.core.history.rate([one], 5, wrong.append)
    assert desk.loop.run_until(lambda: bool(wrong), 20)
    assert wrong[0].code.value == "disk_full"
    assert desk.core.history.records.get(one).rating == 0  # type: ignore[union-attr]


def test_importing_looking_and_exporting(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    for number in range(5):
        png(folder / f"{number}.png", {"parameters": written.A1111_OLD.replace("Seed: 5", f"Seed: {number}")})
    steps: list[tuple[int, int]] = []

    def go_on(done: int, total: int) -> bool:
        steps.append((done, total))
        return True

    history = desk.core.history
    done = desk.answer(history.gather, folder, go_on)
    assert (done.added, steps[-1][0]) == (5, steps[-1][1])
    assert desk.until(announced.LibraryChanged).ids == ()
    (folder / "3.png").rename(folder / "moved.png")
    assert desk.answer(history.look_for_moved, go_on).found == 1
    chosen = desk.answer(history.page, "seed:3").results
    (path,) = desk.answer(history.export, chosen, tmp_path / "out", Export("webp"), go_on)
    assert path.suffix == ".webp"


def test_a_stopped_import_answers_nothing_and_goes_on_later(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.gather.GROUP", 1)
    monkeypatch.setattr("app.background._EVERY", 0.0)
    folder = tmp_path / "old"
    folder.mkdir()
    for number in range(40):
        png(folder / f"{number:02}.png", {"parameters": written.A1111_OLD})
    history = desk.core.history
    assert desk.answer(history.gather, folder, lambda done, total: False) is None
    listed = desk.answer(history.count, "is:imported")
    again = desk.answer(history.gather, folder, lambda done, total: True)
    assert (again.known, again.added) == (listed, 40 - listed)


def test_two_programs_write_at_once(tmp_path: Path) -> None:
    """A window and a command line have the same file open; numbers are given once, and nothing is lost."""
    stores = [Store(tmp_path / "library.sqlite3") for _ in range(3)]
    wrong: list[Exception] = []

    def work(place: int) -> None:
        try:
            records = Records(stores[place], Journal(tmp_path / "journal"))
            for number in range(40):
                key = f"{place}-{number}"
                stores[place].add_result(Result(key, "", f"/{key}.png", 5.0, "m", "M", "a cat", 1, 8, 8, {}))
                records.tag([key], ["x"])
        except Exception as error:  # noqa: BLE001 - whatever it is, the test has to see it
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    records = Records(stores[0], Journal(tmp_path / "journal"))
    assert records.count("tag:x") == records.count("") == 120
    assert len(set(stores[0].query("SELECT number FROM results"))) == 120
    assert len(list(records.journal.entries())) == 120
    for store in stores:
        store.close()
