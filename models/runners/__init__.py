"""The heavy half of a box: one runner for each kind of model. Imported by the worker process only."""

from __future__ import annotations

from models.errors import AtelierError, ErrorCode
from models.runners.base import RunnerKind


def kind_of(runner: str) -> RunnerKind:
    """The runner kind called ``runner``; its module is imported now, since some are heavy."""
    if runner == "fake":
        from models.runners.fake import FakeKind

        return FakeKind()
    if runner == "diffusers":
        from models.runners.diffusion.kind import DiffusionKind

        return DiffusionKind()
    raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=runner, pipeline=runner)
