"""The engine's half of the canvas: going from words to a picture to a mask costs no loading. With ``pocket``."""

from __future__ import annotations

import tempfile
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image

from models import devices, protocol
from models.schemas import schema_from_folder
from models.worker.work import Workshop
from tests.bench.engine import POCKET
from tests.bench.measure import Measure, median

STEPS = 2


def measure(rounds: int = 15) -> list[Measure]:
    return [mode_switch(rounds)]


def mode_switch(rounds: int) -> Measure:
    """How much longer a job takes when the one before it was of another kind, against loading the model.

    In seconds of the processor: on a machine that does other things too, the clock on the wall tells mostly of those.
    """
    import torch

    torch.set_num_threads(1)  # threads that wait for each other on a busy machine would be all that is measured
    schema, numbers = schema_from_folder(Path(POCKET.folder)), count()
    loads: list[float] = []
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(
            devices.choose(devices.probe(), "cpu"), 0, Path(folder), {},
            lambda message: loads.append(message.seconds) if isinstance(message, protocol.Loaded) else None,
        )  # fmt: skip
        for _ in range(3):
            workshop.shelf.clear()
            began = time.process_time()
            workshop.load_ahead(POCKET)
            times.append(time.process_time() - began)
        load, loaded = median(times), len(loads)
        kinds = [schema.validate({"prompt": "red apple", "seed": 1, "steps": STEPS, **more}) for more in _kinds(folder)]

        def timed(inputs: dict[str, Any]) -> float:
            number = next(numbers)
            began = time.process_time()
            target = str(Path(folder) / str(number))
            workshop.run(protocol.Run(f"job{number}", POCKET, inputs, 1, target), threading.Event())
            return time.process_time() - began

        costs = []
        for _ in range(rounds):
            for kind, inputs in enumerate(kinds):
                timed(kinds[kind - 1])
                costs.append(timed(inputs) - timed(inputs))
    cost = max(0.0, median(costs))
    facts = {"load_seconds": round(load, 3), "switch_seconds": round(cost, 5), "loads": len(loads) - loaded}
    share = cost / load if len(loads) == loaded else 1.0
    return Measure("mode switch", share, 0.05, "share of load", facts)


def _kinds(folder: str) -> list[dict[str, Any]]:
    image, mask = Path(folder) / "picture.png", Path(folder) / "mask.png"
    Image.effect_noise((96, 96), 60).convert("RGB").save(image)
    white = Image.new("L", (96, 96), 0)
    white.paste(255, (48, 0, 96, 96))
    white.save(mask)
    return [{}, {"image": str(image), "strength": 1.0}, {"image": str(image), "mask": str(mask), "strength": 1.0}]
