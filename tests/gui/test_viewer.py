"""Pictures on the whole screen: leafing, zoom, marks, the trash and the recipe, by keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from tests.gui.helpers import find
from ui.viewmodels.viewing import Ids, ViewerVM
from ui.views.viewer import Viewer

K = Qt.Key
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def kept(core):
    """Five pictures, newest first: e, d, c, b, a."""
    for seed, key in enumerate("abcde"):
        core.keep(key, f"picture {key}", seed, 64, 48)
    return core


@pytest.fixture
def window(kept, opened, core):
    made = opened(core)
    core.ready()
    return made


@pytest.fixture
def gallery(qtbot, window):
    window.show_page("gallery")
    page = window.gallery_page
    qtbot.waitUntil(lambda: page._vm.model.rowCount() == 5)
    return page


@pytest.fixture
def viewer(qtbot, window, gallery) -> Viewer:
    order = gallery._vm.model.ids_of(range(5))
    window.view_picture(order[0])
    shown(qtbot, window.viewer)
    return window.viewer


def shown(qtbot, viewer) -> None:
    qtbot.waitUntil(lambda: viewer.vm.picture()[0] is not None)


def press(viewer, *keys, ways=Qt.KeyboardModifier.NoModifier) -> None:
    for key in keys:
        QTest.keyClick(viewer.view, key, ways)


def test_arrows_go_through_what_the_gallery_shows(qtbot, viewer, gallery) -> None:
    order = gallery._vm.model.ids_of(range(5))
    assert viewer.vm.key == order[0]
    press(viewer, K.Key_Right, K.Key_Down)
    assert viewer.vm.key == order[2]
    assert "3 of 5" in viewer.vm.subtitle()
    press(viewer, K.Key_Left)
    assert viewer.vm.key == order[1]
    press(viewer, K.Key_End)
    assert viewer.vm.key == order[4]
    press(viewer, K.Key_Right)
    assert viewer.vm.key == order[4]
    press(viewer, K.Key_Home, K.Key_PageUp)
    assert viewer.vm.key == order[0]
    assert not find(viewer, "viewer.previous").isEnabled()


def test_neighbours_are_read_before_they_are_asked(qtbot, viewer) -> None:
    press(viewer, K.Key_Right)
    qtbot.waitUntil(lambda: len(viewer.vm._kept) == 3)
    press(viewer, K.Key_Right)
    assert viewer.vm.picture()[0] is not None, "there at once"


def test_who_leafs_fast_leaves_no_queue_behind(core, window, kept) -> None:
    asked: list[str] = []
    loader = window.workspace.loader
    vm = ViewerVM(core, loader)
    real, loader.request = loader.request, lambda path, side=0: asked.append(path) or 1_000_000 + len(asked)
    vm.open("a", Ids("abcde"))
    for _ in range(4):
        vm.step(1)
    assert len(asked) == 1
    vm._loaded(1_000_001, core_image())
    assert [Path(path).stem for path in asked] == ["a", "e"], "the shown one is next"
    loader.request = real
    vm.close()


def core_image():
    from ui.demo_pictures import landscape

    return landscape(1, 64, 48)


def test_huge_neighbours_wait_until_they_are_wanted(core, window) -> None:
    asked: list[str] = []
    loader = window.workspace.loader
    huge = core.keep("huge", "a huge one", 1, 64, 48)
    core.history.store.add_result(
        type(huge)(**{f: getattr(huge, f) for f in huge.__struct_fields__} | {"width": 20_000, "height": 9_000})
    )
    vm = ViewerVM(core, loader)
    real, loader.request = loader.request, lambda path, side=0: asked.append(path) or 1_000_000 + len(asked)
    vm.open("a", Ids(["a", "huge"]))
    vm._loaded(1_000_001, core_image())
    assert len(asked) == 1
    vm.step(1)
    assert Path(asked[-1]).stem == "huge"
    loader.request = real
    vm.close()


def test_zoom_by_keys_and_wheel(qtbot, viewer) -> None:
    view = viewer.view
    fitted = view.zoom
    press(viewer, K.Key_Plus)
    assert view.zoom > fitted
    press(viewer, K.Key_Minus, K.Key_Minus)
    assert view.zoom < fitted
    press(viewer, K.Key_1, ways=CTRL)
    assert view.zoom == pytest.approx(1 / view.devicePixelRatioF())
    press(viewer, K.Key_0, ways=CTRL)
    assert view.is_fit
    press(viewer, K.Key_Z)
    assert not view.is_fit
    at = QPointF(view.viewport().rect().center())
    before = view.zoom
    turn = QWheelEvent(at, at, QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
                       Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
    QGuiApplication.sendEvent(view.viewport(), turn)
    assert view.zoom > before
    press(viewer, K.Key_Right)
    assert view.is_fit, "each picture is shown whole at first"


def test_marks_by_keys(viewer, core) -> None:
    key = viewer.vm.key
    press(viewer, K.Key_F, K.Key_4)
    record = core.history.records.get(key)
    assert (record.favourite, record.rating) == (True, 4)
    assert viewer.stars.rating == 4
    press(viewer, K.Key_F, K.Key_0)
    record = core.history.records.get(key)
    assert (record.favourite, record.rating) == (False, 0)


def test_delete_goes_on_and_can_be_undone(qtbot, viewer, gallery, core) -> None:
    order = gallery._vm.model.ids_of(range(5))
    press(viewer, K.Key_Right, K.Key_Delete)
    assert viewer.vm.key == order[2]
    assert core.history.records.get(order[1]).trashed is not None
    qtbot.waitUntil(lambda: viewer.vm.subtitle().startswith("2 of 4"))
    qtbot.mouseClick(find(viewer, "notice.action"), Qt.MouseButton.LeftButton)
    assert core.history.records.get(order[1]).trashed is None
    qtbot.waitUntil(lambda: viewer.vm.key == order[1])


def test_when_the_last_one_is_deleted_the_viewer_closes(qtbot, viewer, core) -> None:
    left: list[str] = []
    viewer.left.connect(left.append)
    for _ in range(5):
        press(viewer, K.Key_Delete)
    qtbot.waitUntil(lambda: not viewer.isVisible())
    assert core.history.records.count() == 0


def test_the_end_of_the_line_is_deleted(viewer, gallery) -> None:
    order = gallery._vm.model.ids_of(range(5))
    press(viewer, K.Key_End, K.Key_Delete)
    assert viewer.vm.key == order[3]


def test_esc_leaves_and_the_gallery_shows_what_was_looked_at_last(qtbot, viewer, gallery) -> None:
    order = gallery._vm.model.ids_of(range(5))
    press(viewer, K.Key_Right, K.Key_Right, K.Key_Escape)
    assert not viewer.isVisible()
    assert gallery.chosen() == [order[2]]
    assert viewer.vm.picture() == (None, ()), "the memory is given back"


def test_the_recipe_is_shown_beside_it_and_follows(qtbot, viewer, window) -> None:
    press(viewer, K.Key_I)
    assert viewer.panel.isVisible()
    press(viewer, K.Key_Right)
    qtbot.waitUntil(lambda: window.workspace.facts.id == viewer.vm.key)
    QTest.mouseClick(find(viewer.panel, "gallery.details.use"), Qt.MouseButton.LeftButton)
    assert not viewer.isVisible()
    assert window.page == "create"


def test_the_recipe_is_whole_when_it_is_opened_later(qtbot, viewer, window, core) -> None:
    recipe = {"inputs": {"prompt": "x", "image": "/elsewhere/mine.png"}}
    path = str(core.paths.pictures / "a.png")
    core.history.store.add_result(type(core.library.results[0])("kid", "", path, 2.0, "", "", "x", 0, 64, 48, recipe))
    window.workspace.facts.show("kid")
    made = Viewer(viewer.vm, window.workspace.facts, window.workspace.thumbs)
    qtbot.addWidget(made)
    assert next(one.accessibleName() for one in made.panel.tree.lines()).startswith("mine.png")


def test_keys_typed_into_the_note_are_words(qtbot, viewer, core) -> None:
    press(viewer, K.Key_I)
    viewer.panel.note.setFocus()
    if not viewer.panel.note.hasFocus():
        pytest.skip("without a window manager another test's window kept the focus")
    QTest.keyClicks(viewer.panel.note, "fine 5")
    assert viewer.panel.note.toPlainText() == "fine 5"
    assert core.history.records.get(viewer.vm.key).rating == 0
    QTest.keyClick(viewer.panel.note, K.Key_Escape)
    assert viewer.isVisible(), "out of the field first"
    press(viewer, K.Key_Escape)
    qtbot.waitUntil(lambda: not viewer.isVisible())
    qtbot.waitUntil(lambda: any(one.note == "fine 5" for key in "abcde" if (one := core.history.records.get(key))))


def test_a_missing_file_is_said(qtbot, viewer, gallery) -> None:
    order = gallery._vm.model.ids_of(range(5))
    press(viewer, K.Key_Home)
    Path(gallery._vm.model.paths([order[4]])[0]).unlink()
    press(viewer, K.Key_End)
    qtbot.waitUntil(lambda: viewer.vm.missing)
    assert "is gone" in viewer._gone_words.text()
    press(viewer, K.Key_Left)
    assert viewer.vm.key == order[3]


def test_f11_on_create_shows_the_finished_picture(qtbot, window, kept) -> None:
    window.workspace.canvas.show_result("c")
    window.view_shown()
    assert window.viewer.vm.key == "c"
    press(window.viewer, K.Key_Right)
    qtbot.waitUntil(lambda: window.workspace.canvas.shown.result == "b")
    press(window.viewer, K.Key_F11)
    assert not window.viewer.isVisible()


def test_what_floats_goes_away_and_comes_back_with_the_mouse(viewer) -> None:
    viewer.view.setFocus()
    viewer._put_away()
    assert not viewer.bar.isVisible()
    QTest.mouseMove(viewer.view.viewport(), QPoint(200, 300))
    viewer._show_bar()
    assert viewer.bar.isVisible()


def test_a_picture_is_copied_as_file_and_pixels(qtbot, viewer) -> None:
    press(viewer, K.Key_C, ways=CTRL)
    data = QGuiApplication.clipboard().mimeData()
    assert data.hasImage()
    assert data.urls()[0].toLocalFile() == viewer.vm.path


def test_a_huge_picture_has_levels(qtbot, core, window, tmp_path) -> None:
    path = core.paths.pictures / "large.png"
    Image.new("RGB", (5000, 300), (9, 90, 9)).save(path)
    core.history.store.add_result(type(core.library.results[0])("large", "", str(path), 1.0, "", "", "x", 0, 5000, 300))
    vm = ViewerVM(core, window.workspace.loader)
    vm.open("large", Ids(["large"]))
    qtbot.waitUntil(lambda: bool(vm.picture()[1]))
    vm.close()


def test_every_control_has_a_name(viewer) -> None:
    for one in viewer.findChildren(QWidget):
        if one.isVisible() and one.focusPolicy() & Qt.FocusPolicy.TabFocus:
            assert one.objectName(), one


def test_closing_the_window_closes_the_viewer(viewer, window) -> None:
    window.close()
    assert not viewer.isVisible()
