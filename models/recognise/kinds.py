"""What a weight file is and which family it belongs to, told from its tensors' names and shapes, never from its
name."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import msgspec


class FileKind(StrEnum):
    """What one weight file is."""

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
    UNKNOWN = "unknown"


class Recognised(msgspec.Struct, frozen=True):
    """What a file was recognised as.

    ``family`` is a name of ``models.families`` or empty; ``format`` "safetensors", "gguf" or "pickle" (of a pickled
    file nothing but its format is known unless the restricted reader could list its tensors). ``variant`` tells
    versions of one family apart ("inpaint", "edit", "refiner", "v-prediction", "schnell"...). ``title``, ``trigger``
    and ``base`` are what the file's own metadata says. ``layers`` counts what was matched. ``warnings`` are codes:
    "pickle", "unverified_family".
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


def recognise(path: Path) -> Recognised:
    """Look at the header of ``path`` (milliseconds; no tensor is read, nothing is unpickled).

    Raises:
        AtelierError: MODEL_CORRUPT (with ``model``, ``file``) for a broken or cut-off file, FILE_UNKNOWN (with
        ``file``) for one that is no weight file at all.
        OSError: the file cannot be read.
    """
    raise NotImplementedError(path)
