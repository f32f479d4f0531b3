"""The left side of Create: the model, its form, and Generate."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict

from PySide6.QtCore import QEvent, QPoint, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QScrollArea, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme import current, tokens
from ui.theme.icons import paint_icon
from ui.viewmodels.addons import AddonView
from ui.viewmodels.create import MAX_COUNT, CreateVM
from ui.viewmodels.fast import FastVM
from ui.viewmodels.recent import Thumbs
from ui.widgets.cards_field import AddonCardsField, CardsField
from ui.widgets.controls import Button, ElidedLabel, IconButton, IconLabel, divider, label, mark, row, tabular
from ui.widgets.fast_row import FastRow
from ui.widgets.fields import AddonRow
from ui.widgets.form import Form, group_of
from ui.widgets.lora_field import AddonField
from ui.widgets.model_picker import ModelPicker

SETTLED_MS = 250
"""After this long a form has been laid out with what was added to it."""


class CountSpin(QSpinBox):
    """How many pictures: a number between a minus and a plus."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("create.count")
        self.setAccessibleName(tr("Number of pictures"))
        self.setToolTip(tr("How many pictures to make"))
        self.setRange(1, MAX_COUNT)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedWidth(96)
        self.setFont(tabular(self.font()))
        mark(self, kind="count")

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        super().wheelEvent(event) if self.hasFocus() else event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        colors = current()
        painter = QPainter(self)
        top = self.height() / 2 - 7
        low, high = self.value() <= self.minimum(), self.value() >= self.maximum()
        paint_icon(painter, "minus", QRectF(9, top, 14, 14), colors.faint if low else colors.soft)
        paint_icon(painter, "plus", QRectF(self.width() - 23, top, 14, 14), colors.faint if high else colors.soft)
        painter.end()


class ModelProblem(QFrame):
    """Why the chosen model cannot be used, under the picker."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("create.model.problem")
        mark(self, surface="note")
        self._sentence = label("", "", "", wrap=True)
        self._advice = label("", "secondary", "soft", wrap=True)
        words = QVBoxLayout()
        words.setSpacing(3)
        words.addWidget(self._sentence)
        words.addWidget(self._advice)
        line = row(spacing=10)
        line.setContentsMargins(12, 10, 12, 10)
        line.addWidget(IconLabel("triangle-alert", "bad"), 0, Qt.AlignmentFlag.AlignTop)
        line.addLayout(words, 1)
        self.setLayout(line)

    def say(self, sentence: str, advice: str) -> None:
        self._sentence.setText(sentence)
        self._advice.setText(advice)
        self._advice.setVisible(bool(advice))
        self.setVisible(bool(sentence))


class FormPanel(QWidget):
    """Joins ``CreateVM`` to the generated form. ``browse_wanted`` asks for the Models page with a role,
    ``details_wanted`` with a catalog entry."""

    generated = Signal()
    rebuilt = Signal()
    browse_wanted = Signal(str)
    explore_wanted = Signal()

    details_wanted = Signal(str)

    def __init__(self, vm: CreateVM, thumbs: Thumbs, fast: FastVM, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm = vm
        self._fast_vm = fast
        self._fast: FastRow | None = None
        self._sought = ""
        mark(self, surface="panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(292)
        self.picker = ModelPicker()
        self._problem = ModelProblem()
        self.form = Form()
        self.form.services.thumb = thumbs.get
        self.form.services.addons = self._addons
        self.form.services.browse = self.browse_wanted.emit
        self.form.services.say = vm.say
        self.form.services.reveal = self.reveal
        thumbs.arrived.connect(lambda _: self.form.refresh())
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._lay_out()
        self._connect()
        self._show_models()
        self._rebuild()
        self._hint_changed()

    def _lay_out(self) -> None:
        inside = QWidget()
        inner = QVBoxLayout(inside)
        inner.setContentsMargins(tokens.PANEL_PAD, 2, tokens.PANEL_PAD, 12)
        inner.setSpacing(tokens.GROUP)
        inner.addWidget(self.form)
        inner.addStretch(1)
        self._scroll.setWidget(inside)
        head = QVBoxLayout()
        head.setContentsMargins(tokens.PANEL_PAD, 18, tokens.PANEL_PAD, 10)
        head.setSpacing(8)
        head.addWidget(self.picker)
        head.addWidget(self._problem)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(self._scroll, 1)
        # A line only while there is more of the form beneath it.
        self._more = divider()
        self._more.hide()
        bar = self._scroll.verticalScrollBar()
        bar.rangeChanged.connect(lambda _, end: self._more.setVisible(end > 0))
        bar.rangeChanged.connect(lambda *_: self._show_sought())
        layout.addWidget(self._more)
        layout.addLayout(self._make_foot())

    def _make_foot(self) -> QVBoxLayout:
        self.count = CountSpin()
        self.count.setValue(self._vm.count)
        self.generate = Button(tr("Generate"), "primary")
        self.generate.setObjectName("create.generate")
        self.generate.setAccessibleName(tr("Generate"))
        self.generate.setToolTip(tr("Ctrl + Enter"))
        self.generate.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._hint = ElidedLabel("", "hint", "soft")
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._hint.setObjectName("create.hint")
        foot = QVBoxLayout()
        foot.setContentsMargins(tokens.PANEL_PAD, 10, tokens.PANEL_PAD, 16)
        foot.setSpacing(8)
        self.explore = IconButton("grid-3x3", tr("Try many values: make a grid"), "create.explore")
        self.explore.clicked.connect(self.explore_wanted)
        line = row(self.count, self.explore, spacing=8)
        line.addWidget(self.generate, 1)
        foot.addLayout(line)
        foot.addWidget(self._hint)
        return foot

    def _connect(self) -> None:
        vm = self._vm
        self.picker.chosen.connect(vm.select)
        self.picker.add_wanted.connect(self.ask_for_folder)
        self.form.edited.connect(vm.set_value)
        self.form.left.connect(vm.check)
        self.form.keep_seed.connect(self._keep_seed)
        self.count.valueChanged.connect(vm.set_count)
        self.generate.clicked.connect(self.go)
        vm.models_changed.connect(self._models_changed)
        vm.schema_changed.connect(self._rebuild)
        vm.values_changed.connect(self._values_changed)
        vm.shown_changed.connect(self._shown_changed)
        vm.problems_changed.connect(lambda: self.form.set_problems(vm.problems))
        vm.hint_changed.connect(self._hint_changed)
        self._fast_vm.changed.connect(self._show_fast)
        self.form.edited.connect(lambda name, _: self._show_fast() if name == "loras" else None)

    # from the view-model

    def _addons(self, kinds: Sequence[str]) -> list[AddonRow]:
        return [AddonRow(**asdict(view)) for view in self._vm.addons(kinds)]

    def _models_changed(self) -> None:
        self._show_models()
        self._show_problem()
        self.form.refresh()

    def _show_models(self) -> None:
        self.picker.show_rows(self._vm.rows(), self._vm.current)

    def _rebuild(self) -> None:
        self.picker.show_chosen(self._vm.current)
        focus = self.window().focusWidget()
        inside = focus is not None and self.form.isAncestorOf(focus)
        self.form.build(self._vm.schema(), self._vm.defaults())
        self._make_fast()
        self._values_changed()
        self.form.set_problems(self._vm.problems)
        self._show_problem()
        self._chain()
        self.rebuilt.emit()
        if inside:  # the field that had the focus is gone
            self.edit_prompt()

    def _make_fast(self) -> None:
        """The switch above the steps; it goes with the form it stands in."""
        row = FastRow()
        row.turned.connect(self._fast_vm.turn)
        row.get_wanted.connect(self.details_wanted)
        self._fast = row if self.form.place_above("steps", row) else None
        self._show_fast()

    def _show_fast(self) -> None:
        if self._fast is not None:
            self._fast.show_view(self._fast_vm.view())

    def _chain(self) -> None:
        """Tab goes as the eye does: picker, form, count, Generate."""
        stops = [self.picker, *self.form.stops(), self.count, self.explore, self.generate]
        for one, next_one in itertools.pairwise(stops):
            QWidget.setTabOrder(one, next_one)

    def _values_changed(self) -> None:
        self.form.set_values(self._vm.values())
        self._shown_changed()
        self.form.set_keep_seed(self._vm.keep_seed or self._vm.values().get("seed") is not None)

    def _shown_changed(self) -> None:
        self.form.set_hidden(self._vm.hidden())
        self.form.set_size_hint(self._vm.size_hint())

    def _show_problem(self) -> None:
        view = self._vm.problem()
        self._problem.say(view.sentence if view else "", view.advice if view else "")
        self.generate.setEnabled(view is None)
        self.explore.setEnabled(view is None)

    def _keep_seed(self, keep: bool) -> None:
        self._vm.keep_seed = keep

    def _hint_changed(self) -> None:
        parts = [part for part in (tr("Ctrl + Enter"), self._vm.hint()) if part]
        self._hint.set_full("   ·   ".join(parts))

    # commands

    def go(self) -> None:
        """Generate; what is wrong gets the focus."""
        if self._vm.generate() is None:
            where = self.form.focus_problem(self._vm.problems)
            if where is not None:
                self._scroll.ensureWidgetVisible(where, 0, 24)
        else:
            self.generated.emit()

    def ask_for_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Choose a model folder"))
        if folder:
            self._vm.add_folder(folder)

    def show_part(self, name: str) -> None:
        """Bring the control called ``name`` to the top, as far as there is form beneath it."""
        target, inside = self.findChild(QWidget, name), self._scroll.widget()
        if target is not None and inside is not None:
            self._scroll.verticalScrollBar().setValue(target.mapTo(inside, QPoint(0, 0)).y() - 8)

    def take_addon(self, name: str, view: AddonView) -> None:
        """Put an add-on into the input ``name``, where it can be seen."""
        field = self.form.field(name)
        if isinstance(field, AddonField | AddonCardsField):
            self.form.open_section(group_of(field.schema))
            field.add_named(AddonRow(**asdict(view)))
            self.reveal(name)

    def reveal(self, name: str) -> None:
        """Scroll to an input, of a list to its last card, as soon as it is laid out."""
        self._sought = name
        QTimer.singleShot(0, self, self._show_sought)
        QTimer.singleShot(SETTLED_MS, self, self._forget_sought)

    def _forget_sought(self) -> None:
        self._sought = ""

    def _show_sought(self) -> None:
        """Each time the form has grown by a part of what was added."""
        field = self.form.field(self._sought) if self._sought else None
        where = field.cards[-1] if isinstance(field, CardsField) and field.cards else field
        if where is not None:
            self._scroll.ensureWidgetVisible(where, 0, 24)

    def open_picker(self) -> None:
        self.picker.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.picker.showPopup()

    def edit_prompt(self) -> None:
        prompt = self.form.field("prompt")
        (prompt or self.picker).setFocus(Qt.FocusReason.ShortcutFocusReason)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self.update()
