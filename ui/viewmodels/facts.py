"""The picture that is looked at in the gallery: what is known and said of it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QImage

from app.events import LibraryChanged, ResultAdded, ResultRemoved
from app.records import MAX_NOTE, Record
from models.box import BoxSchema
from models.errors import ErrorInfo
from ui.i18n import tr
from ui.viewmodels import restoring, reworking
from ui.viewmodels.canvas import CanvasVM
from ui.viewmodels.comparing import CompareVM
from ui.viewmodels.create import CreateVM
from ui.viewmodels.fact_words import Facts, facts_of
from ui.viewmodels.kinship import Kin, kin_of
from ui.viewmodels.pictures import PictureLoader
from ui.viewmodels.ports import CorePort
from ui.viewmodels.words import error_view

NOTE_MS = 700
"""A note is kept when nothing was typed for so long."""
PREVIEW_SIDE = 768


class FactsVM(QObject):
    """``show`` what is chosen. ``changed`` tells of another picture or of new words about it, ``preview_changed`` of
    its picture, ``family_changed`` of its relatives; ``page_wanted`` asks for a page of the window."""

    changed = Signal()
    preview_changed = Signal()
    family_changed = Signal()
    noticed = Signal(str)
    failed = Signal(object)
    page_wanted = Signal(str)

    def __init__(
        self, core: CorePort, create: CreateVM, canvas: CanvasVM, compare: CompareVM, loader: PictureLoader,
        parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._core, self._create, self._canvas, self._compare, self._loader = core, create, canvas, compare, loader
        self._ids: tuple[str, ...] = ()
        self._facts: Facts | None = None
        self._kin: tuple[Kin, ...] = ()
        self._preview: QImage | None = None
        self._ticket = 0
        self._drafts: dict[str, str] = {}
        self._sent: dict[str, str] = {}
        self.matched: restoring.Matched | None = None
        self._typing = QTimer(self, singleShot=True, interval=NOTE_MS)
        self._typing.timeout.connect(self.keep_notes)
        loader.loaded.connect(self._loaded)
        bus = core.events
        self._ends: list[Callable[[], None]] = [
            bus.subscribe(LibraryChanged, self._library_changed),
            bus.subscribe(ResultAdded, lambda event: self._result_added(event)),
            bus.subscribe(ResultRemoved, lambda event: self._look_again((event.id,))),
        ]

    def close(self) -> None:
        self.keep_notes()
        for end in self._ends:
            end()

    # what is shown

    @property
    def id(self) -> str:
        """The picture that is shown; empty while none or several are chosen."""
        return self._ids[0] if len(self._ids) == 1 else ""

    @property
    def count(self) -> int:
        """How many are chosen."""
        return len(self._ids)

    def show(self, ids: str | Sequence[str]) -> None:
        wanted = ((ids,) if ids else ()) if isinstance(ids, str) else tuple(ids)
        if wanted == self._ids:
            return
        self.keep_notes()
        self._ids, self._facts, self._kin, self._preview, self._ticket = wanted, None, (), None, 0
        self.changed.emit()
        self.preview_changed.emit()
        self.family_changed.emit()
        if self.id:
            self._ask()

    def facts(self) -> Facts | None:
        """None while nothing, or several, or something that is not there is chosen, and for the moment of looking."""
        return self._facts

    def preview(self) -> QImage | None:
        """None while it is read; a null image when it cannot be."""
        return self._preview

    def family(self) -> tuple[Kin, ...]:
        return self._kin

    def _ask(self) -> None:
        wanted = self.id
        self._core.history.record(wanted, lambda record: self._found(wanted, record), self._failed)

    def _found(self, wanted: str, record: Record | None) -> None:
        if wanted != self.id or record is None:
            return
        if self._sent.get(wanted) == record.note:
            del self._sent[wanted]
        first = self._facts is None
        before = self._facts.record.result.path if self._facts is not None else ""
        self._facts = facts_of(record, self._schema(record))
        self.changed.emit()
        if first or before != record.result.path:
            self._ticket = self._loader.request(record.result.path, PREVIEW_SIDE)
        self._core.history.family(wanted, lambda family: self._related(wanted, *family), self._failed)

    def _related(self, wanted: str, line: list[Record], children: list[Record]) -> None:
        if wanted != self.id:
            return
        beside: list[Record] = []
        if len(line) > 1:
            same = self._core.history.records.children(line[-2], 40)
            beside = [one for one in same if one.result.id != wanted and one.trashed is None]
        kin = kin_of(line, beside, [one for one in children if one.trashed is None])
        if kin != self._kin:
            self._kin = kin
            self.family_changed.emit()

    def _schema(self, record: Record) -> BoxSchema | None:
        """The form of the model or tool that made it, where that is here."""
        known = (*self._core.models.entries(), *self._core.models.tools())
        return next((entry.schema for entry in known if entry.card.id == record.result.model), None)

    def _loaded(self, ticket: int, image: QImage) -> None:
        if ticket == self._ticket:
            self._preview = image
            self.preview_changed.emit()

    def _library_changed(self, event: LibraryChanged) -> None:
        self._look_again(event.ids)

    def _look_again(self, ids: Iterable[str]) -> None:
        about = set(ids)
        if self.id and (not about or self.id in about or about & {one.id for one in self._kin}):
            self._ask()

    def _result_added(self, event: ResultAdded) -> None:
        source = reworking.source_of(event.result)
        if self.id and self._facts is not None and source == self._facts.record.result.path:
            self._ask()

    def _failed(self, info: ErrorInfo) -> None:
        self.failed.emit(error_view(info))

    # what is said of it

    def favour(self, favourite: bool) -> None:
        if self.id:
            self._core.history.favour([self.id], favourite, self._failed)

    def rate(self, rating: int) -> None:
        if self.id:
            self._core.history.rate([self.id], rating, self._failed)

    def tag(self, words: str) -> None:
        """One tag, or several with commas between."""
        tags = [part.strip() for part in words.split(",") if part.strip()]
        if self.id and tags:
            self._core.history.tag([self.id], tags, [], self._failed)

    def untag(self, tag: str) -> None:
        if self.id:
            self._core.history.tag([self.id], [], [tag], self._failed)

    def known_tags(self) -> list[str]:
        """All tags of the library, most used first, without those it has."""
        own = set(self._facts.record.tags) if self._facts is not None else set()
        return [tag for tag, _ in self._core.history.records.tags() if tag not in own]

    def note(self) -> str:
        """As it was typed last, kept or not yet."""
        for typed in (self._drafts, self._sent):
            if self.id in typed:
                return typed[self.id]
        return self._facts.record.note if self._facts is not None else ""

    def write_note(self, text: str) -> None:
        """Kept when typing pauses, another picture is looked at or the window closes."""
        if self._facts is not None and text[:MAX_NOTE] != self.note():
            self._drafts[self.id] = text[:MAX_NOTE]
            self._typing.start()

    def keep_notes(self) -> None:
        self._typing.stop()
        drafts, self._drafts = self._drafts, {}
        for key, text in drafts.items():
            self._sent[key] = text
            self._core.history.note(key, text, self._not_kept(key, text))

    def _not_kept(self, key: str, text: str) -> Callable[[ErrorInfo], None]:
        """What could not be written stays in the field; the next pause in typing tries again."""

        def failed(info: ErrorInfo) -> None:
            if self._sent.get(key) == text:
                del self._sent[key]
            self._drafts.setdefault(key, text)
            self._failed(info)

        return failed

    # what can be done with it

    @property
    def missing(self) -> bool:
        return self._facts is not None and (
            self._facts.record.missing or (self._preview is not None and self._preview.isNull())
        )

    def can_use_settings(self) -> bool:
        facts = self._facts
        return (
            facts is not None
            and facts.recipe
            and (bool(facts.prompt) or "steps" in facts.record.result.recipe["inputs"])
        )

    def can_use_as_input(self) -> bool:
        return self._facts is not None and not self.missing and self._canvas.work.can("image")

    def can_vary(self) -> bool:
        return self._facts is not None and reworking.can_vary(self._core, self._facts.record.result)

    def can_compare(self) -> bool:
        return self._facts is not None and not self.missing

    def use_settings(self) -> None:
        """Into the form of Create: the model, the words as they were written, and all the rest."""
        if self._facts is None or not self.can_use_settings():
            return
        said = restoring.restore(self._create, self._facts.record.result.recipe, self.matched)
        self.page_wanted.emit("create")
        if said:
            self._canvas.noticed.emit(said)

    def use_seed(self) -> None:
        seed = self._facts.text_of("seed") if self._facts is not None else ""
        if seed.isdecimal():
            self._create.set_values({"seed": int(seed)})
            self.noticed.emit(tr("The next picture is made with the seed {seed}.", seed=seed))

    def use_as_input(self) -> None:
        if self._facts is not None and self.can_use_as_input():
            self._canvas.work.take(self._facts.record.result.path)
            self.page_wanted.emit("create")

    def vary(self, strong: bool) -> None:
        """A neighbour of it is queued; its progress is watched on Create."""
        if self.can_vary():
            self._canvas.vary(strong, self.id)
            self.page_wanted.emit("create")

    def compare(self, other: str = "") -> None:
        """With ``other``, else with what it was made from or the picture before it."""
        if not self.can_compare():
            return
        self._canvas.show_result(self.id)
        done = self._compare.with_other(self.id, other) if other else self._compare.start(self.id)
        if done:
            self.page_wanted.emit("create")
        else:
            self.noticed.emit(tr("There is no other picture to compare with yet."))

    def compare_chosen(self) -> None:
        """The two pictures that are chosen, beside each other."""
        if len(self._ids) == 2 and self._compare.with_other(*self._ids):
            self._canvas.show_result(self._ids[0])
            self.page_wanted.emit("create")

    def open_location(self) -> None:
        if self.id:
            self._canvas.open_folder(self.id)

    def copy(self, name: str) -> None:
        """``name`` of a fact, or "prompt", "negative", "all" (as one ``parameters`` text that other tools read)."""
        if self._facts is None:
            return
        text = self._all() if name == "all" else self._facts.text_of(name)
        if text:
            QGuiApplication.clipboard().setText(text)
            self.noticed.emit(tr("Copied."))

    def _all(self) -> str:
        from models.recipe import parameters_text  # brings Pillow along, which the start of the window does not need

        return parameters_text(self._facts.record.result.recipe) if self._facts is not None else ""

    @property
    def path(self) -> str:
        return self._facts.record.result.path if self._facts is not None else ""

    @property
    def name(self) -> str:
        return Path(self.path).name
