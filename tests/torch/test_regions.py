"""Painted regions on the embedded model and on tiny pipelines."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_nets
import torch
from PIL import Image
from tiny_runs import Ear, Loaded

from models.errors import InvalidInputError
from models.runners.diffusion.regions import Area, weights

_NUMBERS = count()
POCKET = Path(__file__).resolve().parents[2] / "assets" / "pocket"
RED, BLUE = "a red circle on a white background", "a blue square on a white background"


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return Loaded(POCKET, tmp_path_factory.mktemp("cache"))


def made(model: Loaded, folder: Path, prompt: str, addons: Any = None, **inputs: Any) -> np.ndarray:
    values = model.schema.validate({"prompt": prompt, **inputs})
    keep = folder / f"{next(_NUMBERS)}.latents"
    return np.array(model.runner.run(values, 5, keep, Ear(), addons or {}).image, dtype=float)


def half(path: Path, right: bool, size: tuple[int, int] = (96, 96)) -> str:
    image = Image.new("L", size)
    image.paste(255, (size[0] // 2 if right else 0, 0, size[0] if right else size[0] // 2, size[1]))
    image.save(path)
    return str(path)


def distance(one: np.ndarray, other: np.ndarray, part: slice) -> float:
    return float(np.abs(one[:, part] - other[:, part]).mean())


def test_each_half_looks_like_its_own_words(pocket: Loaded, tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps": 8}
    red, blue = made(pocket, tmp_path, RED, **options), made(pocket, tmp_path, BLUE, **options)
    width = red.shape[1]
    left, right = slice(0, width // 2), slice(width // 2, width)
    regions = [
        {"mask": half(tmp_path / "left.png", False), "prompt": RED},
        {"mask": half(tmp_path / "right.png", True), "prompt": BLUE},
    ]
    both = made(pocket, tmp_path, "a white background", regions=regions, **options)
    assert distance(both, red, left) < distance(both, blue, left)
    assert distance(both, blue, right) < distance(both, red, right)
    assert (made(pocket, tmp_path, RED, **options) == red).all()


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_a_region_of_the_whole_canvas_is_the_prompt(
    family: str, loaded: Callable[[str], Loaded], tmp_path: Path
) -> None:
    model = loaded(family)
    Image.new("L", (64, 64), 255).save(tmp_path / "all.png")
    region = {"mask": str(tmp_path / "all.png"), "prompt": "a blue dog"}
    plain = made(model, tmp_path, "a blue dog")
    assert np.abs(made(model, tmp_path, "a red cat", regions=[region]) - plain).max() <= 1
    assert np.abs(made(model, tmp_path, "a red cat") - plain).mean() > 0.01


def test_what_is_not_painted_keeps_the_prompt_more_or_less(sd: Loaded, tmp_path: Path) -> None:
    regions = [{"mask": half(tmp_path / "r.png", True, (64, 64)), "prompt": "a blue dog"}]
    plain = made(sd, tmp_path, "a red cat")
    painted = made(sd, tmp_path, "a red cat", regions=regions)
    assert (painted != plain).any()
    assert (made(sd, tmp_path, "a red cat", regions=[{**regions[0], "strength": 0.0}]) == plain).all()
    assert (made(sd, tmp_path, "a red cat") == plain).all()


def test_it_costs_one_more_call_a_region_and_step(sd: Loaded, tmp_path: Path) -> None:
    calls: list[int] = []

    def counted(module: Any, args: Any) -> None:
        calls.append(args[0].shape[0])

    hook = sd.pipe.unet.conv_in.register_forward_pre_hook(counted)
    regions = [{"mask": half(tmp_path / "r.png", True), "prompt": "a blue dog"}] * 2
    made(sd, tmp_path, "a red cat", regions=regions, steps=2, scheduler="ddim")
    hook.remove()
    assert calls == [2, 1, 1] * 2


def test_with_a_controlnet_a_mask_and_weighed_words(sd: Loaded, tmp_path: Path) -> None:
    ref = tiny_nets.saved(tiny_nets.net_for("sd", sd.pipe), tmp_path / "net")
    picture = tmp_path / "picture.png"
    noise = np.random.default_rng(3).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(picture)
    inputs: dict[str, Any] = {
        "image": str(picture), "mask": half(tmp_path / "m.png", False, (64, 64)), "strength": 1.0, "mask_feather": 0,
        "regions": [{"mask": half(tmp_path / "r.png", False), "prompt": "a (blue:1.3) dog"}],
    }  # fmt: skip
    control = {"controls": [{"name": "net", "image": str(tiny_nets.lines(tmp_path / "map.png"))}]}
    both = made(sd, tmp_path, "a red cat", {"net": ref}, **inputs, **control)
    assert (both[:, 32:] == noise[:, 32:]).all()
    assert (both != made(sd, tmp_path, "a red cat", **inputs)).any()
    del inputs["regions"]
    assert (both != made(sd, tmp_path, "a red cat", {"net": ref}, **inputs, **control)).any()


def test_without_guidance(sd: Loaded, tmp_path: Path) -> None:
    regions = [{"mask": half(tmp_path / "r.png", True), "prompt": "a blue dog"}]
    plain = made(sd, tmp_path, "a red cat", guidance_scale=1.0)
    assert (made(sd, tmp_path, "a red cat", guidance_scale=1.0, regions=regions) != plain).any()


def test_a_black_region_is_refused(sd: Loaded, tmp_path: Path) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "black.png")
    with pytest.raises(InvalidInputError) as caught:
        made(sd, tmp_path, "a", regions=[{"mask": str(tmp_path / "black.png"), "prompt": "b"}])
    assert "black everywhere" in caught.value.info.problems[0].sentence


@cache
def _mask(left: int, right: int) -> torch.Tensor:
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., left:right] = 1
    return mask


def test_weights_are_one_together_and_soft() -> None:
    areas = [Area("one", _mask(0, 10)), Area("two", 0.5 * _mask(6, 16))]
    base, (one, two) = weights(areas, 8, 8)
    assert torch.allclose(base + one + two, torch.ones_like(base))
    assert float(one[..., 0].min()) == 1
    assert 0 < float(one[0, 0, 0, 5]) < 1
    assert float(base[0, 0, 0, -1]) == pytest.approx(0.5)
