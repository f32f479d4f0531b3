"""Loading components out of a single file: a checkpoint, a bare denoiser, a GGUF file.

diffusers knows how to rename the tensors of each architecture (``from_single_file``); it is given the tensors and the
configuration in the skeleton, so that it asks no network for either. Text encoders are renamed here: transformers
loads them by their configuration alone.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import diffusers
import torch
import transformers
from diffusers.models.model_loading_utils import load_gguf_checkpoint
from diffusers.quantizers.gguf.utils import GGUFLinear, GGUFParameter, dequantize_gguf_tensor
from safetensors import SafetensorError, safe_open
from torch.serialization import pickle as torch_pickle  # type: ignore[attr-defined]

from models.folders import FolderInfo, Part
from models.headers import Tensor
from models.recognise.pickled import read_pickled
from models.recognise.tensors import unwrapped
from models.skeleton import Note, Slice

Tensors = dict[str, torch.Tensor]
T = TypeVar("T")

_OPEN_CLIP = (
    ("transformer.resblocks.", "encoder.layers."),
    (".ln_1.", ".layer_norm1."),
    (".ln_2.", ".layer_norm2."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
    (".attn.out_proj.", ".self_attn.out_proj."),
    ("ln_final.", "final_layer_norm."),
    ("token_embedding.", "embeddings.token_embedding."),
)
"""Names in open_clip's text encoder and in transformers'."""


def load_single(info: FolderInfo, part: Part, cls: Any, dtype: torch.dtype) -> Any:
    """Build ``part`` of a skeleton from its file, in evaluation mode on the CPU.

    Raises:
        SafetensorError: the file is broken, or tensors of the component are not in it.
        OSError, RuntimeError, ValueError: what the libraries make of the rest.
    """
    assert info.single is not None
    assert part.single is not None
    tensors = _read(info.single, part.single)
    if part.library == "transformers":
        module = _text_encoder(info.home(part), tensors, part.single.layout, cls, dtype)
    else:
        module = _diffusers(info, part, _named(tensors, part.single), cls, dtype)
    if part.quantization == "gguf":
        _unpack_odd(module, dtype)
    lost = [name for name, tensor in module.named_parameters() if tensor.is_meta]
    if lost:
        raise SafetensorError(f"{len(lost)} tensors are not in the file: {lost[0]}...")
    return module.eval()


def _read(note: Note, slice_: Slice) -> Tensors:
    """The tensors of ``slice_``, without its prefix. But for GGUF they are mapped, not read: only what is used comes
    from the disk."""
    name, style = slice_.file or note.file, slice_.format or note.format
    if style == "gguf":
        tensors = _without(load_gguf_checkpoint(name, return_tensors=True), slice_.prefix)
        return tensors if slice_.quantization else _unpacked(tensors)
    if style == "pickle":
        return _unpickled(note, slice_.prefix)
    with safe_open(name, framework="pt") as file:
        tensors = {each: file.get_tensor(each) for each in file.keys() if each.startswith(slice_.prefix)}  # noqa: SIM118
    return _without(tensors, slice_.prefix)


def _unpacked(tensors: Tensors) -> Tensors:
    """As plain numbers: text encoders know nothing of packed ones, and some files pack nothing but say bfloat16."""
    return {
        name: dequantize_gguf_tensor(tensor) if isinstance(tensor, GGUFParameter) else tensor
        for name, tensor in tensors.items()
    }


def _unpickled(note: Note, prefix: str) -> Tensors:
    if not note.allow_pickle:
        raise PermissionError("no consent to read a pickle")
    return unpickled(Path(note.file), prefix)


def unpickled(path: Path, prefix: str = "") -> Tensors:
    """From a pickle a person agreed to. Its tensors are taken from where they lie in the file, and nothing is
    unpickled; where they cannot be (files from before torch 1.6), by torch's restricted reader, which runs no code.

    Raises:
        SafetensorError: it holds more than weights.
        OSError: it cannot be read.
    """
    listing = read_pickled(path)
    wanted = _without(dict(unwrapped(listing.tensors if listing else {})), prefix)
    if all(tensor.begin for tensor in wanted.values()):
        return _mapped(path, wanted)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except torch_pickle.PickleError as error:
        raise SafetensorError(f"it holds more than weights: {error}") from error
    while isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    return _without({name: tensor for name, tensor in found.items() if isinstance(tensor, torch.Tensor)}, prefix)


def _mapped(path: Path, wanted: dict[str, Tensor]) -> Tensors:
    """Tensors whose bytes lie in a file as they are."""
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # private: nothing is ever written back
    return {
        name: torch.frombuffer(
            data, dtype=getattr(torch, tensor.dtype), count=tensor.count, offset=tensor.begin
        ).reshape(tensor.shape)
        for name, tensor in wanted.items()
        if tensor.count
    }


def _without(tensors: Mapping[str, T], prefix: str) -> dict[str, T]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _named(tensors: Tensors, slice_: Slice) -> Tensors:
    """As diffusers' renaming expects them: a UNet under its old prefix, everything else without any."""
    if slice_.layout == "ldm" and "input_blocks.0.0.weight" in tensors:
        return {f"model.diffusion_model.{name}": tensor for name, tensor in tensors.items()}
    return tensors


def _diffusers(info: FolderInfo, part: Part, tensors: Tensors, cls: Any, dtype: torch.dtype) -> Any:
    if not hasattr(cls, "from_single_file"):
        return _as_named(part, tensors, cls, dtype)
    options: dict[str, Any] = {}
    if part.quantization == "gguf":
        options["quantization_config"] = diffusers.GGUFQuantizationConfig(compute_dtype=dtype)
    # The pipeline's folder and the component's name: what diffusers takes for a model with all its parts.
    return cls.from_single_file(
        tensors, config=info.folder, subfolder=part.name, dtype=dtype, local_files_only=True, **options
    )


def _as_named(part: Part, tensors: Tensors, cls: Any, dtype: torch.dtype) -> Any:
    """An architecture whose published names diffusers cannot rename, from a file that has diffusers' own."""
    if part.quantization or not part.single or part.single.layout != "diffusers":
        raise ValueError(f"{part.class_name} cannot be read in this layout")
    module = cls.from_config(part.config)
    lost = sorted(set(module.state_dict()) - tensors.keys())
    if lost:
        raise SafetensorError(f"{len(lost)} tensors are not in the file: {lost[0]}...")
    module.load_state_dict({name: tensor.to(dtype) for name, tensor in tensors.items()}, strict=False, assign=True)
    return module.to(dtype)


def _unpack_odd(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """Packed tensors of anything but a linear layer (norms, padding tokens) as plain numbers: nobody else unpacks them
    while the model runs."""
    for owner in module.modules():
        if isinstance(owner, GGUFLinear):
            continue
        for name, tensor in list(owner.named_parameters(recurse=False)):
            if isinstance(tensor, GGUFParameter):
                plain = dequantize_gguf_tensor(tensor).to(dtype)
                setattr(owner, name, torch.nn.Parameter(plain, requires_grad=False))


def _text_encoder(folder: Path, tensors: Tensors, layout: str, cls: Any, dtype: torch.dtype) -> Any:
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    if layout == "open_clip":
        tensors = _from_open_clip(tensors, int(config.num_hidden_layers))
    else:
        tensors = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    with torch.device("meta"):
        module = cls(config)
    wrapped = "text_model." if hasattr(module, "text_model") else ""
    given = {
        name if name.startswith("text_projection") else wrapped + name: tensor.to(dtype)
        for name, tensor in tensors.items()
    }
    module.load_state_dict(given, strict=False, assign=True)
    _fill_buffers(module)
    return module


def _from_open_clip(tensors: Tensors, layers: int) -> Tensors:
    """The first ``layers`` layers under transformers' names; query, key and value are one matrix in open_clip."""
    found: Tensors = {}
    for name, tensor in tensors.items():
        if name == "positional_embedding":
            found["embeddings.position_embedding.weight"] = tensor
        elif name == "text_projection":
            found["text_projection.weight"] = tensor.T.contiguous()
        elif name.startswith("transformer.resblocks.") and int(name.split(".")[2]) >= layers:
            continue
        else:
            found.update(_renamed(name, tensor))
    return found


def _renamed(name: str, tensor: torch.Tensor) -> Tensors:
    for old, new in _OPEN_CLIP:
        name = name.replace(old, new)
    stem, joined, kind = name.partition(".attn.in_proj_")
    if not joined:
        return {name: tensor}
    thirds = zip(("q_proj", "k_proj", "v_proj"), tensor.chunk(3), strict=True)
    return {f"{stem}.self_attn.{third}.{kind}": values.contiguous() for third, values in thirds}


def _fill_buffers(module: torch.nn.Module) -> None:
    """Positions 0, 1, 2... are computed, not stored."""
    for owner in module.modules():
        for name, buffer in list(owner.named_buffers(recurse=False)):
            if buffer.is_meta:
                owner.register_buffer(name, torch.arange(buffer.shape[-1]).expand(buffer.shape), persistent=False)
