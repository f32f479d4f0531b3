"""Asking for a line of text: a name, tags."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QLineEdit, QWidget

from ui.views.models_dialogs import AskDialog


class TextDialog(AskDialog):
    """Asks for a line of text; ``then`` is called with it, never with an empty one."""

    def __init__(
        self,
        title: str,
        icon_name: str,
        hint: str,
        yes: str,
        parent: QWidget,
        then: Callable[[str], None],
        text: str = "",
    ) -> None:
        super().__init__("gallery.ask", title, icon_name, parent)
        self.field = QLineEdit(text)
        self.field.setObjectName("gallery.ask.text")
        self.field.setAccessibleName(hint)
        self.field.setPlaceholderText(hint)
        self.field.setMaxLength(200)
        self.body.addWidget(self.field)
        self.add_cancel("gallery.ask.no")
        self.yes = self.add_button("gallery.ask.yes", yes, "accent")
        self.yes.clicked.connect(lambda: self.leave(lambda: then(self.field.text().strip())))
        self.field.returnPressed.connect(self.yes.click)
        self.field.textChanged.connect(self._changed)
        self._changed()
        self.field.selectAll()
        self.field.setFocus()

    def _changed(self) -> None:
        self.yes.setEnabled(bool(self.field.text().strip()))
