"""The storage page's numbers: what each model takes, what removing it would free, what sharing saves or could save.

Everything is counted by content (inode): a file under several names takes its bytes once, and is freed only with the
last name, whoever has it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from app.cache import Blob, Inode, Repo
from app.cache_removal import orphans
from app.files import is_text
from app.installed import Survey
from app.judging import Thing
from app.storage_checks import Checks
from app.weights import StorageReport, Stored, StoredKind
from models.errors import ErrorCode, ErrorInfo
from models.recognise import FileKind

MERGED_FROM = 64 * 1024
"""Bytes from which on equal files are worth being stored once."""
_PROBED = 64 * 1024  # bytes at the start, the middle and the end that are compared before whole files are
_DEEPEST = 8


class Holding(msgspec.Struct):
    """A stored item and every name its content has in it; ``models`` are the ids it is used by."""

    stored: Stored
    blobs: list[Blob]
    parts_bytes: int = 0
    owned: bool = False
    models: tuple[str, ...] = ()


def holdings(survey: Survey, checks: Checks) -> list[Holding]:
    """Everything stored, each with its content; sizes are filled in by ``build``."""
    by_repo: dict[str, list[Thing]] = defaultdict(list)
    for thing in survey.things:
        by_repo[thing.repo].append(thing)
    found = [_local(thing, checks) for thing in by_repo.pop("", [])]
    for repo in survey.cache.repos:
        things = by_repo.pop(repo.id, [])
        if things and (repo.blobs or repo.parts or any(revision.files for revision in repo.revisions)):
            found.append(_of_repo(repo, things, checks))
    for things in by_repo.values():  # its disk is gone
        found += [_local(thing, checks) for thing in things]
    return found


def build(
    survey: Survey,
    checks: Checks,
    wanted: Collection[str] = (),
    copies: Path | None = None,
    used: Mapping[str, float] | None = None,
) -> StorageReport:
    """``wanted`` as for ``orphans``; ``copies`` is Atelier's own folder; ``used`` when models were last used."""
    items = holdings(survey, checks)
    holders: dict[Inode, set[str]] = defaultdict(set)
    names: dict[str, Counter[Inode]] = {}
    content: dict[Inode, Blob] = {}
    for item in items:
        names[item.stored.id] = Counter(blob.inode for blob in item.blobs)
        for blob in item.blobs:
            holders[blob.inode].add(item.stored.id)
            content[blob.inode] = blob
    stored = tuple(_counted(item, holders, names[item.stored.id], content, used or {}) for item in items)
    folder = Path(survey.cache.folder)
    disk = shutil.disk_usage(_existing(folder))
    return StorageReport(
        items=stored,
        cache=str(folder),
        total_bytes=sum(blob.size for blob in content.values()) + sum(item.parts_bytes for item in items),
        saved_bytes=sum((len(ids) - 1) * content[inode].size for inode, ids in holders.items()),
        duplicate_bytes=sum(
            (len(group) - 1) * group[0].size for group in duplicates(mergeable(survey, copies), checks)
        ),
        orphan_bytes=sum(orphan.size for orphan in orphans(survey.cache, wanted)),
        disk_free=disk.free,
        disk_total=disk.total,
        writable=os.access(_existing(folder), os.W_OK),
    )


def _counted(
    item: Holding, holders: Mapping[Inode, set[str]], names: Counter[Inode], content: Mapping[Inode, Blob],
    used: Mapping[str, float],
) -> Stored:  # fmt: skip
    freed = shared = 0
    for inode, count in names.items():
        blob = content[inode]
        others = len(holders[inode]) > 1
        if others:
            shared += blob.size
        # Of a payload in the shared store the names in repositories are links; itself it has one name more.
        elif item.owned and blob.links <= (1 if blob.store else count):
            freed += blob.size
    shared_with = sorted({other for inode in names for other in holders[inode]} - {item.stored.id})
    return msgspec.structs.replace(
        item.stored,
        size_bytes=sum(content[inode].size for inode in names) + item.parts_bytes,
        freed_bytes=freed + (item.parts_bytes if item.owned else 0),
        shared_bytes=shared,
        shared_with=tuple(shared_with),
        last_used=max(used.get(model, 0.0) for model in item.models),
    )


# -- items -------------------------------------------------------------------------------------------------------------


def _of_repo(repo: Repo, things: list[Thing], checks: Checks) -> Holding:
    first = things[0]
    current = repo.current
    files = current.files if current else ()
    problem, state = _state(first, things, repo, checks)
    times = [check.time if check.good else 0.0 for file in files if file.blob and (check := checks.of(file.blob))]
    complete = bool(files) and len(times) == len(files)
    stored = Stored(
        id=repo.id,
        name=first.name if len(things) == 1 else repo.id,
        kind=StoredKind.HUB,
        role=first.role if len({thing.role for thing in things}) == 1 else FileKind.UNKNOWN.value,
        path=repo.folder,
        family=first.family,
        state=state,
        verified=min(times) if complete else 0.0,
        problem=problem,
        files=len(files),
    )
    blobs = [blob for blob in repo.content if not blob.outside] if not repo.linked else []
    parts = sum(part.size for part in repo.parts) if not repo.linked else 0
    ids = tuple(thing.id for thing in things)
    return Holding(stored, blobs, parts, owned=not repo.linked, models=ids)


def _state(first: Thing, things: list[Thing], repo: Repo, checks: Checks) -> tuple[ErrorInfo | None, str]:
    current = repo.current
    for file in current.files if current else ():
        check = checks.of(file.blob) if file.blob else None
        if check is not None and not check.good:
            return ErrorInfo(ErrorCode.MODEL_CORRUPT, {"model": first.name, "file": file.path}), "damaged"
    problem = next((thing.problem for thing in things if thing.problem), None)
    if problem is not None and problem.code is ErrorCode.MODEL_CORRUPT:
        return problem, "damaged"
    if problem is not None and problem.code is ErrorCode.MODEL_INCOMPLETE:
        return problem, "partial"
    lost = next((file.path for file in current.files if file.blob is None), "") if current else ""
    if lost and not any(thing.entry and thing.entry.problem is None for thing in things):
        return ErrorInfo(ErrorCode.MODEL_INCOMPLETE, {"model": first.name, "file": lost}), "partial"
    return problem, "partial" if current is None else "complete"


def _local(thing: Thing, checks: Checks) -> Holding:
    """A folder or file."""
    blobs = list(files_of(Path(thing.path)))
    judged = [check for blob in blobs if (check := checks.of(blob))]
    state, problem = "complete", thing.problem
    if problem is not None and problem.code is ErrorCode.MODEL_INCOMPLETE:
        state = "partial"
    elif (problem is not None and problem.code is ErrorCode.MODEL_CORRUPT) or any(not c.good for c in judged):
        state = "damaged"
        bad = next((blob.path for blob in blobs if (c := checks.of(blob)) and not c.good), thing.path)
        problem = problem or ErrorInfo(ErrorCode.MODEL_CORRUPT, {"model": thing.name, "file": Path(bad).name})
    stored = Stored(
        id=thing.id,
        name=thing.name,
        kind=thing.kind,
        role=thing.role,
        path=thing.path,
        family=thing.family,
        state=state,
        verified=min(check.time for check in judged) if judged and len(judged) == len(blobs) else 0.0,
        problem=problem,
        removable=not thing.source and thing.kind is not StoredKind.EMBEDDED,
        files=len(blobs),
    )
    return Holding(stored, blobs, owned=thing.owned, models=(thing.id,))


def files_of(path: Path, depth: int = 0) -> Iterator[Blob]:
    """The files of a folder, or the one file; links in a folder are somebody else's files."""
    try:
        if depth == 0 and path.is_file():
            yield _blob(path, path.stat())
            return
        with os.scandir(path) as found:
            entries = sorted((entry for entry in found if is_text(entry.name)), key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and depth < _DEEPEST:
                yield from files_of(Path(entry.path), depth + 1)
            elif entry.is_file(follow_symlinks=False):
                yield _blob(Path(entry.path), entry.stat(follow_symlinks=False))
    except OSError:
        return


def _blob(path: Path, facts: os.stat_result) -> Blob:
    if not facts.st_ino:  # a directory listing on Windows does not tell
        facts = path.stat()
    return Blob("", str(path), facts.st_size, (facts.st_dev, facts.st_ino), facts.st_nlink, facts.st_mtime_ns)


# -- equal content -----------------------------------------------------------------------------------------------------


def mergeable(survey: Survey, copies: Path | None) -> list[Blob]:
    """What may be replaced by hard links: content of the hub cache and of our own copies. Other folders are other
    people's."""
    found = [
        blob
        for repo in survey.cache.repos
        if not repo.linked
        for blob in repo.content
        if not blob.outside and not blob.store
    ]
    found += survey.cache.store.values()
    if copies is not None:
        found += files_of(copies)
    return [blob for blob in found if blob.size >= MERGED_FROM]


def duplicates(blobs: Iterable[Blob], checks: Checks) -> list[list[Blob]]:
    """Groups of different files that (probably) hold the same: one name for each inode, all on one disk.

    Checksums are taken from names and notes; where there is none, samples are compared instead. Before anything is
    merged whole files are read.
    """
    by_size: dict[tuple[int, int], dict[Inode, Blob]] = defaultdict(dict)
    for blob in blobs:
        known = by_size[blob.size, blob.inode[0]]
        if blob.inode not in known or blob.checksum:  # of several names the telling one
            known[blob.inode] = blob
    groups = []
    for alike in by_size.values():
        if len(alike) > 1:
            groups += [group for group in _same_content(list(alike.values()), checks) if len(group) > 1]
    return groups


def _same_content(blobs: list[Blob], checks: Checks) -> list[list[Blob]]:
    sums = [_sha256(blob, checks) for blob in blobs]
    if all(sums) and len(set(sums)) == len(sums):
        return []
    groups: dict[str, list[Blob]] = defaultdict(list)
    for blob, checksum in zip(blobs, sums, strict=True):
        groups[checksum if checksum and all(sums) else _sample(blob)].append(blob)
    return list(groups.values())


def _sha256(blob: Blob, checks: Checks) -> str:
    if len(blob.checksum) == 64:
        return blob.checksum
    check = checks.of(blob)
    return check.sha256 if check and check.good else ""


def _sample(blob: Blob) -> str:
    """A digest of some of the content; of a file that cannot be read one that is like no other."""
    whole = hashlib.blake2b(digest_size=16)
    try:
        with Path(blob.path).open("rb") as file:
            for place in (0, blob.size // 2, max(0, blob.size - _PROBED)):
                file.seek(place)
                whole.update(file.read(_PROBED))
    except OSError:
        return blob.path
    return whole.hexdigest()


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
