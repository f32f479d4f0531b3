"""A page of Markdown in the window's own type and colours."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtGui import QColor, QFont, QTextBlock, QTextBlockFormat, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QTextBrowser, QWidget

from ui.theme import current, tokens

_HEADS = {1: (tokens.TITLE, 0, 10), 2: (tokens.HEADING, 18, 6), 3: (tokens.BODY, 12, 4)}
"""Of each level of heading: its size, and the room above and below, in pixels."""


class PageView(QTextBrowser):
    """Shows Markdown; links are only told (``anchorClicked``), never followed. Words that are ``found`` are marked."""

    def __init__(self, object_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(object_name)
        self.setOpenLinks(False)
        self.setFrameShape(QTextBrowser.Shape.NoFrame)
        self.document().setDocumentMargin(4)
        self._text = ""
        self._found: tuple[str, ...] = ()

    def show_page(self, text: str, found: tuple[str, ...] = ()) -> None:
        """``found`` are words in lower case."""
        turned = text != self._text
        self._text, self._found = text, found
        self.setMarkdown(text)
        self._dress()
        if turned:
            self.verticalScrollBar().setValue(0)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange) and "_text" in vars(self):
            self.show_page(self._text, self._found)

    def _dress(self) -> None:
        block = self.document().begin()
        while block.isValid():
            self._dress_block(block)
            self._dress_words(block)
            block = block.next()
        self._mark_found()

    def _dress_block(self, block: QTextBlock) -> None:
        level = block.blockFormat().headingLevel()
        _, above, below = _HEADS.get(level, (tokens.BODY, 0, 4 if _goes_on(block) else 10))
        change = QTextBlockFormat()
        change.setTopMargin(above)
        change.setBottomMargin(below)
        change.setLineHeight(140 if not level else 120, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        QTextCursor(block).mergeBlockFormat(change)

    def _dress_words(self, block: QTextBlock) -> None:
        """Headings in their size, links in the accent, what is typed on a quiet ground."""
        pieces = []
        walk = block.begin()
        while not walk.atEnd():
            piece = walk.fragment()
            pieces.append((piece.position(), piece.length(), piece.charFormat()))
            walk += 1
        colors, level = current(), block.blockFormat().headingLevel()
        for position, length, form in pieces:
            change = QTextCharFormat(form)
            if level:
                change.clearProperty(QTextCharFormat.Property.FontSizeAdjustment)
                change.setProperty(QTextCharFormat.Property.FontPixelSize, _HEADS.get(level, _HEADS[3])[0])
                change.setFontWeight(QFont.Weight.DemiBold)
            elif form.isAnchor():
                change.setForeground(QColor(colors.accent))
                change.setFontUnderline(True)
            elif form.fontFixedPitch():
                change.setBackground(QColor(colors.hover))
                change.setProperty(QTextCharFormat.Property.FontPixelSize, tokens.SECONDARY)
            else:
                continue
            cursor = QTextCursor(self.document())
            cursor.setPosition(position)
            cursor.setPosition(position + length, QTextCursor.MoveMode.KeepAnchor)
            cursor.setCharFormat(change)

    def _mark_found(self) -> None:
        marked = QTextCharFormat()
        marked.setBackground(QColor(current().accent_tint))
        marked.setForeground(QColor(current().accent))
        for word in self._found:
            cursor = self.document().find(word)
            while not cursor.isNull():
                cursor.mergeCharFormat(marked)
                cursor = self.document().find(word, cursor)


def _goes_on(block: QTextBlock) -> bool:
    """Within a list that has another item."""
    return block.textList() is not None and block.next().textList() is not None
