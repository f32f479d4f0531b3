"""Running tiny models in tests: a report that writes everything down, and a loaded model with a short way to run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from models.box import BoxSchema
from models.card import ModelRef
from models.planning import Plan
from models.runners.base import CancelledRunError, Picture
from models.runners.diffusion.kind import DiffusionKind
from models.schemas import schema_from_folder

CPU = Plan(device="cpu")


@dataclass
class Ear:
    """A report that writes everything down; ``cancel_at`` decides at each checkpoint whether the job is cancelled."""

    cancel_at: Callable[[Ear], bool] = lambda _: False
    previews: bool = True
    steps: list[tuple[int, int, float]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    loads: list[tuple[float, str]] = field(default_factory=list)
    shown: list[tuple[Image.Image, int, int, float]] = field(default_factory=list)
    checkpoints: int = 0

    def loading(self, fraction: float, what: str) -> None:
        self.loads.append((fraction, what))

    def step(self, step: int, steps: int, within: float = 0.0) -> None:
        self.steps.append((step, steps, within))

    def preview(self, image: Image.Image, width: int, height: int, seconds: float) -> None:
        self.shown.append((image, width, height, seconds))

    def wants_preview(self) -> bool:
        return self.previews

    def stage(self, stage: str) -> None:
        self.stages.append(stage)

    def notice(self, code: str, **facts: str | int | float) -> None:
        self.notices.append(code)

    def checkpoint(self) -> None:
        self.checkpoints += 1
        if self.cancel_at(self):
            raise CancelledRunError


class Loaded:
    """A tiny model, loaded: its folder, its schema and a short way to run it."""

    def __init__(self, folder: Path, cache_folder: Path, plan: Plan = CPU) -> None:
        self.folder = folder
        self.ref = ModelRef(folder.name, folder.name, "diffusion", str(folder), "0")
        self.schema: BoxSchema = schema_from_folder(folder)
        self.ear = Ear()
        self.runner: Any = DiffusionKind().load(self.ref, plan, self.ear, cache_folder)

    @property
    def pipe(self) -> Any:
        return self.runner._pipe

    def run(self, keep: Path, seed: int = 7, ear: Ear | None = None, **inputs: Any) -> Picture:
        values = self.schema.validate({"prompt": "a red cat", **inputs})
        picture: Picture = self.runner.run(values, seed, keep, ear or Ear())
        return picture
