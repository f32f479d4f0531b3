"""The floating bar: which job it is about, what it says of it, and stopping that job."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from app.jobs import Job
from app.states import ACTIVE, EngineState, JobState
from ui.i18n import tr
from ui.viewmodels.ports import CorePort
from ui.viewmodels.words import ProgressView, named, progress_view


class ProgressVM(QObject):
    """``shown`` gives the id of the job on the canvas: the bar names the prompt of any other."""

    changed = Signal()

    def __init__(self, core: CorePort, shown: Callable[[], str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core = core
        self._shown = shown
        self._cancelling = ""
        self._view: ProgressView | None = None

    def running(self) -> Job | None:
        """The job being made, or the first to wait while the engine starts."""
        jobs = [job for job in self._core.queue.jobs() if not job.held]
        active = next((job for job in jobs if job.state in ACTIVE), None)
        return active or next((job for job in jobs if job.state is JobState.QUEUED), None)

    def view(self) -> ProgressView | None:
        return self._view

    def update(self) -> None:
        """Look at the queue again; ``changed`` comes only if there is something new to say."""
        view = self._make()
        if view != self._view:
            self._view = view
            self.changed.emit()

    def _make(self) -> ProgressView | None:
        job = self.running()
        if job is None:
            return None
        view = progress_view(job)
        if job.id == self._cancelling and job.state in ACTIVE:
            return ProgressView(job.id, tr("Cancelling"), "", view.fraction)
        if job.state is JobState.QUEUED:
            state = self._core.engine.status.state
            if state is EngineState.STARTING:
                return ProgressView(job.id, tr("Starting the engine"), tr("your picture comes next"), -1.0)
            if state is EngineState.UNUSABLE:
                return None
        if job.id != self._shown() and (name := named(job)):
            return ProgressView(
                view.job, view.headline, " · ".join(part for part in (view.sub, name) if part), view.fraction
            )
        return view

    def cancel(self) -> bool:
        """Cancel that job; False when there is none, or it is being cancelled already."""
        job = self.running()
        if job is None or (job.id == self._cancelling and job.state in ACTIVE):
            return False
        self._cancelling = job.id
        self._core.queue.cancel(job.id)
        self.update()
        return True
