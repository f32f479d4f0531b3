"""Shelves: small choices of models, filled by rule from the recommended order in ``shelves.toml``.

What fits a card is asked of the planner, with the facts of a usual card of that size, so that a shelf says the same as
the verdict on each of its models.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from itertools import islice

import msgspec

from models.catalog.entry import CatalogEntry, Role, Use
from models.catalog.load import RULES, Catalog
from models.planning import GIB, WIDTHS, Backend, DeviceFacts, Fit, Placement, Verdict, verdict

ENOUGH = 4
"""Models a memory shelf should have before slower placements are left out."""
SCALES = 1 / 16
"""Of the weights' size, what quantized weights need for their scales (one of 16 bits for each block of 32 numbers)."""

_ROOM = {4: 16, 6: 16, 8: 32, 12: 32, 16: 32, 24: 64}
"""Computer memory in GiB that usually comes with a card of so many GiB."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a shelf takes. ``memory_gb`` is of a graphics card in GiB, and what already runs as a whole on one of
    ``beyond_gb`` is left to smaller shelves. ``max_work`` limits steps times the denoiser's parameters; ``uses`` are
    licences; of ``roles`` one must be an entry's. 0 and empty: no condition."""

    id: str
    title: str
    summary: str
    memory_gb: int = 0
    beyond_gb: int = 0
    processor: bool = False
    roles: tuple[Role, ...] = (Role.TEXT_TO_IMAGE,)
    uses: tuple[Use, ...] = ()
    gated: bool | None = None
    max_bytes: int = 0
    max_steps: int = 0
    max_work: int = 0
    limit: int = 8


class Shelf(msgspec.Struct, frozen=True):
    """A titled row of models, the most recommended first."""

    id: str
    title: str
    summary: str
    entries: tuple[CatalogEntry, ...]


class _Rules(msgspec.Struct, frozen=True):
    shelf: tuple[Rule, ...]


@cache
def rules() -> tuple[Rule, ...]:
    """The shelves' conditions as ``shelves.toml`` has them."""
    text = resources.files("models.catalog").joinpath(RULES).read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Rules).shelf


def shelves(catalog: Catalog) -> tuple[Shelf, ...]:
    """All shelves that are not empty."""
    filled = (Shelf(rule.id, rule.title, rule.summary, _filled(rule, catalog)) for rule in rules())
    return tuple(shelf for shelf in filled if shelf.entries)


def card(gigabytes: int) -> DeviceFacts:
    """The facts of a usual NVIDIA card with so much memory (GiB), in a computer as such cards are found in."""
    room = _ROOM.get(gigabytes, gigabytes * 3) * GIB
    total = gigabytes * GIB
    return DeviceFacts(Backend.CUDA, 0, f"{gigabytes} GB card", total, total, room, room, (8, 6), True, True)


def processor(ram: int = 16) -> DeviceFacts:
    """The facts of a usual computer without a graphics card, with ``ram`` GiB of memory."""
    return DeviceFacts(Backend.CPU, 0, "processor", ram * GIB, ram * GIB, ram * GIB, ram * GIB)


def memory_by_precision(entry: CatalogEntry) -> dict[str, int]:
    """Bytes that an entry's weights take by number type: "float32", "bfloat16", "8-bit" and "4-bit".

    In the last two the autoencoder stays in 16 bits, since it is small and suffers most. Empty for an entry without
    components. Working memory comes on top; ask ``verdict`` for it.
    """
    if not entry.components:
        return {}
    decoder = sum(component.parameters for component in entry.components if component.is_vae)
    rest = entry.parameters - decoder
    half = WIDTHS["bfloat16"]
    return {
        "float32": entry.parameters * WIDTHS["float32"],
        "bfloat16": entry.parameters * half,
        "8-bit": decoder * half + int(rest * (1 + SCALES)),
        "4-bit": decoder * half + int(rest * (1 / 2 + SCALES)),
    }


def _filled(rule: Rule, catalog: Catalog) -> tuple[CatalogEntry, ...]:
    fitting = (entry for entry in _complete(catalog) if _takes(rule, entry))
    if rule.memory_gb or rule.processor:
        return _running(rule, fitting)
    return tuple(islice(fitting, rule.limit))


def _running(rule: Rule, entries: Iterable[CatalogEntry]) -> tuple[CatalogEntry, ...]:
    """The first of ``entries`` that run well; slower ones only where hardly any do."""
    facts = processor() if rule.processor else card(rule.memory_gb)
    well: list[CatalogEntry] = []
    slow: list[CatalogEntry] = []
    for entry in entries:
        found = verdict(entry.needs, facts)
        if found.fit is Fit.TOO_LARGE or (rule.beyond_gb and _is_small(entry, rule.beyond_gb)):
            continue
        (well if runs_well(found) else slow).append(entry)
        if len(well) == rule.limit:
            break
    return tuple(well if rule.processor else well + slow[: max(0, ENOUGH - len(well))])


def _is_small(entry: CatalogEntry, gigabytes: int) -> bool:
    return verdict(entry.needs, card(gigabytes)).fit is Fit.FAST


def _complete(catalog: Catalog) -> Iterable[CatalogEntry]:
    """Models that one download makes usable."""
    return (entry for entry in catalog if entry.is_model and not entry.requires)


def _takes(rule: Rule, entry: CatalogEntry) -> bool:
    steps = entry.defaults.get("steps", 0)
    work = int(steps) * max((part.parameters for part in entry.components if part.is_denoiser), default=0)
    return (
        not {entry.role, *entry.also}.isdisjoint(rule.roles)
        and (not rule.uses or entry.licence.use in rule.uses)
        and (rule.gated is None or entry.gated is rule.gated)
        and (not rule.max_bytes or 0 < entry.download_bytes <= rule.max_bytes)
        and (not rule.max_steps or 0 < int(steps) <= rule.max_steps)
        and (not rule.max_work or 0 < work <= rule.max_work)
    )


def runs_well(found: Verdict) -> bool:
    """On the card as a whole, or with whole parts swapped in and out, which costs seconds a picture."""
    return found.fit is Fit.FAST or (
        found.plan is not None and found.plan.placement is Placement.MODEL_OFFLOAD and found.fit is Fit.OFFLOAD
    )
