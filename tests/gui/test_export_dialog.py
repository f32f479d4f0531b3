"""The export dialog on the demo's library: choices, a live name, and copies that are really written."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtWidgets import QLabel, QWidget

from models import metadata
from tests.gui.helpers import find
from ui.demo import DemoCore
from ui.state import WindowState
from ui.viewmodels.outgoing import ExportVM
from ui.views.export_dialog import ExportDialog


@pytest.fixture
def ids(core: DemoCore) -> list[str]:
    for number in range(3):
        core.keep(f"old{number}", f"a red apple {number}", number, 64, 48)
    core.history  # noqa: B018 - made with these pictures in it
    return [one.id for one in core.library.recent()]


@pytest.fixture
def state(tmp_path: Path) -> WindowState:
    return WindowState(tmp_path / "window.json")


@pytest.fixture
def opened_dialog(qtbot, core: DemoCore, ids: list[str], state: WindowState, tmp_path: Path):
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.show()
    vm = ExportVM(core, state)
    dialog = ExportDialog(vm, ids, parent)
    dialog.show()
    dialog.folder.setText(str(tmp_path / "out"))
    vm.set_folder(str(tmp_path / "out"))
    yield vm, dialog
    dialog.close()


def test_pictures_are_written_as_chosen(opened_dialog, tmp_path: Path) -> None:
    vm, dialog = opened_dialog
    vm.set(format="webp", lossless=True, scale=0.5, name="{number}-{prompt}", private=True)
    assert find(dialog, "gallery.export.example").full().endswith(".webp")
    find(dialog, "gallery.export.yes").click()
    assert vm.run.state == "done"
    written = sorted((tmp_path / "out").iterdir())
    assert [path.suffix for path in written] == [".webp"] * 3
    with Image.open(written[0]) as picture:
        assert picture.size == (32, 24)
    assert metadata.read(written[0]) is not None
    assert find(dialog, "gallery.export.show").isVisible()
    assert find(dialog, "gallery.export.said", QLabel).text() == "3 pictures were exported."


def test_without_the_recipe_nothing_is_told(opened_dialog, tmp_path: Path) -> None:
    vm, dialog = opened_dialog
    dialog.metadata.click()
    assert not dialog.private.isEnabled()
    vm.go()
    assert all(metadata.read(path) is None for path in (tmp_path / "out").iterdir())


def test_a_name_that_makes_no_sense_is_said_and_holds_the_export_back(opened_dialog, tmp_path: Path) -> None:
    vm, dialog = opened_dialog
    vm.set(name="{secret}")
    assert "{secret}" in find(dialog, "gallery.export.problem.name", QLabel).text()
    assert not find(dialog, "gallery.export.yes").isEnabled()
    vm.go()
    assert not (tmp_path / "out").exists()


def test_a_picture_that_is_gone_is_named_and_the_others_are_written(opened_dialog, core, ids, tmp_path: Path) -> None:
    vm, dialog = opened_dialog
    gone = Path(core.library.get(ids[1]).path)
    gone.unlink()
    vm.go()
    assert len(vm.run.written) == 2
    assert gone.name in find(dialog, "gallery.export.skipped", QLabel).text()


def test_choices_are_remembered_and_privacy_follows_the_setting(opened_dialog, core, ids, state) -> None:
    vm, _ = opened_dialog
    vm.set(format="jpeg", quality=71, name="{seed}", private=False)
    vm.go()
    again = ExportVM(core, state)
    again.begin(ids)
    assert (again.options.format, again.options.quality, again.options.name) == ("jpeg", 71, "{seed}")
    assert again.folder == vm.folder
    assert again.options.private  # once is not for ever: the setting decides each time


def test_a_folder_that_cannot_be_written_is_told(opened_dialog, tmp_path: Path) -> None:
    vm, dialog = opened_dialog
    (tmp_path / "file").write_text("no folder")
    vm.set_folder(str(tmp_path / "file" / "below"))
    vm.go()
    assert vm.run.state == "failed"
    assert find(dialog, "gallery.export.said", QLabel).text()


def test_remembered_choices_that_were_spoiled_are_forgotten(core, ids, state) -> None:
    state.set("export", {"format": "bmp", "quality": "high", "folder": 7})
    vm = ExportVM(core, state)
    assert vm.begin(ids)
    assert vm.options.format == "same"
    assert not vm.problems().get("format")
