"""The dialog of a tool for one picture: which one, what it asks, and the picture's description when it is words."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QWidget

from ui.i18n import tr
from ui.viewmodels.tools import ROLES, Described, Made, ToolsVM
from ui.views.models_dialogs import AskDialog
from ui.widgets.controls import Button, Combo, divider, label, row
from ui.widgets.fields import Services
from ui.widgets.form import Form

_MB = 1_000_000


class ToolDialog(AskDialog):
    """``get_wanted`` carries the catalog entry to be looked at for a download, ``browse_wanted`` a role."""

    get_wanted = Signal(str)
    browse_wanted = Signal(str)

    def __init__(self, vm: ToolsVM, kind: str, result: Made, services: Services, parent: QWidget) -> None:
        super().__init__("tool.dialog", vm.title(kind), vm.icon(kind), parent)
        self._vm, self._kind, self._result = vm, kind, result
        self._values: dict[str, Any] = {}
        self._choices = vm.choices(kind)
        self.form = Form()
        self.form.services = services
        self.form.edited.connect(self._edited)
        self.combo = Combo()
        self.combo.setObjectName("tool.model")
        self.combo.setAccessibleName(tr("With"))
        self._no = self.add_cancel("tool.cancel")
        self._offer_help()
        if self._choices:
            self._fill()
            self.run = self.add_button("tool.run", vm.title(kind), "accent")
            self.run.clicked.connect(self._run)
            self._first(self.run)

    def _fill(self) -> None:
        for key, name in self._choices:
            self.combo.addItem(name, key)
        self.combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        line = row(label(tr("With"), "secondary", "soft"), spacing=12)
        line.addWidget(self.combo, 1)
        self.body.addLayout(line)
        self.body.addWidget(self.form)
        self.combo.currentIndexChanged.connect(lambda _: self._rebuild())
        self._rebuild()

    def _offer_help(self) -> None:
        offer = self._vm.offer(self._kind)
        if offer is None and not self._choices:
            self.say(tr("Nothing on this computer can do this yet."))
            more = self.add_button("tool.browse", tr("Look for one…"), "accent")
            more.clicked.connect(lambda: self.leave(lambda: self.browse_wanted.emit(ROLES[self._kind])))
            self._first(more)
        if offer is None:
            return
        entry = offer.entry
        size = tr("{n} MB", n=round(entry.download_bytes / _MB)) if entry.download_bytes else ""
        if not self._choices:
            self.say(tr("Nothing on this computer can do this yet."))
        self.say(f"{entry.name} · {size}" if size else entry.name, style="strong")
        self.say(tr(entry.summary), "soft", "secondary")
        get = self.add_button("tool.get", tr("Get {name}…", name=entry.name), "" if self._choices else "accent")
        get.clicked.connect(lambda: self.leave(lambda: self.get_wanted.emit(entry.id)))
        if self._choices:
            self.body.addWidget(divider())
        else:
            self._first(get)

    @staticmethod
    def _first(button: Button) -> None:
        """Enter presses it: it is the one next action."""
        button.setDefault(True)
        button.setFocus()

    def _rebuild(self) -> None:
        tool = self.combo.currentData()
        defaults = self._vm.defaults(self._kind, tool, self._result)
        schema = self._vm.schema(self._kind, tool)
        self._values = {name: defaults.get(name) for name in schema.get("properties", {})}
        self.form.build(schema, defaults)
        self.form.set_values(self._values)
        for section in self.form._sections.values():
            section.folded.connect(lambda _: self.fit())
        self.fit()

    def _edited(self, name: str, value: object) -> None:
        self._values[name] = value
        self.form.set_problems({})

    def _run(self) -> None:
        values = {name: value for name, value in self._values.items() if value is not None}
        problems = self._vm.run(self._kind, self.combo.currentData(), values, self._result)
        if problems:
            self.form.set_problems(problems)
            self.fit()
        else:
            self.accept()


class DescribedDialog(AskDialog):
    """What a model said about a picture: to copy, or to make another one from."""

    def __init__(self, vm: ToolsVM, said: Described, parent: QWidget) -> None:
        super().__init__("described.dialog", tr("What is in the picture"), "captions", parent)
        self.setModal(False)
        self.text = QPlainTextEdit(said.text)
        self.text.setObjectName("described.text")
        self.text.setAccessibleName(tr("Description"))
        self.text.setTabChangesFocus(True)
        self.text.setFixedHeight(132)
        self.body.addWidget(self.text)
        self.say(tr("By {model}. You can change the words before you use them.", model=said.model), "faint", "hint")
        copy = self.add_button("described.copy", tr("Copy"))
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.text.toPlainText()))
        use = self.add_button("described.use", tr("Use as prompt"), "accent")
        use.clicked.connect(lambda: self.leave(lambda: vm.use_as_prompt(self.text.toPlainText())))
        close = self.add_cancel("described.close", tr("Close"))
        close.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        use.setFocus()
