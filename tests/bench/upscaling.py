"""Memory of an upscaler against its tile: what it takes depends on the tile and not on the picture."""

from __future__ import annotations

import json

from tests.bench.measure import Measure, child

SIDES = (64, 128, 256)

_CODE = """
import json, resource, sys
import torch
from PIL import Image
from models.planning import Plan
from models.runners.upscale import Upscaler
from spandrel import MAIN_REGISTRY
from spandrel.architectures import ESRGAN
sys.path.insert(0, "tests/torch")
from tiny_runs import Ear
torch.set_num_threads(1)
made = next(each for each in vars(ESRGAN).values() if getattr(each, "__name__", "") == "RRDBNet")
network = MAIN_REGISTRY.load(made(num_filters=32, num_blocks=1, scale=4).state_dict()).eval()
upscaler = Upscaler(network, Plan("cpu"))
upscaler.enlarged(Image.new("RGB", (16, 16)), (64, 64), Ear())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
side, tile = SIDE, TILE
upscaler.enlarged(Image.effect_noise((side, side), 60).convert("RGB"), (side * 4, side * 4), Ear(), tile=tile)
print(json.dumps({"mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))
"""


def measure(rounds: int = 1) -> list[Measure]:
    """Peak memory of one picture by tile, and of one twice as large in the same tiles, less its own pixels."""
    by_tile = {tile: _peak(256, tile) for tile in SIDES}
    larger = _peak(512, SIDES[0])
    pixels = 4 * 4 * 3 * (512**2 - 256**2) / 1024**2
    facts = {"mb by tile": {str(tile): round(mb) for tile, mb in by_tile.items()}, "larger picture": round(larger)}
    return [
        Measure(
            "upscaler: small tiles", by_tile[64] / by_tile[256], 0.5, "of one tile's", json.loads(json.dumps(facts))
        ),
        Measure("upscaler: larger picture", (larger - 3 * pixels) / by_tile[64], 1.5, "of the smaller's", facts),
    ]


def _peak(side: int, tile: int) -> float:
    """MB that a fresh process grows by."""
    return float(child(_CODE.replace("SIDE", str(side)).replace("TILE", str(tile)))["mb"])
