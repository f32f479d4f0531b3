"""The window on Qt's offscreen platform, with the scripted core of ``ui.demo`` under it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from app.paths import Paths
from ui.demo import DemoCore


def paths_in(root: Path) -> Paths:
    return Paths(*(root / name for name in ("settings", "data", "cache", "logs", "pictures")))


@pytest.fixture
def core(tmp_path: Path) -> DemoCore:
    core = DemoCore(paths_in(tmp_path), seconds=6)
    core.settings.change(theme="dark", model="klein", reduced_motion=True)
    return core


@pytest.fixture
def opened(qtbot) -> Iterator[Callable[..., object]]:
    """Opens windows and closes them after the test."""
    from ui.application import open_window

    windows = []

    def build(core: DemoCore, size: tuple[int, int] = (1280, 800)):
        window = open_window(core)
        windows.append(window)
        window.resize(*size)
        qtbot.waitExposed(window)
        qtbot.waitUntil(lambda: core.started)
        return window

    yield build
    for window in windows:
        window.close()
        window.deleteLater()


@pytest.fixture
def window(opened, core: DemoCore):
    window = opened(core)
    core.ready()
    return window
