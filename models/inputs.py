"""The types and constraints of a box's inputs, declared once and rendered many times.

An ``InputSpec`` is the plain description of one input: the form, the command line, the JSON Schema and the validation
are all made from it. Boxes written as Python signatures get their specs from annotations (``models.box.declare``);
the generic diffusers box makes them from the pipeline table (``models.folders``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NewType

Seed = NewType("Seed", int)
"""0 to 2**32 - 1; left out or -1 means: choose one at random and report it."""

ImageFile = NewType("ImageFile", str)
"""Path of a picture on the disk."""

MaskFile = NewType("MaskFile", str)
"""Path of a picture whose white parts are to be changed and whose black parts stay."""

MAX_SEED = 2**32 - 1

LANCZOS, LATENT = "lanczos", "latent"
WITHOUT_FILE = (LANCZOS, LATENT)
"""Names in inputs of add-ons that stand for no file: enlarging by resampling pixels, or latents."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels. In schemas and values it stands as the two inputs ``width`` and ``height``."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    def is_shaped_as(self, other: Size) -> bool:
        """Whether one can be scaled to the other without being stretched; a pixel more or less is rounding."""
        slack = max(self.width, self.height, other.width, other.height)
        return abs(self.width * other.height - self.height * other.width) <= slack


class Kind(StrEnum):
    """What an input holds; decides its widget and its validation."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    SEED = "seed"
    IMAGE = "image"
    MASK = "mask"
    ADDON = "addon"
    """The name of one add-on of this computer (a VAE, an upscaler...), of a kind in ``Input.addons``."""
    EMBEDDINGS = "embeddings"
    """Names of textual inversions."""
    LORAS = "loras"
    CONTROLS = "controls"
    ADAPTERS = "adapters"
    REGIONS = "regions"


@dataclass(frozen=True, slots=True)
class Input:
    """Constraints and words for one input, given as ``Annotated[int, Input(...)]``.

    ``ge``/``le`` are inclusive; ``multiple_of`` is what the model can take, ``step`` only how far a slider jumps.
    ``group`` names the foldable part of a form it stands in, ``advanced`` says the last of them; ``addons`` are the
    kinds of add-on (``models.recognise.FileKind`` or a catalog role) that an input of names may name;
    ``widget`` is a hint ("multiline", "slider"), never needed. ``needs`` names the input without which this one has no
    meaning; a picture or a size given without it is refused, other values are then ignored.
    """

    title: str = ""
    description: str = ""
    ge: float | None = None
    le: float | None = None
    step: float | None = None
    multiple_of: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    regex: str | None = None
    choices: tuple[str, ...] = ()
    accept: str = ""
    widget: str = ""
    advanced: bool = False
    needs: str = ""
    group: str = ""
    addons: tuple[str, ...] = ()


MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One named input of a box. ``default`` is ``MISSING`` when the user has to give a value."""

    name: str
    kind: Kind
    default: Any = MISSING
    about: Input = Input()

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def title(self) -> str:
        return self.about.title or self.name.replace("_", " ").capitalize()

    def with_default(self, value: Any) -> InputSpec:
        return replace(self, default=value)

    def with_range(self, ge: float | None = None, le: float | None = None) -> InputSpec:
        about = replace(
            self.about,
            ge=self.about.ge if ge is None else ge,
            le=self.about.le if le is None else le,
        )
        return replace(self, about=about)
