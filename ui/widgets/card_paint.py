"""How one card of the catalog is painted: icon, name, what it does, fit, size, licence, and its download."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QTextLayout, QTextOption

from ui.theme import current, tokens
from ui.theme.icons import paint_icon
from ui.widgets.controls import tabular

CARD_HEIGHT = 136
PAD = 14
TILE = 36


class Card(Protocol):
    """What a card shows."""

    @property
    def key(self) -> str: ...
    @property
    def icon(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def fit(self) -> str: ...
    @property
    def fit_tone(self) -> str: ...
    @property
    def size(self) -> str: ...
    @property
    def badge(self) -> str: ...
    @property
    def badge_tone(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def state_tone(self) -> str: ...
    @property
    def fraction(self) -> float: ...
    @property
    def locked(self) -> bool: ...


def tone_color(tone: str) -> QColor:
    """A tone's colour; the quiet one for those without."""
    return QColor(getattr(current(), tone if tone in ("good", "warn", "bad", "accent", "text") else "soft"))


def _font(base: QFont, size: int, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    font = tabular(base)
    font.setPixelSize(size)
    font.setWeight(weight)
    return font


def paint_card(painter: QPainter, box: QRectF, card: Card, base: QFont, hover: bool, chosen: bool, focus: bool) -> None:
    """``box`` is the whole card. The ring marks the chosen one; with the focus it is thicker."""
    colors = current()
    painter.save()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colors.raised if hover and not chosen else colors.panel))
    painter.drawRoundedRect(box, tokens.RADIUS_CARD, tokens.RADIUS_CARD)
    if chosen or focus:
        width = 2.0 if focus else 1.5
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(colors.accent), width))
        ring = box.adjusted(width / 2, width / 2, -width / 2, -width / 2)
        painter.drawRoundedRect(ring, tokens.RADIUS_CARD, tokens.RADIUS_CARD)
    inner = box.adjusted(PAD, PAD, -PAD, -PAD)
    tile = QRectF(inner.left(), inner.top(), TILE, TILE)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colors.raised if not hover or chosen else colors.hover))
    painter.drawRoundedRect(tile, tokens.RADIUS, tokens.RADIUS)
    paint_icon(painter, card.icon, tile.adjusted(9, 9, -9, -9), colors.soft)
    text = inner.adjusted(TILE + 12, 0, 0, 0)
    _paint_head(painter, text, card, base)
    _paint_foot(painter, inner, card, base)
    painter.restore()


def _paint_head(painter: QPainter, text: QRectF, card: Card, base: QFont) -> None:
    """Name and state in one line, two lines of summary beneath."""
    colors = current()
    right = text.right()
    if card.state:
        painter.setFont(_font(base, tokens.HINT, QFont.Weight.Medium))
        width = painter.fontMetrics().horizontalAdvance(card.state) + 1
        spot = QRectF(right - width, text.top(), width, 18)
        painter.setPen(tone_color(card.state_tone))
        painter.drawText(spot, Qt.AlignmentFlag.AlignVCenter, card.state)
        right -= width + 8
        if card.state_tone == "good" and card.fraction < -1:
            paint_icon(painter, "check", QRectF(right - 6, text.top() + 3, 12, 12), colors.good)
            right -= 14
    elif card.locked:
        paint_icon(painter, "lock", QRectF(right - 14, text.top() + 2, 14, 14), colors.soft)
        right -= 22
    painter.setFont(_font(base, 14, QFont.Weight.DemiBold))
    painter.setPen(QColor(colors.text))
    name = painter.fontMetrics().elidedText(card.title[:200], Qt.TextElideMode.ElideMiddle, int(right - text.left()))
    painter.drawText(QRectF(text.left(), text.top(), right - text.left(), 18), Qt.AlignmentFlag.AlignVCenter, name)
    painter.setPen(QColor(colors.soft))
    _two_lines(
        painter, QRectF(text.left(), text.top() + 21, text.width(), 34), card.summary, _font(base, tokens.SECONDARY)
    )


def _two_lines(painter: QPainter, box: QRectF, words: str, font: QFont) -> None:
    """As much of ``words`` as two lines hold, the last one elided."""
    painter.setFont(font)
    for number, line in enumerate(_broken(words[:300], int(box.width()), font.key())):
        place = QRectF(box.left(), box.top() + 17 * number, box.width(), 17)
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, line)


@lru_cache(maxsize=2048)
def _broken(words: str, width: int, font_key: str) -> tuple[str, ...]:
    """``words`` broken into two lines of ``width`` pixels. Kept, since it is asked for at every paint."""
    font = QFont()
    font.fromString(font_key)
    metrics = QFontMetricsF(font)
    layout = QTextLayout(words, font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WordWrap)
    layout.setTextOption(option)
    layout.beginLayout()
    found = []
    for number in range(2):
        line = layout.createLine()
        if not line.isValid():
            break
        line.setLineWidth(width)
        start, length = line.textStart(), line.textLength()
        part = words[start : start + length] if number == 0 else words[start:]
        found.append(metrics.elidedText(part.strip(), Qt.TextElideMode.ElideRight, width))
    layout.endLayout()
    return tuple(found)


def _paint_foot(painter: QPainter, inner: QRectF, card: Card, base: QFont) -> None:
    """Fit over size at the left, the licence at the right; while it is fetched, the line of progress over them."""
    colors = current()
    foot = QRectF(inner.left(), inner.bottom() - 18, inner.width(), 18)
    if card.fraction > -2:
        paint_track(painter, QRectF(inner.left(), foot.top() - 27, inner.width(), 3), card.fraction, card.state_tone)
    right = foot.right()
    if card.badge:
        painter.setFont(_font(base, tokens.HINT, QFont.Weight.Medium))
        width = painter.fontMetrics().horizontalAdvance(card.badge) + 14
        pill = QRectF(right - width, foot.top(), width, 18)
        painter.setPen(QPen(QColor(colors.edge), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(pill.adjusted(0.5, 0.5, -0.5, -0.5), 9, 9)
        painter.setPen(tone_color(card.badge_tone))
        painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, card.badge)
        right -= width + 8
    painter.setFont(_font(base, tokens.SECONDARY, QFont.Weight.Medium))
    above = QRectF(foot.left(), foot.top() - 19 if card.size else foot.top(), foot.width(), 18)
    if not card.size:
        above.setRight(right)
    painter.setPen(tone_color(card.fit_tone))
    fit = painter.fontMetrics().elidedText(card.fit, Qt.TextElideMode.ElideRight, int(above.width()))
    painter.drawText(above, Qt.AlignmentFlag.AlignVCenter, fit)
    painter.setPen(QColor(colors.soft))
    painter.drawText(QRectF(foot.left(), foot.top(), right - foot.left(), 18), Qt.AlignmentFlag.AlignVCenter, card.size)


def paint_track(painter: QPainter, track: QRectF, fraction: float, tone: str = "") -> None:
    """A line of progress; of one whose end is not known only the track."""
    colors = current()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colors.track))
    painter.drawRoundedRect(track, track.height() / 2, track.height() / 2)
    if fraction > 0:
        painter.setBrush(QColor(getattr(colors, tone) if tone in ("warn", "bad") else colors.accent))
        done = QRectF(QPointF(track.topLeft()), track.size())
        done.setWidth(max(track.height(), track.width() * min(1.0, fraction)))
        painter.drawRoundedRect(done, track.height() / 2, track.height() / 2)


def paint_skeleton(painter: QPainter, box: QRectF) -> None:
    """A card that is still awaited."""
    colors = current()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colors.panel))
    painter.drawRoundedRect(box, tokens.RADIUS_CARD, tokens.RADIUS_CARD)
    painter.setBrush(QColor(colors.raised))
    inner = box.adjusted(PAD, PAD, -PAD, -PAD)
    painter.drawRoundedRect(QRectF(inner.left(), inner.top(), TILE, TILE), tokens.RADIUS, tokens.RADIUS)
    for number, share in enumerate((0.6, 0.9, 0.4)):
        line = QRectF(inner.left() + TILE + 12, inner.top() + 4 + number * 20, (inner.width() - TILE - 12) * share, 10)
        painter.drawRoundedRect(line, 5, 5)
