"""What stands on the canvas before the first picture: an invitation, and prompts to try."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme import current
from ui.theme.icons import paint_icon
from ui.widgets.controls import Button, label
from ui.widgets.flow import FlowLayout, fixed_height


class _Picture(QWidget):
    """The mark, large and quiet."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(72, 72)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        paint_icon(painter, "mark", QRectF(self.rect()), current().accent)
        painter.end()


class EmptyState(QWidget):
    """``tried`` carries the prompt of the chip that was pressed; ``choose`` asks for another model."""

    tried = Signal(str)
    choose = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("create.empty")
        self._title = label("", "title")
        self._how = label("", tone="soft")
        self._where = label("", tone="soft")
        self._choose = Button(tr("Choose a model"), "accent")
        self._choose.setObjectName("create.empty.choose")
        self._choose.clicked.connect(self.choose)
        self._try = label(tr("Or try one of these"), "hint", "soft")
        chips = QWidget()
        fixed_height(chips)
        self._chips = FlowLayout(8, chips)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addStretch(2)
        center = Qt.AlignmentFlag.AlignHCenter
        layout.addWidget(_Picture(), 0, center)
        layout.addSpacing(8)
        layout.addWidget(self._title, 0, center)
        layout.addWidget(self._how, 0, center)
        layout.addSpacing(-6)
        layout.addWidget(self._where, 0, center)
        layout.addSpacing(12)
        layout.addWidget(self._choose, 0, center)
        layout.addWidget(self._try, 0, center)
        layout.addWidget(chips)
        layout.addStretch(3)

        self.show_ready(True)

    def show_ready(self, ready: bool) -> None:
        """Invite to write, or, when the chosen model cannot be used, to choose another."""
        self._title.setText(tr("Say what you want to see") if ready else tr("This model cannot be used"))
        self._how.setText(
            tr("Write it on the left and press Generate.") if ready else tr("The reason stands on the left.")
        )
        self._where.setText(
            tr("The picture is made on this machine. Nothing leaves it.")
            if ready
            else tr("Choose another one to go on.")
        )
        self._choose.setVisible(not ready)

    def show_examples(self, examples: Sequence[str]) -> None:
        while (item := self._chips.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._try.setVisible(bool(examples))
        for position, example in enumerate(examples[:4], 1):
            words = example if len(example) <= 34 else example[:33] + "…"
            chip = Button(words, "example")
            chip.setObjectName(f"create.example.{position}")
            chip.setAccessibleName(tr("Try: {prompt}", prompt=example))
            chip.setToolTip(example)
            chip.clicked.connect(lambda _=False, example=example: self.tried.emit(example))
            self._chips.addWidget(chip)
