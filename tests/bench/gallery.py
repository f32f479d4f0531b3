"""The Gallery page with a hundred thousand pictures, in a window of its own process: opening it, typing, scrolling, and
what it weighs. Pictures and their small versions are real files, many of them links to one."""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from app.store import Store
from tests.bench.library import RECORDS, TYPED, fill
from tests.bench.measure import Measure, child, median

if TYPE_CHECKING:
    from ui.shell import MainWindow

OPEN_MS, KEYSTROKE_MS, FRAME_MS, MEMORY_MB = 200.0, 30.0, 16.0, 250.0
SIDES = (96, 176, 320)
FRAMES, STEP = 300, 150
"""Frames of each size, and by how many points each scrolls."""
KINDS = 200
"""So many different pictures there are; file systems let one file have some ten thousand names."""
_TYPING_S = 0.08

_CHILD = "from tests.bench.gallery import inside; inside()"


def measure(rounds: int = 3) -> list[Measure]:
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        _furnish(home)
        runs = [
            child(_CHILD, ATELIER_HOME=str(home), ATELIER_FAKE="1", HF_HUB_CACHE=f"{place}/hub") for _ in range(rounds)
        ]
    opened = sorted(runs, key=lambda run: run["open_ms"])[len(runs) // 2]
    keys = {part: median([run["keys"][part] for run in runs]) for part in runs[0]["keys"]}
    slowest = max(keys, key=lambda part: keys[part])
    typing = {"slowest": slowest, "median_ms": round(median(list(keys.values())), 1), "keystrokes": len(keys)}
    facts = {"records": RECORDS, "with_all_thumbnails_ms": round(opened["thumbs_ms"])}
    memory = median([run["rss"] for run in runs]) / 1e6
    return [
        Measure("gallery, opening the page", opened["open_ms"], OPEN_MS, "ms", facts),
        Measure("gallery, a keystroke", keys[slowest], KEYSTROKE_MS, "ms", typing),
        *(_frames(side, runs) for side in SIDES),
        Measure("gallery, memory of the window", memory, MEMORY_MB, "MB",
                {"before_the_page_mb": round(median([run["rss_before"] for run in runs]) / 1e6)}),
    ]  # fmt: skip


def _frames(side: int, runs: list[dict[str, Any]]) -> Measure:
    """The 95th percentile of the time a frame takes of the GUI thread."""
    times = [sorted(run["frames"][str(side)]) for run in runs]
    late = median([one[len(one) * 95 // 100] for one in times])
    facts = {"median_ms": round(median([median(one) for one in times]), 1), "frames": FRAMES,
             "slowest_ms": round(max(one[-1] for one in times), 1)}  # fmt: skip
    return Measure(f"gallery, a frame at {side} points", late, FRAME_MS, "ms", facts)


# -- what lies on the disk ---------------------------------------------------------------------------------------------


def _furnish(home: Path) -> None:
    """A library whose pictures all exist and all have a small version."""
    from ui.viewmodels.thumbnails import SIDE, kept_at

    store = Store(home / "data" / "library.sqlite3")
    fill(store)
    pictures, small = home / "pictures", home / "cache" / "thumbnails"
    larges, smalls = _models(home / "models", SIDE)
    with store.changing() as db:
        for number, (place,) in enumerate(db.execute("SELECT number FROM results ORDER BY number").fetchall()):
            path = pictures / f"{number // 1000:03}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(larges[number % KINDS], path)
            kept = kept_at(small, str(path), path.stat())
            kept.parent.mkdir(parents=True, exist_ok=True)
            os.link(smalls[number % KINDS], kept)
            db.execute("UPDATE results SET path = ? WHERE number = ?", (str(path), place))
    store.close()


def _models(folder: Path, side: int) -> tuple[list[Path], list[Path]]:
    """What the files are links to: small pictures, and thumbnails with as much in them as a photograph has."""
    folder.mkdir(parents=True)
    luck = random.Random(3)
    larges, smalls = [], []
    for number in range(KINDS):
        coarse = Image.frombytes("RGB", (12, 9), luck.randbytes(12 * 9 * 3))
        larges.append(folder / f"{number}.png")
        coarse.save(larges[-1])
        smalls.append(folder / f"{number}.jpg")
        coarse.resize((side, side * 3 // 4), Image.Resampling.BICUBIC).save(smalls[-1], quality=85)
    return larges, smalls


# -- in the window -----------------------------------------------------------------------------------------------------


def inside() -> None:
    """Run in a process of its own; prints what was measured."""
    import psutil

    import ui

    window = ui.open_window()
    window.resize(1440, 900)
    _wait(lambda: False, 4.0)  # the engine's start is not the gallery's time
    process = psutil.Process()
    before = process.memory_info().rss
    found: dict[str, Any] = {"rss_before": before, **_open(window)}
    _wait(lambda: False, 6.0)  # the look for moved files ends
    found["keys"] = _type(window)
    found["frames"] = {side: _scroll(window, side) for side in SIDES}
    found["rss"] = process.memory_info().rss
    print(json.dumps(found))
    sys.stdout.flush()
    window.close()
    os._exit(0)


def _wait(done: Callable[[], bool], seconds: float) -> bool:
    from PySide6.QtWidgets import QApplication

    end = time.perf_counter() + seconds
    while not done():
        if time.perf_counter() > end:
            return False
        QApplication.processEvents()
        time.sleep(0.0005)
    return True


def _open(window: MainWindow) -> dict[str, float]:
    """Milliseconds until the first pictures' places are painted, and until their thumbnails are there."""
    began = time.perf_counter()
    window.show_page("gallery")
    grid = window.gallery_page.grid
    if not _wait(lambda: grid.rows() > 0, 20):
        raise RuntimeError("the gallery stays empty")
    grid.viewport().repaint()
    opened = time.perf_counter() - began
    _wait(lambda: _all_here(window), 20)
    grid.viewport().repaint()
    return {"open_ms": opened * 1000, "thumbs_ms": (time.perf_counter() - began) * 1000}


def _all_here(window: MainWindow) -> bool:
    from ui.viewmodels.gallery_rows import GalleryRole

    grid = window.gallery_page.grid
    seen = (row for row in range(min(grid.rows(), 200)) if grid.visualRect(grid.model().index(row, 0)).top()
            < grid.viewport().height())  # fmt: skip
    return all(grid.model().index(row, 0).data(GalleryRole.THUMB) is not None for row in seen)


def _type(window: MainWindow) -> dict[str, float]:
    """Every beginning of what is typed: milliseconds until what it finds is painted."""
    page, model = window.gallery_page, window.workspace.gallery.model
    answered: list[bool] = []
    model.modelReset.connect(lambda: answered.append(True))
    taken: dict[str, float] = {}
    for typed in TYPED:
        for end in range(1, len(typed) + 1):
            answered.clear()
            began = time.perf_counter()
            page.bar.search.setText(typed[:end])
            if not _wait(lambda: bool(answered), 10):
                raise RuntimeError(f"no answer to {typed[:end]!r}")
            page.grid.viewport().repaint()
            taken[typed[:end]] = (time.perf_counter() - began) * 1000
            _wait(lambda: False, _TYPING_S)
    page.bar.search.setText("")
    _wait(lambda: model.whole, 10)
    return taken


def _scroll(window: MainWindow, side: int) -> list[float]:
    """Milliseconds that each frame takes of the GUI thread while the wheel is turned, sixty a second."""
    from PySide6.QtWidgets import QApplication

    grid = window.gallery_page.grid
    grid.set_side(side)
    bar = grid.verticalScrollBar()
    bar.setValue(bar.maximum() // 3)
    _wait(lambda: False, 0.3)
    times = []
    for _ in range(FRAMES):
        began = time.perf_counter()
        bar.setValue(bar.value() + STEP)
        grid.viewport().repaint()
        QApplication.processEvents()
        took = time.perf_counter() - began
        times.append(took * 1000)
        time.sleep(max(0.0, 1 / 60 - took))
    return times
