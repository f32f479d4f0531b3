"""Small tools: paired timing, child processes that report one JSON line."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[2]


class Measure(msgspec.Struct, frozen=True):
    """One claim: ``value`` compared with ``limit``, in ``unit``, and what it was made from."""

    name: str
    value: float
    limit: float
    unit: str
    facts: dict[str, Any]

    @property
    def kept(self) -> bool:
        return self.value <= self.limit


def paired(one: Callable[[], object], other: Callable[[], object], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of ``one`` and ``other``, run in turns (ABBA: drift hits both alike), after one round unmeasured."""
    one(), other()
    ones: list[float] = []
    others: list[float] = []
    for number in range(rounds):
        order = ((one, ones), (other, others)) if number % 2 == 0 else ((other, others), (one, ones))
        for work, times in order:
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    return ones, others


def median(values: list[float]) -> float:
    return statistics.median(values)


def child(code: str, **environment: str) -> dict[str, Any]:
    """Run ``code`` in a fresh interpreter; it prints one JSON object as its last line."""
    # As users have it: with what Python compiled at the first start.
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**usual, "QT_QPA_PLATFORM": "offscreen", "BENCH_BEGAN": repr(time.time()), **environment},
    )  # fmt: skip
    # A process's own time of birth is a quarter of a second off on some machines, so its parent says when it began.
    found: dict[str, Any] = json.loads(answer.stdout.strip().splitlines()[-1])
    return found
