"""The hub cache as huggingface_hub lays it out, so that other tools find an ordinary cache, and use what is here.

    models--ORG--NAME/blobs/NAME_OF_BLOB        the bytes; named by sha256 (large files) or by git's sha1
    models--ORG--NAME/blobs/NAME_OF_BLOB.part   ours: bytes of a blob on their way
    models--ORG--NAME/snapshots/COMMIT/...      links to blobs by the files' names
    models--ORG--NAME/refs/REVISION             which commit a branch or tag was
    .locks/...                                  one at a time, over all processes

A snapshot is made in one step when all its blobs are whole, so what is half fetched never looks like a model. Where
links cannot be made (Windows without developer mode) a file has two names instead, and is copied where not even that
works.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from huggingface_hub.file_download import are_symlinks_supported, repo_folder_name

from app.files import folder_problem
from app.hub.locks import held_elsewhere, hold
from app.hub.net import Halt
from app.hub_protocol import HubFile
from models.errors import AtelierError, ErrorCode

_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# A cache, as described at https://bford.info/cachedir/\n"
_COPY_BYTES = 4 << 20
_STALE_SECONDS = 3600.0
_numbers = itertools.count(1)


class MissingBlobError(Exception):
    """A blob was taken away by somebody else between its download and its use."""


def blob_name(file: HubFile) -> str:
    return file.sha256 or file.git_sha1


class Cache:
    """The cache in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def repo(self, repo: str) -> Path:
        return self.root / repo_folder_name(repo_id=repo, repo_type="model")

    def blob(self, repo: str, file: HubFile) -> Path:
        return self.repo(repo) / "blobs" / blob_name(file)

    def part(self, repo: str, file: HubFile) -> Path:
        return self.repo(repo) / "blobs" / f"{blob_name(file)}.part"

    def prepare(self, repo: str) -> None:
        """Make the folders. Raises AtelierError FOLDER_NOT_WRITABLE."""
        problem = folder_problem(self.repo(repo) / "blobs")
        if problem is not None:
            raise AtelierError(ErrorCode.FOLDER_NOT_WRITABLE, problem, path=str(self.root))
        tag = self.root / "CACHEDIR.TAG"
        if not tag.exists():
            with contextlib.suppress(OSError):
                tag.write_text(_TAG)

    def free(self) -> int:
        """Bytes free on the cache's disk."""
        folder = self.root
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return shutil.disk_usage(folder).free

    # -- what is here

    def has(self, repo: str, file: HubFile) -> bool:
        return _size(self.blob(repo, file)) == file.size

    def here(self, repo: str, file: HubFile) -> int:
        """How many bytes of a file need not be fetched."""
        if self.has(repo, file) or self.lent(repo, file) is not None:
            return file.size
        part = _size(self.part(repo, file))
        return part if 0 < part <= file.size else 0

    def lent(self, repo: str, file: HubFile) -> Path | None:
        """The same blob in another repository's folder. Small files are not worth a look."""
        return next(self._same(repo, file, ""), None) if file.sha256 else None

    def elsewhere(self, repo: str, file: HubFile) -> int:
        """How far somebody else is with a blob, in bytes."""
        sizes = [_size(self.part(repo, file)), *(_size(path) for path in self._same(repo, file, ".part"))]
        return min(max(sizes), file.size)

    def _same(self, repo: str, file: HubFile, ending: str) -> Iterator[Path]:
        own = self.repo(repo).name
        with contextlib.suppress(OSError), os.scandir(self.root) as folders:
            for folder in folders:
                if folder.name.startswith("models--") and folder.name != own:
                    path = Path(folder.path, "blobs", blob_name(file) + ending)
                    if _size(path) == file.size or (ending and _size(path) >= 0):
                        yield path

    def share(self, repo: str, file: HubFile, halt: Halt) -> bool:
        """Use the same blob of another repository: one file with two names, or a copy where that cannot be."""
        source, target = self.lent(repo, file), self.blob(repo, file)
        if source is None:
            return False
        source = source.resolve()  # other tools keep some blobs elsewhere
        with contextlib.suppress(OSError):
            target.unlink(missing_ok=True)
            os.link(source, target)
            return True
        try:
            _copy(source, target, halt)
        except OSError:
            return False
        return True

    def tidy(self, repo: str, file: HubFile) -> None:
        """Remove what is left of broken-off ways to a blob that is whole now. Its locks are held by the caller."""
        for path in self.blob(repo, file).parent.glob(f"{blob_name(file)}.*part"):
            with contextlib.suppress(OSError):
                path.unlink()

    # -- locks

    def locks(self, repo: str, file: HubFile) -> list[Path]:
        """What to hold while a blob is fetched: one over all repositories, and the one other tools take."""
        name, locks = blob_name(file), self.root / ".locks"
        wide = [locks / "atelier" / f"{name}.lock"] if file.sha256 else []
        return [*wide, locks / self.repo(repo).name / f"{name}.lock"]

    @contextlib.contextmanager
    def claim(self, repo: str) -> Iterator[None]:
        """During the block nobody else throws blobs of ``repo`` away."""
        path = self._claims() / f"{self.repo(repo).name}.{os.getpid()}.{next(_numbers)}.claim"
        try:
            with hold(path, Halt()):
                yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()

    def _claims(self) -> Path:
        return self.root / ".locks" / "atelier"

    def is_claimed(self, repo: str) -> bool:
        return any(held_elsewhere(path) for path in self._claims().glob(f"{self.repo(repo).name}.*.claim"))

    # -- snapshots

    def publish(self, repo: str, revision: str, commit: str, files: Iterable[HubFile]) -> Path:
        """Make the snapshot of ``files``, all of whose blobs are here, and note which commit ``revision`` is.

        Raises:
            MissingBlobError: a blob is not here after all.
            OSError: the disk.
        """
        folder, files = self.repo(repo), list(files)
        for file in files:
            if not self.has(repo, file):
                raise MissingBlobError(file.path)
        snapshot = folder / "snapshots" / commit
        _sync(folder / "blobs")
        if not snapshot.exists():
            made = folder / ".atelier" / f"{commit}.{secrets.token_hex(4)}"
            self._link_all(repo, made, files)
            snapshot.parent.mkdir(exist_ok=True)
            with contextlib.suppress(OSError):  # somebody else was faster
                made.rename(snapshot)
            shutil.rmtree(made, ignore_errors=True)
            self._clear(made.parent)
        # The index last: with it a folder looks like a model.
        self._link_all(repo, snapshot, sorted(files, key=lambda file: file.path == "model_index.json"))
        if revision != commit:
            _write(folder / "refs" / revision, commit)
        _sync(snapshot.parent)
        return snapshot

    def _clear(self, workshop: Path) -> None:
        """Remove snapshots that were never finished, because their process was killed."""
        for path in workshop.glob("*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(path)
        with contextlib.suppress(OSError):
            workshop.rmdir()

    def _link_all(self, repo: str, folder: Path, files: Iterable[HubFile]) -> None:
        for file in files:
            path, blob = folder / file.path, self.blob(repo, file)
            if path.exists() and path.samefile(blob):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            self._link(blob, path)

    def _link(self, blob: Path, path: Path) -> None:
        if are_symlinks_supported(self.root):
            path.symlink_to(os.path.relpath(blob, path.parent))
            return
        try:
            os.link(blob, path)
        except OSError:
            shutil.copyfile(blob, path)

    # -- throwing away

    def discard(self, repo: str, names: Collection[str], keep: Collection[str] = ()) -> int:
        """Delete blobs of a download that no snapshot uses, and their parts; returns the bytes that became free.

        ``names`` are those of its blobs, ``keep`` those that other downloads in this process are about. While another
        process downloads the same repository, only parts go that nobody writes.
        """
        freed = 0
        spare = set(names) - set(keep)
        whole = not self.is_claimed(repo)
        used = self._used(repo)
        for path in list((self.repo(repo) / "blobs").glob("*")):
            name, _, ending = path.name.partition(".")
            lock = self.root / ".locks" / self.repo(repo).name / f"{name}.lock"
            unused = ending.endswith("part") or (not ending and whole and _identity(path) not in used)
            if name in spare and unused and not held_elsewhere(lock):
                freed += _remove(path)
        for folder in (".atelier", "blobs", "snapshots", ""):
            with contextlib.suppress(OSError):
                (self.repo(repo) / folder).rmdir()
        return freed

    def _used(self, repo: str) -> set[tuple[int, int]]:
        paths = (self.repo(repo) / "snapshots").rglob("*")
        return {identity for path in paths if not path.is_dir() and (identity := _identity(path))}


def _size(path: Path) -> int:
    """Bytes; -1 where no file is."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _remove(path: Path) -> int:
    """The bytes that became free."""
    try:
        facts = path.lstat()
        path.unlink()
    except OSError:
        return 0
    return facts.st_size if facts.st_nlink == 1 else 0


def _copy(source: Path, target: Path, halt: Halt) -> None:
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with source.open("rb") as original, part.open("wb") as copy:
            while block := original.read(_COPY_BYTES):
                halt.check()
                copy.write(block)
            copy.flush()
            os.fsync(copy.fileno())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    """Whole or not at all; unlike files of our own, readable by whoever shares the cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.read_text() == text:
        return
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    part.write_text(text)
    os.replace(part, path)


def _sync(folder: Path) -> None:
    """Names that appeared in ``folder`` survive a power cut; only where folders can be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
