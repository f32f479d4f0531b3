"""From a path to what is in the file: which format it is, its tensors, what they make up."""

from __future__ import annotations

from pathlib import Path

from models.errors import AtelierError, ErrorCode
from models.headers import MAX_HEADER, BrokenHeaderError, Listing, read_listing
from models.recognise.finding import Finding
from models.recognise.gguf import MAGIC, read_gguf
from models.recognise.kinds import Recognised
from models.recognise.pickled import is_pickle, read_pickled
from models.recognise.tensors import find
from models.recognise.words import words_of

SAFETENSORS = "safetensors"
_START = 16
"""Bytes that are enough to tell the formats apart."""


def recognise(path: Path) -> Recognised:
    """Look at the header of ``path`` (milliseconds; no tensor is read, nothing is unpickled).

    Raises:
        AtelierError: MODEL_CORRUPT (with ``model``, ``file``) for a broken or cut-off file, FILE_UNKNOWN (with
        ``file``) for one that is no weight file at all.
        OSError: the file cannot be read.
    """
    listing = list_tensors(path)
    if not listing.tensors:
        raise AtelierError(ErrorCode.FILE_UNKNOWN, "it holds no tensors", file=path.name)
    return describe(path, listing, find(listing.tensors), path.stat().st_size)


def list_tensors(path: Path) -> Listing:
    """The tensors of a weight file of any format; raises as ``recognise``."""
    with path.open("rb") as file:
        start = file.read(_START)
    try:
        listing = _read(path, start)
    except BrokenHeaderError as error:
        raise AtelierError(ErrorCode.MODEL_CORRUPT, str(error), model=path.stem, file=path.name) from error
    if listing is None:
        raise AtelierError(ErrorCode.FILE_UNKNOWN, file=path.name)
    return listing


def _read(path: Path, start: bytes) -> Listing | None:
    """By the reader of the format its first bytes are those of; None if they are of none."""
    if start.startswith(MAGIC):
        return read_gguf(path)
    if is_pickle(start):
        return read_pickled(path)
    # A length of eight bytes, then JSON. A name is believed only in so far as a broken file is called broken.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= MAX_HEADER:
        return read_listing(path)
    if path.suffix.lower() in (".safetensors", ".sft", ".gguf"):
        raise BrokenHeaderError("its header is not there")
    return None


def describe(path: Path, listing: Listing, found: Finding, size: int) -> Recognised:
    """What was found, with its counts and its own words; ``size`` in bytes."""
    by_dtype: dict[str, int] = {}
    for tensor in listing.tensors.values():
        by_dtype[tensor.dtype] = by_dtype.get(tensor.dtype, 0) + tensor.size_bytes
    words = words_of(listing.metadata)
    return Recognised(
        path=str(path),
        kind=found.kind,
        format=listing.format,
        family=found.family,
        variant=found.variant,
        parameters=sum(tensor.count for tensor in listing.tensors.values()),
        stored_dtype=max(by_dtype, key=lambda dtype: by_dtype[dtype], default=""),
        size_bytes=size,
        title=words.title,
        trigger=words.trigger,
        base=words.base,
        layers=found.layers,
        warnings=(*(("pickle",) if listing.format == "pickle" else ()), *found.warnings),
    )
