"""Tiny pipelines of every family, built once a session and loaded once; tests run them in this process."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the libraries, at their import
    import tiny
    import torch
    from tiny_runs import Loaded

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.torch)
            item.add_marker(pytest.mark.filterwarnings("ignore"))  # what the libraries say is not ours to mend


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
def faults(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Arm points of ``models.faults`` for this test: ``faults["decode:whole"] = "oom"``."""
    armed: dict[str, str] = {}
    monkeypatch.setattr("models.faults._armed", armed)
    return armed
