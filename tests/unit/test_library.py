"""Store and library: pictures are taken in exactly once, whatever was interrupted, and the index can be rebuilt."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import msgspec
import pytest
from PIL import Image, PngImagePlugin

from app.jobs import Job
from app.library import Library
from app.states import JobState
from app.store import DamagedLibraryError, Store
from models import recipe
from models.card import ModelRef

MODEL = ModelRef("pocket", "Pocket", "diffusers", revision="r1")


def put(outbox: Path, job: str, number: int, prompt: str = "Red apple!", seed: int = 5) -> Path:
    inputs = {"prompt": prompt, "width": 8, "height": 8, "steps": 3, "guidance_scale": 2.0, "scheduler": "euler"}
    made = recipe.build(MODEL, inputs, seed, {"seconds": 1.5, "picture": number}, {"job": job, "atelier": "0.1"})
    path = outbox / job / f"{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    recipe.save_png(Image.new("RGB", (8, 8), "red"), path, made)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "library.sqlite3")


@pytest.fixture
def library(tmp_path: Path, store: Store) -> Library:
    (tmp_path / "outbox").mkdir()
    return Library(store, tmp_path / "outbox", tmp_path / "pictures")


def test_a_picture_goes_into_the_library_with_its_recipe(tmp_path: Path, library: Library) -> None:
    put(tmp_path / "outbox", "job", 1)
    (result,) = library.take_in("job")
    path = Path(result.path)
    assert path.is_file()
    assert path.name.endswith("red-apple-5.png")
    assert (result.prompt, result.seed, result.model, result.width) == ("Red apple!", 5, "pocket", 8)
    assert library.recent()[0] == result
    assert recipe.read(path) is not None
    with Image.open(path) as picture:
        assert picture.info["parameters"] == (
            "Red apple!\n"
            "Steps: 3, Sampler: Euler, CFG scale: 2.0, Seed: 5, Size: 8x8, Model: Pocket, Version: Atelier 0.1"
        )


def test_taking_in_twice_changes_nothing(tmp_path: Path, library: Library) -> None:
    put(tmp_path / "outbox", "job", 1)
    first = library.take_in("job")
    put(tmp_path / "outbox", "job", 1)  # as if the program had died before the file was moved away
    assert library.take_in("job") == first
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 1
    assert not list((tmp_path / "outbox").rglob("*.png"))


def test_a_crash_between_row_and_move_is_made_good(
    tmp_path: Path, library: Library, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "outbox", "job", 1)

    def killed(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("app.library.move_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            library.take_in("job")
    assert len(store.results_of("job")) == 1
    (result,) = library.take_in("job")
    assert Path(result.path).is_file()


def test_a_full_disk_leaves_the_picture_in_the_outbox(
    tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = put(tmp_path / "outbox", "job", 1)

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("app.library.move_atomically", full)
        with pytest.raises(OSError, match="No space"):
            library.take_in("job")
    assert source.is_file()
    assert library.recent() == []
    assert len(library.take_in("job")) == 1


def test_pictures_keep_their_order_past_nine(tmp_path: Path, library: Library) -> None:
    for number in range(1, 12):
        put(tmp_path / "outbox", "job", number, seed=number)
    assert [result.recipe["picture"] for result in sorted(library.take_in("job"), key=lambda r: r.created)] == list(
        range(1, 12)
    )


def test_orphans_are_taken_in_and_the_living_left_alone(tmp_path: Path, library: Library) -> None:
    put(tmp_path / "outbox", "dead", 1)
    put(tmp_path / "outbox", "alive", 1)
    found = library.take_in_orphans(lambda: frozenset({"alive"}))
    assert [result.job for result in found] == ["dead"]
    assert (tmp_path / "outbox" / "alive" / "1.png").exists()
    assert not (tmp_path / "outbox" / "dead").exists()


@pytest.mark.parametrize("prompt", ["", "///", "né à Paris", "a" * 300, "..", "con\n\x00"])
def test_any_prompt_makes_a_usable_file_name(tmp_path: Path, library: Library, prompt: str) -> None:
    put(tmp_path / "outbox", "job", 1, prompt=prompt)
    (result,) = library.take_in("job")
    path = Path(result.path)
    assert path.is_file()
    assert path.parent.parent == tmp_path / "pictures"
    assert len(path.name) < 100


def test_the_index_is_rebuilt_from_the_pictures(tmp_path: Path, library: Library) -> None:
    for number in (1, 2, 3):
        put(tmp_path / "outbox", "job", number, seed=number)
    made = library.take_in("job")
    odd = {"null.png": '{"seed": null}', "list.png": "[1]", "text.png": '{"model": "x"}', "big.png": '{"seed": 1e300}'}
    for name, text in odd.items():
        info = PngImagePlugin.PngInfo()
        info.add_itxt("atelier", text)
        Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / name, pnginfo=info)
    fresh = Library(Store(tmp_path / "other.sqlite3"), tmp_path / "outbox", tmp_path / "pictures")
    fresh.rebuild()
    found = {result.id: result for result in fresh.recent()}
    for result in made:
        again = found[result.id]
        assert (again.path, again.prompt, again.seed, again.job) == (result.path, result.prompt, result.seed, "job")


def test_a_damaged_database_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    path.write_bytes(os.urandom(5000))
    with pytest.raises(DamagedLibraryError) as caught:
        Store(path)
    assert caught.value.aside.stat().st_size == 5000
    assert Store(path).recent(5) == []


def test_jobs_come_back_in_order(store: Store) -> None:
    jobs = [Job(f"j{n}", "m", "M", {"prompt": str(n)}, 1, 1.0) for n in range(3)]
    for place, job in zip((2.0, 0.0, 1.0), jobs, strict=True):
        store.save_job(job, "s", "window", place)
    store.save_job(msgspec.structs.replace(jobs[0], state=JobState.FAILED), "s", "window", -1)
    store.save_job(Job("done", "m", "M", {}, 1, 1.0, state=JobState.SUCCEEDED), "s", "window", 5)
    assert [job.id for job, _, _ in store.open_jobs()] == ["j0", "j1", "j2"]


def test_a_row_that_cannot_be_read_does_not_hide_the_others(store: Store, tmp_path: Path) -> None:
    store.save_job(Job("good", "m", "M", {}, 1, 1.0), "s", "window", 0)
    db = sqlite3.connect(tmp_path / "library.sqlite3")
    db.execute("INSERT INTO jobs VALUES ('bad', 's', 'window', 1, 'queued', 1, '{broken')")
    db.commit()
    db.close()
    assert [job.id for job, _, _ in store.open_jobs()] == ["good"]


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"text", bytes(64)])
def test_files_without_a_recipe_are_not_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    assert recipe.read(path) is None


def test_two_programs_may_start_for_the_first_time_at_once(tmp_path: Path) -> None:
    barrier = threading.Barrier(4)
    failures: list[Exception] = []

    def start() -> None:
        barrier.wait()
        try:
            Store(tmp_path / "library.sqlite3").close()
        except (sqlite3.Error, DamagedLibraryError, OSError) as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_read_that_is_under_way_does_not_hide_a_new_picture(tmp_path: Path, library: Library, store: Store) -> None:
    """The window reads while the disk thread lists: each has to see what is there now."""
    for number in (1, 2):
        put(tmp_path / "outbox", "old", number)
    library.take_in("old")
    reading = store._reader.execute("SELECT id FROM results")
    reading.fetchone()  # half way: this connection stays in the present of its first row
    put(tmp_path / "outbox", "new", 1)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(len(library.take_in("new"))))
    thread.start()
    thread.join()
    reading.close()
    assert found == [1]


def test_rows_that_cannot_be_do_not_keep_the_library_shut() -> None:
    from app.indexing import columns_of, number_of

    assert [number_of(created) for created in (1.5, -3.0, 1e18, float("inf"), float("nan"))] == [1_500_000, 0, 0, 0, 0]
    deep = '{"inputs": ' + "[" * 100_000 + "]" * 100_000 + "}"
    assert columns_of(deep, "Pocket", "/a.png", 1, (8, 8))[0] == ""
