"""What can be made out of a finished picture: variations, and another round from it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from app.jobs import Job, Result
from app.prompting.service import STYLES, TEMPLATE
from models.box import BoxSchema
from models.inputs import MAX_SEED
from ui.viewmodels.outpaint import Extents, from_values
from ui.viewmodels.ports import CorePort, EntryPort

SMALL, STRONG = 0.15, 0.45
"""How far a variation's first noise goes towards another seed's."""


def inputs_of(result: Result) -> dict[str, Any]:
    """How ``result`` was made, as far as it is known."""
    inputs = result.recipe.get("inputs")
    known = dict(inputs) if isinstance(inputs, dict) else {}
    return {**(known or {"prompt": result.prompt}), "seed": result.seed}


def written(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The words as their author wrote them, before alternatives were chosen, and the styles around them."""
    template, styles = recipe.get(TEMPLATE), recipe.get(STYLES)
    texts = (
        {name: text for name, text in template.items() if isinstance(text, str)} if isinstance(template, dict) else {}
    )
    if not texts:
        return {}
    names = [name for name in styles if isinstance(name, str)] if isinstance(styles, list) else []
    return {"negative_prompt": "", **texts, **({STYLES: names} if names else {})}


def entry_of(core: CorePort, result: Result) -> EntryPort | None:
    """The model that made it, if it is here and can be used."""
    found = next((entry for entry in core.models.entries() if entry.card.id == result.model), None)
    return found if found is not None and found.problem is None and found.schema is not None else None


def can_vary(core: CorePort, result: Result) -> bool:
    entry = entry_of(core, result)
    schema = entry.schema if entry is not None else None
    return schema is not None and "variation_strength" in schema and "variation_seed" in schema


def vary(core: CorePort, result: Result, strength: float, count: int = 1) -> Job:
    """Queue neighbours of ``result``. Raises AtelierError: an input is gone, or the model is."""
    entry = entry_of(core, result)
    schema: BoxSchema | None = entry.schema if entry is not None else None
    inputs = inputs_of(result)
    known = {name: value for name, value in inputs.items() if schema is None or name in schema}
    known.update(variation_seed=secrets.randbelow(MAX_SEED + 1), variation_strength=strength)
    return core.queue.submit(result.model, known, count)


def source_of(result: Result) -> str:
    """The picture that ``result`` was made from; empty if it was made from words alone."""
    return str(inputs_of(result).get("image") or "")


def extents_of(result: Result) -> Extents:
    """How far ``result`` reaches beyond the picture it was made from."""
    return from_values(inputs_of(result))
