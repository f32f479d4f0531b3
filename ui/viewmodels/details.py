"""What the panel beside the catalog says of one entry or repository, in words and in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.hub_protocol import HubFile, RepoFacts
from app.links import repo_url
from app.weights import Offer, Status
from models.catalog.entry import CatalogEntry
from models.families import family_title
from models.machine import Verdict
from ui.i18n import day, file_size, number, plural, tr
from ui.viewmodels.cards import REPO, related
from ui.viewmodels.offer_words import (
    USES,
    fit_badge,
    live,
    memory_rows,
    parameters_words,
    plan_words,
    role_icon,
    role_words,
    use_of,
)
from ui.viewmodels.ports import EntryPort
from ui.viewmodels.words import ErrorView, error_view, fit_words


@dataclass(frozen=True)
class Note:
    """A sentence with a tone and, where ``icon`` is not empty, an icon before it."""

    text: str
    tone: str = ""
    icon: str = ""


@dataclass(frozen=True)
class LinkView:
    """Leads to another entry."""

    key: str
    words: str
    hint: str = ""


@dataclass(frozen=True)
class LicenceView:
    name: str
    badge: str
    tone: str
    allows: str
    note: str
    url: str
    accepted: str


@dataclass(frozen=True)
class FileLine:
    path: str
    size: str


@dataclass(frozen=True)
class DetailsView:
    """Everything the panel shows but the buttons and the progress, which move by themselves."""

    key: str
    icon: str
    name: str
    by: str
    summary: str
    notes: tuple[Note, ...] = ()
    verdict: tuple[str, str] = ("", "")
    plan: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    memory: tuple[tuple[str, str, str], ...] = ()
    licence: LicenceView | None = None
    settings: tuple[tuple[str, str], ...] = ()
    examples: tuple[str, ...] = ()
    related: tuple[tuple[str, tuple[LinkView, ...]], ...] = ()
    files: tuple[FileLine, ...] = ()
    files_words: str = ""
    others: tuple[FileLine, ...] = ()
    problem: ErrorView | None = None
    unverified: str = ""
    url: str = ""
    repo: str = ""


RELATED_WORDS = {
    "fast": "Fewer steps with",
    "requires": "Also fetches",
    "models": "Works with",
    "lora": "LoRAs",
    "controlnet": "ControlNets",
    "ip-adapter": "Picture prompts",
    "vae": "VAE",
    "preview": "Previews",
    "embedding": "Embeddings",
}

SETTING_WORDS = {
    "steps": "Steps",
    "guidance_scale": "Guidance",
    "guidance": "Guidance",
    "scheduler": "Scheduler",
    "width": "Width",
    "height": "Height",
    "strength": "Strength",
    "negative_prompt": "Avoid",
}

RISKS = {
    "pickle_only": "It comes only in an old file format that can carry harmful code. Atelier does not load it.",
    "remote_code": "It brings program code of its own, which Atelier does not run.",
    "unsafe_scan": "The hub's own scan marks files in it as unsafe. Only safetensors files are fetched.",
}

PLAIN_TAGS = frozenset({"recommended"})
"""Tags that say nothing about what a model does."""

MOST_LINKS = 6


def offer_details(offer: Offer, others: Iterable[Offer], device: str, usable: int, endpoint: str = "") -> DetailsView:
    """``device`` names the memory that counts; ``usable`` are the bytes of it this computer has."""
    entry = offer.entry
    by = [entry.authors, role_words(entry.role), entry.released]
    return DetailsView(
        key=entry.id,
        icon=role_icon(entry.role),
        name=entry.name,
        by=" · ".join(part for part in by if part),
        summary=entry.summary,
        notes=tuple(_notes(offer)),
        verdict=fit_badge(offer.verdict),
        plan=plan_words(offer.verdict, device) if offer.verdict is not None else "",
        facts=tuple(_facts(offer)),
        memory=memory_rows(entry, usable),
        licence=licence_view(offer),
        settings=tuple((tr(SETTING_WORDS.get(name, name)), _value(value)) for name, value in entry.defaults.items()),
        examples=entry.examples if entry.is_model else (),
        related=_related(entry, others),
        unverified=_unverified(entry.unverified),
        url=repo_url(entry.repo, endpoint),
        repo=entry.repo,
    )


def licence_view(offer: Offer) -> LicenceView:
    licence = offer.entry.licence
    badge, tone, allows = USES[licence.use]
    accepted = tr("Accepted on {day}", day=day(offer.accepted)) if offer.accepted else ""
    return LicenceView(licence.name, tr(badge), tone, tr(allows), tr(licence.note), licence.url, accepted)


def _notes(offer: Offer) -> Iterable[Note]:
    entry = offer.entry
    if offer.status is Status.DAMAGED:
        yield Note(tr("Some of its files are damaged. Repair fetches only those again."), "bad", "triangle-alert")
    if offer.status is Status.PARTIAL and live(offer) is None:
        yield Note(tr("Only part of it is on this computer. Going on fetches the rest."), "warn", "hourglass")
    if entry.gated and offer.status is Status.AVAILABLE:
        yield Note(tr("Its authors ask who downloads it; that takes a free account of the hub."), "", "lock")


def _facts(offer: Offer) -> Iterable[tuple[str, str]]:
    entry = offer.entry
    if entry.download_bytes:
        size = file_size(entry.download_bytes)
        here = offer.here_bytes
        if 0 < here < entry.download_bytes and live(offer) is None:
            size = tr("{size}, of which {here} are here", size=size, here=file_size(here))
        yield tr("Size"), size
    if entry.parameters:
        yield tr("Parameters"), parameters_words(entry.parameters)
    if entry.size != (0, 0):
        yield tr("Picture size"), tr("{w} × {h}", w=entry.size[0], h=entry.size[1])
    if entry.scale:
        yield tr("Enlarges"), tr("{n} times", n=entry.scale)
    if entry.family:
        yield tr("Family"), family_title(entry.family)
    if entry.trigger:
        yield tr("Called by"), ", ".join(f"“{word}”" for word in entry.trigger)
    tags = [tag for tag in entry.tags if tag not in PLAIN_TAGS]
    if tags:
        yield tr("Good for"), ", ".join(tags)


def _value(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return number(value) if isinstance(value, int | float) else str(value)


def _related(entry: CatalogEntry, others: Iterable[Offer]) -> tuple[tuple[str, tuple[LinkView, ...]], ...]:
    found = []
    for kind, group in related(entry, others).items():
        links = tuple(LinkView(one.id, one.name, one.summary) for one in group[:MOST_LINKS])
        found.append((tr(RELATED_WORDS.get(kind, role_words(kind))), links))
    return tuple(found)


def _unverified(fields: Sequence[str]) -> str:
    return tr("Could not be confirmed: {fields}.", fields=", ".join(fields).replace("_", " ")) if fields else ""


def repo_details(
    facts: RepoFacts, verdict: Verdict | None, device: str, endpoint: str = "", accepted: bool = False
) -> DetailsView:
    """A repository of the hub as it was read."""
    owner, _, name = facts.repo.partition("/")
    kind = role_words("pipeline" if facts.kind == "pipeline" else facts.kind)
    return DetailsView(
        key=f"{REPO}{facts.repo}",
        icon=role_icon(facts.kind),
        name=name or facts.repo,
        by=" · ".join(part for part in (owner, kind, family_title(facts.family)) if part),
        summary=tr("From the hub, as it describes itself. Not checked by Atelier."),
        notes=tuple(_repo_notes(facts)),
        verdict=fit_badge(verdict),
        plan=plan_words(verdict, device) if verdict is not None else "",
        facts=tuple(_repo_facts(facts)),
        licence=_repo_licence(facts, accepted),
        files=tuple(FileLine(file.path, file_size(file.size)) for file in facts.files),
        files_words=plural(
            "{n} file, {size}", "{n} files, {size}", len(facts.files), size=file_size(facts.total_bytes)
        ),
        others=tuple(FileLine(file.path, file_size(file.size)) for file in facts.others),
        problem=error_view(facts.problem, f"{REPO}{facts.repo}") if facts.problem is not None else None,
        url=repo_url(facts.repo, endpoint),
        repo=facts.repo,
    )


def local_details(entry: EntryPort) -> DetailsView:
    """A model on this computer that is in no catalog, as its own files tell it."""
    card = entry.card
    facts = [(tr("Size"), file_size(card.size_bytes))] if card.size_bytes else []
    facts += [(tr("Pipeline"), card.pipeline)] if card.pipeline else []
    facts += [(tr("Licence"), card.licence)] if card.licence else []
    facts.append((tr("Known as"), card.id))
    return DetailsView(
        key=f"{REPO}{card.id}",
        icon="image",
        name=card.name or card.id,
        by=tr("On this computer, not from the catalog"),
        summary=card.summary,
        verdict=fit_words(entry.fit),
        facts=tuple(facts),
        examples=card.examples,
        problem=error_view(entry.problem) if entry.problem is not None else None,
    )


def _repo_notes(facts: RepoFacts) -> Iterable[Note]:
    told = facts.problem.code.value.removeprefix("model_needs_") if facts.problem is not None else "-"
    for risk in facts.risks:
        if risk.startswith(told):
            continue  # the problem says it
        yield Note(tr(RISKS.get(risk, risk)), "warn", "shield-alert")
    if facts.gated:
        yield Note(tr("Its authors ask who downloads it; that takes a free account of the hub."), "", "lock")
    if facts.private:
        yield Note(tr("A private repository."), "", "lock")


def _repo_facts(facts: RepoFacts) -> Iterable[tuple[str, str]]:
    if facts.total_bytes:
        size = file_size(facts.total_bytes)
        if facts.here_bytes:
            size = tr("{size}, of which {here} are here", size=size, here=file_size(facts.here_bytes))
        yield tr("Size"), size
    if facts.pipeline:
        yield tr("Pipeline"), facts.pipeline
    if facts.needs is not None and facts.needs.parameters:
        yield tr("Parameters"), parameters_words(facts.needs.parameters)
    if facts.downloads:
        yield tr("Downloads"), f"{facts.downloads:,}"
    if facts.modified:
        yield tr("Changed"), facts.modified[:10]


def _repo_licence(facts: RepoFacts, accepted: bool) -> LicenceView:
    badge, tone, allows = USES[use_of(facts.licence)]
    name = facts.licence or tr("not stated")
    return LicenceView(name, tr(badge), tone, tr(allows), "", facts.licence_url, tr("Accepted") if accepted else "")


def file_of(facts: RepoFacts, path: str) -> HubFile | None:
    return next((file for file in (*facts.files, *facts.others) if file.path == path), None)
