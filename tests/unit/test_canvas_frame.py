"""Where picture, window and work lie, and the inputs about pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models import canvas, ways
from models.box import BoxSchema
from models.canvas import Space
from models.errors import InvalidInputError
from models.inputs import Size
from models.schemas import schema_for

SDXL = Space(Size(1024, 1024), 8, 64, 4096)
PLAIN = schema_for("StableDiffusionXLPipeline", {})


def sentences(schema: BoxSchema, **values: Any) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        schema.validate({"prompt": "x", **values})
    return [problem.sentence for problem in caught.value.info.problems]


@pytest.mark.parametrize(
    ("picture", "work"),
    [
        (Size(1024, 1024), Size(1024, 1024)),
        (Size(1000, 700), Size(1000, 704)),
        (Size(4000, 3000), Size(1672, 1256)),  # scaled down to twice the model's own area
        (Size(1, 1), Size(64, 64)),
        (Size(30_000, 2), Size(4096, 64)),
    ],
)
def test_a_picture_alone_is_worked_on_at_its_own_size(picture: Size, work: Size) -> None:
    frame = canvas.frame({"width": 1024, "height": 1024}, picture, SDXL)
    assert frame.work == work
    assert not frame.stitched


def test_a_size_asked_for_is_the_works() -> None:
    assert canvas.frame({"width": 768, "height": 512}, Size(4000, 3000), SDXL).work == Size(768, 512)


def test_extending_makes_the_canvas_larger() -> None:
    frame = canvas.frame({"extend_left": 100, "extend_bottom": 50}, Size(1000, 500), SDXL)
    assert (frame.canvas, frame.left, frame.top) == (Size(1100, 550), 100, 0)
    assert frame.window == (0, 0, 1100, 550)
    assert frame.stitched


def test_only_the_masked_area_is_a_window_with_surroundings() -> None:
    asked = {"mask": "m.png", "only_masked": True, "mask_padding": 64, "mask_feather": 16}
    frame = canvas.frame(asked, Size(4000, 3000), SDXL, (1000, 1000, 1200, 1100))
    assert frame.window == (936, 936, 1264, 1164)
    assert abs(frame.work.width * frame.work.height / 1024**2 - 1) < 0.02
    assert frame.canvas == Size(4000, 3000)


def test_a_thin_mask_gets_a_window_that_is_no_strip() -> None:
    asked = {"mask": "m.png", "only_masked": True, "mask_padding": 10}
    left, top, right, bottom = canvas.frame(asked, Size(2000, 2000), SDXL, (0, 1000, 2000, 1004)).window
    assert (left, right) == (0, 2000)
    assert bottom - top >= 1000
    assert top <= 1000 - 10


@given(
    st.integers(1, 30_000), st.integers(1, 30_000),
    st.tuples(*[st.integers(0, 4096)] * 4),
    st.tuples(*[st.floats(0, 1)] * 4), st.booleans(), st.integers(0, 512), st.integers(0, 512),
)  # fmt: skip
def test_frames_always_hold_together(
    width: int, height: int, extend: tuple[int, ...], box: tuple[float, ...], only: bool, padding: int, feather: int
) -> None:
    inputs: dict[str, Any] = dict(zip(canvas.EXTENDS, extend, strict=True))
    inputs.update(mask="m.png", only_masked=only, mask_padding=padding, mask_feather=feather)
    whole = Size(width + extend[0] + extend[2], height + extend[1] + extend[3])
    left, right = sorted((int(box[0] * (whole.width - 1)), int(box[1] * (whole.width - 1))))
    top, bottom = sorted((int(box[2] * (whole.height - 1)), int(box[3] * (whole.height - 1))))
    mask = (left, top, right + 1, bottom + 1)
    frame = canvas.frame(inputs, Size(width, height), SDXL, mask)
    assert frame.canvas == whole
    a, b, c, d = frame.window
    assert 0 <= a <= mask[0] < mask[2] <= c <= whole.width
    assert 0 <= b <= mask[1] < mask[3] <= d <= whole.height
    assert frame.work.width % 8 == frame.work.height % 8 == 0
    assert 64 <= min(frame.work.width, frame.work.height) <= max(frame.work.width, frame.work.height) <= 4096
    if only:
        assert a == max(0, a)
        assert mask[0] - a >= min(max(padding, feather), mask[0])
        assert c - mask[2] >= min(max(padding, feather), whole.width - mask[2])


def test_a_new_area_is_never_started_at_little_strength() -> None:
    assert canvas.effective_strength({"strength": 0.2}) == 0.2
    assert canvas.effective_strength({"strength": 0.2, "extend_top": 8}) == canvas.NEW_STRENGTH
    assert canvas.effective_strength({"strength": 1.0, "extend_top": 8}) == 1.0


def test_models_from_words_take_pictures_by_the_wrapper() -> None:
    assert {"image", "strength", "mask", "only_masked", "extend_left", "variation_seed"} <= set(PLAIN.names)
    assert "reference_1" not in PLAIN
    assert set(canvas.why_not(ways.taking("StableDiffusionXLPipeline"), "")) == set(canvas.REFERENCES)


def test_what_has_no_way_is_not_offered_and_says_why() -> None:
    schema = schema_for("SanaSprintPipeline", {})
    assert not set(canvas.NAMES) & set(schema.names)
    reasons = canvas.why_not(ways.taking("SanaSprintPipeline"), "")
    assert set(reasons) == set(canvas.NAMES)
    assert all(reason.endswith(".") for reason in reasons.values())


def test_what_needs_something_else_says_so(tmp_path: Path) -> None:
    image, mask, other = tmp_path / "a.png", tmp_path / "m.png", tmp_path / "o.png"
    Image.new("RGB", (40, 20)).save(image)
    Image.new("L", (80, 41)).save(mask)  # of the same shape but for rounding
    Image.new("L", (20, 40)).save(other)
    assert sentences(PLAIN, mask=str(mask)) == ["Mask needs Image: give that too, or leave Mask out."]
    assert sentences(PLAIN, extend_left="8") == ["Extend left needs Image: give that too, or leave Extend left out."]
    assert sentences(PLAIN, image=str(image), mask=str(other)) == [
        "Mask is 20 x 40 pixels, Image is 40 x 20; they must have the same shape."
    ]
    assert PLAIN.validate({"prompt": "x", "image": str(image), "mask": str(mask)})["mask"] == str(mask)
    assert PLAIN.validate({"prompt": "x", "strength": 0.3, "only_masked": True})["image"] is None


def test_the_schema_tells_forms_what_belongs_together() -> None:
    properties = PLAIN.input_schema()["properties"]
    assert properties["mask"]["x-needs"] == "image"
    assert properties["only_masked"]["x-needs"] == "mask"
    assert properties["image"]["x-kind"] == "image"
    assert properties["mask"]["x-kind"] == "mask"
