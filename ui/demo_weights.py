"""The scripted services of the Models page, which do only what they are told.

Answers come at once, unless ``hold`` keeps them back until ``release``: so waiting states can be shown. Long work of
the storage stands still while ``storage.patient``; ``storage.step`` and ``storage.finish`` move it on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import msgspec

from app import events as announced
from app.hub_protocol import Hit, HubFile, Identity, PullSpec, RepoFacts
from app.settings import SettingsStore
from app.states import DOWNLOAD_ACTIVE, DOWNLOAD_MOVES, DownloadState, move
from app.weights import Download, Offer, Shelf, Status
from models.catalog.entry import CatalogEntry, Use
from models.errors import AtelierError, ErrorCode, ErrorInfo
from models.machine import DeviceFacts, Fit
from ui.demo_addons import catalog
from ui.demo_catalog import GIB, verdict_for
from ui.demo_storage import WHEN, DemoImports, DemoStorage
from ui.viewmodels.ports import Failed, Then

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
    device: DeviceFacts | None = None

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
        if key in self._offers:
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
