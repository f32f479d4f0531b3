"""The small controls everything is made of: labels, buttons, switches, sliders, with one look and one behaviour."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QBoxLayout,
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ui.theme import current, tokens
from ui.theme.icons import icon, paint_icon


def mark(widget: QWidget, **properties: object) -> None:
    """Set dynamic properties that the style sheet looks at, and let it look again."""
    changed = False
    for name, value in properties.items():
        if widget.property(name) != value:
            widget.setProperty(name, value)
            changed = True
    if changed and widget.style() is not None:
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def label(text: str = "", style: str = "", tone: str = "", wrap: bool = False, parent: QWidget | None = None) -> QLabel:
    made = QLabel(text, parent)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    mark(made, **{name: value for name, value in (("type", style), ("tone", tone)) if value})
    return made


def tabular(font: QFont) -> QFont:
    """The same font with figures of one width, for numbers that change."""
    font = QFont(font)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def row(*parts: QWidget | int | None, spacing: int = tokens.GAP) -> QHBoxLayout:
    """Widgets side by side; a number is a gap, None takes the room that is left."""
    layout = QHBoxLayout()
    _fill(layout, parts, spacing)
    return layout


def column(*parts: QWidget | int | None, spacing: int = tokens.GAP) -> QVBoxLayout:
    layout = QVBoxLayout()
    _fill(layout, parts, spacing)
    return layout


def _fill(layout: QBoxLayout, parts: tuple[QWidget | int | None, ...], spacing: int) -> None:
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    for part in parts:
        if part is None:
            layout.addStretch(1)
        elif isinstance(part, int):
            layout.addSpacing(part)
        else:
            layout.addWidget(part)


def divider(kind: str = "h") -> QFrame:
    line = QFrame()
    line.setProperty("line", kind)
    return line


class ElidedLabel(QLabel):
    """One line that gives up its middle (or its end) when there is no room; then the tooltip has it whole."""

    def __init__(
        self,
        text: str = "",
        style: str = "",
        tone: str = "",
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._full = ""
        self._mode = mode
        self._hint = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        mark(self, **{name: value for name, value in (("type", style), ("tone", tone)) if value})
        self.set_full(text)

    def set_full(self, text: str, hint: str = "") -> None:
        """``hint`` is the tooltip, whether or not anything is cut."""
        if text != self._full or hint != self._hint:
            self._full, self._hint = text, hint
            self.setAccessibleName(text[:500])
            self._fit()

    def full(self) -> str:
        return self._full

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(24, super().minimumSizeHint().height())

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        if event.type() in (QEvent.Type.Resize, QEvent.Type.FontChange, QEvent.Type.StyleChange, QEvent.Type.Polish):
            self._fit()
        return done

    def _fit(self) -> None:
        # Very long prompts are cut before measuring: no line shows more than a few hundred characters.
        text = self._full if len(self._full) < 600 else self._full[:300] + "…" + self._full[-200:]
        shown = self.fontMetrics().elidedText(text, self._mode, max(0, self.width()))
        if shown != self.text():
            super().setText(shown)
        cut = shown != self._full
        tip = self._hint or (_short(self._full) if cut else "")
        if tip != self.toolTip():
            self.setToolTip(tip)


def _short(text: str) -> str:
    return text if len(text) <= 400 else text[:399] + "…"


class Button(QPushButton):
    """A push button; focus comes by keyboard only, so that the ring is not left behind by the mouse. Enter presses it,
    in dialogs too, where Qt knows only the default button."""

    def __init__(self, text: str = "", kind: str = "", icon_name: str = "", parent: QWidget | None = None) -> None:
        # The style leaves hardly any room between icon and words: a space does.
        super().__init__(f" {text}" if icon_name and text else text, parent)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        if kind:
            mark(self, kind=kind)
        if icon_name:
            self.setIcon(icon(icon_name, "on_accent" if kind in ("primary", "accent") else "soft"))
            self.setIconSize(QSize(16, 16))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        others = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if enter and not others and self.isEnabled():
            self.click()
            return
        super().keyPressEvent(event)


class IconButton(QToolButton):
    """An icon with a tooltip; the accessible name is always there."""

    def __init__(self, icon_name: str, name: str, object_name: str = "", side: int = tokens.ICON) -> None:
        super().__init__()
        self.setIconSize(QSize(side, side))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.set_face(icon_name, name)
        if object_name:
            self.setObjectName(object_name)

    def set_face(self, icon_name: str, name: str, shortcut: str = "", role: str = "soft") -> None:
        self.setIcon(icon(icon_name, role, "accent" if role == "soft" else role))
        self.setAccessibleName(name)
        self.setToolTip(f"{name}  ({shortcut})" if shortcut else name)


class IconLabel(QWidget):
    """An icon that only says something, tinted at paint time like all others."""

    def __init__(self, name: str, role: str, side: int = tokens.ICON) -> None:
        super().__init__()
        self._name, self._role = name, role
        self.setFixedSize(side, side)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        paint_icon(painter, self._name, QRectF(self.rect()), current().as_dict()[self._role])
        painter.end()


class Switch(QCheckBox):
    """A check box that looks like a switch; the label stands elsewhere, as its buddy."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFixedSize(44, tokens.TARGET)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(44, tokens.TARGET)

    def hitButton(self, position: object) -> bool:  # noqa: N802
        return True

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        colors = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(4, (self.height() - 20) / 2, 36, 20)
        on = self.isChecked()
        if self.hasFocus():
            painter.setPen(QPen(QColor(colors.accent), 2))
            painter.drawRoundedRect(track.adjusted(-3, -3, 3, 3), 13, 13)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors.accent if on else colors.edge))
        painter.drawRoundedRect(track, 10, 10)
        painter.setBrush(QColor(colors.on_accent if on else (colors.knob if colors.dark else colors.panel)))
        painter.drawEllipse(QPointF(track.right() - 10 if on else track.left() + 10, track.center().y()), 7, 7)
        painter.end()


class Combo(QComboBox):
    """A combo box with our chevron; the wheel scrolls the page, not the value, unless the box has the focus."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        super().wheelEvent(event) if self.hasFocus() else event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        painter = QPainter(self)
        box = QRectF(self.width() - 24, (self.height() - 16) / 2, 16, 16)
        paint_icon(painter, "chevron-down", box, current().soft if self.isEnabled() else current().faint)
        painter.end()


class Slider(QSlider):
    """Horizontal; a click jumps there, double-click asks for the default, the wheel works only with the focus."""

    reset_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(tokens.TARGET - 4)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        super().wheelEvent(event) if self.hasFocus() else event.ignore()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        style = self.style()
        handle = style.subControlRect(QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, self)
        at = event.position().toPoint()
        if event.button() is Qt.MouseButton.LeftButton and not handle.adjusted(-4, -6, 4, 6).contains(at):
            room = max(1, self.width() - handle.width())
            where = QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), at.x() - handle.width() // 2, room)
            self.setValue(where)
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.reset_wanted.emit()


class HoverFrame(QFrame):
    """A frame that says when the pointer enters and leaves it."""

    hovered = Signal(bool)

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: N802
        self.hovered.emit(True)
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        self.hovered.emit(False)
        super().leaveEvent(event)


def uncheckable_group(buttons: list[QAbstractButton], chosen: QAbstractButton | None) -> None:
    """Show ``chosen`` (or none) as the one that is on, without anyone being told."""
    for button in buttons:
        button.blockSignals(True)
        button.setChecked(button is chosen)
        button.blockSignals(False)


def text_width(font: QFont, text: str) -> int:
    return QFontMetrics(font).horizontalAdvance(text)


def reading_column(
    inner: QWidget,
    width: int,
    margins: tuple[int, int, int, int] = (0, 0, 0, 0),
    top: bool = False,
) -> QScrollArea:
    """``inner`` in the middle of a page that scrolls, at most ``width`` pixels wide: lines stay readable.

    With ``top`` it is no higher than it needs to be.
    """
    inner.setMaximumWidth(width)
    holder = QWidget()
    line = row(spacing=0)
    line.setContentsMargins(*margins)
    line.addStretch(1)
    line.addWidget(inner, 100, Qt.AlignmentFlag.AlignTop if top else Qt.AlignmentFlag(0))
    line.addStretch(1)
    holder.setLayout(line)
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    scroll.setWidget(holder)
    return scroll
