"""From what a model needs and what a device has to how it is loaded: pure functions over plain facts.

Nothing here touches a device. ``models.devices`` measures the facts (worker and probe processes), the app and the
worker both call ``plans`` with them, and the tests feed it a table of real machines.

How much memory a plan takes is estimated, on the high side, as::

    held weights (in the type they are loaded in, by placement)
    + the larger of denoising and decoding (by megapixels, type width, and how attention is computed)
    + what the libraries themselves use

The constants below say where they come from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from models.errors import AtelierError, ErrorCode
from models.headers import GGML_TYPES
from models.machine import (
    TOO_OLD,
    Backend,
    Component,
    DeviceFacts,
    Fit,
    Needs,
    Placement,
    Plan,
    ProbeReport,
    Verdict,
    choose,
)

__all__ = [
    "GB",
    "GIB",
    "MIB",
    "RAM_RESERVE",
    "TILE",
    "TOO_OLD",
    "WIDTHS",
    "Backend",
    "Component",
    "DeviceFacts",
    "Fit",
    "Needs",
    "Placement",
    "Plan",
    "ProbeReport",
    "Verdict",
    "choose",
    "dtypes",
    "fused_attention",
    "ladder",
    "plans",
    "usable",
    "vae_dtype",
    "valid_dtypes",
    "verdict",
    "weight_bytes",
    "worker_memory_budget",
]

GB = 1000**3
MIB = 1024**2
GIB = 1024**3

WIDTHS = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}
"""Bytes of one number, by torch's name of its type."""

_PACKED = {name: size / block for name, block, size in GGML_TYPES.values() if block > 1}
"""Bytes of one number in the types of GGUF files, which pack a block of numbers together."""

# Working memory was measured on torch's meta device (which computes shapes and no numbers) as the peak of live tensors
# with fused attention, diffusers 0.42. In GB for one megapixel and one byte of type width:
#   denoiser: SD 1.5 0.27, SDXL 0.16 (both with guidance, batch of 2), FLUX.1 0.23, Qwen-Image 0.19
#   decoder:  AutoencoderKL 0.77, Qwen-Image's 1.73 (its channels and a frame axis); encoding takes less than decoding
# SAFETY is for what the meta device cannot see: the kernels' own scratch memory and a fragmented allocator.
DENOISE_GB = 0.27
DECODE_GB = 0.77
DECODE_3D_GB = 1.73
SAFETY = 1.4

SCORE_HEADS, SCORE_HEADS_FINE = 24, 16
"""Attention heads times batch at the layer with the most tokens: SDXL 20, FLUX.1 and Qwen-Image 24; SD 1.5, which
attends at the latent's own resolution, 16."""
FINE_TOKEN_AREA = 64
SCORE_COPIES = 2
"""Without a fused kernel the score matrix and its softmax are alive together."""
SLICED_SHARE = 0.5
"""Attention slicing ("auto") computes the scores in two halves."""

TILE = 512
"""Side of a decoder tile in pixels, as runners set it. (AutoencoderKL's own default is the training size, 1024 for
SDXL: tiling would change nothing for the pictures people make.)"""
LARGE_PICTURE = 1536 * 1536
"""Pixels from which on decoding is always tiled: untiled it takes more than most models' weights."""
LIBRARIES = 512 * MIB
"""cuBLAS and cuDNN workspaces, loaded kernels, Python's own share; the context is already off ``memory_free``."""

RAM_RESERVE = 2 * GIB
"""Of the computer's memory, for the system while weights are offloaded to it."""
SMALL_MODEL = 100_000_000
"""Parameters below which half precision saves nothing worth its rounding."""
SMALL_MEMORY = 8 * GIB
UNKNOWN_LEAF = 50_000_000
"""Parameters assumed in the largest single layer of a component that was not looked into (FLUX.1's largest: 57 M)."""


# -- number types -----------------------------------------------------------------------------------------------------

# Families (prefixes of pipeline names) whose activations, or whose Gemma or Qwen text encoder's, leave float16's range.
# ComfyUI's supported_models.py offers bfloat16 and float32 only for Qwen-Image, Lumina 2 and HunyuanVideo.
_OVERFLOWING = ("QwenImage", "Lumina", "ZImage", "Hunyuan", "HiDream", "OmniGen", "Sana", "Cosmos", "Mochi")

# TU116/TU117 have float16 units that put out NaN (ComfyUI, model_management.py: "FP16 is just broken on these cards").
_BROKEN_FP16 = (
    "1660", "1650", "1630", "T500", "T550", "T600", "MX550", "MX450", "CMP 30HX", "T1000", "T1200", "T2000",
)  # fmt: skip


def valid_dtypes(facts: DeviceFacts) -> frozenset[str]:
    """The types in which the device computes correctly, fast or not."""
    valid = {"float32"}
    match facts.backend:
        case Backend.CPU:
            valid.add("bfloat16")
        case Backend.CUDA:
            valid |= {"bfloat16"} if facts.capability >= (8, 0) else set()
            valid |= set() if _has_broken_fp16(facts) else {"float16"}
        case Backend.MPS:
            valid |= {"float16", "bfloat16"} if facts.fast_bf16 else {"float16"}
        case Backend.ROCM | Backend.XPU:
            valid |= {"float16", "bfloat16"} if facts.fast_bf16 else {"float16"}
    return frozenset(valid)


def _has_broken_fp16(facts: DeviceFacts) -> bool:
    return facts.capability == (7, 5) and any(name in facts.name for name in _BROKEN_FP16)


def dtypes(needs: Needs, facts: DeviceFacts) -> tuple[str, ...]:
    """The types to try, best first: speed and safety of the result decide, memory only where a second one is listed."""
    if needs.parameters < SMALL_MODEL:
        return ("float32",)
    valid = valid_dtypes(facts)
    if facts.backend is Backend.CPU:
        # Without fast units bfloat16 is slower than float32, but better than no picture.
        return ("bfloat16",) if facts.fast_bf16 else ("float32", "bfloat16")
    if facts.backend is Backend.MPS and not _made_for_bf16(needs):
        return ("float16",)  # M1 and M2 have no bfloat16 units
    if "bfloat16" in valid:
        return ("bfloat16",)
    if "float16" not in valid or _overflows(needs):
        return ("float32",)
    if facts.backend is Backend.CUDA and facts.capability < (7, 0):
        return ("float32", "float16")  # Pascal computes float16 at 1/64 of the rate; as storage it still halves memory
    return ("float16",)


def _overflows(needs: Needs) -> bool:
    return needs.pipeline.startswith(_OVERFLOWING)


def _made_for_bf16(needs: Needs) -> bool:
    stored = {component.stored_dtype for component in needs.components if component.is_denoiser}
    return _overflows(needs) or "bfloat16" in stored


def vae_dtype(needs: Needs, dtype: str) -> str:
    """SD's and SDXL's decoders overflow in float16 and put out black (``force_upcast`` in their configuration)."""
    unsafe = any(component.is_vae and not component.fp16_safe for component in needs.components)
    return "float32" if dtype == "float16" and unsafe else dtype


# -- memory -----------------------------------------------------------------------------------------------------------


class _Way(NamedTuple):
    """A plan before its memory is estimated."""

    placement: Placement
    dtype: str
    vae_dtype: str
    tiled: bool
    sliced: bool


def weight_bytes(component: Component, dtype: str) -> int:
    """Bytes of a component's weights once loaded for ``dtype``."""
    kept = component.stored_dtype if component.quantized else dtype
    if kept in _PACKED:
        return int(component.parameters * _PACKED[kept])
    whole = component.parameters * WIDTHS.get(kept, 4)
    if kept == "float16" and component.class_name.startswith(("T5", "UMT5")):
        return whole * 5 // 4  # transformers keeps a fifth of T5 in float32, where float16 overflows
    return whole


def _loaded(component: Component, way: _Way) -> int:
    return weight_bytes(component, way.vae_dtype if component.is_vae else way.dtype)


def _held(component: Component, way: _Way) -> int:
    """Bytes of a component on the device while it works."""
    whole = _loaded(component, way)
    if way.placement in (Placement.WHOLE, Placement.MODEL_OFFLOAD) or not component.parameters:
        return whole
    leaf = component.largest_leaf or max(component.parameters // 20, UNKNOWN_LEAF)
    in_flight = 3 if way.placement is Placement.GROUP_OFFLOAD else 1  # the one at work, the next, the one leaving
    return min(whole, in_flight * leaf * whole // component.parameters)


def _working(component: Component, needs: Needs, facts: DeviceFacts, way: _Way) -> int:
    """Bytes of activations while a component works."""
    megapixels = needs.pixels / 1e6
    if component.is_vae:
        flat = component.class_name in ("", "AutoencoderKL", "AutoencoderTiny", "VQModel")
        area = min(megapixels, TILE * TILE / 1e6) if way.tiled else megapixels
        # Tiled or not, the whole picture is put together in the end: three channels, and a copy while blending.
        joined = 2 * 3 * needs.pixels * WIDTHS[way.vae_dtype] if way.tiled else 0
        return joined + int((DECODE_GB if flat else DECODE_3D_GB) * GB * SAFETY * area * WIDTHS[way.vae_dtype])
    if not component.is_denoiser:
        return 0
    width = WIDTHS[way.dtype]
    working = DENOISE_GB * GB * SAFETY * megapixels * width
    if not fused_attention(facts):
        heads = SCORE_HEADS_FINE if needs.token_area <= FINE_TOKEN_AREA else SCORE_HEADS
        scores = SCORE_COPIES * heads * (needs.pixels / needs.token_area) ** 2 * width
        working += scores * (SLICED_SHARE if way.sliced else 1)
    return int(working)


def fused_attention(facts: DeviceFacts) -> bool:
    """Whether attention runs without writing its score matrix: always on CUDA (sm_50 on) and the CPU.

    Metal writes it for the sizes of pictures; ROCm has fused kernels for its newest cards only, and on XPU it depends
    on the driver: both are taken to write it, which is the safe side.
    """
    return facts.backend in (Backend.CUDA, Backend.CPU)


def _needed(needs: Needs, facts: DeviceFacts, way: _Way) -> int:
    stages = [_working(component, needs, facts, way) for component in needs.components] or [0]
    if way.placement is Placement.WHOLE:
        everything = (*needs.components, *needs.beside)
        return LIBRARIES + sum(_loaded(component, way) for component in everything) + max(stages)
    held = [_held(component, way) + _beside(component, needs, way) for component in needs.components] or [0]
    return LIBRARIES + max(one + working for one, working in zip(held, stages, strict=True))


def _beside(component: Component, needs: Needs, way: _Way) -> int:
    """Bytes of ControlNets and their like on the device while ``component`` works: they work with the denoiser only."""
    return sum(_held(other, way) for other in needs.beside) if component.is_denoiser else 0


def usable(facts: DeviceFacts) -> int:
    """Bytes a plan may take now: what is free less a reserve, so that the rest of the computer stays alive."""
    match facts.backend:
        case Backend.CPU:
            return max(0, facts.ram_free - max(GIB, facts.ram_total // 20))
        case Backend.MPS:
            # macOS compresses and swaps what is idle: more than half can be had, whatever is "available" now.
            return max(0, min(facts.memory_free, max(facts.ram_free, facts.ram_total * 5 // 8)))
        case _:
            return max(0, facts.memory_free - max(256 * MIB, facts.memory_total // 40))


def _idle(facts: DeviceFacts) -> DeviceFacts:
    """The same device with nothing else on it but a desktop."""
    return msgspec.structs.replace(
        facts,
        memory_free=max(facts.memory_free, facts.memory_total * 19 // 20),
        ram_free=max(facts.ram_free, facts.ram_total * 17 // 20),
    )


def worker_memory_budget(facts: DeviceFacts) -> int:
    """Bytes of weights a worker may keep loaded between jobs (``Hello.memory_budget``).

    A quarter of a graphics card is left for the work itself; where the memory is the computer's own, half of it.
    """
    shared = facts.backend in (Backend.CPU, Backend.MPS)
    return facts.ram_total // 2 if shared else facts.memory_total * 3 // 4


# -- plans ------------------------------------------------------------------------------------------------------------


def _ways(needs: Needs, facts: DeviceFacts) -> Iterator[_Way]:
    """Everything worth trying, best first. Memory is not looked at here."""
    shared = facts.backend in (Backend.CPU, Backend.MPS)
    # Moving weights between two places in the same memory gains nothing: there only WHOLE is left.
    placements = (Placement.WHOLE,) if shared else tuple(Placement)
    # ROCm's untiled decoding takes many GB and minutes (ROCm issue 4742); Metal's large tensors go wrong (pytorch issue
    # 197636).
    always_tiled = needs.pixels >= LARGE_PICTURE or facts.backend is Backend.ROCM
    always_tiled |= facts.backend is Backend.MPS and needs.pixels > 1024 * 1024
    can_slice = not fused_attention(facts) and facts.backend is not Backend.MPS and needs.has_unet
    can_slice &= facts.memory_total <= SMALL_MEMORY
    for placement in placements:
        for dtype in dtypes(needs, facts):
            for tiled, sliced in ((False, False), (True, False), (True, True)):
                if (tiled or not always_tiled) and (can_slice or not sliced):
                    yield _Way(placement, dtype, vae_dtype(needs, dtype), tiled, sliced)


def _plan(needs: Needs, facts: DeviceFacts, way: _Way) -> Plan:
    offloads = way.placement is not Placement.WHOLE
    return Plan(
        device=facts.torch_device,
        dtype=way.dtype,
        vae_dtype=way.vae_dtype,
        placement=way.placement,
        vae_tiling=way.tiled,
        vae_slicing=way.tiled or offloads,
        attention_slicing=way.sliced,
        needed_bytes=_needed(needs, facts, way),
        ram_bytes=sum(_loaded(component, way) for component in (*needs.components, *needs.beside)) if offloads else 0,
    )


def ladder(needs: Needs, facts: DeviceFacts) -> tuple[Plan, ...]:
    """All plans, whatever is free: best first, each cheaper in device memory than the one before; never empty."""
    rungs: list[Plan] = []
    for way in _ways(needs, facts):
        plan = _plan(needs, facts, way)
        if not rungs or plan.needed_bytes < rungs[-1].needed_bytes:
            rungs.append(plan)
    return tuple(rungs)


def _fits_ram(plan: Plan, facts: DeviceFacts) -> bool:
    """Offloaded weights must lie in RAM; the total counts, since idle programs are swapped out before.

    Sequential offload never writes to its weights, so that they stay pages of the mapped files, which the system drops
    and reads again when it must: it gets by without the reserve.
    """
    reserve = 0 if plan.placement is Placement.SEQUENTIAL_OFFLOAD else RAM_RESERVE
    return plan.ram_bytes == 0 or plan.ram_bytes + reserve <= facts.ram_total


def plans(needs: Needs, device: DeviceFacts, model: str = "") -> tuple[Plan, ...]:
    """The plans that fit the memory free now, best first, each cheaper than the one before; at least one.

    Raises:
        AtelierError: OUT_OF_MEMORY with ``needed_gb``, ``free_gb`` (GB of 10^9 bytes), ``memory`` ("device" or "ram")
            and ``model``, when not even the most frugal plan fits.
    """
    rungs = ladder(needs, device)
    free = usable(device)
    fitting = tuple(plan for plan in rungs if plan.needed_bytes <= free and _fits_ram(plan, device))
    if fitting:
        return fitting
    raise _refusal(rungs, free, device, model)


def _refusal(rungs: tuple[Plan, ...], free: int, device: DeviceFacts, model: str) -> AtelierError:
    offloaded = [plan.ram_bytes for plan in rungs if plan.needed_bytes <= free]
    if offloaded:
        return _out_of_memory(min(offloaded) + RAM_RESERVE, device.ram_total, "ram", model)
    return _out_of_memory(min(plan.needed_bytes for plan in rungs), free, "device", model)


def _out_of_memory(needed: int, free: int, memory: str, model: str) -> AtelierError:
    # Rounded apart, so that the sentence never says that 5.1 GB are needed and 5.1 GB are free.
    needed_gb, free_gb = math.ceil(needed / GB * 10) / 10, math.floor(free / GB * 10) / 10
    detail = f"no plan fits: {memory}"
    if not model:
        return AtelierError(ErrorCode.OUT_OF_MEMORY, detail, memory=memory, needed_gb=needed_gb, free_gb=free_gb)
    return AtelierError(
        ErrorCode.OUT_OF_MEMORY, detail, memory=memory, needed_gb=needed_gb, free_gb=free_gb, model=model
    )


def verdict(needs: Needs, facts: DeviceFacts) -> Verdict:
    """Whether and how a model will run on a device, for showing before it is downloaded or chosen. Never raises."""
    idle = _idle(facts)
    fits_now = _first_fitting(needs, facts) is not None
    plan = _first_fitting(needs, idle)
    if plan is None:
        least = min(rung.needed_bytes for rung in ladder(needs, idle))
        return Verdict(Fit.TOO_LARGE, least, usable(idle), fits_now)
    fit = Fit.FAST if plan.placement is Placement.WHOLE else Fit.OFFLOAD
    return Verdict(fit, plan.needed_bytes, usable(idle), fits_now, plan)


def _first_fitting(needs: Needs, facts: DeviceFacts) -> Plan | None:
    try:
        return plans(needs, facts)[0]
    except AtelierError:
        return None
