"""The state machines of the app, as tables. Nothing sets a state but ``move``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar


class JobState(StrEnum):
    """A job's life. The values lie in the database: never rename one."""

    QUEUED = "queued"
    LOADING = "loading"
    RUNNING = "running"
    DECODING = "decoding"
    SAVING = "saving"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class EngineState(StrEnum):
    """A worker process as the app sees it."""

    ABSENT = "absent"
    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    STOPPING = "stopping"
    CRASHED = "crashed"
    UNUSABLE = "unusable"


class DownloadState(StrEnum):
    """A download's life. The values lie in the database: never rename one."""

    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    VERIFYING = "verifying"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
ACTIVE = frozenset({JobState.LOADING, JobState.RUNNING, JobState.DECODING, JobState.SAVING})

_J = JobState
_WORK = {_J.LOADING, _J.RUNNING, _J.DECODING, _J.SAVING}
_ENDS = {_J.FAILED, _J.CANCELLED}

JOB_MOVES: Mapping[JobState, frozenset[JobState]] = {
    # A job that failed before it reached the worker goes straight to FAILED.
    _J.QUEUED: frozenset({_J.LOADING} | _ENDS),
    # Several pictures, or a cheaper plan after running out of memory, lead back to an earlier stage; a worker that
    # crashed sends the job back to the queue for its one retry.
    _J.LOADING: frozenset((_WORK - {_J.LOADING}) | {_J.QUEUED, _J.SUCCEEDED} | _ENDS),
    _J.RUNNING: frozenset((_WORK - {_J.RUNNING}) | {_J.QUEUED, _J.SUCCEEDED} | _ENDS),
    _J.DECODING: frozenset((_WORK - {_J.DECODING}) | {_J.QUEUED, _J.SUCCEEDED} | _ENDS),
    _J.SAVING: frozenset((_WORK - {_J.SAVING}) | {_J.QUEUED, _J.SUCCEEDED} | _ENDS),
    # "Retry" and "decode again" put a job back in the queue; what it had kept on the disk is used again.
    _J.FAILED: frozenset({_J.QUEUED}),
    _J.CANCELLED: frozenset({_J.QUEUED}),
    _J.SUCCEEDED: frozenset(),
}

_E = EngineState
ENGINE_MOVES: Mapping[EngineState, frozenset[EngineState]] = {
    _E.ABSENT: frozenset({_E.STARTING}),
    _E.STARTING: frozenset({_E.READY, _E.STOPPING, _E.CRASHED, _E.UNUSABLE}),
    _E.READY: frozenset({_E.BUSY, _E.STOPPING, _E.CRASHED}),
    _E.BUSY: frozenset({_E.READY, _E.STOPPING, _E.CRASHED}),
    _E.STOPPING: frozenset({_E.ABSENT}),
    _E.CRASHED: frozenset({_E.STARTING, _E.UNUSABLE, _E.ABSENT}),
    # The user mended something and asks for another try.
    _E.UNUSABLE: frozenset({_E.STARTING, _E.ABSENT}),
}

_D = DownloadState
DOWNLOAD_MOVES: Mapping[DownloadState, frozenset[DownloadState]] = {
    _D.QUEUED: frozenset({_D.PREPARING, _D.PAUSED, _D.CANCELLED, _D.FAILED}),
    # Preparing asks the hub for the files; running ones return to the queue when their process was lost.
    _D.PREPARING: frozenset({_D.RUNNING, _D.VERIFYING, _D.DONE, _D.QUEUED, _D.PAUSED, _D.FAILED, _D.CANCELLED}),
    _D.RUNNING: frozenset({_D.VERIFYING, _D.DONE, _D.QUEUED, _D.PAUSED, _D.FAILED, _D.CANCELLED}),
    _D.VERIFYING: frozenset({_D.DONE, _D.QUEUED, _D.PAUSED, _D.FAILED, _D.CANCELLED}),
    # What was fetched is kept, so both go on where they stopped.
    _D.PAUSED: frozenset({_D.QUEUED, _D.CANCELLED}),
    _D.FAILED: frozenset({_D.QUEUED, _D.CANCELLED}),
    _D.DONE: frozenset(),
    _D.CANCELLED: frozenset(),
}
DOWNLOAD_ACTIVE = frozenset({_D.PREPARING, _D.RUNNING, _D.VERIFYING})
DOWNLOAD_ENDED = frozenset({_D.DONE, _D.CANCELLED})

S = TypeVar("S", JobState, EngineState, DownloadState)


class ForbiddenMoveError(Exception):
    """A state change that the table does not allow; always a bug of ours."""


def move(table: Mapping[S, frozenset[S]], old: S, new: S) -> S:
    """``new``, if the table allows to go there from ``old``. Staying where one is is allowed."""
    if new is not old and new not in table[old]:
        raise ForbiddenMoveError(f"{old.value} -> {new.value}")
    return new
