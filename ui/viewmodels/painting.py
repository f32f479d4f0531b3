"""The mask of the picture that is worked on: what hands and menus do to it, and when it cannot be touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QPointF, QRect, QRectF, QTimer, Signal
from PySide6.QtGui import QImage

from models.errors import AtelierError, ErrorCode, ErrorInfo, disk_error
from ui.i18n import tr
from ui.viewmodels import opening
from ui.viewmodels.later import Later
from ui.viewmodels.mask import Brush, Mask, Patch
from ui.viewmodels.mask_files import write_mask
from ui.viewmodels.steps import Step, Steps
from ui.viewmodels.words import ErrorView, error_view

MASK_TOOLS = ("brush", "eraser", "lasso", "rectangle", "fill")
FIT_MASK = "fit_mask"
"""What the button under a refused mask means."""
PEN_LEAST = 0.2
"""Share of the brush's size that the lightest touch of a pen leaves."""
PEN_FAINTEST = 0.05
SLOW_MS = 200
"""After so long the tools say that the mask is being changed."""


@dataclass(frozen=True)
class Pen:
    """What the pressure of a pen changes."""

    size: bool = True
    opacity: bool = False

    def sized(self, pressure: float) -> float:
        return _share(PEN_LEAST, pressure) if self.size else 1.0

    def inked(self, pressure: float) -> float:
        return _share(PEN_FAINTEST, pressure) if self.opacity else 1.0


class Painting(QObject):
    """``changed``: what can be done has changed. ``mask_dirty`` carries what has to be painted anew."""

    changed = Signal()
    mask_dirty = Signal(QRect)
    mask_changed = Signal()
    steps_changed = Signal()
    noticed = Signal(str)
    refused = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._later = Later(self)
        self._steps = Steps()
        self.mask: Mask | None = None
        self.brush = Brush()
        self.pen = Pen()
        self.busy = False
        self.slow = False
        self._slow = QTimer(self, singleShot=True, interval=SLOW_MS)
        self._slow.timeout.connect(self._is_slow)
        self._misfit = ""
        self._empty = True

    def close(self) -> None:
        self._later.close()

    # what those who know the form and the picture say

    def can(self, name: str) -> bool:
        raise NotImplementedError

    @property
    def size(self) -> tuple[int, int]:
        raise NotImplementedError

    def _tell_values(self) -> None:
        raise NotImplementedError

    # the mask there is

    def _set_mask(self, mask: Mask | None) -> None:
        if self.mask is not None:
            self.mask.changed.disconnect(self.mask_dirty)
            self.mask.deleteLater()
        self.mask = mask
        if mask is not None:
            mask.changed.connect(self.mask_dirty)
            self.mask_dirty.emit(QRect(0, 0, *mask.size))

    @property
    def has_mask(self) -> bool:
        """Something is chosen, by a mask the model can use."""
        return not self._empty and self.can("mask")

    @property
    def has_mask_image(self) -> bool:
        """There is a picture that can be painted over."""
        return self.mask is not None

    def mask_image(self) -> QImage | None:
        """What was painted; None before the first touch."""
        return self.mask.touched_image if self.mask is not None else None

    # by hand

    def set_brush(self, **changes: Any) -> None:
        self.brush = replace(self.brush, **changes)
        self.changed.emit()

    def set_pen(self, what: str, on: bool) -> None:
        """Let the pen's pressure change the "size" or the "opacity" of the brush, or not."""
        self.pen = replace(self.pen, **{what: on})
        self.changed.emit()

    def stroke_begin(self, at: QPointF, pressure: float, erase: bool) -> None:
        if self.mask is not None and not self.busy:
            brush = replace(self.brush, erase=erase)
            self.mask.begin(brush, at, self.pen.sized(pressure), self.pen.inked(pressure))

    def stroke_move(self, at: QPointF, pressure: float) -> None:
        if self.mask is not None:
            self.mask.move(at, self.pen.sized(pressure), self.pen.inked(pressure))

    def stroke_end(self) -> None:
        if self.mask is not None and self.mask.stroking:
            self._keep(self.mask.end(), tr("Brush stroke"))

    def draw_shape(self, shape: str, points: list[QPointF], erase: bool) -> None:
        if self.mask is None or self.busy:
            return
        if shape == "fill":
            self._pour(points[0], erase)
        elif shape == "rectangle":
            self._keep(self.mask.rectangle(QRectF(points[0], points[-1]).normalized(), erase), tr("Rectangle"))
        else:
            self._keep(self.mask.polygon(points, erase), tr("Lasso"))

    def _pour(self, at: QPointF, erase: bool) -> None:
        from ui.viewmodels.mask_fill import filled

        x, y = int(at.x() // 1), int(at.y() // 1)
        self.change_mask(lambda image: filled(image, x, y, erase), tr("Fill"))

    # as a whole

    def fill(self) -> None:
        if self.mask is not None and not self.busy:
            self._keep(self.mask.fill(255), tr("Fill"))

    def clear_mask(self) -> None:
        if self.mask is not None and self.has_mask and not self.busy:
            self._keep(self.mask.fill(0), tr("Clear the mask"))

    def change_mask(self, work: Callable[[QImage], QImage | None], words: str) -> None:
        """Make another mask out of this one (None: it stays), off the GUI thread; nothing can be painted until it is
        there."""
        mask = self.mask
        if mask is None or self.busy:
            return
        image = QImage(mask.image)  # shares the pixels until somebody paints
        self._set_busy(True)

        def done(made: QImage | None) -> None:
            self._set_busy(False)
            if made is not None and mask is self.mask:
                self._keep(mask.replace(made), words)

        self._later.run(lambda: work(image), done, self._work_failed)

    def reshape(self, what: str, pixels: int) -> None:
        """Invert, grow, shrink or feather the mask."""
        from ui.viewmodels import mask_shapes

        works: dict[str, tuple[Callable[[QImage], QImage], str]] = {
            "invert": (mask_shapes.inverted, tr("Invert")),
            "grow": (lambda image: mask_shapes.grown(image, pixels), tr("Grow")),
            "shrink": (lambda image: mask_shapes.grown(image, -pixels), tr("Shrink")),
            "feather": (lambda image: mask_shapes.feathered(image, pixels), tr("Feather")),
        }
        if what == "invert" or self.has_mask:
            self.change_mask(*works[what])

    def load_mask(self, path: str, fit: bool = False) -> None:
        """Take a picture as the mask; one of another shape is refused, unless it is to be fitted in."""
        size = self.size
        if self.can("mask") and self.mask is not None:
            self._misfit = path
            self.change_mask(lambda _: opening.open_mask(path, size, fit), tr("Load a mask"))

    def fit_mask(self) -> None:
        """Take the mask that was refused for its shape all the same: whole, in the middle."""
        if self._misfit:
            self.load_mask(self._misfit, fit=True)

    def save_mask(self, path: str) -> None:
        """Write the mask where the user says, as PNG."""
        if self.mask is None:
            return
        image = QImage(self.mask.image)
        self._later.run(
            lambda: write_mask(image, Path(path)),
            lambda _: self.noticed.emit(tr("Saved as {name}.", name=Path(path).name)),
            self._work_failed,
        )

    def _work_failed(self, error: Exception) -> None:
        self._set_busy(False)
        self.refused.emit(refusal(error))

    def _set_busy(self, busy: bool) -> None:
        self.busy, self.slow = busy, False
        if busy:
            self._slow.start()
        else:
            self._slow.stop()
        self.changed.emit()

    def _is_slow(self) -> None:
        self.slow = self.busy
        self.changed.emit()

    def _keep(self, patch: Patch | None, words: str) -> None:
        if patch is not None:
            self._add_step(MaskStep(self, patch, words))
            self._mask_edited()
            self.steps_changed.emit()

    def _add_step(self, step: Step) -> None:
        self._steps.add(step)

    def _mask_edited(self) -> None:
        self._empty = self.mask is None or self.mask.is_empty()
        self._tell_values()
        self.mask_changed.emit()


class MaskStep:
    """Something was painted."""

    def __init__(self, work: Painting, patch: Patch, words: str) -> None:
        self._work, self._patch, self.words = work, patch, words

    def swap(self) -> None:
        if self._work.mask is not None:
            self._patch.swap(self._work.mask)

    def bytes(self) -> int:
        return self._patch.bytes()


def refusal(error: Exception) -> ErrorView:
    """What went wrong, with the file's name. Mostly there is nothing to press: another picture is only dropped."""
    if isinstance(error, OSError):
        error = disk_error(error)
    if isinstance(error, opening.MisfitError):
        view = error_view(error.info)
        return replace(view, advice="", action=FIT_MASK, action_words=tr("Fit it in"))
    info = error.info if isinstance(error, AtelierError) else ErrorInfo(ErrorCode.INTERNAL, {}, repr(error))
    if info.code is ErrorCode.PICTURE_UNREADABLE:
        name = Path(str(info.facts.get("path", ""))).name
        view = error_view(ErrorInfo(info.code, {**info.facts, "path": f"“{name}”"}, info.detail))
        return replace(view, action="", action_words="")
    return error_view(info)


def _share(least: float, pressure: float) -> float:
    return least + (1 - least) * max(0.0, min(1.0, pressure))
