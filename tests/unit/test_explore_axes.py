"""Axes of a grid: what people write, what is refused and how, and in which order cells are made."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image, ImageFont

from app.explore import plan
from app.explore.axes import Axis, parse
from app.explore.sheet import MAX_SIDE, sheet, wrap
from app.paths import ASSETS
from models.errors import InvalidInputError
from ui.demo import full_schema

SCHEMA = full_schema()
INPUTS = {"prompt": "a cat on a mat"}


def values(text: str, **more: object) -> list[object]:
    return list(parse(text, SCHEMA, {**INPUTS, **more}).values)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("steps=10,20,30", [10, 20, 30]),
        ("steps=1-10 (+3)", [1, 4, 7, 10]),
        ("steps=10-1 (-3)", [10, 7, 4, 1]),
        ("steps=2..4", [2, 3, 4]),
        ("steps=1-10 [4], 20", [1, 4, 7, 10, 20]),
        ("guidance_scale=0.2..0.8 [4]", [0.2, 0.4, 0.6, 0.8]),
        ("guidance_scale=0-1(+0.25)", [0, 0.25, 0.5, 0.75, 1]),
        ("seed=1-3", [1, 2, 3]),
        ("scheduler=euler, unipc", ["euler", "unipc"]),
        ("scheduler=*", ["euler", "dpm++", "unipc"]),
        ("tiling=on,off", [True, False]),
        ('negative_prompt="fog, rain", snow', ["fog, rain", "snow"]),
        ("prompt=cat, dog", [["cat", "cat"], ["cat", "dog"]]),
        ("prompt=a red fox, a boat", ["a red fox", "a boat"]),
        ("lora:ink=0,0.5..1[2]", [0.0, 0.5, 1.0]),
    ],
)
def test_what_is_written_is_read(text: str, found: list[object]) -> None:
    assert values(text) == found


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("steps", "NAME=VALUES"), ("steps=", "NAME=VALUES"), ("=1", "NAME=VALUES"),
        ("steps=1,,2", "empty"), ("steps=1.5", "whole"), ("steps=many", "many"), ("steps=999", "999"),
        ("steps=1-10 (-1)", "never arrives"), ("steps=1-10 (+0)", "never arrives"),
        ("steps=0.5-9[4]", "0"), ("seed=0-1000000", "1,000,001"), ("guidance_scale=0..1[99999]", "99999"),
        ("steps=4,4", "twice"), ("stepz=1", "stepz"), ("scheduler=karras", "karras"), ("tiling=maybe", "maybe"),
        ('prompt="cat, dog', "quote"), ("words=bird, dog", "bird"), ("lora:=1", "which LoRA"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(text: str, named: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse(text, SCHEMA, INPUTS)
    (problem,) = caught.value.info.problems
    assert named in problem.sentence


def test_any_list_of_numbers_comes_back_as_it_was() -> None:
    chance = random.Random(4)
    for _ in range(300):
        numbers = chance.sample(range(1, 51), chance.randint(1, 12))
        spaces = [" " * chance.randint(0, 2) for _ in numbers]
        assert values("steps=" + ",".join(f"{s}{n}{s}" for s, n in zip(spaces, numbers, strict=True))) == numbers


def test_any_range_stays_between_its_ends() -> None:
    chance = random.Random(5)
    for _ in range(300):
        low, high, count = chance.uniform(0, 9), chance.uniform(10, 20), chance.randint(2, 40)
        found = values(f"guidance_scale={low:.3f}..{high:.3f}[{count}]")
        assert len(found) == count
        assert found == sorted(found)  # type: ignore[type-var]
        assert found[0] == round(low, 3)
        assert found[-1] == round(high, 3)


def test_whatever_is_typed_is_read_or_refused() -> None:
    chance = random.Random(6)
    letters = "0123456789.,-+()[]*\"' abc=%\n\\;"
    for _ in range(3000):
        text = "".join(chance.choice(letters) for _ in range(chance.randint(0, 14)))
        name = chance.choice(("steps", "guidance_scale", "scheduler", "prompt", "seed", "tiling", "lora:x"))
        try:
            axis = parse(f"{name}={text}", SCHEMA, INPUTS)
        except InvalidInputError:
            continue
        assert 0 < len(axis) == len(axis.labels) <= 1000


def axis(name: str, *found: object) -> Axis:
    return Axis(name, name, found, tuple(map(str, found)))


def test_cells_are_counted_row_by_row() -> None:
    cells = plan.cells([axis("steps", 1, 2), axis("seed", 7, 8, 9)], "m", {})
    assert [cell.index for cell in cells] == list(range(6))
    assert cells[1].variant == {"steps": 2, "seed": 7}
    assert cells[2].place == (0, 1)


def test_models_and_loras_change_last() -> None:
    axes = [axis("lora:ink", 0.0, 1.0), axis("steps", 1, 2), axis("model", "a", "b")]
    cells = plan.in_order(plan.cells(axes, "m", {}), axes, SCHEMA)
    assert [cell.model for cell in cells] == ["a"] * 4 + ["b"] * 4
    assert [cell.variant["loras"][0]["weight"] for cell in cells[:4]] == [0.0, 0.0, 1.0, 1.0]
    assert sorted(cell.index for cell in cells) == list(range(8))


def test_words_change_within_the_prompt_and_loras_beside_others() -> None:
    made = plan.cells(
        [Axis("words", "Prompt", (["cat", "cat"], ["cat", "dog"]), ("cat", "dog")), axis("lora:ink", 0.5)],
        "m", {"prompt": "a cat", "loras": [{"name": "paper", "weight": 1.0}]},
    )  # fmt: skip
    assert made[1].variant["prompt"] == "a dog"
    assert [item["name"] for item in made[1].variant["loras"]] == ["paper", "ink"]


@pytest.mark.parametrize(
    "axes",
    [
        [],
        [axis("steps", 1)] * 2,
        [axis(name, 1) for name in ("a", "b", "c", "d")],
        [axis("steps", *range(100)), axis("seed", *range(11))],
    ],
)
def test_grids_that_cannot_be_are_refused(axes: list[Axis]) -> None:
    with pytest.raises(InvalidInputError):
        plan.cells(axes, "m", {})


def test_what_differs_becomes_axes() -> None:
    one = {"prompt": "a cat", "steps": 4, "seed": 1, "guidance_scale": 3.5}
    found = plan.differing(one, {**one, "steps": 9, "seed": 2}, SCHEMA)
    assert [(each.name, each.values) for each in found] == [("steps", (4, 9)), ("seed", (1, 2))]


def test_the_sheet_holds_every_picture_and_is_bounded(tmp_path: Path) -> None:
    files = {}
    for cell in range(6):
        files[cell] = tmp_path / f"{cell}.png"
        Image.new("RGB", (96, 64), (cell * 40, 10, 200)).save(files[cell])
    axes = [axis("steps", 1, 2, 3), axis("seed", 7, 8)]
    made = sheet(axes, files, "a cat " * 200)
    colors = {color for _, color in made.getcolors(1 << 24) or ()}
    assert all((cell * 40, 10, 200) in colors for cell in range(6))
    assert sheet(axes, files, dark=False).getpixel((1, 1)) == (245, 244, 241)
    huge = sheet([axis("seed", *range(500)), axis("steps", 1, 2)], files)
    assert max(huge.size) <= MAX_SIDE + 12_000
    files[2].write_bytes(b"no picture")
    assert sheet(axes, {2: files[2]}).size[0] > 100


def test_labels_wrap_and_say_that_they_were_cut() -> None:
    font = ImageFont.truetype(str(ASSETS / "fonts" / "Inter-Regular.ttf"), 14)
    for text in ("short", "many words that do not fit into one line", "x" * 300, "日本語" * 50):
        lines = wrap(text, font, 90, 3)
        assert 1 <= len(lines) <= 3
        assert all(font.getlength(line) <= 90 for line in lines)
        assert lines[-1].endswith("…") or "".join("".join(lines).split()) == "".join(text.split())
