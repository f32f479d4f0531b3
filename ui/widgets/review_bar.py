"""What floats under a result while there is a picture that is worked on: go on from it, or back."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from ui.i18n import tr
from ui.widgets.controls import Button, ElidedLabel, mark

WIDE = 620
"""Pixels from which the bar says what the result was made from."""


class ReviewBar(QFrame):
    accepted = Signal()
    discarded = Signal()
    compare_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("canvas.review")
        self.setAccessibleName(tr("What to do with this result"))
        mark(self, surface="float")
        self._full = ""
        self._words = ElidedLabel("", "secondary", "soft")
        self._back = Button(tr("Back to your picture"), "", "undo-2")
        self._back.setObjectName("canvas.discard")
        self._back.setToolTip(tr("Leave this result in the list and work on the picture as it was"))
        self._compare = Button(tr("Compare"), "", "square-split-horizontal")
        self._compare.setObjectName("canvas.review.compare")
        self._accept = Button(tr("Go on from this"), "", "check")
        self._accept.setObjectName("canvas.accept")
        self._accept.setToolTip(tr("This result becomes the picture you work on; undo brings back the one before"))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self._words, 1)
        for button, signal in (
            (self._back, self.discarded),
            (self._compare, self.compare_wanted),
            (self._accept, self.accepted),
        ):
            button.clicked.connect(signal)
            layout.addWidget(button)

    def _show_words(self) -> None:
        """Beside the buttons, where there is room for more than the first letters."""
        self._words.set_full(self._full if self.width() >= WIDE else "")

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._show_words()

    def show_state(self, made_from_it: bool, name: str) -> None:
        words = tr("Made from “{name}”", name=name) if made_from_it else tr("You are working on “{name}”", name=name)
        self._full = words
        self._show_words()
        self._compare.setVisible(made_from_it)
