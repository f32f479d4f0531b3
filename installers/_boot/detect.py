"""Look at the machine: which system, which GPUs, which drivers. Every question has a short time limit.

The parsers are pure and take what the tools printed; `look` is the only part with side effects.
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from installers._boot.facts import Amd, Intel, Machine, Nvidia, Version, version

# CUDA versions by driver, for when the driver does not say: https://docs.nvidia.com/deploy/cuda-compatibility/
CUDA_BY_DRIVER = (
    ((580,), (13, 0)),
    ((570,), (12, 8)),
    ((560,), (12, 6)),
    ((550,), (12, 4)),
    ((525,), (12, 0)),
    ((450,), (11, 0)),
)

# Intel GPUs with XPU support: Arc (Alchemist, Battlemage), Core Ultra, Data Center Max.
INTEL_DEVICES = {
    **dict.fromkeys(
        ("56a0", "56a1", "56a2", "56a5", "56a6", "5690", "5691", "5692", "5693", "5694"), "Intel Arc A-series"
    ),
    **dict.fromkeys(("e20b", "e20c", "e211", "e212"), "Intel Arc B-series"),
    **dict.fromkeys(
        ("7d55", "7d45", "7d40", "7dd5", "7d51", "7d67", "7d41", "7dd1", "64a0", "6420"), "Intel Core Ultra graphics"
    ),
    **dict.fromkeys(("b080", "b081", "b082", "b083", "b08f", "b090"), "Intel Core Ultra graphics"),
    **dict.fromkeys(("0bd5", "0bda", "0bdb"), "Intel Data Center GPU Max"),
}
INTEL_NAMES = {
    "56a0": "Intel Arc A770",
    "56a1": "Intel Arc A750",
    "56a5": "Intel Arc A380",
    "e20b": "Intel Arc B580",
    "e20c": "Intel Arc B570",
}

PCI_NVIDIA, PCI_AMD, PCI_INTEL = "10de", "1002", "8086"
NVIDIA_QUERY = "name,compute_cap,memory.total,driver_version"
NVIDIA_QUERY_OLD = "name,memory.total,driver_version"


def parse_nvidia_query(text: str, fields: str = NVIDIA_QUERY) -> tuple[tuple[Nvidia, ...], Version]:
    """GPUs and driver version from ``nvidia-smi --query-gpu=... --format=csv,noheader,nounits``."""
    gpus: list[Nvidia] = []
    driver: Version = ()
    names = fields.split(",")
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(names):
            continue
        row = dict(zip(names, cells, strict=True))
        memory = row["memory.total"].split()
        memory_mib = int(memory[0]) if memory and memory[0].isdigit() else 0
        gpus.append(Nvidia(row["name"], version(row.get("compute_cap", "")), memory_mib))
        driver = driver or version(row["driver_version"])
    return tuple(gpus), driver


def parse_nvidia_header(text: str) -> Version:
    """The newest CUDA the driver runs, from the head of plain ``nvidia-smi``."""
    found = re.search(r"CUDA (?:UMD )?Version\s*:\s*(\d+\.\d+)", text)
    return version(found[1]) if found else ()


def cuda_of_driver(driver: Version) -> Version:
    """The newest CUDA that a driver of this version runs."""
    return next((cuda for lowest, cuda in CUDA_BY_DRIVER if driver >= lowest), ())


def parse_proc_driver(text: str) -> Version:
    """The driver's version from /proc/driver/nvidia/version."""
    found = re.search(r"Kernel Module.*?\s(\d{3}\.\d+(?:\.\d+)?)\s", text)
    return version(found[1]) if found else ()


def parse_rocminfo(text: str) -> tuple[Amd, ...]:
    """The GPU agents that ``rocminfo`` lists."""
    gpus: list[Amd] = []
    for block in re.split(r"\*{5,}\s*\n\s*Agent \d+", text)[1:]:
        fields = dict(re.findall(r"^\s+([A-Z][\w ]*?):\s+(\S.*?)\s*$", block, re.MULTILINE)[::-1])
        if fields.get("Device Type") == "GPU":
            target = re.match(r"gfx[0-9a-f]+", fields.get("Name", ""))
            gpus.append(Amd(fields.get("Marketing Name") or "AMD GPU", target[0] if target else ""))
    return tuple(gpus)


def gfx_name(number: int) -> str:
    """The kernel's ``gfx_target_version`` (110000) as the compiler's name (gfx1100); steppings are hexadecimal."""
    return f"gfx{number // 10000}{number // 100 % 100:x}{number % 100:x}" if number else ""


def look() -> Machine:
    """This machine. Never raises: what cannot be found out is taken to be absent."""
    system = "linux" if sys.platform.startswith("linux") else sys.platform
    machine = platform.machine().lower()
    arch = {"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64"}.get(machine, machine)
    pci = _pci_displays() if system == "linux" else _registry_displays()
    gpus, driver, cuda, notes = _nvidia(system, pci)
    amd, access = _amd(pci)
    return Machine(
        system=system,
        arch=arch,
        bits=struct.calcsize("P") * 8,
        python=tuple(sys.version_info[:3]),
        libc="glibc" if system != "linux" or platform.libc_ver()[0] == "glibc" else "other",
        macos=version(platform.mac_ver()[0]) if system == "darwin" else (),
        rosetta=system == "darwin"
        and arch == "x86_64"
        and _ask(["sysctl", "-n", "sysctl.proc_translated"]).strip() == "1",
        nvidia=gpus,
        nvidia_driver=driver,
        cuda=cuda,
        amd=amd,
        amd_access=access,
        intel=_intel(pci),
        notes=notes,
    )


def signature() -> str:
    """A cheap mark of the graphics hardware and drivers (no child process): when it changes, `look` again."""
    parts = [platform.machine()]
    if sys.platform.startswith("linux"):
        parts += sorted(f"{vendor}:{device}" for vendor, device, _name in _pci_displays())
        parts.append(_read("/proc/driver/nvidia/version").partition("\n")[0])
        parts += [path for path in ("/dev/kfd", "/dev/nvidia0", "/dev/dxg") if Path(path).exists()]
    elif sys.platform == "win32":
        parts += sorted(f"{vendor}:{device}" for vendor, device, _name in _registry_displays())
        try:
            stat = (Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "nvcuda.dll").stat()
            parts.append(f"{stat.st_size}-{int(stat.st_mtime)}")
        except OSError:
            pass
    return "|".join(parts)


def _ask(command: list[str], seconds: float = 6.0) -> str:
    """What a tool prints; empty when it is missing, fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


Display = tuple[str, str, str]  # PCI vendor, PCI device, name


def _pci_displays() -> list[Display]:
    """Graphics devices from sysfs."""
    found: list[Display] = []
    try:
        devices = sorted(Path("/sys/bus/pci/devices").iterdir())
    except OSError:
        return []
    for device in devices:
        if _read(device / "class").startswith(("0x03", "0x12")):
            found.append((_read(device / "vendor").strip()[2:], _read(device / "device").strip()[2:], ""))
    return found


def _registry_displays() -> list[Display]:
    """Graphics devices from the Windows registry (a child process would take seconds)."""
    found: list[Display] = []
    try:
        winreg: Any = importlib.import_module("winreg")
    except ImportError:
        return []
    key = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
    for number in range(16):
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, rf"{key}\{number:04d}") as entry:
                ident = str(winreg.QueryValueEx(entry, "MatchingDeviceId")[0]).lower()
                name = str(winreg.QueryValueEx(entry, "DriverDesc")[0])
        except OSError:
            continue
        ids = re.search(r"ven_([0-9a-f]{4})&dev_([0-9a-f]{4})", ident)
        if ids:
            found.append((ids[1], ids[2], name))
    return found


def _nvidia_smi(system: str) -> str:
    places = [shutil.which("nvidia-smi")]
    if system == "win32":
        places.append(os.environ.get("PROGRAMFILES", r"C:\Program Files") + r"\NVIDIA Corporation\NVSMI\nvidia-smi.exe")
    else:
        places.append("/usr/lib/wsl/lib/nvidia-smi")
    return next((place for place in places if place and Path(place).exists()), "")


def _nvidia(system: str, pci: list[Display]) -> tuple[tuple[Nvidia, ...], Version, Version, tuple[str, ...]]:
    tool = _nvidia_smi(system) if system != "darwin" else ""
    if tool:
        shape = "--format=csv,noheader,nounits"
        gpus, driver = parse_nvidia_query(_ask([tool, f"--query-gpu={NVIDIA_QUERY}", shape]))
        if not gpus:
            gpus, driver = parse_nvidia_query(_ask([tool, f"--query-gpu={NVIDIA_QUERY_OLD}", shape]), NVIDIA_QUERY_OLD)
        if gpus:
            return gpus, driver, parse_nvidia_header(_ask([tool])) or cuda_of_driver(driver), ()
    cards = [name or "NVIDIA GPU" for vendor, _device, name in pci if vendor == PCI_NVIDIA]
    if not cards:
        return (), (), (), ()
    driver = parse_proc_driver(_read("/proc/driver/nvidia/version"))
    if driver:
        note = (
            "The NVIDIA driver does not answer (often after an update): restart the computer if the GPU stays unused."
        )
        return tuple(Nvidia(name) for name in cards), driver, cuda_of_driver(driver), (note,)
    return (
        (),
        (),
        (),
        ("There is an NVIDIA GPU without its driver. Install driver 580 or newer, then start this again.",),
    )


def _amd(pci: list[Display]) -> tuple[tuple[Amd, ...], bool]:
    gpus: list[Amd] = []
    for node in sorted(Path("/sys/class/kfd/kfd/topology/nodes").glob("*/properties")):
        found = re.search(r"^gfx_target_version (\d+)", _read(node), re.MULTILINE)
        target = gfx_name(int(found[1])) if found else ""
        if target:
            gpus.append(Amd("AMD GPU", target))
    if gpus and shutil.which("rocminfo"):
        gpus = list(parse_rocminfo(_ask(["rocminfo"]))) or gpus
    if not gpus:
        gpus = [Amd(name or "AMD GPU") for vendor, _device, name in pci if vendor == PCI_AMD]
    device = Path("/dev/kfd")
    return tuple(gpus), not device.exists() or os.access(device, os.R_OK | os.W_OK)


def _intel(pci: list[Display]) -> tuple[Intel, ...]:
    return tuple(
        Intel(name or INTEL_NAMES.get(device, INTEL_DEVICES[device]))
        for vendor, device, name in pci
        if vendor == PCI_INTEL and device in INTEL_DEVICES
    )
