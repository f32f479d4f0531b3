"""The embedded model through the command line and the real worker: what a newcomer types first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

ROOT = Path(__file__).resolve().parents[2]

# Prompt -> which of red, green, blue leads in the middle of the picture.
COLOURS = {"red apple": 0, "tree": 1, "blue fish": 2}


def generate(prompt: str, *more: str) -> dict[str, Any]:
    answer = subprocess.run(
        [sys.executable, "-m", "app", "generate", prompt, "--json", *more], capture_output=True, text=True,
        timeout=240, cwd=ROOT, env=dict(os.environ), check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    last: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return last


def middle(picture: Image.Image) -> list[float]:
    """Mean red, green and blue of the inner quarter."""
    width, height = picture.size
    return ImageStat.Stat(picture.crop((width // 4, height // 4, width * 3 // 4, height * 3 // 4))).mean


@pytest.mark.parametrize("prompt", COLOURS)
def test_words_become_a_picture_in_their_colour(prompt: str) -> None:
    made = generate(prompt, "--seed", "1", "--count", "2")
    first, second = (Image.open(path).convert("RGB") for path in made["outputs"])
    assert made["model"] == "pocket"
    assert first.size == (made["inputs"]["width"], made["inputs"]["height"])
    assert first.tobytes() != second.tobytes()
    for picture in (first, second):
        mean = middle(picture)
        assert mean[COLOURS[prompt]] == max(mean), f"{prompt}: {mean}"
        corner = picture.getpixel((2, 2))
        assert isinstance(corner, tuple)
        assert min(corner) > 200, "the background is white unless it is asked for"


def test_the_same_seed_makes_the_same_picture(tmp_path: Path) -> None:
    one, two = (generate("cat", "--seed", "7", "--out", str(tmp_path / name)) for name in ("a.png", "b.png"))
    pixels = [Image.open(made["outputs"][0]).convert("RGB").tobytes() for made in (one, two)]
    assert pixels[0] == pixels[1]


def test_what_the_model_cannot_do_is_said_by_the_name_of_the_input() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "app", "generate", "x", "-i", f"reference_1={ROOT / 'LICENSE'}", "-i", "width=100000"],
        capture_output=True, text=True, timeout=120, cwd=ROOT, check=False,
    )  # fmt: skip
    assert answer.returncode == 2
    assert "no input called “reference_1”" in answer.stderr
    assert "Width must be a whole number" in answer.stderr
    assert "“100000” was given" in answer.stderr
