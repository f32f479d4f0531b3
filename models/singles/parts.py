"""The components of a skeleton: what each is made of and where its weights lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from models.headers import GGML_TYPES, Tensor
from models.recognise.finding import under
from models.singles import shapes
from models.singles.shapes import Config
from models.singles.templates import Encoder, Template
from models.skeleton import Slice

Tensors = Mapping[str, Tensor]
PLAIN = ("hf", "open_clip")
"""Layouts of text encoders, which are unpacked when they are loaded."""
VAE_PLACES = ("first_stage_model.", "vae.")


class Component(msgspec.Struct, frozen=True):
    """One component: as ``model_index.json`` names it, its configuration, and its weights."""

    name: str
    library: str
    class_name: str
    config: Config
    slice: Slice


def slice_of(tensors: Tensors, prefix: str, layout: str) -> Slice:
    """The weights of ``tensors`` (names without ``prefix``), counted as ``folders.Part`` does."""
    packed = {name for name, block, _ in GGML_TYPES.values() if block > 1}
    by_dtype: dict[str, int] = {}
    leaves: dict[str, int] = {}
    for name, tensor in tensors.items():
        leaf = name.rpartition(".")[0]
        by_dtype[tensor.dtype] = by_dtype.get(tensor.dtype, 0) + tensor.size_bytes
        leaves[leaf] = leaves.get(leaf, 0) + tensor.count
    return Slice(
        prefix=prefix,
        layout=layout,
        parameters=sum(tensor.count for tensor in tensors.values()),
        stored_dtype=max(by_dtype, key=lambda dtype: by_dtype[dtype], default=""),
        largest_leaf=max(leaves.values(), default=0),
        size_bytes=sum(tensor.size_bytes for tensor in tensors.values()),
        quantization="gguf" if layout not in PLAIN and any(dtype in packed for dtype in by_dtype) else "",
    )


def unet(tensors: Tensors, prefix: str, layout: str, template: Template, side: int) -> Component:
    """The UNet under ``prefix``, for pictures of ``side`` pixels; raises ShapeError."""
    own = under(tensors, prefix)
    config = {**shapes.unet(own, template.eight_heads), **template.unet}
    config["sample_size"] = max(side // 8, 1)
    return Component("unet", "diffusers", "UNet2DConditionModel", config, slice_of(own, prefix, layout))


def vae(tensors: Tensors, settings: Mapping[str, Any], side: int) -> Component | None:
    """The autoencoder, None if the file holds none; raises ShapeError."""
    for prefix in VAE_PLACES:
        own = under(tensors, prefix)
        if "decoder.conv_in.weight" in own and "encoder.conv_in.weight" in own:
            config = {**shapes.vae(own), **settings, "sample_size": side}
            layout = "ldm" if any(name.startswith("encoder.down.") for name in own) else "diffusers"
            return Component("vae", "diffusers", "AutoencoderKL", config, slice_of(own, prefix, layout))
    return None


def text_encoder(tensors: Tensors, encoder: Encoder) -> Component | None:
    """A CLIP text encoder, None if the file does not hold it; raises ShapeError."""
    for prefix, layout in encoder.places:
        own = under(tensors, prefix)
        if own:
            config = shapes.clip_text(own, layout == "open_clip")
            config["num_hidden_layers"] = max(config["num_hidden_layers"] - encoder.skip, 1)
            config["architectures"] = [encoder.class_name]
            return Component(encoder.name, "transformers", encoder.class_name, config, slice_of(own, prefix, layout))
    return None


def with_time_facts(unet: Component, pooled: int, facts: int) -> Component:
    """SDXL's UNet takes ``pooled`` numbers of the words and ``facts`` others (sizes, crops), each widened alike."""
    width = unet.config.get("projection_class_embeddings_input_dim", 0)
    if not facts or not width:
        return unet
    each = max((width - pooled) // facts, 1)
    return msgspec.structs.replace(unet, config={**unet.config, "addition_time_embed_dim": each})
