"""A core that does only what it is told: the stage for screenshots and for the window's tests.

It keeps the face of ``app.core.Core`` (``ui.viewmodels.ports`` says which part) with real settings, schemas, events and
job states; there is no engine, instead ``begin``, ``step``, ``preview``, ``finish`` and ``fail`` play one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from app import events as announced
from app.history import History
from app.jobs import Job, JobNotice, JobProgress, Result
from app.paths import ASSETS, Paths
from app.prompting.service import Prompting
from app.settings import SettingsStore
from app.states import JOB_MOVES, EngineState, JobState, move
from app.weights import AddOn
from models.box import BoxSchema
from models.card import ModelCard, ModelRef
from models.catalog.entry import CatalogEntry
from models.errors import AtelierError, ErrorCode, ErrorInfo
from models.inputs import MISSING, Input, InputSpec, Kind
from models.planning import Backend, DeviceFacts
from models.seamless import CHOICES
from ui.demo_history import demo_history
from ui.demo_pictures import encoded, landscape, noisy
from ui.demo_weights import DemoWeights

GIB = 2**30
GPU = DeviceFacts(Backend.CUDA, 0, "GeForce RTX 3060", 12 * GIB, int(3.9 * GIB), 32 * GIB, 20 * GIB)


@dataclass(frozen=True)
class DemoEntry:
    card: ModelCard
    schema: BoxSchema | None = None
    problem: ErrorInfo | None = None
    fit: str = "unknown"
    family: str = ""


def full_schema() -> BoxSchema:
    """Every kind of input there is."""
    size = {"ge": 256, "le": 2048, "multiple_of": 16, "step": 16}
    return BoxSchema(
        (
            InputSpec("prompt", Kind.TEXT, MISSING, Input("Prompt", min_length=1, max_length=2000, widget="multiline")),
            InputSpec("image", Kind.IMAGE, None, Input("Picture", "Start from this picture.")),
            *canvas_specs()[:3],
            InputSpec("width", Kind.INTEGER, 768, Input("Width", "Width of the picture in pixels.", **size)),  # type: ignore[arg-type]
            InputSpec("height", Kind.INTEGER, 512, Input("Height", "Height of the picture in pixels.", **size)),  # type: ignore[arg-type]
            InputSpec("steps", Kind.INTEGER, 8, Input("Steps", "More steps take longer and add detail.", 1, 50)),
            InputSpec("guidance_scale", Kind.NUMBER, 3.5, Input("Guidance", "CFG scale.", 0, 20, step=0.5)),
            InputSpec("seed", Kind.SEED, None, Input("Seed", "The same seed gives the same picture.")),
            InputSpec(
                "negative_prompt", Kind.TEXT, "", Input("Avoid", max_length=2000, widget="multiline", advanced=True)
            ),
            InputSpec(
                "scheduler",
                Kind.CHOICE,
                "euler",
                Input("Scheduler", choices=("euler", "dpm++", "unipc"), advanced=True),
            ),
            InputSpec("clip_skip", Kind.INTEGER, 0, Input("Skip layers", "CLIP skip.", 0, 4, advanced=True)),
            InputSpec("tiling", Kind.BOOLEAN, False, Input("Seamless", "Edges meet when tiled.", advanced=True)),
            InputSpec("seamless", Kind.CHOICE, "none", Input("Edges that meet", choices=CHOICES, group="texture")),
            *canvas_specs()[3:],
        )
    )


def canvas_specs() -> tuple[InputSpec, ...]:
    """The inputs of a model that starts from pictures, repaints parts of them, extends and varies them."""
    share: dict[str, Any] = {"ge": 0.0, "le": 1.0, "step": 0.05}
    pixels: dict[str, Any] = {"ge": 0, "le": 512, "step": 1}
    sides: dict[str, Any] = {"ge": 0, "le": 2048, "step": 16, "multiple_of": 16}
    extends = tuple(
        InputSpec(f"extend_{side}", Kind.INTEGER, 0, Input(f"Extend {side}", **sides))
        for side in ("left", "top", "right", "bottom")
    )
    references = tuple(
        InputSpec(f"reference_{n}", Kind.IMAGE, None, Input(f"Reference {n}", "A picture to take up.", advanced=True))
        for n in (1, 2)
    )
    return (
        InputSpec("strength", Kind.NUMBER, 0.6, Input("Denoising strength", "How much of it changes.", **share)),
        InputSpec("mask", Kind.MASK, None, Input("Mask", "White is changed.")),
        InputSpec("only_masked", Kind.BOOLEAN, False, Input("Only the masked area", "At full resolution.")),
        InputSpec(
            "mask_padding", Kind.INTEGER, 32, Input("Mask padding", "Pixels around it.", advanced=True, **pixels)
        ),
        InputSpec("mask_feather", Kind.INTEGER, 8, Input("Soft edge", "Pixels.", advanced=True, **pixels)),
        *extends,
        *references,
        InputSpec("variation_strength", Kind.NUMBER, 0.0, Input("Variation", "", advanced=True, **share)),
        InputSpec("variation_seed", Kind.SEED, None, Input("Variation seed", advanced=True)),
    )


def small_schema() -> BoxSchema:
    size = {"ge": 64, "le": 64, "multiple_of": 64}
    return BoxSchema(
        (
            InputSpec("prompt", Kind.TEXT, MISSING, Input("Prompt", min_length=1, max_length=200, widget="multiline")),
            InputSpec("width", Kind.INTEGER, 64, Input("Width", **size)),  # type: ignore[arg-type]
            InputSpec("height", Kind.INTEGER, 64, Input("Height", **size)),  # type: ignore[arg-type]
            InputSpec("steps", Kind.INTEGER, 12, Input("Steps", "", 1, 50)),
            InputSpec("seed", Kind.SEED, None, Input("Seed")),
        )
    )


def demo_entries() -> list[DemoEntry]:
    klein = ModelRef("klein", "FLUX.2 klein 4B", "diffusers")
    pocket = ModelRef("pocket", "Pocket", "diffusers")
    long = "Stable-Diffusion-XL-Lightning-8-step-distilled-with-a-very-long-community-fine-tune-name-v2.1-final"
    prompts = ("a lighthouse on a cliff at dusk", "a fox reading a newspaper", "paper city, morning light")
    return [
        DemoEntry(
            ModelCard(klein, "Quick, detailed pictures", "Apache-2.0", examples=prompts, size_bytes=8 * GIB),
            full_schema(),
            fit="fast",
        ),
        DemoEntry(
            ModelCard(pocket, "Pictograms in seconds", "CC-BY-4.0", examples=("red apple", "blue house", "happy cat")),
            small_schema(),
            fit="fast",
        ),
        DemoEntry(
            ModelCard(ModelRef("long", long, "diffusers"), "", "OpenRAIL++-M", size_bytes=14 * GIB),
            full_schema(),
            fit="offload",
        ),
        DemoEntry(
            ModelCard(ModelRef("broken", "PixArt Sigma", "diffusers"), "", "OpenRAIL++"),
            problem=ErrorInfo(
                ErrorCode.MODEL_INCOMPLETE,
                {"model": "PixArt Sigma", "file": "transformer/diffusion_pytorch_model-00002-of-00003.safetensors"},
            ),
        ),
    ]


class DemoModels:
    def __init__(self, core: DemoCore, entries: list[DemoEntry]) -> None:
        self._core = core
        self.all = entries
        self.removed: list[str] = []
        self.looks = 0
        self.own_addons: list[AddOn] = []
        self.own_tools: list[DemoEntry] = []

    def addons(self) -> list[AddOn]:
        return list(self.own_addons)

    def tools(self) -> list[DemoEntry]:
        return list(self.own_tools)

    def refresh(self) -> None:
        self.looks += 1

    def entries(self) -> list[DemoEntry]:
        return list(self.all)

    def get(self, key: str) -> DemoEntry:
        for entry in (*self.all, *self.own_tools):
            if entry.card.id == key:
                return entry
        raise AtelierError(ErrorCode.MODEL_NOT_INSTALLED, model=key)

    def add_folder(self, path: Path) -> DemoEntry:
        if not (path / "model_index.json").is_file():
            raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=path.name, pipeline="no model")
        entry = DemoEntry(ModelCard(ModelRef(str(path), path.name, "diffusers", str(path))), small_schema())
        self.all.append(entry)
        folders = self._core.settings.value.model_folders
        self._core.settings.change(model_folders=(*folders, str(path)))
        self._core.events.emit(announced.ModelsChanged())
        return entry

    def remove_folder(self, path: str) -> None:
        folders = self._core.settings.value.model_folders
        self._core.settings.change(model_folders=tuple(folder for folder in folders if folder != path))
        self.all = [entry for entry in self.all if entry.card.id != path]
        self._core.events.emit(announced.ModelsChanged())


class DemoQueue:
    def __init__(self, core: DemoCore) -> None:
        self._core = core
        self._jobs: dict[str, Job] = {}
        self._order: list[str] = []
        self._numbers = itertools.count(1)

    def jobs(self) -> list[Job]:
        ended = [job for job in self._jobs.values() if job.id not in self._order]
        return ended + [self._jobs[key] for key in self._order]

    def get(self, key: str) -> Job:
        return self._jobs[key]

    def submit(
        self,
        model_id: str,
        inputs: dict[str, Any],
        count: int = 1,
        variants: Sequence[Mapping[str, Any]] = (),
        about: Mapping[str, Any] | None = None,
        styles: Sequence[str] = (),
    ) -> Job:
        entry = self._core.models.get(model_id)
        if entry.problem is not None or entry.schema is None:
            raise AtelierError.from_info(entry.problem or ErrorInfo(ErrorCode.INTERNAL))
        more = {"variants": tuple(dict(variant) for variant in variants), "about": dict(about or {})}
        return self.add(model_id, entry.schema.validate(inputs), len(variants) or count, **more)

    def add(self, model_id: str, inputs: dict[str, Any], count: int = 1, **more: Any) -> Job:
        number = next(self._numbers)
        name = self._core.models.get(model_id).card.name
        job = Job(f"job{number}", model_id, name, inputs, count, 1_790_000_000.0 + number, **more)
        self._jobs[job.id] = job
        self._order.append(job.id)
        self._core.events.emit(announced.JobAdded(job))
        return job

    def change(self, key: str, **changes: Any) -> Job:
        old = self._jobs[key]
        job = msgspec.structs.replace(old, **changes)
        move(JOB_MOVES, old.state, job.state)
        if job.state is not JobState.QUEUED and key in self._order:
            self._order.remove(key)
        self._jobs[key] = job
        self._core.events.emit(announced.JobChanged(job))
        return job

    def cancel(self, key: str) -> None:
        self._core.cancelled.append(key)
        if not self._jobs[key].ended:
            self.change(key, state=JobState.CANCELLED)

    def cancel_all(self) -> None:
        for key in [job.id for job in self._jobs.values() if not job.ended]:
            self.cancel(key)

    def retry(self, key: str) -> None:
        self._order.append(key)
        self.change(key, state=JobState.QUEUED, error=None, progress=JobProgress())

    def remove(self, key: str) -> None:
        if key in self._order:
            self._order.remove(key)
        del self._jobs[key]
        self._core.events.emit(announced.JobRemoved(key))

    def clear_ended(self) -> None:
        for job in [job for job in self._jobs.values() if job.ended]:
            self.remove(job.id)

    def move(self, key: str, index: int) -> None:
        self._order.remove(key)
        self._order.insert(index, key)
        self._core.events.emit(announced.QueueReordered(tuple(self._order)))

    def held(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.held]

    def resume_held(self) -> None:
        for job in self.held():
            self.change(job.id, held=False)

    def discard_held(self) -> None:
        for job in self.held():
            self.remove(job.id)


@dataclass
class DemoLibrary:
    results: list[Result] = field(default_factory=list)

    def recent(self, limit: int = 60) -> list[Result]:
        return self.results[:limit]

    def get(self, key: str) -> Result | None:
        return next((result for result in self.results if result.id == key), None)


class DemoEngine:
    def __init__(self, core: DemoCore) -> None:
        self._core = core
        self.status = announced.EngineChanged(EngineState.STARTING)
        self.restarts = 0

    @property
    def state(self) -> EngineState:
        return self.status.state

    def become(self, state: EngineState, device: DeviceFacts | None = None, error: ErrorInfo | None = None) -> None:
        self.status = announced.EngineChanged(state, device or self.status.device, error)
        self._core.events.emit(self.status)

    def restart(self) -> None:
        self.restarts += 1
        self.become(EngineState.STARTING)


class DemoCore:
    """See the module's words."""

    def __init__(self, paths: Paths, entries: list[DemoEntry] | None = None, seconds: float | None = None) -> None:
        self.paths = paths.create()
        self.events = announced.EventBus()
        self.settings = SettingsStore(paths.settings, lambda names: self.events.emit(announced.SettingsChanged(names)))
        self.models = DemoModels(self, demo_entries() if entries is None else entries)
        self.queue = DemoQueue(self)
        self.library = DemoLibrary()
        self.prompting = Prompting(paths.data, ASSETS, self.library.recent)
        self.engine = DemoEngine(self)
        self.weights = DemoWeights(self.events, self.settings, self._installed)
        self.downloads, self.offers, self.hub = self.weights.downloads, self.weights.offers, self.weights.hub
        self.storage, self.imports = self.weights.storage, self.weights.imports
        self.seconds = seconds
        self.started = self.closed = False
        self.cancelled: list[str] = []
        self.preloaded: list[str] = []

    def start(self) -> None:
        self.started = True

    def close(self) -> None:
        self.closed = True

    @cached_property
    def history(self) -> History:
        """Made when the gallery first asks: the other scenes have no use for a database."""
        return demo_history(self.paths, self.events, reversed(self.library.results))

    def preload(self, model_id: str) -> None:
        self.preloaded.append(model_id)

    def take_in(self, folder: str) -> None:
        """The demo's library takes no files."""

    def estimate(self, model_id: str) -> float | None:
        return self.seconds

    def _installed(self, entry: CatalogEntry) -> None:
        """A download is done: Create can use it from now on."""
        if entry.is_model and all(known.card.id != entry.repo for known in self.models.all):
            ref = ModelRef(entry.repo, entry.name, "diffusers")
            card = ModelCard(ref, entry.summary, entry.licence.name, size_bytes=entry.download_bytes)
            self.models.all.append(DemoEntry(card, full_schema(), fit="fast"))
        self.events.emit(announced.ModelsChanged())

    # playing the engine

    def ready(self) -> None:
        self.engine.become(EngineState.READY, GPU)

    def load(self, key: str, fraction: float, what: str) -> None:
        self.queue.change(key, state=JobState.LOADING, progress=JobProgress(fraction=fraction, what=what))

    def begin(self, key: str) -> None:
        if self.queue.get(key).state is JobState.QUEUED:
            self.load(key, 0.0, "")
        self.queue.change(key, state=JobState.RUNNING)

    def step(self, key: str, step: int, steps: int, picture: int = 1, left: float = -1.0) -> None:
        count = self.queue.get(key).count
        fraction = (picture - 1 + step / steps) / count
        progress = JobProgress(picture, count, step, steps, fraction, left)
        self.queue.change(key, state=JobState.RUNNING, progress=progress)

    def preview(self, key: str, share: float = 0.7, picture: int = 1) -> None:
        inputs = self.queue.get(key).inputs
        width, height = inputs["width"], inputs["height"]
        image = noisy(int(inputs["seed"]) + picture - 1, max(8, width // 8), max(8, height // 8), share)
        self.events.emit(announced.PreviewArrived(key, picture, width, height, encoded(image)))

    def produce(self, key: str) -> Result:
        """One more picture of the job is done."""
        job = self.queue.get(key)
        number = len(job.results)
        seed = int(job.inputs.get("seed") or 0) + number
        width, height = int(job.inputs.get("width", 64)), int(job.inputs.get("height", 64))
        result = self.keep(f"{key}-{number + 1}", job.prompt, seed, width, height, job=key, inputs=job.inputs)
        self.queue.change(key, results=(*job.results, result.id))
        self.events.emit(announced.ResultAdded(result))
        return result

    def keep(
        self,
        key: str,
        prompt: str,
        seed: int,
        width: int,
        height: int,
        job: str = "",
        inputs: dict[str, Any] | None = None,
    ) -> Result:
        """A picture for the library."""
        path = self.paths.pictures / f"{key}.png"
        path.write_bytes(encoded(landscape(seed, width, height)))
        model = self.queue.get(job).model if job else "klein"
        name = self.models.get(model).card.name
        recipe = {"inputs": {**(inputs or {"prompt": prompt, "width": width, "height": height}), "seed": seed}}
        result = Result(key, job, str(path), 1_790_000_000.0, model, name, prompt, seed, width, height, recipe)
        self.library.results.insert(0, result)
        return result

    def finish(self, key: str) -> None:
        while len(self.queue.get(key).results) < self.queue.get(key).count:
            self.produce(key)
        self.queue.change(key, state=JobState.SUCCEEDED)

    def fail(self, key: str, code: ErrorCode, detail: str = "", **facts: str | int | float) -> None:
        self.queue.change(key, state=JobState.FAILED, error=ErrorInfo(code, facts, detail))

    def notice(self, key: str, code: str, **facts: str | int | float) -> None:
        self.events.emit(announced.JobNoticed(key, JobNotice(code, facts)))
