"""The row of a prompt: the words, how many tokens they are, and small buttons that come when they are of use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QWidget

from ui.i18n import tr
from ui.widgets.controls import Button, IconButton, label, mark, tabular
from ui.widgets.fields import Field, Schema
from ui.widgets.flow import FlowLayout
from ui.widgets.prompt_edit import Marks, Offers, PromptEdit, Reweigh


class PromptField(Field):
    """``styles_wanted``, ``examples_wanted`` and ``history_wanted`` carry the place on the screen where a menu or a
    popover belongs; ``style_dropped`` the name of a style that was taken away."""

    styles_wanted = Signal(QPoint)
    examples_wanted = Signal(QPoint)
    history_wanted = Signal(QPoint)
    style_dropped = Signal(str)

    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default)
        self._optional = default is None
        first = name == "prompt"
        self.edit = PromptEdit(104 if first else 58, 240 if first else 140, f"create.{name}")
        self.edit.textChanged.connect(self.note)
        if first:
            self.edit.setPlaceholderText(tr("What do you want to see?"))
        self._count = label("", "hint", "faint")
        self._count.setObjectName(f"create.tokens.{name}")
        self._count.setFont(tabular(self._count.font()))
        self._hint = label("", "hint", "warn", wrap=True)
        self._hint.setObjectName(f"create.hint.{name}")
        self._hint.hide()
        self.adopt(self.edit, "create.prompt" if first else "")
        self.header.addWidget(self._count)
        self._dice = self._button("dices", tr("Show what the alternatives become"), "examples", self.examples_wanted)
        self._dice.hide()
        self.body.addWidget(self.edit)
        self._chips = QWidget()
        self._chip_line = FlowLayout(6, self._chips, centred=False)
        self._chip_line.setContentsMargins(0, 4, 0, 0)
        self._chips.hide()
        if first:
            self._button("history", tr("Earlier prompts"), "history", self.history_wanted)
            self._button("wand-sparkles", tr("Styles and presets"), "styles", self.styles_wanted)
            self.body.addWidget(self._chips)
        self.body.addWidget(self._hint)
        self.finish()

    def _button(self, icon_name: str, words: str, name: str, wanted: Any) -> IconButton:
        button = IconButton(icon_name, words, f"create.{self.name}.{name}", 15)
        button.clicked.connect(lambda: wanted.emit(button.mapToGlobal(button.rect().bottomRight())))
        self.header.addWidget(button)
        return button

    def serve(self, marks: Marks, offers: Offers, reweigh: Reweigh) -> None:
        self.edit.serve(marks, offers, reweigh)

    def show_count(self, words: str, tone: str, hint: str) -> None:
        """How many tokens the words are; empty while there is nothing to say."""
        self._count.setText(words)
        self._count.setToolTip(hint)
        self._count.setAccessibleName(tr("Tokens: {count}", count=words) if words else "")
        self._count.setAccessibleDescription(hint)
        mark(self._count, tone=tone or "faint")

    def count_words(self) -> str:
        return self._count.text()

    def show_hint(self, words: str, dynamic: bool) -> None:
        self._hint.setText(words)
        self._hint.setVisible(bool(words))
        self._dice.setVisible(dynamic)

    def hint_words(self) -> str:
        return self._hint.text()

    def show_styles(self, names: Sequence[str]) -> None:
        """The chosen styles as chips that take them away."""
        while (item := self._chip_line.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.setParent(None)
                old.deleteLater()
        for name in names:
            chip = Button(name if len(name) <= 28 else f"{name[:26]}…", "toggle", "x")
            chip.setObjectName(f"create.style.{name}")
            chip.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
            chip.setAccessibleName(tr("Take away the style {name}", name=name))
            chip.setToolTip(tr("Take away the style {name}", name=name))
            chip.clicked.connect(lambda _=False, name=name: self.style_dropped.emit(name))
            self._chip_line.addWidget(chip)
        self._chips.setVisible(bool(names))
        self._chips.updateGeometry()

    # as every field

    def value(self) -> Any:
        text = self.edit.toPlainText()
        return None if self._optional and not text else text

    def show_value(self, value: Any) -> None:
        if value == self.value():
            return
        was = self.edit.blockSignals(True)
        self.edit.setPlainText("" if value is None else str(value))
        self.edit.blockSignals(was)

    def _show_reset(self) -> None:
        # Words are the user's own; a reset button beside them would only be in the way.
        self._reset.hide()
