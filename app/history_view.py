"""How pictures of the library are shown on the command line: one line each, one whole, and as JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from app.jobs import Result
from app.records import Record

_ORDER = ("prompt", "negative_prompt", "steps", "guidance_scale", "true_cfg_scale", "scheduler", "seed", "width",
          "height", "strength", "clip_skip", "loras")  # fmt: skip


def moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds).isoformat(" ", "seconds")


def result_json(result: Result) -> dict[str, Any]:
    return {
        "id": result.id, "path": result.path, "created": moment(result.created), "model": result.model,
        "model_name": result.model_name, "prompt": result.prompt, "seed": result.seed, "width": result.width,
        "height": result.height,
    }  # fmt: skip


def record_json(record: Record) -> dict[str, Any]:
    return {
        **result_json(record.result), "favourite": record.favourite, "rating": record.rating, "note": record.note,
        "tags": list(record.tags), "tool": record.tool or "Atelier", "imported": record.imported,
        "sha256": record.hash, "parent": record.parent, "missing": record.missing,
        "trashed": moment(record.trashed) if record.trashed is not None else None,
    }  # fmt: skip


def line(record: Record) -> str:
    """Time, marks, id, model and the beginning of the prompt."""
    marks = ("♥" if record.favourite else " ") + (str(record.rating) if record.rating else " ")
    words = " ".join(record.result.prompt.split())
    short = words if len(words) <= 60 else words[:59] + "…"
    model = record.result.model_name or record.result.model or record.tool
    return f"{moment(record.result.created)} {marks} {record.result.id:<28} {model[:20]:<20} {short}"


def whole(record: Record, line_of: Sequence[Record], made_from_it: Sequence[Record]) -> str:
    """Everything that is known of one picture."""
    marks = [f"rating {record.rating}"] if record.rating else []
    marks += ["favourite"] if record.favourite else []
    marks += ["in the trash"] if record.trashed is not None else []
    marks += ["the file is missing"] if record.missing else []
    rows = [("Picture", record.result.id), ("File", record.result.path), ("Made", moment(record.result.created)),
            ("Marks", ", ".join(marks)), ("Tags", ", ".join(record.tags)), ("Note", record.note),
            ("Came from", " <- ".join(one.result.id for one in reversed(line_of[:-1]))),
            ("Led to", ", ".join(one.result.id for one in made_from_it))]  # fmt: skip
    return "\n".join([*_rows(rows), *recipe_lines(record.result.recipe)])


def recipe_lines(recipe: Mapping[str, Any]) -> list[str]:
    """A recipe of any tool, with what could not be understood of it."""
    given = recipe.get("inputs")
    inputs = given if isinstance(given, dict) else {}
    model = recipe.get("model")
    known = model if isinstance(model, dict) else {}
    tool = " ".join(str(recipe.get(name, "")) for name in ("tool", "tool_version")).strip()
    rows = [("Tool", tool), ("Model", str(known.get("name", "") or known.get("id", ""))),
            ("Model hash", str(known.get("hash", "")))]  # fmt: skip
    names = [*(name for name in _ORDER if name in inputs), *(name for name in inputs if name not in _ORDER)]
    rows += [(name.replace("_", " ").capitalize(), _value(inputs[name])) for name in names]
    lost = recipe.get("unmapped")
    rows += [("Not mapped", str(sentence)) for sentence in (lost if isinstance(lost, list) else [])]
    return _rows(rows)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    if isinstance(value, Mapping) and "name" in value:
        rest = " ".join(str(inner) for key, inner in value.items() if key != "name")
        return f"{value['name']} {rest}".strip()
    return "" if value is None else str(value)


def _rows(rows: Sequence[tuple[str, str]]) -> list[str]:
    found = []
    for name, text in rows:
        if text:
            first, *more = text.splitlines() or [""]
            found += [f"{name + ':':<18}{first}", *(" " * 18 + part for part in more)]
    return found
