"""Helper models that maps are made with: found among the add-ons, loaded for one map and dropped again.

Only safetensors are read, no code from repositories is run, and nothing is fetched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from models.card import AddonRef
from models.errors import AtelierError, ErrorCode
from models.runners.base import Addons, OutOfMemoryError

INDEX = "model_index.json"


def class_of(ref: AddonRef) -> str:
    """The class that the add-on's folder names: of transformers, or a pipeline of diffusers. Empty if none."""
    folder = folder_of(ref)
    for name, key in ((INDEX, "_class_name"), ("config.json", "architectures")):
        try:
            value = json.loads((folder / name).read_bytes()).get(key)
        except (OSError, ValueError, AttributeError):
            continue
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, str):
            return value
    return ""


def folder_of(ref: AddonRef) -> Path:
    path = Path(ref.path)
    return path.parent if path.is_file() else path


def names_of(ref: AddonRef) -> set[str]:
    """What the model in the add-on's folder tells apart, in small letters."""
    try:
        found = json.loads((folder_of(ref) / "config.json").read_bytes()).get("id2label", {})
        return {str(name).lower() for name in found.values()}
    except (OSError, ValueError, AttributeError):
        return set()


def helper(addons: Addons, roles: tuple[str, ...], fitting: str, knows: str = "") -> AddonRef | None:
    """The first add-on of one of ``roles`` (in their order) whose class matches the expression ``fitting``, and that
    tells apart ``knows``, where that is given."""
    for role in roles:
        for ref in addons.values():
            if ref.kind == role and re.search(fitting, class_of(ref)) and (not knows or knows in names_of(ref)):
                return ref
    return None


@contextmanager
def loaded(ref: AddonRef, device: str) -> Iterator[Any]:
    """The model of transformers in the add-on's folder, ready to look at a picture; dropped when done.

    Raises:
        AtelierError: MODEL_CORRUPT or MODEL_UNSUPPORTED, naming the add-on.
        OutOfMemoryError: no room on ``device``.
    """
    kind = getattr(transformers, class_of(ref), None)
    if kind is None:
        raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=ref.name, pipeline=class_of(ref))
    with _troubles(ref):
        model = kind.from_pretrained(folder_of(ref), use_safetensors=True, local_files_only=True).eval().to(device)
    try:
        with torch.inference_mode(), _troubles(ref):
            yield model
    finally:
        del model
        if device != "cpu":
            torch.get_device_module(device).empty_cache()


@contextmanager
def pipeline(ref: AddonRef, device: str) -> Iterator[Any]:
    """The pipeline of diffusers in the add-on's folder; as ``loaded``."""
    import diffusers

    kind = getattr(diffusers, class_of(ref), None)
    if kind is None:
        raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=ref.name, pipeline=class_of(ref))
    folder = folder_of(ref)
    half = (
        any(folder.glob("*/*.fp16.safetensors")) and not (folder / "unet/diffusion_pytorch_model.safetensors").exists()
    )
    dtype = torch.float32 if device == "cpu" else torch.float16
    with _troubles(ref):
        pipe = kind.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, torch_dtype=dtype, variant="fp16" if half else None
        ).to(device)
    pipe.set_progress_bar_config(disable=True)
    try:
        with _troubles(ref):
            yield pipe
    finally:
        del pipe
        if device != "cpu":
            torch.get_device_module(device).empty_cache()


def processor(ref: AddonRef, fallback: str) -> Any:
    """What prepares pictures for the model; by the class ``fallback`` where the folder says nothing."""
    with _troubles(ref):
        if (folder_of(ref) / "preprocessor_config.json").is_file():
            return transformers.AutoImageProcessor.from_pretrained(folder_of(ref), local_files_only=True)
        return getattr(transformers, fallback)()


@contextmanager
def _troubles(ref: AddonRef) -> Iterator[None]:
    """What libraries raise over an add-on's files, as our own errors."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError("run", str(error)) from error
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        file = Path(ref.path).name
        raise AtelierError(
            ErrorCode.MODEL_CORRUPT, f"{type(error).__name__}: {error}", model=ref.name, file=file
        ) from error
