"""The wrapper on more families: their denoisers and autoencoders, tiny, and the words' numbers given ready-made."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import tiny
import torch
from tiny_runs import Ear

from models import ways
from models.pipelines import row
from models.runners.diffusion.blend import Start, Variation, steered
from models.runners.diffusion.encode import _known, laid
from models.runners.diffusion.hooks import attribute, watched

WORDS = 6


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def flow(**more: Any) -> Any:
    return diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, **more)


def noise() -> Any:
    return diffusers.DDPMScheduler(beta_schedule="scaled_linear", clip_sample=False)


def vae8(**more: Any) -> Any:
    """Eight pixels a latent, which some families take for granted."""
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=4, **more,
    )  # fmt: skip


def chroma() -> tuple[Any, dict[str, Any]]:
    transformer = diffusers.ChromaTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, axes_dims_rope=(4, 4, 8), approximator_hidden_dim=32, approximator_layers=1,
        approximator_num_channels=16,
    )  # fmt: skip
    vae = tiny._vae(4, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False)
    pipe = diffusers.ChromaPipeline(flow(), vae, None, None, transformer)
    mask = torch.ones(1, WORDS)
    both = {"prompt_embeds": numbers(1, WORDS, 32), "prompt_attention_mask": mask}
    return pipe, {**both, **{f"negative_{name}": value for name, value in both.items()}}


def auraflow() -> tuple[Any, dict[str, Any]]:
    transformer = diffusers.AuraFlowTransformer2DModel(
        sample_size=16, patch_size=2, in_channels=4, num_mmdit_layers=1, num_single_dit_layers=1, attention_head_dim=8,
        num_attention_heads=4, caption_projection_dim=32, joint_attention_dim=32, out_channels=4,
        pos_embed_max_size=256,
    )  # fmt: skip
    pipe = diffusers.AuraFlowPipeline(None, None, tiny._vae(4), transformer, flow())
    both = {"prompt_embeds": numbers(1, WORDS, 32), "prompt_attention_mask": torch.ones(1, WORDS)}
    return pipe, {**both, **{f"negative_{name}": value for name, value in both.items()}}


def lumina2() -> tuple[Any, dict[str, Any]]:
    transformer = diffusers.Lumina2Transformer2DModel(
        sample_size=16, patch_size=2, in_channels=4, hidden_size=24, num_layers=1, num_refiner_layers=1,
        num_attention_heads=3, num_kv_heads=1, multiple_of=16, axes_dim_rope=(4, 2, 2), axes_lens=(128, 128, 128),
        cap_feat_dim=32,
    )  # fmt: skip
    pipe = diffusers.Lumina2Pipeline(transformer, flow(), vae8(shift_factor=0.1), None, None)
    both = {"prompt_embeds": numbers(1, WORDS, 32), "prompt_attention_mask": torch.ones(1, WORDS, dtype=torch.long)}
    return pipe, {**both, **{f"negative_{name}": value for name, value in both.items()}, "negative_prompt": None}


def sana() -> tuple[Any, dict[str, Any]]:
    transformer = diffusers.SanaTransformer2DModel(
        patch_size=1, in_channels=4, out_channels=4, num_layers=1, num_attention_heads=2, attention_head_dim=4,
        num_cross_attention_heads=2, cross_attention_head_dim=4, cross_attention_dim=8, caption_channels=32,
        sample_size=32,
    )  # fmt: skip
    vae = diffusers.AutoencoderDC(
        in_channels=3, latent_channels=4, attention_head_dim=2, encoder_block_types=("ResBlock",) * 3,
        decoder_block_types=("ResBlock",) * 3, encoder_block_out_channels=(8, 8, 8),
        decoder_block_out_channels=(8, 8, 8), encoder_qkv_multiscales=((),) * 3, decoder_qkv_multiscales=((),) * 3,
        encoder_layers_per_block=(1, 1, 1), decoder_layers_per_block=(1, 1, 1), downsample_block_type="conv",
        upsample_block_type="interpolate", decoder_norm_types="rms_norm", decoder_act_fns="silu", scaling_factor=0.4,
    )  # fmt: skip
    scheduler = diffusers.DPMSolverMultistepScheduler(
        use_flow_sigmas=True, flow_shift=3.0, prediction_type="flow_prediction"
    )
    pipe = diffusers.SanaPipeline(None, None, vae, transformer, scheduler)
    both = {"prompt_embeds": numbers(1, WORDS, 32), "prompt_attention_mask": torch.ones(1, WORDS)}
    more = {f"negative_{name}": value for name, value in both.items()}
    return pipe, {**both, **more, "negative_prompt": None, "use_resolution_binning": False}


def cogview4() -> tuple[Any, dict[str, Any]]:
    transformer = diffusers.CogView4Transformer2DModel(
        patch_size=2, in_channels=4, num_layers=1, attention_head_dim=4, num_attention_heads=4, out_channels=4,
        text_embed_dim=32, time_embed_dim=8, condition_dim=4,
    )  # fmt: skip
    pipe = diffusers.CogView4Pipeline(None, None, tiny._vae(4), transformer, flow(base_shift=0.25, max_shift=0.75))
    return pipe, {"prompt_embeds": numbers(1, 16, 32), "negative_prompt_embeds": numbers(1, 16, 32)}


def hunyuan_dit() -> tuple[Any, dict[str, Any]]:
    transformer = diffusers.HunyuanDiT2DModel(
        sample_size=16, num_layers=2, patch_size=2, attention_head_dim=8, num_attention_heads=3, in_channels=4,
        cross_attention_dim=32, cross_attention_dim_t5=32, pooled_projection_dim=16, hidden_size=24,
        activation_fn="gelu-approximate",
    )  # fmt: skip
    pipe = diffusers.HunyuanDiTPipeline(
        vae8(), None, None, transformer, noise(), None, None, requires_safety_checker=False
    )
    given = {"prompt_embeds": numbers(1, 77, 32), "prompt_embeds_2": numbers(1, 256, 32)}
    given |= {"prompt_attention_mask": torch.ones(1, 77), "prompt_attention_mask_2": torch.ones(1, 256)}
    return pipe, {
        **given,
        **{f"negative_{name}": value for name, value in given.items()},
        "use_resolution_binning": False,
    }


def ovis() -> tuple[Any, dict[str, Any]]:
    transformer = diffusers.OvisImageTransformer2DModel(
        patch_size=1, in_channels=16, out_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=32, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    vae = tiny._vae(4, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False)
    pipe = diffusers.OvisImagePipeline(flow(), vae, None, None, transformer)
    both = {"prompt_embeds": numbers(1, WORDS, 32), "negative_prompt_embeds": numbers(1, WORDS, 32)}
    return pipe, {**both, "negative_prompt": None}


def longcat() -> tuple[Any, dict[str, Any]]:
    transformer = diffusers.LongCatImageTransformer2DModel(
        patch_size=1, in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=[4, 4, 8],
    )  # fmt: skip
    vae = tiny._vae(16, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False)
    pipe = diffusers.LongCatImagePipeline(flow(), vae, None, None, None, transformer)
    place = torch.zeros(WORDS, 3)
    vars(pipe)["encode_prompt"] = lambda **_: (numbers(1, WORDS, 32), place)  # takes no ready-made numbers
    return pipe, {"prompt": "x", "enable_prompt_rewrite": False}


def bria() -> tuple[Any, dict[str, Any]]:
    transformer = diffusers.BriaTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, axes_dims_rope=[4, 4, 8],
    )  # fmt: skip
    pipe = diffusers.BriaPipeline(transformer, flow(), tiny._vae(4, shift_factor=0.1), None, None)
    return pipe, {"prompt_embeds": numbers(1, WORDS, 32), "negative_prompt_embeds": numbers(1, WORDS, 32)}


def krea2() -> tuple[Any, dict[str, Any]]:
    transformer = diffusers.Krea2Transformer2DModel(
        in_channels=64, num_layers=1, attention_head_dim=16, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=32, timestep_embed_dim=16, text_hidden_dim=32, num_text_layers=2, text_num_attention_heads=2,
        text_num_key_value_heads=2, text_intermediate_size=32, num_layerwise_text_blocks=1, num_refiner_text_blocks=1,
        axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    scheduler = flow(use_dynamic_shifting=True)
    vae = diffusers.AutoencoderKLQwenImage(base_dim=8, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    pipe = diffusers.Krea2Pipeline(scheduler, vae, None, None, transformer)
    both = {"prompt_embeds": numbers(1, WORDS, 2, 32), "prompt_embeds_mask": torch.ones(1, WORDS, dtype=torch.bool)}
    return pipe, {**both, **{f"negative_{name}": value for name, value in both.items()}}


FAMILIES: dict[str, Callable[[], tuple[Any, dict[str, Any]]]] = {
    "chroma": chroma,
    "auraflow": auraflow,
    "lumina2": lumina2,
    "sana": sana,
    "cogview4": cogview4,
    "hunyuan_dit": hunyuan_dit,
    "ovis": ovis,
    "longcat": longcat,
    "bria": bria,
    "krea2": krea2,
}


def run(pipe: Any, given: dict[str, Any], start: Start | None, variation: Variation | None = None) -> torch.Tensor:
    """The latents at the end of four steps, as the family's loop holds them."""
    found = row(type(pipe).__name__)
    assert found is not None
    scheduler, ear = copy.deepcopy(pipe.scheduler), Ear()
    with (
        watched(pipe, found, ear) as steps,
        attribute(pipe, "scheduler", scheduler),
        steered(pipe, scheduler, steps, start, variation),
        torch.no_grad(),
    ):
        generator = torch.Generator().manual_seed(1)
        answer = pipe(
            width=64, height=64, num_inference_steps=4, generator=generator, output_type="latent", return_dict=False,
            **given,
        )  # fmt: skip
    assert ear.steps[-1][0] == ear.steps[-1][1]
    latents: torch.Tensor = answer[0]
    return latents


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_kept_is_the_picture_and_the_rest_is_new(family: str) -> None:
    torch.manual_seed(0)
    pipe, given = FAMILIES[family]()
    taking = ways.taking(type(pipe).__name__)
    assert taking.way is ways.Way.WRAPPER
    picture = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64).contiguous()
    with torch.no_grad():
        clean = _known(pipe.vae, picture)
    change = torch.zeros_like(clean)
    change[..., clean.shape[-1] // 2 :] = 1
    laid_clean, laid_change = (laid(pipe, each, taking.layout) for each in (clean, change))
    for strength in (0.5, 1.0):
        made = run(pipe, given, Start(laid_clean.clone(), laid_change.clone(), strength))
        assert made.shape == laid_clean.shape
        kept = laid_change == 0
        assert torch.allclose(made[kept].float(), laid_clean[kept], atol=1e-4)
        assert not torch.allclose(made[~kept].float(), laid_clean[~kept], atol=1e-2)
    words = run(pipe, given, None)
    near = run(pipe, given, None, Variation(9, 0.1))
    far = run(pipe, given, None, Variation(9, 1.0))
    assert 0 < float((near - words).abs().mean()) < float((far - words).abs().mean())
