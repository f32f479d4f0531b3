"""Maps for ControlNets in the window: made by the worker as any picture, painted on, and kept as files.

Painted areas (regions) are kept here, too: both are pictures that a person drew for a job.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

from PySide6.QtCore import QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter

from app.events import JobChanged
from app.jobs import Job
from app.states import JobState
from models import maps
from models.errors import AtelierError
from ui.i18n import tr
from ui.viewmodels import opening
from ui.viewmodels.canvas import CanvasVM
from ui.viewmodels.create import CreateVM
from ui.viewmodels.later import Later
from ui.viewmodels.mask_files import MASKS_KEPT, new_mask_file, new_pasted_file, write_mask, write_picture
from ui.viewmodels.painting import refusal
from ui.viewmodels.ports import CorePort
from ui.viewmodels.words import error_view, named

TOOL = "maps"
AREA_SIDE = 1024
"""The longer side of areas' masks, in pixels; they are fitted to the picture when it is made."""

Made = Callable[[str, str], None]


class MapsVM(QObject):
    """``failed`` carries what could not be opened or written, for people."""

    failed = Signal(object)

    def __init__(self, core: CorePort, create: CreateVM, canvas: CanvasVM, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._create, self._canvas = core, create, canvas
        self._later = Later(self)
        self._waiting: dict[str, tuple[Made, Hashable]] = {}
        self._made: dict[Hashable, str] = {}
        self._writing = 0
        self._sending: Callable[[], object] | None = None
        self._gate, create.canvas_gate = create.canvas_gate, self.before_sending
        self.finish: Callable[[], None] = lambda: None  # ends the painting that is going on
        self._end = core.events.subscribe(JobChanged, self._job_changed)

    def close(self) -> None:
        self._end()
        self._later.close()

    # making maps

    def canvas_path(self) -> str:
        """The file of the picture on the canvas; empty when there is none."""
        if self._canvas.shown.work:
            return self._canvas.work.path
        return self._canvas.path_of() or self._canvas.work.path

    def make(self, path: str, preprocessor: str, options: Mapping[str, float], done: Made) -> None:
        """Queue the map; the canvas shows it, ``done`` gets its path, or "" and why there is none. One that was made in
        this session is shown again."""
        inputs = {maps.IMAGE: path, maps.PREPROCESSOR: preprocessor, **options}
        key = (*sorted(inputs.items()), _changed_at(path))
        known = self._core.library.get(self._made.get(key, ""))
        if known is not None and Path(known.path).is_file():
            self._canvas.show_result(known.id)
            done(known.path, "")
            return
        name = next((named(one) for one in self._core.library.recent() if one.path == path), "")
        try:
            job = self._core.queue.submit(TOOL, inputs, about={"of": name} if name else {})
        except AtelierError as error:
            problems = error.info.problems
            done("", tr(problems[0].sentence) if problems else error_view(error.info).sentence)
            return
        self._waiting[job.id] = (done, key)
        self._canvas.follow(job.id)

    def _job_changed(self, event: JobChanged) -> None:
        job = event.job
        if job.id in self._waiting and job.state in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED):
            done, key = self._waiting.pop(job.id)
            if job.results:
                self._made[key] = job.results[0]
            done(*self._outcome(job))

    def _outcome(self, job: Job) -> tuple[str, str]:
        if job.state is JobState.FAILED and job.error is not None:
            return "", error_view(job.error).sentence
        result = self._core.library.get(job.results[0]) if job.results else None
        return (result.path, "") if result is not None else ("", "")

    # painting on them

    def open(self, path: str, then: Callable[[QImage], None]) -> None:
        """The picture in ``path``, opened on another thread."""
        self._later.run(lambda: opening.open_for_canvas(path).image, then, self._failed)

    def keep_map(self, image: QImage, then: Callable[[str], None]) -> None:
        """Write a map that was painted on; ``then`` gets its path."""
        path = new_pasted_file(self._core.paths)
        self._write(lambda: write_picture(image, path), path, then)

    def keep_area(self, image: QImage, then: Callable[[str], None]) -> None:
        """Write the grey mask of a painted area."""
        path = new_mask_file(self._core.paths)
        self._write(lambda: write_mask(image, path, MASKS_KEPT), path, then)

    def _write(self, work: Callable[[], None], path: Path, then: Callable[[str], None]) -> None:
        def written(_: object) -> None:
            self._writing -= 1
            then(str(path))
            self._send_waiting()

        def failed(error: Exception) -> None:
            self._writing -= 1
            self._sending = None
            self._failed(error)

        self._writing += 1
        self._later.run(work, written, failed)

    def before_sending(self, then: Callable[[], object]) -> bool:
        """True when the form's values are complete; else ``then`` is called once what was painted is written."""
        self.finish()
        if self._writing:
            self._sending = then
            return False
        return self._gate(then)

    def _send_waiting(self) -> None:
        then = self._sending
        if then is not None and not self._writing:
            self._sending = None
            if self._gate(then):
                then()

    def _failed(self, error: Exception) -> None:
        self.failed.emit(refusal(error))

    # areas

    def ground(self) -> QImage:
        """What areas are painted on: the picture that is worked on, with its new edges; else the result that is looked
        at, where it has the form's shape, or an empty picture. No side is longer than ``AREA_SIDE``."""
        work = self._canvas.work
        size = self._whole()
        ground = QImage(size, QImage.Format.Format_RGB32)
        ground.fill(Qt.GlobalColor.darkGray)
        if work.shown and work.opened is not None:
            left, top, right, _ = work.extents
            width, height = work.size
            scale = size.width() / max(1, width + left + right)
            painter = QPainter(ground)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            best = min((work.opened.image, *work.opened.levels), key=lambda image: abs(image.width() - size.width()))
            painter.drawImage(QRectF(left * scale, top * scale, width * scale, height * scale), best)
            painter.end()
        elif (seen := self._canvas.picture()) is not None and seen.image is not None and _alike(seen.image, size):
            painter = QPainter(ground)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(ground.rect(), seen.image)
            painter.end()
        return ground

    def _whole(self) -> QSize:
        work, values = self._canvas.work, self._create.values()
        if work.shown:
            left, top, right, bottom = work.extents
            width, height = work.size[0] + left + right, work.size[1] + top + bottom
        else:
            width, height = int(values.get("width") or 512), int(values.get("height") or 512)
        scale = min(1.0, AREA_SIDE / max(1, width, height))
        return QSize(max(1, round(width * scale)), max(1, round(height * scale)))

    def read_area(self, path: str, size: QSize, then: Callable[[QImage], None]) -> None:
        """An area's mask, stretched to ``size``; nothing happens where the file is gone."""

        def read() -> QImage:
            image = QImage(path).convertToFormat(QImage.Format.Format_Grayscale8)
            if image.isNull():
                empty = QImage(size, QImage.Format.Format_Grayscale8)
                empty.fill(0)
                return empty
            ways = Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
            return image.scaled(size, *ways).convertToFormat(QImage.Format.Format_Grayscale8)

        self._later.run(read, then, self._failed)


def _changed_at(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


def _alike(image: QImage, size: QSize) -> bool:
    """Whether a picture has this shape, whatever its size."""
    return abs(image.width() * size.height() - image.height() * size.width()) <= max(image.width(), image.height())
