"""One row of a form for one input: label, control, reset, and the place where a problem is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from PySide6.QtCore import QLocale, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QImage, QMouseEvent, QResizeEvent, QValidator, QWheelEvent
from PySide6.QtWidgets import QDoubleSpinBox, QLabel, QLineEdit, QPlainTextEdit, QSizePolicy, QVBoxLayout, QWidget

from ui.i18n import number, tr
from ui.theme import tokens
from ui.widgets.controls import Combo, IconButton, Slider, Switch, label, mark, row, tabular

Schema = dict[str, Any]


@dataclass(frozen=True)
class AddonRow:
    """One add-on as a field offers it: ``fits`` says whether it goes with the chosen model, ``problem`` why it does
    not; ``kind`` is a ``models.recognise.FileKind`` or catalog role, ``entry`` its catalog id."""

    id: str
    name: str
    detail: str = ""
    fits: bool = True
    problem: str = ""
    trigger: tuple[str, ...] = ()
    kind: str = ""
    entry: str = ""
    path: str = ""
    family: str = ""
    variant: str = ""


class RegionsPainted(Protocol):
    """A list of areas that are painted on the canvas."""

    drafts: list[dict[str, Any]]

    def painted(self) -> None:
        """Their masks are other files now."""


@dataclass
class Services:
    """What fields ask of the window: a small version of a picture (None until it is made), the add-ons of these kinds
    (those that fit first), to show the Models page with this role, to put words into the prompt, and to scroll to what
    was added to the list of this name.

    ``canvas`` is the path of the picture on the canvas. ``make_map`` makes the map of a picture (path, preprocessor,
    options) and shows it, then calls with the map's path, or with "" and what went wrong; ``edit_map`` lets a person
    paint on one and calls with the new one's path; ``paint`` opens the canvas for painting areas. ``drafts`` are lists'
    items as they stand, those that are switched off too, by the input's name.
    """

    thumb: Callable[[str], QImage | None] = lambda path: None
    addons: Callable[[Sequence[str]], list[AddonRow]] = lambda kinds: []
    browse: Callable[[str], None] = lambda role: None
    say: Callable[[str], None] = lambda words: None
    reveal: Callable[[str], None] = lambda name: None
    canvas: Callable[[], str] = lambda: ""
    make_map: Callable[[str, str, dict[str, float], Callable[[str, str], None]], None] = lambda *_: None
    edit_map: Callable[[str, Callable[[str], None]], None] = lambda *_: None
    paint: Callable[[RegionsPainted], None] = lambda regions: None
    drafts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class _Caption(QLabel):
    """A field's label; a double click puts the default back."""

    double_clicked = Signal()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.double_clicked.emit()


class Field(QWidget):
    """``edited`` carries values the user gave; ``left`` says that a value is complete and can be checked."""

    edited = Signal(object)
    left = Signal()

    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__()
        self.name = name
        self.schema = schema
        self.default = default
        self.title = tr(str(schema.get("title", name)))
        self._caption = _Caption(self.title)
        self._caption.setTextFormat(Qt.TextFormat.PlainText)
        mark(self._caption, type="secondary", tone="soft")
        self._caption.double_clicked.connect(self.reset)
        if schema.get("description"):
            self._caption.setToolTip(tr(str(schema["description"])))
        self._reset = IconButton("rotate-ccw", tr("Reset {name}", name=self.title), f"create.reset.{name}", 14)
        self._reset.clicked.connect(self.reset)
        keep = self._reset.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self._reset.setSizePolicy(keep)
        self._reset.hide()
        self._problem = label("", "hint", "bad", wrap=True)
        self._problem.setObjectName(f"create.problem.{name}")
        self._problem.hide()
        self.header = row(self._caption, self._reset, None, spacing=4)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(2)
        self.body.addLayout(self.header)

    # for the kinds

    def adopt(self, control: QWidget, object_name: str = "") -> None:
        """Name the main control, and make the caption its label."""
        control.setObjectName(object_name or f"create.input.{self.name}")
        control.setAccessibleName(self.title)
        if self.schema.get("description"):
            control.setAccessibleDescription(tr(str(self.schema["description"])))
        self._caption.setBuddy(control)
        self.setFocusProxy(control)

    def finish(self) -> None:
        self.body.addWidget(self._problem)

    def hide_caption(self) -> None:
        """Leave the words to what stands above."""
        self._caption.hide()

    def note(self) -> None:
        """The user changed the value."""
        self._show_reset()
        self.edited.emit(self.value())

    def _show_reset(self) -> None:
        self._reset.setVisible(self.value() != self.default)

    # for the form

    def attach(self, services: Services) -> None:
        """Called once, before the field is shown; kinds that need them keep them."""

    def refresh(self) -> None:
        """A small picture has arrived, or add-ons have changed."""

    def summary(self) -> str:
        """What is said of it while it is folded away; empty while it is as it was at first."""
        return self.title if self.value() != self.default else ""

    def value(self) -> Any:
        raise NotImplementedError

    def show_value(self, value: Any) -> None:
        """Put ``value`` into the control; ``edited`` is not sent."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        self.show_value(value)
        self._show_reset()

    def reset(self) -> None:
        self.set_value(self.default)
        self.edited.emit(self.value())
        self.left.emit()

    def set_problem(self, sentence: str) -> None:
        self._problem.setText(sentence)
        self._problem.setVisible(bool(sentence))
        for control in self.controls():
            mark(control, invalid="true" if sentence else "false")

    def problem(self) -> str:
        return self._problem.text()

    def controls(self) -> list[QWidget]:
        proxy = self.focusProxy()
        return [proxy] if isinstance(proxy, QWidget) else []


class GrowingEdit(QPlainTextEdit):
    """As high as its text, between two limits. Tab goes on to the next control."""

    focus_left = Signal()

    def __init__(self, lowest: int, highest: int) -> None:
        super().__init__()
        self._lowest, self._highest = lowest, highest
        self.setTabChangesFocus(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(lowest)
        self.document().documentLayout().documentSizeChanged.connect(lambda _: self._grow())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._grow()

    def _grow(self) -> None:
        lines = self.document().size().height()
        wanted = round(lines * self.fontMetrics().lineSpacing() + 2 * self.document().documentMargin() + 14)
        self.setFixedHeight(max(self._lowest, min(self._highest, wanted)))

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusOutEvent(event)
        self.focus_left.emit()


class TextField(Field):
    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default)
        self._optional = default is None
        prompt = name == "prompt"
        self._edit: GrowingEdit | QLineEdit
        if schema.get("x-widget") == "multiline" or prompt:
            self._edit = GrowingEdit(104 if prompt else 58, 240 if prompt else 140)
            self._edit.textChanged.connect(self.note)
        else:
            self._edit = QLineEdit()
            self._edit.textEdited.connect(lambda _: self.note())
            self._edit.editingFinished.connect(self.left)
        if prompt:
            self._edit.setPlaceholderText(tr("What do you want to see?"))
        self.adopt(self._edit, "create.prompt" if prompt else "")
        self.body.addWidget(self._edit)
        self.finish()

    def value(self) -> Any:
        text = self._edit.text() if isinstance(self._edit, QLineEdit) else self._edit.toPlainText()
        return None if self._optional and not text else text

    def show_value(self, value: Any) -> None:
        if value == self.value():
            return
        self._edit.blockSignals(True)
        text = "" if value is None else str(value)
        if isinstance(self._edit, QLineEdit):
            self._edit.setText(text)
        else:
            self._edit.setPlainText(text)
        self._edit.blockSignals(False)

    def _show_reset(self) -> None:
        # Words are the user's own; a reset button beside them would only be in the way.
        self._reset.hide()


class NumberSpin(QDoubleSpinBox):
    """A number that may be typed beyond its limits, so that the form can say what is wrong with it.

    Arrow keys and the wheel stay within them.
    """

    def __init__(self, schema: Schema, whole: bool) -> None:
        super().__init__()
        self._low = float(schema.get("minimum", -1e9))
        self._high = float(schema.get("maximum", 1e9))
        self._whole = whole
        self.setRange(-999_999_999.0, 999_999_999.0)
        self.setDecimals(0 if whole else 4)
        self.setSingleStep(float(schema.get("x-step") or schema.get("multipleOf") or (1 if whole else 0.1)))
        # The style sheet takes the buttons away; ``NoButtons`` together with it leaves the editor one pixel wide.
        self.lineEdit().setTextMargins(3, 0, 1, 0)
        self.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setKeyboardTracking(True)
        self.setLocale(QLocale.c())
        self.setFont(tabular(self.font()))
        mark(self, kind="inline")

    def set_limits(self, low: float, high: float) -> None:
        """What arrow keys and the wheel stay within."""
        self._low, self._high = low, high

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(72, tokens.TARGET)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(56, tokens.TARGET)

    def textFromValue(self, value: float) -> str:  # noqa: N802
        return str(round(value)) if self._whole else number(round(value, 4))

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        if text.strip() in ("", "-"):
            return (QValidator.State.Intermediate, text, position)
        return super().validate(text.replace(",", "."), position)

    def valueFromText(self, text: str) -> float:  # noqa: N802
        return super().valueFromText(text.replace(",", "."))

    def stepBy(self, steps: int) -> None:  # noqa: N802
        self.setValue(max(self._low, min(self._high, self.value() + steps * self.singleStep())))

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        super().wheelEvent(event) if self.hasFocus() else event.ignore()

    def given(self) -> int | float:
        return round(self.value()) if self._whole else round(self.value(), 4)


class NumberField(Field):
    """A number with a slider, where both ends are known."""

    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default)
        self._whole = schema.get("x-kind") == "integer"
        self._spin = NumberSpin(schema, self._whole)
        self._step = self._spin.singleStep()
        self._low = float(schema.get("minimum", 0))
        self.header.addWidget(self._spin)
        self.adopt(self._spin)
        self._slider: Slider | None = None
        if "minimum" in schema and "maximum" in schema and schema["maximum"] > schema["minimum"]:
            self._slider = self._make_slider(float(schema["maximum"]))
        self._spin.valueChanged.connect(self._typed)
        self._spin.editingFinished.connect(self.left)
        self.finish()

    def _make_slider(self, high: float) -> Slider:
        slider = Slider()
        slider.setObjectName(f"create.slider.{self.name}")
        slider.setAccessibleName(self.title)
        slider.setRange(0, max(1, round((high - self._low) / self._step)))
        slider.setPageStep(max(1, slider.maximum() // 10))
        slider.valueChanged.connect(self._slid)
        slider.reset_wanted.connect(self.reset)
        # One stop for Tab is enough: the number beside takes arrows too.
        slider.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.body.addWidget(slider)
        return slider

    def value(self) -> Any:
        return self._spin.given()

    def show_value(self, value: Any) -> None:
        self._spin.blockSignals(True)
        self._spin.setValue(float(value or 0))
        self._spin.blockSignals(False)
        self._follow()

    def _follow(self) -> None:
        if self._slider is not None:
            self._slider.blockSignals(True)
            self._slider.setValue(round((self._spin.value() - self._low) / self._step))
            self._slider.blockSignals(False)

    def _typed(self) -> None:
        self._follow()
        self.note()

    def _slid(self, position: int) -> None:
        self._spin.blockSignals(True)
        self._spin.setValue(self._low + position * self._step)
        self._spin.blockSignals(False)
        self.note()
        self.left.emit()


class ChoiceField(Field):
    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default)
        self._combo = Combo()
        self._combo.setMinimumWidth(150)
        for choice in schema.get("enum", []):
            self._combo.addItem(str(choice), str(choice))
        self._combo.currentIndexChanged.connect(lambda _: self.note())
        self.header.addWidget(self._combo)
        self.adopt(self._combo)
        self.finish()

    def value(self) -> Any:
        return self._combo.currentData()

    def show_value(self, value: Any) -> None:
        self._combo.blockSignals(True)
        if self._combo.findData(str(value)) < 0 and value is not None:
            self._combo.addItem(str(value), str(value))
        self._combo.setCurrentIndex(self._combo.findData(str(value)))
        self._combo.blockSignals(False)


class SwitchField(Field):
    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default)
        self._switch = Switch()
        self._switch.toggled.connect(lambda _: self.note())
        self.header.addWidget(self._switch)
        self.adopt(self._switch)
        self.finish()

    def value(self) -> Any:
        return self._switch.isChecked()

    def show_value(self, value: Any) -> None:
        self._switch.blockSignals(True)
        self._switch.setChecked(bool(value))
        self._switch.blockSignals(False)
