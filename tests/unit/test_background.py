"""Long work on a real thread: answers, errors and progress come to the owner, and the owner can stop it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.background import Background, StoppedError
from app.dispatch import LoopDispatcher
from app.serial import SerialWorker
from models.errors import AtelierError, ErrorCode, ErrorInfo


@pytest.fixture
def loop() -> LoopDispatcher:
    return LoopDispatcher()


@pytest.fixture
def background(loop: LoopDispatcher) -> Iterator[Background]:
    worker = SerialWorker(loop, "test")
    yield Background(worker, loop.post)
    worker.finish()


def answer(loop: LoopDispatcher, background: Background, work: Any) -> Any:
    got: list[tuple[Any, int]] = []
    background.do(work, *(lambda value: got.append((value, threading.get_ident())),) * 2)
    assert loop.run_until(lambda: bool(got), 10)
    assert got[0][1] == threading.get_ident(), "told on the owner thread"
    return got[0][0]


def test_answers_and_errors(loop: LoopDispatcher, background: Background, tmp_path: Path) -> None:
    def fail(error: Exception) -> Any:
        raise error

    assert answer(loop, background, threading.get_ident) != threading.get_ident()
    errors = {
        ErrorCode.OFFLINE: AtelierError(ErrorCode.OFFLINE),
        ErrorCode.DISK_FULL: OSError(28, "No space left on device"),
        ErrorCode.FOLDER_GONE: FileNotFoundError(2, "No such file", str(tmp_path)),
        ErrorCode.INTERNAL: ValueError("a bug"),
    }
    for code, error in errors.items():
        info = answer(loop, background, lambda error=error: fail(error))
        assert isinstance(info, ErrorInfo)
        assert info.code is code


def test_progress_is_told_now_and_then_and_can_stop_the_work(loop: LoopDispatcher, background: Background) -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> bool:
        told.append((done, total))
        return len(told) < 3

    tell = background.meter(progress)

    def work() -> int:
        for step in range(100_000):
            try:
                tell(step, 100_000)
            except StoppedError:
                return step
            time.sleep(0.001)
        return -1

    stopped_at = answer(loop, background, work)
    assert 0 < stopped_at < 20_000
    assert len(told) <= 5, "not a thousand a second"


def test_the_end_of_the_program_stops_the_work(loop: LoopDispatcher) -> None:
    worker = SerialWorker(loop, "test")
    background, begun = Background(worker, loop.post), threading.Event()
    tell, stopped = background.meter(lambda done, total: None), threading.Event()

    def work() -> None:
        try:
            while True:
                begun.set()
                tell(1, 2)
                time.sleep(0.001)
        except StoppedError:
            stopped.set()

    background.do(work, lambda _: None, lambda _: None)
    assert begun.wait(10)
    background.close()
    worker.finish()
    assert stopped.is_set()
