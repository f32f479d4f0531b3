"""Storage: what lies on the disk, and the work with it, by mouse and keys."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QFileDialog, QLabel

from app.states import DownloadState
from models.errors import ErrorCode, ErrorInfo
from tests.gui.helpers import find
from tests.gui.test_models_page import LEFT, dialog, press, text_of
from ui.demo_storage import WHEN
from ui.viewmodels import desktop
from ui.widgets.stored_list import StoredList


@pytest.fixture
def storage(qtbot, window):
    window.show_page("models")
    vm = window.workspace.models.storage
    vm.now = lambda: WHEN
    press(qtbot, window, "models.segment.storage")
    return vm


def click(qtbot, window, key: str, command: str) -> None:
    """The button of a row, as the pointer meets it."""
    view = find(window, "storage.list", StoredList)
    index = window.workspace.models.storage.rows.find(key)
    view.setCurrentIndex(index)
    qtbot.mouseClick(view.viewport(), LEFT, pos=view.button_center(index, command))


def names(vm) -> list[str]:
    return [row.name for row in vm.rows.rows()]


def test_totals_are_told(window, storage) -> None:
    assert text_of(window, "storage.total") == "67.4 GB"
    assert text_of(window, "storage.saved") == "10.1 GB saved by sharing"
    assert text_of(window, "storage.free") == "159 GB free of 550 GB"
    assert "67.4 GB" in find(window, "storage.disk").accessibleName()


def test_the_largest_comes_first_and_the_order_can_be_chosen(qtbot, window, storage) -> None:
    assert names(storage)[:2] == ["FLUX.1 schnell", "FLUX.1 dev"]
    find(window, "storage.sort").setCurrentIndex(1)
    assert names(storage) == sorted(names(storage), key=str.lower)
    find(window, "storage.sort").setCurrentIndex(2)
    assert names(storage)[-1] in ("FLUX.2 klein 4B", "DreamShaper XL", "PixArt Sigma", "Pocket")


def test_a_model_is_checked_with_progress(qtbot, window, core, storage) -> None:
    core.storage.patient = True
    click(qtbot, window, "klein", "verify")
    core.storage.step(0.5)
    row = storage.rows.row_at(storage.rows.find("klein"))
    assert row.fraction == pytest.approx(0.5, abs=0.01)
    assert find(window, "storage.work").isVisible()
    core.storage.finish()
    assert window.models_page.toast.text() == "“FLUX.2 klein 4B” is whole: every byte is right."
    assert storage.rows.row_at(storage.rows.find("klein")).state == "Checked today"
    assert find(window, "storage.work").isHidden()


def test_checking_can_be_stopped(qtbot, window, core, storage) -> None:
    core.storage.patient = True
    click(qtbot, window, "klein", "verify")
    core.storage.step(0.2)
    press(qtbot, window, "storage.work.stop")
    core.storage.step(0.3)
    assert core.storage.stopped
    assert storage.work is None


def test_what_is_damaged_is_found_and_repaired(qtbot, window, core, storage) -> None:
    click(qtbot, window, "damaged", "verify")
    assert "1 file is damaged" in window.models_page.toast.text()
    click(qtbot, window, "damaged", "repair")
    assert [d.model for d in core.downloads.all()] == ["damaged"]
    assert core.downloads.all()[0].state is DownloadState.QUEUED


def test_removing_says_what_comes_back_and_what_stays(qtbot, window, core, storage) -> None:
    click(qtbot, window, "black-forest-labs/FLUX.1-schnell", "remove")
    ask = dialog(window, "models.confirm")
    words = " ".join(label.text() for label in ask.findChildren(QLabel))
    assert "This frees 23.6 GB." in words
    assert "FLUX.1 dev use" in words or "FLUX.1 dev" in words
    press(qtbot, ask, "models.confirm.yes")
    assert "FLUX.1 schnell" not in names(storage)
    assert "23.6 GB are free again" in window.models_page.toast.text()
    assert text_of(window, "storage.total") == "43.8 GB"


def test_delete_removes_and_escape_keeps(qtbot, window, core, storage) -> None:
    view = find(window, "storage.list", StoredList)
    view.setFocus()
    view.setCurrentIndex(storage.rows.find("lcm-sdxl"))
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    qtbot.keyClick(dialog(window, "models.confirm"), Qt.Key.Key_Escape)
    assert "LCM for SDXL" in names(storage)
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    press(qtbot, dialog(window, "models.confirm"), "models.confirm.yes")
    assert "LCM for SDXL" not in names(storage)


def test_what_other_programs_own_is_not_removed(qtbot, window, storage) -> None:
    key = "/home/mia/ComfyUI/models/checkpoints/dreamshaperXL.safetensors"
    row = storage.rows.row_at(storage.rows.find(key))
    assert not row.can_remove
    assert row.freed == "of another program"


def test_a_file_is_shown_in_the_file_manager(qtbot, window, storage, monkeypatch) -> None:
    shown = []
    monkeypatch.setattr(desktop, "reveal", shown.append)
    click(qtbot, window, "klein", "show")
    assert shown == [storage.item("klein").path]


def test_equal_files_are_merged_and_leftovers_cleaned(qtbot, window, core, storage) -> None:
    press(qtbot, window, "storage.merge.go")
    assert window.models_page.toast.text() == "3.4 GB saved."
    assert find(window, "storage.merge").isHidden()
    press(qtbot, window, "storage.orphans.go")
    press(qtbot, dialog(window, "models.confirm"), "models.confirm.yes")
    assert window.models_page.toast.text() == "1.2 GB are free again."
    assert find(window, "storage.orphans").isHidden()


def test_the_models_move_to_another_disk(qtbot, window, core, storage, monkeypatch, tmp_path) -> None:
    core.storage.patient = True
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    press(qtbot, window, "storage.move")
    core.storage.step(0.4)
    assert storage.work.sub == "27 GB of 67.4 GB"
    assert not find(window, "storage.move", QAbstractButton).isEnabled()
    core.storage.finish()
    assert core.settings.value.models_cache == str(tmp_path)
    assert storage.summary().cache == str(tmp_path)


def test_folders_of_other_programs_are_added_and_forgotten(qtbot, window, core, storage, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    press(qtbot, window, "storage.sources.add")
    assert core.settings.value.sources == (str(tmp_path),)
    assert "23 models and add-ons found there." in window.models_page.toast.text()
    qtbot.waitUntil(find(window, "storage.sources.remove.1").isVisible)
    press(qtbot, window, "storage.sources.remove.1")
    assert core.settings.value.sources == ()


def test_a_disk_that_cannot_be_read_says_why(qtbot, window, core) -> None:
    window.show_page("models")
    core.storage.trouble = ErrorInfo(ErrorCode.FOLDER_NOT_WRITABLE, {"path": "/cache"})
    press(qtbot, window, "models.segment.storage")
    assert "/cache" in window.models_page.storage._error.words()
    assert text_of(window, "storage.total") == ""


def test_escape_goes_back_to_the_catalog(qtbot, window, storage) -> None:
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.models_page.segment == "browse"


def test_removing_from_the_details_gives_the_space_back(qtbot, window, core) -> None:
    window.show_page("models")
    models = window.workspace.models
    models.choose("lcm-sdxl")
    qtbot.mouseClick(window.models_page.details.box.button("remove"), LEFT)
    press(qtbot, dialog(window, "models.confirm"), "models.confirm.yes")
    assert find(window, "models.primary", QAbstractButton).text().strip().startswith("Download")


def test_the_account_in_settings(qtbot, window, core) -> None:
    window.show_page("settings")
    button = find(window, "settings.account", QAbstractButton)
    button.click()
    sign = dialog(window, "models.sign_in")
    qtbot.keyClicks(find(sign, "models.token"), "hf_good")
    press(qtbot, sign, "models.sign_in.yes")
    assert button.text() == "Sign out"
    button.click()
    assert window.workspace.models.account.user == ""
    assert button.text() == "Sign in…"
    assert "hf_good" not in core.paths.settings.read_text()
