"""The heavy half of a box: one runner for each kind of model. Imported by the worker process only."""

from __future__ import annotations

import importlib

from models.errors import AtelierError, ErrorCode
from models.runners.base import RunnerKind

KINDS = {
    "diffusers": ("models.runners.diffusion.kind", "DiffusionKind"),
    "upscale": ("models.runners.upscale", "UpscaleKind"),
    "cutout": ("models.runners.cutout", "CutoutKind"),
    "caption": ("models.runners.caption", "CaptionKind"),
    "maps": ("models.runners.maps.kind", "MapsKind"),
    "fake": ("models.runners.fake", "FakeKind"),
}
"""Module and class of each runner kind. Modules are imported when first asked for, since some are heavy."""


def kind_of(runner: str) -> RunnerKind:
    """The runner kind called ``runner``; raises AtelierError (MODEL_UNSUPPORTED) if there is none."""
    if runner not in KINDS:
        raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=runner, pipeline=runner)
    module, name = KINDS[runner]
    kind: RunnerKind = getattr(importlib.import_module(module), name)()
    return kind
