"""The built-in tool "maps": one picture in, its map out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from models import maps
from models.card import ModelRef
from models.pictures import open_picture
from models.planning import DeviceFacts, Plan
from models.runners.base import NO_ADDONS, Addons, OutOfMemoryError, Picture, Report
from models.runners.maps import make_map


class MapMaker:
    """Holds nothing between jobs: helper models are small, and are loaded for the map they make."""

    memory = 0

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def run(self, inputs: dict[str, Any], seed: int, keep: Path, report: Report, addons: Addons = NO_ADDONS) -> Picture:
        """The map of ``inputs["image"]``; raises as ``make_map``, and PICTURE_UNREADABLE."""
        began = time.perf_counter()
        report.stage("running")
        report.step(0, 1)
        image = open_picture(inputs[maps.IMAGE]).image
        options = {name: value for name, value in inputs.items() if name not in (maps.IMAGE, maps.PREPROCESSOR)}
        try:
            made = make_map(inputs[maps.PREPROCESSOR], image, addons, report, device=self._plan.device, **options)
        except MemoryError as error:
            raise OutOfMemoryError("run", str(error)) from error
        report.checkpoint()
        report.step(1, 1)
        return Picture(made, seed, {"timings": {"total": time.perf_counter() - began}})

    def close(self) -> None:
        pass


class MapsKind:
    """See ``RunnerKind``."""

    def plans(self, model: ModelRef, facts: DeviceFacts, pixels: int = 0) -> tuple[Plan, ...]:
        """On the device; on the processor where it has no room."""
        device = facts.torch_device
        return (Plan("cpu"),) if device == "cpu" else (Plan(device), Plan("cpu"))

    def load(self, model: ModelRef, plan: Plan, report: Report, cache: Path) -> MapMaker:
        return MapMaker(plan)

    def warm_up(self) -> dict[str, str]:
        return {}
