"""What was found out about a file, before its size and words are added."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from models.headers import Tensor
from models.recognise.kinds import FileKind

Tensors = Mapping[str, Tensor]


class Finding(msgspec.Struct, frozen=True):
    """Kind, family and variant as in ``Recognised``; ``prefix`` is what the denoiser's names begin with and ``layout``
    how they go on ("ldm", "original", "diffusers")."""

    kind: FileKind
    family: str = ""
    variant: str = ""
    layers: int = 0
    prefix: str = ""
    layout: str = ""
    warnings: tuple[str, ...] = ()


def side(tensors: Tensors, name: str, dimension: int) -> int:
    """One side of a tensor's shape; 0 where there is no such tensor or dimension."""
    shape = tensors[name].shape if name in tensors else ()
    return shape[dimension] if -len(shape) <= dimension < len(shape) else 0


def under(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    if not prefix:
        return dict(tensors)
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def last(tensors: Tensors, ending: str) -> int:
    """The last side of the first tensor whose name ends with ``ending``; 0 where there is none."""
    return next((tensor.shape[-1] for name, tensor in tensors.items() if name.endswith(ending) and tensor.shape), 0)
