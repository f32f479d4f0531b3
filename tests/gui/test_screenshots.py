"""The command that renders every state keeps working."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from ui.screenshots import SCENES, main, render


@pytest.mark.parametrize("name", ["running", "error-details", "model-list", "settings", "models-failed", "storage"])
def test_a_scene_is_rendered(qtbot, tmp_path: Path, name: str) -> None:
    scene = next(scene for scene in SCENES if scene.name == name)
    image = QImage(str(render(scene, "light", tmp_path)))
    assert (image.width(), image.height()) == scene.size
    colors = {image.pixelColor(x, y).rgb() for x in range(0, image.width(), 16) for y in range(0, image.height(), 16)}
    assert len(colors) > 12


def test_names_of_scenes_are_unique() -> None:
    assert len({scene.name for scene in SCENES}) == len(SCENES)


def test_a_folder_has_to_be_given(capsys) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
