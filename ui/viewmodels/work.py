"""The picture that is worked on: it lies on the canvas, the form's values follow it, and every step can be taken back.

The path of the picture is the form's value ``image``; this follows it. The mask and the frame are held here, and become
values when a job is sent: the mask as a file of its own, since queued jobs have to find it as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QImage

from app.paths import Paths
from models.errors import AtelierError
from ui.i18n import tr
from ui.viewmodels import opening, outpaint
from ui.viewmodels.create import CreateVM
from ui.viewmodels.levels import smaller
from ui.viewmodels.mask import Mask
from ui.viewmodels.mask_files import MASKS_KEPT, new_mask_file, new_pasted_file, write_mask, write_picture
from ui.viewmodels.opening import Opened
from ui.viewmodels.outpaint import Extents
from ui.viewmodels.painting import Painting, refusal
from ui.viewmodels.work_steps import State, StateStep


class WorkVM(Painting):
    """``changed``: another picture, or what can be done with it. The mask is the base class's."""

    frame_changed = Signal()
    arrived = Signal()
    thumb_made = Signal(str, QImage)

    def __init__(self, create: CreateVM, paths: Paths, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._create = create
        self._paths = paths
        self.path = ""
        self.thumb_of = ""
        self.opened: Opened | None = None
        self.extents: Extents = outpaint.NONE
        self.loading = False
        self._ticket = 0
        self._drawn: Extents | None = None
        self._written: tuple[int, str] | None = None
        self._sending: Callable[[], object] | None = None
        create.canvas_gate = self.before_sending
        create.picture_changed.connect(self._follow_form)
        create.restored.connect(self._restore)
        create.schema_changed.connect(self._model_changed)

    # what the model can take

    def can(self, name: str) -> bool:
        return self._create.has_input(name)

    def why_not(self, name: str) -> str:
        """Why the current model has no such input, in words."""
        return self._create.why_not(name)

    @property
    def shown(self) -> bool:
        """There is a picture, and the model can start from it."""
        return self.opened is not None and self.can("image")

    @property
    def size(self) -> tuple[int, int]:
        image = self.opened.image if self.opened is not None else None
        return (image.width(), image.height()) if image is not None else (0, 0)

    # the picture

    def take(self, path: str) -> bool:
        """Work on the picture in ``path``; False when the model cannot, and the user was told why."""
        if not self.can("image"):
            self.noticed.emit(self.why_not("image"))
            return False
        if path == self.path and self.opened is not None:
            self.arrived.emit()
        else:
            self._create.set_values({"image": path})
        return True

    def take_image(self, image: QImage) -> None:
        """Work on a picture from the clipboard; it is kept as a file first."""
        if not self.can("image"):
            self.noticed.emit(self.why_not("image"))
            return
        path = new_pasted_file(self._paths)
        self._later.run(lambda: write_picture(image, path), lambda _: self.take(str(path)), self._work_failed)

    def take_out(self) -> None:
        self._create.set_values({"image": None})

    def accept(self, path: str) -> None:
        """Go on from a result: it becomes the picture; undo brings back the one before, with its mask."""
        self.take(path)

    def _follow_form(self) -> None:
        """The form's picture is another one: by a field, a drop, or settings brought back."""
        if not self.can("image"):
            return
        values = self._create.values()
        wanted = str(values.get("image") or "")
        if wanted == self.path:
            return
        if self._create.restoring:
            self._load(wanted, str(values.get("mask") or ""), outpaint.from_values(values))
        else:
            self._load(wanted, "", outpaint.NONE)

    def _restore(self) -> None:
        """Settings came back that mean the picture already here: its mask and frame come back, too."""
        if self.loading or not self.shown:
            return
        values = self._create.values()
        self.extend(outpaint.from_values(values))
        if values.get("mask"):
            self.load_mask(str(values["mask"]))
        else:
            self.clear_mask()

    def _load(self, path: str, mask: str, extents: Extents) -> None:
        self._ticket += 1
        ticket = self._ticket
        before = self.state()
        self.path = path
        if not path:
            self._put(before, State("", None, None, outpaint.NONE), tr("Take the picture out"))
            return
        self.loading = True
        self.changed.emit()

        def read() -> State:
            opened = opening.open_for_canvas(path)
            size = (opened.image.width(), opened.image.height())
            try:
                return State(path, opened, opening.open_mask(mask, size) if mask else None, extents)
            except AtelierError:
                return State(path, opened, None, extents)

        self._later.run(
            read,
            lambda state: self._loaded(ticket, before, state),
            lambda error: self._not_loaded(ticket, before, error),
        )

    def _loaded(self, ticket: int, before: State, state: State) -> None:
        if ticket != self._ticket or state.opened is None:
            return
        self.loading = False
        self._put(before, state, tr("Another picture"))
        for note in state.opened.notes:
            self.noticed.emit(note)
        image = state.opened.image
        self._later.run(lambda: smaller(image), lambda made: self._levelled(ticket, *made))
        self.arrived.emit()
        self._send_waiting()

    def _levelled(self, ticket: int, levels: tuple[QImage, ...], thumb: QImage) -> None:
        if ticket != self._ticket or self.opened is None:
            return
        self.thumb_of = self.path
        self.thumb_made.emit(self.path, thumb)
        if levels:
            self.opened = replace(self.opened, levels=levels)
            self.changed.emit()

    def _not_loaded(self, ticket: int, before: State, error: Exception) -> None:
        if ticket != self._ticket:
            return
        self.loading = False
        self._sending = None
        self.path = before.path
        self._create.set_values({"image": before.path or None})
        self.changed.emit()
        self.refused.emit(refusal(error))

    def _put(self, before: State, state: State, words: str) -> None:
        if before.path or before.opened is not None:
            self._steps.add(StateStep(self, before, words))
        self.go_to(state, tell=False)

    def state(self) -> State:
        return State(self.path, self.opened, self.mask_image(), self.extents)

    def go_to(self, state: State, tell: bool = True) -> None:
        """Make the canvas what it was; ``tell`` the form, too."""
        another = state.path != self.path
        self.path, self.opened = state.path, state.opened
        if self.opened is None:
            self._set_mask(None)
        elif self.mask is None or self.mask.size != self.size:
            self._set_mask(Mask(*self.size, self))
        if self.mask is not None and state.mask is not self.mask.touched_image:
            image = state.mask
            if image is not None and (image.width(), image.height()) == self.size:
                self.mask.replace(image)
            else:
                self._set_mask(Mask(*self.size, self))
        self._set_extents(state.extents)
        if tell and another:
            self._ticket += 1
            self._create.set_values({"image": self.path or None})
        self._mask_edited()
        self.changed.emit()
        self.steps_changed.emit()

    def _model_changed(self) -> None:
        """The picture stays where it is; a model that can start from one finds it in its form."""
        if self.can("image"):
            self._create.set_values({"image": self.path or None})
        self._tell_values()
        self.changed.emit()

    def _set_mask(self, mask: Mask | None) -> None:
        super()._set_mask(mask)
        self._written = None

    # the frame

    def drag_frame(self, wanted: Extents) -> None:
        if self._drawn is None:
            self._drawn = self.extents
        self._set_extents(outpaint.snapped(wanted, self.limits()))

    def settle_frame(self) -> None:
        """The edges were let go: one step, however far they were dragged."""
        before, self._drawn = self._drawn, None
        if before is not None and before != self.extents:
            self._steps.add(StateStep(self, replace(self.state(), extents=before), tr("Extend the picture")))
            self.steps_changed.emit()
        self._tell_values()

    def extend(self, extents: Extents) -> None:
        """Set the frame at once, as shapes and numbers do."""
        self.drag_frame(extents)
        self.settle_frame()

    def extend_to(self, across: int, down: int) -> None:
        self.extend(outpaint.for_aspect(self.size, across, down, self.limits()))

    def limits(self) -> tuple[outpaint.Limit, ...]:
        return outpaint.limits(self._create.box())

    def _set_extents(self, extents: Extents) -> None:
        if extents != self.extents:
            self.extents = extents
            self.frame_changed.emit()

    # steps

    def undo(self) -> bool:
        return self._swap(self._steps.undo)

    def redo(self) -> bool:
        return self._swap(self._steps.redo)

    def _swap(self, swap: Callable[[], bool]) -> bool:
        if self.busy or (self.mask is not None and self.mask.stroking) or not swap():
            return False
        self._mask_edited()
        self.changed.emit()
        self.steps_changed.emit()
        return True

    def next_steps(self) -> tuple[str, str]:
        return self._steps.next_words()

    # for the job

    def _tell_values(self) -> None:
        """What the form shows depends on whether there is a mask; its file is written when a job is sent."""
        left, top, right, bottom = self.extents if self.can("image") else outpaint.NONE
        sides = dict(zip(outpaint.NAMES, (left, top, right, bottom), strict=True))
        self._create.set_canvas(sides, self.shown and self.has_mask)

    def _send_waiting(self) -> None:
        """What was asked for while the picture or the mask was not ready."""
        then, self._sending = self._sending, None
        if then is not None and self.before_sending(then):
            then()

    def _set_busy(self, busy: bool) -> None:
        super()._set_busy(busy)
        if not busy:
            QTimer.singleShot(0, self, self._send_waiting)  # after the new mask is in its place

    def _work_failed(self, error: Exception) -> None:
        self._sending = None
        super()._work_failed(error)

    def before_sending(self, then: Callable[[], object]) -> bool:
        """True when the form's values are complete. Else ``then`` is called once they are: the picture is opened, the
        mask is changed and written."""
        if self.loading or self.busy:
            words = tr("Starts as soon as the picture is open.") if self.loading else tr("Starts after the mask.")
            self.noticed.emit(words)
            self._sending = then
            return False
        mask = self.mask
        if mask is None or not self.shown or not self.has_mask or not self.can("mask"):
            self._create.set_mask(None)
            return True
        if self._written is not None and self._written[0] == mask.revision and Path(self._written[1]).is_file():
            self._create.set_mask(self._written[1])
            return True
        image, revision = QImage(mask.image), mask.revision
        path = new_mask_file(self._paths)

        def written(_: object) -> None:
            if mask is self.mask:
                self._written = (revision, str(path))
            self._create.set_mask(str(path))
            then()

        self._later.run(lambda: write_mask(image, path, MASKS_KEPT), written, self._work_failed)
        return False
