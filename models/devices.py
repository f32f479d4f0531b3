"""What this machine computes with, measured through torch: for the worker, and for the throw-away probe process.

torch is imported inside functions only, so that the module itself is light. Started alone (``python -m
models.devices``) it prints a ``ProbeReport`` as JSON: the app does that in a child process with a time limit, since a
driver can crash or hang while it is asked (krita-ai-diffusion issue 2509).
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import psutil

from models.machine import TOO_OLD, Backend, DeviceFacts, ProbeReport
from models.machine import choose as choose

log = logging.getLogger(__name__)

CLEARLY_FASTER = 1.3
"""How many times faster bfloat16 must be than float32 to be called fast on a CPU."""
MEASURE_SECONDS = 0.004
"""Time given to each measurement: two types, two kinds of work."""
ROUNDS = 3
"""Times each is measured, in turns, so that another program's burst does not fall on one type only."""
CPU_BF16 = "cpu-bf16.json"
"""The file in a cache folder that keeps what was measured, for each processor and torch version."""

_PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "huggingface_hub")

# What a driver or an unfinished backend raises when it is asked: RuntimeError is torch's own (CUDA errors, missing
# libraries), the others come from its thin Python layers when a build lacks a function or a field.
_DRIVER_ERRORS = (RuntimeError, OSError, AttributeError, AssertionError, ValueError, TypeError, NotImplementedError)

# AMD chips with bfloat16 matrix units: CDNA2 and newer, RDNA3 and newer. torch says yes for every AMD chip.
_AMD_BF16 = ("gfx90a", "gfx94", "gfx95", "gfx11", "gfx12")


def probe(wanted: str = "auto", cache: Path | None = None) -> list[DeviceFacts]:
    """All devices of this machine, best first; the CPU is always there and last.

    ``wanted`` is a device as ``choose`` takes it: for "cpu" no driver of another device is even asked. In ``cache`` it
    is kept how fast the CPU was found to be, so that its number type, and with it every picture, stays the same.
    """
    return list(examine(wanted, cache).devices)


def examine(wanted: str = "auto", cache: Path | None = None) -> ProbeReport:
    """Like ``probe``, with torch's version and with what went wrong, in words, for each backend that failed.

    Raises ImportError (OSError on Windows, when a library of torch is missing) if torch itself cannot be imported.
    """
    import torch

    devices: list[DeviceFacts] = []
    problems: list[str] = []
    backends = () if wanted == "cpu" else (("CUDA", _cuda), ("XPU", _xpu), ("Metal", _mps))
    for name, ask in backends:
        try:
            devices += ask(torch)
        except _DRIVER_ERRORS as error:
            problems.append(f"{name}: {type(error).__name__}: {_first_line(error)}")
    devices.append(_cpu(torch, cache))
    problems += [f"{facts.name}: {TOO_OLD}" for facts in devices if not supported(torch, facts)]
    fit = tuple(facts for facts in devices if supported(torch, facts))
    return ProbeReport(fit, tuple(problems), str(torch.__version__), _build(torch), _versions())


def refresh(facts: DeviceFacts) -> DeviceFacts:
    """The same device with its memory as it is now; unchanged where the driver does not answer."""
    free = facts.memory_free
    with contextlib.suppress(*_DRIVER_ERRORS):
        free = free_bytes(facts.torch_device)
    return msgspec.structs.replace(facts, memory_free=free, ram_free=int(psutil.virtual_memory().available))


def release(device: DeviceFacts | str) -> None:
    """Give unused memory back to ``device`` (its facts, or what torch calls it), so that ``free_bytes`` and other
    programs see it. Never fails: a device that is gone says so at its next use."""
    import torch

    gc.collect()
    name = device if isinstance(device, str) else device.torch_device
    module = getattr(torch, name.partition(":")[0], None)
    empty: Callable[[], None] | None = getattr(module, "empty_cache", None)
    if empty is not None and name != "cpu":
        with contextlib.suppress(*_DRIVER_ERRORS):
            empty()


def free_bytes(device: str) -> int:
    """Bytes that can still be taken on what torch calls ``device``, as its driver sees it; raises what drivers do."""
    import torch

    kind, _, index = device.partition(":")
    if kind in ("cuda", "xpu"):
        return int(getattr(torch, kind).mem_get_info(int(index or 0))[0])
    if kind == "mps":
        return _metal_free(torch)
    return int(psutil.virtual_memory().available)


def _metal_free(torch: Any) -> int:
    return max(0, int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory()))


def _facts(backend: Backend, index: int, name: str, total: int, free: int, **more: Any) -> DeviceFacts:
    ram = psutil.virtual_memory()
    return DeviceFacts(
        backend, index, name, total, free, int(ram.total), int(ram.available), system=system_name(), **more
    )


def _cuda(torch: Any) -> list[DeviceFacts]:
    """NVIDIA cards, or AMD cards in a ROCm build, where torch calls them "cuda" as well."""
    if not torch.cuda.is_available():
        return []
    return [_cuda_device(torch, index) for index in range(torch.cuda.device_count())]


def _cuda_device(torch: Any, index: int) -> DeviceFacts:
    properties = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    capability = (int(properties.major), int(properties.minor))
    hip = bool(getattr(torch.version, "hip", None))
    if hip:
        chip = str(getattr(properties, "gcnArchName", ""))
        return _facts(
            Backend.ROCM, index, properties.name, int(total), int(free),
            capability=capability, fast_bf16=chip.startswith(_AMD_BF16), fast_fp16=True,
        )  # fmt: skip
    # torch.cuda.is_bf16_supported() asks only about the current card, and counts emulation unless told otherwise.
    return _facts(
        Backend.CUDA, index, properties.name, int(total), int(free),
        capability=capability, fast_bf16=capability >= (8, 0), fast_fp16=capability >= (7, 0),
    )  # fmt: skip


def supported(torch: Any, facts: DeviceFacts) -> bool:
    """Whether this torch holds kernels for an NVIDIA card; without, every job would end in "no kernel image".

    Kernels run on the chip they were built for and on later ones of the same major number; "compute_" code is compiled
    by the driver for anything newer. (The torch 2.14 wheel for CUDA 13 begins at sm_75: no GTX 10xx, no V100.)
    """
    if facts.backend is not Backend.CUDA:
        return True
    for arch in torch.cuda.get_arch_list():
        kind, _, number = str(arch).partition("_")
        digits = number.rstrip("abcdefghijklmnopqrstuvwxyz")
        level = (int(digits[:-1]), int(digits[-1])) if len(digits) > 1 and digits.isdigit() else (99, 0)
        if level <= facts.capability and (kind == "compute" or level[0] == facts.capability[0]):
            return True
    return False


def _xpu(torch: Any) -> list[DeviceFacts]:
    xpu = getattr(torch, "xpu", None)
    if xpu is None or not xpu.is_available():
        return []
    found = []
    for index in range(xpu.device_count()):
        properties = xpu.get_device_properties(index)
        free, total = xpu.mem_get_info(index)
        native = bool(getattr(properties, "has_bfloat16_conversions", True))
        found.append(
            _facts(Backend.XPU, index, properties.name, int(total), int(free), fast_bf16=native, fast_fp16=True)
        )
    return found


def _mps(torch: Any) -> list[DeviceFacts]:
    backends = getattr(torch.backends, "mps", None)
    if backends is None or not backends.is_available():
        return []
    # Metal's own advice on how much of the shared memory may be used: about two thirds to three quarters.
    total = int(torch.mps.recommended_max_memory())
    return [_facts(Backend.MPS, 0, cpu_name(), total, _metal_free(torch), fast_bf16=_mps_bf16(torch), fast_fp16=True)]


def _mps_bf16(torch: Any) -> bool:
    """bfloat16 on Metal needs macOS 14; asked by using it, since older systems raise."""
    try:
        ones = torch.ones(8, 8, device="mps", dtype=torch.bfloat16)
        return bool((ones @ ones).sum().item() == 512)
    except (RuntimeError, TypeError):
        return False


def _cpu(torch: Any, cache: Path | None) -> DeviceFacts:
    ram, name = psutil.virtual_memory(), cpu_name()
    fast = _cpu_bf16(torch, name, cache)
    return _facts(Backend.CPU, 0, name, int(ram.total), int(ram.available), fast_bf16=fast)


def _cpu_bf16(torch: Any, name: str, cache: Path | None) -> bool:
    """What was measured once on this processor with this torch: a machine that is busy at another start would find
    otherwise, and the same seed would then make another picture. Without ``cache`` it is measured each time."""
    path = cache and cache / CPU_BF16
    key = f"{name}, torch {torch.__version__}"
    kept = _read_kept(path) if path else {}
    if key not in kept:
        try:
            kept[key] = _measure_cpu_bf16(torch)
        except _DRIVER_ERRORS:
            return False
        if path:
            _write_kept(path, kept)
    return kept[key]


def _read_kept(path: Path) -> dict[str, bool]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, bool])
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return {}


def _write_kept(path: Path, kept: dict[str, bool]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(msgspec.json.encode(kept))
        os.replace(part, path)
    except OSError as error:
        log.warning("cannot keep what was measured of the processor: %s", error)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _measure_cpu_bf16(torch: Any) -> bool:
    """Whether matmul and convolution are clearly faster in bfloat16: tried, since flags of the chip do not tell.

    AVX512-BF16 and AMX chips differ by system, torch build and clock; without them bfloat16 is several times slower.
    Takes about 4 x ``ROUNDS`` x ``MEASURE_SECONDS``, 50 ms.
    """
    full, half = (float("inf"), float("inf")), (float("inf"), float("inf"))
    for _ in range(ROUNDS):
        full = _quicker(full, _cpu_times(torch, torch.float32))
        half = _quicker(half, _cpu_times(torch, torch.bfloat16))
    return faster(full, half)


def _quicker(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return min(one[0], other[0]), min(one[1], other[1])


def faster(full: tuple[float, ...], half: tuple[float, ...]) -> bool:
    """True when the sum of ``half`` is clearly below that of ``full`` and no single one is slower (10 % is noise)."""
    clearly = sum(full) >= CLEARLY_FASTER * sum(half)
    return clearly and all(slow * 1.1 >= quick for slow, quick in zip(full, half, strict=True))


def _cpu_times(torch: Any, dtype: Any) -> tuple[float, float]:
    with torch.inference_mode():
        square = torch.ones(384, 384, dtype=dtype)
        picture = torch.ones(1, 64, 32, 32, dtype=dtype)
        kernel = torch.ones(64, 64, 3, 3, dtype=dtype)
        multiply = _best_seconds(lambda: square @ square)
        convolve = _best_seconds(lambda: torch.nn.functional.conv2d(picture, kernel, padding=1))
    return multiply, convolve


def _best_seconds(work: Callable[[], object]) -> float:
    """The quickest of several short runs: the others were disturbed by whatever else the machine does."""
    work()  # the first one also chooses kernels and starts threads
    best, end = float("inf"), time.perf_counter() + MEASURE_SECONDS
    for turn in range(64):
        start = time.perf_counter()
        if turn >= 3 and start > end:
            break
        work()
        best = min(best, time.perf_counter() - start)
    return best


def cpu_name() -> str:
    """The processor's name as its maker gives it ("Apple M1", "AMD Ryzen 7 5800X"), or the machine type."""
    name = ""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "darwin":
            asked = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            name = subprocess.run(asked, capture_output=True, text=True, timeout=2, check=True).stdout.strip()
        elif sys.platform == "linux":
            name = _model_name(Path("/proc/cpuinfo").read_text("utf-8", "replace"))
    return name or platform.processor() or platform.machine() or "CPU"


def _model_name(cpuinfo: str) -> str:
    lines = (line.partition(":") for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next((value.strip() for _, _, value in lines), "")


def system_name() -> str:
    """The operating system with its version: "macOS 14.5", "Windows 11", "Linux 6.8"."""
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}".strip()


def _build(torch: Any) -> str:
    """What this torch was built for: "cuda 13.0", "rocm 7.1", "xpu 2025.3" or "cpu"."""
    for name, field in (("rocm", "hip"), ("cuda", "cuda"), ("xpu", "xpu")):
        version = getattr(torch.version, field, None)
        if version:
            return f"{name} {version}"
    return "mps" if sys.platform == "darwin" else "cpu"


def _versions() -> dict[str, str]:
    """Installed versions of what the engine works with, from their metadata: importing them would take seconds."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def main() -> int:
    """Print a ``ProbeReport`` as one line of JSON on the real standard output, whatever libraries print."""
    channel = os.dup(1)
    os.dup2(2, 1)
    try:
        report = examine()
    except (ImportError, OSError) as error:
        report = ProbeReport((), (f"torch: {type(error).__name__}: {_first_line(error)}",))
    os.write(channel, msgspec.json.encode(report) + b"\n")
    return 0 if report.devices else 1


if __name__ == "__main__":
    sys.exit(main())
