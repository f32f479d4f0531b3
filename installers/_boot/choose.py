"""Which PyTorch fits this machine. Pure: facts in, one choice (or one refusal) out.

The table follows the builds that PyTorch publishes for 2.14: CUDA 12.6 (the last one for GPUs before the RTX 20
series), CUDA 13.0 (also what PyPI serves on Linux), ROCm 7.14, XPU and CPU. Raise the pins and the table together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from installers._boot.facts import Machine, Nvidia, Version, dotted

TORCH = "2.14.1"
TORCHVISION = "0.29.1"
INDEX_ROOT = "https://download.pytorch.org/whl"


@dataclass(frozen=True)
class Build:
    """One published build: who it is for and what room it takes."""

    device: str
    disk_gb: float
    capabilities: tuple[Version, Version] = ((0, 0), (99, 0))  # lowest and highest that its kernels cover
    driver: Version = ()  # lowest NVIDIA driver


BUILDS = {
    "cu126": Build("cuda", 8.0, ((5, 0), (9, 99)), (525,)),
    "cu130": Build("cuda", 8.0, ((7, 5), (99, 0)), (580,)),
    "rocm7.14": Build("rocm", 16.0),
    "xpu": Build("xpu", 8.0),
    "cpu": Build("cpu", 3.0),
}
ROCM = "rocm7.14"

# The GPU families that the ROCm build has kernels for, and those that run with a relative's kernels.
ROCM_TARGETS = frozenset(
    {
        "gfx908",
        "gfx90a",
        "gfx942",
        "gfx950",
        "gfx1030",
        "gfx1100",
        "gfx1101",
        "gfx1102",
        "gfx1103",
        "gfx1150",
        "gfx1151",
    }
    | {"gfx1200", "gfx1201"}
)
ROCM_RELATIVES = {
    **dict.fromkeys(("gfx1031", "gfx1032", "gfx1033", "gfx1034", "gfx1035", "gfx1036"), "10.3.0"),
    **dict.fromkeys(("gfx1152", "gfx1153"), "11.5.1"),
}

# For drivers too old to tell the compute capability.
CAPABILITY_BY_NAME = (
    (r"RTX 50\d\d|RTX PRO \d+ Blackwell", (12, 0)),
    (r"RTX 40\d\d|RTX \d000 Ada|\bL4\b|\bL40S?\b", (8, 9)),
    (r"RTX 30\d\d|RTX A\d000|\bA10\b|\bA40\b", (8, 6)),
    (r"\bA100\b|\bA30\b", (8, 0)),
    (r"\bH100\b|\bH200\b", (9, 0)),
    (r"RTX 20\d\d|GTX 16\d\d|\bT4\b|Quadro RTX|TITAN RTX", (7, 5)),
    (r"\bV100\b|TITAN V\b", (7, 0)),
    (r"GTX 10\d\d|\bP40\b|\bP100\b|TITAN X[Pp]|Quadro P\d", (6, 1)),
    (r"GTX 9\d\d|\bM40\b|\bM60\b", (5, 2)),
    (r"GTX [67]\d\d|\bK80\b|\bK40", (3, 5)),
)


@dataclass(frozen=True)
class Choice:
    """A PyTorch to install."""

    label: str  # cu130, cu126, rocm7.14, xpu, cpu, mps
    device: str  # cuda, rocm, xpu, mps, cpu
    why: str
    index: str | None  # the vendor's index; None means the user's own (PyPI unless configured otherwise)
    disk_gb: float
    notes: tuple[str, ...] = ()
    loses: str = ""  # what the default index's build cannot do that this one can

    @property
    def requirements(self) -> list[str]:
        """What pip is asked for. Vendor builds carry a label, so that no other index's build is taken for them."""
        local = f"+{self.label}" if self.index else ""
        return [f"torch=={TORCH}{local}", f"torchvision=={TORCHVISION}{local}"]

    def without_vendor(self, machine: Machine) -> Choice:
        """The same, from the user's own index: always installable, not always as good."""
        room = 8.0 if machine.system == "linux" and machine.arch == "x86_64" else 3.0
        return replace(self, index=None, disk_gb=max(room, 3.0))


@dataclass(frozen=True)
class Refusal:
    """Why no PyTorch can run here, in one line."""

    reason: str


def choose(machine: Machine, wanted: str = "") -> Choice | Refusal:
    """The PyTorch for this machine; `wanted` is the user's own wish (a label, or ``default`` for the plain index)."""
    refusal = _impossible(machine)
    if refusal:
        return Refusal(refusal)
    if wanted:
        return _wish(machine, wanted)
    if machine.system == "darwin":
        why = f"Apple silicon, macOS {dotted(machine.macos)}" if machine.macos else "Apple silicon"
        return Choice("mps", "mps", why, None, 3.0, machine.notes)
    picked = _for_nvidia(machine) or _for_amd(machine) or _for_intel(machine) or _for_cpu(machine, "no supported GPU")
    return replace(picked, notes=machine.notes + picked.notes)


def _impossible(machine: Machine) -> str:
    if machine.bits != 64:
        return "This is a 32-bit Python; Atelier needs the 64-bit one from https://www.python.org/downloads/"
    if machine.system == "darwin" and machine.rosetta:
        return (
            "This Mac has Apple silicon, but this Python is the Intel build (it runs under Rosetta). "
            "Install the universal one from https://www.python.org/downloads/ and start again with it."
        )
    if machine.system == "darwin" and machine.arch != "arm64":
        return (
            "This is an Intel Mac: PyTorch, which Atelier needs, is no longer built for it. A Mac with an M chip works."
        )
    if machine.system == "darwin" and machine.macos and machine.macos < (14,):
        return f"Atelier needs macOS 14 or newer; this is macOS {dotted(machine.macos)}."
    if machine.system == "linux" and machine.libc != "glibc":
        return "PyTorch has no build for this Linux: it needs glibc (Debian, Ubuntu, Fedora, Arch ... but not Alpine)."
    if machine.arch not in ("x86_64", "arm64"):
        return f"PyTorch has no build for this processor ({machine.arch})."
    return ""


def _wish(machine: Machine, wanted: str) -> Choice | Refusal:
    if wanted == "default":
        return replace(
            _for_cpu(machine, "as asked"), label="default", why="as asked: the default index", disk_gb=8.0
        ).without_vendor(machine)
    if wanted not in BUILDS:
        return Refusal(f"There is no PyTorch build called {wanted}: choose one of {', '.join(BUILDS)}, default.")
    build = BUILDS[wanted]
    loses = f"the default build stands in for {wanted}"
    return Choice(wanted, build.device, "as asked", _index(wanted), build.disk_gb, machine.notes, loses)


def _index(label: str) -> str:
    return f"{INDEX_ROOT}/{label}"


def _for_cpu(machine: Machine, why: str, *notes: str) -> Choice:
    return Choice("cpu", "cpu", f"CPU ({why})", _index("cpu"), BUILDS["cpu"].disk_gb, notes)


def capability(gpu: Nvidia) -> Version:
    """What the driver said, else what the name tells."""
    if gpu.capability:
        return gpu.capability
    for pattern, known in CAPABILITY_BY_NAME:
        if re.search(pattern, gpu.name):
            return known
    return ()


def _for_nvidia(machine: Machine) -> Choice | None:
    if not machine.nvidia:
        return None
    gpu = max(machine.nvidia, key=lambda one: (capability(one) >= (5, 0), one.memory_mib, capability(one)))
    level = capability(gpu)
    name = gpu.name if gpu.name.startswith("NVIDIA") else f"NVIDIA {gpu.name}"
    if level and level < (5, 0):
        return _for_cpu(machine, f"{name} is too old for PyTorch: compute capability {dotted(level)}")
    if machine.cuda and machine.cuda < (12,):
        return _for_cpu(
            machine,
            f"the driver of {name} only knows CUDA {dotted(machine.cuda)}",
            "Install NVIDIA driver 580 or newer, then start this again: the GPU is used from then on.",
        )
    notes: list[str] = []
    if level and level < BUILDS["cu130"].capabilities[0]:
        label = "cu126"
    elif level > BUILDS["cu126"].capabilities[1]:
        label = "cu130"
        if machine.cuda < (13,):
            notes.append(
                f"{name} needs NVIDIA driver 580 or newer; until it is installed pictures are made on the CPU."
            )
    else:
        label = "cu130" if machine.cuda >= (13,) else "cu126"
    cuda = f", driver for CUDA {dotted(machine.cuda)}" if machine.cuda else ""
    plain = label == "cu130" and machine.system == "linux" and machine.arch == "x86_64"  # that one is on PyPI
    loses = f"the default build cannot use {name}"
    if machine.system == "linux" and machine.arch == "x86_64" and level >= (7, 5):
        loses = f"the default build needs NVIDIA driver 580 or newer to use {name}"
    return Choice(
        label,
        "cuda",
        f"{name}{cuda}",
        None if plain else _index(label),
        BUILDS[label].disk_gb,
        tuple(notes),
        "" if plain else loses,
    )


def _for_amd(machine: Machine) -> Choice | None:
    if not machine.amd:
        return None
    gpu = next((one for one in machine.amd if one.target in ROCM_TARGETS), None)
    gpu = gpu or next((one for one in machine.amd if one.target in ROCM_RELATIVES), None)
    if machine.system != "linux" or machine.arch != "x86_64":
        return _for_cpu(machine, f"{machine.amd[0].name}: PyTorch runs on AMD GPUs under Linux only")
    if gpu is None:
        first = machine.amd[0]
        if first.target:
            return _for_cpu(machine, f"{first.name} ({first.target}) is not supported by ROCm {ROCM[4:]}")
        return None
    notes: list[str] = []
    if gpu.target in ROCM_RELATIVES:
        notes.append(
            f"If {gpu.target} gives errors, start with HSA_OVERRIDE_GFX_VERSION={ROCM_RELATIVES[gpu.target]} set."
        )
    if not machine.amd_access:
        notes.append("You may not use the GPU yet: run `sudo usermod -aG render,video $USER`, then log in again.")
    return Choice(
        ROCM, "rocm", f"{gpu.name} ({gpu.target})", _index(ROCM), BUILDS[ROCM].disk_gb, tuple(notes),
        f"the default build cannot use {gpu.name}",
    )  # fmt: skip


def _for_intel(machine: Machine) -> Choice | None:
    if not machine.intel or machine.arch != "x86_64":
        return None
    name = machine.intel[0].name
    return Choice("xpu", "xpu", name, _index("xpu"), BUILDS["xpu"].disk_gb, (), f"the default build cannot use {name}")
