"""What lies on the disk: the whole, each model, and the work that can be done with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from app.events import DownloadChanged, ModelsChanged, SettingsChanged
from app.states import DownloadState
from app.weights import CheckReport, StorageReport, Stored, StoredKind
from models.errors import AtelierError, ErrorInfo
from models.families import family_title
from ui.i18n import ago, file_size, plural, tr
from ui.viewmodels import desktop
from ui.viewmodels.asks import Confirm
from ui.viewmodels.offer_words import role_icon, role_words
from ui.viewmodels.ports import CorePort, WeightsPort
from ui.viewmodels.rows import Index, RowsModel
from ui.viewmodels.words import ErrorView, error_view

REFRESH_MS = 300
SORTS = ("size", "name", "used")


class StorageRole(IntEnum):
    ROW = Qt.ItemDataRole.UserRole + 1


@dataclass(frozen=True)
class StoredRow:
    """One line of the list. ``share`` is its part of the largest one's size; ``fraction`` of work on it, -2 none."""

    id: str
    icon: str
    name: str
    line: str
    state: str
    tone: str
    size: str
    freed: str
    share: float
    fraction: float
    tooltip: str
    can_verify: bool
    can_repair: bool
    can_remove: bool
    can_show: bool


@dataclass(frozen=True)
class Summary:
    """The head of the page. ``models`` and ``other`` are parts of the disk, 0 to 1."""

    total: str
    count: str
    saved: str
    free: str
    models: float
    other: float
    cache: str
    duplicates: str
    orphans: str
    writable: bool


@dataclass(frozen=True)
class WorkView:
    """Long work under way: what is done, on what (an id or ""), how far."""

    what: str
    of: str
    sub: str
    fraction: float


class StorageModel(RowsModel[StoredRow]):
    def key(self, row: StoredRow) -> str:
        return row.id

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row_at(index)
        if row is None:
            return None
        if role == StorageRole.ROW:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return row.name
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.tooltip
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return ", ".join(part for part in (row.name, row.size, row.state, row.line, row.freed) if part)
        return None


class StorageVM(QObject):
    """``changed`` comes with every new report, ``work_changed`` as long work goes on."""

    changed = Signal()
    work_changed = Signal()
    noticed = Signal(str)
    asked = Signal(object)
    refused = Signal(object)

    def __init__(self, core: CorePort, weights: WeightsPort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._weights = core, weights
        self.rows = StorageModel(self)
        self.sort = "size"
        self.report: StorageReport | None = None
        self.error: ErrorView | None = None
        self.now: Callable[[], float] = time.time
        self._work: WorkView | None = None
        self._stop = False
        self._seen = False
        self._timer = QTimer(self, singleShot=True, interval=REFRESH_MS)
        self._timer.timeout.connect(lambda: self.refresh())
        bus = core.events
        self._ends = [
            bus.subscribe(ModelsChanged, lambda _: self._later()),
            bus.subscribe(DownloadChanged, self._download_moved),
            bus.subscribe(SettingsChanged, self._settings_changed),
        ]

    def close(self) -> None:
        self._timer.stop()
        for end in self._ends:
            end()

    # looking

    def open(self) -> None:
        """The page is shown: look at the disk, which is not done before."""
        self._seen = True
        self.refresh()

    def refresh(self, then: Callable[[], None] | None = None) -> None:
        """Ask for a new report; ``then`` is done once it is here."""

        def reported(report: StorageReport) -> None:
            self.report, self.error = report, None
            self._fill()
            if then is not None:
                then()

        self._weights.storage.report(reported, self._not_reported)

    def _later(self) -> None:
        if self._seen:
            self._timer.start()

    def _not_reported(self, error: ErrorInfo) -> None:
        self.error = error_view(error)
        self.changed.emit()

    def _fill(self) -> None:
        if self.report is not None:
            items = sorted(self.report.items, key=self._order)
            largest = max((item.size_bytes for item in items), default=1) or 1
            self.rows.sync([self._row(item, largest) for item in items])
        self.changed.emit()

    def set_sort(self, sort: str) -> None:
        self.sort = sort
        self._fill()

    def _order(self, item: Stored) -> tuple[object, ...]:
        match self.sort:
            case "name":
                return (item.name.lower(),)
            case "used":
                return (item.last_used, item.name.lower())
            case _:
                return (-item.size_bytes, item.name.lower())

    def _row(self, item: Stored, largest: int) -> StoredRow:
        state, tone = self._state(item)
        own = item.removable
        freed = (
            tr("frees {size}", size=file_size(item.freed_bytes)) if own and item.freed_bytes != item.size_bytes else ""
        )
        if not own:
            freed = tr("part of Atelier") if item.kind is StoredKind.EMBEDDED else tr("of another program")
        parts = [role_words(item.role), family_title(item.family) if item.family else "", self._used(item)]
        work = self._work if self._work is not None and self._work.of == item.id else None
        return StoredRow(
            item.id,
            role_icon(item.role),
            item.name,
            work.what if work is not None else " · ".join(part for part in parts if part),
            state,
            tone,
            file_size(item.size_bytes),
            freed,
            item.size_bytes / largest,
            work.fraction if work is not None else -2.0,
            self._tooltip(item),
            can_verify=item.kind is not StoredKind.EMBEDDED and self._work is None,
            can_repair=item.state in ("damaged", "partial") and item.kind is StoredKind.HUB,
            can_remove=item.removable and work is None,
            can_show=bool(item.path),
        )

    def _used(self, item: Stored) -> str:
        return tr("used {when}", when=ago(item.last_used, self.now())) if item.last_used else ""

    def _state(self, item: Stored) -> tuple[str, str]:
        if item.state == "damaged":
            return tr("Damaged"), "bad"
        if item.state == "partial":
            return tr("Unfinished"), "warn"
        if item.verified:
            return tr("Checked {when}", when=ago(item.verified, self.now())), ""
        return "", ""

    def _tooltip(self, item: Stored) -> str:
        lines = [item.name, item.path]
        if item.shared_with:
            size = file_size(item.shared_bytes)
            lines.append(tr("Shares {size} with {names}", size=size, names=", ".join(item.shared_with)))
        if item.problem is not None:
            lines.append(error_view(item.problem).sentence)
        return "\n".join(lines)

    def summary(self) -> Summary | None:
        """None until the disk was looked at."""
        report = self.report
        if report is None:
            return None
        disk = report.disk_total or 1
        used = max(0, disk - report.disk_free)
        ours = min(used, report.total_bytes)
        return Summary(
            total=file_size(report.total_bytes),
            count=plural("in {n} model or add-on", "in {n} models and add-ons", len(report.items)),
            saved=tr("{size} saved by sharing", size=file_size(report.saved_bytes)) if report.saved_bytes else "",
            free=tr("{free} free of {total}", free=file_size(report.disk_free), total=file_size(report.disk_total)),
            models=ours / disk,
            other=(used - ours) / disk,
            cache=report.cache,
            duplicates=file_size(report.duplicate_bytes) if report.duplicate_bytes else "",
            orphans=file_size(report.orphan_bytes) if report.orphan_bytes else "",
            writable=report.writable,
        )

    def item(self, key: str) -> Stored | None:
        return next((item for item in self.report.items if item.id == key), None) if self.report is not None else None

    def sources(self) -> tuple[str, ...]:
        return tuple(self._core.settings.value.sources)

    # work

    @property
    def work(self) -> WorkView | None:
        return self._work

    def verify(self, key: str) -> None:
        item = self.item(key)
        if item is not None and self._work is None:
            self._begin(tr("Checking every byte"), key)
            self._weights.storage.verify(key, self._progress, lambda found: self._verified(item, found), self._failed)

    def _verified(self, item: Stored, found: CheckReport) -> None:
        self._end()
        if self._stop:
            return
        if found.bad:
            count = plural("{n} file is damaged", "{n} files are damaged", len(found.bad))
            self.noticed.emit(tr("“{name}”: {count}. Repair fetches only that again.", name=item.name, count=count))
        elif found.unknown:
            self.noticed.emit(
                plural(
                    "“{name}” can be read; of {n} file nobody published a checksum.",
                    "“{name}” can be read; of {n} files nobody published a checksum.",
                    found.unknown,
                    name=item.name,
                )
            )
        else:
            self.noticed.emit(tr("“{name}” is whole: every byte is right.", name=item.name))

    def repair(self, key: str) -> None:
        try:
            self._weights.storage.repair(key)
        except AtelierError as error:
            self.refused.emit(error_view(error.info))
        else:
            self.noticed.emit(tr("The damaged and missing files are being fetched."))
            self._later()

    def remove(self, key: str) -> None:
        """Asks first, and says what comes back."""
        item = self.item(key)
        if item is None or not item.removable:
            return
        freed = file_size(item.freed_bytes)
        text = tr("This frees {size}.", size=freed)
        if not item.freed_bytes and item.kind in (StoredKind.FILE, StoredKind.FOLDER):
            text = tr("Atelier forgets it. The files stay where they are.")
        if item.shared_with:
            rest = file_size(max(0, item.size_bytes - item.freed_bytes))
            text += " " + tr("{size} stay, because {names} use them too.", size=rest, names=", ".join(item.shared_with))
        text += " " + tr("It can be downloaded again at any time.") if item.kind is StoredKind.HUB else ""
        title = tr("Remove “{name}”?", name=item.name)
        self.asked.emit(Confirm(title, text, tr("Remove"), lambda: self._remove(item), danger=True))

    def _remove(self, item: Stored) -> None:
        self._weights.storage.remove(item.id, lambda freed: self._freed(item.name, freed), self._failed)

    def _freed(self, name: str, freed: int) -> None:
        self._end()
        words = tr("“{name}” was removed. {size} are free again.", name=name, size=file_size(freed))
        self.noticed.emit(words if freed else tr("“{name}” was taken off the list.", name=name))

    def merge(self) -> None:
        if self._work is None:
            self._begin(tr("Storing equal files once"))
            self._weights.storage.merge(self._progress, self._merged, self._failed)

    def _merged(self, saved: int) -> None:
        self._end()
        if not self._stop:
            self.noticed.emit(tr("{size} saved.", size=file_size(saved)))

    def clean(self) -> None:
        if self._work is None and self.report is not None:
            size = file_size(self.report.orphan_bytes)
            text = tr("{size} of broken-off downloads and leftovers that no model uses are deleted.", size=size)
            self.asked.emit(Confirm(tr("Clean up?"), text, tr("Clean up"), self._clean))

    def _clean(self) -> None:
        self._begin(tr("Cleaning up"))
        self._weights.storage.clean(self._cleaned, self._failed)

    def _cleaned(self, freed: int) -> None:
        self._end()
        self.noticed.emit(tr("{size} are free again.", size=file_size(freed)))

    def move(self, folder: str) -> None:
        if self._work is None and folder:
            self._begin(tr("Moving the models"))
            self._weights.storage.move(Path(folder), self._progress, lambda _: self._moved(folder), self._failed)

    def _moved(self, folder: str) -> None:
        self._end()
        if not self._stop:
            self.noticed.emit(tr("The models are in {folder} now.", folder=folder))

    def stop(self) -> None:
        """End the work at its next step; nothing half done is left."""
        self._stop = True
        if self._work is not None:
            self._work = WorkView(tr("Stopping"), self._work.of, "", self._work.fraction)
            self.work_changed.emit()

    def _begin(self, what: str, of: str = "") -> None:
        self._stop = False
        self._work = WorkView(what, of, "", -1.0)
        self._fill()
        self.work_changed.emit()

    def _progress(self, done: int, total: int) -> bool:
        work = self._work
        if self._stop or work is None:
            self._end()
            return False
        sub = tr("{done} of {total}", done=file_size(done), total=file_size(total)) if total else ""
        self._work = WorkView(work.what, work.of, sub, done / total if total else -1.0)
        if work.of:
            self._fill()
        self.work_changed.emit()
        return True

    def _failed(self, error: ErrorInfo) -> None:
        self._end()
        self.refused.emit(error_view(error))

    def _end(self) -> None:
        self._work = None
        self.work_changed.emit()
        self.refresh()

    # the rest

    def show_files(self, key: str) -> None:
        item = self.item(key)
        if item is not None and item.path:
            desktop.reveal(item.path)

    def add_source(self, folder: str) -> None:
        if folder:
            self._weights.imports.add_source(Path(folder), self._source_added, self._failed)

    def _source_added(self, found: int) -> None:
        self.noticed.emit(plural("{n} model or add-on found there.", "{n} models and add-ons found there.", found))
        self.refresh()

    def remove_source(self, folder: str) -> None:
        self._weights.imports.remove_source(folder)
        self._later()

    def _download_moved(self, event: DownloadChanged) -> None:
        if event.download.state in (DownloadState.DONE, DownloadState.CANCELLED):
            self._later()

    def _settings_changed(self, event: SettingsChanged) -> None:
        if {"sources", "models_cache", "model_files", "model_folders"} & set(event.names):
            self.changed.emit()
            self._later()
