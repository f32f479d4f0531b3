"""What the window asks of the core. ``app.core.Core`` has this face, and so has the scripted one of ``ui.demo``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from app.events import EngineChanged, EventBus
from app.history import History
from app.hub_protocol import Hit, Identity, PullSpec, RepoFacts
from app.jobs import Job, Result
from app.paths import Paths
from app.prompting.service import Prompting
from app.settings import SettingsStore
from app.states import EngineState
from app.weights import AddOn, CheckReport, Download, Offer, Shelf, StorageReport
from models.box import BoxSchema
from models.card import ModelCard
from models.errors import ErrorInfo
from models.machine import DeviceFacts
from models.recognise import Recognised


class EntryPort(Protocol):
    @property
    def card(self) -> ModelCard: ...
    @property
    def schema(self) -> BoxSchema | None: ...
    @property
    def problem(self) -> ErrorInfo | None: ...
    @property
    def fit(self) -> str: ...
    @property
    def family(self) -> str: ...


class ModelsPort(Protocol):
    def entries(self) -> Sequence[EntryPort]: ...
    def get(self, key: str, /) -> EntryPort: ...
    def addons(self) -> Sequence[AddOn]:
        """LoRAs, VAEs, embeddings, ControlNets, upscalers... on this computer."""

    def tools(self) -> Sequence[EntryPort]:
        """What works on a picture beside the models."""

    def add_folder(self, path: Path, /) -> EntryPort: ...
    def remove_folder(self, path: str, /) -> None: ...
    def refresh(self) -> None:
        """Look again at what is on the disk, off this thread; the end is announced by ``ModelsChanged``."""


class QueuePort(Protocol):
    def jobs(self) -> list[Job]: ...
    def submit(
        self,
        model_id: str,
        inputs: dict[str, Any],
        /,
        count: int = 1,
        variants: Sequence[Mapping[str, Any]] = (),
        about: Mapping[str, Any] | None = None,
        styles: Sequence[str] = (),
    ) -> Job: ...
    def cancel(self, key: str, /) -> None: ...
    def cancel_all(self) -> None: ...
    def retry(self, key: str, /) -> object: ...
    def remove(self, key: str, /) -> None: ...
    def move(self, key: str, index: int, /) -> None: ...
    def clear_ended(self) -> None: ...
    def held(self) -> list[Job]: ...
    def resume_held(self) -> None: ...
    def discard_held(self) -> None: ...


class LibraryPort(Protocol):
    def recent(self, limit: int = 60) -> list[Result]: ...
    def get(self, key: str, /) -> Result | None: ...


class EnginePort(Protocol):
    @property
    def state(self) -> EngineState: ...
    @property
    def status(self) -> EngineChanged: ...
    def restart(self) -> None: ...


T = TypeVar("T", contravariant=True)
Then = Callable[[T], None]
"""Called on the owner thread with the answer."""
Progress = Callable[[int, int], bool | None]
Failed = Callable[[ErrorInfo], None]
"""Called on the owner thread instead when it did not work."""


class DownloadsPort(Protocol):
    """The queue of downloads; every change is announced by ``DownloadChanged`` and ``DownloadRemoved``."""

    def all(self) -> list[Download]: ...
    def start(self, model: str, /, spec: PullSpec | None = None) -> Download:
        """Download a catalog id (and what it requires) or a repository; raises AtelierError (OFFLINE,
        LICENCE_NOT_ACCEPTED...) before anything is queued."""

    def pause(self, key: str, /) -> None: ...
    def resume(self, key: str, /) -> None:
        """Go on with a paused or failed one."""

    def cancel(self, key: str, /) -> None:
        """Stop, and free what it fetched."""

    def dismiss(self, key: str, /) -> None:
        """Take an ended one off the list."""


class OffersPort(Protocol):
    """The catalog as this machine sees it; changes are announced by ``OffersChanged``. ``device`` is what it judges
    by, known from the last time before the engine is ready."""

    @property
    def device(self) -> DeviceFacts | None: ...
    def all(self) -> list[Offer]: ...
    def get(self, key: str, /) -> Offer | None: ...
    def search(self, query: str, /) -> list[Offer]:
        """Best first; an empty query gives all in the catalog's order. Fast enough for every keystroke."""

    def shelves(self) -> list[Shelf]: ...
    def accept(self, key: str, /) -> None:
        """Record that the licence was accepted, now."""


class HubPort(Protocol):
    """The model hub, through a process of its own. While ``offline`` everything fails at once with OFFLINE."""

    @property
    def offline(self) -> bool: ...
    @property
    def requests(self) -> int: ...
    def describe(self, spec: PullSpec, then: Then[RepoFacts], failed: Failed, /) -> None: ...
    def search(self, query: str, role: str, then: Then[tuple[Hit, ...]], failed: Failed, /) -> None: ...
    def sign_in(self, token: str, then: Then[Identity], failed: Failed, /) -> None: ...
    def sign_out(self, then: Then[Identity], failed: Failed, /) -> None: ...
    def who(self, then: Then[Identity], failed: Failed, /) -> None: ...


class StoragePort(Protocol):
    """What lies on the disk. Long work runs elsewhere; ``progress(done, total)`` in bytes is called on the owner thread
    and may return False to stop."""

    def report(self, then: Then[StorageReport], failed: Failed, /) -> None: ...
    def verify(self, key: str, progress: Progress, then: Then[CheckReport], failed: Failed, /) -> None: ...
    def repair(self, key: str, /) -> Download:
        """Fetch only the bad and missing files again."""

    def remove(self, key: str, then: Then[int], failed: Failed, /) -> None:
        """Answers the freed bytes."""

    def merge(self, progress: Progress, then: Then[int], failed: Failed, /) -> None:
        """Store identical files once; answers the saved bytes."""

    def clean(self, then: Then[int], failed: Failed, /) -> None:
        """Delete orphans; answers the freed bytes."""

    def move(self, folder: Path, progress: Progress, then: Then[int], failed: Failed, /) -> None:
        """Move the cache; it is used from there once everything arrived."""


class ImportsPort(Protocol):
    """Files and folders from this disk."""

    def look(self, path: Path, then: Then[Recognised], failed: Failed, /) -> None:
        """What a file or folder is; changes nothing. A folder of another app has the format "folder", with that app
        as ``title`` and the number of its files as ``layers``."""

    def add(
        self,
        path: Path,
        copy: bool,
        progress: Progress,
        then: Then[str],
        failed: Failed,
        /,
        allow_pickle: bool = False,
    ) -> None:
        """Use a file or folder in place, or copy it into Atelier's own; answers its id, "" when it was stopped.

        ``allow_pickle`` says that a person agreed to read this file although it may carry code.
        """

    def add_source(self, folder: Path, then: Then[int], failed: Failed, /) -> None:
        """Find everything in another app's folder from now on; answers how many things were found."""

    def remove_source(self, folder: str, /) -> None: ...


class WeightsPort(Protocol):
    """The services of the Models page."""

    @property
    def downloads(self) -> DownloadsPort: ...
    @property
    def offers(self) -> OffersPort: ...
    @property
    def hub(self) -> HubPort: ...
    @property
    def storage(self) -> StoragePort: ...
    @property
    def imports(self) -> ImportsPort: ...


class CorePort(WeightsPort, Protocol):
    @property
    def events(self) -> EventBus: ...
    @property
    def settings(self) -> SettingsStore: ...
    @property
    def paths(self) -> Paths: ...
    @property
    def models(self) -> ModelsPort: ...
    @property
    def queue(self) -> QueuePort: ...
    @property
    def library(self) -> LibraryPort: ...
    @property
    def history(self) -> History: ...
    @property
    def prompting(self) -> Prompting: ...
    @property
    def engine(self) -> EnginePort: ...
    def preload(self, model_id: str, /) -> None: ...
    def estimate(self, model_id: str, /) -> float | None: ...
    def take_in(self, folder: str, /) -> None:
        """Bring pictures that lie in the outbox under this name into the library."""

    def start(self) -> None: ...
    def close(self) -> None: ...
