"""Tiny models whose weights were made for pictures: filling a mask, editing by instruction."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import tiny
import torch
import transformers
from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer


def build(family: str, folder: Path, seed: int = 0) -> Path:
    """Save the pipeline of ``family`` (of ``FILLS``, ``EDITS`` or ``VARIES``) in ``folder``; returns the folder."""
    torch.manual_seed(seed)
    pipe = _BUILDERS[family]()
    pipe.save_pretrained(folder, safe_serialization=True)
    recommended = {"steps": 3, "width": tiny.SIZE, "height": tiny.SIZE}
    (folder / "atelier.json").write_text(json.dumps({"recommended": recommended}))
    return folder


def _as(cls: Any, base: Any, **changed: Any) -> Any:
    """The parts of ``base`` in another class of its family."""
    parts = {name: part for name, part in base.components.items() if part is not None}
    return cls(**{**parts, **changed})


def _unet(base: Any, channels: int) -> Any:
    return diffusers.UNet2DConditionModel.from_config(base.unet.config, in_channels=channels)


def _sd_inpaint() -> Any:
    base = tiny._sd()
    plain = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return _as(diffusers.StableDiffusionInpaintPipeline, base, unet=_unet(base, 9), **plain)


def _sdxl_inpaint() -> Any:
    base = tiny._sdxl()
    return _as(diffusers.StableDiffusionXLInpaintPipeline, base, unet=_unet(base, 9), add_watermarker=False)


def _flux_fill() -> Any:
    base = tiny._flux()
    # Four latents a token: 16 numbers of the noise, 16 of the picture, and 4 * 16 pixels of the mask.
    transformer = diffusers.FluxTransformer2DModel.from_config(base.transformer.config, in_channels=96, out_channels=16)
    return _as(diffusers.FluxFillPipeline, base, transformer=transformer)


def _flux_kontext() -> Any:
    return _as(diffusers.FluxKontextPipeline, tiny._flux())


def _pix2pix() -> Any:
    base = tiny._sd()
    plain = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return _as(diffusers.StableDiffusionInstructPix2PixPipeline, base, unet=_unet(base, 8), **plain)


def _flux2_klein() -> Any:
    tokenizer = tiny._qwen_tokenizer()
    config = transformers.Qwen3Config(
        hidden_size=16, intermediate_size=16, num_hidden_layers=28, num_attention_heads=2, num_key_value_heads=2,
        head_dim=8, vocab_size=len(tokenizer), max_position_embeddings=1024,
    )  # fmt: skip
    vae = diffusers.AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=4, sample_size=tiny.SIZE,
    )  # fmt: skip
    vae.bn.running_mean.normal_()  # trained ones are far from nothing and one
    vae.bn.running_var.uniform_(0.5, 2.0)
    transformer = diffusers.Flux2Transformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=48, timestep_guidance_channels=16, axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False,
    )  # fmt: skip
    return diffusers.Flux2KleinPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=transformers.Qwen3ForCausalLM(config),
        tokenizer=tokenizer,
        transformer=transformer,
        is_distilled=False,
    )


def _sd_vary() -> Any:
    base = tiny._sd()
    seeing = transformers.CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=16,
        projection_dim=32,
    )  # fmt: skip
    return diffusers.StableDiffusionImageVariationPipeline(
        vae=base.vae,
        image_encoder=transformers.CLIPVisionModelWithProjection(seeing),
        unet=base.unet,
        scheduler=base.scheduler,
        safety_checker=None,
        feature_extractor=transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32),
        requires_safety_checker=False,
    )


def _unclip() -> Any:
    base = tiny._sd()
    seeing = transformers.CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=16,
        projection_dim=32,
    )  # fmt: skip
    # The picture's numbers and their noise level come in as class labels.
    unet = diffusers.UNet2DConditionModel.from_config(
        base.unet.config, class_embed_type="projection", projection_class_embeddings_input_dim=64
    )
    return diffusers.StableUnCLIPImg2ImgPipeline(
        feature_extractor=transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32),
        image_encoder=transformers.CLIPVisionModelWithProjection(seeing),
        image_normalizer=StableUnCLIPImageNormalizer(embedding_dim=32),
        image_noising_scheduler=diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=base.tokenizer,
        text_encoder=base.text_encoder,
        unet=unet,
        scheduler=base.scheduler,
        vae=base.vae,
    )


_BUILDERS: dict[str, Callable[[], Any]] = {
    "sd_inpaint": _sd_inpaint,
    "sdxl_inpaint": _sdxl_inpaint,
    "flux_fill": _flux_fill,
    "flux_kontext": _flux_kontext,
    "pix2pix": _pix2pix,
    "flux2_klein": _flux2_klein,
    "sd_vary": _sd_vary,
    "unclip": _unclip,
}

FILLS = ("sd_inpaint", "sdxl_inpaint", "flux_fill")
EDITS = ("flux_kontext", "pix2pix", "flux2_klein")
VARIES = ("sd_vary", "unclip")
