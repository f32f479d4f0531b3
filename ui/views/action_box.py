"""The buttons of one model: the one next action, what else can be done, progress in place, and what went wrong."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme.icons import icon
from ui.viewmodels.models import ActionsView
from ui.viewmodels.words import ErrorView
from ui.widgets.controls import Button, IconButton, IconLabel, label, mark, row, tabular

MOST_BUTTONS = 4


class ProblemNote(QFrame):
    """What went wrong, what to do, and the button that does it."""

    acted = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        mark(self, surface="note")
        self._sentence = label("", "secondary", wrap=True)
        self._advice = label("", "secondary", "soft", wrap=True)
        self.button = Button("", "")
        self.button.setObjectName(f"{name}.action")
        self.button.setAccessibleName(tr("Mend it"))
        self.button.clicked.connect(self.acted)
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addWidget(self._sentence)
        words.addWidget(self._advice)
        words.addLayout(row(self.button, None))
        line = row(spacing=10)
        line.setContentsMargins(12, 10, 12, 10)
        line.addWidget(IconLabel("circle-alert", "bad", 16), 0, Qt.AlignmentFlag.AlignTop)
        line.addLayout(words, 1)
        self.setLayout(line)
        self.hide()

    def show_error(self, view: ErrorView | None, with_button: bool = True) -> None:
        self.setVisible(view is not None)
        if view is not None:
            self._sentence.setText(view.sentence)
            self._advice.setText(view.advice)
            self._advice.setVisible(bool(view.advice))
            self.button.setText(view.action_words)
            self.button.setAccessibleName(view.action_words or tr("Mend it"))
            self.button.setVisible(bool(view.action) and with_button)
            self.setToolTip(view.detail)

    def words(self) -> str:
        return f"{self._sentence.text()} {self._advice.text()}".strip()


class ActionBox(QWidget):
    """``commanded`` carries a button's command; ``acted`` asks to do what the error says."""

    commanded = Signal(str)
    acted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._primary = Button("", "accent")
        self._primary.setObjectName("models.primary")
        self._primary.setAccessibleName(tr("Download"))
        self._primary.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._primary.setIconSize(QSize(16, 16))
        self._command = ""
        self._primary.clicked.connect(lambda: self.commanded.emit(self._command))
        self._more: list[IconButton] = []
        self._commands = [""] * MOST_BUTTONS
        self._state = label("", "strong", "good")
        self._state.setObjectName("models.state")
        self._line = label("", "secondary", "soft", wrap=True)
        self._line.setObjectName("models.progress.words")
        self._line.setFont(tabular(self._line.font()))
        self.bar = QProgressBar()
        self.bar.setObjectName("models.progress")
        self.bar.setAccessibleName(tr("Progress"))
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self._why = label("", "secondary", "soft", wrap=True)
        self._why.setObjectName("models.blocked")
        self.problem = ProblemNote("models.error")
        self.problem.acted.connect(self.acted)
        self._lay_out()

    def _lay_out(self) -> None:
        buttons = row(spacing=6)
        buttons.addWidget(self._state)
        buttons.addWidget(self._primary, 1)
        for number in range(MOST_BUTTONS):
            button = IconButton("x", tr("More"), f"models.more.{number + 1}")
            button.setFixedSize(32, 32)
            button.clicked.connect(lambda _=False, n=number: self.commanded.emit(self._commands[n]))
            self._more.append(button)
            buttons.addWidget(button)
        self._filler = QWidget()
        self._filler.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        buttons.insertWidget(1, self._filler, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 8, 0)
        layout.setSpacing(8)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self._line)
        layout.addWidget(self._why)
        layout.addWidget(self.problem)

    def show_actions(self, view: ActionsView) -> None:
        command, words, icon_name = view.primary
        self._command = command
        self._primary.setVisible(bool(command))
        kind = "" if view.quiet else "accent"
        mark(self._primary, kind=kind)
        self._primary.setText(f" {words}")
        self._primary.setAccessibleName(words)
        self._primary.setAccessibleDescription(view.blocked)
        self._primary.setIcon(icon(icon_name or "x", "on_accent" if kind else "soft"))
        self._primary.setEnabled(not view.blocked and not view.busy)
        self._state.setText(view.state)
        self._state.setVisible(bool(view.state) and not command)
        self._filler.setVisible(not command)
        self._show_more(view.more)
        self._show_progress(view)
        self._why.setText(view.blocked or view.busy)
        self._why.setVisible(bool(view.blocked or view.busy))
        # The error's own button would say the same as the primary one.
        same = view.error is not None and view.error.action == "go_on" and command == "resume"
        self.problem.show_error(view.error, not same)

    def _show_more(self, more: tuple[tuple[str, str, str], ...]) -> None:
        for number, button in enumerate(self._more):
            button.setVisible(number < len(more))
            if number < len(more):
                command, words, icon_name = more[number]
                self._commands[number] = command
                button.set_face(icon_name, words)
                mark(button, command=command)

    def _show_progress(self, view: ActionsView) -> None:
        download = view.download
        self.bar.setVisible(download is not None)
        self._line.setVisible(download is not None)
        if download is not None:
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(max(0.0, download.fraction) * 1000))
            mark(self.bar, tone=download.tone)
            self._line.setText(download.line)
            self.bar.setAccessibleDescription(download.line)

    def button(self, command: str) -> IconButton | None:
        """The small button of ``command``, if it is shown."""
        shown = (n for n, button in enumerate(self._more) if not button.isHidden() and self._commands[n] == command)
        number = next(shown, -1)
        return self._more[number] if number >= 0 else None
