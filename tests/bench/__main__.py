"""``python -m tests.bench [--json FILE] [--rounds N]``: measure, print, write the report."""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

import msgspec

from tests.bench import canvas_engine, canvas_ui, engine, gallery, grids, library, loras, upscaling, weights, window
from tests.bench.measure import Measure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where the report goes")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    few = max(3, options.rounds // 3)
    measures: list[Measure] = [
        *window.measure(few),
        *canvas_ui.measure(few),
        *weights.measure(few),
        *library.measure(few),
        *gallery.measure(few),
        *engine.measure(options.rounds),
        *canvas_engine.measure(options.rounds),
        *loras.measure(few),
        *grids.measure(few),
        *upscaling.measure(),
    ]
    for one in measures:
        mark = "ok  " if one.kept else "OVER"
        print(f"{mark} {one.name:<30} {one.value:8.3f} {one.unit:<14} (at most {one.limit:g})  {one.facts}")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": platform.platform(), "measures": measures}
    options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return 0 if all(one.kept for one in measures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
