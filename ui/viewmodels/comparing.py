"""Two pictures beside each other, or one over the other: what they are, and in which inputs they differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QRectF, Signal
from PySide6.QtGui import QImage

from app.jobs import Result
from models.box import BoxSchema
from ui.i18n import number, tr
from ui.viewmodels import reworking
from ui.viewmodels.pictures import PictureLoader
from ui.viewmodels.ports import CorePort
from ui.viewmodels.words import named

Parts = tuple[tuple[str, bool], ...]
"""Pieces of a text, each with whether it is only on this side."""


@dataclass(frozen=True)
class Difference:
    """One input that differs, with what it is on either side."""

    title: str
    left: Parts
    right: Parts


@dataclass(frozen=True)
class Side:
    """One of the two. ``inputs`` is empty for a picture that was not made here."""

    path: str
    title: str
    result: str = ""
    model: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Image:
    image: QImage | None = None
    levels: tuple[QImage, ...] = ()


class CompareVM(QObject):
    """``left`` is the picture before, ``right`` the one after."""

    changed = Signal()
    pictures_changed = Signal()

    def __init__(self, core: CorePort, loader: PictureLoader, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core = core
        self._loader = loader
        self.left: Side | None = None
        self.right: Side | None = None
        self.beside = False
        self._images: dict[str, _Image] = {}
        self._tickets: dict[int, str] = {}
        loader.loaded.connect(self._loaded)
        loader.levelled.connect(self._levelled)

    @property
    def active(self) -> bool:
        return self.left is not None and self.right is not None

    def start(self, result: str) -> bool:
        """Compare ``result`` with the picture it was made from, else with the one made before it."""
        found = self._core.library.get(result)
        if found is None:
            return False
        source = reworking.source_of(found)
        if source and Path(source).is_file():
            return self._show(self._side_of_file(source), self._side(found), beside=False)
        others = [one for one in self._core.library.recent(60) if one.id != result and Path(one.path).is_file()]
        older = [one for one in others if one.created <= found.created]
        if not others:
            return False
        return self._show(self._side((older or others)[0]), self._side(found), beside=True)

    def with_other(self, result: str, other: str) -> bool:
        """Two results side by side."""
        left, right = self._core.library.get(other), self._core.library.get(result)
        if left is None or right is None or left.id == right.id:
            return False
        return self._show(self._side(left), self._side(right), beside=True)

    def choose(self, result: str) -> bool:
        """Another picture for the right side."""
        found = self._core.library.get(result)
        if found is None or self.left is None or self.left.result == result:
            return False
        return self._show(self.left, self._side(found), self.beside)

    def exchange(self) -> None:
        if self.left is not None and self.right is not None:
            self._show(self.right, self.left, self.beside)

    def set_beside(self, beside: bool) -> None:
        if beside != self.beside:
            self.beside = beside
            self.changed.emit()

    def end(self) -> bool:
        """False when nothing was compared."""
        if not self.active:
            return False
        self.left = self.right = None
        self._images.clear()
        self._tickets.clear()
        self.changed.emit()
        return True

    def _show(self, left: Side, right: Side, beside: bool) -> bool:
        self.left, self.right, self.beside = left, right, beside
        paths = {left.path, right.path}
        self._images = {path: image for path, image in self._images.items() if path in paths}
        for path in paths - self._images.keys():
            self._images[path] = _Image()
            self._tickets[self._loader.request(path)] = path
        self.changed.emit()
        return True

    def _side(self, result: Result) -> Side:
        title = named(result) or Path(result.path).name
        return Side(result.path, title, result.id, result.model_name, reworking.inputs_of(result))

    def _side_of_file(self, path: str) -> Side:
        known = next((one for one in self._core.library.recent(60) if one.path == path), None)
        return self._side(known) if known is not None else Side(path, Path(path).name)

    def _loaded(self, ticket: int, image: QImage) -> None:
        kept = self._images.get(self._tickets.get(ticket, ""))
        if kept is not None:
            kept.image = image
            self.pictures_changed.emit()

    def _levelled(self, ticket: int, levels: tuple[QImage, ...]) -> None:
        kept = self._images.get(self._tickets.pop(ticket, ""))
        if kept is not None:
            kept.levels = levels
            self.pictures_changed.emit()

    def picture(self, side: Side) -> tuple[QImage | None, tuple[QImage, ...]]:
        """Its image, None until it is read; null when it cannot be."""
        kept = self._images.get(side.path, _Image())
        return kept.image, kept.levels

    def place(self) -> QRectF | None:
        """Where the left picture lies in the right one, in its pixels: an extended picture holds it inside."""
        if self.left is None or self.right is None:
            return None
        before, after = self.picture(self.left)[0], self.picture(self.right)[0]
        if before is None or after is None or before.isNull() or after.isNull():
            return None
        found = self._core.library.get(self.right.result)
        made_from_left = found is not None and reworking.source_of(found) == self.left.path
        extents = reworking.extents_of(found) if found is not None and made_from_left else (0, 0, 0, 0)
        wide, high = before.width() + extents[0] + extents[2], before.height() + extents[1] + extents[3]
        across, down = after.width() / max(1, wide), after.height() / max(1, high)
        return QRectF(extents[0] * across, extents[1] * down, before.width() * across, before.height() * down)

    def differences(self) -> list[Difference]:
        if self.left is None or self.right is None or not self.left.inputs or not self.right.inputs:
            return []
        schema = next((e.schema for e in self._core.models.entries() if e.card.name == self.right.model), None)
        left = {"model": self.left.model, **self.left.inputs}
        right = {"model": self.right.model, **self.right.inputs}
        return differing(left, right, schema)


def differing(left: Mapping[str, Any], right: Mapping[str, Any], schema: BoxSchema | None) -> list[Difference]:
    """The inputs that are not the same, in the form's order; texts with the words that changed."""
    order = ["model", *(schema.names if schema is not None else ())]
    names = [*order, *(name for name in {**left, **right} if name not in order)]
    found = []
    for name in names:
        idle = name == "variation_seed" and not (left.get("variation_strength") or right.get("variation_strength"))
        if idle or left.get(name) == right.get(name):
            continue
        title = tr("Model") if name == "model" else _title(schema, name)
        one, other = _words(left.get(name)), _words(right.get(name))
        found.append(Difference(title, *text_parts(one, other)))
    return found


def _title(schema: BoxSchema | None, name: str) -> str:
    if schema is not None and name in schema:
        return tr(schema[name].title)
    return name.replace("_", " ").capitalize()


def _words(value: Any) -> str:
    if value is None or value == "":
        return tr("none")
    if isinstance(value, bool):
        return tr("on") if value else tr("off")
    if isinstance(value, float):
        return number(value)
    text = str(value)
    return Path(text).name if "/" in text or "\\" in text else text


def text_parts(one: str, other: str) -> tuple[Parts, Parts]:
    """Both texts in pieces, those only on one side marked; numbers and short texts are marked whole."""
    left, right = re.findall(r"\s+|[^\s,.;:]+|[,.;:]", one), re.findall(r"\s+|[^\s,.;:]+|[,.;:]", other)
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    if min(len(left), len(right)) < 4 or matcher.ratio() < 0.3:
        return ((one, True),), ((other, True),)
    sides: tuple[list[tuple[str, bool]], list[tuple[str, bool]]] = ([], [])
    for tag, a, b, c, d in matcher.get_opcodes():
        for side, words in ((sides[0], left[a:b]), (sides[1], right[c:d])):
            if words:
                side.append(("".join(words), tag != "equal"))
    return tuple(sides[0]), tuple(sides[1])
