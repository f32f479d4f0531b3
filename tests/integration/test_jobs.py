"""Jobs through the real worker process, with the painter: the good way, cancelling, retrying, what is written down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from app import events as announced
from app.states import EngineState, JobState
from models import recipe
from models.errors import AtelierError, ErrorCode, InvalidInputError
from models.runners.fake import paint
from tests.integration.conftest import Studio

Make = Callable[..., Studio]


def test_a_prompt_becomes_a_kept_picture(studio: Make) -> None:
    s = studio()
    job = s.finish(s.submit(seed=7, width=128, height=96, step_seconds=0.05))
    assert job.state is JobState.SUCCEEDED
    (result,) = s.core.library.recent()
    assert job.results == (result.id,)
    with Image.open(result.path) as picture:
        assert picture.size == (128, 96)
        assert picture.convert("RGB").tobytes() == paint(7, 128, 96, 1.0).tobytes()
    made = recipe.read(Path(result.path))
    assert made is not None
    assert made["inputs"] == job.inputs
    assert made["seed"] == 7
    assert made["job"] == job.id
    assert made["model"]["id"] == "fake"
    assert made["seconds"] > 0
    assert s.core.estimate("fake") == pytest.approx(made["seconds"])
    states = [event.job.state for event in s.seen if isinstance(event, announced.JobChanged)]
    assert [state for n, state in enumerate(states) if n == 0 or states[n - 1] is not state] == [
        JobState.LOADING, JobState.RUNNING, JobState.DECODING, JobState.SAVING, JobState.SUCCEEDED,
    ]  # fmt: skip
    s.until(lambda: not any(s.core.paths.outbox.iterdir()))


def test_progress_goes_up_and_previews_come(studio: Make) -> None:
    s = studio()
    job = s.finish(s.submit(count=2, steps=10, step_seconds=0.1))
    progress = [event.job.progress for event in s.seen if isinstance(event, announced.JobChanged)]
    fractions = [p.fraction for p in progress if p.steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.9
    assert {p.picture for p in progress if p.steps} == {1, 2}
    later = [p.seconds_left for p in progress if p.steps and p.fraction > 0.2]
    assert all(0 <= left < 10 for left in later)
    previews = [event for event in s.seen if isinstance(event, announced.PreviewArrived)]
    assert previews
    assert all(event.data.startswith(b"\xff\xd8") for event in previews)
    spent = job.timings["previews"] / job.timings["total"]
    assert spent <= 0.01, f"previews took {spent:.2%}"


def test_each_picture_of_a_job_equals_its_single_run(studio: Make) -> None:
    s = studio()
    job = s.finish(s.submit(count=3, seed=40))
    singles = [s.finish(s.submit(seed=seed)) for seed in (40, 41, 42)]
    library = s.core.library

    def pixels(result_id: str) -> bytes:
        result = library.get(result_id)
        assert result is not None
        with Image.open(result.path) as picture:
            return picture.convert("RGB").tobytes()

    assert [pixels(result) for result in job.results] == [pixels(single.results[0]) for single in singles]
    assert len({pixels(result) for result in job.results}) == 3


def test_a_job_may_say_of_each_picture_what_is_different(studio: Make) -> None:
    s = studio()
    inputs = {"prompt": "hills", "seed": 5, "steps": 2, "width": 64, "height": 64}
    variants = [{"seed": 5, "width": 128}, {"seed": 9}, {"prompt": "a sun", "steps": 3}]
    job = s.finish(s.core.queue.submit("fake", inputs, variants=variants, about={"grid": {"x": "width"}}))
    found = [s.core.library.get(key) for key in job.results]
    assert [(r.seed, r.width, r.prompt) for r in found if r] == [(5, 128, "hills"), (9, 64, "hills"), (5, 64, "a sun")]
    assert [r.recipe["inputs"]["steps"] for r in found if r] == [2, 2, 3]
    assert all(r.recipe["grid"] == {"x": "width"} for r in found if r)
    for result in filter(None, found):
        with Image.open(result.path) as picture:
            assert picture.convert("RGB").tobytes() == paint(result.seed, result.width, result.height, 1.0).tobytes()


def test_a_wrong_variant_is_refused_before_anything_is_queued(studio: Make) -> None:
    s = studio()
    with pytest.raises(InvalidInputError) as caught:
        s.core.queue.submit("fake", {"prompt": "hills"}, variants=[{"steps": 2}, {"steps": 0}])
    assert [problem.name for problem in caught.value.info.problems] == ["steps"]
    assert s.core.queue.jobs() == []


def test_a_seed_past_the_end_wraps_round(studio: Make) -> None:
    s = studio()
    job = s.finish(s.submit(count=2, seed=2**32 - 1))
    assert [s.core.library.get(result).seed for result in job.results] == [2**32 - 1, 0]  # type: ignore[union-attr]


def test_cancel_takes_effect_within_a_step(studio: Make) -> None:
    s = studio()
    job = s.submit(steps=100, step_seconds=0.2)
    s.wait_for(job, JobState.RUNNING)
    began = time.monotonic()
    s.core.queue.cancel(job.id)
    assert s.finish(job).state is JobState.CANCELLED
    assert time.monotonic() - began < 2.0
    assert s.core.library.recent() == []
    assert s.finish(s.submit()).state is JobState.SUCCEEDED, "the worker goes on"


def test_a_waiting_job_is_cancelled_and_removed_without_the_engine(studio: Make) -> None:
    s = studio()
    first, second, third = s.submit(steps=20, step_seconds=0.05), s.submit(), s.submit()
    s.core.queue.cancel(second.id)
    s.core.queue.remove(third.id)
    assert s.job(second).state is JobState.CANCELLED
    assert s.finish(first).state is JobState.SUCCEEDED
    assert [job.id for job in s.core.queue.jobs()] == [first.id, second.id]


def test_a_cancelled_job_can_be_tried_again(studio: Make) -> None:
    s = studio()
    job = s.submit(steps=20, step_seconds=0.1)
    s.wait_for(job, JobState.RUNNING)
    s.core.queue.cancel(job.id)
    s.finish(job)
    s.core.queue.retry(job.id)
    assert s.finish(job).state is JobState.SUCCEEDED


def test_waiting_jobs_run_in_the_order_they_were_put(studio: Make) -> None:
    s = studio()
    jobs = [s.submit(prompt=str(n), steps=10, step_seconds=0.05) for n in range(4)]
    s.wait_for(jobs[0], JobState.RUNNING)
    s.core.queue.move(jobs[3].id, 0)
    for job in jobs:
        s.finish(job)
    assert [r.prompt for r in reversed(s.core.library.recent())] == ["0", "3", "1", "2"]


def test_what_is_wrong_is_said_before_anything_is_queued(studio: Make) -> None:
    s = studio()
    with pytest.raises(InvalidInputError) as caught:
        s.submit(steps=0)
    assert caught.value.info.problems[0].name == "steps"
    with pytest.raises(InvalidInputError):
        s.submit(count=0)
    with pytest.raises(AtelierError) as missing:
        s.core.queue.submit("no/such", {"prompt": "x"})
    assert missing.value.code is ErrorCode.MODEL_NOT_INSTALLED
    assert [problem.name for problem in caught.value.info.problems] == ["steps"]
    assert s.core.queue.jobs() == []


def test_too_little_memory_leads_to_the_cheaper_plan(studio: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_FAULTS", "step=oom")  # the painter's cheaper plan does not mind
    s = studio()
    job = s.finish(s.submit())
    assert job.state is JobState.SUCCEEDED
    assert s.notices(job) == ["cheaper_plan"]
    recipes = s.core.library.recent()[0].recipe
    assert recipes["plan"]["placement"] == "sequential_offload"
    assert s.notices(s.finish(s.submit())) == [], "the plan that works is remembered"


def test_when_no_plan_fits_the_numbers_are_told(studio: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_FAULTS", "load=oom")
    s = studio()
    job = s.finish(s.submit())
    assert job.error is not None
    assert job.error.code is ErrorCode.OUT_OF_MEMORY
    assert float(job.error.facts["free_gb"]) > 0
    assert "planted" in job.error.detail


def test_a_full_disk_costs_no_picture(studio: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_FAULTS", "save=full")
    s = studio()
    job = s.finish(s.submit(seed=3))
    assert job.error is not None
    assert job.error.code is ErrorCode.DISK_FULL
    assert list(s.core.library.job_folder(job.id).glob("*.latents")), "what was worked for is kept"
    monkeypatch.delenv("ATELIER_FAULTS")
    s.core.engine.restart()
    s.core.queue.retry(job.id)
    job = s.finish(job)
    assert job.state is JobState.SUCCEEDED
    assert s.notices(job) == ["latents_reused"]
    s.until(lambda: not s.core.library.job_folder(job.id).exists())


def test_a_pictures_folder_that_cannot_be_written_is_named(studio: Make, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    s = studio(pictures_folder=str(blocked / "sub"))
    job = s.finish(s.submit())
    assert job.state is JobState.FAILED
    s.core.settings.change(pictures_folder=str(tmp_path / "good"))
    s.core.queue.retry(job.id)
    job = s.finish(job)
    assert job.state is JobState.SUCCEEDED
    assert (tmp_path / "good") in Path(s.core.library.recent()[0].path).parents


def test_a_worker_grown_past_its_limit_is_replaced_between_jobs(studio: Make) -> None:
    s = studio(worker_memory_gb=0.001)
    s.ready()
    before = s.core.engine.pid
    assert s.finish(s.submit()).state is JobState.SUCCEEDED
    s.ready()
    assert s.core.engine.pid != before
    assert s.finish(s.submit()).state is JobState.SUCCEEDED


def test_an_engine_that_cannot_start_fails_the_job_in_words(studio: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    s = studio()
    s.core.engine.stop()
    s.core.engine.configure("/nonexistent/python", s.core._hello())
    job = s.finish(s.submit())
    assert job.error is not None
    assert job.error.code is ErrorCode.ENGINE_START_FAILED
    assert s.core.engine.state is EngineState.UNUSABLE
    s.core.engine.configure(__import__("sys").executable, s.core._hello())
    s.core.engine.restart()
    s.core.queue.retry(job.id)
    assert s.finish(job).state is JobState.SUCCEEDED


def test_restarting_the_engine_under_a_job_starts_the_job_again(studio: Make) -> None:
    s = studio()
    job = s.submit(steps=10, step_seconds=0.1)
    s.wait_for(job, JobState.RUNNING)
    s.core.engine.restart()
    job = s.finish(job)
    assert job.state is JobState.SUCCEEDED
    assert s.notices(job) == ["retried"]


def test_a_size_that_was_too_large_does_not_spoil_smaller_ones(studio: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_FAULTS", "large=oom")
    s = studio()
    job = s.finish(s.submit(width=1024, height=1024))
    assert job.error is not None
    assert job.error.code is ErrorCode.OUT_OF_MEMORY
    smaller = s.finish(s.submit(width=256, height=256))
    assert smaller.state is JobState.SUCCEEDED
    assert s.notices(smaller) == []
    again = s.finish(s.submit(width=2048, height=2048))
    assert again.state is JobState.FAILED


def test_a_picture_taken_in_by_the_second_try_is_announced(studio: Make, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    s = studio(pictures_folder=str(blocked / "sub"))
    job = s.finish(s.submit())
    s.core.settings.change(pictures_folder=str(tmp_path / "good"))
    s.core.queue.retry(job.id)
    job = s.finish(job)
    told = [event.result.id for event in s.seen if isinstance(event, announced.ResultAdded)]
    assert told == list(job.results)


def test_a_changed_device_takes_effect_between_jobs(studio: Make) -> None:
    s = studio()
    first, second = s.submit(steps=10, step_seconds=0.05), s.submit()
    s.wait_for(first, JobState.RUNNING)
    before = s.core.engine.pid
    s.core.settings.change(device="cpu")
    assert s.finish(first).state is JobState.SUCCEEDED
    assert s.notices(first) == [], "the running job is not disturbed"
    assert s.finish(second).state is JobState.SUCCEEDED
    assert s.core.engine.pid != before


def test_many_jobs_leave_one_watch_behind(studio: Make) -> None:
    s = studio()
    for _ in range(12):
        s.finish(s.submit(width=64, height=64, steps=1))
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert len(timers) <= 3, "one ping, one start, one cancel at most"


def test_a_removed_job_leaves_nothing_behind(studio: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_FAULTS", "save=full")
    s = studio()
    job = s.finish(s.submit())
    assert s.core.library.keeps_latents(job.id)
    s.core.queue.remove(job.id)
    s.until(lambda: not s.core.library.job_folder(job.id).exists())
