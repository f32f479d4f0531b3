"""What a machine has, what a model needs, and the plan between the two: plain data, shared by all processes.

``models.devices`` measures the facts, ``models.folders`` counts the needs, ``models.planning`` makes the plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from models.errors import AtelierError, ErrorCode


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
    """One part of a pipeline: its name ("unet"), parameter count and the type its weights are stored in.

    ``largest_leaf`` is the parameter count of its largest single layer (0: unknown). ``quantized`` weights stay as they
    are stored when loaded. ``fp16_safe`` says of an autoencoder that it was made to decode in float16.
    """

    name: str
    parameters: int
    stored_dtype: str = "float16"
    class_name: str = ""
    largest_leaf: int = 0
    quantized: bool = False
    fp16_safe: bool = False

    @property
    def is_vae(self) -> bool:
        return self.name in ("vae", "vqvae", "movq") or self.class_name.startswith(("Autoencoder", "VQModel"))

    @property
    def is_denoiser(self) -> bool:
        return self.name.startswith(("unet", "transformer", "prior", "decoder")) and not self.is_vae


class Needs(msgspec.Struct, frozen=True):
    """What a model asks for: its parts, and the picture it is to make, in pixels.

    ``token_area`` is how many pixels one attention token covers at the finest level: 64 for SD 1.5, 256 for SDXL,
    FLUX.1 and most others. For a picture larger than the model's own, replace ``pixels``. ``beside`` is what works
    together with the denoiser at every step: ControlNets, IP-Adapters.
    """

    components: tuple[Component, ...]
    pixels: int = 1024 * 1024
    pipeline: str = ""
    token_area: int = 256
    beside: tuple[Component, ...] = ()

    @property
    def parameters(self) -> int:
        return sum(component.parameters for component in self.components)

    @property
    def has_unet(self) -> bool:
        return any(component.name.startswith("unet") for component in self.components)


class Plan(msgspec.Struct, frozen=True):
    """One way to load and run a model on one device.

    ``needed_bytes`` is the estimated peak on the device; ``ram_bytes`` what offloaded weights take in the computer's
    memory (0 for WHOLE). ``vae_tiling`` means tiles of ``planning.TILE`` pixels.
    """

    device: str
    dtype: str = "float32"
    vae_dtype: str = "float32"
    placement: Placement = Placement.WHOLE
    vae_tiling: bool = False
    vae_slicing: bool = False
    attention_slicing: bool = False
    needed_bytes: int = 0
    ram_bytes: int = 0


class Fit(StrEnum):
    """Whether a model runs on a device: all of it there, by moving parts in and out (slower), or not at all."""

    FAST = "fast"
    OFFLOAD = "offload"
    TOO_LARGE = "too_large"


class Verdict(msgspec.Struct, frozen=True):
    """What to tell before a model is used.

    ``fit`` judges the device as if nothing else were using it; ``fits_now`` is about the memory free at this moment.
    ``needed_bytes`` is the estimate of the plan that would be used (of the most frugal one when too large), and
    ``usable_bytes`` what it is compared with.
    """

    fit: Fit
    needed_bytes: int
    usable_bytes: int
    fits_now: bool
    plan: Plan | None = None


TOO_OLD = "too old for this build of PyTorch"
"""How a problem ends that is about a card for which the installed torch holds no kernels."""


class ProbeReport(msgspec.Struct, frozen=True):
    """What a probe of the machine found: devices (best first, the CPU last), versions, and what went wrong in words."""

    devices: tuple[DeviceFacts, ...]
    problems: tuple[str, ...] = ()
    torch: str = ""
    torch_build: str = ""
    versions: dict[str, str] = {}


def choose(devices: Sequence[DeviceFacts], wanted: str = "auto") -> DeviceFacts:
    """The device named ``wanted`` ("auto", "cpu", "mps", "cuda:0", "cuda"); "auto" takes the first that is no CPU.

    Among several graphics cards "auto" takes the one with most memory; ties keep the driver's order.

    Raises:
        AtelierError: DEVICE_FAILED with ``device`` when there is no such device.
    """
    if wanted == "auto":
        return max(devices, key=lambda facts: (facts.backend is not Backend.CPU, facts.memory_total, -facts.index))
    for facts in devices:
        if wanted in (facts.torch_device, facts.torch_device.split(":")[0]):
            return facts
    have = ", ".join(facts.torch_device for facts in devices)
    raise AtelierError(ErrorCode.DEVICE_FAILED, f"no such device; there are: {have}", device=wanted)
