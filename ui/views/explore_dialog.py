"""Explore: which inputs to vary with which values, and the sheet that comes of it, cell by cell."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from ui.i18n import tr
from ui.theme import current
from ui.viewmodels.explore import Choice, ExploreVM
from ui.viewmodels.recent import Thumbs
from ui.views.explore_sheet import SheetView
from ui.widgets.controls import Button, Combo, ElidedLabel, IconButton, label, mark, row

_AXES = ("Across", "Down", "Sheets")


class ExploreDialog(QDialog):
    """Joins ``ExploreVM`` to its two pages. ``opened`` and ``use_wanted`` carry a result's id."""

    opened = Signal(str)
    use_wanted = Signal(str)
    help_wanted = Signal()

    def __init__(self, vm: ExploreVM, thumbs: Thumbs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm = vm
        self.setObjectName("explore")
        self.setWindowTitle(tr("Explore"))
        self.setAccessibleName(tr("Explore"))
        self.setMinimumSize(520, 380)
        self.resize(760, 560)
        self.sheet = SheetView(vm, thumbs)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._make_axes())
        self._pages.addWidget(self._make_sheet())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 18, 24, 18)
        layout.addWidget(self._pages)
        self._filling = False
        vm.changed.connect(self._changed)
        vm.sheet_changed.connect(self._sheet_changed)

    def _make_axes(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        about = IconButton("circle-question-mark", tr("Help: {what}", what=tr("Grids")), "explore.help")
        about.clicked.connect(self.help_wanted)
        layout.addLayout(row(label(tr("Try many values"), "heading"), None, about))
        words = tr("One picture for each value, laid out with labels. Everything else is as in the form.")
        layout.addWidget(label(words, "secondary", "soft", wrap=True))
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(2, 1)
        self._names: list[Combo] = []
        self._values: list[QLineEdit] = []
        self._wrong: list[QLabel] = []
        for number, title in enumerate(_AXES):
            self._add_axis(grid, number, tr(title))
        layout.addSpacing(6)
        layout.addLayout(grid)
        ways = tr("Write a list: 10, 20, 30 · a range: 1-10 (+3) · so many between two: 0.2..0.8 [4]")
        layout.addWidget(label(ways, "hint", "soft", wrap=True))
        layout.addStretch(1)
        self._estimate = label("", "secondary", "soft", wrap=True)
        self._estimate.setObjectName("explore.estimate")
        self._go = Button(tr("Make the grid"), "accent")
        self._go.setObjectName("explore.go")
        self._go.clicked.connect(self._vm.begin)
        close = Button(tr("Close"))
        close.setObjectName("explore.close")
        close.clicked.connect(self.close)
        foot = row(spacing=10)
        foot.addWidget(self._estimate, 1)
        foot.addWidget(close)
        foot.addWidget(self._go)
        layout.addLayout(foot)
        return page

    def _add_axis(self, grid: QGridLayout, number: int, title: str) -> None:
        name, values = Combo(), QLineEdit()
        name.setObjectName(f"explore.name.{number + 1}")
        name.setAccessibleName(tr("{axis}: what to vary", axis=title))
        name.setMinimumWidth(190)
        values.setObjectName(f"explore.values.{number + 1}")
        values.setAccessibleName(tr("{axis}: values", axis=title))
        wrong = label("", "hint", "bad", wrap=True)
        wrong.setObjectName(f"explore.problem.{number + 1}")
        name.activated.connect(lambda _: self._edited(number))
        values.textEdited.connect(lambda _: self._edited(number))
        values.returnPressed.connect(self._enter)
        grid.addWidget(label(title, "", "soft"), 2 * number, 0)
        grid.addWidget(name, 2 * number, 1)
        grid.addWidget(values, 2 * number, 2)
        grid.addWidget(wrong, 2 * number + 1, 1, 1, 2)
        self._names.append(name)
        self._values.append(values)
        self._wrong.append(wrong)

    def _make_sheet(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        back = IconButton("arrow-left", tr("Another grid"), "explore.back")
        back.clicked.connect(self._vm.forget)
        self._state = ElidedLabel("", "heading")
        self._state.setObjectName("explore.state")
        self._blocks = Combo()
        self._blocks.setObjectName("explore.block")
        self._blocks.setAccessibleName(tr("Sheet"))
        self._blocks.activated.connect(self.sheet.show_block)
        head = row(back, spacing=8)
        head.addWidget(self._state, 1)
        head.addWidget(self._blocks)
        layout.addLayout(head)
        layout.addWidget(self.sheet, 1)
        self._stop = Button(tr("Stop"))
        self._stop.setObjectName("explore.stop")
        self._stop.clicked.connect(self._vm.stop)
        self._on = Button(tr("Go on"), "accent")
        self._on.setObjectName("explore.resume")
        self._on.clicked.connect(self._vm.go_on)
        save = Button(tr("Save sheet…"), "", "download")
        save.setObjectName("explore.save")
        save.clicked.connect(self._save)
        layout.addLayout(row(label(tr("A click opens a picture."), "hint", "soft"), None, save, self._stop, self._on))
        self.sheet.opened.connect(self.opened)
        self.sheet.menu_wanted.connect(self._menu)
        return page

    def open_again(self) -> None:
        """Show the dialog as things stand."""
        self._fill()
        self._sheet_changed()
        self.show()
        self.raise_()
        self.activateWindow()
        if self._vm.grid is None:
            self._values[0].setFocus(Qt.FocusReason.OtherFocusReason)

    # from the view-model

    def _fill(self) -> None:
        """Names that can be chosen follow the model; what was written stays."""
        self._filling = True
        choices = self._vm.choices()
        for number, (name, text) in enumerate(self._vm.rows):
            combo = self._names[number]
            combo.clear()
            for choice in choices:
                combo.addItem(choice.title, choice)
            known = [choice.name for choice in choices]
            combo.setCurrentIndex(known.index(name) if name in known else 0)
            if self._values[number].text() != text:
                self._values[number].setText(text)
        self._filling = False
        self._changed()

    def _choice(self, number: int) -> Choice:
        found = self._names[number].currentData()
        return found if isinstance(found, Choice) else Choice("", "", "")

    def _changed(self) -> None:
        if self._filling:
            return
        if [name for name, _ in self._vm.rows] != [self._choice(n).name for n in range(3)]:
            self._fill()
            return
        wrong = self._vm.problems()
        for number in range(3):
            choice = self._choice(number)
            self._values[number].setEnabled(bool(choice.name))
            self._values[number].setPlaceholderText(choice.hint)
            mark(self._values[number], invalid="true" if number in wrong else "false")
            self._wrong[number].setText(wrong.get(number, ""))
            self._wrong[number].setVisible(number in wrong)
        words, ready = self._vm.estimate()
        self._estimate.setText(words)
        self._go.setEnabled(ready)

    def _sheet_changed(self) -> None:
        self._pages.setCurrentIndex(0 if self._vm.grid is None else 1)
        if self._vm.grid is None:
            return
        self._state.set_full(self._vm.state())
        self._stop.setVisible(self._vm.running)
        self._on.setVisible(not self._vm.running and not self._vm.whole)
        names = self._vm.headings(2)
        if [self._blocks.itemText(n) for n in range(self._blocks.count())] != names:
            self._blocks.clear()
            self._blocks.addItems(names)
        self._blocks.setVisible(len(names) > 1)
        self.sheet.refresh()

    # from the user

    def _edited(self, number: int) -> None:
        if not self._filling:
            self._vm.set_row(number, self._choice(number).name, self._values[number].text())

    def _enter(self) -> None:
        if self._go.isEnabled():
            self._vm.begin()

    def _save(self) -> None:
        name = str(Path.home() / "grid.png")
        target, _ = QFileDialog.getSaveFileName(self, tr("Save sheet"), name, tr("Pictures (*.png)"))
        if target:
            self._vm.save_sheet(target if target.lower().endswith(".png") else f"{target}.png", current().dark)

    def _menu(self, result: str) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(tr("Open")).triggered.connect(lambda: self.opened.emit(result))
        menu.addAction(tr("Use these settings")).triggered.connect(lambda: self.use_wanted.emit(result))
        menu.popup(self.cursor().pos())

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "sheet"):
            self.sheet.viewport().update()
