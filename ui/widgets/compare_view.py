"""Two pictures to compare: one over the other with a line between, or side by side, and the inputs that differ."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QImage, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QScrollArea, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme import current
from ui.widgets.canvas_view import CanvasView
from ui.widgets.controls import Button, ElidedLabel, IconButton, label, mark, row, uncheckable_group
from ui.widgets.image_view import ImageView

Levels = Sequence[QImage]
Parts = Sequence[tuple[str, bool]]


class Row(Protocol):
    @property
    def title(self) -> str: ...
    @property
    def left(self) -> Parts: ...
    @property
    def right(self) -> Parts: ...


class _Half(ImageView):
    """One of two views that show the same place."""

    moved = Signal()

    def __init__(self, name: str, words: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(words)
        self.zoomed.connect(lambda *_: self.moved.emit())
        self.horizontalScrollBar().valueChanged.connect(lambda _: self.moved.emit())
        self.verticalScrollBar().valueChanged.connect(lambda _: self.moved.emit())

    def follow(self, other: _Half) -> None:
        """Show what ``other`` shows, in parts of the picture."""
        if other.is_fit:
            if not self.is_fit:
                self.fit()
            return
        if not other._size[0] or not self._size[0]:
            return
        middle = other.to_scene(QPointF(other.viewport().rect().center()))
        share = self._size[0] / other._size[0]
        self._fit = False
        self._set_zoom(other.zoom / share)
        self.centerOn(middle * share)


class CompareView(QWidget):
    ended = Signal()
    beside_chosen = Signal(bool)
    exchange_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("canvas.compare")
        self.slider = CanvasView()
        self.slider.setObjectName("canvas.compare.slider")
        self.slider.setAccessibleName(tr("Before and after; Left and Right move the line"))
        self.left = _Half("canvas.compare.left", tr("Left picture"))
        self.right = _Half("canvas.compare.right", tr("Right picture"))
        self._following = False
        self.left.moved.connect(lambda: self._follow(self.right, self.left))
        self.right.moved.connect(lambda: self._follow(self.left, self.right))
        self._pages = QStackedWidget()
        self._captions = (ElidedLabel("", "secondary", "soft"), ElidedLabel("", "secondary", "soft"))
        halves = QWidget()
        grid = QGridLayout(halves)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(12)
        for column, (view, caption) in enumerate(zip((self.left, self.right), self._captions, strict=True)):
            grid.addWidget(caption, 0, column)
            grid.addWidget(view, 1, column)
            grid.setColumnStretch(column, 1)
        self._pages.addWidget(self.slider)
        self._pages.addWidget(halves)
        self._table = _Table()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(self._make_head())
        layout.addWidget(self._pages, 1)
        layout.addWidget(self._table)

    def _make_head(self) -> QVBoxLayout:
        self._over = Button(tr("Slider"), "chip")
        self._beside = Button(tr("Side by side"), "chip")
        for button, name, beside in ((self._over, "slider", False), (self._beside, "sides", True)):
            button.setCheckable(True)
            button.setObjectName(f"canvas.compare.as_{name}")
            button.clicked.connect(lambda _=False, beside=beside: self.beside_chosen.emit(beside))
        swap = IconButton("shuffle", tr("Exchange left and right"), "canvas.compare.exchange")
        swap.clicked.connect(self.exchange_wanted)
        self._hint = ElidedLabel(tr("Choose another picture under Recent to compare with"), "hint", "soft")
        close = IconButton("x", tr("End comparing"), "canvas.compare.end")
        close.set_face("x", tr("End comparing"), "Esc")
        close.clicked.connect(self.ended)
        self.explore = Button(tr("Vary what differs"), "quiet", "grid-3x3")
        self.explore.setObjectName("canvas.compare.explore")
        self.explore.setToolTip(tr("Make a grid with the inputs that differ as rows and columns"))
        line = row(self._over, self._beside, swap, self.explore, 8, spacing=6)
        line.addWidget(self._hint, 1)
        line.addWidget(close)
        box = QVBoxLayout()
        box.addLayout(line)
        return box

    def _follow(self, follower: _Half, leader: _Half) -> None:
        if not self._following:
            self._following = True
            follower.follow(leader)
            self._following = False

    def set_background(self, color: str) -> None:
        for view in (self.slider, self.left, self.right):
            view.set_background(color)

    def show_names(self, left: str, right: str, beside: bool) -> None:
        self._pages.setCurrentIndex(1 if beside else 0)
        uncheckable_group([self._over, self._beside], self._beside if beside else self._over)
        for caption, words in zip(self._captions, (left, right), strict=True):
            caption.set_full(words)

    def show_pictures(
        self,
        left: tuple[QImage | None, Levels],
        right: tuple[QImage | None, Levels],
        place: QRectF | None,
    ) -> None:
        """None is still being read; then nothing of that side is shown."""
        for view, (image, levels) in ((self.left, left), (self.right, right)):
            if image is None or image.isNull():
                view.clear()
            else:
                view.show_picture(image, image.width(), image.height(), levels=levels)
        before, after = left[0], right[0]
        if before is None or after is None or before.isNull() or after.isNull():
            self.slider.clear()
            self.slider.set_compare(None)
            return
        self.slider.show_picture(after, after.width(), after.height(), levels=right[1])
        if not self.slider.comparing:
            self.slider.set_compare(before, left[1], place, (tr("Before"), tr("After")))

    def restart(self) -> None:
        """Other pictures come: the line goes back to the middle."""
        self.slider.set_compare(None)

    def show_differences(self, rows: Sequence[Row], known: bool) -> None:
        self._table.show_rows(rows, known)


class _Table(QScrollArea):
    """The inputs that differ; what is only on one side is marked."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("canvas.compare.differences")
        self.setAccessibleName(tr("Inputs that differ"))
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self._inside = QWidget()
        self._grid = QGridLayout(self._inside)
        self._grid.setContentsMargins(0, 4, 0, 4)
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnStretch(2, 1)
        self.setWidget(self._inside)

    def show_rows(self, rows: Sequence[Row], known: bool) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.setParent(None)
                widget.deleteLater()
        if not rows:
            words = tr("Both were made with the same inputs.") if known else ""
            self._grid.addWidget(label(words, "secondary", "soft"), 0, 0, 1, 3)
        for line, entry in enumerate(rows):
            self._grid.addWidget(label(entry.title, "secondary", "soft"), line, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(_marked(entry.left), line, 1, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(_marked(entry.right), line, 2, Qt.AlignmentFlag.AlignTop)
        for part in self._inside.findChildren(QLabel):
            part.show()  # what is not shown yet would count for nothing
        self.setVisible(bool(rows) or known)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._fit()

    def _fit(self) -> None:
        """As high as what stands there, up to a limit."""
        self._grid.invalidate()
        height = self._grid.totalHeightForWidth(max(200, self.width()))
        self.setFixedHeight(min(170, max(28, height + 2)))

    def texts(self) -> list[tuple[str, str, str]]:
        """What stands there, for those who cannot see it."""
        found = []
        for line in range(self._grid.rowCount()):
            items = [self._grid.itemAtPosition(line, column) for column in range(3)]
            labels = [item.widget() if item is not None else None for item in items]
            if all(isinstance(one, QLabel) for one in labels):
                found.append(tuple(one.accessibleName() or one.text() for one in labels))  # type: ignore[union-attr]
        return found  # type: ignore[return-value]


def _marked(parts: Parts) -> QLabel:
    colors = current()
    pieces = [
        f'<span style="background-color:{colors.accent_tint};color:{colors.accent};">{html.escape(text)}</span>'
        if changed and text.strip()
        else html.escape(text)
        for text, changed in parts
    ]
    made = QLabel("".join(pieces))
    made.setTextFormat(Qt.TextFormat.RichText)
    made.setWordWrap(True)
    made.setAccessibleName("".join(text for text, _ in parts))
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    mark(made, type="secondary")
    return made
