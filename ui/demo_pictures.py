"""Paints landscapes from a seed, so that screenshots and tests have something to look at without a model."""

from __future__ import annotations

import math
import random

from PySide6.QtCore import QBuffer, QIODevice, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QLinearGradient, QPainter, QPolygonF, QRadialGradient


def landscape(seed: int, width: int, height: int) -> QImage:
    """A sky, a sun, its glow and five ridges fading into haze; the same seed gives the same picture."""
    dice = random.Random(seed)
    hue = dice.random()
    sky_top = QColor.fromHsvF(hue, 0.55, dice.uniform(0.25, 0.55))
    sky_low = QColor.fromHsvF((hue + dice.uniform(0.4, 0.58)) % 1, 0.42, 0.96)
    image = QImage(width, height, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    sky = QLinearGradient(0, 0, 0, height * 0.75)
    sky.setColorAt(0, sky_top)
    sky.setColorAt(1, sky_low)
    painter.fillRect(image.rect(), sky)
    _sun(painter, dice, width, height)
    painter.setPen(Qt.PenStyle.NoPen)
    ridge = QColor.fromHsvF((hue + 0.05) % 1, 0.55, 0.2)
    for layer in range(5):
        near = (layer + 1) / 5
        painter.setBrush(_mix(sky_low, ridge, 0.25 + 0.75 * near))
        painter.drawPolygon(_ridge(dice, width, height, 0.5 + 0.1 * layer, 0.10 * (1.25 - near * 0.5)))
    painter.end()
    return image


def _sun(painter: QPainter, dice: random.Random, width: int, height: int) -> None:
    center = QPointF(width * dice.uniform(0.25, 0.75), height * dice.uniform(0.28, 0.5))
    radius = min(width, height) * dice.uniform(0.05, 0.09)
    glow = QRadialGradient(center, radius * 6)
    glow.setColorAt(0, QColor(255, 240, 214, 190))
    glow.setColorAt(1, QColor(255, 240, 214, 0))
    painter.fillRect(0, 0, width, height, glow)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(255, 247, 230))
    painter.drawEllipse(center, radius, radius)


def _ridge(dice: random.Random, width: int, height: int, base: float, swing: float) -> QPolygonF:
    waves = [(dice.uniform(0.8, 6) * (i + 1), dice.uniform(0, 6.3), 1 / (i + 1)) for i in range(4)]
    points = [QPointF(0, height)]
    for step in range(65):
        x = step / 64
        y = base + swing * sum(a * math.sin(x * f + p) for f, p, a in waves)
        points.append(QPointF(x * width, y * height))
    return QPolygonF([*points, QPointF(width, height)])


def _mix(one: QColor, other: QColor, share: float) -> QColor:
    parts = ((a * (1 - share) + b * share) for a, b in zip(one.getRgb()[:3], other.getRgb()[:3], strict=True))  # type: ignore[index]
    return QColor(*(round(part) for part in parts))


def noisy(seed: int, width: int, height: int, share: float) -> QImage:
    """The landscape as a preview after ``share`` of the steps: small, with the noise not yet gone."""
    dice = random.Random(seed)
    image = landscape(seed, width, height)
    for y in range(height):
        for x in range(width):
            grain = QColor.fromHsvF(dice.random(), 0.6, dice.random())
            image.setPixelColor(x, y, _mix(grain, image.pixelColor(x, y), min(1.0, share)))
    return image


def encoded(image: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]  # the stubs want bytes, the call wants text
    return bytes(buffer.data().data())
