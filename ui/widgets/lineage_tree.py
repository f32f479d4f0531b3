"""A small tree of pictures: which came from which. Each line is a button that leads to its picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme import current, tokens
from ui.theme.icons import paint_icon

HEIGHT, STEP, THUMB = 48, 20, 36
"""Pixels: a line, how far each generation is moved in, and the picture's side."""

Thumb = Callable[[str], QImage | None]


class Line(Protocol):
    """What a line shows; ``id`` is empty where there is nothing to go to, ``path`` where there is no picture."""

    @property
    def id(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def words(self) -> str: ...
    @property
    def way(self) -> str: ...
    @property
    def depth(self) -> int: ...
    @property
    def current(self) -> bool: ...
    @property
    def missing(self) -> bool: ...


class LineageTree(QWidget):
    """``chosen`` carries the id of a picture. ``thumb`` answers None until a picture is read: ``refresh`` then."""

    chosen = Signal(str)

    def __init__(self, thumb: Thumb, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("gallery.lineage")
        self.setAccessibleName(tr("Which picture came from which"))
        self._thumb = thumb
        self._lines: list[_LineButton] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)

    def show_lines(self, lines: Sequence[Line]) -> None:
        while len(self._lines) < len(lines):
            button = _LineButton(self._thumb)
            button.setObjectName(f"gallery.lineage.{len(self._lines) + 1}")
            button.clicked.connect(lambda _=False, button=button: self._clicked(button))
            self._layout.addWidget(button)
            self._lines.append(button)
        for number, button in enumerate(self._lines):
            button.setVisible(number < len(lines))
            if number < len(lines):
                button.show_line(lines[number], _passing(lines, number))

    def lines(self) -> list[QAbstractButton]:
        """Those that are shown."""
        return [button for button in self._lines if not button.isHidden()]

    def refresh(self) -> None:
        for button in self._lines:
            button.update()

    def _clicked(self, button: _LineButton) -> None:
        if button.line is not None and button.line.id and not button.line.current:
            self.chosen.emit(button.line.id)


def _passing(lines: Sequence[Line], at: int) -> tuple[tuple[int, bool], ...]:
    """The upright strokes beside line ``at``: by depth of the parent they hang on, and whether they go on below."""
    own = lines[at].depth
    found = []
    for depth in range(own):
        goes_on = False
        for later in lines[at + 1 :]:
            if later.depth <= depth:
                break
            if later.depth == depth + 1:
                goes_on = True
                break
        if goes_on or depth == own - 1:
            found.append((depth, goes_on))
    return tuple(found)


class _LineButton(QAbstractButton):
    def __init__(self, thumb: Thumb) -> None:
        super().__init__()
        self._thumb = thumb
        self._passing: tuple[tuple[int, bool], ...] = ()
        self.line: Line | None = None
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def show_line(self, line: Line, passing: tuple[tuple[int, bool], ...]) -> None:
        self.line, self._passing = line, passing
        leads = bool(line.id) and not line.current
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus if leads else Qt.FocusPolicy.NoFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor if leads else Qt.CursorShape.ArrowCursor)
        said = [line.words[:200], line.way, tr("this picture") if line.current else ""]
        self.setAccessibleName(", ".join(part for part in said if part))
        self.setToolTip("\n".join(part for part in (line.words[:240], line.way) if part))
        self.setFixedHeight(HEIGHT if line.path else tokens.TARGET)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(200, HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        if self.line is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        self._paint_ground(painter)
        self._paint_strokes(painter)
        left = self.line.depth * STEP + 4.0
        if self.line.path:
            self._paint_picture(painter, QRectF(left, (self.height() - THUMB) / 2, THUMB, THUMB))
            left += THUMB + 10
        self._paint_words(painter, left)
        painter.end()

    def _paint_ground(self, painter: QPainter) -> None:
        colors, line = current(), self.line
        assert line is not None
        box = QRectF(self.rect()).adjusted(line.depth * STEP + 0.5, 1, -1, -1)
        leads = bool(line.id) and not line.current
        if line.current or (leads and self.underMouse()):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.raised if line.current else colors.hover))
            painter.drawRoundedRect(box, tokens.RADIUS, tokens.RADIUS)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colors.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), tokens.RADIUS, tokens.RADIUS)

    def _paint_strokes(self, painter: QPainter) -> None:
        """From the middle of a parent's picture down, and to the right to each child."""
        assert self.line is not None
        painter.setPen(QPen(QColor(current().edge), 1.5))
        middle, bottom = self.height() / 2, float(self.height())
        for depth, goes_on in self._passing:
            x = depth * STEP + 4 + STEP / 2
            path = QPainterPath(QPointF(x, 0))
            path.lineTo(x, bottom if goes_on else middle)
            if depth == self.line.depth - 1:
                path.moveTo(x, middle)
                path.lineTo(self.line.depth * STEP + 2, middle)
            painter.drawPath(path)

    def _paint_picture(self, painter: QPainter, box: QRectF) -> None:
        colors, line = current(), self.line
        assert line is not None
        clip = QPainterPath()
        clip.addRoundedRect(box, 5, 5)
        image = None if line.missing else self._thumb(line.path)
        painter.fillPath(clip, QColor(colors.pressed))
        if image is not None and not image.isNull():
            painter.save()
            painter.setClipPath(clip)
            side = min(image.width(), image.height())
            part = QRectF((image.width() - side) / 2, (image.height() - side) / 2, side, side)
            painter.drawImage(box, image, part)
            painter.restore()
        elif line.missing or image is not None:
            inner = QRectF(0, 0, 16, 16)
            inner.moveCenter(box.center())
            paint_icon(painter, "image-off", inner, colors.soft)
        if line.current:
            painter.setPen(QPen(QColor(colors.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(-1, -1, 1, 1), 6, 6)

    def _paint_words(self, painter: QPainter, left: float) -> None:
        colors, line = current(), self.line
        assert line is not None
        room = self.width() - left - 8
        font = QFont(self.font())
        font.setPixelSize(tokens.SECONDARY)
        if line.current:
            font.setWeight(QFont.Weight.DemiBold)
        small = QFont(self.font())
        small.setPixelSize(tokens.HINT)
        two = bool(line.way)
        upper = QRectF(left, self.height() / 2 - 17, room, 17) if two else QRectF(left, 0, room, self.height())
        self._text(painter, upper, line.words, font, colors.text if line.path else colors.soft)
        if two:
            self._text(painter, QRectF(left, self.height() / 2 + 1, room, 16), line.way, small, colors.soft)

    @staticmethod
    def _text(painter: QPainter, box: QRectF, words: str, font: QFont, color: str) -> None:
        painter.setFont(font)
        painter.setPen(QColor(color))
        shown = QFontMetricsF(font).elidedText(words[:300], Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), shown)
