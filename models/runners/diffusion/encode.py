"""From pixels to the latents a family denoises, whole, in tiles or on the CPU as memory allows."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from models import faults
from models.errors import AtelierError, ErrorCode
from models.folders import FolderInfo
from models.planning import Placement, Plan
from models.runners.base import OutOfMemoryError, Report
from models.runners.diffusion.decode import finite, tile_for
from models.runners.diffusion.hooks import execution_device
from models.runners.diffusion.loading import enable_tiling, load_part, vae_of
from models.runners.diffusion.memory import oom_as
from models.ways import Layout

log = logging.getLogger(__name__)


@torch.no_grad()
def encoded(pipe: Any, info: FolderInfo, plan: Plan, image: Image.Image, report: Report) -> torch.Tensor:
    """The latents of ``image``, (1, channels, height, width) in float32 on the CPU, as the denoiser knows them
    (of ``Layout.PATCHED`` two by two are one).

    The mean of what the autoencoder offers is taken: the same picture always gives the same latents.

    Raises:
        OutOfMemoryError: with stage "run" when even the CPU has no room.
        AtelierError: RESULT_BROKEN when the autoencoder gives no finite numbers.
    """
    report.checkpoint()
    pixels = torch.from_numpy(np.array(image.convert("RGB"), dtype=np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    latents = _by_ladder(pipe, info, plan, pixels)
    if not finite(latents):
        latents = _fresh(info, vae_of(pipe)[0], torch.device("cpu"), pixels)
    if not finite(latents):
        raise AtelierError(ErrorCode.RESULT_BROKEN, "the picture's latents are not finite", what="nan")
    report.checkpoint()
    return latents


def _by_ladder(pipe: Any, info: FolderInfo, plan: Plan, pixels: torch.Tensor) -> torch.Tensor:
    name, vae = vae_of(pipe)
    dtype = _dtype(vae, plan)
    if vae.dtype != dtype:
        vae.to(dtype=dtype)
    given = pixels.to(execution_device(pipe), dtype)
    before = {key: value for key, value in vars(vae).items() if key.startswith(("tile_", "use_tiling"))}
    try:
        for tiled in (False, True):
            if tiled and not enable_tiling(vae, tile_for(max(pixels.shape[-2:]))):
                break
            try:
                with oom_as("run", plan.device):
                    faults.hit("encode:tiled" if tiled else "encode:whole")
                    return _known(vae, given)
            except OutOfMemoryError as error:
                log.warning("no room to encode the picture: %s", error)
    finally:
        vars(vae).update(before)
        if plan.placement is Placement.MODEL_OFFLOAD:
            pipe.maybe_free_model_hooks()  # or it would stay on the device beside the text encoders
    with oom_as("run", plan.device):
        return _fresh(info, name, torch.device("cpu"), pixels)


def _dtype(vae: Any, plan: Plan) -> torch.dtype:
    upcast = plan.vae_dtype == "float16" and vae.config.get("force_upcast")
    dtype: torch.dtype = torch.float32 if upcast else getattr(torch, plan.vae_dtype)
    return dtype


def _fresh(info: FolderInfo, name: str, device: torch.device, pixels: torch.Tensor) -> torch.Tensor:
    part = info.part(name)
    assert part is not None
    vae = load_part(info, part, torch.float32).to(device)
    return _known(vae, pixels.to(device, torch.float32))


def _known(vae: Any, pixels: torch.Tensor) -> torch.Tensor:
    """What an autoencoder makes of ``pixels``, in the space that denoising works in."""
    config = vae.config
    answer = vae.encode(pixels.unsqueeze(2) if "temperal_downsample" in config else pixels)  # a video of one frame
    if hasattr(answer, "latent_dist"):
        latents = answer.latent_dist.mode()
    else:
        latents = answer.latents if hasattr(answer, "latents") else answer.latent
    latents = latents.float().cpu()
    return denoised(vae, latents[:, :, 0] if latents.ndim == 5 else latents)


def denoised(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """What an autoencoder calls latents, (1, channels, height, width), in the space that denoising works in."""
    config = vae.config
    if hasattr(vae, "bn"):
        return _normalised(vae, latents)
    mean, std = config.get("latents_mean"), config.get("latents_std")
    scale = config.get("scaling_factor") or 1.0
    scaled: torch.Tensor
    if mean is not None and std is not None:
        shape = (1, -1, 1, 1)
        scaled = (latents - torch.tensor(mean).reshape(shape)) * scale / torch.tensor(std).reshape(shape)
    else:
        scaled = (latents - (config.get("shift_factor") or 0.0)) * scale
    return scaled


def _normalised(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """FLUX.2's autoencoder keeps mean and variance as weights, of two by two latents taken as one."""
    mean, variance = (
        numbers.float().cpu().reshape(1, -1, 1, 1) for numbers in (vae.bn.running_mean, vae.bn.running_var)
    )
    even: torch.Tensor = (functional.pixel_unshuffle(latents, 2) - mean) / torch.sqrt(
        variance + vae.config.batch_norm_eps
    )
    return even


def laid(pipe: Any, latents: torch.Tensor, layout: Layout) -> torch.Tensor:
    """(1, channels, height, width) as the family's loop holds it."""
    if layout is Layout.PLAIN:
        return latents
    shape = latents.shape if layout is Layout.PACKED else ()
    packed: torch.Tensor = pipe._pack_latents(latents.contiguous(), *shape)
    return packed


def change_of(mask: Image.Image, core: Image.Image, like: torch.Tensor) -> torch.Tensor:
    """How much of each latent is to be changed, 0..1, in the shape of ``like``. A latent of which any pixel lies in the
    ``core`` is; in the feather around it (``mask``) it is by its share."""
    size = (like.shape[-2], like.shape[-1])
    share = torch.maximum(
        functional.adaptive_max_pool2d(_grey(core), size), functional.adaptive_avg_pool2d(_grey(mask), size)
    )
    return share.expand_as(like).contiguous()


def _grey(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image, dtype=np.float32))[None, None] / 255
