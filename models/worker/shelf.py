"""The models kept loaded: least recently used goes when the memory budget is passed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from models.card import ModelRef
from models.planning import Plan
from models.runners.base import Runner


class Loaded(msgspec.Struct, frozen=True):
    model: ModelRef
    plan: Plan
    runner: Runner


class Shelf:
    """Loaded models by reference and plan. ``budget`` in bytes bounds their weights together; one always fits."""

    def __init__(self, budget: int, after_drop: Callable[[], None] = lambda: None) -> None:
        self.budget = budget
        self._after_drop = after_drop
        self._models: OrderedDict[ModelRef, Loaded] = OrderedDict()

    def plan(self, model: ModelRef) -> Plan | None:
        """How the model is loaded; None if it is not."""
        loaded = self._models.get(model)
        return loaded.plan if loaded else None

    def get(self, model: ModelRef, plan: Plan) -> Runner | None:
        """The loaded runner, now the most recently used; one loaded by another plan is dropped."""
        loaded = self._models.get(model)
        if loaded is None:
            return None
        if loaded.plan != plan:
            self.drop(model)
            return None
        self._models.move_to_end(model)
        return loaded.runner

    def make_room(self, needed: int) -> None:
        """Drop the least recently used until ``needed`` bytes more would fit."""
        while self._models and self.total() + needed > self.budget:
            self.drop(next(iter(self._models)))

    def put(self, model: ModelRef, plan: Plan, runner: Runner) -> None:
        self._models[model] = Loaded(model, plan, runner)
        self._models.move_to_end(model)

    def drop(self, model: ModelRef) -> None:
        loaded = self._models.pop(model, None)
        if loaded is not None:
            loaded.runner.close()
            del loaded
            self._after_drop()

    def clear(self) -> None:
        for model in tuple(self._models):
            self.drop(model)

    def runners(self) -> list[Runner]:
        return [loaded.runner for loaded in self._models.values()]

    def total(self) -> int:
        """Bytes of weights kept loaded."""
        return sum(loaded.runner.memory for loaded in self._models.values())
