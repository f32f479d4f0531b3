"""The tensors of a pickled file (.ckpt, .pt, .pth, .bin), listed without unpickling it.

A pickle is a program; loading one runs it. Here its instructions are only read (``pickletools``) and followed on paper,
as far as torch's own way of writing tensors goes: containers, strings, numbers, and the one call that puts a tensor
together. Every other call becomes "something unknown". Nothing is imported and nothing is called.

Three forms exist: a zip archive with ``data.pkl`` in it (torch 1.6 and later), a bare stream of five pickles (before),
and plain pickles of anything. How much is read and followed is bounded, whatever the file claims.
"""

from __future__ import annotations

import io
import math
import os
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from models.headers import BrokenHeaderError, Listing, Tensor

MAX_PICKLE = 64_000_000
"""Bytes of instructions; those of a checkpoint with its optimiser have a few million."""
MAX_STEPS = 1_000_000
MAX_TENSORS = 200_000
_MAX_DIRECTORY = 32_000_000
_MAX_DEPTH = 8
_LOCAL = 30
"""Bytes of what an archive writes before each entry, without its name."""
Places = dict[str, tuple[int, int]]
"""Storage -> where it begins in the file and its length, in bytes."""
_LEGACY = 0x1950A86A20F9469CFC6C
"""What torch's old files begin with, as a pickled number."""

_STORAGES: dict[str, tuple[str, int]] = {
    "DoubleStorage": ("float64", 8),
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
}


class _Global(str):
    """The name of something a pickle would import: "torch._utils _rebuild_tensor_v2"."""

    __slots__ = ()


class _Unknown:
    """The result of a call that was not made."""


class _Storage(NamedTuple):
    """Bytes that lie elsewhere in the file, under ``key``."""

    dtype: str
    width: int
    key: str


class _Found(NamedTuple):
    """A tensor on paper: where in its storage it begins, in bytes; -1 if it does not lie there in one piece."""

    storage: _Storage
    shape: tuple[int, ...]
    begin: int


_MARK = object()
_UNKNOWN = _Unknown()


def is_pickle(start: bytes) -> bool:
    """Whether a file that begins with ``start`` may be one: a zip archive, or a pickle of protocol 2 to 5."""
    return start.startswith(b"PK\x03\x04") or (len(start) > 2 and start[0] == 0x80 and 2 <= start[1] <= 5)


def read_pickled(path: Path) -> Listing | None:
    """Names and shapes of the tensors in ``path``; None for a zip archive or pickle that is no such file.

    Raises:
        BrokenHeaderError: cut off, or beyond what a real file needs.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        places: Places = {}
        value = _from_zip(file, size, places) if file.read(2) == b"PK" else _from_stream(file)
        if value is None:
            return None
        tensors = {name: _placed(name, found, places, size) for name, found in _flattened(value)}
    return Listing(tensors, {}, "pickle") if tensors else None


def _placed(name: str, found: _Found, places: Places, size: int) -> Tensor:
    """With where its bytes lie in the file, if they lie there as they are."""
    storage, nbytes = found.storage, math.prod(found.shape) * found.storage.width
    begin, room = places.get(storage.key, (0, size))
    if max(found.begin, 0) + nbytes > room:
        raise BrokenHeaderError(f"{name} is larger than what is there")
    known = begin and found.begin >= 0
    return Tensor(storage.dtype, found.shape, begin + found.begin if known else 0, nbytes)


def _from_zip(file: BinaryIO, size: int, places: Places) -> Any:
    """What the pickle in an archive would make; ``places`` is filled with where each storage's bytes lie."""
    _check_directory(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            name = next((n for n in archive.namelist() if n.endswith("/data.pkl") or n == "data.pkl"), "")
            if not name:
                return None
            with archive.open(name) as inner:
                data = inner.read(MAX_PICKLE + 1)
            places.update(_storages(file, archive, f"{name.removesuffix('data.pkl')}data/", size))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise BrokenHeaderError(f"the archive is broken: {error}") from error
    if len(data) > MAX_PICKLE:
        raise BrokenHeaderError("its list of tensors is too long")
    return _Machine().run(io.BytesIO(data))


def _storages(
    file: BinaryIO, archive: zipfile.ZipFile, folder: str, size: int
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Where each storage begins and how long it is, of those that are not packed."""
    for entry in archive.infolist():
        if entry.filename.startswith(folder) and entry.compress_type == zipfile.ZIP_STORED:
            file.seek(entry.header_offset)
            head = file.read(_LOCAL)
            if len(head) == _LOCAL and head.startswith(b"PK\x03\x04"):
                begin = (
                    entry.header_offset + _LOCAL + sum(int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
                )
                if begin + entry.file_size <= size:
                    yield entry.filename.removeprefix(folder), (begin, entry.file_size)


def _check_directory(file: BinaryIO, size: int) -> None:
    """The archive's table of contents lies at its end, and zipfile reads all of it: look at how long it is first."""
    tail = min(size, 65_557)
    file.seek(size - tail)
    data = file.read(tail)
    at = data.rfind(b"PK\x05\x06")
    if at < 0 or len(data) < at + 22:
        raise BrokenHeaderError("the archive is cut off")
    length = int.from_bytes(data[at + 12 : at + 16], "little")
    if length != 0xFFFFFFFF and length > _MAX_DIRECTORY:
        raise BrokenHeaderError("its table of contents is too long")
    if length == 0xFFFFFFFF and (end := data.rfind(b"PK\x06\x06")) >= 0:
        length = int.from_bytes(data[end + 40 : end + 48], "little")
        if length > _MAX_DIRECTORY:
            raise BrokenHeaderError("its table of contents is too long")
    file.seek(0)


def _from_stream(file: BinaryIO) -> Any:
    file.seek(0)
    limited = _Limited(file)
    machine = _Machine()
    first = machine.run(limited)
    if first != _LEGACY:
        return first
    machine.run(limited)  # version of the format
    machine.run(limited)  # about the machine it was written on
    return machine.run(limited)


class _Limited(io.RawIOBase):
    """A file of which only so much can be read: strings in a pickle say their own length, and are read at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        self._check(size)
        return self._file.read(size)

    def readline(self, size: int | None = -1) -> bytes:
        self._check(0)
        return self._file.readline(MAX_PICKLE)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, size: int) -> None:
        if size < 0 or size > MAX_PICKLE or self._file.tell() + size > MAX_PICKLE:
            raise BrokenHeaderError("its list of tensors is too long")


class _Machine:
    """Follows one pickle after another on paper, with a memory of its own for each."""

    def __init__(self) -> None:
        self._steps = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, source: Any) -> Any:
        """What the next pickle of ``source`` would make, as far as it is known here.

        Raises:
            BrokenHeaderError: no whole pickle, or one too long.
        """
        self._stack, self._memo = [], {}
        try:
            for code, argument, _ in pickletools.genops(source):
                self._steps += 1
                if self._steps > MAX_STEPS:
                    raise BrokenHeaderError("its list of tensors is too long")
                if code.name == "STOP":
                    return self._stack.pop()
                self._step(code.name, argument)
        except (ValueError, IndexError, KeyError, TypeError, UnicodeError, OverflowError, RecursionError) as error:
            raise BrokenHeaderError(f"no whole pickle: {error}") from error
        raise BrokenHeaderError("the pickle has no end")

    def _step(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _MAKES:
            stack.append(_MAKES[name]())
        elif name in _PUTS:
            self._memo[len(self._memo) if name == "MEMOIZE" else int(argument)] = stack[-1]
        elif name in _GETS:
            stack.append(self._memo[int(argument)])
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name in _TAKES_NOTHING:
            pass
        else:  # numbers and words
            stack.append(argument)

    # -- containers

    def _since_mark(self) -> list[Any]:
        at = len(self._stack) - 1
        while self._stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise IndexError("no mark")
        found = self._stack[at + 1 :]
        del self._stack[at:]
        return found

    def tuple_since_mark(self, _: Any) -> None:
        self._stack.append(tuple(self._since_mark()))

    def list_since_mark(self, _: Any) -> None:
        self._stack.append(self._since_mark())

    def dict_since_mark(self, _: Any) -> None:
        found = self._since_mark()
        self._stack.append(_pairs(found))

    def few(self, count: int) -> None:
        found = tuple(self._stack[-count:])
        if len(found) != count:
            raise IndexError("too few")
        del self._stack[-count:]
        self._stack.append(found)

    def set_items(self, _: Any) -> None:
        found = self._since_mark()
        _update(self._stack[-1], found)

    def set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        _update(self._stack[-1], [key, value])

    def append(self, _: Any) -> None:
        value = self._stack.pop()
        if isinstance(self._stack[-1], list):
            self._stack[-1].append(value)

    def appends(self, _: Any) -> None:
        found = self._since_mark()
        if isinstance(self._stack[-1], list):
            self._stack[-1].extend(found)

    def pop(self, _: Any) -> None:
        self._stack.pop()

    def pop_mark(self, _: Any) -> None:
        self._since_mark()

    def dup(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    # -- what would be imported and called

    def name(self, argument: Any) -> None:
        self._stack.append(_Global(argument))

    def stack_name(self, _: Any) -> None:
        attribute, module = self._stack.pop(), self._stack.pop()
        self._stack.append(_Global(f"{module} {attribute}"))

    def call(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        self._stack.append(_result(function, arguments))

    def build(self, _: Any) -> None:
        """Sets attributes of an object; dictionaries in torch's files have none that matter."""
        state = self._stack.pop()
        if self._stack[-1] is _UNKNOWN and isinstance(state, dict):
            self._stack[-1] = state  # a pickled module or trainer: what it holds may be weights

    def unknown_since_mark(self, _: Any) -> None:
        self._since_mark()
        self._stack.append(_UNKNOWN)

    def unknown_of_two(self, _: Any) -> None:
        self._stack.pop()
        self._stack[-1] = _UNKNOWN

    def unknown_of_three(self, _: Any) -> None:
        self._stack.pop()
        self.unknown_of_two(_)

    def unknown(self, _: Any) -> None:
        self._stack.append(_UNKNOWN)

    def stored(self, _: Any) -> None:
        """A reference to bytes that lie elsewhere in the file: torch's storages."""
        found = self._stack.pop()
        self._stack.append(_storage(found))


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_MAKES: dict[str, Any] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_SET": list}
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_TAKES_NOTHING = frozenset({"PROTO", "FRAME", "READONLY_BUFFER"})
_STEPS: dict[str, Any] = {
    "MARK": _Machine.mark,
    "TUPLE": _Machine.tuple_since_mark,
    "LIST": _Machine.list_since_mark,
    "DICT": _Machine.dict_since_mark,
    "FROZENSET": _Machine.tuple_since_mark,
    "TUPLE1": lambda machine, _: machine.few(1),
    "TUPLE2": lambda machine, _: machine.few(2),
    "TUPLE3": lambda machine, _: machine.few(3),
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "ADDITEMS": _Machine.appends,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.dup,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.stack_name,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.unknown_of_three,
    "BUILD": _Machine.build,
    "INST": _Machine.unknown_since_mark,
    "OBJ": _Machine.unknown_since_mark,
    "EXT1": _Machine.unknown,
    "EXT2": _Machine.unknown,
    "EXT4": _Machine.unknown,
    "NEXT_BUFFER": _Machine.unknown,
    "PERSID": _Machine.unknown,
    "BINPERSID": _Machine.stored,
}


def _pairs(found: list[Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    _update(made, found)
    return made


def _update(target: Any, found: list[Any]) -> None:
    """Only names matter as keys (and numbers, which lists of weights have)."""
    if isinstance(target, dict):
        for key, value in zip(found[::2], found[1::2], strict=False):
            if isinstance(key, str | int):
                target[str(key)] = value


def _result(function: Any, arguments: Any) -> Any:
    """What the few calls that torch's files are made of would give."""
    if not isinstance(function, _Global) or not isinstance(arguments, tuple):
        return _UNKNOWN
    if function == "collections OrderedDict":
        return {}
    if function == "torch._utils _rebuild_parameter" and arguments:
        return arguments[0]
    if function in ("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor") and len(arguments) > 2:
        storage, offset, shape = arguments[:3]
        if isinstance(storage, _Storage) and isinstance(shape, tuple) and all(_is_side(side) for side in shape):
            whole = _is_side(offset) and (len(arguments) < 4 or _in_one_piece(shape, arguments[3]))
            return _Found(storage, shape, offset * storage.width if whole else -1)
    return _UNKNOWN


def _in_one_piece(shape: tuple[int, ...], strides: Any) -> bool:
    expected, step = [], 1
    for side in reversed(shape):
        expected.append(step)
        step *= side
    mismatched = zip(reversed(expected), strides if isinstance(strides, tuple) else (), shape, strict=False)
    return isinstance(strides, tuple) and len(strides) == len(shape) and all(a == b or n == 1 for a, b, n in mismatched)


def _is_side(side: Any) -> bool:
    return isinstance(side, int) and not isinstance(side, bool) and 0 <= side < 1 << 48


def _storage(found: Any) -> Any:
    """("storage", its type, key, where, how many numbers)."""
    if not isinstance(found, tuple) or len(found) < 5 or not isinstance(found[1], _Global):
        return _UNKNOWN
    dtype, width = _STORAGES.get(found[1].rpartition(" ")[2], ("uint8", 1))
    return _Storage(dtype, width, str(found[2]))


def _flattened(value: Any) -> Iterator[tuple[str, _Found]]:
    """Tensors in nested dictionaries under joined names."""
    open_: list[tuple[str, Any, int]] = [("", value, 0)]
    looked = found = 0
    while open_:
        name, item, depth = open_.pop()
        looked += 1
        if looked > MAX_STEPS or found > MAX_TENSORS:
            raise BrokenHeaderError("too many tensors")
        if isinstance(item, _Found):
            found += 1
            yield name, item
        elif isinstance(item, dict) and depth < _MAX_DEPTH:
            inner = [(f"{name}.{key}" if name else key, each, depth + 1) for key, each in item.items()]
            open_ += reversed(inner)
