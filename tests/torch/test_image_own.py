"""Models whose weights were made for pictures, by their own pipelines: filling a mask, editing by instruction."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import tiny
import tiny_pictures
import torch
from PIL import Image, ImageDraw
from tiny_runs import CPU, Ear, Loaded

from models import canvas, folders, pipelines, ways
from models.errors import InvalidInputError
from models.runners.base import CancelledRunError
from models.runners.diffusion.runner import DiffusionRunner
from models.schemas import schema_for, why_not


@pytest.fixture(scope="session")
def loaded_own(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Loaded]:
    root = tmp_path_factory.mktemp("own")

    @cache
    def load(family: str) -> Loaded:
        return Loaded(tiny_pictures.build(family, root / family), root / "cache")

    return load


@pytest.fixture(params=tiny_pictures.FILLS)
def filler(request: pytest.FixtureRequest, loaded_own: Callable[[str], Loaded]) -> Loaded:
    return loaded_own(request.param)


@pytest.fixture(params=tiny_pictures.EDITS)
def editor(request: pytest.FixtureRequest, loaded_own: Callable[[str], Loaded]) -> Loaded:
    return loaded_own(request.param)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = Image.new("RGB", (72, 56), (40, 90, 160))
    ImageDraw.Draw(image).ellipse((10, 10, 50, 50), fill=(230, 180, 60))
    image.save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    image = Image.new("L", (72, 56), 0)
    image.paste(255, (40, 0, 72, 56))
    image.save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def pixels(image: Image.Image | Path) -> np.ndarray[Any, Any]:
    opened = Image.open(image) if isinstance(image, Path) else image
    return np.asarray(opened.convert("RGB")).astype(int)


def test_filling_changes_what_the_mask_covers_and_nothing_else(
    filler: Loaded, picture: Path, mask: Path, keep: Path
) -> None:
    ear = Ear()
    made = filler.run(keep, ear=ear, image=str(picture), mask=str(mask), mask_feather=4).image
    change = np.abs(pixels(made) - pixels(picture)).max(axis=2)
    assert made.size == (72, 56)
    assert change[:, :36].max() == 0
    assert change[:, 40:].mean() > 1
    assert ear.stages == ["running", "decoding"]
    assert ear.steps[-1] == (3, 3, 0.0)


def test_filling_new_edges_and_small_windows(filler: Loaded, picture: Path, mask: Path, tmp_path: Path) -> None:
    wider = filler.run(tmp_path / "1", image=str(picture), extend_left=16, mask_feather=4).image
    assert wider.size == (88, 56)
    assert np.array_equal(pixels(wider)[:, 20:], pixels(picture)[:, 4:])
    only = filler.run(tmp_path / "2", image=str(picture), mask=str(mask), only_masked=True, mask_feather=4).image
    assert np.array_equal(pixels(only)[:, :36], pixels(picture)[:, :36])


def test_filling_needs_to_know_what(filler: Loaded, picture: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        filler.schema.validate({"prompt": "x", "image": str(picture)})
    (problem,) = caught.value.info.problems
    assert problem.name == "mask"
    assert "needs to know what to fill" in problem.sentence
    with pytest.raises(InvalidInputError) as caught:
        filler.schema.validate({"prompt": "x"})
    assert caught.value.info.problems[0].sentence == "Image is missing."


def test_a_seed_fills_the_same_again_from_kept_latents_too(
    filler: Loaded, picture: Path, mask: Path, tmp_path: Path
) -> None:
    asked = {"image": str(picture), "mask": str(mask), "seed": 3}
    first = filler.run(tmp_path / "1", **asked)
    again = filler.run(tmp_path / "2", **asked)
    ear = Ear()
    kept = filler.run(tmp_path / "1", ear=ear, **asked)
    assert first.image.tobytes() == again.image.tobytes() == kept.image.tobytes()
    assert ear.notices == ["latents_reused"]


def test_editing_gives_a_picture_of_the_same_shape(editor: Loaded, picture: Path, tmp_path: Path) -> None:
    ear = Ear()
    made = editor.run(tmp_path / "1", ear=ear, image=str(picture))
    width, height = made.image.size
    assert abs(width / height - 72 / 56) < 0.2  # no side is less than 64
    assert made.facts["pictures"]["image"]["path"] == str(picture)
    assert ear.steps[-1][0] == ear.steps[-1][1] == 3
    again = editor.run(tmp_path / "2", image=str(picture))
    assert again.image.tobytes() == made.image.tobytes()


def test_editing_looks_at_the_picture(editor: Loaded, picture: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (72, 56), (250, 250, 10)).save(other)
    one, two = (editor.run(tmp_path / path.stem, image=str(path)).image for path in (picture, other))
    assert one.tobytes() != two.tobytes()


def test_several_pictures_are_looked_at(loaded_own: Callable[[str], Loaded], picture: Path, tmp_path: Path) -> None:
    model = loaded_own("flux2_klein")
    assert [name for name in model.schema.names if name.startswith("reference")] == list(canvas.REFERENCES)
    other = tmp_path / "other.png"
    Image.new("RGB", (40, 40), (250, 250, 10)).save(other)
    one = model.run(tmp_path / "1", image=str(picture))
    two = model.run(tmp_path / "2", image=str(picture), reference_1=str(other))
    assert one.image.tobytes() != two.image.tobytes()
    assert two.facts["pictures"]["reference_1"]["path"] == str(other)
    with pytest.raises(InvalidInputError):
        model.schema.validate({"prompt": "x", "reference_1": str(other)})


@pytest.mark.parametrize("family", ["flux2_klein", "flux_kontext"])
def test_models_that_need_no_picture_make_one_from_words(
    family: str, loaded_own: Callable[[str], Loaded], picture: Path, tmp_path: Path
) -> None:
    model = loaded_own(family)
    words = model.run(tmp_path / "1", width=64, height=64)
    model.run(tmp_path / "2", image=str(picture))
    again = model.run(tmp_path / "3", width=64, height=64)
    assert words.image.tobytes() == again.image.tobytes()
    assert [what for _, what in model.ear.loads].count("vae") == 1


def test_cancel_leaves_the_model_usable(editor: Loaded, picture: Path, tmp_path: Path) -> None:
    ear = Ear(cancel_at=lambda ear: bool(ear.steps) and ear.steps[-1][0] == 1)
    with pytest.raises(CancelledRunError):
        editor.run(tmp_path / "1", ear=ear, image=str(picture))
    assert editor.run(tmp_path / "2", image=str(picture)).image.width > 0


def test_variations_move_the_noise(
    loaded_own: Callable[[str], Loaded], picture: Path, mask: Path, tmp_path: Path
) -> None:
    for family in (*tiny_pictures.FILLS, *tiny_pictures.EDITS):
        model = loaded_own(family)
        asked: dict[str, Any] = {"image": str(picture), "seed": 1}
        asked |= {"mask": str(mask)} if "mask" in model.schema else {}
        plain = model.run(tmp_path / f"{family}1", **asked)
        near = model.run(tmp_path / f"{family}2", variation_seed=9, variation_strength=0.2, **asked)
        none = model.run(tmp_path / f"{family}3", variation_seed=9, variation_strength=0.0, **asked)
        assert plain.image.tobytes() == none.image.tobytes(), family
        assert plain.image.tobytes() != near.image.tobytes(), family


def test_what_a_model_does_not_take_is_said(editor: Loaded, filler: Loaded) -> None:
    for model in (editor, filler):
        missing = why_not(model.runner._info)
        assert not set(missing) & set(model.schema.names)
        assert set(missing) | set(model.schema.names) >= set(canvas.NAMES)
    assert ("mask" in why_not(editor.runner._info)) == (editor.folder.name != "flux2_klein")
    assert "reference_1" in why_not(filler.runner._info)


def test_own_classes_take_what_they_are_given() -> None:
    for name, taking in ways.WAYS.items():
        row = pipelines.row(name)
        assert row is not None
        if taking.way is ways.Way.FILL:
            assert {"image", "mask_image", "strength"} <= set(row.inputs)
        if taking.way is ways.Way.EDIT:
            assert "image" in row.inputs
            assert "strength" not in row.inputs
            assert taking.blends == (taking.layout is ways.Layout.PATCHED)


@pytest.mark.parametrize("name", ["QwenImageEditPipeline", "QwenImageEditPlusPipeline"])
def test_qwens_edit_pipelines_are_called_as_they_want(
    name: str, folder_of: Callable[[str], Path], picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their reader of words and pictures is too large to be built tiny: its numbers are given ready-made."""
    row = pipelines.row(name)
    assert row is not None
    info = folders.inspect(folder_of("qwen_image"))
    base = diffusers.DiffusionPipeline.from_pretrained(info.folder)
    pipe = getattr(diffusers, name)(**base.components, processor=None)
    seen: list[Any] = []

    def words(*_: Any, image: Any = None, prompt_embeds: Any = None, **__: Any) -> tuple[Any, Any]:
        seen.append(image)
        numbers = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(len(seen)))
        return (numbers if prompt_embeds is None else prompt_embeds), torch.ones(1, 6, dtype=torch.long)

    monkeypatch.setitem(vars(pipe), "encode_prompt", words)
    module = sys.modules[type(pipe).__module__]
    sized = module.calculate_dimensions
    monkeypatch.setattr(module, "calculate_dimensions", lambda area, ratio: sized(min(area, 96 * 96), ratio))
    runner = DiffusionRunner(pipe, info, row, CPU, None)
    schema = schema_for(name, info.configs, info.about.recommended)
    several = "reference_1" in schema
    assert several == (name == "QwenImageEditPlusPipeline")
    more = {"reference_1": str(picture), "reference_2": str(picture)} if several else {}
    values = schema.validate({"prompt": "make it red", "image": str(picture), "steps": 2, **more})
    ear = Ear()
    made = runner.run(values, 3, tmp_path / "1", ear)
    assert abs(made.image.width / made.image.height - 72 / 56) < 0.3
    assert len(seen[0]) == 3 if several else seen[0] is not None
    assert ear.steps[-1] == (2, 2, 0.0)
    with pytest.raises(InvalidInputError):
        schema.validate({"prompt": "make it red"})


def test_longcats_edit_pipeline_is_called_as_it_wants(
    folder_of: Callable[[str], Path], picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above; it makes pictures of its own size, in the shape of the one given."""
    row = pipelines.row("LongCatImageEditPipeline")
    assert row is not None
    transformer = diffusers.LongCatImageTransformer2DModel(
        in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=[4, 4, 8],
    )  # fmt: skip
    base = tiny._qwen_image()
    reader = type("Reader", (), {"image_processor": None})()  # of words and pictures: its numbers are ready-made
    vae = tiny._vae(16, shift_factor=0.1)
    pipe = diffusers.LongCatImageEditPipeline(
        base.scheduler, vae, base.text_encoder, base.tokenizer, reader, transformer
    )
    prepared = sys.modules[type(pipe).__module__].prepare_pos_ids
    ids = prepared(modality_id=0, type="text", start=(0, 0), num_token=6)
    monkeypatch.setitem(vars(pipe), "encode_prompt", lambda **_: (torch.ones(1, 6, 32), ids))
    module = sys.modules[type(pipe).__module__]
    sized = module.calculate_dimensions
    monkeypatch.setattr(module, "calculate_dimensions", lambda area, ratio: sized(min(area, 96 * 96), ratio))
    info = folders.inspect(folder_of("flux"))
    runner = DiffusionRunner(pipe, info, row, CPU, None)
    schema = schema_for("LongCatImageEditPipeline", info.configs, info.about.recommended)
    values = schema.validate({"prompt": "make it red", "image": str(picture), "steps": 2})
    ear = Ear()
    made = runner.run(values, 3, tmp_path / "1", ear)
    assert abs(made.image.width / made.image.height - 72 / 56) < 0.3
    assert ear.steps[-1] == (2, 2, 0.0)
