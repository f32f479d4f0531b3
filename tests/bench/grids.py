"""Grids: all cells of one job against the same pictures made one job each. With ``pocket``, models loaded before."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from app.explore import plan
from app.explore.axes import parse
from models import protocol
from models.schemas import schema_from_folder
from tests.bench.engine import POCKET, _workshop
from tests.bench.measure import Measure, median, paired


def measure(rounds: int = 5) -> list[Measure]:
    """The share a grid takes longer than its single runs."""
    with tempfile.TemporaryDirectory() as folder:
        workshop, inputs = _workshop(folder)
        workshop.load_ahead(POCKET)
        schema = schema_from_folder(Path(POCKET.folder))
        axes = [parse(text, schema, inputs) for text in ("steps=4,6,8", "guidance_scale=2..6[3]")]
        cells = plan.in_order(plan.cells(axes, "pocket", inputs), axes, schema)
        about = {"grid": {"id": "bench", "axes": [], "cells": [cell.index for cell in cells]}}
        count = iter(range(1_000_000))

        def run(values: dict[str, object], variants: tuple[dict[str, object], ...]) -> None:
            number = next(count)
            request = protocol.Run(
                f"job{number}", POCKET, values, len(variants) or 1, str(Path(folder) / str(number)), about,
                variants=variants,
            )  # fmt: skip
            workshop.run(request, threading.Event())

        def grid() -> None:
            run(inputs, tuple(cell.variant for cell in cells))

        def singles() -> None:
            for cell in cells:
                run({**inputs, **cell.variant}, ())

        ours, apart = paired(grid, singles, rounds)
    ratios = [mine / other for mine, other in zip(ours, apart, strict=True)]
    facts = {"grid_seconds": round(median(ours), 3), "single_seconds": round(median(apart), 3), "cells": len(cells)}
    return [Measure("grid over its single runs", median(ratios) - 1, 0.05, "share", facts)]
