"""Working on a picture: it comes in, lies on the canvas, is extended, made again, accepted or put back, and varied."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin
from PySide6.QtCore import QEvent, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QImage, QTransform
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox

from models import recipe
from models.card import ModelRef
from tests.gui.canvas import LEFT, NONE, drag, mouse, picture, place, send, take, wheel
from tests.gui.helpers import find, submit
from ui.viewmodels import outpaint
from ui.widgets.picture_field import SUFFIXES


def shown_picture(window) -> QImage:
    image = window.workspace.canvas.picture().image
    assert image is not None
    return image


# in


def test_a_taken_picture_lies_on_the_canvas_and_the_form_shows_its_strength(qtbot, window, core, tmp_path) -> None:
    form = window.create_page.form.form
    assert not form.field("strength").isVisible()
    take(qtbot, window, picture(tmp_path))
    assert form.field("strength").isVisible()
    assert window.create_page.canvas.title.full() == "mine.png"
    assert "400 × 300" in window.create_page.canvas.subtitle.full()
    assert find(window, "canvas.bar").isVisible()
    inputs = send(qtbot, core, window)
    assert inputs["image"] == str(tmp_path / "mine.png")
    assert inputs["strength"] == 0.6


def test_taking_it_out_empties_canvas_and_form_and_undo_brings_it_back(qtbot, window, core, tmp_path) -> None:
    work = take(qtbot, window, picture(tmp_path))
    work.draw_shape("rectangle", [QPointF(10, 10), QPointF(90, 90)], False)
    qtbot.mouseClick(find(window, "canvas.take_out"), Qt.MouseButton.LeftButton)
    assert not work.shown
    assert window.workspace.create.values()["image"] is None
    assert not window.create_page.form.form.field("strength").isVisible()
    assert not find(window, "canvas.bar").isVisible()
    work.undo()
    assert work.shown
    assert work.has_mask
    assert window.workspace.create.values()["image"] == str(tmp_path / "mine.png")


def test_exif_orientation_is_applied(qtbot, window, tmp_path) -> None:
    image = Image.new("RGB", (60, 40), (200, 0, 0))
    image.paste((0, 0, 200), (0, 0, 60, 10))
    exif = Image.Exif()
    exif[274] = 6  # turn right: the top comes to the right side
    path = tmp_path / "turned.jpg"
    image.save(path, exif=exif, quality=95)
    take(qtbot, window, str(path))
    shown = shown_picture(window)
    assert (shown.width(), shown.height()) == (40, 60)
    assert shown.pixelColor(38, 30).blue() > 150
    assert shown.pixelColor(2, 30).red() > 150


def test_transparent_places_stay_transparent_on_the_canvas(qtbot, window, tmp_path) -> None:
    path = tmp_path / "clear.png"
    Image.new("RGBA", (50, 40), (10, 200, 10, 0)).save(path)
    take(qtbot, window, str(path))
    assert shown_picture(window).pixelColor(5, 5).alpha() == 0


def test_a_colour_profile_is_honoured(qtbot, window, tmp_path) -> None:
    from PySide6.QtGui import QColorSpace

    path = tmp_path / "adobe.png"
    profile = QColorSpace(QColorSpace.NamedColorSpace.AdobeRgb).iccProfile().data()
    Image.new("RGB", (32, 32), (60, 200, 60)).save(path, icc_profile=profile)
    take(qtbot, window, str(path))
    color = shown_picture(window).pixelColor(5, 5)
    assert color.red() < 40, "this green lies outside sRGB: red goes to nothing"


@pytest.mark.parametrize("kind", ["webp", "tiff", "gif", "bmp", "avif", "grey16", "cmyk", "palette"])
def test_many_formats_are_opened(qtbot, window, tmp_path, kind) -> None:
    base = Image.new("RGB", (48, 32), (200, 60, 60))
    path = tmp_path / f"picture.{kind if kind in ('webp', 'tiff', 'gif', 'bmp', 'avif') else 'tif'}"
    if kind == "grey16":
        Image.new("I;16", (48, 32), 50000).save(path)
    elif kind == "cmyk":
        base.convert("CMYK").save(path)
    elif kind == "palette":
        path = path.with_suffix(".png")
        base.convert("P").save(path)
    else:
        base.save(path)
    work = take(qtbot, window, str(path))
    assert work.size == (48, 32)
    red = shown_picture(window).pixelColor(20, 20).red()
    assert 170 < red < 215


@pytest.mark.parametrize("kind", ["nothing", "cut", "gone", "folder"])
def test_what_cannot_be_opened_is_said_and_the_picture_before_stays(qtbot, window, tmp_path, kind) -> None:
    work = take(qtbot, window, picture(tmp_path))
    bad = tmp_path / "bad.png"
    if kind == "nothing":
        bad.write_bytes(b"hello")
    elif kind == "cut":
        bad.write_bytes(Path(work.path).read_bytes()[:2000])
    elif kind == "folder":
        bad.mkdir()
    work.take(str(bad))
    error = window.create_page.canvas.error
    qtbot.waitUntil(error.isVisible)
    assert "bad.png" in error.sentence()
    assert work.path == str(tmp_path / "mine.png")
    assert window.workspace.create.values()["image"] == work.path
    assert work.shown


def test_the_window_knows_the_same_endings_as_the_opener() -> None:
    from models import pictures

    assert set(SUFFIXES) == set(pictures.SUFFIXES)


def test_a_model_without_pictures_offers_nothing_and_says_why(qtbot, window, core, tmp_path) -> None:
    work = take(qtbot, window, picture(tmp_path))
    window.workspace.create.select("pocket")
    assert not work.shown
    assert not find(window, "canvas.bar").isVisible()
    assert not work.take(picture(tmp_path, name="other.png"))
    assert "Pocket makes pictures from words only" in window.create_page.canvas.toast.text()
    assert "image" not in send(qtbot, core, window)
    window.workspace.create.select("klein")
    assert work.shown, "it was only put aside"
    assert window.workspace.create.values()["image"] == work.path


def test_the_picture_stays_when_another_model_is_chosen(qtbot, window, core, tmp_path) -> None:
    work = take(qtbot, window, picture(tmp_path))
    work.draw_shape("rectangle", [QPointF(10, 10), QPointF(90, 90)], False)
    work.extend((16, 0, 0, 0))
    window.workspace.create.select("long")
    window.workspace.create.set_values({"prompt": "a boat"})
    inputs = send(qtbot, core, window)
    assert (inputs["image"], inputs["extend_left"]) == (work.path, 16)
    assert Path(inputs["mask"]).is_file()


# dropped


def dropped(window, path: str, at) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(path)])
    copy, keys = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    window.dragEnterEvent(QDragEnterEvent(at, copy, data, LEFT, keys))
    assert window.create_page.canvas.drop.isVisible()
    window.dropEvent(QDropEvent(QPointF(at), copy, data, LEFT, keys))
    assert not window.create_page.canvas.drop.isVisible()


def zone(window, name: str):
    drop = window.create_page.canvas.drop
    drop.resize(window.create_page.canvas.size())
    window.workspace.drop.begin("x")
    box = drop.boxes()[name]
    return window.mapFromGlobal(drop.mapToGlobal(box.center().toPoint()))


def test_a_dropped_picture_becomes_what_it_was_dropped_on(qtbot, window, core, tmp_path) -> None:
    create, work = window.workspace.create, window.workspace.work
    dropped(window, picture(tmp_path), zone(window, "input"))
    qtbot.waitUntil(lambda: work.shown)
    other = picture(tmp_path, 64, 64, "other.png")
    dropped(window, other, zone(window, "reference"))
    assert create.values()["reference_1"] == other
    mask = tmp_path / "mask.png"
    Image.new("L", (400, 300), 255).save(mask)
    dropped(window, str(mask), zone(window, "mask"))
    qtbot.waitUntil(lambda: work.has_mask)
    assert work.path == str(tmp_path / "mine.png")


def test_nothing_on_the_canvas_takes_drags_away_from_the_window(window, core, tmp_path) -> None:
    canvas = window.create_page.canvas
    views = [canvas.view, canvas.compare.slider, canvas.compare.left, canvas.compare.right]
    parts = [*views, *(view.viewport() for view in views), canvas.bar, canvas.review, canvas.drop]
    assert [part.objectName() for part in parts if part.acceptDrops()] == []


def test_a_result_that_is_worked_on_is_called_by_its_prompt(qtbot, window, core) -> None:
    result = core.keep("one", "a quiet harbour", 1, 96, 64)
    take(qtbot, window, result.path)
    assert window.create_page.canvas.title.full() == "a quiet harbour"


def test_settings_come_back_from_a_dropped_picture(qtbot, window, core, tmp_path) -> None:
    path = tmp_path / "made.png"
    inputs = {"prompt": "an old harbour", "steps": 21, "width": 512, "height": 512}
    made = recipe.build(ModelRef("klein", "FLUX.2 klein 4B", "diffusers"), inputs, 99, {}, {})
    recipe.save_png(Image.new("RGB", (64, 64)), path, made)
    at = zone(window, "settings")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    copy, keys = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    window.dragEnterEvent(QDragEnterEvent(at, copy, data, LEFT, keys))
    qtbot.waitUntil(lambda: window.workspace.drop.offers()[-1].possible)
    assert "an old harbour" in window.workspace.drop.offers()[-1].line
    window.dropEvent(QDropEvent(QPointF(at), copy, data, LEFT, keys))
    values = window.workspace.create.values()
    assert (values["prompt"], values["steps"], values["seed"]) == ("an old harbour", 21, 99)


def test_settings_of_another_tool_come_back_and_what_is_lost_is_said(qtbot, window, core, tmp_path) -> None:
    path = tmp_path / "foreign.png"
    info = PngImagePlugin.PngInfo()
    text = "a lighthouse\nSteps: 400, Sampler: Restart, Seed: 77, Size: 512x512, Model: nobody's, Version: v1.10.1"
    info.add_text("parameters", text)
    Image.new("RGB", (64, 64)).save(path, pnginfo=info)
    drop, said = window.workspace.drop, []
    drop.noticed.connect(said.append)
    drop.begin(str(path))
    qtbot.waitUntil(lambda: drop.offers()[-1].possible)
    drop.take("settings")
    values = window.workspace.create.values()
    assert (values["prompt"], values["seed"], values["steps"]) == ("a lighthouse", 77, 50)
    for words in ("A1111", "Restart", "nobody's", "400"):
        assert words in said[-1]


def test_what_cannot_be_done_is_greyed_with_its_reason(qtbot, window, core, tmp_path) -> None:
    drop = window.workspace.drop
    drop.begin(picture(tmp_path))
    offers = {offer.name: offer for offer in drop.offers()}
    assert offers["input"].possible
    assert not offers["mask"].possible
    assert "no picture yet" in offers["mask"].line
    qtbot.waitUntil(lambda: "does not say" in drop.offers()[-1].line)
    window.workspace.create.select("pocket")
    assert [offer.possible for offer in drop.offers()] == [False] * 4
    drop.take("input")
    assert "words only" in window.create_page.canvas.toast.text()


def test_a_pasted_picture_is_worked_on(qtbot, window, core) -> None:
    image = QImage(120, 80, QImage.Format.Format_RGB32)
    image.fill(0x336699)
    QGuiApplication.clipboard().setImage(image)
    find(window, "create.generate").setFocus()
    qtbot.keyClick(window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.workspace.work.shown)
    assert window.workspace.work.size == (120, 80)
    QGuiApplication.clipboard().clear()


# the frame


def test_dragging_an_edge_extends_in_steps_the_model_takes(qtbot, window, core, tmp_path) -> None:
    work = take(qtbot, window, picture(tmp_path))
    view = window.create_page.canvas.view
    qtbot.mouseClick(find(window, "canvas.tool.frame"), Qt.MouseButton.LeftButton)
    drag(view, (400, 150), (450, 150), (461, 150))
    assert work.extents == (0, 0, 64, 0)
    drag(view, (0, 0), (-40, -22))
    assert work.extents == (48, 16, 64, 0) or work.extents == (32, 16, 64, 0)
    qtbot.mouseClick(find(window, "canvas.undo"), Qt.MouseButton.LeftButton)
    assert work.extents == (0, 0, 64, 0)
    inputs = send(qtbot, core, window)
    assert [inputs[name] for name in outpaint.NAMES] == [0, 0, 64, 0]


def test_the_new_area_is_hatched_beside_the_picture(qtbot, window, tmp_path) -> None:
    work = take(qtbot, window, picture(tmp_path))
    view = window.create_page.canvas.view
    window.create_page.canvas.work.choose("frame")
    work.extend((0, 0, 160, 0))
    shown = view.viewport().grab().toImage()
    colors = {shown.pixelColor(place(view, 480 + dx, 150).toPoint()).rgb() for dx in range(-30, 30)}
    background = shown.pixelColor(2, 2).rgb()
    assert len(colors) >= 2, "stripes"
    assert background not in colors
    assert "becomes 560 × 300" in window.create_page.canvas.subtitle.full()


def test_a_shape_or_a_number_sets_the_frame(qtbot, window, tmp_path) -> None:
    work = take(qtbot, window, picture(tmp_path))
    window.create_page.canvas.work.choose("frame")
    shapes = find(window, "canvas.frame.shape", QComboBox)
    shapes.setCurrentIndex(shapes.findText("16:9"))
    shapes.activated.emit(shapes.currentIndex())
    assert work.extents == (64, 0, 64, 0)
    left = find(window.create_page.canvas.bar, "canvas.frame.left", QAbstractSpinBox)
    left.setValue(100)
    left.editingFinished.emit()
    assert work.extents == (96, 0, 64, 0)
    left.setValue(98)
    left.editingFinished.emit()
    assert left.value() == 96, "what the model takes is shown"
    qtbot.mouseClick(find(window, "canvas.frame.reset"), Qt.MouseButton.LeftButton)
    assert work.extents == outpaint.NONE


@pytest.mark.parametrize(("aspect", "reached"), [((1, 1), (0, 48, 0, 48)), ((9, 16), (0, 208, 0, 208))])
def test_shapes_are_reached_with_the_least(aspect, reached) -> None:
    allowed = (outpaint.Limit(16, 2048),) * 4
    assert outpaint.for_aspect((400, 300), *aspect, allowed) == reached


# rounds


def finished(qtbot, core, window) -> str:
    send(qtbot, core, window)
    job = core.queue.jobs()[-1].id
    core.begin(job)
    core.finish(job)
    canvas = window.workspace.canvas
    qtbot.waitUntil(lambda: canvas.result() is not None and canvas.picture().image is not None)
    return canvas.result().path


def test_accept_makes_the_result_the_picture_and_undo_goes_back(qtbot, window, core, tmp_path) -> None:
    work = take(qtbot, window, picture(tmp_path))
    work.draw_shape("rectangle", [QPointF(10, 10), QPointF(90, 90)], False)
    first = work.path
    result = finished(qtbot, core, window)
    assert find(window, "canvas.review").isVisible()
    qtbot.mouseClick(find(window, "canvas.accept"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: work.path == result and work.shown and not work.loading)
    assert not work.has_mask
    assert window.workspace.canvas.shown.work
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert work.path == first
    assert work.has_mask
    assert window.workspace.create.values()["image"] == first
    qtbot.keyClick(window, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert work.path == result


def test_discard_goes_back_to_the_picture_with_its_mask(qtbot, window, core, tmp_path) -> None:
    work = take(qtbot, window, picture(tmp_path))
    work.draw_shape("rectangle", [QPointF(10, 10), QPointF(90, 90)], False)
    finished(qtbot, core, window)
    qtbot.mouseClick(find(window, "canvas.discard"), Qt.MouseButton.LeftButton)
    assert window.workspace.canvas.shown.work
    assert work.has_mask
    assert len(core.library.results) == 1, "the result stays in the list"


def test_a_result_is_used_as_input(qtbot, window, core) -> None:
    core.keep("one", "one", 1, 320, 200)
    window.workspace.canvas.show_result("one")
    qtbot.waitUntil(window.create_page.canvas.view.has_picture)
    qtbot.mouseClick(find(window, "canvas.use"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.workspace.work.shown)
    assert window.workspace.work.size == (320, 200)


def test_settings_with_a_picture_bring_the_picture_mask_and_frame_back(qtbot, window, core, tmp_path) -> None:
    work = take(qtbot, window, picture(tmp_path))
    work.draw_shape("rectangle", [QPointF(10, 10), QPointF(90, 90)], False)
    work.extend((0, 32, 0, 0))
    finished(qtbot, core, window)
    work.take_out()
    assert work.extents == outpaint.NONE
    window.workspace.canvas.use_settings(core.library.results[0].id)
    qtbot.waitUntil(lambda: work.shown and not work.loading)
    assert work.extents == (0, 32, 0, 0)
    assert work.has_mask
    core.keep("plain", "words only", 5, 64, 64)
    window.workspace.canvas.use_settings("plain")
    assert not work.shown, "settings without a picture mean none"


def test_generating_waits_for_a_picture_that_is_still_opened(qtbot, window, core, tmp_path) -> None:
    path = picture(tmp_path)
    window.workspace.work.take(path)
    assert window.workspace.create.generate() is None
    assert window.workspace.create.generate() is None
    assert "as soon as the picture is open" in window.create_page.canvas.toast.text()
    assert core.queue.jobs() == []
    qtbot.waitUntil(lambda: len(core.queue.jobs()) == 1)
    assert core.queue.jobs()[0].inputs["image"] == path


def test_a_picture_that_cannot_be_opened_sends_nothing(qtbot, window, core, tmp_path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    window.workspace.work.take(str(broken))
    assert window.workspace.create.generate() is None
    qtbot.waitUntil(window.create_page.canvas.error.isVisible)
    assert not window.workspace.work.loading
    take(qtbot, window, picture(tmp_path))
    assert core.queue.jobs() == [], "what was asked for with the broken one is forgotten"


def test_generating_waits_for_a_mask_that_is_being_changed(qtbot, window, core, tmp_path) -> None:
    work = take(qtbot, window, picture(tmp_path))
    work.draw_shape("rectangle", [QPointF(50, 50), QPointF(150, 150)], False)
    work.reshape("invert", 0)
    assert work.busy
    assert window.workspace.create.generate() is None
    qtbot.waitUntil(lambda: len(core.queue.jobs()) == 1)
    with Image.open(core.queue.jobs()[0].inputs["mask"]) as mask:
        assert mask.getpixel((100, 100)) == 0
        assert mask.getpixel((10, 10)) == 255


# varied


def test_vary_queues_a_neighbour_of_the_result(qtbot, window, core) -> None:
    job = submit(core, window, "first", steps=11)
    core.begin(job)
    core.finish(job)
    vary = find(window, "canvas.vary")
    assert vary.isVisible()
    vary.menu().actions()[1].trigger()
    inputs = core.queue.jobs()[-1].inputs
    assert (inputs["prompt"], inputs["steps"]) == ("first", 11)
    assert inputs["seed"] == core.library.results[0].seed
    assert inputs["variation_strength"] == 0.45
    window.workspace.canvas.show_result(core.library.results[0].id)
    vary.menu().actions()[0].trigger()
    other = core.queue.jobs()[-1].inputs
    assert other["variation_strength"] == 0.15
    assert other["variation_seed"] != inputs["variation_seed"]


def test_vary_is_not_offered_where_the_model_cannot(qtbot, window, core) -> None:
    window.workspace.create.select("pocket")
    job = submit(core, window)
    core.begin(job)
    core.finish(job)
    assert not find(window, "canvas.vary").isVisible()


# looking


def test_the_wheel_zooms_at_the_pointer(qtbot, window, tmp_path) -> None:
    take(qtbot, window, picture(tmp_path, 2000, 1500))
    view = window.create_page.canvas.view
    at = place(view, 500, 400)
    wheel(view, at, 6)
    assert view.zoom > 1
    there = view.to_scene(at)
    assert abs(there.x() - 500) < 2
    assert abs(there.y() - 400) < 2


def test_ctrl_0_and_ctrl_1(qtbot, window, tmp_path) -> None:
    take(qtbot, window, picture(tmp_path, 2000, 1500))
    view = window.create_page.canvas.view
    qtbot.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    assert view.zoom == 1.0
    qtbot.keyClick(window, Qt.Key.Key_0, Qt.KeyboardModifier.ControlModifier)
    assert view.is_fit


def test_above_400_per_cent_pixels_are_shown_as_they_are(qtbot, window, tmp_path) -> None:
    path = tmp_path / "two.png"
    image = QImage(640, 480, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.black)
    image.setPixelColor(320, 240, Qt.GlobalColor.white)
    image.save(str(path))
    take(qtbot, window, str(path))
    view = window.create_page.canvas.view
    view.actual_size()
    view.zoom_by(8)
    shown = view.viewport().grab().toImage()
    at = place(view, 320, 240)
    levels = {shown.pixelColor(int(at.x()) + dx, int(at.y()) + 4).red() for dx in range(-8, 16)}
    assert levels == {0, 255}


def test_the_middle_button_moves_the_picture(qtbot, window, tmp_path) -> None:
    take(qtbot, window, picture(tmp_path, 2000, 1500))
    view = window.create_page.canvas.view
    view.actual_size()
    before = view.to_scene(QPointF(10, 10))
    start = QPointF(200, 200)
    middle = Qt.MouseButton.MiddleButton
    mouse(view, QEvent.Type.MouseButtonPress, start, middle, middle)
    mouse(view, QEvent.Type.MouseMove, start + QPointF(50, 20), NONE, middle)
    mouse(view, QEvent.Type.MouseButtonRelease, start + QPointF(50, 20), middle, NONE)
    after = view.to_scene(QPointF(10, 10))
    assert before.x() - after.x() == pytest.approx(50, abs=1)
    assert before.y() - after.y() == pytest.approx(20, abs=1)


def test_a_large_picture_gets_smaller_versions(qtbot, window, tmp_path) -> None:
    work = take(qtbot, window, picture(tmp_path, 4000, 3000))
    qtbot.waitUntil(lambda: bool(work.opened.levels))
    sizes = [(level.width(), level.height()) for level in work.opened.levels]
    assert sizes == [(2000, 1500), (1000, 750)]
    full, half = work.opened.image, work.opened.levels[0]
    at = (1000, 700)
    near = full.transformed(QTransform.fromScale(0.5, 0.5), Qt.TransformationMode.SmoothTransformation)
    for one, other in zip(half.pixelColor(*at).getRgb()[:3], near.pixelColor(*at).getRgb()[:3], strict=True):
        assert abs(one - other) <= 3


def test_a_model_that_edits_asks_for_its_picture_and_shows_only_what_it_takes(qtbot, opened, tmp_path) -> None:
    from models.box import BoxSchema
    from models.card import ModelCard
    from models.inputs import MISSING, Input, InputSpec, Kind
    from tests.gui.conftest import paths_in
    from tests.gui.helpers import problem
    from ui.demo import DemoCore, DemoEntry

    schema = BoxSchema(
        (
            InputSpec("prompt", Kind.TEXT, MISSING, Input("Prompt", min_length=1)),
            InputSpec("image", Kind.IMAGE, MISSING, Input("Image")),
            InputSpec("reference_1", Kind.IMAGE, None, Input("Picture 2")),
            InputSpec("reference_2", Kind.IMAGE, None, Input("Picture 3")),
            InputSpec("seed", Kind.SEED, None, Input("Seed")),
        )
    )
    card = ModelCard(ModelRef("edit", "Edit", "diffusers"), pipeline="FluxKontextPipeline")
    core = DemoCore(paths_in(tmp_path), [DemoEntry(card, schema)])
    core.settings.change(model="edit", reduced_motion=True)
    window = opened(core)
    window.workspace.create.set_values({"prompt": "make it night"})
    assert window.workspace.create.generate() is None
    assert "missing" in problem(window, "image")
    take(qtbot, window, picture(tmp_path))
    bar = window.create_page.canvas.bar
    assert not find(bar, "canvas.tool.brush").isVisible()
    assert not find(bar, "canvas.tool.frame").isVisible()
    assert "Edit is told in words what to change" in window.create_page.canvas.work._words(("",))
    form = window.create_page.form.form
    assert form.field("reference_1").isVisible()
    assert not form.field("reference_2").isVisible(), "one after the other"
    window.create_page.canvas._drop.use_as_reference(picture(tmp_path, 40, 40, "other.png"))
    assert form.field("reference_2").isVisible()
    inputs = send(qtbot, core, window)
    assert Path(inputs["reference_1"]).name == "other.png"
