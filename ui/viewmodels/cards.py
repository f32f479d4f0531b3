"""What single cards of the catalog say: an entry, a repository of the hub, a model of this computer."""

from __future__ import annotations

from collections.abc import Iterable

from app.hub_protocol import Hit
from app.weights import Offer
from models.catalog.entry import CatalogEntry, Use
from ui.i18n import file_size, plural, tr
from ui.viewmodels.board import CardView
from ui.viewmodels.offer_words import USES, fit_badge, role_icon, role_words, state_words, use_of
from ui.viewmodels.ports import CorePort, EntryPort
from ui.viewmodels.words import fit_words

REPO = "repo:"
"""Begins the keys of cards that stand for a repository of the hub, not for a catalog entry."""


def offer_card(offer: Offer) -> CardView:
    entry = offer.entry
    fit, tone = fit_badge(offer.verdict)
    state, state_tone, fraction = state_words(offer)
    badge, badge_tone, _ = USES[entry.licence.use]
    size = file_size(entry.download_bytes) if entry.download_bytes else ""
    if not entry.is_model:
        fit, tone = role_words(entry.role), ""
    lines = [entry.name, _short(entry.summary), f"{tr(badge)} ({entry.licence.name})"]
    lines.append(tr("Needs an account of the hub") if entry.gated else "")
    return CardView(
        entry.id,
        role_icon(entry.role),
        entry.name,
        entry.summary,
        fit,
        tone,
        size,
        tr(badge),
        badge_tone if entry.licence.use is not Use.COMMERCIAL else "",
        state,
        state_tone,
        fraction,
        "\n".join(line for line in lines if line),
        locked=entry.gated and not state,
    )


def local_entry(core: CorePort, key: str) -> EntryPort | None:
    """The model on this computer that Create knows as ``key``."""
    return next((entry for entry in core.models.entries() if entry.card.id == key), None)


def local_card(entry: EntryPort) -> CardView:
    card = entry.card
    fit, tone = fit_words(entry.fit)
    broken = entry.problem is not None
    return CardView(
        f"{REPO}{card.id}",
        "image",
        card.name or card.id,
        card.summary or card.id,
        fit,
        tone,
        file_size(card.size_bytes) if card.size_bytes else "",
        card.licence if len(card.licence) <= 24 else "",
        "",
        tr("Cannot be used") if broken else tr("Installed"),
        "bad" if broken else "good",
        tooltip=card.id,
    )


def hit_card(hit: Hit) -> CardView:
    badge, tone, _ = USES[use_of(hit.licence)]
    return CardView(
        f"{REPO}{hit.repo}",
        "globe",
        hit.repo.partition("/")[2],
        tr("by {name}", name=hit.repo.partition("/")[0]),
        role_words(hit.pipeline_tag) if hit.pipeline_tag else "",
        "",
        plural("{n} download", "{n} downloads", hit.downloads),
        tr(badge) if hit.licence else "",
        tone if use_of(hit.licence) is not Use.COMMERCIAL else "",
        tooltip=hit.repo,
        locked=hit.gated,
    )


def _short(text: str) -> str:
    return text if len(text) < 240 else text[:239] + "…"


def related(entry: CatalogEntry, offers: Iterable[Offer]) -> dict[str, list[CatalogEntry]]:
    """What goes with ``entry``: few-step versions, what it requires, and add-ons (or models) of its family, by kind."""
    known = {offer.entry.id: offer.entry for offer in offers}
    found: dict[str, list[CatalogEntry]] = {
        "fast": [known[key] for key in entry.fast if key in known],
        "requires": [known[key] for key in entry.requires if key in known],
    }
    taken = {one.id for group in found.values() for one in group}
    for other in known.values():
        fits = entry.family in other.fits if entry.is_model else other.is_model and other.family in entry.fits
        if fits and other.id != entry.id and other.id not in taken:
            found.setdefault("models" if other.is_model else other.role.value, []).append(other)
    return {kind: group for kind, group in found.items() if group}
