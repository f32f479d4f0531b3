"""What the window's process can say about the machine without torch: live memory, cards on the bus, a probe's answer.

Everything here is cheap enough to ask every second or two, but for ``probe_engine``, which starts a process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import psutil

import models
from app.files import write_atomically
from models.machine import DeviceFacts
from models.planning import ProbeReport

PROBE_SECONDS = 60.0
"""How long a probe may take: importing torch from a cold disk takes 2 to 20 s, a hanging driver forever."""
_KILL_SECONDS = 5.0
_DETAIL_CHARS = 4000
_VENDORS = {0x10DE: "NVIDIA", 0x1002: "AMD", 0x8086: "Intel"}


class GraphicsMemory(msgspec.Struct, frozen=True):
    """Memory of one graphics card as its driver counts it for all programs, in bytes."""

    name: str
    total: int
    used: int


class Ram(msgspec.Struct, frozen=True):
    """The computer's own memory, in bytes; ``available`` is what programs can still get without swapping."""

    total: int
    available: int


class SeenCard(msgspec.Struct, frozen=True):
    """A graphics chip on the bus, with the kernel driver bound to it ("" for none)."""

    vendor: str
    driver: str = ""


class ProbeFailure(msgspec.Struct, frozen=True):
    """Why the engine could not be asked: ``reason`` is one of missing, timeout, crashed, no_torch, garbled.

    ``sentence`` says it to a person; ``detail`` is what the process wrote last.
    """

    reason: str
    sentence: str
    detail: str = ""


def ram() -> Ram:
    memory = psutil.virtual_memory()
    return Ram(int(memory.total), int(memory.available))


def graphics_memory(sysfs: Path = Path("/sys")) -> tuple[GraphicsMemory, ...]:
    """Memory of all cards that can be asked without opening a device: NVIDIA's by NVML, AMD's by Linux's sysfs."""
    return (*_nvidia_memory(), *_amd_memory(sysfs))


def nvidia_driver() -> str:
    """The version of NVIDIA's driver; "" when there is none."""
    nvml = _nvml()
    if nvml is None:
        return ""
    try:
        return _text(nvml.nvmlSystemGetDriverVersion())
    except nvml.NVMLError:
        return ""


@cache
def _nvml() -> Any:
    """NVML, ready to be asked, or None. Started once a process: it takes no memory on the card, unlike CUDA."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError, OSError, AttributeError):
        return None
    return pynvml


def _nvidia_memory() -> Iterator[GraphicsMemory]:
    nvml = _nvml()
    if nvml is None:
        return
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        for handle in handles:
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            yield GraphicsMemory(_text(nvml.nvmlDeviceGetName(handle)), int(memory.total), int(memory.used))
    except nvml.NVMLError:  # a driver that was updated under our feet, or a card that fell off the bus
        return


def _text(value: str | bytes) -> str:
    """Older versions of NVML's bindings give bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _amd_memory(sysfs: Path) -> Iterator[GraphicsMemory]:
    for device in sorted((sysfs / "class" / "drm").glob("card[0-9]*/device")):
        total, used = _number(device / "mem_info_vram_total"), _number(device / "mem_info_vram_used")
        if total > 0 and used >= 0:
            yield GraphicsMemory(_line(device / "product_name") or "AMD GPU", total, used)


def seen_cards(sysfs: Path = Path("/sys")) -> tuple[SeenCard, ...]:
    """Graphics chips on the bus (Linux only), whether any driver works or not."""
    found = []
    for device in sorted((sysfs / "bus" / "pci" / "devices").glob("*")):
        is_display = _number(device / "class") >> 16 == 0x03
        vendor = _VENDORS.get(_number(device / "vendor"))
        if is_display and vendor:
            link = device / "driver"
            found.append(SeenCard(vendor, link.resolve().name if link.exists() else ""))
    return tuple(found)


def _line(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    """The decimal or 0x number in a file; -1 if there is none."""
    try:
        return int(_line(path), 0)
    except ValueError:
        return -1


# -- the engine's probe -----------------------------------------------------------------------------------------------


def probe_engine(python: str, timeout: float = PROBE_SECONDS) -> ProbeReport | ProbeFailure:
    """Ask the engine's interpreter ``python`` what devices it sees, in a process that may crash or hang.

    Takes seconds (it imports torch) and at most ``timeout`` + 5 seconds. Never raises.
    """
    try:
        process = _start([python, "-X", "faulthandler", "-P", "-m", "models.devices"])
    except (OSError, ValueError) as error:
        return ProbeFailure("missing", f"The engine's Python could not be started: {python}", str(error))
    try:  # no "with process": its end waits without a limit
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        return _hung(process, timeout)
    return _answer(process.returncode, out, err.decode("utf-8", "replace")[-_DETAIL_CHARS:].strip())


def remember(path: Path, device: DeviceFacts) -> None:
    """Keep what is known of the device, so that fit can be told before an engine has started. Failing is no matter."""
    with contextlib.suppress(OSError):
        write_atomically(path, msgspec.json.encode(device))


def remembered(path: Path) -> DeviceFacts | None:
    """What ``remember`` kept; None when there is nothing that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=DeviceFacts)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    home = str(Path(models.__file__).resolve().parent.parent)
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    # The engine's environment need not have Atelier installed: the code is taken from where this process has it.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        creationflags=flags,
    )


def _hung(process: subprocess.Popen[bytes], timeout: float) -> ProbeFailure:
    process.kill()
    # A process stuck inside a driver cannot even be killed; then it is left behind rather than waited for.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_KILL_SECONDS)
    return ProbeFailure("timeout", f"The engine did not answer within {timeout:.0f} seconds.")


def _answer(code: int, out: bytes, err: str) -> ProbeReport | ProbeFailure:
    try:
        report = msgspec.json.decode(out, type=ProbeReport) if out.strip() else None
    except msgspec.MsgspecError as error:
        return ProbeFailure("garbled", "The engine's answer could not be understood.", f"{error}\n{err}".strip())
    if report is not None and report.devices:
        return report
    if report is not None:
        return ProbeFailure("no_torch", "PyTorch could not be loaded.", "\n".join(report.problems) or err)
    return ProbeFailure("crashed", f"The engine ended while it looked for devices ({said_exit(code)}).", err)


def said_exit(code: int) -> str:
    """An exit status in words: "SIGSEGV", "exit code 3", "0xC0000005"."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
        return f"signal {-code}"
    return f"0x{code & 0xFFFFFFFF:08X}" if code > 255 and sys.platform == "win32" else f"exit code {code}"
