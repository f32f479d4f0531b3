"""Single files in their published layouts make the very pictures that model folders with the same weights make."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import diffusers
import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_runs import CPU, Ear, Loaded

from models import folders
from models.errors import AtelierError, ErrorCode
from models.headers import Tensor
from models.planning import Plan
from models.recognise import FileKind, recognise
from models.runners.base import CancelledRunError
from models.schemas import schema_from_folder
from models.singles import prepare, shapes
from tests.torch.tiny_single import FAMILIES, build_single, ldm_unet, ldm_vae


def nothing(_: str) -> Path | None:
    return None


def skeleton(path: Path, base: Path | None = None, allow_pickle: bool = False) -> Path:
    return prepare(path, recognise(path), path.parent / "skeletons", lambda _: base, allow_pickle)


def picture(folder: Path, seed: int = 7, plan: Plan = CPU, **inputs: Any) -> np.ndarray[Any, Any]:
    model = Loaded(folder, folder.parent / "colours", plan)
    keep = folder.parent / f"{folder.name}.latents"
    made = model.run(keep, seed, width=64, height=64, steps=3, **inputs)
    keep.unlink()
    return np.asarray(made.image).astype(int)


def apart(one: Path, other: Path) -> int:
    """The largest difference of two models' pictures, of 255."""
    return int(abs(picture(one) - picture(other)).max())


@pytest.fixture(scope="session")
def singles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """A tiny checkpoint of a family, and a model folder with the same weights. Copy before changing anything."""
    root = tmp_path_factory.mktemp("singles")

    def build(family: str) -> tuple[Path, Path]:
        path, twin = root / f"{family}.safetensors", root / f"{family}-twin"
        return (path if path.exists() else build_single(family, path, twin)), twin

    return build


@pytest.mark.parametrize("family", ["sd15", "sd2", "sdxl"])
def test_a_checkpoint_makes_the_pictures_of_its_twin(
    family: str, singles: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    path, twin = singles(family)
    found = recognise(path)
    assert (found.kind, found.family, found.title) == (FileKind.CHECKPOINT, family, f"Tiny {family}")
    folder = prepare(path, found, tmp_path / "skeletons", nothing)
    assert apart(folder, twin) == 0
    assert picture(folder).std() > 5
    assert abs(picture(folder) - picture(folder, prompt="a green tree")).max() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_skeleton_counts_as_its_twin(
    family: str, singles: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    path, twin = singles(family)
    mine = folders.inspect(prepare(path, recognise(path), tmp_path, nothing))
    other = folders.inspect(twin)
    assert mine.name == f"Tiny {family}"
    assert mine.pipeline == other.pipeline
    assert mine.needs.pixels == other.needs.pixels == 64 * 64
    assert {part.name for part in mine.parts} == {part.name for part in other.parts}
    for part in mine.parts:
        twin_part = other.part(part.name)
        assert twin_part is not None
        # Files hold some tensors that are not used (a last layer, scales), never fewer.
        assert twin_part.parameters <= part.parameters <= twin_part.parameters * 1.05
        assert part.stored_dtype == twin_part.stored_dtype


def test_a_skeleton_is_made_once_and_takes_little_room(
    singles: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    path, _ = singles("sd15")
    folder = prepare(path, recognise(path), tmp_path, nothing)
    before = folders.revision(folder)
    assert prepare(path, recognise(path), tmp_path, nothing) == folder
    assert folders.revision(folder) == before
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 3_000_000
    assert [made.name for made in tmp_path.iterdir()] == [folder.name]
    assert schema_from_folder(folder)["width"].default == 64


def test_what_a_killed_process_had_begun_is_swept_away(
    singles: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    old, young = tmp_path / ".making-old", tmp_path / ".making-young"
    for begun in (old, young):
        (begun / "unet").mkdir(parents=True)
    os.utime(old, (1, 1))
    prepare(singles("sd15")[0], recognise(singles("sd15")[0]), tmp_path, nothing)
    assert (old.exists(), young.exists()) == (False, True)


def test_two_at_once_make_one(singles: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    path = singles("sd15")[0]
    found = recognise(path)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: prepare(path, found, tmp_path, nothing), range(8)))
    assert len(set(made)) == 1
    assert [folder.name for folder in tmp_path.iterdir()] == [made[0].name]
    folders.inspect(made[0])


def test_a_changed_file_gets_another_skeleton_and_the_old_one_is_not_believed(
    singles: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    path = Path(shutil.copy(singles("sd15")[0], tmp_path / "a.safetensors"))
    old = skeleton(path)
    os.utime(path, (1, 1))
    with pytest.raises(AtelierError) as caught:
        folders.inspect(old)
    assert caught.value.info.facts["file"] == "a.safetensors"
    assert skeleton(path) != old
    folders.inspect(skeleton(path))
    path.unlink()
    with pytest.raises(AtelierError) as caught:
        folders.inspect(old)
    assert caught.value.code is ErrorCode.MODEL_INCOMPLETE


def test_a_note_from_elsewhere_is_not_believed(singles: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    """A model folder from the net could carry a note of its own that points anywhere."""
    path, twin = singles("sd15")
    folder = Path(shutil.copytree(twin, tmp_path / "model"))
    shutil.copy(skeleton_in(path, tmp_path) / "single.json", folder)
    with pytest.raises(AtelierError) as caught:
        folders.inspect(folder)
    assert caught.value.code is ErrorCode.MODEL_CORRUPT


def skeleton_in(path: Path, root: Path) -> Path:
    return prepare(path, recognise(path), root / "skeletons", nothing)


def test_a_tensor_that_is_missing_is_said(singles: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    weights = load_file(singles("sd15")[0])
    del weights["model.diffusion_model.middle_block.1.norm.weight"]
    save_file(weights, tmp_path / "a.safetensors")
    with pytest.raises(AtelierError) as caught:
        Loaded(skeleton(tmp_path / "a.safetensors"), tmp_path)
    assert (caught.value.code, caught.value.info.facts["file"]) == (ErrorCode.MODEL_CORRUPT, "a.safetensors")


def test_blocks_that_are_missing_are_said_before_loading(
    singles: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    weights = load_file(singles("sd15")[0])
    kept = {name: tensor for name, tensor in weights.items() if ".output_blocks." not in name}
    save_file(kept, tmp_path / "a.safetensors")
    with pytest.raises(AtelierError) as caught:
        skeleton(tmp_path / "a.safetensors")
    assert caught.value.code is ErrorCode.MODEL_CORRUPT
    assert list((tmp_path / "skeletons").iterdir()) == []


def test_loading_tells_and_can_be_cancelled(singles: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    from models.card import ModelRef
    from models.runners.diffusion.kind import DiffusionKind

    path, _ = singles("sd15")
    folder = skeleton_in(path, tmp_path)
    model = Loaded(folder, tmp_path)
    assert {"unet", "vae", "text_encoder"} <= {what for _, what in model.ear.loads}
    ear = Ear(cancel_at=lambda ear: len(ear.loads) > 1)
    with pytest.raises(CancelledRunError):
        DiffusionKind().load(ModelRef("m", "m", "diffusion", str(folder)), CPU, ear, tmp_path)


def test_a_decoder_that_overflows_is_read_again_from_the_file(
    singles: Callable[[str], tuple[Path, Path]], tmp_path: Path, faults: dict[str, str]
) -> None:
    path, _ = singles("sdxl")
    model = Loaded(skeleton_in(path, tmp_path), tmp_path)
    whole = np.asarray(model.run(tmp_path / "1", width=64, height=64, steps=2).image).astype(int)
    faults["decode:whole"] = "nan"
    ear = Ear()
    again = np.asarray(model.run(tmp_path / "2", width=64, height=64, steps=2, ear=ear).image).astype(int)
    assert "decoded_again_float32" in ear.notices
    assert abs(whole - again).max() <= 1


def test_no_network(
    singles: Callable[[str], tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was touched")

    path, _ = singles("sdxl")
    for name in ("socket", "getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    picture(skeleton_in(path, tmp_path))


def test_a_pickle_needs_a_persons_word(singles: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    path, twin = singles("sd15")
    pickled = tmp_path / "old.ckpt"
    torch.save({"state_dict": load_file(path), "global_step": 1}, pickled)
    with pytest.raises(AtelierError) as caught:
        skeleton(pickled)
    assert caught.value.code is ErrorCode.MODEL_NEEDS_PICKLE
    assert apart(skeleton(pickled, allow_pickle=True), twin) == 0


@pytest.mark.parametrize("old", [False, True], ids=["archive", "old stream"])
def test_code_in_a_pickle_is_not_run_even_with_a_persons_word(
    old: bool, singles: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    ran, twin = tmp_path / "it-ran", singles("sd15")[1]

    class Evil:
        def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
            return os.system, (f"touch {ran}",)

    weights = {**load_file(singles("sd15")[0]), "callback": Evil()}
    torch.save({"state_dict": weights}, tmp_path / "evil.ckpt", _use_new_zipfile_serialization=not old)
    folder = skeleton(tmp_path / "evil.ckpt", allow_pickle=True)
    if old:
        with pytest.raises(AtelierError) as caught:
            Loaded(folder, tmp_path)
        assert caught.value.code is ErrorCode.MODEL_CORRUPT
    else:  # the tensors are read from where they lie, whatever is pickled beside them
        assert apart(folder, twin) == 0
    assert not ran.exists()


def test_an_old_stream_of_weights_is_read(singles: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    path, twin = singles("sd15")
    torch.save({"state_dict": load_file(path)}, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    assert apart(skeleton(tmp_path / "old.ckpt", allow_pickle=True), twin) == 0


# -- on an installed model --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["ldm", "diffusers", "no vae"])
def test_a_unet_alone_takes_the_rest_from_an_installed_model(
    layout: str, singles: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    path, twin = singles("sd15")
    whole, start = load_file(path), "model.diffusion_model."
    if layout == "ldm":
        weights = {name.removeprefix(start): each for name, each in whole.items() if name.startswith(start)}
    elif layout == "diffusers":
        weights = load_file(twin / "unet/diffusion_pytorch_model.safetensors")
    else:
        weights = {name: each for name, each in whole.items() if not name.startswith("first_stage_model.")}
    save_file(weights, tmp_path / "a.safetensors", {"modelspec.resolution": "64x64"})
    with pytest.raises(AtelierError) as caught:
        skeleton(tmp_path / "a.safetensors")
    assert caught.value.code is ErrorCode.BASE_MISSING
    assert set(caught.value.info.facts) == {"model", "family", "base"}
    assert apart(skeleton(tmp_path / "a.safetensors", twin), twin) == 0


def test_a_checkpoint_can_be_what_another_file_takes_the_rest_from(
    singles: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    path, twin = singles("sdxl")
    base = skeleton_in(path, tmp_path)
    weights = load_file(twin / "unet/diffusion_pytorch_model.safetensors")
    save_file(weights, tmp_path / "a.safetensors", {"modelspec.resolution": "64x64"})
    made = skeleton(tmp_path / "a.safetensors", base)
    assert apart(made, twin) == 0
    parts = {part.name: part.size_bytes for part in folders.inspect(base).parts if part.files}
    assert {part.name: part.size_bytes for part in folders.inspect(made).parts if part.files} == parts


TRANSFORMERS = {
    "flux": "flux1",
    "sd3": "sd3-medium",
    "qwen_image": "qwen-image",
    "z_image": "z-image",
    "pixart": "pixart",
}


@pytest.mark.parametrize("family", TRANSFORMERS)
def test_a_transformer_alone_takes_the_rest_from_an_installed_model(
    family: str, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    base = folder_of(family)
    weights = load_file(base / "transformer/diffusion_pytorch_model.safetensors")
    path = tmp_path / "model.safetensors"
    save_file({f"model.diffusion_model.{name}": tensor for name, tensor in weights.items()}, path)
    found = recognise(path)
    assert (found.kind, found.family) == (FileKind.DENOISER, TRANSFORMERS[family])
    asked: list[str] = []

    def find_base(name: str) -> Path:
        asked.append(name)
        return base

    folder = prepare(path, found, tmp_path / "skeletons", find_base)
    assert asked == [TRANSFORMERS[family]]
    assert apart(folder, base) == 0


def test_a_base_that_went_away_is_said_and_another_is_taken(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    base = Path(shutil.copytree(folder_of("flux"), tmp_path / "base"))
    weights = load_file(base / "transformer/diffusion_pytorch_model.safetensors")
    save_file(weights, tmp_path / "model.safetensors")
    folder = skeleton(tmp_path / "model.safetensors", base)
    shutil.rmtree(base)
    with pytest.raises(AtelierError) as caught:
        folders.inspect(folder)
    assert caught.value.code is ErrorCode.MODEL_INCOMPLETE
    assert skeleton(tmp_path / "model.safetensors", folder_of("flux")) == folder
    folders.inspect(folder)


def test_a_pruned_and_unguided_transformer_is_configured_by_its_tensors(
    folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    """As schnell is to dev, and pruned versions to whole ones."""
    base = folder_of("flux")
    weights = load_file(base / "transformer/diffusion_pytorch_model.safetensors")
    kept = {
        name: tensor
        for name, tensor in weights.items()
        if "guidance_embedder" not in name and not name.startswith("single_transformer_blocks.1.")
    }
    save_file(kept, tmp_path / "model.safetensors")
    folder = skeleton(tmp_path / "model.safetensors", base)
    config = json.loads((folder / "transformer/config.json").read_text())
    assert (config["num_layers"], config["num_single_layers"], config["guidance_embeds"]) == (1, 1, False)
    assert schema_from_folder(folder)["steps"].default == 4
    assert picture(folder).std() > 1


@pytest.mark.parametrize("family", ["flux", "qwen_image", "z_image"])
def test_a_gguf_file_makes_much_the_same_picture(family: str, folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    base = folder_of(family)
    weights = load_file(base / "transformer/diffusion_pytorch_model.safetensors")
    path = tmp_path / "model.gguf"
    packed = to_gguf(weights, path)
    assert packed > 5
    info = folders.inspect(skeleton(path, base))
    assert info.denoiser is not None
    assert info.denoiser.quantization == "gguf"
    assert info.denoiser.size_bytes < sum(tensor.numel() * 4 for tensor in weights.values())
    assert apart(Path(info.folder), base) <= 6


@pytest.mark.parametrize("whole", [False, True], ids=["unet", "checkpoint"])
def test_a_gguf_file_of_stable_diffusion(
    whole: bool, singles: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    """A bare UNet, and all parts in one file as stable-diffusion.cpp writes them: its text encoders are packed too."""
    path, twin = singles("sdxl")
    weights, start = load_file(path), "model.diffusion_model."
    if not whole:
        weights = {name.removeprefix(start): each for name, each in weights.items() if name.startswith(start)}
    made = tmp_path / "model.gguf"
    assert to_gguf({name: each.float() for name, each in weights.items() if each.ndim}, made) > 5
    folder = skeleton(made, None if whole else twin)
    assert apart(folder, twin) <= 12


def test_weights_in_eight_bit_floats_are_widened(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    base = folder_of("flux")
    weights = load_file(base / "transformer/diffusion_pytorch_model.safetensors")
    small = {name: tensor.to(torch.float8_e4m3fn) for name, tensor in weights.items()}
    save_file(small, tmp_path / "model.safetensors")
    found = recognise(tmp_path / "model.safetensors")
    assert (found.stored_dtype, found.warnings) == ("float8_e4m3fn", ())
    assert picture(skeleton(tmp_path / "model.safetensors", base)).std() > 5


def test_weights_packed_for_another_program_are_refused(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    base = folder_of("flux")
    weights = load_file(base / "transformer/diffusion_pytorch_model.safetensors")
    save_file({**weights, "scaled_fp8": torch.zeros(2)}, tmp_path / "model.safetensors")
    assert recognise(tmp_path / "model.safetensors").warnings == ("packed",)
    with pytest.raises(AtelierError) as caught:
        skeleton(tmp_path / "model.safetensors", base)
    assert caught.value.code is ErrorCode.MODEL_UNSUPPORTED


def to_gguf(weights: dict[str, torch.Tensor], path: Path) -> int:
    """Matrices packed in eight bits, the rest as it is; returns how many were packed."""
    writer, packed = gguf.GGUFWriter(path, "tiny"), 0
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, tensor in weights.items():
        values = tensor.float().numpy()
        if values.ndim == 2 and values.shape[1] % 32 == 0:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
            packed += 1
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return packed


# -- configurations from shapes ---------------------------------------------------------------------------------------

_DOWN = ("CrossAttnDownBlock2D", "DownBlock2D")
UNETS: dict[str, dict[str, Any]] = {
    "sd15": {"cross_attention_dim": 768, "attention_head_dim": 8},
    "sd15 inpaint": {"cross_attention_dim": 768, "attention_head_dim": 8, "in_channels": 9},
    "sd2": {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True},
    "sdxl": {
        "cross_attention_dim": 2048,
        "attention_head_dim": [5, 10, 20],
        "block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 2, 10],
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    # segmind/SSD-1B: fewer transformer blocks, other ones on the way up, none in the middle.
    "ssd-1b": {
        "cross_attention_dim": 2048,
        "attention_head_dim": [5, 10, 20],
        "block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "mid_block_type": "UNetMidBlock2D",
        "transformer_layers_per_block": [1, [2, 2], [4, 4]],
        "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    # segmind/small-sd: one layer less a level, no middle.
    "tiny-sd": {
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
        "layers_per_block": 1,
        "block_out_channels": [320, 640, 1280],
        "down_block_types": ["CrossAttnDownBlock2D"] * 3,
        "up_block_types": ["CrossAttnUpBlock2D"] * 3,
        "mid_block_type": None,
    },
}


def listed(state: dict[str, torch.Tensor]) -> dict[str, Tensor]:
    return {name: Tensor("float16", tuple(tensor.shape)) for name, tensor in state.items()}


@pytest.mark.parametrize("layout", ["diffusers", "ldm"])
@pytest.mark.parametrize("name", UNETS)
def test_a_unet_is_built_again_from_its_shapes(name: str, layout: str) -> None:
    with torch.device("meta"):
        real = diffusers.UNet2DConditionModel(**UNETS[name])
    state = real.state_dict() if layout == "diffusers" else ldm_unet(real)
    config = shapes.unet(listed(state), eight_heads="sd" in name and "sd2" not in name and "xl" not in name)
    if name in ("sdxl", "ssd-1b"):
        config["addition_time_embed_dim"] = 256
        config["attention_head_dim"] = [5, 10, 20]
    with torch.device("meta"):
        again = diffusers.UNet2DConditionModel.from_config(config)
    assert listed(again.state_dict()) == listed(real.state_dict())
    for key in ("attention_head_dim", "cross_attention_dim", "in_channels"):
        assert again.config[key] == real.config[key]


@pytest.mark.parametrize("layout", ["diffusers", "ldm"])
@pytest.mark.parametrize("channels", [4, 16])
def test_an_autoencoder_is_built_again_from_its_shapes(channels: int, layout: str) -> None:
    quant = channels == 4
    with torch.device("meta"):
        real = diffusers.AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=channels,
            use_quant_conv=quant,
            use_post_quant_conv=quant,
        )
    config = shapes.vae(listed(real.state_dict() if layout == "diffusers" else ldm_vae(real)))
    with torch.device("meta"):
        again = diffusers.AutoencoderKL.from_config(config)
    assert listed(again.state_dict()) == listed(real.state_dict())
