"""The models a worker keeps loaded: within the budget, least recently used first out."""

from __future__ import annotations

from typing import Any

from models.card import ModelRef
from models.planning import Placement, Plan
from models.worker.shelf import Shelf


class Weights:
    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def run(self, *arguments: Any) -> Any: ...


def ref(name: str) -> ModelRef:
    return ModelRef(name, name, "fake")


PLAN = Plan("cpu")


def test_the_least_recently_used_goes_first() -> None:
    dropped: list[int] = []
    shelf = Shelf(100, lambda: dropped.append(1))
    first, second = Weights(40), Weights(40)
    shelf.put(ref("a"), PLAN, first)
    shelf.put(ref("b"), PLAN, second)
    assert shelf.get(ref("a"), PLAN) is first
    shelf.make_room(50)
    assert second.closed
    assert not first.closed
    assert dropped == [1]
    assert shelf.total() == 40


def test_a_model_larger_than_the_budget_gets_the_shelf_for_itself() -> None:
    shelf = Shelf(100)
    small = Weights(10)
    shelf.put(ref("a"), PLAN, small)
    shelf.make_room(500)
    assert small.closed
    assert shelf.total() == 0


def test_another_plan_means_loading_again() -> None:
    shelf = Shelf(100)
    weights = Weights(10)
    shelf.put(ref("a"), PLAN, weights)
    assert shelf.plan(ref("a")) == PLAN
    assert shelf.get(ref("a"), Plan("cpu", placement=Placement.GROUP_OFFLOAD)) is None
    assert weights.closed
    assert shelf.plan(ref("a")) is None


def test_a_changed_folder_is_another_model() -> None:
    shelf = Shelf(100)
    shelf.put(ModelRef("a", "a", "fake", revision="1"), PLAN, Weights(10))
    assert shelf.get(ModelRef("a", "a", "fake", revision="2"), PLAN) is None
