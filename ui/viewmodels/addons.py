"""The add-ons of this computer as a form offers them: those that fit the model first, the others with why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app import addons
from app.messages import words
from app.weights import AddOn
from models.families import ANY, family_title
from ui.i18n import file_size, tr
from ui.viewmodels.ports import EntryPort


@dataclass(frozen=True)
class AddonView:
    """One add-on: ``detail`` is the line beneath its name, ``problem`` the reason when it does not ``fit``."""

    id: str
    name: str
    detail: str
    fits: bool
    problem: str
    trigger: tuple[str, ...]
    kind: str
    entry: str
    path: str
    family: str = ""
    variant: str = ""


def views(found: Iterable[AddOn], entry: EntryPort | None, kinds: Sequence[str]) -> list[AddonView]:
    """Those of ``kinds`` (``models.recognise.FileKind`` or a catalog role), what fits the model ``entry`` first."""
    shown = [_view(addon, entry) for addon in found if addon.kind in kinds]
    family = entry.family if entry is not None else ""
    sure = {addon.id for addon in found if addon.family and addon.family == family}
    return sorted(shown, key=lambda view: (not view.fits, view.id not in sure, view.name.casefold()))


def _view(addon: AddOn, entry: EntryPort | None) -> AddonView:
    problem = _why_not(addon, entry)
    size = file_size(addon.size_bytes) if addon.size_bytes else ""
    parts = (family_title(addon.family) if addon.family else tr("family not known"), ", ".join(addon.trigger), size)
    detail = " · ".join(part for part in parts if part)
    return AddonView(
        addon.id, addon.title or addon.name, problem or detail, not problem, problem, addon.trigger, addon.kind,
        addon.entry, addon.path, addon.family, addon.variant,
    )  # fmt: skip


def _why_not(addon: AddOn, entry: EntryPort | None) -> str:
    if addon.problem is not None:
        return words(addon.problem).sentence
    strange = entry is not None and not entry.family and addon.family not in ("", ANY)
    if strange or (entry is not None and not addons.fits(addon, entry.family)):
        return tr("Made for {family}", family=family_title(addon.family))
    return ""
