"""Which models there are: the embedded one, folders the user added, and what other tools left in the hub's cache.

The form's schema and the verdict whether a model fits this machine are made here too, from the model's own files.
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from app.events import EventBus, ModelsChanged
from app.settings import SettingsStore
from models import folders, planning
from models.box import BoxSchema
from models.card import ModelCard, ModelRef
from models.errors import AtelierError, ErrorCode, ErrorInfo
from models.planning import DeviceFacts
from models.schemas import schema_of

log = logging.getLogger(__name__)

Later = Callable[[Callable[[], dict[str, "ModelEntry"]], Callable[[dict[str, "ModelEntry"]], None]], None]
"""Does the first function elsewhere, then calls the second with its answer on the owner thread."""

EMBEDDED = "pocket"
INDEX = "model_index.json"


class ModelEntry(msgspec.Struct, frozen=True):
    """A model as the picker shows it. Without a schema it cannot be run, and ``problem`` says why.

    ``fit`` is "fast", "offload", "too_large" or "unknown" for the device ``Models.device``.
    """

    card: ModelCard
    schema: BoxSchema | None = None
    problem: ErrorInfo | None = None
    fit: str = "unknown"


class Models:
    """All models on this computer. Looking one up reads a few small files, no weights."""

    def __init__(
        self, settings: SettingsStore, events: EventBus, assets: Path, hub_cache: Path, later: Later | None = None
    ) -> None:
        """``later(work, then)`` does ``work`` off the owner thread; without it everything is looked up at once."""
        self._settings = settings
        self._events = events
        self._assets = assets
        self._hub_cache = hub_cache
        self._later = later
        self._device: DeviceFacts | None = None
        self._known: dict[str, ModelEntry] = {}
        self._looked = False

    def entries(self) -> list[ModelEntry]:
        """Every model found so far, the embedded one first; broken ones too, with their problem.

        With ``later`` the first call knows the embedded model only; the others are announced by ``ModelsChanged``.
        """
        if not self._looked and self._later is None:
            self._found(self._look())
        self._know_embedded()
        return list(self._known.values())

    def knows(self, model_id: str) -> bool:
        """Whether ``get`` answers at once, without looking through folders."""
        return model_id in self._known

    def get(self, model_id: str) -> ModelEntry:
        """The entry called ``model_id``, which may also be the path of a model folder.

        Raises:
            AtelierError: MODEL_NOT_INSTALLED, naming near ids.
        """
        self._know_embedded()
        if model_id in self._known:
            return self._known[model_id]
        folder = Path(model_id).expanduser()
        if (folder / INDEX).is_file():
            return self._entry(str(folder.resolve()), folder.resolve(), "")
        if not self._looked:
            self._found(self._look())
        if model_id in self._known:
            return self._known[model_id]
        near = difflib.get_close_matches(model_id, self._known, n=1)
        detail = f"Did you mean {near[0]}?" if near else f"Models here: {', '.join(self._known) or 'none'}."
        raise AtelierError(ErrorCode.MODEL_NOT_INSTALLED, detail, model=model_id)

    def _know_embedded(self) -> None:
        if not self._known:
            self._known = self._look(embedded_only=True)

    def runnable(self, model_id: str) -> tuple[ModelCard, BoxSchema]:
        """Card and schema of a model that can be run; raises AtelierError with the reason for one that cannot."""
        entry = self.get(model_id)
        if entry.problem is not None:
            raise AtelierError.from_info(entry.problem)
        assert entry.schema is not None
        return entry.card, entry.schema

    def add_folder(self, folder: Path) -> ModelEntry:
        """Remember a model folder, or a folder that holds several; returns (the first) entry.

        Raises:
            AtelierError: MODEL_UNSUPPORTED if no diffusers folder is there, or the model's own problem.
        """
        folder = folder.expanduser().resolve()
        found = list(_models_in(folder))
        if not found:
            raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, f"no {INDEX} in it", model=folder.name, pipeline="no model")
        entry = self._entry(str(found[0]), found[0], "")
        if entry.problem is not None and len(found) == 1:
            raise AtelierError.from_info(entry.problem)
        paths = self._settings.value.model_folders
        if str(folder) not in paths:
            self._settings.change(model_folders=(*paths, str(folder)))
        self.refresh()
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
            self._found(self._look())
        else:
            self._later(self._look, self._found)

    def _look(self, embedded_only: bool = False) -> dict[str, ModelEntry]:
        """Read what is on the disk. Touches nothing else, so it may run on any thread."""
        found = {}
        for model_id, folder, revision in self._folders():
            found[model_id] = self._entry(model_id, folder, revision)
            if embedded_only:
                break
        if os.environ.get("ATELIER_FAKE") == "1":
            found["fake"] = fake_entry()
        return found

    def _found(self, known: dict[str, ModelEntry]) -> None:
        self._known, self._looked = known, True
        self._events.emit(ModelsChanged())

    def _folders(self) -> Iterator[tuple[str, Path, str]]:
        """Id, folder and revision ("" when it has to be worked out) of every model, the embedded one first."""
        embedded = self._assets / EMBEDDED
        if (embedded / INDEX).is_file():
            yield EMBEDDED, embedded, ""
        for added in self._settings.value.model_folders:
            for folder in _models_in(Path(added)):
                yield str(folder), folder, ""
        yield from hub_models(self._hub_cache)

    def _entry(self, model_id: str, folder: Path, revision: str) -> ModelEntry:
        about = folders.read_about(folder)
        name = about.name or (model_id if model_id == EMBEDDED else folders.folder_name(folder))
        card = ModelCard(ModelRef(model_id, name, "diffusers", str(folder), revision))
        try:
            info = folders.inspect(folder, name)
            card = ModelCard(
                ref=msgspec.structs.replace(card.ref, revision=revision or info.revision),
                summary=about.summary,
                licence=about.licence,
                pipeline=info.pipeline,
                examples=about.examples,
                size_bytes=info.total_bytes,
            )
            schema = schema_of(info)
        except AtelierError as error:
            return ModelEntry(card, problem=error.info)
        except OSError as error:
            return ModelEntry(card, problem=ErrorInfo(ErrorCode.MODEL_INCOMPLETE, {"model": name, "file": str(error)}))
        fit = "unknown" if self._device is None else planning.verdict(info.needs, self._device).fit.value
        return ModelEntry(card, schema, fit=fit)


def fake_entry() -> ModelEntry:
    """The painter without torch, offered only to tests and demonstrations."""
    from models.painter import CARD, SCHEMA

    return ModelEntry(CARD, SCHEMA, fit="fast")


def hub_models(cache: Path) -> Iterator[tuple[str, Path, str]]:
    """Diffusers repositories in a hub cache: id, snapshot folder of the newest ref, commit."""
    for repo in sorted(cache.glob("models--*--*")):
        refs = repo / "refs" / "main"
        try:
            commit = refs.read_text(encoding="utf-8").strip() if refs.is_file() else ""
            snapshots = [repo / "snapshots" / commit] if commit else sorted((repo / "snapshots").glob("*"))
            for folder in snapshots:
                if (folder / INDEX).is_file():
                    yield repo.name.removeprefix("models--").replace("--", "/", 1), folder, folder.name
                    break
        except OSError:
            log.warning("cannot read %s", repo)


def default_hub_cache() -> Path:
    """Where huggingface_hub keeps its cache; read from the same variables, without importing it."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"])
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(home).expanduser() / "hub"


def _models_in(folder: Path) -> Iterator[Path]:
    if (folder / INDEX).is_file():
        yield folder
    elif folder.is_dir():
        yield from sorted(index.parent for index in folder.glob(f"*/{INDEX}"))
