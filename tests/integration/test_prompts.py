"""Alternatives, wildcards, styles and presets through the command line and the real worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.states import JobState
from models import recipe
from models.errors import InvalidInputError
from tests.integration.conftest import Studio

ROOT = Path(__file__).resolve().parents[2]


def atelier(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *words], capture_output=True, text=True, timeout=240, cwd=ROOT,
        env=dict(os.environ), check=False,
    )  # fmt: skip


def generate(*words: str) -> dict[str, Any]:
    answer = atelier("generate", *words, "--json")
    assert answer.returncode == 0, answer.stderr
    last: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return last


def recipes(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [recipe.read(Path(path)) or {} for path in made["outputs"]]


def test_each_picture_has_the_expansion_of_its_seed() -> None:
    text = "a {red|green|blue|yellow} apple"
    many = generate(text, "--seed", "3", "--count", "4", "--steps", "2")
    made = recipes(many)
    shown = json.loads(atelier("prompts", "expand", text, "--seed", "3", "--count", "4", "--json").stdout)
    assert [each["inputs"]["prompt"] for each in made] == [each["prompt"] for each in shown["prompts"]]
    assert [each["seed"] for each in made] == [3, 4, 5, 6]
    assert all(each["template"] == {"prompt": text} for each in made)
    alone = generate(text, "--seed", "5", "--steps", "2")
    assert recipes(alone)[0]["inputs"]["prompt"] == made[2]["inputs"]["prompt"]
    one, other = Image.open(alone["outputs"][0]), Image.open(many["outputs"][2])
    assert one.tobytes() == other.tobytes()


def test_styles_presets_and_wildcards_from_the_command_line(tmp_path: Path) -> None:
    styles = tmp_path / "styles.csv"
    styles.write_text("name,prompt,negative_prompt\nBlue,blue {prompt},red\n")
    assert "Blue" in atelier("prompts", "styles", "import", str(styles)).stdout
    (tmp_path / "fruit.txt").write_text("apple\n")
    assert atelier("prompts", "wildcards", "import", str(tmp_path / "fruit.txt")).returncode == 0
    preset = {"presets": [{"name": "Two steps", "model": "pocket", "inputs": {"steps": 2}, "styles": ["Blue"]}]}
    (tmp_path / "presets.json").write_text(json.dumps(preset))
    assert atelier("prompts", "presets", "import", str(tmp_path / "presets.json")).returncode == 0
    made = generate("__fruit__", "--preset", "two steps", "--seed", "1")
    assert (made["inputs"]["prompt"], made["inputs"]["negative_prompt"]) == ("blue apple", "red")
    assert made["inputs"]["steps"] == 2
    assert recipes(made)[0]["styles"] == ["Blue"]
    assert atelier("prompts", "wildcards", "remove", "fruit").returncode == 0
    answer = atelier("generate", "__fruit__")
    assert answer.returncode == 2
    assert "no wildcard called __fruit__" in answer.stderr
    assert atelier("generate", "x", "--preset", "nope").returncode == 2
    assert atelier("generate", "x", "--style", "nope").returncode == 2


@pytest.mark.parametrize(
    "words",
    [
        ("prompts", "expand", "__nowhere__"),
        ("prompts", "expand", "a", "--count", "0"),
        ("prompts", "styles", "show", "nope"),
        ("prompts", "styles", "import", "/nowhere/styles.csv"),
        ("prompts", "wildcards", "import", "/nowhere"),
        ("prompts", "presets", "remove", "nope"),
    ],
)
def test_what_is_wrong_is_said(words: tuple[str, ...]) -> None:
    answer = atelier(*words)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    assert answer.stderr.strip()


def test_weights_and_the_end_of_a_long_prompt_change_the_picture(studio: Callable[..., Studio]) -> None:
    there = studio()

    def made(prompt: str) -> bytes:
        job = there.finish(there.core.queue.submit("pocket", {"prompt": prompt, "seed": 2, "steps": 2}))
        assert job.state is JobState.SUCCEEDED, job.error
        result = there.core.library.get(job.results[0])
        assert result is not None
        return Image.open(result.path).tobytes()

    long = "green apple, " * 20
    plain = made("a red apple")
    assert made("a (red:1.8) apple") != plain
    assert made("a red apple") == plain
    assert made(long + "red") != made(long + "blue")


def test_a_wildcard_that_calls_itself_is_refused_before_anything_is_queued(studio: Callable[..., Studio]) -> None:
    there = studio()
    there.core.prompting.wildcards.save("one", "__two__\n")
    there.core.prompting.wildcards.save("two", "a {__one__|__one__}\n")
    with pytest.raises(InvalidInputError) as caught:
        there.core.queue.submit("fake", {"prompt": "__one__"}, 2)
    assert "calls itself" in caught.value.info.problems[0].sentence
    assert there.core.queue.jobs() == []


def test_a_lora_in_the_words_is_the_one_in_the_list(studio: Callable[..., Studio], tmp_path: Path) -> None:
    lora = _lora(tmp_path / "strange.safetensors")
    there = studio()

    def made(prompt: str, **inputs: Any) -> tuple[bytes, dict[str, Any]]:
        job = there.finish(there.core.queue.submit("pocket", {"prompt": prompt, "seed": 1, "steps": 2, **inputs}))
        assert job.state is JobState.SUCCEEDED, job.error
        result = there.core.library.get(job.results[0])
        assert result is not None
        return Image.open(result.path).convert("RGB").tobytes(), result.recipe

    words, about = made(f"red apple <lora:{lora}:0.7>")
    listed, _ = made("red apple", loras=[{"name": str(lora), "weight": 0.7}])
    plain, _ = made("red apple")
    assert words == listed
    assert words != plain
    assert about["inputs"]["prompt"] == "red apple"
    assert about["template"]["prompt"].endswith(":0.7>")
    with pytest.raises(InvalidInputError) as caught:
        there.core.queue.submit("pocket", {"prompt": "red apple <lora:nowhere:0.7>"})
    assert "nowhere" in caught.value.info.problems[0].sentence


def _lora(path: Path) -> Path:
    """Random, strong, and of the embedded model's shape."""
    sys.path.insert(0, str(ROOT / "tests" / "torch"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import diffusers
            import tiny_loras as make

            pipe = diffusers.StableDiffusionPipeline.from_pretrained(ROOT / "assets" / "pocket", safety_checker=None)
            make.as_lokr(pipe.unet, path, size=0.4)
    finally:
        sys.path.remove(str(ROOT / "tests" / "torch"))
    return path
