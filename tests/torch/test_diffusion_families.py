"""What must hold for every family of pipelines: the same box, the same progress, the same way to stop."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from tiny_runs import Ear, Loaded

from models import canvas
from models.pipelines import row
from models.runners.base import CancelledRunError
from models.runners.diffusion.schedulers import scheduler_for


def ours(model: Loaded) -> set[str]:
    """Inputs that act around the pipeline: it is not called with them, or not by that name or count."""
    grouped = {spec.name for spec in model.schema.inputs if spec.about.group}
    return {"steps", "scheduler", "seed", "vae", "clip_skip", *canvas.NAMES} | grouped


def test_the_schema_has_only_inputs_the_pipeline_takes(model: Loaded) -> None:
    takes = set(inspect.signature(type(model.pipe).__call__).parameters)
    assert set(model.schema.names) - ours(model) <= takes
    assert model.schema["steps"].default == 3
    assert model.schema["width"].default == 64


def test_the_picture_has_the_size_asked_for(model: Loaded, keep: Path) -> None:
    multiple = model.schema["width"].about.multiple_of or 1
    width = 64 + multiple
    picture = model.run(keep, width=width, height=64, steps=2)
    assert picture.image.size == (width, 64)
    assert picture.image.mode == "RGB"


def test_a_seed_makes_the_same_picture_again_and_another_makes_another(model: Loaded, tmp_path: Path) -> None:
    first = model.run(tmp_path / "1", seed=3)
    again = model.run(tmp_path / "2", seed=3)
    other = model.run(tmp_path / "3", seed=4)
    assert first.seed == 3
    assert first.image.tobytes() == again.image.tobytes()
    assert first.image.tobytes() != other.image.tobytes()


def test_it_is_the_picture_that_plain_diffusers_makes(model: Loaded, keep: Path) -> None:
    import torch

    values = model.schema.validate({"prompt": "a red cat"})
    picture = model.runner.run(values, 5, keep, Ear())
    plain = {name: value for name, value in values.items() if name not in ours(model)}
    if "use_resolution_binning" in inspect.signature(type(model.pipe).__call__).parameters:
        plain["use_resolution_binning"] = False
    model.pipe.set_progress_bar_config(disable=True)
    bare = model.pipe(num_inference_steps=3, generator=torch.Generator("cpu").manual_seed(5), **plain).images[0]
    assert np.array_equal(np.asarray(picture.image), np.asarray(bare))


def test_progress_only_grows_and_reaches_the_end(model: Loaded, keep: Path) -> None:
    ear = Ear()
    model.run(keep, ear=ear, steps=4)
    places = [(step + within) / steps for step, steps, within in ear.steps]
    assert places == sorted(places)
    assert ear.steps[0][:2] == (0, 4)
    assert ear.steps[-1] == (4, 4, 0.0)
    assert ear.stages == ["running", "decoding"]
    assert ear.notices == []


def test_progress_moves_within_a_step(model: Loaded, keep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.runners.diffusion.hooks._INTERVAL", 0.0)
    ear = Ear()
    model.run(keep, ear=ear, steps=3)
    second = [within for step, _, within in ear.steps if step == 1]
    assert len(set(second)) >= 3
    assert max(second) < 1.0


@pytest.mark.parametrize("moment", ["words", "first step", "second step", "decoding"])
def test_cancel_takes_effect_at_once_and_the_model_works_afterwards(model: Loaded, tmp_path: Path, moment: str) -> None:
    before = model.run(tmp_path / "before", seed=9)

    def cancelled(ear: Ear) -> bool:
        step = ear.steps[-1][0] if ear.steps else -1
        busy = ear.checkpoints > 2
        if moment == "decoding":
            return "decoding" in ear.stages
        return busy and step == {"words": -1, "first step": 0, "second step": 1}[moment]

    ear = Ear(cancel_at=cancelled)
    with pytest.raises(CancelledRunError):
        model.run(tmp_path / "cancelled", seed=9, ear=ear)
    assert ("decoding" in ear.stages) == (moment == "decoding")
    assert (tmp_path / "cancelled").exists() == (moment == "decoding")
    assert no_hooks_left(model)
    after = model.run(tmp_path / "after", seed=9)
    assert after.image.tobytes() == before.image.tobytes()


def no_hooks_left(model: Loaded) -> bool:
    import torch

    modules = [
        m for part in model.pipe.components.values() if isinstance(part, torch.nn.Module) for m in part.modules()
    ]
    clean = not any(m._forward_pre_hooks for m in modules)
    plain = "decode" not in vars(model.pipe.vae) and "progress_bar" not in vars(model.pipe)
    return clean and plain and "step" not in vars(model.pipe.scheduler)


def test_nothing_of_a_run_stays_on_the_pipeline(model: Loaded, keep: Path) -> None:
    model.run(keep)
    assert no_hooks_left(model)


def test_kept_latents_give_the_same_picture_without_denoising(model: Loaded, keep: Path) -> None:
    first = model.run(keep, seed=11)
    with safe_open(keep, framework="pt") as file:
        about = file.metadata()
    assert about["pipeline"] == type(model.pipe).__name__
    assert (about["width"], about["height"]) == ("64", "64")
    ear = Ear()
    again = model.run(keep, seed=11, ear=ear)
    assert again.image.tobytes() == first.image.tobytes()
    assert ear.stages == ["decoding"]
    assert ear.notices == ["latents_reused"]
    assert ear.steps == []
    assert "denoise" not in again.facts["timings"]


def test_a_size_moved_to_a_trained_one_comes_back_as_asked(loaded: Callable[[str], Loaded], tmp_path: Path) -> None:
    model = loaded("pixart")
    transformer = model.pipe.transformer
    before = transformer.config.sample_size
    transformer.register_to_config(sample_size=32)
    try:
        first = model.run(tmp_path / "latents", width=128, height=64, steps=2)
        with safe_open(tmp_path / "latents", framework="pt") as file:
            assert file.get_slice("latents").get_shape() != [1, 4, 16, 32]
        again = model.run(tmp_path / "latents", width=128, height=64, steps=2)
    finally:
        transformer.register_to_config(sample_size=before)
    assert first.image.size == (128, 64)
    assert again.image.tobytes() == first.image.tobytes()


def test_previews_come_at_every_step(model: Loaded, keep: Path) -> None:
    ear = Ear()
    model.run(keep, ear=ear, steps=3)
    assert len(ear.shown) >= 3
    image, width, height, seconds = ear.shown[-1]
    assert (width, height) == (64, 64)
    assert image.size[0] == image.size[1] <= 16
    assert 0 < seconds < 1


def test_no_preview_is_painted_unasked(model: Loaded, keep: Path) -> None:
    ear = Ear(previews=False)
    model.run(keep, ear=ear)
    assert ear.shown == []


def test_facts_tell_how_it_was_made(model: Loaded, keep: Path) -> None:
    facts = model.run(keep).facts
    assert facts["pipeline"] == type(model.pipe).__name__
    assert facts["scheduler"] == type(model.pipe.scheduler).__name__
    assert (facts["steps"], facts["dtype"], facts["placement"]) == (3, "float32", "whole")
    assert set(facts["timings"]) == {"encode", "denoise", "decode"}
    assert model.runner.memory > 100_000


def test_no_scheduler_clips_latents(model: Loaded) -> None:
    for name in model.schema["scheduler"].about.choices:
        scheduler = scheduler_for(name, model.pipe.scheduler, row(type(model.pipe).__name__))
        assert not scheduler.config.get("clip_sample")
        assert scheduler is not model.pipe.scheduler


def test_every_scheduler_on_offer_runs_and_none_leaks(model: Loaded, tmp_path: Path) -> None:
    own = model.pipe.scheduler
    default = model.run(tmp_path / "default", seed=2, steps=4).image.tobytes()
    choices = model.schema["scheduler"].about.choices
    assert choices[0] == "default"
    assert len(choices) >= 4
    for name in choices[1:]:
        ear = Ear()
        picture = model.run(tmp_path / name, seed=2, steps=4, scheduler=name, ear=ear)
        assert picture.facts["scheduler"] == name
        assert ear.steps[-1][:2] == (4, 4), name
        assert model.pipe.scheduler is own
    assert model.run(tmp_path / "again", seed=2, steps=4).image.tobytes() == default
