"""The pages of the in-app help: Markdown files in ``assets/help``, listed by their first heading, searched as a whole.

A page is one file; whoever adds a feature adds a file, and nothing has to be registered. The window and ``atelier
help`` show the same pages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from app.paths import ASSETS

FOLDER = ASSETS / "help"
START = "start"

_FIRST = ("start", "models", "pictures", "compare", "queue")
_LAST = ("advanced", "shortcuts", "privacy", "trouble")
"""Pages that stand first and last in the list, in this order; what is between is sorted by its title."""

_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Page:
    """``name`` is the file's, without its ending; ``text`` is Markdown that begins with the heading."""

    name: str
    text: str

    @cached_property
    def title(self) -> str:
        """The first heading; the name where there is none."""
        found = re.search(r"^#\s+(.+?)\s*$", self.text, re.MULTILINE)
        return found[1] if found else self.name

    @cached_property
    def links(self) -> tuple[str, ...]:
        """The names of the pages it leads to; other addresses stand as they are."""
        return tuple(target.removesuffix(".md") for target in _LINK.findall(self.text))

    @cached_property
    def plain(self) -> str:
        """The words without marks, for searching and for a terminal."""
        text = re.sub(r"\[([^\]]+)\]\([^)\s]+\)", r"\1", self.text)
        return re.sub(r"(\*\*|`)", "", text)


def pages(folder: Path = FOLDER) -> tuple[Page, ...]:
    """All pages in the order of the list. Files that cannot be read as text are left out."""
    found = []
    for path in sorted(folder.glob("*.md")):
        try:
            found.append(Page(path.stem, path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError):
            continue
    return tuple(sorted(found, key=_place))


def _place(page: Page) -> tuple[int, int, str]:
    if page.name in _FIRST:
        return 0, _FIRST.index(page.name), ""
    if page.name in _LAST:
        return 2, _LAST.index(page.name), ""
    return 1, 0, page.title.casefold()


def search(query: str, among: Sequence[Page]) -> list[Page]:
    """Pages that have every word of ``query``, those with it in the title first; all of them for an empty query."""
    words = query.casefold().split()
    hits = [page for page in among if all(word in page.plain.casefold() for word in words)]
    return sorted(hits, key=lambda page: -sum(word in page.title.casefold() for word in words)) if words else hits


def find(name: str, among: Sequence[Page]) -> Page | None:
    """The page called ``name``: its file's name or its title in any capitals, else the only one that the words fit."""
    wanted = name.casefold().strip().removesuffix(".md")
    for page in among:
        if wanted in (page.name.casefold(), page.title.casefold()):
            return page
    hits = search(name, among)
    return hits[0] if len(hits) == 1 else None
