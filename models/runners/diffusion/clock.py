"""At which step a run is, for what acts from one share of the steps to another."""

from __future__ import annotations

import functools
from typing import Any


class Clock:
    """Counts the steps of ``scheduler`` (this run's own). Schedulers of second order step twice a step of the form's;
    each is counted."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self.index = 0
        step = scheduler.step

        @functools.wraps(step)  # pipelines look at the signature
        def counted(*args: Any, **kwargs: Any) -> Any:
            answer = step(*args, **kwargs)
            self.index += 1
            return answer

        vars(scheduler)["step"] = counted

    def within(self, start: float, end: float) -> bool:
        """Whether the step to be taken lies between the shares ``start`` and ``end`` (0..1) of all; by the rule of
        diffusers' ControlNet pipelines."""
        total = max(1, len(self._scheduler.timesteps))
        slack = 1e-6  # 3/10 is more than 0.3 in some roundings
        return self.index / total >= start - slack and (self.index + 1) / total <= end + slack
