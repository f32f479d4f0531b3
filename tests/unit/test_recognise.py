"""Which kind and family weight files are told to be, from names and shapes as real files have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.errors import AtelierError, ErrorCode
from models.recognise import FileKind, Recognised, recognise

Shapes = dict[str, list[int]]


def write(path: Path, shapes: Shapes, metadata: dict[str, str] | None = None, dtype: str = "F16") -> Path:
    """A whole safetensors file of these shapes; its tensors are a hole that takes no room on the disk."""
    width = {"F16": 2, "BF16": 2, "F32": 4, "F8_E4M3": 1, "U8": 1}[dtype]
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        size = width
        for side in shape:
            size *= side
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    data = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(data).to_bytes(8, "little") + data)
        file.truncate(8 + len(data) + end)
    return path


def seen(tmp_path: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> Recognised:
    return recognise(write(tmp_path / "named-to-mislead-flux.safetensors", shapes, metadata))


def under(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


# -- denoisers and checkpoints ----------------------------------------------------------------------------------------


def ldm(words: int, inputs: int = 4, facts: int = 0, linear: bool = False) -> Shapes:
    block = "input_blocks.4.1."
    shapes = {
        "input_blocks.0.0.weight": [320, inputs, 3, 3],
        "time_embed.0.weight": [1280, 320],
        "out.2.weight": [4, 320, 3, 3],
        f"{block}proj_in.weight": [640, 640] if linear else [640, 640, 1, 1],
        f"{block}transformer_blocks.0.attn2.to_k.weight": [640, words],
    }
    return {**shapes, **({"label_emb.0.0.weight": [1280, facts]} if facts else {})}


def diffusers_unet(words: int, inputs: int = 4, facts: int = 0) -> Shapes:
    shapes = {
        "conv_in.weight": [320, inputs, 3, 3],
        "conv_out.weight": [4, 320, 3, 3],
        "time_embedding.linear_1.weight": [1280, 320],
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": [640, words],
        "up_blocks.0.resnets.0.conv1.weight": [1280, 2560, 3, 3],
    }
    return {**shapes, **({"add_embedding.linear_1.weight": [1280, facts]} if facts else {})}


def flux(inputs: int = 64, words: int = 4096, guided: bool = True, width: int = 3072) -> Shapes:
    shapes = {
        "img_in.weight": [width, inputs],
        "txt_in.weight": [width, words],
        "double_blocks.0.img_attn.qkv.weight": [3 * width, width],
        "double_blocks.0.img_attn.norm.key_norm.scale": [128],
        "single_blocks.0.linear1.weight": [7 * width, width],
    }
    return {**shapes, **({"guidance_in.in_layer.weight": [width, 256]} if guided else {})}


def flux2(width: int) -> Shapes:
    return {
        "img_in.weight": [width, 128],
        "double_stream_modulation_img.lin.weight": [6 * width, width],
        "single_stream_modulation.lin.weight": [3 * width, width],
        "double_blocks.0.img_attn.qkv.weight": [3 * width, width],
        "single_blocks.0.linear1.weight": [9 * width, width],
    }


CLIP_L = {"text_model.embeddings.token_embedding.weight": [49408, 768]}
VAE = {
    "encoder.conv_in.weight": [128, 3, 3, 3],
    "decoder.conv_in.weight": [512, 4, 3, 3],
    "decoder.conv_out.weight": [3, 128, 3, 3],
}
BESIDE_1 = {**under("cond_stage_model.transformer.", CLIP_L), **under("first_stage_model.", VAE)}
BESIDE_XL = {
    **under("conditioner.embedders.0.transformer.", CLIP_L),
    "conditioner.embedders.1.model.positional_embedding": [77, 1280],
    **under("first_stage_model.", VAE),
}
UNET = "model.diffusion_model."

SD3 = {
    "joint_blocks.0.context_block.adaLN_modulation.1.weight": [9216, 1536],
    "x_embedder.proj.weight": [1536, 16, 2, 2],
}
LN_Q = {"joint_blocks.0.x_block.attn.ln_q.weight": [64]}
ATTN2 = {"joint_blocks.0.x_block.attn2.qkv.weight": [4608, 1536]}
FLUX_DIFFUSERS = {
    "x_embedder.weight": [3072, 64],
    "context_embedder.weight": [3072, 4096],
    "single_transformer_blocks.0.proj_mlp.weight": [12288, 3072],
    "time_text_embed.text_embedder.linear_1.weight": [3072, 768],
    "time_text_embed.guidance_embedder.linear_1.weight": [3072, 256],
}
CHROMA = {"distilled_guidance_layer.in_proj.weight": [5120, 64]}

DENOISERS: list[tuple[str, Shapes, str, str, str]] = [
    ("sd1.5", {**under(UNET, ldm(768)), **BESIDE_1}, "checkpoint", "sd15", ""),
    ("sd1.5 inpainting", {**under(UNET, ldm(768, 9)), **BESIDE_1}, "checkpoint", "sd15", "inpaint"),
    ("instruct-pix2pix", {**under(UNET, ldm(768, 8)), **BESIDE_1}, "checkpoint", "sd15", "edit"),
    ("sd1.5 v", {**under(UNET, ldm(768)), **BESIDE_1, "v_pred": [0]}, "checkpoint", "sd15", "v-prediction"),
    ("sd2", {**under(UNET, ldm(1024, linear=True)), **BESIDE_1}, "checkpoint", "sd2", ""),
    ("sd2 depth", {**under(UNET, ldm(1024, 5, linear=True)), **BESIDE_1}, "checkpoint", "sd2", "depth"),
    ("sdxl", {**under(UNET, ldm(2048, facts=2816)), **BESIDE_XL}, "checkpoint", "sdxl", ""),
    ("sdxl inpainting", {**under(UNET, ldm(2048, 9, 2816)), **BESIDE_XL}, "checkpoint", "sdxl", "inpaint"),
    (
        "noob v",
        {**under(UNET, ldm(2048, facts=2816)), **BESIDE_XL, "v_pred": [0]},
        "checkpoint",
        "sdxl",
        "v-prediction",
    ),
    (
        "playground",
        {**under(UNET, ldm(2048, facts=2816)), **BESIDE_XL, "edm_mean": [4]},
        "checkpoint",
        "playground",
        "",
    ),
    (
        "sdxl refiner",
        {**under(UNET, ldm(1280, facts=2560)), "conditioner.embedders.0.model.positional_embedding": [77, 1280]},
        "checkpoint",
        "sdxl-refiner",
        "",
    ),
    ("sdxl unet alone", ldm(2048, facts=2816), "denoiser", "sdxl", ""),
    ("diffusers sd1.5", diffusers_unet(768), "denoiser", "sd15", ""),
    ("diffusers sdxl", diffusers_unet(2048, facts=2816), "denoiser", "sdxl", ""),
    ("diffusers inpaint", diffusers_unet(2048, 9, 2816), "denoiser", "sdxl", "inpaint"),
    (
        "lcm",
        {**diffusers_unet(2048, 4, 2816), "time_embedding.cond_proj.weight": [320, 256]},
        "denoiser",
        "sdxl",
        "lcm",
    ),
    ("kolors", {**diffusers_unet(2048, 4, 5632), "encoder_hid_proj.weight": [2048, 4096]}, "denoiser", "kolors", ""),
    ("flux dev", flux(), "denoiser", "flux1", ""),
    ("flux schnell", under(UNET, flux(guided=False)), "denoiser", "flux1", "schnell"),
    ("flux all in one", {**under(UNET, flux()), **under("vae.", VAE)}, "checkpoint", "flux1", ""),
    ("flux fill", flux(384), "denoiser", "flux1", "fill"),
    ("flux canny", flux(128), "denoiser", "flux1", "control"),
    ("longcat", flux(words=3584, guided=False), "denoiser", "longcat", ""),
    ("ovis", flux(words=2048, guided=False), "denoiser", "ovis", ""),
    ("flux diffusers", FLUX_DIFFUSERS, "denoiser", "flux1", ""),
    ("flux2 dev", flux2(6144), "denoiser", "flux2", ""),
    ("klein 4b", flux2(3072), "denoiser", "flux2-klein-4b", ""),
    ("klein 9b", under(UNET, flux2(4096)), "denoiser", "flux2-klein-9b", ""),
    ("chroma", {**flux(guided=False), **CHROMA}, "denoiser", "chroma", ""),
    ("sd3 medium", under(UNET, SD3), "denoiser", "sd3-medium", ""),
    ("sd3.5 medium", under(UNET, {**SD3, **LN_Q, **ATTN2}), "denoiser", "sd35-medium", ""),
    ("sd3.5 large", {**SD3, **LN_Q}, "denoiser", "sd35-large", ""),
    (
        "qwen-image",
        {
            "transformer_blocks.0.img_mod.1.weight": [18432, 3072],
            "txt_norm.weight": [3584],
            "img_in.weight": [3072, 64],
        },
        "denoiser",
        "qwen-image",
        "",
    ),
    (
        "z-image",
        {"cap_embedder.0.weight": [2560], "layers.0.adaLN_modulation.0.weight": [15360, 256]},
        "denoiser",
        "z-image",
        "",
    ),
    (
        "lumina2",
        {"cap_embedder.0.weight": [2304], "layers.0.adaLN_modulation.1.weight": [9216, 1024]},
        "denoiser",
        "lumina2",
        "",
    ),
    (
        "sana",
        {"blocks.0.mlp.inverted_conv.conv.weight": [11200, 2240, 1, 1], "y_embedder.y_proj.fc1.weight": [2240, 2304]},
        "denoiser",
        "sana",
        "",
    ),
    (
        "pixart",
        {"blocks.0.cross_attn.q_linear.weight": [1152, 1152], "y_embedder.y_proj.fc1.weight": [1152, 4096]},
        "denoiser",
        "pixart",
        "",
    ),
    (
        "hidream",
        {
            "double_stream_blocks.0.block.adaLN_modulation.1.bias": [30720],
            "double_stream_blocks.0.block.adaLN_modulation.1.weight": [30720, 2560],
        },
        "denoiser",
        "hidream",
        "",
    ),
    (
        "auraflow",
        {"double_layers.0.attn.w1q.weight": [3072, 3072], "cond_seq_linear.weight": [3072, 2048]},
        "denoiser",
        "auraflow",
        "",
    ),
    (
        "wan",
        {
            "head.modulation": [1, 2, 5120],
            "blocks.0.self_attn.q.weight": [5120, 5120],
            "patch_embedding.weight": [5120, 36, 1, 2, 2],
        },
        "denoiser",
        "wan",
        "image-to-video",
    ),
]


@pytest.mark.parametrize(
    ("shapes", "kind", "family", "variant"), [row[1:] for row in DENOISERS], ids=[r[0] for r in DENOISERS]
)
def test_denoisers(tmp_path: Path, shapes: Shapes, kind: str, family: str, variant: str) -> None:
    found = seen(tmp_path, shapes)
    assert (found.kind.value, found.family, found.variant) == (kind, family, variant)
    assert found.format == "safetensors"
    assert found.stored_dtype == "float16"


# -- LoRAs ------------------------------------------------------------------------------------------------------------


def kohya(layer: str, inputs: int, outputs: int) -> Shapes:
    return {
        f"{layer}.lora_down.weight": [16, inputs],
        f"{layer}.lora_up.weight": [outputs, 16],
        f"{layer}.alpha": [],
    }


def peft(layer: str, inputs: int, outputs: int) -> Shapes:
    return {f"{layer}.lora_A.weight": [16, inputs], f"{layer}.lora_B.weight": [outputs, 16]}


CROSS = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
LORAS: list[tuple[str, Shapes, str, str]] = [
    (
        "sd15 kohya",
        {**kohya(CROSS, 768, 640), **kohya("lora_te_text_model_encoder_layers_0_mlp_fc1", 768, 3072)},
        "sd15",
        "",
    ),
    ("sd2 kohya", kohya(CROSS, 1024, 640), "sd2", ""),
    ("sdxl kohya", kohya(CROSS, 2048, 640), "sdxl", ""),
    ("sdxl by depth", kohya("lora_unet_input_blocks_7_1_transformer_blocks_9_attn1_to_q", 1280, 1280), "sdxl", ""),
    ("sdxl peft", peft("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v", 2048, 640), "sdxl", ""),
    (
        "old diffusers",
        {
            "unet.up_blocks.1.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight": [4, 768],
            "unet.up_blocks.1.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.up.weight": [640, 4],
        },
        "sd15",
        "",
    ),
    (
        "loha",
        {
            f"{CROSS}.hada_w1_a": [640, 4],
            f"{CROSS}.hada_w1_b": [4, 768],
            f"{CROSS}.hada_w2_a": [640, 4],
            f"{CROSS}.hada_w2_b": [4, 768],
        },
        "sd15",
        "hada",
    ),
    ("lokr", {f"{CROSS}.lokr_w1": [8, 32], f"{CROSS}.lokr_w2": [80, 64]}, "sdxl", "lokr"),
    ("flux kohya", kohya("lora_unet_double_blocks_0_img_attn_qkv", 3072, 9216), "flux1", ""),
    ("flux diffusers", peft("transformer.single_transformer_blocks.0.attn.to_q", 3072, 3072), "flux1", ""),
    ("flux original", peft("diffusion_model.double_blocks.3.img_attn.qkv", 3072, 9216), "flux1", ""),
    ("klein 4b", kohya("lora_unet_single_blocks_0_linear1", 3072, 27648), "flux2-klein-4b", ""),
    (
        "klein 9b",
        peft("transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj", 4096, 36864),
        "flux2-klein-9b",
        "",
    ),
    ("flux2", peft("transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj", 6144, 55296), "flux2", ""),
    ("qwen", peft("transformer.transformer_blocks.5.img_mlp.net.0.proj", 3072, 12288), "qwen-image", ""),
    ("qwen by depth", peft("transformer_blocks.59.attn.add_q_proj", 3072, 3072), "qwen-image", ""),
    ("z-image", peft("diffusion_model.layers.0.attention.to_q", 3840, 3840), "z-image", ""),
    ("sd3.5 large", peft("transformer.transformer_blocks.0.attn.add_q_proj", 2432, 2432), "sd35-large", ""),
    ("wan", peft("diffusion_model.blocks.0.self_attn.q", 5120, 5120), "wan", ""),
]


@pytest.mark.parametrize(("shapes", "family", "variant"), [row[1:] for row in LORAS], ids=[row[0] for row in LORAS])
def test_loras(tmp_path: Path, shapes: Shapes, family: str, variant: str) -> None:
    found = seen(tmp_path, shapes)
    assert (found.kind, found.family, found.variant) == (FileKind.LORA, family, variant)
    assert found.layers >= 1
    assert not found.warnings


def test_a_lora_that_fits_two_families_says_so(tmp_path: Path) -> None:
    found = seen(tmp_path, peft("transformer.transformer_blocks.0.attn.add_q_proj", 1536, 1536))
    assert (found.family, found.warnings) == ("sd3-medium", ("unverified_family",))


def test_a_loras_words_are_hints_only(tmp_path: Path) -> None:
    tags = {"10_ohwx": {"ohwx person": 20, "smiling": 3}}
    metadata = {
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_tag_frequency": json.dumps(tags),
        "modelspec.title": "A Person",
    }
    found = seen(tmp_path, kohya(CROSS, 768, 640), metadata)
    assert found.family == "sd15"
    assert (found.title, found.trigger, found.base) == ("A Person", ("ohwx person",), "sdxl_base_v1-0")


@pytest.mark.parametrize("text", ["[", "[1]", '{"a": 1}', '{"a": {"b": "c"}}', "[" * 100_000])
def test_metadata_that_is_not_what_it_should_be_is_nothing(tmp_path: Path, text: str) -> None:
    assert seen(tmp_path, kohya(CROSS, 768, 640), {"ss_tag_frequency": text}).trigger == ()


# -- parts and add-ons ------------------------------------------------------------------------------------------------

_RDB = "model.1.sub.0.RDB1.conv1.0.weight"
OTHERS: list[tuple[str, Shapes, str, str, str]] = [
    ("vae", VAE, "vae", "sd15", ""),
    (
        "vae of flux",
        {**VAE, "decoder.conv_in.weight": [512, 16, 3, 3], "decoder.conv_out.weight": [3, 128, 3, 3]},
        "vae",
        "flux1",
        "",
    ),
    ("vae of flux2", {**VAE, "decoder.conv_in.weight": [512, 32, 3, 3], "bn.running_mean": [128]}, "vae", "flux2", ""),
    (
        "vae of qwen",
        {"decoder.middle.0.residual.0.gamma": [384, 1, 1, 1], "decoder.conv1.weight": [384, 16, 3, 3, 3]},
        "vae",
        "qwen-image",
        "",
    ),
    (
        "taesd",
        {"decoder.layers.0.weight": [64, 4, 3, 3], "decoder.layers.2.conv.0.weight": [64, 64, 3, 3]},
        "vae",
        "sd15",
        "taesd",
    ),
    (
        "taesd original",
        {"1.weight": [64, 16, 3, 3], "3.conv.0.weight": [64, 64, 3, 3]},
        "vae",
        "flux1",
        "taesd-decoder",
    ),
    ("embedding", {"emb_params": [8, 768]}, "embedding", "sd15", ""),
    ("embedding sd2", {"<my-cat>": [1024]}, "embedding", "sd2", ""),
    ("embedding sdxl", {"clip_l": [4, 768], "clip_g": [4, 1280]}, "embedding", "sdxl", ""),
    (
        "controlnet",
        {
            "controlnet_cond_embedding.conv_in.weight": [16, 3, 3, 3],
            "controlnet_down_blocks.0.weight": [320, 320, 1, 1],
            "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": [320, 768],
        },
        "controlnet",
        "sd15",
        "",
    ),
    (
        "controlnet of a model of one's own",
        {
            "controlnet_cond_embedding.conv_in.weight": [16, 3, 3, 3],
            "controlnet_down_blocks.0.weight": [128, 128, 1, 1],
            "add_embedding.proj.weight": [256, 192],
            "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": [128, 192],
        },
        "controlnet",
        "",
        "",
    ),
    (
        "controlnet small",
        {
            "controlnet_cond_embedding.conv_in.weight": [16, 3, 3, 3],
            "controlnet_down_blocks.0.weight": [320, 320, 1, 1],
            "add_embedding.linear_1.weight": [1280, 2816],
        },
        "controlnet",
        "sdxl",
        "",
    ),
    (
        "controlnet union",
        {
            "controlnet_cond_embedding.conv_in.weight": [16, 3, 3, 3],
            "controlnet_down_blocks.0.weight": [320, 320, 1, 1],
            "add_embedding.linear_1.weight": [1280, 2816],
            "task_embedding": [6, 320],
        },
        "controlnet",
        "sdxl",
        "union",
    ),
    (
        "controlnet original",
        under("control_model.", {**ldm(768), "input_hint_block.0.weight": [16, 3, 3, 3]}),
        "controlnet",
        "sd15",
        "",
    ),
    (
        "control-lora",
        {**ldm(2048, facts=2816), "input_hint_block.0.weight": [16, 3, 3, 3], "lora_controlnet": [0]},
        "controlnet",
        "sdxl",
        "control-lora",
    ),
    (
        "controlnet flux",
        {**FLUX_DIFFUSERS, "controlnet_blocks.0.weight": [3072, 3072], "controlnet_mode_embedder.weight": [10, 3072]},
        "controlnet",
        "flux1",
        "union",
    ),
    (
        "t2i",
        {"adapter.conv_in.weight": [320, 768, 3, 3], "adapter.body.0.resnets.0.block1.weight": [320, 320, 3, 3]},
        "controlnet",
        "sdxl",
        "t2i-adapter",
    ),
    (
        "ip-adapter",
        {"image_proj.proj.weight": [3072, 1024], "ip_adapter.1.to_k_ip.weight": [320, 768]},
        "ip-adapter",
        "sd15",
        "",
    ),
    (
        "ip-adapter plus",
        {"image_proj.latents": [1, 16, 1280], "ip_adapter.1.to_k_ip.weight": [640, 2048]},
        "ip-adapter",
        "sdxl",
        "plus",
    ),
    ("clip-l", {**CLIP_L, "text_model.encoder.layers.0.mlp.fc1.weight": [3072, 768]}, "text-encoder", "", "clip-l"),
    (
        "t5",
        {"encoder.block.0.layer.0.SelfAttention.q.weight": [4096, 4096], "shared.weight": [32128, 4096]},
        "text-encoder",
        "",
        "t5-xxl",
    ),
    (
        "qwen3",
        {
            "model.embed_tokens.weight": [151936, 2560],
            "model.layers.0.self_attn.q_proj.weight": [4096, 2560],
            "model.layers.0.self_attn.q_norm.weight": [128],
        },
        "text-encoder",
        "",
        "qwen3-4b",
    ),
    (
        "esrgan",
        {
            "model.0.weight": [64, 3, 3, 3],
            _RDB: [32, 64, 3, 3],
            "model.3.weight": [64, 64, 3, 3],
            "model.6.weight": [64, 64, 3, 3],
            "model.8.weight": [64, 64, 3, 3],
            "model.10.weight": [3, 64, 3, 3],
        },
        "upscaler",
        "",
        "esrgan x4",
    ),
    (
        "real-esrgan x2",
        {
            "conv_first.weight": [64, 12, 3, 3],
            "body.0.rdb1.conv1.weight": [32, 64, 3, 3],
            "conv_up1.weight": [64, 64, 3, 3],
            "conv_up2.weight": [64, 64, 3, 3],
            "conv_last.weight": [3, 64, 3, 3],
        },
        "upscaler",
        "",
        "esrgan x2",
    ),
    (
        "compact",
        {"body.0.weight": [64, 3, 3, 3], "body.1.weight": [64], "body.34.weight": [48, 64, 3, 3]},
        "upscaler",
        "",
        "compact x4",
    ),
    (
        "swinir",
        {
            "conv_first.weight": [180, 3, 3, 3],
            "layers.0.residual_group.blocks.0.norm1.weight": [180],
            "layers.0.residual_group.blocks.0.mlp.fc1.weight": [360, 180],
            "upsample.0.weight": [256, 64, 3, 3],
            "upsample.2.weight": [256, 64, 3, 3],
        },
        "upscaler",
        "",
        "swinir x4",
    ),
    (
        "hat",
        {
            "conv_first.weight": [180, 3, 3, 3],
            "layers.0.residual_group.blocks.0.conv_block.cab.0.weight": [60, 180, 3, 3],
            "layers.0.residual_group.blocks.0.norm1.weight": [180],
            "layers.0.residual_group.blocks.0.mlp.fc1.weight": [360, 180],
        },
        "upscaler",
        "",
        "hat",
    ),
    (
        "dat",
        {
            "conv_first.weight": [180, 3, 3, 3],
            "before_RG.1.weight": [180],
            "layers.0.blocks.0.ffn.fc1.weight": [720, 180],
            "upsample.0.weight": [256, 64, 3, 3],
        },
        "upscaler",
        "",
        "dat x2",
    ),
    ("something else", {"encoder.h.0.attn.weight": [768, 768], "lm_head.weight": [50257, 768]}, "unknown", "", ""),
]


@pytest.mark.parametrize(
    ("shapes", "kind", "family", "variant"), [row[1:] for row in OTHERS], ids=[r[0] for r in OTHERS]
)
def test_parts_and_add_ons(tmp_path: Path, shapes: Shapes, kind: str, family: str, variant: str) -> None:
    found = seen(tmp_path, shapes)
    assert (found.kind.value, found.family, found.variant) == (kind, family, variant)


def test_four_latent_channels_are_a_hint_and_no_proof(tmp_path: Path) -> None:
    assert seen(tmp_path, VAE).warnings == ("unverified_family",)


# -- files ------------------------------------------------------------------------------------------------------------


def refused(path: Path) -> ErrorCode:
    with pytest.raises(AtelierError) as caught:
        recognise(path)
    assert caught.value.info.facts["file"] == path.name
    return caught.value.code


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    found = recognise(write(tmp_path / "sdxl-lora.gguf", {**under(UNET, ldm(768)), **BESIDE_1}))
    assert (found.kind, found.family, found.format) == (FileKind.CHECKPOINT, "sd15", "safetensors")


@pytest.mark.parametrize("data", [b"", b"hi", b"GIF89a" + bytes(40), b"# A readme\n" * 9, b'{"a": 1}', bytes(100)])
def test_what_is_no_weight_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(data)
    assert refused(tmp_path / "a.bin") is ErrorCode.FILE_UNKNOWN


def test_a_file_that_was_cut_off_is_broken(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", ldm(768))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    assert refused(path) is ErrorCode.MODEL_CORRUPT


@pytest.mark.parametrize("length", [50_000_000_000, 2**63, 2**64 - 1])
def test_a_header_that_claims_too_much_is_not_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.write(length.to_bytes(8, "little") + b'{"a":')
        file.truncate(60_000_000_000)
    assert refused(path) is ErrorCode.MODEL_CORRUPT
