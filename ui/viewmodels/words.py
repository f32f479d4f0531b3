"""From the core's codes, states and numbers to the words and tones on the screen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.events import EngineChanged
from app.jobs import Job, Result
from app.messages import ACTION_WORDS, Action, words
from app.states import EngineState, JobState
from models import maps
from models.errors import ErrorInfo
from models.planning import Backend
from ui.i18n import duration, gigabytes, tr


def named(what: Job | Result) -> str:
    """What a job or its picture is called: by its prompt, or without one by the picture it was made of; or empty."""
    if words_of := " ".join(what.prompt.split()):
        return words_of
    inputs = _inputs(what)
    if not inputs.get("image"):
        return ""
    about = what.about if isinstance(what, Job) else what.recipe
    name = str(about.get("of") or Path(str(inputs["image"])).name)
    if maps.PREPROCESSOR in inputs:
        made = maps.PREPROCESSORS.get(str(inputs[maps.PREPROCESSOR]))
        return tr("{map}: {name}", map=tr(made.title) if made is not None else tr("Map"), name=name)
    return tr(next((words for own, words in _TOOLS if own in inputs), "Like {name}"), name=name)


def measures(result: Result) -> str:
    """A picture's size, and its seed where one plays a part."""
    inputs = _inputs(result)
    seedless = any(own in inputs for own in (maps.PREPROCESSOR, *dict(_TOOLS)))
    words_of = tr("{w} × {h}", w=result.width, h=result.height)
    return words_of if seedless else tr("{size} · seed {seed}", size=words_of, seed=result.seed)


def _inputs(what: Job | Result) -> dict[str, Any]:
    inputs = what.inputs if isinstance(what, Job) else what.recipe.get("inputs")
    return inputs if isinstance(inputs, dict) else {}


_TOOLS = (("longest_side", "Upscaled: {name}"), ("edge", "Cut out: {name}"), ("question", "Described: {name}"))
"""Tools for one picture by an input only they have, and what their jobs are called."""


@dataclass(frozen=True)
class ErrorView:
    """An error as its card shows it. ``action`` is a value of ``app.messages.Action``; empty means no button.

    ``link`` is the page that the error is about, ``model`` the one it asks for, where it says so.
    """

    sentence: str
    advice: str
    action: str
    action_words: str
    detail: str
    subject: str = ""
    link: str = ""
    model: str = ""


def error_view(error: ErrorInfo, subject: str = "") -> ErrorView:
    plain = words(error)
    return ErrorView(
        tr(plain.sentence),
        tr(plain.advice),
        plain.action.value,
        tr(ACTION_WORDS[plain.action]),
        _detail(error),
        subject,
        str(error.facts.get("url", "")),
        str(error.facts.get("base", "") or error.facts.get("model", "")),
    )


def _detail(error: ErrorInfo) -> str:
    facts = "\n".join(f"{name}: {value}" for name, value in error.facts.items())
    head = f"code: {error.code.value}"
    return "\n".join(part for part in (head, facts, error.detail) if part)


def edit_action() -> tuple[str, str]:
    return Action.EDIT_INPUTS.value, tr(ACTION_WORDS[Action.EDIT_INPUTS])


def error_folder(error: ErrorInfo) -> str:
    return str(error.facts.get("path", ""))


FIT_WORDS = {
    "fast": ("Runs fast here", "good"),
    "offload": ("Runs slower here", "warn"),
    "too_large": ("Too large for this machine", "bad"),
}


def fit_words(fit: str) -> tuple[str, str]:
    """Words and tone for how a model fits this machine; both empty when that is not known."""
    text, tone = FIT_WORDS.get(fit, ("", "soft"))
    return (tr(text) if text else "", tone)


@dataclass(frozen=True)
class ProgressView:
    """The floating bar: ``fraction`` is -1 while nothing can be measured."""

    job: str
    headline: str
    sub: str
    fraction: float


def progress_view(job: Job) -> ProgressView:
    p = job.progress
    state = job.state
    if state is JobState.QUEUED:
        return ProgressView(job.id, tr("Waiting for the engine"), "", -1.0)
    if state is JobState.LOADING:
        headline = tr("Loading model - {what}", what=p.what) if p.what else tr("Loading model")
        return ProgressView(job.id, headline, job.model_name, p.fraction if p.fraction > 0 else -1.0)
    if state is JobState.RUNNING:
        headline = tr("Step {i} of {n}", i=p.step, n=p.steps) if p.steps else tr("Starting")
    elif state is JobState.DECODING:
        headline = tr("Finishing the picture")
    else:
        headline = tr("Saving")
    return ProgressView(job.id, headline, _progress_sub(job), p.fraction)


def _progress_sub(job: Job) -> str:
    p = job.progress
    parts = []
    if p.pictures > 1:
        parts.append(tr("picture {i} of {n}", i=max(1, p.picture), n=p.pictures))
    if p.seconds_left >= 0:
        parts.append(tr("{time} left", time=duration(max(1.0, p.seconds_left))))
    return " · ".join(parts)


def job_words(job: Job, next_id: str = "") -> tuple[str, str]:
    """The short state at the right of a queue row, and its tone."""
    p = job.progress
    match job.state:
        case JobState.QUEUED:
            return (tr("next"), "soft") if job.id == next_id else (tr("waiting"), "faint")
        case JobState.LOADING:
            return tr("loading"), "soft"
        case JobState.RUNNING | JobState.DECODING | JobState.SAVING:
            if p.pictures > 1:
                return tr("{i} of {n}", i=max(1, p.picture), n=p.pictures), "soft"
            return f"{round(p.fraction * 100)} %", "soft"
        case JobState.FAILED:
            return tr("failed"), "bad"
        case JobState.CANCELLED:
            return tr("cancelled"), "faint"
        case _:
            return tr("done"), "good"


@dataclass(frozen=True)
class EngineView:
    """The rail's foot and the engine line in Settings. ``dot`` is a token; ``short`` and ``memory`` fit the rail."""

    dot: str
    short: str
    memory: str
    sentence: str


_ENGINE_WORDS = {
    EngineState.ABSENT: ("faint", "Off", "The engine is not running."),
    EngineState.STARTING: ("warn", "Starting", "The engine is starting."),
    EngineState.READY: ("good", "Ready", "The engine is ready."),
    EngineState.BUSY: ("good", "Working", "The engine is making a picture."),
    EngineState.STOPPING: ("warn", "Stopping", "The engine is stopping."),
    EngineState.CRASHED: ("bad", "Restarting", "The engine stopped unexpectedly and starts again."),
    EngineState.UNUSABLE: ("bad", "No engine", "The engine cannot be used."),
}


def engine_view(status: EngineChanged) -> EngineView:
    dot, short, sentence = _ENGINE_WORDS[status.state]
    device = status.device
    if status.error is not None and status.state in (EngineState.CRASHED, EngineState.UNUSABLE):
        plain = words(status.error)
        return EngineView(dot, tr(short), "", f"{tr(plain.sentence)} {tr(plain.advice)}".strip())
    if device is None:
        return EngineView(dot, tr(short), "", tr(sentence))
    used = max(0, device.memory_total - device.memory_free)
    memory = tr("{used} / {total} GB", used=gigabytes(used), total=gigabytes(device.memory_total))
    kind = tr("CPU") if device.backend is Backend.CPU else tr("GPU")
    if status.state in (EngineState.READY, EngineState.BUSY):
        short = kind
    full = tr(
        "{sentence} {name}, {used} of {total} GB used.",
        sentence=tr(sentence),
        name=device.name or kind,
        used=gigabytes(used),
        total=gigabytes(device.memory_total),
    )
    return EngineView(dot, tr(short), memory if device.memory_total else "", full)
