"""What a model is called, where its files lie, and which runner runs it."""

from __future__ import annotations

import msgspec


class ModelRef(msgspec.Struct, frozen=True):
    """All the worker needs to find and load a model.

    ``runner`` is a name that ``models.runners.kind_of`` knows; ``folder`` is empty for runners without weights;
    ``revision`` is the commit of the repository the files came from, or a digest of the folder's listing.
    """

    id: str
    name: str
    runner: str
    folder: str = ""
    revision: str = ""


class AddonRef(msgspec.Struct, frozen=True):
    """An add-on as the worker sees it: ``kind`` is a value of ``models.recognise.FileKind`` or a catalog role, ``path``
    its weight file or its folder in diffusers layout, ``token`` what calls an embedding in a prompt. ``pickled`` says
    that a person agreed to read it although it is no safetensors file."""

    id: str
    name: str
    kind: str
    path: str
    family: str = ""
    variant: str = ""
    trigger: tuple[str, ...] = ()
    pickled: bool = False


class ModelCard(msgspec.Struct, frozen=True):
    """A model as a person chooses it: the reference plus words and recommended settings.

    ``pipeline`` is the diffusers class name; ``defaults`` replace the box's own defaults; ``examples`` are prompts to
    start from; ``parameters`` counts weights; ``licence`` is an SPDX id or the name the authors gave.
    """

    ref: ModelRef
    summary: str = ""
    licence: str = ""
    pipeline: str = ""
    defaults: dict[str, str | int | float | bool] = {}
    examples: tuple[str, ...] = ()
    size_bytes: int = 0

    @property
    def id(self) -> str:
        return self.ref.id

    @property
    def name(self) -> str:
        return self.ref.name
