"""Downloads under way, over the catalog: each with its bytes, speed and time left, pause and cancel."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QFrame, QProgressBar, QScrollArea, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.viewmodels.downloads import DownloadRow, DownloadsVM
from ui.widgets.controls import Button, ElidedLabel, IconButton, label, mark, row, tabular

ROW = 58
MOST_ROWS = 3


class DownloadLine(QFrame):
    """One download. ``opened`` asks for its details, ``acted`` to do what its error says."""

    opened = Signal()
    acted = Signal()

    def __init__(self, number: int, vm: DownloadsVM) -> None:
        super().__init__()
        self._vm = vm
        self._row: DownloadRow | None = None
        mark(self, surface="note")
        self.setFixedHeight(ROW)
        self._name = ElidedLabel("", "strong", mode=Qt.TextElideMode.ElideMiddle)
        self._line = ElidedLabel("", "secondary", "soft")
        self._line.setFont(tabular(self._line.font()))
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        self._bar.setAccessibleName(tr("Progress"))
        name = f"models.download.{number}"
        self.setObjectName(name)
        self._fix = Button("", "")
        self._fix.setObjectName(f"{name}.fix")
        self._fix.setAccessibleName(tr("Mend it"))
        self._toggle = IconButton("pause", tr("Pause"), f"{name}.toggle")
        self._cancel = IconButton("x", tr("Cancel"), f"{name}.cancel")
        self._fix.clicked.connect(self.acted)
        self._toggle.clicked.connect(self._toggled)
        self._cancel.clicked.connect(self._cancelled)
        self._lay_out()

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(3)
        words.addWidget(self._name)
        words.addWidget(self._line)
        words.addWidget(self._bar)
        line = row(spacing=4)
        line.setContentsMargins(14, 6, 8, 6)
        line.addLayout(words, 1)
        line.addSpacing(10)
        for button in (self._fix, self._toggle, self._cancel):
            line.addWidget(button)
        self.setLayout(line)

    def show_row(self, view: DownloadRow) -> None:
        self._row = view
        self._name.set_full(view.name)
        error = view.error
        text = view.line
        if error is not None:
            text = f"{error.sentence} {view.line if view.tone == 'warn' else error.advice}".strip()
        self._line.set_full(text)
        mark(self._line, tone=view.tone or "soft")
        self._bar.setValue(round(max(0.0, view.fraction) * 1000))
        mark(self._bar, tone=view.tone)
        self._bar.setVisible(not view.can_dismiss)
        self._bar.setAccessibleDescription(view.line)
        fixes = error is not None and bool(error.action) and error.action != "go_on"
        self._fix.setVisible(fixes)
        self._fix.setText(error.action_words if error is not None else "")
        self._toggle.setVisible(view.can_pause or view.can_resume)
        self._toggle.set_face("pause" if view.can_pause else "play", tr("Pause") if view.can_pause else tr("Go on"))
        self._cancel.set_face("x", tr("Take off the list") if view.can_dismiss else tr("Cancel this download"))
        self.setAccessibleName(f"{view.name}, {text}")

    @property
    def view(self) -> DownloadRow | None:
        return self._row

    def _toggled(self) -> None:
        if self._row is not None:
            (self._vm.pause if self._row.can_pause else self._vm.resume)(self._row.id)

    def _cancelled(self) -> None:
        if self._row is not None:
            (self._vm.dismiss if self._row.can_dismiss else self._vm.cancel)(self._row.id)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.opened.emit()


class DownloadsList(QWidget):
    """As high as its rows, at most three; ``opened`` carries the model, ``acted`` the error."""

    opened = Signal(str)
    acted = Signal(object)

    def __init__(self, vm: DownloadsVM, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm = vm
        self._lines: list[DownloadLine] = []
        self.setObjectName("models.downloads")
        self.setAccessibleName(tr("Downloads"))
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self._column.addStretch(1)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(inside)
        self._title = label(tr("Downloads"), "heading")
        self._sum = label("", "secondary", "soft")
        self._sum.setFont(tabular(self._sum.font()))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 12, 24, 4)
        layout.setSpacing(8)
        layout.addLayout(row(self._title, self._sum, None, spacing=12))
        layout.addWidget(self._scroll)
        vm.changed.connect(self._changed)
        self._changed("")

    def _changed(self, key: str) -> None:
        rows = self._vm.rows()
        tray = self._vm.tray()
        self._sum.setText(tray.sentence if tray is not None else "")
        while len(self._lines) < len(rows):
            self._add_line()
        for number, line in enumerate(self._lines):
            line.setVisible(number < len(rows))
            if number < len(rows) and line.view != rows[number]:
                line.show_row(rows[number])
        shown = min(len(rows), MOST_ROWS)
        self._scroll.setFixedHeight(max(0, shown * (ROW + 6) - 6 + (ROW // 3 if len(rows) > MOST_ROWS else 0)))
        self.setVisible(bool(rows))

    def _add_line(self) -> None:
        line = DownloadLine(len(self._lines) + 1, self._vm)
        line.opened.connect(lambda: self._say(line))
        line.acted.connect(lambda: self.acted.emit(line.view.error) if line.view is not None else None)
        self._column.insertWidget(len(self._lines), line)
        self._lines.append(line)

    def _say(self, line: DownloadLine) -> None:
        if line.view is not None:
            self.opened.emit(line.view.model)
