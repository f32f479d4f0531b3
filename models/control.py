"""The table of families: which pipeline classes take ControlNets, IP-Adapters and painted regions, and how.

ControlNets are not run through diffusers' sibling pipelines. Those compute the same (a test compares them), but each
is another object with another signature: what is put around the loaded pipeline (picture, mask, previews, LoRAs,
prompt weights) would have to be put around each of them too, some lack what the plain class has (guidance rescale,
attention guidance, a window of steps for Z-Image), and several kinds of network cannot be mixed. Here the networks are
called just before the denoiser is, with what the denoiser is called with, and what they say is handed to it
(``models.runners.diffusion.control``); this table says what each family needs for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from models.card import AddonRef
from models.inputs import Input, InputSpec, Kind
from models.machine import Component

CONTROLS, ADAPTERS, REGIONS = "controls", "adapters", "regions"
NAMES = (CONTROLS, ADAPTERS, REGIONS)
"""The inputs this module is about. None of them is a parameter of a pipeline."""


class Map(StrEnum):
    """How a family's networks take the map."""

    PIXELS = "pixels"
    """As a picture, 0..1."""
    LATENTS = "latents"
    """As the autoencoder's latents."""
    PACKED = "packed"
    """The same, two by two a token."""
    STACKED = "stacked"
    """The same, each a video of one frame, with empty channels for what else a network may take."""


@dataclass(frozen=True)
class Controlled:
    """How one family's ControlNets work. ``net`` is their class in diffusers and ``map`` how they take the map;
    ``hands`` are the denoiser's parameters that take what they say, and ``alike`` the values of their configuration
    that must be the denoiser's own."""

    net: str
    map: Map
    hands: tuple[str, ...]
    alike: tuple[str, ...]


_UNET = Controlled(
    "ControlNetModel",
    Map.PIXELS,
    ("down_block_additional_residuals", "mid_block_additional_residual"),
    ("cross_attention_dim", "block_out_channels", "addition_embed_type", "layers_per_block"),
)
_FLUX = Controlled(
    "FluxControlNetModel",
    Map.PACKED,
    ("controlnet_block_samples", "controlnet_single_block_samples"),
    ("joint_attention_dim", "pooled_projection_dim", "num_attention_heads", "attention_head_dim", "in_channels"),
)
_SD3 = Controlled(
    "SD3ControlNetModel",
    Map.LATENTS,
    ("block_controlnet_hidden_states",),
    ("num_attention_heads", "attention_head_dim", "in_channels", "pooled_projection_dim"),
)
_QWEN = Controlled(
    "QwenImageControlNetModel",
    Map.PACKED,
    ("controlnet_block_samples",),
    ("joint_attention_dim", "num_attention_heads", "attention_head_dim", "in_channels"),
)
_Z_IMAGE = Controlled("ZImageControlNetModel", Map.STACKED, ("controlnet_block_samples",), ("dim", "n_heads"))
_SANA = Controlled(
    "SanaControlNetModel",
    Map.LATENTS,
    ("controlnet_block_samples",),
    ("caption_channels", "num_attention_heads", "attention_head_dim", "in_channels"),
)
_HUNYUAN = Controlled(
    "HunyuanDiT2DControlNetModel",
    Map.LATENTS,
    ("controlnet_block_samples",),
    ("cross_attention_dim", "num_attention_heads", "attention_head_dim", "in_channels"),
)

CONTROLLED: dict[str, Controlled] = {
    "FluxPipeline": _FLUX,
    "HunyuanDiTPAGPipeline": _HUNYUAN,
    "HunyuanDiTPipeline": _HUNYUAN,
    "QwenImagePipeline": _QWEN,
    "SanaPAGPipeline": _SANA,
    "SanaPipeline": _SANA,
    "StableDiffusion3PAGPipeline": _SD3,
    "StableDiffusion3Pipeline": _SD3,
    "StableDiffusionInpaintPipeline": _UNET,
    "StableDiffusionPAGPipeline": _UNET,
    "StableDiffusionPipeline": _UNET,
    "StableDiffusionXLInpaintPipeline": _UNET,
    "StableDiffusionXLPAGPipeline": _UNET,
    "StableDiffusionXLPipeline": _UNET,
    "ZImagePipeline": _Z_IMAGE,
}
"""By class name: those that take ControlNets."""


class Looks(StrEnum):
    """Whose IP-Adapters a family has: how they are put into the denoiser, and what looks at the picture for them."""

    UNET = "unet"
    FLUX = "flux"
    SD3 = "sd3"


ADAPTED: dict[str, Looks] = {
    "FluxPipeline": Looks.FLUX,
    "StableDiffusion3Pipeline": Looks.SD3,
    "StableDiffusionInpaintPipeline": Looks.UNET,
    "StableDiffusionPipeline": Looks.UNET,
    "StableDiffusionXLInpaintPipeline": Looks.UNET,
    "StableDiffusionXLPipeline": Looks.UNET,
}
"""By class name: those that take IP-Adapters. Attention guidance (PAG) puts attention of its own in the same places."""

SEVERAL_ADAPTERS = (Looks.UNET, Looks.FLUX)
"""Families in which several IP-Adapters may act at once."""

REGIONAL = (
    "StableDiffusionPipeline",
    "StableDiffusionPAGPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLPAGPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionXLInpaintPipeline",
)
"""Classes that take painted regions with words of their own."""

# Which kinds of map the networks for several kinds know, by the numbers they were trained with. SDXL's: the model card
# of xinsir/controlnet-union-sdxl-1.0; FLUX.1's: that of InstantX/FLUX.1-dev-Controlnet-Union.
_SDXL_KINDS: tuple[tuple[str, ...], ...] = (
    ("openpose", "pose", "dwpose"),
    ("depth",),
    ("softedge", "hed", "pidi", "scribble", "ted"),
    ("canny", "lineart", "lineart_anime", "mlsd", "edges", "lines"),
    ("normal", "normals"),
    ("segment", "segmentation", "seg"),
    ("tile", "blur"),
    ("repaint", "inpaint"),
)
_FLUX_KINDS: tuple[tuple[str, ...], ...] = (
    ("canny", "softedge", "lineart", "edges", "lines"),
    ("tile",),
    ("depth",),
    ("blur",),
    ("openpose", "pose", "dwpose"),
    ("gray", "grey", "greyscale", "grayscale"),
    ("low_quality", "lq"),
)


def kinds_of(net: str) -> tuple[tuple[str, ...], ...]:
    """The kinds of map that a network of the class ``net`` tells apart, each with its names, in their order."""
    return {"ControlNetUnionModel": _SDXL_KINDS, "FluxControlNetModel": _FLUX_KINDS}.get(net, ())


def kind_number(net: str, mode: str, preprocessor: str, count: int) -> int | None:
    """The number of the kind of map that ``mode`` names, or else the preprocessor; None if neither says one of the
    first ``count`` kinds."""
    for word in (mode, preprocessor):
        wanted = word.strip().casefold().replace("-", "_").replace(" ", "_")
        for number, names in enumerate(kinds_of(net)[:count]):
            if wanted in names or (not mode and any(wanted.startswith(f"{name}_") for name in names)):
                return number
        if wanted.isdecimal() and int(wanted) < count:
            return int(wanted)
        if mode:
            return None
    return None


# -- the inputs -------------------------------------------------------------------------------------------------------


def specs(pipeline: str) -> list[InputSpec]:
    """The inputs of these features that the class called ``pipeline`` takes, in the order of a form."""
    found = []
    if pipeline in CONTROLLED:
        words = "Maps that hold on to edges, depth or poses of a picture, each with its ControlNet."
        about = Input("ControlNet", words, group="control", addons=("controlnet",))
        found.append(InputSpec(CONTROLS, Kind.CONTROLS, [], about))
    if pipeline in ADAPTED:
        words = "Pictures whose content, mood or style is taken over, each with its IP-Adapter."
        about = Input("IP-Adapter", words, group="control", addons=("ip-adapter",))
        found.append(InputSpec(ADAPTERS, Kind.ADAPTERS, [], about))
    if pipeline in REGIONAL:
        words = "Painted areas with words of their own; everywhere else the prompt counts."
        found.append(InputSpec(REGIONS, Kind.REGIONS, [], Input("Regions", words, group="regions")))
    return found


def why_not(pipeline: str) -> dict[str, str]:
    """For each of ``NAMES`` that the class does not take, a sentence that says why."""
    have = {spec.name for spec in specs(pipeline)}
    reasons = {
        CONTROLS: "No ControlNets are known for models of this kind.",
        ADAPTERS: "No IP-Adapters are known for models of this kind.",
        REGIONS: "Painted regions work with Stable Diffusion 1.5, SDXL and their kin only.",
    }
    return {name: sentence for name, sentence in reasons.items() if name not in have}


# -- memory -----------------------------------------------------------------------------------------------------------


def used(inputs: Mapping[str, Any], addons: Mapping[str, AddonRef]) -> list[AddonRef]:
    """The add-ons that lie beside the model while a job runs, each once; those of strength 0 do not."""
    names = [
        str(item["name"])
        for kind in (CONTROLS, ADAPTERS)
        for item in inputs.get(kind) or ()
        if float(item.get("strength", 1.0)) > 0
    ]
    return [addons[name] for name in dict.fromkeys(names) if name in addons]


def components(refs: Iterable[AddonRef]) -> tuple[Component, ...]:
    """Add-ons as parts of a model, for planning: by the bytes of their files, taken for half precision, as they are
    nearly always stored."""
    return tuple(
        Component(f"{ref.kind}:{ref.name}", parameters=size_of(Path(ref.path)) // 2, stored_dtype="float16")
        for ref in refs
    )


def size_of(path: Path) -> int:
    """Bytes of the weights of an add-on: its file, or what loading its folder reads; 0 for what is gone."""
    try:
        if path.is_file():
            return path.stat().st_size
        files = sorted(path.glob("*.safetensors"))
        plain = [file for file in files if not any(word in file.name for word in (".fp16.", ".bf16.", ".non_ema."))]
        return sum(file.stat().st_size for file in plain or files)
    except OSError:
        return 0
