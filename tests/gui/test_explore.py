"""Trying many values, in the window: axes are typed, the grid is begun, its cells open, it is stopped and gone on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QLabel, QLineEdit, QPushButton

from app.states import JobState
from tests.gui.helpers import find
from ui.widgets.controls import Combo


@pytest.fixture
def dialog(qtbot, window):
    qtbot.mouseClick(find(window, "create.explore"), Qt.MouseButton.LeftButton)
    assert window.explore.isVisible()
    window.workspace.create.set_values({"prompt": "a cat on a mat", "seed": 5})
    return window.explore


def choose(dialog, number: int, title: str) -> None:
    combo = find(dialog, f"explore.name.{number}", Combo)
    combo.setCurrentIndex(combo.findText(title))
    combo.activated.emit(combo.currentIndex())


@pytest.fixture
def write(qtbot, dialog) -> Callable[..., None]:
    def axis(number: int, title: str, values: str) -> None:
        choose(dialog, number, title)
        field = find(dialog, f"explore.values.{number}", QLineEdit)
        field.clear()
        qtbot.keyClicks(field, values)

    return axis


def test_the_line_at_the_foot_counts_and_estimates(dialog, write) -> None:
    write(1, "Steps", "4, 8, 16")
    write(2, "Guidance", "2..8 [4]")
    assert find(dialog, "explore.estimate", QLabel).text().startswith("12 pictures, about 1 min")
    assert find(dialog, "explore.go", QPushButton).isEnabled()


def test_a_value_that_cannot_be_is_named_under_its_axis(dialog, write) -> None:
    write(1, "Steps", "4, 800")
    words = find(dialog, "explore.problem.1", QLabel)
    assert words.isVisible()
    assert "800" in words.text()
    assert not find(dialog, "explore.go", QPushButton).isEnabled()


def test_a_grid_is_made_and_a_cell_opens(qtbot, core, window, dialog, write) -> None:
    write(1, "Steps", "4, 8")
    write(2, "Words in the prompt", "cat, dog")
    qtbot.keyClick(find(dialog, "explore.values.2"), Qt.Key.Key_Return)
    (job,) = core.queue.jobs()
    assert [variant.get("prompt") for variant in job.variants] == ["a cat on a mat"] * 2 + ["a dog on a mat"] * 2
    core.begin(job.id)
    core.produce(job.id)
    sheet = dialog.sheet
    assert (sheet.columnCount(), sheet.rowCount()) == (2, 2)
    assert sheet.horizontalHeaderItem(1).text() == "Steps: 8"
    assert sheet.verticalHeaderItem(1).text() == "Prompt: dog"
    assert "not made yet" in sheet.item(1, 1).toolTip()
    qtbot.mouseClick(sheet.viewport(), Qt.MouseButton.LeftButton, pos=sheet.visualItemRect(sheet.item(0, 0)).center())
    assert window.workspace.canvas.shown.result == f"{job.id}-1"


def test_the_styles_of_the_form_hold_for_the_grid(qtbot, core, window, dialog, write, monkeypatch) -> None:
    given = []
    submit = core.queue.submit
    monkeypatch.setattr(core.queue, "submit", lambda *args: (given.append(args[-1]), submit(*args))[1])
    window.workspace.create.set_styles(["Ink"])
    write(1, "Steps", "4, 8")
    qtbot.keyClick(find(dialog, "explore.values.1"), Qt.Key.Key_Return)
    assert given == [("Ink",)]


def test_stopped_grids_go_on_with_what_is_missing(qtbot, core, dialog, write) -> None:
    write(1, "Seed", "1-4")
    qtbot.mouseClick(find(dialog, "explore.go"), Qt.MouseButton.LeftButton)
    (job,) = core.queue.jobs()
    core.begin(job.id)
    core.produce(job.id)
    qtbot.mouseClick(find(dialog, "explore.stop"), Qt.MouseButton.LeftButton)
    assert core.queue.get(job.id).state is JobState.CANCELLED
    qtbot.mouseClick(find(dialog, "explore.resume"), Qt.MouseButton.LeftButton)
    again = core.queue.jobs()[-1]
    assert [variant["seed"] for variant in again.variants] == [2, 3, 4]
    core.begin(again.id)
    core.finish(again.id)
    assert dialog._state.full() == "4 pictures, all made"
    assert not find(dialog, "explore.resume").isVisible()


def test_the_sheet_is_saved(qtbot, core, dialog, write, tmp_path: Path, monkeypatch) -> None:
    write(1, "Seed", "1, 2")
    qtbot.mouseClick(find(dialog, "explore.go"), Qt.MouseButton.LeftButton)
    job = core.queue.jobs()[-1].id
    core.begin(job)
    core.finish(job)
    target = tmp_path / "sheet.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    qtbot.mouseClick(find(dialog, "explore.save"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(target.is_file)
    from models import recipe

    assert recipe.read(target)["grid"]["axes"][0]["values"] == [1, 2]  # type: ignore[index]


def test_what_differs_between_two_pictures_becomes_the_axes(qtbot, core, window) -> None:
    inputs = {"prompt": "a cat", "width": 768, "height": 512, "steps": 4, "guidance_scale": 3.5}
    core.queue.add("klein", inputs)
    core.keep("one", "a cat", 1, 768, 512, inputs=inputs)
    core.keep("two", "a cat", 1, 768, 512, inputs={**inputs, "steps": 12})
    window.workspace.recent.refresh()
    window.workspace.canvas.show_result("two")
    window.create_page.canvas.start_compare("one")
    qtbot.mouseClick(find(window, "canvas.compare.explore"), Qt.MouseButton.LeftButton)
    assert window.explore.isVisible()
    rows = window.workspace.explore.rows
    assert rows[0][0] == "steps"
    assert sorted(rows[0][1].split(", ")) == ["12", "4"]
    assert rows[1] == ("", "")
