"""The window: from process start to usable, and what its process weighs, against an empty Qt window."""

from __future__ import annotations

import tempfile

from tests.bench.measure import Measure, child, median

_BARE = """
import json, os, psutil, time
from PySide6.QtWidgets import QApplication, QMainWindow
app = QApplication([]); window = QMainWindow(); window.show(); app.processEvents()
seconds = time.time() - float(os.environ["BENCH_BEGAN"])
print(json.dumps({"seconds": seconds, "rss": psutil.Process().memory_info().rss}))
"""

_OURS = """
import json, os, psutil, sys, time
import ui
window = ui.open_window()
from PySide6.QtWidgets import QApplication, QWidget
app = QApplication.instance()
prompt = window.findChild(QWidget, "create.prompt")
while not (prompt.isVisible() and prompt.isEnabled()): app.processEvents()
app.processEvents()
p = psutil.Process()
seconds = time.time() - float(os.environ["BENCH_BEGAN"])
end = time.time() + 3
while time.time() < end: app.processEvents(); time.sleep(0.01)
heavy = [m for m in ("torch", "diffusers", "transformers") if m in sys.modules]
print(json.dumps({"seconds": seconds, "rss": p.memory_info().rss, "heavy": heavy}))
sys.stdout.flush()
window.close()
os._exit(0)
"""


def measure(rounds: int = 5) -> list[Measure]:
    bare, ours = [], []
    with tempfile.TemporaryDirectory() as home:
        for _ in range(rounds):
            bare.append(child(_BARE))
            ours.append(child(_OURS, ATELIER_HOME=home))
    seconds, empty = median([run["seconds"] for run in ours]), median([run["seconds"] for run in bare])
    memory, light = median([run["rss"] for run in ours]), median([run["rss"] for run in bare])
    heavy = sorted({name for run in ours for name in run["heavy"]})
    start = {"seconds": round(seconds, 3), "empty_window_seconds": round(empty, 3), "times_empty": seconds / empty}
    idle = {"mb": round(memory / 1e6), "empty_window_mb": round(light / 1e6)}
    return [
        Measure("window usable", seconds, 1.0, "s", start),
        Measure("torch in the window", len(heavy), 0, "modules", {"found": heavy}),
        Measure("idle memory of the window", memory / light, 3.0, "x", idle),
    ]
