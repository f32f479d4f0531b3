"""ControlNets, IP-Adapters and painted areas, by mouse and keys as a person uses them."""

from __future__ import annotations

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QComboBox, QPushButton, QToolButton, QWidget

from app.states import JobState
from models.errors import ErrorCode
from tests.gui.helpers import find
from ui.scenes_control import ADAPTER, CANNY, LONG, UNION, drag, pictures, with_control
from ui.viewmodels.words import named
from ui.widgets.addon_picker import AddonPicker
from ui.widgets.range_slider import RangeSlider


@pytest.fixture
def form(core, window, qtbot):
    with_control(core)
    window.workspace.create.schema_changed.emit()
    form = window.create_page.form.form
    form.open_section("control")
    form.open_section("regions")
    return form


def controls(window) -> list:
    return window.workspace.create.values()["controls"]


def press(qtbot, window, name: str) -> None:
    button = find(window, name)
    window.create_page.form._scroll.ensureWidgetVisible(button)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def choose(qtbot, window, field, name: str) -> None:
    """Add an add-on by typing in the picker's search."""
    press(qtbot, window, f"create.{field.name}.add")
    picker = field.findChild(AddonPicker)
    qtbot.waitUntil(picker.isVisible)
    qtbot.keyClicks(picker.search, name)
    qtbot.keyClick(picker.search, Qt.Key.Key_Return)


def test_a_controlnet_is_chosen_and_its_preprocessor_suggested(core, window, form, qtbot) -> None:
    choose(qtbot, window, form.field("controls"), "Canny")
    assert controls(window)[0]["name"] == CANNY
    assert controls(window)[0]["preprocessor"] == "canny"
    assert find(window, "create.controls.0.preprocessor", QComboBox).currentData() == "canny"
    choose(qtbot, window, form.field("controls"), "depth")
    assert controls(window)[1]["name"] == LONG
    assert controls(window)[1]["preprocessor"] == "depth"


def test_without_a_picture_generate_says_what_is_missing(core, window, form, qtbot) -> None:
    choose(qtbot, window, form.field("controls"), "Canny")
    choose(qtbot, window, form.field("controls"), "Canny")
    assert "controls" not in window.workspace.create.problems  # not before it is sent
    window.workspace.create.set_value("prompt", "a fox")
    window.create_page.form.go()
    assert window.workspace.create.problems["controls"] == "ControlNet 1 needs a picture.", "the first that lacks one"
    assert core.queue.jobs() == []


def test_what_is_off_is_kept_but_not_sent(core, window, form, qtbot) -> None:
    path, _ = pictures(core)
    choose(qtbot, window, form.field("controls"), "Canny")
    form.field("controls").cards[0].take(path)
    press(qtbot, window, "create.controls.0.on")
    assert controls(window) == []
    window.workspace.create.set_value("prompt", "a fox")
    job = window.workspace.create.generate()
    assert core.queue.get(job).inputs["controls"] == []
    window.create_page.form._rebuild()  # as another model and back
    assert len(form.field("controls").cards) == 1
    press(qtbot, window, "create.controls.0.on")
    assert controls(window)[0]["image"] == path


def test_strength_and_steps_are_sent(core, window, form, qtbot) -> None:
    path, _ = pictures(core)
    choose(qtbot, window, form.field("controls"), "Canny")
    form.field("controls").cards[0].take(path)
    spin = find(window, "create.controls.0.strength")
    spin.setFocus()
    qtbot.keyClick(spin, Qt.Key.Key_Down)
    slider = find(window, "create.controls.0.range", RangeSlider)
    slider.setFocus()
    qtbot.keyClick(slider, Qt.Key.Key_PageUp)
    qtbot.keyClick(slider, Qt.Key.Key_Space)
    qtbot.keyClick(slider, Qt.Key.Key_Left)
    window.workspace.create.set_value("prompt", "a fox")
    job = core.queue.get(window.workspace.create.generate())
    sent = job.inputs["controls"][0]
    assert (sent["strength"], sent["start"], sent["end"]) == (0.95, 0.1, 0.99)


def test_the_two_handles_by_mouse(qtbot) -> None:
    slider = RangeSlider("Steps")
    qtbot.addWidget(slider)
    slider.resize(218, 32)
    slider.show()
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(9, 16))
    qtbot.mouseMove(slider, QPoint(59, 16))
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(59, 16))
    assert slider.shares == (0.25, 1.0)
    qtbot.mouseClick(slider, Qt.MouseButton.LeftButton, pos=QPoint(159, 16))
    assert slider.shares == (0.25, 0.75)
    qtbot.mouseDClick(slider, Qt.MouseButton.LeftButton, pos=QPoint(100, 16))
    assert slider.shares == (0.0, 1.0)


def test_a_preprocessors_settings_go_along(core, window, form, qtbot) -> None:
    path, _ = pictures(core)
    choose(qtbot, window, form.field("controls"), "Canny")
    form.field("controls").cards[0].take(path)
    low = find(window, "create.controls.0.option.low_threshold")
    low.setFocus()
    qtbot.keyClick(low, Qt.Key.Key_Down)
    assert controls(window)[0]["options"] == {"low_threshold": 99.0}
    qtbot.keyClick(low, Qt.Key.Key_Up)
    assert controls(window)[0]["options"] == {}


def make_map(core, window, qtbot) -> str:
    """Press "Show map" and let the engine finish it."""
    press(qtbot, window, "create.controls.0.show_map")
    job = core.queue.jobs()[-1]
    assert job.model == "maps"
    assert not find(window, "create.controls.0.show_map").isEnabled()
    core.begin(job.id)
    core.finish(job.id)
    return core.library.get(core.queue.get(job.id).results[0]).path


def test_show_map_makes_it_and_the_card_uses_it(core, window, form, qtbot) -> None:
    path, _ = pictures(core)
    choose(qtbot, window, form.field("controls"), "Canny")
    form.field("controls").cards[0].take(path)
    made = make_map(core, window, qtbot)
    job = core.queue.jobs()[-1]
    assert job.inputs["image"] == path
    assert job.inputs["preprocessor"] == "canny"
    assert window.workspace.canvas.shown.job == job.id
    assert controls(window)[0]["image"] == made
    assert controls(window)[0]["preprocessor"] == ""
    assert find(window, "create.controls.0.preprocessor", QComboBox).currentData() == "canny"
    # another setting means another map: back to the picture
    low = find(window, "create.controls.0.option.low_threshold")
    qtbot.keyClick(low, Qt.Key.Key_Up)
    assert controls(window)[0]["image"] == path
    assert controls(window)[0]["preprocessor"] == "canny"


def test_a_map_is_called_by_its_kind_and_by_what_it_was_made_of(core, window, form, qtbot) -> None:
    source = core.keep("fox", "a fox", 1, 64, 64)
    choose(qtbot, window, form.field("controls"), "Canny")
    form.field("controls").cards[0].take(source.path)
    make_map(core, window, qtbot)
    canvas = window.workspace.canvas
    assert named(core.queue.jobs()[-1]) == "Edges (Canny): a fox"
    assert canvas.title().startswith("Edges (Canny): ")
    assert "seed" not in canvas.subtitle()
    canvas.show_result("fox")
    assert canvas.subtitle().endswith("64 × 64 · seed 1")


def test_a_map_that_cannot_be_made_says_why(core, window, form, qtbot) -> None:
    path, _ = pictures(core)
    choose(qtbot, window, form.field("controls"), "Canny")
    form.field("controls").cards[0].take(path)
    press(qtbot, window, "create.controls.0.show_map")
    job = core.queue.jobs()[-1].id
    core.begin(job)
    core.fail(job, ErrorCode.PICTURE_UNREADABLE, path=path, reason="it is damaged or cut off")
    assert core.queue.get(job).state is JobState.FAILED
    assert "damaged" in find(window, "create.controls.0.problem").text()
    assert controls(window)[0]["image"] == path
    assert find(window, "create.controls.0.show_map").isEnabled()


def test_a_map_is_painted_on_and_then_is_the_map(core, window, form, qtbot) -> None:
    _, drawn = pictures(core)
    window.workspace.create.set_values({"controls": [{"name": CANNY, "image": drawn}]})
    before = Image.open(drawn).convert("RGB")
    press(qtbot, window, "create.controls.0.edit_map")
    overlay = window.create_page.control.overlay
    qtbot.waitUntil(overlay.isVisible)
    find(window, "paint.size").setValue(20)
    drag(window, [(0.5, 0.1), (0.5, 0.4)])
    qtbot.mouseClick(find(window, "paint.black"), Qt.MouseButton.LeftButton)
    drag(window, [(0.2, 0.1), (0.2, 0.4)])
    qtbot.mouseClick(find(window, "paint.done"), Qt.MouseButton.LeftButton)
    assert overlay.isHidden()
    qtbot.waitUntil(lambda: controls(window)[0]["image"] != drawn)
    after = Image.open(controls(window)[0]["image"]).convert("RGB")
    assert after.size == before.size
    assert after.getpixel((384, 128)) == (255, 255, 255)
    assert after.getpixel((154, 128)) == (0, 0, 0)
    assert after.getpixel((700, 500)) == before.getpixel((700, 500))
    assert Image.open(drawn).convert("RGB") == before  # the first map stays as it was


def test_showing_a_map_again_makes_no_second_one_and_keeps_the_strokes(core, window, form, qtbot) -> None:
    path, _ = pictures(core)
    choose(qtbot, window, form.field("controls"), "Canny")
    form.field("controls").cards[0].take(path)
    made = make_map(core, window, qtbot)
    window.workspace.canvas.show_result("")
    press(qtbot, window, "create.controls.0.show_map")
    assert len(core.queue.jobs()) == 1
    assert window.workspace.canvas.path_of() == made
    press(qtbot, window, "create.controls.0.edit_map")
    overlay = window.create_page.control.overlay
    qtbot.waitUntil(overlay.isVisible)
    drag(window, [(0.5, 0.1), (0.5, 0.4)])
    qtbot.mouseClick(find(window, "paint.done"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: controls(window)[0]["image"] != made)
    painted = controls(window)[0]["image"]
    press(qtbot, window, "create.controls.0.show_map")
    qtbot.waitUntil(overlay.isVisible)
    qtbot.mouseClick(find(window, "paint.done"), Qt.MouseButton.LeftButton)
    assert controls(window)[0]["image"] == painted
    press(qtbot, window, "create.controls.0.back")
    assert controls(window)[0]["image"] == path
    press(qtbot, window, "create.controls.0.show_map")
    assert controls(window)[0]["image"] == made


def test_strokes_are_undone_erased_and_discarded(core, window, form, qtbot) -> None:
    _, drawn = pictures(core)
    window.workspace.create.set_values({"controls": [{"name": CANNY, "image": drawn}]})
    press(qtbot, window, "create.controls.0.edit_map")
    overlay = window.create_page.control.overlay
    qtbot.waitUntil(overlay.isVisible)
    find(window, "paint.size").setValue(20)
    clean = overlay.layers[0].copy()
    drag(window, [(0.5, 0.1), (0.5, 0.4)])
    assert overlay.layers[0] != clean
    qtbot.keyClick(overlay.view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert overlay.layers[0] == clean
    drag(window, [(0.5, 0.1), (0.5, 0.4)])
    qtbot.mouseClick(find(window, "paint.original"), Qt.MouseButton.LeftButton)
    find(window, "paint.size").setValue(60)
    drag(window, [(0.5, 0.05), (0.5, 0.45)])
    assert overlay.layers[0].pixelColor(384, 128) == clean.pixelColor(384, 128)
    qtbot.mouseClick(find(window, "paint.cancel"), Qt.MouseButton.LeftButton)
    assert overlay.isHidden()
    assert controls(window)[0]["image"] == drawn


def test_a_union_network_is_told_the_kind_of_a_made_map(core, window, form, qtbot) -> None:
    path, _ = pictures(core)
    choose(qtbot, window, form.field("controls"), "Union")
    assert controls(window)[0]["name"] == UNION
    kinds = find(window, "create.controls.0.mode", QComboBox)
    assert kinds.findData("depth") >= 0
    form.field("controls").cards[0].take(path)
    make_map(core, window, qtbot)
    assert controls(window)[0]["mode"] == "canny"


def test_the_picture_on_the_canvas_can_be_used(core, window, form, qtbot) -> None:
    path, _ = pictures(core)
    choose(qtbot, window, form.field("adapters"), "IP")
    work = window.workspace.work
    work.take(path)
    qtbot.waitUntil(lambda: work.shown)
    form.refresh()
    press(qtbot, window, "create.adapters.0.canvas")
    adapter = window.workspace.create.values()["adapters"][0]
    assert adapter["name"] == ADAPTER
    assert adapter["image"] == path
    press(qtbot, window, "create.adapters.0.clear")
    assert window.workspace.create.values()["adapters"][0]["image"] == ""
    press(qtbot, window, "create.adapters.0.remove")
    assert window.workspace.create.values()["adapters"] == []


def test_with_none_here_the_way_leads_to_the_models_page(core, window, form, qtbot) -> None:
    core.models.own_addons = []
    form.refresh()
    assert find(window, "create.controls.add").isHidden()
    wanted = []
    form.services.browse = wanted.append
    press(qtbot, window, "create.controls.get")
    assert wanted == ["controlnet"]


# -- areas --


def test_an_area_is_painted_and_sent(core, window, form, qtbot) -> None:
    press(qtbot, window, "create.regions.add")
    overlay = window.create_page.control.overlay
    qtbot.waitUntil(overlay.isVisible)
    find(window, "paint.size").setValue(80)
    drag(window, [(0.25, 0.25), (0.25, 0.75)])
    find(window, "create.regions.0.prompt").setPlainText("a red door")
    window.workspace.create.set_value("prompt", "a house")
    window.create_page.form.go()  # what is painted counts, though painting was not ended
    assert overlay.isHidden()
    qtbot.waitUntil(lambda: len(core.queue.jobs()) == 1)
    region = core.queue.jobs()[0].inputs["regions"][0]
    assert region["prompt"] == "a red door"
    mask = Image.open(region["mask"])
    assert mask.mode == "L"
    assert mask.size == (768, 512)  # of the picture's shape
    assert mask.getpixel((192, 256)) == 255
    assert mask.getpixel((600, 256)) == 0


def test_a_card_shows_where_its_area_lies(core, window, form, qtbot) -> None:
    press(qtbot, window, "create.regions.add")
    overlay = window.create_page.control.overlay
    qtbot.waitUntil(overlay.isVisible)
    thumb = form.field("regions").cards[0].thumb
    assert thumb.shape is None
    find(window, "paint.size").setValue(80)
    drag(window, [(0.25, 0.25), (0.25, 0.75)])
    find(window, "paint.done").click()
    qtbot.waitUntil(lambda: form.field("regions").cards[0].thumb.shape is not None)
    shape = form.field("regions").cards[0].thumb.shape
    assert (shape.width(), round(shape.height(), -1)) == (96, 60), "of the picture's shape"
    assert shape.pixelColor(24, 32).alpha() == 255
    assert shape.pixelColor(72, 32).alpha() == 0


def test_a_new_card_is_scrolled_into_sight(core, window, form, qtbot) -> None:
    window.resize(1280, 700)
    shown = window.create_page.form._scroll.viewport()
    window.create_page.form._scroll.verticalScrollBar().setValue(0)
    press(qtbot, window, "create.regions.add")
    card = form.field("regions").cards[0]
    qtbot.waitUntil(lambda: shown.rect().contains(card.mapTo(shown, card.rect().bottomLeft())))


def test_areas_have_their_own_masks_and_are_erased(core, window, form, qtbot) -> None:
    overlay = window.create_page.control.overlay
    for _ in range(2):
        press(qtbot, window, "create.regions.add")
        qtbot.waitUntil(overlay.isVisible)
    find(window, "paint.size").setValue(100)
    drag(window, [(0.75, 0.5), (0.8, 0.5)])
    find(window, "paint.original").click()
    drag(window, [(0.75, 0.5), (0.76, 0.5)])
    qtbot.keyClick(overlay.view, Qt.Key.Key_Escape)
    regions = window.workspace.create.values()["regions"]
    qtbot.waitUntil(lambda: bool(window.workspace.create.values()["regions"][1]["mask"]))
    regions = window.workspace.create.values()["regions"]
    assert regions[0]["mask"] == ""
    mask = Image.open(regions[1]["mask"])
    assert mask.getpixel((576, 256)) == 0
    assert mask.getpixel((660, 256)) == 255


def test_parts_are_filled_without_a_mouse(core, window, form, qtbot) -> None:
    press(qtbot, window, "create.regions.add")
    overlay = window.create_page.control.overlay
    qtbot.waitUntil(overlay.isVisible)
    menu = find(window, "paint.fill", QPushButton).menu()
    menu.actions()[1].trigger()
    qtbot.keyClick(overlay.view, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: bool(window.workspace.create.values()["regions"][0]["mask"]))
    mask = Image.open(window.workspace.create.values()["regions"][0]["mask"])
    assert mask.getpixel((10, 256)) == 255
    assert mask.getpixel((760, 256)) == 0


def test_settings_brought_back_fill_the_cards_and_the_areas(core, window, form, qtbot) -> None:
    path, drawn = pictures(core)
    mask = core.paths.cache / "left.png"
    half = Image.new("L", (384, 256))
    half.paste(255, (0, 0, 192, 256))
    half.save(mask)
    inputs = {
        "prompt": "a house",
        "controls": [{"name": CANNY, "image": path, "preprocessor": "canny", "strength": 0.5, "start": 0.1, "end": 0.9,
                      "mode": "", "options": {"high_threshold": 180.0}}],
        "adapters": [{"name": ADAPTER, "image": drawn, "strength": 0.4, "start": 0.0, "end": 1.0}],
        "regions": [{"mask": str(mask), "prompt": "a tree", "strength": 0.8}],
    }  # fmt: skip
    window.workspace.create.use("klein", inputs)
    assert find(window, "create.controls.0.option.high_threshold").value() == 180
    assert find(window, "create.controls.0.range", RangeSlider).shares == (0.1, 0.9)
    assert find(window, "create.regions.0.prompt").toPlainText() == "a tree"
    job = core.queue.get(window.workspace.create.generate())
    for name in ("controls", "adapters", "regions"):
        assert job.inputs[name] == inputs[name]
    press(qtbot, window, "create.regions.paint")
    overlay = window.create_page.control.overlay
    qtbot.waitUntil(overlay.isVisible)
    assert overlay.layers[0].pixelColor(100, 200).red() > 250
    assert overlay.layers[0].pixelColor(700, 200).red() < 5
    # what comes from a file may be anything
    window.workspace.create.use("klein", {"controls": "nonsense", "regions": [3]})
    assert window.workspace.create.values()["controls"] == inputs["controls"]


def test_every_control_of_a_card_has_a_name_and_is_reached_by_tab(core, window, form, qtbot) -> None:
    choose(qtbot, window, form.field("controls"), "Canny")
    field = form.field("controls")
    qtbot.waitUntil(find(window, "create.controls.0.on").isVisible)
    stops = [
        widget
        for widget in field.findChildren(QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisible()
    ]
    assert len(stops) > 8
    for stop in stops:
        if isinstance(stop, QPushButton | QToolButton | QComboBox | RangeSlider):
            assert stop.objectName().startswith("create.controls")
            assert stop.accessibleName()
    chain, at = [], find(window, "create.controls.0.on")
    for _ in range(40):
        chain.append(at.objectName())
        at = at.nextInFocusChain()
    assert chain.index("create.controls.0.name") < chain.index("create.controls.0.range")
    assert chain.index("create.controls.0.range") < chain.index("create.controls.add")


def test_the_brush_leaves_nothing_outside_the_picture(core, window, form, qtbot) -> None:
    press(qtbot, window, "create.regions.add")
    overlay = window.create_page.control.overlay
    qtbot.waitUntil(overlay.isVisible)
    drag(window, [(-0.02, 0.5), (1.02, 0.5)])
    assert overlay.layers[0].size().width() == 768
    assert overlay.layers[0].pixelColor(384, 256).red() == 255
