"""Two pictures compared: a line between them, side by side, and what differs in how they were made."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

from tests.gui.canvas import drag, picture, place, send, take
from tests.gui.helpers import find, submit
from ui.viewmodels.comparing import differing, text_parts


def make(core, window, prompt: str, **inputs) -> str:
    job = submit(core, window, prompt, **inputs)
    core.begin(job)
    core.finish(job)
    return core.library.results[0].id


def both_read(window) -> bool:
    compare = window.workspace.compare
    return compare.active and all(compare.picture(side)[0] is not None for side in (compare.left, compare.right))


@pytest.fixture
def compared(qtbot, window, core, tmp_path):
    """A result over the picture it was made from; the picture is black, so that sides can be told."""
    path = tmp_path / "black.png"
    image = QImage(768, 512, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.black)
    image.save(str(path))
    take(qtbot, window, str(path))
    send(qtbot, core, window)
    job = core.queue.jobs()[-1].id
    core.begin(job)
    core.finish(job)
    qtbot.waitUntil(lambda: find(window, "canvas.review.compare").isVisible())
    qtbot.mouseClick(find(window, "canvas.review.compare"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: both_read(window))
    return window.create_page.canvas.compare


def test_the_line_parts_before_and_after(qtbot, window, compared) -> None:
    slider = compared.slider
    assert slider.isVisible()
    shown = slider.viewport().grab().toImage()
    left, right = (place(slider, x, 60).toPoint() for x in (200, 600))
    assert shown.pixelColor(left).lightness() < 3
    assert shown.pixelColor(right).lightness() > 20
    drag(slider, (384, 256), (700, 256))
    assert slider.split == pytest.approx(700 / 768, abs=0.01)
    shown = slider.viewport().grab().toImage()
    assert shown.pixelColor(right).lightness() < 3


def test_arrow_keys_move_the_line_and_esc_ends(qtbot, window, compared) -> None:
    compared.slider.setFocus()
    qtbot.keyClick(compared.slider, Qt.Key.Key_Right)
    assert compared.slider.split == pytest.approx(0.52)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not compared.isVisible()
    assert window.create_page.canvas.view.isVisible()


def test_an_extended_picture_lies_inside_the_one_after(qtbot, window, core, tmp_path) -> None:
    work = take(qtbot, window, picture(tmp_path, 400, 300))
    work.extend((112, 0, 0, 0))
    window.workspace.create.set_values({"width": 512, "height": 304})
    send(qtbot, core, window)
    job = core.queue.jobs()[-1].id
    core.begin(job)
    core.finish(job)
    window.create_page.canvas.start_compare()
    qtbot.waitUntil(lambda: both_read(window))
    box = window.workspace.compare.place()
    assert (round(box.x()), round(box.width())) == (112, 400)


def test_side_by_side_says_what_differs(qtbot, window, core) -> None:
    first = make(core, window, "a red apple on a table", steps=8, seed=3)
    second = make(core, window, "a green apple on a table", steps=20, seed=4)
    window.workspace.canvas.show_result(second)
    window.create_page.canvas.start_compare(first)
    compare = window.create_page.canvas.compare
    qtbot.waitUntil(lambda: both_read(window))
    assert compare.left.isVisible()
    assert compare.right.isVisible()
    texts = compare._table.texts()
    assert [row[0] for row in texts] == ["Prompt", "Steps", "Seed"]
    assert texts[0][1:] == ("a red apple on a table", "a green apple on a table")
    (prompt, *_) = window.workspace.compare.differences()
    assert [text for text, changed in prompt.left if changed] == ["red"]
    assert [text for text, changed in prompt.right if changed] == ["green"]


def test_both_views_show_the_same_place(qtbot, window, core) -> None:
    make(core, window, "one")
    second = make(core, window, "two")
    window.workspace.canvas.show_result(second)
    window.create_page.canvas.start_compare()
    qtbot.waitUntil(lambda: both_read(window))
    compare = window.create_page.canvas.compare
    compare.left.zoom_by(3)
    assert compare.right.zoom == pytest.approx(compare.left.zoom)
    middle = [view.to_scene(view.viewport().rect().center().toPointF()) for view in (compare.left, compare.right)]
    assert (middle[0] - middle[1]).manhattanLength() < 3


def test_another_picture_takes_the_right_side(qtbot, window, core) -> None:
    first = make(core, window, "one")
    second = make(core, window, "two")
    third = make(core, window, "three")
    window.workspace.canvas.show_result(second)
    window.create_page.canvas.start_compare(first)
    window.create_page.side.grid.opened.emit(third)
    assert window.workspace.compare.right.result == third
    assert window.workspace.compare.left.result == first
    table = window.create_page.canvas.compare._table
    assert table.height() >= table.widget().sizeHint().height() - 8 or table.height() == 170, "all rows are seen"
    grid = window.create_page.side.grid
    assert grid.currentIndex() == window.workspace.recent.find(third)
    qtbot.mouseClick(find(window, "canvas.compare.exchange"), Qt.MouseButton.LeftButton)
    assert window.workspace.compare.left.result == third
    qtbot.mouseClick(find(window, "canvas.compare.as_slider"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.create_page.canvas.compare.slider.comparing)


def test_with_one_picture_only_there_is_nothing_to_compare(window, core) -> None:
    make(core, window, "one")
    window.create_page.canvas.start_compare()
    assert "no other picture" in window.create_page.canvas.toast.text()


def test_equal_inputs_are_said_to_be_equal() -> None:
    assert differing({"prompt": "a", "variation_seed": 1}, {"prompt": "a", "variation_seed": 2}, None) == []


def test_texts_differ_by_words_and_numbers_whole() -> None:
    assert text_parts("3.5", "5") == ((("3.5", True),), (("5", True),))
    left, right = text_parts("one two three four", "one two five four")
    assert [text for text, changed in left if changed] == ["three"]
    assert [text for text, changed in right if changed] == ["five"]
