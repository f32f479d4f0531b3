"""Weights and long prompts together with painted areas that have words of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from PIL import Image
from tiny_runs import Loaded


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_words_of_an_area_weigh_and_may_be_longer_than_the_prompt(family: str, tmp_path: Path) -> None:
    model = Loaded(tiny.build(family, tmp_path / family), tmp_path / "cache")
    mask = tmp_path / "left.png"
    Image.new("L", (64, 64)).save(mask)
    with Image.open(mask) as half:
        half.paste(255, (0, 0, 32, 64))
        half.save(mask)

    def made(name: str, prompt: str, area: str) -> bytes:
        regions = [{"mask": str(mask), "prompt": area, "strength": 1.0}]
        return model.run(tmp_path / name, prompt=prompt, regions=regions, steps=2).image.tobytes()

    plain = made("a", "a red cat", "a dog")
    assert made("b", "a red cat", "a (dog:1.6)") != plain
    assert made("c", "a red cat", "dog, " * 30) != plain
    assert made("d", "red cat, " * 30, "a dog") != plain
    assert made("e", "a red cat", "a dog") == plain
