"""The help: which page is shown, which pages the words in the search field fit."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app import help as pages_of_help
from app.help import START, Page

OF_PAGE = {"create": START, "models": "models", "gallery": "gallery", "settings": "privacy"}
"""Where F1 leads from each page of the window."""

OF_GROUP = {"refine": "upscaling"}
"""The page about a part of the form where it is not called as the part is."""


class HelpVM(QObject):
    """Pages are read when they are first wanted."""

    changed = Signal()
    listed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pages: tuple[Page, ...] = ()
        self._name = ""
        self._before: list[str] = []
        self.query = ""

    @property
    def pages(self) -> tuple[Page, ...]:
        self._pages = self._pages or pages_of_help.pages()
        return self._pages

    def has(self, name: str) -> bool:
        return any(page.name == name for page in self.pages)

    def page_of(self, group: str) -> str:
        """The page about a foldable part of the form."""
        return OF_GROUP.get(group, group)

    def shown(self) -> Page | None:
        return next((page for page in self.pages if page.name == self._name), None)

    def hits(self) -> list[Page]:
        return pages_of_help.search(self.query, self.pages)

    def search(self, query: str) -> None:
        """List what ``query`` fits; the shown page stays while it is among them."""
        self.query = query
        self.listed.emit()
        hits = self.hits()
        if query.strip() and hits and self.shown() not in hits:
            self.show(hits[0].name, False)

    def show(self, name: str, remember: bool = True) -> None:
        """Turn to the page ``name``; what there is no page for leads to the first."""
        name = next((each for each in (name, self.page_of(name)) if self.has(each)), START)
        if name == self._name:
            return
        if remember and self._name:
            self._before.append(self._name)
        self._name = name
        self.changed.emit()

    def follow(self, link: str) -> None:
        """A link within a page."""
        name = link.rsplit("/", 1)[-1].removesuffix(".md")
        if self.has(name):
            self.search("")
            self.show(name)

    @property
    def can_go_back(self) -> bool:
        return bool(self._before)

    def back(self) -> None:
        if self._before:
            self.show(self._before.pop(), False)
