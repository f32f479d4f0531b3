"""Tiny IP-Adapters with random weights, laid out as their repositories are, with an encoder beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

from models.card import AddonRef

WIDTH, PARTS = 16, 24


def encoder(folder: Path) -> Path:
    """A CLIP vision model of 24 numbers a part and 16 for the whole."""
    torch.manual_seed(11)
    config = transformers.CLIPVisionConfig(
        hidden_size=PARTS, intermediate_size=32, projection_dim=WIDTH, num_hidden_layers=2, num_attention_heads=2,
        image_size=32, patch_size=8,
    )  # fmt: skip
    transformers.CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def adapter(pipe: Any, path: Path, seed: int = 1, plus: bool = False) -> AddonRef:
    """For the denoiser of ``pipe``: of a UNet (the first of h94's, or "plus"), or of FLUX in XLabs' names."""
    torch.manual_seed(seed)
    tensors = _flux(pipe.transformer) if hasattr(pipe, "transformer") else _unet(pipe.unet, plus)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return AddonRef(str(path), path.stem, "ip-adapter", str(path))


def _unet(unet: Any, plus: bool) -> dict[str, torch.Tensor]:
    words = unet.config.cross_attention_dim
    tensors: dict[str, torch.Tensor] = {}
    number = 1  # odd numbers, as the original has them: those of self-attention lie between
    for name, module in unet.named_modules():
        if name.endswith("attn2"):
            width = module.to_q.weight.shape[0]
            for layer in ("to_k_ip", "to_v_ip"):
                tensors[f"ip_adapter.{number}.{layer}.weight"] = torch.randn(width, words)
            number += 2
    tensors.update(_plus(words) if plus else _plain(words))
    return tensors


def _plain(words: int) -> dict[str, torch.Tensor]:
    return {
        "image_proj.proj.weight": torch.randn(4 * words, WIDTH),
        "image_proj.proj.bias": torch.randn(4 * words),
        "image_proj.norm.weight": torch.ones(words),
        "image_proj.norm.bias": torch.zeros(words),
    }


def _plus(words: int) -> dict[str, torch.Tensor]:
    """A resampler of four layers; its heads have 64 numbers."""
    wide = 64
    shapes: dict[str, tuple[int, ...]] = {
        "latents": (1, 4, wide),
        "proj_in.weight": (wide, PARTS), "proj_in.bias": (wide,),
        "proj_out.weight": (words, wide), "proj_out.bias": (words,),
        "norm_out.weight": (words,), "norm_out.bias": (words,),
    }  # fmt: skip
    for layer in range(4):
        stem = f"layers.{layer}"
        shapes |= {
            f"{stem}.0.norm1.weight": (wide,), f"{stem}.0.norm1.bias": (wide,),
            f"{stem}.0.norm2.weight": (wide,), f"{stem}.0.norm2.bias": (wide,),
            f"{stem}.0.to_q.weight": (64, wide), f"{stem}.0.to_kv.weight": (128, wide),
            f"{stem}.0.to_out.weight": (wide, 64),
            f"{stem}.1.0.weight": (wide,), f"{stem}.1.0.bias": (wide,),
            f"{stem}.1.1.weight": (4 * wide, wide), f"{stem}.1.3.weight": (wide, 4 * wide),
        }  # fmt: skip
    return {f"image_proj.{name}": torch.randn(shape) for name, shape in shapes.items()}


def _flux(transformer: Any) -> dict[str, torch.Tensor]:
    words, inner = transformer.config.joint_attention_dim, transformer.inner_dim
    tensors = {name.replace("image_proj.", "ip_adapter_proj_model."): tensor for name, tensor in _plain(words).items()}
    for number in range(transformer.config.num_layers):
        for layer in ("k", "v"):
            stem = f"double_blocks.{number}.processor.ip_adapter_double_stream_{layer}_proj"
            tensors[f"{stem}.weight"] = torch.randn(inner, words)
            tensors[f"{stem}.bias"] = torch.randn(inner)
    return tensors


def picture(path: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    Image.fromarray(torch.randint(0, 255, (40, 50, 3), dtype=torch.uint8).numpy()).save(path)
    return path
