"""One background thread that does things in the order they were asked for: disk work off the owner thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from app.dispatch import Dispatcher

log = logging.getLogger(__name__)
T = TypeVar("T")


class SerialWorker:
    """``do`` queues work; its answer, or its error, is posted back to the owner thread."""

    def __init__(self, dispatcher: Dispatcher, name: str) -> None:
        self._dispatcher = dispatcher
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    def do(
        self,
        work: Callable[[], T],
        then: Callable[[T], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Run ``work`` after everything asked for before; then call ``then`` or ``failed`` on the owner thread."""

        def run() -> None:
            try:
                answer = work()
            except Exception as error:
                log.exception("background work failed")
                if failed is not None:
                    self._dispatcher.post(lambda error=error: failed(error))  # type: ignore[misc]
                return
            if then is not None:
                self._dispatcher.post(lambda: then(answer))

        self._pool.submit(run)

    def finish(self) -> None:
        """Wait until everything asked for is done, and end the thread."""
        self._pool.shutdown(wait=True)


class AtOnce:
    """A worker without a thread: what is asked is done before the call returns."""

    def do(
        self,
        work: Callable[[], T],
        then: Callable[[T], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        try:
            answer = work()
        except Exception as error:
            if failed is None:
                raise
            failed(error)
            return
        if then is not None:
            then(answer)
