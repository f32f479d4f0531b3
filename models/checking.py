"""The pydantic half of a box: from the plain description of inputs to a model that checks values.

In a module of its own because importing pydantic takes about a tenth of a second, which the window need not wait for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from models import items
from models.inputs import MAX_SEED, InputSpec, Kind


def model_of(specs: Iterable[InputSpec]) -> type[BaseModel]:
    """A model with one field for each input."""
    fields: dict[str, Any] = {spec.name: _field(spec) for spec in specs}
    config = ConfigDict(extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)
    return create_model("Input", __config__=config, **fields)


def checked(model: type[BaseModel], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """The values as ``model`` takes them, and pydantic's errors, of which there are none if it does."""
    try:
        good = model.model_validate(values)
    except ValidationError as error:
        return {}, list(error.errors())
    return {name: getattr(good, name) for name in model.model_fields}, []


def _field(spec: InputSpec) -> tuple[Any, Any]:
    about, kind = spec.about, spec.kind
    annotation: Any
    limits: dict[str, Any] = {"ge": about.ge, "le": about.le}
    if kind is Kind.CHOICE:
        annotation, limits = Literal[about.choices], {}
    elif kind is Kind.INTEGER:
        annotation, limits = int, {**limits, "multiple_of": about.multiple_of}
    elif kind is Kind.NUMBER:
        annotation = float
    elif kind is Kind.BOOLEAN:
        annotation, limits = bool, {}
    elif kind is Kind.SEED:
        annotation, limits = int, {"ge": 0, "le": MAX_SEED}
    elif kind in items.ITEMS:
        annotation, limits = _list(kind), {}
    else:
        annotation = str
        limits = {"min_length": about.min_length, "max_length": about.max_length, "pattern": about.regex}
    limits = {key: value for key, value in limits.items() if value is not None}
    if spec.default is None:
        annotation = annotation | None
    default = ... if spec.required else spec.default
    return annotation, Field(default, **limits)


def _list(kind: Kind) -> Any:
    """The type of a list; a string is read as on the command line."""
    item = Annotated[str, Field(min_length=1, max_length=1000)] if kind is Kind.EMBEDDINGS else items.ITEMS[kind]
    parse = BeforeValidator(lambda value: items.parsed(kind, value))
    return Annotated[list[item], parse, Field(max_length=items.MAX_ITEMS)]  # type: ignore[valid-type]
