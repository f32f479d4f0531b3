"""Exporting pictures: where to, in which format and size, with the recipe or without, and under which names."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QFileDialog, QGridLayout, QLineEdit, QMenu, QProgressBar, QWidget

from ui.i18n import plural, tr
from ui.viewmodels.outgoing import NAME_PARTS, ExportVM
from ui.views.models_dialogs import AskDialog
from ui.widgets.controls import Button, Combo, ElidedLabel, IconButton, Slider, label, mark, row
from ui.widgets.fields import NumberSpin
from ui.widgets.tick import Tick

_SIZES = ("original", "scale", "longest")
_MOST_TOLD = 4
"""Pictures that could not be exported and are named; the others are counted."""


class ExportDialog(AskDialog):
    """Joins ``ExportVM`` to its rows. Closing it while it works stops the work."""

    def __init__(self, vm: ExportVM, ids: Sequence[str], parent: QWidget) -> None:
        title = plural("Export picture", "Export {n} pictures", len(ids))
        super().__init__("gallery.export.dialog", title, "upload", parent)
        self._vm = vm
        vm.begin(ids)
        self._choices = QWidget()
        grid = QGridLayout(self._choices)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(8)
        grid.setColumnStretch(1, 1)
        self._grid = grid
        self._make_where()
        self._make_format()
        self._make_size()
        self._make_ticks()
        self._make_name()
        self.body.addWidget(self._choices)
        self._make_end()
        self._no = self.add_cancel("gallery.export.no")
        self._show = self.add_button("gallery.export.show", tr("Show in folder"))
        self._show.clicked.connect(vm.show_in_folder)
        self._yes = self.add_button("gallery.export.yes", tr("Export"), "accent")
        self._yes.clicked.connect(vm.go)
        vm.changed.connect(self._changed)
        vm.run_changed.connect(self._run_changed)
        self.rejected.connect(vm.stop)
        self._changed()
        self._run_changed()
        self._yes.setFocus()

    # the rows

    def _add(self, title: str, name: str, control: QWidget, *more: QWidget) -> None:
        control.setObjectName(f"gallery.export.{name}")
        control.setAccessibleName(title)
        line = row(spacing=8)
        line.addWidget(control, 1)
        for part in more:
            line.addWidget(part)
        number = self._grid.rowCount()
        caption = label(title, "", "soft")
        caption.setBuddy(control)
        self._grid.addWidget(caption, number, 0)
        self._grid.addLayout(line, number, 1)

    def _beneath(self, widget: QWidget) -> None:
        self._grid.addWidget(widget, self._grid.rowCount(), 1)

    def _make_where(self) -> None:
        self.folder = QLineEdit(self._vm.folder)
        self.folder.textEdited.connect(self._vm.set_folder)
        browse = Button(tr("Browse"))
        browse.setAutoDefault(False)
        browse.setObjectName("gallery.export.browse")
        browse.clicked.connect(self._browse)
        self._add(tr("Folder"), "folder", self.folder, browse)
        self._folder_problem = label("", "secondary", "bad", wrap=True)
        self._beneath(self._folder_problem)

    def _make_format(self) -> None:
        self.format = Combo()
        for value, words in (
            ("same", tr("As it is")),
            ("png", tr("PNG, loses nothing")),
            ("webp", tr("WebP, small")),
            ("jpeg", tr("JPEG, opens everywhere")),
            ("avif", tr("AVIF, smallest")),
        ):
            self.format.addItem(words, value)
        self.format.activated.connect(lambda _: self._vm.set(format=self.format.currentData()))
        self._add(tr("Format"), "format", self.format)
        self.quality = Slider()
        self.quality.setRange(1, 100)
        self.quality.valueChanged.connect(lambda value: self._vm.set(quality=value))
        self.quality.reset_wanted.connect(lambda: self._vm.set(quality=90))
        self._quality_words = label("", "secondary")
        self._quality_words.setMinimumWidth(28)
        self._quality_words.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._add(tr("Quality"), "quality", self.quality, self._quality_words)
        self.lossless = Tick(tr("Lose nothing"))
        self.lossless.setObjectName("gallery.export.lossless")
        self.lossless.toggled.connect(lambda on: self._vm.set(lossless=on))
        self._beneath(self.lossless)

    def _make_size(self) -> None:
        self.size_kind = Combo()
        for value, words in zip(_SIZES, (tr("As it is"), tr("Percent"), tr("Longest side")), strict=True):
            self.size_kind.addItem(words, value)
        self.size_kind.activated.connect(lambda _: self._set_size())
        self.number = NumberSpin({"minimum": 1, "maximum": 32768, "x-step": 1}, True)
        self.number.setObjectName("gallery.export.number")
        self.number.setAccessibleName(tr("Size in percent or pixels"))
        mark(self.number, kind="")
        self.number.valueChanged.connect(lambda _: self._number_edited())
        self._size_words = label("", "secondary", "soft")
        self._add(tr("Size"), "size", self.size_kind, self.number)
        self._beneath(self._size_words)
        options = self._vm.options
        kind = "longest" if options.longest else "original" if options.scale == 1 else "scale"
        self.size_kind.setCurrentIndex(_SIZES.index(kind))
        with QSignalBlocker(self.number):
            self.number.setValue(options.longest or round(options.scale * 100))

    def _make_ticks(self) -> None:
        self.metadata = Tick(tr("With the recipe inside"))
        self.metadata.setObjectName("gallery.export.metadata")
        self.metadata.setToolTip(tr("Prompt, model and settings, so that the picture can be made again."))
        self.metadata.toggled.connect(lambda on: self._vm.set(metadata=on))
        self.private = Tick(tr("Leave out what tells of this computer"))
        self.private.setObjectName("gallery.export.private")
        self.private.setToolTip(tr("The device, versions, times and when it was made. Paths of files never leave."))
        self.private.toggled.connect(lambda on: self._vm.set(private=on))
        self._beneath(self.metadata)
        self._beneath(self.private)

    def _make_name(self) -> None:
        self.name = QLineEdit(self._vm.options.name)
        self.name.textEdited.connect(lambda text: self._vm.set(name=text))
        more = IconButton("plus", tr("Add a part to the name"), "gallery.export.part")
        more.clicked.connect(lambda: self._offer_parts(more))
        self._add(tr("Name"), "name", self.name, more)
        self._example = ElidedLabel("", "secondary", "soft", Qt.TextElideMode.ElideMiddle)
        self._example.setObjectName("gallery.export.example")
        self._name_problem = label("", "secondary", "bad", wrap=True)
        self._name_problem.setObjectName("gallery.export.problem.name")
        self._beneath(self._example)
        self._beneath(self._name_problem)

    def _make_end(self) -> None:
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(tr("Progress"))
        self._bar.setObjectName("gallery.export.progress")
        self._said = label("", "", "", wrap=True)
        self._said.setObjectName("gallery.export.said")
        self._skipped = label("", "secondary", "warn", wrap=True)
        self._skipped.setObjectName("gallery.export.skipped")
        for part in (self._bar, self._said, self._skipped):
            self.body.addWidget(part)

    # from the user

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Export into"), self.folder.text())
        if folder:
            self.folder.setText(folder)
            self._vm.set_folder(folder)

    def _set_size(self) -> None:
        kind = self.size_kind.currentData()
        with QSignalBlocker(self.number):
            self.number.setValue({"scale": 50, "longest": 1024}.get(kind, 100))
        self._number_edited()

    def _number_edited(self) -> None:
        kind, number = self.size_kind.currentData(), round(self.number.value())
        scale = number / 100 if kind == "scale" else 1.0
        self._vm.set(scale=scale, longest=max(1, number) if kind == "longest" else 0)

    def _offer_parts(self, at: QWidget) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for part in NAME_PARTS:
            menu.addAction(f"{{{part}}}").triggered.connect(lambda _=False, part=part: self._add_part(part))
        menu.popup(at.mapToGlobal(at.rect().bottomLeft()))

    def _add_part(self, part: str) -> None:
        self.name.insert(f"{{{part}}}")
        self._vm.set(name=self.name.text())
        self.name.setFocus(Qt.FocusReason.OtherFocusReason)

    # from the view-model

    def _changed(self) -> None:
        vm, options, wrong = self._vm, self._vm.options, self._vm.problems()
        held = [QSignalBlocker(part) for part in (self.quality, self.lossless, self.metadata, self.private)]
        self.format.setCurrentIndex(self.format.findData(options.format))
        self.quality.setValue(options.quality)
        self.lossless.setChecked(options.lossless)
        self.metadata.setChecked(options.metadata)
        self.private.setChecked(options.private)
        del held
        self.quality.setEnabled(vm.loses)
        self._quality_words.setText(str(options.quality) if vm.loses else "")
        self.lossless.setVisible(vm.kind() == "webp")
        self.private.setEnabled(options.metadata)
        self.number.setVisible(self.size_kind.currentData() != "original")
        self.number.setSuffix(" %" if self.size_kind.currentData() == "scale" else " px")
        self._size_words.setText(wrong.get("scale", "") or wrong.get("longest", "") or vm.size())
        mark(self._size_words, tone="bad" if {"scale", "longest"} & set(wrong) else "soft")
        self._example.set_full(vm.example())
        self._example.setVisible("name" not in wrong)
        for edit, problem, name in (
            (self.name, self._name_problem, "name"), (self.folder, self._folder_problem, "folder"),
        ):  # fmt: skip
            mark(edit, invalid="true" if name in wrong else "false")
            problem.setText(wrong.get(name, ""))
            problem.setVisible(name in wrong)
        self._yes.setEnabled(vm.can_go)
        self.fit()

    def _run_changed(self) -> None:
        run = self._vm.run
        working, ended = run.state == "working", run.state in ("done", "stopped")
        self._choices.setEnabled(not working)
        self._choices.setVisible(not ended)
        self._bar.setVisible(working)
        self._bar.setRange(0, max(1, run.total))
        self._bar.setValue(run.done)
        self._said.setText(tr("{n} of {all}", n=run.done, all=run.total) if working else self._vm.said())
        self._said.setVisible(bool(self._said.text()))
        mark(self._said, tone="bad" if run.state == "failed" else "")
        told = list(run.skipped[:_MOST_TOLD])
        if len(run.skipped) > _MOST_TOLD:
            told.append(plural("and {n} more", "and {n} more", len(run.skipped) - _MOST_TOLD))
        self._skipped.setText("\n".join(told))
        self._skipped.setVisible(bool(told))
        self._show.setVisible(bool(run.written))
        self._yes.setVisible(not ended)
        self._yes.setEnabled(self._vm.can_go)
        self._no.setText(tr("Stop") if working else tr("Close") if ended else tr("Cancel"))
        if ended:
            self._no.setFocus()
        self.fit()
