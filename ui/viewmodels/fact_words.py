"""What is said of one picture: how it was made and what its file is, as rows of words in the order they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PySide6.QtCore import QDateTime, QLocale

from app.records import Record
from models.box import BoxSchema
from ui.i18n import duration, number, tr
from ui.viewmodels import reworking
from ui.viewmodels.words import named


@dataclass(frozen=True)
class Fact:
    """One line. ``name`` is its input, or a word of ours; ``copy`` is what its button copies (empty: none)."""

    name: str
    title: str
    value: str
    copy: str = ""


@dataclass(frozen=True)
class Facts:
    """Everything the panel shows of one picture. ``recipe`` says whether the picture tells how it was made; ``lost``
    are sentences on what another tool's recipe says that has no counterpart here."""

    record: Record
    title: str
    subtitle: str
    prompt: str = ""
    negative: str = ""
    recipe: bool = False
    made: tuple[Fact, ...] = ()
    add_ons: tuple[Fact, ...] = ()
    inputs: tuple[Fact, ...] = ()
    file: tuple[Fact, ...] = ()
    lost: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)

    def text_of(self, name: str) -> str:
        """What the copy button of the fact ``name`` copies."""
        rows = (*self.made, *self.add_ons, *self.inputs, *self.file)
        return self.texts.get(name) or next((row.copy for row in rows if row.name == name), "")


TITLES = {
    "steps": "Steps", "guidance_scale": "Guidance", "true_cfg_scale": "True guidance", "scheduler": "Scheduler",
    "strength": "Strength", "clip_skip": "CLIP skip", "image": "Start picture", "mask": "Mask",
    "enlarge": "Enlarge", "scale": "Factor", "seamless": "Seamless", "hires_scale": "Hires fix",
}  # fmt: skip
"""For models that are not here; those that are say it themselves."""

USUAL = {
    "strength": (), "clip_skip": (0, 1), "hires_scale": (1, 1.0), "enlarge": (1, 1.0), "seamless": ("none",),
    "scheduler": ("default",), "only_masked": (False,), "guidance_rescale": (0, 0.0), "eta": (0, 0.0),
}  # fmt: skip
"""Values that say nothing, whatever the model."""

NEEDS = {
    "strength": "image", "only_masked": "mask", "mask_padding": "mask", "mask_feather": "mask", "enlarge": "image",
    "hires_strength": "hires_scale", "hires_steps": "hires_scale", "hires_upscaler": "hires_scale",
    "variation_seed": "variation_strength", "detail_what": "detail_model", "detail_prompt": "detail_model",
    "detail_strength": "detail_model", "detail_most": "detail_model",
}  # fmt: skip
"""Inputs without meaning while another is not given, whatever the model says."""

ALWAYS = ("steps", "guidance_scale", "true_cfg_scale", "scheduler")
ELSEWHERE = frozenset(
    ("prompt", "negative_prompt", "seed", "width", "height", "loras", "embeddings", "controls", "adapters", "regions")
)
FIRST = ("steps", "guidance_scale", "true_cfg_scale", "scheduler", "image", "strength", "mask")


def facts_of(record: Record, schema: BoxSchema | None = None) -> Facts:
    """``schema`` is the form of the model that made it, where that is here."""
    result, recipe = record.result, record.result.recipe
    given = recipe.get("inputs")
    inputs: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    words = str(inputs.get("prompt") or result.prompt or "")
    negative = str(inputs.get("negative_prompt") or "")
    lost = recipe.get("unmapped")
    size = tr("{w} × {h}", w=result.width, h=result.height)
    return Facts(
        record=record,
        title=named(result) or Path(result.path).name,
        subtitle=" · ".join(part for part in (model_words(record), size) if part),
        prompt=words,
        negative=negative,
        recipe=bool(inputs),
        made=tuple(_made(record, inputs, schema)),
        add_ons=tuple(_add_ons(recipe, inputs)),
        inputs=tuple(_inputs(inputs, schema)),
        file=tuple(_file(record)),
        lost=tuple(str(line) for line in lost) if isinstance(lost, Sequence) and not isinstance(lost, str) else (),
        texts={"prompt": words, "negative": negative},
    )


def model_words(record: Record) -> str:
    """The model as the recipe calls it, else the tool that made the picture."""
    model = record.result.recipe.get("model")
    name = str(model.get("name") or "") if isinstance(model, Mapping) else ""
    return record.result.model_name or name or record.result.model or record.tool


def _made(record: Record, inputs: Mapping[str, Any], schema: BoxSchema | None) -> Iterator[Fact]:
    recipe = record.result.recipe
    model = model_words(record)
    if model and inputs:
        yield Fact("model", tr("Model"), model, model)
    known = recipe.get("model")
    digest = str(known.get("hash") or "") if isinstance(known, Mapping) else ""
    if digest:
        yield Fact("model_hash", tr("Model hash"), digest, digest)
    seed = next((value for value in (inputs.get("seed"), recipe.get("seed")) if value is not None), None)
    if seed is not None and (schema is None or "seed" in schema):  # a tool has none that matters
        yield Fact("seed", tr("Seed"), str(seed), str(seed))
    template = reworking.written(recipe).get("prompt")
    if template:
        yield Fact("template", tr("Written as"), str(template), str(template))
    styles = recipe.get("styles")
    if isinstance(styles, list) and styles:
        yield Fact("styles", tr("Styles"), ", ".join(map(str, styles)))
    if record.tool:
        yield Fact("tool", tr("Made by"), " ".join(filter(None, (record.tool, str(recipe.get("tool_version") or "")))))


def _add_ons(recipe: Mapping[str, Any], inputs: Mapping[str, Any]) -> Iterator[Fact]:
    for one in _items(inputs.get("loras")):
        name, weight = str(one.get("name", "")), one.get("weight", 1.0)
        words = number(weight) if isinstance(weight, int | float) else str(weight)
        short = _short(name).removesuffix(".safetensors")
        yield Fact("lora", tr("LoRA"), f"{short} · {words}", f"<lora:{short}:{words}>")
    for name in inputs.get("embeddings") or ():
        word = str(name.get("name", "")) if isinstance(name, Mapping) else str(name)
        yield Fact("embedding", tr("Embedding"), word, word)
    kinds = (("controls", tr("Control")), ("adapters", tr("Picture prompt")), ("regions", tr("Area")))
    for key, title in kinds:
        for one in _items(inputs.get(key)):
            words = str(one.get("model") or one.get("name") or one.get("prompt") or one.get("map") or "")
            strength = one.get("strength")
            tail = f" · {number(strength)}" if isinstance(strength, int | float) else ""
            yield Fact(key, title, f"{_short(words)}{tail}")


def _inputs(inputs: Mapping[str, Any], schema: BoxSchema | None) -> Iterator[Fact]:
    """What was set: not what the model does anyway, nor what had no meaning."""
    order = [*(name for name in FIRST if name in inputs), *(name for name in inputs if name not in FIRST)]
    for name in order:
        value = inputs[name]
        if name in ELSEWHERE or _says_nothing(name, value, inputs, schema):
            continue
        title = schema[name].title if schema is not None and name in schema else _title(name)
        shown = value_words(value)
        yield Fact(name, tr(title), shown, str(value) if isinstance(value, str) else shown)


def _says_nothing(name: str, value: Any, inputs: Mapping[str, Any], schema: BoxSchema | None) -> bool:
    if value in (None, "", [], {}):
        return True
    spec = schema[name] if schema is not None and name in schema else None
    needs = (spec.about.needs if spec is not None else "") or NEEDS.get(name, "")
    if needs and _off(needs, inputs.get(needs)):
        return True
    if name in ALWAYS:
        return name == "scheduler" and value == "default"
    if name.startswith("extend_"):
        return not value
    if value in USUAL.get(name, ()):
        return True
    if spec is not None and name not in ("image", "strength"):
        return bool(spec.default == value)
    return value is False


def _off(name: str, value: Any) -> bool:
    return not value or value in USUAL.get(name, ())


def value_words(value: Any) -> str:
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    if isinstance(value, int | float):
        return number(value) if isinstance(value, float) else str(value)
    if isinstance(value, Mapping):
        return str(value.get("name") or ", ".join(f"{key} {inner}" for key, inner in value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(value_words(item) for item in value)
    return _short(value) if isinstance(value, str) and ("/" in value or "\\" in value) else str(value)


def _file(record: Record) -> Iterator[Fact]:
    result = record.result
    when = QLocale().toString(QDateTime.fromSecsSinceEpoch(int(result.created)), QLocale.FormatType.ShortFormat)
    yield Fact("size", tr("Size"), tr("{w} × {h}", w=result.width, h=result.height), f"{result.width}x{result.height}")
    yield Fact("created", tr("Made"), when)
    seconds = result.recipe.get("seconds")
    if isinstance(seconds, int | float) and seconds > 0:
        yield Fact("seconds", tr("Took"), duration(float(seconds)))
    yield Fact("path", tr("File"), Path(result.path).name, result.path)
    licence = str(result.recipe.get("licence") or "")
    if licence:
        yield Fact("licence", tr("Licence of the model"), licence)


def _items(value: Any) -> Iterable[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _short(name: str) -> str:
    """The last part of a path, as every system writes them."""
    return name.replace("\\", "/").rstrip("/").split("/")[-1]


def _title(name: str) -> str:
    return TITLES.get(name) or name.replace("_", " ").capitalize()
