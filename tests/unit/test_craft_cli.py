"""ControlNets, IP-Adapters and regions as options of the command line."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path

import pytest

from app import craft_cli
from app.cli import parser
from app.generate import collect_inputs
from models.errors import InvalidInputError


def test_a_control_with_all_its_values() -> None:
    item = craft_cli.control("canny=a,b.png,preprocessor=canny, strength=0.8,start=0.1,end=.6,mode=lines")
    assert item == {
        "name": "canny", "image": str(Path("a,b.png").resolve()), "preprocessor": "canny", "strength": 0.8,
        "start": 0.1, "end": 0.6, "mode": "lines",
    }  # fmt: skip
    plain = craft_cli.control("canny=map.png")
    assert plain == {"name": "canny", "image": str(Path("map.png").resolve())}


def test_commas_belong_to_names_and_prompts() -> None:
    assert craft_cli.control("x=a,b.png,end=0.5")["image"] == str(Path("a,b.png").resolve())
    found = craft_cli.region("sky.png=a sky, strength=of steel, (blue:1.2)")
    assert found == {"mask": str(Path("sky.png").resolve()), "prompt": "a sky, strength=of steel, (blue:1.2)"}


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (craft_cli.control, "map.png", "takes NAME=FILE"),
        (craft_cli.control, "=map.png", "takes NAME=FILE"),
        (craft_cli.control, "canny=", "takes NAME=FILE"),
        (craft_cli.control, "canny=a.png,strenght=1", "there is no “strenght”"),
        (craft_cli.control, "canny=a.png,strength=much", "takes a number"),
        (craft_cli.control, "canny=a.png,end=1,end=0.5", "given twice"),
        (craft_cli.adapter, "face=a.png,preprocessor=canny", "there is no “preprocessor”"),
        (craft_cli.region, "a blue sky", "takes MASK=PROMPT"),
    ],
)
def test_what_is_wrong_is_said(read: object, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        read(text)  # type: ignore[operator]


def test_they_become_inputs() -> None:
    options = parser().parse_args(
        ["generate", "a cat", "--control", "one=a.png", "--control", "two=b.png,strength=0.5", "--ip-adapter",
         "face=c.png,strength=0.6", "--region", "m.png=a dog"]
    )  # fmt: skip
    inputs = collect_inputs(options)
    assert [item["name"] for item in inputs["controls"]] == ["one", "two"]
    assert inputs["adapters"][0]["strength"] == 0.6
    assert inputs["regions"][0]["prompt"] == "a dog"


def test_all_problems_at_once() -> None:
    options = parser().parse_args(["generate", "a", "--control", "x", "--region", "y", "-i", "adapters=[]",
                                   "--ip-adapter", "face=c.png"])  # fmt: skip
    with pytest.raises(InvalidInputError) as caught:
        collect_inputs(options)
    assert [problem.name for problem in caught.value.info.problems] == ["--control", "adapters", "--region"]


def test_a_namespace_without_them() -> None:
    inputs: dict[str, object] = {}
    assert craft_cli.collect(Namespace(), inputs) == []
    assert inputs == {}
