"""Progress for people: numbered steps with elapsed seconds on standard error, and a live line on a terminal."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from types import TracebackType
from typing import TextIO

HEARTBEAT = 30.0  # seconds between signs of life where there is no terminal


class Problem(Exception):  # noqa: N818  (it is told to the user, not raised at a programmer)
    """Something the user can act on; its text is all that is shown."""


class Report:
    """Where the bootstrap talks. Standard output stays free for the program that it starts."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self._number = 0

    def say(self, text: str) -> None:
        """One plain line."""
        self.stream.write(text + "\n")
        self.stream.flush()

    def step(self, title: str) -> Step:
        """A numbered step, to be used in a ``with`` statement."""
        self._number += 1
        return Step(self, f"{self._number}. {title}")


class Step:
    """One step while it runs."""

    def __init__(self, report: Report, title: str) -> None:
        self._report = report
        self._title = title
        self._status = ""
        self._start = 0.0
        self._shown = 0
        self.failed = False
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def status(self, text: str) -> None:
        """What is going on right now."""
        self._status = text

    @property
    def elapsed(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self._start

    def __enter__(self) -> Step:
        self._start = time.monotonic()
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._ticker.join()
        self._draw("")
        outcome = "stopped" if kind in (KeyboardInterrupt, SystemExit) else "failed" if kind or self.failed else "done"
        self._report.say(f"  {self._title}: {outcome}, {self.elapsed:.1f} s")

    def _tick(self) -> None:
        beat = 1.0  # what is done within a second needs no line of its own
        while not self._ended.wait(0.25):
            if self._report.live:
                self._draw(f"  {self._title} ({self.elapsed:.0f} s) {self._status}")
            elif self.elapsed >= beat:
                self._report.say(
                    f"     {self.elapsed:.0f} s: {self._status or 'still working'}"
                    if beat > 1
                    else f"  {self._title} ..."
                )
                beat = (self.elapsed // HEARTBEAT + 1) * HEARTBEAT

    def _draw(self, text: str) -> None:
        if not self._report.live:
            return
        text = text[: max(20, shutil.get_terminal_size().columns - 1)]
        self._report.stream.write("\r" + text.ljust(self._shown) + ("\r" if not text else ""))
        self._report.stream.flush()
        self._shown = len(text)
