"""Putting on a LoRA that was not used before costs a small part of loading the model. With ``pocket``."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

from models import devices, protocol
from models.card import AddonRef
from models.schemas import schema_from_folder
from models.worker.work import Workshop
from tests.bench.engine import POCKET
from tests.bench.measure import Measure, median


def measure(rounds: int = 5) -> list[Measure]:
    return [lora_switch(rounds)]


def lora_switch(rounds: int) -> Measure:
    """Seconds of the processor that a job takes longer with a LoRA that is read for it, against loading the model."""
    import torch
    from safetensors.torch import load_file, save_file

    torch.set_num_threads(1)
    schema = schema_from_folder(Path(POCKET.folder))
    unet = load_file(Path(POCKET.folder) / "unet" / "diffusion_pytorch_model.safetensors")
    layers = {name.removesuffix(".weight"): t.shape for name, t in unet.items() if "_to_" in name or ".to_" in name}
    wide = {name: shape for name, shape in layers.items() if len(shape) == 2}
    loads: list[object] = []
    loading, plain, worn = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(
            devices.choose(devices.probe(), "cpu"), 0, Path(folder), {},
            lambda message: loads.append(message) if isinstance(message, protocol.Loaded) else None,
        )  # fmt: skip
        for _ in range(3):
            workshop.shelf.clear()
            began = time.process_time()
            workshop.load_ahead(POCKET)
            loading.append(time.process_time() - began)
        loaded = len(loads)
        for number in range(rounds + 1):
            path = Path(folder) / f"{number}.safetensors"
            down = {f"unet.{name}.lora_A.weight": torch.randn(8, shape[1]) for name, shape in wide.items()}
            up = {f"unet.{name}.lora_B.weight": torch.randn(shape[0], 8) * 0.01 for name, shape in wide.items()}
            save_file({**down, **up}, path)
            ref = AddonRef(path.name, path.name, "lora", str(path))
            for times, items in ((plain, []), (worn, [{"name": path.name, "weight": 0.5}])):
                inputs = schema.validate({"prompt": "red apple", "seed": 1, "steps": 1, "loras": items})
                request = protocol.Run(
                    f"job{number}{len(items)}", POCKET, inputs, 1, str(Path(folder) / f"{number}-{len(items)}"),
                    addons={path.name: ref},
                )  # fmt: skip
                began = time.process_time()
                workshop.run(request, threading.Event())
                if number:
                    times.append(time.process_time() - began)
    extra, load = median([one - other for one, other in zip(worn, plain, strict=True)]), median(loading)
    facts = {"extra_s": round(extra, 4), "load_s": round(load, 3), "layers": len(wide), "loads": len(loads) - loaded}
    return Measure("lora_switch", extra / load if len(loads) == loaded else 9.0, 0.5, "of a model load", facts)
