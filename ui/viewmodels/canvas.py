"""What stands in the middle: the picture or its preview, how far the running job is, and what went wrong."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QImage

from app.events import (
    EngineChanged,
    JobAdded,
    JobChanged,
    JobNoticed,
    JobRemoved,
    PreviewArrived,
    ResultAdded,
    ResultRemoved,
)
from app.files import copy_atomically
from app.jobs import Job, Result
from app.messages import Action, notice_words
from app.states import ACTIVE, EngineState, JobState
from models.errors import AtelierError, ErrorInfo, disk_error
from ui.i18n import tr
from ui.viewmodels import desktop, outpaint, painting, reworking
from ui.viewmodels.pictures import PictureLoader
from ui.viewmodels.ports import CorePort
from ui.viewmodels.progress import ProgressVM
from ui.viewmodels.shown import Picture, Shown, StripItem, live_number, strip_items
from ui.viewmodels.words import ErrorView, ProgressView, error_folder, error_view, measures, named
from ui.viewmodels.work import WorkVM

FRAME_MS = 16

MODELS_ACTIONS = frozenset(
    {Action.SIGN_IN, Action.OPEN_LINK, Action.GO_ON, Action.OPEN_STORAGE, Action.GET_MODEL, Action.GO_ONLINE}
)
"""What the Models page knows how to do."""


class CanvasVM(QObject):
    """Follows the running job until the user looks at something else."""

    picture_changed = Signal()
    info_changed = Signal()
    progress_changed = Signal()
    error_changed = Signal()
    noticed = Signal(str)
    wanted = Signal(str)
    models_wanted = Signal(object)
    use_wanted = Signal(str, object)

    def __init__(self, core: CorePort, loader: PictureLoader, work: WorkVM, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core = core
        self._loader = loader
        self.work = work
        self._shown = Shown()
        self._results: dict[str, Result] = {}
        self._follow = True
        self._image: QImage | None = None
        self._image_of = ""
        self._levels: tuple[QImage, ...] = ()
        self._missing = False
        self._named = ("", "")
        self._ticket = 0
        self._preview: PreviewArrived | None = None
        self._preview_image: QImage | None = None
        self._dismissed: set[str] = set()
        self._refusal: ErrorView | None = None
        self._told: object = None
        self._bar = ProgressVM(core, lambda: self._shown.job, self)
        self._bar.changed.connect(self.progress_changed)
        self._frame = QTimer(self, singleShot=True, interval=FRAME_MS)
        self._frame.timeout.connect(self._decode_preview)
        loader.loaded.connect(self._loaded)
        loader.levelled.connect(self._levelled)
        work.arrived.connect(self.show_work)
        work.changed.connect(self._work_changed)
        work.frame_changed.connect(self.info_changed)
        work.noticed.connect(self.noticed)
        work.refused.connect(self.refuse)
        bus = core.events
        self._ends = [
            bus.subscribe(JobAdded, lambda _: self._bar.update()),
            bus.subscribe(JobChanged, self._job_changed),
            bus.subscribe(JobRemoved, self._job_removed),
            bus.subscribe(JobNoticed, lambda e: self.noticed.emit(tr(notice_words(e.notice.code, e.notice.facts)))),
            bus.subscribe(PreviewArrived, self._preview_arrived),
            bus.subscribe(ResultAdded, self._result_added),
            bus.subscribe(ResultRemoved, self._result_removed),
            bus.subscribe(EngineChanged, self._engine_changed),
        ]

    def close(self) -> None:
        self._frame.stop()
        for end in self._ends:
            end()

    # what is shown

    @property
    def shown(self) -> Shown:
        return self._shown

    def job(self, key: str = "") -> Job | None:
        wanted = key or self._shown.job
        return next((job for job in self._core.queue.jobs() if job.id == wanted), None) if wanted else None

    def result(self) -> Result | None:
        """The finished picture on the canvas, if it is one."""
        return self._get(self._shown.result)

    def _get(self, key: str) -> Result | None:
        """Results never change, so the library is asked once for each."""
        if key and key not in self._results:
            found = self._core.library.get(key)
            if found is None:
                return None
            self._results[key] = found
        return self._results.get(key)

    def is_empty(self) -> bool:
        return self._shown == Shown()

    def picture(self) -> Picture | None:
        if self._shown.work and self.work.opened is not None:
            opened = self.work.opened
            return Picture(opened.image, *self.work.size, levels=opened.levels)
        result = self.result()
        if result is not None:
            ready = self._image_of == result.id
            image, levels = (self._image, self._levels) if ready else (None, ())
            return Picture(image, result.width, result.height, False, ready and self._missing, levels)
        job = self.job()
        if job is None:
            return None
        if self._preview_image is not None and self._preview is not None and self._preview.job == job.id:
            return Picture(self._preview_image, self._preview.width, self._preview.height, preview=True)
        if job.ended:
            return None
        if self.work.opened is not None and job.inputs.get("image") == self.work.path:
            return Picture(self.work.opened.image, *self.work.size, preview=True, levels=self.work.opened.levels)
        return Picture(None, int(job.inputs.get("width", 512)), int(job.inputs.get("height", 512)))

    def title(self) -> str:
        if self._shown.work:
            return self.work_name()
        result, job = self.result(), self.job()
        shown = result or job
        return named(shown) if shown is not None else ""

    def subtitle(self) -> str:
        if self._shown.work:
            return self._work_words()
        result, job = self.result(), self.job()
        if result is not None:
            return f"{result.model_name} · {measures(result)}"
        return job.model_name if job is not None else ""

    def work_name(self) -> str:
        """What the picture that is worked on is called: a result by its prompt, others by their file."""
        path = self.work.path
        if path != self._named[0]:
            name = next((named(one) for one in self._core.library.recent() if one.path == path), "")
            self._named = (path, name or Path(path).name)
        return self._named[1]

    def _work_words(self) -> str:
        width, height = self.work.size
        words = [tr("{w} × {h}", w=width, h=height)]
        if any(self.work.extents):
            wider, higher = outpaint.size_with(self.work.size, self.work.extents)
            words.append(tr("becomes {w} × {h}", w=wider, h=higher))
        return " · ".join([tr("Your picture"), *words])

    def strip(self) -> list[StripItem]:
        """The pictures of the shown job; empty when there is only one."""
        job = self.job()
        return strip_items(job, self._shown, self.path_of) if job is not None else []

    # choosing what to look at

    def show_newest(self) -> None:
        """Begin with the picture made last, if its file is still there; a job that starts takes the canvas over."""
        newest = next((result for result in self._core.library.recent() if Path(result.path).is_file()), None)
        if newest is not None and self.is_empty():
            self._look(Shown(result=newest.id))

    def show_work(self) -> None:
        """Look at the picture that is worked on; a job that runs goes on without being watched."""
        if self.work.shown:
            self._follow = False
            self._look(Shown(work=True))

    def _work_changed(self) -> None:
        if not self._shown.work:
            self.info_changed.emit()
        elif self.work.shown or self.work.loading:
            self.picture_changed.emit()
        else:
            self._look(Shown())
            self.show_newest()

    def follow(self, job: str) -> None:
        """A job was sent from the form: look at it, unless one that is still running is being watched."""
        self._refusal = None
        self._follow = True
        shown = self.job()
        if shown is None or shown.state not in ACTIVE:
            self.show_job(job)
        else:
            self._all_changed()

    def show_job(self, key: str) -> None:
        job = self.job(key)
        if job is None:
            return
        self._dismissed.discard(key)
        self._follow = job.state in ACTIVE or job.state is JobState.QUEUED
        result = job.results[-1] if job.results and not live_number(job) else ""
        self._look(Shown(job=key, result=result))

    def show_result(self, key: str) -> None:
        result = self._get(key)
        if result is None:
            return
        self._follow = False
        self._look(Shown(job=result.job if self.job(result.job) else "", result=key))

    def show_number(self, number: int) -> None:
        """Click on the strip: a finished picture is pinned, the one being made is followed."""
        for item in self.strip():
            if item.number == number and item.result:
                self._follow = False
                self._look(Shown(self._shown.job, number, item.result))
            elif item.number == number and item.live:
                self._follow = True
                self._look(Shown(self._shown.job))

    def step_picture(self, by: int) -> None:
        """Left and right: the neighbour in the strip, or in the list of recent pictures."""
        ids = [item.result for item in self.strip() if item.result]
        if len(ids) < 2:
            ids = [result.id for result in self._core.library.recent(60)]
        if self._shown.result in ids:
            position = ids.index(self._shown.result) + by
            if 0 <= position < len(ids):
                self.show_result(ids[position])

    def _look(self, shown: Shown) -> None:
        if shown.job != self._shown.job:
            self._preview = self._preview_image = None
        self._shown = shown
        result = self.result()
        if result is not None and self._image_of != result.id:
            self._ticket = self._loader.request(result.path)
        self._all_changed()

    def _all_changed(self) -> None:
        self.picture_changed.emit()
        self.info_changed.emit()
        self.error_changed.emit()
        self._bar.update()

    def _loaded(self, ticket: int, image: QImage) -> None:
        if ticket != self._ticket:
            return
        self._image_of, self._levels = self._shown.result, ()
        self._missing = image.isNull()
        self._image = None if self._missing else image
        self.picture_changed.emit()
        self.info_changed.emit()

    def _levelled(self, ticket: int, levels: tuple[QImage, ...]) -> None:
        if ticket == self._ticket:
            self._levels = levels
            self.picture_changed.emit()

    # what the core announces

    def _job_changed(self, event: JobChanged) -> None:
        job = event.job
        if job.state in ACTIVE and self._follow and job.id != self._shown.job:
            shown = self.job()
            if shown is None or shown.state not in ACTIVE:
                self._look(Shown(job=job.id))
        if job.state is JobState.FAILED and job.error is not None and self._bar.running() is not None:
            # The next job takes the canvas over; the failed one stays in the queue, with its error.
            self.noticed.emit(tr("A job failed: {sentence}", sentence=error_view(job.error).sentence))
        if job.id == self._shown.job:
            if job.state is JobState.CANCELLED and not self._shown.result:
                self._after_cancel(job)
            if job.state is JobState.FAILED:
                self.picture_changed.emit()
            self._tell(job)
        self._bar.update()

    def _tell(self, job: Job) -> None:
        """Steps come many times a second; only what the title, the strip and the error card show is passed on."""
        told = (job.id, job.state, job.results, job.progress.picture, job.error)
        if told != self._told:
            self._told = told
            self.info_changed.emit()
            self.error_changed.emit()

    def _after_cancel(self, job: Job) -> None:
        """Nothing stays on the canvas that will never be finished."""
        recent = self._core.library.recent(1)
        if job.results:
            self._look(Shown(job.id, result=job.results[-1]))
        elif self.work.shown:
            self._look(Shown(work=True))
        elif recent:
            self._look(Shown(result=recent[0].id))
        else:
            self._look(Shown())
        self._follow = True

    def _job_removed(self, event: JobRemoved) -> None:
        if event.id == self._shown.job:
            self._look(Shown(result=self._shown.result))
        self._bar.update()

    def _preview_arrived(self, event: PreviewArrived) -> None:
        # The latest wins: previews that come faster than frames are never decoded.
        if event.job == self._shown.job and not self._shown.result:
            self._preview = event
            if not self._frame.isActive():
                self._frame.start()

    def _decode_preview(self) -> None:
        if self._preview is None:
            return
        image = QImage.fromData(self._preview.data)
        if not image.isNull():
            self._preview_image = image
            self.picture_changed.emit()

    def _result_added(self, event: ResultAdded) -> None:
        result = event.result
        self._results[result.id] = result
        if result.job and result.job == self._shown.job and self._follow:
            self._preview = self._preview_image = None
            job = self.job()
            more = job is not None and job.state in ACTIVE and job.count > 1 and self._made(job, result) < job.count
            if more:
                self._look(Shown(result.job))
            else:
                self._look(Shown(result.job, result=result.id))
        elif result.job == self._shown.job:
            self.info_changed.emit()

    @staticmethod
    def _made(job: Job, result: Result) -> int:
        return len({*job.results, result.id})

    def _result_removed(self, event: ResultRemoved) -> None:
        self._results.pop(event.id, None)
        if event.id == self._shown.result:
            self._look(Shown(work=self.work.shown))

    def _engine_changed(self, event: EngineChanged) -> None:
        self.error_changed.emit()
        self._bar.update()

    # progress

    def progress(self) -> ProgressView | None:
        return self._bar.view()

    def cancel(self) -> bool:
        """Cancel what the bar is about; False when nothing runs."""
        return self._bar.cancel()

    # errors

    def error(self) -> ErrorView | None:
        if self._refusal is not None:
            return self._refusal
        job = self.job()
        if job is not None and job.state is JobState.FAILED and job.error is not None:
            if job.id in self._dismissed or self._shown.result:
                return None
            return error_view(job.error, job.id)
        status = self._core.engine.status
        if status.state is EngineState.UNUSABLE and status.error is not None and "engine" not in self._dismissed:
            return error_view(status.error, "engine")
        return None

    def refuse(self, view: ErrorView) -> None:
        """Show an error that belongs to no job."""
        self._refusal = view
        self.error_changed.emit()

    def report(self, info: ErrorInfo) -> None:
        self.refuse(error_view(info))

    def dismiss_error(self) -> bool:
        view = self.error()
        if view is None:
            return False
        self._refusal = None
        self._dismissed.add(view.subject)
        self.error_changed.emit()
        return True

    def act(self, view: ErrorView) -> None:
        """Do what the error's button says."""
        job = self.job(view.subject) if view.subject not in ("", "engine") else None
        match view.action:
            case Action.RETRY | Action.DECODE_AGAIN if job is not None:
                self.retry(job.id)
            case Action.EDIT_INPUTS if job is not None:
                self.use_wanted.emit(job.model, {**job.inputs, **reworking.written(job.about)})
                self.wanted.emit(Action.EDIT_INPUTS.value)
            case Action.RESTART_ENGINE:
                self._dismissed.discard("engine")
                self._core.engine.restart()
            case action if action in MODELS_ACTIONS:
                self.models_wanted.emit(view)
            case Action.OPEN_FOLDER:
                folder = error_folder(job.error) if job is not None and job.error is not None else ""
                desktop.open_folder(folder or str(self._core.paths.pictures))
            case painting.FIT_MASK:
                self.work.fit_mask()
            case _:
                self.wanted.emit(view.action)
        if view is self._refusal:
            self.dismiss_error()

    def retry(self, key: str) -> None:
        self._core.queue.retry(key)
        self.show_job(key)
        self._follow = True

    # what can be done with the picture

    def use_settings(self, result_id: str = "", as_it_came_out: bool = False) -> None:
        """Bring back how a picture was made: its words as they were written (the seed chooses among alternatives
        again), or ``as_it_came_out``."""
        result = self._get(result_id) if result_id else self.result()
        if result is not None:
            words = {} if as_it_came_out else reworking.written(result.recipe)
            self.use_wanted.emit(result.model, {**reworking.inputs_of(result), **words})

    def has_template(self, result_id: str = "") -> bool:
        """Whether the words of a picture were written otherwise than they came out."""
        result = self._get(result_id) if result_id else self.result()
        return result is not None and bool(reworking.written(result.recipe))

    def can_vary(self, result_id: str = "") -> bool:
        result = self._get(result_id) if result_id else self.result()
        return result is not None and reworking.can_vary(self._core, result)

    def vary(self, strong: bool, result_id: str = "") -> None:
        """Queue a neighbour of a result: its seed's noise, bent a little or much towards another's."""
        result = self._get(result_id) if result_id else self.result()
        if result is None:
            return
        try:
            job = reworking.vary(self._core, result, reworking.STRONG if strong else reworking.SMALL)
        except AtelierError as error:
            self.report(error.info)
        else:
            self.follow(job.id)

    def from_work(self) -> bool:
        """The shown result was made from the picture that is worked on."""
        result = self.result()
        return result is not None and self.work.shown and reworking.source_of(result) == self.work.path

    def use_as_input(self, result_id: str = "") -> None:
        """Work on a result from now on; undo brings back the picture before it."""
        path = self.path_of(result_id)
        if path:
            self.work.take(path)

    def open_folder(self, result_id: str = "") -> None:
        result = self._get(result_id) if result_id else self.result()
        if result is not None:
            desktop.reveal(result.path)

    def save_copy(self, target: str, result_id: str = "") -> None:
        result = self._get(result_id) if result_id else self.result()
        if result is None:
            return
        try:
            copy_atomically(Path(result.path), Path(target))
        except OSError as error:
            self.report(disk_error(error, str(Path(target).parent)).info)
        else:
            self.noticed.emit(tr("Saved as {name}.", name=Path(target).name))

    def path_of(self, result_id: str = "") -> str:
        result = self._get(result_id) if result_id else self.result()
        return result.path if result is not None else ""
