"""Importing folders of old pictures: which there are, how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.gather import Gathered
from models.errors import ErrorInfo
from ui.i18n import plural, tr
from ui.viewmodels.ports import CorePort
from ui.viewmodels.words import error_view

OUTPUTS = ("output", "outputs", "outputs/images")
"""Where ComfyUI, A1111 and Forge, Fooocus and InvokeAI put their pictures, in their own folder."""


@dataclass(frozen=True)
class GatherRun:
    """``state`` is "asking", "working", "done" or "stopped"; ``problems`` are folders that could not be read."""

    state: str = "asking"
    folder: str = ""
    done: int = 0
    total: int = 0
    found: Gathered = field(default_factory=Gathered)
    problems: tuple[str, ...] = ()


class GatheringVM(QObject):
    """``changed`` comes with every step; one folder after the other. What was listed when it is stopped stays."""

    changed = Signal()
    ended = Signal()

    def __init__(self, core: CorePort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core = core
        self.run = GatherRun()
        self._waiting: list[str] = []
        self._stop = False

    @property
    def busy(self) -> bool:
        return self.run.state == "working"

    def offered(self) -> list[str]:
        """Folders of pictures beside the models of other apps, that were not imported yet."""
        known = set(self._core.history.gathering.folders())
        found: list[str] = []
        for source in self._core.settings.value.sources:
            root = Path(source)
            root = root.parent if root.name == "models" else root
            for name in OUTPUTS:
                place = root / name
                if place.is_dir() and not any(place.is_relative_to(one) for one in [*found, *known]):
                    found.append(str(place))
        return found

    def known(self) -> list[str]:
        """Folders that were imported before; importing one again lists only what is new."""
        return self._core.history.gathering.folders()

    def reset(self) -> None:
        if not self.busy:
            self.run = GatherRun()
            self.changed.emit()

    def take(self, folders: Sequence[str]) -> None:
        """Import these, after those under way."""
        self._waiting += [folder for folder in dict.fromkeys(folders) if folder not in self._waiting]
        if not self.busy and self._waiting:
            self._stop = False
            self.run = GatherRun("working")
            self._next()

    def stop(self) -> None:
        self._stop = True
        self._waiting = []

    def _next(self) -> None:
        if not self._waiting:
            self._end("done")
            return
        folder = self._waiting.pop(0)
        self.run = GatherRun("working", folder, 0, 0, self.run.found, self.run.problems)
        self.changed.emit()
        self._core.history.gather(Path(folder), self._moved, self._gathered, lambda error: self._failed(folder, error))

    def _moved(self, done: int, total: int) -> bool:
        if self.busy:
            self.run = GatherRun("working", self.run.folder, done, total, self.run.found, self.run.problems)
            self.changed.emit()
        return not self._stop

    def _gathered(self, found: Gathered | None) -> None:
        if found is None:
            self._end("stopped")
            return
        self.run = GatherRun(
            "working", self.run.folder, self.run.done, self.run.total, _sum(self.run.found, found), self.run.problems
        )
        self._next()

    def _failed(self, folder: str, error: ErrorInfo) -> None:
        problem = tr("{folder}: {why}", folder=folder, why=error_view(error).sentence)
        self.run = GatherRun("working", folder, 0, 0, self.run.found, (*self.run.problems, problem))
        self._next()

    def _end(self, state: str) -> None:
        self.run = GatherRun(state, "", self.run.done, self.run.total, self.run.found, self.run.problems)
        self.changed.emit()
        self.ended.emit()

    def summary(self) -> list[str]:
        """What came of it, a line each."""
        found = self.run.found
        lines = [tr("Stopped. What was listed so far stays; importing again goes on.")] * (self.run.state == "stopped")
        if not (found.added or found.plain or found.known or found.unreadable):
            return lines or [tr("There are no pictures in it.")]
        lines.append(plural("{n} picture with its recipe", "{n} pictures with their recipes", found.added))
        lines += [tr("{n} from {tool}", n=f"{n:,}", tool=tool) for tool, n in sorted(found.tools.items())]
        for count, one, many in (
            (found.plain, "{n} picture without a recipe", "{n} pictures without a recipe"),
            (found.known, "{n} was here already", "{n} were here already"),
            (found.unreadable, "{n} file could not be read", "{n} files could not be read"),
        ):
            if count:
                lines.append(plural(one, many, count))
        return lines


def _sum(one: Gathered, other: Gathered) -> Gathered:
    tools = dict(one.tools)
    for tool, count in other.tools.items():
        tools[tool] = tools.get(tool, 0) + count
    return Gathered(
        one.added + other.added, one.plain + other.plain, one.known + other.known, one.unreadable + other.unreadable,
        tools,
    )  # fmt: skip
