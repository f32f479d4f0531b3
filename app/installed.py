"""One look at everything on this disk that models are made of: what can be run, what goes with it, what is unfinished.

``survey`` reads folders and headers and changes nothing but the notes of ``Known``, so it runs on any thread; the list
in Create, the storage page and imports are made from its answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from app import cache as hub
from app import sources
from app.cache import Cache, File, Repo, Revision
from app.judging import (
    EMBEDDED,
    INDEX,
    Catalog,
    FileJudge,
    Judge,
    ModelEntry,
    Prepare,
    Thing,
    broken,
    helper_thing,
    renamed,
)
from app.known import Known, digest
from app.trees import read_trees
from app.weights import AddOn, StoredKind
from models.catalog.entry import CatalogEntry
from models.errors import ErrorCode, ErrorInfo
from models.machine import DeviceFacts
from models.recognise import HELPERS, FileKind

_SHARD = re.compile(r"-\d{5}-of-\d{5}\.")
_COMPONENT = re.compile(r"(?:.*/)?(?:diffusion_pytorch_model|model)(\.\w+)?\.safetensors")
"""How the weights of a component with a configuration beside it are called."""
_MOST_FILES = 64  # weight files of one repository that are looked at
_DAMAGES = (ErrorCode.MODEL_INCOMPLETE, ErrorCode.MODEL_CORRUPT)


class Places(msgspec.Struct, frozen=True):
    """Where to look. ``copies`` holds what was copied into Atelier's own folder, ``skeletons`` is where folders for
    single files are made; None: none are. ``allowed`` are pickled files a person agreed to read. ``cache_wanted``: the
    cache folder was chosen by the user, so when it is not there, its disk is."""

    assets: Path
    cache: Path
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    copies: Path | None = None
    skeletons: Path | None = None
    allowed: frozenset[str] = frozenset()
    cache_wanted: bool = False


class Survey(msgspec.Struct, frozen=True):
    """Everything found, in the order it is listed; ``trouble`` is set when the cache's disk is gone."""

    things: tuple[Thing, ...]
    cache: Cache
    trouble: ErrorInfo | None = None


def survey(
    places: Places, known: Known, catalog: Catalog, device: DeviceFacts | None, prepare: Prepare | None = None
) -> Survey:
    """Look everywhere. The second look of a process, or after a restart, reads only listings."""
    scanned = hub.scan(places.cache)
    trouble = None
    if not scanned.present and places.cache_wanted:
        trouble = ErrorInfo(ErrorCode.FOLDER_GONE, {"path": str(places.cache)})
    things = _Surveyor(places, known, catalog, device, prepare).all(scanned, trouble)
    if trouble is None:
        listed = ((thing.id, thing.name) for thing in things if thing.kind is StoredKind.HUB and thing.entry)
        known.saw(places.cache, listed)
    known.save()
    return Survey(things, scanned, trouble)


def embedded(places: Places, known: Known, device: DeviceFacts | None) -> ModelEntry | None:
    """The model that comes along; a look at one small folder."""
    folder = places.assets / EMBEDDED
    if not (folder / INDEX).is_file():
        return None
    return Judge(known, device).entry(EMBEDDED, folder)


def models_in(folder: Path) -> Iterator[Path]:
    """The model folder itself, or those directly in it."""
    if (folder / INDEX).is_file():
        yield folder
    elif folder.is_dir():
        yield from sorted(index.parent for index in folder.glob(f"*/{INDEX}"))


class _Surveyor:
    def __init__(
        self, places: Places, known: Known, catalog: Catalog, device: DeviceFacts | None, prepare: Prepare | None
    ) -> None:
        self._places, self._known, self._catalog = places, known, catalog
        self._judge = Judge(known, device)
        self._files = FileJudge(known, self._judge, prepare, places.skeletons, places.allowed)
        self._taken: set[Path] = set()  # files and folders listed already

    def all(self, scanned: Cache, trouble: ErrorInfo | None) -> tuple[Thing, ...]:
        """Whole folders first: they give single files what those do not hold."""
        found = [*self._embedded(), *self._folders()]
        if trouble is not None:
            found += self._lost(trouble)
        loose: list[tuple[Repo, Revision]] = []
        for repo in scanned.repos:
            found += self._repo(repo, loose)
        found += self._copied_folders()
        found += self._copied_helpers()
        sourced = [(folder, list(sources.find(Path(folder)))) for folder in self._places.sources]
        for source, things in sourced:
            folders = [one.path for one in things if one.is_folder and not one.is_helper]
            found += [self._folder(folder, source) for folder in folders if self._new(folder)]
        for thing in found:
            if thing.entry is not None and thing.entry.problem is None and thing.entry.family:
                self._files.bases.setdefault(thing.entry.family, Path(thing.entry.card.ref.folder))
        for repo, revision in loose:
            found += self._files_of(repo, revision)
        found += self._single_files(sourced)
        return tuple(found)

    # -- folders --

    def _embedded(self) -> Iterator[Thing]:
        folder = self._places.assets / EMBEDDED
        if (folder / INDEX).is_file():
            yield _model(EMBEDDED, StoredKind.EMBEDDED, folder, self._judge.entry(EMBEDDED, folder))

    def _folders(self) -> Iterator[Thing]:
        for added in self._places.folders:
            folder = Path(added)
            if not folder.is_dir():
                gone = ErrorInfo(ErrorCode.FOLDER_GONE, {"path": added})
                yield _model(added, StoredKind.FOLDER, folder, broken(added, folder.name, gone))
            elif not (folder / INDEX).is_file() and (helper := helper_thing(folder)) is not None:
                self._new(folder)
                yield helper
            for model in models_in(folder):
                if self._new(model):
                    yield self._folder(model)

    def _copied_folders(self) -> Iterator[Thing]:
        for index in self._copies(f"*/*/{INDEX}"):
            if self._new(index.parent):
                yield self._folder(index.parent, owned=True)

    def _copied_helpers(self) -> Iterator[Thing]:
        for kind in sorted(HELPERS):
            for path in self._copies(f"{kind}/*"):
                if self._new(path) and (helper := helper_thing(path)) is not None:
                    yield msgspec.structs.replace(helper, owned=True)

    def _copies(self, pattern: str) -> list[Path]:
        """What lies in Atelier's own folder; copies under way have hidden names."""
        found = self._places.copies.glob(pattern) if self._places.copies is not None else ()
        return sorted(path for path in found if not any(part.startswith(".atelier-") for part in path.parts))

    def _folder(self, folder: Path, source: str = "", owned: bool = False) -> Thing:
        thing = _model(str(folder), StoredKind.FOLDER, folder, self._judge.entry(str(folder), folder))
        return msgspec.structs.replace(thing, source=source, owned=owned)

    def _new(self, path: Path) -> bool:
        if path in self._taken:
            return False
        self._taken.add(path)
        return True

    # -- the hub's cache --

    def _lost(self, trouble: ErrorInfo) -> Iterator[Thing]:
        """What was in the cache when its disk was last there."""
        for model_id, name in self._known.last_seen(self._places.cache):
            folder = hub.repo_folder(self._places.cache, model_id)
            thing = _model(model_id, StoredKind.HUB, folder, broken(model_id, name, trouble))
            yield msgspec.structs.replace(thing, repo=model_id)

    def _repo(self, repo: Repo, loose: list[tuple[Repo, Revision]]) -> Iterator[Thing]:
        """A model of the hub, a helper, or what is unfinished; repositories of files go into ``loose`` for later."""
        words, current = self._words(repo.id), repo.current
        with_index = [one for one in repo.revisions if any(file.path == INDEX for file in one.files)]
        if words is not None and not words.is_model and not words.file and current is not None:
            yield self._helper(repo, current, words, bool(with_index))
        elif with_index:
            with_index.sort(key=lambda one: (one is current, one.modified), reverse=True)
            entry = _first_whole(self._hub_entry(repo, one, words) for one in with_index)
            thing = _model(repo.id, StoredKind.HUB, Path(repo.folder), entry, words)
            yield msgspec.structs.replace(thing, repo=repo.id, owned=True)
        elif current is not None and any(file.path.endswith(sources.WEIGHTS) for file in current.files):
            loose.append((repo, current))
        else:
            yield self._unfinished(repo, words)

    def _hub_entry(self, repo: Repo, revision: Revision, words: CatalogEntry | None) -> ModelEntry:
        stamp = digest(
            f"{file.path} {file.blob.size} {file.blob.modified_ns}" if file.blob else f"{file.path}?"
            for file in revision.files
        )
        return self._judge.entry(repo.id, Path(revision.folder), revision.commit, words, repo.id, stamp)

    def _helper(self, repo: Repo, revision: Revision, words: CatalogEntry, is_pipeline: bool) -> Thing:
        """A whole repository that models are used with, as the catalog says: an upscaler, a text encoder..."""
        problem = None
        lost = next((file.path for file in revision.files if file.blob is None), "")
        if is_pipeline:
            problem = self._hub_entry(repo, revision, words).problem
        elif lost or repo.parts:
            facts = {"model": words.name, "file": lost or _missing_file(repo)}
            problem = ErrorInfo(ErrorCode.MODEL_INCOMPLETE, dict(facts))
        if problem is not None and problem.code not in _DAMAGES:
            problem = None  # that it makes no pictures by itself is no fault
        addon = AddOn(
            repo.id, words.name, words.role.value, revision.folder, words.family, title=words.name,
            trigger=words.trigger, size_bytes=revision.size, entry=words.id, problem=problem,
        )  # fmt: skip
        return Thing(
            id=repo.id, name=words.name, kind=StoredKind.HUB, role=words.role.value, path=repo.folder, repo=repo.id,
            family=words.family, owned=True, addon=addon, problem=problem, catalog=words.id,
        )  # fmt: skip

    def _unfinished(self, repo: Repo, words: CatalogEntry | None) -> Thing:
        name, role = (words.name, words.role.value) if words else (repo.id, FileKind.UNKNOWN.value)
        problem = None
        if repo.parts or not any(revision.files for revision in repo.revisions):
            problem = ErrorInfo(ErrorCode.MODEL_INCOMPLETE, {"model": name, "file": _missing_file(repo)})
        return Thing(
            id=repo.id, name=name, kind=StoredKind.HUB, role=role, path=repo.folder, repo=repo.id, owned=True,
            family=words.family if words else "", problem=problem, catalog=words.id if words else "",
        )  # fmt: skip

    def _files_of(self, repo: Repo, revision: Revision) -> Iterator[Thing]:
        """What the weight files of a repository are, each for itself."""
        entries = {entry.file: entry for entry in self._catalog.by_repo(repo.id) if entry.file}
        found: list[Thing] = []
        for path, is_component in _weights(revision.files, entries)[:_MOST_FILES]:
            file = Path(revision.folder) / path
            name = repo.id.rpartition("/")[2] if is_component else ""
            thing = self._files.file(file, StoredKind.HUB, name, words=entries.get(path))
            if thing.addon is not None and is_component:
                addon = msgspec.structs.replace(thing.addon, path=str(file.parent))
                thing = msgspec.structs.replace(thing, addon=addon)
            if thing.entry or (thing.addon and thing.addon.kind != FileKind.UNKNOWN):
                found.append(msgspec.structs.replace(thing, file=path, repo=repo.id, path=repo.folder, owned=True))
        found.sort(key=lambda thing: thing.file)
        if not found:
            yield self._unfinished(repo, self._words(repo.id))
        for thing in found:
            yield renamed(thing, repo.id if len(found) == 1 else f"{repo.id}/{thing.file}")

    def _words(self, repo: str) -> CatalogEntry | None:
        """The catalog's words about a repository as a whole: of a model rather than of an add-on in it."""
        entries = list(self._catalog.by_repo(repo))
        return next((entry for entry in entries if entry.is_model and not entry.file), entries[0] if entries else None)

    # -- single files --

    def _single_files(self, sourced: list[tuple[str, list[sources.Found]]]) -> Iterator[Thing]:
        for file in self._places.files:
            if self._new(Path(file)):
                yield helper_thing(Path(file)) or self._files.file(Path(file), StoredKind.FILE)
        for path in self._copies("*/*"):
            if path.name.lower().endswith(sources.WEIGHTS) and path.is_file():
                yield msgspec.structs.replace(self._files.file(path, StoredKind.FILE), owned=True)
        for source, things in sourced:
            for thing in things:
                if thing.is_helper and self._new(thing.path):
                    if (helper := helper_thing(thing.path)) is not None:
                        yield _sourced(helper, source)
                elif not thing.is_folder and not thing.is_helper and self._new(thing.path):
                    found = self._files.file(thing.path, StoredKind.FILE, hint=thing.hint)
                    if found.addon is None or found.addon.kind != FileKind.UNKNOWN:
                        yield _sourced(found, source)


def _weights(files: tuple[File, ...], named: Collection[str]) -> list[tuple[str, bool]]:
    """The weight files of a repository worth a look, and whether each is a component with its configuration: no shards,
    of several number types of a component one (what the catalog names, else the plain one), and no pickled twin of a
    safe file."""
    present = {file.path for file in files if file.blob is not None}
    usable = [path for path in present if path.endswith(sources.WEIGHTS) and path.count("/") < 3]
    usable.sort(key=lambda path: (path not in named, path.rpartition("/")[2].count("."), path))
    found: list[tuple[str, bool]] = []
    components = set()
    for path in usable:
        folder, twin = path.rpartition("/")[0], path.rpartition(".")[0] + ".safetensors"
        if _SHARD.search(path) or (not path.endswith((".safetensors", ".gguf")) and twin in present):
            continue
        is_component = bool(_COMPONENT.fullmatch(path)) and f"{folder}/config.json".lstrip("/") in present
        if is_component and folder in components:
            continue
        if is_component:
            components.add(folder)
        found.append((path, is_component))
    return found


def _model(
    model_id: str, kind: StoredKind, folder: Path, entry: ModelEntry, words: CatalogEntry | None = None
) -> Thing:
    return Thing(
        id=model_id,
        name=entry.card.name,
        kind=kind,
        role=words.role.value if words else "text-to-image",
        path=str(folder),
        family=entry.family,
        entry=entry,
        problem=entry.problem,
        catalog=words.id if words else "",
    )


def _sourced(thing: Thing, source: str) -> Thing:
    addon = msgspec.structs.replace(thing.addon, source=source) if thing.addon is not None else None
    return msgspec.structs.replace(thing, addon=addon, source=source)


def _first_whole(entries: Iterator[ModelEntry]) -> ModelEntry:
    """The first without a problem, else the first."""
    first = next(entries)
    if first.problem is None:
        return first
    return next((entry for entry in entries if entry.problem is None), first)


def _missing_file(repo: Repo) -> str:
    """The name of a file that did not arrive whole, as well as the disk knows it."""
    names = {Path(part.path).name.partition(".")[0] for part in repo.parts}
    listed = read_trees(Path(repo.folder))
    return next((path for files in listed.values() for path, file in files.items() if file.blob in names), INDEX)
