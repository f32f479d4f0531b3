"""What a set of tensors makes up, told from names and shapes: the kind of file first, then its family."""

from __future__ import annotations

from models.recognise import adapters, denoisers, pieces, upscalers
from models.recognise.finding import Finding, Tensors, under
from models.recognise.kinds import FileKind

_WRAPPERS = ("state_dict.", "params_ema.", "params-ema.", "params.", "model_state_dict.", "module.")
"""What training scripts put around the weights they save."""


def find(tensors: Tensors) -> Finding:
    """What ``tensors`` are; UNKNOWN where nothing fits. ControlNets come first: they hold half of a denoiser."""
    tensors = unwrapped(tensors)
    ways = (adapters.find, pieces.embedding, pieces.ip_adapter, pieces.controlnet, denoisers.find, pieces.find)
    for way in (*ways, upscalers.find):
        if found := way(tensors):
            return found
    return Finding(FileKind.UNKNOWN)


def unwrapped(tensors: Tensors) -> Tensors:
    """The weights without what a training script put around them."""
    for wrapper in _WRAPPERS:
        inner = under(tensors, wrapper)
        if inner and len(inner) * 2 >= len(tensors):
            return unwrapped(inner)
    return tensors
