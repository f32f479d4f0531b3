"""What people type into the search of the library, understood: ``harbour "red sky" -fog model:flux rating:4+``.

Words are found by their beginnings, in prompts, negative prompts, models, notes, tags and inputs; what stands in quotes
is found as it is; ``-`` leaves out. Filters are ``name:value``. Nothing typed is ever an error: what is no filter is a
word, what holds no letter is left away. Pure; ``Query`` is put into SQL by ``app.records``.
"""

from __future__ import annotations

import datetime as dt
import operator
import re
import unicodedata
from dataclasses import dataclass, field

MAX_TERMS = 24
MAX_LENGTH = 2_000
WORD_COLUMNS = ("prompt", "negative", "model", "notes", "tags", "inputs")
"""Columns of the full-text index that plain words are looked for in; ``marks`` holds what filters look for."""

FILTERS = {
    "model": "model:flux", "seed": "seed:42", "after": "after:2026-11-01", "before": "before:yesterday",
    "size": "size:1024x768, size:landscape", "tag": "tag:poster", "rating": "rating:4, rating:3+",
    "collection": "collection:Ideas", "tool": "tool:ComfyUI", "is": "is:favourite",
}  # fmt: skip
"""The filters, each with an example."""

STATES = ("favourite", "imported", "made", "missing", "trash", "tagged", "rated")

_PART = re.compile(r'(-?)(?:([A-Za-z]{2,12}):)?(?:"([^"]*)"?|(\S+))')
_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0002ffff])")
_SHAPES = {
    "landscape": "landscape",
    "wide": "landscape",
    "portrait": "portrait",
    "tall": "portrait",
    "square": "square",
}


@dataclass(frozen=True)
class Query:
    """``match`` and ``without`` are expressions of SQLite's full-text search, empty for all and for none.

    ``since`` and ``until`` are seconds since 1970; ``tags`` and ``collections`` are compared whole, without case;
    ``shape`` is "", landscape, portrait or square; ``trash`` and ``missing`` say that those are wanted.
    """

    match: str = ""
    without: str = ""
    since: float | None = None
    until: float | None = None
    tags: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    shape: str = ""
    trash: bool = False
    missing: bool = False
    typed: str = ""

    @property
    def empty(self) -> bool:
        return self == Query(typed=self.typed)


@dataclass
class _Building:
    match: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    since: float | None = None
    until: float | None = None
    tags: list[str] = field(default_factory=list)
    collections: list[str] = field(default_factory=list)
    shape: str = ""
    trash: bool = False
    missing: bool = False


def parse(typed: str, today: dt.date | None = None) -> Query:
    """Understand ``typed``; never raises. ``today`` is what "today" and "yesterday" mean."""
    built = _Building()
    day = today or dt.date.today()
    for number, part in enumerate(_PART.finditer(typed[:MAX_LENGTH])):
        if number >= MAX_TERMS:
            break
        minus, name, quoted, bare = part[1] == "-", (part[2] or "").lower(), part[3], part[4]
        value = quoted if quoted is not None else bare
        whole = quoted is not None
        if not name or not _filter(built, name, value, minus, day):
            text = f"{part[2]} {value}" if name else value
            _word(built, text, whole, minus)
    return Query(
        " AND ".join(built.match), " OR ".join(built.without), built.since, built.until, tuple(built.tags),
        tuple(built.collections), built.shape, built.trash, built.missing, typed,
    )  # fmt: skip


def folded(text: str) -> str:
    """Text as the index holds it: each letter of writings without spaces is a word of its own."""
    return _CJK.sub(r" \1 ", text)


def _word(built: _Building, text: str, whole: bool, minus: bool) -> None:
    if found := phrase(text, prefix=not whole):
        expression = f"{{{' '.join(WORD_COLUMNS)}}} : {found}"
        (built.without if minus else built.match).append(expression)


def phrase(text: str, prefix: bool = False) -> str:
    """A string of the full-text search; empty when there is no letter or digit in ``text``."""
    if not any(unicodedata.category(letter)[0] in "LN" or unicodedata.category(letter) == "Co" for letter in text):
        return ""
    clean = folded(text).replace("\0", " ").replace('"', " ").strip()
    clean = clean.encode("utf-8", "replace").decode("utf-8")
    return f'"{clean}" *' if prefix else f'"{clean}"'


def mark(name: str, value: str = "") -> str:
    """A word of the ``marks`` column: letters and digits only, so that it stays one word."""
    return "x" + name + "".join(letter for letter in value.casefold() if letter.isalnum())


def _filter(built: _Building, name: str, value: str, minus: bool, today: dt.date) -> bool:
    """Take a filter; False when it is none, and its text is looked for instead."""
    target = built.without if minus else built.match
    if name == "model" and (found := phrase(value, prefix=True)):
        target.append(f"model : {found}")
        return True
    if name in ("seed", "rating", "size", "tool"):
        marks = _marks(built, name, value.strip(), minus)
        if marks:
            target.append("(" + " OR ".join(f'marks : "{one}"' for one in marks) + ")")
        return marks is not None
    if name == "is":
        return _state(built, value.lower(), minus)
    if minus:
        return False
    if name in ("after", "since", "before", "until"):
        return _dated(built, name, value, today)
    if name in ("tag", "collection") and value.strip():
        (built.tags if name == "tag" else built.collections).append(value.strip())
        return True
    return False


def _marks(built: _Building, name: str, value: str, minus: bool) -> list[str] | None:
    """The marks that fit; None when the value makes no sense."""
    if name == "seed":
        return [mark("seed", value)] if re.fullmatch(r"\d{1,20}", value) else None
    if name == "tool":
        return [mark("tool", value)] if mark("tool", value) != "xtool" else None
    if name == "size":
        if value.lower() in _SHAPES and not minus:
            built.shape = _SHAPES[value.lower()]
            return []
        match = re.fullmatch(r"(\d{1,6})[xX×*](\d{1,6})", value)
        return [mark("size", f"{int(match[1])}x{int(match[2])}")] if match else None
    match = re.fullmatch(r"(>=|<=|>|<|=)?\s*([0-5])(\+)?", value)
    if match is None:
        return None
    limit, sign = int(match[2]), ">=" if match[3] else match[1] or "="
    fits = {"=": operator.eq, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}[sign]
    return [mark("rating", str(stars)) for stars in range(6) if fits(stars, limit)] or [mark("nothing")]


def _state(built: _Building, state: str, minus: bool) -> bool:
    state = {"favorite": "favourite", "starred": "favourite", "trashed": "trash"}.get(state, state)
    if state not in STATES or (minus and state in ("trash", "missing")):
        return False
    if state == "trash":
        built.trash = True
    elif state == "missing":
        built.missing = True
    else:
        (built.without if minus else built.match).append(f'marks : "{mark(state)}"')
    return True


def _dated(built: _Building, name: str, value: str, today: dt.date) -> bool:
    first = _day(value.strip().lower(), today)
    if first is None:
        return False
    try:
        moment = dt.datetime.combine(first, dt.time()).timestamp()
    except (OverflowError, OSError, ValueError):
        return False
    if name in ("after", "since"):
        built.since = moment
    else:
        built.until = moment
    return True


def _day(value: str, today: dt.date) -> dt.date | None:
    """``2026``, ``2026-11``, ``2026-11-23``, ``today``, ``yesterday``, ``7d``, ``2w``, ``3m``, ``1y`` (ago)."""
    if value in ("today", "yesterday"):
        return today - dt.timedelta(days=int(value == "yesterday"))
    ago = re.fullmatch(r"(\d{1,4})([dwmy])", value)
    try:
        if ago:
            return today - dt.timedelta(days=int(ago[1]) * {"d": 1, "w": 7, "m": 30, "y": 365}[ago[2]])
        date = re.fullmatch(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?", value)
        return dt.date(int(date[1]), int(date[2] or 1), int(date[3] or 1)) if date else None
    except (ValueError, OverflowError):
        return None
