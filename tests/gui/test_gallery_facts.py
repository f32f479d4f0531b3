"""The picture beside the gallery: its recipe, its relatives, and what can be done with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QLabel, QWidget

from app.jobs import Result
from models import metadata
from models.errors import ErrorCode, ErrorInfo
from models.inputs import MAX_SEED
from tests.gui.helpers import find
from tests.unit import foreign_texts
from ui.viewmodels.fact_words import facts_of
from ui.viewmodels.facts import FactsVM
from ui.viewmodels.kinship import kin_of, way_of

LONG = " ".join(["a very long prompt"] * 200)


@pytest.fixture
def vm(window, core):
    work = window.workspace
    made = FactsVM(core, work.create, work.canvas, work.compare, work.loader, work)
    yield made
    made.close()


def keep(core, key: str, prompt: str = "a lake", parent: str = "", model: str = "klein", **inputs: Any) -> Result:
    """A picture in the library whose file's hash is its name; ``parent`` names the one it was made from."""
    path = core.paths.pictures / f"{key}.png"
    Image.new("RGB", (64, 48), (90, 120, 150)).save(path)
    recipe: dict[str, Any] = {"inputs": {"prompt": prompt, "steps": 8, "seed": 7, **inputs}, "seed": 7,
                              "model": {"id": model, "name": "FLUX.2 klein 4B"}}  # fmt: skip
    if parent:
        source = str(core.paths.pictures / f"{parent}.png")
        recipe["inputs"]["image"] = source
        recipe["pictures"] = {"image": {"path": source, "sha256": f"hash of {parent}"}}
    return put(core, key, recipe, str(path), prompt)


def put(core, key: str, recipe: dict[str, Any], path: str, prompt: str, **facts: Any) -> Result:
    made = 1_790_000_000.0 + len(core.library.results)
    model = recipe.get("model", {})
    result = Result(key, "", path, made, model.get("id", ""), model.get("name", ""), prompt, 7, 64, 48, recipe)
    core.library.results.insert(0, result)
    core.history.store.add_result(result, {"hash": f"hash of {key}", **facts})
    return result


def foreign(core, tmp_path: Path, text: str = foreign_texts.A1111) -> str:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", text)
    path = tmp_path / "theirs.png"
    Image.new("RGB", (64, 64)).save(path, pnginfo=info)
    recipe = metadata.read(path)
    assert recipe is not None
    put(core, "theirs", recipe, str(path), str(recipe["inputs"]["prompt"]), imported=1)
    return "theirs"


def rows(facts) -> dict[str, str]:
    return {one.name: one.value for one in (*facts.made, *facts.add_ons, *facts.inputs, *facts.file)}


# words


def test_the_recipe_is_what_was_set_and_not_what_the_model_does_anyway(core, vm) -> None:
    keep(core, "one", negative_prompt="blur", guidance_scale=3.5, clip_skip=1, strength=0.7, mask_padding=16)
    vm.show("one")
    facts = vm.facts()
    assert facts.prompt == "a lake"
    assert facts.negative == "blur"
    said = rows(facts)
    assert (said["model"], said["seed"], said["steps"], said["guidance_scale"]) == ("FLUX.2 klein 4B", "7", "8", "3.5")
    assert said["size"] == "64 × 48"
    assert not {"clip_skip", "strength", "mask_padding"} & said.keys()


def test_of_a_tool_what_matters_is_told(core, vm, monkeypatch) -> None:
    from models.card import ModelCard, ModelRef
    from models.tools import UPSCALE
    from ui.demo import DemoEntry

    tool = DemoEntry(ModelCard(ModelRef("lanczos", "Lanczos resampling", "upscale")), UPSCALE)
    monkeypatch.setattr(core.models, "tools", lambda: [tool])
    keep(core, "root")
    keep(core, "large", "", parent="root", model="lanczos", scale=4.0, longest_side=0, tile=0)
    vm.show("large")
    said = rows(vm.facts())
    assert said["scale"] == "4"
    assert not {"seed", "tile", "longest_side"} & said.keys()


def test_strength_is_told_of_what_was_made_from_a_picture(core, vm) -> None:
    keep(core, "root")
    keep(core, "two", parent="root", strength=0.6)
    vm.show("two")
    assert rows(vm.facts())["strength"] == "0.6"
    assert rows(vm.facts())["image"] == "root.png"


def test_what_another_tool_wrote_is_told_with_what_was_lost(core, vm, tmp_path) -> None:
    vm.show(foreign(core, tmp_path))
    facts, said = vm.facts(), rows(vm.facts())
    assert facts.prompt.startswith("a red apple")
    assert said["model"] == "v1-5-pruned-emaonly"
    assert said["model_hash"] == "6ce0161689"
    assert said["tool"].startswith("A1111")
    assert said["lora"].startswith("ink-style · 0.8")
    assert any("ControlNet" in line for line in facts.lost)


def test_a_picture_that_says_nothing_has_its_file_only(core, vm) -> None:
    path = core.paths.pictures / "plain.png"
    Image.new("RGB", (8, 8)).save(path)
    put(core, "plain", {}, str(path), "")
    vm.show("plain")
    facts = vm.facts()
    assert facts.recipe is False
    assert facts.title == "plain.png"
    assert facts.made == facts.inputs == ()
    assert not vm.can_use_settings()


@pytest.mark.parametrize(
    "recipe",
    [{"inputs": "words"}, {"inputs": {"prompt": 5, "loras": "x", "controls": [3], "embeddings": [{"name": 1}]}},
     {"inputs": {"image": 3, "steps": None}, "unmapped": "text", "model": "sd", "seconds": "long"}],
)  # fmt: skip
def test_damaged_recipes_are_shown_as_far_as_they_go(core, vm, recipe) -> None:
    put(core, "odd", recipe if isinstance(recipe.get("model"), dict) else {**recipe, "model": {}}, "/gone/x.png", "")
    vm.show("odd")
    assert vm.facts() is not None
    assert facts_of(vm.facts().record).record.result.id == "odd"


# relatives


def test_the_family_is_a_tree(core, vm) -> None:
    keep(core, "root")
    keep(core, "mid", parent="root", strength=0.6)
    keep(core, "other", parent="root", mask="m.png")
    keep(core, "leaf", parent="mid", scale=4.0)
    vm.show("mid")
    assert [(one.id, one.depth, one.current) for one in vm.family()] == [
        ("root", 0, False), ("mid", 1, True), ("leaf", 2, False), ("other", 1, False),
    ]  # fmt: skip
    assert [one.way for one in vm.family()][1:] == ["Image to image, 60 %", "Enlarged 4 times", "Inpainted"]


def test_a_picture_without_relatives_has_no_tree(core, vm) -> None:
    keep(core, "one")
    vm.show("one")
    assert vm.family() == ()


def test_a_source_that_is_not_in_the_gallery_is_named(core, vm) -> None:
    keep(core, "two", parent="elsewhere", strength=0.5)
    vm.show("two")
    first = vm.family()[0]
    assert (first.id, first.words, first.way) == ("", "elsewhere.png", "Not in the gallery")


def test_long_lines_and_large_families_are_counted(core, vm) -> None:
    keep(core, "p0")
    for number in range(1, 12):
        keep(core, f"p{number}", parent=f"p{number - 1}")
    for number in range(12):
        keep(core, f"child{number}", parent="p11")
    vm.show("p11")
    family = vm.family()
    assert [one.id for one in family[:6]] == ["p0", "", "p8", "p9", "p10", "p11"]
    assert "7" in family[1].words
    assert family[-1].words == "and 4 more"


def test_a_new_child_joins_the_family_while_it_is_looked_at(core, vm) -> None:
    from app.events import ResultAdded

    keep(core, "root")
    vm.show("root")
    child = keep(core, "kid", parent="root", strength=0.4)
    core.events.emit(ResultAdded(child))
    assert [one.id for one in vm.family()] == ["root", "kid"]


def test_ways() -> None:
    def way(**inputs: Any) -> str:
        return way_of(Result("a", "", "", 0, "", "", "", 0, 1, 1, {"inputs": inputs}))

    assert way(prompt="x") == "From words"
    assert way(prompt="x", variation_strength=0.15) == "Variation, 15 %"
    assert way(image="a", extend_left=64) == "Extended"
    assert way(image="a", edge=0.5, threshold=0.0) == "Cut out"
    assert way(image="a", prompt="x", enlarge=2.0) == "Enlarged 2 times"
    assert way() == ""
    assert kin_of([], [], []) == ()


# saying something


def test_marks_and_tags_are_kept_and_shown(core, vm) -> None:
    keep(core, "one")
    keep(core, "two")
    core.history.records.tag(["two"], ["sea"])
    vm.show("one")
    vm.favour(True)
    vm.rate(4)
    vm.tag("night, quiet  water ,")
    record = vm.facts().record
    assert (record.favourite, record.rating, record.tags) == (True, 4, ("night", "quiet water"))
    assert vm.known_tags() == ["sea"]
    vm.untag("night")
    assert core.history.records.get("one").tags == ("quiet water",)


def test_a_note_is_kept_when_typing_pauses(qtbot, core, vm) -> None:
    keep(core, "one")
    vm.show("one")
    vm.write_note("for the door")
    assert core.history.records.get("one").note == ""
    qtbot.waitUntil(lambda: core.history.records.get("one").note == "for the door")


def test_a_note_is_kept_when_another_picture_is_looked_at_and_when_the_window_closes(core, vm) -> None:
    keep(core, "one")
    keep(core, "two")
    vm.show("one")
    vm.write_note("first")
    vm.show("two")
    assert core.history.records.get("one").note == "first"
    assert vm.note() == ""
    vm.write_note("second")
    vm.close()
    assert core.history.records.get("two").note == "second"


def test_words_typed_meanwhile_are_not_lost_to_an_older_answer(core, vm) -> None:
    keep(core, "one")
    vm.show("one")
    vm.write_note("typing")
    vm.favour(True)
    assert vm.note() == "typing"


def test_a_note_that_cannot_be_kept_stays_in_the_field(core, vm, monkeypatch) -> None:
    keep(core, "one")
    vm.show("one")
    said: list[Any] = []
    vm.failed.connect(said.append)
    full = ErrorInfo(ErrorCode.DISK_FULL, {"path": "/"})
    monkeypatch.setattr(core.history, "note", lambda key, text, failed: failed(full))
    vm.write_note("precious")
    vm.keep_notes()
    assert vm.note() == "precious"
    assert len(said) == 1
    monkeypatch.undo()
    vm.show("")
    assert core.history.records.get("one").note == "precious"


# doing something


def test_settings_come_back_in_create(core, vm, window) -> None:
    keep(core, "one", "an old harbour", steps=21)
    pages: list[str] = []
    vm.page_wanted.connect(pages.append)
    vm.show("one")
    vm.use_settings()
    values = window.workspace.create.values()
    assert (values["prompt"], values["steps"], values["seed"]) == ("an old harbour", 21, 7)
    assert pages == ["create"]


def test_settings_of_another_tool_come_back_as_far_as_the_model_takes_them(core, vm, window, tmp_path) -> None:
    said: list[str] = []
    window.workspace.canvas.noticed.connect(said.append)
    vm.show(foreign(core, tmp_path))
    vm.use_settings()
    values = window.workspace.create.values()
    assert values["prompt"].startswith("a red apple")
    assert (values["steps"], values["seed"]) == (20, 2966098153)
    assert "A1111" in said[-1]


def test_nothing_of_the_picture_before_stays_where_a_recipe_is_silent(core, vm, window, tmp_path) -> None:
    create = window.workspace.create
    create.set_values({"negative_prompt": "of another", "seed": 5, "steps": 49})
    create.keep_seed = True
    vm.show(foreign(core, tmp_path, "a quiet tree\nSteps: 30, Sampler: Euler a, Seed: 156680208700286, Size: 512x512"))
    vm.use_settings()
    values = create.values()
    assert (values["prompt"], values["steps"]) == ("a quiet tree", 30)
    assert values["negative_prompt"] == ""
    assert values["seed"] is None, "theirs is beyond ours, and ours was another's"
    assert not create.keep_seed


def test_a_model_known_by_its_hash_is_chosen_whatever_it_is_called(core, vm, window, tmp_path) -> None:
    window.workspace.create.select("klein")
    other = next(row.id for row in window.workspace.create.rows() if row.usable and row.id != "klein")
    vm.matched = lambda recipe: other if recipe["model"].get("hash") == "6ce0161689" else ""
    vm.show(foreign(core, tmp_path))
    vm.use_settings()
    assert window.workspace.create.current == other


def test_the_seed_alone(core, vm, window) -> None:
    keep(core, "one", "an old harbour")
    window.workspace.create.set_values({"prompt": "mine"})
    vm.show("one")
    vm.use_seed()
    values = window.workspace.create.values()
    assert (values["prompt"], values["seed"]) == ("mine", 7)


def test_a_picture_becomes_the_input(qtbot, core, vm, window) -> None:
    result = keep(core, "one")
    vm.show("one")
    vm.use_as_input()
    qtbot.waitUntil(lambda: window.workspace.work.shown)
    assert window.workspace.work.path == result.path


def test_what_is_copied(core, vm) -> None:
    keep(core, "one", "a lake", steps=9, negative_prompt="blur")
    vm.show("one")
    clipboard = QGuiApplication.clipboard()
    for name, text in (("prompt", "a lake"), ("negative", "blur"), ("seed", "7"), ("path", vm.path)):
        vm.copy(name)
        assert clipboard.text() == text
    vm.copy("all")
    assert clipboard.text().splitlines()[0] == "a lake"
    assert "Steps: 9" in clipboard.text()
    assert metadata.foreign({"parameters": clipboard.text()}) is not None


def test_a_missing_file_cannot_be_worked_on_but_its_settings_can_be_used(qtbot, core, vm) -> None:
    result = keep(core, "one")
    Path(result.path).unlink()
    vm.show("one")
    qtbot.waitUntil(lambda: vm.missing)
    assert not vm.can_use_as_input()
    assert not vm.can_compare()
    assert vm.can_use_settings()


def test_two_chosen_pictures_are_compared(core, vm, window) -> None:
    keep(core, "one")
    keep(core, "two")
    vm.show(["one", "two"])
    assert (vm.id, vm.count, vm.facts()) == ("", 2, None)
    vm.compare_chosen()
    assert window.workspace.compare.active


def test_a_late_answer_about_another_picture_is_dropped(core, vm, monkeypatch) -> None:
    keep(core, "one")
    keep(core, "two")
    late: list[Any] = []
    asked = core.history.record
    monkeypatch.setattr(core.history, "record", lambda key, then, failed: late.append((key, then, failed)))
    vm.show("one")
    vm.show("two")
    for key, then, failed in reversed(late):
        asked(key, then, failed)
    assert vm.facts().record.result.id == "two"


# the panel


@pytest.fixture
def panel(qtbot, vm, window):
    from ui.views.recipe_panel import RecipePanel

    made = RecipePanel(vm, window.workspace.thumbs)
    qtbot.addWidget(made)
    made.resize(320, 900)
    made.show()
    return made


def visible(panel, name: str) -> bool:
    return bool(find(panel, name).isVisible())


def test_the_panel_says_what_to_do_while_nothing_or_several_are_chosen(core, vm, panel) -> None:
    assert "No picture chosen" in words_of(panel)
    keep(core, "one")
    keep(core, "two")
    vm.show(["one", "two"])
    assert "2 pictures chosen" in words_of(panel)
    assert visible(panel, "gallery.details.compare")
    vm.show("one")
    assert "2 pictures chosen" not in words_of(panel)


def words_of(panel) -> str:
    return "\n".join(one.text() for one in panel.findChildren(QLabel) if one.isVisible())


def test_the_panel_shows_the_recipe_and_copies_parts_of_it(qtbot, core, vm, panel) -> None:
    keep(core, "one", "an old harbour", steps=21, negative_prompt="blur")
    vm.show("one")
    said = words_of(panel)
    for words in ("an old harbour", "blur", "FLUX.2 klein 4B", "21"):
        assert words in said
    qtbot.mouseClick(find(panel, "gallery.details.copy.steps"), Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "21"
    qtbot.mouseClick(find(panel, "gallery.details.negative.copy"), Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "blur"


def test_a_very_long_prompt_is_folded_and_copied_whole(qtbot, core, vm, panel) -> None:
    keep(core, "one", LONG)
    vm.show("one")
    shown = find(panel, "gallery.details.prompt", QLabel)
    assert len(shown.text()) < 500
    qtbot.mouseClick(find(panel, "gallery.details.prompt.more"), Qt.MouseButton.LeftButton)
    assert shown.text() == LONG
    qtbot.mouseClick(find(panel, "gallery.details.prompt.copy"), Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == LONG


def test_stars_by_mouse_and_keys(qtbot, core, vm, panel) -> None:
    keep(core, "one")
    vm.show("one")
    stars = panel.stars
    qtbot.mouseClick(stars, Qt.MouseButton.LeftButton, pos=stars.star_at(4).center().toPoint())
    assert (core.history.records.get("one").rating, stars.rating) == (4, 4)
    qtbot.keyClick(stars, Qt.Key.Key_Left)
    assert core.history.records.get("one").rating == 3
    qtbot.mouseClick(stars, Qt.MouseButton.LeftButton, pos=stars.star_at(3).center().toPoint())
    assert core.history.records.get("one").rating == 0
    qtbot.keyClicks(stars, "5")
    assert stars.accessibleName() == "Rating: 5 of 5"


def test_tags_are_added_completed_and_taken_away(qtbot, core, vm, panel) -> None:
    keep(core, "one")
    keep(core, "two")
    core.history.records.tag(["two"], ["sea", "seal"])
    vm.show("one")
    panel.tags.field.setFocus()
    panel.activateWindow()
    panel.tags.field.entered.emit()
    completer = panel.tags.field.completer()
    completer.setCompletionPrefix("se")
    assert completer.completionCount() == 2
    qtbot.keyClicks(panel.tags.field, "Night sky")
    qtbot.keyClick(panel.tags.field, Qt.Key.Key_Return)
    assert core.history.records.get("one").tags == ("Night sky",)
    qtbot.mouseClick(find(panel, "gallery.details.tags.tag.1"), Qt.MouseButton.LeftButton)
    assert core.history.records.get("one").tags == ()


def test_typing_a_note_is_not_disturbed_by_other_changes(qtbot, core, vm, panel) -> None:
    keep(core, "one")
    keep(core, "two")
    vm.show("one")
    qtbot.keyClicks(panel.note, "for the ")
    vm.favour(True)
    qtbot.keyClicks(panel.note, "door")
    vm.show("two")
    assert panel.note.toPlainText() == ""
    assert core.history.records.get("one").note == "for the door"
    vm.show("one")
    assert panel.note.toPlainText() == "for the door"


def test_the_tree_leads_to_relatives(qtbot, core, vm, panel) -> None:
    keep(core, "root", "the first")
    keep(core, "mid", "the second", parent="root", strength=0.6)
    asked: list[str] = []
    panel.shown_wanted.connect(asked.append)
    vm.show("mid")
    lines = panel.tree.lines()
    assert [one.accessibleName() for one in lines] == [
        "the first, From words", "the second, Image to image, 60 %, this picture",
    ]  # fmt: skip
    for one in lines:
        qtbot.mouseClick(one, Qt.MouseButton.LeftButton)
    assert asked == ["root"]
    vm.show("root")
    assert len(panel.tree.lines()) == 2


def test_a_missing_picture_is_said_and_offers_only_what_works(qtbot, core, vm, panel) -> None:
    result = keep(core, "one")
    Path(result.path).unlink()
    vm.show("one")
    qtbot.waitUntil(lambda: vm.missing and not visible(panel, "gallery.details.input"))
    assert find(panel, "gallery.details.use").isEnabled()
    asked: list[str] = []
    panel.view_wanted.connect(asked.append)
    qtbot.mouseClick(panel.preview, Qt.MouseButton.LeftButton)
    assert asked == []


def test_the_preview_opens_the_picture_large(qtbot, core, vm, panel) -> None:
    keep(core, "one")
    vm.show("one")
    qtbot.waitUntil(lambda: vm.preview() is not None)
    asked: list[str] = []
    panel.view_wanted.connect(asked.append)
    qtbot.mouseClick(panel.preview, Qt.MouseButton.LeftButton)
    qtbot.keyClick(panel.preview, Qt.Key.Key_Return)
    assert asked == ["one", "one"]


def test_every_control_of_the_panel_has_a_name(core, vm, panel) -> None:
    keep(core, "one", negative_prompt="x", loras=[{"name": "a", "weight": 1.0}])
    core.history.records.tag(["one"], ["sea"])
    vm.show("one")
    for one in panel.findChildren(QWidget):
        if one.isVisible() and one.focusPolicy() & Qt.FocusPolicy.TabFocus and not isinstance(one, QLabel):
            assert one.objectName(), one
            assert one.accessibleName() or getattr(one, "text", str)(), one.objectName()


# dragging pictures to Create


def dragged(kind, at, path: str):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(path)])
    args = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    return kind(at, *args), data


def test_a_picture_held_over_create_opens_create_to_be_dropped_there(qtbot, core, window) -> None:
    result = keep(core, "one")
    window.show_page("gallery")
    button = find(window, "rail.create")
    event, _data = dragged(QDragEnterEvent, QPoint(5, 5), result.path)
    QGuiApplication.sendEvent(button, event)
    assert event.isAccepted()
    qtbot.waitUntil(lambda: window.page == "create")


def test_what_is_only_drawn_past_a_page_does_not_open_it(qtbot, core, window) -> None:
    window.show_page("gallery")
    button = find(window, "rail.create")
    event, _data = dragged(QDragEnterEvent, QPoint(5, 5), keep(core, "one").path)
    QGuiApplication.sendEvent(button, event)
    QGuiApplication.sendEvent(button, QDragLeaveEvent())
    assert not button._hold.isActive()
    assert window.page == "gallery"


def test_a_picture_let_go_on_create_is_worked_on(qtbot, core, window) -> None:
    result = keep(core, "one")
    window.show_page("gallery")
    event, _data = dragged(QDropEvent, QPointF(5, 5), result.path)
    find(window, "rail.create").dropEvent(event)
    assert window.page == "create"
    qtbot.waitUntil(lambda: window.workspace.work.shown)
    assert window.workspace.work.path == result.path


FOREIGN = [
    ("A1111", "parameters", foreign_texts.A1111, "a red apple"),
    ("Forge", "parameters", foreign_texts.FORGE_FLUX, "a cat"),
    ("CivitAI", "parameters", foreign_texts.CIVITAI, "a dog"),
    ("ComfyUI", "prompt", json.dumps(foreign_texts.COMFY), "a bottle"),
    ("InvokeAI", "invokeai_metadata", json.dumps(foreign_texts.INVOKE), ""),
]


@pytest.mark.parametrize(("tool", "key", "text", "begins"), FOREIGN, ids=[one[0] for one in FOREIGN])
def test_a_dropped_picture_of_any_tool_restores_its_recipe(
    qtbot, core, window, tmp_path, tool: str, key: str, text: str, begins: str
) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(key, text)
    path = tmp_path / "theirs.png"
    Image.new("RGB", (64, 64)).save(path, pnginfo=info)
    drop, said = window.workspace.drop, []
    drop.noticed.connect(said.append)
    drop.begin(str(path))
    qtbot.waitUntil(lambda: drop.offers()[-1].possible)
    drop.take("settings")
    recipe = metadata.read(path)
    assert recipe is not None
    values = window.workspace.create.values()
    assert values["prompt"] == recipe["inputs"]["prompt"]
    assert values["prompt"].startswith(begins)
    seed = recipe["inputs"]["seed"]
    assert values["seed"] == (seed if seed <= MAX_SEED else None)
    assert str(recipe["tool"]) in said[-1]
