"""Copies of a job's pictures: whole, of the moment they were asked for, once on the disk for all jobs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.dispatch import LoopDispatcher
from app.kept_inputs import KeptInputs
from app.serial import SerialWorker
from models.errors import AtelierError, ErrorCode, InvalidInputError, Problem
from models.swaps import swapped, swapped_error


class Desk:
    """A worker whose answers are waited for."""

    def __init__(self, folder: Path) -> None:
        self.dispatcher = LoopDispatcher()
        self.disk = SerialWorker(self.dispatcher, "test")
        self.outbox = folder / "outbox"
        self.kept = KeptInputs(lambda job: self.outbox / job, self.disk)
        self.found: dict[str, str] = {}

    def keep(self, job: str, paths: dict[str, str]) -> dict[str, str]:
        answers: list[dict[str, str]] = []
        self.kept.keep(job, paths, answers.append)
        self.dispatcher.run_until(lambda: bool(answers), 30)
        return answers[0]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.disk.finish()


def test_the_copy_is_of_the_moment_it_was_asked_for(desk: Desk, tmp_path: Path) -> None:
    mine = tmp_path / "mine.PNG"
    mine.write_bytes(b"before" * 1000)
    busy, answers = threading.Event(), list[dict[str, str]]()
    desk.disk.do(lambda: busy.wait(30))
    desk.kept.keep("one", {str(mine): ""}, answers.append)
    mine.unlink()  # before the disk comes to the copying
    busy.set()
    desk.dispatcher.run_until(lambda: bool(answers), 30)
    copy = Path(answers[0][str(mine)])
    assert copy.read_bytes() == b"before" * 1000
    assert copy.parent == desk.outbox / "one" / "inputs"
    assert copy.suffix == ".png"
    assert [each.name for each in copy.parent.iterdir()] == [copy.name], "nothing half done lies about"


def test_the_same_picture_lies_on_the_disk_once_and_apart_from_the_original(desk: Desk, tmp_path: Path) -> None:
    mine, twin = tmp_path / "mine.png", tmp_path / "twin.png"
    for path in (mine, twin):
        path.write_bytes(b"same" * 500)
    first = desk.keep("one", {str(mine): "", str(twin): ""})
    second = desk.keep("two", {str(mine): ""})
    assert len(set(first.values())) == 2, "each file has a copy of its own name"
    nodes = {Path(copy).stat().st_ino for copy in (*first.values(), *second.values())}
    assert len(nodes) == 1
    mine.write_bytes(b"changed in place")
    assert Path(second[str(mine)]).read_bytes() == b"same" * 500
    for copy in first.values():
        os.unlink(copy)
    assert Path(second[str(mine)]).read_bytes() == b"same" * 500
    third = desk.keep("three", {str(twin): ""})
    assert Path(third[str(twin)]).read_bytes() == b"same" * 500


def test_what_is_kept_already_is_not_copied_again(desk: Desk, tmp_path: Path) -> None:
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"first")
    first = desk.keep("one", {str(mine): ""})
    mine.write_bytes(b"second")
    assert desk.keep("one", first) == first
    assert Path(first[str(mine)]).read_bytes() == b"first"
    os.unlink(first[str(mine)])
    again = desk.keep("one", first)
    assert Path(again[str(mine)]).read_bytes() == b"second"


def test_what_cannot_be_copied_is_left_out(desk: Desk, tmp_path: Path) -> None:
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"here")
    assert list(desk.keep("one", {str(tmp_path / "never.png"): "", str(mine): ""})) == [str(mine)]
    (desk.outbox / "two").mkdir(parents=True)
    (desk.outbox / "two" / "inputs").write_text("in the way")
    assert desk.keep("two", {str(mine): ""}) == {}


def test_paths_are_exchanged_everywhere_but_in_words() -> None:
    inputs = {
        "prompt": "/a.png",
        "image": "/a.png",
        "steps": 3,
        "controls": [{"name": "edges", "image": "/b.png"}],
        "regions": [{"mask": "/a.png", "prompt": "/a.png"}],
    }
    assert swapped(inputs, {"/a.png": "/1", "/b.png": "/2"}) == {
        "prompt": "/a.png",
        "image": "/1",
        "steps": 3,
        "controls": [{"name": "edges", "image": "/2"}],
        "regions": [{"mask": "/1", "prompt": "/a.png"}],
    }


def test_errors_name_the_persons_own_file() -> None:
    gone = AtelierError(ErrorCode.PICTURE_UNREADABLE, "", path="/1", reason="cut off")
    assert swapped_error(gone, {"/1": "/a.png"}).info.facts == {"path": "/a.png", "reason": "cut off"}
    black = InvalidInputError(Problem("mask", "/1", "Mask is black everywhere."))
    assert swapped_error(black, {"/1": "/a.png"}).info.problems[0].value == "/a.png"
