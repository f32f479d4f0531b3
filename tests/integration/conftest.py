"""A core on a plain loop, with the real worker process behind it; the painter without torch unless a test says else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app import events as announced
from app.core import Core
from app.dispatch import LoopDispatcher
from app.jobs import Job
from app.paths import default_paths
from app.states import EngineState, JobState
from tests.fakehub import FakeHub
from tests.integration.hub import HubProcess, Start

PATIENCE = 60.0  # seconds; two busy cores are no failure


class Studio:
    """A core and its loop, with the words tests like to use."""

    def __init__(self, origin: str = "window", **settings: Any) -> None:
        self.dispatcher = LoopDispatcher()
        self.core = Core(default_paths(), self.dispatcher, origin)
        self.core.settings.change(model="fake", preload=False, **settings)
        self.core.engine.configure(self.core.engine._python, self.core._hello())
        self.seen: list[object] = []
        for kind in (
            announced.JobChanged, announced.JobNoticed, announced.ResultAdded, announced.PreviewArrived,
            announced.EngineChanged, announced.TroubleArose,
        ):  # fmt: skip
            self.core.events.subscribe(kind, self.seen.append)
        self.core.start()

    def submit(self, count: int = 1, **inputs: Any) -> Job:
        return self.core.queue.submit("fake", {"prompt": "hills", "seed": 1, **inputs}, count)

    def until(self, done: Callable[[], bool]) -> None:
        assert self.dispatcher.run_until(done, PATIENCE), f"still waiting; last seen: {self.seen[-3:]}"

    def job(self, job: Job) -> Job:
        return self.core.queue.get(job.id)

    def wait_for(self, job: Job, *states: JobState) -> Job:
        self.until(lambda: self.job(job).state in states)
        return self.job(job)

    def finish(self, job: Job) -> Job:
        self.until(lambda: self.job(job).ended)
        return self.job(job)

    def ready(self) -> None:
        self.until(lambda: self.core.engine.state is EngineState.READY)

    def run_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.dispatcher.run_until(lambda: time.monotonic() > end)

    def notices(self, job: Job) -> list[str]:
        return [notice.code for notice in self.job(job).notices]

    def close(self) -> None:
        self.core.close()


@pytest.fixture
def studio() -> Iterator[Callable[..., Studio]]:
    """Opens studios; closes them all."""
    made: list[Studio] = []

    def make(**settings: Any) -> Studio:
        made.append(Studio(**settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A model hub on loopback."""
    with FakeHub() as one:
        yield one


@pytest.fixture
def start(hub: FakeHub, tmp_path: Path) -> Iterator[Start]:
    """Starts hub processes that talk to ``hub``, by default all with one cache; ends them all."""
    started: list[HubProcess] = []

    def make(state: str = "state", cache: str = "cache", env: dict[str, str] | None = None, **hello: Any) -> HubProcess:
        place = {"HF_HOME": str(tmp_path / "hf"), **(env or {})}
        endpoint = hello.pop("endpoint", hub.url)
        started.append(HubProcess(tmp_path / cache, tmp_path / state, endpoint, place, **hello))
        return started[-1]

    yield make
    for one in started:
        one.kill()
