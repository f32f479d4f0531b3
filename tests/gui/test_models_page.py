"""The Models page as a user meets it: browse, filter, download, licences, gates, files from disk, offline."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QAbstractButton, QDialog, QLabel, QLineEdit, QProgressBar, QScrollArea

from app.states import DownloadState
from app.weights import Status
from models.errors import ErrorCode
from tests.gui.helpers import find
from ui.demo_catalog import many
from ui.viewmodels import models as models_vm
from ui.viewmodels.board import BoardRole
from ui.widgets.card_board import CardBoard

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def page(qtbot, window):
    qtbot.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert window.page == "models"
    return window.models_page


@pytest.fixture
def models(window):
    return window.workspace.models


def board(window) -> CardBoard:
    return find(window, "models.list", CardBoard)


def click_card(qtbot, window, key: str) -> None:
    view = board(window)
    places = (view.model().index(row) for row, one in enumerate(view.model().keys()) if one == key)
    index = next(index for index in places if not view.isIndexHidden(index))
    view.scrollTo(index)
    qtbot.mouseClick(view.viewport(), LEFT, pos=view.visualRect(index).center())


def press(qtbot, root, name: str) -> None:
    button = find(root, name, QAbstractButton)
    assert button.isVisible(), name
    assert button.isEnabled(), name
    qtbot.mouseClick(button, LEFT)


def dialog(window, name: str) -> QDialog:
    found = [child for child in window.findChildren(QDialog, name) if child.isVisible()]
    assert found, name
    return found[-1]


def text_of(root, name: str) -> str:
    return find(root, name, QLabel).text()


def primary(window) -> str:
    return find(window, "models.primary", QAbstractButton).text().strip()


def more(qtbot, page, command: str) -> None:
    button = page.details.box.button(command)
    assert button is not None, command
    qtbot.mouseClick(button, LEFT)


# browsing


def test_the_rail_leads_to_the_page(qtbot, window) -> None:
    press(qtbot, window, "rail.models")
    assert window.page == "models"
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.page == "create"


def test_shelves_come_first(window, page, models) -> None:
    titles = [section.title for section in models.catalog.board.sections()]
    assert titles == ["Runs well on this computer", "For commercial work", "All models", "Add-ons", "Helpers"]


def test_typing_searches_at_once(qtbot, window, page, models) -> None:
    qtbot.keyClicks(window.focusWidget(), "kontext")
    assert find(window, "models.search", QLineEdit).text() == "kontext"
    assert list(models.catalog.board.keys()) == ["kontext"]
    assert board(window).isVisible()


def test_escape_closes_details_then_empties_the_search_then_leaves(qtbot, window, page, models) -> None:
    qtbot.keyClicks(find(window, "models.search"), "sdxl")
    click_card(qtbot, window, "sdxl-turbo")
    assert page.details.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert page.details.isHidden()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert models.catalog.query == ""
    assert find(window, "models.search", QLineEdit).text() == ""
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.page == "create"


def test_filters_narrow_and_are_cleared(qtbot, window, page, models) -> None:
    find(window, "models.filter.use").open_menu()
    menu = find(window, "models.filter.use").menu_open()
    next(action for action in menu.actions() if action.text() == "Commercial use").trigger()
    menu.close()
    uses = {models._weights.offers.get(key).entry.licence.use.value for key in list(models.catalog.board.keys())}
    assert uses == {"commercial"}
    assert find(window, "models.filter.use", QAbstractButton).text() == "Commercial use"
    press(qtbot, window, "models.filter.installed")
    assert set(models.catalog.board.keys()) == {"flux2-klein-4b", "lcm-sdxl", "realesrgan"}, "commercial use only"
    press(qtbot, window, "models.filter.clear")
    assert models.catalog.shelved


def test_what_is_in_no_catalog_is_found_and_used(qtbot, window, core, page, models) -> None:
    press(qtbot, window, "models.filter.installed")
    assert {"repo:pocket", "repo:long", "repo:broken"} <= set(models.catalog.board.keys())
    click_card(qtbot, window, "repo:pocket")
    assert core.hub.described == [], "what is here needs no hub"
    assert primary(window) == "Use"
    press(qtbot, window, "models.primary")
    assert window.workspace.create.current == "pocket"
    window.show_page("models")
    click_card(qtbot, window, "repo:broken")
    assert find(window, "models.primary").isHidden()


def test_keys_walk_over_the_cards(qtbot, window, page, models) -> None:
    view = board(window)
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_Home)
    first = view.currentIndex()
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.currentIndex().row() == first.row() + 1
    qtbot.keyClick(view, Qt.Key.Key_Down)
    below = view.currentIndex()
    assert view.visualRect(below).left() == view.visualRect(models.catalog.board.index(first.row() + 1)).left()
    assert not view.isIndexHidden(below)
    qtbot.keyClick(view, Qt.Key.Key_End)
    assert view.visualRect(view.currentIndex()).bottom() <= view.viewport().height()
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert models.chosen == view.currentIndex().data(BoardRole.KEY)
    assert page.details.isVisible()


def test_the_card_stays_in_sight_when_its_details_open(qtbot, window, page) -> None:
    click_card(qtbot, window, "kolors")
    view = board(window)
    assert view.viewport().rect().contains(view.visualRect(view.currentIndex()).center())


def test_an_answer_of_the_hub_does_not_move_what_is_looked_at(qtbot, window, core, page, models) -> None:
    core.weights.hold()
    models.catalog.set_query("xl")
    models.catalog.search_hub()
    view = board(window)
    view.setFocus()
    view.setCurrentIndex(view.model().index(5))
    core.weights.release()
    assert len(models.catalog.board.sections()) == 3
    qtbot.waitUntil(lambda: view.currentIndex().row() == 5)


def test_cards_are_a_list_to_screen_readers(window, page) -> None:
    from PySide6.QtGui import QAccessible

    view = board(window)
    spoken = QAccessible.queryAccessibleInterface(view)
    assert spoken.role() is QAccessible.Role.List
    assert spoken.childCount() == view.model().rowCount()
    assert spoken.child(0).text(QAccessible.Text.Name).startswith("FLUX.2 klein 4B, Installed, Runs fast, 8.4 GB")


def test_a_shelf_unfolds(qtbot, window, page, models) -> None:
    view = board(window)
    placed = view._placed[0]
    assert placed.shown < len(placed.section.keys)
    qtbot.mouseClick(view.viewport(), LEFT, pos=view._more_rect(placed).center())
    assert view._placed[0].shown == len(placed.section.keys)


def test_the_board_keeps_qt_s_rules(qtbot, window, core, page, models) -> None:
    mode = QAbstractItemModelTester.FailureReportingMode.Warning
    testers = [
        QAbstractItemModelTester(models.catalog.board, mode),
        QAbstractItemModelTester(models.storage.rows, mode),
    ]
    models.catalog.set_query("xl")
    core.offers.change("sdxl", status=Status.PARTIAL)
    models.catalog.clear()
    models.storage.open()
    assert len(testers) == 2


def test_ten_thousand_entries_are_fluent(qtbot, opened, core) -> None:
    """A keystroke with its layout and paint stays far from being felt; the bound is generous for a busy machine."""
    import time

    from ui.demo_weights import DemoWeights

    core.weights = DemoWeights(core.events, core.settings, entries=many(10_000))
    core.offers, core.downloads = core.weights.offers, core.weights.downloads
    window = opened(core)
    window.show_page("models")
    view = board(window)
    assert view.model().rowCount() >= 10_000
    bar = view.verticalScrollBar()
    for row in range(0, bar.maximum(), bar.maximum() // 5):
        bar.setValue(row)
        assert _timed(view.viewport().repaint) < 0.1
    started = time.perf_counter()
    view.scrollTo(view.model().index(9_000))
    assert time.perf_counter() - started < 0.1


def _timed(work) -> float:
    import time

    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# downloading


def test_a_download_is_paused_goes_on_and_is_used(qtbot, window, core, page, models) -> None:
    click_card(qtbot, window, "sd15")
    assert primary(window) == "Download 2.8 GB"
    press(qtbot, window, "models.primary")
    (download,) = core.downloads.all()
    core.downloads.run(download.id, 0.25, 10_000_000, 200)
    assert text_of(window, "models.progress.words") == "698 MB of 2.8 GB · 10 MB a second · 3 min 20 s left"
    assert find(window, "models.progress", QProgressBar).value() == 250
    assert window.rail.tray.isVisible()
    assert window.rail.tray.words() == "24 %" or window.rail.tray.words() == "25 %"
    press(qtbot, window, "models.primary")
    assert core.downloads.all()[0].state is DownloadState.PAUSED
    assert primary(window) == "Go on"
    press(qtbot, window, "models.primary")
    core.downloads.finish(download.id)
    assert primary(window) == "Use"
    assert window.rail.tray.isHidden()
    assert page.toast.text() == "“Stable Diffusion 1.5” is installed."
    press(qtbot, window, "models.primary")
    assert window.page == "create"
    assert window.workspace.create.current == "stable-diffusion-v1-5/stable-diffusion-v1-5"


def test_an_example_prompt_is_used_in_create(qtbot, window, core, page) -> None:
    click_card(qtbot, window, "flux2-klein-4b")
    press(qtbot, window, "models.details.example.2")
    assert window.page == "create"
    assert window.workspace.create.current == "klein"
    assert window.workspace.create.values()["prompt"] == "paper city, morning light"


def test_cancelling_asks_when_much_is_here_and_says_what_it_freed(qtbot, window, core, page) -> None:
    click_card(qtbot, window, "sdxl")
    press(qtbot, window, "models.primary")
    key = core.downloads.all()[0].id
    core.downloads.run(key, 0.5)
    more(qtbot, page, "cancel")
    ask = dialog(window, "models.confirm")
    press(qtbot, ask, "models.confirm.no")
    assert core.downloads.all()[0].state is DownloadState.RUNNING
    more(qtbot, page, "cancel")
    press(qtbot, dialog(window, "models.confirm"), "models.confirm.yes")
    assert core.downloads.all()[0].state is DownloadState.CANCELLED
    assert page.toast.text() == "Cancelled “Stable Diffusion XL”. 3.5 GB are free again."
    assert primary(window) == "Download 7 GB"
    assert find(window, "models.downloads").isHidden()


def test_a_small_download_is_cancelled_without_a_question(qtbot, window, core, page) -> None:
    click_card(qtbot, window, "sdxl")
    press(qtbot, window, "models.primary")
    core.downloads.run(core.downloads.all()[0].id, 0.01)
    press(qtbot, window, "models.download.1.cancel")
    assert core.downloads.all()[0].state is DownloadState.CANCELLED
    assert not [child for child in window.findChildren(QDialog) if child.isVisible()]


def test_a_failed_download_says_why_and_leads_on(qtbot, window, core, page) -> None:
    click_card(qtbot, window, "sdxl")
    press(qtbot, window, "models.primary")
    key = core.downloads.all()[0].id
    core.downloads.run(key, 0.3)
    core.downloads.fail(key, ErrorCode.ROOM_SHORT, needed_gb=7, free_gb=2, path="/data")
    assert "7 GB are needed" in page.details.box.problem.words()
    press(qtbot, window, "models.error.action")
    assert page.segment == "storage"


def test_a_lost_connection_counts_down(qtbot, window, core, page, models) -> None:
    click_card(qtbot, window, "sdxl")
    press(qtbot, window, "models.primary")
    core.downloads.run(core.downloads.all()[0].id, 0.3, waiting=15.0)
    assert text_of(window, "models.progress.words") == "No connection; next try in 15 s · 2.1 GB of 7 GB"
    assert models.downloads.tray().tone == "warn"


def test_pause_and_go_on_in_the_list_of_downloads(qtbot, window, core, page) -> None:
    click_card(qtbot, window, "sdxl")
    press(qtbot, window, "models.primary")
    core.downloads.run(core.downloads.all()[0].id, 0.3)
    press(qtbot, window, "models.download.1.toggle")
    assert core.downloads.all()[0].state is DownloadState.PAUSED
    press(qtbot, window, "models.download.1.toggle")
    assert core.downloads.all()[0].state is DownloadState.QUEUED


def test_the_ring_on_the_rail_leads_from_create_to_the_downloads(qtbot, window, core, page) -> None:
    click_card(qtbot, window, "sdxl")
    press(qtbot, window, "models.primary")
    core.downloads.run(core.downloads.all()[0].id, 0.3)
    window.show_page("create")
    press(qtbot, window, "rail.downloads")
    assert window.page == "models"


def test_a_long_name_does_not_push_words_out_of_the_details(qtbot, opened, core) -> None:
    window = opened(core, (1024, 640))
    window.show_page("models")
    repo = f"someone/{'wide-name-' * 9}"
    core.hub.access[repo] = ""
    window.workspace.models.choose(f"repo:{repo}")
    link = find(window, "models.details.page", QAbstractButton)
    qtbot.waitUntil(link.isVisible)
    area = window.models_page.details.findChild(QScrollArea)
    assert area.widget().minimumSizeHint().width() <= area.viewport().width()


def test_what_other_programs_fetched_is_seen_when_the_page_comes_to_the_front(qtbot, window, core, monkeypatch) -> None:
    window.show_page("models")
    assert core.models.looks == 0, "the start was a moment ago"
    window.show_page("create")
    monkeypatch.setattr(models_vm, "LOOK_SECONDS", 0.0)
    window.show_page("models")
    assert core.models.looks == 1


# licences and gates


def test_a_licence_is_read_and_accepted_once(qtbot, window, core, page) -> None:
    click_card(qtbot, window, "sdxl-turbo")
    press(qtbot, window, "models.primary")
    ask = dialog(window, "models.licence")
    assert core.downloads.all() == []
    yes = find(ask, "models.licence.yes", QAbstractButton)
    assert not yes.isEnabled()
    QTest.mouseClick(find(ask, "models.licence.tick"), LEFT, pos=QPoint(10, 12))
    press(qtbot, ask, "models.licence.yes")
    assert core.offers.get("sdxl-turbo").accepted
    assert [d.model for d in core.downloads.all()] == ["sdxl-turbo"]
    core.downloads.cancel(core.downloads.all()[0].id)
    press(qtbot, window, "models.primary")
    assert len([d for d in core.downloads.all() if d.state is DownloadState.QUEUED]) == 1


def test_a_licence_is_accepted_by_keyboard(qtbot, window, core, page) -> None:
    click_card(qtbot, window, "sdxl-turbo")
    press(qtbot, window, "models.primary")
    ask = dialog(window, "models.licence")
    qtbot.keyClick(find(ask, "models.licence.tick"), Qt.Key.Key_Space)
    qtbot.keyClick(find(ask, "models.licence.yes"), Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert ask.isVisible(), "only Enter alone presses a button"
    qtbot.keyClick(find(ask, "models.licence.yes"), Qt.Key.Key_Return)
    assert [d.model for d in core.downloads.all()] == ["sdxl-turbo"]


def test_escape_refuses_a_licence(qtbot, window, core, page) -> None:
    click_card(qtbot, window, "sdxl-turbo")
    press(qtbot, window, "models.primary")
    qtbot.keyClick(dialog(window, "models.licence"), Qt.Key.Key_Escape)
    assert not core.offers.get("sdxl-turbo").accepted
    assert core.downloads.all() == []


def gated(qtbot, window, core, access: str) -> QDialog:
    core.offers.accept("flux1-dev")
    if access:
        core.hub.access["black-forest-labs/FLUX.1-dev"] = access
    click_card(qtbot, window, "flux1-dev")
    press(qtbot, window, "models.primary")
    return dialog(window, "models.gate")


def test_a_gate_without_a_token_leads_to_signing_in_and_then_downloads(qtbot, window, core, page, models) -> None:
    ask = gated(qtbot, window, core, "")
    press(qtbot, ask, "models.gate.sign_in")
    sign = dialog(window, "models.sign_in")
    token = find(sign, "models.token", QLineEdit)
    assert token.echoMode() is QLineEdit.EchoMode.Password
    qtbot.keyClicks(token, "hf_wrong")
    qtbot.keyClick(token, Qt.Key.Key_Return)
    assert "does not know" in text_of(sign, "models.token.problem")
    token.clear()
    qtbot.keyClicks(token, "hf_good")
    press(qtbot, sign, "models.sign_in.yes")
    assert models.account.user == "mia"
    assert [d.model for d in core.downloads.all()] == ["flux1-dev"]


@pytest.mark.parametrize("access", ["licence_not_accepted", "awaiting_review"])
def test_other_gates_are_looked_at_again(qtbot, window, core, page, access) -> None:
    ask = gated(qtbot, window, core, access)
    core.hub.access["black-forest-labs/FLUX.1-dev"] = "granted"
    press(qtbot, ask, "models.gate.again")
    assert [d.model for d in core.downloads.all()] == ["flux1-dev"]


def test_a_token_without_the_right_is_told_apart(qtbot, window, core, page) -> None:
    ask = gated(qtbot, window, core, "token_scope")
    words = " ".join(label.text() for label in ask.findChildren(QLabel))
    assert "may not read gated models" in words


def test_a_gate_offers_what_has_none(qtbot, window, core, page, models) -> None:
    ask = gated(qtbot, window, core, "")
    press(qtbot, ask, "models.gate.other")
    assert models.chosen == "flux1-schnell"


# the hub


def test_the_hub_is_searched_when_the_typing_pauses(qtbot, window, core, page, models) -> None:
    qtbot.keyClicks(find(window, "models.search"), "animag")
    assert core.hub.searched == []
    qtbot.waitUntil(lambda: core.hub.searched == ["animag"], timeout=3000)
    assert list(models.catalog.board.keys()) == ["repo:cagliostrolab/animagine-xl-4.0"]
    click_card(qtbot, window, "repo:cagliostrolab/animagine-xl-4.0")
    assert primary(window) == "Download 7.4 GB"
    press(qtbot, window, "models.primary")
    assert core.downloads.all()[0].spec.repo == "cagliostrolab/animagine-xl-4.0"


@pytest.mark.parametrize(
    "text",
    ["cagliostrolab/animagine-xl-4.0", "https://huggingface.co/cagliostrolab/animagine-xl-4.0/tree/main"],
)
def test_an_address_is_recognised(qtbot, window, core, page, models, text) -> None:
    find(window, "models.search", QLineEdit).setText(text)
    assert list(models.catalog.board.keys()) == ["repo:cagliostrolab/animagine-xl-4.0"]
    click_card(qtbot, window, "repo:cagliostrolab/animagine-xl-4.0")
    assert core.hub.described[-1].repo == "cagliostrolab/animagine-xl-4.0"
    assert text_of(window, "models.details.name") == "animagine-xl-4.0"


def test_enter_opens_a_pasted_address_at_once(qtbot, window, core, page, models) -> None:
    field = find(window, "models.search", QLineEdit)
    field.setText("cagliostrolab/animagine-xl-4.0")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert text_of(window, "models.details.name") == "animagine-xl-4.0"


def test_a_repository_with_risks_says_so_and_cannot_be_fetched(qtbot, window, core, page, models) -> None:
    models.choose("repo:someone/old-pickle")
    assert find(window, "models.primary").isHidden()
    words = " ".join(label.text() for label in page.details.findChildren(QLabel))
    assert words.count("harmful code") == 1


def test_another_file_of_a_repository_is_chosen(qtbot, window, core, page, models) -> None:
    models.choose("repo:someone/single-file-xl")
    press(qtbot, window, "models.details.file.1")
    assert core.hub.described[-1].file == "model-v2.safetensors"
    press(qtbot, window, "models.primary")
    assert core.downloads.all()[0].spec.file == "model-v2.safetensors"


def test_a_repository_that_is_not_there(qtbot, window, core, page, models) -> None:
    models.choose("repo:nobody/nothing")
    assert "no “nobody/nothing”" in page.details.box.problem.words()
    press(qtbot, window, "models.error.action")
    assert dialog(window, "models.sign_in").isVisible()


def test_nothing_found_offers_a_way_on(qtbot, window, core, page, models) -> None:
    press(qtbot, window, "models.filter.installed")
    qtbot.keyClicks(find(window, "models.search"), "animagine")
    assert find(window, "models.nothing").isVisible()
    press(qtbot, window, "models.nothing.hub")
    assert list(models.catalog.board.keys()) == ["repo:cagliostrolab/animagine-xl-4.0"]
    assert not find(window, "models.filter.installed", QAbstractButton).isChecked()


# offline


def test_offline_says_so_and_disables_what_needs_a_connection(qtbot, window, core, page, models) -> None:
    core.settings.change(offline=True)
    assert find(window, "models.offline").isVisible()
    click_card(qtbot, window, "sdxl")
    button = find(window, "models.primary", QAbstractButton)
    assert not button.isEnabled()
    assert "offline" in text_of(window, "models.blocked")
    qtbot.keyClicks(find(window, "models.search"), "animagine")
    models.catalog.search_hub()
    assert core.hub.searched == []
    press(qtbot, window, "models.nothing.online")
    assert core.settings.value.offline is False
    assert not find(window, "models.offline").isVisible()
    assert button.isEnabled()


def test_offline_nothing_is_asked_of_the_hub(opened, core) -> None:
    core.settings.change(offline=True)
    window = opened(core)
    window.show_page("models")
    window.show_page("settings")
    assert core.hub.requests == 0
    assert text_of(window, "settings.requests") == "0 requests over the network since Atelier was started."


# files from disk


def drop(window, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, keys = LEFT, Qt.KeyboardModifier.NoModifier
    window.dropEvent(QDropEvent(QPointF(500, 400), Qt.DropAction.CopyAction, data, buttons, keys))


def made(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).write_bytes(b"x")
    return [folder / name for name in names]


def test_a_dropped_lora_is_recognised_and_used_in_place(qtbot, window, core, page, tmp_path) -> None:
    (path,) = made(tmp_path, "my-lora.safetensors")
    drop(window, path)
    ask = dialog(window, "models.import")
    words = " ".join(label.text() for label in ask.findChildren(QLabel))
    assert "LoRA for Stable Diffusion XL" in words
    assert "ink wash" in words
    press(qtbot, ask, "models.import.yes")
    assert core.imports.added == [(str(path), False)]
    assert page.toast.text() == "“my-lora.safetensors” was added."


def test_a_pickle_needs_a_consent_and_can_be_copied(qtbot, window, core, page, tmp_path) -> None:
    (path,) = made(tmp_path, "old.ckpt")
    drop(window, path)
    ask = dialog(window, "models.import")
    assert not find(ask, "models.import.yes", QAbstractButton).isEnabled()
    find(ask, "models.import.consent", QAbstractButton).click()
    find(ask, "models.import.copy", QAbstractButton).click()
    press(qtbot, ask, "models.import.yes")
    assert core.imports.added == [(str(path), True)]


def test_several_things_at_once_and_one_that_is_none(qtbot, window, core, page, tmp_path) -> None:
    paths = made(tmp_path, "a-lora.safetensors", "notes.txt")
    folder = tmp_path / "ComfyUI"
    folder.mkdir()
    drop(window, *paths, folder)
    ask = dialog(window, "models.import")
    press(qtbot, ask, "models.import.yes")
    assert core.imports.added == [(str(paths[0]), False)]
    assert core.settings.value.sources == (str(folder),)
    assert ask.isVisible()
    states = [row.state for row in window.workspace.models.imports.rows()]
    assert states == ["done", "refused", "done"]


# from create


def test_the_picker_leads_to_more_models(qtbot, window) -> None:
    picker = window.create_page.form.picker
    line = next(n for n in range(picker.count()) if picker.itemText(n) == "Get more models…")
    picker.activated.emit(line)
    assert window.page == "models"


def test_a_missing_base_leads_to_its_details(qtbot, window, core) -> None:
    from tests.gui.helpers import submit

    job = submit(core, window)
    core.begin(job)
    core.fail(job, ErrorCode.BASE_MISSING, model="x.gguf", family="FLUX.1", base="FLUX.1 schnell")
    press(qtbot, window, "create.error.action")
    assert window.page == "models"
    assert window.workspace.models.chosen == "flux1-schnell"


# everywhere


@pytest.mark.parametrize("size", [(1024, 640), (1280, 800), (2560, 1080)])
def test_every_size_has_room_for_cards_and_details(qtbot, opened, core, size) -> None:
    window = opened(core, size)
    core.ready()
    window.show_page("models")
    window.workspace.models.choose("sdxl")
    page = window.models_page
    assert page.details.isVisible()
    assert page.details.geometry().right() <= page.width()
    assert find(window, "models.primary").isVisible()
    view = board(window)
    if view.isVisible():
        assert view._width * view._columns <= view.viewport().width()


def test_targets_and_names_on_the_page(qtbot, window, core, page, models) -> None:
    click_card(qtbot, window, "sdxl")
    press(qtbot, window, "models.primary")
    core.downloads.run(core.downloads.all()[0].id, 0.3)
    qtbot.wait(10)
    buttons = [
        b for b in page.findChildren(QAbstractButton) if b.isVisible() and b.focusPolicy() & Qt.FocusPolicy.TabFocus
    ]
    assert [b.objectName() for b in buttons if b.height() < 28 or not b.objectName()] == []
    assert [b.objectName() for b in buttons if not (b.accessibleName() or b.text())] == []
