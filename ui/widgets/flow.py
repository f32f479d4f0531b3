"""A layout that puts its widgets side by side and goes on in the next line when there is no room."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QSizePolicy, QWidget


class FlowLayout(QLayout):
    def __init__(self, spacing: int, parent: QWidget | None = None, centred: bool = True) -> None:
        super().__init__(parent)
        self._centred = centred
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(spacing)

    def addItem(self, item: QLayoutItem) -> None:  # noqa: N802
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # noqa: N802
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # noqa: N802
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:  # noqa: N802
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        return self._place(QRect(0, 0, width, 0), test=True)

    def sizeHint(self) -> QSize:  # noqa: N802
        widths = [item.sizeHint().width() + self.spacing() for item in self._items]
        heights = [item.sizeHint().height() for item in self._items]
        return QSize(sum(widths), max(heights, default=0))

    def minimumSize(self) -> QSize:  # noqa: N802
        return QSize(max((item.minimumSize().width() for item in self._items), default=0), 0)

    def setGeometry(self, rect: QRect) -> None:  # noqa: N802
        super().setGeometry(rect)
        self._place(rect)

    def _place(self, rect: QRect, test: bool = False) -> int:
        top = rect.top()
        line: list[QLayoutItem] = []
        for item in self._items:
            if line and self._width([*line, item]) > rect.width():
                top = self._place_line(line, rect, top, test)
                line = []
            line.append(item)
        return (self._place_line(line, rect, top, test) if line else top) - self.spacing() - rect.top()

    def _width(self, line: list[QLayoutItem]) -> int:
        return sum(item.sizeHint().width() for item in line) + self.spacing() * (len(line) - 1)

    def _place_line(self, line: list[QLayoutItem], rect: QRect, top: int, test: bool) -> int:
        left = rect.left() + (max(0, (rect.width() - self._width(line)) // 2) if self._centred else 0)
        for item in line:
            size = item.sizeHint()
            if not test:
                item.setGeometry(QRect(left, top, min(size.width(), rect.width()), size.height()))
            left += size.width() + self.spacing()
        return top + max(item.sizeHint().height() for item in line) + self.spacing()


def fixed_height(widget: QWidget) -> None:
    """Let the layout inside say how high ``widget`` is at its width."""
    policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    policy.setHeightForWidth(True)
    widget.setSizePolicy(policy)
