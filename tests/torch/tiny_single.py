"""Tiny single-file checkpoints in the layout they are published in, and model folders with the very same weights.

What shapes cannot tell (heads, groups) is as real checkpoints have it, so that reading one brings back the same model.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors.torch import save_file

from models.singles.clip_words import END, write_tokenizer

SIDE = 64
"""Pixels the tiny checkpoints say they were made for."""
_WORDS = 49408
_BETAS: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}

Tensors = dict[str, torch.Tensor]


def build_single(family: str, path: Path, twin: Path | None = None, seed: int = 0) -> Path:
    """Write a tiny checkpoint of ``family`` ("sd15", "sd2", "sdxl", "sdxl-refiner") to ``path`` (.safetensors); some
    10 MB, since a vocabulary cannot be made smaller. ``twin`` is a folder for the same model in diffusers' layout."""
    torch.manual_seed(seed)
    pipe = _MAKERS[family]().to(torch.float16)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"modelspec.title": f"Tiny {family}", "modelspec.resolution": f"{SIDE}x{SIDE}"}
    save_file({name: tensor.contiguous() for name, tensor in checkpoint(pipe).items()}, path, metadata)
    if twin is not None:
        _save(pipe, twin)
    return path


def checkpoint(pipe: Any) -> Tensors:
    """The pipeline's weights under the names of the original layout."""
    found = {f"model.diffusion_model.{name}": tensor for name, tensor in ldm_unet(pipe.unet).items()}
    found.update({f"first_stage_model.{name}": tensor for name, tensor in ldm_vae(pipe.vae).items()})
    second = getattr(pipe, "text_encoder_2", None)
    first = pipe.text_encoder
    if second is None and first.config.hidden_act == "gelu":
        found.update({f"cond_stage_model.model.{name}": tensor for name, tensor in open_clip(first).items()})
    elif second is None:
        found.update({f"cond_stage_model.transformer.{name}": tensor for name, tensor in plain_clip(first).items()})
    else:
        number = 0 if first is None else 1
        if first is not None:
            prefix = "conditioner.embedders.0.transformer."
            found.update({f"{prefix}{name}": tensor for name, tensor in plain_clip(first).items()})
        prefix = f"conditioner.embedders.{number}.model."
        found.update({f"{prefix}{name}": tensor for name, tensor in open_clip(second).items()})
    return found


# -- names ------------------------------------------------------------------------------------------------------------


def ldm_unet(unet: Any) -> Tensors:
    step = unet.config.layers_per_block + 1
    return {_ldm_unet_name(name, step, unet): tensor for name, tensor in unet.state_dict().items()}


_TOP = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def _ldm_unet_name(name: str, step: int, unet: Any) -> str:
    stem, _, kind = name.rpartition(".")
    if stem in _TOP:
        return f"{_TOP[stem]}.{kind}"
    side, rest = name.split(".", 1)
    level = 0
    if side != "mid_block":
        number, rest = rest.split(".", 1)
        level = int(number)
    part, number, rest = rest.split(".", 2)
    layer = int(number)
    if part == "resnets":
        block, leaf = rest.split(".", 1)
        rest = f"{_RESNET[block]}.{leaf}"
    if side == "mid_block":
        return f"middle_block.{layer * 2 if part == 'resnets' else 1}.{rest}"
    if part == "downsamplers":
        return f"input_blocks.{(level + 1) * step}.0.op.{rest.removeprefix('conv.')}"
    if part == "upsamplers":
        attends = "CrossAttn" in unet.config.up_block_types[level]
        return f"output_blocks.{(level + 1) * step - 1}.{2 if attends else 1}.{rest}"
    place = f"input_blocks.{1 + level * step + layer}" if side == "down_blocks" else None
    place = place or f"output_blocks.{level * step + layer}"
    return f"{place}.{0 if part == 'resnets' else 1}.{rest}"


def ldm_vae(vae: Any) -> Tensors:
    levels = len(vae.config.block_out_channels)
    found = {}
    for name, tensor in vae.state_dict().items():
        old = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
        old = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block", old)
        old = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", old)
        old = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", old)
        old = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", old)
        for new, word in (("conv_norm_out", "norm_out"), ("conv_shortcut", "nin_shortcut")):
            old = old.replace(new, word)
        if "mid_block.attentions.0" in old:
            old = old.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm")
            old = re.sub(r"to_([qkv])\.", r"\1.", old).replace("to_out.0", "proj_out")
            tensor = tensor[:, :, None, None] if tensor.ndim == 2 else tensor
        found[old] = tensor
    return found


def plain_clip(encoder: Any) -> Tensors:
    return {f"text_model.{name.removeprefix('text_model.')}": t for name, t in encoder.state_dict().items()}


def open_clip(encoder: Any) -> Tensors:
    found: Tensors = {}
    joined: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in encoder.state_dict().items():
        name = name.removeprefix("text_model.")
        if third := re.fullmatch(r"encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(\w+)", name):
            joined.setdefault(f"transformer.resblocks.{third[1]}.attn.in_proj_{third[3]}", {})[third[2]] = tensor
            continue
        for new, old in (
            ("encoder.layers.", "transformer.resblocks."),
            ("layer_norm1", "ln_1"),
            ("layer_norm2", "ln_2"),
            ("fc1", "c_fc"),
            ("fc2", "c_proj"),
            ("self_attn", "attn"),
            ("final_layer_norm", "ln_final"),
            ("embeddings.token_embedding", "token_embedding"),
            ("embeddings.position_embedding.weight", "positional_embedding"),
        ):
            name = name.replace(new, old)
        found["text_projection" if name == "text_projection.weight" else name] = (
            tensor.T if name == "text_projection.weight" else tensor
        )
    for name, thirds in joined.items():
        found[name] = torch.cat([thirds[letter] for letter in "qkv"])
    # What checkpoints of SD 2 and SDXL hold beside: the last layer that SD 2 does not use, a scale nobody reads.
    found["logit_scale"] = torch.ones(())
    if encoder.config.hidden_act == "gelu" and "text_projection" not in found:
        layers = encoder.config.num_hidden_layers
        last = f"transformer.resblocks.{layers - 1}."
        more = {n.replace(last, f"transformer.resblocks.{layers}."): t for n, t in found.items() if n.startswith(last)}
        found.update({name: torch.full_like(tensor, 9.0) for name, tensor in more.items()})
    return found


# -- models -----------------------------------------------------------------------------------------------------------


def _unet(**more: Any) -> Any:
    return diffusers.UNet2DConditionModel(
        sample_size=SIDE // 8,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **more,
    )


def _vae(scaling: float, **more: Any) -> Any:
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 32, 32, 32),
        layers_per_block=1,
        latent_channels=4,
        sample_size=SIDE,
        scaling_factor=scaling,
        **more,
    )


def _clip(act: str = "quick_gelu", projection: bool = False) -> Any:
    config = transformers.CLIPTextConfig(
        vocab_size=_WORDS,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=1,
        max_position_embeddings=77,
        projection_dim=64,
        hidden_act=act,
        bos_token_id=49406,
        eos_token_id=49407,
    )
    return (transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel)(config)


def _sd(sd2: bool) -> Any:
    scheduler = diffusers.DDIMScheduler if sd2 else diffusers.PNDMScheduler
    extra: dict[str, Any] = {"clip_sample": False} if sd2 else {"skip_prk_steps": True}
    heads: dict[str, Any] = {"attention_head_dim": (1, 2), "use_linear_projection": True, "upcast_attention": True}
    return diffusers.StableDiffusionPipeline(
        vae=_vae(0.18215),
        text_encoder=_clip("gelu" if sd2 else "quick_gelu"),
        tokenizer=None,
        unet=_unet(cross_attention_dim=64, **(heads if sd2 else {"attention_head_dim": 8})),
        scheduler=scheduler(set_alpha_to_one=False, **extra, **_BETAS),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _sdxl(refiner: bool = False) -> Any:
    unet = _unet(
        cross_attention_dim=64 if refiner else 128,
        addition_embed_type="text_time",
        addition_time_embed_dim=32,
        transformer_layers_per_block=(2, 1),
        projection_class_embeddings_input_dim=64 + (5 if refiner else 6) * 32,
        use_linear_projection=True,
        attention_head_dim=(1, 2),
    )
    scheduler = diffusers.EulerDiscreteScheduler(timestep_spacing="leading", **_BETAS)
    cls = diffusers.StableDiffusionXLImg2ImgPipeline if refiner else diffusers.StableDiffusionXLPipeline
    return cls(
        vae=_vae(0.13025, force_upcast=True),
        text_encoder=None if refiner else _clip(),
        text_encoder_2=_clip("gelu", projection=True),
        tokenizer=None,
        tokenizer_2=None,
        unet=unet,
        scheduler=scheduler,
        add_watermarker=False,
        **({"requires_aesthetics_score": True, "force_zeros_for_empty_prompt": False} if refiner else {}),
    )


_MAKERS: dict[str, Callable[[], Any]] = {
    "sd15": lambda: _sd(False),
    "sd2": lambda: _sd(True),
    "sdxl": _sdxl,
    "sdxl-refiner": lambda: _sdxl(True),
}

FAMILIES = tuple(_MAKERS)


def _save(pipe: Any, folder: Path) -> None:
    """As a model folder; its tokenizers are CLIP's."""
    for name in ("tokenizer", "tokenizer_2"):
        encoder = getattr(pipe, name.replace("tokenizer", "text_encoder"), None)
        if encoder is not None:
            pad = "!" if encoder.config.hidden_act == "gelu" else END
            write_tokenizer(folder / name, pad)
            tokenizer = transformers.CLIPTokenizer.from_pretrained(folder / name, local_files_only=True)
            pipe.register_modules(**{name: tokenizer})
    pipe.save_pretrained(folder, safe_serialization=True)
