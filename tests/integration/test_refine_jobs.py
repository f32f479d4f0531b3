"""Bigger and finer through the queue and the real worker: hires-fix, enlarging in tiles, upscalers."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from spandrel.architectures import Compact

from app.states import JobState
from models import recipe
from models.errors import AtelierError, ErrorCode
from models.runners.diffusion.passes import PassReport
from models.runners.tiles import spans
from models.seamless import seam_score
from tests.integration.test_image_jobs import Atelier, atelier

__all__ = ["atelier"]

ROOT = Path(__file__).resolve().parents[2]
SIDE = 96


def small_network(**options: int) -> torch.nn.Module:
    return next(each for each in vars(Compact).values() if getattr(each, "__name__", "") == "SRVGGNetCompact")(
        **options
    )


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A yellow disc on blue: even colours, on which a seam would show."""
    image = Image.new("RGB", (SIDE, SIDE), (70, 110, 200))
    ImageDraw.Draw(image).ellipse((20, 20, 76, 76), fill=(250, 200, 40))
    image.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_hires_fix_is_two_passes_of_one_loaded_model(atelier: Atelier) -> None:
    small = atelier.make(steps=4)
    job = atelier.make(steps=4, hires_scale=2, hires_strength=0.5)
    first, made = atelier.pictures(small)[0], atelier.pictures(job)[0]
    assert made.shape == (2 * first.shape[0], 2 * first.shape[1], 3)
    assert atelier.loaded == 1
    found = recipe.read(atelier.path(job))
    assert found is not None
    assert found["hires"]["steps"] == 2
    assert found["hires"]["first"] == f"{first.shape[1]}x{first.shape[0]}"
    assert "Hires upscale: 2" in recipe.parameters_text(found)
    halved = np.asarray(Image.fromarray(made.astype(np.uint8)).resize((SIDE, SIDE)))
    like = np.asarray(Image.fromarray(first.astype(np.uint8)).resize((SIDE, SIDE)))
    assert np.abs(halved.astype(int) - like).mean() < 60
    assert np.array_equal(made, atelier.pictures(atelier.make(steps=4, hires_scale=2, hires_strength=0.5))[0])


def test_the_seam_that_is_told_is_that_of_the_second_pass(atelier: Atelier) -> None:
    job = atelier.make(steps=4, hires_scale=2, hires_strength=0.7, seamless="both")
    found = recipe.read(atelier.path(job))
    assert found is not None
    assert found["seam"] == pytest.approx(seam_score(Image.open(atelier.path(job))), abs=0.01)


def test_a_second_pass_alone_is_running_too() -> None:
    """After a crash the first pass is only decoded, which is not told; without "running" there were no previews."""
    told: list[str] = []
    of_job = SimpleNamespace(stage=told.append)
    for last, stages in ((False, ("decoding",)), (True, ("running", "decoding"))):
        report = PassReport(of_job, 0, 4, 8, last)
        for stage in stages:
            report.stage(stage)
    assert told == ["running", "decoding"]


def test_hires_in_latents_and_its_own_steps(atelier: Atelier) -> None:
    job = atelier.make(steps=4, hires_scale=1.5, hires_strength=0.6, hires_steps=3, hires_upscaler="latent")
    assert atelier.pictures(job)
    found = recipe.read(atelier.path(job))
    assert found is not None
    assert (found["hires"]["steps"], found["hires"]["upscaler"]) == (3, "latent")


def test_a_picture_is_enlarged_in_tiles_without_seams(atelier: Atelier, photo: Path) -> None:
    job = atelier.make(image=str(photo), enlarge=2, strength=0.1, steps=10, guidance_scale=1.0)
    made = atelier.pictures(job)[0]
    assert made.shape == (2 * SIDE, 2 * SIDE, 3)
    found = recipe.read(atelier.path(job))
    assert found is not None
    assert found["tiles"] > 1
    before = np.asarray(Image.open(photo).convert("RGB").resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS))
    assert np.abs(made - before.astype(int)).mean() < 40
    # Jumps from one column to the next are no larger where tiles meet than within them.
    jumps = np.abs(np.diff(made[..., :].astype(int), axis=1)).mean(axis=(0, 2))
    meets = [span.first for span in spans(2 * SIDE, SIDE, SIDE // 4)[1:]]
    assert all(jumps[at - 4 : at + 16].max() <= np.percentile(jumps, 97) * 1.5 for at in meets)


def test_lanczos_needs_no_weights_and_keeps_alpha(atelier: Atelier, tmp_path: Path) -> None:
    image = Image.new("RGBA", (40, 20), (200, 30, 30, 255))
    image.paste((0, 0, 0, 0), (0, 0, 20, 20))
    image.save(tmp_path / "half.png")
    job = atelier.finish(atelier.core.queue.submit("lanczos", {"image": str(tmp_path / "half.png"), "scale": 2.5}))
    assert job.state is JobState.SUCCEEDED, job.error
    with Image.open(atelier.path(job)) as made:
        assert (made.size, made.mode) == ((100, 50), "RGBA")
        assert made.getpixel((5, 25)) == (made.getpixel((5, 25))[0], *made.getpixel((5, 25))[1:3], 0)  # type: ignore
        assert made.getpixel((90, 25)) == (200, 30, 30, 255)


def test_too_large_a_result_is_refused_in_words(atelier: Atelier, tmp_path: Path) -> None:
    Image.new("RGB", (6000, 5000)).save(tmp_path / "large.png")
    job = atelier.finish(atelier.core.queue.submit("lanczos", {"image": str(tmp_path / "large.png"), "scale": 8}))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "megapixels" in job.error.problems[0].sentence


def test_an_upscaler_that_is_not_here_is_named(atelier: Atelier) -> None:
    with pytest.raises(AtelierError) as caught:
        atelier.core.queue.submit("pocket", {"prompt": "apple", "hires_scale": 2, "hires_upscaler": "nowhere"})
    assert "nowhere" in caught.value.info.problems[0].sentence


def test_the_commands_for_one_picture(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), (200, 30, 30)).save(tmp_path / "red.png")
    out = command("upscale", str(tmp_path / "red.png"), "--scale", "3", "--json", "--out", str(tmp_path / "large.png"))
    assert out.returncode == 0, out.stderr
    with Image.open(tmp_path / "large.png") as made:
        assert made.size == (120, 60)
    told = json.loads(out.stdout.splitlines()[-1])
    assert (told["status"], told["model"]) == ("succeeded", "lanczos")
    for name in ("cutout", "describe"):
        out = command(name, str(tmp_path / "red.png"))
        assert out.returncode == 3
        assert "atelier models pull" in out.stderr


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def test_an_upscaler_file_and_the_second_pass_by_it(atelier: Atelier, photo: Path, tmp_path: Path) -> None:
    network = small_network(num_feat=8, num_conv=1, upscale=2)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, tmp_path / "x2.safetensors")
    upscaler = str(tmp_path / "x2.safetensors")
    job = atelier.finish(atelier.core.queue.submit(upscaler, {"image": str(photo), "scale": 2, "tile": 64}))
    assert atelier.pictures(job)[0].shape == (2 * SIDE, 2 * SIDE, 3)
    found = recipe.read(atelier.path(job))
    assert found is not None
    assert found["architecture"] == "RealESRGAN Compact"
    assert found["pictures"]["image"]["path"] == str(photo)
    twice = atelier.make(hires_scale=2, hires_upscaler=upscaler)
    assert atelier.pictures(twice)[0].shape == (2 * SIDE, 2 * SIDE, 3)


def test_a_pickled_upscaler_is_only_run_after_a_word(atelier: Atelier, photo: Path, tmp_path: Path) -> None:
    torch.save(small_network(num_feat=8, num_conv=1, upscale=2).state_dict(), tmp_path / "old.pth")
    with pytest.raises(AtelierError) as caught:
        atelier.core.queue.submit(str(tmp_path / "old.pth"), {"image": str(photo)})
    assert caught.value.code is ErrorCode.MODEL_NEEDS_PICKLE


def test_a_killed_worker_goes_on_with_the_second_pass(atelier: Atelier) -> None:
    whole = atelier.pictures(atelier.make(hires_scale=2, hires_strength=0.5))[0]
    job = atelier.core.queue.submit(
        "pocket", {"prompt": "red apple", "seed": 1, "steps": 4, "hires_scale": 2, "hires_strength": 0.5}
    )
    atelier.until(lambda: atelier.job(job).progress.step >= 5)
    process = atelier.core.engine._process
    assert process is not None
    process.kill()
    done = atelier.finish(job)
    assert done.state is JobState.SUCCEEDED, done.error
    assert np.abs(atelier.pictures(done)[0] - whole).max() <= 2


def test_cut_outs_and_captions_through_the_worker(atelier: Atelier, photo: Path, tmp_path: Path) -> None:
    helpers = load_helpers()
    helpers.onnx(tmp_path / "cutter" / "onnx" / "model.onnx")
    out = command("cutout", str(photo), "--model", str(tmp_path / "cutter"), "--out", str(tmp_path / "cut.png"))
    assert out.returncode == 0, out.stderr
    with Image.open(tmp_path / "cut.png") as made:
        assert made.mode == "RGBA"
        alpha = np.asarray(made.getchannel("A"))
    assert alpha[48, 48] > 240
    assert alpha[2, 2] < 15
    found = recipe.read(tmp_path / "cut.png")
    assert found is not None
    assert found["pictures"]["image"]["path"] == str(photo)
    helpers.blip(tmp_path / "blip")
    out = command("describe", str(photo), "--model", str(tmp_path / "blip"), "--json")
    assert out.returncode == 0, out.stderr
    told = json.loads(out.stdout.splitlines()[-1])
    assert told["text"]
    assert told["outputs"] == []


def test_helpers_that_were_brought_in_are_used_without_being_named(photo: Path, tmp_path: Path) -> None:
    helpers = load_helpers()
    helpers.onnx(tmp_path / "cutter" / "onnx" / "model.onnx")
    helpers.blip(tmp_path / "blip")
    for name in ("cutter", "blip"):
        out = command("models", "import", str(tmp_path / name))
        assert out.returncode == 0, out.stderr
    out = command("cutout", str(photo), "--json")
    assert out.returncode == 0, out.stderr
    assert json.loads(out.stdout.splitlines()[-1])["model"] == str(tmp_path / "cutter")
    out = command("describe", str(photo), "--json")
    assert out.returncode == 0, out.stderr
    assert json.loads(out.stdout.splitlines()[-1])["text"]


def test_a_detector_by_its_path_refines_a_picture(atelier: Atelier, photo: Path, tmp_path: Path) -> None:
    load_helpers().yolos(tmp_path / "yolos")
    job = atelier.make(image=str(photo), strength=0, detail_model=str(tmp_path / "yolos"), detail_what="")
    assert job.state is JobState.SUCCEEDED, job.error
    found = recipe.read(atelier.path(job))
    assert found is not None
    assert isinstance(found["details"], list)
    if not found["details"]:
        assert "nothing_found" in atelier.notices(job)


def load_helpers() -> Any:
    """The makers of tiny models of the tests beside the torch ones."""
    sys.path.insert(0, str(ROOT / "tests" / "torch"))
    try:
        return importlib.import_module("tiny_helpers")
    finally:
        sys.path.pop(0)
