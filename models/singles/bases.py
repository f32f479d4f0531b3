"""What a file that holds only a denoiser takes from an installed model of its family: everything else.

The denoiser's configuration is the base's too, with the counts and widths that differ between versions of one family
(distilled, pruned, without guidance) read from the file's tensors.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from models import folders
from models.folders import FolderInfo, Part
from models.recognise.finding import Finding, Tensors, side
from models.singles.parts import Component
from models.singles.shapes import Config
from models.skeleton import Slice

_PIPELINES = {
    ("flux1", "fill"): "FluxFillPipeline",
    ("flux1", "control"): "FluxControlPipeline",
    ("qwen-image", "layered"): "QwenImageLayeredPipeline",
}
"""Versions that need another pipeline than their base."""

_RECOMMENDED: dict[tuple[str, str], dict[str, int]] = {("flux1", "schnell"): {"steps": 4}}


class Base:
    """An installed model, looked through."""

    def __init__(self, folder: Path, model: str) -> None:
        """Raises as ``folders.inspect`` for a folder that is not whole."""
        self.folder = folder
        self.info: FolderInfo = folders.inspect(folder, model)

    def component(self, name: str) -> Component | None:
        """One of its parts with weights, as a component that lies there; None if it has none of that name."""
        part = self.info.part(name)
        return _from(self.info, part) if part is not None and part.files and self._is_readable(part) else None

    def others(self, name: str) -> list[Component]:
        """All parts with weights but the one called ``name``."""
        wanted = [part for part in self.info.parts if part.files and part.name != name]
        return [_from(self.info, part) for part in wanted if self._is_readable(part)]

    def _is_readable(self, part: Part) -> bool:
        """A person's word for a pickle is for that model, not for others made with parts of it."""
        return part.single is None or (part.single.format or _format(self.info)) != "pickle"

    def copy_light(self, target: Path) -> None:
        """Its tokenizers and the like, a few megabytes, as they are."""
        for part in self.info.parts:
            if not part.files:
                shutil.copytree(self.info.home(part), target / part.name, dirs_exist_ok=True)


def _from(info: FolderInfo, part: Part) -> Component:
    if part.single is not None and info.single is not None:  # the base is a single file itself
        file = part.single.file or info.single.file
        where = msgspec.structs.replace(part.single, file=file, format=part.single.format or info.single.format)
    else:
        where = Slice(folder=str(info.home(part).absolute()))
    return Component(part.name, part.library, part.class_name, part.config, where)


def _format(info: FolderInfo) -> str:
    return info.single.format if info.single else ""


def pipeline(base: Base, found: Finding) -> str:
    """The class that runs a denoiser of this version."""
    return _PIPELINES.get((found.family, found.variant), base.info.pipeline)


def recommended(found: Finding) -> dict[str, int]:
    """Settings that a version wants whatever its base says."""
    return _RECOMMENDED.get((found.family, found.variant), {})


def scheduler(config: Mapping[str, Any], found: Finding) -> Config:
    """The base's scheduler for this version: FLUX.1 shifts its noise levels with the picture's size unless it was
    distilled to a few steps (published configurations of FLUX.1 dev and schnell)."""
    settings = dict(config)
    if found.family == "flux1" and "use_dynamic_shifting" in settings:
        schnell = found.variant == "schnell"
        settings.update(use_dynamic_shifting=not schnell, shift=1.0 if schnell else 3.0)
    return settings


# -- the denoiser's configuration -------------------------------------------------------------------------------------


class _Facts(msgspec.Struct, frozen=True):
    """Where a configuration's numbers are found: keys that count blocks, and keys that are a side of a tensor (the
    first of the names that is there)."""

    counts: Mapping[str, str] = {}
    sides: Mapping[str, tuple[tuple[str, int], ...]] = {}
    guided: tuple[str, ...] = ()


_FLUX_SIDES = {
    "in_channels": (("img_in.weight", 1), ("x_embedder.weight", 1)),
    "joint_attention_dim": (("txt_in.weight", 1), ("context_embedder.weight", 1)),
}
_DOUBLE, _SINGLE = r"(?:double_blocks|transformer_blocks)\.(\d{1,6})\.", r"single_(?:transformer_)?blocks\.(\d{1,6})\."
_FLUX = _Facts(
    {"num_layers": _DOUBLE, "num_single_layers": _SINGLE},
    {
        **_FLUX_SIDES,
        "pooled_projection_dim": (
            ("vector_in.in_layer.weight", 1),
            ("time_text_embed.text_embedder.linear_1.weight", 1),
        ),
    },
    ("guidance_in.in_layer.weight", "time_text_embed.guidance_embedder.linear_1.weight"),
)
_FLUX2 = _Facts(
    {"num_layers": _DOUBLE, "num_single_layers": _SINGLE},
    _FLUX_SIDES,
    ("guidance_in.in_layer.weight", "time_guidance_embed.guidance_embedder.linear_1.weight"),
)
_SD3 = _Facts({"num_layers": r"(?:joint_blocks|transformer_blocks)\.(\d{1,6})\."})
_FACTS: dict[str, _Facts] = {
    "flux1": _FLUX,
    "flux2": _FLUX2,
    "flux2-klein-4b": _FLUX2,
    "flux2-klein-9b": _FLUX2,
    "chroma": _Facts({"num_layers": _DOUBLE, "num_single_layers": _SINGLE}),
    "qwen-image": _Facts({"num_layers": r"transformer_blocks\.(\d{1,6})\."}, {"in_channels": (("img_in.weight", 1),)}),
    "z-image": _Facts({"n_layers": r"layers\.(\d{1,6})\."}),
    "lumina2": _Facts({"num_layers": r"layers\.(\d{1,6})\."}),
    "sd3-medium": _SD3,
    "sd35-medium": _SD3,
    "sd35-large": _SD3,
}


def denoiser_config(config: Mapping[str, Any], found: Finding, tensors: Tensors) -> Config:
    """The base's configuration, corrected by what ``tensors`` (names without prefix) show."""
    facts = _FACTS.get(found.family, _Facts())
    changes: Config = {}
    for key, pattern in facts.counts.items():
        changes[key] = _count(tensors, re.compile(pattern).match)
    for key, places in facts.sides.items():
        changes[key] = next((value for place in places if (value := side(tensors, *place))), 0)
    changes = {key: value for key, value in changes.items() if value and key in config}
    if facts.guided and "guidance_embeds" in config:
        changes["guidance_embeds"] = any(name in tensors for name in facts.guided)
    return {**config, **changes}


def _count(tensors: Tensors, match: Callable[[str], re.Match[str] | None]) -> int:
    highest = max((int(at[1]) for name in tensors if (at := match(name))), default=-1)
    return highest + 1 if highest < 1000 else 0
