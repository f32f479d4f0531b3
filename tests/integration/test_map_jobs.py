"""Maps and a ControlNet's preprocessor through the queue and the real worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.states import JobState
from models.errors import InvalidInputError
from tests.integration.conftest import Studio

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.torch
DEPTH = "depth-anything/Depth-Anything-V2-Small-hf"  # as the catalog has it


@pytest.fixture
def atelier(studio: Callable[..., Studio]) -> Studio:
    return studio()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    image = Image.new("RGB", (96, 64), (220, 210, 200))
    ImageDraw.Draw(image).rectangle((30, 16, 66, 48), fill=(20, 30, 90))
    image.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def made(atelier: Studio, job) -> Image.Image:
    result = atelier.core.library.get(job.results[0])
    assert result is not None
    with Image.open(result.path) as image:
        return image.copy()


def test_a_map_is_an_ordinary_picture(atelier: Studio, photo: Path) -> None:
    job = atelier.finish(atelier.core.queue.submit("maps", {"image": str(photo), "preprocessor": "canny"}))
    assert job.state is JobState.SUCCEEDED, job.error
    image = made(atelier, job)
    assert image.size == (96, 64)
    edges = np.asarray(image.convert("L"))
    assert edges[32, 28:33].max() == 255
    assert edges[32, 40:60].max() == 0
    assert atelier.core.library.get(job.results[0]).model == "maps"


def test_what_no_map_is_made_of_is_refused_before_anything_starts(atelier: Studio, photo: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        atelier.core.queue.submit("maps", {"image": str(photo), "preprocessor": "depth"})
    assert "Models page" in caught.value.info.problems[0].sentence
    with pytest.raises(InvalidInputError):
        atelier.core.queue.submit("maps", {"image": str(photo), "preprocessor": "caney"})
    bad = photo.with_name("bad.png")
    bad.write_bytes(b"no picture")
    with pytest.raises(InvalidInputError):
        atelier.core.queue.submit("maps", {"image": str(bad)})


def test_depth_comes_from_the_model_in_the_cache(atelier: Studio, photo: Path) -> None:
    repo = atelier.core.models.cache / f"models--{DEPTH.replace('/', '--')}"
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = repo / "snapshots" / commit
    folder.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    sys.path.insert(0, str(ROOT / "tests" / "torch"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from test_maps import build_depth

            build_depth(folder)
    finally:
        sys.path.remove(str(ROOT / "tests" / "torch"))
    atelier.core.models.refresh()
    atelier.until(lambda: any(addon.kind == "depth" for addon in atelier.core.models.addons()))
    for name in ("depth", "normal"):
        job = atelier.finish(atelier.core.queue.submit("maps", {"image": str(photo), "preprocessor": name}))
        assert job.state is JobState.SUCCEEDED, job.error
        assert made(atelier, job).size == (96, 64)


def test_a_preprocessor_makes_the_map_a_controlnet_looks_at(atelier: Studio, photo: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers
        import torch

        torch.manual_seed(3)
        unet = diffusers.UNet2DConditionModel.from_pretrained(ROOT / "assets" / "pocket", subfolder="unet")
        net = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=_stages())
        with torch.no_grad():
            for tensor in net.parameters():
                if not tensor.any():
                    tensor.normal_(0.0, 0.3)
        net.save_pretrained(tmp_path / "net")
    name = str(tmp_path / "net" / "diffusion_pytorch_model.safetensors")
    base = {"prompt": "red apple", "seed": 1, "steps": 2}

    def run(**control: object) -> np.ndarray:
        item = {"name": name, "image": str(photo), **control}
        job = atelier.finish(atelier.core.queue.submit("pocket", {**base, "controls": [item]}))
        assert job.state is JobState.SUCCEEDED, job.error
        return np.asarray(made(atelier, job).convert("RGB"), int)

    plain = atelier.finish(atelier.core.queue.submit("pocket", base))
    edges = atelier.finish(atelier.core.queue.submit("maps", {"image": str(photo), "preprocessor": "canny"}))
    by_name = run(preprocessor="canny")
    assert np.abs(by_name - np.asarray(made(atelier, plain).convert("RGB"), int)).mean() > 1
    path = atelier.core.library.get(edges.results[0]).path
    assert np.array_equal(by_name, run(image=path))  # the map made beforehand is the same map
    assert not np.array_equal(by_name, run(preprocessor="blur"))
    assert not np.array_equal(run(preprocessor="blur"), run(preprocessor="blur", options={"radius": 40}))


def _stages() -> tuple[int, ...]:
    """The map is halved as often as the picture is by the autoencoder."""
    config = json.loads((ROOT / "assets" / "pocket" / "vae" / "config.json").read_text())
    blocks = config.get("block_out_channels") or config.get("encoder_block_out_channels")
    return tuple(16 for _ in blocks)


def test_the_command_line_makes_one(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    words = ["generate", "--model", "maps", "--image", str(photo), "-i", "preprocessor=softedge", "--out", str(out)]
    home = {**os.environ, "ATELIER_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-m", "app", *words], cwd=ROOT, env=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Image.open(out) as image:
        assert image.size == (96, 64)
    words[6] = "preprocessor=depth"
    done = subprocess.run([sys.executable, "-m", "app", *words], cwd=ROOT, env=home, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Models page" in done.stderr
