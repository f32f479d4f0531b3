"""Files and folders from this disk: what they are, using them where they lie, or copying them into our own folder.

A file is another's work until proven: it is recognised by its contents first, and what is damaged, unknown or (without
a person's word) pickled is refused before anything is changed. Copies appear whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from app import sources
from app.background import Background, Failed, Post, Progress, StoppedError, Tell, Then, Worker, as_info
from app.files import is_text, write_atomically
from app.installed import models_in
from app.judging import called, helper_name
from app.models import INDEX, Models
from app.paths import Paths
from app.settings import SettingsStore
from app.storage_checks import Check, Checks
from app.storage_report import files_of
from models.errors import AtelierError, ErrorCode, ErrorInfo, InvalidInputError, Problem, disk_error
from models.recognise import FileKind, Recognised, helper_kind, recognise_helper

log = logging.getLogger(__name__)

GB = 1_000_000_000
SPARE = 100_000_000
"""Bytes of the disk that are left free."""
CHUNK = 4 * 1024 * 1024
FOLDER, SOURCE = "diffusers", "folder"
"""What ``look`` gives as the format of a model folder, and of a folder with weight files in it."""
_LONGEST = 255  # bytes of a file's name on nearly every file system


class Consent(msgspec.Struct, frozen=True):
    """A pickled file that a person agreed to read, as it was then."""

    path: str
    size: int
    mtime_ns: int


class Imports:
    """The face of ``ui.viewmodels.ports.ImportsPort``. Use it on the owner thread."""

    def __init__(
        self,
        settings: SettingsStore,
        paths: Paths,
        models: Models,
        worker: Worker,
        post: Post,
        quick: Worker | None = None,
    ) -> None:
        """``worker`` copies; ``quick`` looks at files meanwhile (without it they wait for copies to be done)."""
        self._settings, self._paths, self._models = settings, paths, models
        self._work, self._quick = Background(worker, post), Background(quick or worker, post)
        self._consents = Consents(paths.data / "consents.json")

    def look(self, path: Path, then: Then[Recognised], failed: Failed) -> None:
        """What a file or folder is; changes nothing.

        Of a folder ``format`` is "diffusers" for a model, or "folder" for one with weight files in it: then ``title``
        is the app it belongs to, if one was recognised, and ``layers`` the number of files. Fails as ``recognise``.
        """
        self._quick.do(lambda: self._look(_whole(path)), then, failed)

    def add(
        self, path: Path, copy: bool, progress: Progress, then: Then[str], failed: Failed, allow_pickle: bool = False
    ) -> None:
        """Use a file or model folder in place, or copy it; answers its id, or "" when ``progress`` stopped the copy.

        Fails with MODEL_NEEDS_PICKLE for a pickled file unless ``allow_pickle`` (or an earlier word) permits it,
        ROOM_SHORT, DISK_FULL, FOLDER_NOT_WRITABLE, or what is wrong with the file.
        """
        path, tell = lone_weights(_whole(path)), self._work.meter(progress)
        if allow_pickle:
            try:
                self.allow_pickle(path)
            except OSError as error:
                failed(as_info(error))
                return

        def work() -> tuple[Path, Recognised]:
            found = self._usable(path)
            if not copy:
                return path, found
            return self._copy(path, found, tell), found

        def done(answer: tuple[Path, Recognised]) -> None:
            target, found = answer
            if found.format == "pickle" and target != path:
                self.allow_pickle(target)
            if not copy:
                self._remember(target, is_folder=target.is_dir())
            self._models.refresh()
            then(str(target))

        def stopped(error: ErrorInfo) -> None:
            if error == _STOPPED:
                then("")
            else:
                failed(error)

        (self._work if copy else self._quick).do(work, done, stopped)

    def allow_pickle(self, path: Path) -> None:
        """Record that a person agreed to read this file, as it is now, although it is a pickle."""
        self._consents.add(_whole(path))

    def allowed(self) -> frozenset[str]:
        """The pickled files that may be read: those agreed to that have not changed since. Any thread."""
        return self._consents.valid()

    def add_source(self, folder: Path, then: Then[int], failed: Failed) -> None:
        """Find everything in another app's folder from now on; answers how many things were found.

        Fails with FILE_UNKNOWN where nothing is, INVALID_INPUT for Atelier's own folders.
        """
        folder = _whole(folder)
        own = (self._models.cache, self._paths.data, self._paths.cache)

        def work() -> int:
            if not is_text(str(folder)):
                raise InvalidInputError(Problem("folder", folder.parent.name, "Its name is no text: rename it."))
            if any(_overlap(folder, other) for other in own):
                sentence = "The models in this folder are listed already."
                raise InvalidInputError(Problem("folder", str(folder), sentence))
            count = sum(1 for _ in sources.find(folder))
            if not count:
                raise AtelierError(ErrorCode.FILE_UNKNOWN, "no weight files in it", file=folder.name or str(folder))
            return count

        def done(count: int) -> None:
            known = self._settings.value.sources
            if str(folder) not in known:
                self._settings.change(sources=(*known, str(folder)))
            self._models.refresh()
            then(count)

        self._quick.do(work, done, failed)

    def remove_source(self, folder: str) -> None:
        """Forget a source; its files stay."""
        wanted = {folder, str(_whole(Path(folder)))}
        self._settings.change(sources=tuple(path for path in self._settings.value.sources if path not in wanted))
        self._models.refresh()

    def close(self) -> None:
        """Stop a copy that is under way; what was copied of it is deleted."""
        self._work.close()

    # -- inside --

    def _look(self, path: Path) -> Recognised:
        if not is_text(str(path)):
            name = path.name.encode(errors="replace").decode()
            raise AtelierError(ErrorCode.FILE_UNKNOWN, "its name is no text: rename it", file=name)
        helper = recognise_helper(path) if not (path / INDEX).is_file() else None
        if helper is not None:
            return helper
        path = lone_weights(path)
        if not path.is_dir():
            return self._models.known.file(path)
        if (path / INDEX).is_file() or any(models_in(path)):
            return self._look_at_model(path)
        count = sum(1 for _ in sources.find(path))
        if not count:
            raise AtelierError(ErrorCode.FILE_UNKNOWN, "no weight files in it", file=path.name or str(path))
        return Recognised(str(path), FileKind.UNKNOWN, SOURCE, title=sources.app_of(path), layers=count)

    def _look_at_model(self, folder: Path) -> Recognised:
        card = self._models.look_at_folder(folder).card
        info = self._models.known.folder(Path(card.ref.folder), card.name)
        dtype = info.denoiser.stored_dtype if info.denoiser else ""
        parameters = sum(part.parameters for part in info.parts)
        return Recognised(
            str(folder), FileKind.CHECKPOINT, FOLDER, parameters=parameters, stored_dtype=dtype,
            size_bytes=info.total_bytes, title=card.name, base=info.pipeline,
        )  # fmt: skip

    def _usable(self, path: Path) -> Recognised:
        """What may be added; raises AtelierError for the rest."""
        found = self._look(path)
        if found.format == SOURCE or (found.kind is FileKind.UNKNOWN and found.format != "pickle"):
            raise AtelierError(ErrorCode.FILE_UNKNOWN, "its tensors tell nothing", file=path.name)
        if found.format == "pickle" and str(path) not in self.allowed():
            raise AtelierError(ErrorCode.MODEL_NEEDS_PICKLE, model=path.stem, file=path.name)
        return found

    def _remember(self, path: Path, is_folder: bool) -> None:
        settings = self._settings.value
        known = settings.model_folders if is_folder else settings.model_files
        if str(path) in known:
            return
        name = "model_folders" if is_folder else "model_files"
        self._settings.change(**{name: (*known, str(path))})

    def _copy(self, path: Path, found: Recognised, tell: Tell) -> Path:
        """Copy under a name that is free; returns it. Raises AtelierError; what was begun is deleted."""
        target_folder = self._paths.models / found.kind.value
        files = list(_files(path))
        total = sum(size for _, _, size in files)
        temporary = target_folder / f".atelier-copy-{secrets.token_hex(4)}.part"
        try:
            target_folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(target_folder).free
            if total + SPARE > free:
                raise AtelierError(
                    ErrorCode.ROOM_SHORT, path=str(target_folder), needed_gb=round((total + SPARE) / GB, 1),
                    free_gb=round(free / GB, 1),
                )  # fmt: skip
            done, sums = 0, {}
            for source, relative, size in files:
                target = temporary / relative if relative else temporary
                sums[relative] = _copy_file(source, target, done, total, tell)
                done += size
            name = path.name if path.is_dir() else _file_name(path)
            named = _take_free_name(temporary, target_folder, name)
            self._remember_sums(named, sums)
            return named
        except BaseException as error:
            with contextlib.suppress(OSError):
                shutil.rmtree(temporary) if temporary.is_dir() else temporary.unlink(missing_ok=True)
            if isinstance(error, StoppedError):
                raise AtelierError.from_info(_STOPPED) from error
            if isinstance(error, OSError):
                raise disk_error(error, str(target_folder)) from error
            raise

    def _remember_sums(self, copied: Path, sums: dict[str, str]) -> None:
        """So that a later check can compare: of one's own files no list tells what they should be."""
        checks = Checks(self._paths.checked)
        for blob in files_of(copied):
            relative = Path(blob.path).relative_to(copied).as_posix()
            if (checksum := sums.get("" if relative == "." else relative)) is not None:
                checks.put(blob, Check(time.time(), True, checksum))
        checks.save()


_STOPPED = ErrorInfo(ErrorCode.INTERNAL, {}, "the copy was stopped")


class Consents:
    """The pickled files a person agreed to read, in one small file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._read()

    def add(self, path: Path) -> None:
        """Raises OSError: the file is not there, or the note could not be written."""
        facts = path.stat()
        self._known = {**self._known, str(path): Consent(str(path), facts.st_size, facts.st_mtime_ns)}
        write_atomically(self._path, msgspec.json.encode(list(self._known.values())))

    def valid(self) -> frozenset[str]:
        return frozenset(consent.path for consent in self._known.values() if _unchanged(consent))

    def _read(self) -> dict[str, Consent]:
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=list[Consent])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return {}
        return {consent.path: consent for consent in found}


def _unchanged(consent: Consent) -> bool:
    try:
        facts = Path(consent.path).stat()
    except OSError:
        return False
    return (facts.st_size, facts.st_mtime_ns) == (consent.size, consent.mtime_ns)


def _files(path: Path) -> Iterator[tuple[Path, str, int]]:
    """The file itself, or all files of a folder (what its links lead to): path, relative path, bytes."""
    if not path.is_dir():
        yield path, "", path.stat().st_size
        return
    for folder, _, names in os.walk(path):
        for name in sorted(names):
            file = Path(folder) / name
            if file.is_file():
                yield file, file.relative_to(path).as_posix(), file.stat().st_size


def _copy_file(source: Path, target: Path, before: int, total: int, tell: Tell) -> str:
    """Copy, as it is; returns the sha256."""
    whole = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    copied = 0
    with source.open("rb") as original, target.open("wb") as file:
        expected = os.fstat(original.fileno()).st_size
        while data := original.read(CHUNK):
            file.write(data)
            whole.update(data)
            copied += len(data)
            tell(before + copied, max(total, before + copied))
        file.flush()
        os.fsync(file.fileno())
    if copied != expected:
        raise OSError(errno.EIO, "the file changed while it was copied", str(source))
    facts = source.stat()
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return whole.hexdigest()


def _take_free_name(temporary: Path, folder: Path, wanted: str) -> Path:
    """Rename to ``wanted``, or with a number behind it if that is taken, also in other capitals."""
    taken = {entry.name.casefold() for entry in os.scandir(folder)}
    stem, suffix = os.path.splitext(wanted)  # noqa: PTH122 - of a name
    suffix = "" if temporary.is_dir() else suffix
    stem = wanted if temporary.is_dir() else stem
    number = 1
    while True:
        mark = f" ({number})" if number > 1 else ""
        name = _shortened(stem, _LONGEST - len(os.fsencode(mark + suffix))) + mark + suffix
        if name.casefold() not in taken:
            target = folder / name
            os.rename(temporary, target)  # noqa: PTH104
            return target
        number += 1


def _shortened(stem: str, longest: int) -> str:
    while len(os.fsencode(stem)) > longest:
        stem = stem[:-1]
    return stem


def _file_name(path: Path) -> str:
    return (helper_name(path) if path.name.lower().endswith(sources.GRAPH) else called(path)) + path.suffix


def lone_weights(path: Path) -> Path:
    """The weight file of a folder that holds one part only (``config.json`` and one file, as ControlNets are handed
    around); ``path`` itself for everything else."""
    try:
        if not path.is_dir() or not (path / "config.json").is_file() or (path / INDEX).is_file():
            return path
        if helper_kind(path) is not FileKind.UNKNOWN:
            return path
        weights = [each for each in path.iterdir() if each.suffix.lower() in sources.WEIGHTS and each.is_file()]
    except OSError:
        return path
    return weights[0] if len(weights) == 1 else path


def _overlap(one: Path, other: Path) -> bool:
    one, other = Path(os.path.realpath(one)), Path(os.path.realpath(other))
    return one == other or one in other.parents or other in one.parents


def _whole(path: Path) -> Path:
    """An absolute path; links in it stay as the person gave them."""
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100
