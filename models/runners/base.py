"""What the worker asks of a runner, and what a runner may tell the worker while it works."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import msgspec
from PIL import Image

from models.card import AddonRef, ModelRef
from models.planning import DeviceFacts, Plan


class CancelledRunError(BaseException):
    """Raised by ``Report.checkpoint`` inside a model's own code; a BaseException, so that no library swallows it."""


class OutOfMemoryError(Exception):
    """The device has no room for what was tried. ``stage`` is "load", "run" or "decode"."""

    def __init__(self, stage: str, detail: str = "") -> None:
        self.stage = stage
        super().__init__(f"out of memory while {stage}: {detail}")


class Picture(msgspec.Struct, frozen=True):
    """One finished picture and the seed it was made from; ``facts`` go into its recipe (scheduler, plan...)."""

    image: Image.Image
    seed: int
    facts: dict[str, Any] = {}


class Words(msgspec.Struct, frozen=True):
    """What a model that answers in words has said."""

    text: str


Addons = Mapping[str, AddonRef]
"""Which file each name of an add-on in the inputs stands for."""
NO_ADDONS: Addons = MappingProxyType({})


class Report(Protocol):
    """The worker's ear. All methods are cheap and may be called from within a model's forward pass."""

    def loading(self, fraction: float, what: str) -> None:
        """Loading has come to ``fraction`` (0..1), now at ``what``."""

    def step(self, step: int, steps: int, within: float = 0.0) -> None:
        """``step`` steps of ``steps`` are done, and the fraction ``within`` (0..1) of the next one."""

    def preview(self, image: Image.Image, width: int, height: int, seconds: float) -> None:
        """A small image of the picture so far; ``seconds`` is what making it has cost."""

    def wants_preview(self) -> bool:
        """True when a preview may be made now without passing its share of the time (1 %)."""

    def stage(self, stage: str) -> None:
        """The picture moved on: "running", "decoding" or "saving"."""

    def notice(self, code: str, **facts: str | int | float) -> None:
        """Something the user should know, though the work goes on."""

    def checkpoint(self) -> None:
        """Call often: raises CancelledRunError when the job was cancelled."""


class Runner(Protocol):
    """A loaded model. Made by ``load`` with one plan; run many times; dropped to give its memory back."""

    @property
    def memory(self) -> int:
        """Bytes its weights take (on whichever device), with what is kept beside them."""

    def run(
        self, inputs: dict[str, Any], seed: int, keep: Path, report: Report, addons: Addons = NO_ADDONS
    ) -> Picture | Words:
        """Make one picture, or say something.

        ``keep`` is where final latents are kept until the worker has saved the picture: when the file exists, denoising
        is skipped and only the decoding is done again.

        Raises:
            OutOfMemoryError: no room; the worker goes on with the next cheaper plan.
            CancelledRunError: from ``report.checkpoint``.
            AtelierError: anything with a code.
        """

    def close(self) -> None:
        """Free everything."""


class RunnerKind(Protocol):
    """How to plan and load a model of this kind."""

    def plans(self, model: ModelRef, facts: DeviceFacts, pixels: int = 0) -> tuple[Plan, ...]:
        """The ways to load ``model`` on this device, best first; raises AtelierError if there is none.

        ``pixels`` is the size of the picture to be made, 0 for the model's own. Kinds whose models take ControlNets and
        the like are also given ``beside``: what of them a job uses, as ``models.machine.Component``.
        """

    def load(self, model: ModelRef, plan: Plan, report: Report, cache: Path) -> Runner:
        """Load ``model``. Raises OutOfMemoryError or AtelierError (MODEL_INCOMPLETE, MODEL_CORRUPT...)."""

    def warm_up(self) -> dict[str, str]:
        """Import what is heavy, before the first job; returns the versions of the libraries used."""
