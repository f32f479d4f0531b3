"""What stands on the screen first: the model used last, the newest picture, or why there is no window."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QMessageBox, QPlainTextEdit

import ui.application
from app.events import ModelsChanged
from models.errors import AtelierError, ErrorCode
from tests.gui.conftest import paths_in
from tests.gui.helpers import find
from ui.demo import DemoCore, demo_entries
from ui.views.start_failed import StartFailed


@pytest.fixture
def late(tmp_path: Path) -> DemoCore:
    """Knows the embedded model only, though another one was used last."""
    core = DemoCore(paths_in(tmp_path), [entry for entry in demo_entries() if entry.card.id == "pocket"])
    core.settings.change(theme="dark", model="klein", reduced_motion=True)
    return core


def turn_up(core: DemoCore) -> None:
    core.models.all = demo_entries()
    core.events.emit(ModelsChanged())


def test_the_model_used_last_is_taken_when_it_turns_up(opened, late) -> None:
    window = opened(late)
    assert window.workspace.create.current == "pocket"
    assert late.settings.value.model == "klein", "a model that only stands in is not remembered"
    turn_up(late)
    assert window.workspace.create.current == "klein"
    assert find(window, "create.model", QComboBox).currentText() == "FLUX.2 klein 4B"
    assert window.create_page.form.form.field("guidance_scale") is not None
    assert find(window, "create.prompt", QPlainTextEdit).toPlainText() == "a lighthouse on a cliff at dusk"
    assert late.preloaded == ["klein"]
    assert late.settings.value.model == "klein"


def test_a_prompt_begun_meanwhile_is_left_alone(qtbot, opened, late) -> None:
    window = opened(late)
    prompt = find(window, "create.prompt", QPlainTextEdit)
    qtbot.keyClicks(prompt, "green ")
    turn_up(late)
    assert window.workspace.create.current == "pocket"
    assert "green" in prompt.toPlainText()
    assert late.settings.value.model == "klein"


def test_choosing_the_model_that_stands_in_keeps_and_remembers_it(opened, late) -> None:
    window = opened(late)
    find(window, "create.model", QComboBox).activated.emit(0)
    turn_up(late)
    assert window.workspace.create.current == "pocket"
    assert late.settings.value.model == "pocket"


def test_a_job_sent_meanwhile_keeps_its_model(qtbot, opened, late) -> None:
    window = opened(late)
    qtbot.mouseClick(find(window, "create.generate"), Qt.MouseButton.LeftButton)
    turn_up(late)
    assert window.workspace.create.current == "pocket"


def test_no_model_at_all_and_then_the_wanted_one(opened, late) -> None:
    late.models.all = []
    window = opened(late)
    assert not find(window, "create.generate").isEnabled()
    turn_up(late)
    assert find(window, "create.generate").isEnabled()
    assert window.create_page.form.form.field("guidance_scale") is not None


def test_a_model_that_was_added_may_turn_up_later(opened, core, monkeypatch, tmp_path) -> None:
    window = opened(core)
    folder = tmp_path / "added"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    known = core.models.entries()
    monkeypatch.setattr(core.models, "entries", lambda: known)
    assert window.workspace.create.add_folder(str(folder))
    assert window.workspace.create.current == "klein"
    monkeypatch.undo()
    core.events.emit(ModelsChanged())
    assert window.workspace.create.current == str(folder)
    assert window.create_page.form.form.field("prompt") is not None


def test_a_model_that_goes_away_comes_back(opened, core) -> None:
    window = opened(core)
    core.models.all = demo_entries()[1:]
    core.events.emit(ModelsChanged())
    assert window.workspace.create.current == "pocket"
    turn_up(core)
    assert window.workspace.create.current == "klein"


def test_the_newest_picture_is_there_at_the_start(qtbot, opened, core) -> None:
    core.keep("old", "old", 1, 96, 64)
    core.keep("new", "a green boat", 42, 128, 96)
    window = opened(core)
    canvas = window.create_page.canvas
    qtbot.waitUntil(canvas.view.has_picture)
    assert canvas.title.full() == "a green boat"
    assert "128 × 96 · seed 42" in canvas.subtitle.full()
    assert find(window, "create.use").isVisible()
    assert not find(window, "create.empty").isVisible()
    assert window.create_page.side.grid.currentIndex().row() == 0
    job = core.queue.submit("klein", {"prompt": "next"})
    core.begin(job.id)
    assert window.workspace.canvas.shown.job == job.id, "a job that goes on takes the canvas over"


def test_a_picture_whose_file_is_gone_is_not_where_one_begins(opened, core) -> None:
    core.keep("old", "old", 1, 96, 64)
    Path(core.keep("new", "new", 2, 96, 64).path).unlink()
    assert opened(core).workspace.canvas.shown.result == "old"


def test_an_empty_library_invites(opened, core) -> None:
    assert find(opened(core), "create.empty").isVisible()


@pytest.mark.parametrize("side", [96, 64])
def test_a_small_picture_fits_and_has_its_actual_size(qtbot, opened, core, side: int) -> None:
    core.keep("small", "small", 1, side, side)
    window = opened(core)
    view = window.create_page.canvas.view
    qtbot.waitUntil(view.has_picture)
    room = min(view.viewport().width(), view.viewport().height())
    zoom = find(window, "create.zoom")
    assert view.is_fit
    assert view.zoom == pytest.approx(min(room / side, 8.0))
    assert zoom.text() == f"{round(view.zoom * 100)} %"
    qtbot.mouseClick(zoom, Qt.MouseButton.LeftButton)
    assert (view.zoom, view.is_fit, zoom.text()) == (1.0, False, "100 %")
    middle = view.mapFromScene(side / 2, side / 2) - view.viewport().rect().center()
    assert middle.manhattanLength() <= 2, "it stands in the middle"
    qtbot.mouseClick(find(window, "create.fit"), Qt.MouseButton.LeftButton)
    assert view.is_fit
    assert view.zoom == pytest.approx(min(room / side, 8.0))


@pytest.fixture
def boxes(monkeypatch) -> list[StartFailed]:
    """The message boxes that were shown; each is closed at once."""
    shown: list[StartFailed] = []
    monkeypatch.setattr(StartFailed, "exec", lambda self: shown.append(self) or 0)
    return shown


def test_a_core_that_cannot_work_is_said_and_ends_with_1(qtbot, monkeypatch, capsys, boxes) -> None:
    def refuse(app):
        raise AtelierError(ErrorCode.FOLDER_NOT_WRITABLE, "Errno 30: read-only", path="/home/mia/.local/share/atelier")

    monkeypatch.setattr(ui.application, "_make_core", refuse)
    assert ui.application.run() == 1
    (box,) = boxes
    assert box.text() == "Atelier cannot write into /home/mia/.local/share/atelier."
    assert "permissions" in box.informativeText()
    assert "read-only" in box.detailedText()
    assert box.standardButtons() == QMessageBox.StandardButton.Close
    said = capsys.readouterr().err
    assert box.text() in said
    assert "Traceback" not in said


def test_a_surprise_at_the_start_is_said_too(qtbot, monkeypatch, capsys, boxes) -> None:
    def stumble(app):
        raise RuntimeError("surprise")

    monkeypatch.setattr(ui.application, "_make_core", stumble)
    assert ui.application.run() == 1
    assert "surprise" in boxes[0].detailedText()
    assert "Traceback" not in capsys.readouterr().err


def test_a_home_that_is_a_file_is_said(qtbot, home: Path, capsys, boxes) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    home.write_text("")
    assert ui.application.run() == 1
    assert len(boxes) == 1
    assert "Traceback" not in capsys.readouterr().err
