"""The files that catalog entries ask for: one copy of each weight, and everything a pipeline needs beside them.

``LISTINGS`` are files of well-known repositories as their public listings had them, with the copies in other number
types and formats that must not come along; sizes in bytes where they were listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatch

import pytest

from models.catalog.entry import CatalogEntry
from models.catalog.load import catalog
from models.choose import choose
from models.pipelines import row

SHIPPED = catalog()
PIPELINES = [entry for entry in SHIPPED if entry.pipeline and not entry.file]
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})")

CLIP = ("merges.txt", "special_tokens_map.json", "tokenizer_config.json", "vocab.json")


UNWANTED = (
    "pytorch_model.bin",
    "model.ckpt",
    "model.pt",
    "model.pth",
    "model.pkl",
    "model.onnx",
    "model.onnx_data",
    "flax_model.msgpack",
    "tf_model.h5",
    "openvino_model.bin",
    "modeling.py",
    "weights.gguf",
    "picture.png",
    "v1.safetensors",
)
"""Names of files that no entry should ask for, whatever its folder."""


def under(folder: str, names: Iterable[str]) -> dict[str, int]:
    return {f"{folder}/{name}": 0 for name in names}


def shards(path: str, *sizes: int) -> dict[str, int]:
    """A set of shards with its index; ``path`` without ".safetensors"."""
    listed = {f"{path}-{n:05d}-of-{len(sizes):05d}.safetensors": size for n, size in enumerate(sizes, 1)}
    return {**listed, f"{path}.safetensors.index.json": 0}


COMMON = {".gitattributes": 0, "README.md": 0, "LICENSE.md": 0, "model_index.json": 0}
COMMON["scheduler/scheduler_config.json"] = 0

LISTINGS: dict[str, dict[str, int]] = {
    "sd15": {
        **COMMON,
        **under("tokenizer", CLIP),
        "feature_extractor/preprocessor_config.json": 0,
        "safety_checker/config.json": 0,
        "safety_checker/model.fp16.safetensors": 608018440,
        "safety_checker/model.safetensors": 1215981830,
        "text_encoder/config.json": 0,
        "text_encoder/model.fp16.safetensors": 246144864,
        "text_encoder/model.safetensors": 492265874,
        "text_encoder/pytorch_model.bin": 492305335,
        "text_encoder/pytorch_model.fp16.bin": 246187076,
        "unet/config.json": 0,
        "unet/diffusion_pytorch_model.bin": 3438354725,
        "unet/diffusion_pytorch_model.fp16.bin": 1719327893,
        "unet/diffusion_pytorch_model.fp16.safetensors": 1719125304,
        "unet/diffusion_pytorch_model.non_ema.bin": 3438366373,
        "unet/diffusion_pytorch_model.non_ema.safetensors": 3438167536,
        "unet/diffusion_pytorch_model.safetensors": 3438167540,
        "v1-5-pruned-emaonly.ckpt": 4265380512,
        "v1-5-pruned-emaonly.safetensors": 4265146304,
        "v1-5-pruned.ckpt": 7703807346,
        "v1-5-pruned.safetensors": 7703324286,
        "vae/config.json": 0,
        "vae/diffusion_pytorch_model.bin": 334707217,
        "vae/diffusion_pytorch_model.fp16.safetensors": 167335342,
        "vae/diffusion_pytorch_model.safetensors": 334643276,
    },
    "sdxl-base": {
        **COMMON,
        **under("tokenizer", CLIP),
        **under("tokenizer_2", CLIP),
        "01.png": 4608613,
        "sd_xl_base_1.0.safetensors": 6938078334,
        "sd_xl_base_1.0_0.9vae.safetensors": 6938078334,
        "sd_xl_offset_example-lora_1.0.safetensors": 49553604,
        "text_encoder/config.json": 0,
        "text_encoder/flax_model.msgpack": 492248682,
        "text_encoder/model.fp16.safetensors": 246144152,
        "text_encoder/model.onnx": 492587457,
        "text_encoder/model.safetensors": 492265168,
        "text_encoder/openvino_model.bin": 492242672,
        "text_encoder_2/config.json": 0,
        "text_encoder_2/model.fp16.safetensors": 1389382176,
        "text_encoder_2/model.onnx_data": 2778639360,
        "text_encoder_2/model.safetensors": 2778702264,
        "unet/config.json": 0,
        "unet/diffusion_flax_model.msgpack": 10269915611,
        "unet/diffusion_pytorch_model.fp16.safetensors": 5135149760,
        "unet/diffusion_pytorch_model.safetensors": 10270077736,
        "unet/model.onnx_data": 10269854720,
        "unet/openvino_model.bin": 10269856428,
        "vae/config.json": 0,
        "vae/diffusion_pytorch_model.fp16.safetensors": 167335342,
        "vae/diffusion_pytorch_model.safetensors": 334643268,
        "vae_1_0/diffusion_pytorch_model.fp16.safetensors": 167335342,
        "vae_1_0/diffusion_pytorch_model.safetensors": 334643268,
        "vae_decoder/model.onnx": 198093688,
        "vae_encoder/model.onnx": 136775724,
    },
    "sd35-large": {
        **COMMON,
        **under("tokenizer", CLIP),
        **under("tokenizer_2", CLIP),
        **under("tokenizer_3", ("special_tokens_map.json", "spiece.model", "tokenizer.json", "tokenizer_config.json")),
        "sd3.5_large.safetensors": 16460379262,
        "text_encoder/config.json": 0,
        "text_encoder/model.fp16.safetensors": 247323896,
        "text_encoder/model.safetensors": 247323896,
        "text_encoder_2/config.json": 0,
        "text_encoder_2/model.fp16.safetensors": 1389382176,
        "text_encoder_2/model.safetensors": 1389382176,
        "text_encoder_3/config.json": 0,
        **shards("text_encoder_3/model", 4994582104, 4530066248),
        "text_encoder_3/model.fp16-00001-of-00002.safetensors": 4994582104,
        "text_encoder_3/model.fp16-00002-of-00002.safetensors": 4530066248,
        "text_encoder_3/model.safetensors.index.fp16.json": 0,
        "text_encoders/clip_g.safetensors": 1389382176,
        "text_encoders/t5xxl_fp16.safetensors": 9787841024,
        "transformer/config.json": 0,
        **shards("transformer/diffusion_pytorch_model", 9985185992, 6307519304),
        "vae/config.json": 0,
        "vae/diffusion_pytorch_model.safetensors": 167666902,
    },
    "flux1-dev": {
        **COMMON,
        **under("tokenizer", CLIP),
        **under("tokenizer_2", ("special_tokens_map.json", "spiece.model", "tokenizer.json", "tokenizer_config.json")),
        "ae.safetensors": 335304388,
        "flux1-dev.safetensors": 23802932552,
        "text_encoder/config.json": 0,
        "text_encoder/model.safetensors": 246144352,
        "text_encoder_2/config.json": 0,
        **shards("text_encoder_2/model", 4994582224, 4530066360),
        "transformer/config.json": 0,
        **shards("transformer/diffusion_pytorch_model", 9983040304, 9949328904, 3870584832),
        "vae/config.json": 0,
        "vae/diffusion_pytorch_model.safetensors": 167666902,
    },
    "flux2-klein-4b": {
        **COMMON,
        **under("tokenizer", ("added_tokens.json", "chat_template.jinja", "special_tokens_map.json", *CLIP)),
        "tokenizer/tokenizer.json": 11422654,
        "flux-2-klein-4b.safetensors": 7751105712,
        "text_encoder/config.json": 0,
        **shards("text_encoder/model", 4967215360, 3077766632),
        "transformer/config.json": 0,
        "transformer/diffusion_pytorch_model.safetensors": 7751109744,
        "vae/config.json": 0,
        "vae/diffusion_pytorch_model.safetensors": 168120878,
    },
    "flux2-dev": {
        **COMMON,
        **under("tokenizer", ("chat_template.jinja", "special_tokens_map.json", "tokenizer_config.json")),
        "tokenizer/tokenizer.json": 17078037,
        "ae.safetensors": 336211292,
        "flux2-dev.safetensors": 64446596128,
        "text_encoder/config.json": 0,
        **shards(
            "text_encoder/model",
            4883550696,
            4781593336,
            4886472224,
            4781593376,
            4781593368,
            4886472248,
            4781593376,
            4781593368,
            4886472248,
            4571866320,
        ),
        "transformer/config.json": 0,
        **shards(
            "transformer/diffusion_pytorch_model",
            9935797200,
            9890181048,
            9814681480,
            9814681536,
            9814681536,
            9814681536,
            5361898792,
        ),
        "vae/config.json": 0,
        "vae/diffusion_pytorch_model.safetensors": 336213556,
    },
    "qwen-image-2512": {
        **COMMON,
        **under("tokenizer", ("added_tokens.json", "chat_template.jinja", *CLIP)),
        "text_encoder/config.json": 0,
        **shards("text_encoder/model", 4968243304, 4991495816, 4932751040, 1691924384),
        "transformer/config.json": 0,
        **shards(
            "transformer/diffusion_pytorch_model",
            4989364312,
            4984214160,
            4946470000,
            4984213736,
            4946471896,
            4946451560,
            4908690520,
            4984232856,
            1170918840,
        ),
        "vae/config.json": 0,
        "vae/diffusion_pytorch_model.safetensors": 253806966,
    },
    "krea-2-turbo": {
        **COMMON,
        "LICENSE.pdf": 0,
        "turbo.safetensors": 25640000000,
        **under("tokenizer", ("chat_template.jinja", "tokenizer.json", "tokenizer_config.json")),
        "text_encoder/config.json": 0,
        "text_encoder/model.safetensors": 0,
        "transformer/config.json": 0,
        **shards("transformer/diffusion_pytorch_model", 0, 0, 0),
        "vae/config.json": 0,
        "vae/diffusion_pytorch_model.safetensors": 0,
    },
    "qwen-image-21": {
        **COMMON,
        "assets/qr.png": 0,
        **under("processor", ("added_tokens.json", "chat_template.jinja", "preprocessor_config.json", *CLIP)),
        "processor/tokenizer.json": 0,
        "processor/video_preprocessor_config.json": 0,
        "text_encoder/config.json": 0,
        "text_encoder/generation_config.json": 0,
        **shards("text_encoder/model", 0, 0, 0, 0),
        "transformer/config.json": 0,
        **shards("transformer/diffusion_pytorch_model", 0, 0),
        "vae/config.json": 0,
        "vae/diffusion_pytorch_model.safetensors": 0,
    },
    "ernie-image-turbo": {
        **COMMON,
        **under("pe", ("chat_template.jinja", "config.json", "generation_config.json", "model.safetensors")),
        **under("pe", ("tokenizer.json", "tokenizer_config.json")),
        **under("pe_tokenizer", ("chat_template.jinja", "tokenizer.json", "tokenizer_config.json")),
        **under("tokenizer", ("tokenizer.json", "tokenizer_config.json")),
        "text_encoder/config.json": 0,
        "text_encoder/model.safetensors": 0,
        "transformer/config.json": 0,
        **shards("transformer/diffusion_pytorch_model", 0, 0),
        "vae/config.json": 0,
        "vae/diffusion_pytorch_model.safetensors": 0,
    },
    "auraflow-3": {
        **COMMON,
        "aura_flow_0.3.safetensors": 0,
        **under("tokenizer", ("added_tokens.json", "special_tokens_map.json", "tokenizer.json", "tokenizer.model")),
        "tokenizer/tokenizer_config.json": 0,
        "text_encoder/config.json": 0,
        "text_encoder/model.safetensors": 0,
        "text_encoder/model.fp16.safetensors": 0,
        "transformer/config.json": 0,
        **shards("transformer/diffusion_pytorch_model", 0, 0, 0),
        "transformer/diffusion_pytorch_model-00001-of-00002.fp16.safetensors": 0,
        "transformer/diffusion_pytorch_model-00002-of-00002.fp16.safetensors": 0,
        "transformer/diffusion_pytorch_model.safetensors.fp16.index.json": 0,
        "vae/config.json": 0,
        "vae/diffusion_pytorch_model.safetensors": 0,
        "vae/diffusion_pytorch_model.fp16.safetensors": 0,
    },
}


def chosen(entry: CatalogEntry, files: Iterable[str]) -> list[str]:
    """What the hub's client fetches: names that match any pattern, as fnmatch compares them."""
    return [name for name in files if any(fnmatch(name, pattern) for pattern in entry.allow)]


def copies(names: Iterable[str]) -> dict[str, set[str]]:
    """Weight files by folder, shards of one set taken as one."""
    found: dict[str, set[str]] = {}
    for name in names:
        if name.endswith(".safetensors"):
            folder, _, file = name.rpartition("/")
            found.setdefault(folder, set()).add(_SHARD.sub("", file))
    return found


@pytest.mark.parametrize("name", LISTINGS)
def test_one_copy_of_each_weight_is_fetched(name: str) -> None:
    entry = SHIPPED.get(name)
    assert entry is not None
    files = chosen(entry, LISTINGS[name])
    assert [pattern for pattern in entry.allow if not any(fnmatch(file, pattern) for file in files)] == []
    weights = copies(files)
    assert set(weights) == {component.name for component in entry.components}
    assert all(len(found) == 1 for found in weights.values()), weights
    assert all(file.endswith((".safetensors", ".json", ".txt", ".model", ".jinja")) for file in files)
    for folder in weights:
        assert f"{folder}/config.json" in files
        parts = [_SHARD.search(file) for file in files if file.startswith(folder + "/")]
        sharded = [part for part in parts if part]
        assert not sharded or len(sharded) == int(sharded[0][2]), "all shards of the set"
        assert not sharded or any(file.startswith(folder) and file.endswith("index.json") for file in files)


SIZED = [name for name, listing in LISTINGS.items() if any(size for file, size in listing.items() if "/" in file)]


@pytest.mark.parametrize("name", SIZED)
def test_the_size_named_is_the_size_fetched(name: str) -> None:
    entry = SHIPPED.get(name)
    assert entry is not None
    listing = LISTINGS[name]
    size = sum(listing[file] for file in chosen(entry, listing))
    small = 8_000_000  # tokenizers whose sizes are not in the listing
    assert size <= entry.download_bytes <= size + small


@pytest.mark.parametrize("name", [name for name in LISTINGS if name != "auraflow-3"])
def test_what_is_chosen_from_the_listing_alone_is_the_same(name: str) -> None:
    """A repository that is no catalog entry is downloaded by rule; here both are known, and must agree.

    AuraFlow mixes number types, since its list of half-precision shards is named in a way that is deprecated.
    """
    entry = SHIPPED.get(name)
    assert entry is not None
    listing = LISTINGS[name]
    index: dict[str, object] = {"_class_name": entry.pipeline}
    for folder in {file.partition("/")[0] for file in listing if "/" in file}:
        if folder.startswith(("tokenizer", "pe_tokenizer")):
            index[folder] = ["transformers", "CLIPTokenizer"]
    if "processor/preprocessor_config.json" in listing:
        index["processor"] = ["transformers", "Qwen3VLProcessor"]
    index["scheduler"] = ["diffusers", "EulerDiscreteScheduler"]
    for component in entry.components:
        index[component.name] = ["diffusers", component.class_name]
    choice = choose(entry.repo, {file: size or 1000 for file, size in listing.items()}, index)
    assert choice.problem is None
    assert {file for file in choice.files if not file.startswith("LICENSE")} == set(chosen(entry, listing))


@pytest.mark.parametrize("entry", PIPELINES, ids=[entry.id for entry in PIPELINES])
def test_everything_a_pipeline_is_made_of_is_fetched(entry: CatalogEntry) -> None:
    found = row(entry.pipeline)
    assert found is not None
    assert "model_index.json" in entry.allow
    folders = {pattern.partition("/")[0] for pattern in entry.allow if "/" in pattern}
    assert folders <= set(found.components)
    kinds = ("text_encoder", "tokenizer", "unet", "transformer", "vae", "scheduler", "processor", "text_processor")
    wanted = {name for name in found.components if name.startswith((*kinds, "vision_language_encoder"))}
    wanted -= {name for name in found.components if name.endswith("_layers")}
    if entry.requires:  # its fourth encoder is a download of its own
        wanted -= {"text_encoder_4", "tokenizer_4"}
    assert wanted - set(found.optional) <= folders
    for component in entry.components:
        if component.name != "text_encoder_4":
            assert any(pattern.startswith(component.name + "/") and "safetensors" in pattern for pattern in entry.allow)


@pytest.mark.parametrize("entry", list(SHIPPED), ids=[entry.id for entry in SHIPPED])
def test_no_pattern_lets_in_pickles_code_or_other_formats(entry: CatalogEntry) -> None:
    folders = ["", *(f"{component.name}/" for component in entry.components), "tokenizer/", "scheduler/"]
    hostile = [folder + name for folder in folders for name in UNWANTED if folder + name != entry.file]
    assert chosen(entry, hostile) == []
    assert not any(pattern.endswith((".bin", ".ckpt", ".pt", ".pth", ".pkl", ".py")) for pattern in entry.allow)
    assert not {"*", "**", "*.*", "*.safetensors", "*/*"} & set(entry.allow)
    assert not any(pattern.startswith(("*", "/", "..")) or "\\" in pattern for pattern in entry.allow)


@pytest.mark.parametrize("entry", PIPELINES, ids=[entry.id for entry in PIPELINES])
def test_where_the_name_is_exact_other_number_types_stay_out(entry: CatalogEntry) -> None:
    """Listings with every number type of every part: what is fetched of a part with an exact pattern is one file."""
    stems = {"text_encoder": "model", "image_encoder": "model"}
    for component in entry.components:
        stem = stems.get(component.name.rstrip("_234"), "diffusion_pytorch_model")
        listing = [f"{component.name}/{stem}{variant}.safetensors" for variant in ("", ".fp16", ".bf16", ".non_ema")]
        exact = [pattern for pattern in entry.allow if pattern in listing]
        if exact:
            assert chosen(entry, listing) == exact
            assert len(exact) == 1
