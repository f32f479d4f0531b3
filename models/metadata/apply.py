"""A recipe of any tool turned into the inputs of one model here: only inputs it has, only values it allows, and words
for all that is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.inputs import MAX_SEED, InputSpec, Kind

if TYPE_CHECKING:
    from models.box import BoxSchema

_TITLES = {
    "negative_prompt": "The negative prompt", "scheduler": "The scheduler", "clip_skip": "CLIP skip",
    "loras": "LoRAs", "embeddings": "Textual inversions", "strength": "Denoising strength",
    "guidance_scale": "The guidance scale", "true_cfg_scale": "True guidance", "steps": "The number of steps",
    "hires_scale": "Hires fix", "hires_strength": "Hires denoising strength", "hires_steps": "Hires steps",
    "width": "Width", "height": "Height", "seed": "The seed", "prompt": "The prompt",
}  # fmt: skip


@dataclass(frozen=True)
class Applied:
    """Values that ``BoxSchema.validate`` takes, and sentences on what could not be mapped."""

    inputs: dict[str, Any]
    notes: tuple[str, ...] = ()


def inputs_for(recipe: Mapping[str, Any], schema: BoxSchema, loras: Sequence[str] | None = None) -> Applied:
    """The inputs of ``recipe`` (``metadata.read``) for a model with ``schema``.

    ``loras`` are the names of those that are here; with it, others are named and left out.
    """
    given = recipe.get("inputs")
    values = dict(given) if isinstance(given, dict) else {}
    # A model without the second guidance has one slider for both.
    if "true_cfg_scale" not in schema and recipe.get("tool"):
        values.pop("true_cfg_scale", None)
    if values.get("clip_skip") in (0, 1):  # some tools write 0 where all layers are used, others 1
        values["clip_skip"] = 1
        if "clip_skip" not in schema:
            values.pop("clip_skip")
    said = _sized(values, schema)
    inputs: dict[str, Any] = {}
    notes = [str(note) for note in recipe.get("unmapped") or () if isinstance(note, str)]
    notes += [said] if said else []
    for name, value in values.items():
        title = _TITLES.get(name, f"“{name}”")
        if name not in schema:
            if value not in (None, "", [], False):
                notes.append(f"{title}: this model has no such input.")
            continue
        if name == "loras" and loras is not None:
            value = _here(value, loras, notes)
        fitted, note = _fit(schema[name], value, title)
        if fitted is not None:
            inputs[name] = fitted
        notes += [note] if note else []
    return Applied(inputs, tuple(dict.fromkeys(notes)))


def _sized(values: dict[str, Any], schema: BoxSchema) -> str:
    """Bring a size the model cannot make to one of the same shape that it can, in ``values``; what was done."""
    sides = [values.get("width"), values.get("height")]
    whole = [side for side in sides if isinstance(side, int) and not isinstance(side, bool) and 0 < side <= 100_000]
    if len(whole) < 2 or "width" not in schema or "height" not in schema:
        return ""
    specs = (schema["width"], schema["height"])
    most = min((spec.about.le or side) / side for spec, side in zip(specs, whole, strict=True))
    least = max((spec.about.ge or side) / side for spec, side in zip(specs, whole, strict=True))
    factor = most if most < 1 else least if least > 1 else 1.0
    fitted = [_fit_number(spec, side * factor, "")[0] for spec, side in zip(specs, whole, strict=True)]
    if fitted == whole:
        return ""
    values["width"], values["height"] = fitted
    return f"The size {whole[0]} x {whole[1]} became {fitted[0]} x {fitted[1]}, which this model can make."


def _here(value: Any, names: Sequence[str], notes: list[str]) -> list[Any]:
    known = {name.casefold(): name for name in names}
    kept = []
    for item in value if isinstance(value, list) else []:
        name = str(item.get("name", "")) if isinstance(item, dict) else ""
        if name.casefold() in known:
            kept.append({**item, "name": known[name.casefold()]})
        elif name:
            notes.append(f"The LoRA “{name}” is not here.")
    return kept


def _fit(spec: InputSpec, value: Any, title: str) -> tuple[Any, str]:
    """``value`` as the input allows it, or the nearest that it does, and what was done to it."""
    if value is None:
        return None, ""
    if spec.kind is Kind.SEED:
        right = isinstance(value, int) and 0 <= value <= MAX_SEED
        return (value, "") if right else (None, f"The seed {value} is beyond those of Atelier (up to {MAX_SEED}).")
    if spec.kind in (Kind.INTEGER, Kind.NUMBER):
        return _fit_number(spec, value, title)
    if spec.kind is Kind.CHOICE:
        right = value in spec.about.choices
        return (value, "") if right else (None, f"{title}: “{value}” does not fit this model; its own is used.")
    if spec.kind is Kind.TEXT and isinstance(value, str):
        limit = spec.about.max_length or len(value)
        return value[:limit], f"{title} was cut after {limit:,} characters." if len(value) > limit else ""
    return value, ""


def _fit_number(spec: InputSpec, value: Any, title: str) -> tuple[Any, str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, f"{title}: “{value}” is no number."
    about = spec.about
    low = about.ge if about.ge is not None else float("-inf")
    high = about.le if about.le is not None else float("inf")
    fitted: float = min(max(value, low), high)
    if spec.kind is Kind.INTEGER:
        step = about.multiple_of or 1
        fitted = round(fitted / step) * step
        fitted = fitted + step if fitted < low else fitted - step if fitted > high else fitted
        fitted = int(fitted)
    note = f"{title}: {value:g} became {fitted:g}, what this model can do." if fitted != value else ""
    return fitted, note
