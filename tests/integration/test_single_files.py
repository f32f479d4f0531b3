"""Single-file models through the whole app: made ready, put in the queue, painted by the real worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from app.jobs import Job
from app.states import JobState
from models.recognise import recognise
from models.singles import prepare
from tests.integration.conftest import Studio
from tests.integration.test_models import heavy, submit
from tests.torch import tiny


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("ATELIER_FAKE", "1")
        studio = heavy(Studio())
    yield studio
    studio.close()


def painted(studio: Studio, job: Job) -> Image.Image:
    job = studio.finish(job)
    assert job.state is JobState.SUCCEEDED, job.error
    result = studio.core.library.get(job.results[0])
    assert result is not None
    return Image.open(result.path).convert("RGB")


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_checkpoint_is_painted_with_like_a_folder(studio: Studio, tmp_path: Path, family: str) -> None:
    path = tiny.build_single(family, tmp_path / "my model.safetensors", tmp_path / "twin")
    folder = prepare(path, recognise(path), tmp_path / "skeletons", lambda _: None)
    size = {"width": 64, "height": 64}
    one = painted(studio, submit(studio, folder, **size))
    other = painted(studio, submit(studio, tmp_path / "twin", **size))
    assert ImageChops.difference(one, other).getbbox() is None
    assert one.getextrema() != ((0, 0), (0, 0), (0, 0))
