"""Models that work on a picture beside those that paint: upscalers, background removal, captions, maps for ControlNet.

Each is a box like any other, with a runner of its own, so it goes through the same queue, worker and library and is run
by ``atelier generate --model ID --image FILE``. They are not chosen in Create's picker; actions on pictures offer them.
"""

from __future__ import annotations

from dataclasses import dataclass

from models import maps
from models.box import BoxSchema


@dataclass(frozen=True)
class Tool:
    """How add-ons of one kind are run. ``action`` is what a menu says ("Upscale"); ``runner`` a name that
    ``models.runners.kind_of`` knows."""

    runner: str
    action: str
    schema: BoxSchema


TOOLS: dict[str, Tool] = {}
"""By kind of add-on (``models.recognise.FileKind`` or a catalog role)."""

BUILT_IN: dict[str, Tool] = {"maps": Tool("maps", "Make a map", BoxSchema(maps.specs()))}
"""Tools that need no weights, by the id they are called by."""
