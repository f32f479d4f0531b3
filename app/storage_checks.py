"""Whether files are what they should be: checksums taken, compared, and remembered.

The name of a blob is its checksum (sha256, or for small files the sha1 git gives them). Of files with other names the
hub's list of the commit tells it where there is one; where nothing does, a safetensors header is checked, and the
checksum found the first time is what later ones are compared with: so decay of a disk is noticed there too.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import filelock
import msgspec

from app.background import Tell
from app.cache import Blob, Repo, hasher
from app.files import write_atomically
from app.trees import read_tree
from app.weights import BadFile
from models.headers import BrokenHeaderError, read_header

log = logging.getLogger(__name__)

CHUNK = 4 * 1024 * 1024

TellOne = Callable[[int], None]
"""Told how many bytes of one file were read; raises StoppedError."""


class Check(msgspec.Struct, frozen=True, array_like=True):
    """When content was last read whole, whether it was good, and its sha256 (of blobs it is the name)."""

    time: float
    good: bool
    sha256: str = ""


class Target(msgspec.Struct, frozen=True):
    """A file to verify: what a person calls it, its content (None: it is gone), and what should be there."""

    path: str
    blob: Blob | None
    checksum: str = ""
    size: int = -1


class Outcome(msgspec.Struct):
    """What a verification found so far."""

    files: int = 0
    bytes: int = 0
    unknown: int = 0
    bad: list[BadFile] = []


class Checks:
    """What was found when, by content: its name, size and time of change. Kept in one file; for any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._known = self._read()
        self._new: dict[str, Check] = {}

    def of(self, blob: Blob) -> Check | None:
        """What is known of this content as it is now."""
        return self._known.get(_key(blob))

    def put(self, blob: Blob, check: Check) -> None:
        with self._lock:
            self._known[_key(blob)] = self._new[_key(blob)] = check

    def reload(self) -> None:
        """Learn what other programs, or other parts of this one, wrote down since."""
        if self._stamp() != self._seen:
            self._learn({})

    def save(self) -> None:
        """Write down what is new, beside what others found meanwhile. A failure is only logged: it costs another
        look."""
        with self._lock:
            new, self._new = self._new, {}
        if not new:
            return
        try:
            with filelock.FileLock(self._path.with_name(self._path.name + ".lock"), timeout=10):
                self._learn(new)
                write_atomically(self._path, msgspec.json.encode(self._known))
                self._seen = self._stamp()
        except (OSError, filelock.Timeout) as error:
            log.warning("checks could not be kept: %s", error)

    def _learn(self, new: dict[str, Check]) -> None:
        """Take in what is written down; of what is known here as well the later finding counts."""
        self._seen, written = self._stamp(), self._read()
        with self._lock:
            known = {**self._known, **new}
            for key, check in written.items():
                if key not in known or known[key].time < check.time:
                    known[key] = check
            self._known = known

    def _stamp(self) -> tuple[int, int]:
        try:
            facts = self._path.stat()
        except OSError:
            return 0, 0
        return facts.st_mtime_ns, facts.st_ino

    def _read(self) -> dict[str, Check]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Check])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return {}


def targets_of_repo(repo: Repo) -> list[Target]:
    """The files of the revision in use, and of others what it does not have."""
    found: dict[str, Target] = {}
    current = repo.current
    for revision in sorted(repo.revisions, key=lambda one: one is not current):
        listed = read_tree(Path(repo.folder), revision.commit)
        for file in revision.files:
            entry = listed.get(file.path)
            checksum = (file.blob.checksum if file.blob else "") or (entry.blob if entry else "")
            key = file.blob.path if file.blob else file.path
            found.setdefault(key, Target(file.path, file.blob, checksum, entry.size if entry else -1))
    return list(found.values())


def verify(targets: Iterable[Target], checks: Checks, tell: Tell, outcome: Outcome) -> None:
    """Read and compare every file, filling ``outcome``.

    Raises:
        StoppedError: as ``tell`` does; ``outcome`` and what was found so far stand.
    """
    targets = list(targets)
    total = sum(target.blob.size for target in targets if target.blob)
    try:
        for target in targets:
            before = outcome.bytes
            why = _verify_one(target, checks, functools.partial(_tell, tell, before, total), outcome)
            outcome.files += 1
            outcome.bytes = before + (target.blob.size if target.blob else 0)
            if why:
                outcome.bad.append(BadFile(target.path, why))
            tell(outcome.bytes, total)
    finally:
        checks.save()


def _tell(tell: Tell, before: int, total: int, done: int) -> None:
    tell(before + done, total)


def _verify_one(target: Target, checks: Checks, tell: TellOne, outcome: Outcome) -> str:
    """Why a file is bad; empty if it is good, as far as anything is known about it."""
    blob = target.blob
    if blob is None:
        return "missing"
    if target.size not in (-1, blob.size):
        _judge(checks, blob, False)
        return "size"
    known = checks.of(blob)
    expected = target.checksum or (known.sha256 if known else "")
    try:
        digest = digest_of(Path(blob.path), expected if len(expected) == 40 else "", blob.size, tell)
        if not expected:
            outcome.unknown += 1
            if blob.path.endswith(".safetensors") or target.path.endswith(".safetensors"):
                read_header(Path(blob.path))
    except FileNotFoundError:
        return "missing"
    except (OSError, BrokenHeaderError) as error:
        log.warning("%s: %s", blob.path, error)
        _judge(checks, blob, False)
        return "unreadable"
    good = not expected or digest == expected
    _judge(checks, blob, good, (digest if good else expected) if len(digest) == 64 else "")
    return "" if good else "checksum"


def _judge(checks: Checks, blob: Blob, good: bool, sha256: str = "") -> None:
    checks.put(blob, Check(time.time(), good, "" if blob.checksum == sha256 else sha256))


def digest_of(path: Path, git_sha1: str = "", size: int = 0, tell: TellOne | None = None) -> str:
    """The sha256 of a file, or with ``git_sha1`` (whatever it is) git's sha1 of it. Raises OSError, StoppedError."""
    whole = hasher(size, bool(git_sha1))
    done = 0
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            whole.update(data)
            done += len(data)
            if tell is not None:
                tell(done)
    return whole.hexdigest()


def _key(blob: Blob) -> str:
    return f"{blob.checksum or blob.path}|{blob.size}|{blob.modified_ns}"
