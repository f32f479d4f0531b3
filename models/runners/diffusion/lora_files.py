"""Reading a LoRA's file: what it may be, that it is whole and sane, and what it says of its own strength."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open

from models.card import AddonRef
from models.errors import AtelierError, ErrorCode
from models.families import family_title
from models.recognise.files import list_tensors

_NAMES = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
"""What diffusers and PEFT call the file in a folder."""


class Alphas(msgspec.Struct, frozen=True):
    """What files of diffusers and PEFT say of a layer's alpha beside the tensors: by component ("" for all), and for
    layers whose path ends in a name."""

    plain: dict[str, float] = {}
    named: dict[str, float] = {}
    rooted: bool = False
    """Alpha is divided by the root of the rank (rsLoRA)."""

    def of(self, layer: str, component: str, rank: int) -> float | None:
        found = next((alpha for name, alpha in self.named.items() if layer.endswith(name)), None)
        if found is None:
            found = self.plain.get(component, self.plain.get(""))
        return found * rank**0.5 if found is not None and self.rooted else found


def file_of(ref: AddonRef) -> Path:
    """The weight file of an add-on that may be a folder; raises AtelierError where there is none."""
    path = Path(ref.path)
    if not path.is_dir():
        return path
    files = sorted(path.glob("*.safetensors"))
    chosen = next((file for file in files if file.name in _NAMES), files[0] if files else None)
    if chosen is None:
        raise broken(ref, path, "there is no safetensors file in its folder")
    return chosen


def read_tensors(ref: AddonRef) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """All tensors of an add-on's file, on the CPU, and the words of its header.

    A pickled file is read only where a person agreed, by torch's restricted loader, which builds tensors and plain
    values and calls nothing else.

    Raises:
        AtelierError: MODEL_NEEDS_PICKLE, MODEL_CORRUPT, or ADDON_BROKEN with the reason.
    """
    path = file_of(ref)
    try:
        listing = list_tensors(path)
        if listing.format == "pickle":
            tensors = _unpickled(ref, path)
        elif listing.format == "safetensors":
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        else:
            raise broken(ref, path, "its format cannot be read")
    except FileNotFoundError as error:
        raise broken(ref, path, "the file is no longer there") from error
    except SafetensorError as error:
        raise AtelierError(ErrorCode.MODEL_CORRUPT, str(error), model=ref.name, file=path.name) from error
    bad = next((name for name, tensor in tensors.items() if not _finite(tensor)), None)
    if bad is not None:
        raise broken(ref, path, "it holds numbers that are not finite", bad)
    return tensors, dict(listing.metadata)


def _unpickled(ref: AddonRef, path: Path) -> dict[str, torch.Tensor]:
    if not ref.pickled:
        raise AtelierError(ErrorCode.MODEL_NEEDS_PICKLE, model=ref.name, file=path.name)
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the loader raises whatever a file can make it raise
        raise broken(ref, path, "the restricted loader does not take it", str(error)) from error
    return _flat(found)


def _flat(found: Any, start: str = "") -> dict[str, torch.Tensor]:
    """Tensors of nested dictionaries by their path, without what training scripts wrap around them."""
    if isinstance(found, torch.Tensor):
        return {start: found.detach()}
    if not isinstance(found, Mapping):
        return {}
    inner = found.get("state_dict")
    if isinstance(inner, Mapping):
        return _flat(inner)
    flat: dict[str, torch.Tensor] = {}
    for name, value in found.items():
        flat |= _flat(value, f"{start}.{name}" if start else str(name))
    return flat


def _finite(tensor: torch.Tensor) -> bool:
    if not tensor.is_floating_point():
        return True
    if tensor.element_size() == 1:  # float8 has no isfinite of its own
        tensor = tensor.float()
    return bool(torch.isfinite(tensor).all())


def alphas_of(path: Path, metadata: Mapping[str, str]) -> Alphas:
    """From the header of a file that diffusers saved, or from ``adapter_config.json`` beside one of PEFT's."""
    try:
        config = json.loads(metadata["lora_adapter_metadata"]) if "lora_adapter_metadata" in metadata else None
        beside = path.parent / "adapter_config.json"
        if config is None and path.name.startswith("adapter_model") and beside.is_file():
            config = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return Alphas()
    if not isinstance(config, dict):
        return Alphas()
    plain: dict[str, float] = {}
    named: dict[str, float] = {}
    for key, value in config.items():
        component, _, name = str(key).rpartition(".")
        if name == "lora_alpha" and isinstance(value, int | float):
            plain[component] = float(value)
        elif name == "alpha_pattern" and isinstance(value, dict):
            named |= {str(path): float(alpha) for path, alpha in value.items() if isinstance(alpha, int | float)}
    return Alphas(plain, named, any(str(key).endswith("use_rslora") and value is True for key, value in config.items()))


def short_hash(path: Path) -> str:
    """The twelve figures A1111 knows a LoRA by: SHA-256 of a safetensors file's tensors, without its header."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        size = path.stat().st_size
        file.seek(length + 8 if path.suffix == ".safetensors" and length + 8 <= size else 0)
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def broken(ref: AddonRef, path: Path, reason: str, detail: str = "") -> AtelierError:
    return AtelierError(ErrorCode.ADDON_BROKEN, detail, name=ref.name, file=path.name, reason=reason)


def misfit(ref: AddonRef, matched: int, layers: int) -> AtelierError:
    made_for = family_title(ref.family) if ref.family else "another model"
    return AtelierError(ErrorCode.ADDON_MISFIT, name=ref.name, matched=matched, layers=layers, made_for=made_for)
