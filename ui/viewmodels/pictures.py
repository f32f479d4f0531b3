"""Reads pictures from the disk off the GUI thread; answers come as signals, late ones can be told by their ticket."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QImage, QImageReader


def read_picture(path: str, side: int = 0) -> QImage:
    """The picture, at most ``side`` pixels long if that is not 0; a null image when it cannot be read."""
    reader = QImageReader(path)
    reader.setAutoTransform(True)
    reader.setAllocationLimit(2048)
    size = reader.size()
    if side and size.isValid() and max(size.width(), size.height()) > side:
        reader.setScaledSize(size.scaled(QSize(side, side), Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1)))
    return reader.read()


class PictureLoader(QObject):
    """``request`` returns a ticket; ``loaded`` brings it back with the image (null: not readable)."""

    loaded = Signal(int, QImage)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
        self._tickets = itertools.count(1)
        self._closed = False

    def request(self, path: str, side: int = 0) -> int:
        ticket = next(self._tickets)
        if not self._closed:
            self._pool.submit(self._read, ticket, path, side)
        return ticket

    def close(self) -> None:
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _read(self, ticket: int, path: str, side: int) -> None:
        image = read_picture(path, side)
        if not self._closed:
            self.loaded.emit(ticket, image)
