"""FLUX.2 edits by instruction, and its weights take a mask, new edges and a strength besides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import tiny_pictures
import torch
from PIL import Image, ImageDraw
from safetensors import safe_open
from tiny_runs import CPU, Ear, Loaded

from models import canvas, folders, pipelines
from models.errors import AtelierError, ErrorCode
from models.inputs import Size
from models.planning import GIB, Backend, DeviceFacts
from models.runners.diffusion.kind import DiffusionKind
from models.runners.diffusion.runner import DiffusionRunner
from models.runners.diffusion.schedulers import scheduler_for
from models.schemas import planned_pixels, schema_for

FACTS = DeviceFacts(Backend.CUDA, 0, "card", 12 * GIB, 11 * GIB, 32 * GIB, 20 * GIB)


@pytest.fixture(scope="module")
def klein(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    root = tmp_path_factory.mktemp("flux2")
    return Loaded(tiny_pictures.build("flux2_klein", root / "flux2_klein"), root / "cache")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = Image.new("RGB", (64, 64), (40, 90, 160))
    ImageDraw.Draw(image).ellipse((10, 14, 50, 54), fill=(230, 180, 60))
    image.save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """The right half, on a latent's edge."""
    image = Image.new("L", (64, 64), 0)
    image.paste(255, (32, 0, 64, 64))
    image.save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def pixels(image: Image.Image | Path) -> np.ndarray[Any, Any]:
    opened = Image.open(image) if isinstance(image, Path) else image
    return np.asarray(opened.convert("RGB")).astype(int)


def latents_in(path: Path) -> torch.Tensor:
    with safe_open(path, framework="pt") as file:
        return file.get_tensor("latents").float()


@torch.no_grad()
def clean_of(model: Loaded, picture: Path) -> torch.Tensor:
    """What the autoencoder makes of the picture, as it is given to decode."""
    given = torch.from_numpy(pixels(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1
    latents: torch.Tensor = model.pipe.vae.encode(given.to(model.pipe.vae.dtype)).latent_dist.mode().float()
    return latents


def test_what_the_mask_keeps_is_identical(klein: Loaded, picture: Path, mask: Path, keep: Path) -> None:
    ear = Ear()
    made = klein.run(keep, ear=ear, image=str(picture), mask=str(mask), mask_feather=6).image
    change = np.abs(pixels(made) - pixels(picture)).max(axis=2)
    assert made.size == (64, 64)
    assert change[:, : 32 - 6].max() == 0
    assert change[:, 32:].mean() > 1
    assert ear.steps[-1] == (3, 3, 0.0)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_latents_under_the_mask_alone_change(
    strength: float, klein: Loaded, picture: Path, mask: Path, keep: Path
) -> None:
    klein.run(keep, image=str(picture), mask=str(mask), mask_feather=0, strength=strength, steps=4)
    made, clean = latents_in(keep), clean_of(klein, picture)
    half = made.shape[-1] // 2
    assert torch.allclose(made[..., :half], clean[..., :half], atol=1e-4)
    assert not torch.allclose(made[..., half:], clean[..., half:], atol=1e-2)


def test_it_is_what_the_familys_own_class_for_masks_makes(
    klein: Loaded, picture: Path, mask: Path, keep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"image": str(picture), "mask": str(mask), "mask_feather": 0, "strength": 0.5, "steps": 4}
    klein.run(keep, seed=5, **asked)
    own = diffusers.Flux2KleinInpaintPipeline(**klein.pipe.components, is_distilled=False)
    row = pipelines.row("Flux2KleinPipeline")
    assert row is not None
    own.scheduler = scheduler_for("default", klein.pipe.scheduler, row)
    own.set_progress_bar_config(disable=True)
    given: list[torch.Tensor] = []
    decode = klein.pipe.vae.decode
    monkeypatch.setitem(vars(klein.pipe.vae), "decode", lambda z, **rest: (given.append(z), decode(z, **rest))[1])
    guidance = klein.schema["guidance_scale"].default
    opened = {"image": Image.open(picture), "mask_image": Image.open(mask)}
    noise = torch.Generator("cpu").manual_seed(5)
    own("a red cat", **opened, strength=0.5, num_inference_steps=4, guidance_scale=guidance, generator=noise)
    assert torch.allclose(latents_in(keep), given[-1].float(), atol=2e-3)


def test_new_edges_and_small_windows_keep_the_original(
    klein: Loaded, picture: Path, mask: Path, tmp_path: Path
) -> None:
    wider = klein.run(tmp_path / "1", image=str(picture), extend_left=16, mask_feather=4).image
    assert wider.size == (80, 64)
    assert np.array_equal(pixels(wider)[:, 20:], pixels(picture)[:, 4:])
    assert np.abs(pixels(wider)[:, :16] - pixels(picture)[:, :1]).max() > 1
    only = klein.run(tmp_path / "2", image=str(picture), mask=str(mask), only_masked=True, mask_feather=4).image
    assert np.array_equal(pixels(only)[:, :28], pixels(picture)[:, :28])


def test_strength_says_how_much_is_kept(klein: Loaded, picture: Path, tmp_path: Path) -> None:
    clean, gaps = clean_of(klein, picture), []
    for strength in (0.1, 0.5, 1.0):
        klein.run(tmp_path / str(strength), image=str(picture), strength=strength, steps=10)
        gaps.append(float((latents_in(tmp_path / str(strength)) - clean).abs().mean()))
    assert gaps[0] < gaps[1] < gaps[2]
    nothing = klein.run(tmp_path / "nothing", image=str(picture), strength=0).image
    assert np.array_equal(pixels(nothing), pixels(picture))


def test_told_to_change_everything_it_edits_as_its_class_does(klein: Loaded, picture: Path, keep: Path) -> None:
    made = klein.run(keep, seed=5, image=str(picture), width=64, height=64).image
    klein.pipe.set_progress_bar_config(disable=True)
    noise = torch.Generator("cpu").manual_seed(5)
    given = {"image": Image.open(picture), "width": 64, "height": 64, "num_inference_steps": 3}
    own = klein.pipe(prompt="a red cat", **given, generator=noise).images[0]
    assert np.abs(pixels(made) - pixels(own)).max() <= 1


def test_references_are_looked_at_beside_a_mask(klein: Loaded, picture: Path, mask: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (40, 40), (250, 250, 10)).save(other)
    asked = {"image": str(picture), "mask": str(mask), "mask_feather": 4}
    one = klein.run(tmp_path / "1", **asked).image
    two = klein.run(tmp_path / "2", reference_1=str(other), **asked).image
    change = np.abs(pixels(one) - pixels(two)).max(axis=2)
    assert change.max() > 0
    assert change[:, :28].max() == 0


def test_words_picture_and_mask_load_the_weights_once(klein: Loaded, picture: Path, mask: Path, tmp_path: Path) -> None:
    words = klein.run(tmp_path / "1", width=64, height=64).image
    klein.run(tmp_path / "2", image=str(picture), strength=0.5)
    klein.run(tmp_path / "3", image=str(picture), mask=str(mask))
    assert klein.run(tmp_path / "4", width=64, height=64).image.tobytes() == words.tobytes()
    assert [what for _, what in klein.ear.loads].count("vae") == 1


def test_the_large_model_goes_the_same_way(
    klein: Loaded, picture: Path, mask: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader of words is too large to be built tiny: its numbers are given ready-made."""
    info, row = folders.inspect(klein.folder), pipelines.row("Flux2Pipeline")
    assert row is not None
    base = diffusers.DiffusionPipeline.from_pretrained(klein.folder)
    transformer = diffusers.Flux2Transformer2DModel.from_config(base.transformer.config, guidance_embeds=True)
    parts = {"vae": base.vae, "scheduler": base.scheduler, "transformer": transformer}
    pipe = diffusers.Flux2Pipeline(**parts, text_encoder=None, tokenizer=None)
    numbers = torch.randn(1, 6, 48, generator=torch.Generator().manual_seed(1))
    ids = diffusers.Flux2Pipeline._prepare_text_ids(numbers)
    monkeypatch.setitem(vars(pipe), "encode_prompt", lambda **_: (numbers, ids))
    runner = DiffusionRunner(pipe, info, row, CPU, None)
    schema = schema_for("Flux2Pipeline", info.configs, info.about.recommended)
    run: Callable[..., Any] = lambda name, **more: runner.run(  # noqa: E731
        schema.validate({"prompt": "x", "image": str(picture), "mask_feather": 4, **more}), 3, tmp_path / name, Ear()
    )
    masked, wider = run("1", mask=str(mask)).image, run("2", extend_top=16).image
    assert np.array_equal(pixels(masked)[:, :28], pixels(picture)[:, :28])
    assert np.abs(pixels(masked) - pixels(picture)).max() > 1
    assert np.array_equal(pixels(wider)[20:], pixels(picture)[4:])
    half = latents_in(tmp_path / "1").shape[-1] // 2
    assert not torch.equal(latents_in(tmp_path / "1")[..., half:], clean_of(klein, picture)[..., half:])


def test_what_is_looked_at_is_planned_for(klein: Loaded, picture: Path, mask: Path, tmp_path: Path) -> None:
    """The pictures a job looks at lie beside the one it makes, in one sequence: memory grows with each."""
    folder, asked = str(klein.folder), {"width": 64, "height": 64}
    other = tmp_path / "other.png"
    Image.new("RGB", (400, 100), (250, 250, 10)).save(other)
    words = planned_pixels(folder, asked)
    edited = planned_pixels(folder, {**asked, "image": str(picture)})
    masked = planned_pixels(folder, {**asked, "image": str(picture), "mask": str(mask), "only_masked": True})
    assert words == 64 * 64
    assert edited == masked == 2 * words
    both = {**asked, "image": str(picture), "reference_1": str(other), "reference_3": str(other)}
    space = klein.runner.space
    shown = canvas.within(Size(400, 100), space, 1.0)
    assert planned_pixels(folder, both) == edited + 2 * shown.width * shown.height
    needed = [DiffusionKind().plans(klein.ref, FACTS, pixels)[0].needed_bytes for pixels in (words, edited)]
    assert needed[0] < needed[1]
    other.unlink()
    with pytest.raises(AtelierError) as caught:
        planned_pixels(folder, both)
    assert caught.value.code is ErrorCode.PICTURE_UNREADABLE
