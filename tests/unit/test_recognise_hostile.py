"""GGUF and pickled files, good and bad: what they claim is checked, and nothing in them is ever run."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import headers
from models.errors import AtelierError, ErrorCode
from models.recognise import FileKind, recognise
from models.recognise.files import list_tensors
from models.recognise.gguf import read_gguf
from models.recognise.pickled import read_pickled
from models.singles import prepare
from tests.unit.test_recognise import DENOISERS, LORAS, OTHERS

KNOWN = (ErrorCode.MODEL_CORRUPT, ErrorCode.FILE_UNKNOWN)

# -- GGUF -------------------------------------------------------------------------------------------------------------


def word(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf(
    tensors: dict[str, tuple[tuple[int, ...], int, int]], values: bytes = b"", count: int = 0, version: int = 3
) -> bytes:
    """A whole file: name -> shape (torch's order), type, bytes."""
    infos, data = b"", b""
    for name, (shape, kind, size) in tensors.items():
        sides = struct.pack(f"<{len(shape)}Q", *reversed(shape))
        infos += word(name) + struct.pack("<I", len(shape)) + sides + struct.pack("<IQ", kind, len(data))
        data += bytes(-(-size // 32) * 32)
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), count) + values + infos
    return head + bytes(-len(head) % 32) + data


FLUX = {
    "double_blocks.0.img_attn.qkv.weight": ((96, 32), 8, 96 * 34),
    "single_blocks.0.linear1.weight": ((224, 32), 8, 224 * 34),
    "guidance_in.in_layer.weight": ((32, 256), 0, 32 * 256 * 4),
}


def test_a_gguf_is_recognised(tmp_path: Path) -> None:
    values = word("general.architecture") + struct.pack("<I", 8) + word("flux")
    values += word("tokens") + struct.pack("<IIQ", 9, 8, 2) + word("a") + word("b")
    values += word("numbers") + struct.pack("<IIQ", 9, 4, 3) + bytes(12)
    (tmp_path / "a.gguf").write_bytes(gguf(FLUX, values, 3))
    found = recognise(tmp_path / "a.gguf")
    assert (found.kind, found.family, found.variant, found.format) == (FileKind.DENOISER, "flux1", "", "gguf")
    assert found.parameters == 96 * 32 + 224 * 32 + 32 * 256
    listing = read_gguf(tmp_path / "a.gguf")
    assert listing.tensors["single_blocks.0.linear1.weight"].dtype == "q8_0"
    assert listing.tensors["single_blocks.0.linear1.weight"].shape == (224, 32)
    assert listing.metadata == {"general.architecture": "flux"}


def test_the_types_are_those_of_the_gguf_package() -> None:
    constants = pytest.importorskip("gguf.constants")
    names = {0: "float32", 1: "float16", 24: "int8", 25: "int16", 26: "int32", 27: "int64", 28: "float64"}
    names[30] = "bfloat16"
    for kind, (block, size) in constants.GGML_QUANT_SIZES.items():
        if int(kind) in headers.GGML_TYPES:
            assert headers.GGML_TYPES[int(kind)] == (names.get(int(kind), kind.name.lower()), block, size)
    assert {0, 1, 2, 8, 10, 11, 12, 13, 14, 30} <= headers.GGML_TYPES.keys()


@pytest.mark.parametrize(
    "data",
    [
        b"GGUF",
        b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63) + bytes(64),
        b"GGUF" + struct.pack("<IQQ", 9, 0, 0),
        gguf(FLUX)[:-1000],
        gguf(FLUX, word("x") + struct.pack("<IIQ", 9, 8, 2**62), 1),
        gguf(FLUX, word("x") + struct.pack("<IIQ", 9, 4, 2**62), 1),
        gguf(FLUX, word("x") + struct.pack("<I", 8) + struct.pack("<Q", 2**50), 1),
        gguf(FLUX, word("x") + struct.pack("<I", 77), 1),
        gguf(FLUX, word("general.alignment") + struct.pack("<II", 4, 0), 1),
        gguf({"a": ((2**40, 2**40), 0, 4)}),
        gguf({"a": ((1,) * 9, 0, 4)}),
        gguf({"a": ((1,), 1234, 4)}),
    ],
)
def test_a_bad_gguf_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.gguf").write_bytes(data)
    with pytest.raises(AtelierError) as caught:
        recognise(tmp_path / "a.gguf")
    assert caught.value.code is ErrorCode.MODEL_CORRUPT


# -- pickles ----------------------------------------------------------------------------------------------------------


class _Named:
    """Pickles as a call of something by its name, without that something being there."""

    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.call = (module, name, arguments)


class _Storage:
    def __init__(self, kind: str, count: int) -> None:
        self.kind, self.count = kind, count


def pickled(value: Any, protocol: int = 2) -> bytes:
    """As torch pickles: tensors are calls, storages are references."""
    stream = io.BytesIO()
    stream.write(b"\x80" + bytes([protocol]))
    _emit(stream, value)
    stream.write(b".")
    return stream.getvalue()


def _emit(out: io.BytesIO, value: Any) -> None:
    if isinstance(value, dict):
        out.write(b"}(")
        for key, each in value.items():
            _emit(out, key)
            _emit(out, each)
        out.write(b"u")
    elif isinstance(value, _Storage):
        out.write(b"(")
        _emit(out, "storage")
        out.write(f"ctorch\n{value.kind}\n".encode())
        for each in ("0", "cpu", value.count):
            _emit(out, each)
        out.write(b"tQ")
    elif isinstance(value, _Named):
        module, name, arguments = value.call
        out.write(f"c{module}\n{name}\n".encode())
        _emit(out, arguments)
        out.write(b"R")
    elif isinstance(value, tuple):
        out.write(b"(")
        for each in value:
            _emit(out, each)
        out.write(b"t")
    else:
        out.write(pickle.dumps(value, 2)[2:-1])


def tensor(*shape: int, kind: str = "HalfStorage") -> _Named:
    count = 1
    for side in shape:
        count *= side
    return _Named("torch._utils", "_rebuild_tensor_v2", _Storage(kind, count), 0, shape, (1,) * len(shape), False, {})


def zipped(path: Path, data: bytes, room: int = 3_000_000) -> Path:
    """An archive as torch writes it, with ``room`` bytes for what the tensors claim."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/data/0", bytes(room))
    return path


UNET = "model.diffusion_model."
CHECKPOINT = {
    f"{UNET}input_blocks.0.0.weight": tensor(320, 9, 3, 3),
    f"{UNET}time_embed.0.weight": tensor(1280, 320),
    f"{UNET}out.2.weight": tensor(4, 320, 3, 3),
    f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": tensor(320, 768),
    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight": tensor(77, 768),
}


def test_a_pickled_checkpoint_is_listed(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.ckpt", pickled({"state_dict": CHECKPOINT, "global_step": 5, "lr": 0.5}))
    found = recognise(path)
    assert (found.kind, found.family, found.variant) == (FileKind.CHECKPOINT, "sd15", "inpaint")
    assert (found.format, found.warnings) == ("pickle", ("pickle",))
    shapes = {name: each.shape for name, each in list_tensors(path).tensors.items()}
    assert shapes[f"state_dict.{UNET}input_blocks.0.0.weight"] == (320, 9, 3, 3)


def test_an_old_stream_is_listed(tmp_path: Path) -> None:
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    about = pickle.dumps({"little_endian": True}, 2)
    data = (
        magic
        + pickle.dumps(1001, 2)
        + about
        + pickled(
            {
                "params": {
                    "body.0.weight": tensor(64, 3, 3, 3),
                    "body.1.weight": tensor(64),
                    "body.34.weight": tensor(48, 64, 3, 3),
                }
            }
        )
        + bytes(200_000)
    )
    (tmp_path / "a.pth").write_bytes(data)
    found = recognise(tmp_path / "a.pth")
    assert (found.kind, found.variant) == (FileKind.UPSCALER, "compact x4")


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_pickle_is_never_run(tmp_path: Path, protocol: int) -> None:
    ran = tmp_path / "it-ran"

    class Evil:
        def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
            return os.system, (f"touch {ran}",)

    data = pickle.dumps(OrderedDict(a=Evil(), b=[Evil()]), protocol)
    (tmp_path / "plain.ckpt").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "zip.ckpt", "w") as archive:
        archive.writestr("archive/data.pkl", data)
    for name in ("plain.ckpt", "zip.ckpt"):
        with pytest.raises(AtelierError) as caught:
            recognise(tmp_path / name)
        assert caught.value.code in KNOWN
    assert not ran.exists()


def test_weights_beside_code_are_listed_without_running_it(tmp_path: Path) -> None:
    ran = tmp_path / "it-ran"
    evil = _Named("os", "system", f"touch {ran}")
    path = zipped(tmp_path / "a.ckpt", pickled({**CHECKPOINT, "callback": evil}))
    assert recognise(path).family == "sd15"
    assert not ran.exists()


def test_another_archive_is_no_weight_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.ckpt", "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    with pytest.raises(AtelierError) as caught:
        recognise(tmp_path / "a.ckpt")
    assert caught.value.code is ErrorCode.FILE_UNKNOWN


def test_a_cut_off_archive_is_broken(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.ckpt", pickled(CHECKPOINT))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(AtelierError) as caught:
        recognise(path)
    assert caught.value.code is ErrorCode.MODEL_CORRUPT


def test_a_packed_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"}" * 200_000_000)
    peak = _peak(tmp_path / "a.ckpt")
    assert peak < 300_000_000


def test_a_tree_that_grows_without_end_is_left(tmp_path: Path) -> None:
    """Each level holds the one below twice: a hundred bytes that stand for 2**60 tensors."""
    levels = b"".join(b"}(X\x01\0\0\0ah\x00X\x01\0\0\0bh\x00uq\x00" for _ in range(60))
    (tmp_path / "a.ckpt").write_bytes(b"\x80\x02}q\x00" + levels + b".")
    with pytest.raises(AtelierError):
        recognise(tmp_path / "a.ckpt")


@pytest.mark.parametrize("code", [b"B", b"\x8e", b"X", b"\x8d", b"\x8b"])
def test_a_word_that_claims_to_be_long_is_not_read(tmp_path: Path, code: bytes) -> None:
    with (tmp_path / "a.ckpt").open("wb") as file:
        file.write(b"\x80\x04" + code + b"\xff\xff\xff\x7f" + bytes(4))
        file.truncate(20_000_000_000)
    assert _peak(tmp_path / "a.ckpt") < 200_000_000


def _peak(path: Path) -> int:
    """Bytes that were needed to refuse a file."""
    tracemalloc.start()
    try:
        with pytest.raises(AtelierError) as caught:
            recognise(path)
        assert caught.value.code in KNOWN
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# -- anything at all --------------------------------------------------------------------------------------------------

_ANY = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def survives(path: Path, data: bytes) -> None:
    """It is recognised or refused, and what can be run is made ready or refused; nothing else ever happens."""
    path.write_bytes(data)
    with contextlib.suppress(AtelierError):
        found = recognise(path)
        prepare(path, found, path.parent / "cache", lambda _: None, allow_pickle=True)


@_ANY
@given(
    data=st.binary(max_size=400),
    start=st.sampled_from([b"", b"GGUF\x03\0\0\0", b"\x80\x02", b"\x80\x04", b"PK\x03\x04"]),
)
def test_any_bytes_are_survived(tmp_path: Path, data: bytes, start: bytes) -> None:
    survives(tmp_path / "a.bin", start + data)


@_ANY
@given(at=st.integers(0, 600), byte=st.integers(0, 255), which=st.sampled_from(["gguf", "pickle"]))
def test_any_changed_byte_is_survived(tmp_path: Path, at: int, byte: int, which: str) -> None:
    data = bytearray(gguf(FLUX) if which == "gguf" else pickled(CHECKPOINT))
    data[at % len(data)] = byte
    survives(tmp_path / "a.bin", bytes(data))


_SIDES = st.lists(st.integers(-1, 2**70), max_size=6)
_ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F16", "F32", "I8", "??"]),
        "shape": _SIDES,
        "data_offsets": st.tuples(st.integers(-1, 2**70), st.integers(-1, 2**70)),
    }
)
_NAMES = st.sampled_from(
    [*CHECKPOINT, "a.lora_A.weight", "clip_l", "emb_params", "body.0.weight", "decoder.conv_in.weight"]
)


@_ANY
@given(header=st.dictionaries(_NAMES, _ENTRY, max_size=6))
def test_any_safetensors_header_is_survived(tmp_path: Path, header: dict[str, Any]) -> None:
    data = json.dumps(header).encode()
    survives(tmp_path / "a.safetensors", len(data).to_bytes(8, "little") + data)


_LISTS = [row[1] for row in (*DENOISERS, *LORAS, *OTHERS)]


@_ANY
@given(which=st.sampled_from(_LISTS), odd=st.data())
def test_known_names_with_any_shapes_are_survived(
    tmp_path: Path, which: dict[str, list[int]], odd: st.DataObject
) -> None:
    shapes = {name: odd.draw(st.lists(st.integers(0, 3), max_size=5)) for name in which}
    data = pickled({name: tensor(*shape) for name, shape in shapes.items()}) + bytes(2000)
    survives(tmp_path / "a.bin", data)
    assert read_pickled(tmp_path / "a.bin") is not None
