"""The cards of the Models page as a list model in sections; what a card says is worked out when it is first shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, Qt

from ui.i18n import tr
from ui.viewmodels.rows import Index


class BoardRole(IntEnum):
    CARD = Qt.ItemDataRole.UserRole + 1
    KEY = Qt.ItemDataRole.UserRole + 2


@dataclass(frozen=True)
class CardView:
    """One card. ``fraction`` is how far its download is: -1 not known, -2 there is none; tones are tokens."""

    key: str
    icon: str
    title: str
    summary: str
    fit: str = ""
    fit_tone: str = ""
    size: str = ""
    badge: str = ""
    badge_tone: str = ""
    state: str = ""
    state_tone: str = ""
    fraction: float = -2.0
    tooltip: str = ""
    locked: bool = False

    def spoken(self) -> str:
        """What a screen reader says of it."""
        gate = tr("needs an account") if self.locked else ""
        parts = (self.title, self.state, self.fit, self.size, self.badge, gate, self.summary)
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Section:
    """Cards under one heading. ``row_only`` shows as many as fit beside each other; ``note`` stands instead of cards,
    ``waiting`` is how many grey cards stand there while the answer is awaited; ``action`` is the heading's button."""

    id: str
    title: str
    summary: str = ""
    keys: tuple[str, ...] = ()
    row_only: bool = False
    note: str = ""
    waiting: int = 0
    action: str = ""
    start: int = field(default=0, compare=False)


class BoardModel(QAbstractListModel):
    """A row for each card of each section, in order; one offer may stand in several sections."""

    def __init__(self, card: Callable[[str], CardView | None], parent: QObject | None = None) -> None:
        """``card`` makes the card of a key."""
        super().__init__(parent)
        self._card = card
        self._made: dict[str, CardView | None] = {}
        self._keys: list[str] = []
        self._sections: tuple[Section, ...] = ()

    def sections(self) -> Sequence[Section]:
        return self._sections

    def keys(self) -> Sequence[str]:
        return self._keys

    def show(self, sections: Iterable[Section]) -> None:
        """Become ``sections``; what stays as it was is not announced."""
        placed, start = [], 0
        for section in sections:
            placed.append(replace(section, start=start))
            start += len(section.keys)
        wanted = tuple(placed)
        if wanted == self._sections:
            return
        self.beginResetModel()
        self._sections = wanted
        self._keys = [key for section in wanted for key in section.keys]
        self.endResetModel()

    def forget(self, keys: Iterable[str] | None = None) -> None:
        """What these cards say (all, without ``keys``) may have changed."""
        if keys is None:
            self._made.clear()
            if self._keys:
                self.dataChanged.emit(self.index(0), self.index(len(self._keys) - 1))
            return
        changed = {key for key in keys if self._remake(key)}
        if changed:
            for position, key in enumerate(self._keys):
                if key in changed:
                    self.dataChanged.emit(self.index(position), self.index(position))

    def _remake(self, key: str) -> bool:
        if key not in self._made:
            return False
        before, now = self._made[key], self._card(key)
        self._made[key] = now
        return before != now

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's signature
        return 0 if parent.isValid() else len(self._keys)

    def card_at(self, row: int) -> CardView | None:
        if not 0 <= row < len(self._keys):
            return None
        key = self._keys[row]
        if key not in self._made:
            self._made[key] = self._card(key)
        return self._made[key]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        card = self.card_at(index.row()) if index.isValid() else None
        if card is None:
            return None
        if role == BoardRole.CARD:
            return card
        if role == BoardRole.KEY:
            return card.key
        if role == Qt.ItemDataRole.DisplayRole:
            return card.title
        if role == Qt.ItemDataRole.ToolTipRole:
            return card.tooltip
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return card.spoken()
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
