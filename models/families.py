"""The architectures of image models by name: what a LoRA fits is what shares its family.

A family is what decides which weights go together, so distilled, fine-tuned and inpainting versions of one
architecture share it, and versions of other widths (FLUX.2 klein 4B and 9B) do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Configs = Mapping[str, Mapping[str, Any]]
"""Components' configurations by component name, each with its class as ``_class_name``."""

ANY = "any"
"""The family of helpers that work with pictures, whatever made them."""

FAMILIES: dict[str, str] = {
    "sd15": "Stable Diffusion 1",
    "sd2": "Stable Diffusion 2",
    "sdxl": "Stable Diffusion XL",
    "sdxl-refiner": "Stable Diffusion XL refiner",
    "ssd-1b": "SSD-1B",
    "playground": "Playground",
    "kolors": "Kolors",
    "sd3-medium": "Stable Diffusion 3 medium",
    "sd35-medium": "Stable Diffusion 3.5 medium",
    "sd35-large": "Stable Diffusion 3.5 large",
    "flux1": "FLUX.1",
    "flux2": "FLUX.2",
    "flux2-klein-4b": "FLUX.2 klein 4B",
    "flux2-klein-9b": "FLUX.2 klein 9B",
    "flux3": "FLUX 3",
    "qwen-image": "Qwen-Image",
    "qwen-image-21": "Qwen-Image 2.1",
    "z-image": "Z-Image",
    "chroma": "Chroma",
    "sana": "Sana",
    "hidream": "HiDream",
    "pixart": "PixArt",
    "lumina2": "Lumina 2",
    "lumina": "Lumina",
    "auraflow": "AuraFlow",
    "cascade": "Stable Cascade",
    "kandinsky": "Kandinsky",
    "krea2": "Krea 2",
    "ernie-image": "ERNIE-Image",
    "longcat": "LongCat-Image",
    "glm-image": "GLM-Image",
    "ovis": "Ovis-Image",
    "ideogram4": "Ideogram 4",
    "hunyuan-image": "HunyuanImage",
    "hunyuan-dit": "HunyuanDiT",
    "bria": "BRIA",
    "omnigen": "OmniGen",
    "cogview3": "CogView 3",
    "cogview4": "CogView 4",
    "prx": "PRX",
    "nucleus": "Nucleus-Image",
    "joy-image": "JoyAI-Image",
    "wan": "Wan",
    ANY: "Any model",
}
"""Name in data and code -> what people call it."""


def family_title(family: str) -> str:
    """What people call a family; an unknown one is shown as it is."""
    return FAMILIES.get(family, family)


def family_of(pipeline: str, configs: Configs | None = None) -> str:
    """The family of a diffusers pipeline class, empty for one that is not known.

    ``configs`` tell widths apart that share a class (FLUX.2 klein, Stable Diffusion 1 and 2, 3 and 3.5, XL and its
    kin); without them the most common member is taken.
    """
    for start, family in _BY_CLASS:
        if pipeline.startswith(start):
            return family if isinstance(family, str) else family(configs or {})
    return ""


def _number(configs: Configs, component: str, key: str) -> int:
    value = configs.get(component, {}).get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _sdxl(configs: Configs) -> str:
    unet = configs.get("unet", {})
    if _number(configs, "unet", "cross_attention_dim") == 1280:
        return "sdxl-refiner"
    if "mid_block_type" in unet and unet["mid_block_type"] is None:
        return "ssd-1b"  # the distilled UNet has no middle
    is_edm = str(configs.get("scheduler", {}).get("_class_name", "")).startswith("EDM")
    return "playground" if is_edm else "sdxl"


def _sd(configs: Configs) -> str:
    return "sd2" if _number(configs, "unet", "cross_attention_dim") == 1024 else "sd15"


def _sd3(configs: Configs) -> str:
    if _number(configs, "transformer", "num_layers") >= 38:
        return "sd35-large"
    return "sd35-medium" if configs.get("transformer", {}).get("dual_attention_layers") else "sd3-medium"


def _klein(configs: Configs) -> str:
    return "flux2-klein-9b" if _number(configs, "transformer", "num_attention_heads") >= 32 else "flux2-klein-4b"


_BY_CLASS: tuple[tuple[str, str | Callable[[Configs], str]], ...] = (
    ("StableDiffusionXL", _sdxl),
    ("StableDiffusion3", _sd3),
    ("StableDiffusionUpscale", "sd2"),
    ("StableDiffusionLatentUpscale", "sd2"),
    ("StableDiffusion", _sd),
    ("StableUnCLIP", "sd2"),
    ("LatentConsistencyModel", _sd),
    ("Marigold", ANY),
    ("Flux2Klein", _klein),
    ("Flux2", "flux2"),
    ("Flux3", "flux3"),
    ("Flux", "flux1"),
    ("QwenImage21", "qwen-image-21"),
    ("QwenImage", "qwen-image"),
    ("ZImage", "z-image"),
    ("Chroma", "chroma"),
    ("Sana", "sana"),
    ("HiDream", "hidream"),
    ("PixArt", "pixart"),
    ("Lumina2", "lumina2"),
    ("Lumina", "lumina"),
    ("Kolors", "kolors"),
    ("AuraFlow", "auraflow"),
    ("StableCascade", "cascade"),
    ("Kandinsky", "kandinsky"),
    ("Krea2", "krea2"),
    ("ErnieImage", "ernie-image"),
    ("LongCatImage", "longcat"),
    ("GlmImage", "glm-image"),
    ("OvisImage", "ovis"),
    ("Ideogram4", "ideogram4"),
    ("HunyuanImage", "hunyuan-image"),
    ("HunyuanDiT", "hunyuan-dit"),
    ("Bria", "bria"),
    ("OmniGen", "omnigen"),
    ("CogView4", "cogview4"),
    ("CogView3", "cogview3"),
    ("PRX", "prx"),
    ("NucleusMoE", "nucleus"),
    ("JoyImage", "joy-image"),
    ("Wan", "wan"),
)
"""Starts of pipeline class names, the more special first, with the family or how to tell it."""
