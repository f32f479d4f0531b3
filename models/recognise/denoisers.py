"""Denoisers by the tensors that only they have, and whole checkpoints by what comes with one.

Names are those of the original repositories ("original", "ldm") and of diffusers 0.42; which belong to whom was looked
up in diffusers' ``single_file_utils`` and in its model classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from models.recognise.finding import Finding, Tensors, last, side, under
from models.recognise.kinds import FileKind

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.", "transformer.", "net.", "unet.", "")
"""What the names of a denoiser's tensors begin with, by program that wrote the file."""
ENCODERS = ("cond_stage_model.", "conditioner.embedders.", "text_encoders.")
AUTOENCODERS = ("first_stage_model.", "vae.")

_FOREIGN = (".quant_state.bitsandbytes", ".scale_weight", ".weight_scale", "scaled_fp8", ".qweight", ".wscales")
"""Tensors that only files have which were packed for a reader of another program."""

Variant = Callable[[Tensors], str]


class Mark(NamedTuple):
    """``names`` that together mean ``family``; ``variant`` tells its versions apart."""

    family: str
    layout: str
    names: tuple[str, ...]
    variant: Variant = lambda _: ""


def _flux(tensors: Tensors) -> str:
    inputs = side(tensors, "img_in.weight", 1) or side(tensors, "x_embedder.weight", 1)
    if inputs == 384:
        return "fill"
    if inputs == 128:
        return "control"
    guided = any(name.startswith(("guidance_in.", "time_text_embed.guidance_embedder.")) for name in tensors)
    return "" if guided else "schnell"


def _cascade(tensors: Tensors) -> str:
    return "decoder" if any(name.startswith("effnet_mapper.") for name in tensors) else "prior"


def _wan(tensors: Tensors) -> str:
    if any(name.startswith(("vace_blocks.", "motion_encoder.")) for name in tensors):
        return "control"
    return "image-to-video" if side(tensors, "patch_embedding.weight", 1) == 36 else ""


def _layered(tensors: Tensors) -> str:
    return "layered" if "time_text_embed.addition_t_embedding.weight" in tensors else ""


MARKS: tuple[Mark, ...] = (
    Mark("chroma", "original", ("distilled_guidance_layer.in_proj.weight", "double_blocks.0.img_attn.qkv.weight")),
    Mark("chroma", "diffusers", ("distilled_guidance_layer.in_proj.weight", "transformer_blocks.0.attn.to_q.weight")),
    Mark("flux3", "original", ("early_stream_modulations.image.lin.weight",)),
    Mark("flux3", "diffusers", ("early_stream_modulations.image.linear.weight",)),
    Mark("flux2", "original", ("double_stream_modulation_img.lin.weight", "img_in.weight")),
    Mark("flux2", "diffusers", ("double_stream_modulation_img.linear.weight", "x_embedder.weight")),
    Mark("hidream", "original", ("double_stream_blocks.0.block.adaLN_modulation.1.weight",)),
    Mark("hunyuan-image", "original", ("txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.weight",)),
    Mark("hunyuan-image", "diffusers", ("context_embedder.token_refiner.refiner_blocks.0.attn.to_q.weight",)),
    Mark("flux1", "original", ("double_blocks.0.img_attn.qkv.weight", "single_blocks.0.linear1.weight"), _flux),
    Mark("ovis", "diffusers", ("single_transformer_blocks.0.proj_mlp.weight", "context_embedder_norm.weight")),
    Mark(
        "flux1",
        "diffusers",
        ("single_transformer_blocks.0.proj_mlp.weight", "time_text_embed.text_embedder.linear_1.weight"),
        _flux,
    ),
    Mark(
        "bria",
        "diffusers",
        ("single_transformer_blocks.0.proj_mlp.weight", "time_embed.timestep_embedder.linear_1.weight"),
    ),
    Mark("sd35-medium", "original", ("joint_blocks.0.x_block.attn2.qkv.weight",)),
    Mark("sd35-large", "original", ("joint_blocks.0.x_block.attn.ln_q.weight",)),
    Mark("sd3-medium", "original", ("joint_blocks.0.context_block.adaLN_modulation.1.weight",)),
    Mark("sd35-medium", "diffusers", ("transformer_blocks.0.attn2.to_q.weight", "pos_embed.pos_embed")),
    Mark(
        "sd35-large",
        "diffusers",
        (
            "transformer_blocks.0.attn.add_q_proj.weight",
            "transformer_blocks.0.attn.norm_q.weight",
            "pos_embed.pos_embed",
        ),
    ),
    Mark("sd3-medium", "diffusers", ("transformer_blocks.0.attn.add_q_proj.weight", "pos_embed.pos_embed")),
    Mark("auraflow", "original", ("double_layers.0.attn.w1q.weight", "cond_seq_linear.weight")),
    Mark("auraflow", "diffusers", ("joint_transformer_blocks.0.attn.add_q_proj.weight", "register_tokens")),
    Mark("qwen-image-21", "diffusers", ("txt_in.text_norm.weight", "transformer_blocks.0.attn.to_q.weight")),
    Mark("qwen-image", "diffusers", ("transformer_blocks.0.img_mod.1.weight", "txt_norm.weight"), _layered),
    Mark("z-image", "diffusers", ("all_x_embedder.2-1.weight", "cap_embedder.0.weight")),
    Mark("z-image", "original", ("cap_embedder.0.weight", "layers.0.adaLN_modulation.0.weight")),
    Mark("lumina2", "original", ("cap_embedder.0.weight", "layers.0.adaLN_modulation.1.weight")),
    Mark("lumina2", "diffusers", ("time_caption_embed.caption_embedder.0.weight", "x_embedder.weight")),
    Mark("sana", "original", ("blocks.0.mlp.inverted_conv.conv.weight", "y_embedder.y_proj.fc1.weight")),
    Mark("sana", "diffusers", ("transformer_blocks.0.ff.conv_inverted.weight", "patch_embed.proj.weight")),
    Mark("pixart", "original", ("blocks.0.cross_attn.q_linear.weight", "y_embedder.y_proj.fc1.weight")),
    Mark("pixart", "diffusers", ("adaln_single.linear.weight", "pos_embed.proj.weight")),
    Mark("wan", "original", ("head.modulation", "blocks.0.self_attn.q.weight"), _wan),
    Mark("wan", "diffusers", ("condition_embedder.time_proj.weight", "blocks.0.attn1.to_q.weight"), _wan),
    Mark("krea2", "original", ("txtfusion.projector.weight",)),
    Mark("krea2", "diffusers", ("text_fusion.projector.weight",)),
    Mark("ideogram4", "diffusers", ("llm_cond_proj.weight", "llm_cond_norm.weight")),
    Mark("glm-image", "diffusers", ("glyph_projector.net.0.proj.weight",)),
    Mark("ernie-image", "diffusers", ("text_proj.weight", "layers.0.adaLN_sa_ln.weight")),
    Mark("omnigen", "original", ("input_x_embedder.proj.weight", "llm.layers.0.self_attn.qkv_proj.weight")),
    Mark("kandinsky", "diffusers", ("visual_transformer_blocks.0.self_attention.to_query.weight",)),
    Mark("cascade", "original", ("clip_txt_mapper.weight",), _cascade),
    Mark("cascade", "diffusers", ("clip_txt_pooled_mapper.weight",), _cascade),
    Mark("cascade", "original", ("effnet_mapper.0.weight", "down_blocks.0.0.channelwise.0.weight"), _cascade),
)

_LDM_UNET = ("input_blocks.0.0.weight", "out.2.weight", "time_embed.0.weight")
_DIFFUSERS_UNET = ("conv_in.weight", "conv_out.weight", "time_embedding.linear_1.weight")
_KLEIN = {3072: "flux2-klein-4b", 4096: "flux2-klein-9b"}
_BY_TEXT = {3584: "longcat", 2048: "ovis"}
"""FLUX-like families by the width of their words, where the tensors' names are the same."""


def find(tensors: Tensors) -> Finding | None:
    """The denoiser among ``tensors``, as a checkpoint when text encoder or autoencoder are with it; None if there is
    none."""
    for prefix, inner in _candidates(tensors):
        found = _transformer(inner) or _unet(tensors, inner)
        if found is not None:
            family, variant, layout = found
            with_more = any(name.startswith((*ENCODERS, *AUTOENCODERS)) for name in tensors)
            kind = FileKind.CHECKPOINT if with_more else FileKind.DENOISER
            warnings = ("packed",) if any(mark in name for name in inner for mark in _FOREIGN) else ()
            return Finding(kind, family, variant, len(inner), prefix, layout, warnings)
    return None


def _candidates(tensors: Tensors) -> Iterator[tuple[str, Tensors]]:
    for prefix in PREFIXES:
        if not prefix:
            yield prefix, tensors
        elif any(name.startswith(prefix) for name in tensors):
            yield prefix, under(tensors, prefix)


def _transformer(tensors: Tensors) -> tuple[str, str, str] | None:
    for mark in MARKS:
        if all(name in tensors for name in mark.names):
            family = _refined(mark.family, tensors)
            return family, mark.variant(tensors) if family == mark.family else "", mark.layout
    return None


def _refined(family: str, tensors: Tensors) -> str:
    """Families that only widths tell apart."""
    if family == "flux2":
        width = side(tensors, "img_in.weight", 0) or side(tensors, "x_embedder.weight", 0)
        return _KLEIN.get(width, family)
    if family == "flux1":
        return _BY_TEXT.get(side(tensors, "txt_in.weight", 1), family)
    if family == "bria":
        return _BY_TEXT.get(side(tensors, "context_embedder.weight", 1), family)
    return family


# -- UNets ------------------------------------------------------------------------------------------------------------


def _unet(whole: Tensors, tensors: Tensors) -> tuple[str, str, str] | None:
    if all(name in tensors for name in _LDM_UNET):
        layout, first = "ldm", "input_blocks.0.0.weight"
    elif all(name in tensors for name in _DIFFUSERS_UNET) and "up_blocks.0.resnets.0.conv1.weight" in tensors:
        layout, first = "diffusers", "conv_in.weight"
    else:
        return None
    if any(".time_stack." in name or "motion_modules" in name or "temporal_transformer" in name for name in tensors):
        return "", "video", layout
    return _unet_family(whole, tensors, layout), _unet_variant(whole, tensors, first), layout


def _unet_family(whole: Tensors, tensors: Tensors, layout: str) -> str:
    if "edm_mean" in whole:
        return "playground"
    if "encoder_hid_proj.weight" in tensors:
        return "kolors"
    if "add_embedding.image_norm.weight" in tensors:
        return "kandinsky"
    words = last(tensors, "attn2.to_k.weight")
    facts = side(tensors, "label_emb.0.0.weight", 1) or side(tensors, "add_embedding.linear_1.weight", 1)
    if words == 1024:
        return "sd2"
    if facts:
        known = {2816: "sdxl", 2560: "sdxl-refiner", 5632: "kolors"}
        refiner = any(name.startswith("conditioner.embedders.0.model.") for name in whole)
        return known.get(facts, "sdxl-refiner" if refiner or words == 1280 else "sdxl")
    return "sd2" if words != 768 and _projects_by_matrix(tensors) else "sd15"


def _projects_by_matrix(tensors: Tensors) -> bool:
    return any(name.endswith(".proj_in.weight") and len(t.shape) == 2 for name, t in tensors.items())


def _unet_variant(whole: Tensors, tensors: Tensors, first: str) -> str:
    if side(tensors, "label_emb.weight", 0) or side(tensors, "class_embedding.weight", 0):
        return "upscale"
    by_inputs = {9: "inpaint", 8: "edit", 5: "depth"}
    if (inputs := side(tensors, first, 1)) in by_inputs:
        return by_inputs[inputs]
    if any(name in whole for name in ("v_pred", "model.v_pred", "edm_vpred.sigma_max")):
        return "v-prediction"
    return "lcm" if "time_embedding.cond_proj.weight" in tensors else ""
