"""Writes ``models/pipelines.json`` from the installed diffusers: ``python -m models.runners.diffusion.table --write``.

Facts are read from the signatures of ``__call__`` and ``__init__``; the task is judged from names and inputs, since
diffusers states it nowhere for all families.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import msgspec
from diffusers import DiffusionPipeline

from models.pipelines import PipelineRow, PipelineTable, Scalar, Task

PATH = Path(__file__).resolve().parents[2] / "pipelines.json"

_DENOISERS = ("transformer", "unet", "prior", "decoder", "prior_prior")
_VIDEO_FAMILIES = re.compile(
    r"video|wan|ltx|mochi|allegro|latte|skyreels|cogvideo|animatediff|cosmos|easyanimate|helios|anyflow|lucy|consisid"
    r"|chronoedit|motif|kandinsky6|sana_wm"
)
_AUDIO_FAMILIES = re.compile(r"audio|music|ace_step|spectrogram")
_UPSCALE = re.compile(r"Upscale|Upsample|SuperResolution|Refiner|Refine|SRPipeline")
_EDIT = re.compile(r"Edit|Kontext|Pix2Pix|OmniGen|VisualCloze|Layered|Variation|CycleDiffusion|PaintByExample|Omni")
_CONTROL = re.compile(r"Control|Adapter|GLIGEN")
_OTHER = re.compile(
    r"Marigold|ShapE|LLaDA|Gemma|Proteina|Prior|Depth2Img|LDM3D|^DiTPipeline|^DDPM|^DDIM|^ConsistencyModel"
)
_SIBLING_WORDS = re.compile(r"Img2Img|ImageToImage|Inpaint|Fill|Edit(Plus)?|Kontext|ControlNet(Union)?|Control|Adapter")


def main(argv: list[str] | None = None) -> int:
    """Write or check the table; returns 1 when it is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the table that is checked in")
    text = encode(build())
    if parser.parse_args(argv).write:
        PATH.write_bytes(text)
        return 0
    return 0 if PATH.read_bytes() == text else 1


def build() -> PipelineTable:
    """The table of the diffusers that is installed here. Classes whose optional packages are missing are left out."""
    rows = [_row(cls) for cls in _classes()]
    return PipelineTable(diffusers.__version__, tuple(_with_siblings(rows)))


def encode(table: PipelineTable) -> bytes:
    """JSON with one line a row, in a stable order."""
    lines = ",\n".join(msgspec.json.encode(row, order="deterministic").decode() for row in table.rows)
    return f'{{"diffusers":"{table.diffusers}","rows":[\n{lines}\n]}}\n'.encode()


def _classes() -> Iterator[type[DiffusionPipeline]]:
    for name in sorted(set(dir(diffusers))):
        if "Pipeline" not in name or name.startswith(("Onnx", "Flax", "AutoPipeline")):
            continue
        cls = getattr(diffusers, name)
        if inspect.isclass(cls) and issubclass(cls, DiffusionPipeline) and "__call__" in _members(cls):
            yield cls


def _members(cls: type) -> set[str]:
    return {name for base in cls.__mro__ if base is not object for name in vars(base)}


def _row(cls: type[DiffusionPipeline]) -> PipelineRow:
    call = _parameters(cls.__call__)
    parts = _parameters(cls.__init__)
    optional = set(getattr(cls, "_optional_components", ()))
    components = tuple(name for name in parts if not isinstance(parts[name].default, Scalar))
    inputs = tuple(call)
    return PipelineRow(
        name=cls.__name__,
        task=_task(cls, call),
        family=cls.__module__.removeprefix("diffusers.pipelines.").rpartition(".")[0] or "diffusers",
        inputs=inputs,
        required=tuple(name for name, p in call.items() if p.default is inspect.Parameter.empty),
        defaults={name: p.default for name, p in call.items() if isinstance(p.default, Scalar)},
        components=components,
        optional=tuple(name for name in components if name in optional),
        denoiser=next((name for name in _DENOISERS if name in parts), ""),
        guidance=_guidance(call),
        negative_prompt="negative_prompt" in call,
        step_callback="callback_on_step_end" in call,
        interrupt="interrupt" in _members(cls),
        own_sigmas=_own_sigmas(cls),
        loras=hasattr(cls, "load_lora_weights"),
        deprecated=_deprecated(cls),
    )


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(function).parameters
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: p for name, p in parameters.items() if name != "self" and p.kind in plain}


def _guidance(call: dict[str, inspect.Parameter]) -> str:
    """The parameter that does classifier-free guidance: a class with both names uses ``guidance_scale`` for models
    that have guidance distilled into them, and then only where its default is a number."""
    names = ("guidance_scale", "true_cfg_scale", "distilled_guidance_scale", "decoder_guidance_scale")
    found = [name for name in names if name in call]
    with_default = [name for name in found if call[name].default is not None]
    return next(iter(with_default or found), "")


def _own_sigmas(cls: type[DiffusionPipeline]) -> bool:
    """Read from the source: levels made with linspace, or a shift of the levels that is always handed over."""
    ways = r"linspace\(|sigmas is None|set_timesteps\(sigmas|\bmu=mu\b|mu = calculate_shift\(self"
    return bool(re.search(ways, inspect.getsource(cls.__call__)))


def _deprecated(cls: type[DiffusionPipeline]) -> bool:
    return ".deprecated." in cls.__module__ or getattr(cls, "_last_supported_version", None) is not None


def _task(cls: type[DiffusionPipeline], call: dict[str, inspect.Parameter]) -> Task:
    name, module = cls.__name__, cls.__module__
    if _AUDIO_FAMILIES.search(module):
        return Task.AUDIO
    video = _VIDEO_FAMILIES.search(module) or "Video" in name or "num_frames" in call
    if video and name != "Cosmos2TextToImagePipeline":
        return Task.VIDEO
    if _UPSCALE.search(name):
        return Task.UPSCALE
    if _CONTROL.search(name) or "control_image" in call:
        return Task.CONTROLNET
    if _OTHER.search(name):
        return Task.OTHER
    if "mask_image" in call or "Inpaint" in name or "RePaint" in name:
        return Task.INPAINT
    if _EDIT.search(name):
        return Task.EDIT
    return _plain_task(name, call)


def _plain_task(name: str, call: dict[str, inspect.Parameter]) -> Task:
    if "Img2Img" in name or ("image" in call and "strength" in call):
        return Task.IMAGE_TO_IMAGE
    required = {key for key, p in call.items() if p.default is inspect.Parameter.empty}
    if "prompt" in call and not required - {"prompt"}:
        return Task.TEXT_TO_IMAGE
    return Task.IMAGE_TO_IMAGE if "image" in required else Task.OTHER


def _with_siblings(rows: list[PipelineRow]) -> Iterator[PipelineRow]:
    """Rows of one family that differ only by the word for the task are siblings; PAG variants are a family apart."""
    groups: dict[str, list[PipelineRow]] = {}
    for row in rows:
        groups.setdefault(_SIBLING_WORDS.sub("", row.name), []).append(row)
    for row in rows:
        found: dict[str, str] = {}
        for other in sorted(groups[_SIBLING_WORDS.sub("", row.name)], key=_plainest_first):
            if other.task is not row.task and not other.deprecated:
                found.setdefault(other.task.value, other.name)
        yield msgspec.structs.replace(row, siblings=dict(sorted(found.items())))


def _plainest_first(row: PipelineRow) -> tuple[bool, int, str]:
    """Classes that run on the base model's own weights come before those that need others (Fill, Adapter, Control)."""
    return not re.search(r"Inpaint|ControlNet|Img2Img", row.name), len(row.name), row.name


if __name__ == "__main__":
    sys.exit(main())
