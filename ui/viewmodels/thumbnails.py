"""Small versions of any number of pictures: kept on the disk, read beside the GUI thread, what is seen first.

A picture of a camera's size takes a tenth of a second to decode, its kept version a millisecond. Files are named by the
picture's path, time and size, so that a changed picture gets a new one; what cannot be kept is made again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QObject, QSize, Qt, Signal
from PySide6.QtGui import QImage, QImageWriter

from app.files import write_atomically
from ui.viewmodels.pictures import read_picture

log = logging.getLogger(__name__)

SIDE = 384
"""Pixels of the longer side of what is kept on the disk."""
MOST_BYTES = 64 << 20
"""In memory."""
MOST_ON_DISK = 1 << 30
MOST_WAITING = 1_000
"""So many pictures wait to be read; of more, those asked for longest ago are dropped until they are asked for again."""


class Thumbnails(QObject):
    """``get`` answers at once: the image, a null one for a file that is no picture, or None until it ``arrived``."""

    arrived = Signal(str)
    _read = Signal(str, int, QImage)

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self._side = SIDE
        self._images: OrderedDict[str, QImage] = OrderedDict()
        self._bytes = 0
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(2, "thumbnails")
        self._closed = False
        self._read.connect(self._took, Qt.ConnectionType.QueuedConnection)
        self._pool.submit(self._clean)

    def set_side(self, pixels: int) -> None:
        """How large they are shown, in pixels of the screen: smaller ones are held smaller."""
        side = min(SIDE, next((step for step in (128, 192, 256) if pixels <= step), SIDE))
        if side != self._side:
            self._side = side
            self._images.clear()
            self._bytes = 0

    def get(self, path: str) -> QImage | None:
        image = self._images.get(path)
        if image is not None:
            self._images.move_to_end(path)
            return image
        with self._lock:
            fresh = path not in self._waiting
            self._waiting[path] = None
            self._waiting.move_to_end(path)
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
        if fresh and not self._closed:
            self._pool.submit(self._next)
        return None

    def forget(self, path: str) -> None:
        """The file is another one now."""
        image = self._images.pop(path, None)
        self._bytes -= image.sizeInBytes() if image is not None else 0

    def close(self) -> None:
        self._closed = True
        with self._lock:
            self._waiting.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _took(self, path: str, side: int, image: QImage) -> None:
        if side != self._side or self._closed:
            return
        self.forget(path)
        self._images[path] = image
        self._bytes += image.sizeInBytes()
        while self._bytes > MOST_BYTES and len(self._images) > 1:
            self._bytes -= self._images.popitem(last=False)[1].sizeInBytes()
        self.arrived.emit(path)

    # on the pool's threads

    def _next(self) -> None:
        with self._lock:
            if not self._waiting:
                return
            path, _ = self._waiting.popitem()
        side = self._side
        try:
            image = self._small(path)
        except OSError:
            image = QImage()
        except Exception:
            log.exception("no small version of %s", path)
            image = QImage()
        if not self._closed:
            self._read.emit(path, side, _fitted(image, side))

    def _small(self, path: str) -> QImage:
        """From the disk, or made and put there. Raises OSError: the picture is gone."""
        kept = kept_at(self._folder, path, Path(path).stat())
        image = QImage(str(kept)) if kept.exists() else QImage()
        if image.isNull():
            image = read_picture(path, SIDE)
            self._keep(image, kept)
        return image

    @staticmethod
    def _keep(image: QImage, kept: Path) -> None:
        if image.isNull():
            return
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        writer = QImageWriter(buffer, QByteArray(b"png" if image.hasAlphaChannel() else b"jpeg"))
        writer.setQuality(85)
        writer.write(image)
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(kept, bytes(buffer.data().data()))
        except OSError as error:
            log.info("a small version could not be kept: %s", error)

    def _clean(self) -> None:
        """Once a start: of more than there may be, the oldest go."""
        try:
            files = [(file.stat(), file) for file in self._folder.glob("*/*") if not self._closed]
        except OSError:
            return
        over = sum(about.st_size for about, _ in files) - MOST_ON_DISK
        for about, file in sorted(files, key=lambda each: each[0].st_mtime) if over > 0 else ():
            if over <= -MOST_ON_DISK // 5 or self._closed:
                return
            file.unlink(missing_ok=True)
            over -= about.st_size


def kept_at(folder: Path, path: str, about: os.stat_result) -> Path:
    """Where the small version of the picture in ``path`` lies."""
    name = hashlib.sha256(f"{path}\0{about.st_mtime_ns}\0{about.st_size}".encode("utf-8", "replace")).hexdigest()
    return folder / name[:2] / name[2:34]


def _fitted(image: QImage, side: int) -> QImage:
    if image.isNull() or max(image.width(), image.height()) <= side:
        fitted = image
    else:
        mode = Qt.AspectRatioMode.KeepAspectRatio
        fitted = image.scaled(QSize(side, side), mode, Qt.TransformationMode.SmoothTransformation)
    format_ = QImage.Format.Format_ARGB32_Premultiplied if fitted.hasAlphaChannel() else QImage.Format.Format_RGB32
    return fitted.convertToFormat(format_) if not fitted.isNull() else fitted
