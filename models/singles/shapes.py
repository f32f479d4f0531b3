"""Configurations of components, worked out from the shapes of their tensors.

What shapes tell is taken from them (widths, depths, channels), so that pruned and shrunken models come out right; what
they do not tell (the number of attention heads, groups of a normalisation) is as every model of the family has it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from models.headers import Tensor
from models.recognise.finding import last

Tensors = Mapping[str, Tensor]
Config = dict[str, Any]

HEAD = 64
"""Channels of one attention head in all of these models but SD 1, which has eight heads everywhere."""


class ShapeError(Exception):
    """The tensors do not make up the component they were taken for; the text names what is missing."""


class _Level:
    """One resolution of a UNet: its channels, and for each layer how many transformer blocks follow it."""

    def __init__(self) -> None:
        self.channels = 0
        self.depths: list[int] = []

    @property
    def depth(self) -> int | list[int]:
        """As diffusers writes it: one number if all layers are alike; 1 where there is no attention at all."""
        alike = len(set(self.depths)) == 1
        return (self.depths[0] or 1) if alike else self.depths


def unet(tensors: Tensors, eight_heads: bool) -> Config:
    """The configuration of a UNet in either layout (LDM's ``input_blocks`` or diffusers' ``down_blocks``).

    Raises:
        ShapeError: blocks are missing.
    """
    is_ldm = "input_blocks.0.0.weight" in tensors
    down, up, mid = _ldm_blocks(tensors) if is_ldm else _diffusers_blocks(tensors)
    if not down or not up or not all(level.channels and level.depths for level in (*down, *up)):
        raise ShapeError("the UNet's blocks are not complete")
    first = _shape(tensors, "input_blocks.0.0.weight" if is_ldm else "conv_in.weight", 4)
    last = _shape(tensors, "out.2.weight" if is_ldm else "conv_out.weight", 4)
    channels = [level.channels for level in down]
    config: Config = {
        "_class_name": "UNet2DConditionModel",
        "in_channels": first[1],
        "out_channels": last[0],
        "block_out_channels": channels,
        "layers_per_block": _one([len(level.depths) for level in down]),
        "down_block_types": ["CrossAttnDownBlock2D" if any(level.depths) else "DownBlock2D" for level in down],
        "up_block_types": ["CrossAttnUpBlock2D" if any(level.depths) else "UpBlock2D" for level in up],
        "attention_head_dim": 8 if eight_heads else [max(width // HEAD, 1) for width in channels],
        "cross_attention_dim": _cross_attention(tensors),
        "use_linear_projection": _is_linear(tensors),
        **_depths(down, up),
        **_conditions(tensors, is_ldm),
    }
    if mid is not None and not mid:
        config["mid_block_type"] = "UNetMidBlock2D"
    elif mid is None:
        config["mid_block_type"] = None
    return config


def _depths(down: list[_Level], up: list[_Level]) -> Config:
    going_down, going_up = [level.depth for level in down], [level.depth for level in up]
    if all(depth == 1 for depth in (*going_down, *going_up)):
        return {}
    # A level without attention takes any number; what matters is whether the way up mirrors the way down.
    mirrored = [level.depth for level in reversed(down)]
    same = all(_alike(one, other) for one, other in zip(mirrored, up, strict=False))
    config: Config = {"transformer_layers_per_block": going_down}
    return config if same else {**config, "reverse_transformer_layers_per_block": going_up}


def _alike(depth: int | list[int], level: _Level) -> bool:
    return depth == level.depth if not isinstance(depth, list) else False


def _ldm_blocks(tensors: Tensors) -> tuple[list[_Level], list[_Level], int | None]:
    depths = _transformer_blocks(tensors, re.compile(r"((?:input|output)_blocks\.\d{1,6}|middle_block)\.1\."))
    down, up = [_Level()], [_Level()]
    for number in range(1, _count(tensors, re.compile(r"input_blocks\.(\d{1,6})\."))):
        name = f"input_blocks.{number}"
        if f"{name}.0.op.weight" in tensors:
            down.append(_Level())
        else:
            _layer(down[-1], tensors, f"{name}.0.out_layers.3.weight", depths[name])
    for number in range(_count(tensors, re.compile(r"output_blocks\.(\d{1,6})\."))):
        name = f"output_blocks.{number}"
        _layer(up[-1], tensors, f"{name}.0.out_layers.3.weight", depths[name])
        if f"{name}.1.conv.weight" in tensors or f"{name}.2.conv.weight" in tensors:
            up.append(_Level())
    mid = depths["middle_block"] if "middle_block.0.in_layers.2.weight" in tensors else None
    return down, up, mid


def _diffusers_blocks(tensors: Tensors) -> tuple[list[_Level], list[_Level], int | None]:
    depths = _transformer_blocks(tensors, re.compile(r"((?:down|up)_blocks\.\d{1,6}\.attentions\.\d{1,6}|mid_block)\."))
    sides: list[list[_Level]] = []
    for side in ("down_blocks", "up_blocks"):
        levels = []
        for number in range(_count(tensors, re.compile(rf"{side}\.(\d{{1,6}})\."))):
            level = _Level()
            for layer in range(_count(tensors, re.compile(rf"{side}\.{number}\.resnets\.(\d{{1,6}})\."))):
                block = f"{side}.{number}"
                name = f"{block}.resnets.{layer}.conv2.weight"
                _layer(level, tensors, name, depths[f"{block}.attentions.{layer}"])
            levels.append(level)
        sides.append(levels)
    mid = depths["mid_block"] if "mid_block.resnets.0.conv1.weight" in tensors else None
    return sides[0], sides[1], mid


def _layer(level: _Level, tensors: Tensors, name: str, depth: int) -> None:
    level.channels = _shape(tensors, name, 4)[0]
    level.depths.append(depth)


def _transformer_blocks(tensors: Tensors, place: re.Pattern[str]) -> defaultdict[str, int]:
    """How many transformer blocks each place has."""
    found: defaultdict[str, int] = defaultdict(int)
    block = re.compile(r"transformer_blocks\.(\d{1,6})\.")
    for name in tensors:
        at, number = place.match(name), block.search(name)
        if at and number:
            found[at[1]] = max(found[at[1]], int(number[1]) + 1)
    return found


def _cross_attention(tensors: Tensors) -> int:
    return last(tensors, "attn2.to_k.weight") or 1280


def _is_linear(tensors: Tensors) -> bool:
    """SD 2 and SDXL project into attention by matrices, SD 1 by convolutions of one pixel."""
    dimensions = (len(tensor.shape) for name, tensor in tensors.items() if name.endswith(".proj_in.weight"))
    return next(dimensions, 4) == 2


def _conditions(tensors: Tensors, is_ldm: bool) -> Config:
    """What is given beside the words: size and crop in SDXL."""
    name = "label_emb.0.0.weight" if is_ldm else "add_embedding.linear_1.weight"
    if name not in tensors:
        return {}
    return {"addition_embed_type": "text_time", "projection_class_embeddings_input_dim": _shape(tensors, name, 2)[1]}


def vae(tensors: Tensors) -> Config:
    """The configuration of an ``AutoencoderKL`` in either layout.

    Raises:
        ShapeError: blocks are missing.
    """
    is_ldm = any(name.startswith("encoder.down.") for name in tensors)
    block = "encoder.down.{}.block.{}.conv1.weight" if is_ldm else "encoder.down_blocks.{}.resnets.{}.conv1.weight"
    counted = r"encoder\.down\.(\d{1,6})\." if is_ldm else r"encoder\.down_blocks\.(\d{1,6})\."
    levels = _count(tensors, re.compile(counted))
    if not levels:
        raise ShapeError("the autoencoder has no blocks")
    widths = [_shape(tensors, block.format(level, 0), 4)[0] for level in range(levels)]
    layers = sum(block.format(0, layer) in tensors for layer in range(16))
    config: Config = {
        "_class_name": "AutoencoderKL",
        "in_channels": _shape(tensors, "encoder.conv_in.weight", 4)[1],
        "out_channels": _shape(tensors, "decoder.conv_out.weight", 4)[0],
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "block_out_channels": widths,
        "layers_per_block": layers,
        "latent_channels": _shape(tensors, "decoder.conv_in.weight", 4)[1],
    }
    for name in ("quant_conv", "post_quant_conv"):
        if f"{name}.weight" not in tensors:
            config[f"use_{name}"] = False
    return config


def clip_text(tensors: Tensors, open_clip: bool) -> Config:
    """The configuration of a CLIP text encoder in transformers' layout ("text_model.encoder.layers...") or open_clip's
    ("transformer.resblocks..."); ``num_hidden_layers`` counts all that are there.

    Raises:
        ShapeError: its embeddings or layers are missing.
    """
    stem = "" if open_clip or "text_model.embeddings.token_embedding.weight" not in tensors else "text_model."
    words = "token_embedding.weight" if open_clip else f"{stem}embeddings.token_embedding.weight"
    places = "positional_embedding" if open_clip else f"{stem}embeddings.position_embedding.weight"
    layer = "transformer.resblocks" if open_clip else f"{stem}encoder.layers"
    inner = f"{layer}.0.mlp.{'c_fc' if open_clip else 'fc1'}.weight"
    vocabulary, width = _shape(tensors, words, 2)
    layers = _count(tensors, re.compile(re.escape(layer) + r"\.(\d{1,6})\."))
    projection = tensors.get("text_projection" if open_clip else "text_projection.weight")
    return {
        "architectures": ["CLIPTextModelWithProjection" if projection else "CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": _shape(tensors, inner, 2)[0],
        "num_hidden_layers": layers,
        "num_attention_heads": max(width // HEAD, 1),
        "max_position_embeddings": _shape(tensors, places, 2)[0],
        "hidden_act": "gelu" if open_clip else "quick_gelu",
        "layer_norm_eps": 1e-05,
        "projection_dim": projection.shape[-1 if open_clip else 0] if projection and projection.shape else width,
        "bos_token_id": 49406,
        "eos_token_id": 49407,
        "pad_token_id": 1,
    }


def _one(numbers: list[int]) -> int | list[int]:
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _count(tensors: Tensors, pattern: re.Pattern[str]) -> int:
    """One more than the highest number that ``pattern`` finds; 0 if none is there or one is absurd."""
    highest = max((int(found[1]) for name in tensors if (found := pattern.match(name))), default=-1)
    return highest + 1 if highest < 1000 else 0


def _shape(tensors: Tensors, name: str, dimensions: int) -> tuple[int, ...]:
    tensor = tensors.get(name)
    if tensor is None or len(tensor.shape) != dimensions:
        raise ShapeError(f"{name} is missing or of another kind")
    return tensor.shape
