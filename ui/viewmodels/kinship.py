"""Which picture came from which, as the lines of a small tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.jobs import Result
from app.records import Record
from ui.i18n import number, plural, tr
from ui.viewmodels import reworking
from ui.viewmodels.words import named

MOST_ANCESTORS, MOST_BESIDE, MOST_CHILDREN = 4, 3, 8
"""So many of each are shown; the rest is counted."""


@dataclass(frozen=True)
class Kin:
    """One line. ``id`` is empty for what is not in the library and for lines that only count; ``way`` says how it came
    from the one above it."""

    id: str
    path: str
    words: str
    way: str = ""
    depth: int = 0
    current: bool = False
    missing: bool = False


def kin_of(line: Sequence[Record], beside: Sequence[Record], children: Sequence[Record]) -> tuple[Kin, ...]:
    """``line`` leads from the first ancestor to the picture itself (its last), ``beside`` were made from the same
    picture, ``children`` from this one. Empty when the picture has no relatives."""
    if not line:
        return ()
    found: list[Kin] = []
    source = _source(line[0])
    if source is not None:
        found.append(source)
    above = line[:-1]
    left_out = len(above) - MOST_ANCESTORS
    for index, one in enumerate(above):
        if left_out > 0 and 0 < index <= left_out:
            if index == 1:
                found.append(Kin("", "", plural("{n} step between", "{n} steps between", left_out), "", len(found)))
            continue
        found.append(_kin(one, len(found)))
    depth = len(found)
    found.append(_kin(line[-1], depth, current=True))
    found += [_kin(one, depth + 1) for one in children[:MOST_CHILDREN]]
    found += _more(len(children) - MOST_CHILDREN, depth + 1)
    found += [_kin(one, depth) for one in beside[:MOST_BESIDE]]
    found += _more(len(beside) - MOST_BESIDE, depth)
    return tuple(found) if len(found) > 1 else ()


def _kin(record: Record, depth: int, current: bool = False) -> Kin:
    result = record.result
    words = named(result) or Path(result.path).name
    return Kin(result.id, result.path, words, way_of(result), depth, current, record.missing)


def _more(count: int, depth: int) -> list[Kin]:
    return [Kin("", "", plural("and {n} more", "and {n} more", count), "", depth)] if count > 0 else []


def _source(first: Record) -> Kin | None:
    """A picture from elsewhere that the line begins with."""
    if not first.parent and not reworking.source_of(first.result):
        return None
    path = reworking.source_of(first.result) or _noted(first.result.recipe)
    name = path.replace("\\", "/").split("/")[-1]
    return Kin("", path, name or tr("A picture"), tr("Not in the gallery"), 0)


def _noted(recipe: Mapping[str, Any]) -> str:
    pictures = recipe.get("pictures")
    for name in ("image", "reference_1"):
        about = pictures.get(name) if isinstance(pictures, Mapping) else None
        if isinstance(about, Mapping):
            return str(about.get("path") or "")
    return ""


def way_of(result: Result) -> str:
    """How a picture was made from the one before it."""
    recipe = result.recipe
    given = recipe.get("inputs")
    inputs: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    factor = inputs.get("scale") or inputs.get("enlarge")
    if not inputs.get("image"):
        if inputs.get("reference_1"):
            return tr("From references")
        return _made_of_words(inputs)
    if "edge" in inputs and "threshold" in inputs and "prompt" not in inputs:
        return tr("Cut out")
    if isinstance(factor, int | float) and factor > 1:
        return tr("Enlarged {n} times", n=number(factor))
    if any(reworking.extents_of(result)):
        return tr("Extended")
    if inputs.get("mask"):
        return tr("Inpainted")
    strength = inputs.get("strength")
    if isinstance(strength, int | float):
        return tr("Image to image, {n} %", n=round(strength * 100))
    return tr("Image to image")


def _made_of_words(inputs: Mapping[str, Any]) -> str:
    bent = inputs.get("variation_strength")
    if isinstance(bent, int | float) and bent > 0:
        return tr("Variation, {n} %", n=round(bent * 100))
    return tr("From words") if inputs.get("prompt") else ""
