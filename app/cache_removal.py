"""Taking things out of a hub cache: whole repositories, payloads of the shared store, and what belongs to no model.

The order is such that a crash leaves either the model or an orphan, never half a model: a repository's folder is first
renamed to what is no repository, which hides all of it at once, and deleted after. Links are deleted, never followed.
A payload that repositories share goes by the hub library's own rules (its ``_shared_blobs``): under the payload's lock,
and only when its list of references is there, can be read and names nobody any more.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import stat
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import filelock
import msgspec

from app.cache import INCOMPLETE, REMOVED, Blob, Cache, Repo, has_store
from app.files import write_atomically
from models.errors import AtelierError, ErrorCode, disk_error

log = logging.getLogger(__name__)

STALE = 3600.0
"""Seconds after which an unfinished file of the hub's library, or an unused blob, counts as left behind."""
STALE_PART = 600.0
"""Seconds after which an unfinished file of ours that no download of this program wants counts as left behind: the
download of another program may."""


class Orphan(msgspec.Struct, frozen=True):
    """A file or folder that belongs to no model."""

    path: str
    size: int
    payload: bool = False
    lock: str = ""


def is_locked(lock: Path) -> bool:
    """Whether another process (or thread) holds this lock file just now. None is made."""
    if not lock.is_file():
        return False
    probe = filelock.FileLock(lock, thread_local=False)
    try:
        probe.acquire(timeout=0)
    except filelock.Timeout:
        return True
    except (OSError, NotImplementedError):
        return False
    probe.release()
    return False


def is_fetched(cache: Path, repo_folder: str) -> bool:
    """Whether some program fetches a file of this repository at this moment."""
    if is_claimed(cache, repo_folder):
        return True
    return any(is_locked(lock) for lock in (cache / ".locks" / repo_folder).glob("*.lock"))


def is_claimed(cache: Path, repo_folder: str) -> bool:
    """Whether a download of ours, of any process, is at work on this repository."""
    return any(is_locked(claim) for claim in (cache / ".locks" / "atelier").glob(f"{repo_folder}.*.claim"))


def remove_repo(cache: Path, repo: Repo) -> int:
    """Delete a repository; returns the bytes that were really freed.

    Raises:
        AtelierError: MODEL_IN_USE while some program fetches it or (on Windows) has a file of it open;
            FOLDER_NOT_WRITABLE.
    """
    folder = Path(repo.folder)
    if is_fetched(cache, folder.name):
        raise AtelierError(ErrorCode.MODEL_IN_USE, "a file of it is being downloaded", model=repo.id)
    if repo.linked:
        folder.unlink()  # what it leads to is another's
        return 0
    payloads = {blob.store for blob in repo.blobs if blob.store}
    try:
        aside = set_aside(folder, cache)
    except PermissionError as error:
        if os.name == "nt":
            raise AtelierError(ErrorCode.MODEL_IN_USE, str(error), model=repo.id) from error
        raise disk_error(error, str(cache)) from error
    freed = delete_tree(aside)
    freed += sum(sweep(cache, Path(payload)) for payload in sorted(payloads))
    return freed


def remove_file(cache: Path, repo: Repo, path: str) -> int:
    """Delete one file of a repository's snapshots, and its content where no other file is the same; returns the bytes
    that were really freed.

    Raises:
        AtelierError: MODEL_IN_USE as ``remove_repo``; FOLDER_NOT_WRITABLE.
    """
    if is_fetched(cache, Path(repo.folder).name):
        raise AtelierError(ErrorCode.MODEL_IN_USE, "a file of it is being downloaded", model=repo.id)
    if repo.linked:
        raise AtelierError(ErrorCode.FOLDER_NOT_WRITABLE, "it is a link to another's", path=repo.folder)
    files = [(revision, file) for revision in repo.revisions for file in revision.files]
    mine = {file.blob.inode for _, file in files if file.blob and file.path == path}
    mine -= {file.blob.inode for _, file in files if file.blob and file.path != path}
    links = [Path(revision.folder) / path for revision, file in files if file.path == path]
    blobs = [blob for blob in repo.blobs if blob.inode in mine]
    try:
        freed = sum(delete_file(name) for name in (*links, *(Path(blob.path) for blob in blobs)))
    except OSError as error:
        raise disk_error(error, str(cache)) from error
    return freed + sum(sweep(cache, Path(blob.store)) for blob in blobs if blob.store)


def set_aside(folder: Path, parent: Path) -> Path:
    """Rename a folder to what nobody takes for a model; returns its new path."""
    aside = parent / f"{REMOVED}{secrets.token_hex(4)}"
    folder.rename(aside)
    return aside


def delete_tree(folder: Path) -> int:
    """Delete a folder and all in it; returns the bytes freed: of hard links only the last one frees anything.

    Raises:
        OSError: something in it cannot be deleted; the rest is.
    """
    freed, trouble = 0, None
    if folder.is_symlink() or not folder.is_dir():
        return delete_file(folder)
    for root, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            path = Path(root) / name
            try:
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    freed += delete_file(path)
            except OSError as error:
                trouble = error
    try:
        folder.rmdir()
    except OSError as error:
        trouble = trouble or error
    if trouble is not None:
        raise trouble
    return freed


def delete_file(path: Path) -> int:
    """Delete a file or link; returns the bytes freed. One that is gone already freed nothing."""
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return 0
    try:
        path.unlink()
    except PermissionError:
        if os.name == "nt":
            path.chmod(stat.S_IWRITE)  # read-only files cannot be deleted there
        else:
            path.parent.chmod(stat.S_IMODE(path.parent.stat().st_mode) | stat.S_IWUSR | stat.S_IXUSR)
        path.unlink()
    last = stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1
    blocks = getattr(facts, "st_blocks", None)
    size = facts.st_size if blocks is None or path.suffix not in (".part", INCOMPLETE) else blocks * 512
    return min(facts.st_size, size) if last else 0


# -- the shared store --------------------------------------------------------------------------------------------------


def sweep(cache: Path, payload: Path) -> int:
    """Delete a payload of the shared store if no repository refers to it; returns the bytes freed.

    When in doubt (no list of references, or one that cannot be read) it stays, as the hub's library leaves it.
    """
    if not has_store(cache) or payload.parent.parent != cache / "blobs":
        return 0
    try:
        with _store_lock(payload):
            references = read_references(cache, payload)
            if references is None or not payload.is_file() or payload.is_symlink():
                return 0
            if references:
                lines = "".join(f"{line}\n" for line in references)
                write_atomically(_manifest(payload), lines.encode())
                return 0
            freed = delete_file(payload)
            _manifest(payload).unlink(missing_ok=True)
            return freed
    except (OSError, filelock.Timeout, NotImplementedError) as error:
        log.warning("the shared file %s stays: %s", payload, error)
        return 0


def read_references(cache: Path, payload: Path) -> list[str] | None:
    """The blobs that really are links to ``payload``, as paths in the cache; None if its list cannot be trusted."""
    manifest = _manifest(payload)
    try:
        if not stat.S_ISREG(manifest.lstat().st_mode):
            return None
        lines = manifest.read_text(encoding="utf-8").splitlines()
        return [line for line in dict.fromkeys(lines) if _refers(cache, line, payload)]
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return None


def _refers(cache: Path, line: str, payload: Path) -> bool:
    path = Path(line)
    if path.is_absolute() or ".." in path.parts or len(path.parts) != 3 or path.parts[1] != "blobs":
        return False
    link = cache / path
    try:
        target = os.readlink(link)  # noqa: PTH115 - an error other than "not there" has to be told
    except FileNotFoundError:
        return False
    except OSError as error:
        if link.exists() and not link.is_symlink():
            return False
        raise error
    return os.path.normpath(link.parent / target) == os.path.normpath(payload) or _same(link, payload)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _manifest(payload: Path) -> Path:
    return payload.with_name(payload.name + ".refs")


@contextlib.contextmanager
def _store_lock(payload: Path) -> Iterator[None]:
    with filelock.FileLock(payload.with_name(payload.name + ".lock"), timeout=10, mode=0o666, thread_local=False):
        yield


# -- what belongs to no model ------------------------------------------------------------------------------------------


def orphans(cache: Cache, wanted: Collection[str], now: float | None = None) -> list[Orphan]:
    """What lies in the cache and belongs to no model. ``wanted`` are repositories (folded) with a download that may go
    on: nothing of theirs is an orphan but what the hub's library left."""
    now = time.time() if now is None else now
    root = Path(cache.folder)
    found = [Orphan(path, _tree_size(Path(path))) for path in cache.removed]
    for repo in cache.repos:
        locks = root / ".locks" / Path(repo.folder).name
        is_wanted = repo.id.casefold() in wanted or is_claimed(root, Path(repo.folder).name)
        for part in repo.parts:
            lock = locks / (Path(part.path).name.partition(".")[0] + ".lock")
            stale = now - part.modified > (STALE_PART if part.ours else STALE)
            if stale and not (part.ours and is_wanted) and not is_locked(lock):
                found.append(Orphan(part.path, part.size, lock=str(lock)))
        if not is_wanted and not repo.linked:
            found += _unused(repo, locks, now)
    for payload, blob in cache.store.items():
        if read_references(root, Path(payload)) == []:
            found.append(Orphan(payload, blob.size, payload=True))
    return found


def _unused(repo: Repo, locks: Path, now: float) -> Iterator[Orphan]:
    for blob in repo.unused:
        lock = locks / f"{blob.name}.lock"
        if blob.store or blob.outside or now - _last_changed(blob) <= STALE or is_locked(lock):
            continue
        yield Orphan(blob.path, blob.size if blob.links == 1 else 0, lock=str(lock))


def delete_orphans(cache: Cache, found: Collection[Orphan]) -> int:
    """Delete them, except those that a program has taken up since; returns the bytes freed."""
    freed, trouble = 0, None
    for orphan in found:
        if orphan.lock and is_locked(Path(orphan.lock)):
            continue
        try:
            freed += sweep(Path(cache.folder), Path(orphan.path)) if orphan.payload else delete_tree(Path(orphan.path))
        except OSError as error:
            trouble = error
    if trouble is not None and not freed:
        raise disk_error(trouble, cache.folder)
    return freed


def _last_changed(blob: Blob) -> float:
    """Also when its name was given: a link into the cache keeps the time of the content."""
    try:
        return os.lstat(blob.path).st_ctime
    except OSError:
        return time.time()


def _tree_size(folder: Path) -> int:
    sizes = {}
    for root, _, files in os.walk(folder):
        for name in files:
            facts = os.lstat(os.path.join(root, name))  # noqa: PTH118
            if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
                sizes[facts.st_dev, facts.st_ino] = facts.st_size
    return sum(sizes.values())
