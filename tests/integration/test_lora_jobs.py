"""A LoRA trained here on the embedded model, through the queue and the real worker: what it changes, and that the model
is loaded once whatever is put on and taken off."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

from app.engine import Engine
from app.jobs import Job
from app.states import JobState
from models import protocol
from models.errors import ErrorCode, InvalidInputError
from tests.integration.conftest import Studio

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.torch

BLUE, GREEN = (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The same LoRA (everything turns blue) as three kinds of files, another one (green), and a LoKr."""
    sys.path.insert(0, str(ROOT / "tests" / "torch"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import diffusers
            import tiny_loras as make

            pipe = diffusers.StableDiffusionPipeline.from_pretrained(ROOT / "assets" / "pocket", safety_checker=None)
            folder = tmp_path_factory.mktemp("loras")
            lokr = make.as_lokr(pipe.unet, folder / "lokr.safetensors", size=0.4)[0]
            blue = make.trained_lora(pipe, BLUE)
            green = make.trained_lora(pipe, GREEN)
            files = {
                "kohya": make.as_kohya(blue, folder / "blue-kohya.safetensors"),
                "diffusers": make.as_diffusers(blue, folder / "blue-diffusers.safetensors"),
                "peft": make.as_peft(blue, folder / "blue-peft") / "adapter_model.safetensors",
                "green": make.as_kohya(green, folder / "green.safetensors"),
                "lokr": lokr,
            }
        yield files
    finally:
        sys.path.remove(str(ROOT / "tests" / "torch"))


def run(studio: Studio, *loras: tuple[Path, float], **inputs: Any) -> Job:
    items = [{"name": str(path), "weight": weight} for path, weight in loras]
    values = {"prompt": "red apple", "seed": 1, "steps": 6, "loras": items, **inputs}
    job = studio.finish(studio.core.queue.submit("pocket", values))
    assert job.state is JobState.SUCCEEDED, job.error
    return job


def picture(studio: Studio, job: Job) -> Image.Image:
    result = studio.core.library.get(job.results[0])
    assert result is not None
    return Image.open(result.path).convert("RGB")


def means(image: Image.Image) -> list[float]:
    return ImageStat.Stat(image).mean


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that the worker said it has loaded."""
    seen: list[str] = []
    original = Engine._hear

    def hear(engine: Engine, message: object, generation: int) -> None:
        if isinstance(message, protocol.Loaded):
            seen.append(message.model)
        original(engine, message, generation)

    monkeypatch.setattr(Engine, "_hear", hear)
    return seen


def test_what_is_on_changes_the_picture_and_what_is_off_leaves_every_bit(
    studio: Callable[..., Studio], trained: dict[str, Path], loads: list[str]
) -> None:
    one = studio()
    first = run(one)
    plain = picture(one, first)
    red, _, blue = means(plain)
    assert red > blue
    for form in ("kohya", "diffusers", "peft"):
        job = run(one, (trained[form], 1.0))
        made = means(picture(one, job))
        assert made[2] > 150 > 90 > made[0], f"{form}: {made}"
        nothing = picture(one, run(one, (trained[form], 0.0)))
        assert nothing.tobytes() == plain.tobytes()
    same = [picture(one, run(one, (trained[form], 1.0))) for form in ("kohya", "diffusers")]
    assert max(abs(a - b) for a, b in zip(same[0].tobytes(), same[1].tobytes(), strict=True)) <= 2
    assert picture(one, run(one)).tobytes() == plain.tobytes()
    assert loads == ["pocket"], "once for all of them"


def test_two_compose_and_the_recipe_says_so(studio: Callable[..., Studio], trained: dict[str, Path]) -> None:
    one = studio()
    job = run(one, (trained["kohya"], 0.5), (trained["green"], 0.5), (trained["lokr"], 0.1))
    mixed = means(picture(one, job))
    alone = means(picture(one, run(one, (trained["kohya"], 1.0))))
    assert mixed[1] > alone[1] + 20, "greener than blue alone"
    result = one.core.library.get(job.results[0])
    assert result is not None
    used = result.recipe["loras"]
    assert [item["weight"] for item in used] == [0.5, 0.5, 0.1]
    assert all(len(item["hash"]) == 12 for item in used)
    with Image.open(result.path) as made:
        words = made.info["parameters"]
    assert "<lora:blue-kohya:0.5>" in words
    assert f"green: {used[1]['hash']}" in words


def test_one_that_does_not_fit_is_refused_before_anything_is_loaded(
    studio: Callable[..., Studio], trained: dict[str, Path], tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import save_file

    name = "transformer.single_transformer_blocks.{}.attn.to_q.lora_{}.weight"
    save_file(
        {name.format(n, side): torch.zeros(2, 3072) if side == "A" else torch.zeros(3072, 2)
         for n in range(38) for side in "AB"},
        tmp_path / "portrait.safetensors",
    )  # fmt: skip
    one = studio()
    with pytest.raises(InvalidInputError) as caught:
        run(one, (tmp_path / "portrait.safetensors", 1.0))
    sentence = caught.value.info.problems[0].sentence
    assert "made for FLUX.1, not for Pocket. 0 of its 38 layers match." in sentence
    assert one.core.queue.jobs() == []


def test_a_broken_one_fails_its_job_with_a_sentence_and_the_next_goes_on(
    studio: Callable[..., Studio], trained: dict[str, Path], tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    tensors = load_file(trained["kohya"])
    tensors[next(name for name in tensors if "lora_up" in name)][0, 0] = torch.nan
    save_file(tensors, tmp_path / "nan.safetensors")
    one = studio()
    values = {"prompt": "red apple", "loras": [{"name": str(tmp_path / "nan.safetensors")}]}
    job = one.finish(one.core.queue.submit("pocket", values))
    assert job.error is not None
    assert job.error.code is ErrorCode.ADDON_BROKEN
    assert run(one).state is JobState.SUCCEEDED


def test_with_a_mask_it_acts_where_the_mask_is(
    studio: Callable[..., Studio], trained: dict[str, Path], tmp_path: Path
) -> None:
    one = studio()
    start, mask = tmp_path / "start.png", tmp_path / "mask.png"
    picture(one, run(one)).save(start)
    Image.new("L", (96, 96)).save(mask)
    covered = Image.open(mask)
    covered.paste(255, (48, 0, 96, 96))
    covered.save(mask)
    given = {"image": str(start), "mask": str(mask), "mask_feather": 0, "strength": 0.9}
    made = picture(one, run(one, (trained["kohya"], 1.0), **given))
    assert made.crop((0, 0, 48, 96)).tobytes() == Image.open(start).convert("RGB").crop((0, 0, 48, 96)).tobytes()
    assert means(made.crop((52, 0, 96, 96)))[2] > means(made.crop((52, 0, 96, 96)))[0] + 40


def test_the_command_line_takes_them(trained: dict[str, Path]) -> None:
    import subprocess

    answer = subprocess.run(
        [sys.executable, "-m", "app", "generate", "red apple", "--seed", "1", "--json",
         "--lora", f"{trained['kohya']}:0.9", "--lora", str(trained["green"])],
        capture_output=True, text=True, timeout=240, cwd=ROOT, env=dict(os.environ), check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    last = json.loads(answer.stdout.splitlines()[-1])
    assert [item["weight"] for item in last["inputs"]["loras"]] == [0.9, 1.0]
