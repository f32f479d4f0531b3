"""What was done on the canvas, to be taken back and done again. The oldest steps give way when memory is short."""

from __future__ import annotations

from typing import Protocol

BUDGET = 256 * 2**20
"""Bytes all kept steps may hold together."""


class Step(Protocol):
    """One thing done; ``swap`` takes it back, and called again does it again."""

    words: str

    def swap(self) -> None: ...
    def bytes(self) -> int: ...


class Steps:
    """Undo and redo within ``budget`` bytes; the newest step is always kept."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._done: list[Step] = []
        self._undone: list[Step] = []

    def add(self, step: Step) -> None:
        self._undone.clear()
        self._done.append(step)
        while len(self._done) > 1 and sum(one.bytes() for one in self._done) > self._budget:
            self._done.pop(0)

    def undo(self) -> bool:
        return self._swap(self._done, self._undone)

    def redo(self) -> bool:
        return self._swap(self._undone, self._done)

    @staticmethod
    def _swap(source: list[Step], target: list[Step]) -> bool:
        if not source:
            return False
        step = source.pop()
        step.swap()
        target.append(step)
        return True

    def clear(self) -> None:
        self._done.clear()
        self._undone.clear()

    def next_words(self) -> tuple[str, str]:
        """What undo and redo would do; empty where there is nothing."""
        return (self._done[-1].words if self._done else "", self._undone[-1].words if self._undone else "")

    def __len__(self) -> int:
        return len(self._done)

    def bytes(self) -> int:
        return sum(step.bytes() for step in [*self._done, *self._undone])
