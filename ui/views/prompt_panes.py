"""Wildcards and styles: a list at the left, one of them to edit at the right, and what can be done beneath."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFileDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from ui.i18n import tr
from ui.viewmodels.prompts import PromptsVM
from ui.widgets.controls import Button, column, label, mark, row

LIST_WIDTH = 230


class Pane(QWidget):
    """``undone`` carries what was done in words, and how it is undone."""

    undoable = Signal(str, object)

    def __init__(self, vm: PromptsVM, name: str, title: str) -> None:
        super().__init__()
        self.vm = vm
        self.name = name
        self.search = QLineEdit()
        self.search.setObjectName(f"prompts.{name}.search")
        self.search.setAccessibleName(tr("Search"))
        self.search.setPlaceholderText(tr("Search"))
        self.search.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setObjectName(f"prompts.{name}.list")
        self.list.setAccessibleName(title)
        mark(self.list, kind="pages")
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.search.textChanged.connect(lambda _: self.filter())
        self.list.currentRowChanged.connect(lambda _: self.show_current())
        self.right = column(spacing=8)
        self.buttons = row(spacing=6)
        left, right = QWidget(), QWidget()
        left_column = column(self.search, self.list)
        left.setLayout(left_column)
        left_column.setContentsMargins(0, 0, 10, 0)
        right.setLayout(self.right)
        self.right.setContentsMargins(10, 0, 0, 0)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(1)
        split.setChildrenCollapsible(False)
        split.addWidget(left)
        split.addWidget(right)
        split.setSizes([LIST_WIDTH, 480])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(split, 1)
        layout.addLayout(self.buttons)

    # for the kinds

    def button(
        self, name: str, words: str, command: Callable[[], object], icon_name: str = "", kind: str = ""
    ) -> Button:
        made = Button(words, kind, icon_name)
        made.setObjectName(f"prompts.{self.name}.{name}")
        made.setAccessibleName(words)
        made.clicked.connect(lambda: command())
        return made

    def put(self, rows: list[tuple[str, str, Any]]) -> None:
        """Show rows of words, a tooltip and what stands behind; the chosen one stays chosen by its words."""
        item = self.list.currentItem()
        wanted = getattr(self, "wanted", "") or (item.text() if item is not None else "")
        self.wanted = ""
        was = self.list.blockSignals(True)
        self.list.clear()
        chosen = 0
        for number, (words, tip, thing) in enumerate(rows):
            entry = QListWidgetItem(words)
            entry.setToolTip(tip)
            entry.setData(Qt.ItemDataRole.UserRole, thing)
            self.list.addItem(entry)
            chosen = number if words == wanted else chosen
        self.list.setCurrentRow(chosen if rows else -1)
        self.list.blockSignals(was)
        self.filter()
        self.show_current()

    def filter(self) -> None:
        wanted = self.search.text().casefold()
        for number in range(self.list.count()):
            item = self.list.item(number)
            item.setHidden(wanted not in f"{item.text()} {item.toolTip()}".casefold())

    def current(self) -> Any:
        item = self.list.currentItem()
        return item.data(Qt.ItemDataRole.UserRole) if item is not None else None

    def load(self) -> None:
        """Read again what there is."""
        raise NotImplementedError

    def show_current(self) -> None:
        raise NotImplementedError


class WildcardsPane(Pane):
    """``word_wanted`` carries ``__name__`` that is to be put into the prompt."""

    word_wanted = Signal(str)

    def __init__(self, vm: PromptsVM) -> None:
        super().__init__(vm, "wildcards", tr("Wildcards"))
        self.title = QLineEdit()
        self.title.setObjectName("prompts.wildcards.name")
        self.title.setAccessibleName(tr("Name"))
        self.title.setPlaceholderText(tr("Name, for example birds/small"))
        self.text = QPlainTextEdit()
        self.text.setObjectName("prompts.wildcards.text")
        self.text.setAccessibleName(tr("Lines"))
        self.text.setPlaceholderText(tr("One value a line.\n3::red is three times as likely.\n# begins a comment."))
        self.text.setTabChangesFocus(True)
        self.note = label("", "hint", "faint", wrap=True)
        self.save = self.button("save", tr("Save"), self._save)
        self.use = self.button("use", tr("Put into the prompt"), self._use)
        for part in (self.title, self.text, self.note):
            self.right.addWidget(part)
        self.right.addLayout(row(None, self.use, self.save))
        self.remove = self.button("remove", tr("Delete"), self._remove, "trash-2", "quiet")
        for made in (
            self.button("new", tr("New"), self.new, "plus", "quiet"),
            self.button("import", tr("Import files…"), self._ask_files, "upload", "quiet"),
            self.button("folder", tr("Import a folder…"), self._ask_folder, "folder-plus", "quiet"),
        ):
            self.buttons.addWidget(made)
        self.buttons.addStretch(1)
        self.buttons.addWidget(self.remove)
        self.text.textChanged.connect(lambda: self.save.setEnabled(True))
        self.title.textEdited.connect(lambda _: self.save.setEnabled(True))

    def load(self) -> None:
        self.vm.later.run(self.vm.prompting.wildcards.files, self._loaded)

    def _loaded(self, files: list[Any]) -> None:
        self.put([(file.name, ", ".join(file.names), file) for file in files])

    def show_current(self) -> None:
        file = self.current()
        self.use.setEnabled(file is not None and not file.problem)
        self.remove.setEnabled(file is not None and file.own)
        if file is None:
            self.new()
            return
        self.title.setText(file.name)
        count = tr("{n} values.", n=file.count)
        ours = "" if file.own else tr(" Comes with Atelier; saved under its name, yours takes its place.")
        self.note.setText(tr("Cannot be read: {why}", why=file.problem) if file.problem else count + ours)
        self.vm.later.run(lambda: (file.name, self.vm.prompting.wildcards.text(file.name)), self._shown)

    def _shown(self, answer: tuple[str, str]) -> None:
        if self.current() is not None and self.current().name == answer[0]:
            self.text.setPlainText(answer[1][:2_000_000])
            self.save.setEnabled(False)

    def new(self) -> None:
        self.list.setCurrentRow(-1) if self.list.currentRow() >= 0 else None
        self.title.clear()
        self.text.clear()
        self.note.setText("")
        self.save.setEnabled(False)
        self.title.setFocus()

    def _save(self) -> None:
        name, text = self.title.text(), self.text.toPlainText()

        def done(file: Any) -> None:
            self.wanted = file.name
            self.load()

        self.vm.change(lambda: self.vm.prompting.wildcards.save(name, text), done)

    def _use(self) -> None:
        file = self.current()
        if file is not None and file.names:
            self.word_wanted.emit(f"__{file.names[0]}__")

    def _remove(self) -> None:
        file = self.current()
        if file is None:
            return
        cards = self.vm.prompting.wildcards

        def done(removed: Any) -> None:
            self.undoable.emit(tr("“{name}” was deleted.", name=file.name), lambda: cards.restore(removed))
            self.load()

        self.vm.change(lambda: cards.remove(file.name), done)

    def _ask_files(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(
            self, tr("Import wildcards"), "", tr("Wildcards (*.txt *.yaml *.yml *.json)")
        )
        self.take([Path(file) for file in files])

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Import a folder of wildcards"))
        self.take([Path(folder)] if folder else [])

    def take(self, paths: list[Path]) -> None:
        cards = self.vm.prompting.wildcards
        if paths:
            self.vm.change(lambda: [name for path in paths for name in cards.take_in(path)], lambda _: self.load())


class StylesPane(Pane):
    def __init__(self, vm: PromptsVM) -> None:
        super().__init__(vm, "styles", tr("Styles"))
        self.title = QLineEdit()
        self.title.setPlaceholderText(tr("Name"))
        self.prompt, self.avoid = QPlainTextEdit(), QPlainTextEdit()
        self.save: Button = self.button("save", tr("Save"), self._save)
        self.prompt.setPlaceholderText(tr("photograph of {prompt}, natural light").replace("{{", "{"))
        parts = (
            (self.title, "name", tr("Name")),
            (self.prompt, "prompt", tr("Words")),
            (self.avoid, "avoid", tr("Avoid")),
        )
        for part, name, words in parts:
            part.setObjectName(f"prompts.styles.{name}")
            part.setAccessibleName(words)
            caption = label(words, "secondary", "soft")
            caption.setBuddy(part)
            self.right.addWidget(caption)
            self.right.addWidget(part)
            if isinstance(part, QPlainTextEdit):
                part.setTabChangesFocus(True)
                part.textChanged.connect(lambda: self.save.setEnabled(True))
            else:
                part.textEdited.connect(lambda _: self.save.setEnabled(True))
        self.right.addWidget(label(tr("{prompt} is where the prompt stands.", prompt="{prompt}"), "hint", "faint"))
        self.use = self.button("use", tr("Use"), self._use)
        self.right.addLayout(row(None, self.use, self.save))
        self.remove = self.button("remove", tr("Delete"), self._remove, "trash-2", "quiet")
        for made in (
            self.button("new", tr("New"), self.new, "plus", "quiet"),
            self.button("import", tr("Import…"), self._ask_file, "upload", "quiet"),
            self.button("export", tr("Export…"), self._ask_target, "download", "quiet"),
        ):
            self.buttons.addWidget(made)
        self.buttons.addStretch(1)
        self.buttons.addWidget(self.remove)

    def load(self) -> None:
        self.vm.later.run(
            self.vm.prompting.styles.all, lambda styles: self.put([(s.name, s.prompt, s) for s in styles])
        )

    def show_current(self) -> None:
        style = self.current()
        self.use.setEnabled(style is not None)
        self.remove.setEnabled(style is not None)
        if style is not None:
            self.title.setText(style.name)
            self.prompt.setPlainText(style.prompt)
            self.avoid.setPlainText(style.negative_prompt)
        self.save.setEnabled(False)

    def new(self) -> None:
        self.list.setCurrentRow(-1)
        self.title.clear()
        self.prompt.clear()
        self.avoid.clear()
        self.title.setFocus()

    def _save(self) -> None:
        style, old = self.current(), ""
        if style is not None and style.own:
            old = style.name
        fresh = self.vm.style(self.title.text(), self.prompt.toPlainText(), self.avoid.toPlainText())
        self.wanted = fresh.name
        self.vm.change(lambda: self.vm.prompting.styles.save(fresh, old), lambda _: self.load())

    def _use(self) -> None:
        style = self.current()
        if style is not None:
            self.vm.toggle_style(style.name)

    def _remove(self) -> None:
        style, styles = self.current(), self.vm.prompting.styles
        if style is None:
            return

        def done(removed: Any) -> None:
            self.undoable.emit(tr("“{name}” was deleted.", name=removed.name), lambda: styles.save(removed))
            self.load()

        self.vm.change(lambda: styles.remove(style.name), done)

    def _ask_file(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, tr("Import styles"), "", tr("Styles (*.csv *.json)"))
        self.take(Path(file)) if file else None

    def take(self, path: Path) -> None:
        """Styles of A1111 or Fooocus."""
        self.vm.change(lambda: self.vm.prompting.styles.take_in(path), lambda _: self.load())

    def _ask_target(self) -> None:
        file, _ = QFileDialog.getSaveFileName(self, tr("Export styles"), "styles.csv", tr("Styles (*.csv *.json)"))
        if file:
            self.vm.change(lambda: self.vm.prompting.styles.export(Path(file)))
