"""ControlNets, IP-Adapters and painted regions of one job: made ready before it runs, acting while it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from models import control as light
from models.folders import FolderInfo
from models.planning import Plan
from models.runners.base import Addons, Report
from models.runners.diffusion import holding, ip_adapter, regions
from models.runners.diffusion.beside import Beside
from models.runners.diffusion.clock import Clock
from models.runners.diffusion.control import Hold, controlled
from models.runners.diffusion.fit import Cut
from models.runners.diffusion.ip_adapter import Look
from models.runners.diffusion.regions import Area


@dataclass
class Extras:
    """Nothing but itself for most jobs. ``facts`` are about its pictures, for the recipe."""

    holds: list[Hold] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    areas: list[Area] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        """What the pipeline is called with besides."""
        return ip_adapter.arguments(self.looks)

    @contextmanager
    def acting(
        self, pipe: Any, info: FolderInfo, denoiser: Any, scheduler: Any, plan: Plan, report: Report
    ) -> Iterator[None]:
        """Within, running ``pipe`` with ``scheduler`` (this run's own) does what was asked for."""
        if not self.holds and not self.looks and not self.areas:
            yield
            return
        clock = Clock(scheduler)
        with ExitStack() as stack:
            way = light.CONTROLLED.get(info.pipeline)
            stack.enter_context(controlled(pipe, denoiser, way, self.holds, clock, plan, report))
            stack.enter_context(ip_adapter.looked(pipe, denoiser, info.pipeline, self.looks, clock, plan))
            stack.enter_context(regions.regional(pipe, denoiser, self.areas))
            yield


def prepared(
    inputs: dict[str, Any],
    addons: Addons,
    pipe: Any,
    denoiser: Any,
    info: FolderInfo,
    plan: Plan,
    cut: Cut,
    beside: Beside,
    report: Report,
) -> Extras:
    """What of a job is beside the model, loaded and ready; raises as ``holding.holds_of`` and ``regions.areas_of``."""
    used = [ref.path for ref in light.used(inputs, addons)]
    beside.trim(used)
    holds, facts = holding.holds_of(inputs, addons, pipe, denoiser, info, plan, cut, beside, report)
    looks, shown, encoders = ip_adapter.looks_of(inputs, addons, info, plan, beside, report)
    areas, painted = regions.areas_of(inputs, info, cut)
    beside.trim([*used, *encoders])
    return Extras(holds, looks, areas, {**facts, **shown, **painted})
