"""Few-step LoRAs (LCM, Lightning, Hyper, Turbo): which a model has, and the inputs that go with one.

Each was trained for so many steps, a guidance and a scheduler; the catalog says which (``defaults`` of its entry, there
``lora_weight`` too, where it is not 1). "Fast" puts all of them into a form at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from app.judging import ModelEntry
from app.weights import Offer
from models import items
from models.catalog.entry import Role
from models.errors import InvalidInputError, Problem
from models.inputs import Kind

WEIGHT = "lora_weight"


class Fast(msgspec.Struct, frozen=True):
    """One few-step LoRA for a model: its catalog id and name, the add-on it is here ("" : not on this computer), what
    it wants of the inputs, and what fetching it takes (bytes)."""

    id: str
    name: str
    addon: str
    wants: dict[str, Any]
    download_bytes: int = 0

    @property
    def steps(self) -> int:
        return int(self.wants.get("steps", 0))


class Entry(msgspec.Struct, frozen=True):
    """What is asked of a model: its id, its family, and the inputs it has."""

    id: str
    family: str
    inputs: Collection[str]


def of(entry: ModelEntry) -> Entry:
    return Entry(entry.card.id, entry.family, entry.schema.names if entry.schema is not None else ())


def choices(entry: Entry, offers: Iterable[Offer]) -> list[Fast]:
    """The few-step LoRAs of a model, those that are here first: its catalog entry's own; for models that are not in the
    catalog those of its family's. A model that is fast by itself has none."""
    if "loras" not in entry.inputs:
        return []
    known = list(offers)
    own = next((offer.entry for offer in known if entry.id in (offer.model_id, offer.entry.id)), None)
    kin = [own] if own is not None else [offer.entry for offer in known if offer.entry.family == entry.family]
    wanted = dict.fromkeys(key for one in kin if entry.family or own for key in one.fast)
    by_id = {offer.entry.id: offer for offer in known if offer.entry.role is Role.LORA}
    found = [_fast(by_id[key]) for key in wanted if key in by_id]
    return sorted(found, key=lambda fast: not fast.addon)


def _fast(offer: Offer) -> Fast:
    entry = offer.entry
    return Fast(entry.id, entry.name, offer.model_id, dict(entry.defaults), entry.download_bytes)


def applied(fast: Fast, values: Mapping[str, Any], inputs: Collection[str]) -> dict[str, Any]:
    """What changes in ``values`` when ``fast`` is switched on; other few-step LoRAs are the caller's to take out."""
    given = items.parsed(Kind.LORAS, values.get("loras") or [])
    others = [dict(item) for item in given if item["name"] not in (fast.addon, fast.id)]
    wants = {name: value for name, value in fast.wants.items() if name in inputs}
    return {**wants, "loras": [*others, {"name": fast.id, "weight": float(fast.wants.get(WEIGHT, 1.0))}]}


def chosen(entry: Entry, offers: Iterable[Offer]) -> Fast:
    """The one that ``--fast`` takes: the first that is here.

    Raises:
        InvalidInputError: the model has none, or none of them is on this computer.
    """
    found = choices(entry, offers)
    if not found:
        raise InvalidInputError(Problem("--fast", entry.id, f"There is no few-step LoRA for the model “{entry.id}”."))
    if not found[0].addon:
        pull = " or ".join(f"“atelier models pull {fast.id}”" for fast in found[:2])
        sentence = f"--fast needs a few-step LoRA that is not on this computer yet: {pull}."
        raise InvalidInputError(Problem("--fast", found[0].id, sentence))
    return found[0]
