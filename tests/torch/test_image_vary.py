"""Models made for variations: they look at one picture and need no words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_pictures
from PIL import Image, ImageDraw
from tiny_runs import Ear, Loaded

from models import canvas, recipe
from models.card import ModelRef
from models.errors import InvalidInputError
from models.runners.base import CancelledRunError, Picture
from models.schemas import planned_pixels, why_not


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    root = tmp_path_factory.mktemp("vary")
    return Loaded(tiny_pictures.build("sd_vary", root / "sd_vary"), root / "cache")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = Image.new("RGB", (72, 56), (40, 90, 160))
    ImageDraw.Draw(image).ellipse((10, 10, 50, 50), fill=(230, 180, 60))
    image.save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def vary(model: Loaded, keep: Path, ear: Ear | None = None, seed: int = 7, **inputs: Any) -> Picture:
    made: Picture = model.runner.run(model.schema.validate(inputs), seed, keep, ear or Ear())
    return made


def test_a_picture_and_no_words_make_a_picture(model: Loaded, picture: Path, tmp_path: Path) -> None:
    ear = Ear()
    made = vary(model, tmp_path / "1", ear, image=str(picture))
    assert abs(made.image.width / made.image.height - 72 / 56) < 0.2
    assert ear.steps[-1][0] == ear.steps[-1][1] >= 3
    assert ear.stages == ["running", "decoding"]
    assert made.facts["pictures"]["image"]["path"] == str(picture)
    assert vary(model, tmp_path / "2", image=str(picture)).image.tobytes() == made.image.tobytes()
    assert vary(model, tmp_path / "3", seed=8, image=str(picture)).image.tobytes() != made.image.tobytes()
    near = vary(model, tmp_path / "4", image=str(picture), variation_seed=9, variation_strength=0.2)
    assert near.image.tobytes() != made.image.tobytes()


def test_it_looks_at_the_picture(model: Loaded, picture: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (72, 56), (250, 250, 10)).save(other)
    one, two = (vary(model, tmp_path / f"{path.stem}-kept", image=str(path)).image for path in (picture, other))
    assert np.asarray(one).tobytes() != np.asarray(two).tobytes()


def test_small_and_large_pictures_are_varied_at_the_models_own_size(model: Loaded, tmp_path: Path) -> None:
    native = model.schema["width"].default * model.schema["height"].default
    for size in ((16, 16), (640, 480)):
        path = tmp_path / f"{size[0]}.png"
        Image.new("RGB", size, (9, 90, 200)).save(path)
        made = vary(model, tmp_path / f"kept-{size[0]}", image=str(path)).image
        assert 0.7 < made.width * made.height / native < 1.4
        assert planned_pixels(str(model.folder), {"image": str(path)}) == made.width * made.height


def test_its_form_asks_for_a_picture_only(model: Loaded, picture: Path) -> None:
    schema = model.schema
    assert "prompt" not in schema
    assert {"image", "steps", "guidance_scale", "seed", "width", "height"} <= set(schema.names)
    with pytest.raises(InvalidInputError) as caught:
        schema.validate({})
    assert [problem.sentence for problem in caught.value.info.problems] == ["Image is missing."]
    missing = why_not(model.runner._info)
    assert set(canvas.NAMES) - set(schema.names) <= set(missing)
    assert "mask" in missing
    values = schema.validate({"image": str(picture)})
    assert recipe.build(ModelRef("vary", "", ""), values, 1, {}, {})["inputs"]["image"] == str(picture)


def test_cancel_leaves_the_model_usable(model: Loaded, picture: Path, tmp_path: Path) -> None:
    ear = Ear(cancel_at=lambda ear: bool(ear.steps) and ear.steps[-1][0] == 1)
    with pytest.raises(CancelledRunError):
        vary(model, tmp_path / "1", ear, image=str(picture))
    assert vary(model, tmp_path / "2", image=str(picture)).image.width > 0


@pytest.fixture(scope="module")
def unclip(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    root = tmp_path_factory.mktemp("unclip")
    return Loaded(tiny_pictures.build("unclip", root / "unclip"), root / "cache")


def test_unclip_varies_with_words_or_without_and_as_freely_as_asked(
    unclip: Loaded, picture: Path, tmp_path: Path
) -> None:
    schema = unclip.schema
    assert {"image", "prompt", "noise_level"} <= set(schema.names)
    assert not schema["prompt"].required
    assert "mask" not in schema
    with pytest.raises(InvalidInputError):
        schema.validate({"prompt": "a cat"})
    other = tmp_path / "other.png"
    Image.new("RGB", (72, 56), (250, 250, 10)).save(other)
    kinds: list[dict[str, Any]] = [
        {"image": str(picture)},
        {"image": str(other)},
        {"image": str(picture), "prompt": "a red cat"},
        {"image": str(picture), "noise_level": 900},
    ]
    made = [vary(unclip, tmp_path / str(number), **inputs).image for number, inputs in enumerate(kinds)]
    assert len({image.tobytes() for image in made}) == len(kinds)
    again = vary(unclip, tmp_path / "again", **kinds[0]).image
    assert again.tobytes() == made[0].tobytes()
    native = schema["width"].default * schema["height"].default
    assert 0.7 < made[0].width * made[0].height / native < 1.4
