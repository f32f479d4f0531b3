"""The prompt of the form: tokens, completion, styles, presets, expansions. Files are read off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.events import ModelsChanged, ResultAdded
from app.prompting.complete import Known, Offer, offers
from app.prompting.expand import PromptError
from app.prompting.presets import Preset
from app.prompting.service import Prompting
from app.prompting.styles import Style
from app.prompting.tokens import Count, Gauge, gauge
from models import prompts
from models.errors import InvalidInputError
from ui.i18n import tr
from ui.state import WindowState
from ui.viewmodels.create import CreateVM
from ui.viewmodels.later import Later
from ui.viewmodels.ports import CorePort
from ui.viewmodels.prompt_marks import Mark, dynamic, marks

FIELDS = ("prompt", "negative_prompt")
_LATER_MS = 120


@dataclass(frozen=True)
class CountView:
    """``words`` is "23 / 75"; ``tone`` "warn" where the end is not read."""

    words: str
    tone: str
    hint: str


class PromptsVM(QObject):
    """``counted`` carries the input's name and a ``CountView`` (None: nothing to say); ``known_changed`` comes when
    there are other styles, presets or wildcards than before; ``told`` carries a sentence about what went wrong."""

    counted = Signal(str, object)
    known_changed = Signal()
    styles_changed = Signal()
    marks_changed = Signal()
    told = Signal(str)

    def __init__(self, core: CorePort, create: CreateVM, state: WindowState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._create, self._state = core, create, state
        self.later = Later(self)
        self.known = Known()
        self.styles: list[Style] = []
        self.presets: list[Preset] = []
        self._gauge: tuple[str, Gauge | None] | None = None
        self._waiting: dict[str, str] = {}
        self._timer = QTimer(self, singleShot=True, interval=_LATER_MS)
        self._timer.timeout.connect(self._count_now)
        # Pictures come in bursts; the lists are read again once after one.
        self._stale = QTimer(self, singleShot=True, interval=400)
        self._stale.timeout.connect(self.refresh)
        bus = core.events
        self._ends = [
            bus.subscribe(ModelsChanged, lambda _: self._stale.start()),
            bus.subscribe(ResultAdded, lambda _: self._stale.start()),
        ]
        create.schema_changed.connect(self._model_changed)
        create.styles_changed.connect(self.styles_changed)

    @property
    def prompting(self) -> Prompting:
        return self._core.prompting

    def close(self) -> None:
        for end in self._ends:
            end()
        self._timer.stop()
        self._stale.stop()
        self.later.close()

    # what is known

    def refresh(self) -> None:
        """Read wildcards, styles, presets and earlier prompts again."""
        loras, words = self._addon_words()
        prompting = self.prompting

        def read() -> tuple[Known, list[Style], list[Preset]]:
            known = Known(prompting.wildcards.names(), loras, words, prompting.history.prompts())
            return known, prompting.styles.all(), prompting.presets.all()

        self.later.run(read, self._read, self._failed)

    def _read(self, found: tuple[Known, list[Style], list[Preset]]) -> None:
        self.known, self.styles, self.presets = found
        self.known_changed.emit()
        self.marks_changed.emit()

    def _addon_words(self) -> tuple[list[str], list[tuple[str, str]]]:
        """Names of LoRAs, and words that call them and embeddings."""
        loras, words = [], []
        for addon in self._core.models.addons():
            if addon.problem is not None:
                continue
            if addon.kind == "lora":
                loras.append(addon.name)
            if addon.kind in ("lora", "embedding"):
                words += [
                    (word, addon.name) for word in (*addon.trigger, *([addon.name] if addon.kind != "lora" else []))
                ]
        return loras, words

    def _model_changed(self) -> None:
        self._gauge = None
        self._waiting = {}

    # tokens

    def count(self, name: str, text: str) -> None:
        """Count soon; the answer comes by ``counted``."""
        self._waiting[name] = text
        self._timer.start()

    def _count_now(self) -> None:
        waiting, self._waiting = self._waiting, {}
        entry = self._create.entry()
        if entry is None or not entry.card.pipeline or not entry.card.ref.folder:
            for name in waiting:
                self.counted.emit(name, None)
            return
        key, folder, pipeline = entry.card.id, Path(entry.card.ref.folder), entry.card.pipeline
        known, values = self._gauge, dict(self._create.values())
        length = int(values.get("max_sequence_length") or 0)
        lookup = self.prompting.wildcards.lookup

        def work() -> tuple[Gauge | None, dict[str, Count | None]]:
            made = known[1] if known is not None and known[0] == key else _gauge(folder, pipeline, values)
            if made is None:
                return None, dict.fromkeys(waiting)
            return made, {name: made.count(example(text, lookup), length) for name, text in waiting.items()}

        def then(answer: tuple[Gauge | None, dict[str, Count | None]]) -> None:
            if self._create.current != key:
                return
            self._gauge = (key, answer[0])
            for name, count in answer[1].items():
                if name not in self._waiting:
                    self.counted.emit(name, _count_view(count, dynamic(waiting[name])))

        self.later.run(work, then)

    # the text

    def marks(self, text: str) -> list[Mark]:
        return marks(text, {name.casefold() for name in self.known.wildcards}, self.weighs())

    def weighs(self) -> bool:
        """Whether the chosen model can weigh words."""
        entry = self._create.entry()
        return entry is not None and prompts.weighs(entry.card.pipeline)

    def hint(self, text: str) -> str:
        """What should be known of a prompt before it is sent, gently; empty for most."""
        loose = [text[at] for at in prompts.loose(text)]
        if loose and self.weighs():
            return tr("A bracket without a partner counts as plain text: {what}", what="  ".join(loose[:6]))
        if what := prompts.unread(text):
            return tr("“{what}” is read as plain words: prompts cannot change from step to step.", what=what[:40])
        entry = self._create.entry()
        known = entry is not None and entry.card.pipeline
        if known and not self.weighs() and prompts.unweighted(text) != text:
            return tr("This model does not weigh words; the numbers in brackets are left out.")
        return ""

    def offers(self, text: str, position: int) -> list[Offer]:
        return offers(text, position, self.known)

    def expansions(self, text: str, first: int, count: int, then: Callable[[list[str], str], None]) -> None:
        """``count`` examples with the seeds from ``first``; the second argument is what is wrong."""
        styles, prompting = list(self._create.styles), self.prompting

        def work() -> list[str]:
            return prompting.examples(text, range(first, first + count), styles)

        self.later.run(work, lambda found: then(found, ""), lambda error: then([], str(error)))

    # styles and presets

    def toggle_style(self, name: str) -> None:
        chosen = list(self._create.styles)
        chosen.remove(name) if name in chosen else chosen.append(name)
        self._create.set_styles(chosen)

    @staticmethod
    def style(name: str, prompt: str, avoid: str) -> Style:
        return Style(" ".join(name.split()), prompt, avoid)

    def apply_preset(self, name: str) -> None:
        preset = next((each for each in self.presets if each.name == name), None)
        if preset is None:
            return
        if any(row.id == preset.model and row.usable for row in self._create.rows()):
            self._create.select(preset.model)
        self._create.set_styles(preset.styles)
        self._create.set_values(preset.inputs)

    def save_preset(self, name: str) -> None:
        model, inputs, styles = self._create.current, self._preset_inputs(), list(self._create.styles)
        self.change(lambda: self.prompting.presets.save(name, model, inputs, styles))

    def _preset_inputs(self) -> Mapping[str, Any]:
        """The form's values without the pictures in them, which belong to one piece of work."""
        return {name: value for name, value in self._create.kept_values().items() if value not in (None, "")}

    def change(self, work: Callable[[], Any], then: Callable[[Any], object] = lambda _: None) -> None:
        """Change files off the GUI thread, read everything again, then call ``then`` with the answer."""

        def done(answer: Any) -> None:
            self.refresh()
            then(answer)

        self.later.run(work, done, self._failed)

    def _failed(self, error: Exception) -> None:
        self.told.emit(explained(error))


def explained(error: Exception) -> str:
    """A sentence for what came back from work on files."""
    if isinstance(error, InvalidInputError):
        return " ".join(problem.sentence for problem in error.info.problems)
    if isinstance(error, PromptError):
        return str(error)
    if isinstance(error, OSError):
        return tr("{file} cannot be used: {why}", file=str(error.filename or ""), why=error.strerror or str(error))
    return tr("That did not work: {why}", why=str(error))


def example(text: str, lookup: Callable[[], Callable[[str], Sequence[Any]]]) -> str:
    """One way a template may come out, to count; as it is where it cannot be expanded."""
    from app.prompting.expand import expand
    from app.prompting.syntax import loras

    if not dynamic(text):
        return loras(text)[0]
    try:
        return loras(expand(text, 0, lookup()))[0]
    except PromptError:
        return text


def _gauge(folder: Path, pipeline: str, values: Mapping[str, Any]) -> Gauge | None:
    try:
        return gauge(folder, pipeline, values)
    except (OSError, ValueError):
        return None  # then nothing is counted; the model itself says what is wrong with it


def _count_view(count: Count | None, about: bool) -> CountView | None:
    if count is None or not count.tokens:
        return None
    sign = "~" if about else ""
    words = f"{sign}{count.tokens} / {count.room}" if count.room else f"{sign}{count.tokens}"
    if count.over:
        return CountView(words, "warn", tr("The prompt is longer than this model reads; its end is left out."))
    if count.chunks > 1:
        return CountView(words, "faint", tr("Tokens. The model reads this prompt in {n} parts.", n=count.chunks))
    return CountView(words, "faint", tr("Tokens: the pieces of words that the model reads."))
