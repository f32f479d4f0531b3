"""Grids and textures through the real worker: cells equal single runs, stopping, killing, going on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.explore.axes import parse
from app.explore.grids import Grids
from app.prompting.styles import Style
from models import recipe
from models.seamless import seam_score
from tests.integration.conftest import PATIENCE, Studio

pytestmark = pytest.mark.worker
ROOT = Path(__file__).resolve().parents[2]


def grids_of(studio: Studio) -> Grids:
    core = studio.core
    return Grids(core.paths.data / "grids", core.queue, lambda model: core.models.runnable(model)[1], core.library.get)


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.torch
def test_cells_equal_their_single_runs(studio: Callable[..., Studio]) -> None:
    one = studio()
    schema = one.core.models.runnable("pocket")[1]
    inputs = {"prompt": "red apple", "seed": 3}
    axes = [parse(text, schema, inputs) for text in ("steps=2,3", "prompt=apple,boat", "seamless=none,both")]
    grids = grids_of(one)
    grid = grids.begin("pocket", inputs, axes)
    one.until(lambda: not grids.running(grid))
    done = grids.done(grid)
    assert sorted(done) == list(range(8))
    for cell in (0, 3, 6):
        mine = done[cell].recipe
        job = one.finish(one.core.queue.submit("pocket", {**mine["inputs"]}))
        alone = one.core.library.get(job.results[0])
        assert alone is not None
        assert (pixels(alone.path) == pixels(done[cell].path)).all(), mine["inputs"]
        assert mine["grid"]["id"] == grid.id
    assert done[0].recipe["inputs"]["prompt"] == "red apple"
    assert done[2].recipe["inputs"]["prompt"] == "red boat"
    assert done[4].recipe["inputs"]["seamless"] == "both"


def test_a_stopped_grid_keeps_its_pictures_and_makes_only_the_rest(
    studio: Callable[..., Studio], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_FAULTS", "step=sleep:0.05")
    one = studio()
    schema = one.core.models.runnable("fake")[1]
    inputs = {"prompt": "hills", "seed": 1}
    grids = grids_of(one)
    grid = grids.begin("fake", inputs, [parse("seed=1-6", schema, inputs)])
    one.until(lambda: len(grids.done(grid)) >= 2)
    grids.stop(grid)
    one.until(lambda: not grids.running(grid))
    before = {cell: Path(result.path).stat().st_mtime_ns for cell, result in grids.done(grid).items()}
    assert 2 <= len(before) < 6
    grid = grids.go_on(grids.load(grid.id))
    assert len(grid.parts[-1].cells) == 6 - len(before)
    one.until(lambda: not grids.running(grid))
    done = grids.done(grid)
    assert [done[cell].seed for cell in range(6)] == [1, 2, 3, 4, 5, 6]
    assert {cell: Path(done[cell].path).stat().st_mtime_ns for cell in before} == before


def test_styles_stand_around_the_prompt_of_every_cell(studio: Callable[..., Studio]) -> None:
    one = studio()
    one.core.prompting.styles.save(Style("Ink", "ink drawing of {prompt}"))
    schema = one.core.models.runnable("fake")[1]
    inputs = {"prompt": "a cat", "seed": 1}
    grids = grids_of(one)
    grid = grids.begin("fake", inputs, [parse("prompt=cat,dog", schema, inputs)], ["Ink"])
    one.until(lambda: not grids.running(grid))
    assert [grids.done(grid)[cell].recipe["inputs"]["prompt"] for cell in (0, 1)] == [
        "ink drawing of a cat", "ink drawing of a dog"
    ]  # fmt: skip
    assert grids.load(grid.id).styles == ("Ink",), "going on with it later has them too"


def command(*arguments: str) -> list[dict[str, Any]]:
    answer = subprocess.run(
        [sys.executable, "-m", "app", *arguments], capture_output=True, text=True, timeout=PATIENCE * 3, cwd=ROOT
    )
    assert answer.stdout, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_a_killed_grid_goes_on_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_FAULTS", "step=sleep:0.1")
    run = subprocess.Popen(
        [sys.executable, "-m", "app", "grid", "hills", "--model", "fake", "--x", "seed=1-5", "--json"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert run.stdout is not None
    grid, made = "", []
    for line in run.stdout:
        told = json.loads(line)
        grid = told.get("id", grid)
        if told.get("event") == "picture":
            made.append(told["path"])
        if len(made) == 2:
            break
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    run.stdout.close()
    time.sleep(0.5)
    monkeypatch.setenv("ATELIER_FAULTS", "")
    *events, last = command("grid", "--resume", grid, "--json", "--sheet", str(tmp_path / "sheet.png"))
    assert last["status"] == "succeeded"
    assert len(last["outputs"]) == 5
    assert set(made) <= set(last["outputs"])
    assert sum(event.get("event") == "picture" for event in events) <= 3
    sheet = recipe.read(tmp_path / "sheet.png")
    assert sheet is not None
    assert sheet["grid"]["id"] == grid
    again = command("grid", "--resume", grid, "--json")[-1]
    assert again["outputs"] == last["outputs"]


def test_each_picture_of_a_folder(tmp_path: Path) -> None:
    for name, color in (("one", "red"), ("two", "blue")):
        Image.new("RGB", (96, 96), color).save(tmp_path / f"{name}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    last = command("grid", "red apple", "--model", "pocket", "--steps", "2", "--images", str(tmp_path), "--json")[-1]
    assert last["status"] == "succeeded"
    assert last["axes"][0]["values"] == ["one.png", "two.png"]
    assert len(last["outputs"]) == 2


def test_wrong_axes_are_answered_before_anything_starts() -> None:
    last = command("grid", "red apple", "--model", "pocket", "--x", "steps=2,9999", "--json")[-1]
    assert last["error"]["code"] == "invalid_input"
    assert "9999" in last["error"]["sentence"] + str(last["error"]["problems"])


@pytest.mark.torch
def test_edges_meet_where_the_same_seed_untiled_shows_them(studio: Callable[..., Studio], tmp_path: Path) -> None:
    """A ramp as the picture to start from: left and right are as different as can be."""
    ramp = np.linspace(0, 255, 96).astype(np.uint8)
    Image.fromarray(np.stack([np.tile(ramp, (96, 1))] * 3, axis=2)).save(tmp_path / "ramp.png")
    one = studio()
    scores = {}
    for choice in ("none", "x"):
        inputs = {"prompt": "red apple", "seed": 5, "steps": 20, "image": str(tmp_path / "ramp.png"), "strength": 0.2}
        job = one.finish(one.core.queue.submit("pocket", {**inputs, "seamless": choice}))
        result = one.core.library.get(job.results[0])
        assert result is not None
        scores[choice] = seam_score(Image.fromarray(pixels(result.path).astype(np.uint8)), (True, False))
        if choice == "x":
            assert result.recipe["seam"] == scores[choice]
    assert scores["none"] > 4
    assert scores["x"] < 2, scores


def test_a_texture_is_measured_and_laid_out(tmp_path: Path) -> None:
    picture = tmp_path / "t.png"
    Image.fromarray(np.random.default_rng(2).integers(0, 255, (32, 40, 3)).astype(np.uint8)).save(picture)
    told = command("tile", str(picture), "--columns", "3", "--rows", "2", "--out", str(tmp_path / "s.png"), "--json")
    assert 0.5 < told[-1]["seam"] < 1.5
    assert pixels(tmp_path / "s.png").shape == (64, 120, 3)
    command("tile", str(picture), "--prepare", str(tmp_path / "mend"), "--json")
    moved = pixels(tmp_path / "mend" / "t-moved.png")
    assert (moved == np.roll(pixels(picture), (16, 20), (0, 1))).all()
    assert pixels(tmp_path / "mend" / "t-mask.png")[0, 20].all()
