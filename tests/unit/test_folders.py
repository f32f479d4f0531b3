"""Model folders, whole and broken in every way: what is said about them, and that hostile headers are only refused."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import folders, headers, sizes
from models.errors import AtelierError, ErrorCode
from models.headers import BrokenHeaderError
from models.inputs import Size
from models.pipelines import row
from models.schemas import schema_of

WIDTH = {"F16": 2, "BF16": 2, "F32": 4, "U8": 1}


def safetensors(tensors: dict[str, tuple[str, list[int]]], metadata: dict[str, str] | None = None) -> bytes:
    """A whole file with zeros for weights."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        size = WIDTH[dtype]
        for side in shape:
            size *= side
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    return framed(json.dumps(header).encode()) + bytes(end)


def framed(header: bytes, length: int | None = None) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header


UNET = {"down.0.weight": ("F16", [8, 4]), "down.0.bias": ("F16", [8]), "up.weight": ("F16", [2, 2])}
TEXT = {"embed.weight": ("F16", [16, 8])}
VAE = {"decoder.weight": ("F32", [4, 4])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small Stable Diffusion as the hub has it."""
    root = tmp_path / "model"
    write(root / "model_index.json", {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1", "requires_safety_checker": True,
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "image_encoder": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "text_encoder": ["transformers", "CLIPTextModel"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    })  # fmt: skip
    write(root / "scheduler/scheduler_config.json", {"_class_name": "PNDMScheduler", "lambda_min": float("-inf")})
    write(root / "tokenizer/vocab.json", {"a": 0})
    write(root / "text_encoder/config.json", {})
    write(root / "text_encoder/model.safetensors", safetensors(TEXT, {"format": "pt"}))
    blocks = ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]
    write(root / "unet/config.json", {"sample_size": 64, "down_block_types": blocks, "in_channels": 4})
    write(root / "unet/diffusion_pytorch_model.safetensors", safetensors(UNET))
    write(root / "vae/config.json", {"block_out_channels": [1, 2, 4, 4], "latent_channels": 4})
    write(root / "vae/diffusion_pytorch_model.safetensors", safetensors(VAE))
    return root


def write(path: Path, content: bytes | dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def edit(path: Path, **changes: Any) -> None:
    write(path, {**json.loads(path.read_bytes()), **changes})


def refused(folder: Path) -> AtelierError:
    with pytest.raises(AtelierError) as caught:
        folders.inspect(folder)
    assert caught.value.info.facts["model"] == "model"
    return caught.value


# -- whole folders ----------------------------------------------------------------------------------------------------


def test_a_whole_folder(folder: Path) -> None:
    info = folders.inspect(folder)
    assert info.pipeline == "StableDiffusionPipeline"
    assert [part.name for part in info.parts] == ["scheduler", "tokenizer", "text_encoder", "unet", "vae"]
    assert [(c.name, c.parameters, c.stored_dtype) for c in info.needs.components] == [
        ("text_encoder", 128, "float16"), ("unet", 44, "float16"), ("vae", 16, "float32"),
    ]  # fmt: skip
    unet = info.part("unet")
    assert unet is not None
    assert (unet.largest_leaf, unet.files) == (40, ("unet/diffusion_pytorch_model.safetensors",))
    assert sizes.vae_factor(info.configs) == 8
    assert (info.needs.pixels, info.needs.token_area) == (512 * 512, 64)
    assert info.total_bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert 0 < info.weights_bytes < info.total_bytes


def test_it_takes_milliseconds(folder: Path) -> None:
    many = {f"blocks.{i}.attn.to_q.weight": ("F16", [4, 4]) for i in range(1700)}  # as many as SDXL's UNet
    write(folder / "unet/diffusion_pytorch_model.safetensors", safetensors(many))
    times = []
    for _ in range(5):
        began = time.perf_counter()
        folders.inspect(folder)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.05  # 5 ms measured; the rest is for slow and busy machines


def test_the_fp16_variant_is_taken_where_there_is_no_plain_file(folder: Path) -> None:
    unet = folder / "unet/diffusion_pytorch_model.safetensors"
    unet.rename(unet.with_name("diffusion_pytorch_model.fp16.safetensors"))
    write(folder / "unet/diffusion_pytorch_model.non_ema.safetensors", b"never looked at")
    info = folders.inspect(folder)
    assert [(part.name, part.variant) for part in info.parts if part.files] == [
        ("text_encoder", ""), ("unet", "fp16"), ("vae", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("index", ["model.safetensors.index.json", "model.safetensors.index.fp16.json"])
def test_shards(folder: Path, index: str) -> None:
    (folder / "text_encoder/model.safetensors").unlink()
    shards = {"model-00001-of-00002.safetensors": "a.weight", "model-00002-of-00002.safetensors": "b.weight"}
    for name, tensor in shards.items():
        write(folder / "text_encoder" / name, safetensors({tensor: ("BF16", [3])}))
    write(folder / "text_encoder" / index, {"weight_map": {tensor: name for name, tensor in shards.items()}})
    part = folders.inspect(folder).part("text_encoder")
    assert part is not None
    assert (part.parameters, part.stored_dtype, len(part.files)) == (6, "bfloat16", 2)
    (folder / "text_encoder/model-00002-of-00002.safetensors").unlink()
    error = refused(folder)
    assert (error.code, error.info.facts["file"]) == (
        ErrorCode.MODEL_INCOMPLETE, "text_encoder/model-00002-of-00002.safetensors",
    )  # fmt: skip


def test_quantized_parts_are_known_as_such(folder: Path) -> None:
    edit(folder / "unet/config.json", quantization_config={"quant_method": "bitsandbytes"})
    assert [component.quantized for component in folders.inspect(folder).needs.components] == [False, True, False]


@pytest.mark.parametrize(
    ("denoiser", "vae", "size", "scale", "area"),
    [
        # FLUX.1 packs 2 x 2 latents into a token and names no size; Qwen-Image's decoder says its scale by halvings
        ({"in_channels": 64, "patch_size": 1}, {"block_out_channels": [1] * 4, "latent_channels": 16}, 1024, 8, 256),
        ({"in_channels": 64, "patch_size": 2}, {"temperal_downsample": [False, True, True]}, 1024, 8, 256),
        ({"sample_size": 32, "patch_size": 1}, {"encoder_block_out_channels": [1] * 6}, 1024, 32, 1024),
        ({"sample_size": [64, 96], "patch_size": 2}, {"spatial_compression_ratio": 16}, 0, 16, 1024),
        ({"all_patch_size": [2]}, {}, 1024, 8, 256),
    ],
)
def test_sizes_of_transformers(
    folder: Path, denoiser: dict[str, Any], vae: dict[str, Any], size: int, scale: int, area: int
) -> None:
    edit(folder / "model_index.json", unet=[None, None], transformer=["diffusers", "AnyTransformer2DModel"])
    (folder / "unet").rename(folder / "transformer")
    write(folder / "transformer/config.json", denoiser)
    write(folder / "vae/config.json", vae)
    info = folders.inspect(folder)
    assert sizes.native_size(row(info.pipeline), info.configs) == (Size(size, size) if size else Size(1536, 1024))
    assert (sizes.vae_factor(info.configs), info.needs.token_area) == (scale, area)


@pytest.mark.parametrize(
    ("pipeline", "unet", "size"),
    [
        ("StableDiffusionPipeline", {"sample_size": 64}, Size(512, 512)),
        ("StableDiffusionPipeline", {"sample_size": [64, 96]}, Size(768, 512)),
        ("StableDiffusionPipeline", {"sample_size": 61}, Size(488, 488)),
        ("StableDiffusionPipeline", {}, Size(512, 512)),
        ("StableDiffusionPipeline", {"sample_size": 10**9}, Size(4096, 4096)),
        ("StableDiffusionPipeline", {"sample_size": -8}, Size(512, 512)),
        ("StableDiffusionPanoramaPipeline", {"sample_size": 64}, Size(2048, 512)),  # its signature says so
        ("Kandinsky3Pipeline", {"sample_size": 64}, Size(1024, 1024)),
    ],
)
def test_plans_are_made_for_the_size_that_the_form_offers(
    folder: Path, pipeline: str, unet: dict[str, Any], size: Size
) -> None:
    edit(folder / "model_index.json", _class_name=pipeline)
    write(folder / "unet/config.json", unet)
    info = folders.inspect(folder)
    schema = schema_of(info)
    assert Size(schema["width"].default, schema["height"].default) == size
    assert info.needs.pixels == size.width * size.height


def test_models_that_work_on_pixels_have_no_factor() -> None:
    assert sizes.vae_factor({"unet": {"sample_size": 64}}) == 1
    assert sizes.vae_factor({"vae": {}, "unet": {}}) == sizes.vae_factor({}) == 8
    assert sizes.native_size(None, {"unet": {"sample_size": 64}}) == Size(64, 64)


def test_what_a_folder_says_about_itself(folder: Path) -> None:
    assert folders.inspect(folder).name == "model"
    about = {"name": "Tiny", "licence": "Apache-2.0", "recommended": {"steps": 8}, "examples": ["a cat"]}
    write(folder / "atelier.json", about)
    info = folders.inspect(folder)
    assert (info.name, info.about.recommended, info.about.examples) == ("Tiny", {"steps": 8}, ("a cat",))
    write(folder / "atelier.json", b'{"name": 3}')
    assert folders.inspect(folder).name == "model"


def test_revision(folder: Path, tmp_path: Path) -> None:
    first = folders.revision(folder)
    assert folders.revision(folder) == first
    write(folder / "vae/config.json", {"block_out_channels": [1, 2, 4, 8]})
    assert folders.revision(folder) != first
    snapshot = tmp_path / "hub" / "models--some--one--two" / "snapshots" / ("0123456789" * 4)
    shutil.copytree(folder, snapshot)
    assert folders.revision(snapshot) == "0123456789" * 4
    assert folders.folder_name(snapshot) == "some/one--two"


# -- broken folders ---------------------------------------------------------------------------------------------------

Break = Callable[[Path], object]
BROKEN: list[tuple[str, Break, ErrorCode, str]] = [
    ("no index", lambda f: (f / "model_index.json").unlink(), ErrorCode.MODEL_INCOMPLETE, "model_index.json"),
    ("index cut", lambda f: write(f / "model_index.json", b'{"a"'), ErrorCode.MODEL_CORRUPT, "model_index.json"),
    ("index a list", lambda f: write(f / "model_index.json", b"[]"), ErrorCode.MODEL_CORRUPT, "model_index.json"),
    ("index deep", lambda f: write(f / "model_index.json", b"[" * 99_999), ErrorCode.MODEL_CORRUPT, "model_index.json"),
    ("no part", lambda f: shutil.rmtree(f / "vae"), ErrorCode.MODEL_INCOMPLETE, "vae"),
    ("no tokenizer", lambda f: (f / "tokenizer/vocab.json").unlink(), ErrorCode.MODEL_INCOMPLETE, "tokenizer"),
    ("no config", lambda f: (f / "vae/config.json").unlink(), ErrorCode.MODEL_INCOMPLETE, "vae/config.json"),
    (
        "no scheduler", lambda f: (f / "scheduler/scheduler_config.json").unlink(),
        ErrorCode.MODEL_INCOMPLETE, "scheduler/scheduler_config.json",
    ),
    (
        "no weights", lambda f: (f / "text_encoder/model.safetensors").unlink(),
        ErrorCode.MODEL_INCOMPLETE, "text_encoder/model.safetensors",
    ),
    (
        "shards without index",
        lambda f: (f / "unet/diffusion_pytorch_model.safetensors").rename(
            f / "unet/diffusion_pytorch_model-00001-of-00002.safetensors"
        ),
        ErrorCode.MODEL_INCOMPLETE, "unet/diffusion_pytorch_model.safetensors.index.json",
    ),
    (
        "pickle", lambda f: (f / "text_encoder/model.safetensors").rename(f / "text_encoder/pytorch_model.bin"),
        ErrorCode.MODEL_NEEDS_PICKLE, "text_encoder/pytorch_model.bin",
    ),
    (
        "cut weights", lambda f: truncate(f / "unet/diffusion_pytorch_model.safetensors"),
        ErrorCode.MODEL_CORRUPT, "unet/diffusion_pytorch_model.safetensors",
    ),
    (
        "index to elsewhere", lambda f: shard_index(f, {"a": "../../secret.safetensors"}),
        ErrorCode.MODEL_CORRUPT, "vae/diffusion_pytorch_model.safetensors.index.json",
    ),
    (
        "index without map", lambda f: shard_index(f, {}),
        ErrorCode.MODEL_CORRUPT, "vae/diffusion_pytorch_model.safetensors.index.json",
    ),
    (
        "index promises more", lambda f: shard_index(f, {"a": "x.safetensors", "lost": "x.safetensors"}, "a"),
        ErrorCode.MODEL_CORRUPT, "vae/x.safetensors",
    ),
    (
        "part outside", lambda f: edit(f / "model_index.json", **{"../other": ["diffusers", "AutoencoderKL"]}),
        ErrorCode.MODEL_CORRUPT, "model_index.json",
    ),
]  # fmt: skip


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def shard_index(folder: Path, weight_map: dict[str, str], tensor: str = "") -> None:
    (folder / "vae/diffusion_pytorch_model.safetensors").unlink()
    write(folder / "vae/diffusion_pytorch_model.safetensors.index.json", {"weight_map": weight_map})
    if tensor:
        write(folder / "vae/x.safetensors", safetensors({tensor: ("F16", [1])}))


@pytest.mark.parametrize(("damage", "code", "file"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_damage_is_named(folder: Path, damage: Break, code: ErrorCode, file: str) -> None:
    damage(folder)
    error = refused(folder)
    assert (error.code, error.info.facts["file"]) == (code, file)


def test_a_hub_cache_whose_blob_is_gone(folder: Path, tmp_path: Path) -> None:
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    weights.unlink()
    try:
        weights.symlink_to(tmp_path / "blobs" / "gone")
    except OSError:
        pytest.skip("no symbolic links here")
    error = refused(folder)
    assert (error.code, error.info.facts["file"]) == (
        ErrorCode.MODEL_INCOMPLETE, "unet/diffusion_pytorch_model.safetensors",
    )  # fmt: skip


def test_code_of_its_own_is_refused(folder: Path) -> None:
    kept = (folder / "model_index.json").read_bytes()
    edit(folder / "model_index.json", _class_name=["pipeline", "MyPipeline"])
    assert refused(folder).code is ErrorCode.MODEL_NEEDS_REMOTE_CODE
    write(folder / "model_index.json", kept)
    edit(folder / "model_index.json", unet=["modeling", "MyUNet"])
    write(folder / "unet/modeling.py", b"")
    assert refused(folder).code is ErrorCode.MODEL_NEEDS_REMOTE_CODE
    edit(folder / "model_index.json", unet=["some.module", "MyUNet"])
    assert refused(folder).code is ErrorCode.MODEL_NEEDS_REMOTE_CODE
    write(folder / "model_index.json", kept)
    edit(folder / "model_index.json", text_encoder=["transformers", "AutoModel"])
    write(folder / "text_encoder/config.json", {"auto_map": {"AutoModel": "modeling.Mine"}})
    assert refused(folder).code is ErrorCode.MODEL_NEEDS_REMOTE_CODE


def test_other_kinds_of_folders(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AtelierError) as caught:
        folders.inspect(tmp_path / "nowhere")
    assert caught.value.code is ErrorCode.MODEL_NOT_INSTALLED
    (tmp_path / "pictures").mkdir()
    with pytest.raises(AtelierError) as caught:
        folders.inspect(tmp_path / "pictures")
    assert caught.value.code is ErrorCode.MODEL_UNSUPPORTED
    edit(folder / "model_index.json", unet=["diffusers", "OnnxRuntimeModel"])
    assert refused(folder).code is ErrorCode.MODEL_UNSUPPORTED


# -- hostile headers --------------------------------------------------------------------------------------------------


def tensor(begin: int, end: int, shape: list[int] | None = None, dtype: str = "U8") -> dict[str, Any]:
    return {"dtype": dtype, "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


def with_data(header: object, data: int) -> bytes:
    return framed(json.dumps(header).encode()) + bytes(data)


HOSTILE = {
    "empty file": b"",
    "short file": b"\x01\x02",
    "50 GB header": framed(b"{}", 50 * 10**9),
    "header of 2^64 - 1": framed(b"{}", 2**64 - 1),
    "not JSON": framed(b"PK\x03\x04 not json"),
    "not UTF-8": framed(b'{"\xff\xfe": 1}'),
    "a list": framed(b"[1, 2]"),
    "very deep": framed(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "negative offsets": with_data({"a": tensor(-8, 0, [8])}, 8),
    "offsets backwards": with_data({"a": tensor(8, 0, [8])}, 8),
    "beyond the end": with_data({"a": tensor(0, 10**15)}, 8),
    "too little data": with_data({"a": tensor(0, 8)}, 7),
    "too much data": with_data({"a": tensor(0, 8)}, 9),
    "overlapping": with_data({"a": tensor(0, 8), "b": tensor(4, 12)}, 12),
    "gap": with_data({"a": tensor(0, 4), "b": tensor(8, 12)}, 12),
    "shape too large": with_data({"a": tensor(0, 8, [2**40, 2**40])}, 8),
    "negative shape": with_data({"a": tensor(0, 8, [-2, -4])}, 8),
    "many dimensions": with_data({"a": tensor(0, 1, [1] * 10_000)}, 1),
    "text for a shape": with_data({"a": {"dtype": "U8", "shape": "8", "data_offsets": [0, 8]}}, 8),
    "too many of an unknown type": with_data({"a": tensor(0, 8, [2**60], "NEW")}, 8),
    "no offsets": with_data({"a": {"dtype": "U8", "shape": [8]}}, 8),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_headers_are_refused_at_once(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    began = time.perf_counter()
    with pytest.raises(BrokenHeaderError):
        headers.read_header(path)
    assert time.perf_counter() - began < 2


def test_an_unknown_type_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(with_data({"a": tensor(0, 3, [4], "F6_E2M3")}, 3))
    assert headers.read_header(path).bytes_by_dtype == {"f6_e2m3": 3}


ENTRY = st.fixed_dictionaries({
    "dtype": st.sampled_from(["F16", "F32", "U8", "BOOL", "X"]) | st.text(max_size=4),
    "shape": st.lists(st.integers(-2, 2**70), max_size=5),
    "data_offsets": st.lists(st.integers(-(2**70), 2**70) | st.integers(0, 64), max_size=3),
})  # fmt: skip
JUNK = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)


@given(st.dictionaries(st.text(max_size=6), ENTRY | JUNK, max_size=5), st.binary(max_size=80))
def test_any_header_is_read_or_refused(tmp_path: Path, header: dict[str, Any], data: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(framed(json.dumps(header).encode()) + data)
    try:
        found = headers.read_header(path)
    except BrokenHeaderError:
        return
    assert sum(found.bytes_by_dtype.values()) == len(data)
    assert found.parameters >= 0


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    try:
        assert headers.read_header(path).parameters == 0 or len(content) > 10
    except BrokenHeaderError:
        return


@pytest.mark.parametrize("name", ["model", "model-0123456789abcdef"])
def test_a_note_of_somebody_elses_is_refused(folder: Path, name: str) -> None:
    note = {"file": str(folder / "unet" / "x.safetensors"), "size_bytes": 1, "mtime_ns": 1, "allow_pickle": True}
    moved = folder.rename(folder.with_name(name))
    (moved / "unet" / "x.safetensors").write_bytes(b"x")
    for text in (json.dumps(note | {"file": str(moved / "unet" / "x.safetensors")}), "{", "[]"):
        (moved / "single.json").write_text(text)
        with pytest.raises(AtelierError) as caught:
            folders.inspect(moved)
        assert caught.value.code is ErrorCode.MODEL_CORRUPT
