"""What one model folder or weight file is to us: something to run, something to use with what runs, or broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from app.known import Known, folder_stamp
from app.weights import AddOn, StoredKind
from models import folders, planning
from models.box import BoxSchema
from models.card import ModelCard, ModelRef
from models.catalog.entry import CatalogEntry
from models.errors import AtelierError, ErrorCode, ErrorInfo
from models.families import family_of
from models.folders import FolderInfo
from models.machine import Backend, DeviceFacts, Fit
from models.recognise import FileKind, Recognised, helper_kind, recognise_helper

EMBEDDED = "pocket"
INDEX = "model_index.json"
QUICK_ON_PROCESSOR = 500_000_000
"""Bytes of weights; a processor makes a picture of larger models in minutes, not seconds."""
RUNNABLE = (FileKind.CHECKPOINT, FileKind.DENOISER)

Prepare = Callable[[Path, Recognised, Path, Callable[[str], Path | None], bool], Path]
"""``models.singles.prepare``."""


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


class Thing(msgspec.Struct, frozen=True):
    """One model or add-on on the disk.

    ``path`` is its file or folder (of the hub's: the repository's folder). ``owned`` says that removing it deletes its
    files; others are used in place. ``source`` is the other app's folder it was found in, ``file`` the path of a file
    in a hub repository, ``catalog`` the id of its entry there. A thing with neither ``entry`` nor ``addon`` is
    unfinished, or something that other programs use.
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


class Judge:
    """Makes entries: the card, the form and the verdict of one model folder."""

    def __init__(self, known: Known, device: DeviceFacts | None) -> None:
        self._known = known
        self._device = device

    def entry(
        self, model_id: str, folder: Path, commit: str = "", words: CatalogEntry | None = None, name: str = "",
        stamp: str = "",
    ) -> ModelEntry:  # fmt: skip
        """``words`` are the catalog's about it, ``name`` what it is called if neither it nor the folder say so;
        ``stamp`` as for ``Known.folder``."""
        about = folders.read_about(folder)
        name = (words.name if words else "") or about.name or name
        name = name or (model_id if model_id == EMBEDDED else folders.folder_name(folder))
        card = ModelCard(ModelRef(model_id, name, "diffusers", str(folder), commit))
        try:
            info = self._known.folder(folder, name, stamp)
            schema = self._known.schema(info)
        except AtelierError as error:
            return ModelEntry(card, problem=error.info)
        except OSError as error:
            return ModelEntry(card, problem=ErrorInfo(ErrorCode.MODEL_INCOMPLETE, {"model": name, "file": str(error)}))
        except ValueError as error:  # something in it is not even text; one model must not hide all others
            facts = {"model": name, "file": folder.name}
            return ModelEntry(card, problem=ErrorInfo(ErrorCode.MODEL_CORRUPT, dict(facts), str(error)))
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
        """On a processor only what is small enough for it is called fast."""
        if self._device is None:
            return "unknown"
        fit = planning.verdict(info.needs, self._device).fit
        slow = self._device.backend is Backend.CPU and info.total_bytes > QUICK_ON_PROCESSOR
        return Fit.OFFLOAD.value if fit is Fit.FAST and slow else fit.value


class FileJudge:
    """Makes things of single weight files. ``bases`` are installed models by family: they give a bare denoiser what it
    does not hold."""

    def __init__(
        self,
        known: Known,
        judge: Judge,
        prepare: Prepare | None,
        skeletons: Path | None,
        allowed: frozenset[str] = frozenset(),
    ) -> None:
        self._known, self._judge = known, judge
        self._prepare, self._skeletons, self._allowed = prepare, skeletons, allowed
        self.bases: dict[str, Path] = {}

    def file(
        self,
        path: Path,
        kind: StoredKind,
        name: str = "",
        hint: FileKind = FileKind.UNKNOWN,
        words: CatalogEntry | None = None,
    ) -> Thing:
        """``hint`` is what its place says it is, for files that do not tell; ``name`` what it is called if neither the
        catalog nor the file say so."""
        name = (words.name if words else "") or name or called(path)
        role = words.role.value if words else hint.value
        thing = Thing(str(path), name, kind, role, str(path), catalog=words.id if words else "")
        try:
            found = self._known.file(path)
        except AtelierError as error:
            return _bad_file(thing, error.info)
        except OSError:
            return _bad_file(thing, ErrorInfo(ErrorCode.FOLDER_GONE, {"path": str(path)}))
        told = hint if found.kind is FileKind.UNKNOWN else found.kind
        if told in RUNNABLE and (words is None or words.is_model):
            entry = self._single(path, found, words, found.title or name)
            return msgspec.structs.replace(
                thing, role=words.role.value if words else told.value, family=entry.family or found.family, entry=entry,
                name=entry.card.name, problem=entry.problem,
            )  # fmt: skip
        addon = _addon(path, found, words.role.value if words else told.value, words, name)
        return msgspec.structs.replace(thing, role=addon.kind, family=addon.family, addon=addon, name=addon.name)

    def _single(self, path: Path, found: Recognised, words: CatalogEntry | None, name: str) -> ModelEntry:
        """A checkpoint, by way of the folder that stands for it."""
        name = words.name if words else name
        try:
            if self._prepare is None or self._skeletons is None:
                raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, "no place for its folder", model=name, pipeline="")
            allowed = str(path) in self._allowed
            folder = self._prepare(path, found, self._skeletons, self.bases.get, allowed)
        except AtelierError as error:
            return broken(str(path), name, error.info, found.size_bytes)
        except OSError as error:
            problem = ErrorInfo(ErrorCode.MODEL_INCOMPLETE, {"model": name, "file": path.name}, str(error))
            return broken(str(path), name, problem, found.size_bytes)
        base = self.bases.get(found.family)
        stamp = folder_stamp(folder) + (folder_stamp(base) if base else "")
        entry = self._judge.entry(str(path), folder, words=words, name=name, stamp=stamp)
        card = msgspec.structs.replace(entry.card, size_bytes=found.size_bytes)
        return msgspec.structs.replace(entry, card=card, family=found.family or entry.family)


def helper_thing(path: Path) -> Thing | None:
    """A captioner, a detector... in a folder, or the ONNX graph of a cut-out; None for anything else. Reads headers."""
    name, kind = helper_name(path), helper_kind(path)
    if kind is FileKind.UNKNOWN:
        return None
    problem, size = None, 0
    try:
        found = recognise_helper(path)
        size = found.size_bytes if found is not None else 0
    except AtelierError as error:
        problem = error.info
    except OSError as error:
        problem = ErrorInfo(ErrorCode.MODEL_INCOMPLETE, {"model": name, "file": path.name}, str(error))
    addon = AddOn(str(path), name, kind.value, str(path), size_bytes=size, problem=problem)
    stored = StoredKind.FOLDER if path.is_dir() else StoredKind.FILE
    return Thing(str(path), name, stored, kind.value, str(path), addon=addon, problem=problem)


def helper_name(path: Path) -> str:
    """What a helper is called: its folder's name, or its file's where that says anything."""
    if path.is_dir():
        return path.name
    folder = path.parent.parent if path.parent.name == "onnx" else path.parent
    return folder.name if path.stem.startswith("model") and folder.name else path.stem


def called(path: Path) -> str:
    """What a weight file is called: its own name, or its folder's where every file of that kind has the same one."""
    return path.parent.name if path.stem in _GENERIC and path.parent.name else path.stem


_GENERIC = frozenset({"diffusion_pytorch_model", "diffusion_pytorch_model.fp16"})
"""The names that ``save_pretrained`` of diffusers gives to the weights of any part."""


def broken(model_id: str, name: str, problem: ErrorInfo, size: int = 0) -> ModelEntry:
    """A model that cannot be run, with the reason."""
    return ModelEntry(ModelCard(ModelRef(model_id, name, "diffusers"), size_bytes=size), problem=problem)


def renamed(thing: Thing, own_id: str) -> Thing:
    """The same under another id."""
    entry, addon = thing.entry, thing.addon
    if entry is not None:
        ref = msgspec.structs.replace(entry.card.ref, id=own_id)
        entry = msgspec.structs.replace(entry, card=msgspec.structs.replace(entry.card, ref=ref))
    if addon is not None:
        addon = msgspec.structs.replace(addon, id=own_id)
    return msgspec.structs.replace(thing, id=own_id, entry=entry, addon=addon)


def _bad_file(thing: Thing, problem: ErrorInfo) -> Thing:
    addon = AddOn(thing.id, thing.name, thing.role, thing.path, problem=problem, entry=thing.catalog)
    return msgspec.structs.replace(thing, addon=addon, problem=problem)


def _addon(path: Path, found: Recognised, kind: str, words: CatalogEntry | None, name: str) -> AddOn:
    title = (words.name if words else "") or found.title
    return AddOn(
        id=str(path),
        name=title or name,
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
