"""What a job and a result are: plain data that the queue owns, the database stores and the window shows."""

from __future__ import annotations

import secrets
import time
from typing import Any

import msgspec

from app.states import TERMINAL, JobState
from models.errors import ErrorInfo


class JobProgress(msgspec.Struct, frozen=True):
    """How far a running job is. ``picture`` and ``step`` count from 1; ``seconds_left`` is -1 while unknown.

    While the model is loaded ``fraction`` is the loading's and ``what`` names the part being loaded.
    """

    picture: int = 0
    pictures: int = 0
    step: int = 0
    steps: int = 0
    fraction: float = 0.0
    seconds_left: float = -1.0
    what: str = ""


class JobNotice(msgspec.Struct, frozen=True):
    """Something worth knowing that did not stop the job ("decode_tiled", "cheaper_plan", "retried"...)."""

    code: str
    facts: dict[str, str | int | float] = {}


class Job(msgspec.Struct, frozen=True):
    """One request and where it stands. A new value replaces the old one at every change; nothing is edited in place.

    ``inputs`` are validated and complete (the seed is the first picture's); ``results`` are ids of library entries;
    ``held`` is true for a job found from an earlier session that waits for the user's word. ``variants``, one for each
    picture where there are any, are laid over the inputs. ``about`` goes into every picture's recipe as it is (a grid's
    axes, the prompt before its alternatives were chosen). ``texts`` is what a model that answers in words has said.
    ``files`` says where the copies of the pictures in the inputs lie (``app.kept_inputs``).
    """

    id: str
    model: str
    model_name: str
    inputs: dict[str, Any]
    count: int
    created: float
    state: JobState = JobState.QUEUED
    progress: JobProgress = JobProgress()
    error: ErrorInfo | None = None
    notices: tuple[JobNotice, ...] = ()
    results: tuple[str, ...] = ()
    attempts: int = 0
    held: bool = False
    timings: dict[str, float] = {}
    variants: tuple[dict[str, Any], ...] = ()
    about: dict[str, Any] = {}
    texts: tuple[str, ...] = ()
    files: dict[str, str] = {}

    @property
    def prompt(self) -> str:
        return str(self.inputs.get("prompt", ""))

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL


def new_id() -> str:
    """Of a job: sorts by time, and two programs never make the same one."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


class Result(msgspec.Struct, frozen=True):
    """One finished picture in the library. ``path`` is absolute; ``recipe`` is how it was made (``models.recipe``)."""

    id: str
    job: str
    path: str
    created: float
    model: str
    model_name: str
    prompt: str
    seed: int
    width: int
    height: int
    recipe: dict[str, Any] = {}
