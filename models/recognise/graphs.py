"""What an ONNX graph takes and gives, told from the declarations in its file without its weights.

An ONNX file is one protobuf message (onnx/onnx.proto3): of ``ModelProto`` only the graph is looked into, of
``GraphProto`` only inputs and outputs; nodes and weights are stepped over. The ``onnx`` package reads the whole file
into memory for this, and would be a dependency for two numbers.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

Shape = tuple[int, ...]
"""Sides of a picture or mask as declared; 0 for one that is open."""

_GRAPH, _INITIALIZER, _INPUT, _OUTPUT = 7, 5, 11, 12
_MOST_FIELDS = 200_000


def cuts_out(path: Path) -> bool:
    """Whether the graph takes a picture and gives one mask: (batch, 3, height, width) in, and no more than one channel
    out. False for what cannot be read."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            inputs, outputs = _declared(data)
    except (OSError, ValueError, IndexError, StopIteration):
        return False
    if len(inputs) != 1 or not outputs:
        return False
    given, made = inputs[0], outputs[0]
    return len(given) == 4 and given[1] == 3 and (not made or len(made) == 3 or (len(made) == 4 and made[1] < 2))


def _declared(data: mmap.mmap) -> tuple[list[Shape], list[Shape]]:
    """Shapes of inputs (without weights that are listed among them, as old files have it) and of outputs."""
    begin, end = next((start, stop) for number, start, stop in _fields(data, 0, len(data)) if number == _GRAPH)
    inputs: list[tuple[str, Shape]] = []
    outputs: list[Shape] = []
    weights = set()
    for number, start, stop in _fields(data, begin, end):
        if number == _INPUT:
            inputs.append((_name(data, start, stop, 1), _shape(data, start, stop)))
        elif number == _OUTPUT:
            outputs.append(_shape(data, start, stop))
        elif number == _INITIALIZER:
            weights.add(_name(data, start, stop, 8))
    return [shape for name, shape in inputs if name not in weights], outputs


def _name(data: mmap.mmap, start: int, stop: int, number: int) -> str:
    found = next(((at, end) for field, at, end in _fields(data, start, stop) if field == number), (0, 0))
    return data[found[0] : min(found[1], found[0] + 1000)].decode("utf-8", "replace")


def _shape(data: mmap.mmap, start: int, stop: int) -> Shape:
    """``ValueInfoProto.type.tensor_type.shape``; empty where it is not declared."""
    for number in (2, 1, 2):
        inner = next(((at, end) for field, at, end in _fields(data, start, stop) if field == number), None)
        if inner is None:
            return ()
        start, stop = inner
    sides = []
    for number, at, end in _fields(data, start, stop):
        if number == 1:
            value = next((_varint(data, place)[0] for field, place, _ in _fields(data, at, end) if field == 1), 0)
            sides.append(value)
    return tuple(sides)


def _fields(data: mmap.mmap, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Number of each field, and where its content begins and ends. Raises ValueError where it is no protobuf."""
    place = start
    for _ in range(_MOST_FIELDS):
        if place >= stop:
            return
        key, place = _varint(data, place)
        wire = key & 7
        if wire == 0:
            end = _varint(data, place)[1]
        elif wire == 2:
            length, place = _varint(data, place)
            end = place + length
        elif wire in (1, 5):
            end = place + (8 if wire == 1 else 4)
        else:
            raise ValueError(f"wire type {wire}")
        if end > stop:
            raise ValueError("a field goes on behind the end")
        yield key >> 3, place, end
        place = end
    raise ValueError("too many fields")


def _varint(data: mmap.mmap, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("a number without end")
