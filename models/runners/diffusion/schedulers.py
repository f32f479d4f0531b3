"""Building the scheduler of one run, never touching the one that the pipeline and its siblings share."""

from __future__ import annotations

import copy
import functools
import inspect
from typing import Any

import diffusers
import numpy as np

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
    changes = {**_flow_shift(own, cls), **_latent_defaults(own), **chosen.changes}
    scheduler = cls.from_config(own.config, **{key: value for key, value in changes.items() if _takes(cls, key)})
    if name == "unipc":
        _take_lists(scheduler)
    return scheduler


def _takes(cls: Any, name: str) -> bool:
    return name in inspect.signature(cls.__init__).parameters


def _latent_defaults(own: Any) -> dict[str, Any]:
    """Some classes clip to -1..1 unless told not to, as fits pixels; latents are larger, and would be spoilt."""
    wanted = {"clip_sample": False, "set_alpha_to_one": False}
    return {name: value for name, value in wanted.items() if name not in own.config}


def _take_lists(scheduler: Any) -> None:
    """Let a scheduler that computes with the noise levels it is given take them as a list too (Z-Image's are one)."""
    original = scheduler.set_timesteps

    @functools.wraps(original)  # pipelines look at the signature
    def set_timesteps(*args: Any, sigmas: Any = None, **kwargs: Any) -> None:
        levels = None if sigmas is None else np.array(sigmas, dtype=np.float64)
        original(*args, sigmas=levels, **kwargs)

    vars(scheduler)["set_timesteps"] = set_timesteps


def _flow_shift(own: Any, cls: type) -> dict[str, Any]:
    """The shift towards noise has two names: ``shift`` in flow-matching classes and ``flow_shift`` in the others."""
    config = own.config
    shift = config.get("flow_shift") if config.get("use_flow_sigmas") else config.get("shift")
    if shift is None:
        return {}
    return {"shift": shift} if cls.__name__.startswith("FlowMatch") else {"flow_shift": shift}
