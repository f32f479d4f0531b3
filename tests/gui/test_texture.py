"""Textures on the canvas: laid beside themselves, measured, mended, saved as a sheet, and their maps cut to size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFileDialog, QLabel

from models.seamless import cross
from tests.gui.helpers import find


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.fixture
def texture(qtbot, core, window):
    """A finished picture, shown tiled."""
    core.keep("moss", "moss", 31, 320, 256)
    window.workspace.recent.refresh()
    window.workspace.canvas.show_result("moss")
    canvas = window.create_page.canvas
    qtbot.waitUntil(lambda: canvas.view.isVisible() and window.workspace.canvas.picture().image is not None)
    qtbot.mouseClick(find(window, "canvas.tiled"), Qt.MouseButton.LeftButton)
    view = find(window, "canvas.tiled.view")
    assert view.isVisible()
    return view


def test_the_picture_repeats_and_dragging_never_ends(qtbot, texture) -> None:
    shown = texture.grab().toImage()
    wide = round(320 * texture.zoom)
    middle = texture.height() // 2
    for x in (10, 60, 120):
        assert shown.pixelColor(x, middle).lightness() == pytest.approx(
            shown.pixelColor(x + wide, middle).lightness(), abs=12
        )
    start = QPoint(texture.width() // 2, middle)
    qtbot.mousePress(texture, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(texture, start + QPoint(10 * wide, 0))
    qtbot.mouseRelease(texture, Qt.MouseButton.LeftButton, pos=start)
    moved = texture.grab().toImage()
    assert moved.pixelColor(30, middle).alpha() == 255
    assert moved.pixelColor(30, middle).lightness() == pytest.approx(
        moved.pixelColor(30 + wide, middle).lightness(), abs=12
    )
    zoom = texture.zoom
    qtbot.keyClick(texture, Qt.Key.Key_Plus)
    assert texture.zoom > zoom


def test_three_times_is_smaller_than_twice_and_the_score_is_told(qtbot, window, texture) -> None:
    zoom = texture.zoom
    qtbot.mouseClick(find(window, "canvas.tiled.3"), Qt.MouseButton.LeftButton)
    assert texture.zoom < zoom
    score = find(window, "canvas.tiled.score", QLabel)
    qtbot.waitUntil(lambda: score.full().startswith("Seam score"))  # type: ignore[attr-defined]


def test_a_key_leads_back_to_the_single_picture(qtbot, window, texture) -> None:
    qtbot.keyClick(texture, Qt.Key.Key_T)
    assert not texture.isVisible()
    assert window.create_page.canvas.view.isVisible()


def test_making_it_seamless_brings_the_cross_onto_the_canvas(qtbot, core, window, texture) -> None:
    qtbot.mouseClick(find(window, "canvas.tiled.mend"), Qt.MouseButton.LeftButton)
    work, values = window.workspace.work, window.workspace.create.values
    qtbot.waitUntil(lambda: work.shown and not work.loading)
    assert values()["seamless"] == "both"
    source = pixels(core.library.get("moss").path)
    assert (pixels(values()["image"]) == np.roll(source, (128, 160), (0, 1))).all()
    qtbot.waitUntil(lambda: work.mask is not None and not work.mask.is_empty())
    assert values()["seamless"] == "both"
    mask = np.asarray(cross((320, 256)))
    assert work.mask.image.pixelColor(160, 4).value() == mask[4, 160] == 255
    assert work.mask.image.pixelColor(4, 4).value() == mask[4, 4] == 0


def test_the_sheet_is_saved(qtbot, core, window, texture, tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "tiles.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    qtbot.mouseClick(find(window, "canvas.tiled.save"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(target.is_file)
    assert (pixels(target) == np.tile(pixels(core.library.get("moss").path), (2, 2, 1))).all()
