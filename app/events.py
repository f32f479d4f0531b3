"""What the core announces, as facts in the past tense, and the bus they travel on (owner thread only)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from app.jobs import Job, JobNotice, Result
from app.states import EngineState
from app.weights import Download
from models.errors import ErrorInfo
from models.planning import DeviceFacts

log = logging.getLogger(__name__)


class JobAdded(msgspec.Struct, frozen=True):
    job: Job


class JobChanged(msgspec.Struct, frozen=True):
    """State, progress, error or results of a job changed."""

    job: Job


class JobRemoved(msgspec.Struct, frozen=True):
    id: str


class QueueReordered(msgspec.Struct, frozen=True):
    """``ids`` of the jobs that wait, in the order they will run."""

    ids: tuple[str, ...]


class JobNoticed(msgspec.Struct, frozen=True):
    job: str
    notice: JobNotice


class PreviewArrived(msgspec.Struct, frozen=True):
    """A small encoded picture of job ``job``'s picture number ``picture``, to be shown at ``width`` x ``height``."""

    job: str
    picture: int
    width: int
    height: int
    data: bytes


class ResultAdded(msgspec.Struct, frozen=True):
    result: Result


class ResultRemoved(msgspec.Struct, frozen=True):
    id: str


class LibraryChanged(msgspec.Struct, frozen=True):
    """What is said of pictures changed, or which there are; ``ids`` empty: of any."""

    ids: tuple[str, ...] = ()


class EngineChanged(msgspec.Struct, frozen=True):
    """``error`` says why the engine crashed or cannot be used; ``device`` is known from READY on."""

    state: EngineState
    device: DeviceFacts | None = None
    error: ErrorInfo | None = None
    loading: str = ""


class ModelsChanged(msgspec.Struct, frozen=True):
    pass


class DownloadChanged(msgspec.Struct, frozen=True):
    """A download is new, moved on, or changed its state; at most ten a second for each."""

    download: Download


class DownloadRemoved(msgspec.Struct, frozen=True):
    id: str


class OffersChanged(msgspec.Struct, frozen=True):
    """Catalog entries changed their status or verdict; ``ids`` empty: any may have."""

    ids: tuple[str, ...] = ()


class NetworkCounted(msgspec.Struct, frozen=True):
    """Requests that this program has sent over the network since it started."""

    requests: int


class SettingsChanged(msgspec.Struct, frozen=True):
    names: tuple[str, ...]


class TroubleArose(msgspec.Struct, frozen=True):
    """Something went wrong that belongs to no job: a settings file that could not be read, a full disk."""

    error: ErrorInfo


E = TypeVar("E")


class EventBus:
    """Calls every subscriber of an event's type, in the order they came; a subscriber that fails is only logged."""

    def __init__(self) -> None:
        self._subscribers: dict[type, list[Callable[[Any], None]]] = {}

    def subscribe(self, kind: type[E], callback: Callable[[E], None]) -> Callable[[], None]:
        """Returns the function that ends the subscription."""
        callbacks = self._subscribers.setdefault(kind, [])
        callbacks.append(callback)
        return lambda: callbacks.remove(callback) if callback in callbacks else None

    def emit(self, event: object) -> None:
        for callback in tuple(self._subscribers.get(type(event), ())):
            try:
                callback(event)
            except Exception:
                log.exception("a subscriber of %s failed", type(event).__name__)
