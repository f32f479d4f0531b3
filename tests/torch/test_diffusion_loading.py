"""What is said about folders that cannot be loaded, and what loading never does."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_runs import CPU, Ear, Loaded

from models.card import ModelRef
from models.devices import Backend
from models.errors import AtelierError, ErrorCode
from models.folders import inspect
from models.planning import GIB, DeviceFacts
from models.runners.base import CancelledRunError, OutOfMemoryError
from models.runners.diffusion.kind import DiffusionKind


@pytest.fixture
def copy(folder_of: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the tiny Stable Diffusion that a test may damage."""
    return Path(shutil.copytree(folder_of("sd"), tmp_path / "model"))


def load(folder: Path, ear: Ear | None = None) -> None:
    model = ModelRef("m", "my model", "diffusion", str(folder))
    DiffusionKind().load(model, CPU, ear or Ear(), folder.parent / "cache")


def refused(folder: Path) -> tuple[ErrorCode, dict[str, object]]:
    with pytest.raises(AtelierError) as caught:
        load(folder)
    return caught.value.code, dict(caught.value.info.facts)


UNET = "unet/diffusion_pytorch_model.safetensors"


def test_loading_tells_each_part(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    model = Loaded(folder_of("sd"), tmp_path)
    fractions = [fraction for fraction, _ in model.ear.loads]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert {"unet", "vae", "text_encoder"} <= {what for _, what in model.ear.loads}


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / UNET).unlink()
    assert refused(copy) == (ErrorCode.MODEL_INCOMPLETE, {"model": "my model", "file": UNET})


def test_a_truncated_file_is_named(copy: Path) -> None:
    data = (copy / UNET).read_bytes()
    (copy / UNET).write_bytes(data[:-10])
    assert refused(copy) == (ErrorCode.MODEL_CORRUPT, {"model": "my model", "file": UNET})


def test_weights_of_another_model_are_named(copy: Path) -> None:
    weights = load_file(copy / UNET)
    weights["conv_in.weight"] = torch.zeros(3, 3)
    save_file(weights, copy / UNET, {"format": "pt"})
    assert refused(copy) == (ErrorCode.MODEL_CORRUPT, {"model": "my model", "file": UNET})


def test_weights_that_lack_a_tensor_are_named(copy: Path) -> None:
    weights = load_file(copy / UNET)
    del weights["conv_in.bias"]
    save_file(weights, copy / UNET, {"format": "pt"})
    assert refused(copy) == (ErrorCode.MODEL_CORRUPT, {"model": "my model", "file": UNET})


def test_a_missing_tokenizer_is_incomplete(copy: Path) -> None:
    shutil.rmtree(copy / "tokenizer")
    assert refused(copy)[0] is ErrorCode.MODEL_INCOMPLETE


def test_pickled_weights_are_not_loaded(copy: Path) -> None:
    (copy / UNET).rename(copy / "unet/diffusion_pytorch_model.bin")
    assert refused(copy)[0] is ErrorCode.MODEL_NEEDS_PICKLE


def test_code_in_the_folder_is_not_run(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    index["unet"] = ["my_unet", "MyUNet"]
    (copy / "model_index.json").write_text(json.dumps(index))
    (copy / "unet/my_unet.py").write_text("raise SystemExit('this ran')")
    assert refused(copy)[0] is ErrorCode.MODEL_NEEDS_REMOTE_CODE
    index["_class_name"] = ["pipeline", "MyPipeline"]
    (copy / "model_index.json").write_text(json.dumps(index))
    assert refused(copy)[0] is ErrorCode.MODEL_NEEDS_REMOTE_CODE


@pytest.mark.parametrize("name", ["StableDiffusionImg2ImgPipeline", "NoSuchPipeline"])
def test_other_pipelines_are_unsupported(copy: Path, name: str) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps({**index, "_class_name": name}))
    assert refused(copy) == (ErrorCode.MODEL_UNSUPPORTED, {"model": "my model", "pipeline": name})


def test_a_component_this_version_does_not_know_is_unsupported(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps({**index, "unet": ["diffusers", "UNetOfTomorrow"]}))
    assert refused(copy)[0] is ErrorCode.MODEL_UNSUPPORTED


def test_half_precision_files_alone_are_enough(copy: Path, tmp_path: Path) -> None:
    for name in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"):
        (copy / f"{name}.safetensors").rename(copy / f"{name}.fp16.safetensors")
    model = Loaded(copy, tmp_path)
    whole = model.run(tmp_path / "latents").image
    model.pipe.vae.register_to_config(force_upcast=False)
    assert whole.size == (64, 64)


def test_a_safety_checker_is_never_loaded(copy: Path, tmp_path: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPFeatureExtractor"]
    (copy / "model_index.json").write_text(json.dumps({**index, "requires_safety_checker": True}))
    model = Loaded(copy, tmp_path)
    assert model.pipe.safety_checker is None
    model.run(tmp_path / "latents")


def test_memory_running_out_while_loading_is_said_so(copy: Path, faults: dict[str, str]) -> None:
    faults["load:vae"] = "oom"
    with pytest.raises(OutOfMemoryError) as caught:
        load(copy)
    assert caught.value.stage == "load"


def test_loading_can_be_cancelled(copy: Path) -> None:
    ear = Ear(cancel_at=lambda ear: len(ear.loads) > 1)
    with pytest.raises(CancelledRunError):
        load(copy, ear)
    assert ear.loads[-1][0] < 0.9


def test_nothing_touches_the_network(
    folder_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    for family in ("sd", "sd3", "qwen_image"):
        Loaded(folder_of(family), tmp_path).run(tmp_path / family)


def test_plans_are_made_from_the_files(folder_of: Callable[[str], Path]) -> None:
    ram = 16 * 1024**3
    facts = DeviceFacts(Backend.CPU, 0, "a computer", ram, ram, ram, ram)
    folder = folder_of("sd")
    plans = DiffusionKind().plans(ModelRef("m", "m", "diffusion", str(folder)), facts)
    assert plans[0].device == "cpu"
    assert plans[0].needed_bytes > 0


def test_warm_up_names_the_libraries() -> None:
    assert set(DiffusionKind().warm_up()) == {"torch", "diffusers", "transformers"}


def test_a_closed_runner_lets_go_of_its_weights(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    import weakref

    model = Loaded(folder_of("sd"), tmp_path)
    model.run(tmp_path / "latents")
    unet = weakref.ref(model.pipe.unet)
    model.runner.close()
    assert unet() is None


CARD = DeviceFacts(Backend.CUDA, 0, "card", 24 * GIB, 22 * GIB, 64 * GIB, 40 * GIB, (8, 9), fast_bf16=True)
METAL = DeviceFacts(Backend.MPS, 0, "Apple M3 Ultra", 384 * GIB, 380 * GIB, 512 * GIB, 500 * GIB, system="macOS 15.1")


@pytest.mark.parametrize(
    ("facts", "side", "tiled"),
    [(CARD, 0, False), (CARD, 1024, False), (CARD, 2048, True), (METAL, 1024, False), (METAL, 1152, True)],
)
def test_large_pictures_are_planned_as_such(
    facts: DeviceFacts, side: int, tiled: bool, folder_of: Callable[[str], Path]
) -> None:
    model = ModelRef("m", "my model", "diffusion", str(folder_of("sd")))
    native = DiffusionKind().plans(model, facts)
    wanted = DiffusionKind().plans(model, facts, side * side)
    assert not native[0].vae_tiling
    assert wanted[0].vae_tiling is tiled
    assert all(plan.vae_tiling for plan in wanted) or not tiled
    assert wanted[0].needed_bytes > native[0].needed_bytes or side == 0


def test_the_default_number_of_pixels_is_the_models_own(folder_of: Callable[[str], Path]) -> None:
    model = ModelRef("m", "my model", "diffusion", str(folder_of("sd")))
    own = inspect(folder_of("sd")).needs.pixels
    assert DiffusionKind().plans(model, CARD) == DiffusionKind().plans(model, CARD, own)
