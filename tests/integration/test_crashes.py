"""Nothing is lost: the worker and the app are killed (-9) at every stage, and everything is found again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app import engine as engine_module
from app import events as announced
from app.states import EngineState, JobState
from models import protocol
from models.errors import ErrorCode
from tests.integration.conftest import PATIENCE, Studio

Make = Callable[..., Studio]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")


@pytest.mark.parametrize(
    ("fault", "state", "notices"),
    [
        ("load=sleep:0.5", JobState.LOADING, ["retried"]),
        ("step=sleep:0.2", JobState.RUNNING, ["retried"]),
        ("decode=sleep:1.5", JobState.DECODING, ["retried", "latents_reused"]),
        ("save=sleep:1.5", JobState.SAVING, ["retried", "latents_reused"]),
    ],
)
def test_a_killed_worker_is_replaced_and_the_job_done(
    studio: Make, monkeypatch: pytest.MonkeyPatch, fault: str, state: JobState, notices: list[str]
) -> None:
    monkeypatch.setenv("ATELIER_FAULTS", fault)
    s = studio()
    job = s.submit(count=2)
    s.wait_for(job, state)
    assert s.core.engine.pid is not None
    os.kill(s.core.engine.pid, signal.SIGKILL)
    job = s.finish(job)
    assert job.state is JobState.SUCCEEDED
    assert s.notices(job) == notices
    assert "SIGKILL" in str(job.notices[0].facts["reason"])
    assert [result.seed for result in reversed(s.core.library.recent())] == [1, 2]
    s.until(lambda: not any(s.core.paths.outbox.iterdir()))


def test_a_job_that_kills_its_worker_twice_has_failed_and_the_next_one_runs(
    studio: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_FAULTS", "step=exit:9")
    s = studio()
    job = s.finish(s.submit())
    assert job.error is not None
    assert job.error.code is ErrorCode.ENGINE_CRASHED
    assert job.error.facts["reason"] == "exit code 9"
    monkeypatch.delenv("ATELIER_FAULTS")
    s.core.engine.restart()
    assert s.finish(s.submit()).state is JobState.SUCCEEDED


def test_pictures_made_before_the_crash_are_not_made_again(studio: Make) -> None:
    s = studio()
    job = s.submit(count=3, steps=5, step_seconds=0.1)
    s.until(lambda: s.job(job).progress.picture == 2)
    assert s.core.engine.pid is not None
    os.kill(s.core.engine.pid, signal.SIGKILL)
    job = s.finish(job)
    assert len(job.results) == 3
    made = {result.seed: result.recipe for result in s.core.library.recent()}
    assert sorted(made) == [1, 2, 3]


def test_what_was_said_before_the_crash_does_not_stand_there_twice(studio: Make) -> None:
    s = studio()
    job = s.submit(count=2, steps=5, step_seconds=0.1)
    s.until(lambda: s.job(job).progress.picture == 1)
    s.core.queue.hear(protocol.Said(s.core.queue._run, 1, "a red apple"))
    assert s.job(job).texts == ("a red apple",)
    assert s.core.engine.pid is not None
    os.kill(s.core.engine.pid, signal.SIGKILL)
    job = s.finish(job)
    assert job.state is JobState.SUCCEEDED
    assert job.texts == (), "the second try says all of it again"


def test_a_worker_that_hangs_is_ended_when_cancelled(studio: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "CANCEL_SECONDS", 0.5)
    s = studio()
    job = s.submit(steps=100, step_seconds=0.1)
    s.wait_for(job, JobState.RUNNING)
    pid = s.core.engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    s.core.queue.cancel(job.id)
    assert s.finish(job).state is JobState.CANCELLED
    assert not psutil.pid_exists(pid)
    assert s.finish(s.submit()).state is JobState.SUCCEEDED


def test_a_worker_that_falls_silent_is_replaced(studio: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "PING_SECONDS", 0.2)
    monkeypatch.setattr(engine_module, "SILENCE_SECONDS", 1.0)
    s = studio()
    job = s.submit(steps=10, step_seconds=0.1)
    s.wait_for(job, JobState.RUNNING)
    assert s.core.engine.pid is not None
    os.kill(s.core.engine.pid, signal.SIGSTOP)
    job = s.finish(job)
    assert job.state is JobState.SUCCEEDED
    assert s.notices(job) == ["retried"]


def test_an_idle_engine_that_dies_comes_back(studio: Make) -> None:
    s = studio()
    s.ready()
    pid = s.core.engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    s.until(lambda: s.core.engine.pid not in (None, pid) and s.core.engine.state is EngineState.READY)


APP = textwrap.dedent(
    """
    import sys
    from tests.integration.conftest import Studio
    from app.states import JobState
    s = Studio(origin=sys.argv[1])
    jobs = [s.submit(prompt=str(n), seed=n, steps=30, step_seconds=0.1) for n in range(3)]
    s.wait_for(jobs[0], JobState[sys.argv[2]])
    s.run_for(0.3)
    print(s.core.engine.pid, flush=True)
    s.run_for(60)
    """
)


def start_app(origin: str = "window", state: str = "RUNNING") -> tuple[subprocess.Popen[str], int]:
    """An app of its own with three jobs, and the id of its worker."""
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", APP, origin, state], stdout=subprocess.PIPE, text=True, cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def kill_app(process: subprocess.Popen[str], worker: int) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
    end = time.monotonic() + PATIENCE
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "the worker outlived its app"
        time.sleep(0.05)


def test_a_killed_app_takes_its_worker_along_and_loses_no_job(studio: Make) -> None:
    kill_app(*start_app())
    s = studio()
    held = s.core.queue.held()
    assert [job.prompt for job in held] == ["0", "1", "2"]
    s.run_for(0.3)
    assert all(job.state is JobState.QUEUED for job in held), "they wait for the user's word"
    s.core.queue.resume_held()
    for job in held:
        assert s.finish(job).state is JobState.SUCCEEDED
    assert len(s.core.library.recent()) == 3


def test_held_jobs_can_be_discarded(studio: Make) -> None:
    kill_app(*start_app())
    s = studio()
    s.core.queue.discard_held()
    s.close()
    again = Studio()
    assert again.core.queue.held() == []
    again.close()


def test_jobs_of_a_living_window_are_left_alone(studio: Make) -> None:
    process, worker = start_app()
    try:
        assert studio().core.queue.held() == []
    finally:
        kill_app(process, worker)


def test_a_window_does_not_inherit_a_command_lines_jobs(studio: Make) -> None:
    kill_app(*start_app(origin="cli"))
    assert studio().core.queue.held() == []


def test_a_picture_saved_while_the_app_died_is_found_at_the_next_start(
    studio: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = studio()
    with monkeypatch.context() as deaf:  # the app does not get round to what was produced
        deaf.setattr(s.core.library, "take_in", lambda job: [])
        deaf.setattr(s.core.library, "discard_folder", lambda job: None)
        job = s.finish(s.submit(seed=9))
        s.close()
    assert any(s.core.library.job_folder(job.id).glob("*.png"))
    again = Studio()
    again.until(lambda: bool(again.core.library.recent()))
    assert again.core.library.recent()[0].seed == 9
    again.close()


def test_closing_puts_the_running_job_back(studio: Make) -> None:
    s = studio()
    job = s.submit(steps=50, step_seconds=0.1)
    s.wait_for(job, JobState.RUNNING)
    s.close()
    again = Studio()
    assert [held.id for held in again.core.queue.held()] == [job.id]
    again.close()


def test_a_damaged_library_is_begun_again_from_the_pictures(studio: Make, home: Path) -> None:
    s = studio()
    s.finish(s.submit(seed=4))
    s.close()
    (home / "data" / "library.sqlite3").write_bytes(b"rubbish" * 1000)
    again = Studio()
    again.until(lambda: bool(again.core.library.recent()))
    assert again.core.library.recent()[0].seed == 4
    troubles = [event.error.code for event in again.seen if hasattr(event, "error") and event.error]
    assert ErrorCode.LIBRARY_DAMAGED in troubles
    again.close()


def test_jobs_keep_their_order_over_a_restart(studio: Make) -> None:
    s = studio()
    jobs = [s.submit(prompt=name, steps=6, step_seconds=0.05) for name in "abc"]
    s.finish(jobs[0])
    jobs += [s.submit(prompt=name, steps=60, step_seconds=0.1) for name in "def"]
    s.finish(jobs[2])
    s.wait_for(jobs[3], JobState.RUNNING)
    s.close()
    again = Studio()
    assert [job.prompt for job in again.core.queue.held()] == ["d", "e", "f"]
    again.close()


def test_a_failed_job_can_be_finished_after_a_restart(studio: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_FAULTS", "save=full")
    s = studio()
    job = s.finish(s.submit(seed=6))
    assert job.state is JobState.FAILED
    s.close()
    monkeypatch.delenv("ATELIER_FAULTS")
    again = Studio()
    assert again.core.queue.held() == []
    again.core.queue.retry(job.id)
    assert again.finish(job).state is JobState.SUCCEEDED
    assert again.notices(job) == ["latents_reused"]
    again.close()


def test_an_engine_that_cannot_start_tries_last_without_the_graphics_card(
    studio: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that takes the process down where it is looked at, played by an interpreter that ends unless it may."""
    picky = tmp_path / "python"
    picky.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'import sys; sys.argv.pop(0)\n"
        "from models.worker import process, loop\n"
        "def start(self, hello, start=loop.Worker._start):\n"
        '    assert hello.device == "cpu"\n'
        "    start(self, hello)\n"
        "loop.Worker._start = start\n"
        "loop.Worker(*process.prepare()).serve()'\n"
    )
    picky.chmod(0o755)
    monkeypatch.setattr(engine_module, "BACK_OFF", 0.05)
    s = studio()
    s.core.engine.stop()
    s.core.engine.configure(str(picky), s.core._hello())
    job = s.finish(s.submit())
    assert job.state is JobState.SUCCEEDED
    troubles = [event.error.code for event in s.seen if isinstance(event, announced.TroubleArose)]
    assert troubles == [ErrorCode.DEVICE_FAILED]
