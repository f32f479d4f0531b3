"""What a person does on the Create page."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QLabel, QLineEdit, QPlainTextEdit, QProgressBar, QPushButton

from app.states import EngineState, JobState
from models.errors import ErrorCode, ErrorInfo
from tests.gui.helpers import find, problem, submit


def press_go(qtbot, window) -> None:
    qtbot.keyClick(window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)


def test_type_and_ctrl_enter_submits_validated_inputs(qtbot, window, core) -> None:
    prompt = find(window, "create.prompt", QPlainTextEdit)
    prompt.selectAll()
    qtbot.keyClicks(prompt, "red apple")
    qtbot.keyClick(prompt, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    (job,) = core.queue.jobs()
    assert job.prompt == "red apple"
    assert (job.inputs["width"], job.inputs["height"], job.inputs["steps"]) == (768, 512, 8)
    assert isinstance(job.inputs["seed"], int)
    assert job.count == 1


def test_the_form_starts_with_an_example_so_generate_works_at_once(qtbot, window, core) -> None:
    qtbot.mouseClick(find(window, "create.generate"), Qt.MouseButton.LeftButton)
    assert core.queue.jobs()[0].prompt == "a lighthouse on a cliff at dusk"


def test_an_example_chip_generates(qtbot, window, core) -> None:
    qtbot.mouseClick(find(window, "create.example.2"), Qt.MouseButton.LeftButton)
    assert core.queue.jobs()[0].prompt == "a fox reading a newspaper"


def test_count_goes_with_the_job(qtbot, window, core) -> None:
    find(window, "create.count", QAbstractSpinBox).setValue(4)
    press_go(qtbot, window)
    assert core.queue.jobs()[0].count == 4


def test_a_wrong_value_is_said_at_its_field_and_gets_the_focus(qtbot, window, core) -> None:
    steps = find(window, "create.input.steps", QAbstractSpinBox)
    steps.setValue(0)
    press_go(qtbot, window)
    assert core.queue.jobs() == []
    assert "from 1 to 50" in problem(window, "steps")
    assert steps.property("invalid") == "true"
    assert window.focusWidget() is steps
    steps.setValue(8)
    assert problem(window, "steps") == ""


def test_an_empty_prompt_and_a_wild_size_are_all_reported(qtbot, window, core) -> None:
    find(window, "create.prompt", QPlainTextEdit).setPlainText("")
    find(window, "create.input.width", QAbstractSpinBox).setValue(100000)
    press_go(qtbot, window)
    assert "empty" in problem(window, "prompt")
    assert "100000" in problem(window, "size")
    assert window.focusWidget() is find(window, "create.prompt")


def test_a_number_is_checked_when_it_is_left(qtbot, window, core) -> None:
    height = find(window, "create.input.height", QAbstractSpinBox)
    height.setFocus()
    height.setValue(513)
    qtbot.keyClick(height, Qt.Key.Key_Return)
    assert "multiple of 16" in problem(window, "size")


def test_shapes_set_both_numbers(qtbot, window) -> None:
    qtbot.mouseClick(find(window, "create.size.1:1"), Qt.MouseButton.LeftButton)
    values = window.workspace.create.values()
    assert values["width"] == values["height"] == 624


def test_reset_puts_the_default_back(qtbot, window) -> None:
    find(window, "create.input.steps", QAbstractSpinBox).setValue(20)
    reset = find(window, "create.reset.steps")
    assert reset.isVisible()
    qtbot.mouseClick(reset, Qt.MouseButton.LeftButton)
    assert window.workspace.create.values()["steps"] == 8
    assert not reset.isVisible()


def test_a_typed_seed_is_kept_and_the_lock_lets_it_go(qtbot, window, core) -> None:
    seed = find(window, "create.seed", QLineEdit)
    qtbot.keyClicks(seed, "4711")
    press_go(qtbot, window)
    press_go(qtbot, window)
    assert [job.inputs["seed"] for job in core.queue.jobs()] == [4711, 4711]
    qtbot.mouseClick(find(window, "create.seed.keep"), Qt.MouseButton.LeftButton)
    assert seed.text() == ""
    assert window.workspace.create.values()["seed"] is None


def test_the_lock_keeps_the_seed_of_the_next_picture(qtbot, window, core) -> None:
    qtbot.mouseClick(find(window, "create.seed.keep"), Qt.MouseButton.LeftButton)
    press_go(qtbot, window)
    assert find(window, "create.seed", QLineEdit).text() == str(core.queue.jobs()[0].inputs["seed"])


def test_the_dice_rolls_a_seed(qtbot, window) -> None:
    qtbot.mouseClick(find(window, "create.seed.roll"), Qt.MouseButton.LeftButton)
    assert find(window, "create.seed", QLineEdit).text().isdecimal()


def test_choosing_a_model_changes_the_form_and_values_come_back(qtbot, window, core) -> None:
    find(window, "create.input.steps", QAbstractSpinBox).setValue(21)
    picker = find(window, "create.model", QComboBox)
    picker.setCurrentIndex(1)
    picker.activated.emit(1)
    assert window.workspace.create.current == "pocket"
    assert core.settings.value.model == "pocket"
    assert core.preloaded == ["pocket"]
    assert window.create_page.form.form.field("guidance_scale") is None
    assert window.create_page.form.form.field("size") is None, "a model of one size asks for none"
    assert window.workspace.create.values()["prompt"] == "red apple"
    picker.activated.emit(0)
    assert window.workspace.create.values()["steps"] == 21


def test_a_broken_model_is_greyed_with_its_reason(qtbot, window, core) -> None:
    picker = find(window, "create.model", QComboBox)
    assert not picker.model().item(3).isEnabled()
    assert "is missing" in picker.model().item(3).toolTip()
    window.workspace.create.select("broken")
    assert not find(window, "create.generate", QPushButton).isEnabled()
    assert find(window, "create.model.problem").isVisible()


def test_a_model_folder_is_added_and_chosen(window, core, tmp_path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    assert not window.workspace.create.add_folder(str(folder))
    assert "cannot run" in window.create_page.canvas.error.sentence()
    (folder / "model_index.json").write_text("{}")
    assert window.workspace.create.add_folder(str(folder))
    assert window.workspace.create.current == str(folder)


def test_progress_preview_and_result_are_shown(qtbot, window, core) -> None:
    job = submit(core, window, count=2)
    canvas = window.create_page.canvas
    core.load(job, 0.4, "unet")
    assert canvas.progress.words()[0] == "Loading model - unet"
    core.begin(job)
    core.step(job, 5, 8, 1, 9)
    assert canvas.progress.words() == ("Step 5 of 8", "picture 1 of 2 · 9 s left")
    assert find(window, "create.progress", QProgressBar).value() == 312
    core.preview(job)
    qtbot.waitUntil(canvas.view.has_picture)
    assert window.workspace.canvas.picture().preview
    core.finish(job)
    qtbot.waitUntil(lambda: window.workspace.canvas.picture().image is not None)
    assert not window.workspace.canvas.picture().preview
    assert not canvas.progress.isVisible()
    assert canvas.title.full() == "red apple"
    assert len(window.workspace.canvas.strip()) == 2


def test_only_the_latest_preview_is_decoded(qtbot, window, core) -> None:
    job = submit(core, window)
    core.begin(job)
    changes = []
    window.workspace.canvas.picture_changed.connect(lambda: changes.append(1))
    for _ in range(20):
        core.preview(job)
    qtbot.waitUntil(lambda: len(changes) > 0)
    qtbot.wait(50)
    assert len(changes) == 1


def test_esc_cancels_the_running_job(qtbot, window, core) -> None:
    job = submit(core, window)
    core.begin(job)
    core.step(job, 1, 8)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert core.cancelled == [job]
    assert core.queue.get(job).state is JobState.CANCELLED
    assert not window.create_page.canvas.progress.isVisible()


def test_the_cancel_button_cancels(qtbot, window, core) -> None:
    job = submit(core, window)
    core.begin(job)
    qtbot.mouseClick(find(window, "create.cancel"), Qt.MouseButton.LeftButton)
    assert core.cancelled == [job]


def test_generating_while_one_runs_only_queues(qtbot, window, core) -> None:
    first = submit(core, window)
    core.begin(first)
    submit(core, window, "blue house")
    assert window.workspace.canvas.shown.job == first
    assert window.workspace.queue.rowCount() == 2


def test_the_error_card_says_what_why_and_what_to_do(qtbot, window, core) -> None:
    job = submit(core, window)
    core.begin(job)
    core.fail(job, ErrorCode.OUT_OF_MEMORY, "torch.OutOfMemoryError", needed_gb=7, free_gb=5.1)
    card = find(window, "create.error")
    assert card.isVisible()
    assert "about 7 GB are needed, 5.1 GB are free" in window.create_page.canvas.error.sentence()
    details = find(window, "create.error.text", QPlainTextEdit)
    assert not details.isVisible()
    qtbot.mouseClick(find(window, "create.error.details"), Qt.MouseButton.LeftButton)
    assert details.isVisible()
    assert "torch.OutOfMemoryError" in details.toPlainText()
    qtbot.mouseClick(find(window, "create.error.action"), Qt.MouseButton.LeftButton)
    assert core.queue.get(job).state is JobState.QUEUED
    assert not card.isVisible()


def test_a_failure_is_said_when_the_next_job_takes_over(window, core) -> None:
    job = submit(core, window)
    core.begin(job)
    following = submit(core, window, "next")
    core.fail(job, ErrorCode.INTERNAL)
    core.begin(following)
    assert window.workspace.canvas.shown.job == following
    assert "A job failed" in window.create_page.canvas.toast.text()


def test_esc_puts_an_error_away(qtbot, window, core) -> None:
    job = submit(core, window)
    core.begin(job)
    core.fail(job, ErrorCode.INTERNAL)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not find(window, "create.error").isVisible()


def test_an_unusable_engine_is_said_and_can_be_restarted(qtbot, window, core) -> None:
    core.engine.become(EngineState.UNUSABLE, error=ErrorInfo(ErrorCode.ENGINE_MISSING, {"what": "torch"}))
    assert "torch" in window.create_page.canvas.error.sentence()
    qtbot.mouseClick(find(window, "create.error.action"), Qt.MouseButton.LeftButton)
    assert core.engine.restarts == 1


def test_notices_are_quiet_lines(window, core) -> None:
    job = submit(core, window)
    core.begin(job)
    core.notice(job, "decode_tiled")
    assert "in tiles" in window.create_page.canvas.toast.text()


def test_use_these_settings_brings_every_input_back(window, core) -> None:
    job = submit(core, window, "first", steps=11, width=512)
    core.begin(job)
    core.finish(job)
    seed = core.queue.get(job).inputs["seed"]
    window.workspace.create.set_values({"prompt": "second", "steps": 30, "width": 768})
    window.workspace.canvas.use_settings()
    values = window.workspace.create.values()
    assert (values["prompt"], values["steps"], values["width"], values["seed"]) == ("first", 11, 512, seed)


def test_a_result_whose_file_is_gone_is_said(qtbot, window, core) -> None:
    from pathlib import Path

    result = core.keep("gone", "lost", 1, 64, 64)
    Path(result.path).unlink()
    window.workspace.canvas.show_result("gone")
    qtbot.waitUntil(lambda: window.workspace.canvas.picture().missing)
    assert any("is gone" in label.text() for label in window.findChildren(QLabel) if label.isVisible())


def test_a_copy_is_saved_and_a_refusal_is_said(window, core, tmp_path) -> None:
    core.keep("one", "one", 1, 64, 64)
    window.workspace.canvas.show_result("one")
    window.workspace.canvas.save_copy(str(tmp_path / "copy.png"))
    assert (tmp_path / "copy.png").stat().st_size > 0
    blocked = tmp_path / "file"
    blocked.write_text("")
    window.workspace.canvas.save_copy(str(blocked / "copy.png"))
    assert "cannot write" in window.create_page.canvas.error.sentence()


def test_zoom_keys(qtbot, window, core) -> None:
    core.keep("one", "one", 1, 640, 480)
    window.workspace.canvas.show_result("one")
    view = window.create_page.canvas.view
    qtbot.waitUntil(view.has_picture)
    qtbot.keyClick(view, Qt.Key.Key_1)
    assert view.zoom == 1.0
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    assert view.zoom == 1.25
    qtbot.keyClick(view, Qt.Key.Key_0)
    assert view.is_fit


def test_the_hint_tells_the_time_of_a_picture(window) -> None:
    assert "about 6 s a picture" in window.create_page.form._hint.full()


def test_a_very_long_prompt_is_taken(window, core) -> None:
    job = submit(core, window, "word " * 390)
    core.begin(job)
    assert len(window.create_page.canvas.title.text()) < 400
