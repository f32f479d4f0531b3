"""The schedulers a person may choose among, by plain name; light, so that forms can offer them without diffusers.

A scheduler only fits a model that was trained its way: to predict noise on a diffusion schedule, or a velocity on a
straight (flow) path. The names are those most other tools use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT = "default"
"""The model's own scheduler, as its authors configured it."""


@dataclass(frozen=True)
class Sampler:
    """A diffusers scheduler class and what to change in the model's own scheduler config."""

    scheduler: str
    changes: Mapping[str, Any] = field(default_factory=dict)


_DPMPP = {"algorithm_type": "dpmsolver++", "solver_order": 2}

DIFFUSION: dict[str, Sampler] = {
    "ddim": Sampler("DDIMScheduler"),
    "ddim_trailing": Sampler("DDIMScheduler", {"timestep_spacing": "trailing"}),
    "dpmpp_2m": Sampler("DPMSolverMultistepScheduler", _DPMPP),
    "dpmpp_2m_karras": Sampler("DPMSolverMultistepScheduler", {**_DPMPP, "use_karras_sigmas": True}),
    "dpmpp_2m_sde": Sampler("DPMSolverMultistepScheduler", {**_DPMPP, "algorithm_type": "sde-dpmsolver++"}),
    "dpmpp_2m_sde_karras": Sampler(
        "DPMSolverMultistepScheduler", {**_DPMPP, "algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True}
    ),
    "euler": Sampler("EulerDiscreteScheduler"),
    "euler_trailing": Sampler("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "euler_a": Sampler("EulerAncestralDiscreteScheduler"),
    "heun": Sampler("HeunDiscreteScheduler"),
    "unipc": Sampler("UniPCMultistepScheduler"),
    "deis": Sampler("DEISMultistepScheduler"),
    "pndm": Sampler("PNDMScheduler", {"skip_prk_steps": True}),
    "lcm": Sampler("LCMScheduler"),
    "tcd": Sampler("TCDScheduler"),
}

_FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}

FLOW: dict[str, Sampler] = {
    "euler": Sampler("FlowMatchEulerDiscreteScheduler"),
    "unipc": Sampler("UniPCMultistepScheduler", _FLOW),
    "lcm": Sampler("FlowMatchLCMScheduler"),
}

FLOW_FREE: dict[str, Sampler] = {
    **FLOW,
    "heun": Sampler("FlowMatchHeunDiscreteScheduler"),
    "dpmpp_2m": Sampler("DPMSolverMultistepScheduler", {**_FLOW, **_DPMPP}),
}
"""For pipelines that let the scheduler choose the noise levels; these two take none from outside."""

_DIFFUSION_CLASSES = {sampler.scheduler for sampler in DIFFUSION.values()} | {
    "DDPMScheduler",
    "DPMSolverSinglestepScheduler",
    "DPMSolverSDEScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "LMSDiscreteScheduler",
}
_FLOW_CLASSES = {"FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "FlowMatchLCMScheduler"}


def compatible(scheduler: str, config: Mapping[str, Any], own_sigmas: bool) -> dict[str, Sampler]:
    """The samplers that fit a model whose own scheduler is ``scheduler`` with ``config``; empty when none is known.

    ``own_sigmas`` says that the pipeline hands its own noise levels to the scheduler.
    """
    flow = scheduler in _FLOW_CLASSES or bool(config.get("use_flow_sigmas"))
    if flow:
        dynamic = bool(config.get("use_dynamic_shifting"))
        return FLOW if own_sigmas or dynamic else FLOW_FREE
    return DIFFUSION if scheduler in _DIFFUSION_CLASSES else {}
