"""The standard box of any diffusers pipeline: its inputs read from the pipeline table and the model's own files.

Pictures from words, and from pictures with words or without where ``models.ways`` says how. Nothing heavy is imported:
forms, the command line and the worker all make the same schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models import adapters, canvas, control, folders, pictures, refine, samplers, seamless, sizes, ways
from models.box import BoxSchema, Override
from models.canvas import Space
from models.errors import AtelierError, ErrorCode
from models.folders import FolderInfo
from models.inputs import MISSING, Input, InputSpec, Kind, Size
from models.pipelines import PipelineRow, Task, row
from models.ways import Way

Config = Mapping[str, Any]

STEPS = "steps"
"""The box's name for what most pipelines call ``num_inference_steps``."""

_MAX_STEPS = 150
_MAX_PROMPT = 20_000


def schema_from_folder(folder: Path, model: str = "") -> BoxSchema:
    """The schema of the model in ``folder``; raises as ``folders.inspect`` and ``schema_of``."""
    return schema_of(folders.inspect(folder, model))


def schema_of(info: FolderInfo) -> BoxSchema:
    """The schema of a model folder that was looked through, with what its ``atelier.json`` recommends.

    Raises:
        AtelierError: MODEL_UNSUPPORTED for a pipeline that is not text-to-image.
    """
    return schema_for(info.pipeline, info.configs, info.about.recommended, info.name)


def schema_for(
    pipeline: str, configs: Mapping[str, Config], recommended: Mapping[str, Any] | None = None, model: str = ""
) -> BoxSchema:
    """The inputs that the class ``pipeline`` takes, with the defaults of its signature and its components' configs.

    ``configs`` holds the components' config files by component name (absent ones are guessed around);
    ``recommended`` replaces defaults where it names inputs that exist and its values are allowed.

    Raises:
        AtelierError: MODEL_UNSUPPORTED when the pipeline is unknown, or ``runs`` says no.
    """
    found = row(pipeline)
    if found is None or not runs(found):
        raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=model or pipeline, pipeline=pipeline)
    how, space = ways.taking(pipeline), space_of(found, configs, recommended)
    pictured = canvas.specs(how, space)
    specs = [
        *_words(found), *pictured, *_sizes(found, configs), *_sampling(found, configs), *canvas.variations(how),
        *_details(found), *adapters.specs(found, configs), *control.specs(pipeline), *refine.specs(how),
        *seamless.specs(found),
    ]  # fmt: skip
    schema = BoxSchema(tuple(specs), any_of=canvas.any_of(how))
    wanted = {name: Override(default=value) for name, value in (recommended or {}).items()}
    return schema.narrow({name: change for name, change in wanted.items() if _allowed(schema, name, change.default)})


def runs(found: PipelineRow) -> bool:
    """Whether there is a box for this class: it makes pictures from words, or from pictures, with words or without, in
    a way that is known (``models.ways``)."""
    way = ways.taking(found.name).way
    if way is Way.VARY:
        return not set(found.required) - {canvas.IMAGE}
    if "prompt" not in found.inputs or set(found.required) - {"prompt"}:
        return False
    return found.task is Task.TEXT_TO_IMAGE or way in (Way.FILL, Way.EDIT)


def _words(found: PipelineRow) -> list[InputSpec]:
    if "prompt" not in found.inputs:
        return []
    free = ways.taking(found.name).way is Way.VARY
    about = "What you want to see; may be left empty." if free else "What you want to see."
    least = None if free else 1
    prompt = Input("Prompt", about, min_length=least, max_length=_MAX_PROMPT, widget="multiline")
    words = "What you do not want to see (negative prompt)."
    avoid = Input("Avoid", words, max_length=_MAX_PROMPT, widget="multiline", advanced=True)
    specs = [InputSpec("prompt", Kind.TEXT, "" if free else MISSING, prompt)]
    if found.negative_prompt:
        specs.append(InputSpec("negative_prompt", Kind.TEXT, "", avoid))
    return specs


def _sizes(found: PipelineRow, configs: Mapping[str, Config]) -> list[InputSpec]:
    if not {"width", "height"} <= set(found.inputs):
        return []
    space = space_of(found, configs)
    native, multiple = space.native, space.multiple
    limits: dict[str, Any] = {"ge": space.lowest, "le": space.highest, "step": multiple, "multiple_of": multiple}
    width = Input("Width", "Width of the picture in pixels.", **limits)
    height = Input("Height", "Height of the picture in pixels.", **limits)
    return [
        InputSpec("width", Kind.INTEGER, native.width, width),
        InputSpec("height", Kind.INTEGER, native.height, height),
    ]


def space_of(
    found: PipelineRow | None, configs: Mapping[str, Config], recommended: Mapping[str, Any] | None = None
) -> Space:
    """The sizes a model can work at; its own is what its folder recommends, if it can be made."""
    multiple, native = sizes.size_multiple(found, configs), sizes.native_size(found, configs)
    largest = max(native.width, native.height)
    lowest = sizes.nearest(min(64, largest // 2), multiple)
    highest = sizes.MAX_SIDE if largest >= 512 else largest * 4
    wanted = [(recommended or {}).get(name) for name in ("width", "height")]
    sides = [side for side in wanted if type(side) is int and lowest <= side <= highest and side % multiple == 0]
    return Space(Size(*sides) if len(sides) == 2 else native, multiple, lowest, highest)


def planned_pixels(folder: str, inputs: Mapping[str, Any]) -> int:
    """The pixels a job of the model in ``folder`` will work on, for its plan: of what it makes, and of what it looks at
    beside that. Of pictures only the headers are read.

    Raises:
        AtelierError: PICTURE_UNREADABLE when a picture is gone by now; as ``folders.inspect`` for the model.
    """
    asked = int(inputs.get("width") or 0) * int(inputs.get("height") or 0)
    if not folder or not inputs.get(canvas.IMAGE):
        return refine.pixels(inputs, asked)
    if refine.enlarges(inputs) or not (Path(folder) / folders.INDEX).is_file():  # in tiles of the model's own size
        return 0
    info = folders.inspect(Path(folder))
    taking, space = ways.taking(info.pipeline), space_of(row(info.pipeline), info.configs, info.about.recommended)
    room = canvas.room_of(taking)
    if inputs.get("only_masked") and inputs.get(canvas.MASK):
        made = asked  # a window around what the mask covers is made at the size asked for, whatever it covers
    else:
        work = canvas.frame(inputs, _size_of(inputs[canvas.IMAGE]), space, room=room).work
        made = work.width * work.height
    if not taking.beside:
        return made
    others = [canvas.within(_size_of(inputs[name]), space, room) for name in canvas.REFERENCES if inputs.get(name)]
    return 2 * made + sum(other.width * other.height for other in others)


def _size_of(path: Any) -> Size:
    about = pictures.look(path)
    return Size(about.width, about.height)


def why_not(info: FolderInfo) -> dict[str, str]:
    """For each input about pictures (``canvas.NAMES``, ``control.NAMES``) that a model does not have, a sentence that
    says why."""
    return {**canvas.why_not(ways.taking(info.pipeline), info.pipeline), **control.why_not(info.pipeline)}


def _sampling(found: PipelineRow, configs: Mapping[str, Config]) -> list[InputSpec]:
    specs = []
    steps = found.defaults.get("num_inference_steps")
    if isinstance(steps, int):
        lowest = _fewest_steps(found, configs)
        words = "How often the picture is refined. More takes longer."
        about = Input("Steps", words, ge=lowest, le=_MAX_STEPS, step=1)
        specs.append(InputSpec(STEPS, Kind.INTEGER, steps, about))
    specs += _guidances(found, configs)
    choices = scheduler_choices(found, configs)
    if len(choices) > 1:
        words = "The method that turns noise into the picture; “default” is the model's own."
        about = Input("Scheduler", words, choices=choices, advanced=True)
        specs.append(InputSpec("scheduler", Kind.CHOICE, samplers.DEFAULT, about))
    seed = Input("Seed", "The same seed and settings make the same picture again.")
    return [*specs, InputSpec("seed", Kind.SEED, None, seed)]


def _fewest_steps(found: PipelineRow, configs: Mapping[str, Config]) -> int:
    """Two where one step fails: PixArt takes one for a sign of the one-step model and expects that model's scheduler;
    stretching the noise levels to a terminal shift divides by zero with one level (Qwen-Image)."""
    scheduler = configs.get("scheduler", {})
    one_step = "LCM" in _class(scheduler)
    pixart = found.name.startswith("PixArt") and not one_step
    return 2 if pixart or scheduler.get("shift_terminal") else 1


def _guidances(found: PipelineRow, configs: Mapping[str, Config]) -> list[InputSpec]:
    """One input that steers how closely words are followed, and the second one of families that have two."""
    followed = "words" if "prompt" in found.inputs else "one given"
    words = f"How closely the picture follows the {followed} (CFG, classifier-free guidance)."
    limits: dict[str, Any] = {"ge": 0.0, "le": 30.0, "step": 0.1}
    distilled = configs.get(found.denoiser, {}).get("guidance_embeds")
    specs: list[InputSpec] = []
    for name in ("guidance_scale", "true_cfg_scale", "distilled_guidance_scale"):
        default = found.defaults.get(name)
        if name not in found.inputs or not isinstance(default, int | float):
            continue
        if name == "guidance_scale" and "true_cfg_scale" in found.inputs and distilled is False:
            continue  # the model has no such input, so the slider would do nothing (FLUX schnell)
        first = not specs
        about = Input("Guidance", words, **limits)
        if not first:
            about = Input(
                "True guidance",
                f"{words} Above 1 “Avoid” counts and steps take twice as long.",
                advanced=True,
                **limits,
            )
        specs.append(InputSpec(name, Kind.NUMBER, float(default), about))
    return specs


def scheduler_choices(found: PipelineRow, configs: Mapping[str, Config]) -> tuple[str, ...]:
    """``default`` and the names in ``models.samplers`` that fit; ``default`` alone when the pipeline fixes its own."""
    own = configs.get("scheduler", {})
    fixed = (
        found.name in ("SanaSprintPipeline", "LatentConsistencyModelPipeline") or "scheduler" not in found.components
    )
    if fixed:
        return (samplers.DEFAULT,)
    return (samplers.DEFAULT, *samplers.compatible(_class(own), own, found.own_sigmas))


_DETAILS: dict[str, tuple[Kind, Input]] = {
    "guidance_rescale": (
        Kind.NUMBER,
        Input("Guidance rescale", "Takes back over-exposure that strong guidance causes.", ge=0.0, le=1.0, step=0.05),
    ),
    "image_guidance_scale": (
        Kind.NUMBER,
        Input("Picture guidance", "How closely the picture given is kept to.", ge=1.0, le=10.0, step=0.1),
    ),
    "pag_scale": (
        Kind.NUMBER,
        Input("Attention guidance", "Steers towards clear structure (PAG).", ge=0.0, le=20.0, step=0.1),
    ),
    "eta": (
        Kind.NUMBER,
        Input("Fresh noise", "Noise added at each step (eta); the DDIM scheduler only.", ge=0.0, le=1.0, step=0.05),
    ),
    "noise_level": (
        Kind.INTEGER,
        Input("Freedom", "Noise laid over what is seen in the picture (noise level): more differs more.", ge=0, le=999),
    ),
    "max_sequence_length": (
        Kind.INTEGER,
        Input("Prompt length", "Words beyond so many tokens are not read.", ge=16, le=512, step=16),
    ),
}


def _details(found: PipelineRow) -> list[InputSpec]:
    specs = []
    for name, (kind, about) in _DETAILS.items():
        default = found.defaults.get(name)
        if name not in found.inputs or not isinstance(default, int | float):
            continue
        # Signatures state the length the text encoder was trained with: longer is not accepted by most.
        highest = float(default) if name == "max_sequence_length" else about.le
        words = {"ge": about.ge, "le": highest, "step": about.step}
        full = Input(about.title, about.description, advanced=True, **words)  # type: ignore[arg-type]
        specs.append(InputSpec(name, kind, default if kind is Kind.INTEGER else float(default), full))
    return specs


def _allowed(schema: BoxSchema, name: str, value: Any) -> bool:
    """A recommendation from a model folder is somebody else's file: only values the schema itself accepts count."""
    if name not in schema or schema[name].kind is Kind.SEED:
        return False
    about = schema[name].about
    if schema[name].kind is Kind.CHOICE:
        return value in about.choices
    if schema[name].kind is Kind.TEXT:
        return isinstance(value, str)
    whole = schema[name].kind is Kind.INTEGER
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    inside = (about.ge is None or value >= about.ge) and (about.le is None or value <= about.le)
    return inside and not (about.multiple_of and value % about.multiple_of)


def _class(config: Config) -> str:
    return str(config.get("_class_name", ""))
