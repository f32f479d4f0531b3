"""The states of working on a picture, as scenes for ``ui.screenshots``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from PySide6.QtCore import QCoreApplication, QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent

from models import recipe
from models.card import ModelRef
from ui.demo import DemoCore
from ui.demo_pictures import encoded, landscape
from ui.shell import MainWindow

Play = Callable[[DemoCore, MainWindow], None]
PROMPT = "a lighthouse on a cliff at dusk, warm light in the windows, film photograph"
OTHER = "a lighthouse on a rock at dawn, cold light in the windows, low fog, film photograph"
NAMES = ("fox reading a newspaper", "paper city, morning light", "brass robot, studio light", "seamless moss texture")


def _settle(until: Callable[[], bool] = lambda: False, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QCoreApplication.processEvents()
        time.sleep(0.005)


def _some(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    for number, name in enumerate(NAMES):
        core.keep(f"old{number}", name, (11, 3, 27, 31)[number], *((768, 512), (640, 640))[number % 2])
    window.workspace.recent.refresh()
    window.workspace.create.set_values({"prompt": PROMPT})


def _picture(core: DemoCore, window: MainWindow, size: tuple[int, int] = (1536, 1024)) -> str:
    """A picture of the user's own, taken and opened."""
    _some(core, window)
    path = core.paths.cache / "harbour at noon.png"
    path.write_bytes(encoded(landscape(7, *size)))
    work = window.workspace.work
    work.take(str(path))
    _settle(lambda: work.shown)
    _settle(seconds=0.1)
    return str(path)


def drag(window: MainWindow, points: list[tuple[float, float]], hold: bool = False) -> None:
    """Press at the first point of the picture (in parts of it), move over the others, let go."""
    view = window.create_page.canvas.view
    width, height = window.workspace.work.size
    places = [view.viewportTransform().map(QPointF(x * width, y * height)) for x, y in points]
    kinds = [QEvent.Type.MouseButtonPress, *[QEvent.Type.MouseMove] * (len(places) - 1)]
    left, none, keys = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    for kind, at in zip(kinds, places, strict=True):
        button = left if kind is QEvent.Type.MouseButtonPress else none
        there = QPointF(view.viewport().mapToGlobal(at))
        QCoreApplication.sendEvent(view.viewport(), QMouseEvent(kind, at, there, button, left, keys))
        _settle(seconds=0.01)
    if not hold:
        at, there = places[-1], QPointF(view.viewport().mapToGlobal(places[-1]))
        release = QMouseEvent(QEvent.Type.MouseButtonRelease, at, there, left, none, keys)
        QCoreApplication.sendEvent(view.viewport(), release)


def drop(core: DemoCore, window: MainWindow) -> None:
    _picture(core, window)
    path = core.paths.cache / "dropped.png"
    inputs = {"prompt": "an old harbour, gulls, morning haze, film photograph", "seed": 42}
    recipe.save_png(Image.effect_noise((96, 64), 40), path, recipe.build(ModelRef("klein", "", ""), inputs, 42, {}, {}))
    canvas = window.create_page.canvas
    canvas.begin_drop(str(path))
    _settle(seconds=0.2)
    box = canvas.drop.boxes()["input"]
    canvas.hover_drop(canvas.drop.mapToGlobal(box.center().toPoint()))


def drop_refused(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    window.workspace.create.select("pocket")
    path = core.paths.cache / "photo.png"
    path.write_bytes(encoded(landscape(7, 320, 200)))
    window.create_page.canvas.begin_drop(str(path))
    _settle(seconds=0.2)


def taken(core: DemoCore, window: MainWindow) -> None:
    _picture(core, window)


def mask(core: DemoCore, window: MainWindow) -> None:
    _picture(core, window)
    canvas = window.create_page.canvas
    canvas.work.choose("brush")
    canvas.view.setFocus()
    drag(window, [(0.25, 0.55), (0.3, 0.45), (0.4, 0.42), (0.5, 0.5)])
    window.workspace.work.set_brush(hardness=0.2, size=220.0)
    drag(window, [(0.68, 0.3), (0.75, 0.36)])
    canvas.work.choose("rectangle")
    drag(window, [(0.1, 0.75), (0.3, 0.92)])
    canvas.work.choose("brush")
    window.workspace.work.set_brush(hardness=0.8, size=140.0)
    drag(window, [(0.6, 0.7), (0.66, 0.66)], hold=True)


def extend(core: DemoCore, window: MainWindow) -> None:
    _picture(core, window, (1024, 768))
    window.create_page.canvas.work.choose("frame")
    window.workspace.work.extend_to(16, 9)
    _settle(seconds=0.1)
    drag(window, [(0.5, 1.0), (0.5, 1.1)])


def _result_of(core: DemoCore, window: MainWindow) -> None:
    _picture(core, window)
    window.workspace.create.generate()
    _settle(lambda: bool(core.queue.jobs()))
    job = core.queue.jobs()[-1].id
    core.begin(job)
    core.finish(job)
    _settle(lambda: window.workspace.canvas.result() is not None)


def review(core: DemoCore, window: MainWindow) -> None:
    _result_of(core, window)


def slider(core: DemoCore, window: MainWindow) -> None:
    _result_of(core, window)
    window.create_page.canvas.start_compare()
    _settle(lambda: window.create_page.canvas.compare.slider.comparing)
    window.create_page.canvas.compare.slider.set_split(0.42)


def beside(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    create = window.workspace.create
    for prompt, steps, guidance, seed in ((PROMPT, 8, 3.5, 7), (OTHER, 20, 5.0, 63)):
        create.set_values({"prompt": prompt, "steps": steps, "guidance_scale": guidance, "seed": seed})
        create.generate()
        job = core.queue.jobs()[-1].id
        core.begin(job)
        core.finish(job)
        _settle(seconds=0.1)
    window.create_page.canvas.start_compare()
    _settle(seconds=0.3)


def unreadable(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    path = Path(core.paths.cache) / "notes.png"
    path.write_bytes(b"no picture at all")
    window.workspace.work.take(str(path))
    _settle(seconds=0.3)


SCENES: tuple[tuple[str, Play, tuple[int, int]], ...] = (
    ("canvas-drop", drop, (1440, 900)),
    ("canvas-drop-refused", drop_refused, (1440, 900)),
    ("canvas-picture", taken, (1440, 900)),
    ("canvas-mask", mask, (1440, 900)),
    ("canvas-extend", extend, (1440, 900)),
    ("canvas-review", review, (1440, 900)),
    ("canvas-slider", slider, (1440, 900)),
    ("canvas-side-by-side", beside, (1440, 900)),
    ("canvas-unreadable", unreadable, (1440, 900)),
    ("small-canvas-mask", mask, (1024, 640)),
    ("small-canvas-drop", drop, (1024, 640)),
    ("small-canvas-side-by-side", beside, (1024, 640)),
)
