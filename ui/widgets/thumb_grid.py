"""Pictures as small tiles: a grid that fills its width, and the strip of one job's pictures."""

from __future__ import annotations

from typing import Any, Protocol

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QImage,
    QKeyEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QListView,
    QScrollArea,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from ui.i18n import tr
from ui.theme import current, tokens
from ui.theme.icons import paint_icon

Index = QModelIndex | QPersistentModelIndex


def paint_tile(painter: QPainter, box: QRectF, image: QImage | None, radius: float = 6) -> None:
    """The middle of ``image`` fills ``box``; None is still being read, a null image cannot be."""
    colors = current()
    painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
    path = QPainterPath()
    path.addRoundedRect(box, radius, radius)
    if image is None or image.isNull():
        painter.fillPath(path, QColor(colors.raised))
        if image is not None:
            side = min(20.0, box.width() / 3)
            middle = box.center()
            paint_icon(
                painter, "image-off", QRectF(middle.x() - side / 2, middle.y() - side / 2, side, side), colors.faint
            )
        return
    side = min(image.width(), image.height())
    source = QRectF((image.width() - side) / 2, (image.height() - side) / 2, side, side)
    painter.save()
    painter.setClipPath(path)
    painter.drawImage(box, image, source)
    painter.restore()
    # A hair line keeps a white picture apart from a white panel.
    painter.setPen(QPen(QColor(colors.line), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)


def ring(painter: QPainter, box: QRectF, radius: float) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(current().accent), 2))
    painter.drawRoundedRect(box, radius, radius)


class _Delegate(QStyledItemDelegate):
    def __init__(self, role: int, view: ThumbGrid) -> None:
        super().__init__(view)
        self._role = role
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: N802
        return self._view.gridSize()

    def paint(self, painter: QPainter, option: Any, index: Index) -> None:
        box = QRectF(option.rect).adjusted(3, 4, -5, -4)  # the ring stays within, or a part of it would be left behind
        painter.save()
        paint_tile(painter, box, index.data(self._role), tokens.RADIUS)
        chosen = bool(option.state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_HasFocus))
        if chosen:
            ring(painter, box.adjusted(-2, -2, 2, 2), tokens.RADIUS + 2)
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(QColor(current().edge), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box, tokens.RADIUS, tokens.RADIUS)
        painter.restore()


class ThumbGrid(QListView):
    """``opened`` and ``menu_wanted`` carry the picture's id."""

    opened = Signal(str)
    menu_wanted = Signal(str, QPoint)

    def __init__(self, id_role: int, image_role: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._id_role = id_role
        self.setObjectName("recent.list")
        self.setAccessibleName(tr("Recent pictures"))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Snap)
        self.setUniformItemSizes(True)
        self.setSpacing(0)
        self.setMouseTracking(True)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setItemDelegate(_Delegate(image_role, self))
        self.setTabKeyNavigation(False)
        self.clicked.connect(lambda index: self._open(index))
        self.activated.connect(lambda index: self._open(index))

    def _open(self, index: Index) -> None:
        key = index.data(self._id_role)
        if key:
            self.opened.emit(str(key))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        width = self.viewport().width()
        columns = max(2, width // 132)
        # The list keeps room for its scroll bar when it wraps, whether or not the bar is there.
        bar = self.verticalScrollBar()
        room = width - 2 - (0 if bar.isVisible() else bar.sizeHint().width())
        side = max(48, room // columns)
        self.setGridSize(QSize(side, side))
        super().resizeEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._open(self.currentIndex())

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802
        keyboard = event.reason() is QContextMenuEvent.Reason.Keyboard
        index = self.currentIndex() if keyboard else self.indexAt(event.pos())
        if index.isValid():
            self.menu_wanted.emit(
                str(index.data(self._id_role)), self.viewport().mapToGlobal(self.visualRect(index).center())
            )

    def choose(self, index: QModelIndex) -> None:
        """Show ``index`` as the one on the canvas; an invalid one clears that."""
        if index.isValid():
            self.setCurrentIndex(index)
        else:
            self.clearSelection()


class StripEntry(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def result(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def current(self) -> bool: ...
    @property
    def live(self) -> bool: ...


class _Tile(QAbstractButton):
    def __init__(self) -> None:
        super().__init__()
        self.entry: StripEntry | None = None
        self.image: QImage | None = None
        self.setFixedSize(52, 52)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colors = current()
        box = QRectF(self.rect()).adjusted(4, 4, -4, -4)
        entry = self.entry
        if entry is not None and entry.result:
            paint_tile(painter, box, self.image)
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.raised))
            painter.drawRoundedRect(box, 6, 6)
            painter.setPen(QColor(colors.accent if entry is not None and entry.live else colors.faint))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(entry.number if entry is not None else ""))
        if self.hasFocus() or (entry is not None and entry.current):
            ring(painter, box.adjusted(-2, -2, 2, 2), 8)
        painter.end()


class Strip(QScrollArea):
    """The pictures of one job, to click through; ``thumb`` gives a small image for a path, or None for now."""

    chosen = Signal(int)

    def __init__(self, thumb: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._thumb = thumb
        self._tiles: list[_Tile] = []
        self._shown_number = 0
        inside = QWidget()
        self._line = QHBoxLayout(inside)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(2)
        self._line.addStretch(1)
        self._line.addStretch(1)
        self.setObjectName("create.strip")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedHeight(64)
        self.setWidget(inside)

    def show_entries(self, entries: list[StripEntry]) -> None:
        while len(self._tiles) < len(entries):
            tile = _Tile()
            number = len(self._tiles) + 1
            tile.setObjectName(f"create.strip.{number}")
            tile.clicked.connect(lambda _=False, number=number: self.chosen.emit(number))
            self._line.insertWidget(self._line.count() - 1, tile)
            self._tiles.append(tile)
        for position, tile in enumerate(self._tiles):
            tile.setVisible(position < len(entries))
            if position >= len(entries):
                continue
            entry = entries[position]
            tile.entry = entry
            tile.image = self._thumb(entry.path) if entry.path else None
            tile.setEnabled(bool(entry.result) or entry.live)
            words = tr("Picture {n}", n=entry.number)
            tile.setAccessibleName(words)
            tile.setToolTip(words if entry.result else tr("Picture {n}: not made yet", n=entry.number))
            tile.update()
        self.setVisible(bool(entries))
        current_number = next((entry.number for entry in entries if entry.current), 0)
        if current_number and current_number != self._shown_number:
            self.ensureWidgetVisible(self._tiles[current_number - 1], 60, 0)
        self._shown_number = current_number

    def refresh(self) -> None:
        """Thumbnails have arrived."""
        self.show_entries([tile.entry for tile in self._tiles if tile.entry is not None and not tile.isHidden()])
