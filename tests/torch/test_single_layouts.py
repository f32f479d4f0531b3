"""The layouts in which large models are published: recognised, configured and renamed whole, at their true sizes.

The tensors are on the meta device: they have shapes and no numbers. One block of each kind stands for all.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

from models.headers import Tensor
from models.recognise import FileKind
from models.recognise.finding import under
from models.recognise.tensors import find
from models.singles.bases import denoiser_config

State = dict[str, torch.Tensor]
Shapes = dict[str, tuple[int, ...]]


def linear(name: str, outputs: int, inputs: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), **({f"{name}.bias": (outputs,)} if bias else {})}


def norms(name: str) -> Shapes:
    return {f"{name}.norm.query_norm.scale": (128,), f"{name}.norm.key_norm.scale": (128,)}


def flux1(guided: bool, w: int = 3072) -> Shapes:
    shapes = {**linear("img_in", w, 64), **linear("txt_in", w, 4096)}
    for name, inputs in (("time_in", 256), ("vector_in", 768), *((("guidance_in", 256),) if guided else ())):
        shapes |= {**linear(f"{name}.in_layer", w, inputs), **linear(f"{name}.out_layer", w, w)}
    for side in ("img", "txt"):
        block = f"double_blocks.0.{side}"
        shapes |= {**linear(f"{block}_mod.lin", 6 * w, w), **linear(f"{block}_attn.qkv", 3 * w, w)}
        shapes |= {**norms(f"{block}_attn"), **linear(f"{block}_attn.proj", w, w)}
        shapes |= {**linear(f"{block}_mlp.0", 4 * w, w), **linear(f"{block}_mlp.2", w, 4 * w)}
    shapes |= {**linear("single_blocks.0.modulation.lin", 3 * w, w), **linear("single_blocks.0.linear1", 7 * w, w)}
    shapes |= {**linear("single_blocks.0.linear2", w, 5 * w), **norms("single_blocks.0")}
    return {**shapes, **linear("final_layer.linear", 64, w), **linear("final_layer.adaLN_modulation.1", 2 * w, w)}


def flux2(w: int, words: int) -> Shapes:
    shapes: Shapes = {}
    for name, outputs, inputs in (
        ("img_in", w, 128),
        ("txt_in", w, words),
        ("time_in.in_layer", w, 256),
        ("time_in.out_layer", w, w),
        ("double_stream_modulation_img.lin", 6 * w, w),
        ("double_stream_modulation_txt.lin", 6 * w, w),
        ("single_stream_modulation.lin", 3 * w, w),
        ("single_blocks.0.linear1", 9 * w, w),
        ("single_blocks.0.linear2", w, 4 * w),
        ("final_layer.linear", 128, w),
        ("final_layer.adaLN_modulation.1", 2 * w, w),
    ):
        shapes |= linear(name, outputs, inputs, bias=False)
    for side in ("img", "txt"):
        block = f"double_blocks.0.{side}"
        for name, outputs, inputs in (
            ("_attn.qkv", 3 * w, w),
            ("_attn.proj", w, w),
            ("_mlp.0", 6 * w, w),
            ("_mlp.2", w, 3 * w),
        ):
            shapes |= linear(block + name, outputs, inputs, bias=False)
        shapes |= norms(f"{block}_attn")
    return shapes | norms("single_blocks.0")


def sd3(w: int = 1536, positions: int = 36864) -> Shapes:
    shapes: Shapes = {
        "pos_embed": (1, positions, w),
        "x_embedder.proj.weight": (w, 16, 2, 2),
        "x_embedder.proj.bias": (w,),
    }
    for name, inputs in (("t_embedder", 256), ("y_embedder", 2048)):
        shapes |= {**linear(f"{name}.mlp.0", w, inputs), **linear(f"{name}.mlp.2", w, w)}
    shapes |= linear("context_embedder", w, 4096)
    for block, last in ((0, False), (1, True)):
        for side in ("x_block", "context_block"):
            name, short = f"joint_blocks.{block}.{side}", last and side == "context_block"
            shapes |= linear(f"{name}.adaLN_modulation.1", (2 if short else 6) * w, w)
            shapes |= linear(f"{name}.attn.qkv", 3 * w, w)
            if not short:
                shapes |= linear(f"{name}.attn.proj", w, w)
                shapes |= {**linear(f"{name}.mlp.fc1", 4 * w, w), **linear(f"{name}.mlp.fc2", w, 4 * w)}
    return {**shapes, **linear("final_layer.linear", 64, w), **linear("final_layer.adaLN_modulation.1", 2 * w, w)}


def z_image() -> Shapes:
    """diffusers' own names but for joined attention and three words."""
    with torch.device("meta"):
        model = diffusers.ZImageTransformer2DModel(n_layers=1, n_refiner_layers=1)
    shapes: Shapes = {"norm_final.weight": (3840,)}
    for name, tensor in model.state_dict().items():
        old = name.replace("all_final_layer.2-1.", "final_layer.").replace("all_x_embedder.2-1.", "x_embedder.")
        old = re.sub(r"attention\.norm_([qk])", r"attention.\1_norm", old).replace(
            "attention.to_out.0", "attention.out"
        )
        if ".attention.to_q." in old:
            shapes[old.replace("to_q", "qkv")] = (3 * tensor.shape[0], tensor.shape[1])
        elif ".attention.to_" not in old:
            shapes[old] = tuple(tensor.shape)
    return shapes


CASES: dict[str, tuple[Callable[[], Shapes], str, str, str, dict[str, Any]]] = {
    "flux dev on dev": (lambda: flux1(True), "flux1", "", "FluxTransformer2DModel", {"guidance_embeds": True}),
    "flux dev on schnell": (lambda: flux1(True), "flux1", "", "FluxTransformer2DModel", {"guidance_embeds": False}),
    "flux schnell on dev": (
        lambda: flux1(False),
        "flux1",
        "schnell",
        "FluxTransformer2DModel",
        {"guidance_embeds": True},
    ),
    "klein 4b": (
        lambda: flux2(3072, 7680),
        "flux2-klein-4b",
        "",
        "Flux2Transformer2DModel",
        {"num_attention_heads": 24, "guidance_embeds": False},
    ),
    "klein 9b": (
        lambda: flux2(4096, 12288),
        "flux2-klein-9b",
        "",
        "Flux2Transformer2DModel",
        {"num_attention_heads": 32, "guidance_embeds": False},
    ),
    "sd3 medium": (
        sd3,
        "sd3-medium",
        "",
        "SD3Transformer2DModel",
        {
            "num_attention_heads": 24,
            "caption_projection_dim": 1536,
            "pos_embed_max_size": 192,
            "sample_size": 128,
            "pooled_projection_dim": 2048,
        },
    ),
    "z-image": (z_image, "z-image", "", "ZImageTransformer2DModel", {"n_refiner_layers": 1}),
}


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
@pytest.mark.parametrize("name", CASES)
def test_a_published_layout_fits_the_model_it_is_read_into(name: str, prefix: str) -> None:
    make, family, variant, class_name, base = CASES[name]
    shapes = make()
    found = find({prefix + key: Tensor("bfloat16", shape) for key, shape in shapes.items()})
    assert (found.kind, found.family, found.variant) == (FileKind.DENOISER, family, variant)
    assert (found.prefix, found.layout) == (prefix, "original")
    cls = getattr(diffusers, class_name)
    with torch.device("meta"):
        config = json.loads(cls(**{**base, **_few(cls)}).to_json_string())  # as it lies in a folder
        state = {key: torch.empty(shape) for key, shape in shapes.items()}
    listed = {key: Tensor("bfloat16", shape) for key, shape in shapes.items()}
    config = denoiser_config(config, found, under({prefix + key: each for key, each in listed.items()}, prefix))
    with torch.device("meta"):
        model = cls.from_config(config)
    renamed = SINGLE_FILE_LOADABLE_CLASSES[class_name]["checkpoint_mapping_fn"](checkpoint=state, config=config)
    wanted = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    assert {key: tuple(tensor.shape) for key, tensor in renamed.items()} == wanted


def _few(cls: Any) -> dict[str, int]:
    """A base with as few blocks as one can have, and not as many as the file: that is what is read from the file."""
    takes = inspect.signature(cls.__init__).parameters
    return {name: 3 for name in ("num_layers", "num_single_layers", "n_layers") if name in takes}


_FEW = {"num_layers": 1, "num_single_layers": 1}
OWN: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("FluxTransformer2DModel", {**_FEW, "guidance_embeds": True}, "denoiser", "flux1", ""),
    ("FluxTransformer2DModel", _FEW, "denoiser", "flux1", "schnell"),
    ("FluxTransformer2DModel", {**_FEW, "in_channels": 384, "guidance_embeds": True}, "denoiser", "flux1", "fill"),
    ("Flux2Transformer2DModel", _FEW, "denoiser", "flux2", ""),
    ("Flux2Transformer2DModel", {**_FEW, "num_attention_heads": 24}, "denoiser", "flux2-klein-4b", ""),
    ("Flux2Transformer2DModel", {**_FEW, "num_attention_heads": 32}, "denoiser", "flux2-klein-9b", ""),
    ("Flux3Transformer2DModel", {}, "denoiser", "flux3", ""),
    ("QwenImageTransformer2DModel", {"num_layers": 1}, "denoiser", "qwen-image", ""),
    ("QwenImage21Transformer2DModel", {"num_layers": 1}, "denoiser", "qwen-image-21", ""),
    ("ZImageTransformer2DModel", {"n_layers": 1}, "denoiser", "z-image", ""),
    ("ChromaTransformer2DModel", _FEW, "denoiser", "chroma", ""),
    ("SD3Transformer2DModel", {"num_layers": 2}, "denoiser", "sd3-medium", ""),
    (
        "SD3Transformer2DModel",
        {"num_layers": 2, "qk_norm": "rms_norm", "dual_attention_layers": (0, 1)},
        "denoiser",
        "sd35-medium",
        "",
    ),
    ("SD3Transformer2DModel", {"num_layers": 2, "qk_norm": "rms_norm"}, "denoiser", "sd35-large", ""),
    ("SanaTransformer2DModel", {"num_layers": 1}, "denoiser", "sana", ""),
    ("PixArtTransformer2DModel", {"num_layers": 1}, "denoiser", "pixart", ""),
    ("Lumina2Transformer2DModel", {"num_layers": 1}, "denoiser", "lumina2", ""),
    ("AuraFlowTransformer2DModel", {}, "denoiser", "auraflow", ""),
    ("Krea2Transformer2DModel", {}, "denoiser", "krea2", ""),
    ("ErnieImageTransformer2DModel", {}, "denoiser", "ernie-image", ""),
    ("LongCatImageTransformer2DModel", _FEW, "denoiser", "longcat", ""),
    ("GlmImageTransformer2DModel", {"num_layers": 1}, "denoiser", "glm-image", ""),
    ("OvisImageTransformer2DModel", _FEW, "denoiser", "ovis", ""),
    ("HunyuanImageTransformer2DModel", {}, "denoiser", "hunyuan-image", ""),
    ("BriaTransformer2DModel", _FEW, "denoiser", "bria", ""),
    ("Ideogram4Transformer2DModel", {}, "denoiser", "ideogram4", ""),
    ("WanTransformer3DModel", {"num_layers": 1}, "denoiser", "wan", ""),
    ("Kandinsky5Transformer3DModel", {}, "denoiser", "kandinsky", ""),
    ("StableCascadeUNet", {}, "denoiser", "cascade", "prior"),
    ("ControlNetModel", {"cross_attention_dim": 768}, "controlnet", "sd15", ""),
    ("FluxControlNetModel", _FEW, "controlnet", "flux1", ""),
    ("SD3ControlNetModel", {"num_layers": 1}, "controlnet", "sd3-medium", ""),
    ("QwenImageControlNetModel", {"num_layers": 1}, "controlnet", "qwen-image", ""),
    ("T2IAdapter", {}, "controlnet", "sd15", "t2i-adapter"),
    ("AutoencoderKL", {}, "vae", "sd15", ""),
    ("AutoencoderTiny", {}, "vae", "sd15", "taesd"),
    ("AutoencoderKLFlux2", {}, "vae", "flux2", ""),
    ("AutoencoderKLQwenImage", {}, "vae", "qwen-image", ""),
    ("AutoencoderKLQwenImage21", {}, "vae", "qwen-image-21", ""),
    ("AutoencoderDC", {}, "vae", "sana", ""),
]


@pytest.mark.parametrize(("class_name", "options", "kind", "family", "variant"), OWN)
def test_diffusers_own_names_are_known(
    class_name: str, options: dict[str, Any], kind: str, family: str, variant: str
) -> None:
    with torch.device("meta"):
        model = getattr(diffusers, class_name)(**options)
    found = find({key: Tensor("bfloat16", tuple(tensor.shape)) for key, tensor in model.state_dict().items()})
    assert (found.kind.value, found.family, found.variant) == (kind, family, variant)
    assert kind != "denoiser" or found.layout in ("diffusers", "original")
