"""Downloads against the hub's own library, and the Models page's two loops: search in a large catalog, a full cache."""

from __future__ import annotations

import functools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import msgspec

from app import hub_protocol as protocol
from app.events import EventBus
from app.hub_protocol import PullSpec
from app.models import Models
from app.settings import SettingsStore
from models.catalog.load import catalog
from models.catalog.search import Index
from models.codec import Reader, Writer
from tests.bench.measure import ROOT, Measure, median

FILES, FILE_BYTES = 4, 96_000_000
KEYSTROKE_MS = 16.0
ENTRIES = 10_000
CACHED_MODELS = 200

_THEIRS = """
import os, sys
os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_XET="1")
from huggingface_hub import snapshot_download
snapshot_download("bench/model", cache_dir=sys.argv[1], endpoint=sys.argv[2], max_workers=3)
"""


def measure(rounds: int = 3) -> list[Measure]:
    return [*_throughput(rounds), _search(), _listing()]


# -- downloads ---------------------------------------------------------------------------------------------------------


def _throughput(rounds: int) -> list[Measure]:
    """Seconds and processor seconds of one pull, ours and theirs in turns, each in a process that is started for it."""
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as place, _hub(Path(place)) as url:
        for number in range(rounds + 1):
            pairs = [(ours, _pull), (theirs, _snapshot)]
            for taken, fetch in pairs if number % 2 == 0 else reversed(pairs):
                with tempfile.TemporaryDirectory() as cache:
                    taken.append(_timed(functools.partial(fetch, cache, url)))
    seconds, base = median([wall for wall, _ in ours[1:]]), median([wall for wall, _ in theirs[1:]])
    cpu, base_cpu = median([used for _, used in ours[1:]]), median([used for _, used in theirs[1:]])
    size = FILES * FILE_BYTES
    rate = {"mb_per_s": round(size / seconds / 1e6), "snapshot_download_mb_per_s": round(size / base / 1e6)}
    used = {"cpu_s_per_gb": round(cpu / size * 1e9, 2), "snapshot_download": round(base_cpu / size * 1e9, 2)}
    return [
        Measure("download, time", seconds / base, 1 / 0.95, "x bare hub", rate),
        # Ours takes every file's checksum, which the library leaves out.
        Measure("download, processor", cpu / base_cpu, 2.0, "x bare hub", used),
    ]


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    work()
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _pull(cache: str, url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "app.hub"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    writer = Writer(process.stdin)
    writer.send(protocol.Hello(protocol.VERSION, cache, f"{cache}/state", url))
    writer.send(protocol.Pull("bench", PullSpec("bench/model", allow=("*",))))
    for message in Reader(process.stdout, protocol.FromHub):  # type: ignore[var-annotated, arg-type]
        if isinstance(message, protocol.PullFailed):
            raise RuntimeError(message.error)
        if isinstance(message, protocol.Pulled):
            break
    writer.send(protocol.Shutdown())
    process.wait(10)


def _snapshot(cache: str, url: str) -> None:
    subprocess.run([sys.executable, "-c", _THEIRS, cache, url], check=True, capture_output=True)


@contextmanager
def _hub(place: Path) -> Iterator[str]:
    """A hub in a process of its own, serving one model of random bytes."""
    folder = place / "bench" / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    for number in range(FILES):
        (folder / "unet" / f"part-{number}.safetensors").write_bytes(os.urandom(FILE_BYTES))
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.fakehub", str(place), "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        yield next(word for line in server.stdout for word in line.split() if word.startswith("http://"))
    finally:
        server.kill()
        server.wait()


# -- the page ----------------------------------------------------------------------------------------------------------


def _search() -> Measure:
    known = list(catalog())
    entries = [
        msgspec.structs.replace(entry, id=f"{entry.id}-{number}", name=f"{entry.name} {number}")
        for number, entry in zip(range(ENTRIES), cycle(known), strict=False)
    ]
    index = Index(entries)
    words = ("stable diffusion xl turbo", "flux klien", "qwen edit 42", "depth", "zzzz")
    taken = {}
    for word in words:
        for end in range(1, len(word) + 1):
            began = time.perf_counter()
            index.search(word[:end])
            taken[word[:end]] = (time.perf_counter() - began) * 1000
    slowest = max(taken, key=lambda typed: taken[typed])
    facts = {"slowest": slowest, "median_ms": round(median(list(taken.values())), 2), "entries": ENTRIES}
    return Measure("catalog search, a keystroke", taken[slowest], KEYSTROKE_MS, "ms", facts)


def _listing() -> Measure:
    """The embedded model's folder, two hundred times in a hub cache."""
    pocket = ROOT / "assets" / "pocket"
    files = [file for file in pocket.rglob("*") if file.is_file()]
    with tempfile.TemporaryDirectory() as place:
        cache = Path(place) / "hub"
        for number in range(CACHED_MODELS):
            repo = cache / f"models--bench--model-{number}"
            commit = f"{number:040x}"
            (repo / "refs").mkdir(parents=True)
            (repo / "refs" / "main").write_text(commit)
            for file in files:
                link = repo / "snapshots" / commit / file.relative_to(pocket)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file)
        settings = SettingsStore(Path(place) / "settings.toml")
        models = Models(settings, EventBus(), ROOT / "assets", cache)
        times = []
        for _ in range(4):
            began = time.perf_counter()
            models.refresh()
            times.append(time.perf_counter() - began)
        count = len(models.entries())
    facts = {"first_s": round(times[0], 3), "models": count}
    return Measure("list a cache of 200 models", median(times[1:]), 1.0, "s", facts)
