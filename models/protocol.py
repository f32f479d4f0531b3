"""Every message between the app and an engine worker, as two closed unions of tagged structs.

Frames are made in ``models.codec``. Raise ``VERSION`` with any change that an older other side would misread; the
golden file in the tests shows each message on the wire.
"""

from __future__ import annotations

from typing import Any

import msgspec

from models.card import AddonRef, ModelRef
from models.errors import ErrorInfo
from models.planning import DeviceFacts, Plan

VERSION = 2


class Message(msgspec.Struct, frozen=True, tag_field="type", tag=str.lower):
    """Base of all messages; the class name in lower case is the tag."""


# -- app to worker ----------------------------------------------------------------------------------------------------


class Hello(Message, frozen=True):
    """First message. ``memory_budget`` bounds the models kept loaded, in bytes (0: chosen from the device's memory).

    ``runners`` are warmed up (imported) before the worker says it is ready.
    """

    version: int
    device: str = "auto"
    memory_budget: int = 0
    cache_folder: str = ""
    runners: tuple[str, ...] = ()


class Load(Message, frozen=True):
    """Load a model ahead of the first job that needs it."""

    model: ModelRef


class Run(Message, frozen=True):
    """Make ``count`` pictures with seeds ``seed, seed + 1, ...``; files go into ``folder``, named by their number.

    ``inputs`` are validated values; ``recipe`` is what the app wants written into each picture besides; ``done`` are
    numbers of pictures an earlier attempt has already made. ``variants``, one for each picture where there are any, are
    laid over the inputs, their seed included: a grid's cells, or a prompt's alternatives. ``addons`` says which file
    each name of an add-on in the inputs stands for, ``files`` where the copies of the pictures in the inputs lie, which
    are read in their stead.
    """

    job: str
    model: ModelRef
    inputs: dict[str, Any]
    count: int
    folder: str
    recipe: dict[str, Any] = {}
    done: tuple[int, ...] = ()
    previews: bool = True
    variants: tuple[dict[str, Any], ...] = ()
    addons: dict[str, AddonRef] = {}
    files: dict[str, str] = {}


class Cancel(Message, frozen=True):
    job: str


class Unload(Message, frozen=True):
    """Drop all loaded models and give their memory back."""


class Ping(Message, frozen=True):
    number: int


class Shutdown(Message, frozen=True):
    """Finish nothing, end now."""


# -- worker to app ----------------------------------------------------------------------------------------------------


class Starting(Message, frozen=True):
    """Sent at once, before the heavy imports begin: the process lives."""

    version: int
    pid: int


class Ready(Message, frozen=True):
    """The libraries are imported and the device is known."""

    device: DeviceFacts
    versions: dict[str, str]
    seconds: float


class Loading(Message, frozen=True):
    """A model is being loaded: ``fraction`` 0 to 1, ``what`` names the part ("unet"). ``job`` is empty for ``Load``."""

    model: str
    fraction: float
    what: str = ""
    job: str = ""


class Loaded(Message, frozen=True):
    model: str
    plan: Plan
    memory: int
    seconds: float
    job: str = ""


class LoadFailed(Message, frozen=True):
    """A ``Load`` ahead of time did not work; the job that needs the model will say so to the user."""

    model: str
    error: ErrorInfo


class Progress(Message, frozen=True):
    """Step ``step`` of ``steps`` of picture ``picture`` of ``pictures`` (both counted from 1).

    ``fraction`` is the whole job's, 0 to 1, and moves within steps too; ``seconds_left`` is -1 while unknown.
    """

    job: str
    picture: int
    pictures: int
    step: int
    steps: int
    fraction: float
    seconds_left: float = -1.0


class Preview(Message, frozen=True):
    """A small JPEG or PNG of the picture as it stands, to be scaled to ``width`` x ``height``."""

    job: str
    picture: int
    width: int
    height: int
    data: bytes


class Stage(Message, frozen=True):
    """The job moved on to ``stage``: running, decoding or saving."""

    job: str
    picture: int
    stage: str


class Notice(Message, frozen=True):
    """Something the user should know, though the job goes on: a fall to a cheaper plan, a result made again."""

    job: str
    code: str
    facts: dict[str, str | int | float] = {}


class Produced(Message, frozen=True):
    """One picture is complete on the disk."""

    job: str
    picture: int
    seed: int
    path: str


class Said(Message, frozen=True):
    """What a model that answers in words has said; there is no file."""

    job: str
    number: int
    text: str


class Finished(Message, frozen=True):
    """All pictures are made. ``timings`` in seconds; ``memory`` is what the worker holds beside weights, in bytes."""

    job: str
    timings: dict[str, float]
    memory: int


class Failed(Message, frozen=True):
    job: str
    error: ErrorInfo


class Cancelled(Message, frozen=True):
    job: str


class Pong(Message, frozen=True):
    number: int


class Fatal(Message, frozen=True):
    """The worker cannot go on and ends; ``error`` says why."""

    error: ErrorInfo


ToWorker = Hello | Load | Run | Cancel | Unload | Ping | Shutdown
FromWorker = (
    Starting
    | Ready
    | Loading
    | Loaded
    | LoadFailed
    | Progress
    | Preview
    | Stage
    | Notice
    | Produced
    | Said
    | Finished
    | Failed
    | Cancelled
    | Pong
    | Fatal
)
