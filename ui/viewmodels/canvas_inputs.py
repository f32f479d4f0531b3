"""The inputs that belong to a picture on the canvas: which a form shows, and why a model lacks some."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from models import canvas, control, refine, ways
from models.box import BoxSchema
from ui.i18n import tr
from ui.viewmodels.outpaint import NAMES as EXTENDS
from ui.viewmodels.ports import EntryPort

REFERENCES = tuple(f"reference_{number}" for number in range(1, 5))
WITH_PICTURE = ("strength",)
WITH_MASK = ("only_masked", "mask_padding", "mask_feather")
BLANK: dict[str, Any] = {"image": None, "mask": None, **dict.fromkeys(EXTENDS, 0), **dict.fromkeys(REFERENCES)}
"""What a form holds of these when the canvas is empty."""
MATTERS = frozenset({"image", "variation_strength", "width", "height", *REFERENCES}) | refine.SWITCHES
"""Values on which it depends what a form shows."""


def hidden(schema: BoxSchema | None, values: Mapping[str, Any], has_mask: bool) -> frozenset[str]:
    """What a form leaves out as things stand. The mask and the frame are drawn on the canvas, never typed."""
    if schema is None:
        return frozenset()
    out = {"mask", *EXTENDS}
    picture = bool(values.get("image"))
    extended = any(values.get(name) for name in EXTENDS)
    if not picture:
        out.update(WITH_PICTURE)
    if not (picture and (has_mask or extended)):
        out.update(WITH_MASK)
    elif not has_mask:
        out.update(name for name in WITH_MASK if name != "mask_feather")
    out |= refine.idle(values)
    if not values.get("variation_strength"):
        out.add("variation_seed")
    for before, name in itertools.pairwise(REFERENCES):
        if not values.get(before) and not values.get(name):
            out.add(name)
    return frozenset(name for name in out if name in schema)


def size_hint(schema: BoxSchema | None, values: Mapping[str, Any]) -> str:
    """What the size means while it is left at its default and there is a picture."""
    if schema is None or not values.get("image") or "width" not in schema or "height" not in schema:
        return ""
    own = all(values.get(name) == schema[name].default for name in ("width", "height"))
    return tr("as your picture") if own else ""


def why_not(entry: EntryPort | None, name: str) -> str:
    """A sentence on why the model has no input ``name``."""
    model = entry.card.name if entry is not None else tr("This model")
    pipeline = entry.card.pipeline if entry is not None else ""
    if pipeline:
        reasons = {**canvas.why_not(ways.taking(pipeline), pipeline), **control.why_not(pipeline)}
        known = reasons.get(name, "")
        if known:
            return tr(known).replace("This model", model, 1)
    if name.startswith("reference"):
        return tr("{model} takes no reference pictures.", model=model)
    if name == "mask":
        return tr("{model} cannot change only a part of a picture.", model=model)
    if name.startswith("extend"):
        return tr("{model} cannot extend a picture.", model=model)
    if name.startswith("variation"):
        return tr("{model} cannot vary a picture.", model=model)
    return tr("{model} makes pictures from words only.", model=model)
