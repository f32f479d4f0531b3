"""The fields of the generated form, one by one."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from models.box import BoxSchema
from models.inputs import MISSING, Input, InputSpec, Kind
from ui.demo import full_schema, small_schema
from ui.widgets.fields import NumberField, NumberSpin
from ui.widgets.form import Form
from ui.widgets.size_field import is_fixed, sizes_for


def size(default: tuple[int, int], low: int, high: int, step: int) -> tuple[dict, dict]:
    limits = {"minimum": low, "maximum": high, "multipleOf": step}
    return {**limits, "default": default[0]}, {**limits, "default": default[1]}


def test_shapes_keep_the_area_and_the_multiple() -> None:
    found = sizes_for(*size((1024, 1024), 64, 4096, 16))
    assert list(found) == ["1:1", "3:2", "2:3", "16:9", "9:16"]
    for width, height in found.values():
        assert width % 16 == height % 16 == 0
        assert width * height == pytest.approx(1024 * 1024, rel=0.03)


def test_shapes_that_the_model_cannot_make_are_left_out() -> None:
    assert list(sizes_for(*size((96, 96), 96, 112, 8))) == ["1:1"]
    assert is_fixed(*size((64, 64), 64, 64, 8))
    assert not is_fixed(*size((64, 64), 64, 128, 8))


def test_every_kind_of_input_gets_a_field(qtbot) -> None:
    form = Form()
    qtbot.addWidget(form)
    schema = full_schema()
    form.build(schema.input_schema(), schema.defaults())
    assert all(form.field(name) is not None for name in schema.names)


def test_hidden_inputs_get_none(qtbot) -> None:
    form = Form()
    qtbot.addWidget(form)
    schema = BoxSchema(
        (InputSpec("prompt", Kind.TEXT, MISSING, Input()), InputSpec("steps", Kind.INTEGER, 4, Input(ge=1, le=9))),
        hidden=frozenset({"steps"}),
    )
    form.build(schema.input_schema(), schema.defaults())
    assert form.field("steps") is None
    assert form.field("prompt") is not None


def test_what_is_put_in_comes_out(qtbot) -> None:
    form = Form()
    qtbot.addWidget(form)
    schema = full_schema()
    form.build(schema.input_schema(), schema.defaults())
    values = {
        "prompt": "two\nlines", "steps": 33, "guidance_scale": 7.25, "seed": 12, "negative_prompt": "fog",
        "scheduler": "unipc", "clip_skip": 2, "tiling": True,
    }  # fmt: skip
    form.set_values({**values, "width": 512, "height": 768})
    assert {name: form.field(name).value() for name in values} == values
    assert form.field("size").value() == (512, 768)


def test_setting_values_tells_no_edits(qtbot) -> None:
    form = Form()
    qtbot.addWidget(form)
    schema = small_schema()
    form.build(schema.input_schema(), schema.defaults())
    edits: list[str] = []
    form.edited.connect(lambda name, value: edits.append(name))
    form.set_values({"prompt": "x", "steps": 3, "seed": 5})
    assert edits == []


def test_a_comma_is_a_decimal_point(qtbot) -> None:
    spin = NumberSpin({"minimum": 0, "maximum": 20}, whole=False)
    qtbot.addWidget(spin)
    spin.selectAll()
    qtbot.keyClicks(spin, "2,5")
    assert spin.given() == 2.5


def test_arrows_stay_within_the_limits(qtbot) -> None:
    spin = NumberSpin({"minimum": 1, "maximum": 3, "x-step": 1}, whole=True)
    qtbot.addWidget(spin)
    spin.setValue(3)
    qtbot.keyClick(spin, Qt.Key.Key_Up)
    assert spin.given() == 3


def test_slider_and_number_agree(qtbot) -> None:
    schema = {"x-kind": "number", "title": "Guidance", "minimum": 1, "maximum": 5, "x-step": 0.5}
    field = NumberField("guidance", schema, 2.0)
    qtbot.addWidget(field)
    field.set_value(3.0)
    assert field._slider.value() == 4
    field._slider.setValue(1)
    assert field.value() == 1.5


def test_a_folded_part_says_what_in_it_is_not_as_it_was_at_first(qtbot) -> None:
    form = Form()
    qtbot.addWidget(form)
    advanced = {"x-advanced": True, "x-kind": "boolean"}
    schema = {"properties": {"one": {**advanced, "title": "One"}, "two": {**advanced, "title": "Two"}}}
    form.build(schema, {"one": False, "two": False})
    section = form._sections["advanced"]
    assert section.summary() == ""
    form.set_values({"one": True, "two": True})
    assert section.summary() == "One · Two"
    form.set_hidden({"two"})
    assert section.summary() == "One"
    form.open_section("advanced")
    form.field("one").reset()
    section.set_open(False)
    assert section.summary() == ""
