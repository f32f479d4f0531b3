"""The seed: random unless the user says otherwise, a dice for a new number, a lock to keep one."""

from __future__ import annotations

import random
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLineEdit, QSizePolicy

from models.inputs import MAX_SEED
from ui.i18n import tr
from ui.widgets.controls import IconButton, mark, tabular
from ui.widgets.fields import Field, Schema


class SeedField(Field):
    """``None`` stands for random. ``keep_toggled`` follows the lock."""

    keep_toggled = Signal(bool)

    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, None)
        self._edit = QLineEdit()
        self._edit.setPlaceholderText(tr("random"))
        self._edit.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._edit.setFont(tabular(self._edit.font()))
        self._edit.setMaxLength(16)
        self._edit.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._edit.setFixedWidth(112)
        mark(self._edit, kind="inline")
        self._edit.textChanged.connect(self._typed)
        self._edit.editingFinished.connect(self.left)
        self._dice = IconButton("dices", tr("Roll a new seed"), f"create.{name}.roll")
        self._dice.clicked.connect(self.roll)
        self._lock = IconButton("lock-open", "", f"create.{name}.keep", 16)
        self._lock.setCheckable(True)
        self._lock.toggled.connect(self._locked)
        for part in (self._edit, self._dice, self._lock):
            self.header.addWidget(part)
        self.header.setSpacing(2)
        self.adopt(self._edit, f"create.{name}")
        self._face()
        self.finish()

    def _face(self) -> None:
        on = self._lock.isChecked()
        words = tr("Keep this seed: on") if on else tr("Keep this seed")
        self._lock.set_face("lock" if on else "lock-open", words)

    def roll(self) -> None:
        self._edit.setText(str(random.randint(0, MAX_SEED)))
        self.left.emit()

    def _typed(self) -> None:
        self.set_keep(bool(self._edit.text().strip()))
        self.note()

    def _locked(self, on: bool) -> None:
        self._face()
        if not on and self._edit.text():
            self._edit.clear()
        self.keep_toggled.emit(on)

    def set_keep(self, on: bool) -> None:
        """Show the lock as open or closed and say so; a number in the field is left alone."""
        if self._lock.isChecked() != on:
            self._lock.blockSignals(True)
            self._lock.setChecked(on)
            self._lock.blockSignals(False)
            self._face()
            self.keep_toggled.emit(on)

    def value(self) -> Any:
        text = self._edit.text().strip()
        if not text:
            return None
        # What is no number is handed on as it is: the one who checks it says what is allowed.
        return int(text) if text.isdecimal() else text

    def show_value(self, value: Any) -> None:
        self._edit.blockSignals(True)
        self._edit.setText("" if value is None else str(value))
        self._edit.blockSignals(False)
        if value is not None:
            self.set_keep(True)

    def _show_reset(self) -> None:
        self._reset.hide()
