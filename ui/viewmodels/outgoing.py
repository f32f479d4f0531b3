"""Exporting pictures: what is chosen, an example of a name, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from PySide6.QtCore import QObject, Signal

from app.export import NAMES, SAME, Export, file_name
from app.jobs import Result
from app.messages import words
from models.errors import ErrorInfo, InvalidInputError
from models.recipe import FORMATS
from ui.i18n import plural, tr
from ui.state import WindowState
from ui.viewmodels import desktop
from ui.viewmodels.ports import CorePort
from ui.viewmodels.words import ErrorView, error_view

_REMEMBERED = ("format", "quality", "lossless", "scale", "longest", "metadata")
NAME_PARTS = NAMES
"""What a pattern may hold in braces."""
_LOSES = ("jpg", "jpeg", "webp", "avif")


@dataclass(frozen=True)
class ExportRun:
    """How far it is: ``state`` is "asking", "working", "done", "stopped" or "failed"."""

    state: str = "asking"
    done: int = 0
    total: int = 0
    written: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    error: ErrorView | None = None


class ExportVM(QObject):
    """``changed`` comes when a choice is another, ``run_changed`` when the work is further."""

    changed = Signal()
    run_changed = Signal()

    def __init__(self, core: CorePort, state: WindowState | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._state = core, state
        self.ids: tuple[str, ...] = ()
        self.options = Export()
        self.folder = ""
        self.run = ExportRun()
        self._first: Result | None = None
        self._stop = False
        self._skipped: list[str] = []

    def begin(self, ids: Sequence[str]) -> bool:
        """Choose anew, for these pictures; False while others are being written."""
        if self.run.state == "working":
            return False
        self.ids = tuple(ids)
        self._first = self._core.library.get(self.ids[0]) if self.ids else None
        kept = self._state.table("export") if self._state is not None else {}
        self.folder = str(kept.get("folder") or Path.home())
        settings = self._core.settings.value
        given = {name: kept[name] for name in _REMEMBERED if name in kept}
        try:
            chosen = msgspec.convert(given, Export)
            chosen.check()
        except (msgspec.ValidationError, InvalidInputError):  # a file edited by hand
            chosen = Export()
        self.options = msgspec.structs.replace(
            chosen, private=settings.private_exports, name=settings.export_name or Export().name
        )
        self.run = ExportRun()
        self.changed.emit()
        self.run_changed.emit()
        return True

    # what is chosen

    def set(self, **changes: Any) -> None:
        self.options = msgspec.structs.replace(self.options, **changes)
        self.changed.emit()

    def set_folder(self, folder: str) -> None:
        self.folder = folder
        self.changed.emit()

    def problems(self) -> dict[str, str]:
        """What makes no sense, by the choice's name."""
        found = {}
        try:
            self.options.check()
        except InvalidInputError as error:
            found = {problem.name: tr(problem.sentence) for problem in error.info.problems}
        if not Path(self.folder.strip() or ".").expanduser().is_absolute():
            found["folder"] = tr("Give the whole path of a folder.")
        return found

    @property
    def can_go(self) -> bool:
        return bool(self.ids) and self.run.state != "working" and not self.problems()

    def kind(self) -> str:
        """The ending of the first picture's copy, without its dot."""
        if self.options.format != SAME:
            return {"jpeg": "jpg"}.get(self.options.format, self.options.format)
        own = Path(self._first.path).suffix.lower().lstrip(".") if self._first is not None else "png"
        return own if own in FORMATS else "png"

    @property
    def loses(self) -> bool:
        """Whether quality means anything for this format."""
        return self.kind() in _LOSES and not (self.options.lossless and self.kind() == "webp")

    def example(self) -> str:
        """What the first copy would be called; empty while the pattern makes no sense."""
        if self._first is None or "name" in self.problems():
            return ""
        return f"{file_name(self.options.name, self._first, 1)}.{self.kind()}"

    def size(self) -> str:
        """The first copy's size in pixels."""
        if self._first is None or {"scale", "longest"} & set(self.problems()):
            return ""
        width, height, options = self._first.width, self._first.height, self.options
        factor = options.longest / max(width, height, 1) if options.longest else options.scale
        return tr("{w} x {h} pixels", w=max(1, round(width * factor)), h=max(1, round(height * factor)))

    # the work

    def go(self) -> None:
        if not self.can_go:
            return
        self._remember()
        self._stop, self._skipped = False, []
        self.run = ExportRun("working", 0, len(self.ids))
        self.run_changed.emit()
        folder = Path(self.folder.strip()).expanduser()
        self._core.history.export(
            self._results(self.ids), folder, self.options, self._moved, self._ended, self._failed, self._skip
        )

    def stop(self) -> None:
        """What is written stays."""
        self._stop = True

    def show_in_folder(self) -> None:
        if self.run.written:
            desktop.reveal(self.run.written[0])

    def said(self) -> str:
        """How it ended, in a sentence."""
        run = self.run
        if run.state == "failed" and run.error is not None:
            return f"{run.error.sentence} {run.error.advice}".strip()
        count = plural("{n} picture was exported.", "{n} pictures were exported.", len(run.written))
        if run.state == "stopped":
            return tr("Stopped. What was written so far stays.")
        return count if run.state == "done" else ""

    def _results(self, ids: Sequence[str]) -> Iterator[Result]:
        """Read where the work is done: thousands of recipes are nothing for the window's thread."""
        for key in ids:
            record = self._core.history.records.get(key)
            if record is not None:
                yield record.result

    def _skip(self, result: Result, error: ErrorInfo) -> None:
        self._skipped.append(tr(words(error).sentence))

    def _moved(self, done: int, total: int) -> bool:
        if self.run.state == "working":
            self.run = ExportRun("working", done, total)
            self.run_changed.emit()
        return not self._stop

    def _ended(self, written: list[Path] | None) -> None:
        if written is None:
            self.run = ExportRun("stopped", self.run.done, self.run.total, skipped=tuple(self._skipped))
        else:
            paths = tuple(str(path) for path in written)
            self.run = ExportRun("done", self.run.total, self.run.total, paths, tuple(self._skipped))
        self.run_changed.emit()

    def _failed(self, error: ErrorInfo) -> None:
        self.run = ExportRun("failed", self.run.done, self.run.total, error=error_view(error))
        self.run_changed.emit()

    def _remember(self) -> None:
        settings = self._core.settings
        if self.options.name != settings.value.export_name:
            settings.change(export_name=self.options.name)
        if self._state is not None:
            chosen = {name: getattr(self.options, name) for name in _REMEMBERED}
            self._state.set("export", {**chosen, "folder": self.folder})
