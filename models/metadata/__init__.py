"""Reading how a picture was made, whatever made it: our own recipe first, then what other tools write.

``read(path)`` gives a recipe for all of them, shaped as ``models.recipe`` makes them, so that everything that works on
our own pictures works on others: the library, the search, "restore settings". What other tools say beyond that stands
under ``found`` (a ``Found`` as plain data), what cannot be taken over as sentences under ``unmapped``.

sd-parsers (MIT) was looked at: it wants a workflow beside ComfyUI's prompt, knows fewer tools, maps no samplers and
opens pictures without limits, so the readers are our own.
"""

from __future__ import annotations

from models.metadata.apply import Applied, inputs_for
from models.metadata.found import Found, Hires, LoraUse, ModelName
from models.metadata.read import as_recipe, foreign, read, read_all

__all__ = [
    "Applied",
    "Found",
    "Hires",
    "LoraUse",
    "ModelName",
    "as_recipe",
    "foreign",
    "inputs_for",
    "read",
    "read_all",
]
