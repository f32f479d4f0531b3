"""Picture, mask and variation for every family, from outside its pipeline: the start noise and each step are steered.

All text-to-image pipelines do the same three things: ``prepare_latents`` makes the start noise, the scheduler's
``set_timesteps`` says at which noise levels to stop, and its ``step`` goes from one level to the next. Here the first
gives the picture noised to the level that the strength names, the second only the levels from there on, and after the
third what the mask keeps is put back, noised to the same level. So it is done for flow matching and for denoising
schedulers alike, with the pipeline's own text encoding, guidance and decoding.

A mask may be soft: what is grey begins to change later, at the step where the remaining noise is its share
("Differential Diffusion", Levin and Fried 2023).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from models.runners.diffusion.hooks import Steps, attribute

_NOTHING = 0.02
"""A share of change below this is none: half a step of fifty."""


@dataclass
class Start:
    """What to start from: ``clean`` latents and how much of each may ``change`` (0..1, None: all), both as the family's
    loop holds them; ``strength`` 0..1, more than 0."""

    clean: torch.Tensor
    change: torch.Tensor | None
    strength: float


@dataclass
class Variation:
    """The start noise is moved by ``strength`` (0..1) towards that of ``seed``."""

    seed: int
    strength: float


@contextmanager
def steered(
    pipe: Any, scheduler: Any, steps: Steps, start: Start | None, variation: Variation | None
) -> Iterator[None]:
    """Within, running ``pipe`` with ``scheduler`` (this run's own) starts from ``start`` and ``variation``."""
    if start is None and variation is None:
        yield
        return
    blend = _Blend(pipe, scheduler, steps, start, variation)
    with ExitStack() as stack:
        stack.enter_context(attribute(pipe, "prepare_latents", blend.prepared))
        if start is not None:
            blend.watch()
        yield
        blend.check()


class _Blend:
    """One run. The noise is known when ``prepare_latents`` has returned, the levels when ``set_timesteps`` has;
    families differ in the order, so the start is put into the tensor that the pipeline already holds when both are."""

    def __init__(
        self, pipe: Any, scheduler: Any, steps: Steps, start: Start | None, variation: Variation | None
    ) -> None:
        self._prepare = pipe.prepare_latents
        self._scheduler = scheduler
        self._steps = steps
        self._start = start
        self._variation = variation
        self._held: torch.Tensor | None = None
        self._noise = torch.empty(0)
        self._timesteps: torch.Tensor | None = None
        self._whole = True
        self._taken = 0

    # -- the start

    @property
    def prepared(self) -> Any:
        """Stands in for ``pipe.prepare_latents``; families that look at its signature see the original's."""

        @functools.wraps(self._prepare)
        def prepare(*args: Any, **kwargs: Any) -> Any:
            answer = self._prepare(*args, **kwargs)
            latents = answer[0] if isinstance(answer, tuple) else answer
            if self._variation is not None:
                latents = self._varied(latents, args, kwargs)
            self._held = latents
            self._place()
            return (latents, *answer[1:]) if isinstance(answer, tuple) else latents

        return prepare

    def _varied(self, latents: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
        """Between the noises of two seeds, both drawn by the family itself; scaling by the scheduler is linear."""
        assert self._variation is not None
        bound = inspect.signature(self._prepare).bind(*args, **kwargs)
        bound.arguments["generator"] = torch.Generator("cpu").manual_seed(self._variation.seed)
        other = self._prepare(*bound.args, **bound.kwargs)
        other = other[0] if isinstance(other, tuple) else other
        return slerp(latents, other, self._variation.strength)

    def _place(self) -> None:
        start, held = self._start, self._held
        if start is None or held is None or self._timesteps is None:
            return
        if start.clean.shape != held.shape:
            raise ValueError(f"latents {tuple(start.clean.shape)} do not fit {tuple(held.shape)}")
        start.clean = start.clean.to(held.device)
        start.change = None if start.change is None else start.change.to(held.device)
        if not self._noise.numel():
            self._noise = held.float() / float(getattr(self._scheduler, "init_noise_sigma", 1.0))
        if not self._whole:
            held.copy_(self._noised(self._timesteps[0]))

    def _noised(self, timestep: torch.Tensor) -> torch.Tensor:
        """The picture's latents at the level where the scheduler is now."""
        assert self._start is not None
        add = getattr(self._scheduler, "scale_noise", None)
        moments = timestep.reshape(1).to(self._noise.device)
        if add is not None:
            return add(self._start.clean, moments, self._noise)  # type: ignore[no-any-return]
        return self._scheduler.add_noise(self._start.clean, self._noise, moments)  # type: ignore[no-any-return]

    # -- the levels and the steps

    def watch(self) -> None:
        scheduler = self._scheduler
        set_timesteps, step = scheduler.set_timesteps, scheduler.step

        @functools.wraps(set_timesteps)
        def shorter(*args: Any, **kwargs: Any) -> None:
            set_timesteps(*args, **kwargs)
            assert self._start is not None
            self._whole = shorten(scheduler, self._start.strength)
            self._timesteps = scheduler.timesteps
            self._steps.limit = -(-len(scheduler.timesteps) // int(getattr(scheduler, "order", 1)))
            self._place()

        @functools.wraps(step)
        def kept(model_output: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
            self._check_first(sample)
            answer = step(model_output, timestep, sample, *args, **kwargs)
            self._taken += 1
            return self._put_back(answer)

        vars(scheduler)["set_timesteps"] = shorter
        vars(scheduler)["step"] = kept

    def _check_first(self, sample: torch.Tensor) -> None:
        """A family that copies its latents before the loop would silently ignore the picture."""
        if self._taken == 0 and not (self._held is not None and torch.equal(sample.to(self._held.dtype), self._held)):
            raise ValueError("the pipeline did not start from the picture")

    def _put_back(self, answer: Any) -> Any:
        change = self._start.change if self._start else None
        if change is None or self._timesteps is None:
            return answer
        latents = answer[0]
        last = self._taken >= len(self._timesteps)
        assert self._start is not None
        old = self._start.clean if last else self._noised(self._timesteps[self._taken])
        begun = 1 - self._taken / len(self._timesteps)
        keeps = (change < _NOTHING) | (change < begun)
        latents = torch.where(keeps, old.to(latents.dtype), latents)
        if isinstance(answer, tuple):
            return (latents, *answer[1:])
        answer.prev_sample = latents
        return answer

    def check(self) -> None:
        """The run is over: say so if it never came by here."""
        if self._held is None or (self._start is not None and self._taken == 0):
            raise ValueError("the pipeline makes its noise or takes its steps in a way that is not known")


def shorten(scheduler: Any, strength: float) -> bool:
    """Leave of the noise levels just set the last ``strength`` (0..1, rounded to steps, at least one); True if that is
    all of them."""
    levels = scheduler.timesteps
    order = int(getattr(scheduler, "order", 1))
    # PNDM's second step corrects its first: the second level stands there twice.
    repeats = type(scheduler).__name__ == "PNDMScheduler" and bool(scheduler.config.skip_prk_steps) and len(levels) > 1
    count = len(levels) - 1 if repeats else -(-len(levels) // order)
    kept = min(count, max(1, round(count * strength)))
    if kept == count:
        _begin(scheduler)
        return True
    if repeats:
        plain = torch.cat([levels[:1], levels[2:]])[count - kept :]
        scheduler.timesteps = torch.cat([plain[:2], plain[1:]]) if kept > 1 else plain
        return False
    first = order * (count - kept)
    sigmas = getattr(scheduler, "sigmas", None)
    if sigmas is not None and len(sigmas) == len(levels) + 1:
        scheduler.sigmas = sigmas[first:]
    scheduler.timesteps = levels[first:]
    if "LCM" in type(scheduler).__name__ and sigmas is None:
        scheduler.num_inference_steps = kept  # it adds no noise at the last of so many
    _begin(scheduler)
    return False


def _begin(scheduler: Any) -> None:
    """Tell the scheduler that its first step is the first in its list, so that it need not look for it."""
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)


def slerp(one: torch.Tensor, other: torch.Tensor, share: float) -> torch.Tensor:
    """The noise ``share`` of the way from ``one`` to ``other`` on the sphere: a straight mean would have less noise."""
    a, b = one.double().flatten(), other.double().flatten()
    cosine = torch.clamp(torch.dot(a, b) / (a.norm() * b.norm()).clamp(min=1e-12), -1.0, 1.0)
    angle = torch.acos(cosine)
    if float(angle.sin()) < 1e-4:
        mixed = (1 - share) * a + share * b
    else:
        mixed = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
    return mixed.reshape(one.shape).to(one.dtype)
