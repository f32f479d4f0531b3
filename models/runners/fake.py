"""A runner without torch: it paints a picture from the seed, in steps, like a real model seen from outside.

The test double on which window, command line, queue and engine are tested and shown. Its declaration is in
``models.painter``.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

from models import faults
from models.card import ModelRef
from models.planning import DeviceFacts, Placement, Plan
from models.runners.base import NO_ADDONS, Addons, OutOfMemoryError, Picture, Report


class FakePainter:
    """A loaded fake model."""

    memory = 1_000_000

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def run(self, inputs: dict[str, Any], seed: int, keep: Path, report: Report, addons: Addons = NO_ADDONS) -> Picture:
        started = time.perf_counter()
        if keep.exists():
            state = json.loads(keep.read_text())
            report.notice("latents_reused")
        else:
            state = self._denoise(inputs, seed, report)
            part = keep.with_suffix(".part")
            part.write_text(json.dumps(state))
            os.replace(part, keep)
        report.stage("decoding")
        if faults.hit("decode"):
            raise ValueError("a fault was planted")
        return Picture(paint(**state), seed, {"timings": {"total": time.perf_counter() - started}, "scheduler": "none"})

    def close(self) -> None:
        pass

    def _denoise(self, inputs: dict[str, Any], seed: int, report: Report) -> dict[str, Any]:
        steps, width, height = inputs["steps"], inputs["width"], inputs["height"]
        report.stage("running")
        if width >= 1024 and height >= 1024:
            try:
                faults.hit("large")
            except MemoryError as error:
                raise OutOfMemoryError("run", str(error)) from error
        for step in range(steps):
            report.checkpoint()
            report.step(step, steps)
            try:
                faults.hit("step")
            except MemoryError as error:
                if self._plan.placement is Placement.WHOLE:
                    raise OutOfMemoryError("run", str(error)) from error
            time.sleep(inputs["step_seconds"])
            if report.wants_preview():
                began = time.perf_counter()
                report.preview(paint(seed, 48, 48, (step + 1) / steps), width, height, time.perf_counter() - began)
        report.checkpoint()
        report.step(steps, steps)
        return {"seed": seed, "width": width, "height": height, "amount": 1.0}


class FakeKind:
    """Knows two plans, so that the fall to the cheaper one can be tested without a device."""

    def plans(self, model: ModelRef, facts: DeviceFacts, pixels: int = 0) -> tuple[Plan, ...]:
        return (Plan("cpu"), Plan("cpu", placement=Placement.SEQUENTIAL_OFFLOAD))

    def load(self, model: ModelRef, plan: Plan, report: Report, cache: Path) -> FakePainter:
        for number, part in enumerate(("brush", "paint", "canvas")):
            report.checkpoint()
            report.loading(number / 3, part)
            try:
                faults.hit("load")
            except MemoryError as error:
                raise OutOfMemoryError("load", str(error)) from error
        return FakePainter(plan)

    def warm_up(self) -> dict[str, str]:
        return {}


def paint(seed: int, width: int, height: int, amount: float) -> Image.Image:
    """Hills under a sun in the seed's colours; ``amount`` 0..1 is how far the picture has formed."""
    dice = random.Random(seed)
    sky, ground, sun = (tuple(dice.randrange(40, 230) for _ in range(3)) for _ in range(3))
    picture = Image.new("RGB", (width, height), sky)
    draw = ImageDraw.Draw(picture)
    radius = min(width, height) * dice.uniform(0.08, 0.2)
    x, y = width * dice.uniform(0.2, 0.8), height * dice.uniform(0.15, 0.5)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=sun)
    for level in (0.6, 0.75):
        ridge = [(width * i / 6, height * (level + dice.uniform(-0.1, 0.1))) for i in range(7)]
        shade = tuple(int(channel * level) for channel in ground)
        draw.polygon([(0, height), *ridge, (width, height)], fill=shade)
    blur = (1 - amount) * min(width, height) / 8
    return picture.filter(ImageFilter.GaussianBlur(blur)) if blur >= 1 else picture
