"""How models in diffusers' folder layout are planned and loaded."""

from __future__ import annotations

from pathlib import Path

import diffusers
import msgspec
import torch
import transformers

from models import folders, planning
from models.card import ModelRef
from models.errors import AtelierError, ErrorCode
from models.pipelines import PipelineRow, row
from models.planning import Component, DeviceFacts, Plan
from models.runners.base import Report, Runner
from models.runners.diffusion.loading import load_pipeline
from models.runners.diffusion.preview import colours_of
from models.runners.diffusion.runner import DiffusionRunner
from models.schemas import runs


class DiffusionKind:
    """See ``RunnerKind``. Nothing here touches the network: all files lie in ``model.folder``."""

    def plans(
        self, model: ModelRef, facts: DeviceFacts, pixels: int = 0, beside: tuple[Component, ...] = ()
    ) -> tuple[Plan, ...]:
        """The ways to load ``model`` on this device, best first; raises as ``folders.inspect`` for a broken folder.

        ``pixels`` are those of the picture that is wanted, 0 for one of the model's own size; ``beside`` is what works
        with it besides.
        """
        info = folders.inspect(Path(model.folder), model.name)
        _row_of(info.pipeline, model.name)
        needs = msgspec.structs.replace(info.needs, pixels=pixels) if pixels > 0 else info.needs
        needs = msgspec.structs.replace(needs, beside=beside)
        return planning.plans(needs, facts, model.name)

    def load(self, model: ModelRef, plan: Plan, report: Report, cache: Path) -> Runner:
        """Check the files, load the pipeline as ``plan`` says and fit its preview colours (kept in ``cache``).

        Raises:
            OutOfMemoryError: with stage "load".
            AtelierError: MODEL_INCOMPLETE, MODEL_CORRUPT, MODEL_UNSUPPORTED, MODEL_NEEDS_PICKLE or
                MODEL_NEEDS_REMOTE_CODE, with ``model``, and ``file`` or ``pipeline`` where there is one.
        """
        info = folders.inspect(Path(model.folder), model.name)
        found = _row_of(info.pipeline, model.name)
        pipe = load_pipeline(info, plan, model.name, report)
        return DiffusionRunner(pipe, info, found, plan, colours_of(pipe, model, cache))

    def warm_up(self) -> dict[str, str]:
        """Import what every pipeline needs (most of the time is in the first attribute of each library)."""
        for library, names in ((diffusers, ("DiffusionPipeline", "AutoencoderKL")), (transformers, ("CLIPTextModel",))):
            for name in names:
                getattr(library, name)
        return {
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
        }


def _row_of(pipeline: str, model: str) -> PipelineRow:
    found = row(pipeline)
    if found is None or not runs(found):
        raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=model, pipeline=pipeline)
    return found
