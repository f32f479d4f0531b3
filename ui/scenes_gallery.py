"""The Gallery as scenes for ``ui.screenshots``: full, searched, several chosen, the trash, nothing there yet."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication

from ui.demo import DemoCore
from ui.shell import MainWindow

Play = Callable[[DemoCore, MainWindow], None]
PROMPTS = ("a lighthouse on a cliff at dusk", "a fox reading a newspaper", "paper city, morning light",
           "brass robot, studio light", "harbour in the fog, oil painting")  # fmt: skip
SIZES = ((768, 512), (512, 768), (512, 512), (896, 512))


def _settle(seconds: float = 0.6) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QCoreApplication.processEvents()
        time.sleep(0.005)


def _open(core: DemoCore, window: MainWindow, pictures: int = 40) -> None:
    core.ready()
    for number in range(pictures):
        width, height = SIZES[number % len(SIZES)]
        core.keep(f"g{number:02}", PROMPTS[number % len(PROMPTS)], number, width, height)
    window.workspace.recent.refresh()
    for number, stars in ((3, 5), (8, 4), (13, 3)):
        core.history.rate([f"g{number:02}"], stars, lambda error: None)
    core.history.favour(["g03", "g17", "g31"], True, lambda error: None)
    core.history.collect("Ideas for the cover", ["g03", "g08"], lambda error: None)
    core.history.tag(["g08", "g13"], ["poster"], (), lambda error: None)
    window.show_page("gallery")
    _settle()


def full(core: DemoCore, window: MainWindow) -> None:
    _open(core, window)
    window.gallery_page.show_picture("g31")
    _settle()


def searched(core: DemoCore, window: MainWindow) -> None:
    _open(core, window)
    window.gallery_page.bar.search.setText("light -robot")
    _settle()


def several(core: DemoCore, window: MainWindow) -> None:
    _open(core, window)
    window.gallery_page.grid.selectAll()
    _settle()


def thrown(core: DemoCore, window: MainWindow) -> None:
    _open(core, window)
    window.workspace.gallery.throw(["g05", "g06", "g07"])
    _settle()


def empty(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    window.show_page("gallery")
    _settle()


SCENES: tuple[tuple[str, Play], ...] = (
    ("gallery", full), ("gallery-search", searched), ("gallery-several", several), ("gallery-undo", thrown),
    ("gallery-empty", empty),
)  # fmt: skip
