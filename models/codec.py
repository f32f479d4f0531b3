"""Messages as frames on a byte stream: four bytes of length (big endian), then msgpack.

msgspec was chosen because it checks types while it decodes, needs no generated code and is several times faster than
JSON; nothing is ever unpickled.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from typing import IO, Generic, TypeVar

import msgspec

MAX_FRAME = 64 * 1024 * 1024
"""Bytes. Pictures travel as files, so anything near this is a broken stream, not a message."""

_LENGTH = struct.Struct(">I")
M = TypeVar("M")


class BrokenStreamError(Exception):
    """The bytes are no message of ours: wrong length, cut off within a frame, or of another shape."""


class Writer:
    """Sends whole frames; safe to call from several threads."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._encoder = msgspec.msgpack.Encoder()
        self._lock = threading.Lock()

    def send(self, message: object) -> None:
        """Raises OSError (or ValueError on a closed stream) when the other side is gone."""
        body = self._encoder.encode(message)
        with self._lock:
            self._stream.write(_LENGTH.pack(len(body)) + body)
            self._stream.flush()


class Reader(Generic[M]):
    """Yields the messages of a stream until it ends."""

    def __init__(self, stream: IO[bytes], kinds: type[M]) -> None:
        self._stream = stream
        self._decoder = msgspec.msgpack.Decoder(kinds)

    def __iter__(self) -> Iterator[M]:
        """Raises BrokenStreamError for anything but whole, well-formed frames."""
        while header := self._read(_LENGTH.size, at_start=True):
            (length,) = _LENGTH.unpack(header)
            if length > MAX_FRAME:
                raise BrokenStreamError(f"a frame of {length} bytes")
            try:
                yield self._decoder.decode(self._read(length))
            except msgspec.MsgspecError as error:
                raise BrokenStreamError(str(error)) from error

    def _read(self, size: int, at_start: bool = False) -> bytes:
        parts, missing = [], size
        while missing:
            part = self._stream.read(missing)
            if not part:
                if at_start and missing == size:
                    return b""
                raise BrokenStreamError("the stream ended within a frame")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)
