"""Work off the GUI thread whose answer comes back to it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal

log = logging.getLogger(__name__)


class Later(QObject):
    """``run(work, then)`` calls ``work`` on another thread and ``then`` with its answer on this one.

    What ``work`` raises is handed to ``failed`` instead; without that it is logged.
    """

    _done = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="canvas")
        self._closed = False
        self._done.connect(self._answer, Qt.ConnectionType.QueuedConnection)

    def run(
        self, work: Callable[[], Any], then: Callable[[Any], object], failed: Callable[[Exception], None] | None = None
    ) -> None:
        if not self._closed:
            self._pool.submit(self._work, work, then, failed or _log)

    def close(self) -> None:
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _work(
        self, work: Callable[[], Any], then: Callable[[Any], object], failed: Callable[[Exception], None]
    ) -> None:
        try:
            answer = work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the asker is told
            self._send(failed, error)
        else:
            self._send(then, answer)

    def _send(self, function: Callable[[Any], object], answer: Any) -> None:
        if not self._closed:
            self._done.emit(function, answer)

    def _answer(self, function: Callable[[Any], object], answer: Any) -> None:
        if not self._closed:
            function(answer)


def _log(error: Exception) -> None:
    log.error("work off the GUI thread failed", exc_info=error)
