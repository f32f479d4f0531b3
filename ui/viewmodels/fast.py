"""The switch "Fast": a model's few-step LoRA with the steps, guidance and scheduler that belong to it, and the way
back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from app import fast
from app.events import ModelsChanged, OffersChanged
from ui.i18n import file_size, tr
from ui.viewmodels.create import CreateVM
from ui.viewmodels.ports import CorePort, WeightsPort


@dataclass(frozen=True)
class FastView:
    """``get`` is the catalog id of what has to be fetched first, "" where it is here; ``words`` say what is gained."""

    on: bool
    words: str
    hint: str
    get: str = ""


class FastVM(QObject):
    """What was in the form before the switch was turned on is kept for each model, for the session."""

    changed = Signal()

    def __init__(self, core: CorePort, weights: WeightsPort, create: CreateVM, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._weights, self._create = weights, create
        self._before: dict[str, dict[str, Any]] = {}
        create.schema_changed.connect(self.changed)
        create.values_changed.connect(self.changed)
        bus = core.events
        self._ends = [
            bus.subscribe(ModelsChanged, lambda _: self.changed.emit()),
            bus.subscribe(OffersChanged, lambda _: self.changed.emit()),
        ]

    def close(self) -> None:
        for end in self._ends:
            end()

    def _entry(self) -> fast.Entry | None:
        entry = self._create.entry()
        if entry is None or entry.schema is None:
            return None
        return fast.Entry(entry.card.id, entry.family, entry.schema.names)

    def choices(self) -> list[fast.Fast]:
        """The few-step LoRAs of the chosen model, those that are here first."""
        entry = self._entry()
        return fast.choices(entry, self._weights.offers.all()) if entry is not None else []

    def view(self) -> FastView | None:
        """None where the model has none."""
        found = self.choices()
        if not found:
            return None
        used = self._used(found)
        one = used or found[0]
        words = tr("{n} steps with {name}", n=one.steps, name=one.name) if one.steps else one.name
        hint = tr("A few-step LoRA, with the steps, guidance and scheduler it was made for. Off puts back what was.")
        if one.addon or used is not None:
            return FastView(used is not None, words, hint)
        size = file_size(one.download_bytes) if one.download_bytes else ""
        return FastView(False, tr("{words}, {size}", words=words, size=size) if size else words, hint, one.id)

    def _used(self, found: list[fast.Fast]) -> fast.Fast | None:
        names = {str(item.get("name")) for item in self._create.values().get("loras") or ()}
        return next((one for one in found if names & {one.id, one.addon} - {""}), None)

    def turn(self, on: bool) -> None:
        """On: the first that is here, with its settings. Off: what was before, as far as it is known."""
        found, values = self.choices(), self._create.values()
        entry, used = self._entry(), self._used(found)
        if entry is None or on == (used is not None):
            return
        if on:
            one = next((each for each in found if each.addon), None)
            if one is not None:
                new = fast.applied(one, values, entry.inputs)
                self._before[entry.id] = {name: values.get(name) for name in new}
                self._create.set_values(new)
            return
        assert used is not None
        defaults = self._create.defaults()
        before = self._before.pop(entry.id, {name: defaults.get(name) for name in used.wants if name in entry.inputs})
        loras = [item for item in values.get("loras") or () if item.get("name") not in (used.id, used.addon)]
        self._create.set_values({**before, "loras": loras})
