"""From the ControlNets that a job names to networks and maps that are ready to act."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image

from models import pictures
from models.card import AddonRef
from models.control import CONTROLLED, CONTROLS, Controlled, kind_number, kinds_of
from models.errors import InvalidInputError, Problem
from models.folders import FolderInfo
from models.items import Control
from models.planning import Plan
from models.runners.base import Addons, Report
from models.runners.diffusion.beside import Beside, settle
from models.runners.diffusion.control import Hold, as_latents, as_pixels, wants_pixels
from models.runners.diffusion.encode import encoded
from models.runners.diffusion.fit import Cut
from models.runners.diffusion.nets import load_net, refused


def asked(inputs: dict[str, Any]) -> list[Control]:
    """The controls of a job that do anything."""
    items = [Control(**item) for item in inputs.get(CONTROLS) or ()]
    return [item for item in items if item.strength > 0 and item.start < item.end]


def ref_of(name: str, addons: Addons, title: str = "ControlNet", field: str = CONTROLS) -> AddonRef:
    """The file that ``name`` stands for; refused where nobody said which (InvalidInputError)."""
    if name not in addons:
        raise InvalidInputError(Problem(field, name, f"{title}: there is no “{name}” on this computer."))
    return addons[name]


def holds_of(
    inputs: dict[str, Any],
    addons: Addons,
    pipe: Any,
    denoiser: Any,
    info: FolderInfo,
    plan: Plan,
    cut: Cut,
    beside: Beside,
    report: Report,
) -> tuple[list[Hold], dict[str, Any]]:
    """What the job's controls come down to, and what the recipe says of their pictures.

    Raises:
        AtelierError: a network's file is broken, or a picture cannot be read.
        InvalidInputError: a network is not for this model, or of several kinds of map and none is named.
    """
    way = CONTROLLED.get(info.pipeline)
    controls = asked(inputs)
    if not controls or way is None:
        return [], {}
    holds, facts = [], {}
    for number, item in enumerate(controls, 1):
        report.checkpoint()
        ref = ref_of(item.name, addons)
        net = _net(ref, way, denoiser, plan, beside)
        kind = _kind(ref, net, item)
        image, facts[f"control_{number}"] = _map(item, addons, plan, report)
        image = cut.map(image)
        if wants_pixels(net, way):
            map_ = as_pixels(image, 0.0 if way.net == "ControlNetModel" else -1.0)
        else:
            map_ = as_latents(pipe, net, way, encoded(pipe, info, plan, image, report))
        holds.append(Hold(ref, net, map_, item.strength, item.start, item.end, kind))
    return holds, facts


def _net(ref: AddonRef, way: Controlled, denoiser: Any, plan: Plan, beside: Beside) -> Any:
    def load() -> Any:
        net = load_net(ref, way, denoiser, getattr(torch, plan.dtype))
        settle(net, plan)
        return net

    return beside.take(ref.path, load)


def _kind(ref: AddonRef, net: Any, item: Control) -> int | None:
    """Which kind of map it is, for networks that know several."""
    name = type(net).__name__
    count = int(net.config.get("num_control_type") or net.config.get("num_mode") or 0)
    if not count:
        return None
    number = kind_number(name, item.mode, item.preprocessor, count)
    if number is None:
        names = ", ".join(words[0] for words in kinds_of(name)[:count])
        given = f"“{item.mode}” is none of them" if item.mode else "say which this one is (mode)"
        raise refused(ref, f"takes several kinds of map; {given}: {names}.")
    return number


def _map(item: Control, addons: Addons, plan: Plan, report: Report) -> tuple[Image.Image, dict[str, Any]]:
    """The map: the picture itself, or what the preprocessor makes of it."""
    opened = pictures.open_picture(item.image)
    image = opened.image
    if item.preprocessor:
        from models.runners import maps  # what it needs is heavy

        image = maps.make_map(item.preprocessor, image, addons, report, device=plan.device, **item.options)
    size = {"width": opened.image.width, "height": opened.image.height}
    return image, {"path": str(Path(item.image)), "sha256": opened.sha256, **size}
