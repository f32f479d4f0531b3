"""The owner thread: services change their state on one thread only, other threads ``post`` functions to it.

So services need no locks. The window posts through a Qt signal (``ui.bridge``), the command line
through ``LoopDispatcher``.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol


class Dispatcher(Protocol):
    def post(self, function: Callable[[], None]) -> None:
        """Run ``function`` on the owner thread soon. Callable from any thread."""


def later(dispatcher: Dispatcher, seconds: float, function: Callable[[], None]) -> threading.Timer:
    """Run ``function`` on the owner thread in ``seconds``; the timer, already running, does not keep the program."""
    timer = threading.Timer(seconds, lambda: dispatcher.post(function))
    timer.daemon = True
    timer.start()
    return timer


class LoopDispatcher:
    """A plain loop: the thread that calls ``run_until`` is the owner."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def post(self, function: Callable[[], None]) -> None:
        self._queue.put(function)

    def run_until(
        self, done: Callable[[], bool], timeout: float | None = None, tick: Callable[[], None] | None = None
    ) -> bool:
        """Run posted functions until ``done()``; False when ``timeout`` seconds passed first. ``tick`` runs often."""
        end = None if timeout is None else time.monotonic() + timeout
        while not done():
            if end is not None and time.monotonic() > end:
                return False
            with contextlib.suppress(queue.Empty):
                self._queue.get(timeout=0.1)()
            if tick is not None:
                tick()
        return True
