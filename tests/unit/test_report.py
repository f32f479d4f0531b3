"""What a worker tells while it works: rising progress, a sober seconds-left, previews within 1 % of the time."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models import protocol
from models.card import ModelRef
from models.runners.base import CancelledRunError
from models.worker.report import PREVIEW_SHARE, JobReport


class Bench:
    """A report with a clock that is set by hand."""

    def __init__(self, count: int = 1) -> None:
        self.now = 0.0
        self.sent: list[object] = []
        self.cancelled = threading.Event()
        run = protocol.Run("j", ModelRef("m", "M", "fake"), {}, count, "/out")
        self.report = JobReport(self.sent.append, run, self.cancelled, lambda: self.now)

    def progress(self) -> list[protocol.Progress]:
        return [message for message in self.sent if isinstance(message, protocol.Progress)]

    def picture(self, number: int, steps: int, seconds: float) -> None:
        self.report.begin_picture(number)
        self.report.stage("running")
        for step in range(steps):
            for part in (0.25, 0.5, 0.75):
                self.now += seconds / 4
                self.report.step(step, steps, part)
            self.now += seconds / 4
            self.report.step(step + 1, steps)
        self.report.stage("decoding")
        self.now += seconds


def test_progress_rises_over_all_pictures_and_ends_near_one() -> None:
    bench = Bench(count=3)
    for number in (1, 2, 3):
        bench.picture(number, steps=4, seconds=1.0)
    fractions = [message.fraction for message in bench.progress()]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.95
    assert {(message.picture, message.pictures) for message in bench.progress()} == {(1, 3), (2, 3), (3, 3)}


def test_seconds_left_come_true_within_a_fifth() -> None:
    bench = Bench(count=2)
    for number in (1, 2):
        bench.picture(number, steps=10, seconds=1.0)
    assert bench.now == pytest.approx(22)
    for picture, still in ((1, 22 - 5.25), (2, 11 - 5.25)):
        told = next(message for message in bench.progress() if message.picture == picture and message.step == 6)
        assert told.seconds_left == pytest.approx(still, rel=0.2)


@given(st.lists(st.tuples(st.floats(0.001, 2), st.floats(0.0001, 0.5)), min_size=1, max_size=60))
def test_previews_never_take_more_than_their_share(steps: list[tuple[float, float]]) -> None:
    """Whatever steps and previews cost, once the first preview's cost is known it stays under 1 % of the time."""
    bench = Bench()
    bench.report.stage("running")
    spent = first = 0.0
    for step_seconds, cost in steps:
        cost = first or cost  # a preview costs about the same each time
        bench.now += step_seconds
        if bench.report.wants_preview():
            bench.now += cost
            bench.report.preview(Image.new("RGB", (8, 8)), 64, 64, cost)
            first, spent = cost, spent + cost
    allowed = PREVIEW_SHARE * bench.now
    assert spent <= max(allowed, first), "only the first, of unknown cost, may go over"


def test_no_previews_when_nobody_wants_them() -> None:
    run = protocol.Run("j", ModelRef("m", "M", "fake"), {}, 1, "/out", previews=False)
    report = JobReport(lambda message: None, run, threading.Event(), lambda: 1e9)
    report.stage("running")
    assert not report.wants_preview()


def test_a_checkpoint_raises_only_when_cancelled() -> None:
    bench = Bench()
    bench.report.checkpoint()
    bench.cancelled.set()
    with pytest.raises(CancelledRunError):
        bench.report.checkpoint()
