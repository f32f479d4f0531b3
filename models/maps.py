"""Preprocessors: how the map that a ControlNet looks at is made of a picture. The table only; the work is done in
``models.runners.maps``.

Names are those that people know from other programs (``canny``, ``softedge``, ``depth``...). A map has the size of its
picture. Lines are white on black, near is bright, normals and poses have the colours ControlNets were trained with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from models.inputs import Input, InputSpec, Kind

IMAGE, PREPROCESSOR = "image", "preprocessor"

DEPTH, NORMALS, POSE, SEGMENTATION, DETECTION = "depth", "normals", "pose", "segmentation", "detection"
"""Roles of the catalog that helper models have."""


@dataclass(frozen=True)
class Preprocessor:
    """One way to make a map.

    ``roles`` are the kinds of add-on of which one must be installed (any of them; empty: none is needed), the better
    first; ``also`` is one that is used where it is there. ``suits`` are words that names and modes of ControlNets for
    such maps have.
    """

    name: str
    title: str
    summary: str
    options: tuple[InputSpec, ...] = ()
    roles: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    suits: tuple[str, ...] = ()


def _number(name: str, default: float, title: str, words: str, ge: float, le: float, step: float) -> InputSpec:
    return InputSpec(name, Kind.NUMBER, default, Input(title, words, ge=ge, le=le, step=step))


_FINENESS = _number(
    "resolution", 1024, "Detail", "The shorter side, in pixels, at which the map is found; smaller is coarser.",
    128, 4096, 64,
)  # fmt: skip

_TABLE = (
    Preprocessor(
        "canny", "Edges (Canny)", "Thin, hard edges.",
        (
            _number("low_threshold", 100, "Weak edge", "Weaker edges than this are left out.", 1, 255, 1),
            _number("high_threshold", 200, "Strong edge", "Edges this strong are always drawn.", 1, 255, 1),
            _FINENESS,
        ),
        suits=("canny", "edge", "hard"),
    ),
    Preprocessor(
        "softedge", "Soft edges", "Edges with their strength, as a pencil drawing with shades.",
        (_number("smoothing", 2.0, "Smoothing", "How much texture is smoothed away first.", 0, 10, 0.5), _FINENESS),
        suits=("softedge", "soft_edge", "hed", "pidi", "teed"),
    ),
    Preprocessor(
        "lineart", "Line art", "Lines as an illustrator would ink them.",
        (
            _number("line_width", 6.0, "Line width", "Radius, in pixels, of what counts as a line.", 1, 20, 0.5),
            _number("cut", 8, "Weak line", "Fainter lines are left out.", 0, 50, 1),
            _FINENESS,
        ),
        suits=("lineart", "line_art", "lineart_anime", "anime_line"),
    ),
    Preprocessor(
        "scribble", "Scribble", "Few bold strokes, as drawn by hand.",
        (
            _number("threshold", 32, "Weak stroke", "Fainter strokes are left out.", 1, 64, 1),
            _FINENESS,
        ),
        suits=("scribble", "sketch", "doodle"),
    ),
    Preprocessor(
        "lines", "Straight lines", "Only straight lines: rooms and buildings.",
        (
            _number("shortest", 4.0, "Shortest line", "In percent of the longer side.", 0.5, 50, 0.5),
            _FINENESS,
        ),
        suits=("mlsd", "lines", "straight"),
    ),
    Preprocessor(
        "depth", "Depth", "Near is bright, far is dark.", roles=(DEPTH,),
        suits=("depth", "midas", "zoe"),
    ),
    Preprocessor(
        "normal", "Normals", "Which way surfaces face, as colours.",
        (_number("relief", 1.0, "Relief", "How steep slopes are taken to be, where depth is what is known.",
                 0.1, 5, 0.1),),
        roles=(NORMALS, DEPTH), suits=("normal", "normalbae", "bae"),
    ),
    Preprocessor(
        "pose", "Pose", "People as coloured stick figures.",
        (_number("confidence", 0.3, "Confidence", "Joints that are less sure are left out.", 0.05, 0.95, 0.05),),
        roles=(POSE,), also=(DETECTION,), suits=("openpose", "pose", "dwpose"),
    ),
    Preprocessor(
        "segmentation", "Areas (segmentation)", "Each kind of thing in a colour of its own.",
        roles=(SEGMENTATION,), suits=("seg", "segmentation", "ade20k"),
    ),
    Preprocessor(
        "tile", "Tile", "The picture itself, with its small details taken away, to be drawn again.",
        (_number("shrink", 4, "Take away", "How many times smaller details are to become.", 1, 16, 1),),
        suits=("tile", "repaint", "upscale"),
    ),
    Preprocessor(
        "blur", "Blur", "The picture out of focus.",
        (_number("radius", 8, "Radius", "In pixels.", 0.5, 100, 0.5),),
        suits=("blur", "lq", "low_quality"),
    ),
    Preprocessor("grayscale", "Grey", "The picture without its colours.",
                 suits=("gray", "grey", "recolor", "luminance")),
    Preprocessor("invert", "Inverted", "A drawing on white paper, turned into white lines on black."),
)  # fmt: skip

PREPROCESSORS: dict[str, Preprocessor] = {one.name: one for one in _TABLE}
"""By name, in the order they are offered. The empty name means: the picture given is the map itself."""


def unknown(name: str) -> str:
    """The sentence for a preprocessor that there is not."""
    return f"There is no preprocessor “{name}”; there are {', '.join(PREPROCESSORS)}."


def settings(name: str, options: Mapping[str, Any]) -> dict[str, float]:
    """All options of a preprocessor: those given, held within their ranges, the others at their defaults. What other
    preprocessors know is left out."""
    complete = {}
    for spec in PREPROCESSORS[name].options:
        value = float(options.get(spec.name, spec.default))
        complete[spec.name] = min(max(value, spec.about.ge or 0.0), spec.about.le or value)
    return complete


def suggested(controlnet: str, modes: Iterable[str] = ()) -> str:
    """The preprocessor for a ControlNet, told from the words of its name (or of its ``modes``); empty where nothing
    tells, as for a network that takes several kinds of map."""
    for text in (controlnet, *modes):
        words = "_".join(re.findall(r"[a-z0-9]+", text.lower()))
        found = [(words.rfind(word), len(word), name) for name, one in PREPROCESSORS.items() for word in one.suits
                 if _within(word, words)]  # fmt: skip
        if found:
            return max(found)[2]
    return ""


def _within(word: str, words: str) -> bool:
    """Whether ``word`` stands in ``words`` as a word; long ones may be glued to others ("controlnetdepth")."""
    return word in words if len(word) > 4 else bool(re.search(rf"(^|_){word}(_|s?$|\d|map)", words))


_THINGS = {DEPTH: "depth", NORMALS: "normals", POSE: "poses", SEGMENTATION: "areas (segmentation)"}


def missing(name: str) -> str:
    """The sentence for a preprocessor whose helper model is not on this computer."""
    one = PREPROCESSORS[name]
    things = " or ".join(_THINGS[role] for role in one.roles)
    here = "none that can be used is on this computer"
    return f"“{one.title}” needs a model for {things}, and {here}. Get one on the Models page."


def wanted(specs: Iterable[InputSpec], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The preprocessors that ``values`` name: the input, and the preprocessor."""
    found = []
    for spec in specs:
        if spec.kind is Kind.CONTROLS:
            found += [(spec.name, str(item.get(PREPROCESSOR) or "")) for item in values.get(spec.name) or ()]
        elif spec.name == PREPROCESSOR and spec.kind is Kind.CHOICE:
            found.append((spec.name, str(values.get(spec.name) or "")))
    return [(name, each) for name, each in found if each]


def specs() -> tuple[InputSpec, ...]:
    """The inputs of the tool that makes maps: picture, preprocessor, and the options of all preprocessors."""
    about = Input("Picture", "The picture that a map is made of.", accept="image/*")
    words = "What the map shows."
    which = Input("Map", words, choices=tuple(PREPROCESSORS))
    return (
        InputSpec(IMAGE, Kind.IMAGE, about=about),
        InputSpec(PREPROCESSOR, Kind.CHOICE, "canny", which),
        *_options(),
    )


def _options() -> Iterable[InputSpec]:
    seen = set()
    for one in PREPROCESSORS.values():
        for spec in one.options:
            if spec.name not in seen:
                seen.add(spec.name)
                yield spec
