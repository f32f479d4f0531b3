"""From Download to the first byte: what a repository is, its licence, its gate, and then the start.

Questions go out by ``asked``; each carries what to do with its answer, so that the way goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from app.hub_protocol import PullSpec, RepoFacts
from app.links import repo_url
from app.weights import Status
from models.catalog.entry import CatalogEntry, Use
from models.errors import AtelierError, ErrorCode, ErrorInfo
from ui.i18n import tr
from ui.viewmodels.asks import TOKENS_URL, GateAsk, LicenceAsk, gate_words
from ui.viewmodels.cards import REPO
from ui.viewmodels.offer_words import USES, use_of
from ui.viewmodels.ports import CorePort, WeightsPort
from ui.viewmodels.words import ErrorView, error_view


class GettingVM(QObject):
    """``changed`` names the key (a catalog id or ``repo:org/name``) whose facts, wait or error is another."""

    changed = Signal(str)
    asked = Signal(object)
    other_wanted = Signal(str)

    def __init__(self, core: CorePort, weights: WeightsPort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._weights = core, weights
        self._facts: dict[str, RepoFacts] = {}
        self._spec: dict[str, PullSpec] = {}
        self._busy: dict[str, str] = {}
        self._errors: dict[str, ErrorView] = {}
        self._agreed: set[str] = set()

    def facts(self, key: str) -> RepoFacts | None:
        return self._facts.get(key)

    def busy(self, key: str) -> str:
        """What is awaited, in words; empty: nothing."""
        return self._busy.get(key, "")

    def error(self, key: str) -> ErrorView | None:
        return self._errors.get(key)

    def agreed(self, repo: str) -> bool:
        return repo in self._agreed

    def look_at(self, spec: PullSpec) -> None:
        """Read the repository that ``spec`` means, unless that was done."""
        key = f"{REPO}{spec.repo}"
        if key not in self._facts or self._spec.get(key) != spec:
            self._facts.pop(key, None)
            self._spec[key] = spec
            self.describe(key)

    def choose_file(self, key: str, path: str) -> None:
        """Another weight file of a repository that was read."""
        spec = self._spec[key]
        self._spec[key] = PullSpec(spec.repo, spec.revision, file=path)
        self.describe(key)

    def again(self, key: str) -> Callable[[], None] | None:
        """What trying again means for ``key``."""
        if not key:
            return None
        if key.startswith(REPO) and key not in self._facts:
            return (lambda: self.describe(key)) if key in self._spec else None
        return lambda: self.download(key)

    def describe(self, key: str) -> None:
        """Read the repository (again)."""
        self._errors.pop(key, None)
        self._busy[key] = tr("Reading what it is")
        spec = self._spec[key]

        def read(facts: RepoFacts) -> None:
            if self._spec.get(key) == spec:
                self._facts[key] = facts
                self._settle(key)

        def failed(error: ErrorInfo) -> None:
            if self._spec.get(key) == spec:
                self._errors[key] = error_view(error, key)
                self._settle(key)

        self._weights.hub.describe(spec, read, failed)
        self.changed.emit(key)

    def _settle(self, key: str) -> None:
        self._busy.pop(key, None)
        self.changed.emit(key)

    def download(self, key: str) -> None:
        """Ask for what has to be asked, then start."""
        self._errors.pop(key, None)
        if key.startswith(REPO):
            self._download_repo(key)
            return
        offer = self._weights.offers.get(key)
        if offer is None:
            return
        for entry in self.chain(offer.entry):
            known = self._weights.offers.get(entry.id)
            if known is not None and entry.licence.use is not Use.COMMERCIAL and not known.accepted:
                self._ask_licence(entry, lambda: self.download(key))
                return
        gated = next((entry for entry in self.chain(offer.entry) if entry.gated), None)
        if gated is not None and not self._weights.hub.offline:
            self._knock(key, gated)
        else:
            self._start(key, None)

    def chain(self, entry: CatalogEntry) -> list[CatalogEntry]:
        """``entry`` and what of its requirements is not here."""
        found = [entry]
        for key in entry.requires:
            other = self._weights.offers.get(key)
            if other is not None and other.status is not Status.INSTALLED:
                found.append(other.entry)
        return found

    def _ask_licence(self, entry: CatalogEntry, then: Callable[[], None]) -> None:
        badge, tone, allows = USES[entry.licence.use]

        def accepted() -> None:
            self._weights.offers.accept(entry.id)
            then()

        licence = entry.licence
        url = licence.url or repo_url(entry.repo, self._core.settings.value.hub_endpoint)
        self.asked.emit(
            LicenceAsk(entry.name, licence.name, tr(badge), tone, tr(allows), tr(licence.note), url, accepted)
        )

    def _knock(self, key: str, entry: CatalogEntry) -> None:
        """Ask the hub whether its gate is open for us, before anything starts."""
        spec = PullSpec(entry.repo, entry.revision, allow=entry.allow, file=entry.file)
        self._busy[key] = tr("Asking the hub")

        def answered(facts: RepoFacts) -> None:
            self._settle(key)
            if facts.access in ("open", "granted"):
                self._start(key, None)
            else:
                self._ask_gate(key, entry.name, entry.repo, facts.access, entry.ungated)

        def failed(error: ErrorInfo) -> None:
            self._errors[key] = error_view(error, key)
            self._settle(key)

        self._weights.hub.describe(spec, answered, failed)
        self.changed.emit(key)

    def _ask_gate(self, key: str, name: str, repo: str, access: str, ungated: str) -> None:
        sentence, steps, url_words = gate_words(access)
        url = TOKENS_URL if access == "token_scope" else repo_url(repo, self._core.settings.value.hub_endpoint)
        other = self._weights.offers.get(ungated) if ungated else None
        self.asked.emit(
            GateAsk(
                name,
                access,
                sentence,
                steps,
                url,
                url_words,
                lambda: self.download(key),
                other.entry.name if other is not None else "",
                (lambda: self.other_wanted.emit(ungated)) if other is not None else None,
            )
        )

    def _download_repo(self, key: str) -> None:
        facts = self._facts.get(key)
        if facts is None or facts.problem is not None:
            return
        if facts.access not in ("open", "granted"):
            self._ask_gate(key, facts.repo, facts.repo, facts.access, "")
            self._spec.setdefault(key, PullSpec(facts.repo))
            return
        use = use_of(facts.licence)
        if use is not Use.COMMERCIAL and facts.repo not in self._agreed:
            badge, tone, allows = USES[use]

            def accepted() -> None:
                self._agreed.add(facts.repo)
                self._weights.offers.accept(facts.repo)
                self.download(key)

            url = facts.licence_url or repo_url(facts.repo, self._core.settings.value.hub_endpoint)
            name = facts.licence or tr("not stated")
            self.asked.emit(LicenceAsk(facts.repo, name, tr(badge), tone, tr(allows), "", url, accepted))
            return
        self._start(key, self._spec.get(key))

    def _start(self, key: str, spec: PullSpec | None) -> None:
        try:
            self._weights.downloads.start(key.removeprefix(REPO), spec)
        except AtelierError as error:
            if error.code is ErrorCode.LICENCE_NOT_ACCEPTED and self._licence_again(key, error.info):
                return
            self._errors[key] = error_view(error.info, key)
        self.changed.emit(key)

    def _licence_again(self, key: str, error: ErrorInfo) -> bool:
        """The core asks for a licence that this page did not: of something the download brings along."""
        name = str(error.facts.get("model", ""))
        entry = next((o.entry for o in self._weights.offers.all() if name in (o.entry.id, o.entry.name)), None)
        if entry is not None:
            self._ask_licence(entry, lambda: self._start(key, self._spec.get(key)))
        return entry is not None
