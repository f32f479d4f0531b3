"""Importing folders of old pictures, where they lie: which, how far, and what came of it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QProgressBar, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.viewmodels.gathering import GatheringVM
from ui.views.models_dialogs import AskDialog
from ui.widgets.controls import Button, ElidedLabel, label, row


class GatherDialog(AskDialog):
    """Joins ``GatheringVM`` to its lines. Closing it lets the work go on; Stop ends it."""

    def __init__(self, vm: GatheringVM, parent: QWidget) -> None:
        super().__init__("gallery.gather", tr("Import pictures"), "folder-plus", parent)
        self._vm = vm
        vm.reset()
        self.say(
            tr("Pictures of ComfyUI, A1111, InvokeAI and others are listed with their recipes. Nothing is copied."),
            "soft",
        )
        self._offers = QWidget()
        offers = QVBoxLayout(self._offers)
        offers.setContentsMargins(0, 0, 0, 0)
        offers.setSpacing(6)
        for number, folder in enumerate([*vm.offered(), *vm.known()], 1):
            self._offer(offers, folder, number, folder in vm.known())
        self.body.addWidget(self._offers)
        self._where = ElidedLabel("", "secondary", "soft", Qt.TextElideMode.ElideMiddle)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(tr("Progress"))
        self._bar.setObjectName("gallery.gather.progress")
        self._said = label("", wrap=True)
        self._said.setObjectName("gallery.gather.said")
        self._problems = label("", "secondary", "bad", wrap=True)
        self._problems.setObjectName("gallery.gather.problems")
        for part in (self._where, self._bar, self._said, self._problems):
            self.body.addWidget(part)
        self._close = self.add_cancel("gallery.gather.close", tr("Close"))
        self._stop = self.add_button("gallery.gather.stop", tr("Stop"))
        self._stop.clicked.connect(vm.stop)
        self._choose = self.add_button("gallery.gather.choose", tr("Choose a folder…"), "accent")
        self._choose.clicked.connect(self._ask)
        vm.changed.connect(self._changed)
        self._changed()
        self._choose.setFocus()

    def _offer(self, lines: QVBoxLayout, folder: str, number: int, known: bool) -> None:
        take = Button(tr("Look again") if known else tr("Import"))
        take.setObjectName(f"gallery.gather.take.{number}")
        take.setAccessibleName(f"{take.text()}: {folder}")
        take.setAutoDefault(False)
        take.clicked.connect(lambda: self._vm.take([folder]))
        line = row(spacing=10)
        line.addWidget(ElidedLabel(folder, mode=Qt.TextElideMode.ElideMiddle), 1)
        line.addWidget(take)
        lines.addLayout(line)

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Import pictures from"), str(Path.home()))
        if folder:
            self._vm.take([folder])

    def _changed(self) -> None:
        run = self._vm.run
        ended = run.state in ("done", "stopped")
        self._offers.setVisible(run.state == "asking")
        self._where.setVisible(self._vm.busy)
        self._where.set_full(run.folder)
        self._bar.setVisible(self._vm.busy)
        self._bar.setRange(0, run.total)
        self._bar.setValue(run.done)
        self._stop.setVisible(self._vm.busy)
        self._choose.setVisible(not self._vm.busy)
        self._said.setText("\n".join(self._vm.summary()) if ended else "")
        self._said.setVisible(ended)
        self._problems.setText("\n".join(run.problems))
        self._problems.setVisible(bool(run.problems))
        self.fit()
