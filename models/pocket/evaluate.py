"""Measure how often pocket draws what was asked, and lay out sample grids.

`python -m models.pocket.evaluate --work DIR [--pipe FOLDER]` prints and writes DIR/metrics.json and DIR/grid.png.
Feature space: 32 x 32 RGB, squared distance, against the plain pictogram of every concept. These are trained names, so
this measures memory, not generalisation; the held-out pairs measure whether colour and thing combine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from models.pocket.colours import Bytes, Floats, dominant_hue, name_of_hue, over, recolour, unit
from models.pocket.data import HELD_OUT, SIZE, Concept, read_concepts

CELL = 32
SHOW = (
    *("red apple", "cat", "heart", "sun", "house", "smiling face", "dog", "banana", "star", "tree", "car", "fish"),
    *("angry face", "crying face", "pizza", "rocket", "flower", "moon"),
    *("frog", "panda", "strawberry", "guitar", "crown", "cupcake"),
    *("purple apple", "blue cat", "green heart", "red banana", "pink star", "green dog"),
    *("blue strawberry", "orange balloon", "cat on a blue background", "heart on a black background"),
    *("house on a yellow background", "sun on a pink background"),
)
"""The sample grid, 12 to a row: everyday names, then held-out colour + thing, then backgrounds."""


def small(pictures: Bytes) -> Floats:
    """Area-averaged CELL x CELL RGB in 0 to 1, flattened."""
    images = [Image.fromarray(p).resize((CELL, CELL), Image.Resampling.BOX) for p in pictures]
    return np.stack([np.asarray(i, np.float32).reshape(-1) / 255 for i in images])


class Painter:
    """The pipeline, called in batches with one generator per picture."""

    def __init__(self, folder: Path, steps: int, guidance: float, dtype: torch.dtype) -> None:
        self.pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=dtype, safety_checker=None)
        self.pipe.set_progress_bar_config(disable=True)
        self.steps, self.guidance = steps, guidance

    def paint(self, prompts: Sequence[str], seed: int, batch: int = 32) -> Bytes:
        """One picture per prompt, all from the same seed."""
        made: list[Bytes] = []
        for i in range(0, len(prompts), batch):
            part = list(prompts[i : i + batch])
            images = self.pipe(
                part,
                num_inference_steps=self.steps,
                guidance_scale=self.guidance,
                generator=[torch.Generator().manual_seed(seed) for _ in part],
                height=SIZE,
                width=SIZE,
            ).images
            made.append(np.stack([np.asarray(image) for image in images]))
        return np.concatenate(made)


def ranks(made: Floats, references: Floats, wanted: Sequence[int]) -> list[int]:
    """For each picture, how many references lie nearer than the wanted one."""
    gaps = ((made[:, None] - references[None]) ** 2).sum(-1)
    return [int((row < row[w]).sum()) for row, w in zip(gaps, wanted, strict=True)]


def colour_of(made: Bytes) -> str | None:
    """The colour word of a picture's main hue, None where it has none."""
    hue = dominant_hue(unit(made), (255 - made.min(-1)) > 40, share=0.2)
    return None if hue is None else name_of_hue(hue)


def in_colour(icons: Bytes, colour: str) -> Bytes:
    """Every concept turned to `colour` where it can be, else plain."""
    changed = [recolour(icon, colour) for icon in icons]
    return np.stack([over(icon if new is None else new) for icon, new in zip(icons, changed, strict=True)])


def judge_pairs(painter: Painter, concepts: list[Concept], icons: Bytes, seeds: Sequence[int]) -> dict[str, object]:
    """Held-out colour + thing: right hue, and right shape among all concepts in that colour."""
    pairs = sorted(HELD_OUT)
    index = {c.name: i for i, c in enumerate(concepts)}
    rows: list[tuple[str, bool, bool]] = []
    for seed in seeds:
        made = painter.paint([f"{colour} {thing}" for colour, thing in pairs], seed)
        for (colour, thing), image in zip(pairs, made, strict=True):
            rank = ranks(small(image[None]), small(in_colour(icons, colour)), [index[thing]])[0]
            rows.append((f"{colour} {thing}", colour_of(image) == colour, rank == 0))
    both = [r for r in rows if r[1] and r[2]]
    return {
        "pictures": len(rows),
        "hue": sum(r[1] for r in rows) / len(rows),
        "shape": sum(r[2] for r in rows) / len(rows),
        "both": len(both) / len(rows),
        "missed": sorted({r[0] for r in rows if not (r[1] and r[2])}),
    }


def judge_names(painter: Painter, concepts: list[Concept], icons: Bytes, seeds: Sequence[int]) -> dict[str, object]:
    """Every concept by its first name: nearest pictogram over all seeds."""
    references = small(np.stack([over(icon) for icon in icons]))
    found = np.array(
        [ranks(small(painter.paint([c.name for c in concepts], s)), references, range(len(concepts))) for s in seeds]
    )
    return {
        "concepts": len(concepts),
        "seeds": list(seeds),
        "top1": float((found == 0).mean()),
        "top5": float((found < 5).mean()),
        "per_seed": [float((row == 0).mean()) for row in found],
        "missed": [c.name for c, column in zip(concepts, found.T, strict=True) if (column > 0).sum() * 2 > len(seeds)],
    }


def grid(pictures: Bytes, columns: int) -> Image.Image:
    """Pictures in reading order."""
    rows = [np.concatenate(list(pictures[i : i + columns]), 1) for i in range(0, len(pictures) - columns + 1, columns)]
    return Image.fromarray(np.concatenate(rows, 0))


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pipe", type=Path)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--grid-only", action="store_true")
    args = parser.parse_args()
    concepts, icons = read_concepts(), np.load(args.work / "icons.npy")
    painter = Painter(args.pipe or args.work / "pipe", args.steps, args.guidance, getattr(torch, args.dtype))
    began = time.monotonic()
    grid(painter.paint(SHOW, args.seeds[0]), 12).save(args.work / "grid.png")
    report: dict[str, object] = {"steps": args.steps, "guidance": args.guidance, "dtype": args.dtype}
    if not args.grid_only:
        report["names"] = judge_names(painter, concepts, icons, args.seeds)
        report["held_out"] = judge_pairs(painter, concepts, icons, args.seeds)
        (args.work / "metrics.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    print(json.dumps(report), f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
