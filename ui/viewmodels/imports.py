"""Adding files and folders from this disk: what each was recognised as, and what is to be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.messages import words
from models.errors import ErrorInfo
from models.families import family_title
from models.recognise import FileKind, Recognised
from ui.i18n import file_size, plural, tr
from ui.viewmodels.offer_words import parameters_words
from ui.viewmodels.ports import WeightsPort

SOURCE = "folder"
"""What ``Recognised.format`` says of a folder that is no model itself but holds some."""

KIND_WORDS: dict[FileKind, str] = {
    FileKind.CHECKPOINT: "Whole model",
    FileKind.DENOISER: "Part of a model",
    FileKind.LORA: "LoRA",
    FileKind.VAE: "VAE",
    FileKind.EMBEDDING: "Embedding",
    FileKind.CONTROLNET: "ControlNet",
    FileKind.IP_ADAPTER: "Picture prompt (IP-Adapter)",
    FileKind.UPSCALER: "Upscaler",
    FileKind.TEXT_ENCODER: "Text encoder",
    FileKind.BACKGROUND: "Background removal",
    FileKind.CAPTION: "Describes pictures",
    FileKind.DETECTION: "Finds things in pictures",
    FileKind.DEPTH: "Makes depth maps",
    FileKind.POSE: "Makes pose maps",
    FileKind.SEGMENTATION: "Makes maps of areas",
    FileKind.UNKNOWN: "Unknown kind",
}


@dataclass(frozen=True)
class ImportRow:
    """One dropped thing. ``state`` is "looking", "ready", "adding", "done" or "refused"; ``risky`` needs a consent."""

    path: str
    name: str
    state: str
    what: str = ""
    line: str = ""
    source: bool = False
    risky: bool = False
    warning: str = ""
    fraction: float = -1.0
    can_copy: bool = True


def recognised_words(found: Recognised) -> str:
    """ "LoRA for Stable Diffusion XL, “Ink and wash”"."""
    kind = tr(KIND_WORDS.get(found.kind, found.kind.value))
    if found.variant == "clip-vision":
        return tr("Looks at pictures for IP-Adapters")
    if found.family:
        kind = tr("{kind} for {family}", kind=kind, family=family_title(found.family))
        if found.kind in (FileKind.CHECKPOINT, FileKind.DENOISER):
            kind = tr("{kind}, {family}", kind=tr(KIND_WORDS[found.kind]), family=family_title(found.family))
    if found.variant:
        kind = f"{kind} ({found.variant})"
    return tr("{kind}, “{title}”", kind=kind, title=found.title) if found.title else kind


def recognised_line(found: Recognised) -> str:
    parts = [file_size(found.size_bytes) if found.size_bytes else "", found.format if found.format != "pickle" else ""]
    if found.parameters and found.kind in (FileKind.CHECKPOINT, FileKind.DENOISER, FileKind.TEXT_ENCODER):
        parts.append(tr("{n} parameters", n=parameters_words(found.parameters)))
    if found.trigger:
        quoted = ", ".join(f"“{word}”" for word in found.trigger[:4])
        parts.append(tr("called by {words}", words=quoted))
    if found.base:
        parts.append(tr("made for {base}", base=found.base))
    if "unverified_family" in found.warnings and found.kind is not FileKind.UNKNOWN:
        parts.append(tr("its family is a guess") if found.family else tr("family not known"))
    return " · ".join(part for part in parts if part)


def _ready(path: str, found: Recognised) -> ImportRow:
    if found.format == SOURCE:
        what = tr("Models folder of {app}", app=found.title) if found.title else tr("Folder with models")
        count = plural("{n} weight file", "{n} weight files", found.layers)
        line = tr("{count}; they are found where they lie, now and later. Nothing is copied.", count=count)
        return ImportRow(path, Path(path).name or path, "ready", what, line, source=True, can_copy=False)
    risky = "pickle" in found.warnings or found.format == "pickle"
    warning = ""
    if risky:
        warning = tr(
            "An old kind of file that can run program code when it is opened. Take it only if you trust its maker."
        )
    if found.kind is FileKind.UNKNOWN:
        return ImportRow(path, Path(path).name, "refused", tr("Not recognised"), recognised_line(found))
    return ImportRow(
        path, Path(path).name, "ready", recognised_words(found), recognised_line(found), risky=risky, warning=warning
    )


class ImportsVM(QObject):
    """``changed`` comes when a row is another; ``finished`` when all that could be added was; ``to_use`` carries the id
    of each that was added to be used at once."""

    changed = Signal()
    finished = Signal(str)
    to_use = Signal(str)

    def __init__(self, weights: WeightsPort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._weights = weights
        self._rows: dict[str, ImportRow] = {}
        self.copy = False
        self.consent = False
        self._stop = self._use = False
        self._added = 0

    def rows(self) -> list[ImportRow]:
        return list(self._rows.values())

    def take(self, paths: Sequence[str], use: bool = False) -> None:
        """Begin with ``paths``: each is looked at, nothing is changed yet. ``use``: they are for what is made next."""
        self._rows = {}
        self._use = use
        self.copy = self.consent = self._stop = False
        self._added = 0
        for path in dict.fromkeys(paths):
            self._rows[path] = ImportRow(path, Path(path).name or path, "looking")
        self.changed.emit()
        for path, row in list(self._rows.items()):
            if row.state == "looking":
                self._look(path)

    def _look(self, path: str) -> None:
        def found(what: Recognised) -> None:
            self._put(path, _ready(path, what))

        self._weights.imports.look(Path(path), found, lambda error: self._refuse(path, error))

    # what can be done

    @property
    def busy(self) -> bool:
        return any(row.state in ("looking", "adding") for row in self._rows.values())

    @property
    def needs_consent(self) -> bool:
        return any(row.risky and row.state == "ready" for row in self._rows.values())

    @property
    def can_copy(self) -> bool:
        return any(row.can_copy and row.state == "ready" for row in self._rows.values())

    @property
    def can_add(self) -> bool:
        ready = [row for row in self._rows.values() if row.state == "ready"]
        return bool(ready) and not self.busy and (not self.needs_consent or self.consent)

    def set_copy(self, copy: bool) -> None:
        self.copy = copy

    def set_consent(self, consent: bool) -> None:
        self.consent = consent
        self.changed.emit()

    def drop(self, path: str) -> None:
        """Leave one out."""
        self._rows.pop(path, None)
        self.changed.emit()

    def add(self) -> None:
        """Take in all that is ready, one after the other."""
        if self.can_add:
            self._next()

    def stop(self) -> None:
        """End a copy under way at its next step."""
        self._stop = True

    def _next(self) -> None:
        row = next((row for row in self._rows.values() if row.state == "ready"), None)
        if row is None or self._stop:
            self._end()
            return
        self._put(row.path, replace(row, state="adding"))
        path = Path(row.path)
        if row.source:
            self._weights.imports.add_source(
                path, lambda n: self._done(row.path, n), lambda e: self._not_added(row.path, e)
            )
            return

        def progress(done: int, total: int) -> bool:
            self._put(row.path, replace(self._rows[row.path], fraction=done / total if total else -1.0))
            return not self._stop

        def added(key: str) -> None:
            if key:
                if self._use:
                    self.to_use.emit(key)
                self._done(row.path)
            else:
                self._put(row.path, replace(row, state="ready"))
                self._end()

        self._weights.imports.add(
            path, self.copy, progress, added, lambda e: self._not_added(row.path, e), allow_pickle=row.risky
        )

    def _done(self, path: str, found: int = -1) -> None:
        row = self._rows[path]
        self._added += 1
        line = plural("{n} model or add-on found", "{n} models and add-ons found", found) if found >= 0 else row.line
        self._put(path, replace(row, state="done", line=line, warning="", fraction=-1.0))
        self._next()

    def _not_added(self, path: str, error: ErrorInfo) -> None:
        self._refuse(path, error)
        self._next()

    def _end(self) -> None:
        if self._added and all(row.state == "done" for row in self._rows.values()):
            only = next(iter(self._rows.values()))
            self.finished.emit(
                tr("“{name}” was added.", name=only.name)
                if len(self._rows) == 1
                else plural("{n} thing was added.", "{n} things were added.", self._added)
            )
        self.changed.emit()

    def _refuse(self, path: str, error: ErrorInfo) -> None:
        plain = words(error)
        row = ImportRow(path, Path(path).name, "refused", tr(plain.sentence), tr(plain.advice))
        self._put(path, row)

    def _put(self, path: str, row: ImportRow) -> None:
        if path in self._rows:
            self._rows[path] = row
            self.changed.emit()
