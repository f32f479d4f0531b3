"""Storage together with the real hub process: only what is damaged is fetched again; downloads follow a move."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core import Core
from app.dispatch import LoopDispatcher
from app.hub_protocol import PullSpec
from app.paths import default_paths
from app.states import DownloadState
from app.weights import CheckReport, Download, StorageReport
from models.errors import ErrorInfo
from tests import cache_trees as trees
from tests.fakehub import FakeHub

REPO = "org/small"
UNET = "unet/diffusion_pytorch_model.safetensors"
PATIENCE = 60.0  # seconds; two busy cores are no failure

pytestmark = pytest.mark.worker


@pytest.fixture
def files() -> dict[str, bytes]:
    large = trees.safetensors({"w.weight": ("U8", [3_000_000])}, 5)
    return {**trees.pipeline(1), "text_encoder/model.safetensors": large}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add(REPO, dict(files), licence="mit", pipeline_tag="text-to-image")
        hub.add("org/other", {**files, UNET: trees.pipeline(2)[UNET]}, licence="mit", pipeline_tag="text-to-image")
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


class Program:
    """A core on a plain loop, without its engine."""

    def __init__(self) -> None:
        self.loop = LoopDispatcher()
        self.core = Core(default_paths(), self.loop, "cli")

    def ask(self, action: Any, *arguments: object) -> Any:
        answers: list[Any] = []
        action(*arguments, answers.append, answers.append)
        assert self.loop.run_until(lambda: bool(answers), PATIENCE)
        assert not isinstance(answers[0], ErrorInfo), answers[0]
        return answers[0]

    def finish(self, download: Download) -> Download:
        def ended() -> bool:
            now = self.core.downloads.get(download.id)
            return now is not None and now.state in (DownloadState.DONE, DownloadState.FAILED)

        assert self.loop.run_until(ended, PATIENCE)
        done = self.core.downloads.get(download.id)
        assert done is not None
        assert done.state is DownloadState.DONE, done.error
        return done

    def pull(self, repo: str) -> Download:
        return self.finish(self.core.downloads.start(repo, PullSpec(repo)))

    def verify(self, key: str) -> CheckReport:
        report: CheckReport = self.ask(self.core.storage.verify, key, lambda done, total: True)
        return report

    def report(self) -> StorageReport:
        report: StorageReport = self.ask(self.core.storage.report)
        return report

    def state(self, key: str) -> tuple[str, bool]:
        item = next(item for item in self.report().items if item.id == key)
        return item.state, item.verified > 0


@pytest.fixture
def program(hub: FakeHub) -> Iterator[Program]:
    made = Program()
    yield made
    made.core.close()


def test_only_what_is_damaged_is_fetched_again(program: Program, hub: FakeHub, files: dict[str, bytes]) -> None:
    folder = Path(program.pull(REPO).folder)
    assert program.loop.run_until(lambda: program.state(REPO) == ("complete", True), 20), "verified on arrival"
    bad = (folder / UNET).resolve()
    facts, data = bad.stat(), bytearray(bad.read_bytes())
    data[-1] ^= 1
    bad.write_bytes(bytes(data))
    os.utime(bad, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # as a failing disk does it
    (folder / "tokenizer/vocab.json").resolve().unlink()
    found = {(file.path, file.why) for file in program.verify(REPO).bad}
    assert found == {(UNET, "checksum"), ("tokenizer/vocab.json", "missing")}
    assert program.state(REPO)[0] == "damaged"
    hub.forget_requests()
    program.finish(program.core.storage.repair(REPO))
    assert hub.sent < len(files["text_encoder/model.safetensors"]), "the large file stayed"
    assert program.verify(REPO).bad == ()
    assert program.state(REPO) == ("complete", True)
    assert (folder / UNET).read_bytes() == files[UNET]


def test_downloads_go_to_where_the_cache_moved(program: Program, hub: FakeHub, tmp_path: Path) -> None:
    program.pull(REPO)
    moved = program.ask(program.core.storage.move, tmp_path / "disk", lambda done, total: True)
    assert moved > 3_000_000
    hub.forget_requests()
    folder = program.pull("org/other").folder
    assert Path(folder).is_relative_to(tmp_path / "disk")
    assert hub.sent < 1_000_000, "what both share was there already"
    report = program.report()
    assert report.saved_bytes > 3_000_000
    assert {item.id for item in report.items} == {"pocket", REPO, "org/other"}
    freed = program.ask(program.core.storage.remove, REPO)
    assert freed < 1_000_000
    assert program.verify("org/other").bad == ()
