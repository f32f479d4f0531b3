"""The panel beside the gallery: one picture, how it was made, what is said of it, and what can be done with it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QMimeData, QObject, Qt, QUrl, Signal
from PySide6.QtGui import QDrag, QPixmap
from PySide6.QtWidgets import QFrame, QMenu, QPlainTextEdit, QScrollArea, QStackedLayout, QVBoxLayout, QWidget

from ui.i18n import plural, tr
from ui.theme.icons import icon
from ui.viewmodels.fact_words import Facts
from ui.viewmodels.facts import FactsVM
from ui.viewmodels.recent import Thumbs
from ui.widgets.controls import Button, IconButton, IconLabel, column, label, mark, row
from ui.widgets.fact_rows import FactRows, LongText, Preview, Stars, TagEdit
from ui.widgets.lineage_tree import LineageTree

MOST_LOST = 6


class RecipePanel(QWidget):
    """``shown_wanted`` asks for another picture by its id, ``view_wanted`` to show this one large, ``page_wanted`` for
    a page of the window; ``noticed`` carries words to be read in passing."""

    shown_wanted = Signal(str)
    view_wanted = Signal(str)
    page_wanted = Signal(str)
    noticed = Signal(str)

    def __init__(self, vm: FactsVM, thumbs: Thumbs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm = vm
        self.setObjectName("gallery.details")
        self.setAccessibleName(tr("The picture"))
        mark(self, surface="panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._shown = ""
        self.preview = Preview("gallery.details.preview")
        self.tree = LineageTree(thumbs.get)
        self.stars = Stars("gallery.details.rating")
        self.tags = TagEdit("gallery.details.tags")
        self.tags.set_known(vm.known_tags)
        self.note = QPlainTextEdit()
        self._title = label("", "heading", wrap=True)
        self._title.setObjectName("gallery.details.title")
        self._about = label("", "secondary", "soft", wrap=True)
        self._prompt = LongText(tr("Prompt"), "gallery.details.prompt")
        self._negative = LongText(tr("Avoid"), "gallery.details.negative")
        self._made, self._inputs = FactRows("gallery.details"), FactRows("gallery.details")
        self._file = FactRows("gallery.details")
        self._lost = label("", "secondary", "soft", wrap=True)
        self._none = label(tr("This picture does not say how it was made."), "secondary", "soft", wrap=True)
        self._headings: dict[str, QWidget] = {}
        self._make_actions()
        self._lay_out()
        self._connect(thumbs)
        self.refresh()

    # layout

    def _make_actions(self) -> None:
        self._use = Button(tr("Use settings"), "accent", "history")
        self._use.setObjectName("gallery.details.use")
        self._use.setToolTip(tr("Bring its model, prompt, seed and all the rest to Create"))
        self._input = IconButton("image-plus", tr("Use as input"), "gallery.details.input")
        self._vary = IconButton("shuffle", tr("Vary: make neighbours of this picture"), "gallery.details.vary")
        self._more = IconButton("ellipsis", tr("More"), "gallery.details.more")
        vary = QMenu(self)
        vary.addAction(tr("A little")).triggered.connect(lambda: self._vm.vary(False))
        vary.addAction(tr("A lot")).triggered.connect(lambda: self._vm.vary(True))
        for button, menu in ((self._vary, vary), (self._more, self._more_menu())):
            button.setMenu(menu)
            button.setPopupMode(IconButton.ToolButtonPopupMode.InstantPopup)
            mark(button, kind="menu")
        self._heart = IconButton("heart", tr("Favourite"), "gallery.details.favourite")
        self._heart.setCheckable(True)

    def _more_menu(self) -> QMenu:
        vm, menu = self._vm, QMenu(self)
        self._seed = menu.addAction(icon("dices"), tr("Use the seed"))
        self._seed.triggered.connect(vm.use_seed)
        self._compare = menu.addAction(icon("square-split-horizontal"), tr("Compare"))
        self._compare.triggered.connect(lambda: vm.compare())
        menu.addAction(icon("folder-open"), tr("Show in folder")).triggered.connect(vm.open_location)
        menu.addSeparator()
        self._copy_prompt = menu.addAction(icon("copy"), tr("Copy the prompt"))
        self._copy_prompt.triggered.connect(lambda: vm.copy("prompt"))
        self._copy_all = menu.addAction(icon("copy"), tr("Copy everything as text"))
        self._copy_all.triggered.connect(lambda: vm.copy("all"))
        return menu

    def _lay_out(self) -> None:
        self.note.setObjectName("gallery.details.note")
        self.note.setPlaceholderText(tr("Write a note"))
        self.note.setAccessibleName(tr("Note"))
        self.note.setTabChangesFocus(True)
        self.note.setFixedHeight(72)
        self.note.installEventFilter(self)
        actions = row(spacing=4)
        actions.addWidget(self._use, 1)
        for button in (self._input, self._vary, self._more):
            actions.addWidget(button)
        marks = row(self._heart, self.stars, None, spacing=4)
        self._lost_box = QFrame()
        mark(self._lost_box, surface="note")
        inside = row(spacing=10)
        inside.setContentsMargins(12, 9, 12, 9)
        inside.addWidget(IconLabel("info", "soft", 16), 0, Qt.AlignmentFlag.AlignTop)
        inside.addWidget(self._lost, 1)
        self._lost_box.setLayout(inside)
        body = QVBoxLayout()
        body.setContentsMargins(20, 16, 16, 24)
        body.setSpacing(10)
        body.addWidget(self.preview)
        body.addLayout(column(self._title, self._about, spacing=2))
        body.addLayout(actions)
        body.addLayout(marks)
        for part in (self._prompt, self._negative, self._none):
            body.addWidget(part)
        body.addWidget(self._section("made", tr("How it was made"), column(self._made, self._inputs, spacing=0)))
        body.addWidget(self._lost_box)
        body.addWidget(self._section("family", tr("Where it came from"), column(self.tree)))
        body.addWidget(self._section("tags", tr("Tags"), column(self.tags)))
        body.addWidget(self._section("note", tr("Note"), column(self.note)))
        body.addWidget(self._section("file", tr("File"), column(self._file)))
        body.addStretch(1)
        self._stack = QStackedLayout(self)
        self._scroll = QScrollArea()
        holder = QWidget()
        holder.setLayout(body)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(holder)
        self._stack.addWidget(self._scroll)
        self._stack.addWidget(self._make_empty())

    def _section(self, name: str, title: str, layout: QVBoxLayout) -> QWidget:
        made = QWidget()
        inner = column(label(title, "strong"), spacing=4)
        inner.setContentsMargins(0, 6, 0, 0)
        inner.addLayout(layout)
        made.setLayout(inner)
        self._headings[name] = made
        return made

    def _make_empty(self) -> QWidget:
        centre = Qt.AlignmentFlag.AlignHCenter
        self._empty_icon = IconLabel("image", "faint", 28)
        self._empty_title = label("", "strong")
        self._empty_line = label("", "secondary", "soft", wrap=True)
        self._empty_line.setAlignment(centre)
        self._both = Button(tr("Compare these two"), "", "square-split-horizontal")
        self._both.setObjectName("gallery.details.compare")
        made = QWidget()
        layout = QVBoxLayout(made)
        layout.setContentsMargins(24, 24, 24, 24)
        layout.setSpacing(8)
        layout.addStretch(2)
        for part in (self._empty_icon, self._empty_title):
            layout.addWidget(part, 0, centre)
        layout.addWidget(self._empty_line)
        layout.addWidget(self._both, 0, centre)
        layout.addStretch(3)
        return made

    def _connect(self, thumbs: Thumbs) -> None:
        vm = self._vm
        vm.changed.connect(self.refresh)
        vm.preview_changed.connect(self._preview_changed)
        vm.family_changed.connect(self._family_changed)
        vm.noticed.connect(self.noticed)
        vm.page_wanted.connect(self.page_wanted)
        thumbs.arrived.connect(lambda _: self.tree.refresh())
        self.preview.opened.connect(lambda: self.view_wanted.emit(vm.id))
        self.preview.drag_wanted.connect(self._drag)
        self.tree.chosen.connect(self.shown_wanted)
        self._use.clicked.connect(vm.use_settings)
        self._input.clicked.connect(vm.use_as_input)
        self._both.clicked.connect(vm.compare_chosen)
        self._heart.clicked.connect(vm.favour)
        self.stars.rated.connect(vm.rate)
        self.tags.added.connect(vm.tag)
        self.tags.removed.connect(vm.untag)
        self.note.textChanged.connect(lambda: vm.write_note(self.note.toPlainText()))
        self._prompt.copy_wanted.connect(lambda: vm.copy("prompt"))
        self._negative.copy_wanted.connect(lambda: vm.copy("negative"))
        for rows in (self._made, self._inputs, self._file):
            rows.copy_wanted.connect(vm.copy)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if watched is self.note and event.type() == QEvent.Type.FocusOut:
            self._vm.keep_notes()
        return super().eventFilter(watched, event)

    # from the view-model

    def refresh(self) -> None:
        facts = self._vm.facts()
        if facts is None:
            if not self._vm.id:
                self._show_empty()
            return
        self._stack.setCurrentIndex(0)
        other = facts.record.result.id != self._shown
        self._shown = facts.record.result.id
        self._fill(facts)
        self._show_marks(facts)
        self._show_actions()
        self._family_changed()
        if other:
            self._preview_changed()
            self._scroll.verticalScrollBar().setValue(0)

    def _show_empty(self) -> None:
        count, self._shown = self._vm.count, ""
        self._stack.setCurrentIndex(1)
        self._both.setVisible(count == 2)
        if count:
            self._empty_title.setText(plural("{n} picture chosen", "{n} pictures chosen", count))
            self._empty_line.setText(tr("What is done now is done with all of them."))
        else:
            self._empty_title.setText(tr("No picture chosen"))
            self._empty_line.setText(tr("Choose one to see how it was made and what can be done with it."))

    def _fill(self, facts: Facts) -> None:
        self._title.setText("" if facts.prompt else facts.title[:300])
        self._title.setVisible(not facts.prompt)
        self._about.setText(facts.subtitle)
        self._prompt.show_text(facts.prompt)
        self._negative.show_text(facts.negative)
        self._none.setVisible(not facts.recipe)
        self._made.show_facts(facts.made)
        self._inputs.show_facts([*facts.inputs, *facts.add_ons])
        self._headings["made"].setVisible(bool(facts.made or facts.inputs or facts.add_ons))
        self._file.show_facts(facts.file)
        lines = [*facts.lost[:MOST_LOST]]
        more = len(facts.lost) - MOST_LOST
        lines += [plural("and {n} more", "and {n} more", more)] if more > 0 else []
        self._lost.setText("\n".join(lines))
        self._lost_box.setVisible(bool(lines))

    def _show_marks(self, facts: Facts) -> None:
        record = facts.record
        self._heart.setChecked(record.favourite)
        words = tr("No favourite any more") if record.favourite else tr("Make it a favourite")
        face, role = ("heart-filled", "accent") if record.favourite else ("heart", "soft")
        self._heart.set_face(face, words, "F", role)
        self.stars.set_rating(record.rating)
        self.tags.show_tags(record.tags)
        if self.note.toPlainText() != self._vm.note():
            self.note.blockSignals(True)
            self.note.setPlainText(self._vm.note())
            self.note.blockSignals(False)

    def _show_actions(self) -> None:
        vm = self._vm
        facts = vm.facts()
        self._use.setEnabled(vm.can_use_settings())
        self._input.setVisible(vm.can_use_as_input())
        self._vary.setVisible(vm.can_vary())
        self._seed.setEnabled(vm.can_use_settings())
        self._compare.setEnabled(vm.can_compare())
        self._copy_prompt.setEnabled(facts is not None and bool(facts.prompt))
        self._copy_all.setEnabled(facts is not None and facts.recipe)

    def _preview_changed(self) -> None:
        facts = self._vm.facts()
        if facts is None:
            return
        result = facts.record.result
        self.preview.show_image(self._vm.preview(), result.width, result.height, self._vm.missing)
        self._show_actions()

    def _family_changed(self) -> None:
        family = self._vm.family()
        self._headings["family"].setVisible(bool(family))
        self.tree.show_lines(family)

    def _drag(self) -> None:
        """Its file, for other programs and for Create."""
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(self._vm.path)])
        drag = QDrag(self.preview)
        drag.setMimeData(data)
        image = self._vm.preview()
        if image is not None and not image.isNull():
            side = round(96 * self.devicePixelRatioF())
            ways = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            drag.setPixmap(QPixmap.fromImage(image.scaled(side, side, *ways)))
        drag.exec(Qt.DropAction.CopyAction)
