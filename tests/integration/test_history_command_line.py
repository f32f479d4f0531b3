"""``atelier history`` from start to end, in processes of its own, as other programs drive it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from models import recipe
from models.card import ModelRef
from tests.unit import foreign_texts as written
from tests.unit.test_metadata_readers import png

ROOT = Path(__file__).resolve().parents[2]


class Line:
    """The command line with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ATELIER_HOME": str(self.home), "ATELIER_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-m", "app", "history", *arguments], capture_output=True, text=True, env=environment,
            cwd=ROOT, check=False,
        )  # fmt: skip

    def json(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        answer = self.run(*arguments, "--json")
        assert answer.returncode == code, answer.stderr
        return [json.loads(line) for line in answer.stdout.splitlines()]


@pytest.fixture
def line(tmp_path: Path) -> Line:
    """Three pictures wait in the outbox, as a worker leaves them; the first start takes them in."""
    for number, prompt in enumerate(("a red apple", "a green pear", "a ship at sea"), 1):
        inputs = {"prompt": prompt, "width": 16, "height": 16, "steps": 4}
        made = recipe.build(
            ModelRef("pocket", "Pocket", "diffusers"), inputs, number, {"picture": number}, {"job": "j"}
        )
        path = tmp_path / "home" / "data" / "outbox" / "j" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        recipe.save_png(Image.new("RGB", (16, 16), "red"), path, made)
    line = Line(tmp_path / "home")
    line.json("rebuild")
    return line


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(row["id"] for row in rows if "id" in row)


def test_find_mark_throw_away_and_bring_back(line: Line) -> None:
    assert ids(line.json("list")) == ["j-1", "j-2", "j-3"]
    assert ids(line.json("search", "app")) == ["j-1"]
    line.json("rate", "j-1", "j-2", "--stars", "4", "--favourite")
    line.json("tag", "j-2", "--add", "still life", "--note", "for the kitchen")
    line.json("collections", "j-1", "j-2", "--into", "Fruit")
    assert ids(line.json("search", "rating:4+ -pear")) == ["j-1"]
    assert ids(line.json("search", "kitchen")) == ["j-2"]
    assert ids(line.json("search", 'collection:Fruit tag:"still life"')) == ["j-2"]
    assert line.json("collections")[-1]["collections"] == [{"name": "Fruit", "count": 2}]
    assert line.json("tag")[-1]["tags"] == [{"tag": "still life", "count": 1}]
    (shown,) = line.json("show", "j-2")
    assert (shown["rating"], shown["tags"], shown["recipe"]["inputs"]["steps"]) == (4, ["still life"], 4)
    line.json("remove", "j-1")
    assert not any("apple" in path.name for path in (line.home / "pictures").glob("*/*.png"))
    assert ids(line.json("list", "--trash")) == ["j-1"]
    assert line.json("restore", "j-1")[-1]["restored"] == ["j-1"]
    assert ids(line.json("search", "is:favourite")) == ["j-1", "j-2"]
    assert line.json("remove", "j-3", "--for-good")[-1]["removed"] == ["j-3"]
    assert ids(line.json("list")) == ["j-1", "j-2"]


def test_export(line: Line, tmp_path: Path) -> None:
    out = tmp_path / "out"
    last = line.json("export", "--search", "apple", "--out", str(out), "--format", "webp", "--scale", "2",
                     "--name", "{prompt}")[-1]  # fmt: skip
    (path,) = (Path(one) for one in last["outputs"])
    assert path.name == "a red apple.webp"
    with Image.open(path) as picture:
        assert picture.size == (32, 32)
    (shown,) = line.json("show", str(path))
    assert shown["recipe"]["inputs"]["prompt"] == "a red apple"
    assert "job" not in shown["recipe"]
    line.json("export", "j-2", "--out", str(out), "--no-metadata", "--name", "plain")
    assert line.json("show", str(out / "plain.png"))[0]["recipe"] is None


def test_folders_of_other_tools(line: Line, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    png(old / "one.png", {"parameters": written.A1111})
    png(old / "two.png", {"prompt": json.dumps(written.COMFY)})
    (folder,) = line.json("import", str(old))[-1]["folders"]
    assert (folder["added"], folder["tools"]) == (2, {"A1111": 1, "ComfyUI": 1})
    (found,) = line.json("search", "tool:comfyui", "bottle")[:-1]
    assert found["path"] == str(old / "two.png")
    shown = line.run("show", str(old / "one.png"))
    assert "ControlNet" in shown.stdout
    assert line.json("import", str(old), "--forget")[-1]["folders"][0]["forgotten"] == 2
    assert (old / "one.png").exists()


def test_a_foreign_picture_that_is_not_in_the_library(line: Line, tmp_path: Path) -> None:
    path = png(tmp_path / "x.png", {"parameters": written.FORGE_FLUX})
    (shown,) = line.json("show", str(path))
    assert shown["tool"] == "Forge"
    assert shown["recipe"]["inputs"]["guidance_scale"] == 3.5
    plain = line.run("show", str(png(tmp_path / "plain.png", {})))
    assert plain.returncode == 0
    assert "does not say" in plain.stdout


def test_a_lost_database_comes_back_whole(line: Line) -> None:
    line.json("rate", "j-2", "--stars", "5")
    line.json("remove", "j-3")

    def said() -> list[dict[str, Any]]:
        return [
            {key: value for key, value in row.items() if key not in ("created", "trashed")}
            for row in line.json("list") + line.json("list", "--trash")
        ]

    before = said()
    library = line.home / "data" / "library.sqlite3"
    library.write_bytes(os.urandom(9000))
    for other in library.parent.glob("library.sqlite3-*"):
        other.unlink()
    assert said() == before
    assert list(library.parent.glob("library-damaged-*"))
    assert sqlite3.connect(library).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_moved_pictures_are_found_by_rebuild(line: Line) -> None:
    (row,) = line.json("search", "ship")[:-1]
    moved = line.home / "pictures" / "boats" / "ship.png"
    moved.parent.mkdir()
    Path(row["path"]).rename(moved)
    last = line.json("rebuild")[-1]
    assert (last["total"], last["missing"]) == (3, 0)
    assert line.json("search", "ship")[0]["path"] == str(moved)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["show", "nobody"], "nobody"), (["rate", "j-1"], "--stars"), (["remove", "j-9", "j-8"], "j-8"),
        (["export", "j-1", "--out", "OUT", "--quality", "0"], "Quality"), (["export", "--out", "OUT"], "--search"),
        (["export", "j-1", "--out", "OUT", "--name", "{x}"], "{x}"), (["import", "/nowhere/at/all"], "/nowhere/at/all"),
        (["collections", "--delete", "Nothing"], "Nothing"), (["rate", "j-1", "--stars", "9"], "--stars"),
    ],
)  # fmt: skip
def test_wrong_usage_is_named(line: Line, tmp_path: Path, arguments: list[str], word: str) -> None:
    answer = line.run(*(str(tmp_path / "out") if part == "OUT" else part for part in arguments))
    assert answer.returncode == 2
    assert word in answer.stderr
