"""``atelier grid``: one picture for each value of up to three inputs, and a sheet of them all; ``atelier tile``: how
well a texture's edges meet, and what is made of it."""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path
from typing import Any

from PIL import Image

from app import events as announced
from app.core import Core
from app.dispatch import LoopDispatcher
from app.explore import plan
from app.explore.axes import MODEL, Axis, parse
from app.explore.grids import Grid, Grids
from app.files import copy_atomically, write_atomically
from app.generate import BarView, JsonView, View, check_out, collect_inputs
from app.messages import as_text, notice_words
from app.paths import default_paths
from app.states import JobState
from app.terminal import (
    DONE,
    FAILED,
    INTERRUPTED,
    Interrupts,
    complain,
    error_json,
    exit_code,
    print_json,
    print_line,
    warn,
)
from models import pictures, seamless
from models.errors import AtelierError, InvalidInputError, Problem, disk_error

_CANCEL_WAIT = 10.0
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


def add_parser(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("prompt", metavar="PROMPT", nargs="?", help="what the pictures should show")
    ways = "10,20,30 or 1-10, 1-10 (+3), 0.2..0.8[4]; words of the prompt: prompt=cat,dog,fox"
    add("--x", metavar="NAME=VALUES", help=f"across: {ways}")
    add("--y", metavar="NAME=VALUES", help="down")
    add("--z", metavar="NAME=VALUES", help="sheet by sheet")
    add("--images", metavar="DIR", help="for each picture in this folder; takes the first free axis")
    add("--model", metavar="ID", help="model id or folder (default: the last used); “model” can be an axis too")
    for name in ("seed", "steps"):
        add(f"--{name}", metavar="N", help="as for generate")
    for name in ("image", "mask"):
        add(f"--{name}", metavar="FILE", help="as for generate")
    add("-i", "--input", metavar="KEY=VALUE", action="append", default=[], help="any input of the model")
    add("--style", metavar="NAME", action="append", default=[], help="words around the prompt; may be repeated")
    add("--sheet", metavar="FILE", help="also put the sheet there (it is kept in the library anyway)")
    add("--light", action="store_true", help="a light sheet instead of a dark one")
    add("--resume", metavar="ID", help="go on with a grid: only what is missing is made")
    add("--json", action="store_true", help="one JSON object a line: events, and last the result")


def grid(options: argparse.Namespace) -> int:
    """Make the grid, or what is missing of it. Returns the exit code."""
    core = None
    try:
        check_out(options.sheet)
        dispatcher = LoopDispatcher()
        core = Core(default_paths(), dispatcher, origin="cli")
        return _Run(core, dispatcher, options).go()
    except OSError as error:
        return _refuse(options, disk_error(error))
    except AtelierError as error:
        return _refuse(options, error)
    finally:
        if core is not None:
            core.close()


def _refuse(options: argparse.Namespace, error: AtelierError) -> int:
    if options.json:
        print_json({"status": "failed", "outputs": [], "error": error_json(error.info)})
    return complain(error)


class _Run:
    """One run of the command."""

    def __init__(self, core: Core, dispatcher: LoopDispatcher, options: argparse.Namespace) -> None:
        self._core, self._dispatcher, self._options = core, dispatcher, options
        self._grids = Grids(
            core.paths.data / "grids", core.queue, lambda model: core.models.runnable(model)[1], core.library.get
        )
        self._view: View = JsonView() if options.json else BarView()

    def go(self) -> int:
        began = time.monotonic()
        stop = Interrupts()
        self._listen()
        grid = self._resumed() if self._options.resume else self._new()
        self._say(event="grid", id=grid.id, cells=grid.count, done=len(self._grids.done(grid)))
        self._core.start()
        self._dispatcher.run_until(lambda: stop.asked or not self._grids.running(grid))
        if stop.asked:
            self._grids.stop(grid)
            self._dispatcher.run_until(lambda: not self._grids.running(grid), _CANCEL_WAIT)
        self._view.close()
        return self._conclude(grid, time.monotonic() - began)

    def _listen(self) -> None:
        events, view = self._core.events, self._view
        events.subscribe(announced.JobChanged, lambda event: view.changed(event.job))
        events.subscribe(announced.EngineChanged, lambda event: view.engine(event.state))
        events.subscribe(announced.JobNoticed, lambda e: view.notice(notice_words(e.notice.code, e.notice.facts)))
        events.subscribe(announced.TroubleArose, lambda event: warn(as_text(event.error)))
        events.subscribe(announced.ResultAdded, lambda event: view.picture(event.result.path, event.result.seed))

    def _new(self) -> Grid:
        options = self._options
        if options.prompt is None and options.images is not None:
            options.image = options.images  # stands for a picture until the axis names each
        inputs = collect_inputs(options)
        if options.images is not None:
            inputs.pop("image", None)
        model = options.model or self._core.settings.value.model
        given = [text for text in (options.x, options.y, options.z) if text]
        models = [text.partition("=")[2].split(",")[0].strip() for text in given if text.split("=")[0].strip() == MODEL]
        schema = self._core.models.runnable(models[0] if models else model)[1]
        axes = [parse(text, schema, inputs) for text in given]
        if options.images is not None:
            axes.append(_folder_axis(options.images))
        if not axes:
            raise InvalidInputError(Problem("--x", "", "Say what to vary, for example --x steps=8,16."))
        return self._grids.begin(model, inputs, axes, list(dict.fromkeys(options.style)))

    def _resumed(self) -> Grid:
        grid = self._grids.load(self._options.resume)
        for part in grid.parts:  # what an ended program finished and could not list any more
            self._core.library.take_in(part.job)
        return self._grids.go_on(grid)

    def _conclude(self, grid: Grid, seconds: float) -> int:
        done = self._grids.done(grid)
        jobs = [job for job in self._core.queue.jobs() if job.id in {part.job for part in grid.parts}]
        error = next((job.error for job in jobs if job.error is not None), None)
        whole = len(done) == grid.count
        cancelled = not whole and any(job.state is JobState.CANCELLED for job in jobs)
        status = "succeeded" if whole else "cancelled" if cancelled else "failed"
        sheet = self._sheet(grid) if done else None
        outputs = [done[cell].path for cell in sorted(done)]
        if self._options.json:
            summary: dict[str, Any] = {
                "status": status, "grid": grid.id, "outputs": outputs, "sheet": sheet, "cells": grid.count,
                "missing": grid.count - len(done), "seed": grid.inputs.get("seed"), "seconds": round(seconds, 3),
                "axes": [{"name": a.name, "values": list(a.labels)} for a in grid.axes],
            }  # fmt: skip
            print_json(summary if error is None else {**summary, "error": error_json(error)})
        else:
            for line in [*outputs, *([sheet] if sheet else [])]:
                print_line(line)
        if not whole:
            warn(f"{len(done)} of {grid.count} pictures are made. Go on with: atelier grid --resume {grid.id}")
        if error is not None:
            complain(AtelierError.from_info(error))
            return exit_code(error.code)
        return DONE if whole else INTERRUPTED if cancelled else FAILED

    def _sheet(self, grid: Grid) -> str:
        """Draw the sheet into the library, and where it was asked for."""
        sheet = keep_sheet(self._core, self._grids, grid, not self._options.light)
        if self._options.sheet is None:
            return str(sheet)
        target = Path(self._options.sheet).expanduser()
        target = target / sheet.name if target.is_dir() else target
        copy_atomically(sheet, target)
        return str(target.resolve())

    def _say(self, **what: Any) -> None:
        if self._options.json:
            print_json(what)


def keep_sheet(core: Core, grids: Grids, grid: Grid, dark: bool) -> Path:
    """The sheet as a picture of the library. Each time that there is more to show it is another picture."""
    number = len(grid.parts)
    name = f"{grid.id}-{number}"
    drawn = grids.draw(grid, core.library.job_folder(name) / "1.png", dark)
    found = core.library.take_in(name)
    core.library.discard_folder(name)
    return Path(found[-1].path) if found else drawn


def _folder_axis(folder: str) -> Axis:
    """Each picture of a folder, by name."""
    path = Path(folder).expanduser()
    found = sorted(each for each in path.glob("*") if each.suffix.lower() in _SUFFIXES) if path.is_dir() else []
    if not found:
        raise InvalidInputError(Problem("--images", folder, f"--images: there are no pictures in “{folder}”."))
    if len(found) > plan.MAX_CELLS:
        sentence = f"--images: {len(found):,} pictures are too many; {plan.MAX_CELLS:,} at most in one go."
        raise InvalidInputError(Problem("--images", folder, sentence))
    return Axis("image", "Picture", tuple(str(each.resolve()) for each in found), tuple(each.name for each in found))


# -- atelier tile


def add_tile_parser(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("picture", metavar="PICTURE", help="a texture")
    add("--axes", choices=("x", "y", "both"), default="both", help="which edges are to meet (default: both)")
    add("--columns", type=int, default=1, metavar="N", help="beside itself so many times")
    add("--rows", type=int, default=1, metavar="N", help="beneath itself so many times")
    add("--out", metavar="FILE", help="write the tile sheet there")
    words = "write PICTURE moved by half and a mask over its old edges there, to be mended with generate --image --mask"
    add("--prepare", metavar="DIR", help=words)
    add("--json", action="store_true", help="one JSON object instead of text")


def tile(options: argparse.Namespace) -> int:
    """Say how well the edges meet; write the sheet, or what mending needs."""
    try:
        for out in (options.out, options.prepare):
            check_out(out)
        image = pictures.open_picture(Path(options.picture).expanduser().resolve()).image
        axes = seamless.axes({seamless.SEAMLESS: options.axes})
        told: dict[str, Any] = {"seam": seamless.seam_score(image, axes), "outputs": []}
        if options.out is not None:
            told["outputs"].append(_written(seamless.sheet(image, options.columns, options.rows), Path(options.out)))
        if options.prepare is not None:
            told["outputs"] += _prepared(image, axes, Path(options.prepare), Path(options.picture).stem)
    except OSError as error:
        return _refuse(options, disk_error(error))
    except AtelierError as error:
        return _refuse(options, error)
    if options.json:
        print_json(told)
        return DONE
    for path in told["outputs"]:
        print_line(path)
    well = "the edges meet" if told["seam"] < 1.5 else "the edges may show" if told["seam"] < 2.5 else "the edges show"
    print_line(f"Seam score {told['seam']:g}: {well}.")
    return DONE


def _prepared(image: Image.Image, axes: tuple[bool, bool], folder: Path, name: str) -> list[str]:
    moved = seamless.shifted(image.convert("RGB"), axes)
    mask = seamless.cross(moved.size, axes)
    return [_written(moved, folder / f"{name}-moved.png"), _written(mask, folder / f"{name}-mask.png")]


def _written(image: Image.Image, target: Path) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    target = target.expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, buffer.getvalue())
    return str(target.resolve())
