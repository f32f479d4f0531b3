"""Icons from ``assets/icons``, tinted from the current tokens at the moment they are painted."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QIconEngine, QImage, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app.paths import ASSETS
from ui.theme import current

FOLDER = ASSETS / "icons"


@lru_cache(maxsize=64)
def _source(name: str) -> str:
    return (FOLDER / f"{name}.svg").read_text(encoding="utf-8")


@lru_cache(maxsize=256)
def _tinted(name: str, color: str, width: int, height: int) -> QImage:
    renderer = QSvgRenderer(QByteArray(_source(name).replace("currentColor", color).encode()))
    image = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(0)
    painter = QPainter(image)
    renderer.render(painter, QRectF(0, 0, width, height))
    painter.end()
    return image


def paint_icon(painter: QPainter, name: str, rect: QRectF, color: str) -> None:
    """Draw icon ``name`` into ``rect`` in ``color``, sharp at any scale."""
    device = painter.device()
    ratio = device.devicePixelRatioF() if device is not None else 1.0
    image = _tinted(name, color, max(1, round(rect.width() * ratio)), max(1, round(rect.height() * ratio)))
    painter.drawImage(QRectF(QPointF(rect.topLeft()), rect.size()), image)


class _Engine(QIconEngine):
    def __init__(self, name: str, role: str, on_role: str) -> None:
        super().__init__()
        self._name, self._role, self._on_role = name, role, on_role

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        role = self._on_role if state is QIcon.State.On else self._role
        if mode is QIcon.Mode.Disabled:
            role = "faint"
        side = min(rect.width(), rect.height())
        box = QRectF(0, 0, side, side)
        box.moveCenter(QRectF(rect).center())
        paint_icon(painter, self._name, box, current().as_dict()[role])

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        pixmap = QPixmap(size)
        pixmap.fill(QColor(Qt.GlobalColor.transparent))
        painter = QPainter(pixmap)
        self.paint(painter, QRect(0, 0, size.width(), size.height()), mode, state)
        painter.end()
        return pixmap

    def clone(self) -> QIconEngine:
        return _Engine(self._name, self._role, self._on_role)


def icon(name: str, role: str = "soft", on_role: str = "") -> QIcon:
    """The icon in the token ``role``; ``on_role`` while its button is checked."""
    return QIcon(_Engine(name, role, on_role or role))


def app_icon() -> QIcon:
    return QIcon(str(FOLDER / "atelier.svg"))
