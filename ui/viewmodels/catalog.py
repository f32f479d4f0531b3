"""The catalog as it is browsed: search, filters and order, the shelves, and what the hub finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, QTimer, Signal

from app.events import ModelsChanged, OffersChanged, SettingsChanged
from app.hub_protocol import Hit, PullSpec
from app.links import parse_link
from app.messages import words
from app.weights import Offer, Status
from models.catalog.entry import Role, Use
from models.errors import ErrorInfo
from models.machine import Fit
from ui.i18n import plural, tr
from ui.viewmodels.board import BoardModel, CardView, Section
from ui.viewmodels.cards import REPO, hit_card, local_card, local_entry, offer_card
from ui.viewmodels.offer_words import fit_of, role_words
from ui.viewmodels.ports import CorePort, WeightsPort

HUB_DELAY_MS = 400
PATIENCE_MS = 4000
"""How long cards stand grey at the start before the catalog is said to be empty."""
LEAST_QUERY = 2
GB = 1_000_000_000
HELPERS = frozenset(
    {
        Role.DEPTH,
        Role.NORMALS,
        Role.POSE,
        Role.DETECTION,
        Role.BACKGROUND,
        Role.CAPTION,
        Role.SEGMENTATION,
    }
)
PARTS = frozenset({Role.VAE, Role.PREVIEW, Role.EMBEDDING, Role.TEXT_ENCODER})


@dataclass(frozen=True)
class Filters:
    """What is shown; empty strings mean everything."""

    role: str = ""
    use: str = ""
    size: str = ""
    fit: str = ""
    installed: bool = False

    @property
    def any(self) -> bool:
        return self != Filters()


@dataclass(frozen=True)
class Option:
    """One line of a filter's menu, and what the filter's button says while it is chosen."""

    value: str
    words: str
    short: str = ""


def filter_options(name: str) -> list[Option]:
    """The choices of a filter, the first meaning all."""
    return {"role": _role_options, "use": _use_options, "size": _size_options, "fit": _fit_options, "sort": _sorts}[
        name
    ]()


def _role_options() -> list[Option]:
    names = (Role.TEXT_TO_IMAGE, Role.EDIT, Role.INPAINT, Role.LORA, Role.CONTROLNET, Role.IP_ADAPTER, Role.UPSCALER)
    found = [Option("", tr("Every task"), tr("Task")), *(Option(name.value, role_words(name)) for name in names)]
    return [*found, Option("helpers", tr("Helpers")), Option("parts", tr("Parts"))]


def _use_options() -> list[Option]:
    return [
        Option("", tr("Every licence"), tr("Licence")),
        Option("commercial", tr("Commercial use"), tr("Commercial use")),
        Option("conditions", tr("Commercial use, also with conditions"), tr("Commercial use")),
        Option("outputs", tr("Pictures may be sold"), tr("Pictures may be sold")),
        Option("research", tr("Research only"), tr("Research only")),
    ]


def _size_options() -> list[Option]:
    limits = [Option(str(n), tr("Up to {n} GB", n=n)) for n in (1, 5, 10, 20)]
    return [Option("", tr("Every size"), tr("Size")), *limits, Option("-20", tr("More than 20 GB"))]


def _fit_options() -> list[Option]:
    return [
        Option("", tr("Runs or not"), tr("Fit")),
        Option("fast", tr("Runs fast")),
        Option("runs", tr("Runs, also slower"), tr("Runs")),
        Option("too_large", tr("Too large")),
    ]


def _sorts() -> list[Option]:
    return [
        Option("", tr("Recommended first"), tr("Recommended")),
        Option("small", tr("Smallest first"), tr("Smallest")),
        Option("new", tr("Newest first"), tr("Newest")),
        Option("name", tr("By name"), tr("Name")),
    ]


_USES_OF = {
    "commercial": {Use.COMMERCIAL},
    "conditions": {Use.COMMERCIAL, Use.CONDITIONS},
    "outputs": {Use.COMMERCIAL, Use.CONDITIONS, Use.OUTPUTS},
    "research": {Use.RESEARCH},
}
_SORT_KEYS: dict[str, Callable[[Offer], tuple[object, ...]]] = {
    "small": lambda offer: (offer.entry.download_bytes or 1 << 60,),
    "name": lambda offer: (offer.entry.name.lower(),),
}


def _roles(value: str) -> frozenset[Role]:
    if value in ("helpers", "parts"):
        return HELPERS if value == "helpers" else PARTS
    return frozenset({Role(value)})


def passes(filters: Filters) -> Callable[[Offer], bool]:
    """The test that the filters mean; made once for each search."""
    tests: list[Callable[[Offer], bool]] = []
    if filters.role:
        roles = _roles(filters.role)
        tests.append(lambda offer: offer.entry.role in roles or not roles.isdisjoint(offer.entry.also))
    if filters.use:
        uses = _USES_OF[filters.use]
        tests.append(lambda offer: offer.entry.licence.use in uses)
    if filters.size:
        limit = int(filters.size) * GB
        tests.append(
            lambda offer: offer.entry.download_bytes > -limit if limit < 0 else 0 < offer.entry.download_bytes <= limit
        )
    if filters.fit:
        fits = {"fast": {Fit.FAST}, "runs": {Fit.FAST, Fit.OFFLOAD}, "too_large": {Fit.TOO_LARGE}}[filters.fit]
        tests.append(lambda offer: offer.verdict is not None and fit_of(offer.verdict) in fits)
    if filters.installed:
        tests.append(lambda offer: offer.status is not Status.AVAILABLE)
    return lambda offer: all(test(offer) for test in tests)


class CatalogVM(QObject):
    """``changed`` comes when the sections, the filters or the empty state are others."""

    changed = Signal()

    def __init__(self, core: CorePort, weights: WeightsPort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._weights = core, weights
        self.query = ""
        self.filters = Filters()
        self.sort = ""
        self._expanded: set[str] = set()
        self._hits: dict[str, Hit] = {}
        self._found: tuple[str, ...] = ()
        self._hub_state = ""  # "", "waiting", "done", or the sentence of what went wrong
        self._asked = ""
        self._count = 0
        self.board = BoardModel(self._card, self)
        self._timer = QTimer(self, singleShot=True, interval=HUB_DELAY_MS)
        self._timer.timeout.connect(self.search_hub)
        self._read = False
        self._patience = QTimer(self, singleShot=True, interval=PATIENCE_MS)
        self._patience.timeout.connect(self.refresh)
        self._patience.start()
        self._ends = [
            core.events.subscribe(OffersChanged, self._offers_changed),
            core.events.subscribe(SettingsChanged, self._settings_changed),
            core.events.subscribe(ModelsChanged, lambda _: None if self.shelved else self._models_changed()),
        ]
        self.refresh()

    def close(self) -> None:
        self._timer.stop()
        self._patience.stop()
        for end in self._ends:
            end()

    @property
    def offline(self) -> bool:
        return self._weights.hub.offline

    # what is asked for

    def set_query(self, text: str) -> None:
        """Search the catalog at once, the hub when the typing pauses."""
        text = " ".join(text.split())
        if text == self.query:
            return
        self.query = text
        self._expanded.clear()
        self._forget_hub()
        self.refresh()

    def set_filter(self, name: str, value: str | bool) -> None:
        """``name`` is a field of ``Filters``, or "sort"."""
        if name == "sort":
            self.sort = str(value)
        else:
            self.filters = replace(self.filters, **{name: value})  # type: ignore[arg-type]
        self._forget_hub()
        self.refresh()

    def show_role(self, role: str) -> None:
        """Only what is for ``role``, a value of ``Role``; kinds without a line of their own in the filter stand in
        their group."""
        groups = {**dict.fromkeys(HELPERS, "helpers"), **dict.fromkeys(PARTS, "parts")}
        self.query, self.filters = "", Filters(role=groups.get(Role(role), role))
        self._forget_hub()
        self.refresh()

    def clear_filters(self) -> None:
        self.filters = Filters()
        self._forget_hub()
        self.refresh()

    def clear(self) -> bool:
        """Back to the shelves; False when they are shown already."""
        if not self.query and not self.filters.any:
            return False
        self.query, self.filters = "", Filters()
        self._forget_hub()
        self.refresh()
        return True

    def expand(self, section: str) -> None:
        """The button of a heading: show the whole of a shelf, or only its first row again; ask the hub again."""
        if section == "hub":
            self.search_hub()
            return
        self._expanded ^= {section}
        self.refresh()

    # what is shown

    @property
    def shelved(self) -> bool:
        """True while nothing is searched or filtered, so that the shelves stand first."""
        return not self.query and not self.filters.any and not self.sort

    def count_words(self) -> str:
        return "" if not self._count else plural("{n} model or add-on", "{n} models and add-ons", self._count)

    def nothing(self) -> bool:
        """Nothing is found here, and nothing is awaited."""
        return (
            self._settled()
            and not self.board.rowCount()
            and self._hub_state != "waiting"
            and not self._timer.isActive()
        )

    def _settled(self) -> bool:
        """The catalog was read, or had time enough to be: it is read right after the start."""
        self._read = self._read or not self._patience.isActive() or bool(self._weights.offers.all())
        return self._read

    def nothing_words(self) -> tuple[str, str]:
        """What to say then, and what can be done about it."""
        if not self._weights.offers.all():
            return tr("The catalog is empty"), tr("It could not be read. Models can still be added from disk.")
        about = (
            tr("Nothing matches “{query}”", query=self.query[:80])
            if self.query
            else tr("Nothing matches these filters")
        )
        if self.filters.any:
            return about, tr("Fewer filters show more.")
        if self.offline:
            return about, tr("Atelier is offline; the model hub has many more.")
        return about, tr("Try other words, or paste the address of a model on the hub.")

    def link(self) -> PullSpec | None:
        """The repository that the query names, if it names one."""
        return parse_link(self.query) if self.query else None

    def refresh(self) -> None:
        """Work out the sections anew."""
        offers = self._ordered()
        self._count = len(offers)
        sections = self._shelves(offers) if self.shelved else self._results(offers)
        if self._may_ask_hub() and self._asked != self.query and not self._timer.isActive():
            self._timer.start()
        self.board.show(sections)
        self.changed.emit()

    def _ordered(self) -> list[Offer]:
        found = self._weights.offers.search(self.query)
        if self.filters.any:
            test = passes(self.filters)
            found = [offer for offer in found if test(offer)]
        if self.sort == "new":
            found.sort(key=lambda offer: offer.entry.released, reverse=True)
        elif self.sort in _SORT_KEYS:
            found.sort(key=_SORT_KEYS[self.sort])
        return found

    def _shelves(self, offers: list[Offer]) -> Iterable[Section]:
        if not offers and not self._settled():
            yield Section("reading", tr("All models"), tr("Reading the catalog"), waiting=4)
        for shelf in self._weights.offers.shelves():
            if shelf.entries:
                key = f"shelf:{shelf.id}"
                once = key not in self._expanded
                action = tr("Show all {n}", n=len(shelf.entries)) if once else tr("Show fewer")
                yield Section(key, tr(shelf.title), tr(shelf.summary), shelf.entries, row_only=once, action=action)
        groups = (
            ("models", tr("All models"), [o.entry.id for o in offers if o.entry.is_model]),
            (
                "addons",
                tr("Add-ons"),
                [o.entry.id for o in offers if not o.entry.is_model and o.entry.role not in HELPERS],
            ),
            ("helpers", tr("Helpers"), [o.entry.id for o in offers if o.entry.role in HELPERS]),
        )
        for key, title, keys in groups:
            if keys:
                yield Section(key, title, "", tuple(keys))

    def _results(self, offers: list[Offer]) -> Iterable[Section]:
        spec = self.link()
        if spec is not None:
            here = local_entry(self._core, spec.repo) is not None
            yield Section("link", tr("On this computer") if here else tr("On the hub"), "", (f"{REPO}{spec.repo}",))
        if offers:
            yield Section("found", tr("In the catalog"), "", tuple(offer.entry.id for offer in offers))
        others = self._others()
        if others:
            yield Section("others", tr("Also on this computer"), tr("Not from the catalog"), others)
        if spec is None and self._may_ask_hub():
            yield self._hub_section()

    def _others(self) -> tuple[str, ...]:
        """Models that lie here and are in no catalog, as far as query and filters let them through."""
        if replace(self.filters, installed=False).any:
            return ()
        spec = self.link()
        known = {offer.model_id for offer in self._weights.offers.all()} | {spec.repo if spec is not None else ""}
        wanted = self.query.lower().split()
        found = []
        for entry in self._core.models.entries():
            text = f"{entry.card.name} {entry.card.id}".lower()
            if entry.card.id not in known and all(word in text for word in wanted):
                found.append(f"{REPO}{entry.card.id}")
        return tuple(found)

    def _hub_section(self) -> Section:
        title = tr("On the hub")
        known = {offer.entry.repo for offer in self._weights.offers.all()} if self._found else set()
        keys = tuple(f"{REPO}{repo}" for repo in self._found if repo not in known)
        if self._hub_state == "done":
            note = "" if keys else tr("The hub has nothing more for this.")
            return Section("hub", title, tr("Made by others, not checked by Atelier") if keys else "", keys, note=note)
        if self._hub_state in ("", "waiting"):
            return Section("hub", title, tr("Searching"), waiting=3)
        return Section("hub", title, note=self._hub_state, action=tr("Try again"))

    # the hub

    def _may_ask_hub(self) -> bool:
        wide = not self.filters.installed and not self.filters.size and not self.filters.fit and not self.filters.use
        return len(self.query) >= LEAST_QUERY and not self.offline and wide and self.link() is None

    def search_hub(self) -> None:
        """Ask the hub now, whatever is found here."""
        self._timer.stop()
        if not self._may_ask_hub():
            return
        query = self._asked = self.query
        self._hub_state = "waiting"
        self.refresh()
        role = self.filters.role if self.filters.role not in ("", "helpers", "parts") else ""
        self._weights.hub.search(query, role, lambda hits: self._arrived(query, hits), lambda e: self._failed(query, e))

    def search_hub_for_all(self) -> None:
        """Without the filters, which the hub knows nothing of."""
        self.filters = Filters()
        self._forget_hub()
        self.search_hub()

    def _arrived(self, query: str, hits: tuple[Hit, ...]) -> None:
        if query != self._asked:
            return  # the answer to words that were typed over
        self._hits.update({hit.repo: hit for hit in hits})
        self._found = tuple(hit.repo for hit in hits)
        self._hub_state = "done"
        self.refresh()

    def _failed(self, query: str, error: ErrorInfo) -> None:
        if query == self._asked:
            plain = words(error)
            self._hub_state = f"{tr(plain.sentence)} {tr(plain.advice)}".strip()
            self.refresh()

    def _forget_hub(self) -> None:
        self._timer.stop()
        self._found, self._hub_state, self._asked = (), "", ""

    # cards

    def hit(self, repo: str) -> Hit | None:
        return self._hits.get(repo)

    def _card(self, key: str) -> CardView | None:
        if key.startswith(REPO):
            return self._repo_card(key.removeprefix(REPO))
        offer = self._weights.offers.get(key)
        return None if offer is None else offer_card(offer)

    def _repo_card(self, repo: str) -> CardView:
        hit = self._hits.get(repo)
        here = local_entry(self._core, repo)
        if here is not None:
            return local_card(here)
        if hit is None:
            look = tr("Look at {repo}", repo=repo)
            return CardView(
                f"{REPO}{repo}",
                "globe",
                look,
                tr("Reads what it is, how large, and whether it runs here."),
                tooltip=repo,
            )
        return hit_card(hit)

    def _offers_changed(self, event: OffersChanged) -> None:
        if event.ids and not self.filters.installed:
            self.board.forget(event.ids)
            return
        self.board.forget(event.ids or None)
        self.refresh()

    def _models_changed(self) -> None:
        self.board.forget(key for key in tuple(self.board.keys()) if key.startswith(REPO))
        self.refresh()

    def _settings_changed(self, event: SettingsChanged) -> None:
        if "offline" in event.names:
            self._forget_hub()
            self.refresh()
