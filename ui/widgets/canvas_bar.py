"""The tools that float over the canvas while a picture is worked on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
    QWidgetAction,
)

from ui.i18n import tr
from ui.theme import tokens
from ui.theme.icons import icon
from ui.widgets.controls import Combo, ElidedLabel, IconButton, Slider, divider, label, mark, row, tabular
from ui.widgets.fields import NumberSpin

LARGEST_BRUSH = 1000
_SIDES = ("left", "top", "right", "bottom")


@dataclass(frozen=True)
class BarState:
    """What the bar shows. ``brush`` is size in pixels, hardness and opacity in per cent; ``pen`` says whether pressure
    changes its size and its opacity; ``words`` stand where no tool has anything to set."""

    tools: tuple[str, ...]
    tool: str
    words: str
    brush: tuple[float, float, float]
    pen: tuple[bool, bool]
    has_mask: bool
    busy: bool
    undo: str
    redo: str
    extents: tuple[int, int, int, int]
    limits: tuple[tuple[int, int], ...]
    aspects: tuple[tuple[int, int], ...]


def tool_words() -> dict[str, tuple[str, str, str]]:
    """Icon, name and key of each tool."""
    return {
        "": ("hand", tr("Look and move"), "V"),
        "brush": ("brush", tr("Brush: paint over what is to change"), "B"),
        "eraser": ("eraser", tr("Eraser"), "E"),
        "lasso": ("lasso", tr("Lasso: draw around what is to change"), "L"),
        "rectangle": ("square-dashed", tr("Rectangle"), "M"),
        "fill": ("paint-bucket", tr("Fill: click into what strokes enclose"), "G"),
        "frame": ("expand", tr("Extend: drag the edges of the picture"), "F"),
    }


class _Setting(QWidget):
    """A name, a slider and its number, in a menu."""

    changed = Signal(int)

    def __init__(self, name: str, object_name: str, low: int, high: int, unit: str = "%") -> None:
        super().__init__()
        self._unit = unit
        self.slider = Slider()
        self.slider.setRange(low, high)
        self.slider.setObjectName(object_name)
        self.slider.setAccessibleName(name)
        self.slider.setFixedWidth(150)
        self._number = label("", "secondary", "soft")
        self._number.setFont(tabular(self._number.font()))
        self._number.setMinimumWidth(52)
        self._number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        caption = label(name, "secondary", "soft")
        caption.setBuddy(self.slider)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 4)
        layout.setSpacing(0)
        layout.addLayout(row(caption, None, self._number))
        layout.addWidget(self.slider)
        self.slider.valueChanged.connect(self._slid)

    def _slid(self, value: int) -> None:
        self._show(value)
        self.changed.emit(value)

    def _show(self, value: int) -> None:
        self._number.setText(f"{value} {self._unit}")

    def set_value(self, value: float) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(round(value))
        self.slider.blockSignals(False)
        self._show(round(value))


class CanvasBar(QFrame):
    """``commanded`` carries a name ("undo", "invert"...) and a number of pixels where it needs one."""

    tool_chosen = Signal(str)
    commanded = Signal(str, int)
    brush_changed = Signal(str, float)
    pen_changed = Signal(str, bool)
    aspect_chosen = Signal(int, int)
    extents_typed = Signal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("canvas.bar")
        self.setAccessibleName(tr("Tools for the picture"))
        mark(self, surface="float")
        self._state: BarState | None = None
        self._tools = {name: self._make_tool(name, *words) for name, words in tool_words().items()}
        self._options = QStackedWidget()
        self._options.setFixedHeight(tokens.CONTROL)
        self._words = ElidedLabel("", "secondary", "soft")
        for page in (self._words, self._make_brush_page(), self._make_frame_page()):
            self._options.addWidget(page)
        self._mask = self._make_mask_button()
        self._undo = self._make_command("undo-2", tr("Undo"), "undo", "Ctrl+Z")
        self._redo = self._make_command("redo-2", tr("Redo"), "redo", "Ctrl+Shift+Z")
        self._out = self._make_command("x", tr("Take the picture out"), "take_out", "")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 7, 8, 7)
        layout.setSpacing(2)
        for tool in self._tools.values():
            layout.addWidget(tool)
        self._line = divider("v")
        layout.addSpacing(6)
        layout.addWidget(self._line)
        layout.addSpacing(6)
        layout.addWidget(self._options, 1)
        layout.addSpacing(6)
        for part in (self._mask, self._undo, self._redo, self._out):
            layout.addWidget(part)

    # made once

    def _make_tool(self, name: str, icon_name: str, words: str, key: str) -> IconButton:
        button = IconButton(icon_name, words, f"canvas.tool.{name or 'move'}")
        button.set_face(icon_name, words, key)
        button.setCheckable(True)
        button.clicked.connect(lambda: self.tool_chosen.emit(name))
        return button

    def _make_command(self, icon_name: str, words: str, name: str, key: str) -> IconButton:
        button = IconButton(icon_name, words, f"canvas.{name}")
        button.set_face(icon_name, words, key)
        button.clicked.connect(lambda: self.commanded.emit(name, 0))
        return button

    def _menu_button(self, icon_name: str, words: str, name: str, menu: QMenu) -> IconButton:
        button = IconButton(icon_name, words, f"canvas.{name}")
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        mark(button, kind="menu")
        return button

    def _make_brush_page(self) -> QWidget:
        self._size = Slider()
        self._size.setObjectName("canvas.brush.size")
        self._size.setAccessibleName(tr("Brush size"))
        self._size.setToolTip(tr("Brush size  ([ and ])"))
        # Even steps on the slider are even ratios of the size.
        self._size.setRange(0, 200)
        self._size.setMinimumWidth(56)
        self._size.setMaximumWidth(220)
        self._size_number = label("", "secondary", "soft")
        self._size_number.setFont(tabular(self._size_number.font()))
        self._size_number.setMinimumWidth(56)
        self._size.valueChanged.connect(lambda at: self.brush_changed.emit("size", size_at(at)))
        self._hardness = _Setting(tr("Hardness"), "canvas.brush.hardness", 0, 100)
        self._opacity = _Setting(tr("Opacity"), "canvas.brush.opacity", 5, 100)
        self._hardness.changed.connect(lambda value: self.brush_changed.emit("hardness", value / 100))
        self._opacity.changed.connect(lambda value: self.brush_changed.emit("opacity", value / 100))
        menu = QMenu(self)
        for part in (self._hardness, self._opacity):
            action = QWidgetAction(menu)
            action.setDefaultWidget(part)
            menu.addAction(action)
        menu.addSeparator()
        words = {"size": tr("Pen pressure changes the size"), "opacity": tr("Pen pressure changes the opacity")}
        self._pen = {name: menu.addAction(text) for name, text in words.items()}
        for name, entry in self._pen.items():
            entry.setObjectName(f"canvas.pen.{name}")
            entry.setCheckable(True)
            entry.toggled.connect(lambda on, name=name: self.pen_changed.emit(name, on))
        self.brush_menu = menu
        page = QWidget()
        line = row(spacing=8)
        line.addWidget(self._size, 3)
        line.addWidget(self._size_number)
        line.addWidget(self._menu_button("sliders-horizontal", tr("Hardness, opacity and pen"), "brush.more", menu))
        line.addStretch(1)
        page.setLayout(line)
        return page

    def _make_frame_page(self) -> QWidget:
        self._aspect = Combo()
        self._aspect.setObjectName("canvas.frame.shape")
        self._aspect.setAccessibleName(tr("Shape to reach"))
        self._aspect.setToolTip(tr("Shape to reach"))
        self._aspect.setMinimumWidth(84)
        self._aspect.activated.connect(self._aspect_activated)
        self._sides: dict[str, NumberSpin] = {}
        names = {"left": tr("Left"), "top": tr("Top"), "right": tr("Right"), "bottom": tr("Bottom")}
        box = QWidget()
        lines = QVBoxLayout(box)
        lines.setContentsMargins(10, 6, 10, 6)
        lines.setSpacing(4)
        for side in _SIDES:
            spin = NumberSpin({"minimum": 0, "maximum": 4096, "x-step": 8}, True)
            spin.setObjectName(f"canvas.frame.{side}")
            spin.setAccessibleName(tr("Pixels to add: {side}", side=names[side].lower()))
            spin.editingFinished.connect(self._side_typed)
            self._sides[side] = spin
            caption = label(names[side], "secondary", "soft")
            caption.setBuddy(spin)
            lines.addLayout(row(caption, None, spin, label(tr("px"), "secondary", "soft"), spacing=6))
        menu = QMenu(self)
        action = QWidgetAction(menu)
        action.setDefaultWidget(box)
        menu.addAction(action)
        reset = IconButton("rotate-ccw", tr("Back to the picture's own edges"), "canvas.frame.reset", 16)
        reset.clicked.connect(lambda: self.extents_typed.emit((0, 0, 0, 0)))
        self._reset = reset
        page = QWidget()
        pixels = self._menu_button("sliders-horizontal", tr("Pixels to add on each side"), "frame.pixels", menu)
        page.setLayout(row(self._aspect, pixels, reset, None, spacing=4))
        return page

    def _make_mask_button(self) -> IconButton:
        menu = QMenu(self)
        self._entries = {}
        amount = QWidget()
        self._amount = NumberSpin({"minimum": 1, "maximum": 500, "x-step": 1}, True)
        self._amount.setObjectName("canvas.mask.amount")
        self._amount.setAccessibleName(tr("Pixels to grow, shrink or feather by"))
        self._amount.setValue(8)
        line = row(label(tr("By"), "secondary", "soft"), self._amount, label(tr("px"), "secondary", "soft"), None)
        line.setContentsMargins(10, 2, 10, 2)
        amount.setLayout(line)
        entries: Sequence[tuple[str, str, str]] = (
            ("invert", "contrast", tr("Invert\tCtrl+I")),
            ("fill", "paint-bucket", tr("Fill everything")),
            ("clear", "x", tr("Clear")),
            ("", "", ""),
            ("grow", "maximize-2", tr("Grow")),
            ("shrink", "minimize-2", tr("Shrink")),
            ("feather", "feather", tr("Feather")),
            ("", "", ""),
            ("load", "upload", tr("Load a mask…")),
            ("save", "download", tr("Save the mask…")),
        )
        for name, icon_name, words in entries:
            if not name:
                menu.addSeparator()
                continue
            action = menu.addAction(icon(icon_name), words)
            action.setObjectName(f"canvas.mask.{name}")
            action.triggered.connect(lambda _=False, name=name: self._command_mask(name))
            self._entries[name] = action
            if name == "feather":
                number = QWidgetAction(menu)
                number.setDefaultWidget(amount)
                menu.addAction(number)
        self.mask_menu = menu
        return self._menu_button("circle-dashed", tr("Mask"), "mask", menu)

    def _command_mask(self, name: str) -> None:
        self.commanded.emit(name, max(1, min(500, int(self._amount.given()))))

    # shown

    def show_state(self, state: BarState) -> None:
        if state == self._state:
            return
        self._state = state
        for name, button in self._tools.items():
            button.setVisible(name in state.tools)
            button.setChecked(name == state.tool)
            button.setEnabled(not state.busy)
        masks = "brush" in state.tools
        painting = state.tool in ("brush", "eraser")
        self._options.setCurrentIndex(1 if painting else 2 if state.tool == "frame" else 0)
        self._words.set_full(state.words)
        self._show_brush(state)
        self._show_frame(state)
        self._mask.setVisible(masks)
        self._mask.setEnabled(not state.busy)
        for name in ("clear", "grow", "shrink", "feather", "save"):
            self._entries[name].setEnabled(state.has_mask)
        for button, what, words in ((self._undo, state.undo, tr("Undo")), (self._redo, state.redo, tr("Redo"))):
            button.setEnabled(bool(what) and not state.busy)
            key = "Ctrl+Z" if button is self._undo else "Ctrl+Shift+Z"
            button.setToolTip(f"{words}: {what}  ({key})" if what else f"{words}  ({key})")

    def _show_brush(self, state: BarState) -> None:
        size, hardness, opacity = state.brush
        self._size.blockSignals(True)
        self._size.setValue(round(place_of(size)))
        self._size.blockSignals(False)
        self._size_number.setText(tr("{n} px", n=round(size)))
        self._hardness.set_value(hardness)
        self._opacity.set_value(opacity)
        for action, on in zip(self._pen.values(), state.pen, strict=True):
            action.blockSignals(True)
            action.setChecked(on)
            action.blockSignals(False)

    def _show_frame(self, state: BarState) -> None:
        wanted = [tr("Shape…"), *(f"{across}:{down}" for across, down in state.aspects)]
        if [self._aspect.itemText(i) for i in range(self._aspect.count())] != wanted:
            self._aspect.clear()
            self._aspect.addItems(wanted)
        self._aspect.setCurrentIndex(0)
        self._reset.setEnabled(any(state.extents))
        for side, value, (step, most) in zip(_SIDES, state.extents, state.limits, strict=True):
            spin = self._sides[side]
            spin.blockSignals(True)
            spin.setSingleStep(step)
            spin.set_limits(0, most)
            spin.setValue(value)
            spin.blockSignals(False)

    def _aspect_activated(self, index: int) -> None:
        if index > 0 and self._state is not None:
            self.aspect_chosen.emit(*self._state.aspects[index - 1])

    def _side_typed(self) -> None:
        self._state = None  # what was typed may be bent to what the model takes: show that
        self.extents_typed.emit(tuple(int(self._sides[side].given()) for side in _SIDES))


def size_at(place: float) -> float:
    """The brush's size at a place of the slider (0 to 200): from 1 to ``LARGEST_BRUSH`` pixels in even ratios."""
    return float(max(1, round(LARGEST_BRUSH ** (place / 200))))


def place_of(size: float) -> float:
    return 200 * math.log(max(1.0, size)) / math.log(LARGEST_BRUSH)
