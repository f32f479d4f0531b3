"""Picture and mask through the queue and the real worker, with the embedded model: asserted on pixels."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app import events as announced
from app.jobs import Job
from app.states import JobState
from models import protocol, recipe
from models.errors import AtelierError, ErrorCode, InvalidInputError
from tests.integration.conftest import Studio

ROOT = Path(__file__).resolve().parents[2]
SIDE = 96
FEATHER = 8


class Atelier(Studio):
    """A studio with the embedded model; ``loaded`` counts how often weights were loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded = 0
        hear = self.core.queue.hear

        def listen(message: Any) -> None:
            self.loaded += isinstance(message, protocol.Loaded)
            hear(message)

        self.core.queue.hear = listen  # type: ignore[method-assign]

    def make(self, count: int = 1, **inputs: Any) -> Job:
        job = self.core.queue.submit("pocket", {"prompt": "red apple", "seed": 1, "steps": 4, **inputs}, count)
        return self.finish(job)

    def pictures(self, job: Job) -> list[np.ndarray[Any, Any]]:
        assert self.job(job).state is JobState.SUCCEEDED, self.job(job).error
        return [pixels(self.path(job, number)) for number in range(len(self.job(job).results))]

    def path(self, job: Job, number: int = 0) -> Path:
        result = self.core.library.get(self.job(job).results[number])
        assert result is not None
        return Path(result.path)


def pixels(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def picture(workplace: Path) -> Path:
    """A yellow disc on blue."""
    image = Image.new("RGB", (SIDE, SIDE), (70, 110, 200))
    ImageDraw.Draw(image).ellipse((20, 20, 76, 76), fill=(250, 200, 40))
    image.save(workplace / "picture.png")
    return workplace / "picture.png"


@pytest.fixture(scope="module")
def mask(workplace: Path) -> Path:
    image = Image.new("L", (SIDE, SIDE), 0)
    image.paste(255, (48, 0, SIDE, SIDE))
    image.save(workplace / "mask.png")
    return workplace / "mask.png"


@pytest.fixture
def atelier() -> Iterator[Atelier]:
    made = Atelier()
    yield made
    made.close()


def test_words_picture_and_mask_load_the_weights_once(atelier: Atelier, picture: Path, mask: Path) -> None:
    words = atelier.make()
    changed = atelier.make(image=str(picture), strength=0.5)
    filled = atelier.make(image=str(picture), mask=str(mask))
    wider = atelier.make(image=str(picture), extend_right=32)
    again = atelier.make()
    assert atelier.loaded == 1
    before = pixels(picture)
    assert np.array_equal(atelier.pictures(words)[0], atelier.pictures(again)[0])
    assert atelier.pictures(changed)[0].shape == before.shape
    kept = np.abs(atelier.pictures(filled)[0] - before).max(axis=2)
    assert kept[:, : 48 - FEATHER].max() == 0
    assert kept[:, 48:].mean() > 10
    extended = atelier.pictures(wider)[0]
    assert extended.shape == (SIDE, SIDE + 32, 3)
    assert np.array_equal(extended[:, : SIDE - FEATHER], before[:, : SIDE - FEATHER])


def test_strength_nothing_returns_the_input_and_little_stays_near(atelier: Atelier, picture: Path) -> None:
    same = atelier.pictures(atelier.make(image=str(picture), strength=0))[0]
    assert np.array_equal(same, pixels(picture))
    gaps = []
    for strength in (0.1, 0.5, 1.0):
        made = atelier.pictures(atelier.make(image=str(picture), strength=strength, steps=10, guidance_scale=1.0))[0]
        gaps.append(float(np.abs(made - same).mean()))
    assert gaps[0] < gaps[1] < gaps[2]


def test_the_recipe_holds_the_pictures_by_their_content(atelier: Atelier, picture: Path, mask: Path) -> None:
    job = atelier.make(image=str(picture), mask=str(mask), only_masked=True)
    found = recipe.read(atelier.path(job))
    assert found is not None
    assert found["inputs"]["image"] == str(picture)
    assert found["inputs"]["only_masked"] is True
    assert set(found["pictures"]) == {"image", "mask"}
    assert all(len(about["sha256"]) == 64 for about in found["pictures"].values())
    assert (found["width"], found["height"]) == (SIDE, SIDE)


def test_variations_of_a_seed_are_each_their_own_single_run(atelier: Atelier) -> None:
    near = {"variation_seed": 5, "variation_strength": 0.3}
    both = atelier.make(count=2, **near)
    alone = atelier.make(**{**near, "variation_seed": 6})
    first, second = atelier.pictures(both)
    assert np.array_equal(second, atelier.pictures(alone)[0])
    assert not np.array_equal(first, second)
    told = [recipe.read(atelier.path(both, number)) for number in (0, 1)]
    assert [(r["seed"], r["inputs"]["variation_seed"]) for r in told if r] == [(1, 5), (1, 6)]
    plain = atelier.pictures(atelier.make())[0]
    far = atelier.pictures(atelier.make(seed=99))[0]
    assert np.abs(first - plain).mean() < np.abs(far - plain).mean() + 60


def test_what_happens_to_a_picture_after_it_was_sent_changes_nothing(
    atelier: Atelier, picture: Path, mask: Path, tmp_path: Path
) -> None:
    gone, turned, cut = (tmp_path / name for name in ("gone.png", "turned.png", "cut.png"))
    gone.write_bytes(picture.read_bytes())
    turned.write_bytes(picture.read_bytes())
    cut.write_bytes(mask.read_bytes())
    asked = {"prompt": "tree", "seed": 1, "steps": 4}
    submit = atelier.core.queue.submit
    first = submit("pocket", asked)
    second = submit("pocket", {**asked, "image": str(gone)})
    third = submit("pocket", {**asked, "image": str(turned), "mask": str(cut), "mask_feather": 4})
    gone.unlink()
    assert atelier.finish(first).state is JobState.SUCCEEDED
    Image.new("RGB", (96, 40), (1, 2, 3)).save(turned)
    cut.write_bytes(b"")
    assert atelier.finish(second).state is JobState.SUCCEEDED
    assert atelier.finish(third).state is JobState.SUCCEEDED
    whole, part = (atelier.pictures(job)[0] for job in (second, third))
    single = lambda **more: atelier.pictures(atelier.make(**asked, **more))[0]  # noqa: E731
    assert np.array_equal(whole, single(image=str(picture)))
    assert np.array_equal(part, single(image=str(picture), mask=str(mask), mask_feather=4))
    found = recipe.read(atelier.path(second))
    assert found is not None
    checksum = hashlib.sha256(picture.read_bytes()).hexdigest()
    assert found["inputs"]["image"] == found["pictures"]["image"]["path"] == str(gone), "the person's own file is named"
    assert found["pictures"]["image"]["sha256"] == checksum
    assert not any(atelier.core.library.job_folder(job.id).exists() for job in (first, second, third))


def test_a_picture_that_was_never_whole_is_named_and_nothing_else_is_lost(
    atelier: Atelier, picture: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:-200])
    submit = atelier.core.queue.submit
    asked = {"prompt": "tree", "seed": 1, "steps": 4}
    jobs = [submit("pocket", asked), submit("pocket", {**asked, "image": str(broken)}), submit("pocket", asked)]
    states = [atelier.finish(job).state for job in jobs]
    assert states == [JobState.SUCCEEDED, JobState.FAILED, JobState.SUCCEEDED]
    error = atelier.job(jobs[1]).error
    assert error is not None
    assert error.code is ErrorCode.PICTURE_UNREADABLE
    assert error.facts["path"] == str(broken), "not the copy"
    copies = list((atelier.core.library.job_folder(jobs[1].id) / "inputs").iterdir())
    assert len(copies) == 1
    for copy in copies:
        copy.unlink()
    broken.write_bytes(picture.read_bytes())
    atelier.core.queue.retry(jobs[1].id)
    assert atelier.finish(jobs[1]).state is JobState.SUCCEEDED, "copied anew, since the first copy is gone"
    assert atelier.loaded == 1


def bomb(folder: Path) -> Path:
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    path = folder / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)))
    return path


def cut(folder: Path, picture: Path) -> Path:
    path = folder / "cut.png"
    path.write_bytes(picture.read_bytes()[:-60])
    return path


def test_bad_pictures_are_refused_before_they_are_queued(atelier: Atelier, tmp_path: Path) -> None:
    for path in (bomb(tmp_path), ROOT / "LICENSE", tmp_path / "none.png"):
        with pytest.raises(InvalidInputError) as caught:
            atelier.core.queue.submit("pocket", {"prompt": "x", "image": str(path)})
        (problem,) = caught.value.info.problems
        assert problem.name == "image"
        assert path.name in problem.sentence
    assert atelier.core.queue.jobs() == []


def test_a_picture_cut_off_fails_with_a_reason(atelier: Atelier, picture: Path, tmp_path: Path) -> None:
    path = cut(tmp_path, picture)
    error = atelier.make(image=str(path)).error
    assert error is not None
    assert error.code is ErrorCode.PICTURE_UNREADABLE
    assert error.facts["reason"] == "it is damaged or cut off"


def test_the_smallest_and_the_longest_picture_work(atelier: Atelier, tmp_path: Path) -> None:
    path = tmp_path / "odd.png"
    for size in ((1, 1), (30_000, 2)):
        Image.new("RGB", size, (200, 100, 50)).save(path)
        made = atelier.pictures(atelier.make(image=str(path), steps=2))[0]
        assert min(made.shape[:2]) >= 48


def test_a_new_edge_shows_no_seam(atelier: Atelier, picture: Path) -> None:
    """Where old meets new, neighbours differ no more than they do elsewhere in what is new."""
    made = atelier.pictures(atelier.make(image=str(picture), extend_right=48, prompt="blue circle", steps=10))[0]
    steps = np.abs(np.diff(made, axis=1)).mean(axis=(0, 2))
    seam = steps[SIDE - FEATHER - 1 : SIDE + 1]
    assert seam.max() <= max(3.0, 1.5 * np.percentile(np.r_[steps[: SIDE - FEATHER - 1], steps[SIDE + 1 :]], 95))


# -- from the command line --------------------------------------------------------------------------------------------


def generate(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    answer = subprocess.run(
        [sys.executable, "-m", "app", "generate", *arguments, "--json"], capture_output=True, text=True, timeout=240,
        cwd=ROOT, env=dict(os.environ), check=False,
    )  # fmt: skip
    return answer.returncode, [json.loads(line) for line in answer.stdout.splitlines()], answer.stderr


def test_the_command_line_fills_a_mask(picture: Path, mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    arguments = ("--image", str(picture), "--mask", str(mask), "--seed", "2", "--steps", "4", "--out", str(out))
    code, lines, trouble = generate("green tree", *arguments, "-i", "strength=0.9")
    assert code == 0, trouble
    assert lines[-1]["status"] == "succeeded"
    assert lines[-1]["inputs"]["mask"] == str(mask)
    kept = np.abs(pixels(out) - pixels(picture)).max(axis=2)
    assert kept[:, : 48 - FEATHER].max() == 0
    assert kept[:, 48:].mean() > 10


def test_the_command_line_names_every_problem_of_pictures(picture: Path, tmp_path: Path) -> None:
    Image.new("L", (50, 20), 255).save(tmp_path / "other.png")
    code, lines, trouble = generate("x", "--mask", str(tmp_path / "other.png"))
    assert (code, lines[-1]["error"]["code"]) == (2, "invalid_input")
    assert "Mask needs Image" in trouble
    code, lines, trouble = generate("x", "--image", str(picture), "--mask", str(tmp_path / "other.png"))
    assert code == 2
    assert "the same shape" in trouble
    code, _, trouble = generate("x", "--image", str(tmp_path / "none.png"))
    assert code == 2
    assert "none.png" in trouble


def test_results_are_announced_like_any_other(atelier: Atelier, picture: Path) -> None:
    atelier.make(image=str(picture), strength=0.5)
    assert sum(isinstance(event, announced.ResultAdded) for event in atelier.seen) == 1
    with pytest.raises(AtelierError):
        atelier.core.queue.submit("pocket", {"prompt": "x", "image": str(picture), "strength": 2})
