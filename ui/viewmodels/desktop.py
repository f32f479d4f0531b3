"""Asking the desktop for things: to open a folder, to take pictures to the clipboard, to fill a printer's pages. One
place, so that tests can watch it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData, QRect, QSize, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication, QImage, QPagedPaintDevice, QPainter


def open_folder(folder: str) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(folder))


def open_link(url: str) -> None:
    """Open a page in the browser; anything that is no web address is left alone."""
    if url.startswith(("https://", "http://")):
        QDesktopServices.openUrl(QUrl(url))


def reveal(path: str) -> None:
    """Show the file in the file manager, selected where the system can do that."""
    if sys.platform == "win32":
        subprocess.Popen(["explorer", "/select,", path])
    elif sys.platform == "darwin":
        subprocess.Popen(["open", "-R", path])
    else:
        _show_item(path)


def _show_item(path: str) -> None:
    """Ask the running file manager over the session bus; where none answers, just open the folder."""

    def plain() -> None:
        open_folder(str(Path(path).parent))

    try:
        from PySide6.QtDBus import QDBusConnection, QDBusMessage, QDBusPendingCallWatcher  # only when it is wanted
    except ImportError:
        plain()
        return
    bus = QDBusConnection.sessionBus()
    if not bus.isConnected():
        plain()
        return
    name = "org.freedesktop.FileManager1"
    call = QDBusMessage.createMethodCall(name, "/org/freedesktop/FileManager1", name, "ShowItems")
    call.setArguments([[QUrl.fromLocalFile(path).toString(QUrl.ComponentFormattingOption.FullyEncoded)], ""])

    def answered(watcher: QDBusPendingCallWatcher) -> None:
        watcher.deleteLater()
        if watcher.isError():
            plain()

    QDBusPendingCallWatcher(bus.asyncCall(call, 2000), QGuiApplication.instance()).finished.connect(answered)


def picture_data(paths: Sequence[str], image: QImage | None = None) -> QMimeData:
    """Pictures as files, for file managers, mails and chats; with ``image`` also its pixels, for painting programs."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(path) for path in paths])
    if image is not None and not image.isNull():
        data.setImageData(image)
    return data


def copy_pictures(paths: Sequence[str], image: QImage | None = None) -> None:
    """To the clipboard, as files and as a picture at once: whatever pastes takes what it knows."""
    if paths:
        QGuiApplication.clipboard().setMimeData(picture_data(paths, image))


def paint_pages(images: Sequence[QImage], device: QPagedPaintDevice) -> None:
    """Each picture on a page of its own."""
    painter = QPainter(device)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    try:
        for number, image in enumerate(images):
            if number:
                device.newPage()
            painter.drawImage(place_on(painter.viewport(), image.size()), image)
    finally:
        painter.end()


def place_on(page: QRect, size: QSize) -> QRect:
    """As large as the page allows, in its middle, with the picture's shape kept."""
    place = QRect(page.topLeft(), size.scaled(page.size(), Qt.AspectRatioMode.KeepAspectRatio))
    place.moveCenter(page.center())
    return place
