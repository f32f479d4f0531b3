"""Tiny pipelines of every family, built once a session and loaded once; tests run them in this process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the libraries, at their import
    import tiny
    import torch

    from models.runners.diffusion.kind import DiffusionKind

from PIL import Image

from models.box import BoxSchema
from models.card import ModelRef
from models.planning import Plan
from models.runners.base import CancelledRunError, Picture
from models.schemas import schema_from_folder

torch.set_num_threads(1)
CPU = Plan(device="cpu")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.torch)
            item.add_marker(pytest.mark.filterwarnings("ignore"))  # what the libraries say is not ours to mend


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


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The saved tiny pipeline of a family. Shared by all tests: copy it before changing anything."""
    root = tmp_path_factory.mktemp("tiny")

    @cache
    def build(family: str) -> Path:
        return tiny.build(family, root / family)

    return build


@pytest.fixture(scope="session")
def loaded(folder_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Loaded]:
    """A family's runner, loaded once and used by many tests: each must leave it usable."""
    cache_folder = tmp_path_factory.mktemp("cache")

    @cache
    def load(family: str) -> Loaded:
        return Loaded(folder_of(family), cache_folder)

    return load


@pytest.fixture(params=tiny.FAMILIES)
def model(request: pytest.FixtureRequest, loaded: Callable[[str], Loaded]) -> Loaded:
    return loaded(request.param)


@pytest.fixture
def sd(loaded: Callable[[str], Loaded]) -> Loaded:
    return loaded("sd")


@pytest.fixture
def keep(tmp_path: Path) -> Path:
    return tmp_path / "latents.safetensors"


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Arm points of ``models.faults`` for this test: ``faults["decode:whole"] = "oom"``."""
    armed: dict[str, str] = {}
    monkeypatch.setattr("models.faults._armed", armed)
    return armed
