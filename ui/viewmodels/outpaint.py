"""How far a picture is extended beyond its edges: shapes to reach, and what the model's form allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.box import BoxSchema

Extents = tuple[int, int, int, int]
"""Pixels to the left, top, right and bottom."""

NAMES = ("extend_left", "extend_top", "extend_right", "extend_bottom")
NONE: Extents = (0, 0, 0, 0)
ASPECTS = ((1, 1), (4, 3), (3, 2), (16, 9), (21, 9), (3, 4), (2, 3), (9, 16))


@dataclass(frozen=True)
class Limit:
    """What one of the four inputs takes: edges are dragged in multiples of ``step`` up to ``most``."""

    step: int = 1
    most: int = 0


def limits(schema: BoxSchema | None) -> tuple[Limit, ...]:
    """One for each side; ``most`` is 0 where the model cannot extend."""
    found = []
    for name in NAMES:
        if schema is None or name not in schema:
            found.append(Limit())
            continue
        about = schema[name].about
        step = int(about.multiple_of or about.step or 1)
        found.append(Limit(step, int(about.le if about.le is not None else 4096) // step * step))
    return tuple(found)


def snapped(wanted: Extents, allowed: tuple[Limit, ...]) -> Extents:
    """The nearest extents that the form takes."""
    sides = [
        max(0, min(limit.most, round(side / limit.step) * limit.step))
        for side, limit in zip(wanted, allowed, strict=True)
    ]
    return sides[0], sides[1], sides[2], sides[3]


def for_aspect(size: tuple[int, int], across: int, down: int, allowed: tuple[Limit, ...]) -> Extents:
    """The least that has to be added, evenly on both sides, to reach the shape ``across``:``down``."""
    width, height = size
    if width * down < height * across:
        more = height * across / down - width
        sides = (more / 2, 0.0, more / 2, 0.0)
    else:
        more = width * down / across - height
        sides = (0.0, more / 2, 0.0, more / 2)
    left, top, right, bottom = (round(side) for side in sides)
    return snapped((left, top, right, bottom), allowed)


def from_values(values: Mapping[str, object]) -> Extents:
    """The extents in a form's values; what is no number counts as none."""
    sides = [values.get(name) for name in NAMES]
    whole = [int(side) if isinstance(side, int | float) and not isinstance(side, bool) else 0 for side in sides]
    return whole[0], whole[1], whole[2], whole[3]


def size_with(size: tuple[int, int], extents: Extents) -> tuple[int, int]:
    return size[0] + extents[0] + extents[2], size[1] + extents[1] + extents[3]
