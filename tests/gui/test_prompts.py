"""The prompt by keyboard: completion, weights, tokens, styles; the window of wildcards, styles and presets."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QLabel, QLineEdit, QPlainTextEdit, QPushButton, QToolButton

from app.events import ModelsChanged, ResultAdded
from app.paths import ASSETS
from app.weights import AddOn
from models.card import ModelCard, ModelRef
from tests.gui.helpers import find
from ui.demo import DemoCore, DemoEntry, full_schema
from ui.viewmodels.prompt_marks import marks
from ui.widgets.prompt_edit import PromptEdit

CONTROL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier


@pytest.fixture
def clip(qtbot, opened, core: DemoCore):
    """A window with a model that weighs words, a LoRA and an earlier prompt."""
    ref = ModelRef("sd", "Stable Diffusion", "diffusers", str(ASSETS / "pocket"))
    core.models.all.append(DemoEntry(ModelCard(ref, pipeline="StableDiffusionPipeline"), full_schema()))
    core.models.own_addons.append(AddOn("ink", "inky", "lora", "/x/ink.safetensors", trigger=("inkstyle drawing",)))
    core.settings.change(model="sd")
    core.keep("old", "a heron in the reeds, morning fog", 3, 64, 64)
    window = opened(core)
    core.ready()
    prompts = window.workspace.prompts
    prompts.refresh()
    qtbot.waitUntil(lambda: bool(prompts.styles))
    return window


def edit_of(window) -> PromptEdit:
    edit = find(window, "create.prompt", PromptEdit)
    edit.setFocus()
    return edit


def write(qtbot, window, text: str) -> PromptEdit:
    window.workspace.create.set_values({"prompt": ""})
    edit = edit_of(window)
    qtbot.keyClicks(edit, text)
    return edit


# -- completing


def test_wildcards_complete_while_typing(qtbot, clip) -> None:
    edit = write(qtbot, clip, "a __col")
    assert edit.offered() == ["__colour__"]
    qtbot.keyClick(edit, Qt.Key.Key_Tab)
    assert edit.toPlainText() == "a __colour__"
    assert edit.offered() == []
    assert clip.focusWidget() is edit, "Tab took the offer and did not leave"


def test_loras_trigger_words_and_earlier_prompts_complete(qtbot, clip) -> None:
    edit = write(qtbot, clip, "a cat, <lora:in")
    assert edit.offered() == ["<lora:inky:1>"]
    qtbot.keyClick(edit, Qt.Key.Key_Down)
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert edit.toPlainText() == "a cat, <lora:inky:1>"
    edit = write(qtbot, clip, "a cat, inks")
    assert edit.offered() == ["inkstyle drawing"]
    edit = write(qtbot, clip, "a her")
    assert edit.offered()[0] == "a heron in the reeds, morning fog"
    edit = write(qtbot, clip, "a cat, morn")
    assert edit.offered() == ["morning fog"]


def test_offers_stay_out_of_the_way(qtbot, clip) -> None:
    edit = write(qtbot, clip, "a her")
    qtbot.keyClick(edit, Qt.Key.Key_Escape)
    assert edit.offered() == []
    assert clip.page == "create"
    qtbot.keyClicks(edit, "o")
    assert edit.offered()
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert edit.toPlainText() == "a hero\n", "nothing was chosen, so Enter is a new line"
    edit = write(qtbot, clip, "zzz")
    assert edit.offered() == []
    qtbot.keyClick(edit, Qt.Key.Key_Tab)
    assert clip.focusWidget() is not edit


def test_an_offer_can_be_undone(qtbot, clip) -> None:
    edit = write(qtbot, clip, "__wea")
    qtbot.keyClick(edit, Qt.Key.Key_Tab)
    assert edit.toPlainText() == "__weather__"
    qtbot.keyClick(edit, Qt.Key.Key_Z, CONTROL)
    assert edit.toPlainText() != "__weather__"


def test_private_offers_nothing_earlier(qtbot, clip, core) -> None:
    core.prompting.history.set_private(True)
    core.events.emit(ResultAdded(core.library.results[0]))
    qtbot.waitUntil(lambda: not clip.workspace.prompts.known.prompts)
    assert write(qtbot, clip, "a her").offered() == []


# -- weights


def test_weights_by_keyboard(qtbot, clip) -> None:
    edit = write(qtbot, clip, "a red cat")
    cursor = edit.textCursor()
    cursor.setPosition(2)
    cursor.setPosition(5, QTextCursor.MoveMode.KeepAnchor)
    edit.setTextCursor(cursor)
    qtbot.keyClick(edit, Qt.Key.Key_Up, CONTROL)
    qtbot.keyClick(edit, Qt.Key.Key_Up, CONTROL)
    assert edit.toPlainText() == "a (red:1.2) cat"
    assert clip.workspace.create.values()["prompt"] == "a (red:1.2) cat"
    assert edit.textCursor().selectedText() == "red"
    for _ in range(3):
        qtbot.keyClick(edit, Qt.Key.Key_Down, CONTROL)
    assert edit.toPlainText() == "a (red:0.9) cat"


def test_brackets_without_partner_are_said_gently(qtbot, clip) -> None:
    write(qtbot, clip, "a (red cat")
    hint = find(clip, "create.hint.prompt", QLabel)
    assert hint.isVisible()
    assert "(" in hint.text()
    assert clip.workspace.create.problems == {}
    write(qtbot, clip, "a (red) cat")
    assert not hint.isVisible()


def test_marks() -> None:
    kinds = {(mark.start, mark.end): mark.kind for mark in marks("(a:1.2) [b] __colour__ __nope__ (", {"colour"}, True)}
    assert kinds[0, 7] == "strong"
    assert kinds[8, 11] == "weak"
    assert kinds[12, 22] == "name"
    assert kinds[23, 31] == "unknown"
    assert kinds[32, 33] == "loose"
    assert marks("(a:1.2) [b]", set(), False) == []
    assert marks("(" * 100_000, set(), True) == []


# -- tokens


def test_tokens_are_counted_soon_after_typing(qtbot, clip) -> None:
    count = find(clip, "create.tokens.prompt", QLabel)
    write(qtbot, clip, "a red cat")
    qtbot.waitUntil(lambda: count.text() == "3 / 30")
    write(qtbot, clip, "a {red|blue} cat")
    qtbot.waitUntil(lambda: count.text() == "~3 / 30")
    clip.workspace.create.set_values({"prompt": "red cat " * 20})
    qtbot.waitUntil(lambda: count.text() == "40 / 60")
    assert "2 parts" in count.toolTip()
    clip.workspace.create.select("klein")  # nothing is known of its tokenizer
    clip.workspace.create.set_values({"prompt": "a dog"})
    qtbot.waitUntil(lambda: find(clip, "create.tokens.prompt", QLabel).text() == "")


# -- earlier prompts, styles, presets


def test_earlier_prompts_by_keyboard(qtbot, clip) -> None:
    edit = write(qtbot, clip, "mine")
    qtbot.keyClick(edit, Qt.Key.Key_Up, ALT)
    assert edit.toPlainText() == "a heron in the reeds, morning fog"
    qtbot.keyClick(edit, Qt.Key.Key_Down, ALT)
    assert edit.toPlainText() == "mine"


def test_styles_are_chips_and_go_with_the_job(qtbot, clip, core) -> None:
    tools = clip.create_page.prompts
    menu = tools.styles_menu()
    styles = next(action.menu() for action in menu.actions() if action.menu() and "Styles" in action.text())
    next(action for action in styles.actions() if action.text() == "Ink drawing").trigger()
    chip = find(clip, "create.style.Ink drawing", QPushButton)
    assert chip.isVisible()
    sent = []
    submit = core.queue.submit
    core.queue.submit = lambda *args, **more: sent.append(more["styles"]) or submit(*args, **more)
    clip.workspace.create.set_values({"prompt": "a cat"})
    assert clip.workspace.create.generate() is not None
    assert sent == [["Ink drawing"]]
    chip.click()
    assert clip.workspace.create.styles == []


def test_a_preset_brings_its_model_values_and_styles(qtbot, clip) -> None:
    create, prompts = clip.workspace.create, clip.workspace.prompts
    create.set_values({"steps": 17, "prompt": "kept"})
    create.set_styles(["Linocut"])
    prompts.save_preset("Mine")
    qtbot.waitUntil(lambda: [preset.name for preset in prompts.presets] == ["Mine"])
    create.select("klein")
    create.set_styles([])
    prompts.apply_preset("Mine")
    assert (create.current, create.values()["steps"], create.styles) == ("sd", 17, ["Linocut"])


def test_settings_of_a_picture_bring_back_what_was_written(clip, core) -> None:
    core.keep("two", "a red cat", 9, 64, 64)
    result = core.library.results[0]
    result.recipe.update(template={"prompt": "a {red|blue} cat"}, styles=["Linocut"])
    clip.workspace.canvas.use_settings(result.id)
    create = clip.workspace.create
    assert (create.values()["prompt"], create.styles) == ("a {red|blue} cat", ["Linocut"])
    clip.workspace.canvas.use_settings(result.id, as_it_came_out=True)
    assert (create.values()["prompt"], create.styles) == ("a red cat", [])


def test_examples_of_alternatives(qtbot, clip) -> None:
    dice = find(clip, "create.prompt.examples", QToolButton)
    write(qtbot, clip, "a cat")
    assert not dice.isVisible()
    write(qtbot, clip, "a {red|blue} cat")
    assert dice.isVisible()
    examples = clip.create_page.prompts.examples
    examples.open_for("a {red|blue} cat", 5, QPoint(10, 10))
    qtbot.waitUntil(lambda: examples.list.count() == 6)
    assert examples.list.item(0).text() in ("a red cat", "a blue cat")
    qtbot.keyClick(examples.list, Qt.Key.Key_Return)
    assert clip.workspace.create.values()["prompt"] == examples.list.item(0).text()
    examples.open_for("__nope__", 5, QPoint(10, 10))
    qtbot.waitUntil(lambda: "no wildcard" in find(examples, "create.examples.problem", QLabel).text())


# -- the manager


def manager(qtbot, window, page: str):
    window.create_page.prompts.manage(page)
    found = window.create_page.prompts.manager
    assert found is not None
    qtbot.waitUntil(lambda: page == "presets" or found.pane().list.count() > 0)
    return found


def test_a_wildcard_is_made_used_deleted_and_brought_back(qtbot, clip, core) -> None:
    found = manager(qtbot, clip, "wildcards")
    pane = found.wildcards
    find(found, "prompts.wildcards.new", QPushButton).click()
    qtbot.keyClicks(find(found, "prompts.wildcards.name", QLineEdit), "birds/small")
    qtbot.keyClicks(find(found, "prompts.wildcards.text", QPlainTextEdit), "wren")
    find(found, "prompts.wildcards.save", QPushButton).click()
    qtbot.waitUntil(lambda: "birds/small" in clip.workspace.prompts.known.wildcards)
    qtbot.waitUntil(lambda: pane.current() is not None and pane.current().name == "birds/small")
    write(qtbot, clip, "a ")
    find(found, "prompts.wildcards.use", QPushButton).click()
    assert clip.workspace.create.values()["prompt"] == "a __birds/small__"
    find(found, "prompts.wildcards.remove", QPushButton).click()
    qtbot.waitUntil(lambda: "deleted" in found.told())
    assert "birds/small" not in [file.name for file in core.prompting.wildcards.files()]
    find(found, "prompts.undo", QPushButton).click()
    qtbot.waitUntil(lambda: "birds/small" in [file.name for file in core.prompting.wildcards.files()])


def test_what_cannot_be_saved_is_said(qtbot, clip) -> None:
    found = manager(qtbot, clip, "wildcards")
    find(found, "prompts.wildcards.new", QPushButton).click()
    qtbot.keyClicks(find(found, "prompts.wildcards.name", QLineEdit), "../out")
    find(found, "prompts.wildcards.save", QPushButton).click()
    qtbot.waitUntil(lambda: "cannot be a wildcard" in found.told())


def test_styles_are_imported_and_changed(qtbot, clip, core, tmp_path: Path) -> None:
    found = manager(qtbot, clip, "styles")
    file = tmp_path / "styles.csv"
    file.write_text("name,prompt,negative_prompt\nAAA mine,mine {prompt},yours\n")
    found.styles.take(file)
    qtbot.waitUntil(lambda: "AAA mine" in [style.name for style in clip.workspace.prompts.styles])
    qtbot.waitUntil(lambda: found.styles.list.item(0).text() == "AAA mine")
    found.styles.list.setCurrentRow(0)
    words = find(found, "prompts.styles.prompt", QPlainTextEdit)
    words.setPlainText("other {prompt}")
    find(found, "prompts.styles.save", QPushButton).click()
    qtbot.waitUntil(lambda: core.prompting.styles.find(["AAA mine"])[0].prompt == "other {prompt}")


def test_presets_are_renamed_and_deleted(qtbot, clip, core) -> None:
    core.prompting.presets.save("One", "sd", {"steps": 3})
    found = manager(qtbot, clip, "presets")
    qtbot.waitUntil(lambda: found.presets.current() is not None)
    found.presets.rename_to("Two")
    qtbot.waitUntil(lambda: [each.name for each in core.prompting.presets.all()] == ["Two"])
    qtbot.waitUntil(lambda: found.presets.current().name == "Two")
    find(found, "prompts.presets.remove", QPushButton).click()
    qtbot.waitUntil(lambda: core.prompting.presets.all() == [])
    qtbot.waitUntil(lambda: bool(found.told()))
    found.undo()
    qtbot.waitUntil(lambda: len(core.prompting.presets.all()) == 1)


def test_earlier_prompts_are_used_and_forgotten(qtbot, clip, core) -> None:
    found = manager(qtbot, clip, "history")
    find(found, "prompts.history.use", QPushButton).click()
    assert clip.workspace.create.values()["prompt"] == "a heron in the reeds, morning fog"
    find(found, "prompts.history.forget", QPushButton).click()
    qtbot.waitUntil(lambda: core.prompting.history.prompts() == [])
    qtbot.waitUntil(lambda: "forgotten" in found.told())
    found.undo()
    qtbot.waitUntil(lambda: len(core.prompting.history.prompts()) == 1)


def test_new_addons_are_offered(qtbot, clip, core) -> None:
    core.models.own_addons.append(AddOn("chalk", "chalky", "lora", "/x/c.safetensors"))
    core.events.emit(ModelsChanged())
    qtbot.waitUntil(lambda: "chalky" in clip.workspace.prompts.known.loras)
