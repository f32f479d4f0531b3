"""Printing pictures: the system's own dialog, one picture a page."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from ui.i18n import plural
from ui.viewmodels.desktop import paint_pages


def print_pictures(images: Sequence[QImage], parent: QWidget) -> bool:
    """Ask for a printer and print; False when that was called off or there is nothing to print."""
    from PySide6.QtPrintSupport import QPrintDialog, QPrinter  # loaded with the first page, not with the window

    if not images:
        return False
    printer = QPrinter(QPrinter.PrinterMode.HighResolution)
    printer.setDocName(plural("Picture", "{n} pictures", len(images)))
    dialog = QPrintDialog(printer, parent)
    if dialog.exec() != QPrintDialog.DialogCode.Accepted:
        return False
    paint_pages(images, printer)
    return True
