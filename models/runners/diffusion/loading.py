"""From a model folder and a plan to a pipeline that is ready to run, from local files only."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import diffusers
import torch
import transformers
from safetensors import SafetensorError

from models import faults, ways
from models.errors import AtelierError, ErrorCode
from models.folders import INDEX, FolderInfo, Part
from models.planning import TILE, Placement, Plan
from models.runners.base import Report
from models.runners.diffusion.memory import oom_as
from models.runners.diffusion.single import load_single
from models.sizes import VAE_NAMES, vae_factor
from models.ways import Way

log = logging.getLogger(__name__)

_OFFLINE: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
_MISFITS = ("size mismatch", "expected shape", "meta tensor", "ignore_mismatched_sizes")
"""Words in what the libraries say of tensors that do not fit the configuration beside them."""

_PLACING = 0.95
"""Fraction of the loading at which all weights are read and only their placing is left."""


def load_pipeline(info: FolderInfo, plan: Plan, model: str, report: Report) -> Any:
    """Load every component in the plan's number types, put them together and place them.

    Raises:
        OutOfMemoryError: with stage "load".
        AtelierError: MODEL_CORRUPT or MODEL_INCOMPLETE naming the component's file, MODEL_UNSUPPORTED when this
            version of the libraries cannot build a component.
    """
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    with oom_as("load", plan.device):
        parts = _load_parts(info, plan, model, report)
        report.loading(_PLACING, "pipeline")
        with _named_errors(model, info.pipeline, INDEX):
            pipe = _assemble(info, parts)
        place(pipe, plan)
    report.loading(1.0, "")
    return pipe


def _load_parts(info: FolderInfo, plan: Plan, model: str, report: Report) -> dict[str, Any]:
    heavy = [part for part in info.parts if part.files]
    done, loaded = 0, {}
    for part in heavy:
        report.checkpoint()
        report.loading(_PLACING * done / (info.weights_bytes or 1), part.name)
        faults.hit(f"load:{part.name}")
        with _named_errors(model, info.pipeline, part.files[0]):
            dtype = plan.vae_dtype if part.name in VAE_NAMES else plan.dtype
            loaded[part.name] = load_part(info, part, getattr(torch, dtype))
        done += part.size_bytes
    report.checkpoint()
    return loaded


def load_part(info: FolderInfo, part: Part, dtype: torch.dtype) -> Any:
    """One component in evaluation mode, on the CPU; raises what the libraries raise."""
    cls, home = _class_of(part), info.home(part)
    if part.single is not None:
        return load_single(info, part, cls, dtype)
    options = {**_OFFLINE, "dtype": dtype, **({"variant": part.variant} if part.variant else {})}
    if not issubclass(cls, diffusers.ModelMixin):
        return cls.from_pretrained(home, **options).eval()
    module, found = cls.from_pretrained(home, output_loading_info=True, **options)
    lost = sorted(set(found["missing_keys"]) & {name for name, _ in module.named_parameters()})
    if lost:  # diffusers would make them up at random and only log it
        raise SafetensorError(f"{len(lost)} tensors are in no file: {lost[0]}...")
    return module.eval()


def _class_of(part: Part) -> Any:
    """The class a component is made of; some are named by the module of diffusers' pipelines they live in."""
    homes: dict[str, Callable[[], Any]] = {"diffusers": lambda: diffusers, "transformers": lambda: transformers}
    home = homes.get(part.library, lambda: getattr(diffusers.pipelines, part.library))()
    return getattr(home, part.class_name)


def _assemble(info: FolderInfo, parts: dict[str, Any]) -> Any:
    """The pipeline object; the light parts (tokenizers, scheduler) are read by diffusers itself.

    No safety checker and no watermark: the first blacks out pictures it dislikes, the second alters every pixel.
    """
    cls = getattr(diffusers, info.pipeline)
    takes = inspect.signature(cls.__init__).parameters
    extras: dict[str, Any] = {}
    if "safety_checker" in takes:
        extras["safety_checker"] = None
        if ways.taking(info.pipeline).way is not Way.VARY:  # those look at the picture through it
            extras["feature_extractor"] = None
    if "requires_safety_checker" in takes:
        extras["requires_safety_checker"] = False
    if "add_watermarker" in takes:
        extras["add_watermarker"] = False
    return cls.from_pretrained(info.folder, **_OFFLINE, **extras, **parts)


@contextmanager
def _named_errors(model: str, pipeline: str, file: str) -> Iterator[None]:
    """What the libraries raise while they load, as errors that name the file; out of memory goes through."""
    try:
        yield
    except SafetensorError as error:
        raise AtelierError(ErrorCode.MODEL_CORRUPT, str(error), model=model, file=file) from error
    except OSError as error:
        if error.errno is not None:
            raise  # the disk or the memory failed, not the model
        raise AtelierError(ErrorCode.MODEL_INCOMPLETE, str(error), model=model, file=file) from error
    except (RuntimeError, ImportError, AttributeError, ValueError, KeyError, TypeError) as error:
        if any(words in str(error) for words in _MISFITS):
            raise AtelierError(ErrorCode.MODEL_CORRUPT, str(error), model=model, file=file) from error
        if isinstance(error, RuntimeError):
            raise  # the device's, most likely
        detail = f"{file}: {type(error).__name__}: {error}"
        raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, detail, model=model, pipeline=pipeline) from error


def place(pipe: Any, plan: Plan) -> None:
    """Put the weights where the plan wants them and switch on the savings it asks for."""
    device = torch.device(plan.device)
    if plan.attention_slicing and device.type != "mps":  # on MPS it gives black pictures (diffusers#11229)
        pipe.enable_attention_slicing()
    if plan.placement is Placement.GROUP_OFFLOAD:
        streams = device.type == "cuda"
        pipe.enable_group_offload(device, offload_type="leaf_level", use_stream=streams, low_cpu_mem_usage=streams)
    elif device.type == "cpu" or plan.placement is Placement.WHOLE:  # there is nowhere to offload to from the CPU
        pipe.to(device)
    elif plan.placement is Placement.MODEL_OFFLOAD:
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.enable_sequential_cpu_offload(device=device)
    vae = vae_of(pipe)[1]
    if plan.vae_slicing and hasattr(vae, "use_slicing"):
        vae.enable_slicing()
    if plan.vae_tiling:
        enable_tiling(vae)


def vae_of(pipe: Any) -> tuple[str, Any]:
    """Name and module of the part that decodes; an empty name and None in pixel-space models."""
    for name in VAE_NAMES:
        if isinstance(module := getattr(pipe, name, None), torch.nn.Module) and hasattr(module, "decode"):
            return name, module
    return "", None


def enable_tiling(vae: Any, tile: int = TILE) -> bool:
    """Decode in tiles of about ``tile`` pixels from now on; False when this autoencoder cannot."""
    if not hasattr(vae, "use_tiling"):
        return False
    if hasattr(vae, "tile_sample_min_height"):
        stride = tile * 3 // 4
        vae.enable_tiling(tile, tile, stride, stride)
        return True
    vae.enable_tiling()
    if hasattr(vae, "tile_latent_min_size"):
        factor = vae_factor({"vae": vae.config})
        # AutoencoderKL's own tile is its training size, which changes nothing for usual pictures; AutoencoderTiny takes
        # eight pixels a latent for granted whatever its blocks are (spatial_scale_factor in autoencoder_tiny.py).
        vae.tile_sample_min_size = tile
        vae.tile_latent_min_size = max(tile // factor, 1)
        if hasattr(vae, "spatial_scale_factor"):
            vae.spatial_scale_factor = factor
    return True


def modules(pipe: Any) -> dict[str, torch.nn.Module]:
    """The components that hold weights, by name."""
    return {name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}


def weight_bytes(pipe: Any) -> int:
    """Bytes of all weights, wherever they lie; shared tensors count once."""
    tensors = {}
    for module in modules(pipe).values():
        tensors.update({id(t): t.numel() * t.element_size() for t in (*module.parameters(), *module.buffers())})
    return sum(tensors.values())
