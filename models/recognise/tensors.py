"""What a set of tensors makes up, told from names and shapes: the kind of file first, then its family."""

from __future__ import annotations

from models.headers import Tensor
from models.recognise import denoisers
from models.recognise.finding import Finding
from models.recognise.kinds import FileKind

Tensors = dict[str, Tensor]


def find(tensors: Tensors) -> Finding:
    """What ``tensors`` are; UNKNOWN where nothing fits."""
    found = denoisers.find(tensors)
    return found or Finding(FileKind.UNKNOWN)
