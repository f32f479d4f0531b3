"""ControlNets and regions on the embedded model, through the queue and the real worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.jobs import Job
from app.states import JobState
from models.errors import InvalidInputError
from tests.integration.conftest import Studio

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ControlNet for the embedded model, with random weights in place of those that begin at zero."""
    diffusers, torch = pytest.importorskip("diffusers"), pytest.importorskip("torch")
    from safetensors.torch import save_file

    torch.manual_seed(1)
    unet = diffusers.UNet2DConditionModel.from_pretrained(ROOT / "assets" / "pocket" / "unet")
    made = diffusers.ControlNetModel.from_unet(unet)
    with torch.no_grad():
        for tensor in made.parameters():
            if not tensor.any():
                tensor.normal_(0.0, 0.3)
    path = tmp_path_factory.mktemp("nets") / "bars.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in made.state_dict().items()}, path)
    return str(path)


@pytest.fixture
def bars(tmp_path: Path) -> str:
    image = Image.new("RGB", (96, 96))
    image.paste("white", (20, 0, 30, 96))
    image.save(tmp_path / "bars.png")
    return str(tmp_path / "bars.png")


def submit(studio: Studio, **inputs: Any) -> Job:
    return studio.core.queue.submit("pocket", {"prompt": "red apple", "seed": 3, "steps": 4, **inputs}, 1)


def picture(studio: Studio, job: Job) -> np.ndarray:
    ended = studio.finish(job)
    assert ended.state is JobState.SUCCEEDED, ended.error
    result = studio.core.library.get(ended.results[0])
    assert result is not None
    return np.array(Image.open(result.path).convert("RGB"), dtype=int)


def test_a_control_acts_is_written_down_and_leaves_nothing(studio: Callable[..., Studio], net: str, bars: str) -> None:
    s = studio()
    plain = picture(s, submit(s))
    job = submit(s, controls=[{"name": net, "image": bars, "end": 0.8}])
    guided = picture(s, job)
    assert np.abs(guided - plain).mean() > 0.5
    assert (picture(s, submit(s)) == plain).all()
    assert (picture(s, submit(s, controls=[{"name": net, "image": bars, "strength": 0.0}])) == plain).all()
    result = s.core.library.get(s.job(job).results[0])
    assert result is not None
    with Image.open(result.path) as opened:
        written = str(opened.info)
    assert "bars.png" in written
    assert "control_1" in written


def test_made_from_a_picture_by_a_preprocessor(studio: Callable[..., Studio], net: str, bars: str) -> None:
    s = studio()
    as_map = picture(s, submit(s, controls=[{"name": net, "image": bars}]))
    edges = picture(s, submit(s, controls=[{"name": net, "image": bars, "preprocessor": "canny"}]))
    assert (as_map != edges).any()


def test_what_is_no_controlnet_is_refused_at_once(studio: Callable[..., Studio], bars: str, tmp_path: Path) -> None:
    s = studio()
    with pytest.raises(InvalidInputError) as caught:
        submit(s, controls=[{"name": "no-such-net", "image": bars}])
    assert "no-such-net" in caught.value.info.problems[0].sentence
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes((50 * 1024**3).to_bytes(8, "little") + b"{" + b" " * 64)
    with pytest.raises(InvalidInputError) as caught:
        submit(s, controls=[{"name": str(broken), "image": bars}])
    assert "broken" in caught.value.info.problems[0].sentence


def test_two_painted_halves(studio: Callable[..., Studio], tmp_path: Path) -> None:
    s = studio()
    masks = []
    for number in range(2):
        mask = Image.new("L", (96, 96))
        mask.paste(255, (48 * number, 0, 48 * number + 48, 96))
        mask.save(tmp_path / f"{number}.png")
        masks.append(str(tmp_path / f"{number}.png"))
    red, blue = picture(s, submit(s)), picture(s, submit(s, prompt="blue fish"))
    regions = [{"mask": masks[0], "prompt": "red apple"}, {"mask": masks[1], "prompt": "blue fish"}]
    both = picture(s, submit(s, prompt="white background", regions=regions))
    half = red.shape[1] // 2
    assert np.abs(both[:, :half] - red[:, :half]).mean() < np.abs(both[:, :half] - blue[:, :half]).mean()
    assert np.abs(both[:, half:] - blue[:, half:]).mean() < np.abs(both[:, half:] - red[:, half:]).mean()
