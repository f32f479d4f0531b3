"""From what a person wrote to what is queued: styles around it, alternatives chosen, LoRAs taken out of the words.

Each picture's seed decides its expansion, so that the same seed makes the same picture alone or as one of many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.jobs import Result
from app.prompting.expand import Lookup, PromptError, expand
from app.prompting.history import History
from app.prompting.presets import Presets
from app.prompting.styles import Style, Styles, apply
from app.prompting.syntax import loras
from app.prompting.wildcards import Wildcards
from models.errors import InvalidInputError, Problem
from models.inputs import MAX_SEED

PROMPT, AGAINST = "prompt", "negative_prompt"
TEMPLATE, STYLES = "template", "styles"
"""Keys in a recipe: the prompts as they were written, and the names of the styles around them."""


@dataclass(frozen=True)
class Prepared:
    """What ``JobQueue.submit`` goes on with; ``about`` goes into the recipes."""

    values: dict[str, Any]
    variants: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)


class Prompting:
    """Wildcards, styles, presets and history of one data folder."""

    def __init__(self, data: Path, assets: Path, recent: Callable[[int], Sequence[Result]] = lambda limit: ()) -> None:
        brought = assets / "prompts"
        self.wildcards = Wildcards(data / "wildcards", brought / "wildcards")
        self.styles = Styles(data / "styles.json", brought / "styles.json")
        self.presets = Presets(data / "presets.json")
        self.history = History(data / "prompt-history.json", recent)

    def examples(self, text: str, seeds: Sequence[int], styles: Sequence[str] = ()) -> list[str]:
        """What ``text`` becomes with each seed. Raises PromptError."""
        around, lookup = self.styles.find(styles), self.wildcards.lookup()
        return [expand(apply(around, text, "")[0], f"{seed}/{PROMPT}", lookup) for seed in seeds]

    def prepare(
        self, values: Mapping[str, Any], count: int, variants: Sequence[Mapping[str, Any]], styles: Sequence[str] = ()
    ) -> Prepared:
        """``values`` (validated, with a seed) as they are to be queued: see ``JobQueue.submit``.

        Raises:
            InvalidInputError: a wildcard, style or bracket that cannot be used, or a LoRA without a proper weight.
        """
        try:
            work = _Work(self.styles.find(styles) if styles else [], self.wildcards.lookup)
            cells = [dict(cell) for cell in variants] or [_of_number(values, number) for number in range(count)]
            done = [work.cell({**values, **cell}) for cell in cells]
        except PromptError as error:
            raise InvalidInputError(Problem(PROMPT, str(values.get(PROMPT, "")), str(error))) from error
        plain = all(not each for each in done)
        if plain:
            return Prepared(dict(values), [dict(variant) for variant in variants])
        template = {name: text for name in (PROMPT, AGAINST) if isinstance(text := values.get(name), str) and text}
        about = {TEMPLATE: template, **({STYLES: [style.name for style in work.styles]} if styles else {})}
        whole = [{**cell, **changed} for cell, changed in zip(cells, done, strict=True)]
        if not variants and all(each == done[0] for each in done):
            return Prepared({**values, **done[0]}, [], about)
        return Prepared({**values, **whole[0]}, whole, about)


class _Work:
    """One job's texts; the folder of wildcards is looked through at most once."""

    def __init__(self, styles: list[Style], lookup: Callable[[], Lookup]) -> None:
        self.styles = styles
        self._make_lookup = lookup
        self._table: Lookup | None = None

    def cell(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of one picture that come out otherwise than they were given."""
        seed = values.get("seed", 0)
        prompt, against = _text(values, PROMPT), _text(values, AGAINST)
        styled, negative = apply(self.styles, prompt, against) if self.styles else (prompt, against)
        if self.styles and AGAINST not in values:
            negative = ""  # the model has no such input
        words, named = loras(expand(styled, f"{seed}/{PROMPT}", self._lookup))
        new: dict[str, Any] = {PROMPT: words, AGAINST: expand(negative, f"{seed}/{AGAINST}", self._lookup)}
        if loras(new[AGAINST])[1]:
            raise PromptError("A LoRA in “Avoid” has no meaning; put <lora:…> into the prompt.")
        new = {name: text for name, text in new.items() if name in values and text != values[name]}
        if named:
            if "loras" not in values:
                raise PromptError(f"This model takes no LoRAs; take <lora:{named[0][0]}> out of the prompt.")
            new["loras"] = _with_loras(values["loras"], named)
        regions = self._regions(values.get("regions"), seed)
        return {**new, "regions": regions} if regions is not None else new

    def _regions(self, regions: Any, seed: object) -> list[dict[str, Any]] | None:
        """Painted areas have words of their own; None where none of them changes."""
        if not regions:
            return None
        said = [expand(str(each["prompt"]), f"{seed}/region/{i}", self._lookup) for i, each in enumerate(regions)]
        fresh = [{**region, "prompt": words} for region, words in zip(regions, said, strict=True)]
        return fresh if fresh != list(regions) else None

    def _lookup(self, name: str) -> Sequence[Any]:
        self._table = self._table or self._make_lookup()
        return self._table(name)


def _of_number(values: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The seeds of picture ``number`` (from 0), as the engine counts them (``models.worker.work.of_number``)."""
    if not values.get("variation_strength"):
        return {"seed": (int(values.get("seed", 0)) + number) % (MAX_SEED + 1)}
    later = (int(values.get("variation_seed") or 0) + number) % (MAX_SEED + 1)
    return {"seed": int(values.get("seed", 0)), "variation_seed": later}


def _with_loras(given: Any, named: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The list of LoRAs with those of the words; one that is in both has the weight of the words."""
    found = {str(each["name"]): dict(each) for each in given or ()}
    for name, weight in named:
        try:
            value = float(weight) if weight else 1.0
        except ValueError:
            raise PromptError(f"<lora:{name}:{weight}>: the weight must be a number, for example 0.8.") from None
        if not -4 <= value <= 4:
            raise PromptError(f"<lora:{name}:{weight}>: the weight must be from -4 to 4.")
        found[name] = {"name": name, "weight": value}
    return list(found.values())


def _text(values: Mapping[str, Any], name: str) -> str:
    text = values.get(name)
    return text if isinstance(text, str) else ""
