"""Copies for others: any format, the recipe inside or not, nothing private, names every system takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.background import StoppedError
from app.export import NAMES, Export, export_all, export_to, file_name, safe_name
from app.jobs import Result
from models import metadata, recipe, texts
from models.errors import AtelierError, ErrorCode, InvalidInputError


@pytest.fixture
def result(tmp_path: Path) -> Result:
    made = {
        "format": 1, "job": "j", "picture": 1, "seed": 5, "device": "GeForce", "model": {"id": "m", "name": "Model: x"},
        "inputs": {"prompt": "a red/apple", "steps": 9, "image": "/home/me/secret/house.png"},
        "pictures": {"image": {"path": "/home/me/secret/house.png", "sha256": "ab"}},
    }  # fmt: skip
    path = tmp_path / "library" / "one.png"
    path.parent.mkdir()
    image = Image.new("RGBA", (64, 48), (255, 0, 0, 128))
    recipe.save_png(image, path, made)
    return Result("j-1", "j", str(path), 1_700_000_000.0, "m", "Model: x", "a red/apple", 5, 64, 48, made)


@pytest.mark.parametrize("kind", ["same", "png", "webp", "jpeg", "avif"])
@pytest.mark.parametrize("told", [True, False])
def test_every_format_carries_the_recipe_or_nothing(tmp_path: Path, result: Result, kind: str, told: bool) -> None:
    (path,) = export_all([result], tmp_path / "out", Export(kind, metadata=told, scale=0.5))
    assert path.suffix == {"same": ".png", "jpeg": ".jpg"}.get(kind, f".{kind}")
    with Image.open(path) as picture:
        assert picture.size == (32, 24)
        assert picture.format == {"same": "PNG"}.get(kind, kind.upper())
    found = metadata.read(path)
    if not told:
        assert found is None
        assert texts.read(path).texts == {}
        return
    assert found is not None
    assert (found["inputs"]["steps"], found["seed"]) == (9, 5)
    assert b"secret" not in path.read_bytes()
    assert "secret" not in json.dumps(found)
    assert "device" not in found
    assert "Steps: 9" in (texts.read(path).texts.get("parameters") or texts.read(path).texts[texts.COMMENT])


@pytest.mark.parametrize("kind", ["same", "png", "webp"])
def test_what_is_clear_stays_clear(tmp_path: Path, result: Result, kind: str) -> None:
    (path,) = export_all([result], tmp_path / "out", Export(kind, lossless=True, scale=0.5))
    with Image.open(path) as picture:
        assert picture.mode == "RGBA"
        assert picture.getpixel((10, 10)) == (255, 0, 0, 128)


def test_jpeg_lays_what_is_clear_on_white(tmp_path: Path, result: Result) -> None:
    (path,) = export_all([result], tmp_path / "out", Export("jpeg", quality=100))
    with Image.open(path) as picture:
        assert picture.mode == "RGB"
        assert picture.getpixel((10, 10)) == pytest.approx((255, 127, 127), abs=3)


def test_what_is_private_stays_unless_it_is_wanted(tmp_path: Path, result: Result) -> None:
    path = export_to(result, tmp_path / "x.webp", Export(private=False))
    found = recipe.read(path)
    assert found is not None
    assert found["device"] == "GeForce"
    assert found["inputs"]["image"] == "house.png"  # local paths never leave


def test_names(tmp_path: Path, result: Result) -> None:
    options = Export("jpeg", name="{number} {model} {prompt} {seed} {width}x{height}")
    written = export_all([result, result], tmp_path, options)
    assert [path.name for path in written] == [
        "001 Model x a red apple 5 64x48.jpg", "002 Model x a red apple 5 64x48.jpg"]  # fmt: skip
    again = export_all([result], tmp_path, options)
    assert again[0].name == "001 Model x a red apple 5 64x48-2.jpg"


def test_the_longest_side(tmp_path: Path, result: Result) -> None:
    with Image.open(export_to(result, tmp_path / "x.png", Export(longest=128))) as picture:
        assert picture.size == (128, 96)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (Export("bmp"), "format"), (Export(quality=0), "quality"), (Export(scale=99), "scale"),
        (Export(longest=-1), "longest"), (Export(name="{secret}"), "name"), (Export(name="{"), "name"),
        (Export(name="{prompt!r}"), "name"), (Export(name="{seed:>99999999}"), "name"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_named(tmp_path: Path, result: Result, options: Export, name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        export_all([result], tmp_path, options)
    assert [problem.name for problem in caught.value.info.problems] == [name]


def test_a_picture_that_is_gone_is_named(tmp_path: Path, result: Result) -> None:
    Path(result.path).unlink()
    with pytest.raises(AtelierError) as caught:
        export_to(result, tmp_path / "x.png", Export())
    assert caught.value.code is ErrorCode.PICTURE_UNREADABLE


def test_stopping_leaves_whole_files(tmp_path: Path, result: Result) -> None:
    def stop(done: int, total: int) -> None:
        if done == 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        export_all([result] * 3, tmp_path / "out", Export(), stop)
    assert len(list((tmp_path / "out").iterdir())) == 1


@given(st.text(max_size=300), st.sampled_from(NAMES))
def test_any_text_makes_a_name(text: str, field: str) -> None:
    made = Result("i", "j", "/x/y.png", 1.0, "m", text, text, 5, 8, 8, {})
    name = file_name(f"{{{field}}}", made, 1)
    assert 0 < len(name.encode()) <= 210
    assert not set(name) & set('<>:"/\\|?*\0\n')
    assert name == name.strip(" .")
    assert name.lower() not in ("con", "nul", "..", ".")
    assert safe_name(name) == name or safe_name(name) == f"{name}_"
