"""The table of families with ControlNets, IP-Adapters and regions, and what they add to a plan. No torch here."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from models import control
from models.card import AddonRef
from models.control import ADAPTED, CONTROLLED, REGIONAL, kind_number
from models.inputs import Kind
from models.machine import Backend, Component, DeviceFacts, Needs, Placement
from models.pipelines import row
from models.planning import GB, plans
from models.schemas import runs


@pytest.mark.parametrize("name", sorted({*CONTROLLED, *ADAPTED, *REGIONAL}))
def test_every_class_of_the_table_exists_and_runs(name: str) -> None:
    found = row(name)
    assert found is not None
    assert runs(found)
    if name in ADAPTED:
        assert "ip_adapter_image" in found.inputs
    kinds = {spec.kind for spec in control.specs(name)}
    assert kinds <= {Kind.CONTROLS, Kind.ADAPTERS, Kind.REGIONS}
    assert set(control.why_not(name)) == set(control.NAMES) - {spec.name for spec in control.specs(name)}


@pytest.mark.parametrize(
    ("net", "mode", "preprocessor", "count", "number"),
    [
        ("ControlNetUnionModel", "depth", "", 6, 1),
        ("ControlNetUnionModel", "", "canny", 6, 3),
        ("ControlNetUnionModel", "", "lineart", 6, 3),
        ("ControlNetUnionModel", "tile", "", 6, None),
        ("ControlNetUnionModel", "tile", "", 8, 6),
        ("ControlNetUnionModel", "Depth", "canny", 6, 1),
        ("ControlNetUnionModel", "smell", "canny", 6, None),
        ("ControlNetUnionModel", "", "", 6, None),
        ("FluxControlNetModel", "pose", "", 7, 4),
        ("FluxControlNetModel", "2", "", 7, 2),
    ],
)
def test_kinds_of_map(net: str, mode: str, preprocessor: str, count: int, number: int | None) -> None:
    assert kind_number(net, mode, preprocessor, count) == number


def _device(gigabytes: float) -> DeviceFacts:
    memory = int(gigabytes * GB)
    return DeviceFacts(Backend.CUDA, 0, "card", memory, memory, 64 * GB, 64 * GB, (8, 6), True, True)


_SDXL = Needs(
    (
        Component("text_encoder_2", 694_659_840),
        Component("unet", 2_567_463_684),
        Component("vae", 83_653_863, class_name="AutoencoderKL", fp16_safe=True),
    ),
    pipeline="StableDiffusionXLPipeline",
)


@pytest.mark.parametrize(
    ("gigabytes", "nets", "placement"),
    [
        (12, 0, Placement.WHOLE),
        (12, 1, Placement.WHOLE),
        (12, 2, Placement.MODEL_OFFLOAD),
        (24, 3, Placement.WHOLE),
        (8, 1, Placement.GROUP_OFFLOAD),
    ],
)
def test_controlnets_make_a_plan_more_frugal(gigabytes: float, nets: int, placement: Placement) -> None:
    beside = tuple(Component(f"controlnet:{number}", 1_251_020_112) for number in range(nets))
    needs = msgspec.structs.replace(_SDXL, beside=beside)
    assert plans(needs, _device(gigabytes))[0].placement is placement


def test_they_count_with_the_denoiser_and_in_ram() -> None:
    net = Component("controlnet:a", 1_251_020_112)
    for alone, with_net in zip(
        plans(_SDXL, _device(24)), plans(msgspec.structs.replace(_SDXL, beside=(net,)), _device(24)), strict=False
    ):
        if alone.placement is with_net.placement and alone.placement is not Placement.GROUP_OFFLOAD:
            grown = with_net.needed_bytes - alone.needed_bytes
            assert 0 < grown <= 2 * net.parameters
        assert (with_net.ram_bytes > alone.ram_bytes) == (alone.placement is not Placement.WHOLE)


def test_what_a_job_uses_and_how_large_it_is(tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    file.write_bytes(b"0" * 1000)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"0" * 600)
    (folder / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"0" * 300)
    addons = {
        "one": AddonRef("1", "one", "controlnet", str(file)),
        "two": AddonRef("2", "two", "ip-adapter", str(folder)),
        "off": AddonRef("3", "off", "controlnet", str(tmp_path / "gone")),
    }
    inputs = {
        "controls": [{"name": "one"}, {"name": "one", "strength": 0.5}, {"name": "off", "strength": 0.0}],
        "adapters": [{"name": "two"}],
    }
    used = control.used(inputs, addons)
    assert [ref.name for ref in used] == ["one", "two"]
    assert [part.parameters for part in control.components(used)] == [500, 300]
    assert control.size_of(tmp_path / "gone") == 0
