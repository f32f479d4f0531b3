"""Working on a picture: the inputs for it, and which part of it a model works on at what size. Pure; no pixels here.

Three rectangles matter. The *canvas* is the result: the picture, larger by what it is extended. The *window* is the
part of it that is made anew: all of it, or what the mask covers and some surroundings. The *work* is the size at which
the model makes the window; its answer is scaled back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.inputs import MISSING, Input, InputSpec, Kind, Size
from models.ways import Taking, Way

Box = tuple[int, int, int, int]
"""Left, top, right, bottom; right and bottom are outside."""

IMAGE, MASK = "image", "mask"
SIDES = ("left", "top", "right", "bottom")
EXTENDS = tuple(f"extend_{side}" for side in SIDES)
REFERENCES = tuple(f"reference_{number}" for number in range(1, 5))
NAMES = (
    IMAGE, "strength", MASK, "only_masked", "mask_padding", "mask_feather", *EXTENDS, *REFERENCES,
    "variation_seed", "variation_strength",
)  # fmt: skip
"""All inputs about pictures. None of them is a parameter of a pipeline."""

ROOM = 2.0
"""How much larger in area than its own a picture may be for a model to work on it as it is; larger ones are scaled
down. Beyond that models repeat themselves, and time and memory grow."""

ITS_OWN = 0.0
"""For ``room``: the picture's shape counts and not its pixels, as for a model that only looks at it (variations)."""

NEW_STRENGTH = 0.9
"""The least strength for an area that is new: what is put there first is only a hint of colours."""

MAX_EXTENSION = 4096


@dataclass(frozen=True)
class Space:
    """The sizes a model can work at: its own, and the limits of a side in pixels."""

    native: Size
    multiple: int
    lowest: int
    highest: int

    @property
    def area(self) -> int:
        return self.native.width * self.native.height


@dataclass(frozen=True)
class Frame:
    """Where things are; see the module's text. ``left`` and ``top`` are the picture's place on the canvas.

    ``stitched`` results have exactly the canvas's size, others the work's.
    """

    canvas: Size
    left: int
    top: int
    window: Box
    work: Size
    stitched: bool

    @property
    def window_size(self) -> Size:
        left, top, right, bottom = self.window
        return Size(right - left, bottom - top)


def extension(inputs: Mapping[str, Any]) -> Box:
    """Pixels to add at the left, top, right and bottom."""
    left, top, right, bottom = (int(inputs.get(name) or 0) for name in EXTENDS)
    return left, top, right, bottom


def masked_box(inputs: Mapping[str, Any], mask: Box, canvas: Size) -> Box:
    """The window of a job that works on ``mask`` (the box of what changes, on the canvas) and its surroundings only."""
    margin = max(int(inputs.get("mask_padding") or 0), int(inputs.get("mask_feather") or 0), 1)
    left, right = _reach(mask[0], mask[2], margin, canvas.width)
    top, bottom = _reach(mask[1], mask[3], margin, canvas.height)
    # Models know no strips: neither side of the window is less than half of the other, as far as the canvas reaches.
    left, right = _widened(left, right, (bottom - top + 1) // 2, canvas.width)
    top, bottom = _widened(top, bottom, (right - left + 1) // 2, canvas.height)
    return left, top, right, bottom


def _reach(low: int, high: int, margin: int, end: int) -> tuple[int, int]:
    return max(0, low - margin), min(end, high + margin)


def _widened(low: int, high: int, least: int, end: int) -> tuple[int, int]:
    short = max(0, min(least, end) - (high - low))
    low = max(0, min(low - short // 2, end - max(least, high - low)))
    return low, min(end, max(high, low + min(least, end)))


def frame(inputs: Mapping[str, Any], picture: Size, space: Space, mask: Box | None = None, room: float = ROOM) -> Frame:
    """How a job on ``picture`` is laid out; ``mask`` is the box of what its mask covers, on the canvas, and ``room``
    how many times its own area the model may work on; ``ITS_OWN``: always at that."""
    left, top, right, bottom = extension(inputs)
    canvas = Size(picture.width + left + right, picture.height + top + bottom)
    whole = (0, 0, canvas.width, canvas.height)
    asked = Size(int(inputs.get("width") or space.native.width), int(inputs.get("height") or space.native.height))
    asked_for = asked != space.native
    stitched = bool(inputs.get(MASK)) or any((left, top, right, bottom))
    if not stitched:
        work = asked if asked_for else within(canvas, space, room)
        return Frame(canvas, left, top, whole, work, stitched)
    only = bool(inputs.get("only_masked")) and mask is not None
    window = masked_box(inputs, mask, canvas) if only and mask is not None else whole
    size = Size(window[2] - window[0], window[3] - window[1])
    area = asked.width * asked.height
    if asked_for or only:
        work = of_area(size, area, space)
    else:
        work = of_area(size, min(max(size.width * size.height, space.area // 2), int(space.area * room)), space)
    return Frame(canvas, left, top, window, work, stitched)


def within(size: Size, space: Space, room: float = ROOM) -> Size:
    """``size`` as the model can make it: in its multiples, scaled down where there is too much of it."""
    if room == ITS_OWN:
        return of_area(size, space.area, space)
    return of_area(size, min(size.width * size.height, int(space.area * room)), space)


def room_of(taking: Taking) -> float:
    """How many times its own area a model may work on. Models that edit see the picture beside the one they make, which
    is as much as they were trained for."""
    if taking.way is Way.VARY:
        return ITS_OWN
    return 1.0 if taking.way is Way.EDIT else ROOM


def of_area(size: Size, area: int, space: Space) -> Size:
    """The shape of ``size`` with about ``area`` pixels, in the multiples and limits of the model."""
    factor = math.sqrt(area / (size.width * size.height))
    return Size(_side(size.width * factor, space), _side(size.height * factor, space))


def _side(wanted: float, space: Space) -> int:
    lowest = -(-space.lowest // space.multiple) * space.multiple
    highest = max(lowest, space.highest // space.multiple * space.multiple)
    return min(max(round(wanted / space.multiple) * space.multiple, lowest), highest)


def effective_strength(inputs: Mapping[str, Any]) -> float:
    """The strength a job runs at: what was asked for, and enough of it where there is a new area to fill."""
    strength = float(inputs.get("strength", 1.0))
    return max(strength, NEW_STRENGTH) if any(extension(inputs)) else strength


# -- the inputs -------------------------------------------------------------------------------------------------------


def specs(taking: Taking, space: Space) -> list[InputSpec]:
    """The inputs about pictures that a class takes, in the order of a form."""
    needed = taking.least > 0
    if taking.way is Way.WRAPPER:
        return [_image("A picture to start from.", needed), _strength(0.7), *_masking(space), *_extending()]
    if taking.way is Way.FILL:
        return [_image("The picture to fill in.", needed), _strength(1.0), *_masking(space), *_extending()]
    if taking.way is Way.EDIT:
        more = REFERENCES[: taking.most - 1]
        words = "Another picture that the words may speak of."
        about = [
            Input(f"Picture {number}", words, accept="image/*", needs=IMAGE) for number in range(2, taking.most + 1)
        ]
        references = [InputSpec(name, Kind.IMAGE, None, each) for name, each in zip(more, about, strict=True)]
        blended = [_strength(1.0), *_masking(space), *_extending()] if taking.blends else []
        return [_image("The picture to change; say in words how.", needed), *references, *blended]
    if taking.way is Way.VARY:
        return [_image("The picture to make others like; no words are needed.", needed)]
    return []


def any_of(taking: Taking) -> tuple[str, ...]:
    """Inputs of which at least one must be given: a model made for filling needs to know what."""
    return (MASK, *EXTENDS) if taking.way is Way.FILL else ()


def variations(taking: Taking) -> list[InputSpec]:
    """The inputs for pictures near to another one."""
    if taking.way is Way.WORDS:
        return []
    seed = Input("Variation seed", "Which way the picture is varied.", advanced=True)
    words = "How far the start noise is moved from the seed's towards the variation seed's."
    amount = Input("Variation", words, ge=0.0, le=1.0, step=0.01, advanced=True)
    return [
        InputSpec("variation_seed", Kind.SEED, None, seed),
        InputSpec("variation_strength", Kind.NUMBER, 0.0, amount),
    ]


def _image(words: str, needed: bool) -> InputSpec:
    return InputSpec(IMAGE, Kind.IMAGE, MISSING if needed else None, Input("Image", words, accept="image/*"))


def _strength(default: float) -> InputSpec:
    words = "Denoising strength, how much of the picture is made anew: 0 leaves it, 1 keeps only what the mask keeps."
    return InputSpec("strength", Kind.NUMBER, default, Input("Strength", words, ge=0.0, le=1.0, step=0.01, needs=IMAGE))


def _masking(space: Space) -> list[InputSpec]:
    side = max(space.native.width, space.native.height)
    mask = Input("Mask", "White where the picture is to be changed.", accept="image/*", needs=IMAGE)
    only = "Work on the masked area alone, at the model's full resolution, and put it back in its place."
    padding = "Pixels around the masked area that the model sees too."
    feather = "Pixels around the mask over which old and new are blended."
    limits: dict[str, Any] = {"ge": 0, "le": 512, "step": 1, "advanced": True, "needs": MASK}
    return [
        InputSpec(MASK, Kind.MASK, None, mask),
        InputSpec("only_masked", Kind.BOOLEAN, False, Input("Only the masked area", only, advanced=True, needs=MASK)),
        InputSpec("mask_padding", Kind.INTEGER, max(16, side // 8), Input("Padding", padding, **limits)),
        InputSpec("mask_feather", Kind.INTEGER, max(8, side // 32), Input("Feather", feather, **limits)),
    ]


def _extending() -> list[InputSpec]:
    found = []
    for name, side in zip(EXTENDS, SIDES, strict=True):
        words = f"Pixels to add at the {side}."
        about = Input(f"Extend {side}", words, ge=0, le=MAX_EXTENSION, step=8, advanced=True, needs=IMAGE)
        found.append(InputSpec(name, Kind.INTEGER, 0, about))
    return found


def why_not(taking: Taking, pipeline: str) -> dict[str, str]:
    """For each of ``NAMES`` that the class does not take, a sentence that says why."""
    have = {spec.name for spec in (*specs(taking, Space(Size(512, 512), 8, 64, 4096)), *variations(taking))}
    return {name: _reason(name, taking) for name in NAMES if name not in have}


def _reason(name: str, taking: Taking) -> str:
    if taking.way is Way.WORDS:
        return "This model can be used from words only."
    if taking.way is Way.VARY:
        return "This model makes pictures like the one it is given; nothing else can be told to it."
    if name in REFERENCES:
        return "This model takes no pictures beside the one it works on."
    if taking.way is Way.EDIT:
        return "This model is told in words what to change; it takes no mask, no strength and no new edges."
    return "This model fills what the mask covers, whatever was there before."
