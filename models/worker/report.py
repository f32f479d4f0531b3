"""Turns what a runner says into messages: progress with seconds left, previews within their share of the time."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

from PIL import Image

from models import protocol
from models.runners.base import CancelledRunError

PREVIEW_SHARE = 0.01
"""Of a run's time, at most this much goes into previews."""

_PREVIEW_PAUSE = 0.1  # seconds between previews at least: nobody sees more
_CAUTION = 1.5  # times the dearest preview so far is what the next one is taken to cost
_PREVIEW_GUESS = 0.001  # seconds the first preview is taken to cost
_PROGRESS_PAUSE = 0.04  # seconds between progress messages at least
_DECODE_SHARE = 0.1  # of a picture's time, guessed until one was decoded


class SilentReport:
    """For loading ahead of time: nothing but the loading is told, nothing can be cancelled."""

    def __init__(self, send: Callable[[object], None], model: str, job: str = "") -> None:
        self.send = send
        self.model = model
        self.job = job

    def loading(self, fraction: float, what: str) -> None:
        self.send(protocol.Loading(self.model, fraction, what, self.job))

    def step(self, step: int, steps: int, within: float = 0.0) -> None: ...

    def preview(self, image: Image.Image, width: int, height: int, seconds: float) -> None: ...

    def wants_preview(self) -> bool:
        return False

    def stage(self, stage: str) -> None: ...

    def notice(self, code: str, **facts: str | int | float) -> None: ...

    def checkpoint(self) -> None: ...


class JobReport(SilentReport):
    """One job's report. ``picture`` is set by the worker before each picture, counted from 1."""

    def __init__(
        self,
        send: Callable[[object], None],
        run: protocol.Run,
        cancelled: threading.Event,
        clock: Callable[[], float],
        preview_cost: float = 0.0,
    ) -> None:
        """``preview_cost`` is what previews have cost in earlier jobs, in seconds; 0 while that is not known."""
        super().__init__(send, run.model.id, run.job)
        self.pictures = run.count
        self.picture = 1
        self._previews = run.previews
        self._cancelled = cancelled
        self._clock = clock
        self._stage = ""
        self._done = 0.0  # of this picture, 0..1
        self._told = (0, 0)
        self._told_at = 0.0
        self._picture_began = clock()
        self._steps_began: float | None = None
        self._picture_seconds = 0.0
        self._preview_spent = 0.0
        self.preview_cost = preview_cost
        self._preview_at = 0.0
        self.preview_seconds = 0.0

    def begin_picture(self, picture: int) -> None:
        now = self._clock()
        if picture > self.picture and self._stage:
            self._picture_seconds = now - self._picture_began
        self.picture = picture
        self._picture_began, self._steps_began = now, None
        self._done, self._told, self._stage = 0.0, (0, 0), ""

    def checkpoint(self) -> None:
        if self._cancelled.is_set():
            raise CancelledRunError

    def stage(self, stage: str) -> None:
        if stage == self._stage:
            return
        self._stage = stage
        if stage == "running":
            self._steps_began = self._clock()
            self._preview_spent = 0.0
        self.send(protocol.Stage(self.job, self.picture, stage))

    def step(self, step: int, steps: int, within: float = 0.0) -> None:
        now = self._clock()
        last = step == steps
        if last and self._told == (step, steps):
            return
        # Nobody can read faster, and each message costs the run some time.
        if not last and steps == self._told[1] and now - self._told_at < _PROGRESS_PAUSE:
            return
        self._told, self._told_at = (step, steps), now
        self._done = min(1.0, (step + within) / max(steps, 1))
        picture_share = self._done * (1 - _DECODE_SHARE)
        fraction = (self.picture - 1 + picture_share) / self.pictures
        shown = min(step + 1, steps)
        self.send(
            protocol.Progress(self.job, self.picture, self.pictures, shown, steps, fraction, self._seconds_left(now))
        )

    def _seconds_left(self, now: float) -> float:
        """From the pace of this picture's steps, or of the picture before it; -1 while nothing is known."""
        later = self.pictures - self.picture
        if self._steps_began is None or self._done < 0.02:
            return -1.0 if not self._picture_seconds else self._picture_seconds * (later + 1)
        steps_whole = (now - self._steps_began) / self._done
        whole = self._picture_seconds or steps_whole / (1 - _DECODE_SHARE)
        return max(0.0, steps_whole * (1 - self._done) + (whole - steps_whole) + later * whole)

    def wants_preview(self) -> bool:
        """True when the next preview, if it costs as much as the last, keeps all of them under 1 % of the run."""
        if not self._previews or self._steps_began is None:
            return False
        now = self._clock()
        if now - self._preview_at < _PREVIEW_PAUSE:
            return False
        expected = _CAUTION * self.preview_cost or _PREVIEW_GUESS
        return self._preview_spent + expected <= PREVIEW_SHARE * (now - self._steps_began)

    def preview(self, image: Image.Image, width: int, height: int, seconds: float) -> None:
        began = self._clock()
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=80)
        self.send(protocol.Preview(self.job, self.picture, width, height, buffer.getvalue()))
        now = self._clock()
        cost = seconds + (now - began)
        # The dearest counts, and is forgotten slowly: a share that must not be passed is planned for bad luck.
        self.preview_cost = max(cost, 0.9 * self.preview_cost)
        self._preview_spent += cost
        self.preview_seconds += cost
        self._preview_at = now

    def notice(self, code: str, **facts: str | int | float) -> None:
        self.send(protocol.Notice(self.job, code, facts))


def real_clock() -> float:
    return time.perf_counter()
