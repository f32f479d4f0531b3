"""A storage and imports with everything around them, done at once on the calling thread; downloads are only written
down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.events import EventBus
from app.hub_protocol import PullSpec
from app.judging import Prepare
from app.models import Models
from app.paths import ASSETS, default_paths
from app.serial import AtOnce
from app.settings import SettingsStore
from app.states import DownloadState
from app.storage import Storage
from app.weights import CheckReport, Download, StorageReport, Stored
from models.errors import AtelierError, ErrorCode, ErrorInfo


class Downloads:
    """Downloads that never move."""

    def __init__(self) -> None:
        self.rows: list[Download] = []
        self.refusal: AtelierError | None = None

    def unfinished(self) -> list[Download]:
        return [download for download in self.all() if not download.ended]

    def all(self) -> list[Download]:
        return list(self.rows)

    def start(self, model: str, /, spec: PullSpec | None = None) -> Download:
        if self.refusal is not None:
            raise self.refusal
        download = Download(str(len(self.rows)), model, model, spec or PullSpec(model))
        self.rows.append(download)
        return download

    def has(self, repo: str, state: DownloadState = DownloadState.PAUSED) -> None:
        self.rows.append(Download(str(len(self.rows)), repo, repo, PullSpec(repo), state))


class Shop:
    """``hub`` is the cache in use at first."""

    def __init__(self, hub: Path, prepare: Prepare | None = None, worker: Any = None) -> None:
        self.paths = default_paths().create()
        self.settings = SettingsStore(self.paths.settings)
        self.models = Models(self.settings, EventBus(), ASSETS, hub, paths=self.paths, prepare=prepare)
        self.downloads = Downloads()
        self.busy: set[str] = set()
        worker = worker or AtOnce()
        self.storage = Storage(
            self.settings, self.paths, self.models, worker, worker, lambda work: work(), self.downloads,
            lambda model: model in self.busy,
        )  # fmt: skip

    def ask(self, action: Callable[..., None], *arguments: object) -> Any:
        """The answer of a service's action; raises AtelierError with its refusal."""
        answers: list[Any] = []
        refusals: list[ErrorInfo] = []
        action(*arguments, answers.append, refusals.append)
        if refusals:
            raise AtelierError.from_info(refusals[0])
        assert len(answers) == 1
        return answers[0]

    def report(self) -> StorageReport:
        report: StorageReport = self.ask(self.storage.report)
        return report

    def item(self, key: str) -> Stored:
        return next(item for item in self.report().items if item.id == key)

    def verify(self, key: str) -> CheckReport:
        report: CheckReport = self.ask(self.storage.verify, key, quiet)
        return report

    def remove(self, key: str) -> int:
        freed: int = self.ask(self.storage.remove, key)
        return freed


def quiet(done: int, total: int) -> bool:
    return True


def refusal(action: Callable[..., object], *arguments: object) -> ErrorCode:
    """Why an action was refused."""
    with pytest.raises(AtelierError) as caught:
        action(*arguments)
    return caught.value.code
