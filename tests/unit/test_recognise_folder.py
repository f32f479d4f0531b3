"""What folders are told to be: whole models, components, adapters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.errors import AtelierError, ErrorCode
from models.recognise import FileKind, recognise_folder
from tests.unit.test_recognise import CLIP_L, CROSS, VAE, diffusers_unet, kohya, peft, write


def note(path: Path, **value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def test_a_model_is_what_its_denoiser_is(tmp_path: Path) -> None:
    note(tmp_path / "model_index.json", _class_name="StableDiffusionXLInpaintPipeline")
    note(tmp_path / "unet/config.json", _class_name="UNet2DConditionModel")
    write(tmp_path / "unet/diffusion_pytorch_model.safetensors", diffusers_unet(2048, 9, 2816))
    write(tmp_path / "unet/diffusion_pytorch_model.fp16.safetensors", diffusers_unet(2048, 9, 2816))
    found = recognise_folder(tmp_path)
    assert (found.kind, found.family, found.variant) == (FileKind.CHECKPOINT, "sdxl", "inpaint")
    assert (found.format, found.base) == ("folder", "StableDiffusionXLInpaintPipeline")


def test_a_component_is_what_its_class_says(tmp_path: Path) -> None:
    note(tmp_path / "config.json", _class_name="ControlNetUnionModel")
    shapes = {
        "controlnet_cond_embedding.conv_in.weight": [16, 3, 3, 3],
        "controlnet_down_blocks.0.weight": [320, 320, 1, 1],
        "add_embedding.linear_1.weight": [1280, 2816],
    }
    write(tmp_path / "diffusion_pytorch_model.safetensors", shapes)
    found = recognise_folder(tmp_path)
    assert (found.kind, found.family, found.base) == (FileKind.CONTROLNET, "sdxl", "ControlNetUnionModel")


@pytest.mark.parametrize(
    ("config", "shapes", "kind"),
    [
        ({"_class_name": "AutoencoderKL"}, VAE, FileKind.VAE),
        ({"_class_name": "UNet2DConditionModel"}, diffusers_unet(768), FileKind.DENOISER),
        ({"architectures": ["CLIPTextModel"]}, CLIP_L, FileKind.TEXT_ENCODER),
        ({"_class_name": "NewTransformer2DModel"}, {"blocks.0.weight": [2, 2]}, FileKind.DENOISER),
        ({"architectures": [3]}, {"blocks.0.weight": [2, 2]}, FileKind.UNKNOWN),
    ],
)
def test_components(tmp_path: Path, config: dict[str, object], shapes: dict[str, list[int]], kind: FileKind) -> None:
    note(tmp_path / "config.json", **config)
    write(tmp_path / "model.safetensors", shapes)
    assert recognise_folder(tmp_path).kind is kind


def test_an_adapter_says_what_it_was_made_for(tmp_path: Path) -> None:
    note(tmp_path / "adapter_config.json", base_model_name_or_path="black-forest-labs/FLUX.1-dev")
    layer = "transformer.single_transformer_blocks.0.attn.to_q"
    write(tmp_path / "adapter_model.safetensors", peft(layer, 3072, 3072))
    found = recognise_folder(tmp_path)
    assert (found.kind, found.family, found.base) == (FileKind.LORA, "flux1", "black-forest-labs/FLUX.1-dev")


def test_a_lora_as_diffusers_saves_it(tmp_path: Path) -> None:
    write(tmp_path / "pytorch_lora_weights.safetensors", kohya(CROSS, 2048, 640))
    assert recognise_folder(tmp_path).family == "sdxl"


def test_other_folders_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(AtelierError) as caught:
        recognise_folder(tmp_path)
    assert caught.value.code is ErrorCode.FILE_UNKNOWN


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, '{"_class_name": [1, 2]}'])
def test_a_broken_configuration_is_survived(tmp_path: Path, text: str) -> None:
    for name in ("model_index.json", "config.json"):
        (tmp_path / name).write_text(text)
        try:
            assert recognise_folder(tmp_path).family == ""
        except AtelierError as error:
            assert error.code is ErrorCode.MODEL_CORRUPT  # noqa: PT017
        (tmp_path / name).unlink()
