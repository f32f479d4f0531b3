"""What the full-text index holds of a picture. Pure: from a recipe and the user's marks to the columns of one row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from app.search_query import folded, mark

MAX_TEXT = 40_000
"""Characters of a prompt that are found by."""

_PROMPTS = ("prompt", "negative_prompt")


_LATEST = 2**62 / 1e6
"""Seconds since 1970 whose number SQLite can still keep."""


def number_of(created: float) -> int:
    """A picture's number: microseconds since 1970, so that order by number is order by time. A time that cannot be,
    from a damaged row, is taken for the beginning."""
    return int(created * 1e6) if 0 <= created < _LATEST else 0


def stored_seed(seed: int) -> int:
    """A seed as SQLite keeps it, with 64 bits and a sign; other tools have seeds up to 2**64 - 1."""
    seed &= 2**64 - 1
    return seed - 2**64 if seed >= 2**63 else seed


def real_seed(stored: int) -> int:
    return stored + 2**64 if stored < 0 else stored


def columns_of(
    recipe_text: str, model: str, path: str, seed: int, size: tuple[int, int], note: str = "", tags: Iterable[str] = (),
    favourite: bool = False, rating: int = 0, imported: bool = False,
) -> tuple[str, str, str, str, str, str, str]:  # fmt: skip
    """prompt, negative, model, notes, tags, inputs and marks of one picture."""
    try:
        recipe = json.loads(recipe_text)
    except (ValueError, RecursionError):
        recipe = {}
    recipe = recipe if isinstance(recipe, dict) else {}
    given = recipe.get("inputs")
    inputs: Mapping[str, Any] = given if isinstance(given, dict) else {}
    tool = str(recipe.get("tool", ""))
    listed = list(tags)
    marks = [mark("seed", str(real_seed(seed))), mark("size", f"{size[0]}x{size[1]}"), mark("rating", str(rating)),
             mark("imported" if imported else "made"), mark("tool", tool or "Atelier")]  # fmt: skip
    marks += [mark("favourite")] if favourite else []
    marks += [mark("rated")] if rating else []
    marks += [mark("tagged")] if listed else []
    words = " ".join([_words(inputs), tool, PurePath(re.sub(r"[\\]", "/", path)).stem])
    return (
        _clean(inputs.get("prompt", "")), _clean(inputs.get("negative_prompt", "")), _clean(model), _clean(note),
        _clean(" \n ".join(listed)), _clean(words), " ".join(marks),
    )  # fmt: skip


def _words(inputs: Mapping[str, Any]) -> str:
    """Inputs but the prompts, by name and value; of paths the last part."""
    found: list[str] = []
    for name, value in list(inputs.items())[:100]:
        if name in _PROMPTS or value in (None, "", [], {}):
            continue
        found += [str(name), *(_last(text) for text in _leaves(value))]
    return " ".join(found)


def _leaves(value: Any, depth: int = 0) -> list[str]:
    if isinstance(value, Mapping) and depth < 4:
        return [text for inner in list(value.values())[:50] for text in _leaves(inner, depth + 1)]
    if isinstance(value, list) and depth < 4:
        return [text for inner in value[:50] for text in _leaves(inner, depth + 1)]
    return [str(value)] if isinstance(value, str | int | float) else []


def _last(text: str) -> str:
    return re.split(r"[\\/]", text)[-1] if text[:1] in "/\\~" or text[1:3] in (":\\", ":/") else text


def _clean(text: Any) -> str:
    plain = str(text)[:MAX_TEXT].replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
    return folded(plain)
