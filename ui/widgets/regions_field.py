"""Painted areas in a form: a card for each with its words and its strength, and the way to the canvas."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QWidget

from ui.i18n import tr
from ui.theme import current, tokens
from ui.widgets.cards_field import CardsField
from ui.widgets.controls import Button, label, row
from ui.widgets.fields import GrowingEdit, Schema
from ui.widgets.item_card import Card, NumberRow

MOST = 16
_THUMB = 48
"""The longest side of an area's small picture, in pixels."""


def colour_of(number: int) -> str:
    """The colour of area ``number``, counted from 0."""
    return tokens.AREAS[number % len(tokens.AREAS)]


class AreaThumb(QWidget):
    """Where an area lies, in the colour it has on the canvas; only the colour until it is painted."""

    def __init__(self, colour: str) -> None:
        super().__init__()
        self._colour = QColor(colour)
        self._shape: QImage | None = None
        self._fit()

    @property
    def shape(self) -> QImage | None:
        """What is shown: the area's colour, clear where its mask is black."""
        return self._shape

    def show_mask(self, mask: QImage | None) -> None:
        """``mask`` is a small version of it; None: there is none, or not yet."""
        self._shape = None
        if mask is not None and not mask.isNull():
            ways = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            grey = mask.scaled(_THUMB * 2, _THUMB * 2, *ways).convertToFormat(QImage.Format.Format_Grayscale8)
            self._shape = QImage(grey.size(), QImage.Format.Format_ARGB32)
            self._shape.fill(self._colour)
            self._shape.setAlphaChannel(grey)
        self._fit()
        self.update()

    def _fit(self) -> None:
        if self._shape is None:
            self.setFixedSize(16, 16)
        else:
            self.setFixedSize(self._shape.width() // 2, self._shape.height() // 2)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.setPen(Qt.PenStyle.NoPen)
        if self._shape is None:
            painter.setBrush(self._colour)
            painter.drawRoundedRect(QRectF(1, 1, 14, 14), 4, 4)
        else:
            round_off = QPainterPath()
            round_off.addRoundedRect(QRectF(self.rect()), 4, 4)
            painter.setClipPath(round_off)
            painter.fillRect(self.rect(), QColor(current().canvas))
            painter.drawImage(self.rect(), self._shape)
        painter.end()


class RegionCard(Card):
    def __init__(self, name: str, draft: dict[str, Any], number: int) -> None:
        self.number = number
        super().__init__(name, draft, tr("Area {n}", n=number + 1))
        self.title.setEnabled(False)
        self.prompt = GrowingEdit(44, 110)
        self.prompt.setObjectName(f"{name}.prompt")
        self.prompt.setAccessibleName(tr("Prompt of area {n}", n=number + 1))
        self.prompt.setPlaceholderText(tr("What is to be seen here?"))
        self.prompt.textChanged.connect(lambda: self.put(prompt=self.prompt.toPlainText()))
        self.strength = NumberRow(tr("Strength"), f"{name}.strength", 0.0, 1.0, 0.05, 1.0)
        self.strength.moved.connect(lambda value: self.put(strength=value))
        self.missing = label(tr("Not painted yet."), "hint", "warn", wrap=True)
        self.paint = Button(tr("Paint"), "quiet", "brush")
        self.paint.setObjectName(f"{name}.paint")
        self.paint.setAccessibleName(tr("Paint area {n}", n=number + 1))
        holder = QWidget()
        self.thumb = AreaThumb(colour_of(number))
        line = row(self.thumb, self.missing, None, self.paint, spacing=6)
        holder.setLayout(line)
        for part in (self.prompt, self.strength, holder):
            self.rows.addWidget(part)

    def title_words(self) -> str:
        return tr("Area {n}", n=self.number + 1)

    def _fit_title(self) -> None:
        super()._fit_title()
        self.title.setToolTip("")

    def show_draft(self) -> None:
        words = str(self.draft.get("prompt", ""))
        if words != self.prompt.toPlainText():
            self.prompt.blockSignals(True)
            self.prompt.setPlainText(words)
            self.prompt.blockSignals(False)
        self.strength.show_value(float(self.draft.get("strength", 1.0)))
        self.missing.setVisible(not self.draft.get("mask"))
        self.refresh()
        super().show_draft()

    def refresh(self) -> None:
        mask = str(self.draft.get("mask", ""))
        self.thumb.show_mask(self.services.thumb(mask) if mask else None)


class RegionsField(CardsField):
    """Its drafts are what ``Services.paint`` paints; ``chosen`` is the area in hand."""

    keys = ("mask", "prompt", "strength")

    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default)
        self.chosen = 0
        self._caption.hide()  # the part of the form is called the same
        self.add_button = Button(tr("Add an area"), "", "plus")
        self.adopt(self.add_button, f"create.{name}.add")
        self.add_button.setAccessibleName(tr("Add an area and paint it"))
        self.add_button.clicked.connect(self._add)
        self.paint_button = Button(tr("Paint areas"), "", "brush")
        self.paint_button.setObjectName(f"create.{name}.paint")
        self.paint_button.setAccessibleName(tr("Paint areas on the canvas"))
        self.paint_button.clicked.connect(lambda: self.services.paint(self))
        self.foot.addWidget(self.add_button)
        self.foot.addWidget(self.paint_button)
        self.foot.addStretch(1)

    def make_card(self, number: int, draft: dict[str, Any]) -> Card:
        card = RegionCard(f"create.{self.name}.{number}", draft, number)
        card.paint.clicked.connect(lambda: self._paint(number))
        return card

    def show_foot(self) -> None:
        self.hint.setText(tr(str(self.schema.get("description", ""))))
        self.hint.setVisible(not self.cards)
        self.paint_button.setVisible(bool(self.cards))
        self.add_button.setEnabled(len(self.cards) < MOST)

    def short(self, draft: dict[str, Any]) -> str:
        return str(draft.get("prompt", "")) or tr("area")

    def _add(self) -> None:
        self.add({"mask": "", "prompt": "", "strength": 1.0})
        self._paint(len(self.drafts) - 1)

    def _paint(self, number: int) -> None:
        self.chosen = number
        self.services.paint(self)

    def painted(self) -> None:
        for card in self.cards:
            card.show_draft()
        self.told()
