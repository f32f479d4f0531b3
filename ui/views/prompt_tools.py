"""Joins the prompts of the form to ``PromptsVM``: counting, completing, styles, presets, examples, earlier prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint
from PySide6.QtWidgets import QInputDialog, QMenu, QWidget

from models import prompts
from ui.i18n import tr
from ui.theme.icons import icon
from ui.viewmodels.create import CreateVM
from ui.viewmodels.prompt_marks import dynamic
from ui.viewmodels.prompts import FIELDS, CountView, PromptsVM
from ui.views.prompt_examples import PromptExamples
from ui.widgets.form import Form
from ui.widgets.prompt_field import PromptField

if TYPE_CHECKING:
    from ui.views.prompt_manager import PromptManager

_MENU_PROMPTS = 14
_LONGEST = 64


class PromptTools(QObject):
    """``attach`` is called each time the form was made anew."""

    def __init__(self, vm: PromptsVM, create: CreateVM, form: Form, window: QWidget) -> None:
        super().__init__(window)
        self._vm, self._create, self._form, self._window = vm, create, form, window
        self._fields: dict[str, PromptField] = {}
        self._manager: PromptManager | None = None
        self._back = 0  # how far one has gone back among earlier prompts
        self._own = ""  # what was written before that
        self.examples = PromptExamples(vm, window)
        self.examples.chosen.connect(lambda text: create.set_values({"prompt": text}))
        vm.counted.connect(self._counted)
        vm.marks_changed.connect(self._known_changed)
        vm.styles_changed.connect(self._show_styles)
        create.values_changed.connect(self._look)

    def attach(self) -> None:
        self._fields = {}
        for name in FIELDS:
            field = self._form.field(name)
            if isinstance(field, PromptField):
                self._fields[name] = field
                self._join(name, field)
        self._show_styles()
        self._look()

    def _join(self, name: str, field: PromptField) -> None:
        field.serve(self._vm.marks, self._vm.offers, prompts.reweigh)
        field.edit.entered.connect(self._first_look)
        field.edited.connect(lambda _, name=name: self._edited(name))
        field.edit.browsed.connect(self._browse)
        field.styles_wanted.connect(self.open_styles)
        field.history_wanted.connect(self.open_history)
        field.examples_wanted.connect(lambda at, name=name: self._show_examples(name, at))
        field.style_dropped.connect(self._vm.toggle_style)

    def _first_look(self) -> None:
        """Lists are read when somebody begins to write, not when the window opens."""
        if not self._vm.styles:
            self._vm.refresh()

    # what is shown

    def _look(self) -> None:
        for name in self._fields:
            self._edited(name, typed=False)

    def _edited(self, name: str, typed: bool = True) -> None:
        field = self._fields[name]
        text = field.edit.toPlainText()
        field.show_hint(self._vm.hint(text), dynamic(text))
        self._vm.count(name, text)
        if typed and not self._browsing:
            self._back = 0

    _browsing = False

    def _counted(self, name: str, view: CountView | None) -> None:
        field = self._fields.get(name)
        if field is not None:
            field.show_count(*((view.words, view.tone, view.hint) if view is not None else ("", "", "")))

    def _known_changed(self) -> None:
        for field in self._fields.values():
            field.edit.look_again()

    def _show_styles(self) -> None:
        field = self._fields.get("prompt")
        if field is not None:
            field.show_styles(self._create.styles)

    # earlier prompts

    def _browse(self, step: int) -> None:
        """Alt+Up and Alt+Down go through earlier prompts, from what is written now and back to it."""
        field, earlier = self._fields.get("prompt"), self._vm.known.prompts
        if field is None or not earlier:
            return
        if self._back == 0:
            self._own = field.edit.toPlainText()
        self._back = max(0, min(len(earlier), self._back - step))
        self._put(self._own if self._back == 0 else earlier[self._back - 1])

    def _put(self, text: str) -> None:
        edit = self._fields["prompt"].edit
        self._browsing = True
        edit.replace(0, len(edit.toPlainText()), text)
        self._browsing = False

    def open_history(self, at: QPoint) -> None:
        menu = QMenu(self._window)
        menu.setObjectName("create.prompt.history.menu")
        earlier = self._vm.known.prompts[:_MENU_PROMPTS]
        for text in earlier:
            menu.addAction(_short(text)).triggered.connect(lambda _=False, text=text: self._put(text))
        if not earlier:
            menu.addAction(tr("No earlier prompts")).setEnabled(False)
        menu.addSeparator()
        menu.addAction(icon("search"), tr("All earlier prompts…")).triggered.connect(lambda: self.manage("history"))
        menu.popup(at)

    # styles and presets

    def open_styles(self, at: QPoint) -> None:
        self.styles_menu().popup(at)

    def styles_menu(self) -> QMenu:
        """Styles that can be laid on, presets to apply, and the way to change both."""
        menu = QMenu(self._window)
        menu.setObjectName("create.prompt.styles.menu")
        styles = menu.addMenu(icon("brush"), tr("Styles"))
        styles.setObjectName("create.prompt.styles.list")
        for style in self._vm.styles:
            action = styles.addAction(_short(style.name))
            action.setCheckable(True)
            action.setChecked(style.name in self._create.styles)
            action.setToolTip(style.prompt)
            action.triggered.connect(lambda _=False, name=style.name: self._vm.toggle_style(name))
        presets = menu.addMenu(icon("sliders-horizontal"), tr("Presets"))
        for preset in self._vm.presets:
            action = presets.addAction(_short(preset.name))
            action.triggered.connect(lambda _=False, name=preset.name: self._vm.apply_preset(name))
        if not self._vm.presets:
            presets.addAction(tr("None yet")).setEnabled(False)
        menu.addAction(icon("plus"), tr("Save this form as a preset…")).triggered.connect(self._ask_preset)
        menu.addSeparator()
        menu.addAction(icon("shuffle"), tr("Wildcards, styles and presets…")).triggered.connect(
            lambda: self.manage("wildcards")
        )
        return menu

    def _ask_preset(self) -> None:
        name, given = QInputDialog.getText(self._window, tr("Save as a preset"), tr("Name"))
        if given and name.strip():
            self._vm.save_preset(name)

    def manage(self, page: str) -> None:
        """The window of wildcards, styles, presets and earlier prompts."""
        if self._manager is None:
            from ui.views.prompt_manager import PromptManager  # most sessions do without

            self._manager = PromptManager(self._vm, self._window)
            self._manager.prompt_chosen.connect(self._put)
            self._manager.word_wanted.connect(self._insert)
        self._manager.open_at(page)

    @property
    def manager(self) -> PromptManager | None:
        return self._manager

    def _insert(self, words: str) -> None:
        field = self._fields.get("prompt")
        if field is not None:
            field.edit.textCursor().insertText(words)

    # examples

    def _show_examples(self, name: str, at: QPoint) -> None:
        self.examples.open_for(self._fields[name].edit.toPlainText(), self._create.values().get("seed"), at)


def _short(text: str) -> str:
    words = " ".join(text.split()).replace("&", "&&")
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
