"""The engine: prompt to picture against the bare diffusers call, preview cost, cancel latency. With ``pocket``."""

from __future__ import annotations

import io
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from models import devices, protocol
from models.card import ModelRef
from models.codec import Writer
from models.runners.base import CancelledRunError
from models.worker.work import Workshop
from tests.bench.measure import ROOT, Measure, median, paired

POCKET = ModelRef("pocket", "Pocket", "diffusers", str(ROOT / "assets" / "pocket"))
STEPS = 20


def measure(rounds: int = 15) -> list[Measure]:
    return [*overhead(rounds), cancel_latency(rounds)]


def _workshop(folder: str) -> tuple[Workshop, dict[str, Any]]:
    from models.schemas import schema_from_folder

    writer = Writer(io.BytesIO())
    workshop = Workshop(devices.choose(devices.probe(), "cpu"), 0, Path(folder), {}, writer.send)
    inputs = schema_from_folder(Path(POCKET.folder)).validate({"prompt": "red apple", "seed": 1, "steps": STEPS})
    return workshop, inputs


def _request(inputs: dict[str, Any], folder: str, number: int) -> protocol.Run:
    return protocol.Run(f"job{number}", POCKET, inputs, 1, str(Path(folder) / str(number)))


def overhead(rounds: int) -> list[Measure]:
    """Both make the same picture with the same weights object and save it as PNG; ours with hooks, messages, recipe."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        workshop, inputs = _workshop(folder)
        workshop.load_ahead(POCKET)
        pipe: Any = workshop.shelf.runners()[0]._pipe  # type: ignore[attr-defined]
        pipe.set_progress_bar_config(disable=True)
        names = {"prompt", "negative_prompt", "width", "height", "guidance_scale"}
        arguments = {name: value for name, value in inputs.items() if name in names}
        previews: list[float] = []
        count = iter(range(1_000_000))

        def bare() -> None:
            generator = torch.Generator("cpu").manual_seed(1)
            picture = pipe(**arguments, num_inference_steps=STEPS, generator=generator).images[0]
            picture.save(Path(folder) / "bare.png", compress_level=4)

        def ours() -> None:
            done = workshop.run(_request(inputs, folder, next(count)), threading.Event())
            previews.append(done.timings["previews"] / done.timings["total"])

        our_times, bare_times = paired(ours, bare, rounds)
    ratios = [mine / other for mine, other in zip(our_times, bare_times, strict=True)]
    facts = {
        "ours_seconds": round(median(our_times), 4),
        "bare_seconds": round(median(bare_times), 4),
        "best_of_each": round(min(our_times) / min(bare_times) - 1, 4),
    }
    return [
        Measure("overhead over bare diffusers", median(ratios) - 1, 0.02, "share", facts),
        Measure("preview cost", max(previews), 0.01, "share of a run", {"median": median(previews)}),
    ]


def cancel_latency(rounds: int) -> Measure:
    """From the cancel to the end of the run, in steps of the model."""
    with tempfile.TemporaryDirectory() as folder:
        workshop, inputs = _workshop(folder)
        began = time.perf_counter()
        workshop.run(_request(inputs, folder, 0), threading.Event())
        began = time.perf_counter()
        workshop.run(_request(inputs, folder, 1), threading.Event())
        step = (time.perf_counter() - began) / STEPS
        waits = [_cancelled(workshop, _request(inputs, folder, 2 + n), step * (2 + n % 9)) for n in range(rounds)]
    return Measure("cancel", max(waits) / step, 1.0, "steps", {"step_seconds": step, "median": median(waits) / step})


def _cancelled(workshop: Workshop, request: protocol.Run, after: float) -> float:
    event, asked = threading.Event(), [0.0]

    def ask() -> None:
        asked[0] = time.perf_counter()
        event.set()

    timer = threading.Timer(after, ask)
    timer.start()
    try:
        workshop.run(request, event)
    except CancelledRunError:
        return time.perf_counter() - asked[0]
    raise AssertionError("the run ended before it was cancelled")
