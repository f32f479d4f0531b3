"""From axes to pictures: which inputs each cell has, and in which order they are made.

Cells are counted row by row, sheet by sheet: ``z``, then ``y``, then ``x`` fastest. They are made in another order:
models one after the other, then LoRAs, other add-ons and sizes, so that little is loaded twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.explore.axes import LORA, MODEL, WORDS, Axis
from models.box import BoxSchema
from models.errors import InvalidInputError, Problem
from models.inputs import Kind
from models.items import ITEMS

MAX_CELLS = 1000
MAX_AXES = 3


@dataclass(frozen=True)
class Cell:
    """``index`` counts row by row; ``place`` is its value's number on each axis."""

    index: int
    place: tuple[int, ...]
    model: str
    variant: dict[str, Any]


def cells(axes: Sequence[Axis], model: str, inputs: Mapping[str, Any]) -> list[Cell]:
    """Every picture of the grid; ``variant`` is what it differs in from ``inputs``.

    Raises:
        InvalidInputError: no axis or too many, one thing on two axes, or more than ``MAX_CELLS`` pictures.
    """
    _check(axes)
    found = []
    for index, backwards in enumerate(itertools.product(*(range(len(axis)) for axis in reversed(axes)))):
        place = tuple(reversed(backwards))
        chosen, variant = model, dict[str, Any]()
        for axis, number in zip(axes, place, strict=True):
            value = axis.values[number]
            if axis.name == MODEL:
                chosen = str(value)
            else:
                variant |= _change(axis, value, {**inputs, **variant})
        found.append(Cell(index, place, chosen, variant))
    return found


def _check(axes: Sequence[Axis]) -> None:
    if not 1 <= len(axes) <= MAX_AXES:
        raise InvalidInputError(Problem("axis", "", f"A grid has from one to {MAX_AXES} axes."))
    names = ["prompt" if axis.name == WORDS else axis.name for axis in axes]
    for place, name in enumerate(names):
        both_words = name == "prompt" and axes[place].name == WORDS and axes[names.index(name)].name == WORDS
        if name in names[:place] and not both_words:
            raise InvalidInputError(Problem(name, name, f"“{axes[place].title}” is on two axes."))
    count = 1
    for axis in axes:
        count *= len(axis)
    if count > MAX_CELLS:
        sizes = " x ".join(str(len(axis)) for axis in axes)
        raise InvalidInputError(
            Problem("axis", sizes, f"{sizes} are {count:,} pictures; {MAX_CELLS:,} at most in one grid.")
        )


def _change(axis: Axis, value: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
    if axis.name == WORDS:
        old, new = value
        return {"prompt": str(inputs.get("prompt") or "").replace(old, new)}
    if axis.name.startswith(LORA):
        name = axis.name.removeprefix(LORA)
        others = [item for item in inputs.get("loras") or () if item["name"] != name]
        return {"loras": [*others, {"name": name, "weight": value}]}
    return {axis.name: value}


def in_order(found: Iterable[Cell], axes: Sequence[Axis], schema: BoxSchema | None) -> list[Cell]:
    """The cells as they are best made: what is slow to change changes last."""
    models = list(dict.fromkeys(cell.model for cell in found))
    slow = sorted(range(len(axes)), key=lambda number: (_cost(axes[number].name, schema), -number))
    return sorted(found, key=lambda cell: (models.index(cell.model), *(cell.place[number] for number in slow)))


def _cost(name: str, schema: BoxSchema | None) -> int:
    """0 for what takes longest to change."""
    if name == MODEL:
        return 0
    if name.startswith(LORA):
        return 1
    kind = schema[name].kind if schema is not None and name in schema else None
    if kind is Kind.ADDON or kind in ITEMS:
        return 2
    return 3 if name in ("width", "height") else 4


def differing(one: Mapping[str, Any], other: Mapping[str, Any], schema: BoxSchema) -> list[Axis]:
    """ "Vary what differs": the inputs in which two pictures differ, as axes with both values, at most three.

    Lists (LoRAs, controls) and files are left out, and so are inputs this model does not have; what was left out over
    three is what stands last in the form.
    """
    from app.explore.axes import _label

    found = []
    for spec in schema.inputs:
        values = [one.get(spec.name, spec.default), other.get(spec.name, spec.default)]
        if spec.kind in ITEMS or spec.kind in (Kind.IMAGE, Kind.MASK) or values[0] == values[1] or None in values:
            continue
        labels = tuple(_label(value) for value in values)
        found.append(Axis(spec.name, spec.title, tuple(values), labels))
    return found[:MAX_AXES]
