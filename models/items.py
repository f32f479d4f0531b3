"""Inputs that are lists: LoRAs, ControlNets, IP-Adapters and painted regions, each item with values of its own.

In jobs, recipes and messages an item is a plain dict (``{"name": "ink", "weight": 0.8}``). The classes here declare and
check it. Add-ons are called by name: an id, a name or a path of ``app.addons``; which file that is on this computer is
said beside the inputs, in ``protocol.Run.addons``, so that a recipe stays true on another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Le, MaxLen, MinLen

from models.inputs import WITHOUT_FILE, InputSpec, Kind

MAX_ITEMS = 16
"""So many items a list may have."""

_Name = Annotated[str, MinLen(1), MaxLen(1000)]
_Path = Annotated[str, MinLen(1), MaxLen(4000)]
_Share = Annotated[float, Ge(0.0), Le(1.0)]


class _Strict:
    """What pydantic, which checks the items (``models.checking``), is told of them. It is not imported here, since the
    window is on the screen before anything has to be checked."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid", "allow_inf_nan": False, "str_strip_whitespace": True,
    }  # fmt: skip


@dataclass(frozen=True)
class Lora(_Strict):
    """One LoRA; ``weight`` 0 is nothing, 1 what it was trained for."""

    name: _Name
    weight: Annotated[float, Ge(-4.0), Le(4.0)] = 1.0


@dataclass(frozen=True)
class Control(_Strict):
    """One ControlNet. ``image`` is a picture that ``preprocessor`` (a name in ``models.maps``) makes the map of, or the
    map itself where that is empty. It acts from the share ``start`` to the share ``end`` of the steps. ``mode`` says
    what kind of map it is, for networks that take several ("" : as the preprocessor says). ``options`` are those of the
    preprocessor that are not as usual."""

    name: _Name
    image: _Path
    preprocessor: Annotated[str, MaxLen(100)] = ""
    strength: Annotated[float, Ge(0.0), Le(2.0)] = 1.0
    start: _Share = 0.0
    end: _Share = 1.0
    mode: Annotated[str, MaxLen(100)] = ""
    options: Annotated[dict[str, float], MaxLen(16)] = field(default_factory=dict)


@dataclass(frozen=True)
class Adapter(_Strict):
    """One IP-Adapter that looks at the picture ``image``; ``strength`` 0 is nothing, 1 what it was trained for."""

    name: _Name
    image: _Path
    strength: Annotated[float, Ge(0.0), Le(2.0)] = 1.0
    start: _Share = 0.0
    end: _Share = 1.0


@dataclass(frozen=True)
class Region(_Strict):
    """A painted area with words of its own: ``mask`` is white where ``prompt`` counts, of the picture's shape."""

    mask: _Path
    prompt: Annotated[str, MinLen(1), MaxLen(20_000)]
    strength: Annotated[float, Ge(0.0), Le(1.0)] = 1.0


ITEMS: dict[Kind, type] = {
    Kind.LORAS: Lora,
    Kind.CONTROLS: Control,
    Kind.ADAPTERS: Adapter,
    Kind.REGIONS: Region,
    Kind.EMBEDDINGS: str,
}
"""What a list of each kind holds."""

_FILES = {Kind.CONTROLS: "image", Kind.ADAPTERS: "image", Kind.REGIONS: "mask"}


@dataclass(frozen=True)
class Use:
    """One add-on that inputs name: as item ``index`` of input ``input`` (-1 where that holds one name)."""

    input: str
    index: int
    name: str


def plain(value: Any) -> Any:
    """A checked list as plain values."""
    return [item if isinstance(item, str) else asdict(item) for item in value]


def parsed(kind: Kind, value: Any) -> Any:
    """What a string stands for: JSON, or for LoRAs ``ink:0.8, paper`` and for embeddings ``one, two``."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith(("[", "{")):
        try:
            found = json.loads(text)
        except ValueError:
            return value
        return [found] if isinstance(found, dict) else found
    if kind is Kind.EMBEDDINGS:
        return [name.strip() for name in text.split(",") if name.strip()]
    if kind is Kind.LORAS:
        return [lora(part) for part in text.split(",") if part.strip()]
    return [] if not text else value


def lora(text: str) -> dict[str, Any]:
    """``NAME[:WEIGHT]`` as an item; a colon that no number follows belongs to the name (``C:\\loras\\ink``)."""
    match = re.fullmatch(r"\s*(.+?)\s*:\s*([-+]?\d*\.?\d+)\s*", text)
    return {"name": match[1], "weight": float(match[2])} if match else {"name": text.strip(), "weight": 1.0}


def uses(specs: tuple[InputSpec, ...], values: Mapping[str, Any]) -> Iterator[Use]:
    """Every add-on that ``values`` name."""
    for spec in specs:
        value = values.get(spec.name)
        if spec.kind is Kind.ADDON and value and value not in WITHOUT_FILE:
            yield Use(spec.name, -1, str(value))
        elif spec.kind in ITEMS and spec.kind is not Kind.REGIONS:
            for index, item in enumerate(value or ()):
                yield Use(spec.name, index, item if isinstance(item, str) else str(item["name"]))


def files(specs: tuple[InputSpec, ...], values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every picture file that ``values`` name: the input, how a person would call it, and the path."""
    for spec in specs:
        value = values.get(spec.name)
        if spec.kind in (Kind.IMAGE, Kind.MASK) and value:
            yield spec.name, spec.title, str(value)
        elif field := _FILES.get(spec.kind):
            for number, item in enumerate(value or (), 1):
                yield spec.name, f"{spec.title} {number}", str(item[field])


def with_files(specs: tuple[InputSpec, ...], values: Mapping[str, Any], moved: Mapping[str, str]) -> dict[str, Any]:
    """``values`` with every picture path that is a key of ``moved`` replaced."""
    new = dict(values)
    for spec in specs:
        value = values.get(spec.name)
        if spec.kind in (Kind.IMAGE, Kind.MASK) and value:
            new[spec.name] = moved.get(str(value), value)
        elif (field := _FILES.get(spec.kind)) and value:
            new[spec.name] = [{**item, field: moved.get(str(item[field]), item[field])} for item in value]
    return new
