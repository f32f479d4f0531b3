"""The box: declaration -> schema -> validation, with messages that name the input, the value and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.box import Override, declare
from models.errors import InvalidInputError, Problem
from models.inputs import MAX_SEED, ImageFile, Input, MaskFile, Seed, Size
from models.items import Control, Lora


def run(
    self: object,
    prompt: Annotated[str, Input(min_length=1, max_length=100)],
    size: Annotated[Size, Input(ge=64, le=2048, multiple_of=8)] = Size(512, 384),  # noqa: B008
    steps: Annotated[int, Input(ge=1, le=100)] = 20,
    guidance_scale: Annotated[float, Input(title="Guidance", ge=0, le=30)] = 7.5,
    scheduler: Literal["default", "euler"] = "default",
    tiling: bool = False,
    seed: Seed | None = None,
    image: Annotated[ImageFile | None, Input(accept="image/*")] = None,
    mask: MaskFile | None = None,
    loras: list[Lora] | None = None,
    controls: list[Control] | None = None,
) -> None: ...


SCHEMA = declare(run)


def sentences(**values: Any) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        SCHEMA.validate({"prompt": "an apple", **values})
    return [problem.sentence for problem in caught.value.info.problems]


def test_schema_has_cogs_conventions() -> None:
    schema = SCHEMA.input_schema()
    assert schema["title"] == "Input"
    assert schema["required"] == ["prompt"]
    properties = schema["properties"]
    assert [properties[name]["x-order"] for name in properties] == list(range(len(properties)))
    assert list(properties)[:3] == ["prompt", "width", "height"]
    assert properties["width"] == {
        "title": "Width", "type": "integer", "description": "Width of the picture in pixels.", "default": 512,
        "minimum": 64, "maximum": 2048, "multipleOf": 8, "x-step": 8, "x-kind": "integer", "x-order": 1,
    }  # fmt: skip
    assert properties["guidance_scale"]["title"] == "Guidance"
    assert properties["image"]["format"] == "uri"
    assert SCHEMA.output_schema()["items"] == {"type": "string", "format": "uri"}


def test_choices_become_schemas_of_their_own_for_the_api() -> None:
    components = SCHEMA.openapi_components()
    assert components["scheduler"] == {"title": "scheduler", "type": "string", "enum": ["default", "euler"]}
    assert components["Input"]["properties"]["scheduler"]["allOf"] == [{"$ref": "#/components/schemas/scheduler"}]


def test_defaults_complete_the_values() -> None:
    values = SCHEMA.validate({"prompt": "  an apple "})
    assert values["prompt"] == "an apple"
    assert (values["width"], values["height"], values["steps"]) == (512, 384, 20)
    assert 0 <= values["seed"] <= MAX_SEED
    assert values["image"] is None


def test_command_line_strings_are_converted() -> None:
    values = SCHEMA.validate({"prompt": "x", "steps": "12", "guidance_scale": "3.5", "tiling": "true", "seed": "7"})
    assert (values["steps"], values["guidance_scale"], values["tiling"], values["seed"]) == (12, 3.5, True, 7)


@pytest.mark.parametrize("seed", [None, -1, "-1", "", "random"])
def test_an_open_seed_becomes_a_random_one(seed: object) -> None:
    seeds = {SCHEMA.validate({"prompt": "x", "seed": seed})["seed"] for _ in range(8)}
    assert len(seeds) > 1


def test_size_stands_for_width_and_height() -> None:
    values = SCHEMA.validate({"prompt": "x", "size": "768x1024"})
    assert (values["width"], values["height"]) == (768, 1024)
    assert sentences(size="big") == ["Size must look like 512x768, not “big”."]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"prompt": ""}, "Prompt is empty. Write what you want to see."),
        ({"prompt": "   "}, "Prompt is empty. Write what you want to see."),
        ({"prompt": "x" * 101}, "Prompt is 101 characters long; at most 100 fit."),
        ({"steps": 0}, "Steps must be a whole number from 1 to 100; “0” was given."),
        ({"steps": "many"}, "Steps must be a whole number from 1 to 100; “many” was given."),
        ({"steps": 2.5}, "Steps must be a whole number from 1 to 100; “2.5” was given."),
        ({"width": 100000}, "Width must be a whole number from 64 to 2048, a multiple of 8; “100000” was given."),
        ({"height": 333}, "Height must be a whole number from 64 to 2048, a multiple of 8; “333” was given."),
        ({"guidance_scale": "nan"}, "Guidance must be a number from 0 to 30; “nan” was given."),
        ({"scheduler": "magic"}, "Scheduler must be one of default, euler; “magic” was given."),
        ({"tiling": "perhaps"}, "Tiling must be true or false; “perhaps” was given."),
        (
            {"seed": 2**40},
            "Seed must be a whole number from 0 to 4294967295, or -1 for a random one; “1099511627776” was given.",
        ),
        ({"stepz": 3}, "This model has no input called “stepz”. Did you mean “steps”?"),
    ],
)
def test_each_wrong_value_is_named(values: dict[str, Any], sentence: str) -> None:
    assert sentences(**values) == [sentence]


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(InvalidInputError) as caught:
        SCHEMA.validate({"steps": 0, "width": 7})
    assert [problem.name for problem in caught.value.info.problems] == ["prompt", "width", "steps"]


def test_pictures_are_looked_at(tmp_path: Path) -> None:
    good, text, cut = tmp_path / "good.png", tmp_path / "notes.txt", tmp_path / "cut.png"
    Image.new("RGB", (9, 9)).save(good)
    text.write_text("hello")
    cut.write_bytes(good.read_bytes()[:30])
    assert SCHEMA.validate({"prompt": "x", "image": str(good)})["image"] == str(good)
    assert sentences(image=str(text)) == [
        "Image: “notes.txt” cannot be used: it is not a picture, or of a kind Atelier does not know."
    ]
    assert sentences(image=str(cut)) == [
        "Image: “cut.png” cannot be used: it is not a picture, or of a kind Atelier does not know."
    ]
    assert "the file is not there any more" in sentences(mask=str(tmp_path / "none.png"))[0]


def test_a_card_narrows_a_box() -> None:
    narrow = SCHEMA.narrow({"steps": Override(default=4, le=8), "tiling": Override(hidden=True), "nothing": Override()})
    assert narrow["steps"].default == 4
    assert narrow.input_schema()["properties"]["steps"]["maximum"] == 8
    assert narrow.input_schema()["properties"]["tiling"]["x-hidden"] is True
    with pytest.raises(InvalidInputError):
        narrow.validate({"prompt": "x", "steps": 9})


def test_a_parameter_without_a_known_type_is_a_mistake_of_ours() -> None:
    def untyped(prompt) -> None: ...  # type: ignore[no-untyped-def]

    def strange(prompt: dict[str, int]) -> None: ...

    for function in (untyped, strange):
        with pytest.raises(TypeError, match="prompt"):
            declare(function)


ANYTHING = st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.integers()))


@given(st.dictionaries(st.sampled_from(SCHEMA.names), ANYTHING))
def test_anything_is_either_refused_in_words_or_valid(values: dict[str, Any]) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        checked = SCHEMA.validate(values)
    except InvalidInputError as error:
        problems = error.info.problems
    if problems:
        assert all(problem.sentence.endswith((".", "?")) for problem in problems)
    else:
        assert SCHEMA.validate(checked) == checked


def test_lists_are_read_from_words_and_json_and_end_as_plain_values() -> None:
    checked = SCHEMA.validate({"prompt": "an apple", "loras": "ink:0.8, C:\\loras\\paper, old:-1"})
    assert checked["loras"] == [
        {"name": "ink", "weight": 0.8}, {"name": "C:\\loras\\paper", "weight": 1.0}, {"name": "old", "weight": -1.0},
    ]  # fmt: skip
    assert SCHEMA.validate({"prompt": "an apple", "loras": '[{"name": "ink"}]'})["loras"][0]["weight"] == 1.0
    assert SCHEMA.validate({"prompt": "an apple"})["loras"] is None


@pytest.mark.parametrize(
    ("loras", "sentence"),
    [
        ("ink:9", "Loras 1, weight must be at most 4; “9.0” was given."),
        ([{"weight": 1}], "Loras 1, name is missing."),
        ([{"name": "ink", "weight": "much"}], "Loras 1, weight must be a number; “much” was given."),
        ([{"name": "ink", "heft": 2}], "Loras 1, heft is not known."),
        (["ink"] * 17, "Loras"),
        (3, "Loras must be a list; “3” was given."),
    ],
)
def test_a_wrong_item_is_named(loras: Any, sentence: str) -> None:
    assert sentences(loras=loras)[0].startswith(sentence)


def test_an_item_without_a_picture_needs_one() -> None:
    said = sentences(controls=[{"name": "edges"}, {"name": "depth", "image": ""}])
    assert said == ["Controls 1 needs a picture.", "Controls 2 needs a picture."]


def test_pictures_within_lists_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    control = {"name": "edges", "image": str(tmp_path / "notes.png")}
    assert sentences(controls=[control])[0].startswith("Controls 1: “notes.png” cannot be used")
