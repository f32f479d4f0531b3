"""What other tools call samplers and noise schedules, in the names of ``models.samplers``.

Names are compared without case, spaces and punctuation, so that "DPM++ 2M Karras", "dpmpp_2m_karras" and
"DPM++ 2M (Karras)" are one. A sampler that is known but not offered here maps to nothing, and a sentence says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from models import samplers

_ALIASES: dict[str, tuple[str, ...]] = {
    "euler": ("euler", "k_euler", "Euler Discrete", "EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler",
              "euler_cfg_pp", "flow_match_euler", "Euler (flow)"),
    "euler_a": ("euler_a", "Euler ancestral", "k_euler_a", "k_euler_ancestral", "euler_ancestral_cfg_pp",
                "Euler Ancestral Discrete", "EulerAncestralDiscreteScheduler"),
    "heun": ("heun", "k_heun", "HeunDiscreteScheduler"),
    "dpmpp_2m": ("dpmpp_2m", "DPM++ 2M", "k_dpmpp_2m", "DPMSolverMultistepScheduler", "dpmsolver++", "dpmpp_2m_cfg_pp",
                 "DPM-Solver++", "dpm++", "dpmpp 2m"),
    "dpmpp_2m_sde": ("dpmpp_2m_sde", "DPM++ 2M SDE", "dpmpp_2m_sde_gpu", "DPM++ 2M SDE Heun", "dpmpp_2m_sde_heun",
                     "dpmpp_2m_sde_heun_gpu", "k_dpmpp_2m_sde"),
    "dpmpp_sde": ("dpmpp_sde", "DPM++ SDE", "dpmpp_sde_gpu", "k_dpmpp_sde", "DPMSolverSDEScheduler"),
    "dpmpp_2s_a": ("dpmpp_2s_a", "dpmpp_2s_ancestral", "DPM++ 2S a", "DPM++ 2S Ancestral", "k_dpmpp_2s_ancestral",
                   "k_dpmpp_2s_a"),
    "dpmpp_2s": ("dpmpp_2s", "DPM++ 2S", "DPMSolverSinglestepScheduler", "k_dpmpp_2"),
    "dpmpp_3m_sde": ("dpmpp_3m_sde", "DPM++ 3M SDE", "dpmpp_3m_sde_gpu"),
    "dpm_2": ("dpm_2", "DPM2", "k_dpm_2", "KDPM2DiscreteScheduler", "kdpm_2"),
    "dpm_2_a": ("dpm_2_a", "dpm_2_ancestral", "DPM2 a", "k_dpm_2_a", "k_dpm_2_ancestral", "kdpm_2_a",
                "KDPM2AncestralDiscreteScheduler"),
    "dpm_fast": ("dpm_fast", "DPM fast"),
    "dpm_adaptive": ("dpm_adaptive", "DPM adaptive"),
    "ddim": ("ddim", "ddim_v3", "DDIMScheduler", "DDIM CFG++", "DDIM Trailing"),
    "ddpm": ("ddpm", "DDPMScheduler"),
    "lms": ("lms", "k_lms", "LMSDiscreteScheduler"),
    "pndm": ("pndm", "plms", "PNDMScheduler"),
    "ipndm": ("ipndm", "ipndm_v"),
    "unipc": ("unipc", "uni_pc", "uni_pc_bh2", "UniPC", "unipc_snr", "UniPCMultistepScheduler", "unipc_tu", "UniPC AYS",
              "UniPC Trailing"),
    "deis": ("deis", "DEISMultistepScheduler"),
    "lcm": ("lcm", "LCMScheduler", "FlowMatchLCMScheduler"),
    "tcd": ("tcd", "TCDScheduler"),
    "restart": ("restart",),
    "res_multistep": ("res_multistep",),
    "er_sde": ("er_sde",),
    "sa_solver": ("sa_solver",),
}  # fmt: skip
"""Our name, or the name most tools use for what we have not, and what it is called elsewhere."""

_SCHEDULES: dict[str, tuple[str, ...]] = {
    "karras": ("karras", "k"),
    "exponential": ("exponential", "exp"),
    "": ("normal", "automatic", "simple", "default", "uniform", "none", "discrete", "linear", "sgm_uniform", "native",
         "trailing", "flow"),
    "beta": ("beta",),
    "polyexponential": ("polyexponential",),
    "kl_optimal": ("kl_optimal",),
    "align_your_steps": ("align_your_steps", "ays"),
    "ddim_uniform": ("ddim_uniform",),
    "linear_quadratic": ("linear_quadratic",),
    "turbo": ("turbo",),
}  # fmt: skip
"""Noise schedules: "" stands for what models come with."""


def _key(name: str) -> str:
    """``name`` reduced to what tells samplers apart."""
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("++", "pp"))


_BY_KEY = {_key(alias): ours for ours, aliases in _ALIASES.items() for alias in aliases}
_SCHEDULE_BY_KEY = {_key(alias): ours for ours, aliases in _SCHEDULES.items() for alias in aliases}
_KNOWN = {**samplers.DIFFUSION, **samplers.FLOW_FREE}


@dataclass(frozen=True)
class Mapped:
    """``scheduler`` is ours, or empty; ``unmapped`` says in a sentence what is lost."""

    scheduler: str
    unmapped: str = ""


def sampler(name: str, schedule: str = "") -> Mapped:
    """The scheduler of ours that does what sampler ``name`` with noise schedule ``schedule`` does.

    Where only the schedule is unknown, the sampler without it is taken and that is said.
    """
    name, schedule = name.strip()[:200], schedule.strip()[:200]
    if not name or _key(name) == "default":
        return Mapped("")
    base, inside = _split(name)
    if not base:
        return Mapped("", f"The sampler “{name}” is not known here; the model's own is used.")
    wanted = inside or _SCHEDULE_BY_KEY.get(_key(schedule), _key(schedule))
    if wanted and f"{base}_{wanted}" in _KNOWN:
        return Mapped(f"{base}_{wanted}")
    if base not in _KNOWN:
        return Mapped("", f"The sampler “{name}” is not offered here; the model's own is used.")
    if wanted:
        told = schedule or wanted
        return Mapped(base, f"The noise schedule “{told}” is not offered here for “{base}”; its usual one is used.")
    return Mapped(base)


def _split(name: str) -> tuple[str, str]:
    """The sampler and, where its name ends in one, the noise schedule: "DPM++ 2M Karras", "dpmpp_2m_k"."""
    key = _key(name)
    if key in _BY_KEY:
        return _BY_KEY[key], ""
    for ending, schedule in _SCHEDULE_BY_KEY.items():
        if key.endswith(ending) and key[: -len(ending)] in _BY_KEY:
            return _BY_KEY[key[: -len(ending)]], schedule
    return "", ""
