"""``--control``, ``--ip-adapter`` and ``--region`` of ``atelier generate``: items of lists, said in one word each."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from models.control import ADAPTERS, CONTROLS, REGIONS
from models.errors import Problem

_CONTROL = {"preprocessor": str, "mode": str, "strength": float, "start": float, "end": float}
_ADAPTER = {"strength": float, "start": float, "end": float}
_REGION: Mapping[str, Callable[[str], Any]] = {}

CONTROL_FORM = "NAME=FILE[,preprocessor=canny][,strength=0.8][,start=0][,end=0.6][,mode=depth]"
ADAPTER_FORM = "NAME=FILE[,strength=0.6][,start=0][,end=1]"
REGION_FORM = "MASK=PROMPT"


def add_options(command: argparse.ArgumentParser) -> None:
    """The options that name ControlNets, IP-Adapters and regions; each may be repeated."""
    add = command.add_argument
    words = "a ControlNet and its map, or a picture with the preprocessor that makes the map of it; may be repeated"
    add("--control", metavar=CONTROL_FORM.partition("[")[0] + "[,...]", action="append", default=[], help=words)
    words = "an IP-Adapter and the picture it looks at; strength, start and end as with --control; may be repeated"
    add("--ip-adapter", metavar="NAME=FILE[,...]", action="append", default=[], help=words)
    words = "words that count where the picture MASK is white; may be repeated"
    add("--region", metavar=REGION_FORM, action="append", default=[], help=words)


def collect(options: argparse.Namespace, inputs: dict[str, Any]) -> list[Problem]:
    """Add what the options name to ``inputs``; what is wrong with them, as sentences."""
    problems: list[Problem] = []
    for option, field, read in (
        ("control", CONTROLS, control), ("ip_adapter", ADAPTERS, adapter), ("region", REGIONS, region)
    ):  # fmt: skip
        items = []
        for text in getattr(options, option, None) or ():
            try:
                items.append(read(text))
            except ValueError as error:
                problems.append(Problem(f"--{option.replace('_', '-')}", text, str(error)))
        if items and field in inputs:
            problems.append(Problem(field, str(inputs[field]), f"“{field}” is given twice."))
        elif items:
            inputs[field] = items
    return problems


def control(text: str) -> dict[str, Any]:
    """One ControlNet of ``--control``; raises ValueError with a sentence."""
    return _item("--control", CONTROL_FORM, text, ("name", "image"), _CONTROL)


def adapter(text: str) -> dict[str, Any]:
    """One IP-Adapter of ``--ip-adapter``; raises ValueError with a sentence."""
    return _item("--ip-adapter", ADAPTER_FORM, text, ("name", "image"), _ADAPTER)


def region(text: str) -> dict[str, Any]:
    """One region of ``--region``; raises ValueError with a sentence. Commas belong to the prompt."""
    return _item("--region", REGION_FORM, text, ("mask", "prompt"), _REGION)


def _item(
    option: str, form: str, text: str, names: tuple[str, str], takes: Mapping[str, Callable[[str], Any]]
) -> dict[str, Any]:
    first, equals, rest = text.partition("=")
    rest, values = _trailing(option, rest, takes)
    if not equals or not first.strip() or not rest.strip():
        raise ValueError(f"{option} takes {form}; not “{text}”.")
    item = {names[0]: first.strip(), names[1]: rest.strip(), **values}
    for name in ("image", "mask"):
        if name in item:
            item[name] = str(Path(item[name]).expanduser().resolve())
    return item


def _trailing(option: str, rest: str, takes: Mapping[str, Callable[[str], Any]]) -> tuple[str, dict[str, Any]]:
    """The values after a file's name; a comma that none of them follows belongs to the name."""
    values: dict[str, Any] = {}
    while takes and (found := re.fullmatch(r"(.*),\s*([a-z_]+)\s*=\s*([^,]*)", rest, re.DOTALL)):
        rest, key, value = found[1], found[2], found[3].strip()
        if key not in takes:
            raise ValueError(f"{option}: there is no “{key}”; it takes {', '.join(takes)}.")
        if key in values:
            raise ValueError(f"{option}: “{key}” is given twice.")
        try:
            values[key] = takes[key](value)
        except ValueError:
            raise ValueError(f"{option}: {key} takes a number; not “{value}”.") from None
    return rest, values
