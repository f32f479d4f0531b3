"""Maps and areas in pictures of several passes: cut to each tile, and fitted to the second pass's size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_nets
import torch
from PIL import Image
from tiny_runs import Ear, Loaded

from models.card import AddonRef
from models.runners import tiles
from models.runners.diffusion import regions


@contextmanager
def watching(model: Loaded) -> Iterator[list[torch.Tensor]]:
    """What ControlNets are given as maps meanwhile, each as (3, height, width); they are loaded already."""
    seen: list[torch.Tensor] = []

    def note(net: Any, args: Any, given: dict[str, Any]) -> None:
        seen.append(given["controlnet_cond"][0].float().cpu())

    kept = model.runner._beside.values()  # adapters of other tests may lie there, too
    nets = [net for net in kept if isinstance(net, torch.nn.Module)]
    hooks = [net.register_forward_pre_hook(note, with_kwargs=True) for net in nets]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def ramp(path: Path, side: int) -> str:
    """Each place of this map has a value of its own: red grows to the right, green downwards."""
    line = np.linspace(0, 255, side)
    pixels = np.stack([np.tile(line, (side, 1)), np.tile(line[:, None], (1, side)), np.zeros((side, side))], axis=2)
    Image.fromarray(np.rint(pixels).astype(np.uint8)).save(path)
    return str(path)


class Controlled:
    def __init__(self, model: Loaded, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.addons: dict[str, AddonRef] = {"net": tiny_nets.saved(tiny_nets.net_for("sd", model.pipe), folder / "net")}

    def run(self, **inputs: Any) -> np.ndarray[Any, Any]:
        values = self.model.schema.validate({"prompt": "a red cat", "steps": 2, **inputs})
        keep = self.folder / "keep.latents"
        keep.unlink(missing_ok=True)
        return np.asarray(self.model.runner.run(values, 7, keep, Ear(), self.addons).image).astype(int)


@pytest.fixture
def control(loaded: Callable[[str], Loaded], tmp_path: Path) -> Controlled:
    return Controlled(loaded("sd"), tmp_path)


def test_each_tile_sees_its_own_part_of_the_map(control: Controlled, tmp_path: Path) -> None:
    """The map may be of the small picture's size or of the large one's: it lies over the picture as a whole."""
    Image.new("RGB", (64, 64), (90, 120, 200)).save(tmp_path / "start.png")
    native = control.model.runner.space.native
    for side in (64, 128):
        map_ = {"name": "net", "image": ramp(tmp_path / f"map{side}.png", side)}
        inputs = {"controls": [map_], "image": str(tmp_path / "start.png"), "enlarge": 2.0, "strength": 0.5}
        control.run(**inputs)
        with watching(control.model) as seen:
            control.run(**inputs)
        rows = tiles.spans(128, native.height, native.height // 4)
        columns = tiles.spans(128, native.width, native.width // 4)
        boxes = [(column, row) for row in rows for column in columns]
        assert len(boxes) > 1
        each = len(seen) // len(boxes)
        assert len(seen) == each * len(boxes)
        for number, (column, row) in enumerate(boxes):
            given = seen[number * each]
            assert given.shape[-2:] == (row.stop - row.start, column.stop - column.start)
            middle = given[:, given.shape[1] // 2, given.shape[2] // 2].tolist()
            expected = [(column.start + column.stop) / 2 / 128, (row.start + row.stop) / 2 / 128, 0.0]
            assert middle == pytest.approx(expected, abs=0.04)


def test_the_second_pass_sees_the_whole_map_at_its_own_size(control: Controlled, tmp_path: Path) -> None:
    map_ = {"name": "net", "image": ramp(tmp_path / "map.png", 128)}
    inputs = {"controls": [map_], "hires_scale": 2.0, "hires_strength": 0.5, "width": 64, "height": 64}
    control.run(**inputs)
    with watching(control.model) as seen:
        control.run(**inputs)
    sizes = [tuple(given.shape[-2:]) for given in seen]
    assert sizes[0] == (64, 64)
    assert sizes[-1] == (128, 128)
    for given in (seen[0], seen[-1]):  # the whole map both times: dark at the left and above, bright at the other end
        assert given[:2, 1, 1].max() < 0.06
        assert given[:2, -2, -2].min() > 0.94


def test_areas_are_weighed_at_the_second_passs_size(
    control: Controlled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    mask.save(tmp_path / "left.png")
    found: list[torch.Tensor] = []
    real = regions.weights

    def weights(areas: Any, height: int, width: int) -> Any:
        base, shares = real(areas, height, width)
        found.append(shares[0][0, 0])
        return base, shares

    monkeypatch.setattr(regions, "weights", weights)
    areas = [{"prompt": "a blue ground", "mask": str(tmp_path / "left.png")}]
    control.run(regions=areas, hires_scale=2.0, hires_strength=0.5, width=64, height=64)
    assert len(found) == 2
    assert found[1].shape[-1] == 2 * found[0].shape[-1]
    for share in found:
        assert share[:, 0].min() > 0.99
        assert share[:, -1].max() < 0.01
        assert share.mean() == pytest.approx(0.5, abs=0.1)
