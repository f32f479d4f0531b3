"""The Models page: its parts, what is chosen there, and what the buttons beside it do."""

from __future__ import annotations

import time
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from app.events import DownloadChanged, EngineChanged, ModelsChanged, OffersChanged, SettingsChanged
from app.hub_protocol import PullSpec, RepoFacts
from app.states import DownloadState
from app.weights import Download, Offer, Status
from models import planning
from models.machine import Backend, DeviceFacts, Verdict
from ui.i18n import file_size, tr
from ui.viewmodels import desktop
from ui.viewmodels.account import AccountVM
from ui.viewmodels.asks import Confirm, SignInAsk
from ui.viewmodels.cards import REPO, local_entry
from ui.viewmodels.catalog import CatalogVM
from ui.viewmodels.details import DetailsView, local_details, offer_details, repo_details
from ui.viewmodels.downloads import DownloadRow, DownloadsVM, row_of
from ui.viewmodels.getting import GettingVM
from ui.viewmodels.imports import ImportsVM
from ui.viewmodels.offer_words import live
from ui.viewmodels.ports import CorePort, EntryPort, WeightsPort
from ui.viewmodels.storage import StorageVM
from ui.viewmodels.words import ErrorView

LOOK_SECONDS = 10.0
"""Between two looks at the disk."""


@dataclass(frozen=True)
class ActionsView:
    """The buttons of what is chosen. ``primary`` and each of ``more`` are (command, words, icon); ``blocked`` says why
    the primary one cannot be pressed; ``busy`` is what is awaited; ``quiet`` keeps the primary one from shining."""

    primary: tuple[str, str, str] = ("", "", "")
    more: tuple[tuple[str, str, str], ...] = ()
    blocked: str = ""
    busy: str = ""
    quiet: bool = False
    download: DownloadRow | None = None
    error: ErrorView | None = None
    state: str = ""
    state_tone: str = ""


class ModelsVM(QObject):
    """Joins the parts of the page. ``details_changed`` comes when what is told of the choice is another, and
    ``actions_changed`` when its buttons or its progress are; ``wanted`` names a page or action of the window."""

    details_changed = Signal()
    actions_changed = Signal()
    asked = Signal(object)
    noticed = Signal(str)
    wanted = Signal(str)
    use_wanted = Signal(str, object)

    def __init__(self, core: CorePort, weights: WeightsPort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._weights = core, weights
        self.catalog = CatalogVM(core, weights, self)
        self.downloads = DownloadsVM(core, weights, self)
        self.getting = GettingVM(core, weights, self)
        self.account = AccountVM(core, weights, self)
        self.imports = ImportsVM(weights, self)
        self.storage = StorageVM(core, weights, self)
        self._chosen = ""
        self._view: DetailsView | None = None
        self._actions = ActionsView()
        self._looked = time.monotonic()  # the core looks at the start
        self._join()

    def _join(self) -> None:
        for part in (self.downloads, self.storage):
            part.asked.connect(self.asked)
            part.noticed.connect(self.noticed)
            part.refused.connect(self._refused)
        self.imports.finished.connect(self.noticed)
        self.getting.asked.connect(self.asked)
        self.getting.changed.connect(lambda key: self._changed() if key == self._chosen else None)
        self.getting.other_wanted.connect(self.choose)
        bus = self._core.events
        self._ends = [
            bus.subscribe(OffersChanged, lambda e: self._changed() if not e.ids or self._about(e.ids) else None),
            bus.subscribe(DownloadChanged, self._download_moved),
            bus.subscribe(SettingsChanged, lambda e: self._changed() if "offline" in e.names else None),
            bus.subscribe(EngineChanged, lambda _: self._changed()),
            bus.subscribe(ModelsChanged, lambda _: self._changed() if self._chosen else None),
        ]

    def close(self) -> None:
        for end in self._ends:
            end()
        for part in (self.catalog, self.downloads, self.account, self.storage):
            part.close()

    def look_again(self) -> None:
        """Other programs download, too: see what is on the disk by now, at most every few seconds."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            self._core.models.refresh()

    # what is chosen

    @property
    def chosen(self) -> str:
        """The key of the card whose details are shown; empty: none."""
        return self._chosen

    def choose(self, key: str) -> None:
        """Show the details of a catalog id or of ``repo:org/name``; the latter is read from the hub."""
        if key.startswith(REPO):
            offer = self._weights.offers.get(key.removeprefix(REPO))
            key = offer.entry.id if offer is not None else key
        other = key != self._chosen
        self._chosen = key
        if key.startswith(REPO):
            linked, repo = self.catalog.link(), key.removeprefix(REPO)
            if self._local(key) is None:
                self.getting.look_at(linked if linked is not None and linked.repo == repo else PullSpec(repo))
        self._changed()
        if other:
            self.details_changed.emit()

    def _local(self, key: str) -> EntryPort | None:
        """The model of this computer behind a ``repo:`` key, if it is here already."""
        return local_entry(self._core, key.removeprefix(REPO))

    def choose_file(self, path: str) -> None:
        """Another weight file of the repository that is shown."""
        if self._chosen.startswith(REPO):
            self.getting.choose_file(self._chosen, path)

    def details(self) -> DetailsView | None:
        """None when nothing is chosen, or it is still being read."""
        return self._view

    def actions(self) -> ActionsView:
        return self._actions

    def _about(self, ids: tuple[str, ...]) -> bool:
        return self._chosen in ids

    def _changed(self) -> None:
        view, actions = self._make_details(), self._make_actions()
        if view != self._view:
            self._view = view
            self.details_changed.emit()
        if actions != self._actions:
            self._actions = actions
            self.actions_changed.emit()

    def _download_moved(self, event: DownloadChanged) -> None:
        download = event.download
        if self._chosen in (download.model, f"{REPO}{download.spec.repo}"):
            self._changed()

    # the machine

    def _memory(self) -> tuple[str, int]:
        """What the memory that counts is called, and how many bytes of it models may use."""
        device = self._device()
        if device is None or device.backend not in (Backend.CPU, Backend.MPS):
            name = tr("graphics memory")
        else:
            name = tr("memory")
        usable = next((o.verdict.usable_bytes for o in self._weights.offers.all() if o.verdict is not None), 0)
        return name, usable

    def _device(self) -> DeviceFacts | None:
        return self._core.engine.status.device or self._weights.offers.device

    def _verdict(self, facts: RepoFacts) -> Verdict | None:
        device = self._device()
        return planning.verdict(facts.needs, device) if facts.needs is not None and device is not None else None

    def _make_details(self) -> DetailsView | None:
        key = self._chosen
        endpoint = self._core.settings.value.hub_endpoint
        if key.startswith(REPO):
            facts, here = self.getting.facts(key), self._local(key)
            if here is not None:
                return local_details(here)
            if facts is None:
                return None
            return repo_details(
                facts, self._verdict(facts), self._memory()[0], endpoint, self.getting.agreed(facts.repo)
            )
        offer = self._weights.offers.get(key) if key else None
        if offer is None:
            return None
        return offer_details(offer, self._weights.offers.all(), *self._memory(), endpoint)

    # buttons

    def _make_actions(self) -> ActionsView:
        key = self._chosen
        if not key:
            return ActionsView()
        busy, error = self.getting.busy(key), self.getting.error(key)
        if key.startswith(REPO):
            return self._repo_actions(key, busy, error)
        offer = self._weights.offers.get(key)
        return ActionsView() if offer is None else self._offer_actions(offer, busy, error)

    def _offer_actions(self, offer: Offer, busy: str, error: ErrorView | None) -> ActionsView:
        download = live(offer)
        if download is not None:
            return self._running(download)
        remove = ("remove", tr("Remove"), "trash-2")
        check = ("verify", tr("Check"), "circle-check")
        show = ("show", tr("Show in storage"), "hard-drive")
        match offer.status:
            case Status.INSTALLED:
                use = ("use", tr("Use"), "arrow-right") if offer.entry.is_model and offer.model_id else ("", "", "")
                state = tr("Installed")
                return ActionsView(use, (check, show, remove), "", busy, error=error, state=state, state_tone="good")
            case Status.DAMAGED:
                repair = ("repair", tr("Repair"), "wrench")
                return ActionsView(repair, (show, remove), self._blocked(), busy, error=error)
            case Status.PARTIAL:
                left = max(0, offer.entry.download_bytes - offer.here_bytes)
                words = tr("Download the missing {size}", size=file_size(left)) if left else tr("Go on")
                primary = ("download", words, "download")
                return ActionsView(primary, (show, remove), self._blocked(), busy, error=error)
            case _:
                too_large = offer.verdict is not None and offer.verdict.fit is planning.Fit.TOO_LARGE
                primary = ("download", self._download_words(offer), "download")
                return ActionsView(primary, (), self._blocked(), busy, too_large, error=error)

    def _repo_actions(self, key: str, busy: str, error: ErrorView | None) -> ActionsView:
        here = self._local(key)
        if here is not None:
            use = ("use_repo", tr("Use"), "arrow-right") if here.problem is None else ("", "", "")
            show = ("show", tr("Show in storage"), "hard-drive")
            state = ("", "") if here.problem is not None else (tr("Installed"), "good")
            return ActionsView(use, (show,), state=state[0], state_tone=state[1])
        facts = self.getting.facts(key)
        if facts is None:
            return ActionsView(busy=busy, error=error)
        download = self.downloads.of(facts.repo)
        if download is not None:
            return self._running(download)
        if facts.problem is not None or not facts.files:
            return ActionsView(busy=busy, error=error)
        left = max(0, facts.total_bytes - facts.here_bytes)
        if not left:
            return ActionsView(
                ("use_repo", tr("Use"), "arrow-right"), (), "", busy, state=tr("Installed"), state_tone="good"
            )
        primary = ("download", tr("Download {size}", size=file_size(left)), "download")
        return ActionsView(primary, (), self._blocked(), busy, error=error)

    def _running(self, download: Download) -> ActionsView:
        row = row_of(download)
        cancel = ("cancel", tr("Cancel"), "x")
        if row.can_resume:
            return ActionsView(
                ("resume", tr("Go on"), "play"), (cancel,), self._blocked(), download=row, error=row.error
            )
        return ActionsView(("pause", tr("Pause"), "pause"), (cancel,), quiet=True, download=row)

    def _blocked(self) -> str:
        return tr("Needs a connection; Atelier is offline.") if self._weights.hub.offline else ""

    def _download_words(self, offer: Offer) -> str:
        total = sum(entry.download_bytes for entry in self.getting.chain(offer.entry))
        left = max(0, total - offer.here_bytes)
        return tr("Download {size}", size=file_size(left)) if left else tr("Download")

    def command(self, name: str) -> None:
        """Do what a button of the panel says."""
        key = self._chosen
        offer = self._weights.offers.get(key)
        download = live(offer) if offer is not None else self.downloads.of(key.removeprefix(REPO))
        match name:
            case "download":
                self.getting.download(key)
            case "pause" | "resume" | "cancel" if download is not None:
                getattr(self.downloads, name)(download.id)
            case "use" if offer is not None:
                self.use(offer)
            case "use_repo":
                self.use_wanted.emit(key.removeprefix(REPO), {})
            case "remove" | "verify" | "repair" if offer is not None:
                self._storage_command(name, offer)
            case "show":
                self.wanted.emit("open_storage")

    def _storage_command(self, name: str, offer: Offer) -> None:
        """Storage knows a model by its id; the report that names it may have to be made first."""
        if self.storage.report is None:
            self.storage.refresh(lambda: self._do_stored(name, offer))
        else:
            self._do_stored(name, offer)

    def _do_stored(self, name: str, offer: Offer) -> None:
        wanted = [key for key in (offer.model_id, offer.entry.id, offer.entry.repo) if key]
        key = next((key for key in wanted if self.storage.item(key) is not None), "")
        if key:
            {"remove": self.storage.remove, "verify": self.storage.verify, "repair": self.storage.repair}[name](key)
        elif name == "repair":
            self.getting.download(offer.entry.id)
        else:
            self.wanted.emit("open_storage")

    def use(self, offer: Offer, prompt: str = "") -> None:
        """Make pictures with it: Create with this model and, if one was picked, its prompt."""
        if offer.model_id:
            self.use_wanted.emit(offer.model_id, {"prompt": prompt} if prompt else {})

    def use_example(self, prompt: str) -> None:
        offer = self._weights.offers.get(self._chosen)
        if self._local(self._chosen) is not None:
            self.use_wanted.emit(self._chosen.removeprefix(REPO), {"prompt": prompt})
        elif offer is not None and offer.status is Status.INSTALLED:
            self.use(offer, prompt)
        else:
            self.noticed.emit(tr("Download it first; then this prompt can be used in Create."))

    # errors

    def act(self, view: ErrorView) -> None:
        """Do what the button of an error says."""
        subject = view.subject
        download = self.downloads.get(subject)
        match view.action:
            case "sign_in":
                again = (
                    (lambda: self.downloads.resume(subject)) if download is not None else self.getting.again(subject)
                )
                self.asked.emit(SignInAsk(again))
            case "open_link":
                desktop.open_link(view.link)
            case "go_on" | "retry":
                if download is not None and download.state in (DownloadState.FAILED, DownloadState.PAUSED):
                    self.downloads.resume(subject)
                else:
                    again = self.getting.again(subject)
                    if again is not None:
                        again()
            case "go_online":
                self.go_online()
            case "get_model":
                self.show(view.model)
            case "choose_model":
                self.wanted.emit("get_model")
            case _:
                self.wanted.emit(view.action)

    def show(self, model: str) -> None:
        """Lead to what is needed: an entry by its id, name or repository, else a search for it."""
        offers = self._weights.offers
        found = offers.get(model) or next((o for o in offers.all() if model in (o.entry.name, o.entry.repo)), None)
        if found is not None:
            self.choose(found.entry.id)
        elif model:
            self.catalog.set_query(model)
        self.wanted.emit("get_model")

    def go_online(self) -> None:
        try:
            self._core.settings.change(offline=False)
        except OSError as error:
            self.noticed.emit(tr("The settings could not be saved: {error}", error=error.strerror or str(error)))

    def _refused(self, view: ErrorView) -> None:
        """An error that belongs to nothing on the page is asked about as a question with its one action."""
        text = f"{view.sentence} {view.advice}".strip()
        if view.action:
            self.asked.emit(Confirm(tr("That did not work"), text, view.action_words, lambda: self.act(view)))
        else:
            self.noticed.emit(text)

    @property
    def offline(self) -> bool:
        return self._weights.hub.offline
