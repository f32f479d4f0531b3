"""Moving the models of a hub cache to another folder or disk, so that at every moment one whole cache is in use.

First everything is copied and its sizes compared; then the setting changes; then what was copied is deleted in the old
place. A crash before the change leaves the old cache in use (the copy goes on where it stopped), one after it the new
(a note says what is still to be deleted). On one disk files are not copied but linked, which takes no room and no time.

Only models move: data sets and what other programs keep in the folder stay there, and so does what these share.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from app.background import Tell
from app.cache import MODELS, STORE, STORE_MARK, Cache, Inode, Repo, has_store, scan
from app.cache_removal import is_fetched, remove_repo
from app.files import folder_problem, write_atomically
from models.errors import AtelierError, ErrorCode, InvalidInputError, Problem, disk_error

log = logging.getLogger(__name__)

GB = 1_000_000_000
SPARE = 100_000_000
"""Bytes of the new disk that are left free."""
CHUNK = 4 * 1024 * 1024
COPYING = ".atelier-copy-"
_KNOWN = re.compile(
    r"(models|datasets|spaces|kernels)--.*|\.locks|CACHEDIR\.TAG|version\.txt|blobs|lost\+found|\.DS_Store|"
    r"desktop\.ini|Thumbs\.db|\.atelier-.*"
)


class Note(msgspec.Struct, frozen=True):
    """A move that is under way. ``fresh``: the new folder was empty before, so a broken-off copy in it is ours."""

    old: str
    new: str
    fresh: bool = False


class Item(msgspec.Struct, frozen=True):
    """A file or link to be moved; ``path`` is relative to the cache, ``target`` what a link leads to."""

    path: str
    size: int
    modified_ns: int
    inode: Inode
    target: str = ""


def check_target(old: Path, new: Path) -> None:
    """Raise InvalidInputError or FOLDER_NOT_WRITABLE for a folder that the cache cannot move to."""
    here, there = _real(old), _real(new)
    if here == there or here in there.parents or there in here.parents or _same(old, new):
        raise _refused(new, "The new folder has to be outside of the present one.")
    if new.exists() and not new.is_dir():
        raise _refused(new, "This is not a folder.")
    if new.is_dir() and not all(_KNOWN.fullmatch(entry.name) for entry in new.iterdir()):
        raise _refused(new, "This folder holds other things. Choose an empty one, or a model cache.")
    if new.is_dir() and (new / STORE).exists() and not has_store(new):
        raise _refused(new, "This folder holds other things. Choose an empty one, or a model cache.")
    if (problem := folder_problem(new)) is not None:
        raise AtelierError(ErrorCode.FOLDER_NOT_WRITABLE, problem, path=str(new))


def items_of(cache: Cache) -> Iterator[Item]:
    """All that moves: the models' folders, and the shared payloads they use with their lists of references."""
    root = Path(cache.folder)
    payloads = {blob.store for repo in cache.repos for blob in repo.blobs if blob.store}
    if payloads:
        yield _item(root, root / STORE / STORE_MARK)
    for payload in sorted(payloads):
        yield _item(root, Path(payload))
        if Path(payload + ".refs").is_file():
            yield _item(root, Path(payload + ".refs"))
    for repo in cache.repos:
        if repo.linked:
            yield _item(root, Path(repo.folder))
            continue
        for folder, _, names in os.walk(repo.folder):
            for name in sorted(names):
                yield _item(root, Path(folder) / name)
            for name in sorted(os.listdir(folder)):  # noqa: PTH208 - walk takes links to folders for folders
                path = Path(folder) / name
                if path.is_symlink() and path.is_dir():
                    yield _item(root, path)


def copy(cache: Cache, new: Path, tell: Tell) -> int:
    """Bring everything to ``new`` that is not there yet; returns the bytes of content that are there then.

    Raises:
        AtelierError: ROOM_SHORT before anything is written; MODEL_IN_USE while some program fetches a model here.
        InvalidInputError: the new disk knows no links, and there are some.
        StoppedError: as ``tell`` does.
        OSError: reading or writing failed. What was copied stays, and is not copied again.
    """
    root = Path(cache.folder)
    if not cache.present:
        new.mkdir(parents=True, exist_ok=True)
        return 0
    for repo in cache.repos:
        if is_fetched(root, Path(repo.folder).name):
            raise AtelierError(ErrorCode.MODEL_IN_USE, "it is being downloaded", model=repo.id)
    items = list({item.path: item for item in items_of(cache)}.values())
    new.mkdir(parents=True, exist_ok=True)
    _need_links(new, items)
    sizes = {item.inode: item.size for item in items if not item.target}
    total = sum(sizes.values())
    if new.stat().st_dev != root.stat().st_dev:
        _need_room(new, items)
    copier = _Copier(root, new, tell, total)
    for item in sorted(items, key=lambda item: (bool(item.target), not _is_part_of_store(item.path), item.path)):
        copier.bring(item)
    tell(total, total)
    for item in items:
        _compare(new, item)
    return total


def delete_old(old: Path, new: Path) -> int:
    """Delete the models in ``old`` that are whole in ``new``; returns how many stayed because they are not."""
    stayed = 0
    for repo in scan(old).repos:
        try:
            if not _is_there(repo, old, new):
                stayed += 1
                continue
            remove_repo(old, repo)
        except (OSError, AtelierError) as error:
            log.warning("%s stays in %s: %s", repo.id, old, error)
            stayed += 1
    return stayed


# -- the note ----------------------------------------------------------------------------------------------------------


def write_note(path: Path, note: Note) -> None:
    write_atomically(path, msgspec.json.encode(note))


def read_note(path: Path) -> Note | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Note)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


# -- inside ------------------------------------------------------------------------------------------------------------


class _Copier:
    def __init__(self, old: Path, new: Path, tell: Tell, total: int) -> None:
        self._old, self._new, self._tell, self._total = old, new, tell, total
        self._done = 0
        self._brought: dict[Inode, Path] = {}
        self._same_disk = new.stat().st_dev == old.stat().st_dev

    def bring(self, item: Item) -> None:
        target = self._new / item.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if item.target:
            self._link(item, target)
            return
        first = self._brought.get(item.inode)
        if not self._is_there(item, target) and not self._linked(first, target):
            self._file(item, target)
        if first is None:
            self._brought[item.inode] = target
            self._done += item.size
            self._tell(self._done, self._total)

    def _is_there(self, item: Item, target: Path) -> bool:
        try:
            facts = target.lstat()
        except OSError:
            return False
        whole = stat.S_ISREG(facts.st_mode) and facts.st_size == item.size
        # A blob of the same name and size is the same, whoever put it there.
        return whole and (facts.st_mtime_ns == item.modified_ns or _is_blob(item.path))

    def _linked(self, first: Path | None, target: Path) -> bool:
        """Whether it could be made a hard link: of another name brought before, as it was in the old place."""
        return first is not None and _hard_link(first, target)

    def _file(self, item: Item, target: Path) -> None:
        source = self._old / item.path
        if self._same_disk and _hard_link(source, target):
            return
        temporary = target.with_name(f"{COPYING}{secrets.token_hex(4)}")
        try:
            with source.open("rb") as original, temporary.open("wb") as file:
                copied = 0
                while data := original.read(CHUNK):
                    file.write(data)
                    copied += len(data)
                    if item.inode not in self._brought:
                        self._tell(self._done + copied, self._total)
                file.flush()
                os.fsync(file.fileno())
            facts = source.stat()
            os.utime(temporary, ns=(facts.st_atime_ns, facts.st_mtime_ns))
            os.replace(temporary, target)
            target.chmod(stat.S_IMODE(facts.st_mode))
        except BaseException as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
                raise disk_error(error, str(self._new)) from error
            raise

    def _link(self, item: Item, target: Path) -> None:
        wanted = self._translated(item)
        with contextlib.suppress(OSError):
            if os.readlink(target) == wanted:  # noqa: PTH115 - as it is written
                return
        temporary = target.with_name(f"{COPYING}{secrets.token_hex(4)}")
        os.symlink(wanted, temporary)  # noqa: PTH211
        os.replace(temporary, target)

    def _translated(self, item: Item) -> str:
        """Where a link leads in the new place: within the cache the same way, out of it to the same thing."""
        source = self._old / item.path
        absolute = Path(os.path.normpath(source.parent / item.target))
        for root in (self._old, _real(self._old)):
            if root in absolute.parents:
                return os.path.relpath(self._new / absolute.relative_to(root), (self._new / item.path).parent)
        return str(absolute)


def _hard_link(source: Path, target: Path) -> bool:
    temporary = target.with_name(f"{COPYING}{secrets.token_hex(4)}")
    try:
        os.link(source, temporary)
        os.replace(temporary, target)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        return False
    with contextlib.suppress(OSError):  # renaming one of two names of the same content does nothing at all
        temporary.unlink()
    return True


def _item(root: Path, path: Path) -> Item:
    facts = path.lstat()
    target = os.readlink(path) if stat.S_ISLNK(facts.st_mode) else ""  # noqa: PTH115
    if not target and not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "neither a file nor a link", str(path))
    inode = (facts.st_dev, path.stat().st_ino if not facts.st_ino and not target else facts.st_ino)
    return Item(path.relative_to(root).as_posix(), facts.st_size, facts.st_mtime_ns, inode, target)


def _compare(new: Path, item: Item) -> None:
    facts = (new / item.path).lstat()
    if bool(item.target) != stat.S_ISLNK(facts.st_mode) or (not item.target and facts.st_size != item.size):
        raise OSError(errno.EIO, "the copy is not like the original", str(new / item.path))


def _is_there(repo: Repo, old: Path, new: Path) -> bool:
    """Whether every file of a repository is in the new place, with its size. What came since the copy is not."""
    if repo.linked:
        return (new / Path(repo.folder).name).is_symlink()
    for item in items_of(Cache(str(old), (repo,))):
        try:
            _compare(new, item)
        except OSError:
            return False
    return True


def _need_links(new: Path, items: list[Item]) -> None:
    if not any(item.target for item in items):
        return
    probe = new / f"{COPYING}{secrets.token_hex(4)}"
    try:
        os.symlink("nowhere", probe)  # noqa: PTH211
        probe.unlink()
    except OSError as error:
        log.warning("no links in %s: %s", new, error)
        raise _refused(new, "This disk cannot hold links, which the models need. Choose another.") from error


def _need_room(new: Path, items: list[Item]) -> None:
    """Raise ROOM_SHORT unless what is still to be copied fits."""
    lacking = {}
    for item in items:
        target = new / item.path
        if not item.target and not (target.is_file() and target.lstat().st_size == item.size):
            lacking[item.inode] = item.size
    needed, free = sum(lacking.values()) + SPARE, shutil.disk_usage(new).free
    if needed > free:
        raise AtelierError(
            ErrorCode.ROOM_SHORT, path=str(new), needed_gb=round(needed / GB, 1), free_gb=round(free / GB, 1)
        )


def _is_part_of_store(path: str) -> bool:
    return path.startswith(f"{STORE}/")


def _is_blob(path: str) -> bool:
    parts = path.split("/")
    return parts[0].startswith(MODELS) and len(parts) == 3 and parts[1] == STORE and len(parts[2]) in (40, 64)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _refused(folder: Path, sentence: str) -> InvalidInputError:
    return InvalidInputError(Problem("folder", str(folder), sentence))
