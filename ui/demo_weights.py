"""The scripted services of the Models page, which do only what they are told.

Answers come at once, unless ``hold`` keeps them back until ``release``: so waiting states can be shown. Long work of
the storage stands still while ``storage.patient``; ``storage.step`` and ``storage.finish`` move it on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from app import events as announced
from app.hub_protocol import Hit, HubFile, Identity, PullSpec, RepoFacts
from app.settings import SettingsStore
from app.states import DOWNLOAD_ACTIVE, DOWNLOAD_MOVES, DownloadState, move
from app.weights import BadFile, CheckReport, Download, Offer, Shelf, Status, StorageReport, Stored, StoredKind
from models.catalog.entry import CatalogEntry, Use
from models.errors import AtelierError, ErrorCode, ErrorInfo
from models.machine import Fit
from models.recognise import FileKind, Recognised
from ui.demo_catalog import GIB, catalog, verdict_for
from ui.viewmodels.ports import Failed, Progress, Then

WHEN = 1_790_000_000.0
"""The moment at which the demonstration takes place, seconds since 1970."""
INSTALLED = {"flux2-klein-4b": "klein", "lcm-sdxl": "", "realesrgan": ""}


class DemoWeights:
    """All five services, and what they share. ``installed`` is called with an entry that has become usable."""

    def __init__(
        self,
        events: announced.EventBus,
        settings: SettingsStore,
        installed: Callable[[CatalogEntry], None] = lambda entry: None,
        entries: list[CatalogEntry] | None = None,
    ) -> None:
        self.events = events
        self.settings = settings
        self.installed = installed
        self._held: list[Callable[[], None]] | None = None
        self.offers = DemoOffers(self, catalog() if entries is None else entries)
        self.downloads = DemoDownloads(self)
        self.hub = DemoHub(self)
        self.storage = DemoStorage(self)
        self.imports = DemoImports(self)

    def hold(self) -> None:
        self._held = []

    def release(self) -> None:
        held, self._held = self._held or [], None
        for answer in held:
            answer()

    def answer(self, function: Callable[[], None]) -> None:
        if self._held is None:
            function()
        else:
            self._held.append(function)

    def refuse_offline(self) -> None:
        if self.hub.offline:
            raise AtelierError(ErrorCode.OFFLINE)


class DemoOffers:
    def __init__(self, weights: DemoWeights, entries: list[CatalogEntry]) -> None:
        self._weights = weights
        self._offers = {
            entry.id: Offer(
                entry,
                Status.INSTALLED if entry.id in INSTALLED else Status.AVAILABLE,
                verdict_for(entry),
                model_id=INSTALLED.get(entry.id, ""),
                here_bytes=entry.download_bytes if entry.id in INSTALLED else 0,
            )
            for entry in entries
        }
        self._text = {
            key: f"{o.entry.name} {o.entry.repo} {o.entry.summary}".lower() for key, o in self._offers.items()
        }

    def all(self) -> list[Offer]:
        return list(self._offers.values())

    def get(self, key: str) -> Offer | None:
        return self._offers.get(key)

    def search(self, query: str) -> list[Offer]:
        words = query.lower().split()
        found = [key for key, text in self._text.items() if all(word in text for word in words)]
        return [self._offers[key] for key in found]

    def shelves(self) -> list[Shelf]:
        offers = self.all()
        fast = [o.entry.id for o in offers if o.verdict is not None and o.verdict.fit is Fit.FAST]
        free = [o.entry.id for o in offers if o.entry.is_model and o.entry.licence.use is Use.COMMERCIAL]
        return [
            Shelf("runs-well", "Runs well on this computer", "With 12 GB of graphics memory", tuple(fast[:6])),
            Shelf("commercial", "For commercial work", "Licences that allow every use", tuple(free[:6])),
        ]

    def accept(self, key: str) -> None:
        self.change(key, accepted=WHEN)

    def change(self, key: str, **changes: Any) -> Offer:
        """Play a change of one offer and announce it."""
        self._offers[key] = msgspec.structs.replace(self._offers[key], **changes)
        self._weights.events.emit(announced.OffersChanged((key,)))
        return self._offers[key]


class DemoDownloads:
    """``play`` moves a download on; states go by the real table."""

    def __init__(self, weights: DemoWeights) -> None:
        self._weights = weights
        self._all: dict[str, Download] = {}
        self._numbers = itertools.count(1)

    def all(self) -> list[Download]:
        return list(self._all.values())

    def start(self, model: str, spec: PullSpec | None = None) -> Download:
        self._weights.refuse_offline()
        offer = self._weights.offers.get(model)
        if offer is not None and offer.entry.licence.use is not Use.COMMERCIAL and not offer.accepted:
            licence = offer.entry.licence
            raise AtelierError(
                ErrorCode.LICENCE_NOT_ACCEPTED, model=offer.entry.name, licence=licence.name, url=licence.url
            )
        name = offer.entry.name if offer is not None else model.rpartition("/")[2]
        total = offer.entry.download_bytes if offer is not None else self._weights.hub.size(model)
        repo = offer.entry.repo if offer is not None else model
        here = offer.here_bytes if offer is not None else 0
        key = f"d{next(self._numbers)}"
        made = Download(key, model, name, spec or PullSpec(repo), created=WHEN, total_bytes=total, done_bytes=here)
        self._put(made)
        return made

    def pause(self, key: str) -> None:
        self.play(key, state=DownloadState.PAUSED, speed=0.0, seconds_left=None, waiting=0.0)

    def resume(self, key: str) -> None:
        self._weights.refuse_offline()
        self.play(key, state=DownloadState.QUEUED, error=None)

    def cancel(self, key: str) -> None:
        freed = self._all[key].done_bytes
        self.play(key, state=DownloadState.CANCELLED, done_bytes=0, speed=0.0, freed_bytes=freed)

    def dismiss(self, key: str) -> None:
        gone = self._all.pop(key)
        self._weights.events.emit(announced.DownloadRemoved(key))
        if gone.state is not DownloadState.DONE:
            self._tell_offer(gone, None)

    # playing

    def run(self, key: str, fraction: float, speed: float = 0.0, left: float | None = None, **more: Any) -> None:
        """The download is at ``fraction`` of its bytes."""
        if self._all[key].state is DownloadState.QUEUED:
            self.play(key, state=DownloadState.PREPARING)
        done = int(self._all[key].total_bytes * fraction)
        self.play(key, state=DownloadState.RUNNING, done_bytes=done, speed=speed, seconds_left=left, **more)

    def fail(self, key: str, code: ErrorCode, **facts: Any) -> None:
        self.play(key, state=DownloadState.FAILED, error=ErrorInfo(code, facts), speed=0.0, seconds_left=None)

    def finish(self, key: str) -> None:
        if self._all[key].state in (DownloadState.QUEUED, DownloadState.PREPARING):
            self.run(key, 1.0)
        self.play(key, state=DownloadState.DONE, done_bytes=self._all[key].total_bytes, speed=0.0, folder="/cache/x")
        offer = self._weights.offers.get(self._all[key].model)
        if offer is not None:
            self._weights.installed(offer.entry)

    def play(self, key: str, **changes: Any) -> None:
        old = self._all[key]
        new = msgspec.structs.replace(old, **changes)
        move(DOWNLOAD_MOVES, old.state, new.state)
        self._put(new)

    def _put(self, download: Download) -> None:
        self._all[download.id] = download
        self._weights.events.emit(announced.DownloadChanged(download))
        self._tell_offer(download, download)

    def _tell_offer(self, download: Download, now: Download | None) -> None:
        offer = self._weights.offers.get(download.model)
        if offer is None:
            return
        if now is None or now.state is DownloadState.CANCELLED:
            self._weights.offers.change(offer.entry.id, status=Status.AVAILABLE, download=None, here_bytes=0)
        elif now.state is DownloadState.DONE:
            self._weights.offers.change(
                offer.entry.id,
                status=Status.INSTALLED,
                download=None,
                model_id=offer.entry.repo if offer.entry.is_model else "",
                here_bytes=offer.entry.download_bytes,
            )
        else:
            busy = now.state in DOWNLOAD_ACTIVE or now.state is DownloadState.QUEUED
            status = Status.DOWNLOADING if busy else Status.PARTIAL
            if offer.status is not status or offer.download is not now:
                self._weights.offers.change(offer.entry.id, status=status, download=now, here_bytes=now.done_bytes)


HITS = (
    Hit("stabilityai/stable-diffusion-xl-base-1.0", "text-to-image", "diffusers", "openrail++", False, 3_200_000, 6900),
    Hit("cagliostrolab/animagine-xl-4.0", "text-to-image", "diffusers", "openrail++", False, 410_000, 1200),
    Hit("SG161222/RealVisXL_V5.0", "text-to-image", "diffusers", "openrail++", False, 180_000, 420),
    Hit("someone/pixel-art-xl-lora", "text-to-image", "diffusers", "creativeml-openrail-m", False, 88_000, 640),
    Hit("black-forest-labs/FLUX.1-Krea-dev", "text-to-image", "diffusers", "other", True, 260_000, 900),
)

FILES = (
    HubFile("model_index.json", 543),
    HubFile("transformer/diffusion_pytorch_model-00001-of-00002.safetensors", int(4.6 * GIB), "ab" * 32),
    HubFile("transformer/diffusion_pytorch_model-00002-of-00002.safetensors", int(0.9 * GIB), "cd" * 32),
    HubFile("text_encoder/model.safetensors", int(1.2 * GIB), "ef" * 32),
    HubFile("vae/diffusion_pytorch_model.safetensors", 167_335_342, "12" * 32),
)


def facts_for(repo: str) -> RepoFacts:
    """What the demonstration's hub says of ``repo``; names tell it what to say."""
    facts = RepoFacts(
        repo,
        "5f4e3d2c1b",
        "pipeline",
        "StableDiffusionXLPipeline",
        "sdxl",
        FILES,
        sum(f.size for f in FILES),
        licence="openrail++",
        licence_url="https://huggingface.co/x",
        downloads=410_000,
        likes=1200,
        modified="2026-09-12",
        tags=("anime",),
    )
    if "pickle" in repo:
        return msgspec.structs.replace(
            facts,
            risks=("pickle_only",),
            files=(),
            total_bytes=0,
            problem=ErrorInfo(ErrorCode.MODEL_NEEDS_PICKLE, {"model": repo}),
        )
    if "remote" in repo:
        return msgspec.structs.replace(
            facts, risks=("remote_code",), problem=ErrorInfo(ErrorCode.MODEL_NEEDS_REMOTE_CODE, {"model": repo})
        )
    if "single" in repo:
        one, two = (HubFile(f"model-{n}.safetensors", int(6.6 * GIB), "aa" * 32) for n in ("fp16", "v2"))
        return msgspec.structs.replace(
            facts, kind="checkpoint", files=(one,), others=(two,), total_bytes=one.size, risks=("unsafe_scan",)
        )
    return facts


class DemoHub:
    def __init__(self, weights: DemoWeights) -> None:
        self._weights = weights
        self.requests = 0
        self.user = ""
        self.hits: tuple[Hit, ...] = HITS
        self.access: dict[str, str] = {}
        self.trouble: ErrorInfo | None = None
        self.searched: list[str] = []
        self.described: list[PullSpec] = []

    @property
    def offline(self) -> bool:
        return self._weights.settings.value.offline

    def size(self, repo: str) -> int:
        return facts_for(repo).total_bytes

    def describe(self, spec: PullSpec, then: Then[RepoFacts], failed: Failed) -> None:
        self.described.append(spec)
        entry = next((o.entry for o in self._weights.offers.all() if o.entry.repo == spec.repo), None)
        facts = facts_for(spec.repo)
        gated = entry is not None and entry.gated
        access = self.access.get(spec.repo, "no_token" if gated and not self.user else "open")
        facts = msgspec.structs.replace(facts, access=access, gated=gated or access != "open")
        if spec.repo.startswith("nobody/"):
            self._do(lambda: failed(ErrorInfo(ErrorCode.REPO_NOT_FOUND, {"repo": spec.repo})), failed)
        else:
            self._do(lambda: then(facts), failed)

    def search(self, query: str, role: str, then: Then[tuple[Hit, ...]], failed: Failed) -> None:
        self.searched.append(query)
        found = tuple(hit for hit in self.hits if any(word in hit.repo.lower() for word in query.lower().split()))
        self._do(lambda: then(found), failed)

    def sign_in(self, token: str, then: Then[Identity], failed: Failed) -> None:
        if token == "hf_good":
            self.user = "mia"
            self._do(lambda: then(Identity("", "mia", "store")), failed)
        else:
            refused = ErrorInfo(ErrorCode.TOKEN_REFUSED, {"url": "https://huggingface.co/settings/tokens"})
            self._do(lambda: failed(refused), failed)

    def sign_out(self, then: Then[Identity], failed: Failed) -> None:
        self.user = ""
        self._do(lambda: then(Identity("")), failed)

    def who(self, then: Then[Identity], failed: Failed) -> None:
        self._do(lambda: then(Identity("", self.user, "store" if self.user else "")), failed)

    def _do(self, answer: Callable[[], None], failed: Failed) -> None:
        self.requests += 1
        self._weights.events.emit(announced.NetworkCounted(self.requests))
        trouble = ErrorInfo(ErrorCode.OFFLINE) if self.offline else self.trouble
        self._weights.answer(answer if trouble is None else lambda: failed(trouble))


def _stored() -> tuple[Stored, ...]:
    def one(key: str, name: str, gigabytes: float, **more: Any) -> Stored:
        size = int(gigabytes * GIB)
        values: dict[str, Any] = {
            "kind": StoredKind.HUB, "role": "text-to-image", "path": f"/home/mia/.cache/huggingface/hub/{name}",
            "freed_bytes": size, "verified": WHEN - 86400 * 3, "last_used": WHEN - 3600 * 5, "files": 14,
        }  # fmt: skip
        values.update(more)
        return Stored(key, name, size_bytes=size, **values)

    shared = {"freed_bytes": int(4.1 * GIB), "shared_bytes": int(9.4 * GIB)}
    return (
        one("klein", "FLUX.2 klein 4B", 7.8, family="flux2-klein-4b"),
        one(
            "black-forest-labs/FLUX.1-schnell",
            "FLUX.1 schnell",
            31.4,
            family="flux1",
            shared_with=("FLUX.1 dev",),
            shared_bytes=int(9.4 * GIB),
            freed_bytes=int(22 * GIB),
            last_used=WHEN - 86400 * 40,
        ),
        one(
            "black-forest-labs/FLUX.1-dev",
            "FLUX.1 dev",
            13.5,
            family="flux1",
            shared_with=("FLUX.1 schnell",),
            state="partial",
            verified=0.0,
            last_used=0.0,
            **shared,
        ),
        one(
            "damaged",
            "PixArt Sigma",
            5.9,
            family="pixart",
            state="damaged",
            verified=WHEN - 60,
            problem=ErrorInfo(ErrorCode.MODEL_CORRUPT, {"model": "PixArt Sigma", "file": "vae/model.safetensors"}),
        ),
        one(
            "/home/mia/ComfyUI/models/checkpoints/dreamshaperXL.safetensors",
            "DreamShaper XL",
            6.6,
            family="sdxl",
            kind=StoredKind.FILE,
            role="checkpoint",
            removable=False,
            freed_bytes=0,
            verified=0.0,
            files=1,
        ),
        one("lcm-sdxl", "LCM for SDXL", 0.39, family="sdxl", role="lora", files=1, last_used=WHEN - 86400 * 200),
        one(
            "long",
            "Stable-Diffusion-XL-Lightning-8-step-distilled-with-a-very-long-community-fine-tune-name-v2.1-final",
            6.6,
            family="sdxl",
            last_used=WHEN - 86400 * 12,
        ),
        one("pocket", "Pocket", 0.02, kind=StoredKind.EMBEDDED, removable=False, freed_bytes=0, files=11),
    )


class DemoStorage:
    def __init__(self, weights: DemoWeights) -> None:
        self._weights = weights
        items = _stored()
        self.now = StorageReport(
            items,
            "/home/mia/.cache/huggingface/hub",
            sum(i.size_bytes for i in items) - int(9.4 * GIB),
            int(9.4 * GIB),
            int(3.2 * GIB),
            int(1.1 * GIB),
            148 * GIB,
            512 * GIB,
        )
        self.bad: dict[str, tuple[BadFile, ...]] = {"damaged": (BadFile("vae/model.safetensors", "checksum"),)}
        self.patient = False
        self.stopped = False
        self.trouble: ErrorInfo | None = None
        self._work: tuple[Progress, Callable[[], None], int] | None = None

    def item(self, key: str) -> Stored:
        return next(item for item in self.now.items if item.id == key)

    def report(self, then: Then[StorageReport], failed: Failed) -> None:
        trouble = self.trouble
        self._weights.answer((lambda: then(self.now)) if trouble is None else lambda: failed(trouble))

    def verify(self, key: str, progress: Progress, then: Then[CheckReport], failed: Failed) -> None:
        item = self.item(key)
        bad = self.bad.get(key, ())

        def end() -> None:
            self.edit(key, verified=WHEN, state="damaged" if bad else "complete")
            then(CheckReport(key, item.files, item.size_bytes, 0, bad))

        self._begin(progress, end, item.size_bytes)

    def repair(self, key: str) -> Download:
        self.bad.pop(key, None)
        self.edit(key, state="complete", problem=None)
        return self._weights.downloads.start(key, PullSpec(key))

    def remove(self, key: str, then: Then[int], failed: Failed) -> None:
        freed = self.item(key).freed_bytes
        items = tuple(item for item in self.now.items if item.id != key)
        self._change(items=items, total_bytes=self.now.total_bytes - freed, disk_free=self.now.disk_free + freed)
        for offer in self._weights.offers.all():
            if key in (offer.model_id, offer.entry.id, offer.entry.repo):
                self._weights.offers.change(offer.entry.id, status=Status.AVAILABLE, model_id="", here_bytes=0)
        self._weights.events.emit(announced.ModelsChanged())
        self._weights.answer(lambda: then(freed))

    def merge(self, progress: Progress, then: Then[int], failed: Failed) -> None:
        saved = self.now.duplicate_bytes

        def end() -> None:
            self._change(duplicate_bytes=0, saved_bytes=self.now.saved_bytes + saved)
            then(saved)

        self._begin(progress, end, saved)

    def clean(self, then: Then[int], failed: Failed) -> None:
        freed = self.now.orphan_bytes
        self._change(orphan_bytes=0, disk_free=self.now.disk_free + freed)
        self._weights.answer(lambda: then(freed))

    def move(self, folder: Path, progress: Progress, then: Then[int], failed: Failed) -> None:
        total = self.now.total_bytes

        def end() -> None:
            self._change(cache=str(folder))
            self._weights.settings.change(models_cache=str(folder))
            then(total)

        self._begin(progress, end, total)

    # playing

    def edit(self, key: str, **changes: Any) -> None:
        self._change(
            items=tuple(msgspec.structs.replace(item, **changes) if item.id == key else item for item in self.now.items)
        )

    def step(self, fraction: float) -> None:
        assert self._work is not None
        progress, _, total = self._work
        if progress(int(total * fraction), total) is False:
            self.stopped, self._work = True, None

    def finish(self) -> None:
        assert self._work is not None
        _, end, _ = self._work
        self._work = None
        end()

    def _begin(self, progress: Progress, end: Callable[[], None], total: int) -> None:
        self._work = (progress, end, total)
        if not self.patient:
            self._weights.answer(self.finish)

    def _change(self, **changes: Any) -> None:
        self.now = msgspec.structs.replace(self.now, **changes)


class DemoImports:
    """``known`` says what a file is by its name; others are unknown."""

    def __init__(self, weights: DemoWeights) -> None:
        self._weights = weights
        self.added: list[tuple[str, bool]] = []
        self.known: dict[str, Recognised] = {}

    def look(self, path: Path, then: Then[Recognised], failed: Failed) -> None:
        known = self.known.get(path.name) or _by_name(path)
        unknown = ErrorInfo(ErrorCode.FILE_UNKNOWN, {"file": path.name})
        self._weights.answer((lambda: then(known)) if known is not None else lambda: failed(unknown))

    def add(self, path: Path, copy: bool, progress: Progress, then: Then[str], failed: Failed) -> None:
        self.added.append((str(path), copy))
        files = self._weights.settings.value.model_files
        self._weights.settings.change(model_files=(*files, str(path)))
        self._weights.answer(lambda: then(str(path)))

    def add_source(self, folder: Path, then: Then[int], failed: Failed) -> None:
        sources = self._weights.settings.value.sources
        self._weights.settings.change(sources=(*sources, str(folder)))
        self._weights.answer(lambda: then(23))

    def remove_source(self, folder: str) -> None:
        sources = self._weights.settings.value.sources
        self._weights.settings.change(sources=tuple(one for one in sources if one != folder))


def _by_name(path: Path) -> Recognised | None:
    name, size = path.name.lower(), int(6.6 * GIB)
    if name.endswith(".ckpt"):
        return Recognised(str(path), FileKind.CHECKPOINT, "pickle", "sd15", size_bytes=size, warnings=("pickle",))
    if "lora" in name:
        return Recognised(
            str(path),
            FileKind.LORA,
            "safetensors",
            "sdxl",
            size_bytes=228 * 2**20,
            title="Ink and wash",
            trigger=("ink wash", "brush drawing"),
            layers=722,
        )
    if name.endswith(".gguf"):
        return Recognised(str(path), FileKind.DENOISER, "gguf", "flux1", "schnell", size_bytes=size)
    if name.endswith(".safetensors"):
        return Recognised(
            str(path), FileKind.CHECKPOINT, "safetensors", "sdxl", size_bytes=size, warnings=("unverified_family",)
        )
    return None
