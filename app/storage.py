"""What lies on the disk, and what can be done about it: check, repair, remove, store equal files once, tidy up, move.

The service of the storage page; how each thing is done is told in ``storage_report``, ``storage_checks``,
``cache_removal``, ``storage_merge`` and ``storage_move``. Use it on the owner thread. Short work runs on one background
thread, work that takes minutes on another; where the two would get into each other's way, the later is refused.
"""

from __future__ import annotations

import logging
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from app import cache as hub
from app import cache_removal, storage_merge, storage_move, storage_report
from app.background import Background, Failed, Post, Progress, StoppedError, Then, Worker
from app.cache import Blob, Repo, Revision
from app.hub_protocol import PullSpec
from app.installed import models_in
from app.judging import Thing
from app.models import Models
from app.paths import Paths
from app.settings import SettingsStore
from app.states import DOWNLOAD_ACTIVE
from app.storage_checks import Check, Checks, Outcome, Target, targets_of_repo, verify
from app.storage_move import Note
from app.weights import BadFile, CheckReport, Download, StorageReport, StoredKind
from models import skeleton
from models.errors import AtelierError, ErrorCode, ErrorInfo, InvalidInputError, Problem

log = logging.getLogger(__name__)

T = TypeVar("T")

WRITTEN_WITHIN = 30.0
"""Seconds that the settings file is given to be on the disk before the old cache is deleted."""


class DownloadsLike(Protocol):
    """What storage asks of downloads."""

    def all(self) -> list[Download]: ...
    def unfinished(self) -> list[Download]: ...
    def start(self, model: str, /, spec: PullSpec | None = None) -> Download: ...


class Storage:
    """The face of ``ui.viewmodels.ports.StoragePort``."""

    def __init__(
        self,
        settings: SettingsStore,
        paths: Paths,
        models: Models,
        quick: Worker,
        slow: Worker,
        post: Post,
        downloads: DownloadsLike,
        in_use: Callable[[str], bool] = lambda model_id: False,
        used: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        """``in_use`` says whether a model is loaded or wanted by a job; ``used`` when each was last used (any thread).
        ``post`` brings a function to the owner thread."""
        self._settings, self._paths, self._models = settings, paths, models
        self._quick, self._slow = Background(quick, post), Background(slow, post)
        self._downloads, self._in_use, self._used = downloads, in_use, used
        self._checks = Checks(paths.checked)
        self._note = paths.data / "moving.json"
        self._running: list[str] = []

    # -- looking --

    def report(self, then: Then[StorageReport], failed: Failed) -> None:
        """All weights on this computer; well under a second for hundreds of models."""
        wanted, copies = self._wanted(), self._paths.models

        def work() -> StorageReport:
            survey = self._models.survey()
            self._checks.reload()
            return storage_report.build(survey, self._checks, wanted, copies, self._used())

        self._quick.do(work, then, failed)

    def verify(self, key: str, progress: Progress, then: Then[CheckReport], failed: Failed) -> None:
        """Read all of a model's files and compare. Stopped by ``progress``, it answers what was found until then."""
        if self._refused("verify", failed, unless=("move",)):
            return
        tell = self._slow.meter(progress)

        def work() -> CheckReport:
            thing, repo = self._find(key)
            self._checks.reload()
            outcome = Outcome(bad=[])
            try:
                verify(_targets(thing, repo), self._checks, tell, outcome)
            except StoppedError:
                log.info("the check of %s was stopped", key)
            lost = thing.problem if thing is not None else None
            if lost is not None and lost.code is ErrorCode.MODEL_INCOMPLETE:
                outcome.bad += _not_even_linked(str(lost.facts.get("file", "")), outcome.bad)
            return CheckReport(key, outcome.files, outcome.bytes, outcome.unknown, tuple(outcome.bad))

        self._run(self._slow, "verify", work, then, failed)

    def arrived(self, folder: Path) -> None:
        """The hub process has just fetched and verified this snapshot: remember that."""

        def work() -> None:
            repo = hub.scan_repo(folder.parents[2], hub.repo_id(folder.parents[1].name))
            revision = next((one for one in repo.revisions if one.commit == folder.name), None) if repo else None
            for file in revision.files if revision else ():
                if file.blob is not None and file.blob.checksum:
                    self._checks.put(file.blob, Check(time.time(), True))
            self._checks.save()

        if len(folder.parents) > 2:
            self._quick.do(work, lambda _: None, lambda error: log.warning("not noted as verified: %s", error))

    # -- changing --

    def repair(self, key: str) -> Download:
        """Delete what is known to be damaged and fetch it, and what is missing, again.

        Raises:
            AtelierError: MODEL_NOT_INSTALLED; MODEL_CORRUPT if it did not come from the hub; MODEL_IN_USE,
                STORAGE_BUSY; or as ``downloads.start`` does.
        """
        thing = self._models.thing(key)
        repo_id = thing.repo if thing is not None and thing.repo else key
        repo = hub.scan_repo(self._models.cache, repo_id)
        if repo is None and thing is None:
            raise AtelierError(ErrorCode.MODEL_NOT_INSTALLED, model=key)
        if repo is None:
            assert thing is not None
            raise AtelierError(ErrorCode.MODEL_CORRUPT, "not from the hub", model=thing.name, file=key)
        self._need(repo, key, ("move", "merge"))
        aside = [moved for blob in _damaged(repo, self._checks) for moved in _put_aside(blob)]
        try:
            download = self._downloads.start(*_wish(thing, repo))
        except AtelierError:
            for path, original in aside:
                path.rename(original)
            raise
        for path, _ in aside:
            cache_removal.delete_file(path)
        return download

    def remove(self, key: str, then: Then[int], failed: Failed) -> None:
        """Delete a model of the hub or a copy of ours; forget a file or folder used in place. Answers freed bytes."""
        thing = self._models.thing(key)
        settings = self._settings.value
        try:
            if (thing is not None and not thing.owned) or key in (*settings.model_files, *settings.model_folders):
                self._forget(key, thing)
                then(0)
                return
            self._need(None, thing.repo if thing is not None and thing.repo else key, ("move", "merge"))
        except AtelierError as error:
            failed(error.info)
            return
        self._run(self._quick, "remove", lambda: self._remove(key), then, failed, changes=True)

    def merge(self, progress: Progress, then: Then[int], failed: Failed) -> None:
        """Store equal files once; answers the bytes saved, also when stopped."""
        if self._refused("merge", failed, unless=("move", "merge", "remove", "clean")):
            return
        tell, copies = self._slow.meter(progress), self._paths.models

        def work() -> int:
            names = storage_report.mergeable(self._models.survey(), copies)
            saved = [0]
            try:
                storage_merge.merge(storage_report.duplicates(names, self._checks), names, self._checks, tell, saved)
            except StoppedError:
                log.info("merging was stopped")
            return saved[0]

        self._run(self._slow, "merge", work, then, failed, changes=True)

    def clean(self, then: Then[int], failed: Failed) -> None:
        """Delete what belongs to no model; answers the freed bytes."""
        if self._refused("clean", failed, unless=("move", "merge")):
            return
        wanted, copies, note, skeletons = self._wanted(), self._paths.models, self._note, self._paths.singles
        in_use = self._models.cache

        def work() -> int:
            scanned = hub.scan(in_use)
            freed = cache_removal.delete_orphans(scanned, cache_removal.orphans(scanned, wanted))
            freed += _clean_copies(copies) + _clean_skeletons(skeletons)
            return freed + _clean_broken_move(note, in_use)

        self._run(self._quick, "clean", work, then, failed, changes=True)

    def move(self, folder: Path, progress: Progress, then: Then[int], failed: Failed) -> None:
        """Move the models of the cache; it is used from the new folder once everything arrived. Answers the bytes
        moved, 0 when stopped (what was copied by then is not copied again the next time)."""
        old, new = self._models.cache, Path(folder).expanduser().absolute()
        chosen = bool(self._settings.value.models_cache)
        if self._refused("move", failed, unless=("move", "merge", "verify", "remove", "clean")):
            return
        if any(download.state in DOWNLOAD_ACTIVE for download in self._downloads.all()):
            failed(ErrorInfo(ErrorCode.STORAGE_BUSY, {"what": "a download is running"}))
            return
        tell = self._slow.meter(progress)

        def work() -> int:
            scanned = hub.scan(old)
            if not scanned.present and chosen:
                raise AtelierError(ErrorCode.FOLDER_GONE, path=str(old))
            storage_move.check_target(old, new)
            earlier = storage_move.read_note(self._note)
            fresh = not any(new.iterdir()) or (earlier is not None and earlier.new == str(new) and earlier.fresh)
            storage_move.write_note(self._note, Note(str(old), str(new), fresh))
            try:
                return storage_move.copy(scanned, new, tell)
            except StoppedError:
                return -1

        self._running.append("move")
        self._slow.do(work, lambda moved: self._copied(old, new, moved, then, failed), self._ended("move", failed))

    def resume(self) -> None:
        """Finish what a crash broke off: a cache that has moved is deleted where it was. Call it at the start."""
        note = storage_move.read_note(self._note)
        if note is None or Path(note.new) != self._models.cache:
            return
        self._delete_old(Path(note.old), Path(note.new), 0, lambda _: None, lambda error: None)

    def close(self) -> None:
        """Stop what is under way, so that the threads can end; a move goes on when it is asked for again."""
        self._quick.close()
        self._slow.close()

    # -- moving, the second half --

    def _copied(self, old: Path, new: Path, moved: int, then: Then[int], failed: Failed) -> None:
        if moved < 0:
            self._running.remove("move")
            then(0)
            return
        if any(download.state in DOWNLOAD_ACTIVE for download in self._downloads.all()):
            self._ended("move", failed)(ErrorInfo(ErrorCode.STORAGE_BUSY, {"what": "a download was started"}))
            return
        self._settings.change(models_cache=str(new))
        self._models.refresh()
        self._running.remove("move")
        self._delete_old(old, new, moved, then, failed)

    def _delete_old(self, old: Path, new: Path, moved: int, then: Then[int], failed: Failed) -> None:
        """Only once the settings file on the disk names the new folder: until then a crash leads back to the old."""

        def work() -> int:
            if not _is_written(self._paths.settings, new):  # the note sees to it at the next start
                log.warning("the settings are not written: the old cache stays in %s", old)
                return moved
            stayed = storage_move.delete_old(old, new)
            if stayed:  # what another program put there meanwhile is brought after
                storage_move.copy(hub.scan(old), new, lambda done, total: None)
                stayed = storage_move.delete_old(old, new)
            if not stayed:
                self._note.unlink(missing_ok=True)
            return moved

        self._run(self._slow, "move", work, then, failed, changes=True)

    # -- inside --

    def _find(self, key: str) -> tuple[Thing | None, Repo | None]:
        """What ``key`` means, by a fresh look; raises MODEL_NOT_INSTALLED. Any thread."""
        survey = self._models.survey()
        known = self._models.thing(key)
        wanted = (known.id if known else key, known.repo if known and known.repo else key)
        found = [one for one in survey.things if one.id in wanted or (one.repo and one.repo in wanted)]
        thing = next((one for one in found if one.id == wanted[0]), found[0] if found else None)
        repo = survey.cache.repo(thing.repo if thing and thing.repo else key)
        if thing is None and repo is None:
            raise AtelierError(ErrorCode.MODEL_NOT_INSTALLED, model=key)
        return thing, repo

    def _remove(self, key: str) -> int:
        thing, repo = self._find(key)
        if repo is not None and (thing is None or thing.repo):
            is_one_of_several = thing is not None and thing.file and thing.id != repo.id
            if thing is not None and is_one_of_several and key.casefold() != repo.id.casefold():
                return cache_removal.remove_file(self._models.cache, repo, thing.file)
            return cache_removal.remove_repo(self._models.cache, repo)
        if thing is None or not thing.owned or self._paths.models not in Path(thing.path).parents:
            raise AtelierError(ErrorCode.MODEL_NOT_INSTALLED, model=key)
        path = Path(thing.path)
        if path.is_dir() and not path.is_symlink():
            path = cache_removal.set_aside(path, path.parent)
        return cache_removal.delete_tree(path)

    def _forget(self, key: str, thing: Thing | None) -> None:
        """Take a file or folder off the list; its files stay."""
        if thing is not None and thing.source:
            sentence = f"It lies in a folder of another app; remove the source {thing.source} instead."
            raise InvalidInputError(Problem("model", key, sentence))
        if thing is not None and thing.kind is StoredKind.EMBEDDED:
            raise InvalidInputError(Problem("model", key, "It is a part of Atelier."))
        if thing is not None and thing.kind is StoredKind.HUB:  # it was in a cache whose disk is gone
            raise AtelierError(ErrorCode.FOLDER_GONE, path=thing.path)
        settings, path = self._settings.value, thing.path if thing is not None else key
        if path in settings.model_files:
            self._settings.change(model_files=tuple(other for other in settings.model_files if other != path))
        elif path in settings.model_folders:
            self._settings.change(model_folders=tuple(other for other in settings.model_folders if other != path))
        else:  # one of several models in a folder that was added: the others stay
            parent = str(Path(path).parent)
            others = tuple(str(folder) for folder in models_in(Path(parent)) if str(folder) != path)
            kept = tuple(path for path in settings.model_folders if path != parent)
            self._settings.change(model_folders=(*kept, *others))
        self._models.refresh()

    def _wanted(self) -> frozenset[str]:
        """Repositories with a download that may go on."""
        return frozenset(download.spec.repo.casefold() for download in self._downloads.unfinished())

    def _need(self, repo: Repo | None, key: str, unless: tuple[str, ...]) -> None:
        """Raise STORAGE_BUSY or MODEL_IN_USE if ``key`` must not be changed now."""
        if (busy := self._busy(unless)) is not None:
            raise AtelierError.from_info(busy)
        repo_id = repo.id if repo is not None else key
        active = (d.spec.repo.casefold() for d in self._downloads.all() if d.state in DOWNLOAD_ACTIVE)
        if repo_id.casefold() in active:
            raise AtelierError(ErrorCode.MODEL_IN_USE, "it is being downloaded", model=key)
        names = {key, repo_id, *(thing.id for thing in self._models.of_repo(repo_id))}
        if any(self._in_use(name) for name in sorted(names)):
            raise AtelierError(ErrorCode.MODEL_IN_USE, model=key)

    def _busy(self, unless: tuple[str, ...]) -> ErrorInfo | None:
        words = {
            "move": "they are being moved", "merge": "equal files are being merged", "verify": "they are being checked",
            "remove": "some are being removed", "clean": "the disk is being tidied up",
        }  # fmt: skip
        running = next((what for what in self._running if what in unless), None)
        return None if running is None else ErrorInfo(ErrorCode.STORAGE_BUSY, {"what": words[running]})

    def _refused(self, what: str, failed: Failed, unless: tuple[str, ...]) -> bool:
        busy = self._busy(unless)
        if busy is not None:
            log.info("%s is refused: %s", what, busy.facts)
            failed(busy)
        return busy is not None

    def _run(
        self, background: Background, what: str, work: Callable[[], T], then: Then[T], failed: Failed,
        changes: bool = False,
    ) -> None:  # fmt: skip
        """``work`` elsewhere, as one of the things that are going on; after ``changes`` models are looked at again."""
        self._running.append(what)

        def done(answer: T) -> None:
            self._running.remove(what)
            if changes:
                self._models.refresh()
            then(answer)

        background.do(work, done, self._ended(what, failed, changes))

    def _ended(self, what: str, failed: Failed, changes: bool = False) -> Failed:
        def ended(error: ErrorInfo) -> None:
            self._running.remove(what)
            if changes:
                self._models.refresh()
            failed(error)

        return ended


def _targets(thing: Thing | None, repo: Repo | None) -> list[Target]:
    if repo is not None and (thing is None or thing.repo):
        return targets_of_repo(repo)
    assert thing is not None
    root = Path(thing.path)
    above = root if root.is_dir() else root.parent
    found = storage_report.files_of(root)
    return [Target(Path(blob.path).relative_to(above).as_posix(), blob) for blob in found]


def _damaged(repo: Repo, checks: Checks) -> list[Blob]:
    """Every name of what was found damaged."""
    files = [file.blob for revision in repo.revisions for file in revision.files if file.blob is not None]
    bad = {blob.inode for blob in files if (check := checks.of(blob)) and not check.good}
    return [blob for blob in repo.content if blob.inode in bad and not blob.outside]


def _put_aside(blob: Blob) -> Iterator[tuple[Path, Path]]:
    """Rename a damaged file (and a payload of the shared store, which takes it from all): new and old paths."""
    for path in [Path(name) for name in dict.fromkeys((blob.store, blob.path)) if name]:
        if path.is_symlink() or path.is_file():
            aside = path.with_name(path.name + ".atelier-bad")
            path.rename(aside)
            yield aside, path


def _wish(thing: Thing | None, repo: Repo) -> tuple[str, PullSpec | None]:
    """What to ask for so that the same files are there again, at the same commit."""
    model = (thing.catalog if thing is not None else "") or repo.id
    revision = repo.current
    if revision is None or len(revision.commit) != 40:
        return model, None
    lost = thing.problem if thing is not None else None
    branch = revision.refs[0] if revision.refs else revision.commit
    if lost is not None and lost.code is ErrorCode.MODEL_INCOMPLETE and not _is_listed(revision, lost):
        return model, PullSpec(repo.id, branch, revision.commit)  # not even a link to it: the usual files, then
    return model, PullSpec(repo.id, branch, revision.commit, tuple(_literal(file.path) for file in revision.files))


def _is_listed(revision: Revision, lost: ErrorInfo) -> bool:
    """Whether what is lost (a file, or all that a component is made of) still has its links."""
    name = str(lost.facts.get("file", ""))
    return any(file.blob is None and (file.path == name or file.path.startswith(f"{name}/")) for file in revision.files)


def _not_even_linked(name: str, bad: list[BadFile]) -> list[BadFile]:
    """What the model needs and the listing of its files does not know: a file, or a component."""
    known = any(file.path == name or file.path.startswith(f"{name}/") for file in bad)
    return [] if known else [BadFile(name, "missing")]


def _literal(path: str) -> str:
    """A pattern that matches only this path."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _clean_copies(copies: Path) -> int:
    """What a broken-off copy or removal left in our own folder."""
    freed, now = 0, time.time()
    left = ("*/.*.part", f"*/{hub.REMOVED}*", f"*/{storage_merge.TEMPORARY}*")
    for path in (path for pattern in left for path in copies.glob(pattern)):
        if path.name.startswith(hub.REMOVED) or now - path.lstat().st_mtime > cache_removal.STALE:
            freed += cache_removal.delete_tree(path)
    return freed


def _clean_skeletons(skeletons: Path) -> int:
    """Folders that stood for single files which are gone or have changed."""
    freed = 0
    for note in skeletons.glob(f"*/{skeleton.NOTE}"):
        try:
            found = skeleton.read_note(note.parent)
            current = found is not None and skeleton.folder_name(Path(found.file)) == note.parent.name
        except (OSError, ValueError):
            current = False
        if not current and not note.parent.is_symlink():
            freed += cache_removal.delete_tree(note.parent)
    return freed


def _clean_broken_move(note: Path, in_use: Path) -> int:
    """Delete the copy that a broken-off move left in a folder that was empty before."""
    found = storage_move.read_note(note)
    if found is None or Path(found.new) == in_use:
        return 0
    freed, copy = 0, hub.scan(Path(found.new))
    if found.fresh and Path(found.old) == in_use:
        freed = sum(cache_removal.remove_repo(Path(found.new), repo) for repo in copy.repos)
    note.unlink(missing_ok=True)
    return freed


def _is_written(settings: Path, cache: Path) -> bool:
    end = time.monotonic() + WRITTEN_WITHIN
    while True:
        try:
            if tomllib.loads(settings.read_text(encoding="utf-8")).get("models_cache") == str(cache):
                return True
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
            log.info("the settings cannot be read yet")
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
