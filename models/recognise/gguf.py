"""The header of a GGUF file, read and checked without its tensors.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Our own reader, since that of the ``gguf`` package
maps the file and builds an array for every value (a tokenizer has a hundred thousand), believing each length it is
told. Here nothing is taken on trust: lengths are checked against the file, and there is an end to how much is read.
"""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import BinaryIO

from models.headers import GGML_TYPES, BrokenHeaderError, Listing, Tensor

MAGIC = b"GGUF"
MAX_HEADER = 64_000_000
"""Bytes; the largest known headers, with a tokenizer in them, have ten million."""
MAX_TENSORS = 100_000
MAX_ITEMS = 2_000_000
_MAX_NAME = 4096
_MAX_WORD = 65_536
_MAX_SHAPE = 8
_ALIGNMENT = 32

# Type of a value: how it is packed. 8 is a string, 9 an array.
_PACKED = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9

_SHAPE_OF = "comfy.gguf.orig_shape."
"""What converters write for tensors whose shape had to be changed to be packed."""


def read_gguf(path: Path) -> Listing:
    """Every tensor of ``path`` (shapes in torch's order) and its plain values as words.

    Raises:
        BrokenHeaderError: not GGUF, another version, cut off, or lengths that cannot be.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return _Reader(file, os.fstat(file.fileno()).st_size).listing()


class _Reader:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._items = 0
        self._words: dict[str, str] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._alignment = _ALIGNMENT

    def listing(self) -> Listing:
        if self._take(4) != MAGIC:
            raise BrokenHeaderError("it does not begin as GGUF")
        version = self._number("<I")
        if version not in (2, 3):
            raise BrokenHeaderError(f"GGUF version {version}")
        tensors, values = self._number("<Q"), self._number("<Q")
        if max(tensors, values) > MAX_TENSORS:
            raise BrokenHeaderError(f"{tensors} tensors and {values} values")
        for _ in range(values):
            self._value()
        found = [self._tensor() for _ in range(tensors)]
        start = -(-self._file.tell() // self._alignment) * self._alignment
        return Listing(self._placed(found, start), self._words, "gguf")

    # -- values

    def _value(self) -> None:
        name = self._string(_MAX_NAME)
        kind = self._number("<I")
        if kind == _ARRAY:
            self._array(name)
        elif kind == _STRING:
            self._words[name] = self._string(MAX_HEADER)[:_MAX_WORD]
        else:
            value = self._number(self._packing(kind))
            self._words[name] = str(value)
            if name == "general.alignment":
                if not (isinstance(value, int) and 1 <= value <= 1 << 20):
                    raise BrokenHeaderError(f"an alignment of {value}")
                self._alignment = value

    def _array(self, name: str) -> None:
        """Arrays are passed over, but for the few that tell a tensor's own shape."""
        kind, count = self._number("<I"), self._number("<Q")
        if kind == _STRING:
            self._count(count)
            for _ in range(count):
                self._skip(self._number("<Q"))
            return
        packing = self._packing(kind)
        if name.startswith(_SHAPE_OF) and count <= _MAX_SHAPE:
            numbers = tuple(int(self._number(packing)) for _ in range(count))
            self._shapes[name.removeprefix(_SHAPE_OF)] = numbers
        else:
            self._skip(count * struct.calcsize(packing))

    def _packing(self, kind: int) -> str:
        if kind not in _PACKED:  # arrays of arrays are allowed by the format and used by nobody
            raise BrokenHeaderError(f"a value of type {kind}")
        return _PACKED[kind]

    # -- tensors

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self._string(_MAX_NAME)
        dimensions = self._number("<I")
        if dimensions > _MAX_SHAPE:
            raise BrokenHeaderError(f"{name} has {dimensions} dimensions")
        shape = tuple(reversed([self._number("<Q") for _ in range(dimensions)]))
        return name, shape, self._number("<I"), self._number("<Q")

    def _placed(self, found: list[tuple[str, tuple[int, ...], int, int]], start: int) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {}
        for name, shape, kind, offset in found:
            if kind not in GGML_TYPES:
                raise BrokenHeaderError(f"{name} is of type {kind}")
            dtype, block, size = GGML_TYPES[kind]
            count = math.prod(shape)
            nbytes = -(-count // block) * size
            if start + offset + nbytes > self._size:
                raise BrokenHeaderError(f"{name} ends after the file does")
            own = self._shapes.get(name, shape)
            if math.prod(own) != count or any(side < 0 for side in own):
                raise BrokenHeaderError(f"{name} has shape {shape} and {own}")
            tensors[name] = Tensor(dtype, own, start + offset, nbytes)
        return tensors

    # -- bytes

    def _take(self, count: int) -> bytes:
        self._room(count)
        data = self._file.read(count)
        if len(data) != count:
            raise BrokenHeaderError("the header is cut off")
        return data

    def _skip(self, count: int) -> None:
        self._room(count)
        self._file.seek(count, os.SEEK_CUR)

    def _room(self, count: int) -> None:
        if self._file.tell() + count > min(self._size, MAX_HEADER):
            raise BrokenHeaderError(f"{count} bytes more than there are")

    def _count(self, count: int) -> None:
        self._items += count
        if self._items > MAX_ITEMS:
            raise BrokenHeaderError(f"{self._items} values")

    def _number(self, packing: str) -> int:
        value: int = struct.unpack(packing, self._take(struct.calcsize(packing)))[0]
        return value

    def _string(self, longest: int) -> str:
        length = self._number("<Q")
        if length > longest:
            raise BrokenHeaderError(f"a word of {length} bytes")
        return self._take(length).decode("utf-8", "replace")
