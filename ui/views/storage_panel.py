"""On this computer: what models take of the disk, each of them, and where they lie."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFileDialog, QFrame, QMenu, QProgressBar, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme.icons import icon
from ui.viewmodels.models import ModelsVM
from ui.viewmodels.storage import SORTS, StorageRole, StorageVM
from ui.views.action_box import ProblemNote
from ui.widgets.controls import (
    Button,
    Combo,
    ElidedLabel,
    IconButton,
    IconLabel,
    column,
    label,
    mark,
    reading_column,
    row,
    tabular,
)
from ui.widgets.disk_bar import DiskBar
from ui.widgets.stored_list import ROW_HEIGHT, StoredList, commands

WIDTH = 960


class Offer(QFrame):
    """A sentence about something that could be done, and its button."""

    def __init__(self, name: str, icon_name: str, words: str) -> None:
        super().__init__()
        self.setObjectName(name)
        mark(self, surface="note")
        self._title = label("", "strong", wrap=True)
        self._hint = label("", "secondary", "soft", wrap=True)
        self.button = Button(words)
        self.button.setObjectName(f"{name}.go")
        line = row(spacing=12)
        line.setContentsMargins(14, 10, 10, 10)
        line.addWidget(IconLabel(icon_name, "soft"), 0, Qt.AlignmentFlag.AlignVCenter)
        line.addLayout(column(self._title, self._hint, spacing=2), 1)
        line.addWidget(self.button)
        self.setLayout(line)
        self.hide()

    def say(self, title: str, hint: str) -> None:
        self._title.setText(title)
        self._hint.setText(hint)
        self.setVisible(bool(title))


class WorkBar(QFrame):
    """Long work under way, with its progress and a way to stop it."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("storage.work")
        mark(self, surface="note")
        self._what = label("", "strong")
        self._sub = label("", "secondary", "soft")
        self._sub.setFont(tabular(self._sub.font()))
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(tr("Progress"))
        self.stop = Button(tr("Stop"))
        self.stop.setObjectName("storage.work.stop")
        words = column(spacing=6)
        words.addLayout(row(self._what, self._sub, None, spacing=10))
        words.addWidget(self._bar)
        line = row(spacing=14)
        line.setContentsMargins(14, 10, 10, 10)
        line.addLayout(words, 1)
        line.addWidget(self.stop)
        self.setLayout(line)
        self.hide()

    def refresh(self, vm: StorageVM) -> None:
        work = vm.work
        self.setVisible(work is not None)
        if work is not None:
            self._what.setText(work.what)
            self._sub.setText(work.sub)
            self._bar.setRange(0, 1000)
            self._bar.setValue(round(max(0.0, work.fraction) * 1000))


class StoragePanel(QWidget):
    """Joins ``StorageVM`` to its lists."""

    def __init__(self, vm: ModelsVM, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._models = vm
        self._vm = vm.storage
        self.setObjectName("storage.page")
        self._total = label("", "title")
        self._total.setObjectName("storage.total")
        self._count = label("", tone="soft")
        self._saved = label("", "", "good")
        self._saved.setObjectName("storage.saved")
        self._free = label("", "secondary", "soft")
        self._free.setObjectName("storage.free")
        self._disk = DiskBar()
        self.work = WorkBar()
        self._error = ProblemNote("storage.error")
        self._merge = Offer("storage.merge", "merge", tr("Merge"))
        self._clean = Offer("storage.orphans", "brush-cleaning", tr("Clean up…"))
        self._sort = Combo()
        self.list = StoredList(StorageRole.ROW)
        self._cache = ElidedLabel("", "secondary", "soft", Qt.TextElideMode.ElideMiddle)
        self._sources = QVBoxLayout()
        self._lay_out()
        self._connect()
        self._refresh()

    def _lay_out(self) -> None:
        self._sort.setObjectName("storage.sort")
        self._sort.setAccessibleName(tr("Order"))
        names = {"size": tr("Largest first"), "name": tr("By name"), "used": tr("Longest unused first")}
        for value in SORTS:
            self._sort.addItem(names[value], value)
        self._sort.setMinimumWidth(170)
        self.list.setModel(self._vm.rows)
        self.list.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inner = QVBoxLayout()
        inner.setContentsMargins(24, 8, 24, 40)
        inner.setSpacing(12)
        inner.addLayout(row(self._total, self._count, 4, self._saved, None, self._free, spacing=10))
        inner.addWidget(self._disk)
        inner.addSpacing(2)
        for part in (self.work, self._error, self._merge, self._clean):
            inner.addWidget(part)
        self._heading = label(tr("Models and add-ons"), "heading")
        self._heading.setBuddy(self.list)
        inner.addLayout(row(self._heading, None, self._sort))
        inner.addWidget(self.list)
        inner.addSpacing(12)
        self._places(inner)
        inner.addStretch(1)
        inside = QWidget()
        inside.setLayout(inner)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(reading_column(inside, WIDTH))

    def _places(self, inner: QVBoxLayout) -> None:
        inner.addWidget(label(tr("Where they lie"), "heading"))
        self._move = Button(tr("Move…"), "", "folder-sync")
        self._move.setObjectName("storage.move")
        self._move.setAccessibleName(tr("Move the models to another disk"))
        line = row(spacing=12)
        line.addLayout(column(label(tr("Downloaded models")), self._cache, spacing=2), 1)
        line.addWidget(self._move)
        inner.addLayout(line)
        self._add = Button(tr("Add…"), "", "folder-plus")
        self._add.setObjectName("storage.sources.add")
        self._add.setAccessibleName(tr("Add a folder of another program"))
        hint = label(
            tr("Models of ComfyUI, A1111, Forge or InvokeAI are used where they are."), "secondary", "soft", wrap=True
        )
        line = row(spacing=12)
        line.addLayout(column(label(tr("Folders of other programs")), hint, spacing=2), 1)
        line.addWidget(self._add)
        inner.addLayout(line)
        self._sources.setSpacing(6)
        inner.addLayout(self._sources)

    def _connect(self) -> None:
        vm = self._vm
        self._sort.currentIndexChanged.connect(lambda _: vm.set_sort(str(self._sort.currentData())))
        self._merge.button.clicked.connect(vm.merge)
        self._clean.button.clicked.connect(vm.clean)
        self._move.clicked.connect(self._ask_for_place)
        self._add.clicked.connect(self._ask_for_source)
        self.work.stop.clicked.connect(vm.stop)
        self._error.acted.connect(self._act)
        self.list.commanded.connect(self._command)
        self.list.menu_wanted.connect(self._menu)
        vm.changed.connect(self._refresh)
        vm.work_changed.connect(self._work_changed)

    # from the view-model

    def _refresh(self) -> None:
        summary = self._vm.summary()
        self._error.show_error(self._vm.error)
        self._total.setText(summary.total if summary is not None else "")
        waiting = summary is None and self._vm.error is None
        self._count.setText(summary.count if summary is not None else tr("Looking at the disk") if waiting else "")
        self.list.show_waiting(waiting)
        self._saved.setText(summary.saved if summary is not None else "")
        self._free.setText(summary.free if summary is not None else "")
        if summary is not None:
            self._disk.show_parts(summary.models, summary.other, f"{summary.total} {summary.count}, {summary.free}")
            self._cache.set_full(summary.cache)
            twice = tr("{size} are stored more than once", size=summary.duplicates) if summary.duplicates else ""
            self._merge.say(twice, tr("Equal files can be stored once; every model goes on working."))
            left = tr("{size} belong to no model", size=summary.orphans) if summary.orphans else ""
            self._clean.say(left, tr("Broken-off downloads and leftovers."))
            for button in (self._merge.button, self._clean.button, self._move):
                button.setEnabled(summary.writable and self._vm.work is None)
        self.list.setFixedHeight(max(3 if waiting else 0, self._vm.rows.rowCount()) * ROW_HEIGHT + 2)
        self._show_sources()

    def _work_changed(self) -> None:
        self.work.refresh(self._vm)
        for button in (self._merge.button, self._clean.button, self._move):
            button.setEnabled(self._vm.work is None)

    def _show_sources(self) -> None:
        while (item := self._sources.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.setParent(None)
                old.deleteLater()
        for number, folder in enumerate(self._vm.sources(), 1):
            frame = QFrame()
            mark(frame, surface="note")
            forget = IconButton("x", tr("Forget {folder}", folder=folder), f"storage.sources.remove.{number}", 16)
            forget.clicked.connect(lambda _=False, folder=folder: self._vm.remove_source(folder))
            line = row(spacing=8)
            line.setContentsMargins(12, 4, 4, 4)
            line.addWidget(ElidedLabel(folder, mode=Qt.TextElideMode.ElideMiddle), 1)
            line.addWidget(forget)
            frame.setLayout(line)
            self._sources.addWidget(frame)

    # commands

    def _act(self) -> None:
        if self._vm.error is not None:
            self._models.act(self._vm.error)

    def _command(self, command: str, key: str) -> None:
        vm = self._vm
        {"verify": vm.verify, "repair": vm.repair, "remove": vm.remove, "show": vm.show_files}[command](key)

    def _menu(self, key: str, at: QPoint) -> None:
        found = self._vm.rows.row_at(self._vm.rows.find(key))
        if found is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for command, icon_name, words in commands(found):
            action = menu.addAction(icon(icon_name), words)
            action.triggered.connect(lambda _=False, command=command: self._command(command, key))
        menu.popup(at)

    def _ask_for_place(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Where should the models lie?"))
        if folder:
            self._vm.move(folder)

    def _ask_for_source(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Choose the models folder of another program"))
        if folder:
            self._vm.add_source(folder)
