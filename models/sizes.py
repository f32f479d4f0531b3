"""How large a model's pictures are, and what they are made of, worked out from its components' configurations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from models.inputs import Size
from models.pipelines import PipelineRow

Configs = Mapping[str, Mapping[str, Any]]
"""Components' configurations by component name."""

VAE_NAMES = ("vae", "movq", "vqvae", "vqgan")
"""What families call the part that turns latents into pixels."""
_DENOISERS = ("unet", "transformer", "prior", "decoder")
MAX_SIDE = 4096
"""Pixels; no form offers more, whatever a configuration says."""
DEFAULT_SIDE = 1024
"""Pixels, where a configuration does not say: true of those that leave it out (FLUX.1, Qwen-Image, Z-Image)."""
UNET_SIDE = 512
"""What Stable Diffusion's pipelines take when a UNet's configuration names no size."""


def vae_factor(configs: Configs) -> int:
    """Pixels a latent stands for, on a side: 1 for models that work on pixels, 8 where nothing is said."""
    vae = _vae(configs)
    if vae is None:
        return 1 if any(name.startswith(_DENOISERS) for name in configs) else 8
    for key in ("scale_factor_spatial", "spatial_compression_ratio"):
        if (ratio := _whole(vae.get(key))) > 0:
            return ratio
    if halvings := _list(vae.get("temperal_downsample")):  # spelled so in Wan's and Qwen-Image's configurations
        return 1 << min(len(halvings), 6)
    keys = ("block_out_channels", "encoder_block_out_channels", "decoder_block_out_channels")
    levels = next((len(_list(vae.get(key))) for key in keys if _list(vae.get(key))), 4)
    return 1 << min(levels - 1, 6)


def size_multiple(found: PipelineRow | None, configs: Configs) -> int:
    """What width and height must be multiples of, in pixels: one latent, times the patch a transformer takes, and 8,
    which most pipelines insist on whatever their autoencoder does."""
    factor, denoiser = vae_factor(configs), _denoiser(found, configs)
    if denoiser == "transformer" and (_vae(configs) or {}).get("_class_name") != "AutoencoderDC":
        # Families that state 1 (or nothing) pack two by two latents into a token themselves.
        factor *= max(_whole(configs.get(denoiser, {}).get("patch_size")), 2)
    return math.lcm(factor, 8)


def native_size(found: PipelineRow | None, configs: Configs) -> Size:
    """The size the model was made for, as its form offers it and as its plans are made for: stated by the signature,
    or by the denoiser's ``sample_size`` in latents; at most 4096, in steps of ``size_multiple``."""
    sides = _stated_size(found, configs)
    if min(sides) <= 0:
        side = UNET_SIDE if _denoiser(found, configs).startswith("unet") else DEFAULT_SIDE
        sides = (side, side)
    multiple = size_multiple(found, configs)
    width, height = (nearest(min(side, MAX_SIDE), multiple) for side in sides)
    return Size(width, height)


def nearest(value: int, multiple: int) -> int:
    """The multiple nearest to ``value``, at least one."""
    return max(multiple, round(value / multiple) * multiple)


def _stated_size(found: PipelineRow | None, configs: Configs) -> tuple[int, int]:
    """Width and height; 0 where nothing is said."""
    defaults = found.defaults if found else {}
    width, height = _whole(defaults.get("width")), _whole(defaults.get("height"))
    if width > 0 and height > 0:
        return width, height
    stated = configs.get(_denoiser(found, configs), {}).get("sample_size")
    sides = _list(stated) or [stated, stated]  # a list is height, width
    factor = vae_factor(configs)
    return (_whole(sides[1]) * factor, _whole(sides[0]) * factor) if len(sides) == 2 else (0, 0)


def _denoiser(found: PipelineRow | None, configs: Configs) -> str:
    """The name of the part that denoises: the table's, unless the folder has another one instead."""
    if found and (found.denoiser in configs or not configs):
        return found.denoiser
    others = (name for name in configs if name.startswith(_DENOISERS))
    return next(others, found.denoiser if found else "")


def _vae(configs: Configs) -> Mapping[str, Any] | None:
    for name, config in configs.items():
        if name in VAE_NAMES or str(config.get("_class_name")).startswith(("Autoencoder", "VQModel")):
            return config
    return None


def token_area(denoiser: Mapping[str, Any] | None, configs: Configs) -> int:
    """Pixels that one attention token covers at the finest level of the denoiser with this configuration."""
    if denoiser is None:
        return 256
    scale = vae_factor(configs)
    blocks = [str(block) for block in _list(denoiser.get("down_block_types"))]
    if blocks:
        finest = next((level for level, block in enumerate(blocks) if "Attn" in block), len(blocks))
        return int(scale * 2**finest) ** 2
    patch = denoiser.get("patch_size", denoiser.get("all_patch_size"))  # the latter in Z-Image
    side = _whole(patch[-1] if isinstance(patch, list) and patch else patch) or 1
    return (scale * side * _packing(denoiser, configs)) ** 2


def _packing(denoiser: Mapping[str, Any], configs: Configs) -> int:
    """Latents packed into one token along a side before patching (FLUX.1: 2, told by four times the channels)."""
    vae = _vae(configs) or {}
    latent = _whole(vae.get("latent_channels")) or _whole(vae.get("z_dim"))
    channels = _whole(denoiser.get("in_channels"))
    if _whole(denoiser.get("patch_size", 2)) != 1 or not latent or channels % latent:
        return 1
    return math.isqrt(channels // latent) or 1


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
