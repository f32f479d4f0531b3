"""What the bootstrap knows about a machine: plain values, so that every decision can be tested without the machine."""

from __future__ import annotations

from dataclasses import dataclass, field

Version = tuple[int, ...]


def version(text: str) -> Version:
    """``"580.65.06"`` as ``(580, 65, 6)``; what is not a number ends it."""
    numbers: list[int] = []
    for part in text.strip().split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def dotted(numbers: Version) -> str:
    """``(13, 0)`` as ``"13.0"``."""
    return ".".join(str(number) for number in numbers)


@dataclass(frozen=True)
class Nvidia:
    """One NVIDIA GPU, as its driver describes it."""

    name: str
    capability: Version = ()  # (8, 6); empty when the driver is too old to say
    memory_mib: int = 0


@dataclass(frozen=True)
class Amd:
    """One AMD GPU, as the Linux kernel describes it."""

    name: str
    target: str = ""  # gfx1100; empty when the compute driver is not loaded


@dataclass(frozen=True)
class Intel:
    """One Intel GPU that PyTorch's XPU build can use."""

    name: str


@dataclass(frozen=True)
class Machine:
    """Everything the choice of a PyTorch build depends on."""

    system: str  # linux, darwin, win32
    arch: str  # x86_64, arm64
    bits: int = 64
    python: Version = (3, 11)
    libc: str = "glibc"
    macos: Version = ()
    rosetta: bool = False
    nvidia: tuple[Nvidia, ...] = ()
    nvidia_driver: Version = ()
    cuda: Version = ()  # the newest CUDA that the driver runs
    amd: tuple[Amd, ...] = ()
    amd_access: bool = True  # may this user open the compute device?
    intel: tuple[Intel, ...] = ()
    notes: tuple[str, ...] = field(default=())
