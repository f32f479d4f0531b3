"""ControlNets around the tiny pipelines: they act, alike to diffusers' own pipelines, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import tiny_nets
import torch
from PIL import Image
from tiny_runs import Ear, Loaded

from models.card import AddonRef
from models.errors import AtelierError, ErrorCode, InvalidInputError
from models.runners.base import CancelledRunError, OutOfMemoryError

FAMILIES = ("sd", "sdxl", "flux", "sd3", "qwen_image", "z_image")
_NUMBERS = count()


class Controlled:
    """A tiny model with a ControlNet and a map."""

    def __init__(self, model: Loaded, folder: Path, family: str) -> None:
        self.model, self.folder, self.family = model, folder, family
        self.addons: dict[str, AddonRef] = {}
        self.net = self.add("net")
        self.map = str(tiny_nets.lines(folder / "map.png"))

    def add(self, name: str, seed: int = 1, union: bool = False) -> str:
        ref = tiny_nets.saved(tiny_nets.net_for(self.family, self.model.pipe, seed, union), self.folder / name)
        self.addons[name] = ref
        return name

    def run(self, *controls: dict[str, Any], ear: Ear | None = None, **inputs: Any) -> np.ndarray:
        items = [{"name": self.net, "image": self.map, **control} for control in controls]
        values = self.model.schema.validate({"prompt": "a red cat", "controls": items, **inputs})
        keep = self.folder / f"{next(_NUMBERS)}.latents"
        picture = self.model.runner.run(values, 7, keep, ear or Ear(), self.addons)
        return np.array(picture.image, dtype=int)


@pytest.fixture
def control(loaded: Callable[[str], Loaded], tmp_path: Path) -> Callable[[str], Controlled]:
    return lambda family: Controlled(loaded(family), tmp_path, family)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_map_changes_the_picture_and_nothing_stays_behind(family: str, control: Any) -> None:
    model = control(family)
    plain = model.run()
    guided = model.run({})
    assert np.abs(guided - plain).mean() > 0.5
    assert (model.run({}) == guided).all()
    assert (model.run({"strength": 0}) == plain).all()
    assert (model.run() == plain).all()
    other = str(tiny_nets.lines(model.folder / "other.png", across=True))
    assert (model.run({"image": other}) != guided).any()


def test_strength_zero_loads_nothing(control: Any) -> None:
    model = control("sd")
    model.addons["net"] = AddonRef("gone", "gone", "controlnet", "/nowhere")
    model.run({"strength": 0})
    model.run({"start": 0.5, "end": 0.5})


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_it_is_what_the_sibling_pipeline_makes(family: str, control: Any) -> None:
    model = control(family)
    ours = model.run({"strength": 0.8, "start": 0.0, "end": 0.7}, steps=4)
    pipe = model.model.pipe
    cls = {"sd": diffusers.StableDiffusionControlNetPipeline, "sdxl": diffusers.StableDiffusionXLControlNetPipeline}
    net = diffusers.ControlNetModel.from_pretrained(model.addons["net"].path)
    sibling = cls[family].from_pipe(pipe, controlnet=net)
    sibling.set_progress_bar_config(disable=True)
    theirs = sibling(
        "a red cat", negative_prompt="", image=Image.open(model.map), num_inference_steps=4, width=64, height=64,
        generator=torch.Generator("cpu").manual_seed(7), controlnet_conditioning_scale=0.8, control_guidance_end=0.7,
        guidance_scale=model.model.schema["guidance_scale"].default,
    ).images[0]  # fmt: skip
    assert np.abs(ours - np.array(theirs, dtype=int)).max() <= 1


def test_it_is_what_the_sibling_pipeline_makes_of_flux(control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution as Drawn

    model = control("flux")
    ours = model.run({"strength": 0.8}, steps=3)
    monkeypatch.setattr(Drawn, "sample", lambda self, generator=None: self.mode())  # theirs draws from the seed's noise
    net = diffusers.FluxControlNetModel.from_pretrained(model.addons["net"].path)
    pipe = model.model.pipe
    sibling = diffusers.FluxControlNetPipeline.from_pipe(pipe, controlnet=net)
    sibling.set_progress_bar_config(disable=True)
    theirs = sibling(
        "a red cat", control_image=Image.open(model.map), num_inference_steps=3, width=64, height=64,
        generator=torch.Generator("cpu").manual_seed(7), controlnet_conditioning_scale=0.8,
        guidance_scale=model.model.schema["guidance_scale"].default,
        max_sequence_length=model.model.schema["max_sequence_length"].default,
    ).images[0]  # fmt: skip
    assert np.abs(ours - np.array(theirs, dtype=int)).max() <= 1


def _calls(model: Controlled, *controls: dict[str, Any], **inputs: Any) -> int:
    """How often the networks are asked; a first run has them loaded."""
    model.run(*controls, **inputs)
    seen: list[int] = []
    nets = [net for net in model.model.runner._beside.values() if isinstance(net, torch.nn.Module)]
    hooks = [net.register_forward_hook(lambda *_: seen.append(1)) for net in nets]
    try:
        model.run(*controls, **inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return len(seen)


@pytest.mark.parametrize(
    ("window", "calls"), [((0.0, 1.0), 10), ((0.0, 0.3), 3), ((0.5, 1.0), 5), ((0.2, 0.6), 4), ((0.0, 0.05), 0)]
)
def test_it_acts_within_its_window(window: tuple[float, float], calls: int, control: Any) -> None:
    model = control("sdxl")
    assert _calls(model, {"start": window[0], "end": window[1]}, steps=10) == calls


def test_with_a_true_guidance_it_is_asked_once_a_step(control: Any) -> None:
    model = control("qwen_image")
    assert _calls(model, {}, steps=4, true_cfg_scale=4.0) == 4


@pytest.mark.parametrize("family", ["sd", "flux"])
def test_two_act_together(family: str, control: Any) -> None:
    model = control(family)
    model.add("second", seed=2)
    across = str(tiny_nets.lines(model.folder / "across.png", across=True))
    one, two = {}, {"name": "second", "image": across}
    first, second, both = model.run(one), model.run(two), model.run(one, two)
    assert (both != first).any()
    assert (both != second).any()
    assert np.abs(model.run(two, one) - both).max() <= 1
    assert (model.run(one, {**two, "strength": 0}) == first).all()


@pytest.mark.parametrize(("family", "mode", "other"), [("sdxl", "depth", "canny"), ("flux", "depth", "canny")])
def test_networks_for_several_kinds_are_told_which(family: str, mode: str, other: str, control: Any) -> None:
    model = control(family)
    name = model.add("union", union=True)
    depth = model.run({"name": name, "mode": mode})
    assert (model.run({"name": name, "mode": other}) != depth).any()
    assert (model.run({"name": name, "mode": mode.upper()}) == depth).all()
    both = model.run({"name": name, "mode": mode}, {"name": name, "mode": other})
    assert (both != depth).any()
    with pytest.raises(InvalidInputError) as caught:
        model.run({"name": name})
    assert "several kinds of map" in caught.value.info.problems[0].sentence
    assert other in caught.value.info.problems[0].sentence
    with pytest.raises(InvalidInputError):
        model.run({"name": name, "mode": "smell"})


def test_the_preprocessor_says_the_kind(control: Any) -> None:
    model = control("sdxl")
    name = model.add("union", union=True)
    made = model.run({"name": name, "preprocessor": "canny"})
    assert (made != model.run({"name": name, "mode": "canny"})).any()  # the picture is not its own edges


def test_with_a_mask_what_is_kept_is_untouched(control: Any) -> None:
    model = control("sd")
    picture, mask = model.folder / "picture.png", model.folder / "mask.png"
    noise = np.random.default_rng(3).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(picture)
    half = Image.new("L", (64, 64))
    half.paste(255, (0, 0, 24, 64))
    half.save(mask)
    work = {"image": str(picture), "mask": str(mask), "strength": 1.0, "mask_feather": 0}
    plain, guided = model.run(**work), model.run({}, **work)
    assert (guided[:, 24:] == noise[:, 24:]).all()
    assert (guided[:, :24] != plain[:, :24]).any()


@pytest.mark.parametrize("layout", ["folder", "variant", "file", "original"])
def test_layouts(layout: str, control: Any) -> None:
    model = control("sd")
    expected = model.run({})
    net = tiny_nets.net_for("sd", model.model.pipe)
    if layout == "folder":
        ref = tiny_nets.saved(net, model.folder / "again")
    elif layout == "variant":
        net.save_pretrained(model.folder / "variant", variant="fp16")
        ref = AddonRef("v", "v", "controlnet", str(model.folder / "variant"))
    elif layout == "file":
        ref = tiny_nets.saved_file(net, model.folder / "net.safetensors")
    else:
        ref = tiny_nets.saved_original(net, model.folder / "control_sd15.safetensors")
    model.addons["other"] = ref
    assert (model.run({"name": "other"}) == expected).all()


@pytest.mark.parametrize("family", ["sdxl", "flux", "sd3", "qwen_image", "z_image"])
def test_single_files_of_other_families(family: str, control: Any) -> None:
    model = control(family)
    expected = model.run({})
    net = tiny_nets.net_for(family, model.model.pipe)
    model.addons["file"] = tiny_nets.saved_file(net, model.folder / "net.safetensors")
    assert (model.run({"name": "file"}) == expected).all()


def test_a_network_of_another_family_is_refused(control: Any, loaded: Callable[[str], Loaded]) -> None:
    model = control("sd")
    plain = model.run()
    for family in ("sdxl", "flux"):
        net = tiny_nets.net_for(family, loaded(family).pipe)
        model.addons["wrong"] = tiny_nets.saved(net, model.folder / f"wrong-{family}")
        with pytest.raises(InvalidInputError) as caught:
            model.run({"name": "wrong"})
        assert "another kind of model" in caught.value.info.problems[0].sentence or (
            "FluxControlNetModel" in caught.value.info.problems[0].sentence
        )
    assert (model.run() == plain).all()


@pytest.mark.parametrize("harm", ["cut", "header", "pickle", "empty", "config", "few", "text"])
def test_hostile_files(harm: str, control: Any) -> None:
    model = control("sd")
    ref = tiny_nets.saved(tiny_nets.net_for("sd", model.model.pipe), model.folder / "bad")
    weights = Path(ref.path) / "diffusion_pytorch_model.safetensors"
    if harm == "cut":
        weights.write_bytes(weights.read_bytes()[:4000])
    elif harm == "header":
        weights.write_bytes((50 * 1024**3).to_bytes(8, "little") + b"{" + b" " * 64)
    elif harm == "pickle":
        path = model.folder / "bad.pth"
        torch.save({"a": torch.zeros(2)}, path)
        ref = AddonRef("bad", "bad", "controlnet", str(path))
    elif harm == "empty":
        weights.unlink()
    elif harm == "config":
        (Path(ref.path) / "config.json").write_text('{"block_out_channels": "many"}')
    elif harm == "few":
        from safetensors.torch import load_file, save_file

        tensors = load_file(weights)
        tensors.pop("conv_in.weight")
        save_file(tensors, weights)
    else:
        (Path(ref.path) / "config.json").write_text("[" * 100_000)
    model.addons["bad"] = ref
    with pytest.raises(AtelierError) as caught:
        model.run({"name": "bad"})
    expected = {"pickle": ErrorCode.MODEL_NEEDS_PICKLE, "config": ErrorCode.INVALID_INPUT}
    assert caught.value.code is expected.get(harm, ErrorCode.MODEL_CORRUPT)
    assert "bad" in str(caught.value.info)


def test_cancelled_in_between(control: Any) -> None:
    model = control("sd")
    plain, guided = model.run(), model.run({})
    ear = Ear(cancel_at=lambda ear: len(ear.steps) > 1)
    with pytest.raises(CancelledRunError):
        model.run({}, ear=ear)
    assert (model.run() == plain).all()
    assert (model.run({}) == guided).all()


def test_out_of_memory_within_the_network(control: Any) -> None:
    model = control("sd")
    plain = model.run()
    model.run({})
    net = model.model.runner._beside.values()[-1]

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    hook = net.register_forward_pre_hook(full)
    with pytest.raises(OutOfMemoryError):
        model.run({})
    hook.remove()
    assert (model.run() == plain).all()


def test_its_bytes_count_as_the_models(control: Any) -> None:
    model = control("sd")
    before = model.model.runner.memory
    model.run({})
    net = tiny_nets.net_for("sd", model.model.pipe)
    size = sum(tensor.numel() * tensor.element_size() for tensor in net.parameters())
    assert size <= model.model.runner.memory - before <= size * 1.1
    model.run()
    assert model.model.runner.memory - before >= size  # kept for the next job
