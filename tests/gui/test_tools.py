"""Tools for one picture: their menu, their dialog, what they queue and what they say."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPlainTextEdit, QPushButton

from app.events import JobChanged
from app.states import JobState
from tests.gui.helpers import find
from ui.scenes_tools import stock
from ui.viewmodels.tools import CUTOUT, DESCRIBE, DETAILS, FINER, UPSCALE
from ui.viewmodels.words import named
from ui.views.tool_dialog import DescribedDialog, ToolDialog


@pytest.fixture
def page(core, window):
    core.keep("fox", "a fox", 3, 768, 512)
    window.workspace.recent.refresh()
    window.workspace.canvas.show_result("fox")
    stock(core)
    window.workspace.create.select("sd")
    return window.create_page


def job_of(core, index: int = -1):
    return core.queue.jobs()[index]


def test_the_menu_of_a_picture_has_its_tools(page, window) -> None:
    menu = page.canvas.picture_menu("fox")
    words = [action.text() for action in menu.actions()]
    menu.deleteLater()
    for wanted in ("Upscale…", "Upscale with the model…", "Refine details…", "Remove background…", "Describe…"):
        assert wanted in words
    window.workspace.create.select("klein")  # knows neither tiles nor details
    menu = page.canvas.picture_menu("fox")
    words = [action.text() for action in menu.actions()]
    menu.deleteLater()
    assert "Upscale…" in words
    assert "Refine details…" not in words


def test_upscaling_queues_the_picture_with_what_was_asked(core, page, qtbot) -> None:
    dialog = page.open_tool(UPSCALE, "fox")
    assert dialog.combo.currentText() == "Real-ESRGAN x4"
    assert dialog.combo.count() == 2
    dialog.form.field("scale").edited.emit(3.0)
    qtbot.mouseClick(find(dialog, "tool.run", QPushButton), Qt.MouseButton.LeftButton)
    job = job_of(core)
    assert (job.model, job.inputs["scale"]) == ("realesrgan", 3.0)
    assert job.inputs["image"] == core.library.get("fox").path
    assert named(job) == "Upscaled: a fox"


def test_the_model_enlarges_with_the_words_of_the_picture(core, page, qtbot) -> None:
    dialog = page.open_tool(FINER, "fox")
    find(dialog, "tool.run", QPushButton).click()
    job = job_of(core)
    assert (job.model, job.inputs["enlarge"], job.inputs["strength"]) == ("sd", 2.0, 0.3)
    assert job.inputs["prompt"] == "a fox"


def test_details_are_refined_without_changing_the_rest(core, page) -> None:
    dialog = page.open_tool(DETAILS, "fox")
    find(dialog, "tool.run", QPushButton).click()
    job = job_of(core)
    assert (job.inputs["detail_model"], job.inputs["detail_what"], job.inputs["strength"]) == ("owl", "face", 0.0)


def test_what_is_not_here_is_offered_or_looked_for(core, page, window, qtbot) -> None:
    core.models.own_tools = []
    dialog = page.open_tool(CUTOUT, "fox")
    assert not dialog.findChildren(QPushButton, "tool.run")
    buttons = [name for name in ("tool.get", "tool.browse") if dialog.findChild(QPushButton, name)]
    assert len(buttons) == 1
    offered = find(dialog, buttons[0], QPushButton)
    assert dialog.focusWidget() is offered
    assert offered.isDefault()
    find(dialog, buttons[0], QPushButton).click()
    assert window.page == "models"


def test_what_a_model_says_can_be_copied_and_used(core, page, window, qtbot) -> None:
    dialog = page.open_tool(DESCRIBE, "fox")
    find(dialog, "tool.run", QPushButton).click()
    job = job_of(core)
    done = msgspec.structs.replace(job, state=JobState.SUCCEEDED, texts=("a fox in an armchair",))
    core.events.emit(JobChanged(done))
    said = page.findChild(DescribedDialog)
    assert said is not None
    assert find(said, "described.text", QPlainTextEdit).toPlainText() == "a fox in an armchair"
    find(said, "described.copy", QPushButton).click()
    assert QGuiApplication.clipboard().text() == "a fox in an armchair"
    find(said, "described.use", QPushButton).click()
    assert window.workspace.create.values()["prompt"] == "a fox in an armchair"


def test_a_refused_value_stays_in_the_dialog_with_its_reason(core, page) -> None:
    dialog = page.open_tool(UPSCALE, "fox")
    dialog._values["scale"] = 50.0
    count = len(core.queue.jobs())
    find(dialog, "tool.run", QPushButton).click()
    assert len(core.queue.jobs()) == count
    assert dialog.isVisible()
    assert isinstance(dialog, ToolDialog)


def test_the_form_shows_of_bigger_and_finer_what_matters(page, window) -> None:
    create = window.workspace.create
    create.select("sd")
    assert {"hires_strength", "detail_what", "enlarge"} <= create.hidden()
    create.set_values({"hires_scale": 2.0, "detail_model": "owl"})
    assert not {"hires_strength", "hires_upscaler", "detail_what"} & create.hidden()
