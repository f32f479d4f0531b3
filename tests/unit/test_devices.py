"""Devices as torch tells of them, with torches made up for each kind of machine; and the probe's process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from app import hardware
from app.hardware import GraphicsMemory, ProbeFailure, SeenCard
from models import devices
from models.planning import TOO_OLD, Backend, DeviceFacts

GIB = 1024**3


def fake_torch(**backends: Any) -> ModuleType:
    """A torch that has a CPU, and what ``backends`` adds."""
    torch = ModuleType("torch")
    none = SimpleNamespace(is_available=lambda: False)
    fields: dict[str, Any] = {
        "__version__": "2.14.1",
        "version": SimpleNamespace(cuda=None, hip=None, xpu=None),
        "cuda": none,
        "xpu": none,
        "backends": SimpleNamespace(mps=none),
        **backends,
    }
    for name, value in fields.items():
        setattr(torch, name, value)
    return torch


def cards(*found: tuple[str, tuple[int, int], str], archs: tuple[str, ...] = ("sm_75", "sm_86", "sm_90")) -> Any:
    """torch.cuda with cards of 12 GiB, 11 of them free: name, capability, AMD's chip."""
    made = [
        SimpleNamespace(name=name, major=capability[0], minor=capability[1], gcnArchName=chip)
        for name, capability, chip in found
    ]
    return SimpleNamespace(
        is_available=lambda: bool(made),
        device_count=lambda: len(made),
        get_device_properties=lambda index: made[index],
        mem_get_info=lambda index: (11 * GIB, 12 * GIB),
        get_arch_list=lambda: list(archs),
        empty_cache=lambda: None,
    )


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], None]:
    def install(torch: ModuleType) -> None:
        monkeypatch.setitem(sys.modules, "torch", torch)

    return install


Use = Callable[[ModuleType], None]


def test_a_machine_without_a_card(use: Use) -> None:
    use(fake_torch())
    report = devices.examine()
    (cpu,) = report.devices
    assert (cpu.backend, cpu.torch_device, cpu.fast_bf16) == (Backend.CPU, "cpu", False)  # nothing to measure with
    assert 0 < cpu.memory_free <= cpu.memory_total == cpu.ram_total
    assert cpu.name
    assert cpu.system
    assert report.problems == ()


def test_nvidia_cards(use: Use) -> None:
    cuda = cards(("NVIDIA GeForce RTX 3060", (8, 6), ""), ("NVIDIA GeForce RTX 2060", (7, 5), ""))
    use(fake_torch(cuda=cuda, version=SimpleNamespace(cuda="13.0", hip=None)))
    new, old, cpu = devices.probe()
    assert (new.backend, new.torch_device, new.capability, new.fast_bf16) == (Backend.CUDA, "cuda:0", (8, 6), True)
    assert (old.torch_device, old.fast_bf16, old.fast_fp16) == ("cuda:1", False, True)
    assert (new.memory_free, new.memory_total) == (11 * GIB, 12 * GIB)
    assert cpu.backend is Backend.CPU
    assert devices.examine().torch_build == "cuda 13.0"


def test_a_card_without_kernels_is_left_out_and_said(use: Use) -> None:
    use(fake_torch(cuda=cards(("NVIDIA GeForce GTX 1060 6GB", (6, 1), ""))))
    report = devices.examine()
    assert [facts.backend for facts in report.devices] == [Backend.CPU]
    assert report.problems == (f"NVIDIA GeForce GTX 1060 6GB: {TOO_OLD}",)


@pytest.mark.parametrize(
    ("capability", "archs", "fits"),
    [
        ((8, 9), ("sm_80", "sm_90"), True),
        ((8, 0), ("sm_86",), False),
        ((12, 0), ("sm_90", "sm_120a"), True),
        ((12, 0), ("sm_90", "compute_90"), True),
        ((6, 1), ("sm_75", "compute_75"), False),
        ((8, 6), (), False),
        ((8, 6), ("strange", "sm_x"), False),
    ],
)
def test_which_kernels_run_on_which_card(capability: tuple[int, int], archs: tuple[str, ...], fits: bool) -> None:
    facts = DeviceFacts(Backend.CUDA, 0, "card", 1, 1, 1, 1, capability)
    assert devices.supported(fake_torch(cuda=cards(archs=archs)), facts) is fits


def test_amd_cards(use: Use) -> None:
    cuda = cards(("AMD Radeon RX 7900 XTX", (11, 0), "gfx1100"), ("AMD Radeon RX 6600", (10, 3), "gfx1032"))
    use(fake_torch(cuda=cuda, version=SimpleNamespace(cuda=None, hip="7.1")))
    report = devices.examine()
    new, old, _ = report.devices
    assert (new.backend, new.torch_device, new.fast_bf16) == (Backend.ROCM, "cuda:0", True)
    assert (old.backend, old.fast_bf16, old.fast_fp16) == (Backend.ROCM, False, True)
    assert report.torch_build == "rocm 7.1"


def test_intel_cards(use: Use) -> None:
    properties = SimpleNamespace(name="Intel Arc A770", has_bfloat16_conversions=True)
    xpu = SimpleNamespace(
        is_available=lambda: True,
        device_count=lambda: 1,
        get_device_properties=lambda index: properties,
        mem_get_info=lambda index: (15 * GIB, 16 * GIB),
    )
    use(fake_torch(xpu=xpu))
    card, _ = devices.probe()
    assert (card.backend, card.torch_device, card.fast_bf16) == (Backend.XPU, "xpu:0", True)


def test_apple_silicon(use: Use) -> None:
    mps = SimpleNamespace(recommended_max_memory=lambda: 11 * GIB, driver_allocated_memory=lambda: 2 * GIB)
    torch = fake_torch(mps=mps, backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: True)))

    def ones(*_: object, **__: object) -> object:
        raise TypeError("BFloat16 is not supported on MPS")

    torch.ones, torch.bfloat16 = ones, "bfloat16"  # type: ignore[attr-defined]
    use(torch)
    metal, _ = devices.probe()
    assert (metal.backend, metal.torch_device, metal.fast_bf16) == (Backend.MPS, "mps", False)
    assert (metal.memory_total, metal.memory_free) == (11 * GIB, 9 * GIB)
    mps.driver_allocated_memory = lambda: 5 * GIB
    assert devices.refresh(metal).memory_free == 6 * GIB


def test_a_failing_driver_costs_its_device_only(use: Use) -> None:
    def fail() -> bool:
        raise RuntimeError("CUDA driver initialization failed\nat line 1")

    use(fake_torch(cuda=SimpleNamespace(is_available=fail), xpu=None))
    report = devices.examine()
    assert [facts.backend for facts in report.devices] == [Backend.CPU]
    assert report.problems == ("CUDA: RuntimeError: CUDA driver initialization failed",)


def test_refresh_keeps_the_last_number_when_the_driver_is_gone(use: Use) -> None:
    torch = fake_torch(cuda=cards(("NVIDIA GeForce RTX 3060", (8, 6), "")))
    use(torch)
    card = devices.probe()[0]
    torch.cuda.mem_get_info = lambda index: (3 * GIB, 12 * GIB)
    assert devices.refresh(card).memory_free == 3 * GIB

    def gone(index: int) -> tuple[int, int]:
        raise RuntimeError("CUDA error: unspecified launch failure")

    torch.cuda.mem_get_info = gone
    assert devices.refresh(card).memory_free == 11 * GIB
    devices.release(card)


def test_asked_for_the_processor_no_driver_is_touched(use: Use) -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"touched: {name}")

    untouchable = Untouchable()
    use(fake_torch(cuda=untouchable, xpu=untouchable, mps=untouchable, backends=untouchable))
    (cpu,) = devices.probe("cpu")
    assert devices.choose([cpu], "cpu") is cpu
    assert devices.refresh(cpu).memory_free > 0
    devices.release(cpu)
    devices.release("cpu")


@pytest.mark.parametrize("name", ["cuda", "mps", "xpu"])
def test_memory_is_given_back_and_asked_for_by_name(use: Use, name: str) -> None:
    emptied = []
    module = SimpleNamespace(
        empty_cache=lambda: emptied.append(name),
        mem_get_info=lambda index: ((7 + index) * GIB, 12 * GIB),
        recommended_max_memory=lambda: 10 * GIB,
        driver_allocated_memory=lambda: 2 * GIB,
    )
    use(fake_torch(**{name: module}))
    device = name if name == "mps" else f"{name}:1"
    devices.release(device)
    assert emptied == [name]
    assert devices.free_bytes(device) == 8 * GIB


def test_a_device_that_is_gone_does_not_fail_at_giving_back(use: Use) -> None:
    def gone() -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    use(fake_torch(cuda=SimpleNamespace(empty_cache=gone)))
    devices.release("cuda:0")


class Stopwatch:
    """Stands for the measurement; ``answer`` may be an error."""

    def __init__(self, answer: bool | Exception) -> None:
        self.answer, self.runs = answer, 0

    def __call__(self, torch: object) -> bool:
        self.runs += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_what_was_measured_of_the_processor_is_kept(use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    watch = Stopwatch(True)
    monkeypatch.setattr(devices, "_measure_cpu_bf16", watch)
    use(fake_torch())
    assert devices.probe("cpu", cache)[0].fast_bf16
    watch.answer = False  # the machine is busy from now on
    assert devices.probe("cpu", cache)[0].fast_bf16
    assert devices.probe(cache=cache)[0].fast_bf16
    assert watch.runs == 1
    assert not devices.probe("cpu")[0].fast_bf16  # without a cache it is measured
    use(fake_torch(__version__="2.15.0"))
    assert not devices.probe("cpu", cache)[0].fast_bf16  # another torch is another matter
    use(fake_torch())
    assert devices.probe("cpu", cache)[0].fast_bf16
    monkeypatch.setattr(devices, "cpu_name", lambda: "another processor")
    assert not devices.probe("cpu", cache)[0].fast_bf16
    assert [path.name for path in cache.iterdir()] == [devices.CPU_BF16]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_record_of_the_processor_is_made_again(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(devices, "_measure_cpu_bf16", watch := Stopwatch(True))
    use(fake_torch())
    (tmp_path / devices.CPU_BF16).write_bytes(content)
    for _ in range(2):
        assert devices.probe("cpu", tmp_path)[0].fast_bf16
    assert watch.runs == 1


def test_a_cache_that_cannot_be_written_costs_nothing(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_measure_cpu_bf16", Stopwatch(True))
    use(fake_torch())
    (tmp_path / "file").write_bytes(b"")
    assert devices.probe("cpu", tmp_path / "file")[0].fast_bf16
    (tmp_path / devices.CPU_BF16).mkdir()
    assert devices.probe("cpu", tmp_path)[0].fast_bf16
    assert list(tmp_path.glob("*.part")) == []


def test_a_measurement_that_failed_is_not_kept(use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_measure_cpu_bf16", Stopwatch(RuntimeError("no kernel")))
    use(fake_torch())
    assert not devices.probe("cpu", tmp_path)[0].fast_bf16
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("full", "half", "expected"),
    [
        ((4.0, 4.0), (2.0, 2.0), True),
        ((4.0, 4.0), (3.5, 3.5), False),
        ((9.0, 1.0), (2.0, 3.0), False),
        ((1.0, 1.0), (5.0, 5.0), False),
    ],
)
def test_fast_means_clearly_faster(full: tuple[float, float], half: tuple[float, float], expected: bool) -> None:
    assert devices.faster(full, half) is expected


def test_names_of_processors() -> None:
    assert devices._model_name("processor: 0\nmodel name\t: AMD Ryzen 7 5800X\nflags: a") == "AMD Ryzen 7 5800X"
    assert devices._model_name("Hardware: BCM2835") == ""


# -- the window's side ------------------------------------------------------------------------------------------------


def engine(folder: Path, code: str) -> str:
    """A Python that does ``code`` instead of probing."""
    if sys.platform == "win32":
        pytest.skip("needs a shebang line")
    program = folder / "python"
    program.write_text(f"#!{sys.executable}\nimport os, sys, time\n{code}\n")
    program.chmod(0o755)
    return str(program)


def test_probe_answers(tmp_path: Path) -> None:
    report = '{"devices": [{"backend": "cpu", "index": 0, "name": "x", "memory_total": 1, "memory_free": 1,' \
        ' "ram_total": 1, "ram_free": 1}], "torch": "2.14.1", "new_field": 1}'  # fmt: skip
    answer = hardware.probe_engine(engine(tmp_path, f"print('''{report}''')"))
    assert not isinstance(answer, ProbeFailure)
    assert (answer.devices[0].name, answer.torch) == ("x", "2.14.1")


@pytest.mark.parametrize(
    ("code", "reason", "said"),
    [
        ("os.kill(os.getpid(), 11)", "crashed", "SIGSEGV"),
        ("sys.exit('no driver')", "crashed", "exit code 1"),
        ("print('hello')", "garbled", "understood"),
        ("""print('{"devices": [], "problems": ["torch: ImportError: no libcudart"]}')""", "no_torch", "PyTorch"),
        ("time.sleep(60)", "timeout", "1 seconds"),
    ],
)
def test_probe_failures_have_reasons(tmp_path: Path, code: str, reason: str, said: str) -> None:
    failure = hardware.probe_engine(engine(tmp_path, code), timeout=1.0 if reason == "timeout" else 20)
    assert isinstance(failure, ProbeFailure)
    assert failure.reason == reason
    assert said in failure.sentence


def test_no_such_engine(tmp_path: Path) -> None:
    failure = hardware.probe_engine(str(tmp_path / "nothing"))
    assert isinstance(failure, ProbeFailure)
    assert failure.reason == "missing"


@pytest.mark.torch
def test_the_real_probe() -> None:
    report = hardware.probe_engine(sys.executable)
    assert not isinstance(report, ProbeFailure), report
    assert report.devices[-1].backend is Backend.CPU
    assert report.torch
    assert "diffusers" in report.versions


class FakeNvml:
    """NVIDIA's library as its Python bindings show it, older ones giving bytes."""

    class NVMLError(Exception):
        pass

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        if self.broken:
            raise self.NVMLError("driver/library version mismatch")
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(total=12 * GIB, used=GIB)

    def nvmlDeviceGetName(self, handle: int) -> bytes:  # noqa: N802
        return b"NVIDIA GeForce RTX 3060"

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        if self.broken:
            raise self.NVMLError("driver/library version mismatch")
        return "580.65"


def test_graphics_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = tmp_path / "class/drm/card1/device"
    card.mkdir(parents=True)
    (card / "mem_info_vram_total").write_text("8573157376\n")
    (card / "mem_info_vram_used").write_text("500000000\n")
    (tmp_path / "class/drm/card0/device").mkdir(parents=True)  # a card that does not tell
    monkeypatch.setattr(hardware, "_nvml", FakeNvml)
    nvidia, amd = hardware.graphics_memory(tmp_path)
    assert nvidia == GraphicsMemory("NVIDIA GeForce RTX 3060", 12 * GIB, GIB)
    assert amd == GraphicsMemory("AMD GPU", 8573157376, 500000000)
    assert hardware.nvidia_driver() == "580.65"
    monkeypatch.setattr(hardware, "_nvml", lambda: FakeNvml(broken=True))
    assert hardware.graphics_memory(tmp_path / "none") == ()
    assert hardware.nvidia_driver() == ""
    monkeypatch.setattr(hardware, "_nvml", lambda: None)
    assert hardware.graphics_memory(tmp_path / "none") == ()


def test_cards_on_the_bus(tmp_path: Path) -> None:
    for slot, (kind, vendor, driver) in {
        "01": ("0x030000", "0x10de", "nouveau"), "02": ("0x038000", "0x1002", ""),
        "03": ("0x020000", "0x8086", "e1000"), "04": ("0x030000", "0x1234", "bochs"),
    }.items():  # fmt: skip
        device = tmp_path / f"bus/pci/devices/0000:{slot}:00.0"
        device.mkdir(parents=True)
        (device / "class").write_text(kind)
        (device / "vendor").write_text(vendor)
        if driver:
            (tmp_path / driver).mkdir()
            (device / "driver").symlink_to(tmp_path / driver)
    assert hardware.seen_cards(tmp_path) == (SeenCard("NVIDIA", "nouveau"), SeenCard("AMD"))
    assert hardware.seen_cards(tmp_path / "none") == ()


def test_exits_in_words() -> None:
    assert hardware.said_exit(3) == "exit code 3"
    assert hardware.said_exit(-200) == "signal 200"
