"""A form made from a JSON Schema: the inputs in their order, the advanced ones folded away."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme import tokens
from ui.theme.icons import icon
from ui.widgets.control_field import AdaptersField, ControlsField
from ui.widgets.controls import Button, ElidedLabel, IconButton, row
from ui.widgets.fields import ChoiceField, Field, NumberField, Schema, Services, SwitchField, TextField
from ui.widgets.lora_field import AddonField, EmbeddingsField, LoraField
from ui.widgets.picture_field import PictureField
from ui.widgets.prompt_field import PromptField
from ui.widgets.regions_field import RegionsField
from ui.widgets.seed_field import SeedField
from ui.widgets.size_field import SizeField, is_fixed

FIELDS: dict[str, type[Field]] = {
    "text": TextField,
    "integer": NumberField,
    "number": NumberField,
    "choice": ChoiceField,
    "boolean": SwitchField,
    "seed": SeedField,
    "image": PictureField,
    "mask": PictureField,
    "loras": LoraField,
    "embeddings": EmbeddingsField,
    "addon": AddonField,
    "controls": ControlsField,
    "adapters": AdaptersField,
    "regions": RegionsField,
}


ADVANCED = "advanced"
GROUPS = {
    "loras": "LoRAs",
    "control": "Control",
    "regions": "Regions",
    "texture": "Seamless texture",
    "refine": "Bigger and finer",
    ADVANCED: "Advanced",
}
"""The foldable parts of a form, in their order, below what is always shown."""


class Section(QWidget):
    """A heading that folds what lies beneath it."""

    folded = Signal(bool)
    help_wanted = Signal()

    def __init__(self, title: str, object_name: str) -> None:
        super().__init__()
        self._head = Button(title, "section", "chevron-right")
        self._head.setAccessibleName(title)
        self._head.setObjectName(object_name)
        self._head.setIconSize(QSize(14, 14))
        self._head.setCheckable(True)
        self._head.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._summary = ""
        self._names = ElidedLabel("", "hint", "soft")
        self._names.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._body = QWidget()
        self.content = QVBoxLayout(self._body)
        self.content.setContentsMargins(0, 6, 0, 0)
        self.content.setSpacing(tokens.GROUP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        head = row(spacing=tokens.GAP)
        head.addWidget(self._head)
        head.addWidget(self._names, 1)
        about = IconButton("circle-question-mark", tr("Help: {what}", what=title), f"{object_name}.help", 15)
        about.clicked.connect(self.help_wanted)
        head.addWidget(about)
        layout.addLayout(head)
        layout.addWidget(self._body)
        self._head.toggled.connect(self.set_open)
        self.set_open(False)

    def set_open(self, open_: bool) -> None:
        self._head.setChecked(open_)
        self._head.setIcon(icon("chevron-down" if open_ else "chevron-right"))
        self._body.setVisible(open_)
        self._names.set_full("" if open_ else self._summary)
        self.folded.emit(not open_)

    def is_open(self) -> bool:
        return self._head.isChecked()

    def summary(self) -> str:
        """What is said beside the heading while it is folded."""
        return self._summary

    def set_names(self, names: list[str]) -> None:
        self._summary = " · ".join(names)
        self._names.set_full("" if self.is_open() else self._summary)


class Form(QWidget):
    """``edited`` and ``left`` carry the input's name; ``keep_seed`` follows the lock beside the seed; ``help_wanted``
    carries a group of ``GROUPS``."""

    edited = Signal(str, object)
    help_wanted = Signal(str)
    left = Signal(str)
    keep_seed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fields: dict[str, Field] = {}
        self._size: SizeField | None = None
        self._sections: dict[str, Section] = {}
        self._open: set[str] = set()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(tokens.GROUP)
        self._body: QWidget | None = None
        self._hidden: frozenset[str] = frozenset()
        self.services = Services()

    def build(self, schema: Schema, defaults: Mapping[str, Any]) -> None:
        """Make the fields anew."""
        self._open |= {group for group, section in self._sections.items() if section.is_open()}
        self._open -= {group for group, section in self._sections.items() if not section.is_open()}
        if self._body is not None:
            self._layout.removeWidget(self._body)
            self._body.hide()
            self._body.setParent(None)
            self._body.deleteLater()
        self._fields, self._size, self._sections = {}, None, {}
        self._body = QWidget()
        body = QVBoxLayout(self._body)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(tokens.GROUP)
        properties = sorted(schema.get("properties", {}).items(), key=lambda item: item[1].get("x-order", 0))
        shown = [(name, prop) for name, prop in properties if not prop.get("x-hidden")]
        self._add(body, [item for item in shown if not group_of(item[1])], defaults)
        for group, title in GROUPS.items():
            inside = [item for item in shown if group_of(item[1]) == group]
            if inside:
                self._add_section(body, group, tr(title), inside, defaults)
        self._show_needed()
        self._layout.addWidget(self._body)

    def _add_section(
        self, body: QVBoxLayout, group: str, title: str, items: list[tuple[str, Schema]], defaults: Mapping[str, Any]
    ) -> None:
        section = self._sections[group] = Section(title, f"create.{group}")
        section.help_wanted.connect(lambda: self.help_wanted.emit(group))
        self._add(section.content, items, defaults)
        first = self._fields.get(items[0][0])
        if first is not None and first.title == title:
            first.hide_caption()  # it is what the section is called
        section.set_open(group in self._open)
        body.addWidget(section)

    def set_hidden(self, names: Collection[str]) -> None:
        """Leave out fields that say nothing as things stand."""
        self._hidden = frozenset(names)
        self._show_needed()

    def set_size_hint(self, words: str) -> None:
        if self._size is not None:
            self._size.set_hint(words)

    def _show_needed(self) -> None:
        for name, field in self._fields.items():
            field.setVisible(name not in self._hidden)
        for group, section in self._sections.items():
            names = [self._fields[name].title for name in self._within(group) if name not in self._hidden]
            section.set_names(self._in_use(group))
            section.setVisible(bool(names))

    def _within(self, group: str) -> list[str]:
        return [name for name, field in self._fields.items() if group_of(field.schema) == group]

    def _in_use(self, group: str) -> list[str]:
        """What of a folded part is not as it was at first."""
        shown = (self._fields[name] for name in self._within(group) if name not in self._hidden)
        return [words for field in shown if (words := field.summary())]

    def refresh(self) -> None:
        """Small versions of chosen pictures have arrived, or add-ons have changed."""
        for field in self._fields.values():
            field.refresh()

    def _add(self, layout: QVBoxLayout, items: list[tuple[str, Schema]], defaults: Mapping[str, Any]) -> None:
        given = dict(items)
        for name, prop in items:
            if name in ("width", "height") and {"width", "height"} <= given.keys():
                if name == "width" and not is_fixed(given["width"], given["height"]):
                    self._add_size(layout, given, defaults)
                continue
            kind = FIELDS.get(str(prop.get("x-kind")))
            if kind is None:
                continue
            if kind is TextField and name in ("prompt", "negative_prompt"):
                kind = PromptField
            field = kind(name, prop, defaults.get(name))
            field.attach(self.services)
            field.edited.connect(lambda value, name=name: self._edited(name, value))
            field.left.connect(lambda name=name: self.left.emit(name))
            if isinstance(field, SeedField) and name == "seed":
                field.keep_toggled.connect(self.keep_seed)
            self._fields[name] = field
            layout.addWidget(field)

    def _edited(self, name: str, value: object) -> None:
        group = group_of(self._fields[name].schema)
        if group:
            self._sections[group].set_names(self._in_use(group))
        self.edited.emit(name, value)

    def _add_size(self, layout: QVBoxLayout, given: Mapping[str, Schema], defaults: Mapping[str, Any]) -> None:
        start = (defaults.get("width"), defaults.get("height"))
        size = SizeField(given["width"], given["height"], start)  # type: ignore[arg-type]
        size.edited.connect(self._size_edited)
        size.left.connect(self._size_left)
        self._size = size
        layout.addWidget(size)

    def _size_left(self) -> None:
        self.left.emit("width")
        self.left.emit("height")

    def _size_edited(self, value: tuple[int, int]) -> None:
        self.edited.emit("width", value[0])
        self.edited.emit("height", value[1])

    def set_values(self, values: Mapping[str, Any]) -> None:
        for name, field in self._fields.items():
            if name in values:
                field.set_value(values[name])
        if self._size is not None and "width" in values and "height" in values:
            self._size.set_value((values["width"], values["height"]))
        self._show_needed()

    def set_keep_seed(self, keep: bool) -> None:
        field = self._fields.get("seed")
        if isinstance(field, SeedField):
            field.set_keep(keep)

    def set_problems(self, problems: Mapping[str, str]) -> None:
        for name, field in self._fields.items():
            field.set_problem(problems.get(name, ""))
        if self._size is not None:
            self._size.set_problems(problems.get("width", ""), problems.get("height", ""))
        for group, section in self._sections.items():
            if any(name in problems for name in self._within(group)):
                section.set_open(True)

    def focus_problem(self, problems: Mapping[str, str]) -> QWidget | None:
        """Go to the first field that is wrong, in the order of the form."""
        for name, field in self._fields.items():
            if name in problems:
                field.setFocus(Qt.FocusReason.OtherFocusReason)
                return field
        for name in ("width", "height"):
            if self._size is not None and name in problems:
                self._size.focus_on(name)
                return self._size
        return None

    def field(self, name: str) -> Field | None:
        return self._size if name in ("width", "height", "size") else self._fields.get(name)

    def place_above(self, name: str, widget: QWidget) -> bool:
        """Put ``widget`` right above a field that is always shown; False where the form has no such field."""
        field, body = self._fields.get(name), self._body.layout() if self._body is not None else None
        if field is None or not isinstance(body, QVBoxLayout) or body.indexOf(field) < 0:
            return False
        body.insertWidget(body.indexOf(field), widget)
        return True

    def stops(self) -> list[QWidget]:
        """What takes the focus, in the order of the form."""
        if self._body is None:
            return []
        found = self._body.findChildren(QWidget)
        return [widget for widget in found if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.objectName()]

    def open_section(self, group: str) -> None:
        """Unfold a part of ``GROUPS``, if this form has it."""
        if group in self._sections:
            self._sections[group].set_open(True)

    def pictures(self) -> list[PictureField]:
        """The fields for pictures that are shown."""
        found = [field for field in self._fields.values() if isinstance(field, PictureField)]
        return [field for field in found if field.name not in self._hidden]


def group_of(schema: Schema) -> str:
    """The foldable part an input stands in; empty for what is always shown."""
    return str(schema.get("x-group") or (ADVANCED if schema.get("x-advanced") else ""))
