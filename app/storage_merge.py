"""Equal files are stored once: all but one become hard links of it.

Nothing is believed that was not read: both files are hashed whole (unless they were and have not changed since) before
one takes the other's place, by a rename, so that at every moment each name leads to whole content. Hard links need no
support by anyone who reads them, and no one writes into these files: the hub's library replaces, it never edits.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from app.background import Tell
from app.cache import Blob, Inode
from app.storage_checks import Check, Checks, TellOne, digest_of

log = logging.getLogger(__name__)

TEMPORARY = ".atelier-link-"


def merge(groups: Iterable[list[Blob]], names: Iterable[Blob], checks: Checks, tell: Tell, saved: list[int]) -> None:
    """Merge each group of files that look equal; bytes saved so far are in ``saved[0]``.

    ``names`` are all known names of content: of a file that has several, all are changed, or nothing is saved.

    Raises:
        StoppedError: as ``tell`` does; what was merged stays merged.
    """
    groups = list(groups)
    by_inode: dict[Inode, set[str]] = defaultdict(set)
    for blob in names:
        by_inode[blob.inode].add(blob.store or blob.path)
    total = sum(blob.size for group in groups for blob in group)
    done = 0
    try:
        for group in groups:
            keepers: dict[str, Blob] = {}
            for blob in sorted(group, key=_preferred):
                digest = _digest(blob, checks, functools.partial(_tell, tell, done, total))
                done += blob.size
                tell(done, total)
                keeper = keepers.setdefault(digest, blob) if digest else blob
                if keeper is not blob:
                    saved[0] += _link(keeper, blob, by_inode[blob.inode], checks)
    finally:
        checks.save()


def _tell(tell: Tell, before: int, total: int, done: int) -> None:
    tell(before + done, total)


def _preferred(blob: Blob) -> tuple[bool, int, str]:
    """First what is kept: a payload of the shared store, then what has most names."""
    return not blob.store, -blob.links, blob.path


def _digest(blob: Blob, checks: Checks, tell: TellOne) -> str:
    """The sha256 of what the file really holds; empty if it cannot be read, has changed, or is damaged."""
    known = checks.of(blob)
    if known is not None and known.good and (known.sha256 or len(blob.checksum) == 64):
        return known.sha256 or blob.checksum
    if known is not None and not known.good:
        return ""
    try:
        digest = digest_of(Path(blob.path), tell=tell)
    except OSError as error:
        log.warning("%s is not merged: %s", blob.path, error)
        return ""
    good = len(blob.checksum) != 64 or digest == blob.checksum
    if good or len(blob.checksum) == 64:
        checks.put(blob, Check(time.time(), good, "" if blob.checksum else digest))
    return digest if good else ""


def _link(keeper: Blob, blob: Blob, names: Iterable[str], checks: Checks) -> int:
    """Put the keeper's content under all names of ``blob``; returns the bytes saved."""
    paths = [Path(name) for name in sorted(names)]
    kept = Path(keeper.path)
    try:
        if not _unchanged(keeper) or not _unchanged(blob) or len(paths) < blob.links:
            return 0  # a name that is not known would keep the bytes
        for path in paths:
            _replace(kept, path)
    except OSError as error:  # no more links allowed, a folder that cannot be written, a disk without hard links
        log.warning("%s stays as it is: %s", blob.path, error)
        return 0
    moved = Blob(blob.name, blob.path, blob.size, keeper.inode, keeper.links, keeper.modified_ns)
    if (known := checks.of(blob)) is not None:
        checks.put(moved, known)
    return blob.size


def _replace(kept: Path, path: Path) -> None:
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}")
    os.link(kept, temporary, follow_symlinks=True)
    try:
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _unchanged(blob: Blob) -> bool:
    facts = Path(blob.path).stat()
    return (facts.st_size, facts.st_mtime_ns) == (blob.size, blob.modified_ns)
