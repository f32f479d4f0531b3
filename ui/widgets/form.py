"""A form made from a JSON Schema: the inputs in their order, the advanced ones folded away."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme import tokens
from ui.theme.icons import icon
from ui.widgets.controls import Button, ElidedLabel, row
from ui.widgets.fields import ChoiceField, Field, NumberField, Schema, SwitchField, TextField
from ui.widgets.picture_field import PictureField
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
}


class Section(QWidget):
    """A heading that folds what lies beneath it."""

    folded = Signal(bool)

    def __init__(self, title: str, object_name: str) -> None:
        super().__init__()
        self._head = Button(title, "section", "chevron-right")
        self._head.setAccessibleName(title)
        self._head.setObjectName(object_name)
        self._head.setIconSize(QSize(14, 14))
        self._head.setCheckable(True)
        self._head.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._summary = ""
        self._names = ElidedLabel("", "hint", "faint")
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

    def set_names(self, names: list[str]) -> None:
        self._summary = " · ".join(names)
        self._names.set_full("" if self.is_open() else self._summary)


class Form(QWidget):
    """``edited`` and ``left`` carry the input's name; ``keep_seed`` follows the lock beside the seed."""

    edited = Signal(str, object)
    left = Signal(str)
    keep_seed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fields: dict[str, Field] = {}
        self._size: SizeField | None = None
        self._advanced: Section | None = None
        self._open = False
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(tokens.GROUP)
        self._body: QWidget | None = None
        self._titles: dict[str, str] = {}
        self._hidden: frozenset[str] = frozenset()
        self.thumb: Callable[[str], QImage | None] = lambda path: None

    def build(self, schema: Schema, defaults: Mapping[str, Any]) -> None:
        """Make the fields anew."""
        if self._advanced is not None:
            self._open = self._advanced.is_open()
        if self._body is not None:
            self._layout.removeWidget(self._body)
            self._body.hide()
            self._body.setParent(None)
            self._body.deleteLater()
        self._fields, self._size, self._advanced = {}, None, None
        self._body = QWidget()
        body = QVBoxLayout(self._body)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(tokens.GROUP)
        properties = sorted(schema.get("properties", {}).items(), key=lambda item: item[1].get("x-order", 0))
        shown = [(name, prop) for name, prop in properties if not prop.get("x-hidden")]
        plain = [item for item in shown if not item[1].get("x-advanced")]
        advanced = [item for item in shown if item[1].get("x-advanced")]
        self._add(body, plain, defaults)
        if advanced:
            self._advanced = Section(tr("Advanced"), "create.advanced")
            self._add(self._advanced.content, advanced, defaults)
            self._advanced.set_open(self._open)
            body.addWidget(self._advanced)
        self._titles = {name: tr(str(prop.get("title", name))) for name, prop in advanced}
        self._show_needed()
        self._layout.addWidget(self._body)

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
        if self._advanced is not None:
            names = [title for name, title in self._titles.items() if name not in self._hidden]
            self._advanced.set_names(names)
            self._advanced.setVisible(bool(names))

    def refresh_pictures(self) -> None:
        """Small versions of chosen pictures have arrived."""
        for field in self.pictures():
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
            field = kind(name, prop, defaults.get(name))
            if isinstance(field, PictureField):
                field.thumb = self.thumb
            field.edited.connect(lambda value, name=name: self.edited.emit(name, value))
            field.left.connect(lambda name=name: self.left.emit(name))
            if isinstance(field, SeedField) and name == "seed":
                field.keep_toggled.connect(self.keep_seed)
            self._fields[name] = field
            layout.addWidget(field)

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

    def set_keep_seed(self, keep: bool) -> None:
        field = self._fields.get("seed")
        if isinstance(field, SeedField):
            field.set_keep(keep)

    def set_problems(self, problems: Mapping[str, str]) -> None:
        for name, field in self._fields.items():
            field.set_problem(problems.get(name, ""))
        if self._size is not None:
            self._size.set_problems(problems.get("width", ""), problems.get("height", ""))
        if self._advanced is not None and any(self._is_advanced(name) for name in problems):
            self._advanced.set_open(True)

    def _is_advanced(self, name: str) -> bool:
        field = self._fields.get(name)
        return field is not None and self._advanced is not None and self._advanced.isAncestorOf(field)

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

    def stops(self) -> list[QWidget]:
        """What takes the focus, in the order of the form."""
        if self._body is None:
            return []
        found = self._body.findChildren(QWidget)
        return [widget for widget in found if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.objectName()]

    def open_advanced(self) -> None:
        if self._advanced is not None:
            self._advanced.set_open(True)

    def pictures(self) -> list[PictureField]:
        """The fields for pictures that are shown."""
        found = [field for field in self._fields.values() if isinstance(field, PictureField)]
        return [field for field in found if field.name not in self._hidden]
