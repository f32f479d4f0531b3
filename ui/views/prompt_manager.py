"""The window of wildcards, styles, presets and earlier prompts; it may stay open beside the form."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QDialog, QFrame, QStackedWidget, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.viewmodels.prompts import PromptsVM
from ui.views.prompt_lists import HistoryPane, PresetsPane
from ui.views.prompt_panes import Pane, StylesPane, WildcardsPane
from ui.widgets.controls import Button, label, mark, row

SIZE = (780, 540)


class PromptManager(QDialog):
    """``prompt_chosen`` carries a whole prompt, ``word_wanted`` words to put in at the cursor."""

    prompt_chosen = Signal(str)
    word_wanted = Signal(str)

    def __init__(self, vm: PromptsVM, parent: QWidget) -> None:
        super().__init__(parent)
        self._vm = vm
        self.setObjectName("prompts")
        self.setWindowTitle(tr("Wildcards, styles and presets"))
        self.setAccessibleName(tr("Wildcards, styles and presets"))
        self.resize(*SIZE)
        self.wildcards, self.styles = WildcardsPane(vm), StylesPane(vm)
        self.presets, self.history = PresetsPane(vm), HistoryPane(vm)
        self.panes: dict[str, Pane] = {
            "wildcards": self.wildcards, "styles": self.styles, "presets": self.presets, "history": self.history,
        }  # fmt: skip
        self.wildcards.word_wanted.connect(self.word_wanted)
        self.history.chosen.connect(self.prompt_chosen)
        self._stack = QStackedWidget()
        self._segments: dict[str, Button] = {}
        self._undo: Callable[[], object] | None = None
        self._lay_out()
        vm.told.connect(self._tell)

    def _lay_out(self) -> None:
        titles = {
            "wildcards": tr("Wildcards"), "styles": tr("Styles"), "presets": tr("Presets"),
            "history": tr("Earlier prompts"),
        }  # fmt: skip
        group = QButtonGroup(self)
        head = row(spacing=4)
        for name, pane in self.panes.items():
            segment = Button(titles[name], "segment")
            segment.setObjectName(f"prompts.{name}")
            segment.setAccessibleName(titles[name])
            segment.setCheckable(True)
            segment.clicked.connect(lambda _=False, name=name: self.show_pane(name))
            group.addButton(segment)
            head.addWidget(segment)
            self._segments[name] = segment
            self._stack.addWidget(pane)
            pane.undoable.connect(self._done)
        head.addStretch(1)
        self._note = QFrame()
        mark(self._note, surface="note")
        self._words = label("", "secondary", "", wrap=True)
        self._words.setObjectName("prompts.note")
        self._back = Button(tr("Undo"), "quiet", "undo-2")
        self._back.setObjectName("prompts.undo")
        self._back.clicked.connect(self.undo)
        line = row(spacing=8)
        line.setContentsMargins(12, 4, 6, 4)
        line.addWidget(self._words, 1)
        line.addWidget(self._back)
        self._note.setLayout(line)
        self._note.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 16, 20, 16)
        layout.setSpacing(12)
        layout.addLayout(head)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self._note)

    def open_at(self, name: str) -> None:
        self.show_pane(name)
        self.show()
        self.raise_()
        self.activateWindow()
        self.panes[name].list.setFocus(Qt.FocusReason.ActiveWindowFocusReason)

    def show_pane(self, name: str) -> None:
        self._segments[name].setChecked(True)
        self._stack.setCurrentWidget(self.panes[name])
        self._note.hide()
        self.panes[name].load()

    def pane(self) -> Pane:
        found = self._stack.currentWidget()
        assert isinstance(found, Pane)
        return found

    # what was done, and what went wrong

    def _done(self, words: str, undo: Callable[[], object]) -> None:
        self._undo = undo
        self._say(words, "", True)

    def _tell(self, words: str) -> None:
        if self.isVisible():
            self._say(words, "bad", False)

    def _say(self, words: str, tone: str, undo: bool) -> None:
        self._words.setText(words)
        mark(self._words, tone=tone)
        self._back.setVisible(undo)
        self._note.show()

    def undo(self) -> None:
        undo, self._undo = self._undo, None
        self._note.hide()
        if undo is not None:
            self._vm.change(undo, lambda _: self.pane().load())

    def told(self) -> str:
        return self._words.text() if self._note.isVisible() else ""
