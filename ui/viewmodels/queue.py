"""The queue as a list: what runs, what waits in order, what failed; and the question about jobs found at the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QMimeData, QModelIndex, QObject, Qt, Signal

from app.events import JobAdded, JobChanged, JobRemoved, QueueReordered
from app.jobs import Job
from app.messages import words
from app.states import ACTIVE, JobState
from ui.i18n import plural, tr
from ui.viewmodels.ports import CorePort
from ui.viewmodels.rows import Index, RowsModel
from ui.viewmodels.words import job_words, named

MIME = "application/x-atelier-job"


class QueueRole(IntEnum):
    ROW = Qt.ItemDataRole.UserRole + 1


@dataclass(frozen=True)
class QueueRow:
    """One job in the list. ``fraction`` is -1 where there is no progress line; the ``can_*`` say which buttons show."""

    id: str
    title: str
    words: str
    tone: str
    fraction: float
    tooltip: str
    can_cancel: bool
    can_retry: bool
    can_remove: bool
    can_move: bool


class QueueModel(RowsModel[QueueRow]):
    """Finished jobs leave the list: their pictures are under Recent."""

    summary_changed = Signal()

    def __init__(self, core: CorePort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core = core
        bus = core.events
        self._ends = [
            bus.subscribe(JobAdded, lambda _: self.refresh()),
            bus.subscribe(JobChanged, self._job_changed),
            bus.subscribe(JobRemoved, lambda _: self.refresh()),
            bus.subscribe(QueueReordered, lambda _: self.refresh()),
        ]
        self._states: dict[str, JobState] = {}
        self.refresh()

    def close(self) -> None:
        for end in self._ends:
            end()

    def key(self, row: QueueRow) -> str:
        return row.id

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row_at(index)
        if row is None:
            return None
        if role == QueueRole.ROW:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return row.title
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.tooltip
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return f"{row.title}, {row.words}"
        return None

    def refresh(self) -> None:
        jobs = [job for job in self._core.queue.jobs() if not job.held]
        self._states = {job.id: job.state for job in jobs}
        active = [job for job in jobs if job.state in ACTIVE]
        waiting = [job for job in jobs if job.state is JobState.QUEUED]
        ended = [job for job in jobs if job.state in (JobState.FAILED, JobState.CANCELLED)]
        first = waiting[0].id if waiting and len(waiting) + len(active) > 1 else ""
        self.sync([_row(job, first) for job in [*active, *waiting, *reversed(ended)]])
        self.summary_changed.emit()

    def _job_changed(self, event: JobChanged) -> None:
        job = event.job
        index = self.find(job.id)
        if self._states.get(job.id) is not job.state or not index.isValid():
            self.refresh()
            return
        self._place(index.row(), _row(job, ""))

    # what the list says of itself

    def summary(self) -> str:
        waiting = sum(row.can_move for row in self._rows)
        return plural("{n} waiting", "{n} waiting", waiting) if waiting else ""

    @property
    def live_count(self) -> int:
        return sum(row.can_cancel for row in self._rows)

    @property
    def ended_count(self) -> int:
        return sum(row.can_remove for row in self._rows)

    # commands

    def cancel(self, key: str) -> None:
        self._core.queue.cancel(key)

    def cancel_all(self) -> None:
        self._core.queue.cancel_all()

    def clear_ended(self) -> None:
        self._core.queue.clear_ended()

    def retry(self, key: str) -> None:
        self._core.queue.retry(key)

    def take_out(self, key: str) -> None:
        """What the Delete key means: a running job is cancelled, any other leaves the list."""
        row = next((row for row in self._rows if row.id == key), None)
        if row is not None and (row.can_remove or row.can_move):
            self._core.queue.remove(key)
        elif row is not None:
            self.cancel(key)

    def shift(self, key: str, by: int) -> None:
        """Move a waiting job up (-1) or down (+1)."""
        waiting = [row.id for row in self._rows if row.can_move]
        if key in waiting:
            target = waiting.index(key) + by
            if 0 <= target < len(waiting):
                self._core.queue.move(key, target)

    # dragging a waiting job to another place

    def flags(self, index: Index) -> Qt.ItemFlag:
        row = self.row_at(index)
        if row is None:
            return Qt.ItemFlag.ItemIsDropEnabled
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsDragEnabled if row.can_move else flags

    def supportedDropActions(self) -> Qt.DropAction:  # noqa: N802
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:  # noqa: N802
        return [MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:  # noqa: N802
        data = QMimeData()
        row = self.row_at(indexes[0]) if indexes else None
        if row is not None:
            data.setData(MIME, row.id.encode())
        return data

    def dropMimeData(  # noqa: N802
        self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: Index
    ) -> bool:
        if not data.hasFormat(MIME):
            return False
        key = data.data(MIME).toStdString()
        waiting = [entry.id for entry in self._rows if entry.can_move]
        if key not in waiting:
            return False
        place = row if row >= 0 else len(self._rows)
        before = sum(entry.can_move for entry in self._rows[:place])
        old = waiting.index(key)
        self._core.queue.move(key, min(before - 1 if old < before else before, len(waiting) - 1))
        # False: the rows move when the core says so, the view must not remove anything itself.
        return False


def _row(job: Job, next_id: str) -> QueueRow:
    text, tone = job_words(job, next_id)
    live = job.state in ACTIVE
    queued = job.state is JobState.QUEUED
    title = named(job) or job.model_name
    lines = [title[:400], job.model_name]
    if job.count > 1:
        lines.append(plural("{n} picture", "{n} pictures", job.count))
    if job.error is not None:
        lines.append(tr(words(job.error).sentence))
    return QueueRow(
        id=job.id,
        title=title,
        words=text,
        tone=tone,
        fraction=job.progress.fraction if live else -1.0,
        tooltip="\n".join(lines),
        can_cancel=live or queued,
        can_retry=job.state in (JobState.FAILED, JobState.CANCELLED),
        can_remove=job.ended,
        can_move=queued,
    )


class HeldVM(QObject):
    """Jobs that were waiting when the app was closed: ask once, at the start."""

    changed = Signal()

    def __init__(self, core: CorePort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core = core
        bus = core.events
        self._ends = [bus.subscribe(kind, lambda _: self.changed.emit()) for kind in (JobAdded, JobChanged, JobRemoved)]

    def close(self) -> None:
        for end in self._ends:
            end()

    def question(self) -> str:
        """Empty when there is nothing to ask."""
        count = len(self._core.queue.held())
        if not count:
            return ""
        return plural(
            "{n} job was waiting when Atelier closed. Go on with it?",
            "{n} jobs were waiting when Atelier closed. Go on with them?",
            count,
        )

    def go_on(self) -> None:
        self._core.queue.resume_held()
        self.changed.emit()

    def discard(self) -> None:
        self._core.queue.discard_held()
        self.changed.emit()
