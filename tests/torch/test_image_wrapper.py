"""Picture and mask on every family's own text-to-image weights: asserted on latents and on pixels."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import msgspec
import numpy as np
import pytest
import tiny
import torch
from diffusers.models.autoencoders import vae as vaes
from PIL import Image, ImageDraw
from safetensors import safe_open
from tiny_runs import CPU, Ear, Loaded

from models import pipelines, ways
from models.errors import AtelierError, ErrorCode
from models.runners.base import CancelledRunError
from models.runners.diffusion.blend import shorten, slerp
from models.runners.diffusion.encode import encoded, laid
from models.runners.diffusion.loading import enable_tiling
from models.runners.diffusion.schedulers import scheduler_for

OWN = ("sd", "sdxl", "sd3", "flux", "qwen_image", "z_image")
"""Families for which diffusers has classes of its own for pictures and masks."""


def latents_in(path: Path) -> torch.Tensor:
    with safe_open(path, framework="pt") as file:
        return file.get_tensor("latents")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of 64 pixels with large shapes and a little grain."""
    image = Image.new("RGB", (64, 64), (40, 90, 160))
    ImageDraw.Draw(image).ellipse((10, 14, 50, 54), fill=(230, 180, 60))
    grain = np.random.default_rng(0).integers(-8, 8, (64, 64, 3))
    path = tmp_path / "picture.png"
    Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """The right half, on a latent's edge."""
    image = Image.new("L", (64, 64), 0)
    image.paste(255, (32, 0, 64, 64))
    path = tmp_path / "mask.png"
    image.save(path)
    return path


def pixels(image: Image.Image | Path) -> np.ndarray[Any, Any]:
    opened = Image.open(image) if isinstance(image, Path) else image
    return np.asarray(opened.convert("RGB")).astype(int)


def clean_of(model: Loaded, picture: Path) -> torch.Tensor:
    """The picture's latents as the family's loop holds them."""
    latents = encoded(model.pipe, model.runner._info, CPU, Image.open(picture), Ear())
    return laid(model.pipe, latents, ways.taking(type(model.pipe).__name__).layout)


def given_to_decoder(model: Loaded, clean: torch.Tensor, keep: Path) -> torch.Tensor:
    """``clean`` as it would have been kept: decoded by the family itself after no step at all."""
    seen: list[torch.Tensor] = []
    model.pipe.vae.decode, plain = (lambda z, *a, **k: (seen.append(z), plain(z, *a, **k))[1]), model.pipe.vae.decode
    del keep
    try:
        scheduler = scheduler_for("default", model.pipe.scheduler, pipelines.row(type(model.pipe).__name__))  # type: ignore[arg-type]
        step = scheduler.step

        def still(output: Any, moment: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
            answer = step(output, moment, sample, *args, **kwargs)
            return (clean, *answer[1:]) if isinstance(answer, tuple) else answer

        scheduler.step = still
        own, model.pipe.scheduler = model.pipe.scheduler, scheduler
        takes = inspect.signature(type(model.pipe).__call__).parameters
        more = {"use_resolution_binning": False} if "use_resolution_binning" in takes else {}
        model.pipe.set_progress_bar_config(disable=True)
        model.pipe(prompt="x", num_inference_steps=2, width=64, height=64, **more)
    finally:
        model.pipe.vae.decode = plain
        del model.pipe.vae.decode
        model.pipe.scheduler = own
    return seen[0]


def test_every_class_in_the_table_of_ways_exists() -> None:
    for name in ways.WAYS:
        row = pipelines.row(name)
        assert row is not None, name
        cls = getattr(diffusers, name)
        if ways.taking(name).way is ways.Way.WRAPPER:
            assert row.task is pipelines.Task.TEXT_TO_IMAGE
            assert {"vae", "scheduler"} <= set(row.components)
            assert hasattr(cls, "prepare_latents")
            packs = hasattr(cls, "_pack_latents")
            assert packs == (ways.taking(name).layout is ways.Layout.PACKED)


def test_strength_nothing_returns_the_picture(model: Loaded, picture: Path, keep: Path) -> None:
    result = model.run(keep, image=str(picture), strength=0)
    assert np.array_equal(pixels(result.image), pixels(picture))
    assert not keep.exists()


def test_no_step_and_the_autoencoder_alone_decides(model: Loaded, picture: Path, mask: Path, keep: Path) -> None:
    """What the mask keeps is, before decoding, exactly what the autoencoder made of the picture."""
    model.run(keep, image=str(picture), mask=str(mask), mask_feather=0, strength=0.7, steps=4)
    made = latents_in(keep)
    clean = given_to_decoder(model, clean_of(model, picture), keep)
    half = made.shape[-1] // 2
    assert torch.allclose(made[..., :half].float(), clean[..., :half].float(), atol=1e-4)
    assert not torch.allclose(made[..., half:].float(), clean[..., half:].float(), atol=1e-2)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_scheduler_puts_back_what_the_mask_keeps(
    family: str, loaded: Callable[[str], Loaded], picture: Path, mask: Path, tmp_path: Path
) -> None:
    model = loaded(family)
    clean = given_to_decoder(model, clean_of(model, picture), tmp_path)
    half = clean.shape[-1] // 2
    row = pipelines.row(type(model.pipe).__name__)
    assert row is not None
    for name in model.schema["scheduler"].about.choices:
        for strength in (0.5, 1.0):
            keep = tmp_path / f"{name}-{strength}"
            ear = Ear()
            values = {"scheduler": name, "strength": strength, "mask_feather": 0, "steps": 4}
            model.run(keep, ear=ear, image=str(picture), mask=str(mask), **values)
            made = latents_in(keep)
            assert torch.allclose(made[..., :half].float(), clean[..., :half].float(), atol=1e-4), name
            steps = 4 if strength == 1.0 else 2
            again = "PNDM" in type(scheduler_for(name, model.pipe.scheduler, row)).__name__ and strength < 1
            assert ear.steps[-1] == (steps + again, steps + again, 0.0), name


def own_pipeline(model: Loaded, task: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[torch.Tensor]]:
    """diffusers' class of the family for a task, on the same weights, and what it gives its decoder."""
    names = {("z_image", "image-to-image"): "ZImageImg2ImgPipeline", ("z_image", "inpaint"): "ZImageInpaintPipeline"}
    row = pipelines.row(type(model.pipe).__name__)
    assert row is not None
    cls = getattr(diffusers, names.get((model.folder.name, task)) or row.siblings[task])
    takes = inspect.signature(cls.__init__).parameters
    own = cls(**{name: part for name, part in model.pipe.components.items() if name in takes})
    own.scheduler = scheduler_for("ddim" if model.folder.name == "sd" else "default", model.pipe.scheduler, row)
    own.set_progress_bar_config(disable=True)
    monkeypatch.setattr(vaes.DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mode())
    given: list[torch.Tensor] = []
    plain = model.pipe.vae.decode

    def decode(z: torch.Tensor, *args: Any, **options: Any) -> Any:
        given.append(z)
        return plain(z, *args, **options)

    monkeypatch.setitem(vars(model.pipe.vae), "decode", decode)
    return own, given


@pytest.mark.parametrize(
    ("family", "task"),
    # Theirs for filling with Stable Diffusion 3 takes autoencoders of 16 channels only, and the tiny one has 4.
    [
        (family, task)
        for family in OWN
        for task in ("image-to-image", "inpaint")
        if (family, task) != ("sd3", "inpaint")
    ],
)
def test_it_is_what_the_familys_own_pipeline_makes(
    family: str, task: str, loaded: Callable[[str], Loaded], picture: Path, mask: Path, keep: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    model = loaded(family)
    scheduler = "ddim" if family == "sd" else "default"  # with PNDM theirs starts half a step beside its levels
    asked = {"prompt": "a red cat", "image": str(picture), "strength": 0.5, "steps": 4, "scheduler": scheduler}
    if task == "inpaint":
        asked.update(mask=str(mask), mask_feather=0)
    values = model.schema.validate(asked)
    model.runner.run(values, 5, keep, Ear())
    own, given = own_pipeline(model, task, monkeypatch)
    row = pipelines.row(type(own).__name__)
    assert row is not None
    plain = {name: value for name, value in values.items() if name in row.inputs and value is not None}
    plain.pop("clip_skip", None)  # counted from another end there
    plain.update(image=Image.open(picture).convert("RGB"), num_inference_steps=4)
    if task == "inpaint":
        plain["mask_image"] = Image.open(mask)
    own(generator=torch.Generator("cpu").manual_seed(5), **plain)
    assert torch.allclose(latents_in(keep).float(), given[-1].float(), atol=2e-3)


def test_more_strength_changes_more(model: Loaded, picture: Path, tmp_path: Path) -> None:
    clean = given_to_decoder(model, clean_of(model, picture), tmp_path)
    gaps = []
    for strength in (0.1, 0.5, 1.0):
        keep = tmp_path / str(strength)
        model.run(keep, image=str(picture), strength=strength, steps=10)
        gaps.append(float((latents_in(keep).float() - clean.float()).abs().mean()))
    assert gaps[0] < gaps[1] < gaps[2]


def test_what_the_mask_keeps_is_identical(model: Loaded, picture: Path, mask: Path, keep: Path) -> None:
    feather = 6
    result = model.run(keep, image=str(picture), mask=str(mask), mask_feather=feather, steps=3).image
    change = np.abs(pixels(result) - pixels(picture)).max(axis=2)
    assert result.size == (64, 64)
    assert change[:, : 32 - feather].max() == 0
    assert change[:, 32:].mean() > 1


def test_only_the_masked_area_is_made_at_full_size_and_put_back(model: Loaded, keep: Path, tmp_path: Path) -> None:
    image = Image.effect_noise((300, 200), 60).convert("RGB")
    image.save(tmp_path / "large.png")
    mask = Image.new("L", (300, 200), 0)
    ImageDraw.Draw(mask).rectangle((200, 50, 219, 69), fill=255)
    mask.save(tmp_path / "small-mask.png")
    values = {"only_masked": True, "mask_padding": 10, "mask_feather": 4, "steps": 2}
    made = model.run(keep, image=str(tmp_path / "large.png"), mask=str(tmp_path / "small-mask.png"), **values)
    assert made.image.size == (300, 200)
    width, height = (int(side) for side in made.facts["work"].split("x"))
    native = model.schema["width"].default * model.schema["height"].default
    assert 0.8 < width * height / native < 1.3
    changed = np.argwhere(np.abs(pixels(made.image) - pixels(image)).max(axis=2) > 0)
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert top >= 50 - 4
    assert left >= 200 - 4
    assert bottom <= 69 + 4
    assert right <= 219 + 4


def test_an_extended_picture_keeps_the_original(model: Loaded, picture: Path, keep: Path) -> None:
    result = model.run(keep, image=str(picture), extend_left=16, extend_bottom=32, mask_feather=4, steps=2).image
    assert result.size == (80, 96)
    inner = pixels(result)[:60, 16 + 4 :]
    assert np.array_equal(inner, pixels(picture)[:60, 4:])


def test_latents_kept_give_the_same_picture_without_denoising(
    model: Loaded, picture: Path, mask: Path, keep: Path
) -> None:
    first = model.run(keep, image=str(picture), mask=str(mask), steps=2)
    ear = Ear()
    again = model.run(keep, ear=ear, image=str(picture), mask=str(mask), steps=2)
    assert ear.notices == ["latents_reused"]
    assert again.image.tobytes() == first.image.tobytes()


def test_words_picture_and_mask_in_turn_leave_nothing_behind(
    model: Loaded, picture: Path, mask: Path, tmp_path: Path
) -> None:
    before = model.run(tmp_path / "1", seed=3)
    model.run(tmp_path / "2", seed=3, image=str(picture))
    model.run(tmp_path / "3", seed=3, image=str(picture), mask=str(mask))
    after = model.run(tmp_path / "4", seed=3)
    assert before.image.tobytes() == after.image.tobytes()
    assert "prepare_latents" not in vars(model.pipe)
    assert [what for _, what in model.ear.loads].count("vae") == 1


def test_cancel_in_a_picture_job_takes_effect_at_once(model: Loaded, picture: Path, tmp_path: Path) -> None:
    ear = Ear(cancel_at=lambda ear: bool(ear.steps) and ear.steps[-1][0] == 1)
    with pytest.raises(CancelledRunError):
        model.run(tmp_path / "1", ear=ear, image=str(picture), strength=1.0)
    assert "prepare_latents" not in vars(model.pipe)
    assert model.run(tmp_path / "2", image=str(picture)).image.size == (64, 64)


def test_variations_come_nearer_to_the_other_seed(model: Loaded, tmp_path: Path) -> None:
    def run(name: str, **values: Any) -> torch.Tensor:
        model.run(tmp_path / name, steps=3, **values)
        return latents_in(tmp_path / name).float()

    one, other = run("one", seed=1), run("other", seed=2)
    gaps = [
        float((run(str(share), seed=1, variation_seed=2, variation_strength=share) - other).abs().mean())
        for share in (0.0, 0.3, 0.7, 1.0)
    ]
    assert float((run("again", seed=1, variation_seed=2) - one).abs().max()) == 0
    assert gaps[0] > gaps[1] > gaps[2] > gaps[3]
    assert gaps[3] < 1e-3


def test_between_two_noises_there_is_as_much_noise() -> None:
    a, b = torch.randn(2, 4, 32, 32, generator=torch.Generator().manual_seed(1)).unbind(0)
    for share in (0.0, 0.25, 0.5, 1.0):
        assert abs(float(slerp(a, b, share).std()) - 1) < 0.05
    assert torch.allclose(slerp(a, b, 0.0), a, atol=1e-5)
    assert torch.allclose(slerp(a, a, 0.5), a, atol=1e-5)


@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m_karras", "euler_a", "heun", "unipc", "deis", "pndm", "lcm"])
def test_a_shortened_schedule_walks_the_same_levels(sd: Loaded, name: str) -> None:
    row = pipelines.row("StableDiffusionPipeline")
    assert row is not None
    whole, part = (scheduler_for(name, sd.pipe.scheduler, row) for _ in range(2))
    whole.set_timesteps(10)
    part.set_timesteps(10)
    assert not shorten(part, 0.4)
    tail = sorted({int(level) for level in whole.timesteps}, reverse=True)[-4:]
    assert sorted({int(level) for level in part.timesteps}, reverse=True) == tail


def test_the_recipe_tells_the_pictures_used(model: Loaded, picture: Path, mask: Path, keep: Path) -> None:
    facts = model.run(keep, image=str(picture), mask=str(mask), steps=2).facts
    assert facts["pictures"]["image"]["path"] == str(picture)
    assert len(facts["pictures"]["image"]["sha256"]) == len(facts["pictures"]["mask"]["sha256"]) == 64


def test_a_picture_that_vanished_is_named(sd: Loaded, picture: Path, keep: Path) -> None:
    values = sd.schema.validate({"prompt": "x", "image": str(picture)})
    picture.unlink()
    with pytest.raises(AtelierError) as caught:
        sd.runner.run(values, 1, keep, Ear())
    assert caught.value.code is ErrorCode.PICTURE_UNREADABLE
    assert caught.value.info.facts["path"] == str(picture)
    assert sd.run(keep).image.size == (64, 64)


def test_a_mask_that_covers_nothing_is_refused(sd: Loaded, picture: Path, keep: Path, tmp_path: Path) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "black.png")
    with pytest.raises(AtelierError) as caught:
        sd.run(keep, image=str(picture), mask=str(tmp_path / "black.png"))
    assert caught.value.code is ErrorCode.INVALID_INPUT
    assert caught.value.info.problems[0].name == "mask"


def test_encoding_falls_to_tiles_and_to_the_processor(
    sd: Loaded, picture: Path, tmp_path: Path, faults: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = sd.run(tmp_path / "1", image=str(picture)).image
    faults["encode:whole"] = "oom"
    tiles: list[int] = []
    tiled = sd.pipe.vae._tiled_encode
    monkeypatch.setitem(vars(sd.pipe.vae), "_tiled_encode", lambda x: (tiles.append(1), tiled(x))[1])
    in_tiles = sd.run(tmp_path / "2", image=str(picture)).image
    assert tiles == [1]
    assert not sd.pipe.vae.use_tiling
    faults["encode:tiled"] = "oom"
    on_processor = sd.run(tmp_path / "3", image=str(picture)).image
    assert np.abs(pixels(in_tiles) - pixels(plain)).mean() < 40
    assert np.array_equal(pixels(on_processor), pixels(plain))


def test_a_plan_in_tiles_encodes_in_tiles(
    folder_of: Callable[[str], Path], picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Loaded(folder_of("sd"), tmp_path, msgspec.structs.replace(CPU, vae_tiling=True))
    enable_tiling(model.pipe.vae, 32)
    tiles: list[int] = []
    tiled = model.pipe.vae._tiled_encode
    monkeypatch.setitem(vars(model.pipe.vae), "_tiled_encode", lambda x: (tiles.append(1), tiled(x))[1])
    assert model.run(tmp_path / "1", image=str(picture)).image.size == (64, 64)
    assert tiles == [1]


def test_transparency_is_kept_where_the_mask_keeps_the_picture(
    sd: Loaded, picture: Path, mask: Path, keep: Path, tmp_path: Path
) -> None:
    image = Image.open(picture).convert("RGBA")
    image.paste((9, 9, 9, 0), (0, 0, 64, 20))
    image.save(tmp_path / "clear.png")
    made = sd.run(keep, image=str(tmp_path / "clear.png"), mask=str(mask), mask_feather=0).image
    assert made.mode == "RGBA"
    assert np.array_equal(np.asarray(made)[:, :32], np.asarray(image)[:, :32])
    assert np.asarray(made)[:, 32:, 3].min() == 255


def test_a_soft_mask_changes_less(sd: Loaded, picture: Path, tmp_path: Path) -> None:
    gaps = []
    for level in (60, 255):
        Image.new("L", (64, 64), level).save(tmp_path / f"{level}.png")
        keep = tmp_path / str(level)
        sd.run(keep, image=str(picture), mask=str(tmp_path / f"{level}.png"), strength=1.0, steps=8)
        clean = given_to_decoder(sd, clean_of(sd, picture), keep)
        gaps.append(float((latents_in(keep) - clean).abs().mean()))
    assert 0 < gaps[0] < gaps[1]


@pytest.mark.parametrize("family", ["sd", "flux"])
def test_half_precision_keeps_the_picture_too(
    family: str, folder_of: Callable[[str], Path], picture: Path, mask: Path, tmp_path: Path
) -> None:
    half = msgspec.structs.replace(CPU, dtype="bfloat16", vae_dtype="bfloat16")
    model = Loaded(folder_of(family), tmp_path, half)
    asked = {"image": str(picture), "mask": str(mask), "mask_feather": 0, "strength": 0.6}
    made = model.run(tmp_path / "1", **asked).image
    assert np.array_equal(pixels(made)[:, :32], pixels(picture)[:, :32])
    assert model.run(tmp_path / "2", variation_seed=3, variation_strength=0.5).image.size == (64, 64)
