"""The hub's cache folder as it lies on the disk: repositories, their revisions and files, and the blobs behind them.

The layout is huggingface_hub's, read here without it (its import takes longer than the listing, and its own scan
refuses what is not whole). Each ``models--org--name`` holds ``blobs`` named by their checksum, ``snapshots/<commit>``
of links to them, and ``refs``. Three variants are met: a blob may itself be a link into the store
``<cache>/blobs/<xx>/<hash>`` that all repositories share; where the system knows no links a snapshot holds the files
themselves; and equal files may be hard links of each other, so sizes are counted by inode. Nothing is followed out of
the cache.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import msgspec

from app.files import is_text

log = logging.getLogger(__name__)

MODELS = "models--"
STORE = "blobs"
STORE_MARK = ".huggingface-shared-blobs"
PART = ".part"
INCOMPLETE = ".incomplete"
REMOVED = ".atelier-removed-"
"""How a repository is called from the moment it is removed until all its files are gone."""

_REPO_TYPES = ("models--", "datasets--", "spaces--")
_PAYLOAD = re.compile(r"[0-9a-f]{64}")
_CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DEEPEST = 16  # folders in folders; a snapshot's own are three deep at most

Inode = tuple[int, int]


def hasher(size: int, git: bool) -> hashlib._Hash:
    """Takes the checksum that a blob is named by: sha256, or git's own sha1 of a file of ``size`` bytes."""
    return hashlib.sha1(b"blob %d\0" % size) if git else hashlib.sha256()


class Blob(msgspec.Struct, frozen=True):
    """Content on the disk, under one of its names.

    ``name`` is its checksum (sha256 of 64, git's sha1 of 40 hex digits), or empty for a file that lies in a snapshot
    only. ``links`` counts the hard links of the content, known or not. ``store`` is the path in the shared store, if
    it lies there. ``outside`` is set when a link leads out of the cache: then it is another's, and only read.
    """

    name: str
    path: str
    size: int
    inode: Inode
    links: int
    modified_ns: int
    store: str = ""
    outside: bool = False

    @property
    def checksum(self) -> str:
        """The name, if it is one."""
        return self.name if _CHECKSUM.fullmatch(self.name) else ""


class File(msgspec.Struct, frozen=True):
    """A file of a snapshot, by its path in the repository; ``blob`` is None when its content is gone."""

    path: str
    blob: Blob | None


class Revision(msgspec.Struct, frozen=True):
    """One commit. ``refs`` are the branches and tags that point to it."""

    commit: str
    folder: str
    files: tuple[File, ...]
    refs: tuple[str, ...] = ()
    modified: float = 0.0

    @property
    def size(self) -> int:
        """Bytes of its different blobs."""
        return sum({file.blob.inode: file.blob.size for file in self.files if file.blob}.values())


class Part(msgspec.Struct, frozen=True):
    """An unfinished file: ours (``.part``, goes on later) or the hub library's (``.incomplete``, never does)."""

    path: str
    size: int
    modified: float
    ours: bool


class Repo(msgspec.Struct, frozen=True, dict=True):
    """One repository. ``linked`` says that its folder is a link to somewhere else."""

    id: str
    folder: str
    revisions: tuple[Revision, ...] = ()
    blobs: tuple[Blob, ...] = ()
    parts: tuple[Part, ...] = ()
    refs: dict[str, str] = {}
    linked: bool = False

    @property
    def current(self) -> Revision | None:
        """The revision in use: what ``main`` points to, else the only or newest one."""
        by_commit = {revision.commit: revision for revision in self.revisions}
        wanted = by_commit.get(self.refs.get("main", ""))
        return wanted or max(
            self.revisions, key=lambda revision: (bool(revision.refs), revision.modified), default=None
        )

    @cached_property
    def content(self) -> tuple[Blob, ...]:
        """Every name under which content lies in this repository: blobs, and files in snapshots themselves."""
        blobs = {blob.path for blob in self.blobs}
        loose = {
            file.blob.path: file.blob
            for revision in self.revisions
            for file in revision.files
            if file.blob is not None and file.blob.path not in blobs and not file.blob.outside
        }
        return (*self.blobs, *loose.values())

    @cached_property
    def unused(self) -> tuple[Blob, ...]:
        """Blobs that no snapshot uses. Where snapshots hold copies, a blob of the size of one is taken for used."""
        files = [file.blob for revision in self.revisions for file in revision.files if file.blob]
        used = {blob.inode for blob in files}
        blobs = {blob.path for blob in self.blobs}
        copied = {blob.size for blob in files if blob.path not in blobs}
        return tuple(blob for blob in self.blobs if blob.inode not in used and blob.size not in copied)

    @property
    def size(self) -> int:
        """Bytes of its content, each inode once, and of its unfinished files."""
        content = {blob.inode: blob.size for blob in self.content if not blob.outside}
        return sum(content.values()) + sum(part.size for part in self.parts)

    @property
    def modified(self) -> float:
        return max((revision.modified for revision in self.revisions), default=0.0)


class Cache(msgspec.Struct, frozen=True, dict=True):
    """A whole cache folder. ``store`` are the payloads of the shared store by path; ``removed`` folders of models whose
    removal was cut off; ``present`` is False when the folder is not there."""

    folder: str
    repos: tuple[Repo, ...] = ()
    store: dict[str, Blob] = {}
    removed: tuple[str, ...] = ()
    present: bool = True

    def repo(self, key: str) -> Repo | None:
        """By id; the hub takes no notice of capitals, and a disk may not either."""
        return self._by_id.get(key) or self._by_id.get(key.casefold())

    @cached_property
    def _by_id(self) -> dict[str, Repo]:
        found = {repo.id.casefold(): repo for repo in reversed(self.repos)}
        return {**found, **{repo.id: repo for repo in self.repos}}


def default_hub_cache() -> Path:
    """Where huggingface_hub keeps its cache; read from the same variables, without importing it."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"]).expanduser()
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(home).expanduser() / "hub"


def repo_folder(cache: Path, repo_id: str) -> Path:
    """Where a repository lies, or would lie."""
    return cache / (MODELS + repo_id.replace("/", "--"))


def repo_id(folder_name: str) -> str:
    """ "models--org--name" -> "org/name"."""
    return folder_name.removeprefix(MODELS).replace("--", "/", 1)


def scan(cache: Path) -> Cache:
    """Read the layout of ``cache``: names, links and sizes, no contents. What cannot be read is left out and logged.

    About half a millisecond a model.
    """
    try:
        entries = sorted((one for one in os.scandir(cache) if is_text(one.name)), key=lambda entry: entry.name)
    except OSError as error:
        log.info("no cache in %s: %s", cache, error)
        return Cache(str(cache), present=False)
    store = _store(cache)
    repos = []
    for entry in entries:
        if entry.name.startswith(MODELS) and len(entry.name) > len(MODELS) and _is_folder(entry):
            repos.append(_Scanner(cache, Path(entry.path), store).repo(entry.is_symlink()))
    removed = tuple(entry.path for entry in entries if entry.name.startswith(REMOVED))
    return Cache(str(cache), tuple(repos), store, removed)


def scan_repo(cache: Path, repo_id: str) -> Repo | None:
    """One repository alone; None if there is no such folder."""
    folder = repo_folder(cache, repo_id)
    if not folder.is_dir():
        return None
    return _Scanner(cache, folder, _store(cache)).repo(folder.is_symlink())


def links_into_store(cache: Path) -> Iterator[tuple[Path, Path]]:
    """Every blob of any repository (models, data sets, spaces) that is a link into the shared store: link, payload."""
    for entry in _entries(cache):
        if not entry.name.startswith(_REPO_TYPES):
            continue
        for blob in _entries(Path(entry.path) / STORE):
            if blob.is_symlink() and (payload := _payload(cache, blob.path)):
                yield Path(blob.path), Path(payload)


def has_store(cache: Path) -> bool:
    """Whether ``<cache>/blobs`` is the shared store: only a marked folder is."""
    try:
        return (cache / STORE / STORE_MARK).read_text(encoding="utf-8").strip() == "1"
    except (OSError, UnicodeDecodeError):
        return False


class _Scanner:
    """Reads one repository."""

    def __init__(self, cache: Path, folder: Path, store: dict[str, Blob]) -> None:
        self._cache = cache
        self._folder = folder
        self._store = store
        self._blobs: dict[str, Blob] = {}
        self._parts: list[Part] = []
        self._names: dict[Inode, str] = {}

    def repo(self, linked: bool) -> Repo:
        for entry in _entries(self._folder / STORE):
            self._blob(entry)
        self._names = {blob.inode: blob.name for blob in self._blobs.values() if blob.links > 1}
        refs = self._refs()
        revisions = tuple(
            self._revision(Path(entry.path), refs)
            for entry in _entries(self._folder / "snapshots")
            if entry.is_dir(follow_symlinks=False)
        )
        return Repo(
            id=repo_id(self._folder.name),
            folder=str(self._folder),
            revisions=revisions,
            blobs=tuple(self._blobs.values()),
            parts=tuple(self._parts),
            refs=refs,
            linked=linked,
        )

    def _blob(self, entry: os.DirEntry[str]) -> None:
        if entry.name.endswith((PART, INCOMPLETE)):
            if not entry.is_symlink():
                facts = entry.stat(follow_symlinks=False)
                ours = entry.name.endswith(PART)
                self._parts.append(Part(entry.path, _on_disk(facts), facts.st_mtime, ours))
        elif entry.is_symlink():
            payload = _payload(self._cache, entry.path)
            if payload in self._store:
                inside = msgspec.structs.replace(self._store[payload], name=entry.name, path=entry.path)
                self._blobs[entry.name] = inside
            elif not payload and (outside := _outside(entry.path, entry.name)):
                self._blobs[entry.name] = outside
        elif entry.is_file(follow_symlinks=False):
            self._blobs[entry.name] = _real(entry.name, entry.path, entry.stat(follow_symlinks=False))

    def _refs(self) -> dict[str, str]:
        found = {}
        for folder, _, names in os.walk(self._folder / "refs"):
            for name in names:
                path = Path(folder) / name
                try:
                    commit = path.read_text(encoding="utf-8").strip()
                except (OSError, UnicodeDecodeError):
                    continue
                found[path.relative_to(self._folder / "refs").as_posix()] = commit
        return found

    def _revision(self, folder: Path, refs: dict[str, str]) -> Revision:
        files = tuple(self._files(folder, "", "../../" + STORE + "/", 0))
        newest = max((file.blob.modified_ns for file in files if file.blob), default=0)
        named = tuple(sorted(name for name, commit in refs.items() if commit == folder.name))
        return Revision(folder.name, str(folder), files, named, newest / 1e9)

    def _files(self, folder: Path | str, prefix: str, usual: str, depth: int) -> Iterator[File]:
        """``usual`` is how a link from here into this repository's blobs begins."""
        for entry in _entries(folder):
            if entry.is_symlink():
                yield File(prefix + entry.name, self._linked(entry.path, usual))
            elif entry.is_dir(follow_symlinks=False):
                if depth < _DEEPEST:
                    yield from self._files(entry.path, f"{prefix}{entry.name}/", "../" + usual, depth + 1)
            elif entry.is_file(follow_symlinks=False):
                yield File(prefix + entry.name, self._loose(entry))

    def _loose(self, entry: os.DirEntry[str]) -> Blob:
        """A file that lies in a snapshot itself; one that is a hard link of a blob has that blob's name."""
        real = _real("", entry.path, entry.stat(follow_symlinks=False))
        name = self._names.get(real.inode, "") if real.links > 1 else ""
        return msgspec.structs.replace(real, name=name) if name else real

    def _linked(self, path: str, usual: str) -> Blob | None:
        """What a link in a snapshot leads to."""
        try:
            target = os.readlink(path).replace(os.sep, "/")  # noqa: PTH115 - a Path for each of thousands takes long
        except OSError:
            return None
        if target.startswith(usual) and "/" not in target[len(usual) :]:
            return self._blobs.get(target[len(usual) :])
        whole = Path(os.path.normpath(os.path.join(os.path.dirname(path), target)))  # noqa: PTH118, PTH120
        if whole.parent.name == STORE and _same_folder(whole.parent, self._folder / STORE):
            return self._blobs.get(whole.name)
        return _outside(path, "")


def _store(cache: Path) -> dict[str, Blob]:
    if not has_store(cache):
        return {}
    found = {}
    for prefix in _entries(cache / STORE):
        if len(prefix.name) != 2 or not prefix.is_dir(follow_symlinks=False):
            continue
        for entry in _entries(prefix.path):
            if _PAYLOAD.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                real = _real("", entry.path, entry.stat(follow_symlinks=False))
                found[entry.path] = msgspec.structs.replace(real, store=entry.path)
    return found


def _payload(cache: Path, link: str) -> str:
    """The path in the shared store that ``link`` names, whether it is there or not; empty if it names none."""
    try:
        target = os.readlink(link)  # noqa: PTH115
    except OSError:
        return ""
    whole = Path(os.path.normpath(os.path.join(os.path.dirname(link), target)))  # noqa: PTH118, PTH120
    if not _PAYLOAD.fullmatch(whole.name) or whole.parent.name != whole.name[:2]:
        return ""
    if not _same_folder(whole.parent.parent, cache / STORE):
        return ""
    return str(cache / STORE / whole.parent.name / whole.name)


def _outside(path: str, name: str) -> Blob | None:
    try:
        facts = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return msgspec.structs.replace(_real(name, path, facts), outside=True)


def _real(name: str, path: str, facts: os.stat_result) -> Blob:
    if not facts.st_ino:  # a directory listing on Windows does not tell
        facts = os.stat(path)  # noqa: PTH116
    inode = (facts.st_dev, facts.st_ino)
    return Blob(name, path, facts.st_size, inode, facts.st_nlink, facts.st_mtime_ns)


def _on_disk(facts: os.stat_result) -> int:
    """Bytes really taken: an unfinished file may have holes."""
    blocks = getattr(facts, "st_blocks", None)
    return facts.st_size if blocks is None else min(facts.st_size, blocks * 512)


def _same_folder(one: Path, other: Path) -> bool:
    if one == other:
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry in found if is_text(entry.name)), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        log.warning("cannot list %s: %s", folder, error)
        return []
