"""The rail: the mark, the pages, and at the foot what the engine runs on."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QToolButton, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme import current, tokens
from ui.theme.icons import icon, paint_icon
from ui.viewmodels.words import EngineView
from ui.views.tray import Tray
from ui.widgets.controls import IconButton, label, mark, tabular

HOLD_MS = 250
"""A page opens when something is held over its button for so long."""


class _Mark(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(tokens.RAIL_WIDTH, 44)
        self.setToolTip("Atelier")

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        paint_icon(painter, "mark", QRectF(self.width() / 2 - 12, 12, 24, 24), current().accent)
        painter.end()


class _Dot(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.role = "faint"
        self.setFixedHeight(10)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(current().as_dict()[self.role]))
        painter.drawEllipse(QRectF(self.width() / 2 - 3.5, 1.5, 7, 7))
        painter.end()


class EngineFoot(QWidget):
    """Dot, device and memory; a click opens Settings."""

    clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("rail.engine")
        self._dot = _Dot()
        self._short = label("", "hint", "soft")
        self._memory = label("", "hint", "soft")
        self._memory.setFont(tabular(self._memory.font()))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 4, 2, 4)
        layout.setSpacing(1)
        for part in (self._dot, self._short, self._memory):
            layout.addWidget(part)
        for part in (self._short, self._memory):
            part.setAlignment(Qt.AlignmentFlag.AlignHCenter)

    def show_engine(self, view: EngineView) -> None:
        self._dot.role = view.dot
        self._dot.update()
        self._short.setText(view.short)
        # Two short lines fit the rail at every translation; the tooltip has the whole sentence.
        self._memory.setText(view.memory)
        self._memory.setVisible(bool(view.memory))
        self.setToolTip(view.sentence)
        self.setAccessibleName(view.sentence)

    def words(self) -> str:
        return f"{self._short.text()} {self._memory.text()}".strip()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.clicked.emit()


class PageButton(QToolButton):
    """Leads to a page. What is dragged over it opens the page after a moment, to be dropped there; ``dropped`` carries
    the addresses of what was let go on the button itself."""

    held_over = Signal()
    dropped = Signal(list)

    def __init__(self) -> None:
        super().__init__()
        self.setAcceptDrops(True)
        self._hold = QTimer(self, singleShot=True, interval=HOLD_MS)
        self._hold.timeout.connect(self.held_over)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if event.mimeData().hasUrls():
            event.acceptProposedAction()
            self._hold.start()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802
        self._hold.stop()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        self._hold.stop()
        event.acceptProposedAction()
        self.dropped.emit(event.mimeData().urls())


class Rail(QWidget):
    """``chosen`` carries the page's name; ``dropped`` also what was let go on its button."""

    chosen = Signal(str)
    dropped = Signal(str, list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        mark(self, surface="bg")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(tokens.RAIL_WIDTH)
        self._buttons: dict[str, QToolButton] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 8, 0, 12)
        self._layout.setSpacing(6)
        self._layout.addWidget(_Mark(), 0, Qt.AlignmentFlag.AlignHCenter)
        self.engine = EngineFoot()
        self.engine.clicked.connect(lambda: self.chosen.emit("settings"))
        self._layout.addStretch(1)
        self.tray = Tray()
        self._layout.addWidget(self.tray, 0, Qt.AlignmentFlag.AlignHCenter)
        self.help = IconButton("circle-question-mark", tr("Help"), "rail.help")
        self.help.set_face("circle-question-mark", tr("Help"), "F1")
        self._layout.addWidget(self.help, 0, Qt.AlignmentFlag.AlignHCenter)
        self._layout.addWidget(self.engine)

    def add(self, page: str, words: str, icon_name: str, shortcut: str) -> None:
        button = PageButton()
        button.held_over.connect(lambda: self.chosen.emit(page))
        button.dropped.connect(lambda urls: self.dropped.emit(page, urls))
        button.setObjectName(f"rail.{page}")
        button.setText(words)
        button.setIcon(icon(icon_name, "soft", "accent"))
        button.setIconSize(QSize(20, 20))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setCheckable(True)
        button.setAutoExclusive(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setFixedHeight(56)
        button.setAccessibleName(words)
        button.setToolTip(f"{words}  ({shortcut})")
        mark(button, kind="rail")
        button.clicked.connect(lambda: self.chosen.emit(page))
        button.setFixedWidth(tokens.RAIL_WIDTH - 16)
        self._layout.insertWidget(len(self._buttons) + 1, button, 0, Qt.AlignmentFlag.AlignHCenter)
        self._buttons[page] = button

    def show_page(self, page: str) -> None:
        if page in self._buttons:
            self._buttons[page].setChecked(True)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        self.update()
