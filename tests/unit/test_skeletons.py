"""Making a file ready to run: what is read from it, what is written, what is refused. Nothing is loaded here."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from models.errors import AtelierError, ErrorCode
from models.headers import read_listing
from models.machine import Component
from models.pipelines import row
from models.planning import weight_bytes
from models.recognise import recognise
from models.recognise.tensors import find
from models.singles import prepare
from models.singles.clip_words import write_tokenizer
from models.singles.schedulers import scheduler, side_of
from models.singles.templates import TEMPLATES
from tests.unit.test_recognise import CROSS, VAE, kohya, ldm, under, write

UNET = "model.diffusion_model."
TELLING = f"{UNET}output_blocks.11.1.transformer_blocks.0.norm1.bias"
PACKINGS = {"F32": ("f", 4), "F16": ("e", 2)}


def sd2(path: Path, numbers: list[float], dtype: str, marks: dict[str, list[int]] | None = None) -> Path:
    """SD 2's own tensors as a hole, and first the small one that tells the two kinds apart."""
    if dtype == "BF16":
        data = b"".join(struct.pack("<f", number)[2:] for number in numbers)
    else:
        letter, _ = PACKINGS[dtype]
        data = struct.pack(f"<{len(numbers)}{letter}", *numbers)
    header: dict[str, Any] = {TELLING: {"dtype": dtype, "shape": [len(numbers)], "data_offsets": [0, len(data)]}}
    end = len(data)
    for name, shape in {**under(UNET, ldm(1024, linear=True)), **(marks or {})}.items():
        size = 2
        for side in shape:
            size *= side
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + data)
        file.truncate(8 + len(text) + end)
    return path


def sampled(path: Path) -> tuple[str, int]:
    """What a file predicts, and the picture size it is for."""
    listing = read_listing(path)
    found = find(listing.tensors)
    template = TEMPLATES[found.family]
    settings = scheduler(template, found, listing, path)
    return settings["prediction_type"], side_of(template, settings, found)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@pytest.mark.parametrize(
    ("numbers", "wanted"),
    [
        ([0.5, -0.5] * 8, ("v_prediction", 768)),
        ([0.25, 0.3125] * 8, ("epsilon", 512)),
        ([float("nan"), 9.0] * 8, ("epsilon", 512)),
        ([9.0], ("epsilon", 512)),
    ],
)
def test_the_two_kinds_of_sd2_are_told_apart_by_one_tensor(
    tmp_path: Path, dtype: str, numbers: list[float], wanted: tuple[str, int]
) -> None:
    assert sampled(sd2(tmp_path / "a.safetensors", numbers, dtype)) == wanted


def test_markers_set_the_scheduler(tmp_path: Path) -> None:
    path = sd2(tmp_path / "a.safetensors", [0.0, 0.0], "F16", {"v_pred": [0], "ztsnr": [0]})
    listing = read_listing(path)
    settings = scheduler(TEMPLATES["sdxl"], find(listing.tensors), listing, path)
    assert settings["prediction_type"] == "v_prediction"
    assert settings["rescale_betas_zero_snr"] is True
    assert settings["timestep_spacing"] == "trailing"


@pytest.mark.parametrize(
    ("shapes", "code"),
    [
        (kohya(CROSS, 768, 640), ErrorCode.MODEL_UNSUPPORTED),
        (VAE, ErrorCode.MODEL_UNSUPPORTED),
        (under(UNET, ldm(768)), ErrorCode.MODEL_CORRUPT),
        ({"double_stream_modulation_img.lin.weight": [6, 6], "img_in.weight": [6, 6]}, ErrorCode.BASE_MISSING),
    ],
)
def test_what_cannot_be_made_ready_is_refused_and_leaves_nothing(
    tmp_path: Path, shapes: dict[str, list[int]], code: ErrorCode
) -> None:
    path = write(tmp_path / "a.safetensors", shapes)
    with pytest.raises(AtelierError) as caught:
        prepare(path, recognise(path), tmp_path / "skeletons", lambda _: None)
    assert caught.value.code is code
    assert not (tmp_path / "skeletons").exists() or not any((tmp_path / "skeletons").iterdir())


def test_the_missing_base_is_named(tmp_path: Path) -> None:
    shapes = {"double_stream_modulation_img.lin.weight": [18432, 3072], "img_in.weight": [3072, 128]}
    path = write(tmp_path / "a.safetensors", shapes)
    asked: list[str] = []
    with pytest.raises(AtelierError) as caught:
        prepare(path, recognise(path), tmp_path / "skeletons", asked.append)  # type: ignore[arg-type]
    assert asked == ["flux2-klein-4b"]
    assert caught.value.info.facts["family"] == "FLUX.2 klein 4B"


def test_a_broken_base_is_its_own_error(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.safetensors", {"double_stream_modulation_img.lin.weight": [6, 6], "img_in.weight": [6, 6]}
    )
    (tmp_path / "base").mkdir()
    with pytest.raises(AtelierError) as caught:
        prepare(path, recognise(path), tmp_path / "skeletons", lambda _: tmp_path / "base")
    assert caught.value.info.facts["model"] == "base"


def test_the_tokenizer_is_clips(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, "!", 64)
    words = json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8"))
    assert len(words) == 49408
    assert sorted(words.values()) == list(range(49408))
    # Numbers that are in every description of CLIP's tokenizer.
    assert [words[word] for word in ("a</w>", "photo</w>", "of</w>", "cat</w>", "!")] == [320, 1125, 539, 2368, 0]
    assert (words["<|startoftext|>"], words["<|endoftext|>"]) == (49406, 49407)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert (config["pad_token"], config["model_max_length"]) == ("!", 64)


def test_packed_weights_are_planned_as_they_are_packed() -> None:
    packed = Component("transformer", 12_000_000_000, "q4_k", quantized=True)
    assert weight_bytes(packed, "bfloat16") == 12_000_000_000 * 144 // 256
    plain = Component("transformer", 12_000_000_000, "bfloat16")
    assert weight_bytes(plain, "bfloat16") == 24_000_000_000


def test_every_pipeline_named_is_one_that_diffusers_has() -> None:
    for template in TEMPLATES.values():
        assert "" in template.pipelines
        assert all(row(name) is not None for name in template.pipelines.values())
