"""The switch "Fast" above the steps: few steps by a LoRA, or the way to get one."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ui.i18n import tr
from ui.widgets.controls import Button, ElidedLabel, Switch, label, row


class View(Protocol):
    @property
    def on(self) -> bool: ...
    @property
    def words(self) -> str: ...
    @property
    def hint(self) -> str: ...
    @property
    def get(self) -> str: ...


class FastRow(QWidget):
    """``get_wanted`` carries the catalog id of what is not here yet."""

    turned = Signal(bool)
    get_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._id = ""
        title = label(tr("Fast"), "secondary", "soft")
        self._words = ElidedLabel("", "hint", "soft")
        self.switch = Switch()
        self.switch.setObjectName("create.fast")
        self.switch.setAccessibleName(tr("Fast"))
        title.setBuddy(self.switch)
        self.switch.toggled.connect(self.turned)
        self.get = Button(tr("Get"), "", "download")
        self.get.setObjectName("create.fast.get")
        self.get.clicked.connect(lambda: self.get_wanted.emit(self._id))
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(title)
        words.addWidget(self._words)
        line = row(spacing=8)
        line.addLayout(words, 1)
        line.addWidget(self.get)
        line.addWidget(self.switch)
        self.setLayout(line)

    def show_view(self, view: View | None) -> None:
        self.setVisible(view is not None)
        if view is None:
            return
        self._id = view.get
        self._words.set_full(view.words)
        self.setToolTip(view.hint)
        self.switch.setAccessibleDescription(f"{view.words}. {view.hint}")
        self.switch.blockSignals(True)
        self.switch.setChecked(view.on)
        self.switch.blockSignals(False)
        self.switch.setVisible(not view.get)
        self.get.setVisible(bool(view.get))
        self.get.setAccessibleName(tr("Get {name} on the Models page", name=view.words))
