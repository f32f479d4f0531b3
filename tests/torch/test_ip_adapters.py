"""IP-Adapters on tiny pipelines: they act within their window, together, and are gone afterwards."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_looks
import tiny_nets
from tiny_runs import Ear, Loaded

from models.card import AddonRef
from models.errors import AtelierError, ErrorCode, InvalidInputError
from models.runners.base import CancelledRunError

_NUMBERS = count()


class Looking:
    def __init__(self, model: Loaded, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.addons: dict[str, AddonRef] = {}
        tiny_looks.encoder(folder / "models" / "image_encoder")
        self.picture = str(tiny_looks.picture(folder / "picture.png"))
        self.add("one")

    def add(self, name: str, **more: Any) -> str:
        self.addons[name] = tiny_looks.adapter(
            self.model.pipe, self.folder / "sdxl_models" / f"{name}.safetensors", **more
        )
        return name

    def run(self, *items: dict[str, Any], ear: Ear | None = None, **inputs: Any) -> np.ndarray:
        adapters = [{"name": "one", "image": self.picture, **item} for item in items]
        values = self.model.schema.validate({"prompt": "a red cat", "adapters": adapters, **inputs})
        keep = self.folder / f"{next(_NUMBERS)}.latents"
        return np.array(self.model.runner.run(values, 7, keep, ear or Ear(), self.addons).image, dtype=int)


@pytest.fixture
def looking(loaded: Callable[[str], Loaded], tmp_path: Path) -> Callable[[str], Looking]:
    return lambda family: Looking(loaded(family), tmp_path)


@pytest.mark.parametrize("family", ["sd", "sdxl", "flux"])
def test_a_picture_changes_the_picture_and_nothing_stays_behind(family: str, looking: Any) -> None:
    model = looking(family)
    denoiser = getattr(model.model.pipe, "unet", None) or model.model.pipe.transformer
    layers, keys = dict(denoiser.attn_processors), set(denoiser.state_dict())
    plain, seen = model.run(), model.run({})
    assert np.abs(seen - plain).mean() > 0.1
    assert (model.run({"strength": 0}) == plain).all()
    assert (model.run() == plain).all()
    assert (model.run({}) == seen).all()
    assert denoiser.attn_processors == layers  # the very same objects
    assert set(denoiser.state_dict()) == keys
    other = str(tiny_looks.picture(model.folder / "other.png", seed=5))
    assert (model.run({"image": other}) != seen).any()


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_it_is_what_diffusers_makes(family: str, looking: Any) -> None:
    import torch
    from PIL import Image
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

    model = looking(family)
    ours = model.run({"strength": 0.6})
    pipe = model.model.pipe
    layers = dict(pipe.unet.attn_processors)
    eye = CLIPVisionModelWithProjection.from_pretrained(model.folder / "models" / "image_encoder")
    crop = CLIPImageProcessor(size=32, crop_size=32)
    pipe.load_ip_adapter(str(model.folder), "sdxl_models", "one.safetensors", image_encoder_folder=None)
    before = pipe.image_encoder, pipe.feature_extractor
    try:
        pipe.image_encoder, pipe.feature_extractor = eye, crop
        pipe.set_ip_adapter_scale(0.6)
        theirs = pipe(
            "a red cat", negative_prompt="", num_inference_steps=3, width=64, height=64,
            ip_adapter_image=Image.open(model.picture), generator=torch.Generator("cpu").manual_seed(7),
            guidance_scale=model.model.schema["guidance_scale"].default,
        ).images[0]  # fmt: skip
    finally:
        pipe.image_encoder, pipe.feature_extractor = None, None
        pipe.unload_ip_adapter()
        pipe.unet.set_attn_processor(layers)
        del before
    assert np.abs(ours - np.array(theirs, dtype=int)).max() <= 1


@pytest.mark.parametrize("family", ["sd", "flux"])
def test_a_window_of_steps(family: str, looking: Any) -> None:
    model = looking(family)
    plain, whole = model.run(steps=4), model.run({}, steps=4)
    early, late = model.run({"end": 0.5}, steps=4), model.run({"start": 0.5}, steps=4)
    assert (early != whole).any()
    assert (late != whole).any()
    assert (early != late).any()
    assert (early != plain).any()


@pytest.mark.parametrize("family", ["sdxl", "flux"])
def test_two_act_together(family: str, looking: Any) -> None:
    model = looking(family)
    model.add("two", seed=2)
    both = model.run({}, {"name": "two"})
    assert (both != model.run({})).any()
    assert (both != model.run({"name": "two"})).any()


def test_plus_looks_at_the_parts(looking: Any) -> None:
    model = looking("sd")
    model.add("plus", plus=True)
    plain = model.run()
    assert np.abs(model.run({"name": "plus"}) - plain).mean() > 0.1
    assert (model.run({}, {"name": "plus"}) != model.run({"name": "plus"})).any()
    assert (model.run() == plain).all()


def test_with_a_controlnet_and_a_region(looking: Any) -> None:
    model = looking("sdxl")
    model.addons["net"] = tiny_nets.saved(tiny_nets.net_for("sdxl", model.model.pipe), model.folder / "net")
    mask = tiny_nets.lines(model.folder / "mask.png")
    more: dict[str, Any] = {
        "controls": [{"name": "net", "image": str(tiny_nets.lines(model.folder / "map.png"))}],
        "regions": [{"mask": str(mask), "prompt": "a blue dog"}],
    }
    plain = model.run()
    everything = model.run({}, **more)
    assert (everything != model.run(**more)).any()
    assert (everything != model.run({})).any()
    assert (model.run() == plain).all()


def test_without_guidance(looking: Any) -> None:
    model = looking("sd")
    assert (model.run({}, guidance_scale=1.0) != model.run(guidance_scale=1.0)).any()


def test_an_encoder_of_this_computer(looking: Any, tmp_path: Path) -> None:
    import shutil

    model = looking("flux")
    seen = model.run({})
    shutil.move(model.folder / "models", model.folder / "elsewhere")
    with pytest.raises(InvalidInputError) as caught:
        model.run({})
    assert "image encoder" in caught.value.info.problems[0].sentence
    eye = str(model.folder / "elsewhere" / "image_encoder")
    model.addons["clip"] = AddonRef("clip", "clip", "text-encoder", eye)
    assert (model.run({}) == seen).all()


def test_an_adapter_of_another_family_is_refused(looking: Any, loaded: Callable[[str], Loaded]) -> None:
    model = looking("sd")
    plain = model.run()
    for family in ("sdxl", "flux"):
        path = model.folder / "sdxl_models" / "wrong.safetensors"
        model.addons["wrong"] = tiny_looks.adapter(loaded(family).pipe, path.with_stem(f"wrong-{family}"))
        with pytest.raises(InvalidInputError) as caught:
            model.run({"name": "wrong"})
        assert "IP-Adapter" in caught.value.info.problems[0].sentence
        assert (model.run() == plain).all()


@pytest.mark.parametrize(
    ("harm", "code"),
    [("cut", ErrorCode.MODEL_CORRUPT), ("pickle", ErrorCode.MODEL_NEEDS_PICKLE), ("other", ErrorCode.INVALID_INPUT)],
)
def test_hostile_files(harm: str, code: ErrorCode, looking: Any) -> None:
    model = looking("sd")
    path = Path(model.addons["one"].path)
    bad = path.with_name("bad.bin" if harm == "pickle" else "bad.safetensors")
    if harm == "other":
        tiny_nets.saved_file(tiny_nets.net_for("sd", model.model.pipe), bad)
    else:
        bad.write_bytes(path.read_bytes()[: 200 if harm == "cut" else None])
    model.addons["bad"] = AddonRef("bad", "bad", "ip-adapter", str(bad))
    with pytest.raises(AtelierError) as caught:
        model.run({"name": "bad"})
    assert caught.value.code is code


def test_cancelled_in_between(looking: Any) -> None:
    model = looking("sd")
    plain = model.run()
    with pytest.raises(CancelledRunError):
        model.run({}, ear=Ear(cancel_at=lambda ear: len(ear.steps) > 1))
    assert (model.run() == plain).all()
