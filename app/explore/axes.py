"""The axes of a grid, read from what people write: ``steps=10,20,30``, ``guidance_scale=3..9[4]``, ``seed=1-10 (+3)``.

The ways to write ranges are those that users of the A1111 web UI's X/Y/Z plot know: ``1-10`` and ``1..10`` (whole
numbers), ``1-10 (+3)`` (steps of three), ``0.2..0.8 [4]`` (so many, evenly between, both ends included).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from models.box import BoxSchema
from models.errors import InvalidInputError, Problem
from models.inputs import Kind

MODEL = "model"
LORA = "lora:"
WORDS = "words"
"""Names of axes that are no inputs: the model, the weight of one LoRA (``lora:NAME``), words of the prompt that give
way to others (also called ``prompt``, where the first value stands in the prompt)."""

MAX_VALUES = 1000
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_RANGE = re.compile(
    rf"({_NUMBER})\s*(?:\.\.|-)\s*({_NUMBER})\s*(?:\(\s*([-+]\s*(?:\d+\.?\d*|\.\d+))\s*\)|\[\s*(\d{{1,6}})\s*\])?"
)


class Axis(msgspec.Struct, frozen=True):
    """One axis: the name of what changes and its values in order; ``title`` and ``labels`` are for people."""

    name: str
    title: str
    values: tuple[Any, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class _Where:
    """What is being read, for the words of an error."""

    axis: str
    text: str

    def refuse(self, sentence: str) -> InvalidInputError:
        return InvalidInputError(Problem(self.axis, self.text, f"{self.axis}: {sentence}"))


def parse(text: str, schema: BoxSchema, inputs: Mapping[str, Any], models: tuple[str, ...] = ()) -> Axis:
    """The axis that ``NAME=VALUES`` stands for.

    ``inputs`` are those all cells share (words are looked for in their prompt), ``models`` the ids there are.

    Raises:
        InvalidInputError: naming the axis and the value that is wrong, with what would be allowed.
    """
    name, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not name or not values:
        raise InvalidInputError(
            Problem("axis", text, f"An axis is written NAME=VALUES, for example steps=10,20,30; not “{text}”.")
        )
    return axis_of(name, values, schema, inputs, models)


def axis_of(name: str, text: str, schema: BoxSchema, inputs: Mapping[str, Any], models: tuple[str, ...] = ()) -> Axis:
    """As ``parse``, with name and values apart."""
    where = _Where(name, text)
    if not text.strip():
        raise where.refuse("write at least one value.")
    if name == MODEL:
        values = _models(where, models)
        return _made(where, "Model", values, [str(value) for value in values])
    if name.startswith(LORA):
        lora = name.removeprefix(LORA)
        numbers = _numbers(where, whole=False)
        if not lora:
            raise where.refuse("say which LoRA, as in lora:ink=0,0.5,1.")
        return _made(where, f"LoRA {lora}", numbers, [f"{value:g}" for value in numbers])
    if name in (WORDS, "prompt"):
        return _words(where, str(inputs.get("prompt") or ""), name == WORDS)
    if name not in schema:
        known = ", ".join((*schema.names, MODEL, "lora:NAME"))
        raise where.refuse(f"this model has no input of that name. Possible: {known}.")
    return _input(where, schema, name)


def _input(where: _Where, schema: BoxSchema, name: str) -> Axis:
    spec = schema[name]
    values: list[Any]
    if spec.kind in (Kind.INTEGER, Kind.SEED):
        values = _numbers(where, whole=True)
    elif spec.kind is Kind.NUMBER:
        values = _numbers(where, whole=False)
    elif spec.kind is Kind.CHOICE:
        values = list(spec.about.choices) if where.text.strip() in ("*", "all") else _list(where)
    elif spec.kind is Kind.BOOLEAN:
        values = [_truth(where, value) for value in _list(where)]
    elif spec.kind in (Kind.TEXT, Kind.IMAGE, Kind.ADDON):
        values = _list(where)
    else:
        raise where.refuse("lists cannot be an axis. For one LoRA's weight write lora:NAME=0,0.5,1.")
    labels = [_label(value) for value in values]
    made = _made(where, spec.title, values, labels)
    for value in made.values:
        _check(where, schema, name, value)
    return made


def _check(where: _Where, schema: BoxSchema, name: str, value: Any) -> None:
    """One value as the schema sees it; what other inputs lack is not this axis's business."""
    needed = {spec.name: "x" for spec in schema.inputs if spec.required}
    try:
        schema.validate({**needed, name: value})
    except InvalidInputError as error:
        for problem in error.info.problems:
            if problem.name == name:
                raise InvalidInputError(Problem(name, str(value), f"{where.axis}: {problem.sentence}")) from error


def _made(where: _Where, title: str, values: list[Any], labels: list[str]) -> Axis:
    if len(values) > MAX_VALUES:
        raise where.refuse(f"{len(values)} values are too many; {MAX_VALUES} at most.")
    for place, value in enumerate(values):
        if value in values[:place]:
            raise where.refuse(f"“{_label(value)}” stands there twice.")
    return Axis(where.axis, title, tuple(values), tuple(labels))


def _list(where: _Where) -> list[str]:
    """Values between commas; those with commas of their own stand in double quotes."""
    try:
        row = next(csv.reader(io.StringIO(where.text), skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise where.refuse(f"a double quote is missing in “{where.text}”.") from error
    values = [value.strip() for value in row]
    if not all(values):
        raise where.refuse("there is a comma too many: a value is empty.")
    return values


def _numbers(where: _Where, whole: bool) -> list[Any]:
    found: list[Any] = []
    for piece in _pieces(where.text):
        if not piece:
            raise where.refuse("there is a comma too many: a value is empty.")
        match = _RANGE.fullmatch(piece)
        if re.fullmatch(_NUMBER, piece):
            found.append(_number(where, piece, whole))
        elif match:
            found += _range(where, piece, match, whole)
        else:
            raise where.refuse(f"“{piece}” is no {'whole ' if whole else ''}number and no range like 1-10 (+3).")
        if len(found) > MAX_VALUES:
            raise where.refuse(f"more than {MAX_VALUES} values are too many.")
    return found


def _pieces(text: str) -> list[str]:
    return [piece.strip() for piece in text.split(",")]


def _number(where: _Where, piece: str, whole: bool) -> Any:
    value = float(piece)
    if whole and not value.is_integer():
        raise where.refuse(f"“{piece}” must be a whole number.")
    return int(piece) if whole and re.fullmatch(r"[-+]?\d+", piece) else int(value) if whole else value


def _range(where: _Where, piece: str, match: re.Match[str], whole: bool) -> list[Any]:
    low, high = float(match[1]), float(match[2])
    if match[4]:
        count = int(match[4])
        if not 2 <= count <= MAX_VALUES:
            raise where.refuse(f"“{piece}”: from 2 to {MAX_VALUES} values can lie between two.")
        values = [low + (high - low) * step / (count - 1) for step in range(count)]
    else:
        step = float(match[3].replace(" ", "")) if match[3] else (1.0 if low <= high else -1.0)
        if not step or (high - low) * step < 0:
            raise where.refuse(f"“{piece}” never arrives: steps of {step:g} lead away from {high:g}.")
        count = int((high - low) / step + 1e-9) + 1
        if count > MAX_VALUES:
            raise where.refuse(f"“{piece}” are {count:,} values; {MAX_VALUES} at most.")
        values = [low + step * place for place in range(count)]
    if whole:
        return list(dict.fromkeys(round(value) for value in values))
    return [round(value, 6) for value in values]


def _truth(where: _Where, value: str) -> bool:
    words = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}
    if value.lower() not in words:
        raise where.refuse(f"“{value}” must be on or off.")
    return words[value.lower()]


def _models(where: _Where, known: tuple[str, ...]) -> list[str]:
    values = _list(where)
    for value in values:
        if known and value not in known:
            raise where.refuse(f"there is no model “{value}” here. Possible: {', '.join(known)}.")
    return values


def _words(where: _Where, prompt: str, must: bool) -> Axis:
    """Words that give way to others; without the first in the prompt, whole prompts."""
    values = _list(where)
    if values[0] in prompt:
        return _made(_Where(WORDS, where.text), "Prompt", [[values[0], value] for value in values], values)
    if must or not prompt:
        raise where.refuse(f"“{values[0]}” is not in the prompt; the first value is looked for there.")
    return _made(_Where("prompt", where.text), "Prompt", list(values), values)


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
