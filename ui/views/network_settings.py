"""Settings about the network and the model hub: requests so far, downloads, mirror, account, where models lie."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.viewmodels.asks import SignInAsk
from ui.viewmodels.models import ModelsVM
from ui.viewmodels.settings import SettingsVM
from ui.widgets.controls import Button, Combo, ElidedLabel, label, row


class NetworkSettings(QWidget):
    """Rows under the heading "Network". Not signed in, the account's button asks for a token."""

    def __init__(self, settings: SettingsVM, models: ModelsVM, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings, self._models = settings, models
        self._account = models.account
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._count = label("", "secondary", "soft")
        self._count.setObjectName("settings.requests")
        self._user = label("", "secondary", "soft", wrap=True)
        self._sign = Button("")
        self._mirror = QLineEdit()
        self._at_once = Combo()
        self._folder = ElidedLabel("", "secondary", "soft", Qt.TextElideMode.ElideMiddle)
        self._fill()
        self._account.changed.connect(self._account_changed)
        settings.changed.connect(self._changed)
        models.storage.changed.connect(self._folder_changed)
        self._account_changed()
        for name in ("hub_endpoint", "downloads_at_once", "models_cache"):
            self._changed(name)

    def _fill(self) -> None:
        self._column.addWidget(self._count)
        self._column.addSpacing(8)
        self._sign.setObjectName("settings.account")
        self._sign.clicked.connect(self._sign_in_or_out)
        self._row(tr("Account"), self._user, self._sign)
        self._at_once.setObjectName("settings.downloads_at_once")
        self._at_once.setAccessibleName(tr("Downloads at once"))
        self._at_once.setMinimumWidth(90)
        for number in range(1, 9):
            self._at_once.addItem(str(number), number)
        self._at_once.currentIndexChanged.connect(
            lambda _: self._settings.change("downloads_at_once", self._at_once.currentData())
        )
        hint = label(tr("Others wait for their turn."), "secondary", "soft", wrap=True)
        self._row(tr("Downloads at once"), hint, self._at_once)
        self._mirror.setObjectName("settings.hub_endpoint")
        self._mirror.setAccessibleName(tr("Address of a mirror"))
        self._mirror.setPlaceholderText("https://huggingface.co")
        self._mirror.setMinimumWidth(260)
        self._mirror.editingFinished.connect(self._set_mirror)
        hint = label(tr("Where the hub itself cannot be reached."), "secondary", "soft", wrap=True)
        self._row(tr("Mirror of the hub"), hint, self._mirror)
        storage = Button(tr("Open storage"), "", "hard-drive")
        storage.setObjectName("settings.storage")
        storage.clicked.connect(lambda: self._models.wanted.emit("open_storage"))
        self._row(tr("Models folder"), self._folder, storage)

    def _row(self, title: str, hint: QWidget, control: QWidget) -> None:
        caption = label(title)
        caption.setBuddy(control)
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(caption)
        words.addWidget(hint)
        line = row(spacing=16)
        line.setContentsMargins(0, 9, 0, 9)
        line.addLayout(words, 1)
        line.addWidget(control, 0, Qt.AlignmentFlag.AlignVCenter)
        self._column.addLayout(line)

    def _sign_in_or_out(self) -> None:
        if self._account.user:
            self._account.sign_out()
        else:
            self._models.asked.emit(SignInAsk())

    def _set_mirror(self) -> None:
        text = self._mirror.text().strip().rstrip("/")
        if text and "://" not in text:
            text = f"https://{text}"
        self._mirror.setText(text)
        if text != self._settings.value("hub_endpoint"):
            self._settings.change("hub_endpoint", text)

    def _account_changed(self) -> None:
        account = self._account
        self._count.setText(account.network_words())
        self._user.setText(account.problem or account.words())
        self._sign.setText(tr("Sign out") if account.user else tr("Sign in…"))
        self._sign.setAccessibleName(tr("Sign out") if account.user else tr("Sign in to the model hub"))
        self._sign.setEnabled(not account.busy and not account.offline and account.source != "env")

    def _changed(self, name: str) -> None:
        if name == "hub_endpoint":
            self._mirror.setText(self._settings.value("hub_endpoint"))
        elif name == "downloads_at_once":
            self._at_once.blockSignals(True)
            self._at_once.setCurrentIndex(self._at_once.findData(self._settings.value("downloads_at_once")))
            self._at_once.blockSignals(False)
        elif name == "models_cache":
            self._folder_changed()

    def _folder_changed(self) -> None:
        report = self._models.storage.report
        known = report.cache if report is not None else ""
        words = self._settings.value("models_cache") or known
        self._folder.set_full(words or tr("The hub's own folder, shared with other programs"))
