"""The library with a hundred thousand pictures: a keystroke in the search, pages, the start; an import of old ones."""

from __future__ import annotations

import json
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image, PngImagePlugin

from app import rows
from app.gather import Gathering
from app.jobs import Result
from app.journal import Journal
from app.records import Records
from app.store import Store
from tests.bench.measure import Measure, median

RECORDS = 100_000
KEYSTROKE_MS, PAGE_MS, IMPORTED = 30.0, 10.0, 10_000
PAGE = 200

_NOUNS = [
    "harbour",
    "lighthouse",
    "apple",
    "mountain",
    "river",
    "castle",
    "forest",
    "dragon",
    "robot",
    "kitchen",
    "garden",
    "portrait",
    "street",
    "market",
    "ocean",
    "desert",
    "library",
    "bridge",
    "tower",
    "cathedral",
    "village",
    "meadow",
    "waterfall",
    "island",
    "canyon",
    "glacier",
    "orchard",
    "vineyard",
    "train",
    "ship",
]
_WORDS = [
    "quiet",
    "red",
    "golden",
    "misty",
    "ancient",
    "tiny",
    "enormous",
    "broken",
    "glowing",
    "frozen",
    "painted",
    "wooden",
    "silver",
    "stormy",
    "sunny",
    "empty",
    "crowded",
    "detailed",
    "cinematic",
    "watercolour",
    "sketch",
    "photo",
    "masterpiece",
    "soft",
    "sharp",
    "warm",
    "cold",
    "dark",
    "bright",
    "vivid",
]
TYPED = (
    "harbour", "red apple", "cinematic portrait garden", '"misty mountain"', "model:flux castle", "seed:4242",
    "rating:4+ robot", "is:favourite dragon", "size:1024x768 -red", "after:2026-03 bridge", "zzzz", "steps 20 euler",
)  # fmt: skip


def measure(rounds: int = 3) -> list[Measure]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        store = Store(folder / "library.sqlite3")
        fill(store)
        records = Records(store, Journal(folder / "journal"))
        found = [_search(records, rounds), *_pages(records, rounds)]
        store.close()
        found.append(_start(folder))
        size = (folder / "library.sqlite3").stat().st_size
    found[0].facts["database_mb"] = round(size / 1e6)
    return [*found, _import()]


def fill(store: Store) -> None:
    luck = random.Random(1)
    with store.changing() as db:
        for number in range(RECORDS):
            words = " ".join(luck.choice(_WORDS) for _ in range(18))
            prompt = f"{luck.choice(_WORDS)} {luck.choice(_NOUNS)}, {words}, {luck.choice(_NOUNS)} {number % 977}"
            avoid = "blurry, low quality, watermark, text, " + luck.choice(_WORDS)
            inputs = {"prompt": prompt, "negative_prompt": avoid,
                      "steps": luck.randint(4, 40), "scheduler": "euler_a", "guidance_scale": 7.0}  # fmt: skip
            model = luck.choice(("FLUX.2 klein 4B", "Stable Diffusion XL", "Qwen-Image", "pocket"))
            seed = luck.randrange(2**32)
            size = luck.choice(((1024, 1024), (1024, 768), (768, 1024)))
            result = Result(
                f"j{number}-1", f"j{number}", f"/pictures/{number}.png", 1_767_225_600 + number * 240, model, model,
                prompt, seed, *size, {"inputs": inputs, "seed": seed, "seconds": 4.0},
            )  # fmt: skip
            place = rows.put(db, result)
            if number % 50 == 0:
                db.execute("UPDATE results SET favourite = 1, rating = ? WHERE number = ?", (number // 50 % 6, place))
                rows.reindex(db, place)


def _timed(work: Callable[[], object], rounds: int) -> float:
    """Milliseconds, the median of ``rounds`` after one that is not counted."""
    work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


def _search(records: Records, rounds: int) -> Measure:
    """Every beginning of what is typed, a page of its pictures each."""
    taken = {}
    for typed in TYPED:
        for end in range(1, len(typed) + 1):
            part = typed[:end]
            if part not in taken:
                taken[part] = _timed(lambda part=part: records.page(part, limit=PAGE), rounds)  # type: ignore[misc]
    slowest = max(taken, key=lambda part: taken[part])
    facts = {"slowest": slowest, "median_ms": round(median(list(taken.values())), 2), "keystrokes": len(taken),
             "records": RECORDS}  # fmt: skip
    return Measure("library search, a keystroke", taken[slowest], KEYSTROKE_MS, "ms", facts)


def _pages(records: Records, rounds: int) -> list[Measure]:
    first = _timed(lambda: records.page(limit=PAGE), rounds)
    after = records.page(limit=1).next
    deep = records.page(after=1_767_225_600_000_000 + 240_000_000 * 1000, limit=1).next
    late = _timed(lambda: records.page(after=deep, limit=PAGE), rounds)
    count = _timed(lambda: records.count("red"), rounds)
    facts = {"page": PAGE, "count_of_a_common_word_ms": round(count, 1), "records": RECORDS}
    return [
        Measure("library, first page", first, PAGE_MS, "ms", facts),
        Measure("library, last page", late, PAGE_MS, "ms", {"page": PAGE, "next": bool(after)}),
    ]


def _start(folder: Path) -> Measure:
    def start() -> None:
        Store(folder / "library.sqlite3").close()

    return Measure("library, opening the file", _timed(start, 5), 50.0, "ms", {"records": RECORDS})


def _import() -> Measure:
    """Ten thousand small pictures with A1111's text, all in."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _old_pictures(folder / "old")
        store = Store(folder / "library.sqlite3")
        gathering = Gathering(store, Journal(folder / "journal"))
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        done = gathering.gather(folder / "old", lambda now, total: None)
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF)
        again = time.perf_counter()
        gathering.gather(folder / "old", lambda now, total: None)
        facts = {"pictures": done.added, "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime
                 - before.ru_stime, 1), "again_s": round(time.perf_counter() - again, 2)}  # fmt: skip
        store.close()
    return Measure("import of 10,000 pictures", seconds, 60.0, "s", facts)


def _old_pictures(folder: Path) -> None:
    image = Image.frombytes("RGB", (32, 32), os.urandom(32 * 32 * 3))
    for number in range(IMPORTED):
        info = PngImagePlugin.PngInfo()
        what = _NOUNS[number % len(_NOUNS)]
        settings = f"Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: {number}, Size: 512x512, Model: x"
        info.add_text("parameters", f"a {what}, detailed\nNegative prompt: blurry\n{settings}")
        if number % 2:
            info.add_text("workflow", json.dumps({"nodes": [], "links": []}))
        path = folder / str(number // 1000) / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, pnginfo=info, compress_level=1)
