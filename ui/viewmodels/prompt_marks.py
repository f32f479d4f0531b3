"""Which stretches of a prompt mean more than their letters, for the highlighter of the field."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.prompting.syntax import read
from models import prompts

_SIGNS = re.compile(
    r"\{(?:\s*\d*-?\d*\$\$)?|\}|(?<=[{|])\s*\d+(?:\.\d+)?::|\||<(?:lora|lyco):[^<>]{1,300}>", re.IGNORECASE
)
_WILDCARD = re.compile(r"__(?P<name>(?:[^\W_]|\*)[\w*/.\-]{0,199}?)__(?!_)")
_TOO_LONG = 6000
"""Longer texts are not marked: nobody reads them for that."""


@dataclass(frozen=True, slots=True)
class Mark:
    """``kind``: "sign", "strong", "weak", "name" (a wildcard or a LoRA), "unknown" or "loose"."""

    start: int
    end: int
    kind: str


def dynamic(text: str) -> bool:
    """Whether a prompt can come out in more than one way."""
    return ("{" in text or "__" in text) and read(text).dynamic


def marks(text: str, wildcards: set[str], weighs: bool) -> list[Mark]:
    """Marks in the order they are to be laid over the text."""
    if len(text) > _TOO_LONG or not re.search(r"[()\[\]{}<]|__", text):
        return []
    found: list[Mark] = []
    if weighs:
        found += [Mark(a, b, "strong" if weight > 1 else "weak") for a, b, weight in prompts.spans(text)]
        for pair in prompts.brackets(text):
            closing = pair.number if pair.number >= 0 else pair.end - 1
            found += [Mark(pair.start, pair.start + 1, "sign"), Mark(closing, pair.end, "sign")]
        found += [Mark(at, at + 1, "loose") for at in prompts.loose(text)]
    if dynamic(text) or "<" in text:
        found += [Mark(m.start(), m.end(), "name" if m[0][0] == "<" else "sign") for m in _SIGNS.finditer(text)]
    for match in _WILDCARD.finditer(text):
        known = "*" in match["name"] or match["name"].casefold() in wildcards
        found.append(Mark(match.start(), match.end(), "name" if known else "unknown"))
    return found
