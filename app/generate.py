"""``atelier generate``: one job through the same queue, engine and library as the window's."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from app import craft_cli, fast, tools_cli
from app import events as announced
from app.core import Core
from app.dispatch import LoopDispatcher
from app.files import copy_atomically, folder_problem
from app.jobs import Job, JobProgress
from app.messages import as_text, notice_words
from app.paths import default_paths
from app.prompting.expand import PromptError
from app.prompting.presets import Preset
from app.states import EngineState, JobState
from app.terminal import (
    DONE,
    FAILED,
    INTERRUPTED,
    Interrupts,
    complain,
    error_json,
    exit_code,
    print_json,
    print_line,
    warn,
)
from models import items
from models.errors import AtelierError, ErrorInfo, InvalidInputError, Problem, disk_error

_CANCEL_WAIT = 10.0  # seconds a cancelled job may take to end


def generate(options: argparse.Namespace) -> int:
    """Make the pictures and say where they are. Returns the exit code."""
    try:
        inputs = collect_inputs(options)
        check_out(options.out)
        dispatcher = LoopDispatcher()
        core = Core(default_paths(), dispatcher, origin="cli")
    except AtelierError as error:
        return _refuse(options, error)
    try:
        return _run(core, dispatcher, options, inputs)
    except AtelierError as error:
        return _refuse(options, error)
    finally:
        core.close()


def _run(core: Core, dispatcher: LoopDispatcher, options: argparse.Namespace, inputs: dict[str, Any]) -> int:
    core.models.look()
    preset = _preset(core, options.preset)
    model = options.model or preset.model or _tool(core, options) or core.settings.value.model
    stop = Interrupts()
    view: View = JsonView() if options.json else BarView()
    core.events.subscribe(announced.JobChanged, lambda event: view.changed(event.job))
    core.events.subscribe(announced.EngineChanged, lambda event: view.engine(event.state))
    core.events.subscribe(announced.JobNoticed, lambda e: view.notice(notice_words(e.notice.code, e.notice.facts)))
    core.events.subscribe(announced.TroubleArose, lambda event: warn(as_text(event.error)))
    core.events.subscribe(announced.ResultAdded, lambda event: view.picture(event.result.path, event.result.seed))
    _, schema = core.models.runnable(model)  # before the engine is started: a wrong id is answered at once
    began = time.monotonic()
    known = {name: value for name, value in preset.inputs.items() if name in schema}
    if options.fast:
        chosen = fast.chosen(fast.of(core.models.get(model)), core.offers.all())
        known |= fast.applied(chosen, {**known, **inputs}, schema.names)
        inputs.pop("loras", None)
    styles = list(dict.fromkeys([*preset.styles, *options.style]))
    job = core.queue.submit(model, {**known, **inputs}, options.count, styles=styles)
    core.start()
    dispatcher.run_until(lambda: core.queue.get(job.id).ended or stop.asked)
    if stop.asked:
        core.queue.cancel(job.id)
        dispatcher.run_until(lambda: core.queue.get(job.id).ended, _CANCEL_WAIT)
    view.close()
    job = core.queue.get(job.id)
    results = [result for result in map(core.library.get, job.results) if result is not None]
    outputs, error = export([Path(result.path) for result in results], options.out)
    return _conclude(options, job, outputs, error or job.error, time.monotonic() - began)


def _tool(core: Core, options: argparse.Namespace) -> str:
    """The tool that a command such as ``upscale`` stands for; empty for ``generate`` itself."""
    command = getattr(options, "tool", "")
    return tools_cli.chosen(core.models, command) if command else ""


def _preset(core: Core, name: str | None) -> Preset:
    """The preset of this name; an empty one where none is asked for. Raises InvalidInputError."""
    if name is None:
        return Preset("")
    try:
        return core.prompting.presets.find(name)
    except PromptError as error:
        raise InvalidInputError(Problem("--preset", name, str(error))) from error


def _conclude(
    options: argparse.Namespace, job: Job, outputs: list[Path], error: ErrorInfo | None, seconds: float
) -> int:
    status = "failed" if error and job.state is JobState.SUCCEEDED else job.state.value
    if options.json:
        print_json(_summary(job, status, outputs, error, seconds))
    else:
        for line in (*job.texts, *map(str, outputs)):
            print_line(line)
    if error is not None:
        complain(AtelierError.from_info(error))
    elif job.state is JobState.CANCELLED:
        warn("cancelled")
    if job.state is JobState.CANCELLED:
        return INTERRUPTED
    return DONE if status == "succeeded" else exit_code(error.code) if error else FAILED


def _summary(job: Job, status: str, outputs: list[Path], error: ErrorInfo | None, seconds: float) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "status": status,
        "outputs": [str(path) for path in outputs],
        "seed": job.inputs.get("seed"),
        "seconds": round(seconds, 3),
        "model": job.model,
        "inputs": job.inputs,
    }
    if job.texts:
        summary |= {"text": "\n".join(job.texts), "texts": list(job.texts)}
    return summary if error is None else {**summary, "error": error_json(error)}


def _refuse(options: argparse.Namespace, error: AtelierError) -> int:
    """Answer what was wrong before anything was started."""
    if options.json:
        print_json({"status": "failed", "outputs": [], "error": error_json(error.info)})
    return complain(error)


# -- inputs and outputs -----------------------------------------------------------------------------------------------


def collect_inputs(options: argparse.Namespace) -> dict[str, Any]:
    """The options as the model's inputs; ``-i`` may name any of them but not twice. Raises InvalidInputError."""
    inputs: dict[str, Any] = {}
    for name in ("prompt", "seed", "steps", "image", "mask"):
        if getattr(options, name) is not None:
            inputs[name] = getattr(options, name)
    if getattr(options, "lora", None):
        inputs["loras"] = [items.lora(text) for text in options.lora]
    problems = []
    for pair in options.input:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            problems.append(Problem("-i", pair, f"-i takes KEY=VALUE, for example -i guidance_scale=4; not “{pair}”."))
        elif name in inputs:
            problems.append(Problem(name, value, f"“{name}” is given twice."))
        else:
            inputs[name] = value
    problems += craft_cli.collect(options, inputs)
    if "prompt" not in inputs and "image" not in inputs and not getattr(options, "preset", None):
        problems.append(Problem("prompt", "", "PROMPT is missing: say what the picture should show."))
    if problems:
        raise InvalidInputError(*problems)
    for name in ("image", "mask"):
        if name in inputs:
            inputs[name] = str(Path(inputs[name]).expanduser().resolve())
    return inputs


def check_out(out: str | None) -> None:
    """Refuse an ``--out`` that cannot be written before any work is done. Raises InvalidInputError."""
    if out is None:
        return
    target = Path(out).expanduser()
    folder = target if is_folder(out) else target.parent
    problem = folder_problem(folder)
    if problem is None and not is_folder(out) and target.suffix.lower() not in ("", ".png"):
        problem = "pictures are saved as .png"
    if problem is not None:
        raise InvalidInputError(Problem("--out", out, f"--out: “{out}” cannot be written: {problem}."))


def is_folder(out: str) -> bool:
    """A folder that is there, or a name that can only be one."""
    return out.endswith(("/", os.sep)) or Path(out).expanduser().is_dir() or not Path(out).suffix


def export(pictures: list[Path], out: str | None) -> tuple[list[Path], ErrorInfo | None]:
    """Copy finished pictures to ``--out``; where that fails, the paths of those in the library and the error."""
    if out is None or not pictures:
        return pictures, None
    target = Path(out).expanduser()
    copies = []
    for number, picture in enumerate(pictures, 1):
        if is_folder(out):
            copy = target / picture.name
        else:
            copy = target if len(pictures) == 1 else target.with_name(f"{target.stem}-{number}{target.suffix}")
        try:
            copy_atomically(picture, copy)
        except OSError as error:
            return pictures, disk_error(error, str(copy.parent)).info
        copies.append(copy)
    return copies, None


# -- what is shown while it runs --------------------------------------------------------------------------------------


class View:
    """What happens, as it happens."""

    def engine(self, state: EngineState) -> None: ...

    def changed(self, job: Job) -> None: ...

    def picture(self, path: str, seed: int) -> None: ...

    def notice(self, sentence: str) -> None: ...

    def close(self) -> None: ...


class JsonView(View):
    """One JSON object a line on standard output."""

    def __init__(self) -> None:
        self._state: JobState | None = None
        self._progress = JobProgress()

    def changed(self, job: Job) -> None:
        if job.state is not self._state:
            self._state = job.state
            self._say(event="state", state=job.state.value, job=job.id)
        if job.state is JobState.LOADING and job.progress.what:
            self._say(event="loading", fraction=round(job.progress.fraction, 4), what=job.progress.what)
        elif job.state is JobState.RUNNING and job.progress.steps and job.progress != self._progress:
            p = self._progress = job.progress
            self._say(
                event="progress", picture=p.picture, pictures=p.pictures, step=p.step, steps=p.steps,
                fraction=round(p.fraction, 4), seconds_left=None if p.seconds_left < 0 else round(p.seconds_left, 1),
            )  # fmt: skip

    def picture(self, path: str, seed: int) -> None:
        self._say(event="picture", path=path, seed=seed)

    def notice(self, sentence: str) -> None:
        self._say(event="notice", text=sentence)

    def _say(self, **what: Any) -> None:
        print_json(what)


class BarView(View):
    """A progress bar on standard error (tqdm comes with the hub client); plain lines where that is no terminal."""

    def __init__(self) -> None:
        self._bar = tqdm(
            total=1.0, file=sys.stderr, leave=False, disable=not sys.stderr.isatty(),
            bar_format="{desc:<28} {bar:30} {percentage:3.0f} %{postfix}",
        )  # fmt: skip

    def changed(self, job: Job) -> None:
        p = job.progress
        if job.state is JobState.LOADING:
            self._bar.set_description_str(f"Loading the model {p.what}".strip(), refresh=False)
        elif job.state is JobState.RUNNING:
            many = f"picture {p.picture} of {p.pictures}, " if p.pictures > 1 else ""
            self._bar.set_description_str(f"{many}step {p.step} of {p.steps}", refresh=False)
        else:
            self._bar.set_description_str(job.state.value.capitalize(), refresh=False)
        left = f"  {p.seconds_left:.0f} s left" if p.seconds_left >= 0 else ""
        self._bar.set_postfix_str(left, refresh=False)
        self._bar.n = p.fraction
        self._bar.refresh()

    def engine(self, state: EngineState) -> None:
        if state is EngineState.STARTING:
            self._bar.set_description_str("Starting the engine")

    def notice(self, sentence: str) -> None:
        self._bar.write(sentence, file=sys.stderr)

    def close(self) -> None:
        self._bar.close()
