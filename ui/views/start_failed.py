"""The only thing on the screen when the program cannot start: what is wrong, what to do, and the details."""

from __future__ import annotations

from PySide6.QtWidgets import QMessageBox

from ui.i18n import tr
from ui.viewmodels.words import ErrorView


class StartFailed(QMessageBox):
    """A message box, since there is no window to show a card in."""

    def __init__(self, view: ErrorView) -> None:
        super().__init__()
        self.setObjectName("start.failed")
        self.setWindowTitle(tr("Atelier cannot start"))
        self.setIcon(QMessageBox.Icon.Critical)
        self.setText(view.sentence)
        self.setInformativeText(view.advice)
        self.setDetailedText(view.detail)
        self.setStandardButtons(QMessageBox.StandardButton.Close)
