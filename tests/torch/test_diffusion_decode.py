"""The way from latents to pixels, with memory or numbers failing on it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_runs import Ear, Loaded

from models.errors import AtelierError, ErrorCode
from models.planning import Placement, Plan
from models.runners.base import CancelledRunError, OutOfMemoryError, Picture
from models.runners.diffusion.decode import Decoder
from models.runners.diffusion.loading import weight_bytes
from models.runners.diffusion.memory import is_oom, oom_as
from models.runners.diffusion.runner import is_black


def difference(a: Picture, b: Picture) -> float:
    return float(np.abs(np.asarray(a.image, dtype=float) - np.asarray(b.image, dtype=float)).mean())


@pytest.mark.parametrize("family", ["sd", "qwen_image", "sd_taesd"])
def test_without_room_for_the_whole_it_decodes_in_tiles(
    family: str, loaded: Callable[[str], Loaded], faults: dict[str, str], tmp_path: Path
) -> None:
    model = loaded(family)
    whole = model.run(tmp_path / "whole")
    faults["decode:whole"] = "oom"
    ear = Ear()
    tiled = model.run(tmp_path / "tiled", ear=ear)
    assert ear.notices == ["decode_tiled"]
    assert tiled.image.size == whole.image.size
    assert not model.pipe.vae.use_tiling
    faults.clear()
    assert difference(model.run(tmp_path / "again"), whole) == 0  # the tiles did not stay


def test_without_room_for_tiles_it_decodes_on_the_cpu(sd: Loaded, faults: dict[str, str], tmp_path: Path) -> None:
    whole = sd.run(tmp_path / "whole")
    faults.update({"decode:whole": "oom", "decode:tiled": "oom"})
    ear = Ear()
    assert difference(sd.run(tmp_path / "cpu", ear=ear), whole) < 0.01
    assert ear.notices == ["decode_on_cpu"]


def test_without_any_room_the_latents_are_still_there(sd: Loaded, faults: dict[str, str], keep: Path) -> None:
    whole = sd.run(keep.with_name("whole"))
    faults.update({"decode:whole": "oom", "decode:tiled": "oom", "decode:cpu": "oom"})
    with pytest.raises(OutOfMemoryError) as caught:
        sd.run(keep)
    assert caught.value.stage == "decode"
    faults.clear()
    ear = Ear()
    assert difference(sd.run(keep, ear=ear), whole) == 0
    assert ear.stages == ["decoding"]


def test_pixels_that_are_not_finite_are_decoded_again(sd: Loaded, faults: dict[str, str], tmp_path: Path) -> None:
    whole = sd.run(tmp_path / "whole")
    faults["decode:whole"] = "nan"
    ear = Ear()
    assert difference(sd.run(tmp_path / "nan", ear=ear), whole) < 0.01
    assert ear.notices == ["decoded_again_float32"]


def test_pixels_that_stay_broken_are_an_error(sd: Loaded, keep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, latents: torch.Tensor, options: dict[str, Any]) -> tuple[torch.Tensor]:
        return (torch.full((1, 3, 64, 64), float("inf")),)

    monkeypatch.setattr(Decoder, "_as_planned", broken)
    monkeypatch.setattr(Decoder, "_fresh", lambda self, device, *rest: broken(self, *rest))
    with pytest.raises(AtelierError) as caught:
        sd.run(keep)
    assert caught.value.code is ErrorCode.RESULT_BROKEN
    assert caught.value.info.facts == {"what": "nan"}


def test_latents_that_are_not_finite_are_an_error_in_float32(sd: Loaded, faults: dict[str, str], keep: Path) -> None:
    faults["latents"] = "nan"
    with pytest.raises(AtelierError) as caught:
        sd.run(keep)
    assert caught.value.code is ErrorCode.RESULT_BROKEN
    assert not keep.exists()
    faults.clear()
    sd.run(keep)


def test_latents_that_are_not_finite_in_half_precision_are_made_again(
    folder_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Loaded(folder_of("sd"), tmp_path, Plan(device="cpu", dtype="float16", vae_dtype="float32"))
    unet = model.pipe.unet
    monkeypatch.setattr(unet, "forward", overflowing(unet.forward))
    ear = Ear()
    picture = model.run(tmp_path / "latents", ear=ear)
    assert ear.notices == ["run_again_float32"]
    assert picture.facts["dtype"] == "float32"
    assert not is_black(picture.image)
    ear = Ear()
    model.run(tmp_path / "next", ear=ear)
    assert ear.notices == []  # it stays in the type that works


def tensors(model: Loaded) -> dict[str, torch.Tensor]:
    found = {}
    for component in ("unet", "vae", "text_encoder"):
        module = getattr(model.pipe, component)
        found.update({f"{component}.{name}": tensor for name, tensor in module.state_dict().items()})
    return found


def half(folder_of: Callable[[str], Path], cache: Path, placement: Placement = Placement.WHOLE) -> Loaded:
    plan = Plan(device="cpu", dtype="float16", vae_dtype="float32", placement=placement)
    model = Loaded(folder_of("sd"), cache, plan)
    model.pipe.vae.encoder.conv_out.to(torch.float16)  # two types in one module, as in T5; nothing here encodes
    return model


def break_rescue(model: Loaded, monkeypatch: pytest.MonkeyPatch, failure: BaseException | None) -> None:
    """Latents overflow in float16; in float32 comes ``failure``, or they overflow there too."""
    forward = model.pipe.unet.forward

    def broken(sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if failure is not None and sample.dtype == torch.float32:
            raise failure
        return tuple(item * float("inf") for item in forward(sample, *args, **kwargs))

    monkeypatch.setattr(model.pipe.unet, "forward", broken)


@pytest.mark.parametrize("placement", [Placement.WHOLE, Placement.MODEL_OFFLOAD])
@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (None, AtelierError),
        (MemoryError(), AtelierError),
        (CancelledRunError(), CancelledRunError),
        (KeyError("anything"), KeyError),
    ],
)
def test_a_rescue_in_float32_that_fails_is_undone(
    failure: BaseException | None,
    raised: type[BaseException],
    placement: Placement,
    folder_of: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = half(folder_of, tmp_path, placement)
    before = {name: tensor.clone() for name, tensor in tensors(model).items()}
    assert {tensor.dtype for tensor in before.values() if tensor.is_floating_point()} == {torch.float16, torch.float32}
    memory = model.runner._weights = weight_bytes(model.pipe)
    with monkeypatch.context() as patched:
        break_rescue(model, patched, failure)
        ear = Ear()
        with pytest.raises(raised) as caught:
            model.run(tmp_path / "latents", ear=ear)
    if isinstance(caught.value, AtelierError):
        assert caught.value.code is ErrorCode.RESULT_BROKEN
    assert ear.notices == ["run_again_float32"]
    after = tensors(model)
    assert {name: tensor.dtype for name, tensor in after.items()} == {n: t.dtype for n, t in before.items()}
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert model.runner.memory == weight_bytes(model.pipe) == memory
    picture = model.run(tmp_path / "latents")
    assert picture.facts["dtype"] == "float16"  # the plan is the old one, too


def test_a_rescue_with_no_room_for_the_weights_is_undone(
    folder_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = half(folder_of, tmp_path)
    memory = model.runner._weights = weight_bytes(model.pipe)

    def no_room(**_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(model.pipe.vae, "to", no_room)  # some of the others are cast by then
    break_rescue(model, monkeypatch, None)
    with pytest.raises(AtelierError) as caught:
        model.run(tmp_path / "latents")
    assert caught.value.code is ErrorCode.RESULT_BROKEN
    assert weight_bytes(model.pipe) == memory


def overflowing(forward: Callable[..., Any]) -> Callable[..., Any]:
    def broken(sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        result = forward(sample, *args, **kwargs)
        scale = float("inf") if sample.dtype == torch.float16 else 1.0
        return tuple(item * scale for item in result)

    return broken


def black_vae(model: Loaded, monkeypatch: pytest.MonkeyPatch, everywhere: bool) -> None:
    def black(self: Any, *_: Any) -> tuple[torch.Tensor]:
        return (torch.full((1, 3, 64, 64), -1.0),)

    monkeypatch.setattr(Decoder, "_as_planned", black)
    if everywhere:
        monkeypatch.setattr(Decoder, "_fresh", black)


def test_a_black_picture_is_decoded_again(sd: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = sd.run(tmp_path / "right")
    black_vae(sd, monkeypatch, everywhere=False)
    ear = Ear()
    assert difference(sd.run(tmp_path / "black", ear=ear), right) < 0.01
    assert ear.notices == ["decoded_again_float32"]


def test_a_picture_that_is_meant_to_be_black_is_black(
    sd: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    black_vae(sd, monkeypatch, everywhere=True)
    ear = Ear()
    assert is_black(sd.run(tmp_path / "black", ear=ear).image)
    assert ear.notices == ["decoded_again_float32", "result_black"]


def test_a_full_disk_costs_the_kept_latents_and_not_the_picture(sd: Loaded, faults: dict[str, str], keep: Path) -> None:
    faults["keep"] = "full"
    ear = Ear()
    sd.run(keep, ear=ear)
    assert ear.notices == ["latents_not_kept"]
    assert list(keep.parent.glob("latents*")) == []


@pytest.mark.parametrize("damage", ["empty", "cut", "other size", "other pipeline", "nan"])
def test_kept_latents_that_cannot_be_used_are_made_again(sd: Loaded, keep: Path, damage: str) -> None:
    right = sd.run(keep)
    about = {"pipeline": "StableDiffusionPipeline", "width": "64", "height": "64"}
    latents = load_file(keep)
    if damage == "empty":
        keep.write_bytes(b"")
    elif damage == "cut":
        keep.write_bytes(keep.read_bytes()[:-100])
    elif damage == "other size":
        save_file(latents, keep, {**about, "width": "128"})
    elif damage == "other pipeline":
        save_file(latents, keep, {**about, "pipeline": "FluxPipeline"})
    else:
        save_file({"latents": latents["latents"] * float("nan")}, keep, about)
    ear = Ear()
    assert difference(sd.run(keep, ear=ear), right) == 0
    assert ear.stages == ["running", "decoding"]
    assert set(load_file(keep)) == {"latents"}


def test_memory_running_out_within_a_step_is_said_so(sd: Loaded, faults: dict[str, str], keep: Path) -> None:
    faults["step"] = "oom"
    with pytest.raises(OutOfMemoryError) as caught:
        sd.run(keep)
    assert caught.value.stage == "run"
    faults.clear()
    sd.run(keep)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError(
            "MPS backend out of memory (MPS allocated: 18.00 GB, other allocations: 1 GB, max allowed: 20 GB)"
        ),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_every_way_to_run_out_of_memory_is_known(error: Exception) -> None:
    assert is_oom(error)
    with pytest.raises(OutOfMemoryError, match="load"), oom_as("load", "cpu"):
        raise error


def test_what_filled_the_memory_is_let_go() -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def hungry() -> None:
        tensor = torch.zeros(10)
        held.append(weakref.ref(tensor))
        raise MemoryError

    with pytest.raises(OutOfMemoryError) as caught, oom_as("run", "cpu"):
        hungry()
    assert caught.value.stage == "run"
    assert held[0]() is None


@pytest.mark.parametrize(
    "error", [torch.AcceleratorError("CUDA error: device-side assert triggered"), RuntimeError("HIP error: unknown")]
)
def test_a_device_that_fails_is_named(
    error: RuntimeError, sd: Loaded, keep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(sd.pipe.unet, "forward", fail)
    with pytest.raises(AtelierError) as caught:
        sd.run(keep)
    assert caught.value.code is ErrorCode.DEVICE_FAILED
    assert caught.value.info.facts == {"device": "cpu"}


def test_other_errors_are_left_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="shape"), oom_as("load", "cpu"):
        raise RuntimeError("shape mismatch")
    assert not is_oom(OSError(28, "No space left on device"))


@pytest.mark.parametrize("placement", [Placement.GROUP_OFFLOAD, Placement.MODEL_OFFLOAD])
def test_other_placements_make_the_same_picture(
    placement: Placement, sd: Loaded, folder_of: Callable[[str], Path], tmp_path: Path, faults: dict[str, str]
) -> None:
    plan = Plan(device="cpu", placement=placement, vae_tiling=True, vae_slicing=True)
    model = Loaded(folder_of("sd"), tmp_path, plan)
    assert model.pipe.vae.use_slicing
    right = sd.run(tmp_path / "right")
    assert difference(model.run(tmp_path / "latents"), right) < 0.01
    faults.update({"decode:whole": "oom", "decode:tiled": "oom"})
    assert difference(model.run(tmp_path / "cpu"), right) < 0.01


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("family", ["sd", "sdxl", "flux"])
def test_half_precision_with_a_float32_decoder(
    family: str, dtype: str, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    model = Loaded(folder_of(family), tmp_path, Plan(device="cpu", dtype=dtype, vae_dtype="float32"))
    assert model.pipe.vae.dtype == torch.float32
    assert getattr(model.pipe, "unet", None) is None or model.pipe.unet.dtype == getattr(torch, dtype)
    first = model.run(tmp_path / "latents")
    assert difference(model.run(tmp_path / "latents"), first) == 0
    assert first.facts["dtype"] == dtype


def test_an_autoencoder_that_overflows_in_float16_is_never_run_in_it(
    folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    model = Loaded(folder_of("sdxl"), tmp_path, Plan(device="cpu", dtype="float16", vae_dtype="float16"))
    assert model.pipe.vae.config.force_upcast
    first = model.run(tmp_path / "latents")
    assert difference(model.run(tmp_path / "latents"), first) == 0


def test_in_tiles_a_picture_of_any_size_keeps_its_size(sd: Loaded, keep: Path, faults: dict[str, str]) -> None:
    faults["decode:whole"] = "oom"
    for width, height in ((72, 104), (200, 120)):
        keep.unlink(missing_ok=True)
        assert sd.run(keep, width=width, height=height, steps=1).image.size == (width, height)
