"""Renders every page and state in both themes: ``python -m ui.screenshots OUT_DIR``.

The pictures come from the scripted core of ``ui.demo``; without a screen, Qt's offscreen platform is used.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop
from PySide6.QtGui import QPainter, QPixmap

from app.paths import Paths
from app.states import EngineState
from models.errors import ErrorCode, ErrorInfo
from ui import (
    scenes_canvas,
    scenes_control,
    scenes_explore,
    scenes_gallery,
    scenes_loras,
    scenes_models,
    scenes_prompts,
    scenes_tools,
)
from ui.demo import DemoCore
from ui.shell import MainWindow

PROMPT = "a lighthouse on a cliff at dusk, warm light in the windows, low fog over the sea, film photograph"
LONG = (PROMPT + ", seen from the water, waves breaking on dark rocks, gulls, ") * 12
NAMES = ("fox reading a newspaper", "paper city, morning light", "brass robot, studio light", "seamless moss texture")
SEEDS = (11, 3, 27, 31, 40, 58, 63, 72, 81, 95, 104, 117)
TRACE = """Traceback (most recent call last):
  File "models/runners/diffusion/runner.py", line 212, in run
    latents = self._denoise(inputs)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.44 GiB. GPU 0 has a total capacity of 11.76 GiB"""


class Scene(NamedTuple):
    """A state of the window: how it is reached, and how large the window is."""

    name: str
    play: Callable[[DemoCore, MainWindow], None]
    size: tuple[int, int] = (1440, 900)


def settle(seconds: float = 0.25) -> None:
    """Let events, timers and the reading of thumbnails come to an end."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.005)


def send(core: DemoCore, window: MainWindow, prompt: str = PROMPT, count: int = 1, seed: int = 7) -> str:
    """Submit as the form does, and look at the job."""
    model = window.workspace.create.current
    job = core.queue.submit(model, {"prompt": prompt, "seed": seed}, count)
    window.workspace.canvas.follow(job.id)
    window.workspace.create.set_values({"prompt": prompt})
    return job.id


def keep_some(core: DemoCore, window: MainWindow, count: int = 8) -> None:
    for number in range(count):
        size = ((768, 512), (512, 768), (640, 640))[number % 3]
        core.keep(f"old{number}", NAMES[number % len(NAMES)], SEEDS[number % len(SEEDS)], *size)
    window.workspace.recent.refresh()


def first_run(core: DemoCore, window: MainWindow) -> None:
    core.ready()


def starting(core: DemoCore, window: MainWindow) -> None:
    send(core, window)


def loading(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    keep_some(core, window)
    core.load(send(core, window), 0.42, "transformer")


def running(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    keep_some(core, window)
    job = send(core, window, count=4)
    for name in NAMES[2:]:
        core.queue.submit("klein", {"prompt": name})
    core.begin(job)
    core.produce(job)
    core.step(job, 5, 8, 2, 9)
    core.preview(job, 0.88, 2)


def result(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    keep_some(core, window)
    job = send(core, window)
    core.begin(job)
    core.finish(job)


def eight(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    job = send(core, window, count=8)
    core.begin(job)
    core.finish(job)
    settle()
    window.workspace.canvas.show_number(3)


def sixty_four(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    window.workspace.create.set_values({"width": 256, "height": 256})
    job = core.queue.submit("klein", {"prompt": PROMPT, "seed": 5, "width": 256, "height": 256}, 64)
    window.workspace.canvas.follow(job.id)
    core.begin(job.id)
    for _ in range(40):
        core.produce(job.id)
    core.step(job.id, 2, 8, 41, 71)
    core.preview(job.id, 0.9, 41)


def error(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    keep_some(core, window)
    job = send(core, window)
    core.begin(job)
    core.fail(job, ErrorCode.OUT_OF_MEMORY, TRACE, needed_gb=7, free_gb=5.1)


def error_details(core: DemoCore, window: MainWindow) -> None:
    error(core, window)
    settle()
    window.create_page.canvas.error.open_details()


def invalid(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    create = window.workspace.create
    create.set_values({"prompt": "", "steps": 0, "width": 100000})
    window.create_page.form.go()


def held(core: DemoCore, window: MainWindow) -> None:
    for name in NAMES[:3]:
        core.queue.add("klein", {"prompt": name, "seed": 1, "width": 768, "height": 512}, held=True)
    keep_some(core, window)
    core.ready()


def many_jobs(core: DemoCore, window: MainWindow) -> None:
    running(core, window)
    for number in range(200):
        core.queue.submit("klein", {"prompt": f"{NAMES[number % 4]}, variation {number + 1}"})
    for code in (ErrorCode.ENGINE_CRASHED, ErrorCode.RESULT_BROKEN):
        job = core.queue.submit("klein", {"prompt": "glass whale"})
        core.fail(job.id, code, "", reason="out of memory", what="NaN")


def long_texts(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    window.workspace.create.select("long")
    keep_some(core, window, 3)
    job = send(core, window, LONG)
    send(core, window, LONG)
    core.begin(job)
    core.step(job, 5, 50, 1, 4000)
    core.preview(job, 0.8)


def tall(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    core.keep("tall", "a very tall tower", 5, 320, 2048)
    core.keep("wide", "a very wide valley", 6, 2048, 256)
    window.workspace.recent.refresh()
    window.workspace.canvas.show_result("tall")


def missing(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    keep_some(core, window, 4)
    Path(core.library.results[0].path).unlink()
    window.workspace.canvas.show_result(core.library.results[0].id)


def model_problem(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    window.workspace.create.select("broken")


def model_list(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    keep_some(core, window)
    window.choose_model()


def advanced(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    keep_some(core, window)
    window.create_page.form.form.open_section("advanced")
    picture = core.library.results[0].path
    window.create_page.form.form.pictures()[0].take(picture)
    window.workspace.create.set_values({"seed": 4711, "steps": 20})


def no_engine(core: DemoCore, window: MainWindow) -> None:
    keep_some(core, window, 4)
    error = ErrorInfo(ErrorCode.ENGINE_MISSING, {"what": "torch"}, "ModuleNotFoundError")
    core.engine.become(EngineState.UNUSABLE, error=error)


def settings(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    core.settings.change(model_folders=("/home/mia/models/flux-klein", "/mnt/archive/" + "deep/" * 20 + "sdxl"))
    window.show_page("settings")


def shortcuts(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    keep_some(core, window)
    window.show_shortcuts()


SCENES = (
    Scene("first-run", first_run),
    Scene("starting", starting),
    Scene("loading", loading),
    Scene("running", running),
    Scene("result", result),
    Scene("eight-pictures", eight),
    Scene("sixty-four-pictures", sixty_four),
    Scene("error", error),
    Scene("error-details", error_details),
    Scene("invalid", invalid),
    Scene("held-jobs", held),
    Scene("many-jobs", many_jobs),
    Scene("long-texts", long_texts),
    Scene("tall-picture", tall),
    Scene("missing-file", missing),
    Scene("model-problem", model_problem),
    Scene("model-list", model_list),
    Scene("advanced", advanced),
    Scene("no-engine", no_engine),
    Scene("settings", settings, (1280, 1180)),
    Scene("shortcuts", shortcuts),
    Scene("small-running", running, (1024, 640)),
    Scene("small-error", error, (1024, 640)),
    Scene("small-first-run", first_run, (1024, 640)),
    Scene("wide-result", result, (2560, 1080)),
    *(Scene(*scene) for scene in (*scenes_canvas.SCENES, *scenes_explore.SCENES, *scenes_models.SCENES)),
    *(Scene(*scene) for scene in (*scenes_control.SCENES, *scenes_loras.SCENES)),
    *(Scene(*scene) for scene in scenes_prompts.SCENES),
    *(Scene(*scene) for scene in (*scenes_tools.SCENES, *scenes_gallery.SCENES)),
)


def render(scene: Scene, theme: str, out: Path) -> Path:
    """Play ``scene`` on a fresh core and window and write what the window shows."""
    from ui.application import open_window  # needs the platform to be chosen first

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        core = DemoCore(Paths(*(root / name for name in ("settings", "data", "cache", "logs", "pictures"))), seconds=6)
        core.settings.change(theme=theme, model="klein", reduced_motion=True)
        window = open_window(core)
        window.resize(*scene.size)
        settle(0.1)
        scene.play(core, window)
        settle()
        path = out / f"{scene.name}-{theme}.png"
        picture = window.grab()
        _paint_popups(picture, window)
        picture.save(str(path))
        window.close()
        window.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        settle(0.02)
    return path


def _paint_popups(picture: QPixmap, window: MainWindow) -> None:
    """Lists and dialogs are windows of their own: draw those that are open where they stand."""
    from PySide6.QtWidgets import QApplication  # noqa: TID251 - only to find the open windows

    painter = QPainter(picture)
    for other in QApplication.topLevelWidgets():
        if other is not window and other.isVisible() and other.width() > 40:
            where = other.mapToGlobal(other.rect().topLeft()) - window.mapToGlobal(window.rect().topLeft())
            painter.drawPixmap(where, other.grab())
    painter.end()


def main(arguments: list[str]) -> int:
    if not arguments:
        sys.stderr.write("usage: python -m ui.screenshots OUT_DIR [SCENE...]\n")
        return 2
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    out = Path(arguments[0])
    out.mkdir(parents=True, exist_ok=True)
    for scene in SCENES:
        if not arguments[1:] or scene.name in arguments[1:]:
            for theme in ("dark", "light"):
                sys.stdout.write(f"{render(scene, theme, out)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
