"""The Create page's form: which model, which values, and what Generate does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.events import EngineChanged, JobChanged, ModelsChanged, ResultAdded
from app.jobs import Job
from app.prompting.service import STYLES
from app.states import JobState
from models.box import BoxSchema
from models.errors import AtelierError, ErrorInfo, InvalidInputError, Problem
from models.inputs import MISSING, Kind
from ui.i18n import duration, gigabytes, tr
from ui.state import WindowState
from ui.viewmodels import addons, canvas_inputs
from ui.viewmodels.ports import CorePort, EntryPort
from ui.viewmodels.words import ErrorView, error_view, fit_words

log = logging.getLogger(__name__)

MAX_COUNT = 64
WITH_FILES = (Kind.IMAGE, Kind.MASK, Kind.CONTROLS, Kind.ADAPTERS, Kind.REGIONS)
"""Inputs that name pictures."""


@dataclass(frozen=True)
class ModelRow:
    """One line of the model picker; ``usable`` is false when ``line`` says why."""

    id: str
    name: str
    line: str
    tone: str
    tooltip: str
    usable: bool


class CreateVM(QObject):
    """Values are kept per model: for the session in memory, across starts in the window's state.

    The chosen model may turn up after the window did, since looking for models takes a moment. Until then another one
    stands in; it gives way, unless the user has begun to work with it.
    """

    models_changed = Signal()
    schema_changed = Signal()
    values_changed = Signal()
    problems_changed = Signal()
    hint_changed = Signal()
    submitted = Signal(str)
    refused = Signal(object)
    picture_changed = Signal()
    shown_changed = Signal()
    restored = Signal()
    styles_changed = Signal()

    def __init__(self, core: CorePort, state: WindowState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core = core
        self._state = state
        self._values: dict[str, dict[str, Any]] = {}
        self._problems: dict[str, str] = {}
        self.count = max(1, min(MAX_COUNT, state.number("count", 1)))
        self.keep_seed = False
        self.styles = [name for name in state.get("styles") or [] if isinstance(name, str)]
        self.canvas_gate: Callable[[Callable[[], object]], bool] = lambda then: True
        self._has_mask = False
        self.restoring = False
        self._current = core.settings.value.model
        self._wanted = ""
        self._pick()
        self._built = self._form_key()
        bus = core.events
        self._ends = [
            bus.subscribe(ModelsChanged, lambda _: self._models_changed()),
            bus.subscribe(ResultAdded, lambda _: self.hint_changed.emit()),
            bus.subscribe(EngineChanged, lambda _: self.hint_changed.emit()),
            bus.subscribe(JobChanged, self._job_changed),
        ]

    def close(self) -> None:
        for end in self._ends:
            end()

    # models

    def rows(self) -> list[ModelRow]:
        return [_row(entry) for entry in self._core.models.entries()]

    @property
    def current(self) -> str:
        return self._current

    def entry(self) -> EntryPort | None:
        return next((entry for entry in self._core.models.entries() if entry.card.id == self._current), None)

    def select(self, key: str) -> None:
        """Choose the model, remember it and let the engine load it ahead, if the user wants that.

        One that is not among the models yet is chosen when it turns up.
        """
        self._wanted = ""
        if key == self._current == self._core.settings.value.model:
            return
        try:
            self._core.settings.change(model=key)
        except OSError as error:
            log.warning("the chosen model could not be remembered: %s", error)
        if any(row.id == key for row in self.rows()):
            self._current = key
            self._turned()
        else:
            self._wanted = key

    def _turned(self) -> None:
        """Another model is the current one, or its form can be shown only now."""
        self._built = self._form_key()
        self._problems = {}
        self.preload()
        self.schema_changed.emit()
        self.hint_changed.emit()

    def _form_key(self) -> tuple[str, bool]:
        entry = self.entry()
        return self._current, entry is not None and entry.schema is not None

    def preload(self) -> None:
        entry = self.entry()
        if self._core.settings.value.preload and entry is not None and entry.problem is None:
            self._core.preload(self._current)

    def add_folder(self, folder: str) -> bool:
        """Take ``folder`` in as a model and choose it; False when it is none (``refused`` says why)."""
        try:
            entry = self._core.models.add_folder(Path(folder))
        except AtelierError as error:
            self.refused.emit(error_view(error.info))
            return False
        self.models_changed.emit()
        self.select(entry.card.id)
        return True

    def problem(self) -> ErrorView | None:
        """Why the chosen model cannot be used."""
        entry = self.entry()
        if entry is None:
            return ErrorView(
                tr("No model is chosen."), tr("Add a folder with a model in diffusers layout."), "", "", "", ""
            )
        return error_view(entry.problem) if entry.problem is not None else None

    # values

    def schema(self) -> dict[str, Any]:
        """The JSON Schema the form is made from; without properties when there is no model."""
        entry = self.entry()
        if entry is None or entry.schema is None:
            return {"properties": {}}
        return entry.schema.input_schema()

    def defaults(self) -> dict[str, Any]:
        entry = self.entry()
        if entry is None or entry.schema is None:
            return {}
        schema = entry.schema
        values = schema.defaults()
        values.update({k: v for k, v in entry.card.defaults.items() if k in schema and _allowed(schema[k].kind, v)})
        examples = entry.card.examples
        if examples and "prompt" in schema and not values.get("prompt"):
            values["prompt"] = examples[0]
        values.update(
            {spec.name: None for spec in schema.inputs if spec.kind is Kind.SEED or values[spec.name] is MISSING}
        )
        return values

    def box(self) -> BoxSchema | None:
        entry = self.entry()
        return entry.schema if entry is not None else None

    def has_input(self, name: str) -> bool:
        box = self.box()
        return box is not None and name in box and name not in box.hidden

    def why_not(self, name: str) -> str:
        """Why the chosen model does not take the input ``name``, as a sentence."""
        return canvas_inputs.why_not(self.entry(), name)

    def hidden(self) -> frozenset[str]:
        """Inputs that say nothing as things stand: how strongly to change a picture, while there is none."""
        return canvas_inputs.hidden(self.box(), self.values(), self._has_mask)

    def size_hint(self) -> str:
        return canvas_inputs.size_hint(self.box(), self.values())

    def addons(self, kinds: Sequence[str]) -> list[addons.AddonView]:
        """The add-ons of these kinds on this computer, those that fit the chosen model first."""
        return addons.views(self._core.models.addons(), self.entry(), kinds)

    def say(self, words: str) -> None:
        """Put words at the end of the prompt, where they are not in it yet."""
        prompt = str(self.values().get("prompt") or "").rstrip().rstrip(",")
        if words.casefold() not in prompt.casefold():
            self.set_values({"prompt": f"{prompt}, {words}" if prompt else words})

    def examples(self) -> tuple[str, ...]:
        entry = self.entry()
        return entry.card.examples if entry is not None else ()

    def values(self) -> dict[str, Any]:
        """What the form shows for the chosen model."""
        if self._current not in self._values:
            if not self._form_key()[1]:
                return {}
            defaults = self.defaults()
            remembered = self._state.table("forms").get(self._current)
            known = self._usable(remembered) if isinstance(remembered, dict) else {}
            self._values[self._current] = {**defaults, **known}
        return self._values[self._current]

    def set_value(self, name: str, value: Any) -> None:
        self._wanted = ""
        self.values()[name] = value
        if self._problems.pop(name, None) is not None:
            self.problems_changed.emit()
        self._told(name)

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Put several values into the form, as "Use these settings" and the example prompts do."""
        self._wanted = ""
        self.values().update(self._usable(values))
        self._problems = {}
        self.problems_changed.emit()
        self.values_changed.emit()
        self._told(*values)

    def _told(self, *names: str) -> None:
        if "image" in names:
            self.picture_changed.emit()
        if canvas_inputs.MATTERS.intersection(names):
            self.shown_changed.emit()

    def set_canvas(self, extents: Mapping[str, int], has_mask: bool) -> None:
        """What the canvas holds besides the picture: how far it is extended, and whether a mask is painted."""
        self.values().update({name: value for name, value in extents.items() if self.has_input(name)})
        self._has_mask = has_mask and self.has_input("mask")
        self.shown_changed.emit()

    def set_mask(self, path: str | None) -> None:
        """The file of the painted mask; None without one."""
        if self.has_input("mask"):
            self.values()["mask"] = path

    def free_reference(self) -> str:
        """The first of the inputs for further pictures that holds none; empty when there is none left."""
        names = [name for name in canvas_inputs.REFERENCES if self.has_input(name)]
        return next((name for name in names if not self.values().get(name)), "")

    def _usable(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``values`` that this form has a field for and that are of its kind: what comes from files may be
        anything."""
        entry = self.entry()
        if entry is None or entry.schema is None:
            return {}
        kinds = {spec.name: spec.kind for spec in entry.schema.inputs}
        return {name: value for name, value in values.items() if name in kinds and _is_of(kinds[name], value)}

    def set_count(self, count: int) -> None:
        self.count = count
        self._state.set("count", count)

    def set_styles(self, names: Iterable[str]) -> None:
        """Choose the styles around the prompt, by name."""
        self.styles = list(dict.fromkeys(names))
        self._state.set("styles", self.styles)
        self.styles_changed.emit()

    def use(self, model: str, inputs: Mapping[str, Any], keep_seed: bool = True) -> None:
        """Bring back how a picture was made: its model, if that is still here, and all inputs."""
        if any(row.id == model and row.usable for row in self.rows()):
            self.select(model)
        self.keep_seed = keep_seed
        # A picture's words come as they were written, with the styles that stood around them, or as they came out.
        inputs = dict(inputs)
        self.set_styles(inputs.pop(STYLES, ()))
        self.restoring = True
        self.set_values({**canvas_inputs.BLANK, **inputs})
        self.restoring = False
        self.restored.emit()

    # checking and sending

    @property
    def problems(self) -> dict[str, str]:
        return self._problems

    def check(self, name: str) -> None:
        """Say at once what is wrong with one value; others are left alone until Generate."""
        found = self._find_problems().get(name)
        before = self._problems.get(name)
        if found is not None:
            self._problems[name] = found
        else:
            self._problems.pop(name, None)
        if found != before:
            self.problems_changed.emit()

    def _find_problems(self) -> dict[str, str]:
        entry = self.entry()
        if entry is None or entry.schema is None:
            return {}
        try:
            entry.schema.validate(self._sendable())
        except InvalidInputError as error:
            return _first_of_each(error.info.problems)
        return {}

    def _sendable(self) -> dict[str, Any]:
        return {name: value for name, value in self.values().items() if value is not None}

    def generate(self) -> str | None:
        """Queue the job. Returns its id, or None: then ``problems`` or ``refused`` say why."""
        self._wanted = ""
        view = self.problem()
        if view is not None:
            self.refused.emit(view)
            return None
        if not self.canvas_gate(self._send):
            return None  # the mask is being written; sent as soon as it is
        return self._send()

    def _send(self) -> str | None:
        try:
            job = self._core.queue.submit(self._current, self._sendable(), self.count, styles=self.styles)
        except InvalidInputError as error:
            self._problems = _first_of_each(error.info.problems)
            self.problems_changed.emit()
            out = self.hidden()
            hidden = [p for p in error.info.problems if p.name not in self.values() or p.name in out]
            if hidden:
                self.refused.emit(error_view(ErrorInfo(error.info.code, problems=tuple(hidden))))
            return None
        except AtelierError as error:
            self.refused.emit(error_view(error.info))
            return None
        self._problems = {}
        self.problems_changed.emit()
        self.remember()
        self._keep_seed(job)
        self.submitted.emit(job.id)
        return job.id

    def _keep_seed(self, job: Job) -> None:
        """With the lock on and no number yet, the first job's seed becomes the kept one."""
        if not self.keep_seed or "seed" not in job.inputs:
            return
        if self.values().get("seed") is None:
            self.values()["seed"] = job.inputs["seed"]
            self.values_changed.emit()

    def remember(self) -> None:
        """Note the form's values for the next start. Pictures are left out: their files may be gone by then."""
        entry = self.entry()
        if entry is None or entry.schema is None:
            return
        forms = self._state.table("forms")
        forms[self._current] = self.kept_values()
        self._state.set("forms", forms)

    def kept_values(self) -> dict[str, Any]:
        """The form's values without pictures and what belongs to them."""
        entry = self.entry()
        specs = entry.schema.inputs if entry is not None and entry.schema is not None else ()
        files = {spec.name for spec in specs if spec.kind in WITH_FILES} | canvas_inputs.BLANK.keys()
        return {name: value for name, value in self.values().items() if name not in files}

    def hint(self) -> str:
        """What a picture will take here, as far as that is known."""
        seconds = self._core.estimate(self._current)
        if seconds is None:
            return ""
        if seconds < 1:
            return tr("under a second a picture on this machine")
        return tr("about {time} a picture on this machine", time=duration(seconds))

    def _job_changed(self, event: JobChanged) -> None:
        if event.job.state is JobState.SUCCEEDED:
            self.hint_changed.emit()

    def _models_changed(self) -> None:
        self._pick()
        self.models_changed.emit()
        if self._form_key() != self._built:
            self._turned()

    def _pick(self) -> None:
        """Turn to the wanted model if it is there by now, else away from one that is not. The setting stays."""
        rows = self.rows()
        if any(row.id == self._wanted for row in rows):
            self._current, self._wanted = self._wanted, ""
        elif rows and all(row.id != self._current for row in rows):
            self._wanted = self._wanted or self._current
            self._current = next((row.id for row in rows if row.usable), rows[0].id)


def _first_of_each(problems: Iterable[Problem]) -> dict[str, str]:
    """A sentence for each input that is wrong: of a list of cards for the first that is."""
    found: dict[str, str] = {}
    for problem in problems:
        found.setdefault(problem.name, problem.sentence)
    return found


def _is_of(kind: Kind, value: object) -> bool:
    match kind:
        case Kind.INTEGER | Kind.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
        case Kind.BOOLEAN:
            return isinstance(value, bool)
        case Kind.SEED:
            return value is None or isinstance(value, int | str)
        case Kind.LORAS:
            return isinstance(value, list) and all(isinstance(each, dict) and each.get("name") for each in value)
        case Kind.EMBEDDINGS:
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        case Kind.CONTROLS | Kind.ADAPTERS | Kind.REGIONS:
            return isinstance(value, list) and all(isinstance(item, dict) for item in value)
        case _:
            return value is None or isinstance(value, str)


def _allowed(kind: Kind, value: object) -> bool:
    return kind is not Kind.SEED and value is not None


def _row(entry: EntryPort) -> ModelRow:
    card = entry.card
    name = card.name or card.id
    if entry.problem is not None:
        view = error_view(entry.problem)
        return ModelRow(card.id, name, view.sentence, "bad", f"{name}\n{view.sentence} {view.advice}".strip(), False)
    fit, tone = fit_words(entry.fit)
    parts = [part for part in (fit or card.summary, card.licence) if part]
    size = tr("{n} GB", n=gigabytes(card.size_bytes)) if card.size_bytes > 2**29 else ""
    lines = [name, card.summary, fit, tr("Licence: {name}", name=card.licence) if card.licence else "", size]
    return ModelRow(card.id, name, " · ".join(parts), tone, "\n".join(line for line in lines if line), True)
