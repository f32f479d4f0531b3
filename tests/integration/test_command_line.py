"""``atelier generate`` as other programs drive it: its lines, its exit codes, its refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def atelier(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments], capture_output=True, text=True, timeout=120, cwd=ROOT,
        env={**os.environ, **environment}, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def lines(answer: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.stdout.splitlines()]


@pytest.fixture(autouse=True)
def painter(home: Path) -> None:
    """The painter is the model chosen last."""
    (home / "settings").mkdir(parents=True)
    (home / "settings" / "settings.toml").write_text('model = "fake"\n')


def test_generate_makes_a_picture_where_it_is_wanted(tmp_path: Path, home: Path) -> None:
    out = tmp_path / "apple.png"
    answer = atelier("generate", "red apple", "--seed", "1", "--steps", "3", "-i", "width=128", "--out", str(out))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == f"{out}\n"
    with Image.open(out) as picture:
        assert picture.size == (128, 256)
    assert len(list((home / "pictures").rglob("*.png"))) == 1, "it is kept in the library too"


def test_json_tells_events_and_last_the_result(tmp_path: Path) -> None:
    answer = atelier("generate", "hills", "--seed", "5", "--count", "2", "--out", f"{tmp_path}/made/", "--json")
    assert answer.returncode == 0, answer.stderr
    *events, last = lines(answer)
    assert [event["state"] for event in events if event["event"] == "state"][-1] == "succeeded"
    assert {"state", "loading", "progress", "picture"} == {event["event"] for event in events}
    assert last["status"] == "succeeded"
    assert last["seed"] == 5
    assert last["model"] == "fake"
    assert last["inputs"]["prompt"] == "hills"
    assert last["seconds"] > 0
    assert len(last["outputs"]) == 2
    assert all(Path(path).parent == tmp_path / "made" and Path(path).is_file() for path in last["outputs"])


def test_one_file_name_for_several_pictures_is_numbered(tmp_path: Path) -> None:
    answer = atelier("generate", "hills", "--count", "2", "--out", f"{tmp_path}/a.png")
    assert answer.stdout.split() == [f"{tmp_path}/a-1.png", f"{tmp_path}/a-2.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["generate", ""], "Prompt is empty."),
        (["generate", "x", "--steps", "0"], "Steps must be a whole number from 1 to 200; “0” was given."),
        (["generate", "x", "-i", "width=100000"], "Width must be a whole number from 64 to 2048"),
        (["generate", "x", "-i", "width=333"], "a multiple of 8; “333” was given."),
        (["generate", "x", "-i", "stepz=3"], "Did you mean “steps”?"),
        (["generate", "x", "-i", "steps"], "-i takes KEY=VALUE"),
        (["generate", "x", "--steps", "3", "-i", "steps=4"], "“steps” is given twice."),
        (["generate", "x", "--seed", "apple"], "Seed must be a whole number"),
        (["generate", "x", "--count", "0"], "Count must be a whole number from 1 to 64"),
        (["generate", "x", "--mask", "m.png"], "This model has no input called “mask”."),
        (["generate", "x", "--image", str(ROOT / "LICENSE")], "it is not a picture, or of a kind"),
        (["generate", "x", "--out", "/proc/nowhere/x.png"], "--out: “/proc/nowhere/x.png” cannot be written"),
        (["generate", "x", "--out", "picture.bmp"], "pictures are saved as .png"),
        (["generate"], "PROMPT is missing"),
        (["generate", "--image", "x.png"], "Prompt is missing."),
        (["paint"], "invalid choice"),
    ],
)
def test_wrong_use_is_answered_with_two_and_the_name_of_what_is_wrong(arguments: list[str], words: str) -> None:
    answer = atelier(*arguments)
    assert answer.returncode == 2
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""


def test_an_unknown_model_is_answered_with_three() -> None:
    answer = atelier("generate", "x", "--model", "fak", "--json")
    assert answer.returncode == 3
    assert "“fak” is not on this computer" in answer.stderr
    assert "Did you mean fake?" in answer.stderr
    assert lines(answer)[-1]["error"]["code"] == "model_not_installed"


def test_a_failure_is_answered_with_one_and_its_reason(home: Path) -> None:
    answer = atelier("generate", "x", "--json", ATELIER_FAULTS="save=full")
    assert answer.returncode == 1
    last = lines(answer)[-1]
    assert last["status"] == "failed"
    assert last["outputs"] == []
    assert last["error"]["code"] == "disk_full"
    assert "The disk is full" in answer.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_and_is_answered_with_130(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "generate", "x", "--json", "--steps", "100", "-i", "step_seconds=0.2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    while '"progress"' not in process.stdout.readline():
        assert process.poll() is None
    began = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - began < 10
    assert json.loads(output.splitlines()[-1])["status"] == "cancelled"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
def test_without_a_screen_the_window_says_so() -> None:
    answer = atelier(DISPLAY="", WAYLAND_DISPLAY="", QT_QPA_PLATFORM="")
    assert answer.returncode == 2
    assert "no screen" in answer.stderr


def test_help_and_version_need_no_engine() -> None:
    assert "generate" in atelier("--help").stdout
    assert atelier("--version").stdout.startswith("Atelier ")


def test_a_folder_called_models_in_the_way_is_not_run(tmp_path: Path) -> None:
    """Other image tools have a folder of that name; started from within one, ours must still be found."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise SystemExit('the wrong models')")
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "app", "generate", "hills", "--out", "hills.png"], capture_output=True, text=True,
        timeout=120, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "hills.png").is_file()
    assert answer.stdout == "hills.png\n"


def test_names_of_files_survive_any_encoding(tmp_path: Path) -> None:
    out = tmp_path / "りんご.png"
    answer = atelier("generate", "hills", "--out", str(out), "--json", PYTHONIOENCODING="cp1252")
    assert answer.returncode == 0, answer.stderr
    assert lines(answer)[-1]["outputs"] == [str(out)]


def test_an_engine_that_ends_at_once_is_answered_in_words(home: Path) -> None:
    (home / "settings" / "settings.toml").write_text('model = "fake"\nengine_python = "/bin/false"\n')
    answer = atelier("generate", "hills", "--json")
    assert answer.returncode == 1
    assert lines(answer)[-1]["error"]["code"] == "engine_start_failed"
    assert "could not be started" in answer.stderr


@pytest.mark.parametrize("command", [["generate", "hills", "--json"], ["doctor"]])
def test_a_home_that_cannot_be_used_is_named(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    answer = atelier(*command, ATELIER_HOME=str(file / "home"))
    assert answer.returncode == 1
    assert str(file) in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_a_reader_that_goes_away_does_not_stop_the_work(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "generate", "hills", "--json", "--steps", "20", "-i", "step_seconds=0.05"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0, errors
    assert errors == ""
    assert len(list((home / "pictures").rglob("*.png"))) == 1
