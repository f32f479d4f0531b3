"""What floats over the canvas: the progress bar, the error card and short notices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import QEasingCurve, QPropertyAnimation, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QGraphicsOpacityEffect,
    QHBoxLayout,
    QPlainTextEdit,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ui.i18n import tr
from ui.theme import tokens
from ui.theme.icons import icon
from ui.widgets.controls import Button, ElidedLabel, IconButton, IconLabel, label, mark, row, tabular

LINE = 520
"""A notice longer than this many pixels goes on in another line."""


class Progress(Protocol):
    @property
    def headline(self) -> str: ...
    @property
    def sub(self) -> str: ...
    @property
    def fraction(self) -> float: ...


class Problem(Protocol):
    @property
    def sentence(self) -> str: ...
    @property
    def advice(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def action_words(self) -> str: ...
    @property
    def detail(self) -> str: ...


class ProgressBar(QFrame):
    """What is being done, how far it is, and how to stop it."""

    cancel_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        mark(self, surface="float")
        self._headline = label("", "strong")
        self._headline.setFont(tabular(self._headline.font()))
        self._sub = ElidedLabel("", tone="soft", style="secondary")
        self._sub.setFont(tabular(self._sub.font()))
        self._cancel = Button(tr("Cancel   Esc"))
        self._cancel.setObjectName("create.cancel")
        self._cancel.setAccessibleName(tr("Cancel"))
        self._cancel.clicked.connect(self.cancel_wanted)
        self.bar = QProgressBar()
        self.bar.setObjectName("create.progress")
        self.bar.setAccessibleName(tr("Progress"))
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        line = row(spacing=8)
        line.addWidget(self._headline)
        line.addWidget(self._sub, 1)
        line.addWidget(self._cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 11, 14, 14)
        layout.setSpacing(9)
        layout.addLayout(line)
        layout.addWidget(self.bar)

    def show_progress(self, view: Progress, motion: bool) -> None:
        self._headline.setText(view.headline)
        self._sub.set_full(view.sub)
        if view.fraction < 0 and motion:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(max(0.0, min(1.0, view.fraction)) * 1000))
        self.bar.setAccessibleDescription(f"{view.headline}. {view.sub}".strip())

    def words(self) -> tuple[str, str]:
        return self._headline.text(), self._sub.full()


class ErrorCard(QFrame):
    """What went wrong, why, what to do; the technical text only on request."""

    acted = Signal()
    dismissed = Signal()
    resized = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("create.error")
        self.setAccessibleName(tr("Error"))
        mark(self, surface="bad")
        self._icon = IconLabel("circle-alert", "bad")
        self._sentence = label("", "strong", wrap=True)
        self._advice = label("", tone="soft", wrap=True)
        for part in (self._sentence, self._advice):
            part.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            part.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._action = Button("", "accent")
        self._action.setObjectName("create.error.action")
        self._action.setAccessibleName(tr("Mend it"))
        self._action.clicked.connect(self.acted)
        self._toggle = Button(tr("Details"), "quiet", "chevron-right")
        self._toggle.setObjectName("create.error.details")
        self._toggle.setCheckable(True)
        self._toggle.toggled.connect(self._unfold)
        self._copy = Button(tr("Copy"), "quiet", "copy")
        self._copy.setObjectName("create.error.copy")
        self._copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._text()))
        self._close = IconButton("x", tr("Dismiss"), "create.error.dismiss", 16)
        self._close.clicked.connect(self.dismissed)
        self._detail = QPlainTextEdit()
        self._detail.setReadOnly(True)
        self._detail.setFixedHeight(132)
        self._detail.setObjectName("create.error.text")
        self._detail.setAccessibleName(tr("Technical details"))
        self._detail.setTabChangesFocus(True)
        mark(self._detail, kind="details")
        self._lay_out()

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(3)
        words.addWidget(self._sentence)
        words.addWidget(self._advice)
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(words, 1)
        head.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        foot = row(30, self._action, self._toggle, self._copy, None)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 12, 10, 12)
        layout.setSpacing(10)
        layout.addLayout(head)
        layout.addLayout(foot)
        layout.addWidget(self._detail)

    def show_problem(self, view: Problem) -> None:
        self._sentence.setText(view.sentence)
        self._advice.setText(view.advice)
        self._advice.setVisible(bool(view.advice))
        self._action.setText(view.action_words)
        self._action.setAccessibleName(view.action_words or tr("Mend it"))
        self._action.setVisible(bool(view.action))
        self._detail.setPlainText(view.detail)
        self._toggle.setVisible(bool(view.detail))
        self._toggle.setChecked(False)
        self._unfold(False)
        self.setAccessibleDescription(f"{view.sentence} {view.advice}".strip())

    def _unfold(self, on: bool) -> None:
        self._toggle.setIcon(icon("chevron-down" if on else "chevron-right"))
        self._detail.setVisible(on)
        self._copy.setVisible(on)
        self.resized.emit()

    def open_details(self) -> None:
        self._toggle.setChecked(True)

    def _text(self) -> str:
        return "\n".join((self._sentence.text(), self._advice.text(), "", self._detail.toPlainText()))

    def sentence(self) -> str:
        return self._sentence.text()


class Toast(QFrame):
    """A line that comes, stays long enough to be read, and goes by itself."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("create.notice")
        mark(self, surface="float")
        self._label = label("", "secondary", wrap=True)
        self._action = Button("", "quiet")
        self._action.setAccessibleName(tr("Undo"))
        self._action.setObjectName("notice.action")
        self._action.clicked.connect(self._act)
        self._acted: Callable[[], None] | None = None
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 8, 14, 8)
        layout.addWidget(self._label)
        layout.addWidget(self._action)
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self.hide)
        self._effect = QGraphicsOpacityEffect(self)
        self._fade = QPropertyAnimation(self._effect, b"opacity", self)
        self._fade.setDuration(tokens.MOTION_MS)
        self._fade.setEasingCurve(QEasingCurve.Type.OutCubic)
        self.setGraphicsEffect(self._effect)
        self._effect.setEnabled(False)
        self._fade.finished.connect(lambda: self._effect.setEnabled(False))
        self.hide()

    def say(
        self, text: str, motion: bool, room: int = LINE, action: str = "", acted: Callable[[], None] | None = None
    ) -> None:
        """``room`` is how wide the whole notice may be; ``action`` names a button that calls ``acted``."""
        self._label.setText(text)
        self._acted = acted
        self._action.setText(action)
        self._action.setAccessibleName(action)
        self._action.setVisible(acted is not None)
        self._label.setFixedWidth(
            min(LINE, room - 32, self._label.fontMetrics().horizontalAdvance(text.splitlines()[0]) + 6)
        )
        self.setAccessibleName(text)
        self.adjustSize()
        self.show()
        self.raise_()
        if motion:
            self._effect.setEnabled(True)
            self._fade.stop()
            self._fade.setStartValue(0.0)
            self._fade.setEndValue(1.0)
            self._fade.start()
        self._timer.start(max(4000 if acted is None else 8000, 70 * len(text)))

    def _act(self) -> None:
        self.hide()
        if self._acted is not None:
            self._acted()

    def text(self) -> str:
        return self._label.text() if self.isVisible() else ""
