"""Bigger and finer: the inputs for a second pass at a larger size, for enlarging a picture in tiles, and for making
found things anew in full resolution. Pure; the work is in ``models/runners/diffusion/passes.py``.

Hires-fix: the picture is made at the size a model was trained for, enlarged, and made again from there with less
strength. At sizes far beyond its own a model repeats itself; given the composition it adds detail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.inputs import LANCZOS, Input, InputSpec, Kind
from models.ways import Taking, Way

GROUP = "refine"
_MOST = 4.0


def specs(taking: Taking) -> list[InputSpec]:
    """The inputs of a class that can start from a picture by our wrapper; of others none."""
    if taking.way is not Way.WRAPPER:
        return []
    return [*_hires(), *_enlarging(), *_details()]


def _number(
    name: str, default: float, title: str, words: str, ge: float, le: float, step: float, **more: Any
) -> InputSpec:
    return InputSpec(name, Kind.NUMBER, default, Input(title, words, ge=ge, le=le, step=step, group=GROUP, **more))


def _hires() -> list[InputSpec]:
    steps = "Steps of the second pass; 0: the share of the steps that its strength names."
    way = "An upscaler, “lanczos” (resampling) or “latent” (softer, changes more; wants a strength of 0.5 or more)."
    return [
        _number(
            "hires_scale", 1.0, "Hires fix", "Make the picture, enlarge it so many times, and make it finer in "
            "a second pass. 1: off. Not together with a picture.", 1.0, _MOST, 0.25,
        ),
        _number(
            "hires_strength", 0.4, "Hires denoising strength", "How much the second pass changes: 0.3 keeps the "
            "picture, 0.7 invents.", 0.05, 1.0, 0.05,
        ),
        InputSpec("hires_steps", Kind.INTEGER, 0, Input("Hires steps", steps, ge=0, le=150, step=1, group=GROUP)),
        InputSpec(
            "hires_upscaler", Kind.ADDON, LANCZOS, Input("Upscaler", way, addons=("upscaler",), group=GROUP),
        ),
    ]  # fmt: skip


def _enlarging() -> list[InputSpec]:
    return [
        _number(
            "enlarge", 1.0, "Enlarge", "Make the picture given so many times larger and finer, tile by tile; memory "
            "stays that of one tile. Works best with a strength of 0.2 to 0.4. 1: off.", 1.0, 8.0, 0.25, needs="image",
        ),
    ]  # fmt: skip


def _details() -> list[InputSpec]:
    adds = ("detection",)
    detector = "What finds the things to make finer. Empty: no detail pass."
    most = "At most so many things, the largest first."
    words = "What is to be found, separated by commas; empty: all that the detector knows."
    prompt = "Words for what was found; empty: the picture's own."
    limits: dict[str, Any] = {"group": GROUP, "needs": "detail_model"}
    return [
        InputSpec("detail_model", Kind.ADDON, None, Input("Refine details", detector, addons=adds, group=GROUP)),
        InputSpec("detail_what", Kind.TEXT, "face", Input("Find", words, max_length=500, **limits)),
        InputSpec("detail_prompt", Kind.TEXT, "", Input("Detail prompt", prompt, max_length=20_000, **limits)),
        _number(
            "detail_strength", 0.4, "Detail denoising strength", "How much of what was found is made anew.", 0.05, 1.0,
            0.05, needs="detail_model",
        ),
        InputSpec("detail_most", Kind.INTEGER, 4, Input("At most", most, ge=1, le=32, step=1, **limits)),
    ]  # fmt: skip


SWITCHES = frozenset({"hires_scale", "enlarge", "detail_model"})
"""Inputs on which it depends which of the others matter."""


def idle(inputs: Mapping[str, Any]) -> frozenset[str]:
    """The inputs that say nothing as things stand."""
    out: set[str] = {"hires_scale"} if inputs.get("image") else {"enlarge"}
    if not twice(inputs):
        out |= {"hires_strength", "hires_steps"}
    if not twice(inputs) and not enlarges(inputs):
        out.add("hires_upscaler")
    if not inputs.get("detail_model"):
        out |= {"detail_what", "detail_prompt", "detail_strength", "detail_most"}
    return frozenset(out)


def twice(inputs: Mapping[str, Any]) -> bool:
    """Whether there is a second pass; a job with a picture has none."""
    return float(inputs.get("hires_scale") or 1.0) > 1 and not inputs.get("image")


def enlarges(inputs: Mapping[str, Any]) -> bool:
    return float(inputs.get("enlarge") or 1.0) > 1 and bool(inputs.get("image"))


def several(inputs: Mapping[str, Any]) -> bool:
    """Whether a job takes more than one pass through the pipeline."""
    return twice(inputs) or enlarges(inputs) or bool(inputs.get("detail_model"))


def second_size(inputs: Mapping[str, Any], multiple: int) -> tuple[int, int]:
    """Width and height of the second pass."""
    factor = float(inputs.get("hires_scale") or 1.0)
    width, height = (
        max(multiple, round(int(inputs[side]) * factor / multiple) * multiple) for side in ("width", "height")
    )
    return width, height


def pixels(inputs: Mapping[str, Any], asked: int) -> int:
    """The pixels of the largest pass, for a job whose first has ``asked``."""
    return int(asked * float(inputs["hires_scale"]) ** 2) if twice(inputs) else asked


def steps_for(executed: int, strength: float) -> int:
    """The steps to ask for so that ``executed`` are taken at ``strength``."""
    return max(2, round(executed / max(strength, 0.01)))


def second_steps(inputs: Mapping[str, Any]) -> tuple[int, int]:
    """Steps to ask for in the second pass, and those that will be taken."""
    first, strength = int(inputs.get("steps") or 1), float(inputs.get("hires_strength") or 0.4)
    executed = int(inputs.get("hires_steps") or 0) or max(1, round(first * strength))
    return steps_for(executed, strength), executed
