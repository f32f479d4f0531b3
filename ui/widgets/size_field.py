"""Width and height as one field: shapes to click, and both numbers to type."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from ui.i18n import tr
from ui.theme import tokens
from ui.widgets.controls import Button, label, mark, row, uncheckable_group
from ui.widgets.fields import Field, NumberSpin, Schema

SHAPES = ((1, 1), (3, 2), (2, 3), (16, 9), (9, 16))


def sizes_for(width: Schema, height: Schema) -> dict[str, tuple[int, int]]:
    """The size of each shape with about as many pixels as the default, as the model's limits allow.

    A shape that the limits bend by more than a sixth is left out, and so is one that gives the same size as another.
    """
    area = int(width.get("default", 512)) * int(height.get("default", 512))
    found: dict[str, tuple[int, int]] = {}
    for across, down in SHAPES:
        ideal = math.sqrt(area * across / down)
        size = (_near(ideal, width), _near(ideal * down / across, height))
        bent = abs(math.log((size[0] / size[1]) / (across / down)))
        if bent < math.log(7 / 6) and size not in found.values():
            found[f"{across}:{down}"] = size
    return found


def _near(value: float, schema: Schema) -> int:
    step = int(schema.get("multipleOf") or 1)
    low, high = float(schema.get("minimum", step)), float(schema.get("maximum", 16384))
    nearest = round(value / step) * step
    return int(max(math.ceil(low / step) * step, min(math.floor(high / step) * step, nearest)))


def is_fixed(width: Schema, height: Schema) -> bool:
    """The model makes one size only, so there is nothing to ask."""
    return all("minimum" in s and s.get("minimum") == s.get("maximum") for s in (width, height))


class SizeField(Field):
    """One field for the two inputs ``width`` and ``height``; its value is a pair."""

    def __init__(self, width: Schema, height: Schema, defaults: tuple[int, int]) -> None:
        super().__init__("size", {"title": "Size"}, defaults)
        self._sizes = sizes_for(width, height)
        self._hint = ""
        self._width, self._height = NumberSpin(width, True), NumberSpin(height, True)
        for name, spin, schema in (("width", self._width, width), ("height", self._height, height)):
            spin.setObjectName(f"create.input.{name}")
            spin.setAccessibleName(tr(str(schema.get("title", name))))
            spin.setToolTip(tr(str(schema.get("description", ""))))
            spin.setFixedWidth(60)
            spin.valueChanged.connect(self._typed)
            spin.editingFinished.connect(self.left)
        self.header.setSpacing(2)
        self.header.addWidget(self._width)
        self.header.addWidget(label("×", tone="soft"))
        self.header.addWidget(self._height)
        self._caption.setBuddy(self._width)
        self.setFocusProxy(self._width)
        self._chips: dict[str, Button] = {}
        self._add_chips()
        self.finish()

    def _add_chips(self) -> None:
        if len(self._sizes) < 2:
            return
        strip = row(spacing=tokens.GAP - 2)
        for shape, size in self._sizes.items():
            chip = Button(shape, "chip")
            chip.setObjectName(f"create.size.{shape}")
            chip.setCheckable(True)
            words = tr("{w} × {h} pixels", w=size[0], h=size[1])
            chip.setAccessibleName(f"{shape}, {words}")
            chip.setToolTip(words)
            chip.clicked.connect(lambda _=False, size=size: self._choose(size))
            strip.addWidget(chip, 1)
            self._chips[shape] = chip
        self.body.addSpacing(2)
        self.body.addLayout(strip)
        self.body.addSpacing(4)

    def _choose(self, size: tuple[int, int]) -> None:
        self.show_value(size)
        self.note()
        self.left.emit()

    def _typed(self) -> None:
        self._light()
        self.note()

    def _light(self) -> None:
        now = self.value()
        chosen = next((chip for shape, chip in self._chips.items() if self._sizes[shape] == now), None)
        chosen = None if self._hint else chosen
        uncheckable_group(list(self._chips.values()), chosen)

    def value(self) -> Any:
        return (int(self._width.given()), int(self._height.given()))

    def show_value(self, value: Any) -> None:
        for spin, number in zip((self._width, self._height), value, strict=True):
            spin.blockSignals(True)
            spin.setValue(float(number or 0))
            spin.blockSignals(False)
        self._light()

    def set_hint(self, words: str) -> None:
        """Beside the caption: where the size comes from as long as nobody sets one; then no shape is the chosen one."""
        self._hint = words
        self._caption.setText(f"{self.title}: {words}" if words else self.title)
        self._light()

    def set_problems(self, width: str, height: str) -> None:
        """Both sentences stand below; only the number that is wrong is outlined."""
        self.set_problem(" ".join(sentence for sentence in (width, height) if sentence))
        mark(self._width, invalid="true" if width else "false")
        mark(self._height, invalid="true" if height else "false")

    def controls(self) -> list[QWidget]:
        return [self._width, self._height]

    def focus_on(self, name: str) -> None:
        (self._width if name == "width" else self._height).setFocus(Qt.FocusReason.OtherFocusReason)
