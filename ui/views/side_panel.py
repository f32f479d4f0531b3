"""The right side of Create: the question about held jobs, the queue, and the newest pictures."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QFrame, QMenu, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme.icons import icon
from ui.viewmodels.queue import HeldVM, QueueModel, QueueRole
from ui.viewmodels.recent import RecentModel, RecentRole
from ui.widgets.controls import Button, IconButton, label, mark, row
from ui.widgets.queue_list import ROW_HEIGHT, QueueList
from ui.widgets.thumb_grid import ThumbGrid

MOST_ROWS = 6


class HeldCard(QFrame):
    """ "3 jobs were waiting when Atelier closed. Go on with them?" """

    def __init__(self, vm: HeldVM) -> None:
        super().__init__()
        self.setObjectName("queue.held")
        mark(self, surface="card")
        self._vm = vm
        self._words = label("", wrap=True)
        self._go_on = Button(tr("Go on"), "accent")
        self._go_on.setObjectName("queue.held.resume")
        self._discard = Button(tr("Discard"))
        self._discard.setObjectName("queue.held.discard")
        self._go_on.clicked.connect(vm.go_on)
        self._discard.clicked.connect(vm.discard)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 12)
        layout.setSpacing(10)
        layout.addWidget(self._words)
        layout.addLayout(row(self._go_on, self._discard, None))
        vm.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        question = self._vm.question()
        self._words.setText(question)
        self.setVisible(bool(question))


class SidePanel(QWidget):
    """Joins the queue's and the recent pictures' models to their lists."""

    job_shown = Signal(str)
    result_shown = Signal(str)
    picture_menu_wanted = Signal(str, QPoint)

    def __init__(self, queue: QueueModel, held: HeldVM, recent: RecentModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queue, self._recent = queue, recent
        mark(self, surface="panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(208)
        self.held = HeldCard(held)
        self.list = QueueList(QueueRole.ROW)
        self.list.setModel(queue)
        self.grid = ThumbGrid(RecentRole.ID, RecentRole.THUMB)
        self.grid.setModel(recent)
        self._lay_out()
        self._connect()
        self._queue_changed()
        self._recent_changed()

    def _lay_out(self) -> None:
        self._summary = label("", "hint", "soft")
        self._clear = IconButton("circle-check", tr("Clear ended jobs"), "queue.clear", 16)
        self._stop = IconButton("x", tr("Cancel all jobs"), "queue.cancel_all", 16)
        head = row(label(tr("Queue"), "heading"), self._summary, None, self._clear, self._stop, spacing=8)
        self._no_jobs = label(tr("Nothing is waiting."), "secondary", "soft")
        self._no_pictures = label(tr("Your pictures will be kept here."), "secondary", "soft", wrap=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 12, 8)
        layout.setSpacing(6)
        layout.addWidget(self.held)
        box = QWidget()
        box.setLayout(head)
        box.setFixedHeight(30)
        layout.addWidget(box)
        layout.addWidget(self._no_jobs)
        layout.addWidget(self.list)
        layout.addSpacing(10)
        heading = label(tr("Recent"), "heading")
        heading.setBuddy(self.grid)
        layout.addWidget(heading)
        layout.addWidget(self._no_pictures)
        layout.addWidget(self.grid, 1)
        self._filler = QWidget()
        layout.addWidget(self._filler, 1)

    def _connect(self) -> None:
        self.list.commanded.connect(self._command)
        self.list.menu_wanted.connect(self._menu)
        self.grid.opened.connect(self.result_shown)
        self.grid.menu_wanted.connect(self.picture_menu_wanted)
        self._clear.clicked.connect(self._queue.clear_ended)
        self._stop.clicked.connect(self._queue.cancel_all)
        self._queue.summary_changed.connect(self._queue_changed)
        self._recent.count_changed.connect(self._recent_changed)

    def _queue_changed(self) -> None:
        rows = self._queue.rowCount()
        self.list.setVisible(rows > 0)
        self._no_jobs.setVisible(rows == 0)
        self.list.setFixedHeight(min(rows, MOST_ROWS) * ROW_HEIGHT + 2)
        self._summary.setText(self._queue.summary())
        self._clear.setVisible(self._queue.ended_count > 0)
        self._stop.setVisible(self._queue.live_count > 1)

    def _recent_changed(self) -> None:
        some = self._recent.rowCount() > 0
        self.grid.setVisible(some)
        self._no_pictures.setVisible(not some)
        self._filler.setVisible(not some)

    def _command(self, command: str, job: str) -> None:
        match command:
            case "take_out":
                self._queue.take_out(job)
            case "retry":
                self._queue.retry(job)
            case "up" | "down":
                self._queue.shift(job, -1 if command == "up" else 1)
                self.list.setCurrentIndex(self._queue.find(job))
            case _:
                self.job_shown.emit(job)

    def _menu(self, job: str, at: QPoint) -> None:
        row_ = self._queue.row_at(self._queue.find(job))
        if row_ is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        entries = [
            (row_.can_retry, "rotate-ccw", tr("Try again"), "retry"),
            (row_.can_move, "arrow-up", tr("Move up"), "up"),
            (row_.can_move, "arrow-down", tr("Move down"), "down"),
            (row_.can_cancel and not row_.can_move, "x", tr("Cancel"), "take_out"),
            (row_.can_remove or row_.can_move, "x", tr("Remove from the list"), "take_out"),
        ]
        for allowed, icon_name, words, command in entries:
            if allowed:
                action = menu.addAction(icon(icon_name), words)
                action.triggered.connect(lambda _=False, command=command: self._command(command, job))
        menu.exec(at)

    def mark_shown(self, result: str, job: str) -> None:
        """Ring the picture on the canvas in the grid."""
        self.grid.choose(self._recent.find(result))
