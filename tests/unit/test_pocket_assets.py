"""What ships in assets/pocket: small, standard, without pickles, with its licences and its names."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
POCKET = ROOT / "assets" / "pocket"
LIMIT = 25_000_000


def files() -> list[Path]:
    return [p for p in POCKET.rglob("*") if p.is_file()]


def test_the_folder_is_small_enough_to_ship() -> None:
    assert sum(p.stat().st_size for p in files()) <= LIMIT


def test_weights_are_safetensors_and_nothing_is_pickled() -> None:
    assert {p.suffix for p in files()} <= {".safetensors", ".json", ".txt", ".md", ".png"}
    assert {p.parent.name for p in files() if p.suffix == ".safetensors"} == {"unet", "vae", "text_encoder"}


def test_it_is_a_plain_stable_diffusion_pipeline() -> None:
    index = json.loads((POCKET / "model_index.json").read_text(encoding="utf-8"))
    assert index["_class_name"] == "StableDiffusionPipeline"
    assert all(
        (POCKET / part).is_dir()
        for part in index
        if not part.startswith("_") and index[part] != [None, None] and isinstance(index[part], list)
    )


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "scheduler"])
def test_configs_name_no_folder_of_the_machine_that_made_them(part: str) -> None:
    for path in (POCKET / part).glob("*.json"):
        assert "/tmp" not in path.read_text(encoding="utf-8")


def test_the_inpainting_pipeline_can_use_the_denoiser() -> None:
    config = json.loads((POCKET / "unet" / "config.json").read_text(encoding="utf-8"))
    assert (config["in_channels"], config["out_channels"]) == (4, 4)


def test_the_card_and_the_pictograms_licence_are_there() -> None:
    assert "Fluent" in (POCKET / "README.md").read_text(encoding="utf-8")
    assert "MIT License" in (POCKET / "LICENSE-pictograms.txt").read_text(encoding="utf-8")


def test_every_taught_name_is_listed_and_unique() -> None:
    listed = json.loads((POCKET / "atelier.json").read_text(encoding="utf-8"))["names"]
    with (ROOT / "models" / "pocket" / "concepts.csv").open(encoding="utf-8", newline="") as lines:
        taught = [row["name"] for row in csv.DictReader(lines)]
    assert listed == taught
    assert len(set(listed)) == len(listed) >= 150


def test_recommended_settings_fit_the_model() -> None:
    wanted = json.loads((POCKET / "atelier.json").read_text(encoding="utf-8"))["recommended"]
    config = json.loads((POCKET / "unet" / "config.json").read_text(encoding="utf-8"))
    assert wanted["width"] == wanted["height"] == config["sample_size"] * 8
    assert 1 <= wanted["steps"] <= 50
    assert wanted["guidance_scale"] > 1
