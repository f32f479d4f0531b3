"""From a template to words: the same seed always chooses the same, on every computer and version.

Chance comes from ``random.Random`` seeded with a string and asked for ``random()`` only: that sequence is promised not
to change between versions of Python, unlike those of ``choice`` and ``sample``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.prompting.syntax import DEEPEST, Choice, Node, Wildcard, read

LONGEST = 20_000
"""Characters an expansion may have; the prompt of a model takes no more either."""
_MOST_WORK = 50_000
_MOST_CALLS = 20
_MOST_DRAWN = 200


class PromptError(Exception):
    """A template that cannot be expanded; the message is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Value:
    """One line of a wildcard."""

    text: str
    weight: float = 1.0


Lookup = Callable[[str], Sequence[Value]]
"""The values of a wildcard; raises PromptError for one that is not there."""


def expand(text: str, seed: int | str, lookup: Lookup) -> str:
    """One expansion of ``text``. Raises PromptError."""
    try:
        return _Expansion(random.Random(str(seed)), lookup).of(text)
    except RecursionError:  # deep alternatives in wildcards that call deep ones again
        raise PromptError("Wildcards and alternatives are nested too deep in each other.") from None


class _Expansion:
    def __init__(self, chance: random.Random, lookup: Lookup) -> None:
        self._chance = chance
        self._lookup = lookup
        self._work = 0
        self._length = 0

    def of(self, text: str, calls: tuple[str, ...] = ()) -> str:
        template = read(text)
        if template.deepest > DEEPEST:
            raise PromptError(f"Alternatives are nested {template.deepest} deep; at most {DEEPEST} can be read.")
        words = self._said(template.nodes, calls)
        if len(words) > LONGEST:
            raise PromptError(f"The prompt grows to more than {LONGEST:,} characters.")
        return words

    def _said(self, nodes: Sequence[Node], calls: tuple[str, ...]) -> str:
        said = []
        for node in nodes:
            self._work += 1
            if isinstance(node, str):
                said.append(node)
            elif isinstance(node, Wildcard):
                said.append(self._line(node.name, calls))
            else:
                said.append(self._chosen(node, calls))
            self._length += len(said[-1])
            if self._work > _MOST_WORK or self._length > LONGEST * DEEPEST:
                raise PromptError("The prompt grows without end: a wildcard or an alternative calls too many others.")
        return "".join(said)

    def _line(self, name: str, calls: tuple[str, ...]) -> str:
        self._check(name, calls)
        values = self._lookup(name)
        value = values[self._pick([each.weight for each in values])]
        return self.of(value.text, (*calls, name))

    def _check(self, name: str, calls: tuple[str, ...]) -> None:
        if name in calls:
            way = " → ".join(f"__{each}__" for each in (*calls[calls.index(name) :], name))
            raise PromptError(f"The wildcard __{name}__ calls itself: {way}.")
        if len(calls) >= _MOST_CALLS:
            raise PromptError(f"Wildcards call each other more than {_MOST_CALLS} deep, at __{name}__.")

    def _chosen(self, choice: Choice, calls: tuple[str, ...]) -> str:
        low, high = choice.low, choice.high
        options = [((option.nodes, calls), option.weight) for option in choice.options]
        only = choice.options[0].nodes if len(choice.options) == 1 else ()
        if len(only) == 1 and isinstance(wildcard := only[0], Wildcard):  # several lines of one file
            self._check(wildcard.name, calls)
            inside = (*calls, wildcard.name)
            lines = [((value.text, inside), value.weight) for value in self._lookup(wildcard.name)]
            return self._several(lines, low, high, choice.joiner)
        return self._several(options, low, high, choice.joiner)

    def _several(
        self,
        options: Sequence[tuple[tuple[Sequence[Node] | str, tuple[str, ...]], float]],
        low: int,
        high: int,
        joiner: str,
    ) -> str:
        """``low`` to ``high`` of ``options``, each at most once, in the order they are drawn."""
        most = min(len(options), _MOST_DRAWN)
        low, high = min(low, most), min(high, most)
        count = low + min(high - low, int(self._chance.random() * (high - low + 1))) if high > low else low
        left, said = list(options), []
        for _ in range(count):
            (what, calls), _ = left.pop(self._pick([weight for _, weight in left]))
            said.append(self.of(what, calls) if isinstance(what, str) else self._said(what, calls))
        return joiner.join(said)

    def _pick(self, weights: Sequence[float]) -> int:
        """The number of one of ``weights``; all 0 counts as all alike."""
        total = sum(weights)
        mark = self._chance.random() * (total or len(weights))
        for number, weight in enumerate(weights):
            mark -= weight if total else 1
            if mark < 0:
                return number
        return max(number for number, weight in enumerate(weights) if weight or not total)
