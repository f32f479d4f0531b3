"""From a path to what is in the file: which format it is, its tensors, what they make up."""

from __future__ import annotations

from pathlib import Path

from models.errors import AtelierError, ErrorCode
from models.headers import BrokenHeaderError, Listing, read_listing
from models.recognise.finding import Finding
from models.recognise.kinds import FileKind, Recognised
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
    return _recognised(path, listing, find(listing.tensors))


def list_tensors(path: Path) -> Listing:
    """The tensors of a weight file of any format; raises as ``recognise``."""
    with path.open("rb") as file:
        start = file.read(_START)
    if not _is_safetensors(start):
        raise AtelierError(ErrorCode.FILE_UNKNOWN, file=path.name)
    try:
        return read_listing(path)
    except BrokenHeaderError as error:
        raise AtelierError(ErrorCode.MODEL_CORRUPT, str(error), model=path.stem, file=path.name) from error


def _is_safetensors(start: bytes) -> bool:
    """A length of eight bytes, and JSON begins: true of cut-off and damaged ones too."""
    return len(start) > 8 and start[8:9] == b"{"


def _recognised(path: Path, listing: Listing, found: Finding) -> Recognised:
    if found.kind is FileKind.UNKNOWN and not listing.tensors:
        raise AtelierError(ErrorCode.FILE_UNKNOWN, "it holds no tensors", file=path.name)
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
        size_bytes=path.stat().st_size,
        title=words.title,
        trigger=words.trigger,
        base=words.base,
        layers=found.layers,
        warnings=found.warnings,
    )
