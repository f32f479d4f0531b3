"""A filter as a small button that says what is chosen and opens a menu of the choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QPainter, QPaintEvent
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from ui.theme import current
from ui.theme.icons import paint_icon
from ui.widgets.controls import mark


class Choice(Protocol):
    @property
    def value(self) -> str: ...
    @property
    def words(self) -> str: ...
    @property
    def short(self) -> str: ...


class FilterMenu(QPushButton):
    """``chosen`` carries the value; the first choice stands for all."""

    chosen = Signal(str)

    def __init__(self, name: str, choices: Sequence[Choice], title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choices = list(choices)
        self._title = title
        self._value = ""
        self.setObjectName(name)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        mark(self, kind="filter")
        self._menu = QMenu(self)
        self._menu.setObjectName(f"{name}.menu")
        self._group = QActionGroup(self._menu)
        self._actions: dict[str, QAction] = {}
        for choice in self._choices:
            action = self._menu.addAction(choice.words)
            action.setCheckable(True)
            action.triggered.connect(lambda _=False, value=choice.value: self.chosen.emit(value))
            self._group.addAction(action)
            self._actions[choice.value] = action
        self.clicked.connect(self.open_menu)
        self.show_value("")

    def open_menu(self) -> None:
        self._menu.popup(self.mapToGlobal(self.rect().bottomLeft()))

    def menu_open(self) -> QMenu:
        return self._menu

    @property
    def value(self) -> str:
        return self._value

    def show_value(self, value: str) -> None:
        choice = next((choice for choice in self._choices if choice.value == value), self._choices[0])
        self._value = choice.value
        self.setText(choice.short or choice.words)
        self.setAccessibleName(f"{self._title}: {choice.words}")
        self._actions[choice.value].setChecked(True)
        mark(self, on="true" if choice is not self._choices[0] else "false")
        self.updateGeometry()

    def sizeHint(self) -> QSize:  # noqa: N802
        hint = super().sizeHint()
        return QSize(hint.width() + 16, hint.height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        painter = QPainter(self)
        box = QRectF(self.width() - 22, (self.height() - 14) / 2, 14, 14)
        paint_icon(painter, "chevron-down", box, current().soft)
        painter.end()
