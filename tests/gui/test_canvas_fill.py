"""The bucket and the pen: what strokes enclose is filled by a click, and pressure changes what the person chose."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw, ImageFilter
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QAction

from tests.gui.canvas import drag, grey, mouse, pen, picture, place, take
from tests.gui.helpers import find
from ui.viewmodels.mask_fill import enclosed, filled
from ui.viewmodels.mask_shapes import to_pillow, to_qimage

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def canvas(qtbot, window, core, tmp_path):
    take(qtbot, window, picture(tmp_path))
    canvas = window.create_page.canvas
    canvas.view.setFocus()
    window.workspace.work.set_brush(size=16.0, hardness=0.4, opacity=1.0)
    return canvas


def click(qtbot, window, x: float, y: float, keys=Qt.KeyboardModifier.NoModifier) -> None:
    view = window.create_page.canvas.view
    mouse(view, QEvent.Type.MouseButtonPress, place(view, x, y), keys=keys)
    mouse(
        view,
        QEvent.Type.MouseButtonRelease,
        place(view, x, y),
        Qt.MouseButton.LeftButton,
        Qt.MouseButton.NoButton,
        keys,
    )
    qtbot.waitUntil(lambda: not window.workspace.work.busy)


def ring(window) -> None:
    window.create_page.canvas.work.choose("brush")
    drag(window.create_page.canvas.view, (100, 80), (300, 80), (300, 220), (100, 220), (100, 80))


def test_a_click_fills_what_a_stroke_encloses_and_undo_empties_it(qtbot, window, canvas) -> None:
    ring(window)
    work = window.workspace.work
    before = to_pillow(work.mask.image)
    qtbot.mouseClick(find(window, "canvas.tool.fill"), Qt.MouseButton.LeftButton)
    assert canvas.work.tool == "fill"
    click(qtbot, window, 200, 150)
    after = to_pillow(work.mask.image)
    assert all(after.getpixel((x, y)) >= 250 for x in range(101, 300) for y in (100, 150, 210)), "no rim stays dark"
    assert (after.getpixel((60, 150)), after.getpixel((200, 40))) == (0, 0)
    qtbot.keyClick(window, Qt.Key.Key_Z, CTRL)
    assert to_pillow(work.mask.image).tobytes() == before.tobytes()
    qtbot.keyClick(window, Qt.Key.Key_Z, CTRL | Qt.KeyboardModifier.ShiftModifier)
    assert to_pillow(work.mask.image).tobytes() == after.tobytes()


def test_outside_of_the_stroke_the_outside_is_filled(qtbot, window, canvas) -> None:
    ring(window)
    qtbot.keyClick(canvas.view, Qt.Key.Key_G)
    assert canvas.work.tool == "fill"
    click(qtbot, window, 20, 20)
    image = window.workspace.work.mask.image
    assert grey(image, 390, 290) == 255
    assert grey(image, 200, 150) == 0


def test_alt_empties_and_a_full_place_is_no_step(qtbot, window, canvas) -> None:
    canvas.work.choose("rectangle")
    drag(canvas.view, (100.5, 100.5), (199.5, 199.5))
    canvas.work.choose("fill")
    steps = len(window.workspace.work._steps)
    click(qtbot, window, 150, 150)
    assert len(window.workspace.work._steps) == steps
    click(qtbot, window, 150, 150, Qt.KeyboardModifier.AltModifier)
    assert not window.workspace.work.has_mask
    assert len(window.workspace.work._steps) == steps + 1


def test_a_click_beside_the_picture_does_nothing(qtbot, window, canvas) -> None:
    canvas.work.choose("fill")
    click(qtbot, window, -20, 150)
    click(qtbot, window, 150, 301)
    assert not window.workspace.work.has_mask


def test_the_pen_fills_too(qtbot, window, canvas) -> None:
    canvas.work.choose("fill")
    pen(canvas.view, QEvent.Type.TabletPress, (150, 150), 0.5)
    pen(canvas.view, QEvent.Type.TabletMove, (152, 150), 0.5)
    pen(canvas.view, QEvent.Type.TabletRelease, (152, 150), 0.0)
    qtbot.waitUntil(lambda: window.workspace.work.has_mask)
    assert grey(window.workspace.work.mask.image, 5, 5) == 255


def drawn(width: int, value: int = 255, blur: float = 0) -> Image.Image:
    mask = Image.new("L", (200, 200), 0)
    ImageDraw.Draw(mask).ellipse((40, 40, 160, 160), outline=value, width=width)
    return mask.filter(ImageFilter.GaussianBlur(blur)) if blur else mask


@pytest.mark.parametrize("mask", [drawn(10), drawn(20, blur=4), drawn(2), drawn(16, 100), drawn(16, 130, 3)])
def test_thin_soft_and_faint_strokes_hold_the_fill(mask) -> None:
    area = enclosed(mask, 100, 100)
    assert area is not None
    assert area.getpixel((100, 60)) == 255
    outside = [(x, y) for x in range(200) for y in range(200) if (x - 100) ** 2 + (y - 100) ** 2 > 66**2]
    assert not any(area.getpixel(at) for at in outside)


def test_a_gap_lets_it_out() -> None:
    mask = drawn(10)
    ImageDraw.Draw(mask).rectangle((95, 30, 105, 60), fill=0)
    area = enclosed(mask, 100, 100)
    assert area is not None
    assert area.getpixel((0, 0)) == 255


def test_a_place_that_is_half_painted_is_filled_as_far_as_it_is_so() -> None:
    mask = Image.new("L", (100, 100), 0)
    mask.paste(128, (20, 20, 60, 60))
    made = filled(to_qimage(mask), 30, 30)
    assert made is not None
    assert (grey(made, 59, 59), grey(made, 61, 61)) == (255, 0)


def pressed(view, *pressures: float) -> None:
    places = [(100 + 100 * number, 150) for number in range(len(pressures))]
    pen(view, QEvent.Type.TabletPress, places[0], pressures[0])
    for at, pressure in zip(places[1:], pressures[1:], strict=True):
        pen(view, QEvent.Type.TabletMove, at, pressure)
    pen(view, QEvent.Type.TabletRelease, places[-1], 0.0)


def entry(window, name: str) -> QAction:
    action = window.create_page.canvas.bar.brush_menu.findChild(QAction, name)
    if action is None:
        action = window.findChild(QAction, name)
    assert action is not None
    return action


def test_pressure_changes_the_opacity_if_that_is_chosen(window, canvas) -> None:
    work = window.workspace.work
    canvas.work.choose("brush")
    work.set_brush(size=40.0, hardness=1.0)
    entry(window, "canvas.pen.size").setChecked(False)
    entry(window, "canvas.pen.opacity").setChecked(True)
    assert (work.pen.size, work.pen.opacity) == (False, True)
    pressed(canvas.view, 0.1, 0.5, 1.0)
    image = work.mask.image
    light, half, full = (grey(image, x, 150) for x in (90, 200, 300))
    assert 20 < light < 60
    assert 110 < half < 160
    assert full == 255
    assert all(grey(image, x, 165) > 0 for x in (100, 200, 300)), "the size stays"


def test_pressure_may_change_both_or_nothing(window, canvas) -> None:
    work = window.workspace.work
    canvas.work.choose("brush")
    work.set_brush(size=60.0, hardness=1.0)
    entry(window, "canvas.pen.opacity").setChecked(True)
    pressed(canvas.view, 0.2, 0.2)
    image = work.mask.image
    assert 0 < grey(image, 150, 150) < 90
    assert grey(image, 150, 175) == 0
    work.undo()
    entry(window, "canvas.pen.size").setChecked(False)
    entry(window, "canvas.pen.opacity").setChecked(False)
    pressed(canvas.view, 0.1, 0.1)
    assert grey(work.mask.image, 150, 150) == grey(work.mask.image, 150, 175) == 255


def test_the_mouse_has_no_pressure(window, canvas) -> None:
    canvas.work.choose("brush")
    entry(window, "canvas.pen.opacity").setChecked(True)
    drag(canvas.view, (100, 100), (200, 100))
    assert grey(window.workspace.work.mask.image, 150, 100) == 255


def test_a_mask_of_another_shape_is_refused_and_can_be_fitted_in(qtbot, window, canvas, tmp_path) -> None:
    other = tmp_path / "square.png"
    Image.new("L", (200, 200), 255).save(other)
    work, error = window.workspace.work, canvas.error
    work.load_mask(str(other))
    qtbot.waitUntil(error.isVisible)
    assert "square.png" in error.sentence()
    assert "200 × 200" in error.sentence()
    assert "400 × 300" in error.sentence()
    assert not work.has_mask
    qtbot.mouseClick(find(window, "create.error.action"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: work.has_mask)
    assert not error.isVisible()
    image = work.mask.image
    assert (grey(image, 200, 5), grey(image, 200, 295)) == (255, 255)
    assert (grey(image, 40, 150), grey(image, 360, 150)) == (0, 0)
    work.undo()
    assert not work.has_mask
