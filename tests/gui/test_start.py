"""What stands on the screen first: the model used last, the newest picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QPlainTextEdit

from app.events import ModelsChanged
from tests.gui.conftest import paths_in
from tests.gui.helpers import find
from ui.demo import DemoCore, demo_entries


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
