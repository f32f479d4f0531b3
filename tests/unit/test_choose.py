"""Which files of a repository are chosen: one complete copy of each component, and only what is accepted later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import folders
from models.choose import Choice, choose, choose_file, unmet
from models.errors import AtelierError, ErrorCode

INDEX = {
    "_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.42.1", "force_zeros": True,
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "image_encoder": [None, None],
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"], "tokenizer": ["transformers", "CLIPTokenizer"],
    "text_encoder": ["transformers", "CLIPTextModel"], "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}  # fmt: skip
LIGHT = {
    "model_index.json": 500, "scheduler/scheduler_config.json": 50, "tokenizer/vocab.json": 1_000_000,
    "tokenizer/merges.txt": 500_000, "text_encoder/config.json": 50, "unet/config.json": 50, "vae/config.json": 50,
}  # fmt: skip
NOISE = {
    "README.md": 10, ".gitattributes": 10, "image.png": 9, "unet/diffusion_pytorch_model.bin": 10_000,
    "unet/diffusion_flax_model.msgpack": 10_000, "unet/model.onnx": 100, "unet/model.onnx_data": 10_000,
    "vae_decoder/openvino_model.xml": 10, "vae_decoder/openvino_model.bin": 10, "sd_xl.safetensors": 30_000,
    "text_encoder/pytorch_model.bin": 10, "text_encoder/flax_model.msgpack": 9, "safety_checker/config.json": 1,
    "safety_checker/model.safetensors": 1000, "feature_extractor/preprocessor_config.json": 1,
    "unet/diffusion_pytorch_model.non_ema.safetensors": 10_000, "optimizer.bin": 5,
}  # fmt: skip


def weights(count: int, dtype: str = "F16") -> bytes:
    size = count * {"F16": 2, "F32": 4}[dtype]
    header = json.dumps({"a.weight": {"dtype": dtype, "shape": [count], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


def choice_of(files: dict[str, int], index: object = INDEX) -> Choice:
    return choose("org/m", files, index)


def plain(*names: str, size: int = 10_000) -> dict[str, int]:
    return dict.fromkeys(names, size)


WHOLE = plain(
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/model.safetensors",
)


def test_one_copy_of_each_component_and_nothing_else() -> None:
    choice = choice_of({**LIGHT, **NOISE, **WHOLE})
    assert set(choice.files) == {*LIGHT, *WHOLE}
    assert (choice.kind, choice.pipeline, choice.problem, choice.risks) == (
        "pipeline", "StableDiffusionXLPipeline", None, (),
    )  # fmt: skip


def test_what_prepares_pictures_is_taken_where_the_model_itself_looks_at_one() -> None:
    index = {**INDEX, "_class_name": "StableDiffusionImageVariationPipeline"}
    choice = choice_of({**LIGHT, **NOISE, **WHOLE}, index)
    assert set(choice.files) == {*LIGHT, *WHOLE, "feature_extractor/preprocessor_config.json"}


def test_half_precision_where_plain_files_are_float32() -> None:
    halves = {name.replace(".safetensors", ".fp16.safetensors"): 5000 for name in WHOLE}
    choice = choice_of({**LIGHT, **WHOLE, **halves})
    assert set(choice.files) == {*LIGHT, *halves}
    assert not choice.others
    same = {name.replace(".safetensors", ".fp16.safetensors"): 9900 for name in WHOLE}
    assert set(choice_of({**LIGHT, **WHOLE, **same}).files) == {*LIGHT, *WHOLE}


def test_each_component_is_chosen_by_itself() -> None:
    files = {**LIGHT, **WHOLE, "unet/diffusion_pytorch_model.fp16.safetensors": 5000}
    del files["text_encoder/model.safetensors"]
    files["text_encoder/model.fp16.safetensors"] = 99
    chosen = choice_of(files).files
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in chosen
    assert "vae/diffusion_pytorch_model.safetensors" in chosen
    assert "text_encoder/model.fp16.safetensors" in chosen


@pytest.mark.parametrize(
    ("index", "shard"),
    [
        ("model.safetensors.index.json", "model-0000{n}-of-00003.safetensors"),
        ("model.safetensors.index.fp16.json", "model.fp16-0000{n}-of-00003.safetensors"),
        ("model.fp16.safetensors.index.json", "model-0000{n}-of-00003.fp16.safetensors"),
    ],
)
def test_shards_belong_together(index: str, shard: str) -> None:
    files = {**LIGHT, **WHOLE}
    del files["text_encoder/model.safetensors"]
    shards = {f"text_encoder/{shard.format(n=n)}": 4000 for n in (1, 2, 3)}
    choice = choice_of({**files, **shards, f"text_encoder/{index}": 10})
    assert {*shards, f"text_encoder/{index}"} <= set(choice.files)
    shards.popitem()
    choice = choice_of({**files, **shards, f"text_encoder/{index}": 10})
    assert choice.problem is not None
    assert choice.problem.code is ErrorCode.MODEL_INCOMPLETE


def test_what_stands_in_the_way_is_said() -> None:
    files = {**LIGHT, **WHOLE}
    without = {name: size for name, size in files.items() if name != "unet/diffusion_pytorch_model.safetensors"}
    for listing, index, code, risks in (
        ({**without, "unet/diffusion_pytorch_model.bin": 9}, INDEX, ErrorCode.MODEL_NEEDS_PICKLE, ("pickle_only",)),
        (without, INDEX, ErrorCode.MODEL_INCOMPLETE, ()),
        ({n: s for n, s in files.items() if not n.startswith("vae/")}, INDEX, ErrorCode.MODEL_INCOMPLETE, ()),
        (files, {**INDEX, "_class_name": ["my", "Pipe"]}, ErrorCode.MODEL_NEEDS_REMOTE_CODE, ("remote_code",)),
        (files, {**INDEX, "vae": ["a/b", "Vae"]}, ErrorCode.MODEL_NEEDS_REMOTE_CODE, ("remote_code",)),
        (
            {**files, "vae/mine.py": 1},
            {**INDEX, "vae": ["mine", "V"]},
            ErrorCode.MODEL_NEEDS_REMOTE_CODE,
            ("remote_code",),
        ),
        (files, {**INDEX, "unet": ["onnxruntime", "OnnxRuntimeModel"]}, ErrorCode.MODEL_UNSUPPORTED, ()),
        (files, {**INDEX, "../unet": ["diffusers", "UNet"]}, ErrorCode.MODEL_CORRUPT, ()),
    ):
        choice = choice_of(listing, index)
        assert choice.problem is not None
        assert (choice.problem.code, choice.risks) == (code, risks)
        assert not any(name.endswith((".bin", ".py")) for name in choice.files)


def test_behind_a_gate_the_folders_tell() -> None:
    """The index may not be read there; size and files are known all the same."""
    assert set(choose("org/m", {**LIGHT, **NOISE, **WHOLE}).files) == {*LIGHT, *WHOLE}


# -- what is chosen is what is accepted -------------------------------------------------------------------------------

STATES = st.sampled_from(["plain", "fp16", "both", "bf16", "shards", "fp16 shards", "pickle", "broken shards", "none"])


def component(name: str, stem: str, state: str) -> dict[str, bytes]:
    one, half, at = weights(8, "F32"), weights(8), f"{name}/{stem}"
    index = json.dumps({"weight_map": {"a.weight": f"{stem}-00001-of-00001.safetensors"}}).encode()
    half_index = index.replace(b"-00001-of", b".fp16-00001-of")
    return {
        "plain": {f"{at}.safetensors": one},
        "fp16": {f"{at}.fp16.safetensors": half},
        "bf16": {f"{at}.bf16.safetensors": half, f"{at}.safetensors": one},
        "both": {f"{at}.safetensors": one, f"{at}.fp16.safetensors": half},
        "shards": {f"{at}-00001-of-00001.safetensors": one, f"{at}.safetensors.index.json": index},
        "fp16 shards": {
            f"{at}.fp16-00001-of-00001.safetensors": half, f"{at}.safetensors.index.fp16.json": half_index,
            f"{at}.safetensors": weights(2000, "F32"),
        },
        "pickle": {f"{at}.bin": b"x"},
        "broken shards": {f"{at}-00001-of-00002.safetensors": one, f"{at}.safetensors.index.json": index},
        "none": {},
    }[state]  # fmt: skip


@given(states=st.tuples(STATES, STATES, STATES), rest=st.sets(st.sampled_from(sorted(NOISE))))
def test_a_folder_of_what_was_chosen_is_accepted(
    tmp_path_factory: pytest.TempPathFactory, states: tuple[str, str, str], rest: set[str]
) -> None:
    files: dict[str, bytes] = dict.fromkeys(LIGHT, b"{}") | dict.fromkeys(rest, b"noise")
    files["model_index.json"] = json.dumps(INDEX).encode()
    stems = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
    for (name, stem), state in zip(stems.items(), states, strict=True):
        files |= component(name, stem, state)
    choice = choice_of({name: len(content) for name, content in files.items()})
    folder = tmp_path_factory.mktemp("model")
    for name in choice.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(files[name])
    assert pipeline_of(folder) == (choice.pipeline if choice.problem is None else "")


def pipeline_of(folder: Path) -> str:
    """Empty when it is not accepted."""
    try:
        return folders.inspect(folder).pipeline
    except AtelierError:
        return ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["diffusers", "vae", "unet"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.just("_class_name"), inner),
    max_leaves=8,
)


@given(index=JSON, config=JSON, names=st.lists(st.text(min_size=1, max_size=20), max_size=5))
def test_nothing_in_a_repository_makes_it_fail(index: Any, config: Any, names: list[str]) -> None:
    sizes = dict.fromkeys(names, 3)
    for listing in (sizes, {**sizes, "model_index.json": 1}, {**sizes, **WHOLE}):
        assert set(choose("org/m", listing, index, config).files) <= set(listing)


# -- other repositories -----------------------------------------------------------------------------------------------


def test_a_component_by_itself() -> None:
    files = {"config.json": 9, "diffusion_pytorch_model.safetensors": 5000, "diffusion_pytorch_model.bin": 5000,
             "diffusion_pytorch_model.fp16.safetensors": 2500, "README.md": 1}  # fmt: skip
    for class_name, kind in (
        ("ControlNetModel", "controlnet"), ("AutoencoderTiny", "vae"), ("FluxTransformer2DModel", "denoiser"),
        ("FluxControlNetModel", "controlnet"), ("T2IAdapter", "controlnet"), ("Nothing", "unknown"),
    ):  # fmt: skip
        choice = choose("org/m", files, config={"_class_name": class_name})
        assert (choice.kind, choice.files) == (kind, ("config.json", "diffusion_pytorch_model.fp16.safetensors"))
        assert not choice.others


def test_helpers() -> None:
    files = {"config.json": 9, "preprocessor_config.json": 9, "model.safetensors": 5000, "pytorch_model.bin": 5000}
    choice = choose("org/depth", files, config={"architectures": ["DepthAnythingForDepthEstimation"]})
    assert (choice.kind, set(choice.files)) == (
        "helper",
        {"config.json", "preprocessor_config.json", "model.safetensors"},
    )
    choice = choose("org/bg", files, config={"architectures": ["X"], "auto_map": {"AutoModel": "x.X"}})
    assert choice.risks == ("remote_code",)
    assert choice.problem is not None
    assert choose("org/t5", files, config={"architectures": ["T5EncoderModel"]}).kind == "text-encoder"


@pytest.mark.parametrize(
    ("repo", "files", "kind", "default"),
    [
        ("a/lcm-lora-sdxl", {"pytorch_lora_weights.safetensors": 9, "z.safetensors": 9}, "lora", "pytorch_lora"),
        ("a/flux-gguf", {"flux-Q8_0.gguf": 12, "flux-Q4_K_S.gguf": 7, "flux-F16.gguf": 24}, "denoiser", "flux-Q4_K_S"),
        ("a/DreamThing", {"DreamThing_8_inpainting.safetensors": 2 * 10**9, "DreamThing_8.safetensors": 2 * 10**9},
         "checkpoint", "DreamThing_8."),
        ("a/x", {"checkpoint-500/model.safetensors": 9, "4x-UltraSharp-upscaler.safetensors": 9}, "upscaler", "4x"),
        ("a/x", {"models/ip-adapter_sd15.safetensors": 90_000_000}, "ip-adapter", "models/ip-adapter"),
        ("a/x", {"my-vae.safetensors": 300_000_000}, "vae", "my-vae"),
        ("a/x", {"word.safetensors": 9000}, "embedding", "word"),
    ],
)  # fmt: skip
def test_single_files(repo: str, files: dict[str, int], kind: str, default: str) -> None:
    choice = choose(repo, {**files, "README.md": 1, "LICENSE": 5, "optimizer.pt": 9})
    assert choice.kind == kind
    assert choice.files[0].startswith(default)
    assert choice.files[1:] == ("LICENSE",)
    leftovers = {name for name in files if name.startswith("checkpoint-")}
    assert set(choice.others) == set(files) - set(choice.files) - leftovers


def test_pickles_are_a_last_resort() -> None:
    choice = choose("a/RealESRGAN", {"RealESRGAN_x4.pth": 60_000_000, "RealESRGAN_x2.pth": 60_000_000})
    assert (choice.kind, choice.risks, len(choice.others)) == ("upscaler", ("pickle_only",), 1)
    assert choice.problem is not None
    assert choice.problem.code is ErrorCode.MODEL_NEEDS_PICKLE
    asked = choose_file("a/RealESRGAN", {"RealESRGAN_x4.pth": 60_000_000}, "RealESRGAN_x4.pth")
    assert (asked.files, asked.risks, asked.problem) == (("RealESRGAN_x4.pth",), ("pickle_only",), None)


def test_nothing_to_run() -> None:
    choice = choose("a/data", {"README.md": 1, "train.csv": 5})
    assert choice.problem is not None
    assert choice.problem.code is ErrorCode.MODEL_UNSUPPORTED
    assert choose_file("a/data", {"README.md": 1}, "x.safetensors").problem is not None


def test_small_files_beside_a_graph_may_be_missing() -> None:
    wanted = ("config.json", "preprocessor_config.json", "onnx/model.onnx")
    assert unmet(wanted, ["onnx/model.onnx"]) == []
    assert unmet(wanted, ["config.json", "onnx/other.onnx"]) == ["onnx/model.onnx"]
