"""The field one searches by typing."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit

from ui.i18n import tr
from ui.theme.icons import icon


class SearchField(QLineEdit):
    """Down and Enter are told, for whoever wants to lead from here into what was found."""

    down_wanted = Signal()
    enter_pressed = Signal()

    def __init__(self, name: str, title: str, hint: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setPlaceholderText(hint)
        self.setMinimumWidth(160)
        self.addAction(icon("search"), QLineEdit.ActionPosition.LeadingPosition).setToolTip(tr("Search"))
        empty = self.addAction(icon("x"), QLineEdit.ActionPosition.TrailingPosition)
        empty.setToolTip(tr("Clear"))
        empty.setVisible(False)
        empty.triggered.connect(self.clear)
        self.textChanged.connect(lambda text: empty.setVisible(bool(text)))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.modifiers():
            self.enter_pressed.emit()
        elif event.key() == Qt.Key.Key_Down and not event.modifiers():
            self.down_wanted.emit()
        else:
            super().keyPressEvent(event)
