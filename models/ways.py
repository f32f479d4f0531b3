"""The table of families: how each pipeline class takes a picture, a mask, or several pictures.

Weights that make pictures from words all go one way, the *wrapper*: the picture's own latents, noised to where the
strength says, are put in the place of the start noise, and after each step what the mask keeps is put back
(``models.runners.diffusion.blend``). diffusers has classes of its own for this for some families; they compute the same
(a test compares them) but are missing for others and differ in masks, sizes and schedulers, so they are not used. They
are used where the *weights* are others: models made for filling, for editing by instruction or for variations. Of those
for editing, the ones that also make pictures from words alone can do both at once: look at the picture, and change only
a part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    """How a pipeline class takes pictures."""

    WRAPPER = "wrapper"
    FILL = "fill"
    """Its own class, made for filling a mask: takes picture and mask."""
    EDIT = "edit"
    """Its own class, made for editing by instruction: takes the picture, and perhaps more, beside the words."""
    VARY = "vary"
    """Its own class, made for pictures like another: takes the picture, and words only if one likes."""
    WORDS = "words"
    """No way known: words only."""


class Layout(StrEnum):
    """How the latents lie while they are denoised."""

    PLAIN = "plain"
    """(1, channels, height, width), scaled and shifted as the autoencoder's configuration says."""
    PACKED = "packed"
    """The same, two by two latents a token, by the class's own ``_pack_latents`` (FLUX.1 and those after it)."""
    PATCHED = "patched"
    """Two by two latents are one of four times the channels already, and its class only strings them up (FLUX.2)."""


@dataclass(frozen=True)
class Taking:
    """How one class takes pictures: ``most`` so many, not counting the mask, and at ``least`` so many.

    With ``beside`` what it is given is looked at beside what it makes, as more tokens of one sequence: memory grows
    with each picture. A class for editing that ``blends`` also takes a mask, new edges and a strength: beside what it
    does with the picture itself, the wrapper starts from it and puts back what is kept.
    """

    way: Way = Way.WORDS
    layout: Layout = Layout.PLAIN
    least: int = 0
    most: int = 0
    blends: bool = False
    beside: bool = False


_PLAIN = Taking(Way.WRAPPER, Layout.PLAIN, most=1)
_PACKED = Taking(Way.WRAPPER, Layout.PACKED, most=1)

_FILL = Taking(Way.FILL, least=1, most=1)
_EDIT = Taking(Way.EDIT, least=1, most=1)
_VARY = Taking(Way.VARY, least=1, most=1)
_BESIDE = Taking(Way.EDIT, least=1, most=1, beside=True)
_FLUX2 = Taking(Way.EDIT, Layout.PATCHED, most=5, blends=True, beside=True)

WAYS: dict[str, Taking] = {
    "AuraFlowPipeline": _PLAIN,
    "BriaPipeline": _PACKED,
    "ChromaPipeline": _PACKED,
    "CogView4Pipeline": _PLAIN,
    "Flux2KleinPipeline": _FLUX2,
    "Flux2Pipeline": _FLUX2,
    "FluxFillPipeline": _FILL,
    "FluxKontextPipeline": Taking(Way.EDIT, least=0, most=1, beside=True),
    "FluxPipeline": _PACKED,
    "HunyuanDiTPAGPipeline": _PLAIN,
    "HunyuanDiTPipeline": _PLAIN,
    "KolorsPAGPipeline": _PLAIN,
    "KolorsPipeline": _PLAIN,
    "Krea2Pipeline": _PACKED,
    "LongCatImageEditPipeline": _BESIDE,
    "LongCatImagePipeline": _PACKED,
    "Lumina2Pipeline": _PLAIN,
    "OvisImagePipeline": _PACKED,
    "PixArtAlphaPipeline": _PLAIN,
    "PixArtSigmaPAGPipeline": _PLAIN,
    "PixArtSigmaPipeline": _PLAIN,
    "QwenImageEditPipeline": _BESIDE,
    "QwenImageEditPlusPipeline": Taking(Way.EDIT, least=1, most=3, beside=True),
    "QwenImagePipeline": _PACKED,
    "SanaPAGPipeline": _PLAIN,
    "SanaPipeline": _PLAIN,
    "StableDiffusion3PAGPipeline": _PLAIN,
    "StableDiffusion3Pipeline": _PLAIN,
    "StableDiffusionImageVariationPipeline": _VARY,
    "StableDiffusionInpaintPipeline": _FILL,
    "StableDiffusionInstructPix2PixPipeline": _EDIT,
    "StableDiffusionPAGPipeline": _PLAIN,
    "StableDiffusionPipeline": _PLAIN,
    "StableDiffusionXLInpaintPipeline": _FILL,
    "StableDiffusionXLInstructPix2PixPipeline": _EDIT,
    "StableDiffusionXLPAGPipeline": _PLAIN,
    "StableDiffusionXLPipeline": _PLAIN,
    "StableUnCLIPImg2ImgPipeline": _VARY,
    "ZImagePipeline": _PLAIN,
}
"""By class name. What is not here makes pictures from words only, in diffusers 0.42 for these reasons: HiDream moves
sizes to others of the same area; Sana Sprint scales its latents by the trigonometric scheduler's ``sigma_data`` outside
of it; Cosmos divides by it and denoises a video; ERNIE has no ``prepare_latents``; GLM lays out the picture with a
language model first; Bria Fibo is told in JSON; HunyuanImage was not tried. Of the image variations, Kandinsky 2.2 is
in two folders, and UnCLIP and Versatile Diffusion are deprecated in diffusers."""


def taking(pipeline: str) -> Taking:
    """How the class called ``pipeline`` takes pictures."""
    return WAYS.get(pipeline, Taking())
