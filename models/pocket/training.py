"""Shared by both trainings: mixed-precision optimiser with running average, atomic checkpoints, pictures to tensors."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.pocket.colours import Bytes


def as_tensor(pictures: Bytes) -> torch.Tensor:
    """uint8 [n, h, w, 3] to float [n, 3, h, w] in -1 to 1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float().div(127.5).sub(1)


class MasterOptimizer:
    """AdamW on float32 masters of bfloat16 weights, with a running average (EMA) of the masters.

    Mixed precision as in Micikevicius et al. 2017 (arXiv:1710.03740); bfloat16 has float32's range, so no loss scaling.
    """

    def __init__(self, params: Iterable[torch.nn.Parameter], ema: float, decay: float = 0.01) -> None:
        self.live = [p for p in params if p.requires_grad]
        self.master = [p.detach().float().clone() for p in self.live]
        self.mean = [m.clone() for m in self.master]
        self.ema, self.steps = ema, 0
        for m in self.master:
            m.grad = torch.zeros_like(m)
        self.adam = torch.optim.AdamW(self.master, 1e-3, weight_decay=decay, betas=(0.9, 0.99), fused=True)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Apply the gradients that lie in the live weights, then clear them."""
        for group in self.adam.param_groups:
            group["lr"] = rate
        both = zip(self.master, self.live, strict=True)
        pairs = [(m.grad, p.grad) for m, p in both if m.grad is not None and p.grad is not None]
        torch._foreach_copy_([a for a, _ in pairs], [b for _, b in pairs])
        torch.nn.utils.clip_grad_norm_(self.master, 1.0)
        self.adam.step()
        torch._foreach_copy_([p.data for p in self.live], self.master)
        for p in self.live:
            p.grad = None
        self.steps += 1
        torch._foreach_lerp_(self.mean, self.master, 1 - min(self.ema, (1 + self.steps) / (10 + self.steps)))

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        return {"master": self.master, "mean": self.mean, "steps": self.steps, "adam": self.adam.state_dict()}

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        torch._foreach_copy_(self.master, state["master"])
        torch._foreach_copy_(self.mean, state["mean"])
        torch._foreach_copy_([p.data for p in self.live], self.master)
        self.adam.load_state_dict(state["adam"])
        self.steps = int(state["steps"])

    @torch.no_grad()
    def use_mean(self) -> None:
        """Put the averaged weights into the live model (the end of a run)."""
        torch._foreach_copy_([p.data for p in self.live], self.mean)


def carry_rows(rows: torch.Tensor, old: dict[str, int], new: dict[str, int], fresh: torch.Tensor) -> torch.Tensor:
    """A table of token rows for a new vocabulary: rows of known tokens move to their new places, others are fresh."""
    table = fresh.clone()
    for token, place in new.items():
        if token in old:
            table[place] = rows[old[token]]
    return table


def carry_vocabulary(state: dict[str, Any], new: dict[str, int], place: int, fresh: torch.Tensor) -> None:
    """Fit a checkpoint's token embedding (parameter number `place`) to a vocabulary that has grown."""
    old: dict[str, int] = state["vocab"]
    if old == new:
        return
    for part in ("master", "mean"):
        state[part][place] = carry_rows(state[part][place].detach(), old, new, fresh)
    moments = state["adam"]["state"][place]
    for part in ("exp_avg", "exp_avg_sq"):
        moments[part] = carry_rows(moments[part], old, new, torch.zeros_like(fresh))


def save_atomic(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint so that a killed run never leaves half a file."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def unpin_threads() -> None:
    """Let every thread of this process run on every core (Linux).

    Compiled steps leave one thread pinned to each core; where another program uses that core, the others wait for it at
    every barrier. Measured on two shared cores: 2.5 s a step pinned, 0.4 s free.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            os.sched_setaffinity(int(thread.name), range(os.cpu_count() or 1))


class Limits:
    """When a run ends: after so many steps, or earlier when --minutes have passed."""

    def __init__(self, steps: int, minutes: float | None) -> None:
        self.steps, self.started = steps, time.monotonic()
        self.seconds = minutes * 60 if minutes else float("inf")

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.started

    def share(self, step: int) -> float:
        """How much of the run is over, 0 to 1, by the clock or by steps, whichever is further."""
        return max(step / self.steps, self.elapsed / self.seconds)


def rate_at(share: float, step: int, peak: float, tail: float = 0.2, warm: int = 60) -> float:
    """Constant learning rate with a warm-up of some steps and a linear fall over the last part of the run."""
    return peak * min(1.0, (step + 1) / warm) * min(1.0, max(0.01, (1 - share) / tail))
