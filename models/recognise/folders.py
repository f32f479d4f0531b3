"""What a folder of weights is: a whole model, one component of it with its configuration, or an adapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from models.errors import AtelierError, ErrorCode
from models.headers import BrokenHeaderError, Listing, Tensor, read_listing
from models.recognise.files import describe, recognise
from models.recognise.finding import Finding
from models.recognise.helpers import GRAPH, graphs_in, helper_kind
from models.recognise.kinds import FileKind, Recognised
from models.recognise.tensors import find

INDEX = "model_index.json"
_MAX_JSON = 32_000_000
_ADAPTERS = ("adapter_model.safetensors", "pytorch_lora_weights.safetensors")
_CLASSES: tuple[tuple[str, FileKind], ...] = (
    ("ControlNet", FileKind.CONTROLNET),
    ("T2IAdapter", FileKind.CONTROLNET),
    ("MultiAdapter", FileKind.CONTROLNET),
    ("Autoencoder", FileKind.VAE),
    ("VQModel", FileKind.VAE),
    ("UNet", FileKind.DENOISER),
    ("Transformer", FileKind.DENOISER),
    ("CLIPText", FileKind.TEXT_ENCODER),
    ("T5Encoder", FileKind.TEXT_ENCODER),
)
"""Kinds by a word in the class that a configuration names; the first that is found counts."""


def recognise_folder(path: Path) -> Recognised:
    """Look at the configuration and headers of a folder; nothing below its direct subfolders is looked at.

    A whole model in diffusers' layout is a CHECKPOINT of format "folder", its ``base`` the name of its pipeline; its
    family is that of its denoiser.

    Raises:
        AtelierError: MODEL_CORRUPT (with ``model``, ``file``) for broken files, FILE_UNKNOWN (with ``file``) for a
        folder that is none of these.
        OSError: it cannot be read.
    """
    if (path / INDEX).is_file():
        return _pipeline(path)
    adapter = next((path / name for name in _ADAPTERS if (path / name).is_file()), None)
    if adapter is not None:
        return _adapter(path, recognise(adapter))
    if (helper := recognise_helper(path)) is not None:
        return helper
    if (path / "config.json").is_file():
        return _component(path)
    raise AtelierError(ErrorCode.FILE_UNKNOWN, "no model, adapter or component", file=path.name)


def recognise_helper(path: Path) -> Recognised | None:
    """A helper's folder, or the ONNX file of one; None for anything else.

    Raises:
        AtelierError: MODEL_CORRUPT for broken weight files, MODEL_INCOMPLETE for a configuration without any.
        OSError: it cannot be read.
    """
    kind = helper_kind(path)
    if kind is FileKind.UNKNOWN:
        return None
    if kind is FileKind.BACKGROUND:
        graphs = [path] if path.suffix.lower() == GRAPH else graphs_in(path)
        return Recognised(str(path), kind, "onnx", size_bytes=max(graph.stat().st_size for graph in graphs))
    listing = _listing(path, path)
    if not listing.tensors:
        raise AtelierError(ErrorCode.MODEL_INCOMPLETE, model=path.name, file="model.safetensors")
    base = next(iter(_words(_json(path / "config.json", path).get("architectures"))), "")
    return msgspec.structs.replace(_folder(path, listing, Finding(kind), base), format="transformers", base="")


def _pipeline(path: Path) -> Recognised:
    pipeline = _json(path / INDEX, path).get("_class_name")
    denoiser = next(
        (path / name for name in ("transformer", "unet", "prior", "decoder") if (path / name).is_dir()), None
    )
    listing = _listing(denoiser, path) if denoiser else Listing({})
    found = find(listing.tensors)
    whole = Finding(FileKind.CHECKPOINT, found.family, found.variant, found.layers)
    return _folder(path, listing, whole, str(pipeline) if isinstance(pipeline, str) else "")


def _adapter(path: Path, found: Recognised) -> Recognised:
    """PEFT writes beside an adapter which model it is for: a hint only."""
    base = ""
    if (path / "adapter_config.json").is_file():
        named = _json(path / "adapter_config.json", path).get("base_model_name_or_path")
        base = named[:200] if isinstance(named, str) else ""
    return msgspec.structs.replace(found, base=found.base or base)


def _component(path: Path) -> Recognised:
    config = _json(path / "config.json", path)
    named = config.get("_class_name") or next(iter(_words(config.get("architectures"))), "")
    kind = next((kind for word, kind in _CLASSES if word in str(named)), FileKind.UNKNOWN)
    listing = _listing(path, path)
    found = find(listing.tensors)
    if kind is FileKind.UNKNOWN or found.kind is kind:
        return _folder(path, listing, found, str(named))
    return _folder(path, listing, Finding(kind, found.family, "union" if "Union" in str(named) else ""), str(named))


def _folder(path: Path, listing: Listing, found: Finding, base: str) -> Recognised:
    described = describe(path, listing, found, sum(file.stat().st_size for file in _weights(path)))
    return msgspec.structs.replace(described, format="folder", base=base)


def _listing(folder: Path, whole: Path) -> Listing:
    """The tensors of one component, of the plain files if there are variants beside them."""
    files = sorted(folder.glob("*.safetensors"))
    plain = [file for file in files if not any(f".{variant}." in file.name for variant in ("fp16", "bf16", "non_ema"))]
    tensors: dict[str, Tensor] = {}
    for file in plain or files:
        try:
            tensors.update(read_listing(file).tensors)
        except (BrokenHeaderError, FileNotFoundError) as error:
            name = file.relative_to(whole).as_posix()
            raise AtelierError(ErrorCode.MODEL_CORRUPT, str(error), model=whole.name, file=name) from error
    return Listing(tensors)


def _weights(path: Path) -> list[Path]:
    return [file for pattern in ("*.safetensors", "*/*.safetensors") for file in path.glob(pattern) if file.is_file()]


def _words(value: object) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _json(path: Path, whole: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_JSON:
            raise ValueError(f"more than {_MAX_JSON} bytes")
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        name = path.relative_to(whole).as_posix()
        raise AtelierError(ErrorCode.MODEL_CORRUPT, str(error), model=whole.name, file=name) from error
    return value if isinstance(value, dict) else {}
