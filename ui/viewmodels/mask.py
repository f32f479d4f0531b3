"""A mask over a picture: painted with a brush, filled by shapes, and taken back step by step.

White is what may change. Strokes join by the brighter value, so going over a place twice changes nothing, and erasing
takes the darker one. Before a tile changes, it is kept: a stroke's way back costs only the tiles it touched.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PySide6.QtCore import QObject, QPointF, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPolygonF, QRadialGradient

TILE = 256
BUDGET_SECONDS = 0.007
"""How long one event may paint; the rest of a wild stroke follows as soon as the window has breathed."""

_INKS = 24
"""So many shades a pen's pressure has."""
_LIGHTEN = QPainter.CompositionMode.CompositionMode_Lighten
_DARKEN = QPainter.CompositionMode.CompositionMode_Darken


@dataclass(frozen=True)
class Brush:
    """``size`` is the diameter in pixels of the picture; ``hardness`` and ``opacity`` go from 0 to 1."""

    size: float = 80.0
    hardness: float = 0.8
    opacity: float = 1.0
    erase: bool = False


@dataclass(frozen=True)
class Touch:
    """Where the brush is, and with how much of its size and of its opacity."""

    at: QPointF
    scale: float
    ink: float

    def towards(self, other: Touch, share: float) -> Touch:
        return Touch(
            self.at + (other.at - self.at) * share,
            self.scale + (other.scale - self.scale) * share,
            self.ink + (other.ink - self.ink) * share,
        )


@lru_cache(maxsize=40)
def dab(size: int, hardness: float, opacity: float, erase: bool) -> QImage:
    """One touch of the brush, on black to be joined by the brighter value; inverted for erasing by the darker one."""
    image = QImage(size, size, QImage.Format.Format_RGB32)
    empty, full = (255, 255 - round(255 * opacity)) if erase else (0, round(255 * opacity))
    image.fill(QColor(empty, empty, empty))
    radius = size / 2
    # The outermost pixel is always soft, so that hard edges have no stairs.
    hard = max(0.0, min(hardness, 1 - 1 / max(1.0, radius)))
    fade = QRadialGradient(QPointF(radius, radius), radius)
    fade.setColorAt(0, QColor(full, full, full))
    for part in range(9):
        share = (1 + math.cos(math.pi * part / 8)) / 2
        value = round(empty + (full - empty) * share)
        fade.setColorAt(min(1.0, hard + (1 - hard) * part / 8), QColor(value, value, value))
    painter = QPainter(image)
    painter.fillRect(image.rect(), fade if size > 2 else QColor(full, full, full))
    painter.end()
    return image


class Patch:
    """What a step changed: tiles as they were before it, or the whole image. Going back and forth swaps them."""

    def __init__(self, tiles: dict[tuple[int, int], QImage] | None = None, whole: QImage | None = None) -> None:
        self._tiles: dict[tuple[int, int], QImage | int] = {}
        for place, tile in (tiles or {}).items():
            level = _level(tile)
            self._tiles[place] = tile if level is None else level
        self._whole = whole

    def bytes(self) -> int:
        tiles = sum(tile.sizeInBytes() if isinstance(tile, QImage) else 16 for tile in self._tiles.values())
        return tiles + (self._whole.sizeInBytes() if self._whole is not None else 0)

    def swap(self, mask: Mask) -> None:
        if self._whole is not None:
            self._whole, mask.image = mask.image, self._whole
            mask.touched(mask.image.rect())
            return
        dirty = QRect()
        for place, tile in self._tiles.items():
            box = mask.tile_box(place)
            now = mask.image.copy(box)
            painter = QPainter(mask.image)
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
            if isinstance(tile, QImage):
                painter.drawImage(box.topLeft(), tile)
            else:
                painter.fillRect(box, QColor(tile, tile, tile))
            painter.end()
            level = _level(now)
            self._tiles[place] = now if level is None else level
            dirty = dirty.united(box)
        mask.touched(dirty)


def _level(tile: QImage) -> int | None:
    """The one value all pixels have, if they have one."""
    data = bytes(tile.constBits())
    line, width = tile.bytesPerLine(), tile.width()
    if line != width:
        data = b"".join(data[y * line : y * line + width] for y in range(tile.height()))
    return data[0] if data and data.count(data[:1]) == len(data) else None


class Mask(QObject):
    """``changed`` carries what has to be painted anew, in pixels of the picture. Memory is taken by the first touch."""

    changed = Signal(QRect)

    def __init__(self, width: int, height: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.size = (width, height)
        self._image: QImage | None = None
        self.revision = 0
        self._before: dict[tuple[int, int], QImage] = {}
        self._brush = Brush()
        self._at: Touch | None = None
        self._stroking = False
        self._left = 0.0
        self._waiting: deque[Touch] = deque()
        self._later = QTimer(self, interval=0)
        self._later.timeout.connect(lambda: self._paint_waiting(BUDGET_SECONDS))

    @property
    def image(self) -> QImage:
        if self._image is None:
            self._image = QImage(*self.size, QImage.Format.Format_Grayscale8)
            self._image.fill(0)
        return self._image

    @image.setter
    def image(self, image: QImage) -> None:
        self._image = image

    @property
    def touched_image(self) -> QImage | None:
        """The image, unless nothing was ever painted."""
        return self._image

    @property
    def stroking(self) -> bool:
        return self._stroking

    def is_empty(self) -> bool:
        """Nothing is chosen; takes a few milliseconds on very large pictures."""
        from PIL import Image  # comes with the first mask, not with the window

        if self._image is None:
            return True
        pixels: Any = self.image.constBits()  # not a copy
        return Image.frombuffer("L", self.size, pixels, "raw", "L", self.image.bytesPerLine(), 1).getbbox() is None

    def tile_box(self, place: tuple[int, int]) -> QRect:
        return QRect(place[0] * TILE, place[1] * TILE, TILE, TILE).intersected(self.image.rect())

    def touched(self, dirty: QRect) -> None:
        self.revision += 1
        if not dirty.isEmpty():
            self.changed.emit(dirty)

    def _keep(self, box: QRect) -> None:
        """Note the tiles under ``box`` as they are, if this step has not yet."""
        box = box.intersected(self.image.rect())
        if box.isEmpty():
            return
        for y in range(box.top() // TILE, box.bottom() // TILE + 1):
            for x in range(box.left() // TILE, box.right() // TILE + 1):
                if (x, y) not in self._before:
                    self._before[x, y] = self.image.copy(self.tile_box((x, y)))

    def _close_step(self) -> Patch | None:
        tiles, self._before = self._before, {}
        changed = {place: tile for place, tile in tiles.items() if tile != self.image.copy(self.tile_box(place))}
        return Patch(changed) if changed else None

    # strokes

    def begin(self, brush: Brush, at: QPointF, scale: float = 1.0, ink: float = 1.0) -> None:
        """Touch the picture; ``scale`` (of its size) and ``ink`` (of its opacity) weaken the brush, as a light pen
        does."""
        self._brush, self._at, self._left = brush, None, 0.0
        self._before = {}
        self._stroking = True
        self.move(at, scale, ink)

    def move(self, at: QPointF, scale: float = 1.0, ink: float = 1.0) -> None:
        """Go on to ``at``. What does not fit into the time of one event is painted right after it."""
        if self._stroking:
            self._waiting.append(Touch(at, scale, ink))
            self._paint_waiting(BUDGET_SECONDS)

    def end(self) -> Patch | None:
        """Lift the brush; the way back, or None if nothing changed."""
        self._paint_waiting(math.inf)
        self._later.stop()
        self._stroking, self._at = False, None
        return self._close_step()

    def _paint_waiting(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        dirty = QRect()
        painter = QPainter(self.image)
        painter.setCompositionMode(_DARKEN if self._brush.erase else _LIGHTEN)
        while self._waiting and time.perf_counter() < end:
            dirty = dirty.united(self._segment(painter, end))
        painter.end()
        if not dirty.isEmpty():
            self.touched(dirty.intersected(self.image.rect()))
        if self._waiting and not self._later.isActive():
            self._later.start()
        elif not self._waiting:
            self._later.stop()

    def _segment(self, painter: QPainter, end: float) -> QRect:
        """Dabs from where the brush is towards the next point, until that is reached or time is up."""
        target = self._waiting[0]
        if self._at is None:
            self._waiting.popleft()
            self._at = target
            return self._touch(painter, target)
        start, way = self._at, target.at - self._at.at
        length = math.hypot(way.x(), way.y())
        dirty, gone = QRect(), self._left
        while gone <= length:
            here = start.towards(target, gone / length if length else 1.0)
            dirty = dirty.united(self._touch(painter, here))
            gone += self._spacing(here.scale)
            if time.perf_counter() > end and gone <= length:
                self._at, self._left = start.towards(target, gone / length), 0.0
                return dirty
        self._waiting.popleft()
        self._at, self._left = target, gone - length
        return dirty

    def _spacing(self, scale: float) -> float:
        """So close that the outline of a straight stroke stays within a fraction of a pixel."""
        return max(1.0, math.sqrt(self._brush.size * scale))

    def _touch(self, painter: QPainter, touch: Touch) -> QRect:
        brush = self._brush
        size = max(1, round(brush.size * touch.scale))
        if touch.scale != 1 and size > 32:  # few sizes and shades, so that few dabs have to be made
            step = size // 24
            size = max(1, round(size / step) * step)
        opacity = brush.opacity * (touch.ink if touch.ink == 1 else max(1, round(touch.ink * _INKS)) / _INKS)
        box = QRect(round(touch.at.x() - size / 2), round(touch.at.y() - size / 2), size, size)
        self._keep(box)
        painter.drawImage(box.topLeft(), dab(size, brush.hardness, opacity, brush.erase))
        return box

    # shapes

    def polygon(self, points: list[QPointF], erase: bool) -> Patch | None:
        """Fill what ``points`` enclose."""
        shape = QPolygonF(points)
        box = shape.boundingRect().toAlignedRect().adjusted(-1, -1, 1, 1).intersected(self.image.rect())
        if box.isEmpty() or len(points) < 3:
            return None
        self._before = {}
        self._keep(box)
        painter = self._painter(erase)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawPolygon(shape, Qt.FillRule.WindingFill)
        painter.end()
        self.touched(box)
        return self._close_step()

    def rectangle(self, box: QRectF, erase: bool) -> Patch | None:
        """Fill whole pixels: a rectangle has no soft edge."""
        whole = box.normalized().toAlignedRect().intersected(self.image.rect())
        if whole.isEmpty():
            return None
        self._before = {}
        self._keep(whole)
        painter = self._painter(erase)
        painter.drawRect(whole)
        painter.end()
        self.touched(whole)
        return self._close_step()

    def _painter(self, erase: bool) -> QPainter:
        painter = QPainter(self.image)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(Qt.GlobalColor.black if erase else Qt.GlobalColor.white))
        return painter

    # as a whole

    def fill(self, value: int) -> Patch:
        """Everything white (255) or empty (0)."""
        image = QImage(self.image.size(), QImage.Format.Format_Grayscale8)
        image.fill(value)
        return self.replace(image)

    def replace(self, image: QImage) -> Patch:
        """Another mask of the same size instead of this one."""
        patch = Patch(whole=self.image)
        self.image = image
        self.touched(image.rect())
        return patch
