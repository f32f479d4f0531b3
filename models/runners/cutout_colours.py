"""In which numbers a network for background removal wants its colours.

An ONNX graph does not say. Where its folder has a ``preprocessor_config.json`` (as the hub's repositories do), that
says; else the network is known by name, else ImageNet's numbers are assumed, with which most are trained. The recipe
tells which (``normalisation``).
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Three = tuple[float, float, float]


@dataclass(frozen=True)
class Colours:
    """(pixel * ``scale`` - ``mean``) / ``std``, channel by channel, of pixels 0..255. ``by`` is what it goes by: "file"
    for the model's own settings, "name" for a network that is known, "assumed"."""

    mean: Three
    std: Three
    by: str = "assumed"
    scale: float = 1 / 255

    def apply(self, pixels: Floats) -> Floats:
        """``pixels`` (height, width, 3), 0..255, as the network takes them."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return ((pixels * np.float32(self.scale) - mean) / std).astype(np.float32)


_IMAGENET: tuple[Three, Three] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALVES: tuple[Three, Three] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_ONES: tuple[Three, Three] = ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
_NAMED = (
    (r"rmbg[-_ .]?2|birefnet|u2net|u-2-net", _IMAGENET),
    (r"modnet", _HALVES),
    (r"rmbg|is-?net|dis-general", _ONES),
)
"""As the authors' own scripts prepare pictures; the first that fits the name counts."""
_MOST_BYTES = 1 << 20


def colours_of(path: Path, name: str) -> Colours:
    """For the graph in ``path``; ``name`` is any text that names the network (id, title), beside the file's own."""
    for folder in (path.parent, path.parent.parent) if path.parent.name == "onnx" else (path.parent,):
        found = _written(folder / "preprocessor_config.json")
        if found is not None:
            return found
    text = f"{name} {path.parent.name} {path.name}".lower()
    known = next((numbers for pattern, numbers in _NAMED if re.search(pattern, text)), None)
    return Colours(*known, "name") if known else Colours(*_IMAGENET)


def _written(file: Path) -> Colours | None:
    """What the file says; None where there is none, or none that makes sense (it came from elsewhere)."""
    try:
        with file.open("rb") as opened:
            said: Any = json.loads(opened.read(_MOST_BYTES))
        if not isinstance(said, dict) or not {"image_mean", "do_normalize"} & set(said):
            return None
        scale = float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0
        mean, std = _three(said.get("image_mean", 0.0)), _three(said.get("image_std", 1.0))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    if said.get("do_normalize", True) is False:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    sound = all(map(math.isfinite, (scale, *mean, *std))) and scale > 0 and min(std) > 0
    return Colours(mean, std, "file", scale) if sound else None


def _three(value: Any) -> Three:
    numbers = [float(each) for each in value] if isinstance(value, list) else [float(value)] * 3
    if len(numbers) != 3:
        raise ValueError("not three channels")
    return numbers[0], numbers[1], numbers[2]
