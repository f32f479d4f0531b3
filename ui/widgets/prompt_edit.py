"""The text field of a prompt: marks its syntax, completes words, changes weights by Ctrl+Up and Ctrl+Down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from PySide6.QtCore import QEvent, QPoint, QStringListModel, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QFont, QKeyEvent, QSyntaxHighlighter, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QCompleter, QListView

from ui.i18n import tr
from ui.theme import current
from ui.widgets.fields import GrowingEdit

_OF_THE_LIST = (
    Qt.Key.Key_Escape,
    Qt.Key.Key_Tab,
    Qt.Key.Key_Return,
    Qt.Key.Key_Enter,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
)


class Mark(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def kind(self) -> str: ...


class Offer(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def note(self) -> str: ...


Marks = Callable[[str], Sequence[Mark]]
Offers = Callable[[str, int], Sequence[Offer]]
Reweigh = Callable[[str, int, int, float], tuple[str, int, int]]


class Marker(QSyntaxHighlighter):
    """Colours what ``marks`` says; the whole text is looked at once for each change."""

    def __init__(self, edit: GrowingEdit, marks: Marks) -> None:
        super().__init__(edit.document())
        self._marks = marks
        self._text = ""
        self._found: Sequence[Mark] = ()

    def highlightBlock(self, text: str) -> None:  # noqa: N802
        whole = self.document().toPlainText()
        if whole != self._text or not self._found:
            self._text, self._found = whole, self._marks(whole)
        first = self.currentBlock().position()
        for mark in self._found:
            start, end = max(mark.start - first, 0), min(mark.end - first, len(text))
            if start < end:
                self._lay(start, end, mark.kind)

    def _lay(self, start: int, end: int, kind: str) -> None:
        for at in range(start, end):
            shape = QTextCharFormat(self.format(at))
            _shape(shape, kind)
            self.setFormat(at, 1, shape)

    def look_again(self) -> None:
        """What is known has changed."""
        self._text = ""
        self.rehighlight()


def _shape(shape: QTextCharFormat, kind: str) -> None:
    colors = current()
    if kind == "strong":
        shape.setFontWeight(QFont.Weight.DemiBold)
    elif kind == "weak":
        shape.setForeground(QColor(colors.soft))
    elif kind == "sign":
        shape.setForeground(QColor(colors.faint))
        shape.setFontWeight(QFont.Weight.Normal)
    elif kind == "name":
        shape.setForeground(QColor(colors.good))
    elif kind in ("unknown", "loose"):
        shape.setForeground(QColor(colors.warn))
        shape.setUnderlineStyle(QTextCharFormat.UnderlineStyle.DotLine)


class PromptEdit(GrowingEdit):
    """``weighed`` comes after a weight was changed by keyboard; ``browsed`` asks for the earlier (-1) or later (1)
    prompt; ``entered`` comes with the focus."""

    browsed = Signal(int)
    entered = Signal()

    def __init__(self, lowest: int, highest: int, object_name: str) -> None:
        super().__init__(lowest, highest)
        self._offers: Offers = lambda text, position: ()
        self._reweigh: Reweigh | None = None
        self._found: Sequence[Offer] = ()
        self._marker: Marker | None = None
        self._names = QStringListModel(self)
        self._completer = QCompleter(self._names, self)
        self._completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        self._completer.setWidget(self)
        self._completer.setMaxVisibleItems(8)
        view = QListView()
        view.setObjectName(f"{object_name}.offers")
        view.setAccessibleName(tr("Suggestions"))
        view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setProperty("kind", "offers")
        self._list = view
        self._completer.setPopup(view)
        self._completer.activated.connect(lambda _: self._take(view.currentIndex().row()))

    def serve(self, marks: Marks, offers: Offers, reweigh: Reweigh) -> None:
        """Give it what it asks; without it is a plain field."""
        self._offers, self._reweigh = offers, reweigh
        self._marker = Marker(self, marks)

    def look_again(self) -> None:
        if self._marker is not None:
            was = self.blockSignals(True)
            self._marker.look_again()
            self.blockSignals(was)

    # keys

    def event(self, event: QEvent) -> bool:
        """While the list is open its keys are its own: not the window's shortcuts, and Tab does not leave."""
        if isinstance(event, QKeyEvent) and self._list.isVisible() and event.key() in _OF_THE_LIST:
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress and self._in_popup(event):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        key, control = event.key(), event.modifiers() == Qt.KeyboardModifier.ControlModifier
        up_or_down = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1}.get(Qt.Key(key), 0)
        if control and up_or_down and self._reweigh is not None:
            self._change_weight(0.1 * up_or_down)
            return
        if event.modifiers() == Qt.KeyboardModifier.AltModifier and up_or_down:
            self.browsed.emit(-up_or_down)
            return
        if control and key == Qt.Key.Key_Space:
            self.offer(asked=True)
            return
        super().keyPressEvent(event)
        if (event.text() and event.text().isprintable()) or (key == Qt.Key.Key_Backspace and self._list.isVisible()):
            self.offer()
        elif key not in (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_AltGr):
            self._list.hide()

    def _in_popup(self, event: QKeyEvent) -> bool:
        """Keys that belong to the open list; True when they were used here."""
        key, chosen = event.key(), self._list.currentIndex()
        if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            return False
        if key == Qt.Key.Key_Escape:
            self._list.hide()
            return True
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            step = 1 if key == Qt.Key.Key_Down else -1
            count = self._names.rowCount() + 1  # past the last one none is chosen
            row = (chosen.row() + 1 + step) % count - 1
            self._list.setCurrentIndex(self._names.index(row, 0))
            return True
        if key == Qt.Key.Key_Tab or (key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and chosen.isValid()):
            self._take(chosen.row() if chosen.isValid() else 0)
            return True
        return False

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusInEvent(event)
        self.entered.emit()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self.look_again()

    # weights

    def _change_weight(self, by: float) -> None:
        assert self._reweigh is not None
        cursor = self.textCursor()
        text = self.toPlainText()
        new, start, end = self._reweigh(text, cursor.selectionStart(), cursor.selectionEnd(), by)
        if new == text:
            return
        self.replace(0, len(text), new)
        cursor = self.textCursor()
        cursor.setPosition(start)
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)

    def replace(self, start: int, end: int, words: str) -> None:
        """Put ``words`` in, so that it can be undone."""
        cursor = self.textCursor()
        cursor.setPosition(start)
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        cursor.insertText(words)
        self.setTextCursor(cursor)

    # completion

    def offer(self, asked: bool = False) -> None:
        """Show what could follow at the cursor."""
        cursor = self.textCursor()
        self._found = () if cursor.hasSelection() else self._offers(self.toPlainText(), cursor.position())
        if not self._found:
            self._list.hide()
            return
        shown = [f"{each.text}   ·   {each.note}" if each.note else each.text for each in self._found]
        self._names.setStringList([" ".join(words.split(" "))[:300].replace("\n", " ") for words in shown])
        box = self.cursorRect()
        widest = max(self.fontMetrics().horizontalAdvance(words) for words in self._names.stringList()) + 36
        box.setWidth(min(max(widest, 180), max(self.width() - box.left(), 260)))
        box.translate(QPoint(self.viewport().x(), self.viewport().y()))
        self._completer.complete(box)
        # The completer chooses the first by itself; then Enter would never be a new line.
        self._list.setCurrentIndex(self._names.index(0 if asked else -1, 0))

    def offered(self) -> list[str]:
        """What the open list shows; empty while it is closed."""
        return [each.text for each in self._found] if self._list.isVisible() else []

    def _take(self, number: int) -> None:
        self._list.hide()
        if 0 <= number < len(self._found):
            offer = self._found[number]
            self.replace(offer.start, self.textCursor().position(), offer.text)
        self._found = ()
