"""A card of a form's list: on or off, what it is, a way to remove it, and rows of values beneath."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QSizePolicy, QVBoxLayout, QWidget

from ui.i18n import number, tr
from ui.theme import tokens
from ui.widgets.controls import Button, Combo, ElidedLabel, IconButton, Slider, Switch, label, mark, row, tabular
from ui.widgets.fields import NumberSpin, Services
from ui.widgets.picture_field import SUFFIXES, Thumb, picture_file
from ui.widgets.range_slider import RangeSlider

_WORDS = 82
"""Pixels of the words before a row's control."""


class PictureStrip(QFrame):
    """One picture: dropped, browsed for, or the canvas's own. ``taken`` carries its path, or "" for none."""

    taken = Signal(str)

    def __init__(self, name: str, empty: str) -> None:
        super().__init__()
        self._path, self._empty = "", empty
        self._services = Services()
        self.setObjectName(f"{name}.picture")
        mark(self, surface="well")
        self.setAcceptDrops(True)
        self._thumb = Thumb()
        self._words = ElidedLabel("", tone="soft", mode=Qt.TextElideMode.ElideMiddle)
        self.browse = Button(tr("Browse"), "quiet")
        self.browse.setObjectName(f"{name}.browse")
        self.browse.setAccessibleName(tr("Choose a picture"))
        self.browse.clicked.connect(self._browse)
        self.canvas = IconButton("image", tr("Use the picture on the canvas"), f"{name}.canvas", 16)
        self.canvas.clicked.connect(self._from_canvas)
        self.clear = IconButton("x", tr("Take the picture out"), f"{name}.clear", 16)
        self.clear.clicked.connect(lambda: self.taken.emit(""))
        line = row(self._thumb, spacing=6)
        line.setContentsMargins(5, 3, 4, 3)
        line.addWidget(self._words, 1)
        for part in (self.canvas, self.browse, self.clear):
            line.addWidget(part)
        self.setLayout(line)
        self.show_path("")

    def attach(self, services: Services) -> None:
        self._services = services
        self.show_path(self._path)

    def show_path(self, path: str, words: str = "") -> None:
        """``words`` stand in place of the file's name."""
        self._path = path
        self._words.set_full(words or Path(path).name if path else self._empty, path)
        self.clear.setVisible(bool(path))
        self.browse.setVisible(not path)
        self.canvas.setVisible(not path)
        self.refresh()

    def refresh(self) -> None:
        self._thumb.image = self._services.thumb(self._path) if self._path else None
        self._thumb.update()
        self.canvas.setEnabled(bool(self._services.canvas()))

    def _browse(self) -> None:
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(
            self, tr("Choose a picture"), self._path, f"{tr('Pictures')} ({kinds});;{tr('All files')} (*)"
        )
        if path:
            self.taken.emit(path)

    def _from_canvas(self) -> None:
        if path := self._services.canvas():
            self.taken.emit(path)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if picture_file(event.mimeData().urls()):
            event.acceptProposedAction()
            mark(self, surface="drop")

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802
        mark(self, surface="well")

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        mark(self, surface="well")
        if path := picture_file(event.mimeData().urls()):
            event.acceptProposedAction()
            self.taken.emit(path)


class NumberRow(QWidget):
    """Words, a slider and a number. ``moved`` carries the value."""

    moved = Signal(float)

    def __init__(self, words: str, object_name: str, low: float, high: float, step: float, usual: float) -> None:
        super().__init__()
        self._low, self._step, self._usual = low, step, usual
        whole = step == int(step) and usual == int(usual) and low == int(low)
        self.spin = NumberSpin({"minimum": low, "maximum": high, "x-step": step}, whole)
        self.spin.setObjectName(object_name)
        self.spin.setAccessibleName(words)
        self.spin.setFixedWidth(56)
        self.slider = Slider()
        self.slider.setObjectName(f"{object_name}.slider")
        self.slider.setAccessibleName(words)
        self.slider.setRange(0, max(1, round((high - low) / step)))
        self.slider.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        line = row(caption(words), spacing=6)
        line.addWidget(self.slider, 1)
        line.addWidget(self.spin)
        self.setLayout(line)
        self.spin.valueChanged.connect(self._typed)
        self.slider.valueChanged.connect(lambda at: self.spin.setValue(round(self._low + at * self._step, 4)))
        self.slider.reset_wanted.connect(lambda: self.spin.setValue(self._usual))
        self.show_value(usual)

    def value(self) -> float:
        return float(self.spin.given())

    def show_value(self, value: float) -> None:
        self.spin.blockSignals(True)
        self.spin.setValue(value)
        self.spin.blockSignals(False)
        self._follow()

    def _follow(self) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(round((self.spin.value() - self._low) / self._step))
        self.slider.blockSignals(False)

    def _typed(self) -> None:
        self._follow()
        self.moved.emit(self.value())


class RangeRow(QWidget):
    """Words, the slider with two handles, and both ends in percent."""

    def __init__(self, words: str, object_name: str) -> None:
        super().__init__()
        self.slider = RangeSlider(words)
        self.slider.setObjectName(object_name)
        self._ends = label("", "hint", "soft")
        self._ends.setFont(tabular(self._ends.font()))
        self._ends.setFixedWidth(62)
        self._ends.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        line = row(caption(words), spacing=6)
        line.addWidget(self.slider, 1)
        line.addWidget(self._ends)
        self.setLayout(line)
        self.slider.changed.connect(self._say)
        self._say(0.0, 1.0)

    def show_shares(self, low: float, high: float) -> None:
        self.slider.set_shares(low, high)
        self._say(*self.slider.shares)

    def _say(self, low: float, high: float) -> None:
        self._ends.setText(f"{number(round(low * 100))}–{number(round(high * 100))} %")


class ChoiceRow(QWidget):
    """Words and a list to choose from; ``chosen`` carries the key."""

    chosen = Signal(str)

    def __init__(self, words: str, object_name: str, choices: list[tuple[str, str]]) -> None:
        super().__init__()
        self.combo = Combo()
        self.combo.setObjectName(object_name)
        self.combo.setAccessibleName(words)
        self.set_choices(choices)
        line = row(caption(words), spacing=6)
        line.addWidget(self.combo, 1)
        self.setLayout(line)
        self.combo.currentIndexChanged.connect(lambda _: self.chosen.emit(str(self.combo.currentData() or "")))

    def set_choices(self, choices: list[tuple[str, str]]) -> None:
        self.combo.blockSignals(True)
        self.combo.clear()
        for key, words in choices:
            self.combo.addItem(words, key)
        self.combo.blockSignals(False)

    def show_key(self, key: str) -> None:
        self.combo.blockSignals(True)
        if self.combo.findData(key) < 0:
            self.combo.addItem(key, key)
        self.combo.setCurrentIndex(self.combo.findData(key))
        self.combo.blockSignals(False)


class Card(QFrame):
    """``draft`` is what the card holds: an item's values, and what only the window needs (``on``...)."""

    changed = Signal()
    removed = Signal()
    pick_wanted = Signal()

    def __init__(self, name: str, draft: dict[str, Any], what: str) -> None:
        super().__init__()
        self.draft = draft
        self.name = name
        self.services = Services()
        self.setObjectName(name)
        self.setAccessibleName(what)
        mark(self, surface="note")
        self.switch = Switch()
        self.switch.setObjectName(f"{name}.on")
        self.switch.setAccessibleName(tr("{what}: on", what=what))
        self.switch.setToolTip(tr("On or off; what is off stays here and does nothing"))
        self.switch.toggled.connect(self._turn)
        self.title = Button("", "name")
        self.title.setObjectName(f"{name}.name")
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.title.clicked.connect(self.pick_wanted)
        self.remove = IconButton("trash-2", tr("Remove {what}", what=what), f"{name}.remove", 16)
        self.remove.clicked.connect(self.removed)
        head = row(self.switch, spacing=4)
        head.addWidget(self.title, 1)
        head.addWidget(self.remove)
        self.rows = QVBoxLayout()
        self.rows.setContentsMargins(0, 0, 0, 0)
        self.rows.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 8, 10)
        layout.setSpacing(6)
        layout.addLayout(head)
        layout.addLayout(self.rows)

    def attach(self, services: Services) -> None:
        self.services = services
        self.show_draft()

    def show_draft(self) -> None:
        """Put ``draft`` into the controls."""
        on = bool(self.draft.get("on", True))
        self.switch.blockSignals(True)
        self.switch.setChecked(on)
        self.switch.blockSignals(False)
        for at in range(self.rows.count()):
            part = self.rows.itemAt(at)
            if part is not None and (widget := part.widget()) is not None:
                widget.setEnabled(on)
        self._fit_title()

    def refresh(self) -> None:
        """Small pictures or add-ons have changed."""

    def title_words(self) -> str:
        return str(self.draft.get("name", ""))

    def _fit_title(self) -> None:
        words = self.title_words()
        room = max(40, self.title.width() - 20)
        self.title.setText(self.title.fontMetrics().elidedText(words, Qt.TextElideMode.ElideMiddle, room))
        self.title.setToolTip(tr("{name}: choose another one", name=words))
        self.title.setAccessibleName(words)

    def put(self, **values: Any) -> None:
        """The user changed something."""
        self.draft.update(values)
        self.changed.emit()

    def _turn(self, on: bool) -> None:
        self.put(on=on)
        self.show_draft()

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.LayoutRequest):
            self._fit_title()
        return done


def caption(words: str) -> QWidget:
    """What stands before a row's control."""
    made = ElidedLabel(words, "secondary", "soft")
    made.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
    made.setFixedSize(_WORDS, tokens.TARGET)
    return made
