"""Loading a ControlNet, from a folder in diffusers layout or from a single file, for the denoiser it is to guide.

A single file says nothing of its architecture but by its tensors: what they leave open is taken from the denoiser,
which a ControlNet is a copy of. diffusers would ask the hub for it. Original SD names are renamed by diffusers' own
function.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from accelerate import init_empty_weights
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from safetensors import SafetensorError, safe_open

from models.card import AddonRef
from models.control import CONTROLS, Controlled
from models.errors import AtelierError, ErrorCode, InvalidInputError, Problem
from models.runners.diffusion.single import unpickled

Tensors = dict[str, torch.Tensor]

_MAX_CONFIG = 1_000_000
_VARIANTS = (".fp16.", ".bf16.", ".non_ema.")
_UNION = "task_embedding"
_UNSHARED = ("encoder_hid_dim", "encoder_hid_dim_type", "in_channels")
"""What a network's configuration does not take from the denoiser's."""
_FIRST_Z = 6
"""Layers of the first version of Z-Image's networks."""


def load_net(ref: AddonRef, way: Controlled, denoiser: Any, dtype: torch.dtype) -> Any:
    """The ControlNet in evaluation mode on the CPU.

    Raises:
        AtelierError: MODEL_CORRUPT with ``model`` and ``file``.
        InvalidInputError: it is no ControlNet that this model can take.
    """
    path = Path(ref.path)
    with _named_errors(ref):
        tensors = _read(ref, path)
        config = _config(path)
        if config is None:
            tensors, config = _told(way, denoiser, tensors, ref)
        cls = _class_of(way, config, tensors, ref)
        config = _fitted_config(cls, config, tensors)
        _check_alike(ref, way, config, denoiser.config)
        return _built(cls, config, tensors, dtype, ref)


@contextmanager
def _named_errors(ref: AddonRef) -> Iterator[None]:
    try:
        yield
    except (
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        AssertionError,
        RecursionError,
    ) as error:
        detail, file = f"{type(error).__name__}: {error}", Path(ref.path).name
        raise AtelierError(ErrorCode.MODEL_CORRUPT, detail, model=ref.name, file=file) from error


def refused(ref: AddonRef, why: str, name: str = CONTROLS, title: str = "ControlNet") -> InvalidInputError:
    """The add-on is whole but cannot be used here."""
    return InvalidInputError(Problem(name, ref.name, f"{title}: “{ref.name}” {why}"))


def _read(ref: AddonRef, path: Path) -> Tensors:
    if path.is_file() and path.suffix.lower() not in (".safetensors", ".sft"):
        if not ref.pickled:
            raise AtelierError(ErrorCode.MODEL_NEEDS_PICKLE, model=ref.name)
        return unpickled(path)
    tensors: Tensors = {}
    for file in [path] if path.is_file() else weight_files(path):
        with safe_open(file, framework="pt") as opened:
            tensors.update({name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118
    if not tensors:
        raise SafetensorError("there are no weights in it")
    return tensors


def weight_files(folder: Path) -> list[Path]:
    """The weights of one component in diffusers layout; the plain ones where there are variants beside them."""
    files = sorted(folder.glob("*.safetensors"))
    return [file for file in files if not any(word in file.name for word in _VARIANTS)] or files


def _config(path: Path) -> dict[str, Any] | None:
    file = path / "config.json"
    if not path.is_dir() or not file.is_file():
        return None
    if file.stat().st_size > _MAX_CONFIG:
        raise ValueError(f"config.json has more than {_MAX_CONFIG} bytes")
    config = json.loads(file.read_bytes())
    if not isinstance(config, dict):
        raise ValueError("config.json holds no object")
    return config


def _class_of(way: Controlled, config: Mapping[str, Any], tensors: Tensors, ref: AddonRef) -> Any:
    """The class that fits: published configurations of networks for several kinds of map name the plain one."""
    named = str(config.get("_class_name") or way.net)
    if way.net == "ControlNetModel" and named in ("ControlNetModel", "ControlNetUnionModel", "ControlNetModel_Union"):
        return diffusers.ControlNetUnionModel if _UNION in tensors else diffusers.ControlNetModel
    if named != way.net:
        raise refused(ref, f"is a {named}, which this model cannot be guided with.")
    return getattr(diffusers, way.net)


def _fitted_config(cls: Any, config: Mapping[str, Any], tensors: Tensors) -> dict[str, Any]:
    takes = inspect.signature(cls.__init__).parameters
    found = {key: value for key, value in config.items() if key in takes and key != "self"}
    if cls is diffusers.ControlNetUnionModel:
        found["num_control_type"] = tensors[_UNION].shape[0]
    return found


def _check_alike(ref: AddonRef, way: Controlled, config: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """Refuse a network whose shape is not the denoiser's, before anything is built."""
    if config.get("extra_conditioning_channels") or config.get("extra_condition_channels"):
        raise refused(ref, "is made for filling masks, which models do here without a ControlNet.")
    for key in way.alike:
        own, wanted = config.get(key), model.get(key)
        if key in config and wanted is not None and _plain(own) != _plain(wanted):
            raise refused(ref, f"was made for another kind of model: its {key} is {own}, and this model's is {wanted}.")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value


def _built(cls: Any, config: dict[str, Any], tensors: Tensors, dtype: torch.dtype, ref: AddonRef) -> Any:
    with init_empty_weights():
        net = cls.from_config(config)
    wanted = net.state_dict()
    odd = [name for name, tensor in tensors.items() if name in wanted and wanted[name].shape != tensor.shape]
    if odd:
        shapes = f"{odd[0]} is {tuple(tensors[odd[0]].shape)} and not {tuple(wanted[odd[0]].shape)}"
        raise refused(ref, f"does not fit this model: {shapes}.")
    lost = [name for name, _ in net.named_parameters() if name not in tensors]
    if lost:
        raise SafetensorError(f"{len(lost)} tensors are not in the file: {lost[0]}...")
    given = {name: tensor.to(dtype) for name, tensor in tensors.items() if name in wanted}
    net.load_state_dict(given, strict=False, assign=True)
    return net.eval().requires_grad_(False)


# -- what a single file leaves open -----------------------------------------------------------------------------------


def _told(way: Controlled, denoiser: Any, tensors: Tensors, ref: AddonRef) -> tuple[Tensors, dict[str, Any]]:
    """The tensors under diffusers' names and the configuration they and the denoiser tell."""
    if way.net == "ZImageControlNetModel":
        return _told_z_image(denoiser.config, tensors, ref)
    takes = inspect.signature(getattr(diffusers, way.net).__init__).parameters
    config = {key: value for key, value in denoiser.config.items() if key in takes and key not in _UNSHARED}
    if way.net == "ControlNetModel":
        return _told_unet(config, tensors, ref)
    config["in_channels"] = denoiser.config.get("in_channels")
    config["num_layers"] = _count(tensors, r"(?:transformer_)?blocks\.(\d{1,4})\.")
    if not config["num_layers"]:
        raise refused(ref, "is in a layout that is not known; take the one in diffusers layout.")
    if way.net == "FluxControlNetModel":
        config["num_single_layers"] = _count(tensors, r"single_transformer_blocks\.(\d{1,4})\.")
        config["guidance_embeds"] = any("guidance_embedder" in name for name in tensors)
        modes = tensors.get("controlnet_mode_embedder.weight")
        config["num_mode"] = None if modes is None else modes.shape[0]
    if way.net == "SD3ControlNetModel":
        config["use_pos_embed"] = "pos_embed.proj.weight" in tensors
    return tensors, config


def _told_unet(config: dict[str, Any], tensors: Tensors, ref: AddonRef) -> tuple[Tensors, dict[str, Any]]:
    tensors = convert_controlnet_checkpoint(tensors, config)
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    first = tensors.get("controlnet_cond_embedding.conv_in.weight")
    if first is None or "conv_in.weight" not in tensors:
        raise refused(ref, "is no ControlNet in a layout that is known.")
    widths = [first.shape[0]]
    for number in range(1, 16, 2):
        block = tensors.get(f"controlnet_cond_embedding.blocks.{number}.weight")
        if block is not None:
            widths.append(block.shape[0])
    config["conditioning_embedding_out_channels"] = tuple(widths)
    config["in_channels"] = tensors["conv_in.weight"].shape[1]
    words = next((name for name in tensors if name.endswith("attn2.to_k.weight")), "")
    if words and isinstance(config.get("cross_attention_dim"), int):
        config["cross_attention_dim"] = tensors[words].shape[1]
    return tensors, config


def _told_z_image(model: Mapping[str, Any], tensors: Tensors, ref: AddonRef) -> tuple[Tensors, dict[str, Any]]:
    """Alibaba's networks, as diffusers tells them apart: version 1 has six layers, spread evenly over the transformer's
    thirty; 2 has fifteen, and refiners, with weights of their own from 2.1 on."""
    embedder = tensors.get("control_all_x_embedder.2-1.weight")
    layers = _count(tensors, r"^control_layers\.(\d{1,4})\.")
    if embedder is None or not layers:
        raise refused(ref, "is no ControlNet in a layout that is known.")
    before = tensors.get("control_noise_refiner.0.before_proj.weight")
    refiner = None if before is None and layers <= _FIRST_Z else "control_layers"
    if before is not None and bool((before != 0).any()):
        refiner = "control_noise_refiner"
    if refiner == "control_layers":
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("control_noise_refiner.")}
    refiners, depth = int(model["n_refiner_layers"]), int(model["n_layers"])
    config = {
        **{key: model[key] for key in ("n_heads", "n_kv_heads", "norm_eps", "qk_norm")},
        "control_layers_places": list(range(0, depth, max(1, depth // layers)))[:layers],
        "control_refiner_layers_places": list(range(refiners)) if refiner else None,
        "control_in_dim": embedder.shape[1] // 4,
        "add_control_noise_refiner": refiner,
        "dim": embedder.shape[0],
        "n_refiner_layers": refiners,
    }
    return tensors, config


def _count(tensors: Tensors, pattern: str) -> int:
    numbers = [int(found[1]) for name in tensors if (found := re.match(pattern, name))]
    return max(numbers, default=-1) + 1
