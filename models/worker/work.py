"""One job from request to files: plan, load, run, save; falling to the cheaper plan when memory runs out."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from models import control, faults, protocol, recipe
from models.card import ModelRef
from models.errors import AtelierError, ErrorCode, disk_error
from models.planning import Backend, Component, DeviceFacts, Placement, Plan, worker_memory_budget
from models.runners import kind_of
from models.runners.base import OutOfMemoryError, Picture, Runner, Words
from models.schemas import planned_pixels
from models.swaps import swapped, swapped_error
from models.worker.process import resident_memory
from models.worker.report import JobReport, SilentReport, real_clock
from models.worker.shelf import Shelf

GIB = 1024**3
T = TypeVar("T")
Rung = tuple[str, str, Placement, bool]


class Ask(NamedTuple):
    """What a model is to be planned for: a picture of so many pixels, with add-ons that work beside the denoiser."""

    pixels: int
    beside: tuple[Component, ...] = ()

    def covers(self, other: Ask) -> bool:
        """Whether this is at least as much."""
        return self.pixels >= other.pixels and self._numbers() >= other._numbers()

    def _numbers(self) -> int:
        return sum(component.parameters for component in self.beside)


class Workshop:
    """Loads and runs models on one device. Raises what runners raise; the loop turns that into messages."""

    def __init__(
        self,
        device: DeviceFacts,
        budget: int,
        cache: Path,
        versions: dict[str, str],
        send: Callable[[object], None],
        measure: Callable[[DeviceFacts], DeviceFacts] = lambda device: device,
    ) -> None:
        self.device = device
        self.shelf = Shelf(budget or worker_memory_budget(device), lambda: free_memory(device))
        self._cache = cache
        self._versions = versions
        self._send = send
        self._measure = measure
        self._failed: dict[ModelRef, dict[Rung, Ask]] = {}  # plans that ran out of memory, and for what
        self._preview_cost = 0.0
        self._asked: dict[ModelRef, Ask] = {}  # the most that a loaded model was planned for

    def load_ahead(self, model: ModelRef) -> None:
        """Load with the best plan, quietly stepping down; raises AtelierError."""
        self._with_plans(model, Ask(0), SilentReport(self._send, model.id), lambda runner, plan: None)

    def run(self, request: protocol.Run, cancelled: threading.Event) -> protocol.Finished:
        """Make all pictures of ``request`` that are not done yet.

        Raises:
            AtelierError: with a code; what was already saved stays.
            CancelledRunError: the job was cancelled.
        """
        report = JobReport(self._send, request, cancelled, real_clock, self._preview_cost)
        began = real_clock()
        folder = Path(request.folder)
        for number in range(1, request.count + 1):
            if number not in request.done:
                report.begin_picture(number)
                self._make(request, number, folder, report)
        self._preview_cost = report.preview_cost
        seconds = real_clock() - began
        timings = {"total": seconds, "previews": report.preview_seconds}
        # Weights are meant to be there; what grew beside them is what libraries leak.
        return protocol.Finished(request.job, timings, max(0, resident_memory() - self.shelf.total()))

    def _make(self, request: protocol.Run, number: int, folder: Path, report: JobReport) -> None:
        inputs, seed = of_number(request, number)
        given = swapped(inputs, request.files)
        target = folder / f"{number}.png"
        keep = folder / f"{number}.latents"
        began = real_clock()

        def attempt(runner: Runner, plan: Plan) -> tuple[Picture | Words, Plan]:
            report.checkpoint()
            return runner.run(given, seed, keep, report, request.addons), plan

        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            try:
                beside = control.components(control.used(given, request.addons))
                ask = Ask(planned_pixels(request.model.folder, given), beside)
                picture, plan = self._with_plans(request.model, ask, report, attempt)
            except AtelierError as error:
                raise swapped_error(error, _originals(request)) from error
            if isinstance(picture, Words):
                self._send(protocol.Said(request.job, number, picture.text))
                return
            report.stage("saving")
            self._save(request, inputs, number, picture, plan, target, real_clock() - began)
        keep.unlink(missing_ok=True)
        self._send(protocol.Produced(request.job, number, seed, str(target)))

    def _save(
        self,
        request: protocol.Run,
        inputs: dict[str, Any],
        number: int,
        picture: Picture,
        plan: Plan,
        target: Path,
        seconds: float,
    ) -> None:
        facts = {
            **swapped(picture.facts, _originals(request)),
            "picture": number,
            "width": picture.image.width,
            "height": picture.image.height,
            "seconds": round(seconds, 3),
            "plan": {"device": plan.device, "dtype": plan.dtype, "placement": plan.placement.value},
            "device": self.device.name,
            "versions": self._versions,
        }
        try:
            faults.hit("save")
            recipe.save_png(
                picture.image, target, recipe.build(request.model, inputs, picture.seed, facts, request.recipe)
            )
        except OSError as error:
            raise disk_error(error, str(target.parent)) from error

    def _with_plans(self, model: ModelRef, ask: Ask, report: SilentReport, use: Callable[[Runner, Plan], T]) -> T:
        """``use`` the loaded model; when memory runs out, load it by the next cheaper plan and use that."""
        plan = self._plan(model, ask)
        while True:
            try:
                return use(self._loaded(model, plan, report), plan)
            except OutOfMemoryError as error:
                failure, failed = str(error), Ask(0) if error.stage == "load" else ask
            # Outside the handler: the exception's frames hold the tensors that have to go first.
            self.shelf.drop(model)
            self._failed.setdefault(model, {})[_rung(plan)] = failed
            plan = self._best_plan(model, ask, failure)
            report.notice("cheaper_plan", plan=describe(plan))

    def _plan(self, model: ModelRef, ask: Ask) -> Plan:
        """A loaded model stays as it is loaded for what takes no more than it was loaded for."""
        loaded = self.shelf.plan(model)
        if loaded is not None and self._asked.get(model, Ask(0)).covers(ask):
            return loaded
        best = self._best_plan(model, ask)
        self._asked[model] = ask
        return loaded if loaded is not None and _rung(loaded) == _rung(best) else best

    def _best_plan(self, model: ModelRef, ask: Ask, failure: str = "") -> Plan:
        """The best plan that did not run out of memory for as much as this; loaded models count as free.

        Raises:
            AtelierError: OUT_OF_MEMORY when none is left or none can work, or the model's own problem.
        """
        device, kept = self._measure(self.device), self.shelf.total()
        facts = msgspec.structs.replace(
            device, memory_free=device.memory_free + kept, ram_free=device.ram_free + (kept if is_shared(device) else 0)
        )
        ladder = self._ladder(model, facts, ask)
        failed = self._failed.get(model, {})
        for plan in ladder:
            too_much = failed.get(_rung(plan))
            if too_much is None or not ask.covers(too_much):
                return plan
        needed, free = max(ladder[-1].needed_bytes, 1) / GIB, device.memory_free / GIB
        raise AtelierError(ErrorCode.OUT_OF_MEMORY, failure, needed_gb=round(needed, 1), free_gb=round(free, 1))

    def _ladder(self, model: ModelRef, facts: DeviceFacts, ask: Ask) -> tuple[Plan, ...]:
        """All plans for as much as this. Estimates are careful: where only the model's own size surely fits, its
        most frugal plan is tried all the same."""
        kind = kind_of(model.runner)
        more: dict[str, Any] = {"beside": ask.beside} if ask.beside else {}
        try:
            return kind.plans(model, facts, ask.pixels, **more)
        except AtelierError as error:
            # On the processor running out is no error that comes back: the system ends the whole worker.
            if error.code is not ErrorCode.OUT_OF_MEMORY or not ask.pixels or facts.backend is Backend.CPU:
                raise
            return kind.plans(model, facts)[-1:]

    def _loaded(self, model: ModelRef, plan: Plan, report: SilentReport) -> Runner:
        runner = self.shelf.get(model, plan)
        if runner is None:
            self.shelf.make_room(plan.needed_bytes)
            began = real_clock()
            report.loading(0.0, "")
            runner = kind_of(model.runner).load(model, plan, report, self._cache)
            self.shelf.put(model, plan, runner)
            seconds = real_clock() - began
            self._send(protocol.Loaded(model.id, plan, runner.memory, seconds, report.job))
        return runner


def of_number(request: protocol.Run, number: int) -> tuple[dict[str, Any], int]:
    """The inputs and the seed of picture ``number`` (from 1). Where they are not said for each picture, each has the
    next seed, or, where they are to stay near to one seed, the next variation of it."""
    inputs = request.inputs
    if request.variants:
        inputs = {**inputs, **request.variants[number - 1]}
        return inputs, int(inputs.get("seed", 0))
    seed = int(inputs.get("seed", 0))
    if not inputs.get("variation_strength"):
        return inputs, (seed + number - 1) % 2**32
    return {**inputs, "variation_seed": (int(inputs.get("variation_seed") or 0) + number - 1) % 2**32}, seed


def _originals(request: protocol.Run) -> dict[str, str]:
    """For each copy of a picture the file it is of."""
    return {copy: path for path, copy in request.files.items()}


def is_shared(device: DeviceFacts) -> bool:
    """True where the device computes in the computer's own memory."""
    return device.backend in (Backend.CPU, Backend.MPS)


def _rung(plan: Plan) -> Rung:
    """What makes a plan another plan; estimates of its memory may change from one time to the next."""
    return plan.dtype, plan.vae_dtype, plan.placement, plan.vae_tiling


def describe(plan: Plan) -> str:
    """A plan in words for a notice."""
    where = plan.placement.value.replace("_", " ")
    return f"{where}, {plan.dtype}" + (", in tiles" if plan.vae_tiling else "")


def free_memory(device: DeviceFacts) -> None:
    """Give back what dropped models held. Without torch (light runners) there is nothing to give back."""
    if "torch" in sys.modules:
        from models import devices

        devices.release(device)
