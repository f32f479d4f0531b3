"""Final latents on the disk: what hours of denoising come down to, kept until the picture is saved.

One safetensors file with one tensor and, as metadata, what it belongs to. Written beside and renamed, so that a file
that is there is whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from models import faults
from models.files import write_whole


@dataclass(frozen=True)
class Made:
    """What latents were made by and for; ``width`` and ``height`` in pixels as asked for."""

    pipeline: str
    width: int
    height: int


def write(path: Path, latents: torch.Tensor, made: Made) -> None:
    """Write the latents exactly as they are (any shape and floating type); raises OSError."""
    faults.hit("keep")
    about = {"pipeline": made.pipeline, "width": str(made.width), "height": str(made.height)}
    data = save({"latents": latents.detach().to("cpu").contiguous()}, about)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)


def read(path: Path, made: Made) -> torch.Tensor | None:
    """The latents in ``path``; None when there is no such file. A file that cannot be used is deleted: the picture
    can always be made again from the start."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            latents: torch.Tensor = file.get_tensor("latents")
        fits = Made(about.get("pipeline", ""), int(about.get("width", 0)), int(about.get("height", 0))) == made
        if fits and bool(torch.isfinite(latents).all()):
            return latents
    except (SafetensorError, OSError, ValueError):
        pass
    path.unlink(missing_ok=True)
    return None
