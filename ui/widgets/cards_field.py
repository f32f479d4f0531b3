"""A part of a form that is a list of cards: ControlNets, IP-Adapters, painted areas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme import tokens
from ui.widgets.addon_picker import AddonPicker
from ui.widgets.controls import Button, label, row
from ui.widgets.fields import AddonRow, Field, Schema, Services
from ui.widgets.item_card import Card


class CardsField(Field):
    """The value is the list of items whose cards are on. Cards that are off, and what only the window needs of the
    others, live in ``Services.drafts``, so that they outlast a form that is made anew."""

    keys: tuple[str, ...] = ()
    """What of a draft belongs to the item."""

    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default)
        self.services = Services()
        self.cards: list[Card] = []
        self.drafts: list[dict[str, Any]] = []
        self._list = QVBoxLayout()
        self._list.setContentsMargins(0, 0, 0, 0)
        self._list.setSpacing(tokens.GAP)
        self.body.setSpacing(6)
        self.hint = label("", "hint", "soft", wrap=True)
        self.body.addWidget(self.hint)
        self.body.addLayout(self._list)
        self.foot = row(spacing=6)
        self.foot.setContentsMargins(0, 6, 0, 0)
        self.body.addLayout(self.foot)
        self.finish()
        self._show_reset()

    # for the kinds

    def make_card(self, number: int, draft: dict[str, Any]) -> Card:
        raise NotImplementedError

    def item(self, draft: dict[str, Any]) -> dict[str, Any]:
        """A draft as the item that is sent."""
        return {key: draft[key] for key in self.keys if key in draft}

    # values

    def attach(self, services: Services) -> None:
        self.services = services
        self.drafts = [dict(draft) for draft in services.drafts.get(self.name, [])]
        self.rebuild()

    def value(self) -> Any:
        return [self.item(draft) for draft in self.drafts if draft.get("on", True)]

    def show_value(self, value: Any) -> None:
        items = value if isinstance(value, list) else []
        items = [self.item(each) for each in items if isinstance(each, dict)]
        if items == self.value():
            return
        self.drafts = [dict(each) for each in items]
        self._keep()
        self.rebuild()

    def _keep(self) -> None:
        self.services.drafts[self.name] = self.drafts

    def _show_reset(self) -> None:
        self._reset.hide()  # each card has its own way out
        policy = self._reset.sizePolicy()
        policy.setRetainSizeWhenHidden(False)
        self._reset.setSizePolicy(policy)

    def summary(self) -> str:
        names = [self.short(draft) for draft in self.drafts if draft.get("on", True)]
        return ", ".join(name for name in names if name)

    def short(self, draft: dict[str, Any]) -> str:
        return self.title

    # cards

    def rebuild(self) -> None:
        focus = self.window().focusWidget() if self.cards else None
        inside = focus is not None and self.isAncestorOf(focus)
        for card in self.cards:
            self._list.removeWidget(card)
            card.hide()
            card.deleteLater()
        self.cards = []
        for number, draft in enumerate(self.drafts):
            card = self.make_card(number, draft)
            card.attach(self.services)
            card.changed.connect(self._card_changed)
            card.removed.connect(lambda number=number: self.take_away(number))
            self.cards.append(card)
            self._list.addWidget(card)
        self.show_foot()
        self._chain()
        if inside:
            self.setFocus()

    def _chain(self) -> None:
        """Tab goes from card to card before the buttons beneath them."""
        last = self.focusProxy()
        if last is None:
            return
        before = last.previousInFocusChain() or last
        for card in self.cards:
            for stop in card.findChildren(QWidget):
                if stop.focusPolicy() & Qt.FocusPolicy.TabFocus and stop.objectName():
                    QWidget.setTabOrder(before, stop)
                    before = stop
        QWidget.setTabOrder(before, last)

    def show_foot(self) -> None:
        """The words and buttons beneath the cards."""

    def add(self, draft: dict[str, Any]) -> None:
        self.drafts.append(draft)
        self.rebuild()
        self.told()
        self.cards[-1].title.setFocus()
        self.services.reveal(self.name)

    def take_away(self, number: int) -> None:
        del self.drafts[number]
        self.rebuild()
        self.told()

    def _card_changed(self) -> None:
        self.told()

    def told(self) -> None:
        """The user changed the list."""
        self._keep()
        self.note()  # what is still missing is said when it is sent

    def refresh(self) -> None:
        for card in self.cards:
            card.refresh()
        self.show_foot()


class AddonCardsField(CardsField):
    """A list whose items are each an add-on, chosen from those on this computer."""

    def __init__(self, name: str, schema: Schema, default: Any, what: str, several: str) -> None:
        super().__init__(name, schema, default)
        self._kinds: Sequence[str] = tuple(schema.get("x-addons", ()))
        self._what, self._changing = what, -1
        self._picker: AddonPicker | None = None
        self._several = several
        self.add_button = Button(tr("Add {what}", what=what), "", "plus")
        self.adopt(self.add_button, f"create.{name}.add")
        self.add_button.setAccessibleName(tr("Add {what}", what=what))
        self.add_button.clicked.connect(lambda: self._pick(-1, self.add_button))
        self.get_button = Button(tr("Get {what}…", what=several), "", "boxes")
        self.get_button.setObjectName(f"create.{name}.get")
        self.get_button.setAccessibleName(tr("Get {what} on the Models page", what=several))
        self.get_button.clicked.connect(lambda: self.services.browse(self._kinds[0] if self._kinds else ""))
        self.foot.addWidget(self.add_button)
        self.foot.addWidget(self.get_button)
        self.foot.addStretch(1)

    def rows(self) -> list[AddonRow]:
        return self.services.addons(self._kinds)

    def show_foot(self) -> None:
        rows = self.rows()
        fitting = any(row.fits for row in rows)
        self.add_button.setVisible(fitting or bool(self.cards))
        self.get_button.setVisible(not fitting)
        self.hint.setVisible(not self.cards)
        if not rows:
            self.hint.setText(tr("{about} None is on this computer yet.", about=self.about()))
        elif not fitting:
            self.hint.setText(tr("{about} Those on this computer are for other models.", about=self.about()))
        else:
            self.hint.setText(self.about())

    def about(self) -> str:
        return tr(str(self.schema.get("description", "")))

    def row_of(self, name: str) -> AddonRow | None:
        rows = self.rows()
        wanted = name.casefold()
        for attribute in ("id", "entry", "name"):
            for one in rows:
                if wanted and str(getattr(one, attribute)).casefold() == wanted:
                    return one
        return None

    def name_of(self, row: AddonRow) -> str:
        """What the add-on is called in recipes: its catalog id, or its name where no other has it, or its own id."""
        alone = sum(other.name.casefold() == row.name.casefold() for other in self.rows()) == 1
        return row.entry or (row.name if alone else row.id)

    def make_named(self, row: AddonRow) -> dict[str, Any]:
        """A fresh draft for this add-on."""
        return {"name": self.name_of(row)}

    def add_named(self, row: AddonRow) -> None:
        """Put this add-on on top of the others, as one that was dropped on the window; one that is there is not put
        there twice."""
        if all(self.row_of(str(draft.get("name", ""))) != row for draft in self.drafts):
            self.add(self.make_named(row))

    def rename(self, draft: dict[str, Any], row: AddonRow) -> None:
        """The user chose another add-on for a card."""
        draft["name"] = self.name_of(row)

    def _pick(self, number: int, anchor: QWidget) -> None:
        self._changing = number
        if self._picker is None:
            self._picker = AddonPicker(self._several, f"create.{self.name}", self)
            self._picker.chosen.connect(self._chosen)
            self._picker.more_wanted.connect(lambda: self.services.browse(self._kinds[0] if self._kinds else ""))
        drafts = self.drafts if number < 0 else [self.drafts[number]]
        taken = [self.row_of(str(draft.get("name", ""))) for draft in drafts]
        self._picker.open_at(anchor, self.rows(), [row.id for row in taken if row is not None])

    def _chosen(self, row: AddonRow) -> None:
        if self._changing < 0:
            self.add(self.make_named(row))
        elif self._changing < len(self.drafts):
            self.rename(self.drafts[self._changing], row)
            self.cards[self._changing].show_draft()
            self.told()

    def pick_for(self, card: Card) -> None:
        self._pick(self.cards.index(card), card.title)
