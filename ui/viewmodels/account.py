"""Who is signed in at the hub, and signing in and out. The token goes to the hub's own library and is kept there."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from app.events import NetworkCounted, SettingsChanged
from app.hub_protocol import Identity
from app.messages import words
from models.errors import ErrorInfo
from ui.i18n import plural, tr
from ui.viewmodels.ports import CorePort, WeightsPort


class AccountVM(QObject):
    """``changed`` comes when who is signed in, what is awaited or the count of requests is another."""

    changed = Signal()

    def __init__(self, core: CorePort, weights: WeightsPort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._weights = core, weights
        self.user = ""
        self.source = ""
        self.busy = False
        self.problem = ""
        self.requests = weights.hub.requests
        self._asked = False
        self._ends = [
            core.events.subscribe(NetworkCounted, self._counted),
            core.events.subscribe(SettingsChanged, lambda e: self.changed.emit() if "offline" in e.names else None),
        ]

    def close(self) -> None:
        for end in self._ends:
            end()

    @property
    def offline(self) -> bool:
        return self._weights.hub.offline

    def look(self) -> None:
        """Find out who is signed in, once; asking for it needs a connection."""
        if not self._asked and not self.offline:
            self._asked = True
            self._weights.hub.who(self._known, lambda error: None)

    def sign_in(self, token: str, then: Callable[[], None] | None = None) -> None:
        """Check ``token`` with the hub and keep it there; ``problem`` says why it was refused."""
        token = token.strip()
        if not token or self.busy:
            return
        self._become(busy=True)

        def known(identity: Identity) -> None:
            self._known(identity)
            if then is not None and identity.user:
                then()

        self._weights.hub.sign_in(token, known, self._failed)

    def sign_out(self) -> None:
        self._become(busy=True)
        self._weights.hub.sign_out(self._known, self._failed)

    def forget_problem(self) -> None:
        self.problem = ""

    def words(self) -> str:
        """Who is signed in, as the settings say it."""
        if self.user:
            where = tr("by the variable HF_TOKEN") if self.source == "env" else ""
            return " ".join(part for part in (tr("Signed in as {user}", user=self.user), where) if part) + "."
        return tr("Not signed in. Only models that ask who downloads them need an account.")

    def network_words(self) -> str:
        count = plural("{n} request", "{n} requests", self.requests)
        return tr("{count} over the network since Atelier was started.", count=count)

    def _known(self, identity: Identity) -> None:
        self.user, self.source = identity.user, identity.source
        self._become(busy=False)

    def _failed(self, error: ErrorInfo) -> None:
        plain = words(error)
        self._become(busy=False, problem=f"{tr(plain.sentence)} {tr(plain.advice)}".strip())

    def _become(self, busy: bool, problem: str = "") -> None:
        self.busy, self.problem = busy, problem
        self.changed.emit()

    def _counted(self, event: NetworkCounted) -> None:
        self.requests = event.requests
        self.changed.emit()
