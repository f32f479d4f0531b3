"""Seamless textures on tiny pipelines: pixels across the edge, rolls that come back, and everything put back after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from tiny_runs import Ear, Loaded
from torch import nn

from models.errors import AtelierError
from models.runners.base import CancelledRunError
from models.runners.diffusion import seamless
from models.seamless import seam_score

CONVOLUTIONAL = ("sd", "sdxl")
TOKENS = ("sd3", "flux", "pixart", "qwen_image", "z_image")


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


def test_a_convolution_sees_the_other_side_along_one_axis_only() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    nn.init.ones_(layer.weight)
    dot = torch.zeros(1, 1, 4, 6)
    dot[0, 0, 0, 0] = 1
    with seamless._circular(layer, (True, False)), torch.no_grad():
        out = layer(dot)[0, 0]
    assert out[0, 5] == 1, "left wraps to right"
    assert out[3, 0] == 0, "top does not wrap to bottom"
    with seamless._circular(layer, (True, True)), torch.no_grad():
        assert layer(dot)[0, 0, 3, 5] == 1
    with torch.no_grad():
        assert layer(dot)[0, 0, 0, 5] == 0, "as before afterwards"
    assert "_conv_forward" not in vars(layer)


def test_circular_convolutions_move_with_the_picture() -> None:
    """What a ring of convolutions makes of a picture that was moved round is what it makes of it, moved round."""
    net = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.SiLU(), nn.Conv2d(5, 3, 3, padding=1)).double()
    picture = torch.randn(1, 3, 8, 10, dtype=torch.float64)
    with seamless._circular(net, (True, True)), torch.no_grad():
        one = net(torch.roll(picture, (3, 4), (2, 3)))
        other = torch.roll(net(picture), (3, 4), (2, 3))
    assert torch.allclose(one, other)


@pytest.mark.parametrize("shape", [(2, 4, 8, 6), (1, 12, 5), (3, 1, 8, 8)])
def test_what_is_moved_comes_back_exactly(shape: tuple[int, ...]) -> None:
    value = torch.randn(*shape)
    for share in ((0.3, 0.7), (0.0, 0.5), (0.49, 0.0)):
        there = seamless.moved(value, share, (4, 3))
        assert torch.equal(seamless.moved(there, tuple(-part for part in share), (4, 3)), value)
    assert not torch.equal(seamless.moved(value, (0.5, 0.5), (4, 3)), value)


def test_tokens_after_the_picture_stay_where_they_are() -> None:
    tokens = torch.arange(20.0).reshape(1, 20, 1)
    there = seamless.moved(tokens, (0.5, 0.5), (3, 4))
    assert torch.equal(there[:, 12:], tokens[:, 12:])
    assert sorted(there[0, :12, 0].tolist()) == list(range(12))


def test_the_closed_picture_is_continuous_whatever_the_decoder_does() -> None:
    """A decoder that paints its own places (a ramp) shows where the edge is; the blend leaves no jump there."""
    latents = torch.zeros(1, 1, 10, 12)
    around = seamless.surrounded(latents, (True, True))
    ramp = torch.arange(around.shape[3] * 2.0).repeat(1, 1, around.shape[2] * 2, 1)
    picture = seamless.closed(seamless.closed(ramp, 12, 3), 10, 2)
    assert picture.shape == (1, 1, 20, 24)
    assert float(picture[0, 0, 0, 0] - picture[0, 0, 0, -1]) == 1.0


def edge(image: Image.Image, factor: int) -> float:
    """The jump across the edges against the jumps inside where latents meet: untrained decoders have those everywhere,
    so the seam score, which looks at all neighbours, tells nothing of them."""
    shown, jumps = pixels(image), []
    for axis in (0, 1):
        each = np.abs(shown - np.roll(shown, 1, axis)).mean(axis=(1 - axis, 2))
        jumps.append(each[0] / each[factor::factor].mean())
    return float(np.mean(jumps))


@pytest.mark.parametrize("family", [*CONVOLUTIONAL, *TOKENS])
def test_the_edge_is_like_any_other_place(loaded: Callable[[str], Loaded], family: str, tmp_path: Path) -> None:
    model = loaded(family)
    factor, jumps = int(model.pipe.vae_scale_factor), []
    for seed in range(6):
        made = model.run(tmp_path / str(seed), seed, steps=4, seamless="both")
        jumps.append(edge(made.image, factor))
        assert made.facts["seam"] == seam_score(made.image)
    assert 0.8 < np.mean(jumps) < 1.2, jumps


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_what_a_transformer_ties_to_places_is_spread(
    loaded: Callable[[str], Loaded], family: str, tmp_path: Path
) -> None:
    """A denoiser that paints a ramp from left to right, as one does that knows its tokens' places: its answers meet
    nowhere. Untiled that shows at the edge; with the same seed tiled it does not."""
    model = loaded(family)
    grid: list[int] = []

    def ramp(_: nn.Module, args: object, answer: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        first = answer[0]
        side = grid[0] if first.ndim == 3 else first.shape[-1]
        row = torch.linspace(-20, 20, side)
        painted = row.repeat(first.shape[1] // side)[None, :, None] if first.ndim == 3 else row
        return (painted.expand_as(first).contiguous(), *answer[1:])

    grid.append(int(model.schema["width"].default) // int(model.pipe.vae_scale_factor) // 2)
    handle = model.pipe.transformer.register_forward_hook(ramp)
    try:
        jumps = {}
        for choice in ("none", "both"):
            keep = tmp_path / choice
            model.run(keep, 5, steps=8, seamless=choice)
            with safe_open(keep, framework="pt") as file:
                latents = file.get_tensor("latents")
            inside = latents.diff(dim=-1).abs().mean()
            jumps[choice] = float((latents[..., 0] - latents[..., -1]).abs().mean() / inside)
    finally:
        handle.remove()
    assert jumps["none"] > 3
    assert jumps["both"] < jumps["none"] / 2


@pytest.mark.parametrize("family", CONVOLUTIONAL)
def test_the_denoiser_moves_with_the_picture(loaded: Callable[[str], Loaded], family: str, tmp_path: Path) -> None:
    """A UNet with circular convolutions does not know where the picture begins: moved latents give the moved answer."""
    model = loaded(family)
    unet = model.pipe.unet
    seen: list[tuple[tuple, dict]] = []
    handle = unet.register_forward_pre_hook(lambda _, args, kwargs: seen.append((args, kwargs)), with_kwargs=True)
    try:
        model.run(tmp_path / "latents", 1, steps=1)
    finally:
        handle.remove()
    (latents, *rest), options = seen[0]
    size = 2 ** (len(unet.config.block_out_channels) - 1)
    there = torch.roll(latents, (size, size), (2, 3))
    with torch.no_grad():
        apart = (
            (torch.roll(unet(latents, *rest, **options)[0], (size, size), (2, 3)) - unet(there, *rest, **options)[0])
            .abs()
            .max()
        )
        with seamless._circular(unet, (True, True)):
            one = torch.roll(unet(latents, *rest, **options)[0], (size, size), (2, 3))
            assert torch.allclose(one, unet(there, *rest, **options)[0], atol=1e-4)
    assert apart > 1e-3, "without it the edges show"


@pytest.mark.parametrize("family", ["sd", "flux"])
def test_nothing_is_left_behind(loaded: Callable[[str], Loaded], family: str, tmp_path: Path) -> None:
    model = loaded(family)
    before = pixels(model.run(tmp_path / "a", 9, steps=2).image)
    model.run(tmp_path / "b", 9, steps=2, seamless="x")
    assert (pixels(model.run(tmp_path / "c", 9, steps=2).image) == before).all()
    with pytest.raises(CancelledRunError):
        model.run(tmp_path / "d", 9, Ear(cancel_at=lambda ear: ear.checkpoints > 12), steps=4, seamless="both")
    assert (pixels(model.run(tmp_path / "e", 9, steps=2).image) == before).all()


@pytest.mark.parametrize("family", ["sd", "flux"])
def test_the_same_seed_makes_the_same_tile(loaded: Callable[[str], Loaded], family: str, tmp_path: Path) -> None:
    model = loaded(family)
    one, two = (pixels(model.run(tmp_path / name, 2, steps=2, seamless="both").image) for name in "ab")
    assert (one == two).all()


@pytest.mark.parametrize("point", ["decode:whole", "decode:tiled"])
def test_tiled_and_late_decoding_wrap_too(sd: Loaded, tmp_path: Path, faults: dict[str, str], point: str) -> None:
    jumps = []
    for seed in range(6):
        faults["decode:whole"] = "oom"
        if point == "decode:tiled":
            faults["decode:tiled"] = "oom"
        ear = Ear()
        made = sd.run(tmp_path / f"t{seed}", seed, ear, steps=3, seamless="both")
        assert ear.notices
        jumps.append(edge(made.image, int(sd.pipe.vae_scale_factor)))
    assert np.mean(jumps) < 1.2


def test_a_picture_and_a_mask_go_with_it(sd: Loaded, tmp_path: Path) -> None:
    grain = np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(grain).save(tmp_path / "in.png")
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 64, 20))
    mask.save(tmp_path / "mask.png")
    made = sd.run(
        tmp_path / "k", 3, steps=3, image=str(tmp_path / "in.png"), mask=str(tmp_path / "mask.png"),
        mask_feather=0, strength=1.0, seamless="both",
    )  # fmt: skip
    assert (pixels(made.image)[40:] == grain[40:].astype(int)).all(), "what the mask keeps is untouched"


def test_models_whose_latents_lie_in_unknown_ways_do_not_offer_it() -> None:
    from models.pipelines import row
    from models.seamless import specs

    assert specs(row("HiDreamImagePipeline")) == []  # type: ignore[arg-type]
    assert [spec.name for spec in specs(row("FluxPipeline"))] == ["seamless"]  # type: ignore[arg-type]


def test_a_choice_that_is_none_is_refused(sd: Loaded) -> None:
    with pytest.raises(AtelierError):
        sd.schema.validate({"prompt": "x", "seamless": "z"})
