"""All downloads under way: the rows above the catalog, and the small ring on the rail."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from app.events import DownloadChanged, DownloadRemoved
from app.states import DOWNLOAD_ACTIVE, DownloadState
from app.weights import Download
from models.errors import AtelierError
from ui.i18n import duration, file_size, plural, tr
from ui.viewmodels.asks import Confirm
from ui.viewmodels.offer_words import fraction_of, progress_words
from ui.viewmodels.ports import CorePort, WeightsPort
from ui.viewmodels.words import ErrorView, error_view

log = logging.getLogger(__name__)

MUCH = 200_000_000
"""Bytes that one is asked about before they are thrown away."""

_S = DownloadState


@dataclass(frozen=True)
class DownloadRow:
    """One download. ``fraction`` is -1 while unknown; the ``can_*`` say which buttons it has."""

    id: str
    model: str
    name: str
    line: str
    tone: str
    fraction: float
    error: ErrorView | None
    can_pause: bool
    can_resume: bool
    can_cancel: bool
    can_dismiss: bool
    moving: bool


@dataclass(frozen=True)
class TrayView:
    """The ring on the rail: ``fraction`` over all that is under way; ``tone`` "warn" or "bad" when something halts."""

    fraction: float
    short: str
    sentence: str
    tone: str


def row_of(download: Download) -> DownloadRow:
    progress = progress_words(download)
    state = download.state
    failed = state is _S.FAILED and download.error is not None
    error = error_view(download.error, download.id) if failed and download.error is not None else None
    return DownloadRow(
        id=download.id,
        model=download.model,
        name=download.name or download.model,
        line=progress.line,
        tone=progress.tone,
        fraction=progress.fraction,
        error=error,
        can_pause=state in DOWNLOAD_ACTIVE or state is _S.QUEUED,
        can_resume=state in (_S.PAUSED, _S.FAILED),
        can_cancel=not download.ended,
        can_dismiss=state is _S.DONE,
        moving=state in DOWNLOAD_ACTIVE,
    )


class DownloadsVM(QObject):
    """``changed`` names the download that moved ("" when the list is another); ``ended`` its state at its end."""

    changed = Signal(str)
    noticed = Signal(str)
    asked = Signal(object)
    refused = Signal(object)

    def __init__(self, core: CorePort, weights: WeightsPort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._weights = weights
        self._states: dict[str, DownloadState] = {d.id: d.state for d in weights.downloads.all()}
        self._ends = [
            core.events.subscribe(DownloadChanged, self._moved),
            core.events.subscribe(DownloadRemoved, self._removed),
        ]

    def close(self) -> None:
        for end in self._ends:
            end()

    def get(self, key: str) -> Download | None:
        return next((d for d in self._weights.downloads.all() if d.id == key), None)

    def of(self, model: str) -> Download | None:
        """The download of a catalog id or repository that has not ended."""
        return next((d for d in self._weights.downloads.all() if model in (d.model, d.spec.repo) and not d.ended), None)

    def rows(self) -> list[DownloadRow]:
        """What runs first, then what waits or halts, then what is done; cancelled ones are not shown."""
        shown = [d for d in self._weights.downloads.all() if d.state is not _S.CANCELLED]
        order = {_S.RUNNING: 0, _S.VERIFYING: 0, _S.PREPARING: 0, _S.QUEUED: 1, _S.DONE: 3}
        shown.sort(key=lambda d: (order.get(d.state, 2), d.created))
        return [row_of(download) for download in shown]

    def tray(self) -> TrayView | None:
        """None while nothing is under way."""
        open_ = [d for d in self._weights.downloads.all() if not d.ended]
        if not open_:
            return None
        moving = [d for d in open_ if d.state in DOWNLOAD_ACTIVE]
        counted = [d for d in open_ if d.total_bytes]
        total = sum(d.total_bytes for d in counted)
        fraction = sum(min(d.done_bytes, d.total_bytes) for d in counted) / total if total else -1.0
        failed = sum(d.state is _S.FAILED and not d.waiting for d in open_)
        waiting = any(d.waiting > 0 for d in open_)
        tone = "bad" if failed else "warn" if waiting else ""
        short = tr("Stopped") if failed and not moving else tr("{n} %", n=int(max(0.0, fraction) * 100))
        if not moving and not failed:
            queued = any(d.state is _S.QUEUED or d.waiting > 0 for d in open_)
            short = tr("Waiting") if queued else tr("Paused")
        return TrayView(fraction, short, self._sentence(open_, moving, failed), tone)

    @staticmethod
    def _sentence(open_: list[Download], moving: list[Download], failed: int) -> str:
        parts = [plural("{n} download", "{n} downloads", len(open_))]
        left = [d.seconds_left for d in moving if d.seconds_left is not None]
        if left:
            parts.append(tr("{time} left", time=duration(max(left))))
        if failed:
            parts.append(plural("{n} has stopped", "{n} have stopped", failed))
        return ", ".join(parts)

    # commands

    def pause(self, key: str) -> None:
        self._weights.downloads.pause(key)

    def resume(self, key: str) -> None:
        try:
            self._weights.downloads.resume(key)
        except AtelierError as error:
            self.refused.emit(error_view(error.info, key))

    def cancel(self, key: str) -> None:
        """Asks first when much of it is here already."""
        download = self.get(key)
        if download is None:
            return
        if download.done_bytes < MUCH:
            self._weights.downloads.cancel(key)
            return
        text = tr(
            "{size} of “{name}” have arrived and would be deleted. Pause it to keep them.",
            size=file_size(download.done_bytes),
            name=download.name,
        )
        self.asked.emit(
            Confirm(
                tr("Cancel this download?"),
                text,
                tr("Cancel download"),
                lambda: self._weights.downloads.cancel(key),
                danger=True,
            )
        )

    def dismiss(self, key: str) -> None:
        self._weights.downloads.dismiss(key)

    # what the core announces

    def _moved(self, event: DownloadChanged) -> None:
        download = event.download
        before = self._states.get(download.id)
        self._states[download.id] = download.state
        if download.state is _S.CANCELLED and download.freed_bytes:
            freed = file_size(download.freed_bytes)
            self.noticed.emit(tr("Cancelled “{name}”. {size} are free again.", name=download.name, size=freed))
        if before is not download.state:
            if download.state is _S.DONE:
                self.noticed.emit(tr("“{name}” is installed.", name=download.name))
            self.changed.emit("")
        else:
            self.changed.emit(download.id)

    def _removed(self, event: DownloadRemoved) -> None:
        self._states.pop(event.id, None)
        self.changed.emit("")

    def moving_fraction(self, key: str) -> float:
        download = self.get(key)
        return fraction_of(download) if download is not None else -1.0
