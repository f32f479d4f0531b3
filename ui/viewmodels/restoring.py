"""A recipe of any tool put back into the form of Create, with words for what could not be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ui.i18n import tr
from ui.viewmodels import reworking
from ui.viewmodels.create import CreateVM

_TOLD = 4
"""So many things that could not be taken over are named; a notice is read in passing."""

Matched = Callable[[Mapping[str, Any]], str]
"""The id of the model here that a recipe means, found by what it is and not by its name; empty: none."""


def restore(create: CreateVM, recipe: Mapping[str, Any], matched: Matched | None = None) -> str:
    """Choose the model and set the form as ``recipe`` says; returns a sentence for the user, empty if there was
    nothing to restore."""
    inputs = recipe.get("inputs")
    if not isinstance(inputs, Mapping):
        return ""
    found = matched(recipe) if matched is not None else ""
    if recipe.get("tool"):
        return _restore_foreign(create, recipe, found)
    model = recipe.get("model")
    known = model if isinstance(model, Mapping) else {}
    wanted, name = found or str(known.get("id", "")), str(known.get("name", ""))
    create.use(wanted, {**inputs, **reworking.written(recipe)})
    if create.current != wanted and name:
        return tr("{model} is not here; what fits this model was taken over.", model=name)
    return tr("Settings restored.")


def _restore_foreign(create: CreateVM, recipe: Mapping[str, Any], found: str) -> str:
    """What another tool wrote, as far as the model takes it, and words for all that it does not."""
    from models.metadata import inputs_for

    model = recipe.get("model")
    name = str(model.get("name", "")) if isinstance(model, Mapping) else ""
    here = found or called(create, name)
    create.use(here, {})
    entry = create.entry()
    if entry is None or entry.schema is None:
        return ""
    applied = inputs_for(recipe, entry.schema)
    # What the recipe does not say is the model's own, not what the form held of another picture.
    create.use(here, {**create.defaults(), "prompt": "", **applied.inputs}, keep_seed="seed" in applied.inputs)
    said = [tr("Settings of {tool} restored.", tool=str(recipe["tool"]))]
    if not here and name:
        said.append(tr("{model} is not here; what fits this model was taken over.", model=name))
    left = len(applied.notes) - _TOLD
    more = [tr("{n} more settings are not taken over.", n=left)] if left > 0 else []
    return " ".join([*said, *applied.notes[:_TOLD], *more])


def called(create: CreateVM, name: str) -> str:
    """The model of that name, as tools write names; empty if none is here."""
    plain = _plain(name)
    return next((row.id for row in create.rows() if plain and plain in (_plain(row.name), _plain(row.id))), "")


def _plain(name: str) -> str:
    """A model's name as it compares with others: tools write it with and without marks, folders and endings."""
    last = name.replace("\\", "/").split("/")[-1].casefold().removesuffix(".safetensors")
    return "".join(letter for letter in last if letter.isalnum())
