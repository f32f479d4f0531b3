"""The scripted storage and imports of ``ui.demo_weights``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app import events as announced
from app.hub_protocol import PullSpec
from app.weights import BadFile, CheckReport, Download, Status, StorageReport, Stored, StoredKind
from models.errors import ErrorCode, ErrorInfo
from models.recognise import FileKind, Recognised
from ui.demo_catalog import GIB
from ui.viewmodels.ports import Failed, Progress, Then

if TYPE_CHECKING:
    from ui.demo_weights import DemoWeights

WHEN = 1_790_000_000.0
"""The moment at which the demonstration takes place, seconds since 1970."""


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

    def add(
        self, path: Path, copy: bool, progress: Progress, then: Then[str], failed: Failed, allow_pickle: bool = False
    ) -> None:
        if path.suffix == ".ckpt" and not allow_pickle:
            failed(ErrorInfo(ErrorCode.MODEL_NEEDS_PICKLE, {"model": path.name}))
            return
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
    if path.is_dir():
        return Recognised(str(path), FileKind.UNKNOWN, "folder", title="ComfyUI", layers=23)
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
