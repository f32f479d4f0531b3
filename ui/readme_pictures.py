"""Makes the README's screenshots with the real engine and the embedded model.

``python -m ui.readme_pictures [OUT_DIR]``; without a folder, those in ``assets/screenshots`` are replaced. It uses a
home of its own, so nothing of the user's is shown or touched, and takes about a minute on two cores.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from app.core import Core
from app.jobs import Job
from app.paths import ASSETS, default_paths
from app.states import EngineState
from ui.bridge import QtDispatcher
from ui.screenshots import settle

SIZE = (1440, 900)
MODEL = "pocket"
BEFORE = ("cat", "house", "sun", "blue fish", "heart", "tree", "robot", "umbrella")
SHOTS = {"dark": "rocket", "light": "red apple"}
NEXT = ("happy cat", "green car")
STEPS = 80
"""More than needed, so that there is time to take the picture of the window while it works."""


def wait(done: Callable[[], bool], seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("the engine took too long")
        settle(0.03)


def take(theme: str, prompt: str, out: Path) -> None:
    """One window on a fresh home: some pictures made before, one job in the middle of its work, two waiting."""
    from ui.application import application, open_window

    core = Core(default_paths(), QtDispatcher(application()))
    core.settings.change(theme=theme, model=MODEL, reduced_motion=True)
    window = open_window(core)
    window.resize(*SIZE)
    wait(lambda: core.engine.state in (EngineState.READY, EngineState.BUSY))
    queue, workspace = core.queue, window.workspace
    for name in BEFORE:
        queue.submit(MODEL, {"prompt": name, "seed": 1})
    wait(lambda: not queue.busy)
    queue.clear_ended()
    workspace.create.set_values({"prompt": prompt})
    window.create_page.form.count.setValue(4)
    job = queue.submit(MODEL, {"prompt": prompt, "seed": 1, "steps": STEPS}, 4).id
    workspace.canvas.follow(job)
    for name in NEXT:
        queue.submit(MODEL, {"prompt": name, "seed": 1})
    wait(lambda: _in_the_middle(queue.get(job)))
    workspace.canvas.show_number(2)
    settle(0.1)
    window.grab().save(str(out / f"create-{theme}.png"))
    window.close()
    core.close()


def _in_the_middle(job: Job) -> bool:
    return job.ended or (job.progress.picture == 3 and job.progress.step >= STEPS // 2)


def main(arguments: list[str]) -> int:
    out = Path(arguments[0]) if arguments else ASSETS / "screenshots"
    out.mkdir(parents=True, exist_ok=True)
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    for theme, prompt in SHOTS.items():
        with tempfile.TemporaryDirectory() as home:
            os.environ["ATELIER_HOME"] = home
            os.environ["HF_HUB_CACHE"] = str(Path(home) / "hub")
            take(theme, prompt, out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
