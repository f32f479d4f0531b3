"""Textures together with what acts beside the denoiser: convolutions of LoRAs and ControlNets see the other side."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import tiny_nets
import torch
from tiny_runs import Ear, Loaded
from torch import nn

from models.runners.diffusion import seamless
from models.runners.diffusion.lora_layers import delta_of, shape_of

BOTH = (True, True)


@pytest.mark.parametrize("stride", [1, 2])
def test_what_a_lora_adds_to_a_convolution_moves_with_the_picture(stride: int) -> None:
    layer = nn.Conv2d(3, 5, 3, padding=1, stride=stride)
    shape = shape_of(layer)
    assert shape is not None
    delta = delta_of({"down": torch.randn(2, 3, 3, 3), "up": torch.randn(5, 2, 1, 1)}, shape)
    picture = torch.randn(1, 3, 8, 8)
    there, way = torch.roll(picture, (4, 2), (2, 3)), (4 // stride, 2 // stride)
    assert not torch.allclose(torch.roll(delta(picture, layer), way, (2, 3)), delta(there, layer), atol=1e-4)
    with seamless._circular(layer, BOTH), torch.no_grad():
        assert torch.allclose(torch.roll(delta(picture, layer), way, (2, 3)), delta(there, layer), atol=1e-4)


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_a_controlnet_sees_the_other_side_within_the_job_only(
    family: str, loaded: Callable[[str], Loaded], tmp_path: Path
) -> None:
    model = loaded(family)
    addons = {"net": tiny_nets.saved(tiny_nets.net_for(family, model.pipe), tmp_path / "net")}
    item = {"name": "net", "image": str(tiny_nets.lines(tmp_path / "map.png"))}
    padded: list[bool] = []
    forward = diffusers.ControlNetModel.forward

    @functools.wraps(forward)
    def looked(self: Any, *args: Any, **kwargs: Any) -> Any:
        padded.append("_conv_forward" in vars(self.controlnet_cond_embedding.conv_in))
        return forward(self, *args, **kwargs)

    def run(**inputs: Any) -> np.ndarray:
        padded.clear()
        (tmp_path / "k").unlink(missing_ok=True)  # else it would only be decoded again
        values = model.schema.validate({"prompt": "a cat", "controls": [item], "steps": 2, **inputs})
        return np.asarray(model.runner.run(values, 7, tmp_path / "k", Ear(), addons).image)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusers.ControlNetModel, "forward", looked)
        plain = run()
        run(seamless="both")
        assert padded
        assert all(padded)
        assert (run() == plain).all()
        assert padded
        assert not any(padded), "as before afterwards"


@pytest.mark.parametrize("family", ["flux", "sd3", "qwen_image", "z_image"])
def test_a_transformers_controlnet_sees_the_latents_where_its_map_is(
    family: str, loaded: Callable[[str], Loaded], tmp_path: Path
) -> None:
    """What the denoiser sees is moved round, and what the network says with it; the network itself sees them as its
    map lies."""
    model = loaded(family)
    addons = {"net": tiny_nets.saved(tiny_nets.net_for(family, model.pipe), tmp_path / "net")}
    item = {"name": "net", "image": str(tiny_nets.lines(tmp_path / "map.png"))}
    cls = getattr(diffusers, json.loads((tmp_path / "net" / "config.json").read_text())["_class_name"])
    asked: list[torch.Tensor] = []
    forward = cls.forward

    @functools.wraps(forward)
    def looked(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = kwargs.get("hidden_states", kwargs.get("x"))
        asked.append((given[0] if isinstance(given, list) else given).clone())
        return forward(self, *args, **kwargs)

    seen = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cls, "forward", looked)
        for choice in ("none", "both"):
            asked.clear()
            values = model.schema.validate({"prompt": "a cat", "controls": [item], "steps": 2, "seamless": choice})
            model.runner.run(values, 7, tmp_path / choice, Ear(), addons)
            seen[choice] = asked[0]
    assert torch.equal(seen["none"], seen["both"])
