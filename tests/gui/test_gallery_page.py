"""The Gallery page as people use it: search, choose, favour, delete and bring back, collections, reuse."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QListWidget, QPushButton

from app.records import Record
from ui.demo import DemoCore
from ui.views.models_dialogs import ConfirmDialog
from ui.views.text_dialog import TextDialog


@pytest.fixture
def page(window, core: DemoCore, qtbot):
    for number, prompt in enumerate(("a red apple", "a blue house", "a red boat")):
        core.keep(f"p{number}", prompt, 40 + number, 320, 256)
    qtbot.keyClick(window, Qt.Key.Key_3, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.page == "gallery")
    qtbot.waitUntil(lambda: window.gallery_page.grid.model().rowCount() == 3)
    return window.gallery_page


def record(core: DemoCore, key: str) -> Record:
    found = core.history.records.get(key)
    assert found is not None
    return found


def test_typing_searches_and_down_leads_into_the_pictures(page, core, qtbot):
    field = page.findChild(QLineEdit, "gallery.search")
    page.search()
    qtbot.keyClicks(field, "red")
    assert page.grid.model().rowCount() == 2
    qtbot.keyClick(field, Qt.Key.Key_Down)
    assert page.grid.hasFocus()
    assert page.chosen() == ["p2"]
    qtbot.keyClick(page.grid, Qt.Key.Key_F)
    qtbot.keyClick(page.grid, Qt.Key.Key_4)
    assert record(core, "p2").favourite
    assert record(core, "p2").rating == 4
    assert field.text() == "red"


def test_delete_can_be_undone_from_the_notice(page, core, qtbot):
    page.show_picture("p1")
    qtbot.keyClick(page.grid, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: page.grid.model().rowCount() == 2)
    assert record(core, "p1").trashed is not None
    page.toast._action.click()
    qtbot.waitUntil(lambda: page.grid.model().rowCount() == 3)
    assert record(core, "p1").trashed is None


def test_what_is_deleted_for_good_is_asked_about(page, core, qtbot):
    page.show_picture("p1")
    qtbot.keyClick(page.grid, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: page.grid.model().rowCount() == 2)
    page._vm.set_place("trash")
    qtbot.waitUntil(lambda: page.grid.model().rowCount() == 1)
    path = record(core, "p1").result.path
    page.grid.selectAll()
    page.chosen_bar.delete.click()
    page.findChild(QPushButton, "models.confirm.no").click()
    assert page.grid.model().rowCount() == 1
    page.chosen_bar.delete.click()
    qtbot.waitUntil(lambda: len(page.findChildren(ConfirmDialog)) == 1)
    page.findChild(QPushButton, "models.confirm.yes").click()
    qtbot.waitUntil(lambda: page.grid.model().rowCount() == 0)
    assert core.history.records.get("p1") is None
    from pathlib import Path

    assert not Path(path).exists()


def test_a_collection_is_made_named_and_filled(page, core, qtbot):
    page.grid.selectAll()
    page._new_collection(page.chosen())
    asked = page.findChild(TextDialog)
    assert not asked.yes.isEnabled()
    qtbot.keyClicks(asked.field, "Ideas")
    qtbot.keyClick(asked.field, Qt.Key.Key_Return)
    places = page.findChild(QListWidget, "gallery.places")
    qtbot.waitUntil(lambda: any(places.item(n).text() == "Ideas" for n in range(places.count())))
    item = next(places.item(n) for n in range(places.count()) if places.item(n).text() == "Ideas")
    places.setCurrentItem(item)
    assert page._vm.place.startswith("collection:")
    assert page.grid.model().rowCount() == 3


def test_a_filter_stands_in_the_search(page, core, qtbot):
    core.history.rate(["p0"], 5, lambda error: None)
    menu = page.bar.open_filters()
    action = next(action for action in menu.actions() if action.text() == "Rated 5 stars")
    action.trigger()
    menu.close()
    assert page.bar.search.text() == "rating:5"
    assert page._vm.model.ids_of([0, 1]) == ["p0"]


def test_settings_of_a_picture_go_to_create(page, window, core, qtbot):
    page.show_picture("p0")
    qtbot.waitUntil(lambda: window.workspace.facts.can_use_settings())
    window.workspace.facts.use_settings()
    qtbot.waitUntil(lambda: window.page == "create")
    assert window.workspace.create.values()["prompt"] == "a red apple"
    assert window.workspace.create.values()["seed"] == 40


def test_enter_opens_the_picture_and_escape_leaves_step_by_step(page, window, qtbot):
    qtbot.keyClick(page.grid, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert len(page.chosen()) == 3
    assert page.back_out()
    assert page.chosen() == []
    page.bar.search.setText("red")
    assert page.back_out()
    assert page.bar.search.text() == ""
    assert not page.back_out()
    page.show_picture("p0")
    opened = []
    page.picture_wanted.connect(opened.append)
    qtbot.keyClick(page.grid, Qt.Key.Key_Return)
    assert opened == ["p0"]


def test_nothing_found_and_nothing_there_say_what_to_do(page, window, qtbot):
    page.bar.search.setText("zebra")
    assert page.nothing.isVisible()
    assert "zebra" in page.nothing._line.text()
    page.nothing._clear.click()
    assert page.grid.isVisible()
    assert page.grid.model().rowCount() == 3
