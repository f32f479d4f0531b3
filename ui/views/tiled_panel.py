"""A texture on the canvas: laid beside itself, with its seam score and what can be done with it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QMenu, QVBoxLayout, QWidget

from ui.i18n import number, tr
from ui.viewmodels.texture import TextureVM
from ui.widgets.controls import Button, ElidedLabel, IconButton, mark, row, uncheckable_group
from ui.widgets.tiled_view import TiledView


class TiledPanel(QWidget):
    """Joins ``TextureVM`` to the endless view."""

    def __init__(self, vm: TextureVM, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm = vm
        self._result = ""
        self._repeat = 2
        self.view = TiledView()
        self._two, self._three = Button("2 × 2", "chip"), Button("3 × 3", "chip")
        for button, count in ((self._two, 2), (self._three, 3)):
            button.setCheckable(True)
            button.setObjectName(f"canvas.tiled.{count}")
            button.setAccessibleName(tr("{n} by {n}", n=count))
            button.clicked.connect(lambda _=False, count=count: self._show_times(count))
        self._score = ElidedLabel("", "secondary", "soft")
        self._score.setObjectName("canvas.tiled.score")
        self._mend = Button(tr("Make seamless"), "quiet", "wand-sparkles")
        self._mend.setObjectName("canvas.tiled.mend")
        self._mend.setToolTip(tr("Move the picture by half and repaint its old edges"))
        self._mend.clicked.connect(lambda: vm.mend(self._result))
        self._maps = IconButton("layers", tr("Texture maps"), "canvas.tiled.maps")
        self._maps.setMenu(self._maps_menu())
        self._maps.setPopupMode(IconButton.ToolButtonPopupMode.InstantPopup)
        mark(self._maps, kind="menu")
        save = IconButton("download", tr("Save tile sheet…"), "canvas.tiled.save")
        save.clicked.connect(self._save)
        line = row(self._two, self._three, 8, spacing=6)
        line.addWidget(self._score, 1)
        for part in (self._mend, self._maps, save):
            line.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(line)
        layout.addWidget(self.view, 1)
        self._show_times(2)
        vm.scored.connect(self._scored)

    def _maps_menu(self) -> QMenu:
        menu = QMenu(self)
        for name, title in self._vm.map_names():
            command = partial(self._make_map, name)
            menu.addAction(tr(title)).triggered.connect(command)
        return menu

    def _make_map(self, name: str, _: bool = False) -> None:
        self._vm.make_map(self._result, name)

    def show_result(self, result: str, image: QImage) -> None:
        """The finished picture ``result``."""
        self.view.show_picture(image, self._vm.axes(result))
        self._mend.setVisible(self._vm.can_mend())
        if result != self._result:
            self._result = result
            self._score.set_full("")
            self._vm.measure(result)

    def _scored(self, result: str, score: float) -> None:
        if result == self._result:
            words = tr("the edges meet")
            if score >= 1.5:
                words = tr("the edges may show") if score < 2.5 else tr("the edges show")
            hint = tr("The step across the edge against the steps within the picture: 1 is seamless")
            self._score.set_full(tr("Seam score {n}: {words}", n=number(round(score, 2)), words=words), hint)

    def _show_times(self, count: int) -> None:
        self._repeat = count
        uncheckable_group([self._two, self._three], self._two if count == 2 else self._three)
        self.view.set_repeat(count)

    def _save(self) -> None:
        name = str(Path.home() / "tiles.png")
        target, _ = QFileDialog.getSaveFileName(self, tr("Save tile sheet"), name, tr("Pictures (*.png)"))
        if target:
            path = target if target.lower().endswith(".png") else f"{target}.png"
            self._vm.save_sheet(self._result, self._repeat, self._repeat, path)
