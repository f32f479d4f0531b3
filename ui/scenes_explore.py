"""Help, textures and grids, as scenes for ``ui.screenshots``."""

from __future__ import annotations

from collections.abc import Callable

from ui.demo import DemoCore
from ui.scenes_canvas import _some
from ui.shell import MainWindow

Play = Callable[[DemoCore, MainWindow], None]


def help_page(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    window.show_help("start")


def help_search(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    window.show_help("grids")
    window.help.search.setText("command line")


SIZE = (1440, 900)
SCENES: tuple[tuple[str, Play, tuple[int, int]], ...] = (
    ("help", help_page, SIZE),
    ("help-search", help_search, SIZE),
)
