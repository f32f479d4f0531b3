"""Which PyTorch fits which machine, and what the tools of real machines say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # also when pytest was not started as `python -m pytest`
from installers._boot import detect
from installers._boot.choose import BUILDS, TORCH, TORCHVISION, Choice, Refusal, choose
from installers._boot.facts import Amd, Intel, Machine, Nvidia, Version, version

VENDOR = "https://download.pytorch.org/whl/"


def nvidia(name: str, capability: Version, cuda: Version, **rest: object) -> Machine:
    facts: dict[str, object] = {"system": "linux", "arch": "x86_64", "cuda": cuda, **rest}
    return Machine(nvidia=(Nvidia(name, capability, 12288),), **facts)  # type: ignore[arg-type]


LINUX = Machine("linux", "x86_64")
WINDOWS = Machine("win32", "x86_64")

MACHINES = [
    # machine, label, device, index (None: the user's own)
    (nvidia("NVIDIA GeForce RTX 3060", (8, 6), (13, 0)), "cu130", "cuda", None),
    (nvidia("NVIDIA GeForce RTX 4090", (8, 9), (13, 1), system="win32"), "cu130", "cuda", VENDOR + "cu130"),
    (nvidia("NVIDIA GeForce GTX 1060 6GB", (6, 1), (13, 0)), "cu126", "cuda", VENDOR + "cu126"),
    (nvidia("NVIDIA GeForce GTX 1060 6GB", (6, 1), (12, 8), system="win32"), "cu126", "cuda", VENDOR + "cu126"),
    (nvidia("Tesla V100-SXM2-16GB", (7, 0), (12, 2)), "cu126", "cuda", VENDOR + "cu126"),
    (nvidia("NVIDIA GeForce RTX 3060", (8, 6), (12, 4)), "cu126", "cuda", VENDOR + "cu126"),
    (nvidia("NVIDIA GeForce RTX 2080 Ti", (7, 5), (12, 8)), "cu126", "cuda", VENDOR + "cu126"),
    (nvidia("NVIDIA GeForce RTX 5090", (12, 0), (13, 0)), "cu130", "cuda", None),
    (nvidia("NVIDIA GeForce RTX 5070", (12, 0), (12, 8)), "cu130", "cuda", None),
    (nvidia("NVIDIA GB10", (12, 1), (13, 0), arch="arm64"), "cu130", "cuda", VENDOR + "cu130"),
    (nvidia("NVIDIA H100 80GB HBM3", (9, 0), (13, 0)), "cu130", "cuda", None),
    (nvidia("Tesla K80", (3, 7), (11, 4)), "cpu", "cpu", VENDOR + "cpu"),
    (nvidia("NVIDIA GeForce GTX 1080", (), (11, 2)), "cpu", "cpu", VENDOR + "cpu"),  # driver 460
    (nvidia("NVIDIA GeForce GTX 1080", (), (12, 0)), "cu126", "cuda", VENDOR + "cu126"),  # capability by its name
    (
        Machine("linux", "x86_64", amd=(Amd("AMD Radeon RX 7900 XTX", "gfx1100"),)),
        "rocm7.14",
        "rocm",
        VENDOR + "rocm7.14",
    ),
    (
        Machine("linux", "x86_64", amd=(Amd("AMD Radeon RX 6700 XT", "gfx1031"),)),
        "rocm7.14",
        "rocm",
        VENDOR + "rocm7.14",
    ),
    (Machine("linux", "x86_64", amd=(Amd("AMD Radeon RX 580", "gfx803"),)), "cpu", "cpu", VENDOR + "cpu"),
    (Machine("linux", "x86_64", amd=(Amd("AMD GPU"),)), "cpu", "cpu", VENDOR + "cpu"),  # no compute driver
    (Machine("win32", "x86_64", amd=(Amd("AMD Radeon RX 7900 XTX"),)), "cpu", "cpu", VENDOR + "cpu"),
    (Machine("linux", "x86_64", intel=(Intel("Intel Arc A770"),)), "xpu", "xpu", VENDOR + "xpu"),
    (Machine("win32", "x86_64", intel=(Intel("Intel(R) Arc(TM) A770 Graphics"),)), "xpu", "xpu", VENDOR + "xpu"),
    (Machine("darwin", "arm64", macos=(14, 5)), "mps", "mps", None),
    (LINUX, "cpu", "cpu", VENDOR + "cpu"),
    (Machine("linux", "arm64"), "cpu", "cpu", VENDOR + "cpu"),
    (WINDOWS, "cpu", "cpu", VENDOR + "cpu"),
]


@pytest.mark.parametrize(("machine", "label", "device", "index"), MACHINES)
def test_real_machines(machine: Machine, label: str, device: str, index: str | None) -> None:
    choice = choose(machine)
    assert isinstance(choice, Choice)
    assert (choice.label, choice.device, choice.index) == (label, device, index)
    local = f"+{label}" if index else ""
    assert choice.requirements == [f"torch=={TORCH}{local}", f"torchvision=={TORCHVISION}{local}"]


@pytest.mark.parametrize(
    ("machine", "word"),
    [
        (Machine("darwin", "x86_64", macos=(13, 6)), "Intel Mac"),
        (Machine("darwin", "x86_64", macos=(15, 0), rosetta=True), "Rosetta"),
        (Machine("darwin", "arm64", macos=(12, 7)), "macOS 14"),
        (Machine("linux", "x86_64", libc="musl"), "Alpine"),
        (Machine("linux", "riscv64"), "riscv64"),
        (Machine("win32", "x86_64", bits=32), "32-bit"),
    ],
)
def test_impossible_machines_are_told_why(machine: Machine, word: str) -> None:
    refusal = choose(machine)
    assert isinstance(refusal, Refusal)
    assert word in refusal.reason
    assert "\n" not in refusal.reason


def test_the_best_of_several_gpus_decides() -> None:
    cards = (Nvidia("GeForce GT 710", (3, 5), 2048), Nvidia("GeForce RTX 4070", (8, 9), 12282))
    choice = choose(Machine("linux", "x86_64", nvidia=cards, cuda=(13, 0)))
    assert isinstance(choice, Choice)
    assert choice.label == "cu130"
    assert "RTX 4070" in choice.why


def test_a_discrete_amd_gpu_comes_before_the_processors_own() -> None:
    cards = (Amd("Ryzen graphics", "gfx1036"), Amd("Radeon RX 7900 XTX", "gfx1100"))
    choice = choose(Machine("linux", "x86_64", amd=cards, amd_access=False))
    assert isinstance(choice, Choice)
    assert "gfx1100" in choice.why
    assert any("usermod" in note for note in choice.notes)


def test_a_driver_that_is_too_old_is_told_what_to_do() -> None:
    choice = choose(nvidia("RTX 5070", (12, 0), (12, 8)))
    assert isinstance(choice, Choice)
    assert any("580" in note for note in choice.notes)


def test_the_default_index_loses_the_gpu_on_windows_but_nothing_on_a_cpu() -> None:
    gaming = choose(nvidia("RTX 4090", (8, 9), (13, 0), system="win32"))
    plain = choose(LINUX)
    assert isinstance(gaming, Choice)
    assert isinstance(plain, Choice)
    assert gaming.loses
    assert not plain.loses
    fallback = plain.without_vendor(LINUX)
    assert fallback.index is None
    assert fallback.requirements == [f"torch=={TORCH}", f"torchvision=={TORCHVISION}"]
    assert fallback.disk_gb > plain.disk_gb  # PyPI's Linux build brings CUDA along


def test_a_wish_is_honoured_and_a_wrong_one_named() -> None:
    wish = choose(LINUX, "cu126")
    assert isinstance(wish, Choice)
    assert wish.index == VENDOR + "cu126"
    assert wish.loses  # so that no other build is taken to be as good
    default = choose(LINUX, "default")
    assert isinstance(default, Choice)
    assert default.index is None
    wrong = choose(LINUX, "cu999")
    assert isinstance(wrong, Refusal)
    assert all(label in wrong.reason for label in BUILDS)


SMI_HEAD = """\
Mon Nov  9 10:11:12 2026
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 580.65.06              Driver Version: 580.65.06      CUDA Version: 13.0     |
+-----------------------------------------+------------------------+----------------------+
"""


def test_nvidia_smi_is_read() -> None:
    gpus, driver = detect.parse_nvidia_query(
        "NVIDIA GeForce RTX 3060, 8.6, 12288, 580.65.06\nNVIDIA GeForce GTX 1060 6GB, 6.1, 6144, 580.65.06\n"
    )
    assert gpus == (
        Nvidia("NVIDIA GeForce RTX 3060", (8, 6), 12288),
        Nvidia("NVIDIA GeForce GTX 1060 6GB", (6, 1), 6144),
    )
    assert driver == (580, 65, 6)
    assert detect.parse_nvidia_header(SMI_HEAD) == (13, 0)
    assert detect.parse_nvidia_header(SMI_HEAD.replace("CUDA Version", "CUDA UMD Version")) == (13, 0)
    assert detect.parse_nvidia_header("| NVIDIA-SMI 390.157    Driver Version: 390.157 |") == ()


def test_nvidia_smi_that_fails_gives_nothing() -> None:
    message = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest"
    assert detect.parse_nvidia_query(message) == ((), ())
    assert detect.parse_nvidia_query("[N/A], [N/A], [N/A], [N/A]") == ((Nvidia("[N/A]", (), 0),), ())


def test_old_drivers_are_read_without_the_capability() -> None:
    gpus, driver = detect.parse_nvidia_query("GeForce GTX 1080, 8119, 460.32.03", detect.NVIDIA_QUERY_OLD)
    assert gpus == (Nvidia("GeForce GTX 1080", (), 8119),)
    assert detect.cuda_of_driver(driver) == (11, 0)
    assert detect.cuda_of_driver((550, 54, 14)) == (12, 4)
    assert detect.cuda_of_driver((590,)) == (13, 0)
    proc = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version: ..."
    assert detect.parse_proc_driver(proc) == (535, 183, 1)
    open_kernel = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder)"
    assert detect.parse_proc_driver(open_kernel) == (580, 65, 6)


ROCMINFO = """\
ROCk module version 6.14.14 is loaded
==========
HSA Agents
==========
*******
Agent 1
*******
  Name:                    AMD Ryzen 9 7950X 16-Core Processor
  Marketing Name:          AMD Ryzen 9 7950X 16-Core Processor
  Device Type:             CPU
*******
Agent 2
*******
  Name:                    gfx1100
  Uuid:                    GPU-1234567890abcdef
  Marketing Name:          Radeon RX 7900 XTX
  Device Type:             GPU
  ISA Info:
    ISA 1
      Name:                    amdgcn-amd-amdhsa--gfx1100
      Machine Models:          HSA_MACHINE_MODEL_LARGE
*** Done ***
"""


def test_rocminfo_is_read() -> None:
    assert detect.parse_rocminfo(ROCMINFO) == (Amd("Radeon RX 7900 XTX", "gfx1100"),)
    assert detect.parse_rocminfo("ROCk module is NOT loaded, possibly no GPU devices") == ()


@pytest.mark.parametrize(("number", "name"), [(110000, "gfx1100"), (90010, "gfx90a"), (100306, "gfx1036"), (0, "")])
def test_kernel_targets_are_named(number: int, name: str) -> None:
    assert detect.gfx_name(number) == name


def test_versions_stop_at_what_is_no_number() -> None:
    assert version("12.8") == (12, 8)
    assert version("13.0.rc1") == (13, 0)
    assert version("[N/A]") == ()


def test_looking_at_this_machine_never_raises() -> None:
    assert detect.look().arch
    assert detect.signature() == detect.signature()
