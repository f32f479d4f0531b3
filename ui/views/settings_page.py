"""The Settings page: plain rows under a few headings; every change counts at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QFrame, QLabel, QLineEdit, QSizePolicy, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.viewmodels.models import ModelsVM
from ui.viewmodels.settings import SettingsVM
from ui.views.network_settings import NetworkSettings
from ui.widgets.controls import (
    Button,
    Combo,
    ElidedLabel,
    IconButton,
    Switch,
    divider,
    label,
    mark,
    reading_column,
    row,
)

WIDTH = 640


class SettingsPage(QWidget):
    """Joins ``SettingsVM`` to its rows."""

    def __init__(self, vm: SettingsVM, models: ModelsVM, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm = vm
        self._models = models
        mark(self, surface="panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._refreshers: dict[str, Callable[[], None]] = {}
        self._problems: dict[str, QLabel] = {}
        self._hints: dict[str, QLabel] = {}
        self._column = QVBoxLayout()
        self._column.setContentsMargins(0, 0, 0, 40)
        self._column.setSpacing(0)
        self._lay_out()
        self._fill()
        vm.changed.connect(self._changed)
        vm.problem.connect(self._show_problem)
        vm.engine_changed.connect(self._engine_changed)
        self._engine_changed()

    def _lay_out(self) -> None:
        inner = QWidget()
        inner.setLayout(self._column)
        inner.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._scroll = reading_column(inner, WIDTH, (32, 24, 32, 0), top=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._scroll)

    def _fill(self) -> None:
        self._column.addWidget(label(tr("Settings"), "title"))
        self._heading(tr("Look"))
        self._choice(
            "theme",
            tr("Theme"),
            tr("As the system is, or always the same."),
            [("system", tr("As the system")), ("light", tr("Light")), ("dark", tr("Dark"))],
        )
        self._choice(
            "canvas",
            tr("Behind pictures"),
            tr("The colour of the canvas."),
            [("neutral", tr("Neutral")), ("black", tr("Black")), ("white", tr("White"))],
        )
        self._switch("reduced_motion", tr("Less motion"), tr("No animations in the window."))
        self._heading(tr("Making pictures"))
        self._switch("previews", tr("Live preview"), tr("Show the picture while it forms."))
        self._switch("preload", tr("Load ahead"), tr("Load the chosen model before the first Generate."))
        self._device = self._choice("device", tr("Device"), tr("Where models run."), self._vm.devices())
        self._engine()
        self._heading(tr("Files"))
        self._pictures()
        self._folders()
        self._switch(
            "private_exports",
            tr("Leave out what tells of this computer"),
            tr("Exported pictures carry no device, versions or times. Paths of files never leave."),
        )
        self._name_pattern()
        self._heading(tr("Network"))
        self._switch("offline", tr("Work offline"), tr("Never use the network, whatever is asked for."))
        self.network = NetworkSettings(self._vm, self._models)
        self._column.addWidget(self.network)
        self._heading(tr("About"))
        for name, value in self._vm.about():
            line = row(label(name, tone="soft"), None, label(value))
            line.setContentsMargins(0, 6, 0, 6)
            self._column.addLayout(line)
        logs = Button(tr("Open the log folder"), "quiet", "folder-open")
        logs.setObjectName("settings.logs")
        logs.clicked.connect(self._vm.open_logs)
        self._column.addSpacing(6)
        self._column.addLayout(row(None, logs))

    # the pieces

    def _heading(self, words: str) -> None:
        self._column.addSpacing(26)
        self._column.addWidget(label(words, "heading"))
        self._column.addSpacing(8)
        self._column.addWidget(divider())
        self._column.addSpacing(4)

    def _row(self, name: str, title: str, hint: str, control: QWidget) -> QVBoxLayout:
        """Title and hint at the left, the control at the right, room for a problem beneath."""
        caption = label(title)
        caption.setBuddy(control)
        control.setAccessibleName(title)
        control.setAccessibleDescription(hint)
        control.setObjectName(f"settings.{name}")
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(caption)
        self._hints[name] = label(hint, "secondary", "soft", wrap=True)
        words.addWidget(self._hints[name])
        line = row(spacing=16)
        line.addLayout(words, 1)
        line.addWidget(control, 0, Qt.AlignmentFlag.AlignVCenter)
        problem = label("", "secondary", "bad", wrap=True)
        problem.setObjectName(f"settings.problem.{name}")
        problem.hide()
        self._problems[name] = problem
        whole = QVBoxLayout()
        whole.setContentsMargins(0, 9, 0, 9)
        whole.setSpacing(4)
        whole.addLayout(line)
        whole.addWidget(problem)
        self._column.addLayout(whole)
        return whole

    def _choice(self, name: str, title: str, hint: str, choices: Sequence[tuple[str, str]]) -> Combo:
        combo = Combo()
        combo.setMinimumWidth(190)
        self._offer(combo, name, choices)
        combo.currentIndexChanged.connect(lambda _: self._vm.change(name, combo.currentData()))
        self._refreshers[name] = lambda: _choose(combo, self._vm.value(name))
        self._row(name, title, hint, combo)
        return combo

    def _offer(self, combo: Combo, name: str, choices: Sequence[tuple[str, str]]) -> None:
        combo.blockSignals(True)
        combo.clear()
        for value, words in choices:
            combo.addItem(words, value)
        combo.blockSignals(False)
        _choose(combo, self._vm.value(name))

    def _switch(self, name: str, title: str, hint: str) -> None:
        switch = Switch()
        switch.setChecked(self._vm.value(name))
        switch.toggled.connect(lambda on: self._vm.change(name, on))
        self._refreshers[name] = lambda: switch.setChecked(self._vm.value(name))
        self._row(name, title, hint, switch)

    def _engine(self) -> None:
        restart = Button(tr("Restart"), "", "refresh-cw")
        restart.clicked.connect(self._vm.restart_engine)
        self._row("engine", tr("Engine"), "", restart)
        restart.setAccessibleName(tr("Restart the engine"))
        self._engine_line = self._hints["engine"]

    def _pictures(self) -> None:
        edit = QLineEdit()
        edit.setMinimumWidth(260)
        edit.editingFinished.connect(lambda: self._set_pictures(edit))
        self._refreshers["pictures_folder"] = lambda: edit.setText(self._vm.pictures_folder())
        self._refreshers["pictures_folder"]()
        browse = Button(tr("Browse"))
        browse.setObjectName("settings.pictures_folder.browse")
        browse.setAccessibleName(tr("Choose the pictures folder"))
        browse.clicked.connect(lambda: self._browse_pictures(edit))
        show = IconButton("folder-open", tr("Open the pictures folder"), "settings.pictures_folder.open")
        show.clicked.connect(self._vm.open_pictures)
        whole = self._row("pictures_folder", tr("Pictures"), tr("Where new pictures are kept."), show)
        show.setObjectName("settings.pictures_folder.open")
        show.setAccessibleName(tr("Open the pictures folder"))
        edit.setObjectName("settings.pictures_folder")
        edit.setAccessibleName(tr("Pictures folder"))
        line = row(spacing=8)
        line.addWidget(edit, 1)
        line.addWidget(browse)
        whole.insertLayout(1, line)

    def _set_pictures(self, edit: QLineEdit) -> None:
        if edit.text() != self._vm.pictures_folder():
            good = self._vm.set_pictures_folder(edit.text())
            mark(edit, invalid="false" if good else "true")
            if good:
                edit.setText(self._vm.pictures_folder())
        else:
            mark(edit, invalid="false")
            self._show_problem("pictures_folder", "")

    def _browse_pictures(self, edit: QLineEdit) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Choose the pictures folder"), self._vm.pictures_folder())
        if folder:
            edit.setText(folder)
            self._set_pictures(edit)

    def _folders(self) -> None:
        add = Button(tr("Add…"), "", "folder-plus")
        add.clicked.connect(self._ask_for_folder)
        whole = self._row("model_folders", tr("Model folders"), tr("Folders with models in diffusers layout."), add)
        add.setAccessibleName(tr("Add a model folder"))
        add.setObjectName("settings.model_folders.add")
        self._list = QWidget()
        self._list.setObjectName("settings.model_folders")
        lines = QVBoxLayout(self._list)
        lines.setContentsMargins(0, 2, 0, 0)
        lines.setSpacing(4)
        whole.insertWidget(1, self._list)
        self._refreshers["model_folders"] = self._show_folders
        self._show_folders()

    def _show_folders(self) -> None:
        lines = self._list.layout()
        assert isinstance(lines, QVBoxLayout)
        while (item := lines.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()
        for position, folder in enumerate(self._vm.folders(), 1):
            frame = QFrame()
            mark(frame, surface="note")
            remove = IconButton(
                "x", tr("Forget {folder}", folder=folder), f"settings.model_folders.remove.{position}", 16
            )
            remove.clicked.connect(lambda _=False, folder=folder: self._vm.remove_folder(folder))
            line = row(spacing=8)
            line.setContentsMargins(10, 4, 4, 4)
            line.addWidget(ElidedLabel(folder, mode=Qt.TextElideMode.ElideMiddle), 1)
            line.addWidget(remove)
            frame.setLayout(line)
            lines.addWidget(frame)
        self._list.setVisible(bool(self._vm.folders()))

    def _ask_for_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Choose a model folder"))
        if folder:
            self._vm.add_folder(folder)

    def _name_pattern(self) -> None:
        edit = QLineEdit()
        edit.setMinimumWidth(260)
        edit.editingFinished.connect(lambda: self._set_name(edit))
        self._refreshers["export_name"] = lambda: edit.setText(self._vm.value("export_name"))
        self._refreshers["export_name"]()
        self._row("export_name", tr("Names of exported pictures"), self._vm.name_example(), edit)

    def _set_name(self, edit: QLineEdit) -> None:
        good = self._vm.set_export_name(edit.text())
        mark(edit, invalid="false" if good else "true")
        if good:
            edit.setText(self._vm.value("export_name"))
            self._hints["export_name"].setText(self._vm.name_example())

    def scroll_to(self, part: QWidget) -> None:
        """Bring ``part`` of the page to its top."""
        inside = self._scroll.widget() or self
        self._scroll.verticalScrollBar().setValue(part.mapTo(inside, part.rect().topLeft()).y() - 60)

    # from the view-model

    def _changed(self, name: str) -> None:
        if name in self._refreshers:
            self._refreshers[name]()

    def _show_problem(self, name: str, sentence: str) -> None:
        problem = self._problems.get(name)
        if problem is not None:
            problem.setText(sentence)
            problem.setVisible(bool(sentence))

    def _engine_changed(self) -> None:
        self._engine_line.setText(self._vm.engine().sentence)
        self._offer(self._device, "device", self._vm.devices())


def _choose(combo: Combo, value: object) -> None:
    combo.blockSignals(True)
    combo.setCurrentIndex(combo.findData(value))
    combo.blockSignals(False)
