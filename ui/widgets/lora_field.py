"""LoRAs and textual inversions in a form: a card for each, with its weight and the words that call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QWidget

from ui.i18n import number, tr
from ui.theme import tokens
from ui.widgets.cards_field import AddonCardsField
from ui.widgets.controls import Button, Combo, label
from ui.widgets.fields import AddonRow, Field, Schema, Services
from ui.widgets.flow import FlowLayout, fixed_height
from ui.widgets.item_card import Card, NumberRow

LOWEST, HIGHEST = -2.0, 2.0
"""Where the slider of a weight ends; more can be typed."""
MOST_WORDS = 8


class _Words(QWidget):
    """Trigger words as buttons that put them into the prompt."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._flow = FlowLayout(4, self, centred=False)
        self._services = Services()
        self._shown: tuple[str, ...] = ()
        fixed_height(self)

    def show_words(self, words: tuple[str, ...], services: Services) -> None:
        self._services = services
        if words != self._shown:
            self._shown = words
            while (item := self._flow.takeAt(0)) is not None:
                if (old := item.widget()) is not None:
                    old.hide()
                    old.deleteLater()
            for number_, word in enumerate(words[:MOST_WORDS], 1):
                self._flow.addWidget(self._button(word, number_))
        self.setVisible(bool(words))

    def _button(self, word: str, count: int) -> Button:
        short = word if len(word) <= 28 else word[:27] + "…"
        button = Button(short, "chip", "plus")
        button.setObjectName(f"{self._name}.word.{count}")
        button.setAccessibleName(tr("Put “{word}” into the prompt", word=word))
        button.setToolTip(tr("Put “{word}” into the prompt", word=word))
        button.clicked.connect(lambda: self._services.say(word))
        return button


class LoraCard(Card):
    """``row`` is the add-on as it is on this computer; None: it is not here."""

    def __init__(self, name: str, draft: dict[str, Any], what: str, weighed: bool = True) -> None:
        super().__init__(name, draft, what)
        self.row: AddonRow | None = None
        self.weight = NumberRow(tr("Weight"), f"{name}.weight", LOWEST, HIGHEST, 0.05, 1.0)
        self.weight.setVisible(weighed)
        self.weight.moved.connect(lambda value: self.put(weight=value))
        self.words = _Words(name)
        self.problem = label("", "hint", "bad", wrap=True)
        self.problem.setObjectName(f"{name}.problem")
        self._weighed = weighed
        for part in (self.weight, self.words, self.problem):
            self.rows.addWidget(part)

    def title_words(self) -> str:
        return self.row.name if self.row is not None else Path(str(self.draft.get("name", ""))).name

    def show_row(self, row: AddonRow | None) -> None:
        self.row = row
        self.show_draft()

    def show_draft(self) -> None:
        self.weight.show_value(float(self.draft.get("weight", 1.0)))
        row, name = self.row, str(self.draft.get("name", ""))
        words = row.trigger if row is not None else ()
        if not self._weighed and row is not None:
            words = (Path(row.path).stem if row.path else row.name, *words)
        self.words.show_words(tuple(dict.fromkeys(words)), self.services)
        gone = row is None and not Path(name).is_file()
        missing = tr("It is not on this computer. Drop its file here, choose another one or switch it off.")
        sentence = missing if gone else row.problem if row is not None else ""
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))
        super().show_draft()


class LoraField(AddonCardsField):
    keys = ("name", "weight")

    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default, tr("LoRA"), tr("LoRAs"))

    def make_card(self, number: int, draft: dict[str, Any]) -> Card:
        card = LoraCard(f"create.{self.name}.{number + 1}", draft, tr("LoRA {n}", n=number + 1))
        card.pick_wanted.connect(lambda: self.pick_for(card))
        card.row = self.row_of(str(draft.get("name", "")))
        return card

    def make_named(self, row: AddonRow) -> dict[str, Any]:
        return {"name": self.name_of(row), "weight": 1.0}

    def rename(self, draft: dict[str, Any], row: AddonRow) -> None:
        super().rename(draft, row)
        self._look_up()

    def item(self, draft: dict[str, Any]) -> dict[str, Any]:
        return {"name": str(draft.get("name", "")), "weight": float(draft.get("weight", 1.0))}

    def refresh(self) -> None:
        self._look_up()
        super().refresh()

    def _look_up(self) -> None:
        for card in self.cards:
            assert isinstance(card, LoraCard)
            card.show_row(self.row_of(str(card.draft.get("name", ""))))

    def short(self, draft: dict[str, Any]) -> str:
        row = self.row_of(str(draft.get("name", "")))
        name = row.name if row is not None else Path(str(draft.get("name", ""))).stem
        return f"{name} {number(float(draft.get('weight', 1.0)))}"


class EmbeddingsField(AddonCardsField):
    """The value is the list of their names."""

    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default, tr("embedding"), tr("embeddings"))

    def make_card(self, number: int, draft: dict[str, Any]) -> Card:
        what = tr("Embedding {n}", n=number + 1)
        card = LoraCard(f"create.{self.name}.{number + 1}", draft, what, weighed=False)
        card.pick_wanted.connect(lambda: self.pick_for(card))
        card.row = self.row_of(str(draft.get("name", "")))
        return card

    def value(self) -> Any:
        return [str(draft.get("name", "")) for draft in self.drafts if draft.get("on", True)]

    def show_value(self, value: Any) -> None:
        names = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
        if names != self.value():
            self.drafts = [{"name": name} for name in names]
            self._keep()
            self.rebuild()

    def short(self, draft: dict[str, Any]) -> str:
        row = self.row_of(str(draft.get("name", "")))
        return row.name if row is not None else Path(str(draft.get("name", ""))).stem

    def refresh(self) -> None:
        for card in self.cards:
            assert isinstance(card, LoraCard)
            card.show_row(self.row_of(str(card.draft.get("name", ""))))
        super().refresh()


class AddonField(Field):
    """One add-on, or none: those that fit are offered; what a recipe names is shown though it is not here."""

    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default)
        self._services = Services()
        self._kinds = tuple(schema.get("x-addons", ()))
        self._none = tr("The model's own") if "vae" in self._kinds else tr("None")
        self._combo = Combo()
        self._combo.setMinimumWidth(150)
        self._combo.setMaximumWidth(190)
        self._combo.currentIndexChanged.connect(lambda _: self.note())
        self.header.addWidget(self._combo)
        self.adopt(self._combo)
        self.body.setSpacing(tokens.GAP // 4)
        self.finish()
        self.refresh()
        self.show_value(default)

    def attach(self, services: Services) -> None:
        self._services = services
        self.refresh()

    def refresh(self) -> None:
        value = self.value()
        self._combo.blockSignals(True)
        self._combo.clear()
        if "upscaler" in self._kinds:  # there are ways that need no file
            self._combo.addItem(tr("Lanczos"), "lanczos")
            self._combo.addItem(tr("In latents"), "latent")
        else:
            self._combo.addItem(self._none, None)
        for row in self._services.addons(self._kinds):
            if row.fits:
                self._combo.addItem(row.name, row.entry or row.id)
        self._combo.blockSignals(False)
        self.show_value(value)

    def add_named(self, row: AddonRow) -> None:
        """Choose this one, as one that was dropped on the window."""
        self.show_value(row.entry or row.id)
        self.note()

    def value(self) -> Any:
        return self._combo.currentData()

    def show_value(self, value: Any) -> None:
        self._combo.blockSignals(True)
        at = self._combo.findData(value) if value else 0
        if at < 0:
            row = next(
                (row for row in self._services.addons(self._kinds) if value in (row.id, row.entry, row.name)), None
            )
            words = row.name if row is not None else tr("{name} (not here)", name=Path(str(value)).name)
            self._combo.addItem(words, value)
            at = self._combo.count() - 1
        self._combo.setCurrentIndex(at)
        self._combo.blockSignals(False)
