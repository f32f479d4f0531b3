"""The queue: takes requests, runs one at a time on the engine, persists every change of state, survives everything.

Runs on the owner thread. Disk work goes to the core's ``SerialWorker``; the engine's words come in through ``hear``.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from app import events as announced
from app.engine import Engine
from app.jobs import Job, JobNotice, JobProgress, Result, new_id
from app.kept_inputs import KeptInputs
from app.library import Library
from app.models import Models
from app.prompting.service import Prompting
from app.serial import SerialWorker
from app.states import ACTIVE, JOB_MOVES, EngineState, JobState, move
from app.store import Store
from models import protocol
from models.card import AddonRef
from models.errors import AtelierError, ErrorCode, ErrorInfo, InvalidInputError, Problem, disk_error
from models.inputs import MAX_SEED
from models.items import files

log = logging.getLogger(__name__)

MAX_COUNT = 64
MAX_VARIANTS = 1000
MAX_ATTEMPTS = 2
"""A job is tried once more when the engine crashes under it; twice means it is the job's own doing."""

_STAGES = {"running": JobState.RUNNING, "decoding": JobState.DECODING, "saving": JobState.SAVING}


class JobQueue:
    """Jobs of this session, and those found from earlier ones (held until the user says go on)."""

    def __init__(
        self,
        store: Store,
        library: Library,
        models: Models,
        engine: Engine,
        disk: SerialWorker,
        events: announced.EventBus,
        session: str,
        origin: str,
        recipe: Mapping[str, Any],
        previews: Callable[[], bool] = lambda: True,
        memory_limit: Callable[[], int] = lambda: 0,
        prompting: Prompting | None = None,
    ) -> None:
        self._prompting = prompting
        self._store, self._library, self._models, self._engine = store, library, models, engine
        self._disk, self._events, self._session, self._origin = disk, events, session, origin
        self._recipe, self._previews, self._memory_limit = recipe, previews, memory_limit
        self._kept = KeptInputs(library.job_folder, disk)
        self._jobs: dict[str, Job] = {}
        self._order: list[str] = []  # ids of waiting jobs, next first
        self._positions: dict[str, float] = {}  # their places in the database; they only ever grow apart
        self._current = ""
        self._run = ""  # the current try's name on the wire: words of an earlier try of the same job are late
        self._runs = 0
        self._failure: ErrorInfo | None = None  # what went wrong on our own side in the current try
        self._closing = False
        self._cancel_asked: set[str] = set()

    # -- what the window and the command line ask for --

    def jobs(self) -> list[Job]:
        """Ended, running and waiting jobs, in the order they ran or will run."""
        waiting = [self._jobs[job_id] for job_id in self._order]
        return [job for job in self._jobs.values() if job.id not in self._order] + waiting

    def get(self, job_id: str) -> Job:
        return self._jobs[job_id]

    def submit(
        self,
        model_id: str,
        inputs: Mapping[str, Any],
        count: int = 1,
        variants: Sequence[Mapping[str, Any]] = (),
        about: Mapping[str, Any] | None = None,
        styles: Sequence[str] = (),
    ) -> Job:
        """Check and enqueue; returns at once.

        With ``variants`` there is one picture for each, made with the inputs and the variant's laid over them;
        ``count`` is not asked then. ``about`` goes into their recipes. Alternatives and wildcards in prompts are chosen
        here by each picture's seed, after the words of ``styles`` were put around them (``app.prompting.service``).

        Raises:
            InvalidInputError: inputs the model does not take as they are; nothing was queued.
            AtelierError: the model is not installed or cannot be run.
        """
        card, schema = self._models.runnable(model_id)
        if not variants and not 1 <= count <= MAX_COUNT:
            sentence = f"Count must be a whole number from 1 to {MAX_COUNT}; “{count}” was given."
            raise InvalidInputError(Problem("count", str(count), sentence))
        if len(variants) > MAX_VARIANTS:
            sentence = f"At most {MAX_VARIANTS} pictures can be made in one go; these are {len(variants)}."
            raise InvalidInputError(Problem("count", str(len(variants)), sentence))
        values = schema.validate(inputs)
        values.setdefault("seed", secrets.randbelow(MAX_SEED + 1))
        if self._prompting is not None:
            prepared = self._prompting.prepare(values, count, variants, styles)
            known = {name: value for name, value in prepared.values.items() if name in schema}
            values = {"seed": values["seed"], **schema.validate(known)}  # tools have a seed that is no input
            variants = prepared.variants
            about = {**prepared.about, **(about or {})}
        own = {name: value for name, value in values.items() if name in schema}
        whole = [schema.validate({**own, **variant}) for variant in variants]
        for each in whole or [values]:
            self._models.addons_for(model_id, each)
        differing = tuple({k: v for k, v in each.items() if v != values.get(k)} for each in whole)
        job = Job(
            new_id(), card.id, card.name, values, len(whole) or count, time.time(), variants=differing,
            about=dict(about or {}),
        )  # fmt: skip
        self._jobs[job.id] = job
        self._wait(job.id)
        self._save(job)
        self._events.emit(announced.JobAdded(job))
        self._keep_files(job.id, {path: "" for each in whole or [values] for _, _, path in files(schema.inputs, each)})
        self.pump()
        return job

    def cancel(self, job_id: str) -> None:
        """Waiting jobs end at once, the running one within a step; ended ones stay as they are."""
        job = self._jobs[job_id]
        if job_id == self._current:
            self._cancel_asked.add(job_id)
            self._engine.cancel(self._run)
        elif job.state is JobState.QUEUED:
            self._order.remove(job_id)
            self._end(job, JobState.CANCELLED)

    def cancel_all(self) -> None:
        for job_id in [*self._order, *([self._current] if self._current else [])]:
            self.cancel(job_id)

    def retry(self, job_id: str) -> None:
        """Queue a failed or cancelled job again; steps whose latents were kept are not done twice."""
        job = self._jobs[job_id]
        if job.state not in (JobState.FAILED, JobState.CANCELLED):
            return
        self._wait(job.id)
        self._keep_files(job.id, job.files)
        self._update(job, state=JobState.QUEUED, error=None, progress=JobProgress(), attempts=0, notices=(), timings={})
        self.pump()

    def remove(self, job_id: str) -> None:
        """Take a job off the list, cancelling it first if it waits; the running one has to be cancelled."""
        if job_id == self._current:
            return
        self.cancel(job_id)
        del self._jobs[job_id]
        self._disk.do(lambda: self._store.remove_job(job_id))
        self._disk.do(lambda: self._library.discard_folder(job_id))
        self._events.emit(announced.JobRemoved(job_id))

    def clear_ended(self) -> None:
        for job in [job for job in self._jobs.values() if job.ended]:
            self.remove(job.id)

    def move(self, job_id: str, index: int) -> None:
        """Put a waiting job at place ``index`` (0: next) among those that wait."""
        if job_id not in self._order:
            return
        self._order.remove(job_id)
        self._order.insert(max(0, min(index, len(self._order))), job_id)
        for place, waiting in zip(sorted(self._positions[each] for each in self._order), self._order, strict=True):
            self._positions[waiting] = place
            self._save(self._jobs[waiting])
        self._events.emit(announced.QueueReordered(tuple(self._order)))

    def held(self) -> list[Job]:
        """Jobs from an earlier session, waiting for the user's word."""
        return [job for job in self._jobs.values() if job.held]

    def resume_held(self) -> None:
        for job in self.held():
            self._update(job, held=False)
        self.pump()

    def discard_held(self) -> None:
        for job in self.held():
            self.remove(job.id)

    @property
    def busy(self) -> bool:
        return bool(self._current) or any(not self._jobs[job_id].held for job_id in self._order)

    # -- from the core --

    def adopt(self, found: Iterable[Job]) -> None:
        """Take over jobs whose program is gone. They wait until ``resume_held``; failed ones can be tried again."""
        for job in found:
            if job.state is not JobState.FAILED:
                fresh = {"state": JobState.QUEUED, "held": True, "progress": JobProgress(), "attempts": 0}
                job = msgspec.structs.replace(job, **fresh)
                self._wait(job.id)
            self._jobs[job.id] = job
            self._save(job)
            self._events.emit(announced.JobAdded(job))

    def close(self) -> None:
        """Stop handing out jobs. What runs goes back to the queue, to be found at the next start."""
        self._closing = True
        if self._current:
            job = self._jobs[self._current]
            self._wait(job.id, first=True)
            self._current = ""
            self._update(job, state=JobState.QUEUED, progress=JobProgress())

    def pump(self) -> None:
        """Give the engine the next job if both are free."""
        if self._closing or self._current or not self._next():
            return
        if self._engine.state in (EngineState.ABSENT, EngineState.CRASHED):
            self._engine.start()
        if self._engine.state is EngineState.UNUSABLE:
            error = self._engine.status.error or ErrorInfo(ErrorCode.ENGINE_START_FAILED)
            while job_id := self._next():
                self._order.remove(job_id)
                self._end(self._jobs[job_id], JobState.FAILED, error)
        if self._engine.state is EngineState.READY:
            self._begin(self._next())

    def _next(self) -> str:
        return next((job_id for job_id in self._order if not self._jobs[job_id].held), "")

    def _begin(self, job_id: str) -> None:
        """First take in what an earlier attempt finished, then hand the rest to the engine."""
        job = self._jobs[job_id]
        self._order.remove(job_id)
        self._current = job_id
        self._runs += 1
        self._run = f"{job_id}.{self._runs}"
        self._failure = None
        # What was said in words is said again: unlike pictures, answers of an earlier try are not kept by number.
        job = self._update(job, state=JobState.LOADING, attempts=job.attempts + 1, texts=())
        run = self._run
        self._disk.do(
            lambda: self._library.take_in(job_id),
            lambda results: self._hand_over(job_id, run, results),
            lambda error: self._fail(job_id, as_info(error)),
        )

    def _hand_over(self, job_id: str, run: str, results: list[Result]) -> None:
        if run != self._run or self._current != job_id or self._closing:
            return
        self._took_in(job_id, results)
        job = self._jobs[job_id]
        if job_id in self._cancel_asked:
            self._finish(job_id, JobState.CANCELLED)
            return
        if self._engine.state is not EngineState.READY:  # it crashed or was restarted meanwhile
            self._requeue(job)
            return
        try:
            card, _ = self._models.runnable(job.model)
            addons: dict[str, AddonRef] = {}
            for variant in job.variants or ({},):
                addons |= self._models.addons_for(job.model, {**job.inputs, **variant})
        except AtelierError as error:
            self._fail(job_id, error.info)
            return
        done = tuple(int(result.recipe.get("picture", 0)) for result in results)
        folder = str(self._library.job_folder(job_id))
        recipe = {**self._recipe, "job": job_id, "licence": card.licence, **job.about}
        self._engine.run(
            protocol.Run(
                self._run, card.ref, job.inputs, job.count, folder, recipe, done, self._previews(), job.variants,
                addons, job.files,
            )
        )  # fmt: skip

    def _keep_files(self, job_id: str, paths: Mapping[str, str]) -> None:
        """Copy the pictures of a job; what is asked of the disk later, its start too, comes after."""

        def kept(found: dict[str, str]) -> None:
            job = self._jobs.get(job_id)
            if job is not None and not job.ended:
                self._update(job, files=found)

        self._kept.keep(job_id, paths, kept)

    # -- from the engine --

    def hear(self, message: protocol.FromWorker) -> None:
        """One message of the worker; those about other jobs than the current one are late and dropped."""
        ended = isinstance(message, protocol.Finished | protocol.Failed | protocol.Cancelled)
        if isinstance(message, protocol.Ready) or (ended and not self._current):
            self.pump()
        if not self._current or getattr(message, "job", "") != self._run:
            return
        job = self._jobs[self._current]
        match message:
            case protocol.Loading():
                progress = JobProgress(pictures=job.count, fraction=message.fraction, what=message.what)
                self._update(job, state=JobState.LOADING, progress=progress)
            case protocol.Stage():
                self._update(job, state=_STAGES.get(message.stage, job.state))
            case protocol.Progress():
                self._progress(job, message)
            case protocol.Preview():
                self._events.emit(
                    announced.PreviewArrived(job.id, message.picture, message.width, message.height, message.data)
                )
            case protocol.Notice():
                self._notice(job, JobNotice(message.code, message.facts))
            case protocol.Produced():
                self._take_in(job.id)
            case protocol.Said():
                self._update(job, texts=(*job.texts, message.text))
            case protocol.Finished():
                self._update(job, timings=message.timings)
                self._finish(job.id, JobState.SUCCEEDED, memory=message.memory)
            case protocol.Cancelled():
                self._finish(job.id, JobState.CANCELLED)
            case protocol.Failed():
                self._finish(job.id, JobState.FAILED, message.error)
            case _:
                pass

    def engine_lost(self, error: ErrorInfo) -> None:
        """The worker is gone: the job under it is cancelled if that was asked, tried once more, or has failed."""
        if not self._current:
            if self._engine.state is EngineState.UNUSABLE:
                self.pump()
            return
        job = self._jobs[self._current]
        if job.id in self._cancel_asked:
            self._finish(job.id, JobState.CANCELLED)
        elif job.attempts < MAX_ATTEMPTS and self._engine.state is not EngineState.UNUSABLE:
            self._notice(job, JobNotice("retried", {"reason": str(error.facts.get("reason", error.code.value))}))
            self._requeue(self._jobs[job.id])
        else:
            self._finish(job.id, JobState.FAILED, error)

    # -- changes --

    def _progress(self, job: Job, message: protocol.Progress) -> None:
        progress = JobProgress(
            message.picture, message.pictures, message.step, message.steps, message.fraction, message.seconds_left
        )
        self._update(job, state=JobState.RUNNING, progress=progress)

    def _notice(self, job: Job, notice: JobNotice) -> None:
        self._update(job, notices=(*job.notices, notice))
        self._events.emit(announced.JobNoticed(job.id, notice))

    def _take_in(self, job_id: str) -> None:
        self._disk.do(
            lambda: self._library.take_in(job_id),
            lambda results: self._took_in(job_id, results),
            lambda error: self._fail(job_id, as_info(error)),
        )

    def _took_in(self, job_id: str, results: list[Result]) -> None:
        job = self._jobs.get(job_id)
        if job is None:
            return
        fresh = [result for result in results if result.id not in job.results]
        self._update(job, results=tuple(result.id for result in results))
        for result in fresh:
            self._events.emit(announced.ResultAdded(result))

    def _finish(self, job_id: str, state: JobState, error: ErrorInfo | None = None, memory: int = 0) -> None:
        """End the job after all its pictures were taken in, then go on with the next."""

        run = self._run

        def end(_: object) -> None:
            job = self._jobs[job_id]
            if job_id != self._current or run != self._run or job.ended:
                return
            self._current = ""
            self._cancel_asked.discard(job_id)
            if self._failure is not None and state is not JobState.CANCELLED:
                self._end(job, JobState.FAILED, self._failure)
            else:
                self._end(job, state, error)
            if self._engine.stale:
                self._engine.restart()
            elif 0 < self._memory_limit() < memory:
                log.info("the engine has grown to %d bytes and is replaced", memory)
                self._engine.restart()
            elif error is not None and error.code is ErrorCode.DEVICE_FAILED:
                self._engine.restart()  # after a driver error nothing in that process works any more
            self.pump()

        self._disk.do(lambda: None, end)

    def _fail(self, job_id: str, error: ErrorInfo) -> None:
        """Something on our own side failed: end the job, and the worker's part of it too."""
        if self._current == job_id:
            self._failure = self._failure or error
            if self._engine.state is EngineState.BUSY:
                self._engine.cancel(self._run)
            self._finish(job_id, JobState.FAILED, error)

    def _requeue(self, job: Job) -> None:
        self._current = ""
        self._wait(job.id, first=True)
        self._update(job, state=JobState.QUEUED, progress=JobProgress())
        self.pump()

    def _end(self, job: Job, state: JobState, error: ErrorInfo | None = None) -> None:
        self._update(job, state=state, error=error)
        if state is not JobState.FAILED:
            # A failed job keeps its latents, so that "finish again" need not repeat the steps.
            self._disk.do(lambda: self._library.discard_folder(job.id))

    def _update(self, job: Job, **changes: Any) -> Job:
        """The only place where a job changes: checks the move, stores what has to survive, tells everyone."""
        new: Job = msgspec.structs.replace(job, **changes)
        move(JOB_MOVES, job.state, new.state)
        self._jobs[job.id] = new
        stays_active = job.state in ACTIVE and new.state in ACTIVE
        if not stays_active or (new.results, new.files) != (job.results, job.files):
            self._save(new)
        self._events.emit(announced.JobChanged(new))
        return new

    def _wait(self, job_id: str, first: bool = False) -> None:
        """Put a job among those that wait, at the end or at the head."""
        places = list(self._positions.values()) or [0.0]
        self._positions[job_id] = min(places) - 1 if first else max(places) + 1
        self._order.insert(0 if first else len(self._order), job_id)

    def _save(self, job: Job) -> None:
        position = self._positions.get(job.id, 0.0)
        self._disk.do(lambda: self._store.save_job(job, self._session, self._origin, position), failed=self._trouble)

    def _trouble(self, error: Exception) -> None:
        self._events.emit(announced.TroubleArose(as_info(error)))


def as_info(error: Exception) -> ErrorInfo:
    """An error of our own side with a code."""
    if isinstance(error, AtelierError):
        return error.info
    if isinstance(error, OSError):
        return disk_error(error).info
    return ErrorInfo(ErrorCode.INTERNAL, {}, f"{type(error).__name__}: {error}")
