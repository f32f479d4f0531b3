"""Downloads on the command line: a bar for each on a terminal, JSON events for programs."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from app.core import Core
from app.dispatch import LoopDispatcher
from app.events import DownloadChanged
from app.states import DownloadState
from app.terminal import DONE, FAILED, INTERRUPTED, Interrupts, complain, error_json, print_json, print_line, warn
from app.weights import Download
from models.errors import AtelierError, ErrorCode

_STOP_SECONDS = 5.0
_HALTED = frozenset({DownloadState.DONE, DownloadState.FAILED, DownloadState.CANCELLED, DownloadState.PAUSED})


def pull(core: Core, dispatcher: LoopDispatcher, as_json: bool) -> int:
    """See this program's downloads to their end. Ctrl+C pauses them: the next pull goes on where they stopped."""
    shown = JsonPulls() if as_json else BarPulls()
    stop = Interrupts()
    core.events.subscribe(DownloadChanged, lambda event: shown.changed(event.download))
    for download in core.downloads.all():
        shown.changed(download)

    def halted() -> bool:
        return all(download.state in _HALTED for download in core.downloads.all())

    dispatcher.run_until(lambda: halted() or stop.asked)
    if stop.asked:
        for download in core.downloads.all():
            core.downloads.pause(download.id)
        dispatcher.run_until(core.downloads.quiet, _STOP_SECONDS)
    shown.close()
    codes = [_conclude(download, as_json) for download in core.downloads.all()]
    return max(codes, default=DONE)


def _conclude(download: Download, as_json: bool) -> int:
    """Say how one ended and return its exit code."""
    done = download.state is DownloadState.DONE
    error = download.error
    if as_json:
        status = "succeeded" if done else "failed" if error else "cancelled"
        summary: dict[str, Any] = {
            "status": status,
            "model": download.model,
            "repo": download.spec.repo,
            "commit": download.spec.commit,
            "folder": download.folder,
            "bytes": download.total_bytes,
        }
        print_json(summary if error is None else {**summary, "error": error_json(error)})
    if done:
        if not as_json:
            print_line(download.folder)
        return DONE
    if error is not None:
        code = complain(AtelierError.from_info(error))
        if error.code is ErrorCode.REPO_HOSTILE and error.detail:
            warn(error.detail)
        return code or FAILED
    warn(f"{download.name} is unfinished; the same command goes on with it")
    return INTERRUPTED


class JsonPulls:
    """One JSON object a line for each change; progress at most twice a second."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[DownloadState, int]] = {}

    def changed(self, download: Download) -> None:
        mark = (download.state, download.done_bytes * 200 // max(1, download.total_bytes))
        if self._said.get(download.id) == mark:
            return
        self._said[download.id] = mark
        print_json({
            "event": "download", "id": download.id, "model": download.model, "state": download.state.value,
            "done_bytes": download.done_bytes, "total_bytes": download.total_bytes, "file": download.file,
            "speed": round(download.speed), "waiting": round(download.waiting, 1),
            "seconds_left": None if download.seconds_left is None else round(download.seconds_left, 1),
        })  # fmt: skip

    def close(self) -> None:
        pass


class BarPulls:
    """A bar for each download on standard error; where that is no terminal, a line for each change of state."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm[Any]] = {}
        self._states: dict[str, DownloadState] = {}

    def changed(self, download: Download) -> None:
        if not sys.stderr.isatty():
            if self._states.get(download.id) is not download.state:
                warn(f"{download.name}: {download.state.value}")
            self._states[download.id] = download.state
            return
        bar = self._bars.get(download.id)
        if bar is None:
            bar = self._bars[download.id] = tqdm(
                total=1, unit="B", unit_scale=True, unit_divisor=1000, file=sys.stderr, leave=True, desc=download.name,
                bar_format="{desc:<28.28} {bar:24} {percentage:3.0f} % {n_fmt:>6} of {total_fmt}B{postfix}",
            )  # fmt: skip
        bar.total, bar.n = max(1, download.total_bytes), download.done_bytes
        bar.set_postfix_str(_words(download), refresh=False)
        bar.refresh()

    def close(self) -> None:
        for bar in self._bars.values():
            bar.close()


def _words(download: Download) -> str:
    if download.waiting:
        return f"  no connection, tries again in {download.waiting:.0f} s"
    if download.state is not DownloadState.RUNNING:
        return f"  {download.state.value}"
    left = "" if download.seconds_left is None else f", {_time(download.seconds_left)} left"
    return f"  {download.speed / 1e6:.1f} MB/s{left}" if download.speed else ""


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )
