"""Upscalers of each architecture group, built small at random and told from their tensors alone."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_runs import Ear

from models.card import ModelRef
from models.errors import AtelierError, ErrorCode
from models.machine import Backend, DeviceFacts
from models.planning import Plan
from models.recognise import FileKind, recognise
from models.runners import tiles, upscale
from models.runners.base import CancelledRunError, OutOfMemoryError
from models.runners.upscale import UpscaleKind

CPU = Plan("cpu")
SWIN: dict[str, Any] = {"embed_dim": 16, "depths": [2, 2], "num_heads": [2, 2], "window_size": 8, "mlp_ratio": 2}
ARCHITECTURES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ESRGAN x4": ("ESRGAN", "RRDBNet", {"num_filters": 16, "num_blocks": 1, "scale": 4}),
    "ESRGAN x2": ("ESRGAN", "RRDBNet", {"num_filters": 16, "num_blocks": 1, "scale": 2}),
    "Compact x2": ("Compact", "SRVGGNetCompact", {"num_feat": 16, "num_conv": 2, "upscale": 2}),
    "SwinIR x2": ("SwinIR", "SwinIR", {**SWIN, "upscale": 2, "upsampler": "pixelshuffle"}),
    "Swin2SR x2": ("Swin2SR", "Swin2SR", {**SWIN, "upscale": 2, "upsampler": "pixelshuffle"}),
    "HAT x4": (
        "HAT", "HAT", {**SWIN, "upscale": 4, "compress_ratio": 3, "squeeze_factor": 4, "upsampler": "pixelshuffle"}),
    "DAT x2": (
        "DAT", "DAT", {"embed_dim": 16, "depth": [2, 2], "num_heads": [2, 2], "split_size": [8, 8], "upscale": 2}),
    "OmniSR x2": ("OmniSR", "OmniSR", {"num_feat": 32, "res_num": 1, "block_num": 1, "up_scale": 2}),
    "SPAN x4": ("SPAN", "SPAN", {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 16, "upscale": 4}),
    "ATD x2": (
        "ATD", "ATD", {**SWIN, "upscale": 2, "upsampler": "pixelshuffle", "category_size": 32, "num_tokens": 8}),
    "DRCT x2": (
        "DRCT", "DRCT",
        {"embed_dim": 32, "depths": (2, 2), "num_heads": (2, 2), "window_size": 8, "upscale": 2, "gc": 8,
         "upsampler": "pixelshuffle"}),
    "RealCUGAN x2": ("RealCUGAN", "UpCunet2x", {}),
    "PLKSR x2": ("PLKSR", "PLKSR", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2}),
    "SAFMN x2": ("SAFMN", "SAFMN", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2}),
}  # fmt: skip


def network(name: str) -> Any:
    module, cls, options = ARCHITECTURES[name]
    torch.manual_seed(3)
    known = vars(importlib.import_module(f"spandrel.architectures.{module}")).values()
    made = next(each for each in known if getattr(each, "__name__", "") == cls)(**options)
    if module == "RealCUGAN":  # at random it would paint black
        torch.nn.init.constant_(made.unet2.conv_bottom.bias, 0.5)
    return made


def saved(name: str, folder: Path) -> Path:
    path = folder / "upscaler.safetensors"
    save_file({key: value.contiguous().clone() for key, value in network(name).state_dict().items()}, path)
    return path


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Any]:
    def make(name: str = "Compact x2") -> Any:
        return UpscaleKind().load(ModelRef("u", name, "upscale", str(saved(name, tmp_path))), CPU, Ear(), tmp_path)

    return make


def picture(width: int = 40, height: int = 28, mode: str = "RGB") -> Image.Image:
    dice = np.random.default_rng(1)
    return Image.fromarray(dice.integers(0, 256, (height, width, len(mode)), np.uint8).squeeze())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_architecture_is_told_and_enlarges(name: str, load: Callable[..., Any], tmp_path: Path) -> None:
    upscaler = load(name)
    factor = int(name[-1])
    assert upscaler._network.scale == factor
    made = upscaler.enlarged(picture(), (40 * factor, 28 * factor), Ear())
    assert made.size == (40 * factor, 28 * factor)
    assert np.asarray(made).std() > 0


@pytest.mark.parametrize("name", [n for n in ARCHITECTURES if "DRCT" not in n])
def test_what_spandrel_loads_is_listed_as_an_upscaler(name: str, tmp_path: Path) -> None:
    assert recognise(saved(name, tmp_path)).kind is FileKind.UPSCALER


def test_tiles_are_as_the_whole(load: Callable[..., Any]) -> None:
    upscaler = load("ESRGAN x2")
    image = picture(150, 130)
    whole = np.asarray(upscaler.enlarged(image, (300, 260), Ear(), tile=256)).astype(int)
    tiled = np.asarray(upscaler.enlarged(image, (300, 260), Ear(), tile=64)).astype(int)
    assert np.abs(whole - tiled).max() <= 3


def test_tiles_spread_evenly_and_their_shares_add_up() -> None:
    for length in (64, 65, 100, 127, 500, 1000):
        shares = np.zeros(length)
        for span in tiles.spans(length, 64, 16):
            assert 0 <= span.start <= span.first < span.last <= span.stop <= length
            shares[span.first : span.last] += span.weights(1)
        assert np.allclose(shares, 1)


def test_several_passes_and_the_rest_by_resampling(load: Callable[..., Any]) -> None:
    upscaler = load("Compact x2")
    ear = Ear()
    assert upscaler.enlarged(picture(), (120, 84), ear).size == (120, 84)  # 2 x 2, then back to 3
    assert ear.steps[-1][:2] == (2, 2)
    assert upscale.passes((10, 10), (80, 80), 2) == 3
    assert upscale.passes((10, 10), (20, 20), 4) == 1
    assert upscale.passes((10, 10), (10, 10), 1) == 1


def test_alpha_and_greys_stay(load: Callable[..., Any]) -> None:
    upscaler = load()
    image = picture(mode="RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    made = upscaler.enlarged(image, (80, 56), Ear())
    assert made.mode == "RGBA"
    assert abs(np.asarray(made.getchannel("A")).mean() - np.asarray(image.getchannel("A")).mean()) < 2
    grey = np.asarray(upscaler.enlarged(picture(mode="L").convert("RGB"), (80, 56), Ear()))
    assert (grey[..., 0] == grey[..., 2]).all()


def test_cancel_in_the_middle_of_a_tile(load: Callable[..., Any]) -> None:
    upscaler = load("HAT x4")
    with pytest.raises(CancelledRunError):
        upscaler.enlarged(picture(), (160, 112), Ear(cancel_at=lambda ear: ear.checkpoints > 5))
    assert not any(layer._forward_pre_hooks for layer in upscaler._network.model.modules())


def test_short_memory_takes_smaller_tiles_and_then_says_so(load: Callable[..., Any], monkeypatch: Any) -> None:
    upscaler = load()
    seen: list[int] = []
    real = upscaler._seen

    def short(pixels: Any) -> Any:
        seen.append(pixels.shape[1])
        if pixels.shape[1] > 64:
            raise MemoryError("no room")
        return real(pixels)

    monkeypatch.setattr(upscaler, "_seen", short)
    ear = Ear()
    made = upscaler.enlarged(picture(200, 100), (400, 200), ear, tile=200)
    assert made.size == (400, 200)
    assert ear.notices.count("smaller_tiles") >= 1
    monkeypatch.setattr(upscaler, "_seen", lambda pixels: (_ for _ in ()).throw(MemoryError("never")))
    with pytest.raises(OutOfMemoryError):
        upscaler.enlarged(picture(200, 100), (400, 200), Ear(), tile=64)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", ErrorCode.MODEL_CORRUPT),
        (b"\xff\xff\xff\xff\x0b\x00\x00\x00{", ErrorCode.MODEL_CORRUPT),  # a header of 50 GB
        (b"nothing of the kind", ErrorCode.MODEL_CORRUPT),
    ],
)
def test_broken_files_get_a_clear_answer(content: bytes, code: ErrorCode, tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(AtelierError) as caught:
        upscale.read_network(path, "Broken")
    assert caught.value.code is code


def test_wrong_tensors_get_a_clear_answer(tmp_path: Path) -> None:
    save_file({"some.weight": torch.zeros(3, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(AtelierError) as caught:
        upscale.read_network(tmp_path / "other.safetensors", "Other")
    assert caught.value.code is ErrorCode.MODEL_UNSUPPORTED
    state = network("Compact x2").state_dict()
    state["body.2.weight"] = torch.zeros(7, 5, 3, 3)
    save_file(state, tmp_path / "bent.safetensors")
    with pytest.raises(AtelierError) as caught:
        upscale.read_network(tmp_path / "bent.safetensors", "Bent")
    assert caught.value.code is ErrorCode.MODEL_CORRUPT


def test_a_pickle_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "was_here",)

    torch.save({"params": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(AtelierError) as caught:
        upscale.read_network(tmp_path / "evil.pth", "Evil")
    assert caught.value.code is ErrorCode.MODEL_CORRUPT
    assert not (tmp_path / "was_here").exists()
    torch.save({"params_ema": network("Compact x2").state_dict()}, tmp_path / "plain.pth")
    assert upscale.read_network(tmp_path / "plain.pth", "Plain").scale == 2


def test_half_precision_only_where_it_is_sound() -> None:
    def facts(**more: Any) -> DeviceFacts:
        return DeviceFacts(Backend.CUDA, 0, "card", 8 << 30, 8 << 30, 16 << 30, 16 << 30, (8, 6), True, True, **more)

    assert UpscaleKind().plans(ModelRef("u", "u", "upscale"), facts())[0].dtype == "float16"
    slow = DeviceFacts(Backend.CPU, 0, "cpu", 8 << 30, 8 << 30, 16 << 30, 16 << 30)
    assert UpscaleKind().plans(ModelRef("u", "u", "upscale"), slow)[0].dtype == "float32"
