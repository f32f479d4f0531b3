"""Trying many values: the axes that are written, what they would cost, and the grid that comes of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.events import JobChanged, JobRemoved, ResultAdded, ResultRemoved
from app.explore import plan
from app.explore.axes import LORA, MODEL, WORDS, Axis, axis_of
from app.explore.grids import Grid, Grids
from models.box import BoxSchema
from models.errors import AtelierError, ErrorCode, InvalidInputError, disk_error
from models.inputs import Kind
from models.items import ITEMS
from ui.i18n import duration, plural, tr
from ui.viewmodels import reworking
from ui.viewmodels.create import CreateVM
from ui.viewmodels.later import Later
from ui.viewmodels.ports import CorePort
from ui.viewmodels.words import ErrorView, error_view

log = logging.getLogger(__name__)

_HINTS = {
    WORDS: "cat, dog, fox",
    MODEL: "one, two",
    Kind.INTEGER: "10, 20, 30   1-10 (+3)",
    Kind.SEED: "1-4   7, 8, 9",
    Kind.NUMBER: "3, 5, 7   0.2..0.8 [4]",
    Kind.BOOLEAN: "on, off",
}


@dataclass(frozen=True)
class Choice:
    """What can be varied: ``hint`` shows how values are written."""

    name: str
    title: str
    hint: str


@dataclass(frozen=True)
class Place:
    """One cell of the sheet: the picture's id and file, both empty while it is not made."""

    index: int
    result: str
    path: str
    words: str


class ExploreVM(QObject):
    """``changed`` says that the axes or what is wrong with them did, ``sheet_changed`` that a picture came."""

    changed = Signal()
    sheet_changed = Signal()
    submitted = Signal(str)
    refused = Signal(object)
    noticed = Signal(str)

    def __init__(self, core: CorePort, create: CreateVM, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._create = core, create
        self.grids = Grids(core.paths.data / "grids", core.queue, self._schema_of, core.library.get)
        self.rows: list[tuple[str, str]] = [("steps", ""), ("", ""), ("", "")]
        self.grid: Grid | None = None
        self._later = Later(self)
        self._drawn = -1
        bus = core.events
        self._ends = [
            bus.subscribe(ResultAdded, lambda _: self._moved()),
            bus.subscribe(ResultRemoved, lambda _: self._moved()),
            bus.subscribe(JobChanged, lambda event: self._job_changed(event.job.id)),
            bus.subscribe(JobRemoved, lambda _: self._moved()),
        ]

    def close(self) -> None:
        for end in self._ends:
            end()
        self._later.close()

    # -- what is written

    def choices(self) -> list[Choice]:
        """Everything that can be an axis for the chosen model."""
        box = self._create.box()
        found = [Choice("", tr("Nothing"), "")]
        if box is None:
            return found
        if "prompt" in box:
            found.append(Choice(WORDS, tr("Words in the prompt"), _HINTS[WORDS]))
        for spec in box.inputs:
            listed = spec.kind in ITEMS or spec.kind in (Kind.IMAGE, Kind.MASK)
            if not listed and spec.name != "prompt" and spec.name not in box.hidden:
                hint = ", ".join(spec.about.choices[:3]) or _HINTS.get(spec.kind, tr("values between commas"))
                found.append(Choice(spec.name, tr(spec.title), hint))
        loras = [str(item.get("name")) for item in self._create.values().get("loras") or () if isinstance(item, dict)]
        found += [Choice(f"{LORA}{name}", tr("LoRA {name}", name=name), "0, 0.5, 1") for name in loras]
        return [*found, Choice(MODEL, tr("Model"), ", ".join(self._models()[:2]))]

    def _models(self) -> tuple[str, ...]:
        return tuple(entry.card.id for entry in self._core.models.entries() if entry.problem is None)

    def set_row(self, number: int, name: str, text: str) -> None:
        self.rows[number] = (name, text)
        self.changed.emit()

    def problems(self) -> dict[int, str]:
        """What is wrong with each axis; an empty one is only missing."""
        found = {}
        for number, (name, text) in enumerate(self.rows):
            if name and text.strip():
                try:
                    self._axis(name, text)
                except InvalidInputError as error:
                    found[number] = error.info.problems[0].sentence.partition(": ")[2] or str(error)
        return found

    def _axis(self, name: str, text: str) -> Axis:
        box = self._create.box()
        assert box is not None
        return axis_of(name, text, box, self._create.values(), self._models())

    def axes(self) -> list[Axis]:
        """Those that are written. Raises InvalidInputError."""
        return [self._axis(name, text) for name, text in self.rows if name and text.strip()]

    def estimate(self) -> tuple[str, bool]:
        """ "24 pictures, about 3 min", or what is wrong; and whether it can begin."""
        if self._create.problem() is not None or self.problems():
            return "", False
        try:
            axes = self.axes()
            if not axes:
                return tr("Choose what to vary and write its values."), False
            count = len(plan.cells(axes, self._create.current, self._create.values()))
        except InvalidInputError as error:
            return error.info.problems[0].sentence, False
        words = plural("{n} picture", "{n} pictures", count)
        seconds = self._core.estimate(self._create.current)
        return (tr("{n}, about {time}", n=words, time=duration(seconds * count)) if seconds else words), True

    def take_differences(self, left: str, right: str) -> bool:
        """ "Vary what differs": the inputs in which two results differ become the axes; False when none can."""
        one, other = self._core.library.get(left), self._core.library.get(right)
        entry = reworking.entry_of(self._core, other) if other is not None else None
        if one is None or other is None or entry is None or entry.schema is None:
            return False
        axes = plan.differing(reworking.inputs_of(one), reworking.inputs_of(other), entry.schema)
        if not axes:
            return False
        self._create.use(other.model, reworking.inputs_of(other))
        rows = [(axis.name, ", ".join(_quoted(label) for label in axis.labels)) for axis in axes]
        self.rows = [*rows, *[("", "")] * (plan.MAX_AXES - len(rows))]
        self.grid = None
        self.changed.emit()
        self.sheet_changed.emit()
        return True

    # -- the grid

    def begin(self) -> bool:
        """Queue the pictures; False when something is wrong (``refused`` says what)."""
        inputs = {name: value for name, value in self._create.values().items() if value is not None}
        try:
            self.grid = self.grids.begin(self._create.current, inputs, self.axes(), self._create.styles)
        except OSError as error:
            self.refused.emit(error_view(disk_error(error).info))
            return False
        except AtelierError as error:
            self.refused.emit(_view(error))
            return False
        self._drawn = -1
        self._begun()
        return True

    def go_on(self) -> None:
        """Make what is missing."""
        if self.grid is None:
            return
        try:
            self.grid = self.grids.go_on(self.grid)
        except AtelierError as error:
            self.refused.emit(_view(error))
            return
        self._begun()

    def _begun(self) -> None:
        if self.grid is not None and self.grid.parts:
            self.submitted.emit(self.grid.parts[-1].job)
        self.sheet_changed.emit()

    def stop(self) -> None:
        if self.grid is not None:
            self.grids.stop(self.grid)

    def forget(self) -> None:
        """Back to the axes; the pictures stay."""
        self.grid = None
        self.sheet_changed.emit()

    def places(self, block: int = 0) -> list[Place]:
        """The cells of one sheet, row by row."""
        if self.grid is None:
            return []
        done = self.grids.done(self.grid)
        size = self.columns * self.rows_count
        found = []
        for index in range(block * size, (block + 1) * size):
            result = done.get(index)
            words = ", ".join(self._words(index))
            found.append(Place(index, result.id if result else "", result.path if result else "", words))
        return found

    def _words(self, index: int) -> list[str]:
        words = []
        for axis in self.grid.axes if self.grid is not None else ():
            index, number = divmod(index, len(axis))
            words.append(f"{axis.title} {axis.labels[number]}")
        return words

    @property
    def columns(self) -> int:
        return len(self.grid.axes[0]) if self.grid is not None else 0

    @property
    def rows_count(self) -> int:
        return len(self.grid.axes[1]) if self.grid is not None and len(self.grid.axes) > 1 else 1

    def headings(self, number: int) -> list[str]:
        """The labels of an axis (0: columns, 1: rows, 2: sheets); one empty one where there is none."""
        axes = self.grid.axes if self.grid is not None else ()
        return [f"{axes[number].title}: {text}" for text in axes[number].labels] if number < len(axes) else [""]

    @property
    def running(self) -> bool:
        return self.grid is not None and bool(self.grids.running(self.grid))

    def state(self) -> str:
        """How far it is, in words."""
        if self.grid is None:
            return ""
        made, count = len(self.grids.done(self.grid)), self.grid.count
        if made == count:
            return plural("{n} picture, all made", "{n} pictures, all made", count)
        words = tr("{made} of {n} pictures made", made=made, n=count)
        return words if self.running else tr("{words}; stopped", words=words)

    @property
    def whole(self) -> bool:
        return self.grid is not None and len(self.grids.done(self.grid)) == self.grid.count

    def save_sheet(self, target: str, dark: bool = True) -> None:
        """Draw the sheet into a file, off this thread."""
        grid = self.grid
        if grid is not None:
            done = self.grids.done(grid)
            said = tr("Sheet saved as {name}.", name=Path(target).name)
            self._later.run(
                lambda: self.grids.draw(grid, Path(target), dark, done), lambda _: self.noticed.emit(said), self._failed
            )

    def _keep_sheet(self) -> None:
        """A whole grid's sheet becomes a picture of the library."""
        grid = self.grid
        if grid is None or not self.whole or self._drawn == len(grid.parts):
            return
        self._drawn = len(grid.parts)
        name, done = f"{grid.id}-{len(grid.parts)}", self.grids.done(grid)
        target = self._core.paths.outbox / name / "1.png"
        self._later.run(
            lambda: self.grids.draw(grid, target, True, done), lambda _: self._core.take_in(name), self._failed
        )

    def _failed(self, error: Exception) -> None:
        if isinstance(error, OSError):
            self.refused.emit(error_view(disk_error(error).info))
        else:
            log.error("the sheet could not be drawn", exc_info=error)

    # -- from the core

    def _schema_of(self, model: str) -> BoxSchema:
        entry = self._core.models.get(model)
        if entry.problem is not None:
            raise AtelierError.from_info(entry.problem)
        if entry.schema is None:
            raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=model, pipeline="")
        return entry.schema

    def _job_changed(self, job: str) -> None:
        if self.grid is not None and any(part.job == job for part in self.grid.parts):
            self._moved()

    def _moved(self) -> None:
        if self.grid is not None:
            self.sheet_changed.emit()
            if not self.running:
                self._keep_sheet()


def _view(error: AtelierError) -> ErrorView:
    return error_view(error.info)


def _quoted(text: str) -> str:
    return f'"{text}"' if "," in text or '"' in text else text
