"""LoRAs beside a loaded model: what they change, in every format, and that nothing of them stays."""

from __future__ import annotations

import copy
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_loras as make
import torch
from peft import LoraConfig, set_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_runs import Ear, Loaded

from models.card import AddonRef
from models.errors import AtelierError, ErrorCode
from models.planning import Placement, Plan
from models.runners.base import CancelledRunError
from models.runners.diffusion.hooks import attribute


def run(model: Loaded, keep: Path, loras: list[tuple[AddonRef, float]] = [], ear: Ear | None = None, **inputs: Any):  # noqa: B006
    values = model.schema.validate(
        {"prompt": "a red cat", **inputs, "loras": [{"name": r.id, "weight": w} for r, w in loras]}
    )
    keep.unlink(missing_ok=True)
    return model.runner.run(values, 7, keep, ear or Ear(), {r.id: r for r, _ in loras})


def pixels(picture: Any) -> bytes:
    return picture.image.tobytes()


@pytest.fixture
def lora(sd: Loaded) -> dict[str, torch.Tensor]:
    return make.random_lora(sd.pipe.unet)


def expected(model: Loaded, lora: dict[str, torch.Tensor], weight: float, keep: Path) -> bytes:
    """The picture that PEFT itself makes with the LoRA."""
    unet = copy.deepcopy(model.pipe.unet)
    unet.add_adapter(LoraConfig(r=make.RANK, lora_alpha=make.ALPHA, target_modules=make.TARGETS))
    set_peft_model_state_dict(unet, lora)
    unet.set_adapters(["default"], [weight])
    with attribute(model.pipe, "unet", unet):
        return pixels(run(model, keep))


def nearly(one: bytes, other: bytes) -> bool:
    """The same picture but for rounding: no channel of any pixel differs by more than two of 255."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 2


@pytest.mark.parametrize("form", ["kohya", "diffusers", "peft"])
def test_every_format_gives_the_picture_that_peft_gives(
    sd: Loaded, keep: Path, tmp_path: Path, lora: dict[str, torch.Tensor], form: str
) -> None:
    path = getattr(make, f"as_{form}")(lora, tmp_path / ("folder" if form == "peft" else f"{form}.safetensors"))
    plain = pixels(run(sd, keep))
    with_lora = pixels(run(sd, keep, [(make.ref(path), 0.7)]))
    assert not nearly(plain, with_lora)
    assert nearly(with_lora, expected(sd, lora, 0.7, keep))
    assert pixels(run(sd, keep)) == plain


def test_weight_nothing_changes_not_a_bit_and_weights_are_taken_as_they_are(
    sd: Loaded, keep: Path, tmp_path: Path, lora: dict[str, torch.Tensor]
) -> None:
    one = make.ref(make.as_kohya(lora, tmp_path / "one.safetensors"))
    plain, whole = pixels(run(sd, keep)), pixels(run(sd, keep, [(one, 1.0)]))
    assert pixels(run(sd, keep, [(one, 0.0)])) == plain
    half, less = pixels(run(sd, keep, [(one, 0.5)])), pixels(run(sd, keep, [(one, -1.0)]))
    assert len({plain, whole, half, less}) == 4
    assert nearly(pixels(run(sd, keep, [(one, 0.5), (one, 0.5)])), whole)
    assert pixels(run(sd, keep)) == plain


def test_two_of_different_kinds_share_layers(sd: Loaded, keep: Path, tmp_path: Path, lora: Any) -> None:
    low = make.ref(make.as_kohya(lora, tmp_path / "low.safetensors"))
    path, whole = make.as_lokr(sd.pipe.unet, tmp_path / "lokr.safetensors")
    made = pixels(run(sd, keep, [(low, 0.6), (make.ref(path), 0.8)]))
    unet = sd.pipe.unet
    before = {layer: unet.get_submodule(layer).weight.data.clone() for layer in whole}
    for layer, difference in whole.items():
        a, b = lora[f"{layer}.lora_A.weight"], lora[f"{layer}.lora_B.weight"]
        fused = before[layer] + 0.8 * difference + 0.6 * (make.ALPHA / make.RANK) * b @ a
        unet.get_submodule(layer).weight.data = fused
    try:
        assert nearly(made, pixels(run(sd, keep)))
    finally:
        for layer, weight in before.items():
            unet.get_submodule(layer).weight.data = weight


def test_loha_full_difference_and_convolutions(sd: Loaded, keep: Path, tmp_path: Path) -> None:
    unet = sd.pipe.unet
    linear, conv = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", "down_blocks.0.resnets.0.conv1"
    draw = torch.Generator().manual_seed(3)
    out, wide = unet.get_submodule(linear).weight.shape
    sides = {"hada_w1_a": (out, 3), "hada_w1_b": (3, wide), "hada_w2_a": (out, 3), "hada_w2_b": (3, wide)}
    first = {name: torch.randn(*side, generator=draw) * 0.5 for name, side in sides.items()}
    kernel = unet.get_submodule(conv).weight.shape
    down, up = torch.randn(2, *kernel[1:], generator=draw) * 0.3, torch.randn(kernel[0], 2, 1, 1, generator=draw)
    diff = torch.randn(unet.conv_out.weight.shape, generator=draw) * 0.1
    names = {linear: first, conv: {"lora_down.weight": down, "lora_up.weight": up}, "conv_out": {"diff": diff}}
    tensors = {f"lora_unet_{k.replace('.', '_')}.{p}": t for k, parts in names.items() for p, t in parts.items()}
    save_file(tensors, tmp_path / "mixed.safetensors")
    made = pixels(run(sd, keep, [(make.ref(tmp_path / "mixed.safetensors"), 1.0)]))
    changes = {
        linear: (first["hada_w1_a"] @ first["hada_w1_b"]) * (first["hada_w2_a"] @ first["hada_w2_b"]),
        conv: torch.einsum("orij,rchw->ochw", up, down),
        "conv_out": diff,
    }
    before = {layer: unet.get_submodule(layer).weight.data.clone() for layer in changes}
    for layer, change in changes.items():
        unet.get_submodule(layer).weight.data += change
    try:
        assert nearly(made, pixels(run(sd, keep)))
    finally:
        for layer, weight in before.items():
            unet.get_submodule(layer).weight.data = weight


def test_text_encoders_take_loras_too(sd: Loaded, keep: Path, tmp_path: Path) -> None:
    encoder = sd.pipe.text_encoder
    lora = {}
    for path, module in encoder.named_modules():
        if path.endswith("q_proj"):
            layer = f"lora_te_text_model_{path.removeprefix('text_model.').replace('.', '_')}"
            lora[f"{layer}.lora_down.weight"] = torch.randn(2, module.in_features)
            lora[f"{layer}.lora_up.weight"] = torch.randn(module.out_features, 2)
    save_file(lora, tmp_path / "words.safetensors")
    plain = pixels(run(sd, keep))
    assert pixels(run(sd, keep, [(make.ref(tmp_path / "words.safetensors"), 1.0)])) != plain
    assert pixels(run(sd, keep)) == plain


def test_flux_loras_of_other_programs_are_split_into_the_models_layers(
    loaded: Callable[[str], Loaded], keep: Path, tmp_path: Path
) -> None:
    """kohya's joined query, key and value of a double block are three layers here."""
    flux = loaded("flux")
    block = flux.pipe.transformer.transformer_blocks[0]
    wide = block.attn.to_q.in_features
    down, up = torch.randn(2, wide), torch.randn(3 * wide, 2)
    name = "lora_unet_double_blocks_0_img_attn_qkv"
    kohya = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(1.0)}
    save_file(kohya, tmp_path / "low.safetensors")
    one, two = torch.randn(3, 1), torch.randn(wide, wide) * 0.5
    save_file({f"{name}.lokr_w1": one, f"{name}.lokr_w2": two}, tmp_path / "kron.safetensors")
    for file, whole in (("low", (up @ down) * 0.5), ("kron", torch.kron(one, two))):
        made = pixels(run(flux, keep, [(make.ref(tmp_path / f"{file}.safetensors"), 1.0)]))
        layers = (block.attn.to_q, block.attn.to_k, block.attn.to_v)
        before = [layer.weight.data.clone() for layer in layers]
        for layer, part in zip(layers, whole.chunk(3), strict=True):
            layer.weight.data += part
        try:
            assert nearly(made, pixels(run(flux, keep))), file
        finally:
            for layer, weight in zip(layers, before, strict=True):
                layer.weight.data = weight


def test_one_with_a_mask_changes_only_what_the_mask_covers(sd: Loaded, keep: Path, tmp_path: Path, lora: Any) -> None:
    one = make.ref(make.as_kohya(lora, tmp_path / "one.safetensors"))
    picture, mask = tmp_path / "picture.png", tmp_path / "mask.png"
    Image.effect_noise((64, 64), 60).convert("RGB").save(picture)
    covered = Image.new("L", (64, 64))
    covered.paste(255, (32, 0, 64, 64))
    covered.save(mask)
    given = {"image": str(picture), "mask": str(mask), "mask_feather": 0}
    plain, made = run(sd, keep, **given).image, run(sd, keep, [(one, 1.0)], **given).image
    assert plain.crop((0, 0, 32, 64)).tobytes() == made.crop((0, 0, 32, 64)).tobytes()
    assert plain.crop((40, 0, 64, 64)).tobytes() != made.crop((40, 0, 64, 64)).tobytes()


def test_nothing_stays_after_cancelling(sd: Loaded, keep: Path, tmp_path: Path, lora: Any) -> None:
    one = make.ref(make.as_kohya(lora, tmp_path / "one.safetensors"))
    plain = pixels(run(sd, keep))
    with pytest.raises(CancelledRunError):
        run(sd, keep, [(one, 1.0)], Ear(lambda ear: bool(ear.steps) and ear.steps[-1][0] >= 1))
    assert pixels(run(sd, keep)) == plain


@pytest.mark.parametrize("placement", [Placement.GROUP_OFFLOAD, Placement.SEQUENTIAL_OFFLOAD, Placement.MODEL_OFFLOAD])
def test_offloaded_models_take_them(
    folder_of: Any, tmp_path: Path, keep: Path, sd: Loaded, lora: Any, placement: Placement
) -> None:
    one = make.ref(make.as_diffusers(lora, tmp_path / "one.safetensors"))
    moved = Loaded(folder_of("sd"), tmp_path, Plan(device="cpu", placement=placement))
    assert nearly(pixels(run(moved, keep, [(one, 1.0)])), pixels(run(sd, keep, [(one, 1.0)])))


def test_few_are_kept_and_what_they_take_is_counted(sd: Loaded, keep: Path, tmp_path: Path, lora: Any) -> None:
    several = [make.ref(make.as_kohya(lora, tmp_path / f"{n}.safetensors")) for n in range(7)]
    own = sd.runner.memory - sd.runner._adapters.bytes  # with what other tests left beside it
    for each in several:
        ear = Ear()
        run(sd, keep, [(each, 1.0)], ear)
        assert ear.loads, "it was read"
    sizes = sum(t.numel() * t.element_size() for t in lora.values())
    assert own < sd.runner.memory <= own + 5 * sizes
    ear = Ear()
    run(sd, keep, [(several[-1], 0.3), (several[-2], 0.2)], ear)
    assert ear.loads == [], "neither was read again"


def refused(model: Loaded, keep: Path, path: Path, **more: Any) -> AtelierError:
    with pytest.raises(AtelierError) as caught:
        run(model, keep, [(make.ref(path, **more), 1.0)])
    run(model, keep)
    return caught.value


def test_one_for_another_model_is_refused_with_what_matches(
    sd: Loaded, loaded: Callable[[str], Loaded], keep: Path, tmp_path: Path
) -> None:
    lora = make.random_lora(loaded("flux").pipe.transformer)
    path = make.as_diffusers(lora, tmp_path / "other.safetensors", component="transformer")
    error = refused(sd, keep, path, family="flux1")
    assert error.code is ErrorCode.ADDON_MISFIT
    assert error.info.facts["matched"] == 0
    assert error.info.facts["layers"] == len(lora) // 2
    assert error.info.facts["made_for"] == "FLUX.1"


def test_wrong_shapes_are_refused(sd: Loaded, keep: Path, tmp_path: Path, lora: Any) -> None:
    wrong = {name: tensor.repeat(1, 2) if "lora_A" in name else tensor for name, tensor in lora.items()}
    assert refused(sd, keep, make.as_kohya(wrong, tmp_path / "wide.safetensors")).code is ErrorCode.ADDON_MISFIT
    torn = {name: tensor[:2] if "lora_A" in name else tensor for name, tensor in lora.items()}
    assert refused(sd, keep, make.as_kohya(torn, tmp_path / "torn.safetensors")).code is ErrorCode.ADDON_MISFIT


def test_numbers_that_are_none_are_refused(sd: Loaded, keep: Path, tmp_path: Path, lora: Any) -> None:
    name = sorted(lora)[0]
    lora[name][0, 0] = float("nan")
    error = refused(sd, keep, make.as_kohya(lora, tmp_path / "nan.safetensors"))
    assert error.code is ErrorCode.ADDON_BROKEN
    assert "not finite" in str(error.info.facts["reason"])


class _Bomb:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path(__file__).with_name("exploded"),))


def test_a_pickle_posing_as_safetensors_is_not_run(sd: Loaded, keep: Path, tmp_path: Path, lora: Any) -> None:
    path = tmp_path / "posing.safetensors"
    path.write_bytes(pickle.dumps({"lora_unet_x.lora_down.weight": _Bomb()}))
    assert refused(sd, keep, path).code is ErrorCode.FILE_UNKNOWN
    assert refused(sd, keep, path, pickled=True).code is ErrorCode.FILE_UNKNOWN
    assert not Path(__file__).with_name("exploded").exists()


def test_a_pickled_one_is_read_only_after_consent(sd: Loaded, keep: Path, tmp_path: Path, lora: Any) -> None:
    kohya = make.as_kohya(lora, tmp_path / "one.safetensors")
    torch.save({"state_dict": load_file(kohya)}, tmp_path / "old.pt")
    assert refused(sd, keep, tmp_path / "old.pt").code is ErrorCode.MODEL_NEEDS_PICKLE
    made = run(sd, keep, [(make.ref(tmp_path / "old.pt", pickled=True), 1.0)])
    assert pixels(made) == pixels(run(sd, keep, [(make.ref(kohya), 1.0)]))


def test_a_header_of_fifty_gigabytes_is_refused(sd: Loaded, keep: Path, tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", 50 * 2**30) + json.dumps({}).encode())
    assert refused(sd, keep, path).code is ErrorCode.MODEL_CORRUPT
