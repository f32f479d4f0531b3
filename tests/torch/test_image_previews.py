"""Previews of jobs that change a part: what is kept is seen as it is, in its place, at the size of the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_runs import Ear, Loaded

from models.runners.diffusion import easel
from models.runners.diffusion.glimpse import glimpse
from models.ways import Taking, Way

SIDE = 64


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    picture = Image.new("RGB", (SIDE, SIDE), (200, 40, 40))
    picture.paste((30, 60, 220), (0, 0, SIDE // 2, SIDE))
    mask = Image.new("L", (SIDE, SIDE), 0)
    mask.paste(255, (40, 16, 64, 48))
    picture.save(tmp_path / "picture.png")
    mask.save(tmp_path / "mask.png")
    return {"image": str(tmp_path / "picture.png"), "mask": str(tmp_path / "mask.png")}


def previews(sd: Loaded, keep: Path, **inputs: Any) -> tuple[list[tuple[Image.Image, int, int, float]], Image.Image]:
    ear = Ear()
    made = sd.run(keep, ear=ear, mask_feather=0, **inputs)
    assert ear.shown
    return ear.shown, made.image


def test_what_the_mask_keeps_is_the_picture_in_each_preview(sd: Loaded, keep: Path, files: dict[str, str]) -> None:
    shown, made = previews(sd, keep, **files)
    for image, width, height, _ in shown:
        assert (width, height) == made.size == (SIDE, SIDE)
        small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.NEAREST), dtype=int)
        assert np.abs(small[:, :30] - (30, 60, 220)).max() <= 2
        assert np.abs(small[52:, 40:] - (200, 40, 40)).max() <= 2
        assert np.abs(small[20:44, 44:60] - (200, 40, 40)).mean() > 5, "and the rest is the model's"


def test_only_the_masked_area_and_new_edges_are_seen_in_their_place(
    sd: Loaded, tmp_path: Path, files: dict[str, str]
) -> None:
    shown, made = previews(sd, tmp_path / "1", only_masked=True, mask_padding=4, **files)
    assert shown[-1][1:3] == made.size
    small = np.asarray(shown[-1][0].resize((SIDE, SIDE), Image.Resampling.NEAREST), dtype=int)
    assert np.abs(small[:, :24] - (30, 60, 220)).max() <= 2
    shown, made = previews(sd, tmp_path / "2", image=files["image"], extend_right=32)
    assert shown[-1][1:3] == made.size == (SIDE + 32, SIDE)
    small = np.asarray(shown[-1][0].resize(made.size, Image.Resampling.NEAREST), dtype=int)
    assert np.abs(small[:, :30] - (30, 60, 220)).max() <= 2


def test_a_picture_that_is_made_anew_is_seen_alone(sd: Loaded, keep: Path, files: dict[str, str]) -> None:
    ear = Ear()
    sd.run(keep, ear=ear, image=files["image"], strength=0.8)
    job = easel.set_up({"image": files["image"]}, sd.runner.space, 1, Taking(Way.WRAPPER, most=1))
    assert glimpse(job) is None
    assert ear.shown[-1][1:3] == (SIDE, SIDE)


def test_a_small_part_of_a_large_picture_is_large_enough_to_be_seen(tmp_path: Path, sd: Loaded) -> None:
    Image.new("RGB", (4000, 2000), (9, 9, 9)).save(tmp_path / "large.png")
    mask = Image.new("L", (4000, 2000), 0)
    mask.paste(255, (3000, 900, 3400, 1300))
    mask.save(tmp_path / "mask.png")
    files = {"image": str(tmp_path / "large.png"), "mask": str(tmp_path / "mask.png")}
    inputs = {**files, "only_masked": True, "mask_padding": 40}
    found = glimpse(easel.set_up(inputs, sd.runner.space, 1, Taking(Way.WRAPPER, most=1)))
    assert found is not None
    assert max(found.ground.size) == 384
    whole = found.of(Image.new("RGB", (40, 40), (250, 250, 250)))
    assert whole.size == found.ground.size
    assert whole.getpixel((307, 105)) == (250, 250, 250)
    assert whole.getpixel((100, 100)) == (9, 9, 9)
