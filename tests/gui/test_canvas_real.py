"""A picture, a mask and a frame through the real core and engine with the embedded model, looked at in pixels."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageChops

from tests.gui.canvas import drag, take


@pytest.mark.worker
@pytest.mark.torch
@pytest.mark.timeout(600)
def test_a_painted_mask_and_a_dragged_frame_reach_the_engine(qtbot, home: Path, tmp_path: Path) -> None:
    from ui import open_window

    (home / "settings").mkdir(parents=True)
    (home / "settings" / "settings.toml").write_text('model = "pocket"\npreviews = false\n')
    window = open_window()
    window.resize(1280, 800)
    qtbot.waitExposed(window)
    create, canvas = window.workspace.create, window.workspace.canvas
    qtbot.waitUntil(lambda: create.current == "pocket" and create.has_input("mask"), timeout=30_000)
    path = tmp_path / "mine.png"
    noise = Image.effect_noise((96, 96), 60).convert("RGB")
    noise.save(path)
    work = take(qtbot, window, str(path))
    create.set_values({"prompt": "red apple", "steps": 2, "mask_feather": 4})

    def made() -> Image.Image:
        before = len(window.workspace.core.library.recent())
        create.generate()
        qtbot.waitUntil(lambda: len(window.workspace.core.library.recent()) > before, timeout=300_000)
        qtbot.waitUntil(lambda: canvas.result() is not None)
        with Image.open(canvas.result().path) as image:
            return image.convert("RGB")

    window.create_page.canvas.work.choose("rectangle")
    drag(window.create_page.canvas.view, (0.5, 0.5), (40.5, 95.5))
    assert work.has_mask
    painted = made()
    assert painted.size == (96, 96)
    kept = (50, 0, 96, 96)
    assert ImageChops.difference(painted.crop(kept), noise.crop(kept)).getbbox() is None, "outside nothing changes"
    assert ImageChops.difference(painted, noise).getbbox() is not None
    canvas.show_work()
    work.clear_mask()
    window.create_page.canvas.work.choose("frame")
    drag(window.create_page.canvas.view, (96, 48), (112, 48), (129, 48))
    assert work.extents == (0, 0, 32, 0)
    extended = made()
    assert extended.size == (128, 96)
    inside = (0, 0, 88, 96)
    assert ImageChops.difference(extended.crop(inside), noise.crop(inside)).getbbox() is None
    window.close()
