"""One loaded pipeline behind the standard box: a picture from inputs and a seed."""

from __future__ import annotations

import functools
import itertools
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from models import canvas, devices, faults, refine, samplers, ways
from models import seamless as tiles
from models.errors import AtelierError, ErrorCode
from models.folders import FolderInfo
from models.inputs import Size
from models.pipelines import PipelineRow
from models.planning import Placement, Plan
from models.runners.base import NO_ADDONS, Addons, OutOfMemoryError, Picture, Report
from models.runners.diffusion import adapters, easel, embeddings, kept, passes, seamless, vaes, words
from models.runners.diffusion.beside import Beside
from models.runners.diffusion.blend import Start, Variation, steered
from models.runners.diffusion.decode import Decoder, finite
from models.runners.diffusion.encode import change_of, encoded, laid
from models.runners.diffusion.extras import Extras, prepared
from models.runners.diffusion.fit import Cut
from models.runners.diffusion.glimpse import glimpse
from models.runners.diffusion.hooks import attribute, tidy, watched
from models.runners.diffusion.loading import modules, vae_of, weight_bytes
from models.runners.diffusion.memory import device_failures, oom_as
from models.runners.diffusion.preview import Colours, Previewer
from models.runners.diffusion.schedulers import scheduler_for
from models.schemas import STEPS, space_of
from models.ways import Way

log = logging.getLogger(__name__)

_BLACK = 2
"""Out of 255: a picture with nothing brighter is black."""

_BINNED = {"PixArt": (32, 64, 128), "Sana": (16, 32, 64, 128)}
"""Latent sizes for which a family has a table of trained aspect ratios; with others it refuses to use the table."""


class BrokenLatentsError(Exception):
    """Denoising ended in numbers that are not finite."""


@dataclass
class _Job:
    """One picture in the making; ``latents`` are those handed to the decoder, ``moments`` the clock at each stage."""

    inputs: dict[str, Any]
    seed: int
    keep: Path
    report: Report
    made: kept.Made
    easel: easel.Easel | None = None
    addons: Addons = field(default_factory=lambda: NO_ADDONS)
    extras: Extras = field(default_factory=Extras)
    latents: torch.Tensor | None = None
    given: torch.Tensor | None = None
    """Latents to start from, where the picture of the easel need not be encoded."""
    moments: dict[str, float] = field(default_factory=dict)
    scheduler: str = ""
    worn: dict[str, Any] = field(default_factory=dict)
    """What the recipe says of LoRAs, embeddings and another VAE."""
    seam: float | None = None
    """How well the edges meet, where they are to."""

    def mark(self, stage: str) -> None:
        self.moments.setdefault(stage, time.monotonic())

    def timings(self) -> dict[str, float]:
        """Seconds of each stage there was: "encode" (the words), "denoise", "decode"."""
        names = {"began": "encode", "denoising": "denoise", "decoding": "decode", "ended": ""}
        passed = [(names[stage], self.moments[stage]) for stage in names if stage in self.moments]
        return {name: round(end - begin, 3) for (name, begin), (_, end) in itertools.pairwise(passed)}


class DiffusionRunner:
    """A pipeline loaded by one plan. Not thread-safe: one run at a time."""

    def __init__(self, pipe: Any, info: FolderInfo, row: PipelineRow, plan: Plan, colours: Colours | None) -> None:
        self._pipe = pipe
        self._info = info
        self._row = row
        self._plan = plan
        self._colours = colours
        self._taking = ways.taking(row.name)
        self.space = space_of(row, info.configs, info.about.recommended)
        self._weights = weight_bytes(pipe)
        self._beside = Beside(self._weights)
        self._adapters, self._vaes = adapters.Adapters(pipe), vaes.Vaes(pipe)

    @property
    def memory(self) -> int:
        """Bytes of the model's weights and of what is kept beside it."""
        return self._weights + self._beside.memory + self._adapters.bytes + self._vaes.bytes

    def run(self, inputs: dict[str, Any], seed: int, keep: Path, report: Report, addons: Addons = NO_ADDONS) -> Picture:
        """See ``Runner.run``. ``inputs`` are validated values of ``models.schemas``; the pipeline is as before after
        any error."""
        if refine.several(inputs):
            return passes.Passes(self, inputs, seed, keep, report, addons).picture()
        job = self.job(inputs, seed, keep, report, addons)
        return Picture(self.made(job), seed, self.facts(job))

    def made(self, job: _Job) -> Image.Image:
        """One pass through the pipeline, and what it makes of the picture there was."""
        report, keep = job.report, job.keep
        if job.easel is not None and canvas.effective_strength(job.inputs) == 0:
            report.stage("running")
            return job.easel.untouched()
        with oom_as("run", self._plan.device), device_failures(self._plan.device), tidy(self._pipe):
            report.checkpoint()
            job.mark("began")
            job.latents = kept.read(keep, job.made) if vae_of(self._pipe)[1] is not None else None
            with self._dressed(job):
                image = self._sampled(job) if job.latents is None else self._decoded(job)
                image = self._not_black(job, image)
        job.mark("ended")
        image = job.easel.finish(image) if job.easel is not None else image
        wanted = tiles.axes(job.inputs)
        job.seam = tiles.seam_score(image, wanted) if any(wanted) else None
        return image

    def job(
        self,
        inputs: dict[str, Any],
        seed: int,
        keep: Path,
        report: Report,
        addons: Addons,
        pictured: easel.Easel | None = None,
    ) -> _Job:
        """Everything about one picture that is known before the device is asked; ``pictured`` is what to start from
        instead of what the inputs name."""
        pictured = pictured or easel.set_up(inputs, self.space, seed, self._taking)
        width, height = int(inputs.get("width") or 0), int(inputs.get("height") or 0)
        if pictured is not None:
            width, height = pictured.frame.work.width, pictured.frame.work.height
        return _Job(inputs, seed, keep, report, kept.Made(self._row.name, width, height), pictured, addons)

    @contextmanager
    def _dressed(self, job: _Job) -> Iterator[None]:
        """Within, the pipeline has on what the job wants worn: another VAE, LoRAs, embeddings."""
        with ExitStack() as stack:
            stack.enter_context(self._vaes.used(vaes.ref_of(job.inputs, job.addons), self._plan, job.worn))
            if job.latents is None:
                loras = adapters.refs_of(job.inputs, job.addons)
                stack.enter_context(self._adapters.worn(loras, job.report, job.worn))
                spoken = embeddings.refs_of(job.inputs, job.addons)
                stack.enter_context(embeddings.spoken(self._pipe, spoken, job.worn))
            yield

    @property
    def pipe(self) -> Any:
        return self._pipe

    @property
    def plan(self) -> Plan:
        return self._plan

    def close(self) -> None:
        """Drop the pipeline and give its memory back to the device."""
        self._pipe = None
        self._colours = None
        self._beside.clear()
        self._adapters, self._vaes = adapters.Adapters(None), vaes.Vaes(None)  # those there were hold on to it
        devices.release(self._plan.device)

    # -- denoising

    def _sampled(self, job: _Job) -> Image.Image:
        job.extras = self._extras(job)
        job.report.stage("running")
        try:
            return self._sample(job)
        except BrokenLatentsError as error:
            detail = str(error)
        return self._sample_in_float32(job, detail)

    def _sample(self, job: _Job) -> Image.Image:
        """The whole pipeline, once, with everything that watches it."""
        name = str(job.inputs.get("scheduler", samplers.DEFAULT))
        scheduler = scheduler_for(name, self._pipe.scheduler, self._row)
        job.scheduler = name if name != samplers.DEFAULT else type(scheduler).__name__
        if self._colours is not None:
            self._previewer(job, self._colours).watch(scheduler)
        with ExitStack() as stack:
            steps = stack.enter_context(watched(self._pipe, self._row, job.report))
            stack.enter_context(attribute(self._pipe, "scheduler", scheduler))
            stack.enter_context(self._decoder_in_place(job))
            stack.enter_context(steered(self._pipe, scheduler, steps, self._start(job), _variation(job)))
            stack.enter_context(words.weighed(self._pipe))
            # Before the latents are moved round: ControlNets' maps lie as the picture does.
            stack.enter_context(
                job.extras.acting(self._pipe, self._info, self._denoiser(), scheduler, self._plan, job.report)
            )
            nets = [hold.net for hold in job.extras.holds]
            stack.enter_context(
                seamless.tiling(self._pipe, self._row, _across(job), self._grid(job), job.seed, steps, nets)
            )
            output = self._pipe(**self._arguments(job))
        if steps.began is not None:
            job.moments["denoising"] = steps.began
        image: Image.Image = output[0][0]
        return image

    def _denoiser(self) -> Any:
        return getattr(self._pipe, self._row.denoiser)

    def _extras(self, job: _Job) -> Extras:
        """ControlNets and their like, loaded where they are not."""
        cut = Cut(Size(job.made.width, job.made.height), job.easel, canvas.extension(job.inputs))
        return prepared(
            job.inputs, job.addons, self._pipe, self._denoiser(), self._info, self._plan, cut, self._beside, job.report
        )

    def _previewer(self, job: _Job, colours: Colours) -> Previewer:
        size, factor = (job.made.width, job.made.height), int(getattr(self._pipe, "vae_scale_factor", 8))
        ground = glimpse(job.easel)
        if ground is None or job.easel is None:
            return Previewer(colours, size, factor, job.report)
        return Previewer(colours, size, factor, job.report, job.easel.whole.size, ground.of)

    def _start(self, job: _Job) -> Start | None:
        """The picture's latents and what of them may change, for a job with a picture."""
        if job.easel is None or not self._starts_from_picture(job.easel, job.inputs):
            return None
        latents = job.given
        if latents is None:
            latents = encoded(self._pipe, self._info, self._plan, job.easel.image, job.report)
        layout = self._taking.layout
        change = None
        if job.easel.mask is not None and job.easel.core is not None:
            change = laid(self._pipe, change_of(job.easel.mask, job.easel.core, latents), layout)
        return Start(laid(self._pipe, latents, layout), change, canvas.effective_strength(job.inputs))

    def _starts_from_picture(self, pictured: easel.Easel, inputs: dict[str, Any]) -> bool:
        if self._taking.blends:  # told to change everything, it only looks at the picture
            return pictured.mask is not None or canvas.effective_strength(inputs) < 1
        return self._taking.way is Way.WRAPPER

    def _grid(self, job: _Job) -> tuple[int, int]:
        """Tokens in height and width where latents are strung up two by two."""
        side = 2 * int(getattr(self._pipe, "vae_scale_factor", 8))
        return job.made.height // side, job.made.width // side

    def _arguments(self, job: _Job) -> dict[str, Any]:
        """What the pipeline is called with. The generator lives on the CPU: the same seed starts from the same noise
        on every device."""
        own = {name: value for name, value in job.inputs.items() if name not in canvas.NAMES}
        named = {"num_inference_steps" if name == STEPS else name: value for name, value in own.items()}
        named.update(width=job.made.width or None, height=job.made.height or None)
        named.update(self._pictures(job), **job.extras.arguments)
        named = words.plainly(self._pipe, named, job.report)
        named["generator"] = torch.Generator("cpu").manual_seed(job.seed)
        named["clip_skip"] = (job.inputs.get("clip_skip") or 1) - 1 or None  # people count the layer that is taken
        named["clean_caption"] = False  # needs packages that are not ours, and only rewrites the words
        if "use_resolution_binning" in self._row.inputs:
            named["use_resolution_binning"] = self._has_bins() and job.easel is None
        return {name: value for name, value in named.items() if name in self._row.inputs}

    def _pictures(self, job: _Job) -> dict[str, Any]:
        """What classes that take pictures themselves are called with besides."""
        if job.easel is None or self._taking.way is Way.WRAPPER:
            return {}
        if self._taking.way is Way.FILL:
            strength = canvas.effective_strength(job.inputs)
            return {"image": job.easel.image, "mask_image": job.easel.to_fill(), "strength": strength}
        several = self._taking.most > 1
        pictures = [job.easel.image, *job.easel.references] if several else job.easel.image
        # Kontext would else move both to sizes of its own list; the work has its area already.
        return {"image": pictures, "max_area": job.made.width * job.made.height, "_auto_resize": False}

    def _has_bins(self) -> bool:
        """Whether sizes may be moved to the nearest trained one and back; other families would not move them back."""
        sizes = next((sizes for name, sizes in _BINNED.items() if self._row.name.startswith(name)), ())
        return getattr(self._pipe, self._row.denoiser).config.get("sample_size") in sizes

    def _sample_in_float32(self, job: _Job, detail: str) -> Image.Image:
        """Once more with float32 weights, if there is room for them; they stay so, since this model needs it."""
        broken = AtelierError(ErrorCode.RESULT_BROKEN, detail, what="nan")
        movable = self._plan.placement in (Placement.WHOLE, Placement.MODEL_OFFLOAD)
        devices.release(self._plan.device)
        room = devices.free_bytes(self._plan.device)
        if self._plan.dtype == "float32" or not movable or room < 2 * self._weights:
            raise broken
        job.report.notice("run_again_float32")
        try:
            with self._undone_on_failure(), oom_as("run", self._plan.device):
                self._cast("float32")
                return self._sample(job)
        except (OutOfMemoryError, BrokenLatentsError) as error:
            log.warning("float32 did not help: %s", error)
        raise broken

    def _cast(self, dtype: str) -> None:
        for module in modules(self._pipe).values():
            module.to(dtype=getattr(torch, dtype))
        self._plan = msgspec.structs.replace(self._plan, dtype=dtype, vae_dtype=dtype)
        self._weights = weight_bytes(self._pipe)

    @contextmanager
    def _undone_on_failure(self) -> Iterator[None]:
        """After any exception within, cancelling included, every weight has its number type back, and so has the plan.

        Each tensor by itself: some modules hold several types (T5 keeps a part of itself in float32).
        """
        plan, dtypes = self._plan, {name: tensor.dtype for name, tensor in _tensors(self._pipe)}
        try:
            yield
        except BaseException:
            self._plan = plan
            for name, tensor in _tensors(self._pipe):
                tensor.data = tensor.data.to(dtypes.get(name, tensor.dtype))
            self._weights = weight_bytes(self._pipe)
            devices.release(plan.device)
            raise

    # -- decoding

    @contextmanager
    def _decoder_in_place(self, job: _Job) -> Iterator[None]:
        """Within, ``vae.decode`` keeps the latents it is given on the disk and decodes them by the ladder."""
        vae = vae_of(self._pipe)[1]
        if vae is None:
            yield
            return
        decoder = self._decoder(job)

        @functools.wraps(vae.decode)
        def decode(z: torch.Tensor, *args: Any, **options: Any) -> Any:
            if faults.hit("latents"):
                z = torch.full_like(z, float("nan"))
            self._keep(job, z)
            if args:
                options["return_dict"] = args[0]
            return decoder.decode(z, options)

        with attribute(vae, "decode", decode):
            yield

    def _decoder(self, job: _Job) -> seamless.Decodes:
        return seamless.wrapped(Decoder(self._pipe, self._info, self._plan, job.report), _across(job))

    def _keep(self, job: _Job, latents: torch.Tensor) -> None:
        """Latents that are worth it are on the disk before anything is tried with them."""
        job.mark("decoding")
        job.report.stage("decoding")
        if not finite(latents):
            raise BrokenLatentsError("latents are not finite")
        job.latents = latents
        try:
            kept.write(job.keep, latents, job.made)
        except OSError as error:
            log.warning("cannot keep the latents: %s", error)
            job.report.notice("latents_not_kept")

    def _decoded(self, job: _Job) -> Image.Image:
        """Only the decoding, from latents that were kept."""
        job.mark("decoding")
        job.report.stage("decoding")
        job.report.notice("latents_reused")
        job.scheduler = str(job.inputs.get("scheduler", samplers.DEFAULT))
        with torch.no_grad():
            result = self._decoder(job).decode(_given(job), {"return_dict": False})
        return self._finished(job, result[0])

    def _finished(self, job: _Job, pixels: torch.Tensor) -> Image.Image:
        """As the pipelines do after ``vae.decode``; video autoencoders give one frame too many dimensions."""
        pixels = pixels[:, :, 0] if pixels.ndim == 5 else pixels
        processor = getattr(self._pipe, "image_processor", None) or VaeImageProcessor()
        size = (job.made.height, job.made.width)
        if hasattr(processor, "resize_and_crop_tensor") and all(size) and tuple(pixels.shape[-2:]) != size:
            pixels = processor.resize_and_crop_tensor(pixels, job.made.width, job.made.height)
        image: Image.Image = processor.postprocess(pixels.detach(), output_type="pil")[0]
        self._pipe.maybe_free_model_hooks()
        return image

    def _not_black(self, job: _Job, image: Image.Image) -> Image.Image:
        """A black picture is mostly an overflow in the decoder: decode again in float32. Black again is black."""
        if not is_black(image):
            return image
        if job.latents is not None:
            with torch.no_grad():
                result = self._decoder(job).decode_safely(_given(job), {"return_dict": False})
            image = self._finished(job, result[0])
        if is_black(image):
            job.report.notice("result_black")
        return image

    def facts(self, job: _Job) -> dict[str, Any]:
        pictured: dict[str, Any] = {}
        if job.extras.facts:
            pictured = {"pictures": job.extras.facts}
        if job.easel is not None:
            pictured = {
                "pictures": {**job.easel.facts, **job.extras.facts},
                "work": f"{job.made.width}x{job.made.height}",
            }
        return {
            **pictured,
            **job.worn,
            "pipeline": self._row.name,
            "scheduler": job.scheduler,
            "steps": job.inputs.get(STEPS),
            "dtype": self._plan.dtype,
            "placement": self._plan.placement.value,
            "timings": job.timings(),
            **({} if job.seam is None else {"seam": job.seam}),
        }


def _variation(job: _Job) -> Variation | None:
    strength = float(job.inputs.get("variation_strength") or 0.0)
    return Variation(int(job.inputs.get("variation_seed") or 0), strength) if strength > 0 else None


def _across(job: _Job) -> tuple[bool, bool]:
    """Along which axes the edges are to meet; a window within the picture has other neighbours than its own edge."""
    x, y = tiles.axes(job.inputs)
    if job.easel is None:
        return x, y
    frame = job.easel.frame
    return x and frame.window_size.width == frame.canvas.width, y and frame.window_size.height == frame.canvas.height


def is_black(image: Image.Image) -> bool:
    """True when no pixel is brighter than 2 of 255 in any channel."""
    bands = image.convert("RGB").split()
    return all(band.point(lambda value: 255 * (value > _BLACK)).getbbox() is None for band in bands)


def _tensors(pipe: Any) -> Iterator[tuple[tuple[str, str], torch.Tensor]]:
    """Every parameter and buffer by its component's and its own name."""
    for component, module in modules(pipe).items():
        for name, tensor in itertools.chain(module.named_parameters(), module.named_buffers()):
            yield (component, name), tensor


def _given(job: _Job) -> torch.Tensor:
    if job.latents is None:
        raise ValueError("there are no latents to decode")
    return job.latents
