"""Which models there are: the embedded one, folders and files the user added, other apps' and what lies in the cache.

What is found where is ``app.installed``'s work, done off the owner thread; here its last answer is kept and asked.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from app import addons, installed, sources
from app.cache import default_hub_cache
from app.events import EventBus, ModelsChanged
from app.installed import Places, Survey
from app.judging import (
    EMBEDDED,
    INDEX,
    Catalog,
    EmptyCatalog,
    FileJudge,
    Judge,
    ModelEntry,
    Prepare,
    Thing,
    helper_thing,
)
from app.known import Known
from app.paths import Paths
from app.settings import SettingsStore
from app.weights import AddOn, StoredKind
from models import items, maps, tools
from models.box import BoxSchema
from models.card import AddonRef, ModelCard, ModelRef
from models.catalog.entry import CatalogEntry
from models.errors import AtelierError, ErrorCode, ErrorInfo
from models.planning import DeviceFacts
from models.tools import Tool

__all__ = ["EMBEDDED", "INDEX", "AddOn", "ModelEntry", "Models", "default_hub_cache", "fake_entry"]

Later = Callable[[Callable[[], Survey], Callable[[Survey], None]], None]
"""Does the first function elsewhere, then calls the second with its answer on the owner thread."""


class Models:
    """All models on this computer. Looking one up reads a few small files, no weights."""

    def __init__(
        self,
        settings: SettingsStore,
        events: EventBus,
        assets: Path,
        hub_cache: Path,
        later: Later | None = None,
        paths: Paths | None = None,
        catalog: Catalog | None = None,
        prepare: Prepare | None = None,
    ) -> None:
        """``later(work, then)`` does ``work`` off the owner thread; without it everything is looked up at once.

        ``hub_cache`` is used unless the settings name another; ``paths`` is where copies and notes lie (without it
        there are none); ``prepare`` is ``models.singles.prepare``.
        """
        self._settings = settings
        self._events = events
        self._assets = assets
        self._hub_cache = hub_cache
        self._later = later
        self._paths = paths
        self._catalog = catalog or EmptyCatalog()
        self._prepare = prepare
        self._allowed: Callable[[], frozenset[str]] = frozenset
        self._device: DeviceFacts | None = None
        self.known = Known(paths.known if paths else None)
        self._things: dict[str, Thing] = {}
        self._entries: dict[str, ModelEntry] = {}
        self._aliases: dict[str, str] = {}
        self._trouble: ErrorInfo | None = None
        self._looked = False

    # -- asking --

    def entries(self) -> list[ModelEntry]:
        """Every model found so far, the embedded one first; broken ones too, with their problem.

        With ``later`` the first call knows the embedded model only; the others are announced by ``ModelsChanged``.
        """
        if not self._looked and self._later is None:
            self._found(self.survey())
        self._know_embedded()
        return list(self._entries.values())

    def addons(self) -> list[AddOn]:
        """LoRAs, VAEs, embeddings, ControlNets, upscalers... found so far, those that cannot be used too."""
        if not self._looked and self._later is None:
            self._found(self.survey())
        return [thing.addon for thing in self._things.values() if thing.addon is not None]

    @property
    def looked(self) -> bool:
        """Whether the disk was looked at since the start."""
        return self._looked

    @property
    def trouble(self) -> ErrorInfo | None:
        """FOLDER_GONE while the chosen cache is not there; its models stay listed with this problem."""
        return self._trouble

    @property
    def cache(self) -> Path:
        """The hub cache in use."""
        chosen = self._settings.value.models_cache
        return Path(chosen).expanduser() if chosen else self._hub_cache

    def knows(self, model_id: str) -> bool:
        """Whether ``get`` answers at once, without looking through folders."""
        return self._known_id(model_id) in self._entries

    def id_of(self, entry: CatalogEntry) -> str:
        """What Create knows a catalog entry's model by (an add-on's id for an add-on); empty if it is not here."""
        for thing in self._things.values():
            same_file = not entry.file or not thing.file or thing.file == entry.file
            if same_file and thing.repo.casefold() == entry.repo.casefold() and (thing.entry or thing.addon):
                return thing.id
        return ""

    def get(self, model_id: str) -> ModelEntry:
        """The entry called ``model_id``: its own id, a catalog id, a repository in any capitals, or a folder's or
        file's path.

        Raises:
            AtelierError: MODEL_INCOMPLETE for one whose download is not finished; MODEL_NOT_INSTALLED, naming near
                ids; for a file, what is wrong with it.
        """
        self._know_embedded()
        if (known := self._known_id(model_id)) in self._entries:
            return self._entries[known]
        if model_id in tools.BUILT_IN:
            return tool_entry(tools.BUILT_IN[model_id], model_id, tools.BUILT_IN[model_id].action)
        path = Path(model_id).expanduser()
        if (path / INDEX).is_file():
            path = path.resolve()
            return Judge(self.known, self._device).entry(str(path), path)
        if not self._looked:
            self._found(self.survey())
        if (known := self._known_id(model_id)) in self._entries:
            return self._entries[known]
        if (tool := self._tool(model_id)) is not None:
            return tool
        if path.name.lower().endswith(sources.WEIGHTS) and path.is_file():
            return self._file(path.absolute())
        raise self._not_here(model_id)

    def tools(self) -> list[ModelEntry]:
        """What works on a picture beside the models: the built-in ones and installed add-ons that can be run."""
        built_in = [tool_entry(tool, key, tool.action) for key, tool in tools.BUILT_IN.items()]
        return built_in + [tool for addon in self.addons() if (tool := self._as_tool(addon)) is not None]

    def runnable(self, model_id: str) -> tuple[ModelCard, BoxSchema]:
        """Card and schema of a model that can be run; raises AtelierError with the reason for one that cannot."""
        entry = self.get(model_id)
        if entry.problem is not None:
            raise AtelierError.from_info(entry.problem)
        assert entry.schema is not None
        return entry.card, entry.schema

    def addons_for(self, model_id: str, values: Mapping[str, Any]) -> dict[str, AddonRef]:
        """Which file each add-on that ``values`` (validated) name stands for; raises as ``addons.resolve``."""
        entry = self.get(model_id)
        specs = entry.schema.inputs if entry.schema is not None else ()
        helpers = addons.helpers(specs, values, self.addons) if any(maps.wanted(specs, values)) else {}
        if addons.EMBEDDINGS in (spec.name for spec in specs):
            helpers |= addons.called(entry, values, self.addons())
        if not any(items.uses(specs, values)):
            return helpers
        return helpers | addons.resolve(entry, values, self.addons(), self.addon_file)

    def addon_file(self, path: Path) -> AddOn | None:
        """What a weight file, or a helper's folder, not on the list is; None where models have no use for one."""
        if path.is_dir() or path.name.lower().endswith(sources.GRAPH):
            thing = helper_thing(path)
            return thing.addon if thing is not None else None
        return self._file_judge().file(path, StoredKind.FILE).addon

    def thing(self, key: str) -> Thing | None:
        """What storage knows a model or add-on by, as far as it was found."""
        return self._things.get(key) or self._things.get(self._known_id(key))

    def of_repo(self, repo: str) -> list[Thing]:
        """Everything that was found in a repository of the hub."""
        return [thing for thing in self._things.values() if thing.repo and thing.repo.casefold() == repo.casefold()]

    # -- changing --

    def allow(self, pickled: Callable[[], frozenset[str]]) -> None:
        """Take the pickled files that a person agreed to read from ``pickled``."""
        self._allowed = pickled

    def add_folder(self, folder: Path) -> ModelEntry:
        """Remember a model folder, or a folder that holds several; returns (the first) entry.

        Raises:
            AtelierError: MODEL_UNSUPPORTED if no diffusers folder is there, or the model's own problem.
        """
        folder = folder.expanduser().resolve()
        entry = self.look_at_folder(folder)
        paths = self._settings.value.model_folders
        if str(folder) not in paths:
            self._settings.change(model_folders=(*paths, str(folder)))
        self.refresh()
        return entry

    def look_at_folder(self, folder: Path) -> ModelEntry:
        """The (first) model of a folder that could be added; raises as ``add_folder``. Any thread."""
        found = list(installed.models_in(folder))
        if not found:
            raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, f"no {INDEX} in it", model=folder.name, pipeline="no model")
        entry = Judge(self.known, self._device).entry(str(found[0]), found[0])
        if entry.problem is not None and len(found) == 1:
            raise AtelierError.from_info(entry.problem)
        return entry

    def remove_folder(self, folder: str) -> None:
        """Forget a folder; its files stay."""
        paths = self._settings.value.model_folders
        self._settings.change(model_folders=tuple(path for path in paths if path != folder))
        self.refresh()

    def refresh(self, device: DeviceFacts | None = None) -> None:
        """Look again, and judge what fits by ``device`` from now on."""
        self._device = device or self._device
        if self._later is None:
            self._found(self.survey())
        else:
            self._later(self.survey, self._found)

    # -- looking --

    def look(self) -> None:
        """Look now, on this thread, unless that was done: for a command, which has to know add-ons before it begins."""
        if not self._looked:
            self._found(self.survey())

    def survey(self) -> Survey:
        """Read what is on the disk. Touches nothing else, so it may run on any thread."""
        return installed.survey(self._places(), self.known, self._catalog, self._device, self._prepare)

    def _places(self) -> Places:
        settings = self._settings.value
        return Places(
            assets=self._assets,
            cache=self.cache,
            folders=settings.model_folders,
            files=settings.model_files,
            sources=settings.sources,
            copies=self._paths.models if self._paths else None,
            skeletons=self._paths.singles if self._paths else None,
            allowed=self._allowed(),
            cache_wanted=bool(settings.models_cache),
        )

    def _found(self, survey: Survey) -> None:
        self._things = {thing.id: thing for thing in reversed(survey.things)}
        self._things = dict(reversed(self._things.items()))
        # A file is called by its repository while it is the only one there, and by its own path in it at any time.
        self._aliases = {}
        for thing in self._things.values():
            for name in (thing.id, f"{thing.repo}/{thing.file}", thing.repo) if thing.repo else (thing.id,):
                self._aliases.setdefault(name.casefold(), thing.id)
        self._trouble = survey.trouble
        self._looked = True
        self._list({key: thing.entry for key, thing in self._things.items() if thing.entry is not None})
        self._events.emit(ModelsChanged())

    def _list(self, entries: dict[str, ModelEntry]) -> None:
        if os.environ.get("ATELIER_FAKE") == "1":
            entries["fake"] = fake_entry()
        self._entries = entries

    def _tool(self, name: str) -> ModelEntry | None:
        """An add-on that is run by itself, by any of its names."""
        addon = addons.find(name, self.addons(), tuple(tools.TOOLS), self.addon_file)
        folder = Path(name).expanduser()
        if addon is None and folder.is_dir():
            addon = self.addon_file(folder.absolute())
        return self._as_tool(addon) if addon is not None else None

    def _as_tool(self, addon: AddOn) -> ModelEntry | None:
        """A pickled file is only run after a person's word."""
        if addon.format == "pickle" and addon.problem is None and addon.path not in self._allowed():
            addon = msgspec.structs.replace(
                addon, problem=ErrorInfo(ErrorCode.MODEL_NEEDS_PICKLE, {"model": addon.name, "file": addon.path})
            )
        return addon_tool(addon)

    def _file(self, path: Path) -> ModelEntry:
        """A model in one file that is not on the list."""
        thing = self._file_judge().file(path, StoredKind.FILE)
        if thing.problem is not None:
            raise AtelierError.from_info(thing.problem)
        if thing.entry is None:
            raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=thing.name, pipeline=thing.role)
        return thing.entry

    def _file_judge(self) -> FileJudge:
        places = self._places()
        judge = FileJudge(
            self.known, Judge(self.known, self._device), self._prepare, places.skeletons, places.allowed
        )  # fmt: skip
        for entry in self._entries.values():
            if entry.family and entry.problem is None:
                judge.bases.setdefault(entry.family, Path(entry.card.ref.folder))
        return judge

    def _know_embedded(self) -> None:
        if not self._entries:
            entry = installed.embedded(self._places(), self.known, self._device)
            self._list({EMBEDDED: entry} if entry is not None else {})

    def _known_id(self, wanted: str) -> str:
        """The id that an id in other capitals, or a catalog id, stands for; ``wanted`` itself if none does."""
        if wanted in self._entries:
            return wanted
        if wanted and (same := self._aliases.get(wanted.casefold())) is not None:
            return same
        entry = self._catalog.get(wanted) or self._catalog.get(wanted.lower())
        return (self.id_of(entry) if entry is not None else "") or wanted

    def _not_here(self, model_id: str) -> AtelierError:
        """Why there is no such model: it is unfinished, only in the catalog, or nowhere."""
        entry = self._catalog.get(model_id) or self._catalog.get(model_id.lower())
        repo = entry.repo if entry is not None else model_id
        for thing in self._things.values():
            wanted = repo.casefold() in (thing.repo.casefold(), thing.id.casefold())
            if wanted and thing.problem is not None:
                return AtelierError.from_info(thing.problem)
            if wanted and thing.repo:
                return AtelierError(ErrorCode.MODEL_UNSUPPORTED, thing.path, model=thing.name, pipeline=thing.role)
        if self._trouble is not None:
            return AtelierError.from_info(self._trouble)
        if entry is not None:
            detail = f"It can be downloaded: atelier models pull {entry.id}"
            return AtelierError(ErrorCode.MODEL_NOT_INSTALLED, detail, model=entry.name)
        near = difflib.get_close_matches(model_id, self._entries, n=1)
        detail = f"Did you mean {near[0]}?" if near else f"Models here: {', '.join(self._entries) or 'none'}."
        return AtelierError(ErrorCode.MODEL_NOT_INSTALLED, detail, model=model_id)


def tool_entry(tool: Tool, model_id: str, name: str, path: str = "", problem: ErrorInfo | None = None) -> ModelEntry:
    """A tool as a model that can be run."""
    card = ModelCard(ModelRef(model_id, name, tool.runner, path))
    return ModelEntry(card, None if problem else tool.schema, problem)


def addon_tool(addon: AddOn) -> ModelEntry | None:
    """The add-on as a tool; None for those that are only used together with a model."""
    tool = tools.TOOLS.get(addon.kind)
    return tool_entry(tool, addon.id, addon.name, addon.path, addon.problem) if tool is not None else None


def fake_entry() -> ModelEntry:
    """The painter without torch, offered only to tests and demonstrations."""
    from models.painter import CARD, SCHEMA

    return ModelEntry(CARD, SCHEMA, fit="fast")
