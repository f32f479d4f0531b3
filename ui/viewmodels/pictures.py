"""Reads pictures from the disk off the GUI thread; answers come as signals, late ones can be told by their ticket."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QImage, QImageReader

from ui.viewmodels.levels import levels_of


def read_picture(path: str, side: int = 0) -> QImage:
    """The picture, at most ``side`` pixels long if that is not 0; a null image when it cannot be read."""
    reader = QImageReader(path)
    reader.setAutoTransform(True)
    reader.setAllocationLimit(2048)
    size = reader.size()
    if side and size.isValid() and max(size.width(), size.height()) > side:
        reader.setScaledSize(size.scaled(QSize(side, side), Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1)))
    image: QImage = reader.read()
    return image if not image.isNull() else _read_rare(path, side)


def _read_rare(path: str, side: int) -> QImage:
    """What Qt does not know: AVIF, HEIC, CMYK."""
    from models.errors import AtelierError  # comes with the first such picture, not with the window
    from models.pictures import open_picture
    from ui.viewmodels.opening import from_pillow

    try:
        picture = open_picture(path, alpha=True).image
    except AtelierError:
        return QImage()
    if side:
        picture.thumbnail((side, side))
    return from_pillow(picture)


class PictureLoader(QObject):
    """``request`` returns a ticket; ``loaded`` brings it back with the image (null: not readable).

    ``levelled`` follows with smaller versions of whole pictures that are much larger than any view.
    """

    loaded = Signal(int, QImage)
    levelled = Signal(int, tuple)

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
        if self._closed:
            return
        self.loaded.emit(ticket, image)
        levels = () if side else levels_of(image)
        if levels and not self._closed:
            self.levelled.emit(ticket, levels)
