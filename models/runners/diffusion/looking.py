"""What IP-Adapters need beside their layers: their weights read, and an encoder that looks at pictures for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from safetensors import SafetensorError, safe_open

from models.card import AddonRef
from models.control import ADAPTERS, Looks
from models.errors import AtelierError, ErrorCode
from models.planning import Plan
from models.runners.base import Addons
from models.runners.diffusion.beside import Beside
from models.runners.diffusion.nets import refused

Weights = dict[str, dict[str, torch.Tensor]]

_PROJECTION = ("image_proj.", "ip_adapter_proj_model.")
_LAYERS = ("ip_adapter.", "double_blocks.")
_MAX_CONFIG = 1_000_000
_FOLDERS = ("image_encoder", "models/image_encoder", "sdxl_models/image_encoder")
"""Where repositories of adapters keep encoders, from the adapter's folder or one above it."""
_ENCODERS = ("text-encoder", "image-encoder")
"""Kinds of add-on that may hold an encoder for pictures (CLIP's repositories hold both)."""


def read_adapter(ref: AddonRef) -> Weights:
    """The adapter's tensors as diffusers takes them, in the names of its repository (XLabs' renamed).

    Raises:
        AtelierError: MODEL_NEEDS_PICKLE, MODEL_CORRUPT with ``model`` and ``file``.
        InvalidInputError: it holds something else, or needs a face recognised.
    """
    path = _file(Path(ref.path))
    if path.suffix.lower() not in (".safetensors", ".sft"):
        raise AtelierError(ErrorCode.MODEL_NEEDS_PICKLE, model=ref.name)
    found: Weights = {"image_proj": {}, "ip_adapter": {}}
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                rest = name.partition(".")[2]
                if name.startswith(_PROJECTION):
                    found["image_proj"][rest] = file.get_tensor(name)
                elif name.startswith(_LAYERS):
                    found["ip_adapter"][_named(rest)] = file.get_tensor(name)
    except (SafetensorError, OSError, ValueError) as error:
        raise AtelierError(ErrorCode.MODEL_CORRUPT, str(error), model=ref.name, file=path.name) from error
    if not found["image_proj"] or not found["ip_adapter"]:
        raise _refused(ref, "is no IP-Adapter in a layout that is known.")
    names = found["image_proj"]
    by_face = any("perceiver_resampler" in name for name in names) or "proj.0.weight" in names
    if by_face and "proj.3.weight" not in names:
        raise _refused(ref, "needs a program that recognises faces (FaceID), which is not part of Atelier.")
    return found


def _file(path: Path) -> Path:
    return next(iter(sorted(path.glob("*.safetensors"))), path) if path.is_dir() else path


def _named(name: str) -> str:
    for old, new in (
        ("ip_adapter_double_stream_k_proj", "to_k_ip"),
        ("ip_adapter_double_stream_v_proj", "to_v_ip"),
        ("processor.", ""),
    ):
        name = name.replace(old, new)
    return name


def _refused(ref: AddonRef, why: str) -> Exception:
    return refused(ref, why, ADAPTERS, "IP-Adapter")


def seen_by(
    ref: AddonRef, weights: Weights, way: Looks, image: Image.Image, addons: Addons, plan: Plan, beside: Beside
) -> tuple[str, torch.Tensor, torch.Tensor]:
    """The encoder's key on the shelf, and what it sees of ``image`` and of none; (1, 1, ...) on the CPU."""
    projection = weights["image_proj"]
    whole = "proj.weight" in projection  # one vector for the whole picture; others take one for each part of it
    width = (projection["proj.weight"] if whole else _first(ref, projection)).shape[-1]
    folder = _encoder_for(ref, width, "projection_dim" if whole else "hidden_size", addons)
    encoder = beside.take(str(folder), lambda: _load(folder, way, plan))
    pixels = _pixels(encoder, image, way).to(plan.device, encoder.dtype)
    encoder.to(plan.device)
    try:
        with torch.no_grad():
            seen = _look(encoder, pixels, whole)
            nothing = torch.zeros_like(pixels)
            if way is Looks.FLUX:
                nothing = _pixels(encoder, Image.new("RGB", image.size), way).to(pixels)
            blank = (whole and way is Looks.UNET) or way is Looks.SD3
            unseen = torch.zeros_like(seen) if blank else _look(encoder, nothing, whole)
    finally:
        encoder.to("cpu")
    return str(folder), seen[None].cpu(), unseen[None].cpu()


def _first(ref: AddonRef, projection: dict[str, torch.Tensor]) -> torch.Tensor:
    for name in ("proj_in.weight", "proj.0.weight"):
        if name in projection:
            return projection[name]
    raise _refused(ref, "is no IP-Adapter in a layout that is known.")


def _look(encoder: Any, pixels: torch.Tensor, whole: bool) -> torch.Tensor:
    if whole:
        return encoder(pixels).image_embeds  # type: ignore[no-any-return]
    return encoder(pixels, output_hidden_states=True).hidden_states[-2]  # type: ignore[no-any-return]


def _pixels(encoder: Any, image: Image.Image, way: Looks) -> torch.Tensor:
    """As the encoder was trained to be shown pictures: the middle, in CLIP's colours; SigLIP takes all of it."""
    side = int(encoder.config.image_size)
    if way is Looks.SD3:
        processor: Any = transformers.SiglipImageProcessor(size={"height": side, "width": side})
    else:
        processor = transformers.CLIPImageProcessor(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        )
    pixels: torch.Tensor = processor(image.convert("RGB"), return_tensors="pt").pixel_values
    return pixels


def _encoder_for(ref: AddonRef, width: int, key: str, addons: Addons) -> Path:
    """The folder of an encoder that gives ``width`` numbers: the adapter's own, one in its repository, or an add-on."""
    file = Path(ref.path)
    above = [file, *file.parents][: 4 if file.is_dir() else 3]
    near = [parent / name for parent in above for name in _FOLDERS]
    others = [Path(other.path) for other in addons.values() if other.kind in _ENCODERS]
    others = [path if path.is_dir() else path.parent for path in others]
    for folder in (*near, *others):
        if _width(folder, key) == width:
            return folder
    raise _refused(
        ref, f"needs an image encoder of width {width} (a folder “image_encoder” beside it), which is not here."
    )


def _width(folder: Path, key: str) -> int:
    """A value of an encoder's configuration; 0 where there is none."""
    file = folder / "config.json"
    try:
        if not file.is_file() or file.stat().st_size > _MAX_CONFIG:
            return 0
        config = json.loads(file.read_bytes())
        vision = config.get("vision_config") or config
        value = config.get(key, vision.get(key)) if key == "projection_dim" else vision.get(key)
    except (OSError, ValueError, AttributeError, RecursionError):
        return 0
    named = str((config.get("architectures") or [config.get("model_type")])[0])
    is_vision = "vision" in named.lower() or "vision_config" in config
    return int(value) if is_vision and isinstance(value, int) else 0


def _load(folder: Path, way: Looks, plan: Plan) -> Any:
    cls = transformers.SiglipVisionModel if way is Looks.SD3 else transformers.CLIPVisionModelWithProjection
    try:
        encoder = cls.from_pretrained(
            folder, dtype=getattr(torch, plan.dtype), local_files_only=True, use_safetensors=True
        )
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        name = folder.name
        raise AtelierError(ErrorCode.MODEL_CORRUPT, str(error), model=name, file="model.safetensors") from error
    return encoder.eval().requires_grad_(False)
