"""Importing old pictures in the window: recipes of other tools, a summary, stopping, and folders that are gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin
from PySide6.QtWidgets import QLabel, QPushButton, QWidget

from tests.gui.helpers import find
from ui.demo import DemoCore
from ui.viewmodels.gathering import GatheringVM
from ui.views.gather_dialog import GatherDialog


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "ComfyUI" / "output"
    folder.mkdir(parents=True)
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Version: v1.9.0")
    Image.new("RGB", (32, 32)).save(folder / "told.png", pnginfo=info)
    Image.new("RGB", (32, 32)).save(folder / "plain.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def test_a_folder_is_listed_where_it_lies_and_summed_up(qtbot, core: DemoCore, old: Path) -> None:
    core.settings.change(sources=(str(old.parent),))
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.show()
    before = sorted((path.name, path.read_bytes()) for path in old.iterdir())
    vm = GatheringVM(core)
    assert vm.offered() == [str(old)]
    dialog = GatherDialog(vm, parent)
    dialog.show()
    find(dialog, "gallery.gather.take.1", QPushButton).click()
    said = find(dialog, "gallery.gather.said", QLabel).text()
    assert "1 picture with its recipe" in said
    assert "1 picture without a recipe" in said
    assert "1 file could not be read" in said
    assert "1 from " in said
    assert core.history.records.count("cat") == 1
    assert sorted((path.name, path.read_bytes()) for path in old.iterdir()) == before
    assert vm.offered() == []
    vm.take([str(old)])
    assert "2 were here already" in "\n".join(vm.summary())
    dialog.close()


def test_a_folder_that_is_gone_is_told_and_the_next_is_imported(qtbot, core: DemoCore, old: Path) -> None:
    vm = GatheringVM(core)
    vm.take([str(old / "gone"), str(old)])
    assert vm.run.state == "done"
    assert len(vm.run.problems) == 1
    assert str(old / "gone") in vm.run.problems[0]
    assert vm.run.found.added == 1


def test_an_empty_folder_says_so(core: DemoCore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    vm = GatheringVM(core)
    vm.take([str(tmp_path / "empty")])
    assert vm.summary() == ["There are no pictures in it."]


def test_stopping_lets_the_folders_that_wait_go(core: DemoCore, old: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (8, 8)).save(other / "x.png")
    vm = GatheringVM(core)
    vm.changed.connect(vm.stop)
    vm.take([str(old), str(other)])
    assert vm.run.state in ("stopped", "done")
    assert str(other) not in vm.known()
