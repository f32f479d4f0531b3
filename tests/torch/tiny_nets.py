"""Tiny ControlNets with random weights for the tiny pipelines: none of them says nothing, as untrained ones would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import diffusers
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from models.card import AddonRef

LOUD = 0.3
"""Standard deviation of the layers that begin at zero in training."""


def net_for(family: str, pipe: Any, seed: int = 1, union: bool = False) -> Any:
    """A ControlNet for the denoiser of ``pipe``, one of the families of ``tiny``."""
    torch.manual_seed(seed)
    net = _BUILDERS[family](pipe, union)
    with torch.no_grad():
        for tensor in net.parameters():
            if not tensor.any():
                tensor.normal_(0.0, LOUD)
    return net.eval()


def saved(net: Any, folder: Path) -> AddonRef:
    """The net in diffusers layout."""
    net.save_pretrained(folder, safe_serialization=True)
    return AddonRef(str(folder), folder.name, "controlnet", str(folder))


def saved_file(net: Any, path: Path) -> AddonRef:
    """The net's tensors alone."""
    save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, path)
    return AddonRef(str(path), path.stem, "controlnet", str(path))


def saved_original(net: Any, path: Path) -> AddonRef:
    """A network of the tiny UNet's shape (two stages of one layer) under the names of the original repository."""
    tensors = {f"control_model.{_original(name)}": tensor.contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, path)
    return AddonRef(str(path), path.stem, "controlnet", str(path))


_STEMS = (
    ("time_embedding.linear_1.", "time_embed.0."),
    ("time_embedding.linear_2.", "time_embed.2."),
    ("controlnet_cond_embedding.conv_in.", "input_hint_block.0."),
    ("controlnet_cond_embedding.conv_out.", "input_hint_block.14."),
    ("controlnet_mid_block.", "middle_block_out.0."),
    ("mid_block.resnets.0.", "middle_block.0."),
    ("mid_block.attentions.0.", "middle_block.1."),
    ("mid_block.resnets.1.", "middle_block.2."),
    ("down_blocks.0.resnets.0.", "input_blocks.1.0."),
    ("down_blocks.0.downsamplers.0.conv.", "input_blocks.2.0.op."),
    ("down_blocks.1.resnets.0.", "input_blocks.3.0."),
    ("down_blocks.1.attentions.0.", "input_blocks.3.1."),
    ("conv_in.", "input_blocks.0.0."),
)
_LAYERS = (
    (".norm1.", ".in_layers.0."),
    (".conv1.", ".in_layers.2."),
    (".time_emb_proj.", ".emb_layers.1."),
    (".norm2.", ".out_layers.0."),
    (".conv2.", ".out_layers.3."),
    (".conv_shortcut.", ".skip_connection."),
)


def _original(name: str) -> str:
    if found := re.match(r"controlnet_cond_embedding\.blocks\.(\d+)\.(.*)", name):
        return f"input_hint_block.{2 * int(found[1]) + 2}.{found[2]}"
    if found := re.match(r"controlnet_down_blocks\.(\d+)\.(.*)", name):
        return f"zero_convs.{found[1]}.0.{found[2]}"
    for ours, theirs in _STEMS:
        if name.startswith(ours):
            rest = "." + name.removeprefix(ours)
            if "resnets" in ours:
                for layer, original in _LAYERS:
                    rest = rest.replace(layer, original)
            return theirs + rest[1:]
    raise ValueError(name)


def lines(path: Path, size: tuple[int, int] = (64, 64), across: bool = False) -> Path:
    """A map: two white bars on black."""
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    for place in (0.25, 0.7):
        if across:
            draw.rectangle((0, int(size[1] * place), size[0], int(size[1] * place) + 5), fill="white")
        else:
            draw.rectangle((int(size[0] * place), 0, int(size[0] * place) + 5, size[1]), fill="white")
    image.save(path)
    return path


def _unet(pipe: Any, union: bool) -> Any:
    widths = (8, 8, 16)  # the tiny autoencoders have four pixels a latent
    if not union:
        return diffusers.ControlNetModel.from_unet(pipe.unet, conditioning_embedding_out_channels=widths)
    config = {**pipe.unet.config, "num_control_type": 6, "num_trans_channel": 8, "num_trans_head": 2,
              "num_proj_channel": 8, "conditioning_embedding_out_channels": widths}  # fmt: skip
    return diffusers.ControlNetUnionModel.from_config(config)


def _flux(pipe: Any, union: bool) -> Any:
    config = {**pipe.transformer.config, "num_layers": 1, "num_single_layers": 1, "num_mode": 7 if union else None}
    return diffusers.FluxControlNetModel.from_config(config)


def _sd3(pipe: Any, union: bool) -> Any:
    config = {**pipe.transformer.config, "num_layers": 1, "extra_conditioning_channels": 0}
    return diffusers.SD3ControlNetModel.from_config(config)


def _qwen(pipe: Any, union: bool) -> Any:
    config = {**pipe.transformer.config, "num_layers": 1, "extra_condition_channels": 0}
    return diffusers.QwenImageControlNetModel.from_config(config)


def _z_image(pipe: Any, union: bool) -> Any:
    config = pipe.transformer.config
    return diffusers.ZImageControlNetModel(
        control_layers_places=[0],
        control_in_dim=4,
        dim=config.dim,
        n_refiner_layers=config.n_refiner_layers,
        n_heads=config.n_heads,
        n_kv_heads=config.n_kv_heads,
    )


_BUILDERS = {"sd": _unet, "sdxl": _unet, "flux": _flux, "sd3": _sd3, "qwen_image": _qwen, "z_image": _z_image}
