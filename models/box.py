"""The standard box: typed inputs, one ``run``, typed outputs; and the schema derived from its declaration.

Conventions of the JSON Schema are those of Cog (https://github.com/replicate/cog): an ``Input`` object whose
properties carry ``x-order``, and an ``Output``. Our own hints also start with ``x-`` and may be ignored by others.
"""

from __future__ import annotations

import difflib
import inspect
import re
import secrets
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from models import items
from models.errors import InvalidInputError, Problem
from models.inputs import MAX_SEED, MISSING, ImageFile, Input, InputSpec, Kind, MaskFile, Seed, Size

if TYPE_CHECKING:
    from pydantic import BaseModel


class OutputKind(StrEnum):
    """What a box gives back. Only pictures are made today; the others are reserved names."""

    IMAGES = "images"
    TEXT = "text"
    VIDEO = "video"
    AUDIO = "audio"


class Box(Protocol):
    """A model behind its standard face. ``run`` is a generator: each picture is given out as soon as it is done."""

    def setup(self, weights: Path | None, device: str, progress: Callable[[float, str], None]) -> None:
        """Load ``weights`` on ``device``, once; ``progress`` takes a fraction 0..1 and what is being done."""

    def run(self, **inputs: Any) -> Iterator[Any]:
        """Yield the outputs for validated ``inputs``."""


@dataclass(frozen=True)
class Override:
    """How a card narrows one input: another default, a smaller range, fewer choices, or hidden from forms."""

    default: Any = MISSING
    ge: float | None = None
    le: float | None = None
    hidden: bool = False


@dataclass(frozen=True)
class BoxSchema:
    """The inputs and outputs of a box, and everything that is derived from them.

    ``any_of`` names inputs of which at least one must be given.
    """

    inputs: tuple[InputSpec, ...]
    output: OutputKind = OutputKind.IMAGES
    hidden: frozenset[str] = frozenset()
    any_of: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> InputSpec:
        return next(spec for spec in self.inputs if spec.name == name)

    def __contains__(self, name: object) -> bool:
        return any(spec.name == name for spec in self.inputs)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.inputs)

    @cached_property
    def model(self) -> type[BaseModel]:
        """The pydantic model that all validation goes through."""
        from models import checking  # here, since the window opens before anything has to be checked

        return checking.model_of(self.inputs)

    def narrow(self, overrides: Mapping[str, Override]) -> BoxSchema:
        """The same box as a card wants it; overrides of inputs this box does not have are ignored."""
        specs = []
        for spec in self.inputs:
            change = overrides.get(spec.name)
            if change is not None:
                spec = spec.with_range(change.ge, change.le)
                spec = spec if change.default is MISSING else spec.with_default(change.default)
            specs.append(spec)
        hidden = self.hidden | {name for name, change in overrides.items() if change.hidden}
        return replace(self, inputs=tuple(specs), hidden=frozenset(hidden))

    def defaults(self) -> dict[str, Any]:
        """What a fresh form holds: every default, and an empty value for required text."""
        fresh = {s.name: ("" if s.required and s.kind is Kind.TEXT else s.default) for s in self.inputs}
        return {name: [*value] if isinstance(value, list) else value for name, value in fresh.items()}

    def validate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Check and complete ``values`` (strings from a command line are converted); all boxes go through here.

        ``size="512x768"`` stands for width and height. A missing, ``None`` or ``-1`` seed becomes a random one.

        Raises:
            InvalidInputError: with one problem for every input that is wrong, each naming the input, the value as
                given and what is allowed.
        """
        given = _expand_size(self, values)
        problems = [_unknown(self, name, value) for name, value in given.items() if name not in self]
        known = {name: value for name, value in given.items() if name in self}
        for spec in self.inputs:
            if spec.kind is Kind.SEED and str(known.get(spec.name, "")).strip().lower() in ("", "-1", "none", "random"):
                known[spec.name] = secrets.randbelow(MAX_SEED + 1)
        from models import checking

        result, errors = checking.checked(self.model, known)
        problems += [_explain(self, item) for item in errors]
        if not problems:
            result = {spec.name: _plain(spec, result[spec.name]) for spec in self.inputs}
            problems = _check_files(self, result)
            problems = problems or _check_together(self, result)
        if problems:
            raise InvalidInputError(*problems)
        return result

    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the inputs: an object whose properties carry ``x-order``, ``x-kind`` and form hints."""
        properties = {}
        for order, spec in enumerate(self.inputs):
            properties[spec.name] = _json_property(spec, order, spec.name in self.hidden)
        required = [spec.name for spec in self.inputs if spec.required]
        return {"title": "Input", "type": "object", "properties": properties, "required": required}

    def output_schema(self) -> dict[str, Any]:
        if self.output is OutputKind.TEXT:
            return {"title": "Output", "type": "string"}
        return {"title": "Output", "type": "array", "items": {"type": "string", "format": "uri"}}

    def openapi_components(self) -> dict[str, Any]:
        """``components.schemas`` as Cog publishes them: choices become schemas of their own."""
        schemas: dict[str, Any] = {}
        inputs = self.input_schema()
        for name, prop in inputs["properties"].items():
            if "enum" in prop:
                schemas[name] = {"title": name, "type": "string", "enum": prop.pop("enum")}
                prop.pop("type", None)
                prop["allOf"] = [{"$ref": f"#/components/schemas/{name}"}]
        return {"Input": inputs, "Output": self.output_schema(), **schemas}


def declare(run: Callable[..., Any], output: OutputKind = OutputKind.IMAGES) -> BoxSchema:
    """Read a box's inputs from the annotated signature of its ``run``.

    A parameter without default is required; ``Annotated[T, Input(...)]`` adds constraints; ``Size`` becomes the two
    inputs ``width`` and ``height``.

    Raises:
        TypeError: a parameter has no annotation, or one no input type stands for.
    """
    hints = typing.get_type_hints(run, include_extras=True)
    specs: list[InputSpec] = []
    for name, parameter in inspect.signature(run).parameters.items():
        if name == "self":
            continue
        if name not in hints:
            raise TypeError(f"input {name!r} has no type")
        default = MISSING if parameter.default is inspect.Parameter.empty else parameter.default
        specs += _specs_of(name, hints[name], default)
    return BoxSchema(tuple(specs), output)


_KINDS: dict[Any, Kind] = {
    str: Kind.TEXT,
    int: Kind.INTEGER,
    float: Kind.NUMBER,
    bool: Kind.BOOLEAN,
    Seed: Kind.SEED,
    ImageFile: Kind.IMAGE,
    MaskFile: Kind.MASK,
    list[items.Lora]: Kind.LORAS,
    list[items.Control]: Kind.CONTROLS,
    list[items.Adapter]: Kind.ADAPTERS,
    list[items.Region]: Kind.REGIONS,
}


def _specs_of(name: str, hint: Any, default: Any) -> list[InputSpec]:
    about = Input()
    if typing.get_origin(hint) is Annotated:
        hint, *extras = typing.get_args(hint)
        about = next((extra for extra in extras if isinstance(extra, Input)), about)
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        hint = options[0] if len(options) == 1 else hint
    if hint is Size:
        return size_specs(default, about)
    if typing.get_origin(hint) is Literal:
        about = Input(about.title, about.description, choices=tuple(typing.get_args(hint)), advanced=about.advanced)
        return [InputSpec(name, Kind.CHOICE, default, about)]
    if hint is str and about.choices:
        return [InputSpec(name, Kind.CHOICE, default, about)]
    if hint not in _KINDS:
        raise TypeError(f"input {name!r}: no input type for {hint!r}")
    return [InputSpec(name, _KINDS[hint], default, about)]


def size_specs(default: Size | None, about: Input) -> list[InputSpec]:
    """The two integer inputs that a size stands for."""
    width = default.width if isinstance(default, Size) else MISSING
    height = default.height if isinstance(default, Size) else MISSING
    base = {"ge": about.ge, "le": about.le, "multiple_of": about.multiple_of, "step": about.multiple_of}
    return [
        InputSpec("width", Kind.INTEGER, width, Input("Width", "Width of the picture in pixels.", **base)),  # type: ignore[arg-type]
        InputSpec("height", Kind.INTEGER, height, Input("Height", "Height of the picture in pixels.", **base)),  # type: ignore[arg-type]
    ]


_JSON_TYPES = {
    Kind.TEXT: "string",
    Kind.INTEGER: "integer",
    Kind.NUMBER: "number",
    Kind.CHOICE: "string",
    Kind.BOOLEAN: "boolean",
    Kind.SEED: "integer",
    Kind.IMAGE: "string",
    Kind.MASK: "string",
    Kind.ADDON: "string",
    **dict.fromkeys(items.ITEMS, "array"),
}


def _json_property(spec: InputSpec, order: int, hidden: bool) -> dict[str, Any]:
    about = spec.about
    seed = spec.kind is Kind.SEED
    prop: dict[str, Any] = {
        "title": spec.title,
        "type": _JSON_TYPES[spec.kind],
        "description": about.description or None,
        "default": None if spec.required else spec.default,
        "minimum": 0 if seed else about.ge,
        "maximum": MAX_SEED if seed else about.le,
        "multipleOf": about.multiple_of,
        "minLength": about.min_length,
        "maxLength": about.max_length,
        "pattern": about.regex,
        "enum": list(about.choices) or None,
        "format": "uri" if spec.kind in (Kind.IMAGE, Kind.MASK) else None,
        "x-step": about.step,
        "x-accept": about.accept or None,
        "x-widget": about.widget or None,
        "x-advanced": about.advanced or None,
        "x-group": about.group or None,
        "x-addons": list(about.addons) or None,
        "x-needs": about.needs or None,
        "x-hidden": hidden or None,
    }
    kept = {key: value for key, value in prop.items() if value is not None}
    return {**kept, "x-kind": spec.kind.value, "x-order": order}


def _expand_size(schema: BoxSchema, values: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(values)
    if "size" in given and "size" not in schema and "width" in schema:
        text = str(given.pop("size"))
        match = re.fullmatch(r"\s*(\d{1,9})\s*[xX×*]\s*(\d{1,9})\s*", text)
        if match is None:
            raise InvalidInputError(Problem("size", text, f"Size must look like 512x768, not {_quote(text)}."))
        given["width"], given["height"] = int(match[1]), int(match[2])
    return given


def _unknown(schema: BoxSchema, name: str, value: Any) -> Problem:
    near = difflib.get_close_matches(name, schema.names, n=1)
    hint = f" Did you mean “{near[0]}”?" if near else f" It takes: {', '.join(schema.names)}."
    return Problem(name, str(value), f"This model has no input called “{name}”.{hint}")


def _explain(schema: BoxSchema, error: Any) -> Problem:
    """One sentence for one pydantic error: the input, the bad value, the allowed range."""
    name = str(error["loc"][0])
    spec = schema[name]
    value = error.get("input")
    if spec.kind in items.ITEMS:
        return Problem(name, str(value), _explain_item(spec, error))
    if error["type"] == "missing":
        return Problem(name, "", f"{spec.title} is missing.")
    if error["type"] == "string_too_short":
        return Problem(name, str(value), f"{spec.title} is empty. Write what you want to see.")
    if error["type"] == "string_too_long":
        length = f"{len(str(value)):,} characters long; at most {spec.about.max_length:,} fit"
        return Problem(name, str(value), f"{spec.title} is {length}.")
    return Problem(name, str(value), f"{spec.title} must be {_allowed(spec)}; {_quote(value)} was given.")


_NEEDS = {"image": "a picture", "mask": "an area that is painted", "prompt": "words"}
"""What an item lacks whose value of this name is missing."""


def _explain_item(spec: InputSpec, error: Any) -> str:
    """The same for a list: which item, which of its values."""
    where = [str(part + 1) if isinstance(part, int) else str(part) for part in error["loc"][1:]]
    what = ", ".join([f"{spec.title} {where[0]}", *where[1:]]) if where else spec.title
    kind, limits = error["type"], error.get("ctx") or {}
    if kind in ("missing", "string_too_short"):
        needs = _NEEDS.get(where[-1]) if len(where) == 2 else None
        return f"{spec.title} {where[0]} needs {needs}." if needs else f"{what} is missing."
    if kind == "too_long":
        return f"{spec.title}: at most {items.MAX_ITEMS} fit."
    if kind == "unexpected_keyword_argument":
        return f"{what} is not known."
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {limits['ge']:g}" if "ge" in limits else f"at most {limits['le']:g}"
        return f"{what} must be {bound}; {_quote(error['input'])} was given."
    wanted = "a number" if kind.startswith("float") else "text" if kind.startswith("string") else "a list"
    return f"{what} must be {wanted}; {_quote(error['input'])} was given."


def _plain(spec: InputSpec, value: Any) -> Any:
    return items.plain(value) if spec.kind in items.ITEMS and value is not None else value


def _allowed(spec: InputSpec) -> str:
    about = spec.about
    if spec.kind is Kind.CHOICE:
        return "one of " + ", ".join(about.choices)
    if spec.kind is Kind.BOOLEAN:
        return "true or false"
    if spec.kind is Kind.SEED:
        return f"a whole number from 0 to {MAX_SEED}, or -1 for a random one"
    if spec.kind in (Kind.INTEGER, Kind.NUMBER):
        return _range_words(spec)
    if spec.kind in (Kind.IMAGE, Kind.MASK):
        return "the path of a picture"
    return f"text like {about.regex}" if about.regex else "text"


def _range_words(spec: InputSpec) -> str:
    about = spec.about
    words = "a whole number" if spec.kind is Kind.INTEGER else "a number"
    if about.ge is not None and about.le is not None:
        words += f" from {about.ge:g} to {about.le:g}"
    elif about.ge is not None:
        words += f" of at least {about.ge:g}"
    elif about.le is not None:
        words += f" of at most {about.le:g}"
    return words + (f", a multiple of {about.multiple_of}" if about.multiple_of and about.multiple_of > 1 else "")


def _check_files(schema: BoxSchema, values: Mapping[str, Any]) -> list[Problem]:
    problems = []
    for name, title, path in items.files(schema.inputs, values):
        sentence = unreadable_picture(Path(path))
        problems += [Problem(name, path, f"{title}: {sentence}")] if sentence else []
    return problems


def _check_together(schema: BoxSchema, values: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with inputs that are right one by one."""
    problems = [p for spec in schema.inputs if (p := _check_needs(schema, spec, values)) is not None]
    if schema.any_of and all(values[name] == schema[name].default for name in schema.any_of):
        first = schema[schema.any_of[0]].title
        others = ", ".join(schema[name].title for name in schema.any_of[1:])
        sentence = f"This model needs to know what to fill: give {first}, or one of {others}."
        problems.append(Problem(schema.any_of[0], "", sentence))
    return problems


def _check_needs(schema: BoxSchema, spec: InputSpec, values: Mapping[str, Any]) -> Problem | None:
    """What stands alone but makes no sense without another input, and masks of another shape than their picture."""
    value, needs = values[spec.name], spec.about.needs
    if not needs or needs not in schema or spec.kind in (Kind.NUMBER, Kind.BOOLEAN) or value == spec.default:
        return None
    other = values[needs]
    if other is None:
        matters = spec.kind in (Kind.IMAGE, Kind.MASK) or schema[needs].kind is Kind.IMAGE
        sentence = f"{spec.title} needs {schema[needs].title}: give that too, or leave {spec.title} out."
        return Problem(spec.name, str(value), sentence) if matters else None
    return _misfit(spec, schema[needs], value, other) if spec.kind is Kind.MASK else None


def _misfit(spec: InputSpec, picture: InputSpec, mask: str, image: str) -> Problem | None:
    """A mask may be smaller or larger than its picture, but of the same shape."""
    from models import pictures

    over, under = pictures.look(mask), pictures.look(image)
    if Size(over.width, over.height).is_shaped_as(Size(under.width, under.height)):
        return None
    sizes = f"{over.width} x {over.height} pixels, {picture.title} is {under.width} x {under.height}"
    return Problem(spec.name, mask, f"{spec.title} is {sizes}; they must have the same shape.")


def unreadable_picture(path: Path) -> str | None:
    """Why ``path`` cannot be used as a picture, as a sentence; None if its header says it can (pixels are not read)."""
    from models import pictures  # here, since most runs take no picture

    reason = pictures.why_unreadable(path)
    return f"{_quote(path.name)} cannot be used: {reason}." if reason else None


def _quote(value: Any) -> str:
    text = str(value)
    return f"“{text[:57]}...”" if len(text) > 60 else f"“{text}”"
