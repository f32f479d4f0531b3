"""Real pipelines of seven families through the real worker: what the user gets, and what happens when it goes wrong."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from app.jobs import Job
from app.states import JobState
from models.errors import AtelierError, ErrorCode
from models.protocol import Hello
from tests.integration.conftest import Studio
from tests.torch import tiny

Make = Callable[..., Studio]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Tiny random-weight pipelines in diffusers layout, built once."""
    root = tmp_path_factory.mktemp("models")
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = tiny.build(family, root / family)
        return made[family]

    return folder


def heavy(studio: Studio) -> Studio:
    """The same studio with an engine that has torch imported, as the window starts it."""
    hello = studio.core._hello()
    studio.core.engine.configure(sys.executable, Hello(hello.version, "cpu", 0, hello.cache_folder, ("diffusers",)))
    studio.core.engine.restart()
    return studio


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One engine for all tests that do not break it: importing torch takes its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("ATELIER_FAKE", "1")
        studio = heavy(Studio())
    yield studio
    studio.close()


def submit(studio: Studio, model: Path | str, count: int = 1, **inputs: Any) -> Job:
    return studio.core.queue.submit(str(model), {"prompt": "a red apple", "seed": 3, "steps": 3, **inputs}, count)


def pixels(studio: Studio, job: Job) -> list[bytes]:
    found = [studio.core.library.get(result) for result in job.results]
    return [Image.open(result.path).convert("RGB").tobytes() for result in found if result is not None]


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_family_makes_pictures_that_can_be_made_again(
    shared: Studio, folders: Callable[[str], Path], family: str
) -> None:
    job = shared.finish(submit(shared, folders(family), count=2))
    assert job.state is JobState.SUCCEEDED, job.error
    again = shared.finish(submit(shared, folders(family), seed=4))
    first, second = pixels(shared, job)
    assert first != second
    assert pixels(shared, again) == [second], "a picture of a batch is its single run, bit for bit"
    result = shared.core.library.recent()[0]
    assert (result.width, result.height) == (job.inputs["width"], job.inputs["height"])
    assert result.recipe["plan"]["device"] == "cpu"
    assert result.recipe["versions"]["diffusers"]
    assert result.recipe["model"]["revision"]


def test_the_engine_has_no_connection_to_anywhere(shared: Studio, folders: Callable[[str], Path]) -> None:
    shared.finish(submit(shared, folders("sd")))
    assert psutil.Process(shared.core.engine.pid).net_connections() == []


def test_cancel_works_within_a_step_and_the_model_stays_usable(shared: Studio, folders: Callable[[str], Path]) -> None:
    job = submit(shared, folders("sd"), steps=150)
    shared.until(lambda: shared.job(job).progress.step > 2)
    shared.core.queue.cancel(job.id)
    job = shared.finish(job)
    assert job.state is JobState.CANCELLED
    assert job.progress.step < 150
    assert shared.finish(submit(shared, folders("sd"))).state is JobState.SUCCEEDED


def test_a_missing_file_is_named_before_anything_starts(shared: Studio, tmp_path: Path) -> None:
    folder = tiny.build("sd", tmp_path / "broken")
    (file,) = (folder / "unet").glob("*.safetensors")
    file.unlink()
    with pytest.raises(AtelierError) as caught:
        submit(shared, folder)
    assert caught.value.code is ErrorCode.MODEL_INCOMPLETE
    assert "unet" in str(caught.value.info.facts["file"])


def test_a_file_cut_off_while_the_job_waits_fails_the_job_in_words(shared: Studio, tmp_path: Path) -> None:
    folder = tiny.build("sd", tmp_path / "cut")
    (file,) = (folder / "vae").glob("*.safetensors")
    busy = shared.core.queue.submit("fake", {"prompt": "x", "step_seconds": 0.1}, 1)
    job = submit(shared, folder)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    shared.finish(busy)
    job = shared.finish(job)
    assert job.error is not None
    assert job.error.code is ErrorCode.MODEL_CORRUPT
    assert "vae" in str(job.error.facts["file"])


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("load:unet=sleep:2", JobState.LOADING),
        ("step=sleep:0.4", JobState.RUNNING),
        ("decode:whole=sleep:2", JobState.DECODING),
    ],
)
def test_a_killed_engine_loses_nothing(
    studio: Make, folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, fault: str, state: JobState
) -> None:
    monkeypatch.setenv("ATELIER_FAULTS", fault)
    s = heavy(studio())
    job = submit(s, folders("sd"))
    s.wait_for(job, state)
    if state is JobState.DECODING:
        s.until(lambda: any(s.core.library.job_folder(job.id).glob("*.latents")))
    assert s.core.engine.pid is not None
    os.kill(s.core.engine.pid, signal.SIGKILL)
    job = s.finish(job)
    assert job.state is JobState.SUCCEEDED, job.error
    assert s.notices(job) == (["retried", "latents_reused"] if state is JobState.DECODING else ["retried"])


def test_too_little_memory_for_the_decoder_means_tiles(
    studio: Make, folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_FAULTS", "decode:whole=oom")
    s = heavy(studio())
    job = s.finish(submit(s, folders("sd")))
    assert job.state is JobState.SUCCEEDED, job.error
    assert "decode_tiled" in s.notices(job)
