"""Progress and cancel for every family, from one hook on the repeated blocks of the denoiser.

diffusers' own step callback is missing in many pipelines and is never called within a step, which on a slow machine
can take a minute. Hooks on the blocks are called some six to two hundred times a step in all families; they only
count and look at the clock, and never wait for the device.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from models import faults
from models.pipelines import PipelineRow
from models.runners.base import Report
from models.runners.diffusion.loading import vae_of

_FEW = 4
"""Denoisers with fewer top-level blocks than this are hooked one level deeper. Each hook costs the run some 20 us."""

_INTERVAL = 0.05
"""Seconds between two reports of progress within a step."""


def repeated_blocks(module: nn.Module) -> list[nn.Module]:
    """The blocks a model is stacked from: the elements of its outermost module lists, and those within if few."""
    outer = _elements(module)
    if len(outer) >= _FEW:
        return outer
    inner = [block for element in outer for block in _elements(element, depth=1)]
    return outer + inner


def _elements(module: nn.Module, depth: int = 3) -> list[nn.Module]:
    found: list[nn.Module] = []
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            found += list(child)
        elif depth > 1:
            found += _elements(child, depth - 1)
    return found


class Steps:
    """Counts the steps of one run and tells the report; knows when the first and the last one ended.

    ``within`` is the fraction of the blocks that were called since the step began. How many calls a step takes (one
    pass, or two with guidance) is learned from the first step; until then one pass is assumed. ``limit`` is how many
    steps there will be when they are fewer than the pipeline says.
    """

    def __init__(self, report: Report, blocks: int) -> None:
        self._report = report
        self._expected = max(blocks, 1)
        self._calls = 0
        self._next = 0.0
        self.done = 0
        self.total = 0
        self.limit: int | None = None
        self.began: float | None = None

    def start(self, total: int) -> None:
        """The pipeline has said how many steps it will take (again, in pipelines of several stages)."""
        self.total += total if self.limit is None else min(total, self.limit)
        self._report.step(self.done, self.total)

    def block(self, *_: Any) -> None:
        """Called before each block of the denoiser."""
        if self._calls == 0:
            self._first_block()
        self._calls += 1
        self._report.checkpoint()
        now = time.monotonic()
        if now >= self._next and self.total:
            self._next = now + _INTERVAL
            self._report.step(min(self.done, self.total), self.total, min(self._calls / self._expected, 0.99))

    def _first_block(self) -> None:
        if self.began is None:
            self.began = time.monotonic()
        faults.hit("step")

    def end(self, count: int = 1) -> None:
        """A step is done."""
        if self._calls:
            self._expected = self._calls
        self._calls = 0
        self.done += count
        self._report.checkpoint()
        self._report.step(min(self.done, self.total), self.total)


class StepBar:
    """Stands in for tqdm in ``pipe.progress_bar``; counts steps and prints nothing."""

    def __init__(self, steps: Steps, iterable: Any = None, total: int | None = None) -> None:
        self._steps = steps
        self._iterable = iterable
        self.total = total if total is not None else len(iterable)
        steps.start(self.total)

    def __iter__(self) -> Iterator[Any]:
        for item in self._iterable:
            yield item
            self._steps.end()

    def __len__(self) -> int:
        return self.total

    def __enter__(self) -> StepBar:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, count: int = 1) -> None:
        self._steps.end(count)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None  # set_description, set_postfix, close...


@contextmanager
def watched(pipe: Any, row: PipelineRow, report: Report) -> Iterator[Steps]:
    """Within, running ``pipe`` reports its steps and can be cancelled between any two blocks of any component."""
    denoisers = [m for name, m in pipe.components.items() if isinstance(m, nn.Module) and _denoises(name, row)]
    blocks = [block for module in denoisers for block in (repeated_blocks(module) or [module])]
    steps = Steps(report, len(blocks))
    with ExitStack() as stack:
        for block in blocks:
            stack.callback(block.register_forward_pre_hook(steps.block).remove)
        for other in _others(pipe, denoisers):
            stack.callback(other.register_forward_pre_hook(lambda *_: report.checkpoint()).remove)
        stack.enter_context(
            attribute(pipe, "progress_bar", lambda iterable=None, total=None: StepBar(steps, iterable, total))
        )
        yield steps


def _denoises(name: str, row: PipelineRow) -> bool:
    return name == row.denoiser or name.startswith(("unet", "transformer", "prior_prior", "unconditional_transformer"))


def _others(pipe: Any, denoisers: list[nn.Module]) -> Iterator[nn.Module]:
    """The blocks of text encoders and of the decoder, so that cancel works while they are busy too."""
    for module in pipe.components.values():
        if isinstance(module, nn.Module) and module not in denoisers:
            yield from repeated_blocks(module)


@contextmanager
def attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Within, ``owner.name`` is ``value`` on this one object; its class is left alone."""
    had, before = name in vars(owner), vars(owner).get(name)
    # Modules and pipelines watch assignments to find components; these are plain functions, so go past that.
    vars(owner)[name] = value
    try:
        yield
    finally:
        if had:
            vars(owner)[name] = before
        else:
            del vars(owner)[name]


@contextmanager
def tidy(pipe: Any) -> Iterator[None]:
    """Leave ``pipe`` usable after an exception: diffusers frees offloaded models only at the end of a whole run."""
    try:
        yield
    except BaseException:
        pipe.maybe_free_model_hooks()
        clear = getattr(vae_of(pipe)[1], "clear_cache", None)
        if clear is not None:
            clear()  # video decoders keep frames between calls
        raise


def execution_device(pipe: Any) -> torch.device:
    return torch.device(pipe._execution_device)
