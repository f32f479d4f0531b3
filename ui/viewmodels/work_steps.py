"""All there was on the canvas at another moment, to go back to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

from ui.viewmodels.opening import Opened
from ui.viewmodels.outpaint import Extents

if TYPE_CHECKING:
    from ui.viewmodels.work import WorkVM


@dataclass(frozen=True)
class State:
    """All there is on the canvas at one moment."""

    path: str
    opened: Opened | None
    mask: QImage | None
    extents: Extents

    def bytes(self) -> int:
        images = [self.mask] if self.mask is not None else []
        if self.opened is not None:
            images += [self.opened.image, *self.opened.levels]
        return sum(image.sizeInBytes() for image in images)


class StateStep:
    """The frame was dragged, or another picture came: the canvas as it was on either side."""

    def __init__(self, work: WorkVM, other: State, words: str) -> None:
        self._work, self._other, self.words = work, other, words

    def swap(self) -> None:
        other, self._other = self._other, self._work.state()
        self._work.go_to(other)

    def bytes(self) -> int:
        now = self._work.state()
        shared = self._other.opened is now.opened
        return replace(self._other, opened=None).bytes() if shared else self._other.bytes()
