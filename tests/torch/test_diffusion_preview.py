"""Previews: the fitted colours, the estimate of the clean picture, and that they can never cost a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from tiny_runs import Ear, Loaded
from torch import nn

from models.card import ModelRef
from models.runners.diffusion.hooks import repeated_blocks
from models.runners.diffusion.loading import enable_tiling
from models.runners.diffusion.preview import Colours, clean_estimate, colours_of, fit

MODEL = ModelRef("a/b", "b", "diffusion", "", "1")


class StraightVae(nn.Module):
    """An autoencoder whose pixels are a linear map of its latents, four pixels each."""

    dtype = torch.float32

    def __init__(self) -> None:
        super().__init__()
        self.config = {"latent_channels": 4, "scaling_factor": 0.5, "shift_factor": 0.1}
        self.matrix = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)) / 4

    def decode(self, latents: torch.Tensor, return_dict: bool = True) -> tuple[torch.Tensor]:
        pixels = torch.einsum("bchw,cd->bdhw", latents, self.matrix)
        return (pixels.repeat_interleave(4, 2).repeat_interleave(4, 3),)


class StraightPipe:
    def __init__(self) -> None:
        self.vae = StraightVae()
        self._execution_device = torch.device("cpu")

    def maybe_free_model_hooks(self) -> None:
        return None


def test_a_straight_autoencoder_is_fitted_well() -> None:
    pipe = StraightPipe()
    colours = fit(pipe)
    latents = torch.randn(4, 6, 8)
    wanted = pipe.vae.decode(latents[None] / 0.5 + 0.1)[0][0, :, ::4, ::4]
    painted = np.asarray(colours.paint(latents), dtype=float) / 127.5 - 1
    assert np.abs(painted - wanted.permute(1, 2, 0).clamp(-1, 1).numpy()).max() < 0.05


def test_colours_are_fitted_once_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = colours_of(StraightPipe(), MODEL, tmp_path)
    assert first is not None
    monkeypatch.setattr("models.runners.diffusion.preview.fit", lambda _: pytest.fail("fitted again"))
    again = colours_of(StraightPipe(), MODEL, tmp_path)
    assert again is not None
    assert torch.equal(first.matrix, again.matrix)


def test_a_fit_that_fails_costs_the_previews_only(tmp_path: Path) -> None:
    pipe = StraightPipe()
    pipe.vae.matrix = pipe.vae.matrix * float("nan")
    assert colours_of(pipe, MODEL, tmp_path) is None
    assert list(tmp_path.rglob("*.json")) == []


def test_damaged_colours_are_fitted_again(tmp_path: Path) -> None:
    colours_of(StraightPipe(), MODEL, tmp_path)
    (path,) = tmp_path.rglob("*.json")
    path.write_text('{"matrix": [[1, 2]]}')
    assert colours_of(StraightPipe(), MODEL, tmp_path) is not None


def test_a_large_picture_has_a_small_preview() -> None:
    image = Colours(torch.zeros(5, 3)).paint(torch.zeros(4, 200, 512))
    assert image.size == (128, 50)


def test_a_preview_that_fails_does_not_cost_the_run(sd: Loaded, keep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("no colours today")

    monkeypatch.setattr(Colours, "paint", fail)
    ear = Ear()
    sd.run(keep, ear=ear)
    assert ear.shown == []
    assert ear.steps[-1][:2] == (3, 3)


@pytest.mark.parametrize(
    "scheduler",
    [
        diffusers.DDIMScheduler(clip_sample=False),
        diffusers.DDIMScheduler(prediction_type="v_prediction", clip_sample=False),
        diffusers.PNDMScheduler(skip_prk_steps=True),
        diffusers.EulerDiscreteScheduler(),
        diffusers.EulerAncestralDiscreteScheduler(),
        diffusers.DPMSolverMultistepScheduler(),
        diffusers.UniPCMultistepScheduler(),
        diffusers.DEISMultistepScheduler(),
        diffusers.LCMScheduler(),
        diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        diffusers.UniPCMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0),
    ],
    ids=lambda scheduler: f"{type(scheduler).__name__}-{scheduler.config.get('prediction_type', 'flow')}",
)
def test_the_clean_estimate_is_right_when_the_model_is(scheduler: Any) -> None:
    """A model that knows the answer: the estimate is the answer at the very first steps, though much noise is left."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(1, 4, 8, 8, generator=generator)
    noise = torch.randn(1, 4, 8, 8, generator=generator)
    scheduler.set_timesteps(12)
    times = scheduler.timesteps
    sample = noisy(scheduler, clean, noise, times[0])
    for time in times[:3]:
        given = scheduler.scale_model_input(sample, time) if hasattr(scheduler, "scale_model_input") else sample
        output = answer(scheduler, clean, given, sample, time)
        result = scheduler.step(output, time, sample, return_dict=False)
        estimate = clean_estimate(scheduler, output, time, sample, result)
        assert (estimate - clean).abs().max() < 0.15
        sample = result[0]


def noisy(scheduler: Any, clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    if hasattr(scheduler, "scale_noise"):
        result: torch.Tensor = scheduler.scale_noise(clean, time[None], noise)
        return result
    return scheduler.add_noise(clean, noise, time[None])


def answer(
    scheduler: Any, clean: torch.Tensor, given: torch.Tensor, sample: torch.Tensor, time: torch.Tensor
) -> torch.Tensor:
    """What a perfect model says about ``sample`` in the scheduler's own parametrisation."""
    name, kind = type(scheduler).__name__, scheduler.config.get("prediction_type")
    if name.startswith("FlowMatch") or kind == "flow_prediction":
        sigma = scheduler.sigmas[
            scheduler.index_for_timestep(time) if scheduler.step_index is None else scheduler.step_index
        ]
        return (sample - clean) / sigma
    if name.startswith("Euler"):
        sigma = scheduler.sigmas[
            scheduler.index_for_timestep(time) if scheduler.step_index is None else scheduler.step_index
        ]
        return (sample - clean) / sigma
    kept = scheduler.alphas_cumprod[time.long()]
    noise = (sample - kept.sqrt() * clean) / (1 - kept).sqrt()
    return kept.sqrt() * noise - (1 - kept).sqrt() * clean if kind == "v_prediction" else noise


def test_the_small_autoencoder_is_previewed_and_tiled(loaded: Callable[[str], Loaded], tmp_path: Path) -> None:
    model = loaded("sd_taesd")
    ear = Ear()
    whole = model.run(tmp_path / "whole", ear=ear)
    assert [shown[0].size for shown in ear.shown] == [(16, 16)] * 3
    vae = model.pipe.vae
    try:
        assert enable_tiling(vae, 32)
        assert (vae.spatial_scale_factor, vae.tile_latent_min_size) == (4, 8)
        tiled = model.run(tmp_path / "tiled")
    finally:
        vae.disable_tiling()
    distance = np.abs(np.asarray(tiled.image, dtype=float) - np.asarray(whole.image, dtype=float)).mean()
    assert tiled.image.size == (64, 64)
    assert distance < 20  # tiles are blended, so not the same; another layout would be far off


def test_blocks_are_found_in_shallow_and_deep_models(sd: Loaded) -> None:
    unet = repeated_blocks(sd.pipe.unet)
    assert len(unet) >= 4, "cancel and progress are asked for several times a step"
    deep = nn.Module()
    deep.blocks = nn.ModuleList(nn.ModuleDict({"net": nn.ModuleList([nn.Linear(1, 1)])}) for _ in range(20))
    assert len(repeated_blocks(deep)) == 20
    assert repeated_blocks(nn.Linear(1, 1)) == []
