"""The queue of downloads, with a hub process that is played by the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import hub_protocol as protocol
from app.dispatch import LoopDispatcher
from app.downloads import RETRY_SECONDS, Downloads, Meter
from app.events import DownloadChanged, DownloadRemoved, EventBus
from app.hub_protocol import PullSpec
from app.serial import SerialWorker
from app.states import DownloadState
from app.store import Store
from app.weights import Download
from models.errors import AtelierError, ErrorCode, ErrorInfo

S = DownloadState


class PlayedHub:
    """Takes what the queue sends and says what the test wants said."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self.offline = False
        self.heard: Callable[[protocol.FromHub], None] = lambda message: None
        self.lost: Callable[[ErrorInfo], None] = lambda error: None

    def pull(self, key: str, spec: PullSpec) -> None:
        self.sent.append(("pull", key, spec))

    def stop_pull(self, key: str, discard: bool = False) -> None:
        self.sent.append(("stop", key, discard))

    def discard(self, key: str, spec: PullSpec) -> None:
        self.sent.append(("discard", key, spec))

    def stop(self) -> None:
        self.sent.append(("end",))


class Table:
    """A queue of downloads with its surroundings."""

    def __init__(self, path: Path, origin: str = "window", at_once: int = 2) -> None:
        self.hub, self.events, self.dispatcher = PlayedHub(), EventBus(), LoopDispatcher()
        self.store = Store(path)
        self.disk = SerialWorker(self.dispatcher, "disk")
        self.downloads = Downloads(
            self.store, self.hub, self.disk, self.events, self.dispatcher, "me", origin, lambda: at_once  # type: ignore[arg-type]
        )  # fmt: skip
        self.delays: list[tuple[float, Callable[[], None]]] = []
        self.downloads._later = lambda seconds, what: self.delays.append((seconds, what))  # type: ignore[method-assign]
        self.seen: list[object] = []
        self.events.subscribe(DownloadChanged, self.seen.append)
        self.events.subscribe(DownloadRemoved, self.seen.append)

    def add(self, name: str = "org/a", **spec: Any) -> Download:
        return self.downloads.add(name, name, PullSpec(name, **spec))

    def state(self, download: Download) -> DownloadState:
        found = self.downloads.get(download.id)
        assert found is not None
        return found.state

    def say(self, message: protocol.FromHub) -> None:
        self.hub.heard(message)

    def run(self, download: Download, total: int = 100, done: int = 0) -> None:
        self.say(protocol.Pulling(download.id, "c" * 40, total, 3))
        self.say(protocol.Moved(download.id, done, done))

    def saved(self) -> dict[str, Download]:
        self.disk.do(lambda: None)
        self.disk.finish()
        return {download.id: download for download, _, _ in self.store.downloads()}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "library.sqlite3")


def test_a_download_comes_whole(table: Table) -> None:
    arrived: list[Download] = []
    table.downloads.arrived = arrived.append
    download = table.add()
    assert table.state(download) is S.PREPARING
    table.run(download, done=40)
    running = table.downloads.get(download.id)
    assert running is not None
    assert (running.state, running.done_bytes, running.total_bytes) == (S.RUNNING, 40, 100)
    table.say(protocol.Checking(download.id))
    assert table.state(download) is S.VERIFYING
    table.say(protocol.Pulled(download.id, "/cache/snap", "c" * 40, 100, 60))
    assert [found.folder for found in arrived] == ["/cache/snap"]
    kept = table.saved()[download.id]
    assert (kept.state, kept.done_bytes, kept.spec.commit) == (S.DONE, 100, "c" * 40)


def test_no_more_run_at_once_than_wanted(table: Table) -> None:
    one, two, three = table.add("o/a"), table.add("o/b"), table.add("o/c")
    assert [table.state(found) for found in (one, two, three)] == [S.PREPARING, S.PREPARING, S.QUEUED]
    table.run(one)
    table.say(protocol.Pulled(one.id, "f", "c", 100, 100))
    assert table.state(three) is S.PREPARING


def test_the_same_files_are_not_fetched_twice(table: Table) -> None:
    one = table.add()
    assert table.add().id == one.id
    assert table.add(file="other.safetensors").id != one.id
    table.downloads.pause(one.id)
    table.say(protocol.Stopped(one.id))
    assert table.add().id == one.id
    assert table.state(one) is S.PREPARING, "asking again goes on with a paused one"


def test_going_on_waits_until_the_process_has_stopped(table: Table) -> None:
    download = table.add()
    table.run(download)
    table.downloads.pause(download.id)
    assert table.state(download) is S.PAUSED
    table.downloads.resume(download.id)
    assert table.state(download) is S.QUEUED
    assert [sent[0] for sent in table.hub.sent] == ["pull", "stop"]
    table.say(protocol.Moved(download.id, 50, 50))  # under way when the stop was sent
    assert table.state(download) is S.QUEUED
    table.say(protocol.Stopped(download.id))
    assert table.hub.sent[-1] == ("pull", download.id, PullSpec("org/a", commit="c" * 40))


def test_cancelling_says_what_it_freed(table: Table) -> None:
    download = table.add()
    table.run(download, done=70)
    table.downloads.cancel(download.id)
    assert table.hub.sent[-1] == ("stop", download.id, True)
    assert table.state(download) is S.CANCELLED
    table.say(protocol.Stopped(download.id, 70))
    found = table.downloads.get(download.id)
    assert found is not None
    assert (found.freed_bytes, found.done_bytes) == (70, 0)
    table.downloads.dismiss(download.id)
    assert table.downloads.all() == []
    assert table.saved() == {}


def test_cancelling_a_paused_one_frees_its_space_too(table: Table) -> None:
    download = table.add()
    table.run(download, done=70)
    table.downloads.pause(download.id)
    table.downloads.cancel(download.id)  # before the process answered
    table.say(protocol.Stopped(download.id))
    assert table.hub.sent[-1][0] == "discard"
    table.say(protocol.Stopped(download.id, 70))
    found = table.downloads.get(download.id)
    assert found is not None
    assert found.freed_bytes == 70
    assert table.downloads.quiet()


def test_a_passing_failure_is_tried_again_later_and_later(table: Table) -> None:
    download = table.add()
    for wait in (*RETRY_SECONDS, RETRY_SECONDS[-1]):
        table.say(protocol.PullFailed(download.id, ErrorInfo(ErrorCode.CONNECTION_LOST)))
        found = table.downloads.get(download.id)
        assert found is not None
        assert (found.state, found.waiting) == (S.FAILED, wait)
        seconds, again = table.delays.pop()
        assert seconds == wait
        again()
        assert table.state(download) is S.PREPARING


def test_a_lasting_failure_waits_for_the_user(table: Table) -> None:
    download = table.add()
    table.say(protocol.PullFailed(download.id, ErrorInfo(ErrorCode.GATED_NOT_ACCEPTED, {"repo": "o/a", "url": "u"})))
    assert table.delays == []
    found = table.downloads.get(download.id)
    assert found is not None
    assert found.error is not None
    table.downloads.resume(download.id)
    found = table.downloads.get(download.id)
    assert found is not None
    assert (found.state, found.error) == (S.PREPARING, None)


def test_a_command_line_does_not_wait_for_better_times(tmp_path: Path) -> None:
    table = Table(tmp_path / "l.sqlite3", origin="cli")
    download = table.add()
    table.say(protocol.PullFailed(download.id, ErrorInfo(ErrorCode.NO_CONNECTION)))
    assert table.delays == []
    assert table.state(download) is S.FAILED


def test_a_process_that_dies_is_forgiven_once(table: Table) -> None:
    download = table.add()
    table.run(download)
    table.hub.lost(ErrorInfo(ErrorCode.HUB_PROCESS_FAILED))
    assert table.state(download) is S.PREPARING
    table.run(download)
    table.hub.lost(ErrorInfo(ErrorCode.HUB_PROCESS_FAILED))
    assert table.state(download) is S.FAILED


def test_a_dead_process_still_frees_what_was_cancelled(table: Table) -> None:
    download = table.add()
    table.run(download, done=10)
    table.downloads.cancel(download.id)
    table.hub.lost(ErrorInfo(ErrorCode.HUB_PROCESS_FAILED))
    assert table.hub.sent[-1][0] == "discard"


def test_going_offline_pauses_everything(table: Table) -> None:
    one, two, three = table.add("o/a"), table.add("o/b"), table.add("o/c")
    table.run(one)
    table.hub.offline = True
    table.downloads.went_offline()
    assert {table.state(found) for found in (one, two, three)} == {S.PAUSED}
    assert table.hub.sent[-1] == ("end",)
    for ask in (lambda: table.downloads.resume(one.id), lambda: table.add("o/d")):
        with pytest.raises(AtelierError) as refusal:
            ask()
        assert refusal.value.code is ErrorCode.OFFLINE
    table.hub.offline = False
    table.downloads.went_online()
    assert [table.state(found) for found in (one, two, three)] == [S.PREPARING, S.PREPARING, S.QUEUED]


def test_a_later_window_goes_on_with_what_a_dead_one_left(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite3"
    first = Table(path, at_once=1)
    running, _waiting, paused, done = (first.add(f"o/{name}") for name in "abcd")
    first.run(running)
    first.downloads.pause(paused.id)
    first.downloads._become(first.downloads._known[done.id], S.FAILED)
    first.downloads._become(first.downloads._known[done.id], S.CANCELLED)
    assert len(first.saved()) == 4

    second = Table(path)
    second.downloads.adopt(second.store.downloads())
    states = {found.model: found.state for found in second.downloads.all()}
    assert states == {"o/a": S.PREPARING, "o/b": S.PREPARING, "o/c": S.PAUSED}
    assert ("pull", running.id, PullSpec("o/a", commit="c" * 40)) in second.hub.sent
    assert done.id not in second.saved()


def test_a_killed_command_lines_download_is_offered_not_begun(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite3"
    first = Table(path, origin="cli")
    download = first.add()
    first.saved()
    second = Table(path)
    second.downloads.adopt(second.store.downloads())
    assert second.state(download) is S.PAUSED


def test_what_other_programs_have_not_finished_is_known(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite3"
    other = Table(path, origin="cli")
    other.add("o/theirs")
    other.saved()
    mine = Table(path)
    mine.add("o/mine")
    assert {found.model for found in mine.downloads.all()} == {"o/mine"}
    assert {found.model for found in mine.downloads.unfinished()} == {"o/mine", "o/theirs"}


def test_success_clears_earlier_tries(table: Table, tmp_path: Path) -> None:
    first = table.add()
    table.downloads.pause(first.id)
    table.say(protocol.Stopped(first.id))
    twin = Download("twin", "org/a", "a", PullSpec("org/a"), S.PREPARING)
    table.downloads._put(twin)
    table.run(twin)
    table.say(protocol.Pulled("twin", "f", "c", 100, 100))
    assert [found.id for found in table.downloads.all()] == ["twin"]


def test_offline_ends_the_tries_and_online_takes_them_up(table: Table) -> None:
    download = table.add()
    table.say(protocol.PullFailed(download.id, ErrorInfo(ErrorCode.NO_CONNECTION)))
    table.hub.offline = True
    table.downloads.went_offline()
    halted = table.downloads.get(download.id)
    assert halted is not None
    assert (halted.state, halted.waiting) == (S.FAILED, 0.0), "nothing is promised that does not happen"
    table.hub.offline = False
    table.downloads.went_online()
    assert table.state(download) is S.PREPARING


def test_what_waited_for_a_better_connection_goes_on_in_the_next_window(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite3"
    first = Table(path)
    passing, lasting = first.add("o/passing"), first.add("o/lasting")
    first.say(protocol.PullFailed(passing.id, ErrorInfo(ErrorCode.NO_CONNECTION)))
    first.say(protocol.PullFailed(lasting.id, ErrorInfo(ErrorCode.TOKEN_REFUSED)))
    first.saved()
    second = Table(path)
    second.downloads.adopt(second.store.downloads())
    assert (second.state(passing), second.state(lasting)) == (S.PREPARING, S.FAILED)


def test_a_window_begun_offline_goes_on_with_the_network(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite3"
    first = Table(path)
    download = first.add()
    first.saved()
    second = Table(path)
    second.hub.offline = True
    second.downloads.adopt(second.store.downloads())
    assert second.state(download) is S.PAUSED
    second.hub.offline = False
    second.downloads.went_online()
    assert second.state(download) is S.PREPARING


def test_of_several_tries_of_ended_programs_the_last_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite3"
    for number, names in enumerate(("ab", "ab", "a")):
        program = Table(path, origin="cli")
        for name in names:
            download = program.add(f"o/{name}")
            if number == 2:
                program.run(download)
                program.say(protocol.Pulled(download.id, "f", "c", 100, 100))
        program.saved()
    window = Table(path)
    window.downloads.adopt(window.store.downloads())
    assert [(found.model, found.state) for found in window.downloads.all()] == [("o/b", S.PAUSED)]
    assert {found.model for found in window.saved().values()} == {"o/b"}


@pytest.mark.parametrize("what", ["went_offline", "begin_again"])
def test_what_was_being_cancelled_is_deleted_although_the_process_ends(table: Table, what: str) -> None:
    download = table.add()
    table.run(download, done=10)
    table.downloads.cancel(download.id)
    getattr(table.downloads, what)()
    assert [sent[0] for sent in table.hub.sent[-2:]] == ["end", "discard"]
    table.say(protocol.Stopped(download.id, 10))
    freed = table.downloads.get(download.id)
    assert freed is not None
    assert freed.freed_bytes == 10


def test_a_cancelled_one_stays_on_the_list_until_the_process_has_let_go(table: Table) -> None:
    download = table.add()
    table.run(download, done=10)
    table.downloads.pause(download.id)
    table.downloads.cancel(download.id)
    table.downloads.dismiss(download.id)
    table.say(protocol.Stopped(download.id))
    assert table.hub.sent[-1][:2] == ("discard", download.id)
    table.say(protocol.Stopped(download.id, 10))
    table.downloads.dismiss(download.id)
    assert table.downloads.all() == []


def test_speed_is_taken_over_the_last_seconds() -> None:
    now = [0.0]
    meter = Meter(lambda: now[0])
    assert meter.speed == 0.0
    for second in range(20):
        now[0] = float(second)
        meter.add(second * 1000 if second < 10 else 10_000 + (second - 10) * 5000)
    assert meter.speed == pytest.approx(5000, rel=0.01)
