"""What is kept loaded beside a model: ControlNets, IP-Adapters' weights and what looks at pictures for them.

A small shelf, least recently used goes first. What one job does not use lies in the computer's memory meanwhile, so
that planning need only count what it does use. The shelf belongs to a loaded model and goes with it: when memory runs
out, all of it is given back before the next cheaper plan is tried.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import accelerate
import torch
from diffusers.hooks import apply_group_offloading
from torch import nn

from models.planning import Placement, Plan

LEAST = 2 * 1024**3
"""Bytes that may be kept beside any model, however small."""


class Beside:
    """``room`` bounds the bytes that are kept together; what a job uses is kept in any case."""

    def __init__(self, room: int) -> None:
        self._room = max(room, LEAST)
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def take(self, key: str, load: Callable[[], Any]) -> Any:
        """What is kept as ``key``, or what ``load`` gives, kept from now on: a module or a dictionary of tensors."""
        if key not in self._kept:
            self._kept[key] = load()
        self._kept.move_to_end(key)
        return self._kept[key]

    def trim(self, used: Iterable[str]) -> None:
        """Let go of what there is no room for and put aside what this job does not use."""
        used = set(used)
        for key in tuple(self._kept):
            if key not in used and self.memory > self._room:
                del self._kept[key]
        for key, thing in self._kept.items():
            if key not in used and isinstance(thing, nn.Module) and movable(thing):
                thing.to("cpu")

    @property
    def memory(self) -> int:
        """Bytes of all that is kept, wherever it lies."""
        return sum(sum(tensor.numel() * tensor.element_size() for tensor in tensors(thing)) for thing in self.values())

    def values(self) -> list[Any]:
        return list(self._kept.values())

    def clear(self) -> None:
        self._kept.clear()


def tensors(thing: Any) -> Iterable[torch.Tensor]:
    """All tensors of a module, or of dictionaries of tensors."""
    if isinstance(thing, nn.Module):
        return [*thing.parameters(), *thing.buffers()]
    if isinstance(thing, dict):
        return [tensor for value in thing.values() for tensor in tensors(value)]
    return [thing] if isinstance(thing, torch.Tensor) else []


def movable(module: nn.Module) -> bool:
    """Whether its weights are moved as a whole, and not layer by layer by hooks."""
    return not getattr(module, "moved_by_hooks", False)


def settle(module: nn.Module, plan: Plan) -> None:
    """Place a module that works beside the denoiser as the plan places that: done once after it is loaded. Where whole
    models are offloaded, ``arrive`` brings it in when it is first needed."""
    device = torch.device(plan.device)
    if device.type == "cpu" or plan.placement in (Placement.WHOLE, Placement.MODEL_OFFLOAD):
        return
    if plan.placement is Placement.GROUP_OFFLOAD:
        streams = device.type == "cuda"
        apply_group_offloading(
            module, device, torch.device("cpu"), offload_type="leaf_level", use_stream=streams,
            low_cpu_mem_usage=streams,
        )  # fmt: skip
    else:
        accelerate.cpu_offload(module, device)
    vars(module)["moved_by_hooks"] = True


def arrive(module: nn.Module, plan: Plan) -> None:
    """See that a module can work: on the plan's device, unless hooks bring its layers there one by one."""
    if movable(module):
        module.to(plan.device)


def leave(module: nn.Module, plan: Plan) -> None:
    """The run is over: where whole models are offloaded it makes room for the next one."""
    if movable(module) and plan.placement is Placement.MODEL_OFFLOAD and torch.device(plan.device).type != "cpu":
        module.to("cpu")
