"""The panel beside the catalog: what one model is, what it needs, what may be done with it, and its one next action."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.viewmodels import desktop
from ui.viewmodels.details import DetailsView, FileLine, LicenceView, Note
from ui.viewmodels.models import ModelsVM
from ui.views.action_box import ActionBox
from ui.widgets.controls import Button, ElidedLabel, IconButton, IconLabel, column, label, mark, row
from ui.widgets.flow import FlowLayout, fixed_height

WIDTH = 372
MOST_FILES = 40
LINK_WIDTH = 200
"""Pixels that the words of a link may take: the panel is some 270 wide in the smallest window."""


class DetailsPanel(QWidget):
    """``closed`` asks to put it away."""

    closed = Signal()

    def __init__(self, vm: ModelsVM, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm = vm
        self.setObjectName("models.details")
        self.setAccessibleName(tr("Details"))
        mark(self, surface="panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._shown: DetailsView | None = None
        self.box = ActionBox()
        self._name = label("", "heading", wrap=True)
        self._name.setObjectName("models.details.name")
        self._name.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._by = label("", "secondary", "soft", wrap=True)
        self._close = IconButton("x", tr("Close details"), "models.details.close", 16)
        self._body = QVBoxLayout()
        self._body.setSpacing(8)
        self._scroll = QScrollArea()
        self._lay_out()
        self._close.clicked.connect(self.closed)
        self.box.commanded.connect(vm.command)
        self.box.acted.connect(self._act)
        vm.details_changed.connect(self.refresh)
        vm.actions_changed.connect(self._actions_changed)
        self.refresh()

    def _lay_out(self) -> None:
        words = column(self._name, self._by, spacing=3)
        head = row(spacing=8)
        head.addLayout(words, 1)
        head.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        inside = QWidget()
        inner = QVBoxLayout(inside)
        inner.setContentsMargins(20, 8, 16, 24)
        inner.addLayout(self._body)
        inner.addStretch(1)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(inside)
        top = QVBoxLayout()
        top.setContentsMargins(20, 16, 12, 12)
        top.setSpacing(12)
        top.addLayout(head)
        top.addWidget(self.box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self._scroll, 1)

    # from the view-model

    def _act(self) -> None:
        error = self._vm.actions().error
        if error is not None:
            self._vm.act(error)

    def _actions_changed(self) -> None:
        self.box.show_actions(self._vm.actions())

    def refresh(self) -> None:
        view = self._vm.details()
        self._actions_changed()
        if view is None:
            waiting = self._vm.chosen.rpartition(":")[2]
            self._name.setText(waiting)
            self._by.setText("")
            self._clear()
            self._shown = None
            return
        if view == self._shown:
            return
        same = self._shown is not None and self._shown.key == view.key
        self._shown = view
        self._name.setText(view.name)
        self._by.setText(view.by)
        where = self._scroll.verticalScrollBar().value()
        self._clear()
        self._fill(view)
        self._scroll.verticalScrollBar().setValue(where if same else 0)

    def _clear(self) -> None:
        _empty(self._body)

    def _fill(self, view: DetailsView) -> None:
        for note in view.notes:
            self._body.addWidget(_note(note))
        if view.problem is not None:
            problem = Note(f"{view.problem.sentence} {view.problem.advice}".strip(), "bad", "circle-alert")
            self._body.addWidget(_note(problem))
        if view.summary:
            self._body.addWidget(label(view.summary, wrap=True))
        if view.verdict[0]:
            self._heading(tr("On this computer"))
            self._body.addWidget(label(view.verdict[0], "strong", view.verdict[1]))
            self._body.addWidget(label(view.plan, "secondary", "soft", wrap=True))
        if view.licence is not None:
            self._licence(view.licence)
        if view.facts:
            self._heading(tr("Facts"))
            self._table(view.facts)
        if view.memory:
            self._heading(tr("Memory it takes"))
            self._table([(name, size) for name, size, _ in view.memory], [tone for _, _, tone in view.memory])
        if view.settings:
            self._heading(tr("Recommended settings"))
            self._table(view.settings)
        self._examples(view)
        self._related(view)
        self._files(view)
        if view.unverified:
            self._body.addSpacing(6)
            self._body.addWidget(label(view.unverified, "secondary", "soft", wrap=True))
        self._links(view)

    # the pieces

    def _heading(self, words: str) -> None:
        self._body.addSpacing(10)
        self._body.addWidget(label(words, "strong"))

    def _table(self, pairs: object, tones: list[str] | None = None) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(5)
        grid.setColumnMinimumWidth(0, 104)
        grid.setColumnStretch(1, 1)
        assert isinstance(pairs, list | tuple)
        for line, (name, value) in enumerate(pairs):
            tone = tones[line] if tones else ""
            grid.addWidget(label(name, "secondary", "soft"), line, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(label(value, "secondary", tone, wrap=True), line, 1)
        holder = QWidget()
        grid.setContentsMargins(0, 0, 0, 0)
        holder.setLayout(grid)
        self._body.addWidget(holder)

    def _licence(self, licence: LicenceView) -> None:
        self._heading(tr("Licence"))
        self._body.addWidget(label(f"{licence.badge} · {licence.name}", tone=licence.tone, wrap=True))
        text = " ".join(part for part in (licence.allows, licence.note) if part)
        self._body.addWidget(label(text, "secondary", "soft", wrap=True))
        if licence.accepted:
            self._body.addWidget(label(licence.accepted, "secondary", "soft"))
        if licence.url:
            self._body.addLayout(row(_link("models.details.licence", tr("Read the licence"), licence.url), None))

    def _examples(self, view: DetailsView) -> None:
        if not view.examples:
            return
        self._heading(tr("Try"))
        for number, prompt in enumerate(view.examples[:4], 1):
            button = Button("", "prompt")
            button.setObjectName(f"models.details.example.{number}")
            button.setAccessibleName(tr("Use this prompt: {prompt}", prompt=prompt))
            button.setToolTip(tr("Use this prompt in Create"))
            words = ElidedLabel(prompt, "secondary")
            words.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            inside = row(words)
            inside.setContentsMargins(10, 0, 10, 0)
            button.setLayout(inside)
            button.clicked.connect(lambda _=False, prompt=prompt: self._vm.use_example(prompt))
            self._body.addWidget(button)

    def _related(self, view: DetailsView) -> None:
        number = 0
        for title, links in view.related:
            self._heading(title)
            holder = QWidget()
            fixed_height(holder)
            flow = FlowLayout(6, holder, centred=False)
            for link in links:
                number += 1
                words = link.words if len(link.words) <= 36 else link.words[:24] + "…" + link.words[-11:]
                button = Button(words, "example")
                button.setObjectName(f"models.details.related.{number}")
                button.setAccessibleName(tr("Show {name}", name=link.words))
                button.setToolTip(f"{link.words}\n{link.hint}" if link.hint else link.words)
                button.clicked.connect(lambda _=False, key=link.key: self._vm.choose(key))
                flow.addWidget(button)
            self._body.addWidget(holder)

    def _files(self, view: DetailsView) -> None:
        if view.files:
            self._heading(tr("Files that are fetched"))
            toggle = Button(view.files_words, "section", "chevron-right")
            toggle.setObjectName("models.details.files")
            toggle.setCheckable(True)
            holder = QWidget()
            lines = column(spacing=4)
            for file in view.files[:MOST_FILES]:
                lines.addLayout(_file_line(file))
            if len(view.files) > MOST_FILES:
                lines.addWidget(label(tr("and {n} more", n=len(view.files) - MOST_FILES), "secondary", "soft"))
            holder.setLayout(lines)
            holder.setVisible(len(view.files) <= 2)
            toggle.setChecked(len(view.files) <= 2)
            toggle.toggled.connect(holder.setVisible)
            self._body.addWidget(toggle)
            self._body.addWidget(holder)
        if view.others:
            self._heading(tr("Or another file of it"))
            for number, file in enumerate(view.others[:MOST_FILES], 1):
                line = _file_line(file)
                choose = Button(tr("Choose"), "quiet")
                choose.setObjectName(f"models.details.file.{number}")
                choose.setAccessibleName(tr("Choose {file}", file=file.path))
                choose.clicked.connect(lambda _=False, path=file.path: self._vm.choose_file(path))
                line.addWidget(choose)
                self._body.addLayout(line)

    def _links(self, view: DetailsView) -> None:
        self._body.addSpacing(10)
        if view.url:
            self._body.addLayout(row(_link("models.details.page", view.repo, view.url), None))


def _empty(layout: QVBoxLayout) -> None:
    while (item := layout.takeAt(0)) is not None:
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            _drop(widget)
        elif inner is not None:
            while (part := inner.takeAt(0)) is not None:
                inside = part.widget()
                if inside is not None:
                    _drop(inside)
            inner.deleteLater()


def _drop(widget: QWidget) -> None:
    """Out of sight at once, deleted when Qt can."""
    widget.hide()
    widget.setParent(None)
    widget.deleteLater()


def _note(note: Note) -> QFrame:
    frame = QFrame()
    mark(frame, surface="note")
    line = row(spacing=10)
    line.setContentsMargins(12, 9, 12, 9)
    if note.icon:
        line.addWidget(IconLabel(note.icon, note.tone or "soft", 16), 0, Qt.AlignmentFlag.AlignTop)
    line.addWidget(label(note.text, "secondary", wrap=True), 1)
    frame.setLayout(line)
    return frame


def _link(name: str, words: str, url: str) -> Button:
    button = Button("", "link", "external-link")
    button.setText(" " + button.fontMetrics().elidedText(words, Qt.TextElideMode.ElideMiddle, LINK_WIDTH))
    button.setObjectName(name)
    button.setAccessibleName(tr("Open in the browser: {words}", words=words))
    button.setToolTip(url)
    button.clicked.connect(lambda: desktop.open_link(url))
    return button


def _file_line(file: FileLine) -> QHBoxLayout:
    line = row(spacing=10)
    line.addWidget(ElidedLabel(file.path, "secondary", "soft", Qt.TextElideMode.ElideMiddle), 1)
    line.addWidget(label(file.size, "secondary", "soft"))
    return line
