"""The questions of the Models page as dialogs: a licence, a gate, signing in, a plain yes or no."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.viewmodels import desktop
from ui.viewmodels.account import AccountVM
from ui.viewmodels.asks import TOKENS_URL, Ask, Confirm, GateAsk, LicenceAsk, SignInAsk
from ui.widgets.controls import Button, IconLabel, label, mark, row
from ui.widgets.tick import Tick

WIDTH = 440


class AskDialog(QDialog):
    """A title, words, and buttons at the foot; Esc means no. It does not block: the window behind goes on."""

    def __init__(self, name: str, title: str, icon_name: str, parent: QWidget, role: str = "soft") -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setWindowTitle(title)
        self.setAccessibleName(title)
        self.setModal(True)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setFixedWidth(WIDTH)
        self.body = QVBoxLayout()
        self.body.setSpacing(10)
        head = row(spacing=10)
        head.addWidget(IconLabel(icon_name, role, 20), 0, Qt.AlignmentFlag.AlignTop)
        heading = label(title, "heading", wrap=True)
        head.addWidget(heading, 1)
        self._foot = row(None, spacing=8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 18)
        layout.setSpacing(12)
        layout.addLayout(head)
        layout.addLayout(self.body)
        layout.addSpacing(6)
        layout.addLayout(self._foot)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        self.fit()
        super().showEvent(event)

    def fit(self) -> None:
        """As high as the words are at this width."""
        layout = self.layout()
        if layout is not None:
            layout.activate()
            self.setFixedHeight(max(layout.totalHeightForWidth(WIDTH), layout.totalMinimumSize().height()))

    def say(self, text: str, tone: str = "", style: str = "") -> None:
        if text:
            self.body.addWidget(label(text, style, tone, wrap=True))

    def add_link(self, name: str, words: str, url: str) -> None:
        button = Button(words, "link", "external-link")
        button.setObjectName(name)
        button.setToolTip(url)
        button.clicked.connect(lambda: desktop.open_link(url))
        self.body.addLayout(row(button, None))

    def add_button(self, name: str, words: str, kind: str = "") -> Button:
        button = Button(words, kind)
        button.setObjectName(name)
        button.setAutoDefault(False)
        self._foot.addWidget(button)
        return button

    def leave(self, then: Callable[[], None]) -> None:
        """Close with a yes, then go on."""
        self.accept()
        then()

    def add_cancel(self, name: str, words: str = "") -> Button:
        button = self.add_button(name, words or tr("Cancel"))
        button.clicked.connect(self.reject)
        return button


class ConfirmDialog(AskDialog):
    def __init__(self, ask: Confirm, parent: QWidget) -> None:
        super().__init__("models.confirm", ask.title, "trash-2" if ask.danger else "info", parent)
        self.say(ask.text, "soft")
        no = self.add_cancel("models.confirm.no", tr("Keep") if ask.danger else "")
        yes = self.add_button("models.confirm.yes", ask.yes, "danger" if ask.danger else "accent")
        yes.clicked.connect(lambda: self.leave(ask.then))
        (no if ask.danger else yes).setFocus()


class LicenceDialog(AskDialog):
    """What the licence allows in words, its text as a link, and a box to tick."""

    def __init__(self, ask: LicenceAsk, parent: QWidget) -> None:
        super().__init__("models.licence", tr("The licence of {name}", name=ask.name), "file", parent)
        self.body.addWidget(label(f"{ask.badge} · {ask.licence}", "strong", ask.tone, wrap=True))
        self.say(ask.allows)
        self.say(ask.note, "soft")
        if ask.url:
            self.add_link("models.licence.link", tr("Read the licence"), ask.url)
        self.say(
            tr("This is a reading for orientation, no legal advice; what counts is the text."), "soft", "secondary"
        )
        self._tick = Tick(tr("I have read the licence and accept it"))
        self._tick.setObjectName("models.licence.tick")
        self.body.addWidget(self._tick)
        self.add_cancel("models.licence.no")
        yes = self.add_button("models.licence.yes", tr("Accept and download"), "accent")
        yes.setEnabled(False)
        self._tick.toggled.connect(yes.setEnabled)
        yes.clicked.connect(lambda: self.leave(ask.accepted))
        self._tick.setFocus()


class GateDialog(AskDialog):
    """Why the gate is closed, what opens it, and what there is without one. ``sign_in_wanted`` leads to the token."""

    sign_in_wanted = Signal(object)

    def __init__(self, ask: GateAsk, parent: QWidget) -> None:
        super().__init__("models.gate", tr("{name} has a gate", name=ask.name), "lock", parent)
        self.say(ask.sentence)
        for number, step in enumerate(ask.steps, 1):
            line = row(spacing=10)
            count = label(f"{number}.", tone="soft")
            line.addWidget(count, 0, Qt.AlignmentFlag.AlignTop)
            line.addWidget(label(step, wrap=True), 1)
            self.body.addLayout(line)
        self.add_link("models.gate.link", ask.url_words, ask.url)
        if ask.other and ask.show_other is not None:
            self._offer_other(ask)
        self.add_cancel("models.gate.no")
        if ask.access in ("no_token", "token_scope"):
            sign = self.add_button("models.gate.sign_in", tr("Sign in…"), "accent")
            sign.setFocus()
            sign.clicked.connect(lambda: self.leave(lambda: self.sign_in_wanted.emit(ask.again)))
        else:
            again = self.add_button("models.gate.again", tr("Look again"), "accent")
            again.setFocus()
            again.clicked.connect(lambda: self.leave(ask.again))

    def _offer_other(self, ask: GateAsk) -> None:
        show_other = ask.show_other
        assert show_other is not None
        line = row(spacing=8)
        line.addWidget(
            label(tr("{name} does much the same without a gate.", name=ask.other), tone="soft", wrap=True), 1
        )
        other = Button(tr("Show it"))
        other.setObjectName("models.gate.other")
        other.setAutoDefault(False)
        other.clicked.connect(lambda: self.leave(show_other))
        line.addWidget(other)
        self.body.addLayout(line)


class SignInDialog(AskDialog):
    """Takes a token and hands it on; it is neither shown nor kept here."""

    def __init__(self, ask: SignInAsk, account: AccountVM, parent: QWidget) -> None:
        super().__init__("models.sign_in", tr("Sign in to the model hub"), "log-in", parent)
        self._account, self._ask = account, ask
        account.forget_problem()
        self.say(tr("Paste an access token of your account. A token of type “Read” is enough."))
        self.add_link("models.sign_in.link", tr("Get a token"), TOKENS_URL)
        self.edit = QLineEdit()
        self.edit.setObjectName("models.token")
        self.edit.setAccessibleName(tr("Access token"))
        self.edit.setEchoMode(QLineEdit.EchoMode.Password)
        self.edit.setPlaceholderText("hf_…")
        self.body.addWidget(self.edit)
        self._problem = label("", "secondary", "bad", wrap=True)
        self._problem.setObjectName("models.token.problem")
        self._problem.hide()
        self.body.addWidget(self._problem)
        kept = tr("It is kept by the hub's own store on this computer, never in Atelier's files.")
        self.say(kept, "soft", "secondary")
        self.add_cancel("models.sign_in.no")
        self._yes = self.add_button("models.sign_in.yes", tr("Sign in"), "accent")
        self._yes.setEnabled(False)
        self.edit.textChanged.connect(lambda text: self._yes.setEnabled(bool(text.strip()) and not account.busy))
        self.edit.returnPressed.connect(self._go)
        self._yes.clicked.connect(self._go)
        account.changed.connect(self._changed)
        self.edit.setFocus()

    def _go(self) -> None:
        self._account.sign_in(self.edit.text(), self._signed_in)

    def _signed_in(self) -> None:
        self.edit.clear()
        self.accept()
        if self._ask.then is not None:
            self._ask.then()

    def _changed(self) -> None:
        busy, problem = self._account.busy, self._account.problem
        self._yes.setText(tr("Asking the hub…") if busy else tr("Sign in"))
        self._yes.setEnabled(not busy and bool(self.edit.text().strip()))
        self._problem.setText(problem)
        self._problem.setVisible(bool(problem))
        mark(self.edit, invalid="true" if problem else "false")
        self.fit()


def open_dialog(ask: Ask, account: AccountVM, parent: QWidget) -> AskDialog:
    """Show the dialog of ``ask``."""
    dialog: AskDialog
    match ask:
        case Confirm():
            dialog = ConfirmDialog(ask, parent)
        case LicenceAsk():
            dialog = LicenceDialog(ask, parent)
        case GateAsk():
            dialog = GateDialog(ask, parent)
            dialog.sign_in_wanted.connect(lambda then: open_dialog(SignInAsk(then), account, parent))
        case SignInAsk():
            dialog = SignInDialog(ask, account, parent)
    dialog.open()
    return dialog
