"""Denoisers by the tensors that only they have, and whole checkpoints by what comes with one."""

from __future__ import annotations

from models.recognise.finding import Finding, Tensors, side, under
from models.recognise.kinds import FileKind

_PREFIXES = ("model.diffusion_model.", "")
ENCODERS = ("cond_stage_model.", "conditioner.embedders.", "text_encoders.")
AUTOENCODERS = ("first_stage_model.", "vae.")


def find(tensors: Tensors) -> Finding | None:
    """The denoiser among ``tensors``, as a checkpoint when text encoder or autoencoder are with it."""
    for prefix in _PREFIXES:
        inner = under(tensors, prefix)
        if "input_blocks.0.0.weight" in inner:
            family = _unet_family(tensors, inner)
            whole = any(name.startswith((*ENCODERS, *AUTOENCODERS)) for name in tensors)
            kind = FileKind.CHECKPOINT if whole else FileKind.DENOISER
            return Finding(kind, family, _unet_variant(tensors, inner), len(inner), prefix, "ldm")
    return None


def _unet_family(tensors: Tensors, inner: Tensors) -> str:
    width = next((t.shape[-1] for name, t in inner.items() if name.endswith("attn2.to_k.weight")), 0)
    known = {768: "sd15", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"}
    return known.get(width, "sd15")


def _unet_variant(tensors: Tensors, inner: Tensors) -> str:
    return {9: "inpaint", 8: "edit"}.get(side(inner, "input_blocks.0.0.weight", 1), "")
