"""The lists of files, with sizes and checksums, that the hub's library keeps of each commit it has seen.

They lie in ``trees/<commit>.json`` of a repository's folder. Where the system knows no links, they are all that tells
what a file should be.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

_VERSION = 1
_LARGEST = 64_000_000  # bytes


class Listed(msgspec.Struct, frozen=True):
    """A file as the hub lists it: bytes, and the name of its blob (sha256 of large files, git's sha1 of small ones)."""

    size: int
    blob: str


class _Entry(msgspec.Struct):
    size: int
    blob_id: str
    lfs_sha256: str | None = None


class _Tree(msgspec.Struct):
    format_version: int
    files: dict[str, _Entry]


def read_tree(folder: Path, commit: str) -> dict[str, Listed]:
    """The files of one commit of the repository in ``folder``; empty where no list is kept or it is of another kind."""
    path = folder / "trees" / f"{commit}.json"
    try:
        if path.stat().st_size > _LARGEST:
            return {}
        tree = msgspec.json.decode(path.read_bytes(), type=_Tree)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    if tree.format_version != _VERSION:
        return {}
    return {name: Listed(entry.size, entry.lfs_sha256 or entry.blob_id) for name, entry in tree.files.items()}


def read_trees(folder: Path) -> dict[str, dict[str, Listed]]:
    """All lists that are kept, by commit."""
    return {path.stem: read_tree(folder, path.stem) for path in sorted((folder / "trees").glob("*.json"))}
