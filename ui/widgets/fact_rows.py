"""The pieces of a picture's recipe: rows and long texts with buttons that copy, stars, and tags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from PySide6.QtCore import QPointF, QRectF, QSize, QStringListModel, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QCompleter, QLineEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme import current, tokens
from ui.theme.icons import icon, paint_icon
from ui.widgets.controls import Button, IconButton, column, label, mark, row, tabular
from ui.widgets.flow import FlowLayout, fixed_height

FOLDED = 420
"""Characters of a long text that are shown until all of it is wanted."""
TITLE_WIDTH = 96


class FactLine(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def copy(self) -> str: ...


class FactRow(QWidget):
    """A title, its value and, where there is something to copy, a button."""

    copy_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._name = ""
        self._title = label("", "secondary", "soft", wrap=True)
        self._title.setFixedWidth(TITLE_WIDTH)
        self._value = label("", "secondary", wrap=True)
        self._value.setFont(tabular(self._value.font()))
        self._value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._value.setMinimumWidth(40)
        self._copy = IconButton("copy", tr("Copy"), side=14)
        self._copy.clicked.connect(lambda: self.copy_wanted.emit(self._name))
        top = Qt.AlignmentFlag.AlignTop
        line = row(spacing=8)
        for words in (self._title, self._value):
            words.setContentsMargins(0, 7, 0, 6)
        line.addWidget(self._title, 0, top)
        line.addWidget(self._value, 1, top)
        line.addWidget(self._copy, 0, top)
        self.setLayout(line)

    def show_fact(self, fact: FactLine, prefix: str) -> None:
        self._name = fact.name
        self._title.setText(fact.title)
        # Names of files have no spaces to break at: places for it are given after dots, dashes and underscores.
        self._value.setText(_breakable(fact.value))
        self._value.setToolTip(fact.copy if fact.copy and fact.copy != fact.value else "")
        self._copy.setVisible(bool(fact.copy))
        self._copy.setObjectName(f"{prefix}.copy.{fact.name}")
        self._copy.setAccessibleName(tr("Copy {what}", what=fact.title))
        self._copy.setToolTip(tr("Copy {what}", what=fact.title))
        self.setAccessibleName(f"{fact.title}: {fact.value[:300]}")


def _breakable(text: str) -> str:
    if len(text) < 24 or " " in text[:24]:
        return text
    return "".join(f"{letter}\u200b" if letter in "-_./\\" else letter for letter in text)


class FactRows(QWidget):
    """Rows that are kept and filled anew: going through pictures makes no widgets."""

    copy_wanted = Signal(str)

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix
        self._rows: list[FactRow] = []
        self._layout = column(spacing=0)
        self.setLayout(self._layout)

    def show_facts(self, facts: Sequence[FactLine]) -> None:
        while len(self._rows) < len(facts):
            made = FactRow()
            made.copy_wanted.connect(self.copy_wanted)
            self._rows.append(made)
            self._layout.addWidget(made)
        for number, one in enumerate(self._rows):
            if number < len(facts):
                one.show_fact(facts[number], self._prefix)
            one.setVisible(number < len(facts))
        self.setVisible(bool(facts))


class LongText(QWidget):
    """A heading with a copy button over a text; very long ones are folded."""

    copy_wanted = Signal()

    def __init__(self, title: str, name: str) -> None:
        super().__init__()
        self._text = ""
        self._open = False
        self._words = label("", wrap=True)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._words.setObjectName(name)
        self._words.setAccessibleName(title)
        self._words.setMinimumWidth(40)
        self._copy = IconButton("copy", tr("Copy {what}", what=title), f"{name}.copy", 14)
        self._copy.clicked.connect(self.copy_wanted)
        self._more = Button(tr("Show all"), "link")
        self._more.setObjectName(f"{name}.more")
        self._more.clicked.connect(self._turn)
        head = row(label(title, "strong"), None, self._copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(self._words)
        layout.addWidget(self._more, 0, Qt.AlignmentFlag.AlignLeft)

    def show_text(self, text: str) -> None:
        if text != self._text:
            self._text, self._open = text, False
            self._fill()
        self.setVisible(bool(text))

    def _turn(self) -> None:
        self._open = not self._open
        self._fill()

    def _fill(self) -> None:
        long = len(self._text) > FOLDED + 80
        shown = self._text if self._open or not long else self._text[:FOLDED].rstrip() + "…"
        self._words.setText(shown[:20_000])
        self._more.setVisible(long)
        self._more.setText(tr("Show less") if self._open else tr("Show all"))


class Stars(QWidget):
    """A rating of 0 to 5: by click (again on the same one takes it away), arrow keys and the keys 0 to 5."""

    rated = Signal(int)

    def __init__(self, name: str, side: int = 18) -> None:
        super().__init__()
        self.setObjectName(name)
        self._side, self._rating, self._hover = side, 0, 0
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFixedSize(5 * (side + 6) + 6, tokens.TARGET)
        self.set_rating(0)

    @property
    def rating(self) -> int:
        return self._rating

    def set_rating(self, rating: int) -> None:
        self._rating = rating
        self.setAccessibleName(tr("Rating: {n} of 5", n=rating) if rating else tr("Not rated"))
        self.setToolTip(tr("Rate with a click or the keys 0 to 5"))
        self.update()

    def star_at(self, number: int) -> QRectF:
        """Where the star ``number`` (1 to 5) stands."""
        return QRectF(3 + (number - 1) * (self._side + 6) + 3, (self.height() - self._side) / 2, self._side, self._side)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        colors = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        lit = self._hover or self._rating
        for number in range(1, 6):
            color = (colors.soft if self._hover else colors.accent) if number <= lit else colors.edge
            paint_icon(painter, "star-filled", self.star_at(number), color)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colors.accent), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), tokens.RADIUS, tokens.RADIUS)
        painter.end()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._hovered(self._number(event.position()))

    def leaveEvent(self, event: object) -> None:  # noqa: N802
        self._hovered(0)

    def _hovered(self, number: int) -> None:
        if number != self._hover:
            self._hover = number
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() is Qt.MouseButton.LeftButton:
            number = self._number(event.position())
            self.rated.emit(0 if number == self._rating else number)

    def _number(self, at: QPointF) -> int:
        return max(1, min(5, int((at.x() - 3) // (self._side + 6)) + 1))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Down: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: 1}
        key = Qt.Key(event.key())
        if key in steps:
            self.rated.emit(max(0, min(5, self._rating + steps[key])))
        elif event.text() in tuple("012345"):
            self.rated.emit(int(event.text()))
        else:
            super().keyPressEvent(event)


class TagEdit(QWidget):
    """Tags as chips that a click takes away, and a field for more that completes known ones."""

    added = Signal(str)
    removed = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._prefix = name
        self._tags: tuple[str, ...] | None = None
        self._known: Callable[[], Sequence[str]] = list
        self._chips = QWidget()
        fixed_height(self._chips)
        self._flow = FlowLayout(6, self._chips, centred=False)
        self.field = _TagField()
        self.field.setObjectName(name)
        self.field.setPlaceholderText(tr("Add a tag"))
        self.field.setAccessibleName(tr("Add a tag"))
        self.field.returnPressed.connect(self._entered)
        self.field.entered.connect(self._offer)
        self._words = QStringListModel(self)
        completer = QCompleter(self._words, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        popup = completer.popup()
        if popup is not None:
            mark(popup, kind="offers")
        self.field.setCompleter(completer)
        self.setLayout(column(self._chips, self.field, spacing=8))

    def set_known(self, known: Callable[[], Sequence[str]]) -> None:
        """Asked each time the field is entered."""
        self._known = known

    def show_tags(self, tags: Sequence[str]) -> None:
        if tuple(tags) == self._tags:
            return
        self._tags = tuple(tags)
        while (item := self._flow.takeAt(0)) is not None:
            chip = item.widget()
            if chip is not None:
                chip.hide()
                chip.deleteLater()
        for number, tag in enumerate(tags, 1):
            self._flow.addWidget(self._chip(tag, number))
        self._chips.setVisible(bool(tags))

    def _chip(self, tag: str, number: int) -> QPushButton:
        short = tag if len(tag) <= 28 else tag[:27] + "…"
        made = Button(short.replace("&", "&&"), "chip")
        made.setIcon(icon("x", "soft"))
        made.setIconSize(QSize(12, 12))
        made.setLayoutDirection(Qt.LayoutDirection.RightToLeft)  # the cross stands behind the word
        made.setObjectName(f"{self._prefix}.tag.{number}")
        made.setAccessibleName(tr("Take away the tag {tag}", tag=tag))
        made.setToolTip(tr("Take away “{tag}”", tag=tag))
        made.clicked.connect(lambda: self.removed.emit(tag))
        return made

    def _offer(self) -> None:
        self._words.setStringList(list(self._known())[:2000])

    def _entered(self) -> None:
        words = self.field.text().strip()
        if words:
            self.field.clear()
            self.added.emit(words)


class _TagField(QLineEdit):
    entered = Signal()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        self.entered.emit()
        super().focusInEvent(event)


class Preview(QWidget):
    """The picture in the panel: a click opens it large, dragging takes its file along."""

    opened = Signal()
    drag_wanted = Signal()
    MOST = 280

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(tr("Show the picture large"))
        self.setToolTip(tr("Show the picture large"))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._image: QImage | None = None
        self._shape = (1, 1)
        self._missing = False
        self._pressed: QPointF | None = None

    def show_image(self, image: QImage | None, width: int, height: int, missing: bool) -> None:
        """``width`` and ``height`` are the picture's own, known before it is read."""
        self._image = image if image is not None and not image.isNull() else None
        self._shape, self._missing = (max(1, width), max(1, height)), missing
        self.setCursor(Qt.CursorShape.ArrowCursor if missing else Qt.CursorShape.PointingHandCursor)
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        if self._missing:
            return 120
        return max(72, min(self.MOST, round(width * self._shape[1] / self._shape[0])))

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(240, self.heightForWidth(240))

    def picture_box(self) -> QRectF:
        wide, high = self._shape
        scale = min(self.width() / wide, self.height() / high)
        box = QRectF(0, 0, wide * scale, high * scale)
        box.moveCenter(QRectF(self.rect()).center())
        return box

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        colors = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if self._missing:
            self._paint_missing(painter)
        elif self._image is None:
            painter.fillRect(self.picture_box(), QColor(colors.raised))
        else:
            painter.drawImage(self.picture_box(), self._image)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colors.accent), 2))
            ring = QRectF(self.rect()) if self._missing else self.picture_box()
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(ring.adjusted(1, 1, -1, -1), 4, 4)
        painter.end()

    def _paint_missing(self, painter: QPainter) -> None:
        colors = current()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors.raised))
        painter.drawRoundedRect(QRectF(self.rect()), tokens.RADIUS, tokens.RADIUS)
        paint_icon(painter, "image-off", QRectF(self.width() / 2 - 14, self.height() / 2 - 30, 28, 28), colors.soft)
        painter.setPen(QColor(colors.soft))
        below = QRectF(8, self.height() / 2 + 4, self.width() - 16, 24)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), tr("The file is gone"))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() is Qt.MouseButton.LeftButton and not self._missing:
            self._pressed = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._pressed is not None:
            far = (event.position() - self._pressed).manhattanLength()
            if far >= QApplication.startDragDistance():
                self._pressed = None
                self.drag_wanted.emit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._pressed is not None:
            self._pressed = None
            self.opened.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and not self._missing:
            self.opened.emit()
        else:
            super().keyPressEvent(event)
