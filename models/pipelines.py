"""What each diffusers pipeline class can do, readable without diffusers.

The table ``pipelines.json`` is written by ``python -m models.runners.diffusion.table --write`` from the installed
diffusers and checked in; a test says when it is stale. One line a class, so that a version bump reads well in a diff.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import resources

import msgspec

Scalar = str | int | float | bool


class Task(StrEnum):
    """What a pipeline makes, and from what."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_IMAGE = "image-to-image"
    INPAINT = "inpaint"
    EDIT = "edit"
    CONTROLNET = "controlnet"
    UPSCALE = "upscale"
    VIDEO = "video"
    AUDIO = "audio"
    OTHER = "other"


class PipelineRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One pipeline class.

    ``inputs`` are the names its ``__call__`` takes and ``required`` those without a default (pipelines also check for
    more at run time); ``defaults`` holds the plain values among the defaults. ``guidance`` names the parameter that
    steers how strictly the prompt is followed, ``denoiser`` the component that is called once or more a step.
    ``own_sigmas`` says that the pipeline hands its own noise levels to the scheduler, which few schedulers accept.
    ``loras`` says that diffusers knows how LoRAs for it are written. ``siblings`` are classes of the same family for
    other tasks, by task.
    """

    name: str
    task: Task
    family: str
    inputs: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    defaults: dict[str, Scalar] = {}
    components: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    denoiser: str = ""
    guidance: str = ""
    negative_prompt: bool = False
    step_callback: bool = False
    interrupt: bool = False
    own_sigmas: bool = False
    loras: bool = False
    deprecated: bool = False
    siblings: dict[str, str] = {}


class PipelineTable(msgspec.Struct, frozen=True):
    """All rows, and the version of diffusers they were read from."""

    diffusers: str
    rows: tuple[PipelineRow, ...]


@cache
def table() -> PipelineTable:
    """The table as checked in."""
    data = resources.files("models").joinpath("pipelines.json").read_bytes()
    return msgspec.json.decode(data, type=PipelineTable)


@cache
def _by_name() -> dict[str, PipelineRow]:
    return {row.name: row for row in table().rows}


def row(class_name: str) -> PipelineRow | None:
    """The row of a pipeline class, None for a class this diffusers does not have."""
    return _by_name().get(class_name)
