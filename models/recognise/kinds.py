"""The words for what a weight file is."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class FileKind(StrEnum):
    """What one weight file, or a folder of one model, is. Helpers are called as in the catalog (``Role``)."""

    CHECKPOINT = "checkpoint"
    """A whole model in one file: denoiser, text encoder(s) and VAE."""
    DENOISER = "denoiser"
    """Only the UNet or transformer; text encoders and VAE come from elsewhere."""
    LORA = "lora"
    VAE = "vae"
    EMBEDDING = "embedding"
    CONTROLNET = "controlnet"
    IP_ADAPTER = "ip-adapter"
    UPSCALER = "upscaler"
    TEXT_ENCODER = "text-encoder"
    BACKGROUND = "background-removal"
    CAPTION = "caption"
    DETECTION = "detection"
    DEPTH = "depth"
    POSE = "pose"
    SEGMENTATION = "segmentation"
    UNKNOWN = "unknown"


HELPERS = frozenset(
    {FileKind.BACKGROUND, FileKind.CAPTION, FileKind.DETECTION, FileKind.DEPTH, FileKind.POSE, FileKind.SEGMENTATION}
)
"""Models beside those that paint: each is a whole folder, or an ONNX graph."""


class Recognised(msgspec.Struct, frozen=True):
    """What a file was recognised as.

    ``family`` is a name of ``models.families`` or empty; ``format`` "safetensors", "gguf", "pickle" (its tensors
    were listed without running it), "onnx", "transformers" (a helper's folder) or "folder". ``variant`` tells
    versions of one family apart ("inpaint", "edit", "refiner", "v-prediction", "schnell"...). ``title``, ``trigger``
    and ``base`` are what the file's own metadata says. ``layers`` counts what was matched. ``warnings`` are codes:
    "pickle", "unverified_family" (other families have the same layers), "packed" (for another program's
    reader: it cannot be run).
    """

    path: str
    kind: FileKind
    format: str
    family: str = ""
    variant: str = ""
    parameters: int = 0
    stored_dtype: str = ""
    size_bytes: int = 0
    title: str = ""
    trigger: tuple[str, ...] = ()
    base: str = ""
    layers: int = 0
    warnings: tuple[str, ...] = ()
