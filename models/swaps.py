"""Paths in inputs exchanged for others: a job works on copies of its pictures, its recipe names the person's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from models.errors import AtelierError

_WORDS = ("prompt", "negative_prompt")


def swapped(value: Any, paths: Mapping[str, str]) -> Any:
    """``value`` (inputs, or anything within them) with every text that is a key of ``paths`` replaced; prompts stay."""
    if isinstance(value, str):
        return paths.get(value, value)
    if isinstance(value, Mapping):
        return {name: one if name in _WORDS else swapped(one, paths) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [swapped(one, paths) for one in value]
    return value


def swapped_error(error: AtelierError, paths: Mapping[str, str]) -> AtelierError:
    """``error`` about the files that a person knows."""
    info = error.info
    problems = tuple(msgspec.structs.replace(each, value=paths.get(each.value, each.value)) for each in info.problems)
    facts = swapped(info.facts, paths)
    return AtelierError.from_info(msgspec.structs.replace(info, facts=facts, problems=problems))
