"""Tiny pipelines with random weights, one a family, built in code and saved in the standard folder layout.

They need no network and no real tokenizer: each loads and runs in well under a second, and makes pictures of 64 pixels.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from tokenizers.pre_tokenizers import ByteLevel

SIZE = 64
"""Pixels on a side that every family's ``atelier.json`` recommends."""

_PROMPT_TOKENS = 32


def build(family: str, folder: Path, seed: int = 0) -> Path:
    """Save the pipeline of ``family`` (one of ``FAMILIES``, or "sd_taesd") in ``folder``; returns the folder."""
    torch.manual_seed(seed)
    pipe = _BUILDERS[family]()
    pipe.save_pretrained(folder, safe_serialization=True)
    recommended = {"steps": 3, "width": SIZE, "height": SIZE}
    (folder / "atelier.json").write_text(json.dumps({"recommended": recommended}))
    return folder


def _sd() -> Any:
    return _sd_with(_vae(4))


def _sd_taesd() -> Any:
    """With the small autoencoder that some models come with (four pixels a latent, v-prediction)."""
    widths = (16, 16, 16)
    vae = diffusers.AutoencoderTiny(
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=(1, 1, 1),
        num_decoder_blocks=(1, 1, 1),
    )
    pipe = _sd_with(vae)
    pipe.scheduler = diffusers.DDIMScheduler.from_config(
        pipe.scheduler.config, prediction_type="v_prediction", timestep_spacing="trailing", clip_sample=False
    )
    return pipe


def _sd_with(vae: Any) -> Any:
    return diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=_clip(32),
        tokenizer=_clip_tokenizer(),
        unet=_unet(cross_attention_dim=32),
        scheduler=diffusers.PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _sdxl() -> Any:
    unet = _unet(
        cross_attention_dim=64,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=80,
        use_linear_projection=True,
    )
    return diffusers.StableDiffusionXLPipeline(
        vae=_vae(4),
        text_encoder=_clip(32),
        text_encoder_2=_clip(32, projection=32),
        tokenizer=_clip_tokenizer(),
        tokenizer_2=_clip_tokenizer(),
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
        add_watermarker=False,
    )


def _sd3() -> Any:
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=16,
        patch_size=1,
        in_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pooled_projection_dim=64,
        out_channels=4,
        pos_embed_max_size=32,
    )
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(4, shift_factor=0.06),
        text_encoder=_clip(32, projection=32),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=_clip(32, projection=32),
        tokenizer_2=_clip_tokenizer(),
        text_encoder_3=_t5(32),
        tokenizer_3=_t5_tokenizer(),
    )


def _flux() -> Any:
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    return diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=_vae(4, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=_clip(32),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=_t5(32),
        tokenizer_2=_t5_tokenizer(),
        transformer=transformer,
    )


def _pixart() -> Any:
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=16,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=24,
        out_channels=8,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
        use_additional_conditions=False,
    )
    return diffusers.PixArtAlphaPipeline(
        tokenizer=_t5_tokenizer(),
        text_encoder=_t5(32),
        vae=_vae(4),
        transformer=transformer,
        scheduler=diffusers.DPMSolverMultistepScheduler(),
    )


def _qwen_image() -> Any:
    tokenizer = _qwen_tokenizer()
    vae = diffusers.AutoencoderKLQwenImage(
        base_dim=8, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    transformer = diffusers.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=64,
        out_channels=16,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(8, 4, 4),
    )
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "rope_parameters": {"mrope_section": [2, 3, 3], "rope_type": "default", "rope_theta": 1e6},
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 2048,
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 32,
        },
        vocab_size=len(tokenizer),
    )
    return diffusers.QwenImagePipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.02),
        vae=vae,
        text_encoder=transformers.Qwen2_5_VLForConditionalGeneration(config),
        tokenizer=tokenizer,
        transformer=transformer,
    )


def _z_image() -> Any:
    tokenizer = _qwen_tokenizer()
    transformer = diffusers.ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=32,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 64, 64],
    )
    config = transformers.Qwen3Config(
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        vocab_size=len(tokenizer),
        max_position_embeddings=1024,
    )
    return diffusers.ZImagePipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(4, shift_factor=0.1),
        text_encoder=transformers.Qwen3Model(config),
        tokenizer=tokenizer,
        transformer=transformer,
    )


_BUILDERS: dict[str, Callable[[], Any]] = {
    "sd": _sd,
    "sdxl": _sdxl,
    "sd3": _sd3,
    "flux": _flux,
    "pixart": _pixart,
    "qwen_image": _qwen_image,
    "z_image": _z_image,
}

FAMILIES = tuple(_BUILDERS)

_BUILDERS["sd_taesd"] = _sd_taesd


def _vae(channels: int, **more: Any) -> Any:
    """Four pixels a latent on a side."""
    return diffusers.AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=SIZE,
        **more,
    )


def _unet(**more: Any) -> Any:
    return diffusers.UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=2,
        norm_num_groups=4,
        **more,
    )


def _clip(size: int, projection: int = 0) -> Any:
    vocabulary = len(_clip_tokenizer())
    config = transformers.CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=size,
        intermediate_size=size,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=_PROMPT_TOKENS,
        projection_dim=projection or size,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    kind = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    return kind(config)


def _t5(size: int) -> Any:
    config = transformers.T5Config(
        vocab_size=len(_t5_tokenizer()), d_model=size, d_kv=8, d_ff=size, num_layers=2, num_heads=2
    )
    return transformers.T5EncoderModel(config)


def _letters() -> list[str]:
    return sorted(ByteLevel.alphabet())


def _clip_tokenizer() -> Any:
    """One token a byte, as CLIP's byte pairs without any merges."""
    words = ["<|startoftext|>", "<|endoftext|>", *_letters(), *(letter + "</w>" for letter in _letters())]
    vocabulary = {word: number for number, word in enumerate(words)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=_PROMPT_TOKENS)


def _t5_tokenizer() -> Any:
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -3.0) for letter in "abcdefghijklmnopqrstuvwxyz0123456789.,-"]
    return transformers.T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=_PROMPT_TOKENS)


def _qwen_tokenizer() -> Any:
    words = [*_letters(), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = transformers.Qwen2Tokenizer(vocab=vocabulary, merges=[], model_max_length=1024)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    )
    return tokenizer


def build_single(family: str, path: Path, twin: Path | None = None, seed: int = 0) -> Path:
    """A tiny single-file checkpoint: see ``tiny_single``, which is imported here so that others need one name only."""
    from tests.torch.tiny_single import build_single as build

    return build(family, path, twin, seed)
