"""Models that work on a picture beside those that paint: upscalers, background removal, captions, maps for ControlNet.

Each is a box like any other, with a runner of its own, so it goes through the same queue, worker and library and is run
by ``atelier generate --model ID --image FILE``. They are not chosen in Create's picker; actions on pictures offer them.
"""

from __future__ import annotations

from dataclasses import dataclass

from models import maps
from models.box import BoxSchema, OutputKind
from models.inputs import MISSING, Input, InputSpec, Kind


@dataclass(frozen=True)
class Tool:
    """How add-ons of one kind are run. ``action`` is what a menu says ("Upscale"); ``runner`` a name that
    ``models.runners.kind_of`` knows."""

    runner: str
    action: str
    schema: BoxSchema


def _image(words: str) -> InputSpec:
    return InputSpec("image", Kind.IMAGE, MISSING, Input("Image", words, accept="image/*"))


UPSCALE = BoxSchema(
    (
        _image("The picture to make larger."),
        InputSpec(
            "scale", Kind.NUMBER, 2.0,
            Input("Factor", "How many times as wide and as high.", ge=1.0, le=8.0, step=0.25),
        ),
        InputSpec(
            "longest_side", Kind.INTEGER, 0,
            Input("Longest side", "In pixels, instead of the factor; 0: by the factor.", ge=0, le=30_000, step=64,
                  advanced=True),
        ),
        InputSpec(
            "tile", Kind.INTEGER, 0,
            Input("Tile", "Pixels of the tiles the picture is worked on in; smaller ones need less memory. 0: as "
                  "memory allows.", ge=0, le=2048, step=32, advanced=True),
        ),
    )
)  # fmt: skip
"""An upscaler's box. The factor need not be the network's own."""

CUTOUT = BoxSchema(
    (
        _image("The picture whose background is to be taken away."),
        InputSpec(
            "edge", Kind.NUMBER, 0.5,
            Input("Edge refinement", "How far hair and soft edges are worked out; 0 takes the mask as it is.", ge=0.0,
                  le=1.0, step=0.05),
        ),
        InputSpec(
            "threshold", Kind.NUMBER, 0.0,
            Input("Hard edge", "Above 0 the mask is cut here: more is opaque, less is clear.", ge=0.0, le=1.0,
                  step=0.05, advanced=True),
        ),
    )
)  # fmt: skip
"""Background removal: the result is a PNG whose background is transparent."""

CAPTION_LENGTHS = ("short", "detailed", "very detailed")
CAPTION = BoxSchema(
    (
        _image("The picture to describe."),
        InputSpec(
            "length", Kind.CHOICE, "detailed",
            Input("Length", "How much is said, for models that can tell.", choices=CAPTION_LENGTHS),
        ),
        InputSpec(
            "question", Kind.TEXT, "",
            Input("Question", "What you want to know, for models that answer questions.", max_length=1000,
                  advanced=True),
        ),
    ),
    OutputKind.TEXT,
)  # fmt: skip
"""A model that says in words what is in a picture."""

TOOLS: dict[str, Tool] = {
    "upscaler": Tool("upscale", "Upscale", UPSCALE),
    "background-removal": Tool("cutout", "Remove background", CUTOUT),
    "caption": Tool("caption", "Describe", CAPTION),
}
"""By kind of add-on (``models.recognise.FileKind`` or a catalog role)."""

BUILT_IN: dict[str, Tool] = {
    "lanczos": Tool("upscale", "Lanczos resampling", UPSCALE),
    "maps": Tool("maps", "Make a map", BoxSchema(maps.specs())),
}
"""Tools that need no weights, by the id they are called by."""
