"""A look at the picture while it is made, for next to nothing.

At each scheduler step the clean latents are estimated and mapped to colours by one small matrix. The matrix is fitted
once a model, by least squares, to what its own autoencoder makes of a few smooth random latents; so it needs no table
of families. The idea of a linear map is from https://discuss.huggingface.co/t/decoding-latents-to-rgb-without-upscaling.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.nn import functional

from models.card import ModelRef
from models.runners.base import Report
from models.runners.diffusion.hooks import execution_device
from models.runners.diffusion.loading import vae_of
from models.runners.diffusion.memory import is_oom, synchronize

log = logging.getLogger(__name__)

MAX_SIDE = 128
"""Pixels: a preview's longer side."""

_SAMPLES, _GRID = 4, 8
"""How many random latents are decoded for the fit, and their size: 256 points for at most 130 unknowns a colour."""


@dataclass(frozen=True)
class Colours:
    """``matrix`` is (channels + 1, 3): what each latent channel adds to red, green and blue (-1..1), and a bias."""

    matrix: torch.Tensor

    @property
    def channels(self) -> int:
        return self.matrix.shape[0] - 1

    def paint(self, latents: torch.Tensor) -> Image.Image:
        """A picture with one pixel a latent of ``latents`` (channels, height, width), or fewer beyond MAX_SIDE."""
        side = max(latents.shape[-2:])
        latents = latents.float()
        if side > MAX_SIDE:
            latents = functional.avg_pool2d(latents, -(-side // MAX_SIDE))
        matrix = self.matrix.to(latents.device)
        pixels = torch.einsum("chw,cd->hwd", latents, matrix[:-1]) + matrix[-1]
        return Image.fromarray(((pixels + 1) * 127.5).clamp(0, 255).to(torch.uint8).cpu().numpy())


def colours_of(pipe: Any, model: ModelRef, cache: Path) -> Colours | None:
    """The colours of ``model``, fitted now or read from ``cache``; None when its latents cannot be mapped so."""
    vae = vae_of(pipe)[1]
    if vae is None:
        return None
    name = hashlib.sha256(f"{model.id}@{model.revision}".encode()).hexdigest()[:24]
    path = cache / "previews" / f"{name}.json"
    found = _read(path)
    if found is not None and found.channels == _channels(vae):
        return found
    try:
        colours = fit(pipe)
    except Exception as error:  # noqa: BLE001 - previews are a nicety: no failure of theirs may cost the model
        log.warning("no previews for %s: %s", model.id, error)
        pipe.maybe_free_model_hooks()
        return None
    _write(path, colours)
    return colours


@torch.no_grad()
def fit(pipe: Any) -> Colours:
    """Decode a few smooth random latents and find the matrix that comes closest, in the pipeline's own latent space."""
    vae = vae_of(pipe)[1]
    generator = torch.Generator("cpu").manual_seed(0)
    coarse = torch.randn(_SAMPLES, _channels(vae), 3, 3, generator=generator)
    latents = functional.interpolate(coarse, (_GRID, _GRID), mode="bilinear", align_corners=True)
    latents = latents / latents.std()
    given = _unscaled(latents, vae.config)
    given = given.unsqueeze(2) if _is_video(vae) else given
    pixels = vae.decode(given.to(execution_device(pipe), vae.dtype), return_dict=False)[0].float().cpu()
    pixels = pixels[:, :, 0] if pixels.ndim == 5 else pixels
    pipe.maybe_free_model_hooks()
    means = functional.adaptive_avg_pool2d(pixels, _GRID).permute(0, 2, 3, 1).reshape(-1, 3).double()
    points = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1]).double()
    points = torch.cat([points, torch.ones(len(points), 1, dtype=torch.float64)], dim=1)
    ridge = 1e-3 * len(points) * torch.eye(points.shape[1], dtype=torch.float64)
    matrix = torch.linalg.solve(points.T @ points + ridge, points.T @ means)
    if not bool(torch.isfinite(matrix).all()):
        raise ValueError("the autoencoder gave no finite picture")
    return Colours(matrix.float())


def _channels(vae: Any) -> int:
    return int(vae.config.get("latent_channels") or vae.config.get("z_dim") or 4)


def _is_video(vae: Any) -> bool:
    return "temperal_downsample" in vae.config


def _unscaled(latents: torch.Tensor, config: Any) -> torch.Tensor:
    """From the space that denoising works in to what the autoencoder takes."""
    mean, std = config.get("latents_mean"), config.get("latents_std")
    scale = config.get("scaling_factor") or 1.0
    if mean is not None and std is not None:
        shape = (1, -1, 1, 1)
        return latents * torch.tensor(std).reshape(shape) / scale + torch.tensor(mean).reshape(shape)
    return latents / scale + (config.get("shift_factor") or 0.0)


def _read(path: Path) -> Colours | None:
    try:
        matrix = torch.tensor(json.loads(path.read_text())["matrix"], dtype=torch.float32)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Colours(matrix) if matrix.ndim == 2 and matrix.shape[1] == 3 else None


def _write(path: Path, colours: Colours) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"matrix": colours.matrix.tolist()}))
    except OSError as error:
        log.warning("cannot keep the preview colours: %s", error)


class Previewer:
    """Watches the steps of one run's own scheduler and paints a preview whenever the report wants one."""

    def __init__(
        self,
        colours: Colours,
        size: tuple[int, int],
        factor: int,
        report: Report,
        whole: tuple[int, int] | None = None,
        laid: Callable[[Image.Image], Image.Image] = lambda painted: painted,
    ) -> None:
        """``size`` (pixels) is what is made, ``factor`` of them a latent; ``laid`` puts a preview of that into its
        surroundings, which with it are ``whole`` pixels large."""
        self._colours = colours
        self._size = size
        self._whole = whole or size
        self._laid = laid
        self._factor = factor
        self._report = report
        self._on = True

    def watch(self, scheduler: Any) -> None:
        """From now on each ``scheduler.step`` may give a preview. Only for a scheduler that no other run uses."""
        original: Callable[..., Any] = scheduler.step

        @functools.wraps(original)
        def step(model_output: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(model_output, timestep, sample, *args, **kwargs)
            if self._on and self._report.wants_preview():
                self._paint(scheduler, model_output, timestep, sample, result)
            return result

        vars(scheduler)["step"] = step

    def _paint(self, scheduler: Any, model_output: Any, timestep: Any, sample: Any, result: Any) -> None:
        try:
            synchronize(sample.device)  # or the wait for the step itself would count as the preview's cost
            began = time.perf_counter()
            clean = clean_estimate(scheduler, model_output, timestep, sample, result)
            latents = self._unpacked(clean)
            if latents is None:
                self._on = False
                return
            image = self._laid(self._colours.paint(latents))
            self._report.preview(image, *self._whole, time.perf_counter() - began)
        except Exception as error:
            if is_oom(error):
                raise
            log.warning("previews are off for this run: %s", error)
            self._on = False

    def _unpacked(self, latents: torch.Tensor) -> torch.Tensor | None:
        """(channels, height, width) from what the family denoises: that, a video of one frame, or packed tokens."""
        channels, latents = self._colours.channels, latents[0]
        if latents.ndim == 4:
            latents = latents[:, 0]
        if latents.ndim == 3 and latents.shape[0] == channels:
            return latents
        width, height = (side // (2 * self._factor) for side in self._size)
        if latents.ndim == 2 and tuple(latents.shape) == (width * height, channels * 4):
            # As _pack_latents of FLUX and those after it: two by two latents a token, channel first.
            grid = latents.reshape(height, width, channels, 2, 2).permute(2, 0, 3, 1, 4)
            return grid.reshape(channels, height * 2, width * 2)
        return None


def clean_estimate(scheduler: Any, model_output: Any, timestep: Any, sample: Any, result: Any) -> torch.Tensor:
    """What the denoised latents would be if the model's last word were right; the new noisy ones where unknown."""
    before: torch.Tensor = result[0]
    second = result[1] if isinstance(result, tuple) and len(result) > 1 else None
    if isinstance(second, torch.Tensor) and second.shape == sample.shape:
        return second
    config = scheduler.config
    predicts_clean = config.get("predict_x0") or "dpmsolver++" in str(config.get("algorithm_type"))
    outputs = getattr(scheduler, "model_outputs", None)
    if predicts_clean and outputs and outputs[-1] is not None:
        clean: torch.Tensor = outputs[-1]
        return clean
    if type(scheduler).__name__.startswith("FlowMatch"):
        sigma = scheduler.sigmas[max((scheduler.step_index or 1) - 1, 0)].to(sample.device)
        return sample.float() - sigma * model_output.float()  # type: ignore[no-any-return]
    if (products := getattr(scheduler, "alphas_cumprod", None)) is not None:
        kept = products.to(sample.device)[timestep.long()].float()
        return _from_prediction(str(config.get("prediction_type")), kept, sample.float(), model_output.float())
    return before


def _from_prediction(kind: str, kept: torch.Tensor, sample: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """``kept`` is the cumulative alpha product: the share of signal in the variance. Ho et al. 2020, Salimans 2022."""
    if kind == "sample":
        return output
    if kind == "v_prediction":
        return kept.sqrt() * sample - (1 - kept).sqrt() * output
    return (sample - (1 - kept).sqrt() * output) / kept.sqrt()
