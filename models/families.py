"""The architectures of image models by name: what a LoRA fits is what shares its family.

A family is what decides which weights go together, so distilled, fine-tuned and inpainting versions of one
architecture share it, and versions of other widths (FLUX.2 klein 4B and 9B) do not.
"""

from __future__ import annotations

FAMILIES: dict[str, str] = {
    "sd15": "Stable Diffusion 1",
    "sd2": "Stable Diffusion 2",
    "sdxl": "Stable Diffusion XL",
    "sdxl-refiner": "Stable Diffusion XL refiner",
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
    "kolors": "Kolors",
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
    "bria": "BRIA",
    "omnigen": "OmniGen",
    "playground": "Playground",
    "wan": "Wan",
}
"""Name in data and code -> what people call it."""


def family_title(family: str) -> str:
    """What people call a family; an unknown one is shown as it is."""
    return FAMILIES.get(family, family)
