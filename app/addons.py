"""From the names of add-ons in a job's inputs to the files they stand for on this computer.

A name is an add-on's id, its catalog id, what it is called, its file's name, or the path of a file. Recipes keep the
name, so that they stay true on another computer.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.judging import ModelEntry
from app.messages import as_text
from app.weights import AddOn
from models import adapters, items, maps
from models.card import AddonRef
from models.errors import InvalidInputError, Problem
from models.families import ANY, family_title
from models.inputs import InputSpec, Kind
from models.recognise import FileKind

EMBEDDINGS = "embeddings"
ENCODERS = ("text-encoder", "image-encoder")
"""Kinds of add-on that may look at pictures: CLIP's repositories hold both of its halves."""


def resolve(
    entry: ModelEntry, values: Mapping[str, Any], addons: Sequence[AddOn], look: Callable[[Path], AddOn | None]
) -> dict[str, AddonRef]:
    """The file of every add-on that ``values`` name for the model ``entry``; ``look`` says what an unlisted file is.

    Raises:
        InvalidInputError: one is not here, is broken, is another kind of thing, or was made for another family.
    """
    assert entry.schema is not None
    found: dict[str, AddonRef] = {}
    problems = []
    for use in items.uses(entry.schema.inputs, values):
        spec = entry.schema[use.input]
        addon = find(use.name, addons, spec.about.addons, look)
        sentence = why_not(entry, spec, use.name, addon, addons)
        if sentence or addon is None:
            problems.append(Problem(use.input, use.name, sentence))
        else:
            found[use.name] = ref(addon)
    if problems:
        raise InvalidInputError(*problems)
    return found


def helpers(
    specs: Sequence[InputSpec], values: Mapping[str, Any], addons: Callable[[], Sequence[AddOn]]
) -> dict[str, AddonRef]:
    """The models that the preprocessors in ``values`` need (``models.maps``), and encoders that may look at pictures
    for IP-Adapters, by their ids.

    Raises:
        InvalidInputError: none of a kind that is needed is here.
    """
    found: dict[str, AddonRef] = {}
    problems = []
    for name, preprocessor in maps.wanted(specs, values):
        known = maps.PREPROCESSORS.get(preprocessor)
        if known is None:
            problems.append(Problem(name, preprocessor, maps.unknown(preprocessor)))
        elif known.roles:
            able = {addon.id: ref(addon) for addon in addons() if addon.kind in (*known.roles, *known.also)
                    and addon.problem is None}  # fmt: skip
            found |= able
            if not any(each.kind in known.roles for each in able.values()):
                problems.append(Problem(name, preprocessor, maps.missing(preprocessor)))
    if any(spec.kind is Kind.ADAPTERS and values.get(spec.name) for spec in specs):
        found |= {addon.id: ref(addon) for addon in addons() if addon.kind in ENCODERS and addon.problem is None}
    if problems:
        raise InvalidInputError(*problems)
    return found


def ref(addon: AddOn) -> AddonRef:
    """The add-on as the worker sees it."""
    return AddonRef(
        addon.id, addon.name, addon.kind, addon.path, addon.family, addon.variant, addon.trigger,
        addon.format == "pickle",
    )  # fmt: skip


def find(
    name: str, addons: Iterable[AddOn], kinds: Sequence[str], look: Callable[[Path], AddOn | None] = lambda path: None
) -> AddOn | None:
    """The add-on called ``name``, one of ``kinds`` before others; an id before a name before a file's name."""
    wanted = name.casefold()
    ways: tuple[Callable[[AddOn], str], ...] = (
        lambda addon: addon.id,
        lambda addon: addon.entry,
        lambda addon: addon.name,
        lambda addon: addon.title,
        lambda addon: Path(addon.path).name,
        lambda addon: Path(addon.path).stem,
    )
    several = sorted(addons, key=lambda addon: addon.kind not in kinds)
    for way in ways:
        for addon in several:
            if way(addon).casefold() == wanted:
                return addon
    path = Path(name).expanduser()
    there = path.is_file() or (path / "config.json").is_file()
    return look(path.absolute()) if there else None


def why_not(entry: ModelEntry, spec: InputSpec, name: str, addon: AddOn | None, addons: Iterable[AddOn] = ()) -> str:
    """Why the add-on cannot be used in the input ``spec`` of this model, as a sentence; empty if it can."""
    if addon is None:
        near = difflib.get_close_matches(name, [each.name for each in addons if each.kind in spec.about.addons], n=1)
        hint = f" Did you mean “{near[0]}”?" if near else " Add its file, or choose another one."
        return f"{spec.title}: there is no “{name}” on this computer.{hint}"
    if addon.problem is not None:
        return f"{spec.title}: “{addon.name}” cannot be used: {as_text(addon.problem)}"
    if addon.kind not in spec.about.addons:
        return f"{spec.title}: “{addon.name}” is something else ({addon.kind})."
    if not fits(addon, entry.family):
        made_for, is_ = family_title(addon.family), family_title(entry.family)
        return (
            f"{spec.title}: “{addon.name}” was made for {made_for}; {entry.card.name} is {is_}.{_layers(entry, addon)}"
        )
    if addon.kind == FileKind.LORA and not entry.family and addon.family not in ("", ANY):
        count = _compared(addon.path, entry.card.ref.folder)
        if count is not None and not count.matched:
            made_for = family_title(addon.family)
            sentence = f"{spec.title}: “{addon.name}” was made for {made_for}, not for {entry.card.name}."
            return sentence + _layers(entry, addon)
    return ""


def _layers(entry: ModelEntry, addon: AddOn) -> str:
    """For a LoRA, how much of it is the model's at all, as far as the headers say."""
    count = _compared(addon.path, entry.card.ref.folder) if addon.kind == FileKind.LORA else None
    return f" {count.matched} of its {count.total} layers match." if count is not None else ""


@lru_cache(maxsize=64)
def _compared(lora: str, folder: str) -> adapters.Count | None:
    return adapters.compared(Path(lora), Path(folder)) if lora and folder else None


def called(entry: ModelEntry, values: Mapping[str, Any], addons: Iterable[AddOn]) -> dict[str, AddonRef]:
    """The textual inversions whose names stand in the prompts: to be installed is enough for them to be understood."""
    if entry.schema is None or EMBEDDINGS not in entry.schema:
        return {}
    text = " ".join(str(values.get(name) or "") for name in ("prompt", "negative_prompt")).casefold()
    found: dict[str, AddonRef] = {}
    for addon in addons:
        if addon.kind != FileKind.EMBEDDING or addon.problem is not None or not fits(addon, entry.family):
            continue
        if not entry.family and addon.family not in ("", ANY):
            continue
        words = {name.casefold() for name in (addon.name, Path(addon.path).stem, *addon.trigger) if name.strip()}
        if any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) for word in words):
            found[addon.id] = ref(addon)
    return found


def fits(addon: AddOn, family: str) -> bool:
    """Whether add-on and model share a family, as far as both are known."""
    return not family or not addon.family or addon.family in (family, ANY)
