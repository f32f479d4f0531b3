"""LoRAs by the names of their layers: which layer of a model each one changes, told without torch.

A LoRA names a layer by its path in the model, with dots or underscores and one of many beginnings
("lora_unet_down_blocks_0_...", "transformer.single_transformer_blocks.0...", "base_model.model..."). Names that follow
the model's own paths are found here; those in other programs' words are first translated by diffusers' own converters
(``models.runners.diffusion.lora_layers``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from models import folders, prompts
from models.errors import AtelierError
from models.headers import BrokenHeaderError, read_listing
from models.inputs import Input, InputSpec, Kind
from models.pipelines import PipelineRow
from models.recognise import FileKind
from models.recognise.adapters import layers, plain
from models.recognise.files import list_tensors
from models.recognise.finding import Tensors

T = TypeVar("T")
Index = Mapping[str, Mapping[str, T]]
"""By component ("unet", "text_encoder") and path with underscores: whatever stands for the layer."""

_DENOISERS = ("unet", "transformer")
_BEGINNINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("lora_te1_", ("text_encoder",)),
    ("lora_te2_", ("text_encoder_2",)),
    ("lora_te3_", ("text_encoder_3",)),
    ("lora_te_", ("text_encoder",)),
    ("text_encoder_2_", ("text_encoder_2",)),
    ("text_encoder_3_", ("text_encoder_3",)),
    ("text_encoder_", ("text_encoder",)),
    ("base_model_model_", (*_DENOISERS, "text_encoder")),
    ("model_diffusion_model_", _DENOISERS),
    ("diffusion_model_", _DENOISERS),
    ("lora_unet_", _DENOISERS),
    ("lora_transformer_", _DENOISERS),
    ("lora_prior_unet_", ("prior_prior",)),
    ("lycoris_", _DENOISERS),
    ("transformer_", _DENOISERS),
    ("unet_", _DENOISERS),
    ("lora_", _DENOISERS),
    ("", (*_DENOISERS, "text_encoder")),
)
"""What stands before a layer's path, and the components it may then be in."""

_MAX_SKIP = 12

_WRAPPED = "text_model_"
"""CLIP's own wrapper, which newer versions of transformers have no more."""


class Count(NamedTuple):
    """How many layers of an add-on have their like in a model, of how many."""

    matched: int
    total: int


def target(layer: str, index: Index[T]) -> tuple[str, T] | None:
    """Component and what stands for the layer called ``layer`` (underscores, as ``recognise.adapters.plain`` gives)."""
    for beginning, components in _BEGINNINGS:
        if not layer.startswith(beginning):
            continue
        path = layer.removeprefix(beginning)
        for component in components:
            paths = index.get(component, {})
            for name in (path, path.removeprefix(_WRAPPED), _WRAPPED + path):
                if name in paths:
                    return component, paths[name]
    return None


def counted(lora: Tensors, model: Mapping[str, Tensors]) -> Count:
    """How many layers of the LoRA have the name and the widths of one of the model's, by component."""
    index = {
        component: {plain(name.removesuffix(".weight")): tensor.shape for name, tensor in tensors.items()}
        for component, tensors in model.items()
    }
    found, matched = layers(lora), 0
    for layer in found:
        place = target(layer.name, index)
        if place is None or len(place[1]) < 2:
            continue
        outputs, inputs = place[1][:2]
        matched += layer.outputs in (0, outputs) and layer.inputs in (0, inputs)
    return Count(matched, len(found))


def compared(lora: Path, folder: Path) -> Count | None:
    """``counted`` for a LoRA's file and the model in ``folder``, from the headers alone; None where they do not say
    (checkpoints in one file name their layers otherwise)."""
    try:
        info = folders.inspect(folder)
        if any(part.single is not None for part in info.parts):
            return None
        model: dict[str, Tensors] = {}
        for part in info.parts:
            files = [info.home(part) / Path(file).name for file in part.files]
            read = [read_listing(file).tensors for file in files if file.suffix == ".safetensors"]
            model[part.name] = {name: tensor for tensors in read for name, tensor in tensors.items()}
        return counted(list_tensors(lora).tensors, model)
    except (AtelierError, BrokenHeaderError, OSError):
        return None


# -- the inputs


def specs(found: PipelineRow, configs: Mapping[str, Mapping[str, Any]]) -> list[InputSpec]:
    """The inputs about LoRAs, textual inversions, another VAE and CLIP skip that a pipeline class can take."""
    several = []
    if found.loras:
        words = "Small add-ons that give the model a style, a person or a thing; weight 1 is as they were trained."
        about = Input("LoRAs", words, group="loras", addons=(FileKind.LORA.value,))
        several.append(InputSpec("loras", Kind.LORAS, [], about))
    if prompts.weighs(found.name):
        words = "Textual inversions: words with a meaning of their own. Their names in the prompt are enough."
        about = Input("Embeddings", words, group="loras", addons=(FileKind.EMBEDDING.value,))
        several.append(InputSpec("embeddings", Kind.EMBEDDINGS, [], about))
    if str(configs.get("vae", {}).get("_class_name")) == "AutoencoderKL":
        words = "Another autoencoder of the same family in the place of the model's own."
        about = Input("VAE", words, advanced=True, addons=(FileKind.VAE.value,))
        several.append(InputSpec("vae", Kind.ADDON, None, about))
    if "clip_skip" in found.inputs:
        words = "Which of the text encoder's last layers is taken: 1 is the last; many anime models want 2."
        about = Input("CLIP skip", words, ge=1, le=_MAX_SKIP, step=1, advanced=True)
        several.append(InputSpec("clip_skip", Kind.INTEGER, 1, about))
    return several
