"""IP-Adapters: pictures beside the words, through attention layers of their own that are put into the denoiser for one
run and taken out again (Ye et al. 2023). diffusers builds the layers; what looks at the pictures is found beside the
adapter's file or among the add-ons of this computer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import nn

from models import pictures
from models.card import AddonRef
from models.control import ADAPTED, ADAPTERS, SEVERAL_ADAPTERS, Looks
from models.folders import FolderInfo
from models.items import Adapter
from models.planning import Placement, Plan
from models.runners.base import Addons, Report
from models.runners.diffusion import looking
from models.runners.diffusion.beside import Beside
from models.runners.diffusion.clock import Clock
from models.runners.diffusion.holding import ref_of
from models.runners.diffusion.hooks import attribute
from models.runners.diffusion.memory import is_oom
from models.runners.diffusion.nets import refused

_TITLE = "IP-Adapter"
_PROJECTIONS = ("encoder_hid_proj", "image_proj", "text_encoder_hid_proj")
"""Where diffusers keeps what turns a picture into tokens."""


@dataclass
class Look:
    """One adapter and its picture: ``weights`` as diffusers takes them, ``seen`` what the encoder makes of the picture
    and ``unseen`` of none, (1, 1, ...) on the CPU."""

    ref: AddonRef
    weights: dict[str, dict[str, torch.Tensor]]
    image: Image.Image
    seen: torch.Tensor
    unseen: torch.Tensor
    strength: float
    start: float
    end: float


def looks_of(
    inputs: dict[str, Any], addons: Addons, info: FolderInfo, plan: Plan, beside: Beside, report: Report
) -> tuple[list[Look], dict[str, Any], list[str]]:
    """The job's adapters with what their encoders see, what the recipe says of the pictures, and the encoders' keys on
    the shelf.

    Raises:
        AtelierError: a file is broken, or a picture cannot be read.
        InvalidInputError: there is no encoder for it, or it is no adapter that this model takes.
    """
    way = ADAPTED.get(info.pipeline)
    items = [Adapter(**item) for item in inputs.get(ADAPTERS) or ()]
    items = [item for item in items if item.strength > 0 and item.start < item.end]
    if not items or way is None:
        return [], {}, []
    found: list[Look] = []
    facts: dict[str, Any] = {}
    keys: list[str] = []
    for number, item in enumerate(items, 1):
        report.checkpoint()
        ref = ref_of(item.name, addons, _TITLE, ADAPTERS)
        if found and way not in SEVERAL_ADAPTERS:
            raise _refused(ref, "cannot act beside another one with models of this kind.")
        if plan.placement is Placement.SEQUENTIAL_OFFLOAD:
            raise _refused(ref, "needs more memory than there is: this model is moved to the device layer by layer.")
        weights = beside.take(ref.path, lambda ref=ref: looking.read_adapter(ref))  # type: ignore[misc]
        opened = pictures.open_picture(item.image)
        facts[f"adapter_{number}"] = {"path": item.image, "sha256": opened.sha256}
        key, seen, unseen = looking.seen_by(ref, weights, way, opened.image, addons, plan, beside)
        keys.append(key)
        found.append(Look(ref, weights, opened.image, seen, unseen, item.strength, item.start, item.end))
    return found, facts, keys


def _refused(ref: AddonRef, why: str) -> Exception:
    return refused(ref, why, ADAPTERS, _TITLE)


def arguments(looks: list[Look]) -> dict[str, Any]:
    """What the pipeline is called with besides, so that it asks for what was seen."""
    return {"ip_adapter_image": [look.image for look in looks]} if looks else {}


@contextmanager
def looked(pipe: Any, denoiser: Any, pipeline: str, looks: list[Look], clock: Clock, plan: Plan) -> Iterator[None]:
    """Within, ``denoiser`` has the adapters' layers; afterwards its own, the very same as before."""
    if not looks:
        yield
        return
    way = ADAPTED[pipeline]
    with ExitStack() as stack:
        stack.enter_context(_installed(denoiser, way, looks, plan))
        stack.enter_context(attribute(pipe, "prepare_ip_adapter_image_embeds", _prepared(way, looks)))
        layers = [layer for layer in denoiser.attn_processors.values() if hasattr(layer, "scale")]

        def weigh(*_: Any) -> None:
            scales = [look.strength if clock.within(look.start, look.end) else 0.0 for look in looks]
            for layer in layers:
                layer.scale = list(scales) if way is not Looks.SD3 else scales[0]

        stack.callback(denoiser.register_forward_pre_hook(weigh).remove)
        yield


@contextmanager
def _installed(denoiser: Any, way: Looks, looks: list[Look], plan: Plan) -> Iterator[None]:
    layers, config = dict(denoiser.attn_processors), denoiser.config
    homes = (denoiser._modules, vars(denoiser))  # where torch keeps modules, and attributes that are none
    kept = [{name: home[name] for name in _PROJECTIONS if name in home} for home in homes]
    kind = getattr(config, "encoder_hid_dim_type", None)
    try:
        _install(denoiser, way, looks, plan)
        yield
    finally:
        for home, before in zip(homes, kept, strict=True):  # first: a projection may have attention of its own
            for name in _PROJECTIONS:
                home.pop(name, None)
            home.update(before)
        denoiser.set_attn_processor(dict(layers))
        if way is not Looks.SD3:
            config.encoder_hid_dim_type = kind


def _install(denoiser: Any, way: Looks, looks: list[Look], plan: Plan) -> None:
    before = {id(module) for module in denoiser.modules()}
    own = sum(not name.endswith("attn1.processor") for name in denoiser.attn_processors)
    given = [{name: dict(part) for name, part in look.weights.items()} for look in looks]
    try:
        with attribute(denoiser, "to", lambda *_, **__: denoiser):  # it would move the whole model to where it is
            denoiser._load_ip_adapter_weights(given[0] if way is Looks.SD3 else given)
    except (RuntimeError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        if is_oom(error):
            raise
        raise _refused(looks[0].ref, f"does not fit this model ({type(error).__name__}: {error}).") from error
    _check(denoiser, way, looks, own)
    where = denoiser.device if plan.placement is Placement.MODEL_OFFLOAD else torch.device(plan.device)
    for module in denoiser.modules():
        if id(module) not in before:
            if any(tensor.is_meta for tensor in module.parameters()):
                raise _refused(looks[0].ref, "lacks tensors that adapters of its kind have.")
            nn.Module.to(module, where, denoiser.dtype)


def _check(denoiser: Any, way: Looks, looks: list[Look], own: int) -> None:
    """The adapters' layers are as wide as the denoiser's, and as many as its ``own`` that look at words."""
    for look in looks:
        keys = [tensor for name, tensor in look.weights["ip_adapter"].items() if name.endswith("to_k_ip.weight")]
        wide = denoiser.config.get("cross_attention_dim") if way is Looks.UNET else None
        odd = [tensor for tensor in keys if isinstance(wide, int) and tensor.shape[1] != wide]
        if not keys or odd:
            made_for = f"its layers take {odd[0].shape[1]} numbers a token, this model's {wide}" if odd else "no layers"
            raise _refused(look.ref, f"was made for another kind of model ({made_for}).")
        if way is Looks.UNET and len(keys) != own:
            raise _refused(look.ref, f"was made for another kind of model: it has {len(keys)} layers and not {own}.")


def _prepared(way: Looks, looks: list[Look]) -> Any:
    """Stands in for the pipeline's own: gives what was seen, as that family takes it."""

    def unet(image: Any, embeds: Any, device: Any, count: int, guided: bool) -> list[torch.Tensor]:
        pairs = [(look.unseen, look.seen) if guided else (look.seen,) for look in looks]
        return [torch.cat([part.repeat_interleave(count, 0) for part in pair]).to(device) for pair in pairs]

    def flux(image: Any, embeds: Any, device: Any, count: int) -> list[torch.Tensor]:
        avoided = not isinstance(image[0], Image.Image)  # the pipeline asks for a black picture's too
        return [(look.unseen if avoided else look.seen).repeat_interleave(count, 0).to(device) for look in looks]

    def sd3(
        ip_adapter_image: Any = None, embeds: Any = None, device: Any = None, count: int = 1, guided: bool = True
    ) -> torch.Tensor:
        parts = (looks[0].unseen, looks[0].seen) if guided else (looks[0].seen,)
        return torch.cat([part[0].repeat_interleave(count, 0) for part in parts]).to(device)

    return {Looks.UNET: unet, Looks.FLUX: flux, Looks.SD3: sd3}[way]
