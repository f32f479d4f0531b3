"""Building the scheduler of one run, never touching the one that the pipeline and its siblings share."""

from __future__ import annotations

import copy
from typing import Any

import diffusers

from models import samplers
from models.pipelines import PipelineRow


def scheduler_for(name: str, own: Any, row: PipelineRow) -> Any:
    """A fresh scheduler: the model's own for ``default``, else the sampler ``name`` with the model's noise schedule.

    An unknown name cannot come through validation; it gives the model's own.
    """
    choices = samplers.compatible(type(own).__name__, own.config, row.own_sigmas)
    chosen = choices.get(name)
    if chosen is None:
        return copy.deepcopy(own)
    cls = getattr(diffusers, chosen.scheduler)
    return cls.from_config(own.config, **{**_flow_shift(own, cls), **chosen.changes})


def _flow_shift(own: Any, cls: type) -> dict[str, Any]:
    """The shift towards noise has two names: ``shift`` in flow-matching classes and ``flow_shift`` in the others."""
    config = own.config
    shift = config.get("flow_shift") if config.get("use_flow_sigmas") else config.get("shift")
    if shift is None:
        return {}
    return {"shift": shift} if cls.__name__.startswith("FlowMatch") else {"flow_shift": shift}
