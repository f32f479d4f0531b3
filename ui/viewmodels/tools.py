"""Tools for one finished picture: make it larger, make details finer, take its background away, describe it.

What a tool asks comes from its own inputs, as everywhere; what is not on this computer yet is offered for download.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.events import JobChanged, JobRemoved
from app.jobs import Job, Result
from app.states import JobState
from app.weights import Offer
from models.box import BoxSchema
from models.errors import AtelierError, InvalidInputError
from ui.i18n import tr
from ui.viewmodels.create import CreateVM
from ui.viewmodels.ports import CorePort
from ui.viewmodels.reworking import inputs_of
from ui.viewmodels.words import error_view, named

UPSCALE, FINER, DETAILS, CUTOUT, DESCRIBE = "upscale", "finer", "details", "cutout", "describe"

_RUNNERS = {UPSCALE: "upscale", CUTOUT: "cutout", DESCRIBE: "caption"}
ROLES = {UPSCALE: "upscaler", CUTOUT: "background-removal", DESCRIBE: "caption", DETAILS: "detection", FINER: ""}
"""Where the Models page has more of them."""
_HELPERS = {
    UPSCALE: ("realesrgan-x4", "omnisr-x2"), CUTOUT: ("birefnet-lite", "modnet"),
    DESCRIBE: ("florence-2-base", "blip-base"), DETAILS: ("owlv2-base", "yolos-small"),
}  # fmt: skip
"""What is offered for download, by what there is of it in the catalog."""
_ASKED = {
    FINER: ("enlarge", "strength", "prompt", "hires_upscaler"),
    DETAILS: ("detail_model", "detail_what", "detail_strength", "detail_prompt", "detail_most"),
}
_PRESET: dict[str, dict[str, Any]] = {FINER: {"enlarge": 2.0, "strength": 0.3}}

Made = Result
"""A finished picture, as views hand it on."""


@dataclass(frozen=True)
class Action:
    """One entry of a picture's menu."""

    kind: str
    icon: str
    words: str


@dataclass(frozen=True)
class Described:
    """What a model said about the picture in ``path``."""

    text: str
    path: str
    model: str


class ToolsVM(QObject):
    """``described`` carries a ``Described``, ``submitted`` a job's id, ``refused`` an ``ErrorView``."""

    described = Signal(object)
    submitted = Signal(str)
    refused = Signal(object)

    def __init__(self, core: CorePort, create: CreateVM, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._create = core, create
        self._asked: dict[str, str] = {}
        self._ends = [
            core.events.subscribe(JobChanged, self._changed),
            core.events.subscribe(JobRemoved, self._removed),
        ]

    def close(self) -> None:
        for end in self._ends:
            end()

    def actions(self) -> tuple[Action, ...]:
        """What can be done with any picture; those by a model only where the chosen one can."""
        found = [Action(UPSCALE, "scaling", tr("Upscale…"))]
        if self._model(FINER):
            found.append(Action(FINER, "wand-sparkles", tr("Upscale with the model…")))
        if self._model(DETAILS):
            found.append(Action(DETAILS, "scan-search", tr("Refine details…")))
        return (
            *found,
            Action(CUTOUT, "layers", tr("Remove background…")),
            Action(DESCRIBE, "captions", tr("Describe…")),
        )

    def title(self, kind: str) -> str:
        return next((action.words.rstrip("…") for action in self.actions() if action.kind == kind), "")

    def icon(self, kind: str) -> str:
        return next((action.icon for action in self.actions() if action.kind == kind), "box")

    # what can do it

    def choices(self, kind: str) -> list[tuple[str, str]]:
        """Id and name of everything here that can; installed networks before plain resampling."""
        if kind in _ASKED:
            model = self._model(kind)
            ready = kind != DETAILS or self._create.addons(("detection",))
            return [(model, self._core.models.get(model).card.name)] if model and ready else []
        tools = [
            entry for entry in self._core.models.tools()
            if entry.card.ref.runner == _RUNNERS[kind] and entry.problem is None
        ]  # fmt: skip
        tools.sort(key=lambda entry: not entry.card.ref.folder)
        return [(entry.card.id, tr(entry.card.name)) for entry in tools]

    def offer(self, kind: str) -> Offer | None:
        """What to download for it, where nothing better is here."""
        if kind not in _HELPERS:
            return None
        here = [tool for tool in self.choices(kind) if tool[0] != "lanczos"]
        if here:
            return None
        named = (self._core.offers.get(entry) for entry in _HELPERS[kind])
        found = next((offer for offer in named if offer is not None), None)
        return found or next((offer for offer in self._core.offers.all() if offer.entry.role == ROLES[kind]), None)

    def _model(self, kind: str) -> str:
        """The model chosen in Create, if it can do this."""
        try:
            entry = self._core.models.get(self._create.current)
        except AtelierError:
            return ""
        schema = entry.schema if entry.problem is None else None
        return entry.card.id if schema is not None and _ASKED[kind][0] in schema else ""

    # what it asks

    def schema(self, kind: str, tool: str) -> dict[str, Any]:
        """The tool's inputs beside the picture, as the form takes them."""
        box = self._box(tool)
        if box is None:
            return {}
        given = box.input_schema()
        wanted = _ASKED.get(kind)
        properties = {}
        for name, prop in given["properties"].items():
            if name == "image" or (wanted is not None and name not in wanted):
                continue
            shown = dict(prop)
            if wanted is not None:
                shown.pop("x-group", None)
                shown["x-order"] = wanted.index(name)
            properties[name] = shown
        return {**given, "properties": properties}

    def defaults(self, kind: str, tool: str, result: Result) -> dict[str, Any]:
        box = self._box(tool)
        values = box.defaults() if box is not None else {}
        made = inputs_of(result)
        if kind in _ASKED and made.get("prompt"):
            values["prompt"] = str(made["prompt"])
        if kind == DETAILS:
            finders = self._create.addons(("detection",))
            values["detail_model"] = (finders[0].entry or finders[0].id) if finders else ""
        return {**values, **_PRESET.get(kind, {})}

    def _box(self, tool: str) -> BoxSchema | None:
        try:
            return self._core.models.get(tool).schema
        except AtelierError:
            return None

    def run(self, kind: str, tool: str, values: Mapping[str, Any], result: Result) -> dict[str, str]:
        """Queue it. What the tool does not take as it is, by input; empty once it is queued."""
        inputs = {**self._carried(kind, tool, result), **values, "image": result.path}
        if kind == DETAILS:
            inputs |= {"strength": 0.0}
        try:
            about = {"of": named(result)} if named(result) else {}
            job = self._core.queue.submit(tool, inputs, about=about)
        except InvalidInputError as error:
            return {problem.name: tr(problem.sentence) for problem in error.info.problems}
        except AtelierError as error:
            self.refused.emit(error_view(error.info))
            return {}
        if kind == DESCRIBE:
            self._asked[job.id] = result.path
        self.submitted.emit(job.id)
        return {}

    def _carried(self, kind: str, tool: str, result: Result) -> dict[str, Any]:
        """Of how the picture was made, what the same model goes on with."""
        box = self._box(tool)
        if kind not in _ASKED or box is None:
            return {}
        kept = ("prompt", "negative_prompt", "guidance_scale", "steps", "scheduler", "loras")
        made = inputs_of(result) if result.model == tool else {"prompt": inputs_of(result).get("prompt")}
        known = {name: made[name] for name in kept if made.get(name) is not None and name in box}
        return {"prompt": tr("a picture"), **known} if not known.get("prompt") and "prompt" in box else known

    # what it says

    def _removed(self, event: JobRemoved) -> None:
        self._asked.pop(event.id, None)

    def _changed(self, event: JobChanged) -> None:
        job: Job = event.job
        if job.id not in self._asked or not job.ended:
            return
        path = self._asked.pop(job.id)
        if job.state is JobState.SUCCEEDED and job.texts:
            self.described.emit(Described("\n".join(job.texts), path, job.model_name))

    def use_as_prompt(self, text: str) -> None:
        self._create.set_values({"prompt": text})
