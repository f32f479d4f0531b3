"""The sheet of shortcuts (Shift+F1)."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.widgets.controls import Button, label, row


def shortcut_words() -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of keys and what they do."""
    return [
        (
            tr("Everywhere"),
            [
                (tr("Ctrl + Enter"), tr("Generate")),
                (tr("Esc"), tr("Cancel the running job, or go back")),
                (tr("Ctrl + L"), tr("Edit the prompt")),
                (tr("Ctrl + ↑  and  ↓"), tr("Words in the prompt count more or less")),
                (tr("Alt + ↑  and  ↓"), tr("Earlier and later prompts")),
                (tr("Ctrl + Space"), tr("Suggest words for the prompt")),
                (tr("Ctrl + M"), tr("Choose a model")),
                (tr("F9"), tr("Show or hide queue and recent pictures")),
                (tr("Shift + F9"), tr("Show or hide the form")),
                (tr("F11"), tr("The picture on the whole screen")),
                (tr("Ctrl + 1,  2  and  3"), tr("Create, Models, Gallery")),
                (tr("Ctrl + F"), tr("Search models, or pictures in the Gallery")),
                (tr("Ctrl + ,"), tr("Settings")),
                (tr("F1"), tr("Help")),
                (tr("Ctrl + Q"), tr("Quit")),
            ],
        ),
        (
            tr("Picture"),
            [
                (tr("Ctrl + C"), tr("Copy")),
                (tr("Ctrl + O"), tr("Open a picture to work on")),
                (tr("Ctrl + V"), tr("Start from the picture on the clipboard")),
                (tr("Ctrl + S"), tr("Save a copy")),
                (tr("+  and  -"), tr("Zoom")),
                (tr("0  and  1"), tr("Fit, actual size")),
                (tr("Space and drag"), tr("Move the picture")),
                (tr("Left  and  Right"), tr("Other pictures")),
            ],
        ),
        (
            tr("Working on a picture"),
            [
                (tr("V  B  E  L  M  G  F"), tr("Move, brush, eraser, lasso, rectangle, fill, extend")),
                (tr("X"), tr("Brush and eraser in turns")),
                (tr("[  and  ]"), tr("Smaller, larger brush")),
                (tr("Alt"), tr("Take away instead of adding")),
                (tr("Ctrl + Z,  Ctrl + Shift + Z"), tr("Undo, redo")),
                (tr("Ctrl + I"), tr("Invert the mask")),
            ],
        ),
        (
            tr("Queue"),
            [
                (tr("Delete"), tr("Cancel or remove")),
                (tr("Alt + Up  and  Down"), tr("Move a waiting job")),
                (tr("R"), tr("Try again")),
            ],
        ),
    ]


class ShortcutsSheet(QDialog):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("shortcuts")
        self.setWindowTitle(tr("Shortcuts"))
        self.setAccessibleName(tr("Shortcuts"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(28, 22, 28, 20)
        layout.setSpacing(8)
        everywhere, picture, work, queue = shortcut_words()
        sides = [_column([everywhere, queue]), _column([picture, work])]
        beside = QHBoxLayout()
        beside.setSpacing(40)
        for side in sides:
            beside.addLayout(side, 1)
        layout.addLayout(beside)
        close = Button(tr("Close"))
        close.setObjectName("shortcuts.close")
        close.clicked.connect(self.close)
        layout.addLayout(row(None, close))


def _column(groups: list[tuple[str, list[tuple[str, str]]]]) -> QVBoxLayout:
    """Groups beneath each other."""
    layout = QVBoxLayout()
    layout.setSpacing(8)
    for title, entries in groups:
        layout.addWidget(label(title, "heading"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(6)
        grid.setColumnMinimumWidth(0, 130)
        grid.setColumnStretch(1, 1)
        for line, (keys, words) in enumerate(entries):
            grid.addWidget(label(keys, "strong"), line, 0, Qt.AlignmentFlag.AlignLeft)
            grid.addWidget(label(words, tone="soft"), line, 1)
        layout.addLayout(grid)
        layout.addSpacing(10)
    layout.addStretch(1)
    return layout
