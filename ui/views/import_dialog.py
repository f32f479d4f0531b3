"""What dropped files and folders were recognised as, and what is to be done with them."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QFrame,
    QProgressBar,
    QRadioButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ui.i18n import tr
from ui.viewmodels.imports import ImportRow, ImportsVM
from ui.widgets.controls import Button, ElidedLabel, IconButton, IconLabel, column, label, mark, row
from ui.widgets.tick import Tick

WIDTH = 520
ICONS = {"looking": ("hourglass", "soft"), "adding": ("hourglass", "accent"), "done": ("circle-check", "good")}


class ImportLine(QFrame):
    """One file: its name, what it is, and what speaks against it."""

    def __init__(self, entry: ImportRow, number: int, vm: ImportsVM) -> None:
        super().__init__()
        mark(self, surface="note")
        name, tone = ICONS.get(entry.state, ("file-box", "soft"))
        if entry.state == "refused":
            name, tone = "circle-alert", "bad"
        elif entry.source:
            name = "folder-open" if entry.state == "ready" else name
        words = column(spacing=3)
        title = entry.what or (tr("Looking at it") if entry.state == "looking" else "")
        words.addWidget(ElidedLabel(title, "strong"))
        words.addWidget(ElidedLabel(entry.name, "secondary", "soft", Qt.TextElideMode.ElideMiddle))
        if entry.line:
            words.addWidget(label(entry.line, "secondary", "soft", wrap=True))
        if entry.warning and entry.state == "ready":
            words.addWidget(label(entry.warning, "secondary", "warn", wrap=True))
        if entry.state == "adding":
            bar = QProgressBar()
            bar.setTextVisible(False)
            bar.setAccessibleName(tr("Progress"))
            bar.setRange(0, 1000)
            bar.setValue(round(max(0.0, entry.fraction) * 1000))
            words.addWidget(bar)
        line = row(spacing=12)
        line.setContentsMargins(12, 10, 8, 10)
        line.addWidget(IconLabel(name, tone), 0, Qt.AlignmentFlag.AlignTop)
        line.addLayout(words, 1)
        if entry.state in ("ready", "refused") and len(vm.rows()) > 1:
            leave = IconButton("x", tr("Leave {name} out", name=entry.name), f"models.import.leave.{number}", 16)
            leave.clicked.connect(lambda: vm.drop(entry.path))
            line.addWidget(leave, 0, Qt.AlignmentFlag.AlignTop)
        self.setLayout(line)
        self.setAccessibleName(f"{entry.name}: {title}. {entry.line}")


class ImportDialog(QDialog):
    """Closes by itself once all was added."""

    def __init__(self, vm: ImportsVM, parent: QWidget) -> None:
        super().__init__(parent)
        self._vm = vm
        self.setObjectName("models.import")
        self.setWindowTitle(tr("Add from disk"))
        self.setAccessibleName(tr("Add from disk"))
        self.setModal(True)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setFixedWidth(WIDTH)
        self._lines = QVBoxLayout()
        self._lines.setSpacing(8)
        self._scroll = QScrollArea()
        self._in_place = QRadioButton(tr("Use where it is"))
        self._in_place.setObjectName("models.import.in_place")
        self._copy = QRadioButton(tr("Copy into Atelier"))
        self._copy.setObjectName("models.import.copy")
        self._where = QWidget()
        self._hint = label("", "secondary", "soft", wrap=True)
        self._consent = Tick(tr("I trust where these files come from"))
        self._consent.setObjectName("models.import.consent")
        self._add = Button(tr("Add"), "accent")
        self._add.setObjectName("models.import.yes")
        self._cancel = Button(tr("Cancel"))
        self._cancel.setObjectName("models.import.no")
        self._lay_out()
        self._connect()
        self._refresh()

    def _lay_out(self) -> None:
        group = QButtonGroup(self)
        group.addButton(self._in_place)
        group.addButton(self._copy)
        self._in_place.setChecked(True)
        where = column(spacing=2)
        where.addLayout(row(self._in_place, 12, self._copy, None))
        where.addWidget(self._hint)
        self._where.setLayout(where)
        inside = QWidget()
        inner = QVBoxLayout(inside)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addLayout(self._lines)
        inner.addStretch(1)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 18)
        layout.setSpacing(14)
        layout.addWidget(label(tr("Add from disk"), "heading"))
        layout.addWidget(self._scroll, 1)
        layout.addWidget(self._where)
        layout.addWidget(self._consent)
        layout.addLayout(row(None, self._cancel, self._add))

    def _connect(self) -> None:
        self._copy.toggled.connect(self._vm.set_copy)
        self._copy.toggled.connect(lambda _: self._say_where())
        self._consent.toggled.connect(self._vm.set_consent)
        self._add.clicked.connect(self._vm.add)
        self._cancel.clicked.connect(self.reject)
        self._vm.changed.connect(self._refresh)
        self._vm.finished.connect(self._finish)  # a lambda would outlive the dialog and hear of the next import
        self.rejected.connect(self._vm.stop)
        for button in (self._add, self._cancel):
            button.setAutoDefault(False)

    def _finish(self, _words: str) -> None:
        self.accept()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        if not event.spontaneous():
            self._centre()

    def _centre(self) -> None:
        """Over the middle of the window: as it grows with what is found, X11 would leave it in a corner."""
        parent = self.parentWidget()
        if parent is not None:
            self.move(parent.frameGeometry().center() - self.rect().center())

    def _say_where(self) -> None:
        self._hint.setText(
            tr("A copy takes the same room again; the file may be moved or deleted afterwards.")
            if self._copy.isChecked()
            else tr("Nothing is copied. It has to stay where it is.")
        )

    def _refresh(self) -> None:
        rows = self._vm.rows()
        if not rows:
            self.reject()
            return
        while (item := self._lines.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.setParent(None)
                old.deleteLater()
        for number, entry in enumerate(rows, 1):
            self._lines.addWidget(ImportLine(entry, number, self._vm))
        self._scroll.setFixedHeight(min(340, sum(self._height(entry) for entry in rows) + 8 * (len(rows) - 1) + 4))
        done = all(entry.state in ("done", "refused") for entry in rows)
        self._where.setVisible(self._vm.can_copy and not done)
        self._consent.setVisible(self._vm.needs_consent)
        self._add.setVisible(not done)
        self._add.setEnabled(self._vm.can_add)
        self._cancel.setText(tr("Close") if done else tr("Cancel"))
        self._say_where()
        before = self.size()
        self.adjustSize()
        if self.size() != before:
            self._centre()

    @staticmethod
    def _height(entry: ImportRow) -> int:
        lines = -(-len(entry.line) // 66)
        warning = -(-len(entry.warning) // 64) if entry.state == "ready" else 0
        return 20 + 38 + 3 + (lines + warning) * 17 + (8 if entry.state == "adding" else 0)
