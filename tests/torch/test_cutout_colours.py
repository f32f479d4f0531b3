"""Each network for background removal is given its colours in the numbers it was trained with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_helpers import onnx
from tiny_runs import Ear

from models.card import ModelRef
from models.planning import Plan
from models.runners.cutout import CutoutKind
from models.runners.cutout_colours import colours_of
from models.tools import CUTOUT


@pytest.mark.parametrize(
    ("name", "mean", "std", "by"),
    [
        ("modnet", 0.5, 0.5, "name"), ("briaai/RMBG-1.4", 0.5, 1.0, "name"), ("isnet-general-use", 0.5, 1.0, "name"),
        ("rmbg-2", 0.485, 0.229, "name"), ("BiRefNet lite", 0.485, 0.229, "name"), ("other", 0.485, 0.229, "assumed"),
    ],
)  # fmt: skip
def test_known_networks_are_told_by_name(name: str, mean: float, std: float, by: str, tmp_path: Path) -> None:
    found = colours_of(tmp_path / "plain" / "model.onnx", name)
    assert (found.mean[0], found.std[0], found.by) == (mean, std, by)


def said(folder: Path, **values: Any) -> Any:
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return colours_of(folder / "onnx" / "model.onnx", "modnet")


def test_the_models_own_settings_count_before_its_name(tmp_path: Path) -> None:
    own = said(tmp_path, image_mean=[0.1, 0.2, 0.3], image_std=[1, 1, 2], rescale_factor=0.01)
    assert (own.mean, own.std, own.scale, own.by) == ((0.1, 0.2, 0.3), (1.0, 1.0, 2.0), 0.01, "file")
    assert said(tmp_path, do_normalize=False, image_mean=[0.5] * 3).mean == (0.0, 0.0, 0.0)
    assert said(tmp_path, image_mean=[0.5] * 3, image_std=[0, 1, 1]).by == "name"  # nothing is divided by zero
    assert said(tmp_path, image_mean=[0.5] * 4, image_std=[1] * 4).by == "name"
    assert said(tmp_path, size={"height": 512}).by == "name"
    (tmp_path / "preprocessor_config.json").write_bytes(b"[" * 5000)
    assert colours_of(tmp_path / "onnx" / "model.onnx", "modnet").by == "name"


def test_the_graph_is_given_those_numbers_and_the_recipe_says_so(tmp_path: Path) -> None:
    """The tiny graph's mask is sigmoid(4 * (red - blue)): its value tells what it was given."""
    path = onnx(tmp_path / "onnx" / "model.onnx")
    Image.new("RGB", (32, 32), (160, 0, 128)).save(tmp_path / "even.png")
    values = CUTOUT.validate({"image": str(tmp_path / "even.png"), "edge": 0})
    seen = []
    for std in (1.0, 0.25):
        settings = {"image_mean": [0.5] * 3, "image_std": [std] * 3}
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
        cutter = CutoutKind().load(ModelRef("c", "C", "cutout", str(tmp_path)), Plan("cpu"), Ear(), path)
        made = cutter.run(values, 0, tmp_path / "keep", Ear())
        assert made.facts["normalisation"] == {"mean": [0.5] * 3, "std": [std] * 3, "by": "file"}
        seen.append(float(np.asarray(made.image.getchannel("A")).mean()))
    expected = [255 / (1 + np.exp(-4 * (32 / 255) / std)) for std in (1.0, 0.25)]
    assert seen == pytest.approx(expected, abs=1)
