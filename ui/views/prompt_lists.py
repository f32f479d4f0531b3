"""Presets and earlier prompts, as pages of the prompt manager."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QInputDialog, QPlainTextEdit

from ui.i18n import tr
from ui.viewmodels.prompts import PromptsVM
from ui.views.prompt_panes import Pane
from ui.widgets.controls import Switch, label, row


class PresetsPane(Pane):
    def __init__(self, vm: PromptsVM) -> None:
        super().__init__(vm, "presets", tr("Presets"))
        self.about = QPlainTextEdit()
        self.about.setReadOnly(True)
        self.about.setObjectName("prompts.presets.about")
        self.about.setAccessibleName(tr("What it holds"))
        self.about.setTabChangesFocus(True)
        self.right.addWidget(self.about)
        self.use = self.button("use", tr("Apply"), self._use, kind="accent")
        self.rename = self.button("rename", tr("Rename…"), self._ask_name)
        self.right.addLayout(row(None, self.rename, self.use))
        self.remove = self.button("remove", tr("Delete"), self._remove, "trash-2", "quiet")
        for made in (
            self.button("import", tr("Import…"), self._ask_file, "upload", "quiet"),
            self.button("export", tr("Export…"), self._ask_target, "download", "quiet"),
        ):
            self.buttons.addWidget(made)
        self.buttons.addStretch(1)
        self.buttons.addWidget(self.remove)

    def load(self) -> None:
        self.vm.later.run(
            self.vm.prompting.presets.all, lambda found: self.put([(each.name, each.model, each) for each in found])
        )

    def show_current(self) -> None:
        preset = self.current()
        for button in (self.use, self.rename, self.remove):
            button.setEnabled(preset is not None)
        if preset is None:
            self.about.setPlainText(
                tr("A preset is the form as it stands, under a name. Save one from the menu of the prompt.")
            )
            return
        lines = [tr("Model: {name}", name=preset.model)]
        lines += [tr("Styles: {names}", names=", ".join(preset.styles))] if preset.styles else []
        lines += [f"{name}: {value}" for name, value in preset.inputs.items()]
        self.about.setPlainText("\n".join(lines))

    def _use(self) -> None:
        preset = self.current()
        if preset is not None:
            self.vm.apply_preset(preset.name)

    def _ask_name(self) -> None:
        preset = self.current()
        if preset is None:
            return
        name, given = QInputDialog.getText(self, tr("Rename"), tr("Name"), text=preset.name)
        if given and name.strip():
            self.rename_to(name)

    def rename_to(self, name: str) -> None:
        preset = self.current()

        def done(renamed: Any) -> None:
            self.wanted = renamed.name
            self.load()

        if preset is not None:
            self.vm.change(lambda: self.vm.prompting.presets.rename(preset.name, name), done)

    def _remove(self) -> None:
        preset, presets = self.current(), self.vm.prompting.presets
        if preset is None:
            return

        def done(removed: Any) -> None:
            self.undoable.emit(tr("“{name}” was deleted.", name=removed.name), lambda: presets.restore(removed))
            self.load()

        self.vm.change(lambda: presets.remove(preset.name), done)

    def _ask_file(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, tr("Import presets"), "", tr("Presets (*.json)"))
        if file:
            self.vm.change(lambda: self.vm.prompting.presets.take_in(Path(file)), lambda _: self.load())

    def _ask_target(self) -> None:
        file, _ = QFileDialog.getSaveFileName(self, tr("Export presets"), "presets.json", tr("Presets (*.json)"))
        if file:
            self.vm.change(lambda: self.vm.prompting.presets.export(Path(file)))


class HistoryPane(Pane):
    """``chosen`` carries a prompt that is to be written into the form."""

    chosen = Signal(str)

    def __init__(self, vm: PromptsVM) -> None:
        super().__init__(vm, "history", tr("Earlier prompts"))
        self.whole = QPlainTextEdit()
        self.whole.setReadOnly(True)
        self.whole.setObjectName("prompts.history.text")
        self.whole.setAccessibleName(tr("The prompt"))
        self.whole.setTabChangesFocus(True)
        self.right.addWidget(self.whole)
        self.use = self.button("use", tr("Use"), self._use, kind="accent")
        self.right.addLayout(row(None, self.use))
        self.list.itemActivated.connect(lambda _: self._use())
        self.private = Switch()
        self.private.setObjectName("prompts.history.private")
        self.private.setAccessibleName(tr("Private: offer no earlier prompts"))
        self.private.toggled.connect(self._set_private)
        words = label(tr("Private: offer no earlier prompts"), "secondary", "soft")
        words.setBuddy(self.private)
        self.buttons.addWidget(self.private)
        self.buttons.addWidget(words)
        self.buttons.addStretch(1)
        self.forget = self.button("forget", tr("Forget them"), self._forget, "trash-2", "quiet")
        self.buttons.addWidget(self.forget)

    def load(self) -> None:
        history = self.vm.prompting.history
        self.vm.later.run(lambda: (history.private, history.prompts()), self._loaded)

    def _loaded(self, answer: tuple[bool, list[str]]) -> None:
        private, prompts = answer
        was = self.private.blockSignals(True)
        self.private.setChecked(private)
        self.private.blockSignals(was)
        self.put([(" ".join(text.split())[:120], text, text) for text in prompts])
        self.forget.setEnabled(bool(prompts))

    def show_current(self) -> None:
        text = self.current()
        self.use.setEnabled(text is not None)
        self.whole.setPlainText(text or "")

    def _use(self) -> None:
        text = self.current()
        if text is not None:
            self.chosen.emit(text)

    def _set_private(self, private: bool) -> None:
        self.vm.change(lambda: self.vm.prompting.history.set_private(private), lambda _: self.load())

    def _forget(self) -> None:
        history = self.vm.prompting.history

        def done(before: Any) -> None:
            self.undoable.emit(tr("Earlier prompts are forgotten; pictures stay."), lambda: history.remember(before))
            self.load()

        self.vm.change(history.forget, done)
