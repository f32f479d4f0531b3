"""What the doctor says of machines in every state, and that it fits a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from app import doctor, hardware
from app.doctor import REPAIR, Disk, DoctorReport, Engine
from app.hardware import GraphicsMemory, ProbeFailure, Ram, SeenCard
from models.card import ModelCard, ModelRef
from models.planning import GB, GIB, TOO_OLD, Backend, DeviceFacts, ProbeReport

CPU = DeviceFacts(Backend.CPU, 0, "AMD Ryzen 7 5800X", 32 * GIB, 20 * GIB, 32 * GIB, 20 * GIB, system="Linux 6.8")
CARD = DeviceFacts(
    Backend.CUDA, 0, "NVIDIA GeForce RTX 3060", 12 * GIB, 11 * GIB, 32 * GIB, 20 * GIB, (8, 6), True, True, "Linux 6.8"
)
NVIDIA = (SeenCard("NVIDIA", "nvidia"),)
WORKS = Engine("/opt/atelier/bin/python", True, "cuda 13.0", {"torch": "2.14.1+cu130", "diffusers": "0.42.1"})
HEALTHY = DoctorReport(
    system="Linux 6.8", machine="x86_64", python="3.12.4", versions={"PySide6_Essentials": "6.12.0"},
    ram=Ram(32 * GIB, 20 * GIB), engine=WORKS, devices=(CARD, CPU), device="cuda:0", driver="580.65",
    graphics=(GraphicsMemory("NVIDIA GeForce RTX 3060", 12 * GIB, GIB),), cards=NVIDIA,
    disks=(Disk("data", "/home/user/.local/share/atelier", 200 * GB, 500 * GB, True),),
)  # fmt: skip


def found(problems: tuple[str, ...] = (), **changes: object) -> list[doctor.Finding]:
    return list(doctor.findings(msgspec.structs.replace(HEALTHY, **changes), problems))


def built(build: str) -> Engine:
    return msgspec.structs.replace(WORKS, torch_build=build)


def test_nothing_to_say_of_a_healthy_machine() -> None:
    assert found() == []
    assert doctor.render(HEALTHY).endswith("Nothing is wrong.")


def test_a_torch_for_the_cpu_beside_an_nvidia_card() -> None:
    (finding,) = found(engine=built("cpu"), devices=(CPU,))
    assert "NVIDIA" in finding.sentence
    assert "(cpu)" in finding.sentence
    assert finding.command == REPAIR == "python3 installers/bootstrap.py setup --repair"


def test_a_driver_without_a_card_on_the_bus_counts_too() -> None:
    (finding,) = found(engine=built("cpu"), devices=(CPU,), cards=())
    assert "NVIDIA" in finding.sentence


def test_a_driver_too_old_for_torch() -> None:
    (finding,) = found(devices=(CPU,))
    assert "580.65" in finding.sentence
    assert "driver" in finding.advice


def test_a_card_without_a_driver() -> None:
    (finding,) = found(devices=(CPU,), driver="", graphics=(), cards=(SeenCard("NVIDIA", "nouveau"),))
    assert "driver is not installed" in finding.sentence


def test_a_card_too_old_for_torch_is_said_once() -> None:
    (finding,) = found((f"GTX 1060: {TOO_OLD}",), devices=(CPU,))
    assert finding.sentence == f"GTX 1060: {TOO_OLD}."
    assert finding.command == REPAIR


def test_an_amd_card_wants_rocm() -> None:
    amd = {"driver": "", "graphics": (), "cards": (SeenCard("AMD", "amdgpu"), SeenCard("Intel", "i915"))}
    (finding,) = found(devices=(CPU,), **amd)
    assert "AMD" in finding.sentence
    assert finding.command == REPAIR
    rocm = msgspec.structs.replace(CARD, backend=Backend.ROCM)
    assert found(devices=(rocm, CPU), engine=built("rocm 7.1"), **amd) == []


def test_no_card_at_all() -> None:
    (finding,) = found(devices=(CPU,), driver="", graphics=(), cards=())
    assert "minutes" in finding.advice


def test_an_engine_that_does_not_start() -> None:
    broken = Engine("/opt/python", False, reason="PyTorch could not be loaded.", detail="ImportError: libcudart.so.13")
    findings = found(engine=broken, devices=())
    assert [finding.command for finding in findings] == [REPAIR]
    text = doctor.render(msgspec.structs.replace(HEALTHY, engine=broken, devices=(), warnings=tuple(findings)))
    assert "does not work" in text
    assert "libcudart.so.13" in text


def test_scarce_things() -> None:
    small, full = Ram(4 * GIB, GIB), Disk("data", "/a", 2 * GB, 500 * GB, True)
    same, locked, lost = Disk("cache", "/b", 2 * GB, 500 * GB, True), Disk("c", "/c", 99 * GB, 99 * GB), Disk("d", "/d")
    busy = (GraphicsMemory("RTX 3060", 12 * GIB, 9 * GIB),)
    said = [finding.sentence for finding in found(ram=small, disks=(full, same, locked, lost), graphics=busy)]
    assert len(said) == 5
    assert "4.3 GB" in said[0]
    assert "/c" in said[1]
    assert "/d" in said[2]
    assert "2.0 GB" in said[3]
    assert "9.7 GB" in said[4]


def test_old_macos() -> None:
    old = msgspec.structs.replace(CPU, backend=Backend.MPS, system="macOS 13.6")
    (finding,) = found(devices=(old, CPU), driver="", graphics=(), cards=())
    assert "macOS 14" in finding.advice


# -- the whole --------------------------------------------------------------------------------------------------------


def model(folder: Path) -> Path:
    """A model of 2.6 B parameters in a file that is mostly a hole."""
    parts = {"scheduler": ["diffusers", "EulerDiscreteScheduler"], "unet": ["diffusers", "UNet2DConditionModel"]}
    for name in parts:
        (folder / name).mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionXLPipeline", **parts}))
    (folder / "scheduler/scheduler_config.json").write_text("{}")
    (folder / "unet/config.json").write_text('{"sample_size": 128}')
    size = 2_600_000_000 * 2
    header = json.dumps({"w.weight": {"dtype": "F16", "shape": [size // 2], "data_offsets": [0, size]}}).encode()
    with (folder / "unet/diffusion_pytorch_model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)
    return folder


@pytest.fixture
def cards(tmp_path: Path) -> list[ModelCard]:
    return [
        ModelCard(ModelRef("sdxl", "Stable Diffusion XL", "diffusers", str(model(tmp_path / "sdxl")))),
        ModelCard(ModelRef("gone", "A model with a name too long for one column", "diffusers", str(tmp_path / "gone"))),
        ModelCard(ModelRef("fake", "Painter", "fake")),
    ]


def probed(monkeypatch: pytest.MonkeyPatch, answer: ProbeReport | ProbeFailure) -> None:
    monkeypatch.setattr(hardware, "probe_engine", lambda python: answer)
    monkeypatch.setattr(hardware, "seen_cards", lambda: NVIDIA)
    monkeypatch.setattr(hardware, "graphics_memory", lambda: ())
    monkeypatch.setattr(hardware, "nvidia_driver", lambda: "580.65")


def test_collect_and_render(tmp_path: Path, cards: list[ModelCard], monkeypatch: pytest.MonkeyPatch) -> None:
    probed(monkeypatch, ProbeReport((CARD, CPU), (), "2.14.1+cu130", "cuda 13.0", {"diffusers": "0.42.1"}))
    paths = {"pictures": tmp_path / "not" / "yet" / "made", "data": tmp_path}
    report = doctor.collect(paths, cards, "/opt/a/rather/long/path/to/the/environment/of/the/engine/bin/python3.12")
    sdxl, gone, fake = report.models
    assert (sdxl.fit, sdxl.problem) == ("fast", "")
    assert sdxl.plan is not None
    assert sdxl.plan.device == report.device == "cuda:0"
    assert "not on this computer" in gone.problem
    assert fake.fit == "fast"
    assert all(disk.free > 0 and disk.writable for disk in report.disks)
    text = doctor.render(report)
    assert max(map(len, text.splitlines())) <= doctor.WIDTH
    assert "<- used" in text
    assert "all on the device, bfloat16" in text
    again = msgspec.json.decode(msgspec.json.encode(report), type=DoctorReport)
    assert again == report


def test_collect_without_an_engine(tmp_path: Path, cards: list[ModelCard], monkeypatch: pytest.MonkeyPatch) -> None:
    probed(monkeypatch, ProbeFailure("timeout", "The engine did not answer within 60 seconds."))
    report = doctor.collect({"data": tmp_path}, cards, "/opt/python")
    assert not report.engine.works
    assert report.devices == ()
    assert "engine" in report.models[0].problem
    assert report.warnings[0].command == REPAIR
    assert max(map(len, doctor.render(report).splitlines())) <= doctor.WIDTH


def test_a_model_too_large(tmp_path: Path, cards: list[ModelCard], monkeypatch: pytest.MonkeyPatch) -> None:
    small = msgspec.structs.replace(CPU, memory_total=4 * GIB, ram_total=4 * GIB, ram_free=2 * GIB)
    probed(monkeypatch, ProbeReport((small,), (), "2.14.1+cpu", "cpu"))
    report = doctor.collect({}, cards[:1], "/opt/python")
    assert report.models[0].fit == "too_large"
    assert "needs about" in report.models[0].problem
    assert "will not run" in doctor.render(report)
