"""From what a model needs and what a device has to how it is loaded: pure functions over plain facts.

Nothing here touches a device. ``models.devices`` measures the facts (worker and probe processes), the app and the
worker both call ``plans`` with them, and the tests feed it a table of real machines.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Backend(StrEnum):
    CUDA = "cuda"
    ROCM = "rocm"
    MPS = "mps"
    XPU = "xpu"
    CPU = "cpu"


class Placement(StrEnum):
    """Where the weights lie while the model runs, from fastest to most frugal."""

    WHOLE = "whole"
    MODEL_OFFLOAD = "model_offload"
    GROUP_OFFLOAD = "group_offload"
    SEQUENTIAL_OFFLOAD = "sequential_offload"


class DeviceFacts(msgspec.Struct, frozen=True):
    """One device as measured. Memory in bytes; ``ram_*`` is the computer's own memory (on Apple silicon the same).

    ``capability`` is CUDA's compute capability as (major, minor); ``fast_bf16`` and ``fast_fp16`` say that the device
    computes in that type natively, not by emulation.
    """

    backend: Backend
    index: int
    name: str
    memory_total: int
    memory_free: int
    ram_total: int
    ram_free: int
    capability: tuple[int, int] = (0, 0)
    fast_bf16: bool = False
    fast_fp16: bool = False
    system: str = ""

    @property
    def torch_device(self) -> str:
        """What torch calls this device ("cuda:0"; ROCm devices are "cuda" to torch)."""
        kind = "cuda" if self.backend is Backend.ROCM else self.backend.value
        return f"{kind}:{self.index}" if kind in ("cuda", "xpu") else kind


class Component(msgspec.Struct, frozen=True):
    """One part of a pipeline: its name ("unet"), parameter count and the type its weights are stored in."""

    name: str
    parameters: int
    stored_dtype: str = "float16"


class Needs(msgspec.Struct, frozen=True):
    """What a model asks for: its parts, and the largest picture it is meant to make, in pixels."""

    components: tuple[Component, ...]
    pixels: int = 1024 * 1024
    pipeline: str = ""


class Plan(msgspec.Struct, frozen=True):
    """One way to load and run a model on one device."""

    device: str
    dtype: str = "float32"
    vae_dtype: str = "float32"
    placement: Placement = Placement.WHOLE
    vae_tiling: bool = False
    vae_slicing: bool = False
    attention_slicing: bool = False
    needed_bytes: int = 0
