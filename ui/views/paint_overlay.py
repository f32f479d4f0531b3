"""Painting over the canvas: on a ControlNet's map in black and white, or areas in their colours.

It lies over the canvas panel while something is painted and has a canvas view of its own, so that the picture that is
worked on, its mask and its tools stay as they are beneath.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QEvent, QKeyCombination, QObject, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QImage, QKeyEvent, QKeySequence, QPainter
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QFrame, QMenu, QSizePolicy, QWidget

from ui.i18n import tr
from ui.theme import tokens
from ui.widgets.canvas_view import CanvasView
from ui.widgets.controls import Button, ElidedLabel, IconButton, Slider, label, mark, row
from ui.widgets.paint_items import AreaItem, StrokeItem, pen_for

WHITE, BLACK, ORIGINAL = "white", "black", "original"
UNDO_BYTES = 256_000_000
LARGEST = 400
BrushStep = 4


class PaintOverlay(QFrame):
    """``done`` says that painting is over and what was painted counts; ``dropped`` that it does not."""

    done = Signal()
    dropped = Signal()

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("paint")
        mark(self, surface="canvas")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.view = CanvasView(self)
        self.view.setObjectName("paint.canvas")
        self.view.setAccessibleName(tr("Canvas to paint on"))
        self.layers: list[QImage] = []
        self.touched: set[int] = set()
        self._original: QImage | None = None
        self._areas: list[AreaItem] = []
        self._chosen = 0
        self._undo: list[tuple[int, QImage]] = []
        self._stroke = StrokeItem()
        self._stroke.setZValue(5)
        self.view.scene().addItem(self._stroke)
        self._erasing = False
        self._keys: dict[str, Callable[[], object]] = {
            "Ctrl+Z": self.undo, "[": partial(self._resize, -1), "]": partial(self._resize, 1), "Esc": self.finish,
            "Ctrl+Return": self.finish, "Ctrl+Enter": self.finish,
        }  # fmt: skip
        self._make_bar()
        self._connect()
        over.installEventFilter(self)
        self.hide()

    # the parts

    def _make_bar(self) -> None:
        self.bar = QFrame(self)
        mark(self.bar, surface="float")
        self._title = ElidedLabel("", "strong")
        self._title.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._title.setFixedWidth(118)
        self._inks = QButtonGroup(self)
        self._ink_buttons = {
            WHITE: self._ink(tr("White"), WHITE, "W"),
            BLACK: self._ink(tr("Black"), BLACK, "K"),
            ORIGINAL: self._ink(tr("As it was"), ORIGINAL, "E"),
        }
        self._size_words = label(tr("Size"), "secondary", "soft")
        self._size = Slider()
        self._size.setObjectName("paint.size")
        self._size.setAccessibleName(tr("Brush size"))
        self._size.setToolTip(tr("Brush size  ([ and ])"))
        self._size.setRange(1, LARGEST)
        self._size.setMinimumWidth(60)
        self._size.setMaximumWidth(110)
        self._fill = Button(tr("Fill"), "quiet", "paint-bucket")
        self._fill.setObjectName("paint.fill")
        self._fill.setAccessibleName(tr("Fill a part"))
        self._menu = QMenu(self._fill)
        for words, box in _PARTS:
            self._menu.addAction(tr(words), partial(self.fill, QRectF(*box)))
        self._fill.setMenu(self._menu)
        self.undo_button = IconButton("undo-2", tr("Undo"), "paint.undo", 18)
        self._cancel = Button(tr("Discard"), "quiet")
        self._cancel.setObjectName("paint.cancel")
        self._cancel.setAccessibleName(tr("Discard what was painted"))
        self._done = Button(tr("Done"), "accent")
        self._done.setObjectName("paint.done")
        self._done.setAccessibleName(tr("Done painting"))
        line = self._line = row(self._title, spacing=6)
        for part in (*self._ink_buttons.values(), self._size_words, self._size, self._fill):
            line.addWidget(part)
        for part in (self.undo_button, self._cancel, self._done):
            line.addWidget(part)
        line.setContentsMargins(12, 8, 10, 8)
        self.bar.setLayout(line)

    def _ink(self, words: str, name: str, key: str) -> Button:
        button = Button(words, "segment")
        button.setObjectName(f"paint.{name}")
        button.setAccessibleName(words)
        button.setToolTip(f"{words}  ({key})")
        button.setCheckable(True)
        self._inks.addButton(button)
        self._keys[key] = button.click
        return button

    def _connect(self) -> None:
        self.view.stroke_began.connect(self._begin)
        self.view.stroke_moved.connect(lambda at, _: self._stroke.move(at))
        self.view.stroke_ended.connect(self._end)
        self._size.valueChanged.connect(lambda value: self.view.set_brush(float(value)))
        self.undo_button.clicked.connect(self.undo)
        self._cancel.clicked.connect(self.drop)
        self._done.clicked.connect(self.finish)

    # beginning and ending

    def paint_map(self, image: QImage) -> None:
        """White, black, or the map as it was, on ``image``."""
        self._open(image.convertToFormat(QImage.Format.Format_RGB32), tr("Paint on the map"), (WHITE, BLACK, ORIGINAL))
        self.layers = [self._original.copy()] if self._original is not None else []
        self._words(tr("White"), tr("As it was"))
        self._size.setValue(max(2, round(min(image.width(), image.height()) / 100)))

    def paint_areas(self, ground: QImage, masks: Sequence[QImage], looks: Sequence[tuple[str, str]], at: int) -> None:
        """Areas over ``ground``: their grey masks, their colours and words; number ``at`` is in hand."""
        title = looks[at][1] if looks else ""
        self._open(ground, title, (WHITE, ORIGINAL))
        self.layers = [QImage(mask) for mask in masks]
        self._words(tr("Paint"), tr("Erase"))
        self._chosen = at
        for number, (mask, (colour, words)) in enumerate(zip(masks, looks, strict=True)):
            item = AreaItem(mask, colour, words)
            item.setZValue(2)
            item.chosen = number == at
            self._areas.append(item)
            self.view.scene().addItem(item)
        self._colour = QColor(looks[at][0]) if looks else QColor(Qt.GlobalColor.white)
        self._size.setValue(max(4, round(min(ground.width(), ground.height()) / 8)))

    def _words(self, paint: str, back: str) -> None:
        for name, words in ((WHITE, paint), (ORIGINAL, back)):
            self._ink_buttons[name].setText(words)
            self._ink_buttons[name].setAccessibleName(words)

    def _open(self, image: QImage, title: str, inks: tuple[str, ...]) -> None:
        self._original, self._undo, self._chosen = image, [], 0
        self.touched = set()
        for item in self._areas:
            self.view.scene().removeItem(item)
        self._areas = []
        self._title.set_full(title)
        for name, button in self._ink_buttons.items():
            button.setVisible(name in inks)
        self._ink_buttons[WHITE].setChecked(True)
        self._fill.setVisible(BLACK not in inks)
        self.undo_button.setEnabled(False)
        self._place()
        self.show()
        self.raise_()
        self.view.show_picture(image, image.width(), image.height())
        self.view.set_tool("brush")
        self.view.fit()
        self.view.setFocus(Qt.FocusReason.OtherFocusReason)

    @property
    def on_areas(self) -> bool:
        return bool(self._areas)

    def finish(self) -> None:
        """What was painted counts."""
        if self.isVisible():
            self.hide()
            self.done.emit()

    def drop(self) -> None:
        if self.isVisible():
            self.hide()
            self.dropped.emit()

    # painting

    def _ink_name(self) -> str:
        chosen: QAbstractButton | None = self._inks.checkedButton()
        return next((name for name, button in self._ink_buttons.items() if button is chosen), WHITE)

    def _begin(self, at: QPointF, _: float, erase: bool) -> None:
        if not self.layers or self._original is None:
            return
        name = ORIGINAL if erase else self._ink_name()
        self._erasing = name == ORIGINAL
        ink: QColor | QBrush
        if self.on_areas:
            ink = QColor(0, 0, 0, 130) if self._erasing else QColor(self._colour)
            if not self._erasing:
                ink.setAlpha(150)
        elif self._erasing:
            ink = QBrush(self._original)
        else:
            ink = QColor(Qt.GlobalColor.white if name == WHITE else Qt.GlobalColor.black)
        self._stroke.begin(at, pen_for(self._size.value(), ink), QRectF(self._original.rect()))

    def _end(self) -> None:
        path, pen = self._stroke.end()
        if not path.isEmpty():
            if self.on_areas:
                shade = Qt.GlobalColor.black if self._erasing else Qt.GlobalColor.white
                pen.setBrush(QBrush(QColor(shade)))
            self._change(lambda painter: painter.strokePath(path, pen))

    def fill(self, part: QRectF) -> None:
        """Fill a part of the chosen area, given in shares of the picture."""
        if not self.layers:
            return
        size: QSize = self.layers[self._chosen].size()
        box = QRect(round(part.x() * size.width()), round(part.y() * size.height()),
                    round(part.width() * size.width()), round(part.height() * size.height()))  # fmt: skip
        shade = Qt.GlobalColor.black if self._ink_name() == ORIGINAL else Qt.GlobalColor.white
        self._change(lambda painter: painter.fillRect(box, QColor(shade)))

    def _change(self, draw: Callable[[QPainter], object]) -> None:
        layer = self.layers[self._chosen]
        self._undo.append((self._chosen, layer.copy()))
        while len(self._undo) > 1 and sum(image.sizeInBytes() for _, image in self._undo) > UNDO_BYTES:
            del self._undo[0]
        painter = QPainter(layer)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        draw(painter)
        painter.end()
        self.touched.add(self._chosen)
        self._show_layer(self._chosen)

    def undo(self) -> None:
        if self._undo:
            number, before = self._undo.pop()
            self.layers[number] = before
            self._show_layer(number)

    def _show_layer(self, number: int) -> None:
        layer = self.layers[number]
        if self.on_areas:
            self._areas[number].show_mask(layer)
        else:
            self.view.show_picture(layer, layer.width(), layer.height())
        self.undo_button.setEnabled(bool(self._undo))

    def _resize(self, by: int) -> None:
        size = self._size.value()
        self._size.setValue(size + by * max(1, size // BrushStep))

    # keys: those that mean something beneath, too, are this one's while it lies there

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._command(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        command = self._command(event)
        if command is not None:
            command()
        else:
            super().keyPressEvent(event)

    def _command(self, event: QKeyEvent) -> Callable[[], object] | None:
        keys = event.keyCombination()
        plain = QKeyCombination(keys.keyboardModifiers() & ~Qt.KeyboardModifier.KeypadModifier, keys.key())
        return self._keys.get(QKeySequence(plain).toString())

    # place

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if watched is self.parent() and event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        over = self.parentWidget()
        if over is None:
            return
        self.setGeometry(over.rect())
        for part in (self._title, self._size_words):
            part.show()
        for part in (self._title, self._size_words):  # what is only said goes first where there is no room
            self._line.invalidate()
            if self._line.sizeHint().width() > self.width() - 16:
                part.hide()
        self._line.invalidate()
        wide = min(self.bar.sizeHint().width(), self.width() - 16)
        high = self.bar.sizeHint().height()
        self.bar.setGeometry((self.width() - wide) // 2, self.height() - high - tokens.PANEL_PAD, wide, high)
        room = self.rect().adjusted(28, 28, -28, -high - tokens.PANEL_PAD - 14)
        self.view.setGeometry(room)
        self.bar.raise_()


_PARTS = (
    ("Everything", (0, 0, 1, 1)),
    ("Left half", (0, 0, 0.5, 1)),
    ("Right half", (0.5, 0, 0.5, 1)),
    ("Upper half", (0, 0, 1, 0.5)),
    ("Lower half", (0, 0.5, 1, 0.5)),
    ("Middle", (0.25, 0.25, 0.5, 0.5)),
)
