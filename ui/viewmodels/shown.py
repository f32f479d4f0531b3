"""What stands on the canvas, as plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QImage

from app.jobs import Job
from app.states import ACTIVE


@dataclass(frozen=True)
class Shown:
    """What the user looks at: picture ``number`` of ``job`` (0: whatever it is at), or ``result``, or the picture
    that is worked on."""

    job: str = ""
    number: int = 0
    result: str = ""
    work: bool = False


@dataclass(frozen=True)
class Picture:
    """``image`` is None while there is none yet: then a frame of ``width`` x ``height`` stands in for it."""

    image: QImage | None
    width: int
    height: int
    preview: bool = False
    missing: bool = False
    levels: tuple[QImage, ...] = ()


@dataclass(frozen=True)
class StripItem:
    """One picture of the shown job: made (``result``, ``path``), being made, or still to come."""

    number: int
    result: str
    path: str
    current: bool
    live: bool


def live_number(job: Job) -> int:
    """Which of its pictures ``job`` is making; 0 when it does not run."""
    return max(job.progress.picture, len(job.results) + 1) if job.state in ACTIVE else 0


def strip_items(job: Job, shown: Shown, path_of: Callable[[str], str]) -> list[StripItem]:
    """The pictures of ``job`` beside each other; none when there is only one."""
    if job.count < 2 or (job.ended and not job.results):
        return []
    live = live_number(job)
    items = []
    for number in range(1, (len(job.results) if job.ended else job.count) + 1):
        key = job.results[number - 1] if number <= len(job.results) else ""
        current = key == shown.result if key else number == live and not shown.result
        items.append(StripItem(number, key, path_of(key) if key else "", current, number == live))
    return items
