"""One look at everything on this disk that models are made of: what can be run, what goes with it, what is unfinished.

``survey`` reads folders and headers and changes nothing but the notes of ``Known``, so it runs on any thread; the list
in Create, the storage page and imports are made from its answer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from app import cache as hub
from app import sources
from app.cache import Cache, Repo, Revision
from app.known import Known, digest
from app.trees import read_trees
from app.weights import AddOn, StoredKind
from models import folders, planning
from models.box import BoxSchema
from models.card import ModelCard, ModelRef
from models.catalog.entry import CatalogEntry
from models.errors import AtelierError, ErrorCode, ErrorInfo
from models.families import family_of
from models.folders import FolderInfo
from models.machine import DeviceFacts
from models.recognise import FileKind, Recognised
from models.schemas import schema_of

log = logging.getLogger(__name__)

EMBEDDED = "pocket"
INDEX = "model_index.json"
RUNNABLE = (FileKind.CHECKPOINT, FileKind.DENOISER)
_SHARD = re.compile(r"-\d{5}-of-\d{5}\.")
_MOST_FILES = 64  # weight files of one repository that are looked at


class ModelEntry(msgspec.Struct, frozen=True):
    """A model as the picker shows it. Without a schema it cannot be run, and ``problem`` says why.

    ``fit`` is "fast", "offload", "too_large" or "unknown" for the device ``Models.device``; ``family`` is what add-ons
    have to share with it.
    """

    card: ModelCard
    schema: BoxSchema | None = None
    problem: ErrorInfo | None = None
    fit: str = "unknown"
    family: str = ""


class Catalog(Protocol):
    """What is asked of ``models.catalog.load.Catalog``."""

    def get(self, key: str, /) -> CatalogEntry | None: ...
    def by_repo(self, repo: str, /) -> Iterable[CatalogEntry]: ...


class EmptyCatalog:
    """For what needs no words about models."""

    def get(self, key: str, /) -> CatalogEntry | None:
        return None

    def by_repo(self, repo: str, /) -> Iterable[CatalogEntry]:
        return ()


class Places(msgspec.Struct, frozen=True):
    """Where to look. ``copies`` holds what was copied into Atelier's own folder, ``skeletons`` is where folders for
    single files are made; None: none are. ``allowed`` are pickled files a person agreed to read."""

    assets: Path
    cache: Path
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    copies: Path | None = None
    skeletons: Path | None = None
    allowed: frozenset[str] = frozenset()
    cache_wanted: bool = False
    """The cache folder was chosen by the user: when it is not there, its disk is."""


class Thing(msgspec.Struct, frozen=True):
    """One model or add-on on the disk.

    ``path`` is its file or folder (of the hub's: the repository's folder). ``owned`` says that removing it deletes its
    files; others are used in place. ``source`` is the other app's folder it was found in. A thing with neither
    ``entry`` nor ``addon`` is unfinished, or something that other programs use.
    """

    id: str
    name: str
    kind: StoredKind
    role: str
    path: str
    family: str = ""
    repo: str = ""
    owned: bool = False
    source: str = ""
    entry: ModelEntry | None = None
    addon: AddOn | None = None
    problem: ErrorInfo | None = None
    catalog: str = ""
    file: str = ""
    """Of a file in a hub repository: its path there."""


class Survey(msgspec.Struct, frozen=True):
    """Everything found, in the order it is listed; ``trouble`` is set when the cache's disk is gone."""

    things: tuple[Thing, ...]
    cache: Cache
    trouble: ErrorInfo | None = None


Prepare = Callable[[Path, Recognised, Path, Callable[[str], Path | None], bool], Path]


def survey(
    places: Places, known: Known, catalog: Catalog, device: DeviceFacts | None, prepare: Prepare | None = None
) -> Survey:
    """Look everywhere. The second look of a process, or after a restart, reads only listings."""
    surveyor = _Surveyor(places, known, catalog, device, prepare)
    scanned = hub.scan(places.cache)
    trouble = None
    if not scanned.present and places.cache_wanted:
        trouble = ErrorInfo(ErrorCode.FOLDER_GONE, {"path": str(places.cache)})
    things = surveyor.all(scanned, trouble)
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


class Judge:
    """Makes entries: the card, the form and the verdict of one model folder."""

    def __init__(self, known: Known, device: DeviceFacts | None) -> None:
        self._known = known
        self._device = device
        self._schemas: dict[str, BoxSchema] = {}

    def entry(
        self, model_id: str, folder: Path, commit: str = "", words: CatalogEntry | None = None, name: str = "",
        stamp: str = "",
    ) -> ModelEntry:  # fmt: skip
        """``words`` are the catalog's about it, ``name`` what it is called if neither it nor the folder say so."""
        about = folders.read_about(folder)
        name = (words.name if words else "") or about.name or name
        name = name or (model_id if model_id == EMBEDDED else folders.folder_name(folder))
        card = ModelCard(ModelRef(model_id, name, "diffusers", str(folder), commit))
        try:
            info = self._known.folder(folder, name, stamp)
            schema = schema_of(info)
        except AtelierError as error:
            return ModelEntry(card, problem=error.info)
        except OSError as error:
            return ModelEntry(card, problem=ErrorInfo(ErrorCode.MODEL_INCOMPLETE, {"model": name, "file": str(error)}))
        card = ModelCard(
            ref=msgspec.structs.replace(card.ref, revision=commit or info.revision),
            summary=words.summary if words else about.summary,
            licence=words.licence.name if words else about.licence,
            pipeline=info.pipeline,
            defaults=words.defaults if words else {},
            examples=words.examples if words and words.examples else about.examples,
            size_bytes=info.total_bytes,
        )
        # The embedded one has the class of Stable Diffusion, but its parts fit nothing else.
        family = "" if model_id == EMBEDDED else words.family if words else family_of(info.pipeline, info.configs)
        return ModelEntry(card, schema, fit=self._fit(info), family=family)

    def _fit(self, info: FolderInfo) -> str:
        return "unknown" if self._device is None else planning.verdict(info.needs, self._device).fit.value


class _Surveyor:
    def __init__(
        self, places: Places, known: Known, catalog: Catalog, device: DeviceFacts | None, prepare: Prepare | None
    ) -> None:
        self._places, self._known, self._catalog, self._prepare = places, known, catalog, prepare
        self._judge = Judge(known, device)
        self._bases: dict[str, Path] = {}
        self._taken: set[Path] = set()  # files and folders listed already

    def all(self, scanned: Cache, trouble: ErrorInfo | None) -> tuple[Thing, ...]:
        """Whole folders first: they give single files what those do not hold."""
        found = [*self._embedded(), *self._folders()]
        if trouble is not None:
            found += self._lost(trouble)
        loose: list[tuple[Repo, Revision]] = []
        for repo in scanned.repos:
            found += self._repo(repo, loose)
        copied = list(self._copied_folders())
        sourced = [(folder, list(sources.find(Path(folder)))) for folder in self._places.sources]
        found += copied
        for source, things in sourced:
            found += [self._folder(thing.path, source) for thing in things if thing.is_folder and self._new(thing.path)]
        for thing in found:
            self._note_base(thing)
        for repo, revision in loose:
            found += self._files_of(repo, revision)
        found += self._single_files(sourced)
        return tuple(found)

    # -- folders --

    def _embedded(self) -> Iterator[Thing]:
        folder = self._places.assets / EMBEDDED
        if (folder / INDEX).is_file():
            entry = self._judge.entry(EMBEDDED, folder)
            yield _model(EMBEDDED, StoredKind.EMBEDDED, folder, entry)

    def _folders(self) -> Iterator[Thing]:
        for added in self._places.folders:
            folder = Path(added)
            if not folder.is_dir():
                gone = ErrorInfo(ErrorCode.FOLDER_GONE, {"path": added})
                yield _model(added, StoredKind.FOLDER, folder, _broken(added, folder.name, gone))
            for model in models_in(folder):
                if self._new(model):
                    yield self._folder(model)

    def _copied_folders(self) -> Iterator[Thing]:
        for folder in sorted((self._places.copies or Path("/nonexistent")).glob(f"*/*/{INDEX}")):
            if not folder.parent.name.startswith(".") and self._new(folder.parent):
                yield self._folder(folder.parent, owned=True)

    def _folder(self, folder: Path, source: str = "", owned: bool = False) -> Thing:
        entry = self._judge.entry(str(folder), folder)
        thing = _model(str(folder), StoredKind.FOLDER, folder, entry)
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
            yield _model(model_id, StoredKind.HUB, folder, _broken(model_id, name, trouble), repo=model_id)

    def _repo(self, repo: Repo, loose: list[tuple[Repo, Revision]]) -> Iterator[Thing]:
        """A model of the hub, or what is unfinished; repositories of files are put into ``loose`` for later."""
        words = self._words(repo.id)
        with_index = [one for one in repo.revisions if any(file.path == INDEX for file in one.files)]
        current = repo.current
        if with_index:
            with_index.sort(key=lambda one: (one is current, one.modified), reverse=True)
            entries = (self._hub_entry(repo, one, words) for one in with_index)
            entry = _first_whole(entries)
            yield _model(repo.id, StoredKind.HUB, Path(repo.folder), entry, words=words, repo=repo.id, owned=True)
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

    def _unfinished(self, repo: Repo, words: CatalogEntry | None) -> Thing:
        name, role = (words.name, words.role.value) if words else (repo.id, FileKind.UNKNOWN.value)
        problem = None
        if repo.parts:
            problem = ErrorInfo(ErrorCode.MODEL_INCOMPLETE, {"model": name, "file": _missing_file(repo)})
        return Thing(
            id=repo.id, name=name, kind=StoredKind.HUB, role=role, path=repo.folder, repo=repo.id, owned=True,
            family=words.family if words else "", problem=problem, catalog=words.id if words else "",
        )  # fmt: skip

    def _files_of(self, repo: Repo, revision: Revision) -> Iterator[Thing]:
        """What the weight files of a repository are, each for itself."""
        entries = {entry.file: entry for entry in self._catalog.by_repo(repo.id) if entry.file}
        found: list[Thing] = []
        for file in revision.files:
            usable = file.path.endswith(sources.WEIGHTS) and not _SHARD.search(file.path) and file.path.count("/") < 3
            if usable and file.blob is not None and len(found) < _MOST_FILES:
                thing = self._file(Path(revision.folder) / file.path, StoredKind.HUB, words=entries.get(file.path))
                if thing.entry or (thing.addon and thing.addon.kind != FileKind.UNKNOWN):
                    found.append(msgspec.structs.replace(thing, file=file.path))
        if not found:
            yield self._unfinished(repo, self._words(repo.id))
        for thing in found:
            own_id = repo.id if len(found) == 1 else f"{repo.id}/{thing.file}"
            yield msgspec.structs.replace(_renamed(thing, own_id), repo=repo.id, path=repo.folder, owned=True)

    def _words(self, repo: str) -> CatalogEntry | None:
        """The catalog's words about a repository as a whole: of a model rather than of an add-on in it."""
        entries = list(self._catalog.by_repo(repo))
        return next((entry for entry in entries if entry.is_model and not entry.file), entries[0] if entries else None)

    # -- single files --

    def _single_files(self, sourced: list[tuple[str, list[sources.Found]]]) -> Iterator[Thing]:
        for file in self._places.files:
            if self._new(Path(file)):
                yield self._file(Path(file), StoredKind.FILE)
        for path in sorted((self._places.copies or Path("/nonexistent")).glob("*/*")):
            if path.suffix in sources.WEIGHTS and path.is_file() and not path.name.startswith("."):
                yield self._file(path, StoredKind.FILE, owned=True)
        for source, things in sourced:
            for thing in things:
                if not thing.is_folder and self._new(thing.path):
                    found = self._file(thing.path, StoredKind.FILE, hint=thing.hint)
                    if found.addon is None or found.addon.kind != FileKind.UNKNOWN:
                        yield msgspec.structs.replace(_sourced(found, source), source=source)

    def _file(
        self,
        path: Path,
        kind: StoredKind,
        hint: FileKind = FileKind.UNKNOWN,
        owned: bool = False,
        words: CatalogEntry | None = None,
    ) -> Thing:
        name = words.name if words else path.stem
        base = Thing(str(path), name, kind, hint.value, str(path), owned=owned, catalog=words.id if words else "")
        try:
            found = self._known.file(path)
        except AtelierError as error:
            return self._bad_file(base, error.info)
        except OSError:
            return self._bad_file(base, ErrorInfo(ErrorCode.FOLDER_GONE, {"path": str(path)}))
        role = hint if found.kind is FileKind.UNKNOWN else found.kind
        base = msgspec.structs.replace(base, role=role.value, family=found.family)
        if role in RUNNABLE:
            entry = self._single(path, found, words)
            return msgspec.structs.replace(base, entry=entry, name=entry.card.name, problem=entry.problem)
        addon = _addon(path, found, role, words)
        return msgspec.structs.replace(base, addon=addon, name=addon.name, problem=addon.problem)

    def _bad_file(self, thing: Thing, problem: ErrorInfo) -> Thing:
        addon = AddOn(thing.id, thing.name, thing.role, thing.path, problem=problem)
        return msgspec.structs.replace(thing, addon=addon, problem=problem)

    def _single(self, path: Path, found: Recognised, words: CatalogEntry | None) -> ModelEntry:
        """A checkpoint, by way of the folder that stands for it."""
        name = (words.name if words else "") or found.title or path.stem
        try:
            if self._prepare is None or self._places.skeletons is None:
                raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, "no place for its folder", model=name, pipeline="")
            allowed = str(path) in self._places.allowed
            folder = self._prepare(path, found, self._places.skeletons, self._bases.get, allowed)
        except AtelierError as error:
            return _broken(str(path), name, error.info, found.size_bytes)
        except OSError as error:
            problem = ErrorInfo(ErrorCode.MODEL_INCOMPLETE, {"model": name, "file": path.name}, str(error))
            return _broken(str(path), name, problem, found.size_bytes)
        entry = self._judge.entry(str(path), folder, words=words, name=name)
        return msgspec.structs.replace(entry, card=msgspec.structs.replace(entry.card, size_bytes=found.size_bytes))

    def _note_base(self, thing: Thing) -> None:
        if thing.entry is None or thing.entry.problem is not None:
            return
        if thing.entry.family:
            self._bases.setdefault(thing.entry.family, Path(thing.entry.card.ref.folder))


def models_in(folder: Path) -> Iterator[Path]:
    """The model folder itself, or those directly in it."""
    if (folder / INDEX).is_file():
        yield folder
    elif folder.is_dir():
        yield from sorted(index.parent for index in folder.glob(f"*/{INDEX}"))


def _model(
    model_id: str, kind: StoredKind, folder: Path, entry: ModelEntry, words: CatalogEntry | None = None,
    repo: str = "", owned: bool = False,
) -> Thing:  # fmt: skip
    return Thing(
        id=model_id,
        name=entry.card.name,
        kind=kind,
        role=words.role.value if words else "text-to-image",
        path=str(folder),
        family=entry.family,
        repo=repo,
        owned=owned,
        entry=entry,
        problem=entry.problem,
        catalog=words.id if words else "",
    )


def _broken(model_id: str, name: str, problem: ErrorInfo, size: int = 0) -> ModelEntry:
    return ModelEntry(ModelCard(ModelRef(model_id, name, "diffusers"), size_bytes=size), problem=problem)


def _addon(path: Path, found: Recognised, role: FileKind, words: CatalogEntry | None) -> AddOn:
    kind = words.role.value if words and role is FileKind.UNKNOWN else role.value
    title = (words.name if words else "") or found.title
    return AddOn(
        id=str(path),
        name=title or path.stem,
        kind=kind,
        path=str(path),
        family=found.family or (words.family if words else ""),
        variant=found.variant,
        title=title,
        trigger=(words.trigger if words else ()) or found.trigger,
        format=found.format,
        size_bytes=found.size_bytes,
        entry=words.id if words else "",
    )


def _renamed(thing: Thing, own_id: str) -> Thing:
    """The same under another id."""
    entry, addon = thing.entry, thing.addon
    if entry is not None:
        ref = msgspec.structs.replace(entry.card.ref, id=own_id)
        entry = msgspec.structs.replace(entry, card=msgspec.structs.replace(entry.card, ref=ref))
    if addon is not None:
        addon = msgspec.structs.replace(addon, id=own_id)
    return msgspec.structs.replace(thing, id=own_id, entry=entry, addon=addon)


def _sourced(thing: Thing, source: str) -> Thing:
    if thing.addon is None:
        return thing
    return msgspec.structs.replace(thing, addon=msgspec.structs.replace(thing.addon, source=source))


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
