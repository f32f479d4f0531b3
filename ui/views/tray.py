"""The small ring on the rail that shows downloads under way, whatever page is open."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from ui.i18n import tr
from ui.theme import current, tokens
from ui.theme.icons import paint_icon
from ui.viewmodels.downloads import TrayView
from ui.widgets.controls import tabular


class Tray(QAbstractButton):
    """A ring filled as far as all downloads together are; hidden while there are none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail.downloads")
        self.setAccessibleName(tr("Downloads"))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFixedSize(tokens.RAIL_WIDTH - 16, 58)
        self._view: TrayView | None = None
        self.hide()

    def show_view(self, view: TrayView | None) -> None:
        if view == self._view:
            return
        self._view = view
        self.setVisible(view is not None)
        if view is not None:
            words = f"{tr('Downloads')}: {view.short}, {view.sentence}"
            self.setAccessibleName(words)
            self.setToolTip(view.sentence)
        self.update()

    def words(self) -> str:
        return self._view.short if self._view is not None else ""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        view = self._view
        if view is None:
            return
        colors = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.underMouse() or self.hasFocus():
            painter.setPen(QPen(QColor(colors.accent), 2) if self.hasFocus() else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.panel))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), tokens.RADIUS, tokens.RADIUS)
        ring = QRectF(self.width() / 2 - 13, 6, 26, 26)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(colors.track), 3))
        painter.drawEllipse(ring)
        tone = getattr(colors, view.tone) if view.tone in ("warn", "bad") else colors.accent
        if view.fraction > 0:
            painter.setPen(QPen(QColor(tone), 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawArc(ring, 90 * 16, -round(360 * 16 * min(1.0, view.fraction)))
        paint_icon(painter, "arrow-down", ring.adjusted(6, 6, -6, -6), colors.soft)
        font = tabular(self.font())
        font.setPixelSize(tokens.HINT)
        painter.setFont(font)
        painter.setPen(QColor(tone if view.tone else colors.soft))
        painter.drawText(QRectF(0, 36, self.width(), 18), Qt.AlignmentFlag.AlignCenter, view.short)
        painter.end()
