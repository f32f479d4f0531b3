"""What a picture that is dragged over the window can become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from ui.i18n import tr
from ui.viewmodels import opening, restoring
from ui.viewmodels.create import CreateVM
from ui.viewmodels.later import Later
from ui.viewmodels.work import WorkVM


@dataclass(frozen=True)
class DropOffer:
    """One thing to do with the picture; ``line`` says what it means, or why it cannot be done."""

    name: str
    icon: str
    title: str
    line: str
    possible: bool


class DropVM(QObject):
    """The picture's file is looked at while it is still being dragged."""

    changed = Signal()
    noticed = Signal(str)

    def __init__(self, create: CreateVM, work: WorkVM, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._create, self._work = create, work
        self._later = Later(self)
        self.path = ""
        self._recipe: dict[str, Any] | None = None
        self._looked = False

    def close(self) -> None:
        self._later.close()

    def begin(self, path: str) -> None:
        self.path, self._recipe, self._looked = path, None, False
        self._later.run(lambda: opening.recipe_in(path), lambda recipe: self._found(path, recipe))
        self.changed.emit()

    def _found(self, path: str, recipe: dict[str, Any] | None) -> None:
        if path == self.path:
            usable = isinstance(recipe, Mapping) and isinstance(recipe.get("inputs"), Mapping)
            self._recipe, self._looked = recipe if usable else None, True
            self.changed.emit()

    def offers(self) -> list[DropOffer]:
        create, work = self._create, self._work
        reference = create.free_reference()
        can_mask = create.has_input("mask") and work.shown
        found = [
            self._offer("input", "image-plus", tr("Start from it"), tr("Change, extend or redraw this picture"),
                        create.has_input("image"), create.why_not("image")),
        ]  # fmt: skip
        if reference or not create.has_input("reference_1"):
            found.append(
                self._offer("reference", "images", tr("Reference"), tr("Show the model something to take up"),
                            bool(reference), create.why_not("reference_1"))
            )  # fmt: skip
        no_mask = create.why_not("mask") if create.has_input("image") else create.why_not("image")
        if create.has_input("mask"):
            no_mask = tr("There is no picture yet that it could be the mask of.")
        found.append(
            self._offer("mask", "circle-dashed", tr("Mask"), tr("White is changed, black stays"), can_mask, no_mask)
        )
        nothing = tr("It does not say how it was made.") if self._looked else tr("Looking how it was made…")
        found.append(
            self._offer("settings", "history", tr("Restore settings"), self._recipe_words(),
                        self._recipe is not None, nothing)
        )  # fmt: skip
        return found

    @staticmethod
    def _offer(name: str, icon: str, title: str, line: str, possible: bool, why_not: str) -> DropOffer:
        return DropOffer(name, icon, title, line if possible else why_not, possible)

    def _recipe_words(self) -> str:
        if self._recipe is None:
            return ""
        prompt = " ".join(str(self._recipe["inputs"].get("prompt", "")).split())
        short = prompt if len(prompt) <= 44 else prompt[:43] + "…"
        return tr("Made with “{prompt}”", prompt=short) if short else tr("Model, prompt, seed and all the rest")

    def take(self, name: str = "") -> None:
        """Do what ``name`` says with the picture; without one, the first thing that can be done."""
        offers = self.offers()
        chosen = next((offer for offer in offers if offer.name == name), None)
        chosen = chosen or next((offer for offer in offers if offer.possible), offers[0])
        if not chosen.possible:
            self.noticed.emit(chosen.line)
            return
        match chosen.name:
            case "input":
                self._work.take(self.path)
            case "reference":
                self.use_as_reference(self.path)
            case "mask":
                self._work.load_mask(self.path)
            case "settings":
                self._restore()

    def free_reference(self) -> str:
        return self._create.free_reference()

    def use_as_reference(self, path: str) -> None:
        free = self._create.free_reference()
        if free:
            self._create.set_values({free: path})
            self.noticed.emit(tr("{name} is a reference now.", name=Path(path).name))

    def _restore(self) -> None:
        if self._recipe is not None and (said := restoring.restore(self._create, self._recipe)):
            self.noticed.emit(said)
