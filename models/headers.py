"""The header of a safetensors file: what tensors it holds, read and checked without reading them.

Format: https://huggingface.co/docs/safetensors - eight bytes of length (little endian), that many bytes of JSON, then
the tensors' bytes, without gaps. A file is another's work until proven: nothing in the header is believed before it was
checked against the file's size.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import msgspec

MAX_HEADER = 100_000_000
"""Bytes; the limit of the safetensors library itself."""
MAX_DIMENSIONS = 32

# Bits of one number, and torch's name of the type where it has one.
_TYPES: dict[str, tuple[int, str]] = {
    "F64": (64, "float64"),
    "F32": (32, "float32"),
    "F16": (16, "float16"),
    "BF16": (16, "bfloat16"),
    "F8_E4M3": (8, "float8_e4m3fn"),
    "F8_E5M2": (8, "float8_e5m2"),
    "I64": (64, "int64"),
    "I32": (32, "int32"),
    "I16": (16, "int16"),
    "I8": (8, "int8"),
    "U64": (64, "uint64"),
    "U32": (32, "uint32"),
    "U16": (16, "uint16"),
    "U8": (8, "uint8"),
    "BOOL": (8, "bool"),
    "F4": (4, "float4"),
}


GGML_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("float32", 1, 4),
    1: ("float16", 1, 2),
    2: ("q4_0", 32, 18),
    3: ("q4_1", 32, 20),
    6: ("q5_0", 32, 22),
    7: ("q5_1", 32, 24),
    8: ("q8_0", 32, 34),
    9: ("q8_1", 32, 40),
    10: ("q2_k", 256, 84),
    11: ("q3_k", 256, 110),
    12: ("q4_k", 256, 144),
    13: ("q5_k", 256, 176),
    14: ("q6_k", 256, 210),
    15: ("q8_k", 256, 292),
    16: ("iq2_xxs", 256, 66),
    17: ("iq2_xs", 256, 74),
    18: ("iq3_xxs", 256, 98),
    19: ("iq1_s", 256, 50),
    20: ("iq4_nl", 32, 18),
    21: ("iq3_s", 256, 110),
    22: ("iq2_s", 256, 82),
    23: ("iq4_xs", 256, 136),
    24: ("int8", 1, 1),
    25: ("int16", 1, 2),
    26: ("int32", 1, 4),
    27: ("int64", 1, 8),
    28: ("float64", 1, 8),
    29: ("iq1_m", 256, 56),
    30: ("bfloat16", 1, 2),
    34: ("tq1_0", 256, 54),
    35: ("tq2_0", 256, 66),
    39: ("mxfp4", 32, 17),
    40: ("nvfp4", 64, 36),
    41: ("q1_0", 128, 18),
}
"""Types of GGUF files: their number there -> name, numbers in a block, bytes of a block."""


class BrokenHeaderError(Exception):
    """The file is not a whole safetensors file; the text says what is wrong with it."""


class Tensor(msgspec.Struct, frozen=True):
    """One tensor of a file: torch's name of its type (or the format's own), its shape, and where its bytes lie, counted
    from the start of the file (0 where a format does not say)."""

    dtype: str
    shape: tuple[int, ...]
    begin: int = 0
    size_bytes: int = 0

    @property
    def count(self) -> int:
        return math.prod(self.shape)


class Listing(msgspec.Struct, frozen=True):
    """All tensors of a weight file by name, and the words its header carries. ``format`` is "safetensors", "gguf" or
    "pickle"."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str] = {}
    format: str = "safetensors"


class _Entry(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class Header(msgspec.Struct, frozen=True):
    """What one file holds.

    ``bytes_by_dtype`` tells how its weights are stored (torch's names), ``leaves`` the parameters of each layer by its
    path ("down_blocks.0.resnets.0.conv1"), ``tensors`` all names.
    """

    tensors: frozenset[str]
    parameters: int
    bytes_by_dtype: dict[str, int]
    leaves: dict[str, int]


_ENTRIES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENTRY = msgspec.json.Decoder(_Entry)
_METADATA = msgspec.json.Decoder(dict[str, str])


def read_header(path: Path) -> Header:
    """Read and check the header of ``path``; costs a read of the header only, a few milliseconds at most.

    Raises:
        BrokenHeaderError: wrong length, not JSON, or tensors that do not fill the file exactly.
        OSError: the file cannot be read.
    """
    raw, size = _read(path)
    return _header(_entries(raw), size - 8 - len(raw))


def read_listing(path: Path) -> Listing:
    """Every tensor of ``path`` with its shape, and the file's own words; checked and raised as by ``read_header``."""
    raw, size = _read(path)
    entries, start = _entries(raw), 8 + len(raw)
    _header(entries, size - start)
    tensors = {
        name: Tensor(
            _TYPES.get(entry.dtype, (0, entry.dtype.lower()))[1],
            tuple(entry.shape),
            start + entry.data_offsets[0],
            entry.data_offsets[1] - entry.data_offsets[0],
        )
        for name, entry in entries.items()
    }
    return Listing(tensors, _metadata(raw))


def _read(path: Path) -> tuple[bytes, int]:
    """The header as it lies in the file, and the size of the whole file in bytes."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= min(MAX_HEADER, size - 8):
            raise BrokenHeaderError(f"a header of {length} bytes in a file of {size}")
        return file.read(length), size


def _metadata(raw: bytes) -> dict[str, str]:
    """What trainers and tools wrote about the file; nothing where it is not what the format says, for it is only
    words."""
    try:
        found = _ENTRIES.decode(raw).get("__metadata__")
        return _METADATA.decode(found) if found is not None else {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _entries(raw: bytes) -> dict[str, _Entry]:
    try:
        found = _ENTRIES.decode(raw)
        return {name: _ENTRY.decode(entry) for name, entry in found.items() if name != "__metadata__"}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenHeaderError(f"the header is not what it should be: {error}") from error


def _header(entries: dict[str, _Entry], data: int) -> Header:
    """Count what is there, after checking that the tensors fill the ``data`` bytes without gap or overlap."""
    parameters = end = 0
    by_dtype: dict[str, int] = {}
    leaves: dict[str, int] = {}
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        count = _count(name, entry)
        if entry.data_offsets[0] != end:
            raise BrokenHeaderError(f"{name} begins at byte {entry.data_offsets[0]}, the one before ends at {end}")
        end = entry.data_offsets[1]
        stored = _TYPES.get(entry.dtype, (0, entry.dtype.lower()))[1]
        parameters += count
        by_dtype[stored] = by_dtype.get(stored, 0) + entry.data_offsets[1] - entry.data_offsets[0]
        leaf = name.rpartition(".")[0]
        leaves[leaf] = leaves.get(leaf, 0) + count
    if end != data:
        raise BrokenHeaderError(f"{data} bytes of tensors, {end} expected")
    return Header(frozenset(entries), parameters, by_dtype, leaves)


def _count(name: str, entry: _Entry) -> int:
    """How many numbers a tensor holds. Raises BrokenHeaderError unless its shape, type and bytes agree."""
    begin, end = entry.data_offsets
    if not 0 <= begin <= end or len(entry.shape) > MAX_DIMENSIONS or any(side < 0 for side in entry.shape):
        raise BrokenHeaderError(f"{name} has shape {entry.shape[:MAX_DIMENSIONS]} and offsets {begin}, {end}")
    count = math.prod(entry.shape)
    bits = _TYPES.get(entry.dtype, (0, ""))[0]
    # Of a type not known here only so much is sure: a number takes at least a bit.
    if count * (bits or 1) > (end - begin) * 8 or (bits and count * bits != (end - begin) * 8):
        raise BrokenHeaderError(f"{name} has shape {entry.shape} of {entry.dtype} in {end - begin} bytes")
    return count
