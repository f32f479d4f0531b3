"""A recipe of any tool as inputs of a model: only what it has, only what it allows, and words for the rest."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models import metadata, texts
from models.box import BoxSchema
from models.inputs import MISSING, Input, InputSpec, Kind
from models.metadata.read import foreign
from tests.unit import foreign_texts as written

SCHEMA = BoxSchema(
    (
        InputSpec("prompt", Kind.TEXT, MISSING, Input("Prompt", min_length=1, max_length=2000)),
        InputSpec("negative_prompt", Kind.TEXT, "", Input("Avoid", max_length=2000)),
        InputSpec("width", Kind.INTEGER, 512, Input("Width", ge=64, le=1024, multiple_of=64)),
        InputSpec("height", Kind.INTEGER, 512, Input("Height", ge=64, le=1024, multiple_of=64)),
        InputSpec("steps", Kind.INTEGER, 20, Input("Steps", ge=1, le=150)),
        InputSpec("guidance_scale", Kind.NUMBER, 7.5, Input("Guidance", ge=0, le=30)),
        InputSpec(
            "scheduler", Kind.CHOICE, "default", Input("Scheduler", choices=("default", "euler", "dpmpp_2m_karras"))
        ),
        InputSpec("loras", Kind.LORAS, []),
        InputSpec("seed", Kind.SEED, None),
    )
)


def recipe(**carried: Any) -> dict[str, Any]:
    found = foreign({key.replace("_", "-") if key == "sd_metadata" else key: value for key, value in carried.items()})
    assert found is not None
    return metadata.as_recipe(found, texts.Carried())


def test_all_that_fits_is_taken_and_the_schema_accepts_it() -> None:
    applied = metadata.inputs_for(recipe(parameters=written.A1111), SCHEMA)
    checked = SCHEMA.validate(applied.inputs)
    assert (checked["steps"], checked["seed"], checked["scheduler"]) == (20, 2966098153, "dpmpp_2m_karras")
    assert checked["loras"] == [{"name": "ink-style", "weight": 0.8}]
    assert "CLIP skip: this model has no such input." in applied.notes
    assert any("ControlNet" in note for note in applied.notes)


def test_what_is_out_of_range_becomes_the_nearest_and_is_said() -> None:
    applied = metadata.inputs_for(recipe(prompt=json.dumps(written.COMFY_FLUX)), SCHEMA)
    assert (applied.inputs["width"], applied.inputs["height"]) == (704, 1024)  # of the same shape, nearly
    assert "The size 1024 x 1536 became 704 x 1024, which this model can make." in applied.notes
    assert "seed" not in applied.inputs  # longer than ours
    assert any("219670278747233" in note for note in applied.notes)


def test_loras_that_are_not_here_are_named() -> None:
    applied = metadata.inputs_for(recipe(prompt=json.dumps(written.COMFY)), SCHEMA, loras=["TWO", "three"])
    assert applied.inputs["loras"] == [{"name": "TWO", "weight": 0.7}]
    assert "The LoRA “one” is not here." in applied.notes


values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers(), max_size=2)
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*SCHEMA.names, "strength", "other"]), values))
def test_anything_at_all_gives_values_and_sentences(inputs: dict[str, Any]) -> None:
    applied = metadata.inputs_for({"inputs": inputs, "tool": "x"}, SCHEMA)
    assert set(applied.inputs) <= set(SCHEMA.names)
    assert all(note.endswith(".") for note in applied.notes)


def test_clip_skip_0_is_all_layers_as_1_is() -> None:
    skips = BoxSchema((*SCHEMA.inputs, InputSpec("clip_skip", Kind.INTEGER, 2, Input("CLIP skip", ge=1, le=12))))
    for said, taken in ((0, 1), (1, 1), (2, 2)):
        found = recipe(parameters=f"a cat\nSteps: 20, Sampler: Euler, Seed: 1, Size: 512x512, Clip skip: {said}")
        applied = metadata.inputs_for(found, skips)
        assert applied.inputs["clip_skip"] == taken
        assert not any("CLIP skip" in note for note in applied.notes)
    assert metadata.inputs_for({"inputs": {"clip_skip": 0}}, SCHEMA).notes == ()
