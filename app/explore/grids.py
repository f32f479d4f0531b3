"""Grids as jobs: begun, gone on with, looked at. What a grid is stands in a file of its own, so that it outlives any
program; which of its pictures are done is asked of the library, so that nothing has to be kept in step.

Each model is one job with a variant for each missing cell. A picture's place is told by its job and number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from app.explore import plan
from app.explore.axes import MODEL, Axis
from app.explore.sheet import sheet
from app.files import write_atomically
from app.jobs import Job, Result, new_id
from models import recipe as recipes
from models.box import BoxSchema
from models.errors import InvalidInputError, Problem

SHEET = "sheet"


class Part(msgspec.Struct, frozen=True):
    """One job of a grid: picture n of it is the cell ``cells[n - 1]``."""

    job: str
    cells: tuple[int, ...]


class Grid(msgspec.Struct, frozen=True):
    """A grid as it is kept: ``inputs`` are those all cells share, validated, with one seed."""

    id: str
    model: str
    inputs: dict[str, Any]
    axes: tuple[Axis, ...]
    parts: tuple[Part, ...] = ()
    sheet: str = ""
    styles: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        count = 1
        for axis in self.axes:
            count *= len(axis)
        return count


class Queue(Protocol):
    def submit(
        self,
        model_id: str,
        inputs: dict[str, Any],
        /,
        count: int = 1,
        variants: Sequence[Mapping[str, Any]] = (),
        about: Mapping[str, Any] | None = None,
        styles: Sequence[str] = (),
    ) -> Job: ...
    def jobs(self) -> list[Job]: ...
    def cancel(self, key: str, /) -> None: ...
    def remove(self, key: str, /) -> None: ...


class Grids:
    """On the owner thread; ``schema_of`` gives a model's inputs and raises AtelierError when it cannot be run,
    ``get`` a result of the library by its id."""

    def __init__(
        self, folder: Path, queue: Queue, schema_of: Callable[[str], BoxSchema], get: Callable[[str], Result | None]
    ) -> None:
        self._folder, self._queue, self._schema_of, self._get = folder, queue, schema_of, get

    def begin(self, model: str, inputs: Mapping[str, Any], axes: Sequence[Axis], styles: Sequence[str] = ()) -> Grid:
        """Check everything, note the grid, queue its jobs; the words of ``styles`` stand around every prompt.

        Raises:
            InvalidInputError: naming the axis and the value that a model does not take; nothing was queued.
            AtelierError: a model cannot be run. OSError: the grid cannot be noted.
        """
        model = next((str(axis.values[0]) for axis in axes if axis.name == MODEL), model)
        plan.cells(axes, model, inputs)  # what is wrong with the axes themselves is said first
        # Cells share what is drawn at random: one seed for all, unless seeds are an axis.
        whole = self._schema_of(model).validate(inputs)
        grid = Grid(new_id(), model, whole, tuple(axes), styles=tuple(styles))
        self._validate(grid)
        self._save(grid)
        return self.go_on(grid)

    def _validate(self, grid: Grid) -> None:
        for cell in plan.cells(grid.axes, grid.model, grid.inputs):
            schema = self._schema_of(cell.model)
            try:
                schema.validate({**_taken(schema, grid.inputs), **cell.variant})
            except InvalidInputError as error:
                where = ", ".join(f"{a.title} {a.labels[n]}" for a, n in zip(grid.axes, cell.place, strict=True))
                told = [Problem(p.name, p.value, f"{where}: {p.sentence}") for p in error.info.problems]
                raise InvalidInputError(*told) from error

    def go_on(self, grid: Grid) -> Grid:
        """Queue what is missing and does not wait already; returns the grid as it is kept now."""
        done, waiting = self.done(grid), self.running(grid)
        if waiting:
            return grid
        for job in [job for job in self._queue.jobs() if job.id in {part.job for part in grid.parts} and job.held]:
            self._queue.remove(job.id)  # left by a program that is gone; queued anew below
        found = [cell for cell in plan.cells(grid.axes, grid.model, grid.inputs) if cell.index not in done]
        for model in dict.fromkeys(cell.model for cell in found):
            schema = self._schema_of(model)
            mine = plan.in_order([cell for cell in found if cell.model == model], grid.axes, schema)
            numbers = tuple(cell.index for cell in mine)
            about = {"grid": {"id": grid.id, "axes": msgspec.to_builtins(grid.axes), "cells": numbers}}
            inputs = _taken(schema, grid.inputs)
            job = self._queue.submit(model, inputs, 1, [cell.variant for cell in mine], about, grid.styles)
            grid = msgspec.structs.replace(grid, parts=(*grid.parts, Part(job.id, numbers)))
            self._save(grid)
        return grid

    def stop(self, grid: Grid) -> None:
        """Cancel what waits and runs; finished pictures stay."""
        for job in self.running(grid):
            self._queue.cancel(job.id)

    def running(self, grid: Grid) -> list[Job]:
        """Jobs of the grid that have not ended."""
        mine = {part.job for part in grid.parts}
        return [job for job in self._queue.jobs() if job.id in mine and not job.ended and not job.held]

    def done(self, grid: Grid) -> dict[int, Result]:
        """Finished pictures by their cell."""
        found = {}
        for part in grid.parts:
            for number, cell in enumerate(part.cells, 1):
                if cell not in found and (result := self._get(f"{part.job}-{number}")) is not None:
                    found[cell] = result
        return found

    def load(self, grid_id: str) -> Grid:
        """The grid that was noted as ``grid_id``. Raises InvalidInputError when there is none."""
        try:
            return msgspec.json.decode((self._folder / f"{Path(grid_id).name}.json").read_bytes(), type=Grid)
        except (OSError, msgspec.MsgspecError) as error:
            raise InvalidInputError(Problem("--resume", grid_id, f"There is no grid “{grid_id}”.")) from error

    def _save(self, grid: Grid) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._folder / f"{grid.id}.json", msgspec.json.encode(grid))

    def draw(self, grid: Grid, target: Path, dark: bool = True, done: Mapping[int, Result] | None = None) -> Path:
        """Write the sheet of what is ``done`` by now, with a recipe of its own. Disk work; raises OSError."""
        done = self.done(grid) if done is None else done
        paths = {cell: Path(result.path) for cell, result in done.items()}
        caption = str(grid.inputs.get("prompt") or "")
        image = sheet(grid.axes, paths, caption, dark)
        facts = {
            "job": grid.id, "picture": 1, "width": image.width, "height": image.height, "kind": SHEET,
            "grid": {"id": grid.id, "axes": msgspec.to_builtins(grid.axes)},
        }  # fmt: skip
        first = next(iter(done.values()), None)
        model = dict(first.recipe.get("model", {})) if first else {"id": grid.model, "name": grid.model}
        seed = int(grid.inputs.get("seed") or 0)
        made = {"format": recipes.FORMAT, "model": model, "inputs": grid.inputs, "seed": seed, **facts}
        target.parent.mkdir(parents=True, exist_ok=True)
        recipes.save_png(image, target, made)
        return target


def _taken(schema: BoxSchema, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``inputs`` that this model has: others of a grid over models may have others."""
    return {name: value for name, value in inputs.items() if name in schema and value is not None}
