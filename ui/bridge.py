"""The dispatcher of the window: functions posted from any thread run on the GUI thread, in small portions."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, QTimer, Signal

log = logging.getLogger(__name__)

SLICE_SECONDS = 0.006


class QtDispatcher(QObject):
    """Runs what is posted in the order it came; after ``SLICE_SECONDS`` it lets the window breathe first."""

    _woken = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._awake = False
        self._woken.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def post(self, function: Callable[[], None]) -> None:
        with self._lock:
            self._waiting.append(function)
            if self._awake:
                return
            self._awake = True
        self._woken.emit()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._awake = False
            return None

    def _run(self) -> None:
        end = time.monotonic() + SLICE_SECONDS
        while (function := self._next()) is not None:
            try:
                function()
            except Exception:
                log.exception("a posted function failed")
            if time.monotonic() > end:
                QTimer.singleShot(0, self._run)
                return
