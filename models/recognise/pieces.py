"""Parts and add-ons other than LoRAs: autoencoders, text encoders, ControlNets, IP-Adapters, embeddings."""

from __future__ import annotations

import re

from models.recognise.finding import Finding, Tensors, last, side, under
from models.recognise.kinds import FileKind

_BY_WORDS = {768: "sd15", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"}
UNVERIFIED = ("unverified_family",)


def find(tensors: Tensors) -> Finding | None:
    """Which part of a model ``tensors`` are, None if they are something else."""
    for way in (embedding, ip_adapter, controlnet, vae, text_encoder):
        if found := way(tensors):
            return found
    return None


# -- embeddings -------------------------------------------------------------------------------------------------------

_EMBEDDING_WIDTHS = {768: "sd15", 1024: "sd2", 1280: "sdxl"}
_MOST_VECTORS = 512


def embedding(tensors: Tensors) -> Finding | None:
    """A textual inversion: a few vectors as wide as a text encoder's."""
    vectors = {
        name: t for name, t in tensors.items() if not name.startswith(("string_to_token", "name", "step", "sd_"))
    }
    if not 0 < len(vectors) <= 4 or any(not 1 <= len(t.shape) <= 2 for t in vectors.values()):
        return None
    if any((t.shape[0] if len(t.shape) == 2 else 1) > _MOST_VECTORS for t in vectors.values()):
        return None
    if {"clip_l", "clip_g"} <= vectors.keys():
        return Finding(FileKind.EMBEDDING, "sd3-medium" if "t5xxl" in vectors else "sdxl", layers=len(vectors))
    widths = {t.shape[-1] for t in vectors.values()}
    named = any(name in ("emb_params", "*") or name.startswith(("string_to_param.", "<")) for name in vectors)
    family = _EMBEDDING_WIDTHS.get(next(iter(widths)), "")
    if len(widths) > 1 or not (family or named) or (len(vectors) > 1 and not named):
        return None
    return Finding(FileKind.EMBEDDING, family, layers=len(vectors))


# -- IP-Adapters ------------------------------------------------------------------------------------------------------


def ip_adapter(tensors: Tensors) -> Finding | None:
    if any("ip_adapter_double_stream_k_proj" in name for name in tensors):
        return Finding(FileKind.IP_ADAPTER, "flux1", layers=len(tensors))
    keys = [name for name in tensors if name.startswith("ip_adapter.") and name.endswith("to_k_ip.weight")]
    if not keys or not any(name.startswith("image_proj.") for name in tensors):
        return None
    family = _BY_WORDS.get(side(tensors, keys[0], -1), "")
    if (
        any(name.startswith("image_proj.perceiver_resampler.") for name in tensors)
        or "image_proj.proj.2.weight" in tensors
    ):
        variant = "faceid"
    elif "image_proj.latents" in tensors:
        variant = "plus"
    else:
        variant = "full" if "image_proj.proj.3.weight" in tensors else ""
    return Finding(FileKind.IP_ADAPTER, family, variant, len(keys), warnings=() if family else UNVERIFIED)


# -- ControlNets ------------------------------------------------------------------------------------------------------


def controlnet(tensors: Tensors) -> Finding | None:
    inner = under(tensors, "control_model.") or tensors
    if "input_hint_block.0.weight" in inner and "input_blocks.0.0.weight" in inner:
        variant = "control-lora" if "lora_controlnet" in tensors else _union(inner)
        return Finding(FileKind.CONTROLNET, _unet_family(inner), variant, len(inner))
    if "input_hint_block.0.weight" in inner and "double_blocks.0.img_attn.qkv.weight" in inner:
        return Finding(FileKind.CONTROLNET, "flux1", "", len(inner))
    if "controlnet_cond_embedding.conv_in.weight" in tensors and "controlnet_down_blocks.0.weight" in tensors:
        return Finding(FileKind.CONTROLNET, _unet_family(tensors), _union(tensors), len(tensors))
    if "controlnet_blocks.0.weight" in tensors:
        return Finding(FileKind.CONTROLNET, _transformer_family(tensors), _union(tensors), len(tensors))
    if any(name.startswith(("control_layers.0.", "control_all_x_embedder.")) for name in tensors):
        return Finding(FileKind.CONTROLNET, "z-image", "union", len(tensors))
    return _t2i_adapter(tensors)


def _unet_family(tensors: Tensors) -> str:
    width = last(tensors, "attn2.to_k.weight")
    if width:
        return _BY_WORDS.get(width, "")  # a model of somebody's own
    # SDXL's small ControlNets have no attention, and LoRA-like ones no whole matrices: what goes with time tells.
    xl = any(name.startswith(("label_emb.", "add_embedding.")) for name in tensors)
    return "sdxl" if xl else "sd15"


def _union(tensors: Tensors) -> str:
    marks = ("task_embedding", "controlnet_mode_embedder.weight", "control_add_embedding.linear_1.weight")
    return "union" if any(name in tensors for name in marks) else ""


def _transformer_family(tensors: Tensors) -> str:
    if "transformer_blocks.0.img_mod.1.weight" in tensors:
        return "qwen-image"
    if any(name.startswith("pos_embed") for name in tensors) and "double_blocks.0.img_attn.qkv.weight" not in tensors:
        width = side(tensors, "pos_embed.proj.weight", 0) or side(tensors, "pos_embed_input.proj.weight", 0)
        return "sd35-large" if width == 2432 else "sd3-medium"
    return "flux1"


def _t2i_adapter(tensors: Tensors) -> Finding | None:
    inner = under(tensors, "adapter.") or tensors
    if "body.0.resnets.0.block1.weight" not in inner and "body.0.block1.weight" not in inner:
        return None
    inputs = side(inner, "conv_in.weight", 1)
    return Finding(FileKind.CONTROLNET, "sdxl" if inputs == 768 else "sd15", "t2i-adapter", len(inner))


# -- autoencoders -----------------------------------------------------------------------------------------------------


def vae(tensors: Tensors) -> Finding | None:
    for prefix in ("first_stage_model.", "vae.", ""):
        inner = under(tensors, prefix)
        if found := _vae(inner):
            return found
    return None


def _vae(tensors: Tensors) -> Finding | None:
    if "decoder.layers.0.weight" in tensors and "decoder.layers.2.conv.0.weight" in tensors:
        return _of_channels(side(tensors, "decoder.layers.0.weight", 1), "taesd", len(tensors))
    if "decoder.middle.0.residual.0.gamma" in tensors or "decoder.mid_block.resnets.0.norm1.gamma" in tensors:
        return _video_vae(tensors)
    if any(name.startswith("decoder.stages.0.") for name in tensors):
        return Finding(FileKind.VAE, "sana", layers=len(tensors))
    if "decoder.conv_in.weight" in tensors and "decoder.conv_out.weight" in tensors:
        channels = side(tensors, "decoder.conv_in.weight", 1)
        if any(name.startswith(("encoder.down_blocks.0.0.", "decoder.up_blocks.0.0.")) for name in tensors):
            return Finding(FileKind.VAE, "sana", layers=len(tensors))
        variant = "decoder" if "encoder.conv_in.weight" not in tensors else ""
        if "bn.running_mean" in tensors:
            return Finding(FileKind.VAE, "flux2", variant, len(tensors))
        return _of_channels(channels, variant, len(tensors))
    return _tiny_half(tensors)


def _video_vae(tensors: Tensors) -> Finding:
    """Qwen-Image and Wan 2.1 share one autoencoder; Qwen-Image 2.1 has another."""
    wide = side(tensors, "decoder.conv_in.weight", 1) or side(tensors, "decoder.conv1.weight", 1)
    if wide == 64:
        return Finding(FileKind.VAE, "qwen-image-21", layers=len(tensors))
    return Finding(FileKind.VAE, "qwen-image", layers=len(tensors), warnings=UNVERIFIED)


def _of_channels(channels: int, variant: str, layers: int) -> Finding | None:
    """SD 1, 2 and XL have four latent channels, SD 3 and FLUX.1 sixteen: a hint, no proof."""
    families = {4: "sd15", 16: "flux1", 32: "flux2"}
    if channels not in families:
        return Finding(FileKind.VAE, "", variant, layers, warnings=UNVERIFIED) if channels else None
    return Finding(FileKind.VAE, families[channels], variant, layers, warnings=UNVERIFIED)


def _tiny_half(tensors: Tensors) -> Finding | None:
    """TAESD's original files: encoder and decoder apart, layers numbered only."""
    for prefix in ("taesd_decoder.", "taesd_encoder.", ""):
        inner = under(tensors, prefix)
        if (
            not inner
            or len(inner) > 200
            or not all(re.fullmatch(r"\d{1,6}\.(conv\.\d{1,6}\.|skip\.)?(weight|bias)", n) for n in inner)
        ):
            continue
        if "3.conv.0.weight" in inner and side(inner, "1.weight", 0) == 64:
            return _of_channels(side(inner, "1.weight", 1), "taesd-decoder", len(inner))
        if "1.conv.0.weight" in inner and side(inner, "0.weight", 1) == 3 and side(inner, "0.weight", 0) == 64:
            last = max(int(name.split(".")[0]) for name in inner)
            return _of_channels(side(inner, f"{last}.weight", 0), "taesd-encoder", len(inner))
    return None


# -- text encoders ----------------------------------------------------------------------------------------------------

_CLIPS = {768: "clip-l", 1024: "clip-h", 1280: "clip-g"}
_T5 = {4096: "t5-xxl", 2048: "t5-xl", 1024: "t5-large", 768: "t5-base"}
_LLMS = {
    (3584, False): "qwen2.5-vl-7b",
    (2560, True): "qwen3-4b",
    (4096, True): "qwen3-8b",
    (4096, False): "llama-8b",
    (2048, False): "qwen2.5-vl-3b",
    (2304, False): "gemma2-2b",
    (5120, False): "mistral-24b",
}


def text_encoder(tensors: Tensors) -> Finding | None:
    for stem in ("text_model.", ""):
        if (
            f"{stem}encoder.layers.0.mlp.fc1.weight" in tensors
            and f"{stem}embeddings.token_embedding.weight" in tensors
        ):
            width = side(tensors, f"{stem}embeddings.token_embedding.weight", 1)
            return Finding(FileKind.TEXT_ENCODER, "", _CLIPS.get(width, "clip"), len(tensors))
    if "transformer.resblocks.0.attn.in_proj_weight" in tensors and "positional_embedding" in tensors:
        width = side(tensors, "positional_embedding", 1)
        return Finding(FileKind.TEXT_ENCODER, "", _CLIPS.get(width, "clip"), len(tensors))
    if any(name.startswith("vision_model.encoder.layers.0.") for name in tensors):
        return Finding(FileKind.TEXT_ENCODER, "", "clip-vision", len(tensors))
    return _t5(tensors) or _llm(tensors)


def _t5(tensors: Tensors) -> Finding | None:
    if "encoder.block.0.layer.0.SelfAttention.q.weight" in tensors:
        words, width = side(tensors, "shared.weight", 0), side(tensors, "shared.weight", 1)
    elif "enc.blk.0.attn_q.weight" in tensors:  # GGUF
        words, width = side(tensors, "token_embd.weight", 0), side(tensors, "token_embd.weight", 1)
    else:
        return None
    variant = ("u" if words > 200_000 else "") + _T5.get(width, "t5")
    return Finding(FileKind.TEXT_ENCODER, "", "umt5-xxl" if variant == "ut5-xxl" else variant, len(tensors))


def _llm(tensors: Tensors) -> Finding | None:
    for stem in ("model.language_model.", "language_model.model.", "model.", ""):
        embedding = f"{stem}embed_tokens.weight"
        if embedding in tensors and f"{stem}layers.0.self_attn.q_proj.weight" in tensors:
            normed = f"{stem}layers.0.self_attn.q_norm.weight" in tensors
            return Finding(
                FileKind.TEXT_ENCODER, "", _LLMS.get((side(tensors, embedding, 1), normed), "llm"), len(tensors)
            )
    if "token_embd.weight" in tensors and "blk.0.attn_q.weight" in tensors:
        normed = "blk.0.attn_q_norm.weight" in tensors
        width = side(tensors, "token_embd.weight", 1)
        return Finding(FileKind.TEXT_ENCODER, "", _LLMS.get((width, normed), "llm"), len(tensors))
    return None
