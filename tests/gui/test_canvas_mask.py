"""Painting a mask: what the hands do is what the pixels become, and every step can be taken back exactly."""

from __future__ import annotations

import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QAction, QImage

from tests.gui.canvas import drag, grey, mouse, pen, picture, place, send, take
from tests.gui.helpers import find
from ui.viewmodels import mask_shapes
from ui.viewmodels.mask import Brush, Mask
from ui.viewmodels.steps import Steps


@pytest.fixture
def canvas(qtbot, window, core, tmp_path):
    take(qtbot, window, picture(tmp_path))
    canvas = window.create_page.canvas
    canvas.view.setFocus()
    window.workspace.work.set_brush(size=30.0, hardness=1.0, opacity=1.0)
    return canvas


def pixels(window) -> bytes:
    return mask_shapes.to_pillow(window.workspace.work.mask.image).tobytes()


def test_no_tools_without_a_picture(window) -> None:
    assert not find(window, "canvas.bar").isVisible()
    assert not find(window, "canvas.review").isVisible()


def test_the_mouse_paints_where_it_went(qtbot, window, canvas) -> None:
    qtbot.mouseClick(find(window, "canvas.tool.brush"), Qt.MouseButton.LeftButton)
    drag(canvas.view, (100, 100), (200, 100))
    image = window.workspace.work.mask.image
    assert grey(image, 100, 100) == grey(image, 150, 100) == grey(image, 200, 100) == 255
    assert grey(image, 150, 110) == 255
    assert grey(image, 150, 120) == grey(image, 150, 80) == 0
    assert grey(image, 80, 100) == grey(image, 220, 100) == 0
    assert window.workspace.work.has_mask


def test_the_mask_is_seen_over_the_picture(qtbot, window, canvas) -> None:
    canvas.work.choose("brush")
    spot = place(canvas.view, 150, 100).toPoint()
    before = canvas.view.viewport().grab().toImage()
    drag(canvas.view, (100, 100), (200, 100))
    canvas.work.choose("")
    after = canvas.view.viewport().grab().toImage()
    assert before.pixelColor(spot) != after.pixelColor(spot)
    assert after.pixelColor(spot).red() > before.pixelColor(spot).red()
    far = place(canvas.view, 300, 250).toPoint()
    assert before.pixelColor(far) == after.pixelColor(far)


@pytest.mark.parametrize("shade", [Qt.GlobalColor.black, Qt.GlobalColor.white, Qt.GlobalColor.red])
def test_the_tint_is_legible_on_any_picture(qtbot, window, core, tmp_path, shade) -> None:
    image = QImage(300, 200, QImage.Format.Format_RGB32)
    image.fill(shade)
    path = str(tmp_path / "plain.png")
    image.save(path)
    work = take(qtbot, window, path)
    work.draw_shape("rectangle", [QPointF(50, 50), QPointF(150, 150)], False)
    view = window.create_page.canvas.view
    shown = view.viewport().grab().toImage()
    base = shown.pixelColor(place(view, 250, 100).toPoint())
    middle = place(view, 100, 100).toPoint()
    seen = [shown.pixelColor(middle + QPoint(dx, 0)) for dx in range(12)]
    distances = [sum(abs(a - b) for a, b in zip(c.getRgb()[:3], base.getRgb()[:3], strict=True)) for c in seen]
    assert max(distances) > 100


def test_undo_restores_exactly_and_redo_brings_back(qtbot, window, canvas) -> None:
    qtbot.keyClick(canvas.view, Qt.Key.Key_B)
    drag(canvas.view, (50, 50), (350, 250))
    first = pixels(window)
    window.workspace.work.set_brush(hardness=0.1, opacity=0.5)
    drag(canvas.view, (50, 250), (200, 200), (350, 50))
    second = pixels(window)
    assert first != second
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert pixels(window) == first
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not any(pixels(window))
    assert not window.workspace.work.has_mask
    shift = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(window, Qt.Key.Key_Z, shift)
    qtbot.keyClick(window, Qt.Key.Key_Z, shift)
    assert pixels(window) == second


def test_the_prompt_keeps_its_own_undo(qtbot, window, canvas) -> None:
    canvas.work.choose("brush")
    drag(canvas.view, (50, 50), (350, 250))
    painted = pixels(window)
    prompt = find(window, "create.prompt")
    prompt.setFocus()
    qtbot.keyClicks(prompt, "b]x")
    qtbot.keyClick(prompt, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert pixels(window) == painted
    assert canvas.work.tool == "brush"


def test_the_eraser_takes_away_and_x_swaps(qtbot, window, canvas) -> None:
    qtbot.keyClick(canvas.view, Qt.Key.Key_B)
    drag(canvas.view, (100, 150), (300, 150))
    qtbot.keyClick(canvas.view, Qt.Key.Key_X)
    assert canvas.work.tool == "eraser"
    drag(canvas.view, (200, 100), (200, 200))
    image = window.workspace.work.mask.image
    assert (grey(image, 200, 150), grey(image, 120, 150)) == (0, 255)
    qtbot.keyClick(canvas.view, Qt.Key.Key_X)
    assert canvas.work.tool == "brush"


def test_brackets_size_the_brush(qtbot, window, canvas) -> None:
    qtbot.keyClick(canvas.view, Qt.Key.Key_B)
    before = window.workspace.work.brush.size
    qtbot.keyClick(canvas.view, Qt.Key.Key_BracketRight)
    assert window.workspace.work.brush.size > before
    qtbot.keyClick(canvas.view, Qt.Key.Key_BracketLeft)
    assert window.workspace.work.brush.size == pytest.approx(before, abs=1)


def test_hardness_and_opacity_show_in_the_pixels() -> None:
    hard, soft, faint = (Mask(200, 200) for _ in range(3))
    at = QPointF(100, 100)
    for mask, brush in ((hard, Brush(100, 1, 1)), (soft, Brush(100, 0, 1)), (faint, Brush(100, 1, 0.5))):
        mask.begin(brush, at)
        mask.end()
    assert grey(hard.image, 100, 100) == grey(hard.image, 140, 100) == 255
    assert grey(soft.image, 100, 100) > 240
    assert 20 < grey(soft.image, 130, 100) < 200
    assert grey(faint.image, 100, 100) == grey(faint.image, 130, 100) == 128


def test_going_over_a_place_twice_changes_nothing() -> None:
    mask = Mask(200, 200)
    for _ in range(2):
        mask.begin(Brush(60, 0.5, 0.4), QPointF(60, 100))
        mask.move(QPointF(140, 100))
        patch = mask.end()
    assert patch is None


def test_pen_pressure_sizes_the_brush_and_its_other_end_erases(window, canvas) -> None:
    canvas.work.choose("brush")
    window.workspace.work.set_brush(size=60.0)
    pen(canvas.view, QEvent.Type.TabletPress, (100, 150), 0.1)
    pen(canvas.view, QEvent.Type.TabletMove, (300, 150), 1.0)
    pen(canvas.view, QEvent.Type.TabletRelease, (300, 150), 0.0)
    image = window.workspace.work.mask.image
    assert (grey(image, 100, 170), grey(image, 300, 170)) == (0, 255)
    pen(canvas.view, QEvent.Type.TabletPress, (300, 150), 1.0, eraser=True)
    pen(canvas.view, QEvent.Type.TabletRelease, (300, 150), 0.0, eraser=True)
    assert grey(image, 300, 150) == 0


def test_lasso_and_rectangle_fill_and_alt_takes_away(qtbot, window, canvas) -> None:
    qtbot.keyClick(canvas.view, Qt.Key.Key_M)
    drag(canvas.view, (50.5, 50.5), (150.2, 150.2))
    image = window.workspace.work.mask.image
    assert grey(image, 50, 50) == grey(image, 150, 150) == 255
    assert grey(image, 49, 50) == grey(image, 151, 151) == 0
    drag(canvas.view, (80.5, 80.5), (100.2, 100.2), keys=Qt.KeyboardModifier.AltModifier)
    assert grey(image, 90, 90) == 0
    qtbot.keyClick(canvas.view, Qt.Key.Key_L)
    drag(canvas.view, (250, 50), (350, 50), (300, 150))
    assert grey(image, 300, 80) == 255
    assert grey(image, 260, 140) == 0


def test_space_moves_the_picture_instead_of_painting(qtbot, window, canvas) -> None:
    canvas.work.choose("brush")
    canvas.view.actual_size()
    canvas.view.zoom_by(6)
    qtbot.keyPress(canvas.view, Qt.Key.Key_Space)
    before = canvas.view.to_scene(QPointF(0, 0))
    drag(canvas.view, (200, 150), (210, 160))
    qtbot.keyRelease(canvas.view, Qt.Key.Key_Space)
    assert canvas.view.to_scene(QPointF(0, 0)) != before
    assert not window.workspace.work.has_mask


def test_a_stroke_is_painted_at_any_zoom(qtbot, window, canvas) -> None:
    canvas.work.choose("brush")
    canvas.view.zoom_by(3, place(canvas.view, 100, 100))
    drag(canvas.view, (100, 100), (120, 100))
    assert grey(window.workspace.work.mask.image, 110, 100) == 255


def command(window, name: str) -> None:
    action = window.create_page.canvas.bar.mask_menu.findChild(QAction, f"canvas.mask.{name}")
    assert action is not None
    action.trigger()


def test_the_mask_as_a_whole(qtbot, window, canvas) -> None:
    work = window.workspace.work
    canvas.work.choose("rectangle")
    drag(canvas.view, (100.5, 100.5), (199.5, 199.5))
    drawn = pixels(window)

    def done() -> bool:
        return not work.busy

    qtbot.keyClick(window, Qt.Key.Key_I, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(done)
    assert grey(work.mask.image, 150, 150) == 0
    assert grey(work.mask.image, 10, 10) == 255
    work.undo()
    assert pixels(window) == drawn
    command(window, "grow")
    qtbot.waitUntil(done)
    assert grey(work.mask.image, 92, 150) == 255
    assert grey(work.mask.image, 90, 150) == 0
    command(window, "shrink")
    qtbot.waitUntil(done)
    assert grey(work.mask.image, 100, 150) == 255
    assert grey(work.mask.image, 98, 150) == 0
    command(window, "feather")
    qtbot.waitUntil(done)
    assert 60 < grey(work.mask.image, 100, 150) < 200
    assert grey(work.mask.image, 150, 150) == 255
    command(window, "fill")
    assert grey(work.mask.image, 0, 0) == 255
    command(window, "clear")
    assert not work.has_mask
    for _ in range(5):
        work.undo()
    assert pixels(window) == drawn


def test_a_mask_is_saved_and_loaded(qtbot, window, canvas, tmp_path) -> None:
    work = window.workspace.work
    work.draw_shape("rectangle", [QPointF(10, 20), QPointF(110, 60)], False)
    target = tmp_path / "kept.png"
    work.save_mask(str(target))
    qtbot.waitUntil(target.is_file)
    with Image.open(target) as kept:
        assert (kept.mode, kept.size) == ("L", (400, 300))
        assert kept.getpixel((50, 40)) == 255
        assert kept.getpixel((200, 200)) == 0
    drawn = pixels(window)
    work.clear_mask()
    work.load_mask(str(target))
    qtbot.waitUntil(lambda: not work.busy)
    assert pixels(window) == drawn


def test_a_mask_of_another_size_is_fitted_and_a_broken_one_refused(qtbot, window, canvas, tmp_path) -> None:
    work = window.workspace.work
    other = tmp_path / "half.png"
    half = Image.new("L", (200, 150), 0)
    half.paste(255, (0, 0, 100, 150))
    half.save(other)
    work.load_mask(str(other))
    qtbot.waitUntil(lambda: work.has_mask)
    assert grey(work.mask.image, 100, 150) == 255
    assert grey(work.mask.image, 300, 150) == 0
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    work.load_mask(str(broken))
    qtbot.waitUntil(lambda: window.create_page.canvas.error.isVisible())
    assert "broken.png" in window.create_page.canvas.error.sentence()
    assert not work.busy
    assert grey(work.mask.image, 100, 150) == 255


def test_the_job_gets_the_mask_as_a_file_of_the_right_pixels(qtbot, window, canvas, core) -> None:
    canvas.work.choose("brush")
    drag(canvas.view, (100, 100), (200, 100))
    inputs = send(qtbot, core, window)
    with Image.open(inputs["mask"]) as mask, Image.open(inputs["image"]) as image:
        assert mask.mode == "L"
        assert mask.size == image.size == (400, 300)
        assert mask.tobytes() == pixels(window)
    window.workspace.canvas.show_work()
    again = send(qtbot, core, window)
    assert again["mask"] == inputs["mask"], "an unchanged mask is not written twice"
    window.workspace.canvas.show_work()
    drag(canvas.view, (100, 200), (200, 200))
    third = send(qtbot, core, window)
    assert third["mask"] != inputs["mask"]
    with Image.open(inputs["mask"]) as first:
        assert first.getpixel((150, 200)) == 0, "the first job's mask is as it was"


def test_an_empty_mask_is_none(qtbot, window, canvas, core) -> None:
    canvas.work.choose("brush")
    drag(canvas.view, (100, 100), (200, 100))
    window.workspace.work.clear_mask()
    assert send(qtbot, core, window)["mask"] is None


def test_fields_of_the_mask_show_only_with_one(qtbot, window, canvas) -> None:
    form = window.create_page.form.form
    assert not form.field("only_masked").isVisible()
    canvas.work.choose("brush")
    drag(canvas.view, (100, 100), (200, 100))
    assert form.field("only_masked").isVisible()
    window.workspace.work.undo()
    assert not form.field("only_masked").isVisible()
    assert not form.field("mask").isVisible(), "it is painted, not typed"


def test_a_wild_stroke_never_blocks_and_loses_nothing(qtbot) -> None:
    import time

    mask = Mask(3840, 2160)
    mask.begin(Brush(1000, 0.3, 1), QPointF(0, 0))
    slowest = 0.0
    for x, y in ((3800, 2100), (0, 2100), (3800, 0), (1900, 1000)):
        began = time.process_time()
        mask.move(QPointF(x, y))
        slowest = max(slowest, time.process_time() - began)
    mask.end()
    assert slowest < 0.05
    assert grey(mask.image, 1900, 1050) > 250
    assert grey(mask.image, 3000, 2100) > 250


def test_steps_stay_within_their_budget() -> None:
    steps = Steps(budget=3_000_000)
    mask = Mask(1024, 1024)
    for number in range(12):
        patch = mask.rectangle(QRectF(0, 0, 1024, 1024 - number), erase=number % 2 == 1)
        mask.image.setPixelColor(number, 3, Qt.GlobalColor.gray)

        class Step:
            words = ""

            def __init__(self, kept) -> None:
                self._kept = kept

            def swap(self) -> None:
                self._kept.swap(mask)

            def bytes(self) -> int:
                return self._kept.bytes()

        if patch is not None:
            steps.add(Step(patch))
    assert steps.bytes() <= 3_000_000
    assert len(steps) >= 1


def test_a_right_click_paints_nothing(window, canvas) -> None:
    canvas.work.choose("brush")
    right = Qt.MouseButton.RightButton
    mouse(canvas.view, QEvent.Type.MouseButtonPress, place(canvas.view, 50, 50), right, right)
    mouse(canvas.view, QEvent.Type.MouseButtonRelease, place(canvas.view, 50, 50), right, Qt.MouseButton.NoButton)
    assert not window.workspace.work.has_mask
