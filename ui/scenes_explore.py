"""Help, textures and grids, as scenes for ``ui.screenshots``."""

from __future__ import annotations

from collections.abc import Callable

from ui.demo import DemoCore
from ui.scenes_canvas import _settle, _some
from ui.shell import MainWindow

Play = Callable[[DemoCore, MainWindow], None]


def help_page(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    window.show_help("start")


def help_search(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    window.show_help("grids")
    window.help.search.setText("command line")


def _axes(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    explore = window.workspace.explore
    explore.set_row(0, "steps", "4, 8, 16")
    explore.set_row(1, "guidance_scale", "2..8 [4]")


def explore(core: DemoCore, window: MainWindow) -> None:
    _axes(core, window)
    window.workspace.explore.set_row(2, "scheduler", "euler, karras")
    window.explore.open_again()


def explore_sheet(core: DemoCore, window: MainWindow) -> None:
    _axes(core, window)
    window.explore.open_again()
    window.workspace.explore.begin()
    job = core.queue.jobs()[-1].id
    core.begin(job)
    for _ in range(7):
        core.produce(job)


def tiled(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    window.workspace.canvas.show_result("old3")
    _settle(seconds=0.3)
    window.create_page.canvas._tile.click()
    _settle(seconds=0.3)


SIZE = (1440, 900)
SCENES: tuple[tuple[str, Play, tuple[int, int]], ...] = (
    ("help", help_page, SIZE),
    ("help-search", help_search, SIZE),
    ("explore", explore, SIZE),
    ("explore-sheet", explore_sheet, SIZE),
    ("tiled", tiled, SIZE),
)
