"""Asking the desktop to open things. One place, so that tests can watch it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices


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
        open_folder(str(Path(path).parent))
