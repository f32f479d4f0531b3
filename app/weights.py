"""Plain data about weights: downloads, what lies on the disk, and what a catalog entry means on this machine."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from app.hub_protocol import PullSpec
from app.states import DOWNLOAD_ENDED, DownloadState
from models.catalog.entry import CatalogEntry
from models.errors import ErrorInfo
from models.machine import Verdict


class Download(msgspec.Struct, frozen=True):
    """One download as it stands. It lies in the database, so fields may only be added, with defaults.

    ``model`` is the id people asked for (a catalog id or a repository); ``total_bytes`` is 0 until the files are known.
    ``speed`` in bytes a second over the last seconds; ``seconds_left`` None while unknown; ``waiting`` seconds until
    the next try after a lost connection. ``folder`` is the snapshot once done; ``freed_bytes``
    what cancelling gave back.
    """

    id: str
    model: str
    name: str
    spec: PullSpec
    state: DownloadState = DownloadState.QUEUED
    created: float = 0.0
    total_bytes: int = 0
    done_bytes: int = 0
    speed: float = 0.0
    seconds_left: float | None = None
    file: str = ""
    waiting: float = 0.0
    folder: str = ""
    error: ErrorInfo | None = None
    freed_bytes: int = 0

    @property
    def ended(self) -> bool:
        return self.state in DOWNLOAD_ENDED


class Wanted(msgspec.Struct, frozen=True):
    """One download that a wish comes down to: the model's id and name, which files, and their size (0: not known)."""

    model: str
    name: str
    spec: PullSpec
    total_bytes: int = 0


class Status(StrEnum):
    """What of a catalog entry is on this computer."""

    AVAILABLE = "available"
    DOWNLOADING = "downloading"
    PARTIAL = "partial"
    INSTALLED = "installed"
    DAMAGED = "damaged"


class Offer(msgspec.Struct, frozen=True):
    """A catalog entry as this machine sees it.

    ``verdict`` is None for add-ons, and while the machine is not known. ``model_id`` is what Create knows it by once
    it is installed; ``accepted`` the time (seconds since 1970) its licence was accepted here, 0 if it was not.
    """

    entry: CatalogEntry
    status: Status = Status.AVAILABLE
    verdict: Verdict | None = None
    download: Download | None = None
    model_id: str = ""
    here_bytes: int = 0
    accepted: float = 0.0


class AddOn(msgspec.Struct, frozen=True):
    """Something on this disk that a model is used with: a LoRA, VAE, embedding, ControlNet, upscaler...

    ``kind`` is a value of ``models.recognise.FileKind`` or a catalog role; ``family`` what it fits ("" unknown);
    ``path`` its weight file, or its folder in diffusers layout. ``title`` and ``trigger`` are what the file says of
    itself, or the catalog of it (``entry`` is its id there). ``source`` is the other app's folder it was found in.
    ``problem`` says why it cannot be used.
    """

    id: str
    name: str
    kind: str
    path: str
    family: str = ""
    variant: str = ""
    title: str = ""
    trigger: tuple[str, ...] = ()
    format: str = "safetensors"
    size_bytes: int = 0
    entry: str = ""
    source: str = ""
    problem: ErrorInfo | None = None


class Shelf(msgspec.Struct, frozen=True):
    """A handful of entries offered together: "runs well with 8 GB", "for commercial work"."""

    id: str
    title: str
    summary: str
    entries: tuple[str, ...]


class StoredKind(StrEnum):
    """Where weights on this disk come from."""

    HUB = "hub"
    FOLDER = "folder"
    FILE = "file"
    EMBEDDED = "embedded"


class Stored(msgspec.Struct, frozen=True):
    """One model or add-on on the disk.

    ``size_bytes`` is all it uses, ``freed_bytes`` what removing it would give back (shared files stay for the others,
    ``shared_with``). ``state`` is "complete", "partial" or "damaged" (with ``problem``); ``verified`` the time all its
    files were last found to match their checksums, 0 if never. ``removable`` is False for what other programs own.
    ``role`` is a catalog role or the kind of file ("lora", "checkpoint"...).
    """

    id: str
    name: str
    kind: StoredKind
    role: str
    path: str
    family: str = ""
    size_bytes: int = 0
    freed_bytes: int = 0
    shared_bytes: int = 0
    shared_with: tuple[str, ...] = ()
    state: str = "complete"
    verified: float = 0.0
    problem: ErrorInfo | None = None
    removable: bool = True
    last_used: float = 0.0
    files: int = 0


class StorageReport(msgspec.Struct, frozen=True):
    """All weights on this computer. Bytes; ``saved_bytes`` is what storing shared files once saves, ``duplicate_bytes``
    what merging identical files would save more, ``orphan_bytes`` what belongs to no model (broken-off downloads of
    other programs, blobs that no snapshot uses)."""

    items: tuple[Stored, ...] = ()
    cache: str = ""
    total_bytes: int = 0
    saved_bytes: int = 0
    duplicate_bytes: int = 0
    orphan_bytes: int = 0
    disk_free: int = 0
    disk_total: int = 0
    writable: bool = True


class BadFile(msgspec.Struct, frozen=True):
    """A file that is not what the hub said it is: "missing", "size", "checksum" or "unreadable"."""

    path: str
    why: str


class CheckReport(msgspec.Struct, frozen=True):
    """What a verification found. ``unknown`` counts files that no checksum is known for."""

    id: str
    files: int = 0
    bytes: int = 0
    unknown: int = 0
    bad: tuple[BadFile, ...] = ()
