"""The help: every page is whole, and the window leads through them by keyboard."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtWidgets import QLineEdit, QListWidget, QTextBrowser

from app.help import Page, find, pages, search
from tests.gui.helpers import find as find_widget
from ui.widgets.form import GROUPS

PAGES = pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_has_a_heading_and_words(page: Page) -> None:
    assert page.text.startswith("# ")
    assert page.title != page.name
    assert 60 <= len(page.plain.split()) <= 400


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_page(page: Page) -> None:
    assert [link for link in page.links if find(link, PAGES) is None] == []


@pytest.mark.parametrize("group", GROUPS)
def test_every_part_of_the_form_has_a_page(group: str) -> None:
    from ui.viewmodels.help import HelpVM

    vm = HelpVM()
    assert vm.has(vm.page_of(group)), f"assets/help has no page for the part “{group}”"


def test_search_finds_words_anywhere_and_titles_first() -> None:
    found = search("queue", PAGES)
    assert found[0].name == "queue"
    assert len(found) > 1
    assert search("zzzz", PAGES) == []
    assert search("  ", PAGES) == list(PAGES)


def test_f1_opens_the_page_about_where_one_is(qtbot, window) -> None:
    window.show_page("models")
    qtbot.keyClick(window, Qt.Key.Key_F1)
    help_window = find_widget(window, "help")
    assert help_window.isVisible()
    assert find_widget(window, "help.page", QTextBrowser).toPlainText().startswith("Models and downloads")


def test_typing_searches_and_arrows_choose(qtbot, window) -> None:
    window.show_help("start")
    field = find_widget(window, "help.search", QLineEdit)
    listed = find_widget(window, "help.list", QListWidget)
    assert listed.count() == len(PAGES)
    qtbot.keyClicks(field, "mask")
    assert 0 < listed.count() < len(PAGES)
    first = listed.currentItem().text()
    qtbot.keyClick(field, Qt.Key.Key_Down)
    assert listed.currentItem().text() != first
    text = find_widget(window, "help.page", QTextBrowser).toPlainText()
    assert text.startswith(listed.currentItem().text())
    qtbot.keyClicks(field, "xyzzy")
    assert listed.count() == 0


def test_links_lead_on_and_back_leads_back(qtbot, window) -> None:
    window.show_help("start")
    page = find_widget(window, "help.page", QTextBrowser)
    page.anchorClicked.emit(QUrl("models.md"))
    assert page.toPlainText().startswith("Models")
    qtbot.keyClick(window.help, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert page.toPlainText().startswith("Getting started")
    page.anchorClicked.emit(QUrl("https://example.invalid/"))
    assert page.toPlainText().startswith("Getting started")
    qtbot.mouseClick(find_widget(window, "help.close"), Qt.MouseButton.LeftButton)
    assert not window.help.isVisible()


def test_the_mark_beside_a_part_of_the_form_opens_its_page(qtbot, window) -> None:
    button = find_widget(window, "create.advanced.help")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert find_widget(window, "help.page", QTextBrowser).toPlainText().startswith("Advanced settings")
