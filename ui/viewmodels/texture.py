"""What is done with a finished texture: how well its edges meet, mending them, its tile sheet and its maps."""

from __future__ import annotations

import io
import logging
from pathlib import Path

from PIL import Image
from PySide6.QtCore import QObject, Signal

from app.events import JobChanged
from app.files import write_atomically
from app.jobs import Result
from app.states import JobState
from models import maps, pictures, recipe, seamless
from models.errors import AtelierError, disk_error
from ui.i18n import tr
from ui.viewmodels import reworking
from ui.viewmodels.create import CreateVM
from ui.viewmodels.later import Later
from ui.viewmodels.mask_files import new_mask_file, new_pasted_file
from ui.viewmodels.ports import CorePort
from ui.viewmodels.words import error_view

log = logging.getLogger(__name__)

MEND_STRENGTH = 0.75
AROUND = 96
"""Pixels of the other side that a map's model sees beyond the edges."""


class TextureVM(QObject):
    """Works on results of the library; files are read and written off the GUI thread."""

    scored = Signal(str, float)
    noticed = Signal(str)
    refused = Signal(object)
    submitted = Signal(str)
    mending = Signal()

    def __init__(self, core: CorePort, create: CreateVM, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._create = core, create
        self._later = Later(self)
        self._maps: dict[str, tuple[Result, str]] = {}
        self._end = core.events.subscribe(JobChanged, self._job_changed)

    def close(self) -> None:
        self._end()
        self._later.close()

    def axes(self, result: str) -> tuple[bool, bool]:
        """Which edges ``result`` was made to meet; both where nothing is known."""
        found = self._core.library.get(result)
        wanted = seamless.axes(reworking.inputs_of(found)) if found is not None else (False, False)
        return wanted if any(wanted) else (True, True)

    def measure(self, result: str) -> None:
        """``scored`` tells the seam score of ``result`` soon."""
        found = self._core.library.get(result)
        if found is None:
            return
        path, axes = found.path, self.axes(result)
        self._later.run(
            lambda: seamless.seam_score(_opened(path), axes),
            lambda score: self.scored.emit(result, score),
            lambda error: log.info("no score for %s: %s", path, error),
        )

    # -- mending

    def can_mend(self) -> bool:
        return all(self._create.has_input(name) for name in (seamless.SEAMLESS, "image", "mask"))

    def mend(self, result: str) -> None:
        """ "Make seamless": the picture moved by half and a mask over its old edges come onto the canvas; how it is
        repainted is then chosen in the form."""
        found = self._core.library.get(result)
        if found is None or not self.can_mend():
            self.noticed.emit(tr("The chosen model cannot repaint parts of a picture. Choose another one."))
            return
        picture, mask = new_pasted_file(self._core.paths), new_mask_file(self._core.paths)

        def prepare() -> None:
            moved = seamless.shifted(_opened(found.path))
            _write(moved, picture)
            _write(seamless.cross(moved.size), mask)

        def take(_: object) -> None:
            inputs = {"prompt": found.prompt, "image": str(picture), "mask": str(mask), "only_masked": False}
            inputs |= {"strength": MEND_STRENGTH, seamless.SEAMLESS: seamless.BOTH}
            self._create.use(self._create.current, inputs, keep_seed=False)
            self.mending.emit()
            self.noticed.emit(tr("The old edges cross in the middle now. Generate repaints them."))

        self._later.run(prepare, take, self._failed)

    # -- sheet and maps

    def save_sheet(self, result: str, columns: int, rows: int, target: str) -> None:
        """Write ``result`` so many times beside and beneath itself."""
        found = self._core.library.get(result)
        if found is not None:
            said = tr("Tile sheet saved as {name}.", name=Path(target).name)
            self._later.run(
                lambda: _write(seamless.sheet(_opened(found.path), columns, rows), Path(target)),
                lambda _: self.noticed.emit(said),
                self._failed,
            )

    def map_names(self) -> list[tuple[str, str]]:
        """The maps that 3D programs want: name and title."""
        return [(name, maps.PREPROCESSORS[name].title) for name in ("depth", "normal")]

    def make_map(self, result: str, name: str) -> None:
        """Queue a map of ``result`` that meets at the edges as it does."""
        found = self._core.library.get(result)
        if found is None:
            return
        picture, axes = new_pasted_file(self._core.paths), self.axes(result)

        def take(_: object) -> None:
            try:
                job = self._core.queue.submit("maps", {"image": str(picture), "preprocessor": name})
            except AtelierError as error:
                self.refused.emit(error_view(error.info))
                return
            self._maps[job.id] = (found, name)
            self.submitted.emit(job.id)

        self._later.run(
            lambda: _write(seamless.wrapped(_opened(found.path), AROUND, axes), picture), take, self._failed
        )

    def _job_changed(self, event: JobChanged) -> None:
        if event.job.state is not JobState.SUCCEEDED or event.job.id not in self._maps:
            return
        source, name = self._maps.pop(event.job.id)
        made = self._core.library.get(event.job.results[0]) if event.job.results else None
        if made is None:
            return
        folder, axes = f"{made.job}-tile", self.axes(source.id)
        target = self._core.paths.outbox / folder / "1.png"

        def cut() -> None:
            whole = _opened(made.path)
            image = seamless.unwrapped(whole, (source.width, source.height), AROUND, axes)
            about = {**made.recipe, "job": folder, "picture": 1, "width": image.width, "height": image.height}
            inputs = {**made.recipe.get("inputs", {}), "image": source.path, "preprocessor": name}
            target.parent.mkdir(parents=True, exist_ok=True)
            recipe.save_png(image, target, {**about, "inputs": inputs, "texture": source.id})

        self._later.run(cut, lambda _: self._core.take_in(folder), self._failed)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, AtelierError):
            self.refused.emit(error_view(error.info))
        elif isinstance(error, OSError):
            self.refused.emit(error_view(disk_error(error).info))
        else:
            log.error("a texture could not be worked on", exc_info=error)


def _opened(path: str) -> Image.Image:
    return pictures.open_picture(path).image.convert("RGB")


def _write(image: Image.Image, target: Path) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, buffer.getvalue())
