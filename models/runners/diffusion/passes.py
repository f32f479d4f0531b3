"""Pictures that take several passes through one loaded pipeline: hires-fix, enlarging in tiles, and the detail pass.

Every pass is an ordinary run from a picture by our own wrapper (``blend.py``), so all that works there works here. Each
keeps its latents in a file of its own: what an ended worker had done is not done again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from models import canvas, pictures, refine
from models.errors import InvalidInputError, Problem
from models.inputs import Size
from models.runners.base import Addons, Picture, Report
from models.runners.diffusion import detail, easel, enlarge, hires

if TYPE_CHECKING:
    from models.runners.diffusion.runner import DiffusionRunner

_PICTURED = dict.fromkeys(("image", "mask", *canvas.REFERENCES)) | dict.fromkeys(canvas.EXTENDS, 0)


class PassReport:
    """One pass's share of a job's report: its ``steps`` count after those ``before`` it, of ``total``."""

    def __init__(self, report: Report, before: int, steps: int, total: int, last: bool) -> None:
        self._report, self._before, self._steps, self._total = report, before, steps, total
        self._last = last

    def step(self, step: int, steps: int, within: float = 0.0) -> None:
        done = min(self._steps, round(step * self._steps / max(steps, 1)))
        self._report.step(self._before + done, self._total, within if done < self._steps else 0.0)

    def stage(self, stage: str) -> None:
        if stage != "decoding" or self._last:
            self._report.stage(stage)

    def loading(self, fraction: float, what: str) -> None:
        self._report.loading(fraction, what)

    def preview(self, image: Image.Image, width: int, height: int, seconds: float) -> None:
        self._report.preview(image, width, height, seconds)

    def wants_preview(self) -> bool:
        return self._report.wants_preview()

    def notice(self, code: str, **facts: str | int | float) -> None:
        self._report.notice(code, **facts)

    def checkpoint(self) -> None:
        self._report.checkpoint()


class Passes:
    """One picture of several passes."""

    def __init__(
        self, runner: DiffusionRunner, inputs: dict[str, Any], seed: int, keep: Path, report: Report, addons: Addons
    ) -> None:
        self.runner, self.inputs, self.seed, self.keep, self.report, self.addons = (
            runner, inputs, seed, keep, report, addons,
        )  # fmt: skip
        self.space = runner.space
        self.facts: dict[str, Any] = {}
        self._done = 0
        self._total = 0
        self._passes = 0
        self._files: list[Path] = []

    def picture(self) -> Picture:
        """Make it; raises as ``Runner.run``."""
        if refine.enlarges(self.inputs):
            image = self._enlarged()
        elif refine.twice(self.inputs):
            image = hires.second(self)
        else:
            image = self._first()
        if self.inputs.get("detail_model"):
            image = detail.refined(self, image)
        for file in self._files:
            file.unlink(missing_ok=True)
        return Picture(image, self.seed, self.facts)

    # -- for the parts

    def expect(self, steps: int) -> None:
        """So many more steps will be taken."""
        self._total += steps

    def one(
        self,
        taken: int,
        pictured: easel.Easel | None = None,
        latents: Any = None,
        last: bool = False,
        seed: int | None = None,
        **changes: Any,
    ) -> tuple[Image.Image, Any]:
        """One pass that takes ``taken`` steps, with ``changes`` of the inputs; the picture and what was decoded.

        Without ``pictured`` it is what the inputs themselves ask for.
        """
        self._passes += 1
        self.report.checkpoint()
        report = PassReport(self.report, self._done, taken, max(self._total, self._done + taken), last)
        keep = self.keep if self._passes == 1 else self.keep.with_suffix(f".{self._passes}.latents")
        if self._passes > 1:
            self._files.append(keep)
        cleared: dict[str, Any] = (
            {name: value for name, value in _PICTURED.items() if name in self.inputs} if pictured else {}
        )
        inputs = {**self.inputs, **cleared, **changes}
        job = self.runner.job(inputs, self.seed if seed is None else seed, keep, report, self.addons, pictured)
        job.given = latents
        image = self.runner.made(job)
        self._done += taken
        for name, value in self.runner.facts(job).items():
            if name == "timings":
                known = self.facts.setdefault("timings", {})
                self.facts["timings"] = {k: round(known.get(k, 0) + value.get(k, 0), 3) for k in {**known, **value}}
            elif name == "seam":
                self.facts[name] = value  # of the picture as it came out
            else:
                self.facts.setdefault(name, value)
        return image, job.latents

    def work(self, size: tuple[int, int]) -> Size:
        """A size the model can make that holds ``size``."""
        multiple = self.space.multiple
        return Size(*(max(multiple, -(-side // multiple) * multiple) for side in size))

    @contextlib.contextmanager
    def aside(self) -> Iterator[str]:
        """Within, another network may use the device; its name for torch."""
        yield self.runner.plan.device

    # -- the passes there may be

    def _first(self) -> Image.Image:
        strength = canvas.effective_strength(self.inputs) if self.inputs.get("image") else 1.0
        steps = max(1, round(int(self.inputs.get("steps") or 1) * strength))
        self.expect(steps)
        image, _ = self.one(steps)
        return image

    def _enlarged(self) -> Image.Image:
        for name in ("mask", *canvas.EXTENDS):
            if self.inputs.get(name):
                sentence = (
                    "Enlarging works on the whole picture: take the mask and the new edges away, or enlarge later."
                )
                raise InvalidInputError(Problem("enlarge", str(self.inputs.get("enlarge")), sentence))
        opened = pictures.open_picture(self.inputs["image"], alpha=True)
        self.facts["pictures"] = {"image": easel.about(self.inputs["image"], opened)}
        return enlarge.in_tiles(self, opened.image)
