"""What a catalog entry says: one model or add-on of the hub, what it is for, which files it is and what it needs.

Entries are data, written by hand in this folder's TOML files and checked by tests. Nothing in them is derived: sizes on
this disk, verdicts and memory in a given precision are computed from ``components``.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from models.machine import Component, Needs


class Role(StrEnum):
    """What an entry is for, as people look for it. Values are written in TOML files and queries: never rename one."""

    TEXT_TO_IMAGE = "text-to-image"
    EDIT = "edit"
    INPAINT = "inpaint"
    CONTROLNET = "controlnet"
    IP_ADAPTER = "ip-adapter"
    LORA = "lora"
    VAE = "vae"
    PREVIEW = "preview"
    UPSCALER = "upscaler"
    EMBEDDING = "embedding"
    TEXT_ENCODER = "text-encoder"
    DEPTH = "depth"
    BACKGROUND = "background-removal"
    CAPTION = "caption"
    SEGMENTATION = "segmentation"
    NORMALS = "normals"
    POSE = "pose"
    DETECTION = "detection"


MODELS = frozenset({Role.TEXT_TO_IMAGE, Role.EDIT, Role.INPAINT})
"""Roles of what runs by itself; the others are add-ons and helpers."""


class Use(StrEnum):
    """What a licence allows, from most to least. A reading for orientation, no legal advice; the text is linked."""

    COMMERCIAL = "commercial"
    """The model and its outputs may be used commercially (Apache-2.0, MIT, OpenRAIL with its use restrictions)."""
    CONDITIONS = "conditions"
    """Commercially within conditions, such as a revenue limit."""
    OUTPUTS = "outputs"
    """The model is for non-commercial use, pictures made with it may be used commercially."""
    RESEARCH = "research"
    """Neither commercially."""
    UNKNOWN = "unknown"


class Licence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``name`` as the authors give it or the SPDX id; ``url`` of its text; ``note`` one sentence on its conditions."""

    name: str
    use: Use
    url: str = ""
    note: str = ""


class CatalogEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to download.

    ``id`` is the short name people type (``z-image-turbo``); ``repo`` the hub's id, ``revision`` a branch, tag or
    commit.
    ``allow`` are the exact patterns (fnmatch, as ``snapshot_download`` takes them) of the files to fetch: no duplicate
    number types or formats. ``file`` names the one weight file of an entry that is no diffusers folder.
    ``download_bytes`` is the size of those files (0: not known). ``components`` are the parts with weights; those of a
    pipeline are what memory is planned from. ``pipeline`` is the diffusers class of a model; empty for add-ons.
    ``family`` is the architecture ("sdxl", "flux1"); ``fits`` the families an add-on works with. ``requires`` are ids
    that must be there too, ``fast`` ids of few-step LoRAs for this model, ``ungated`` an id that does much the same
    without a gate. ``size`` is the native width and height in pixels. ``defaults`` are recommended inputs by their
    names in the form (steps, guidance, width, height, scheduler...). ``trigger`` are words that call a LoRA's subject.
    ``checked`` says where the facts come from, ``unverified`` names fields that could not be confirmed there.
    """

    id: str
    name: str
    repo: str
    summary: str
    role: Role
    family: str
    licence: Licence
    allow: tuple[str, ...]
    checked: str
    revision: str = "main"
    also: tuple[Role, ...] = ()
    authors: str = ""
    released: str = ""
    file: str = ""
    download_bytes: int = 0
    gated: bool = False
    ungated: str = ""
    pipeline: str = ""
    components: tuple[Component, ...] = ()
    size: tuple[int, int] = (0, 0)
    token_area: int = 256
    defaults: dict[str, str | int | float | bool] = {}
    examples: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    fits: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    fast: tuple[str, ...] = ()
    trigger: tuple[str, ...] = ()
    scale: int = 0
    unverified: tuple[str, ...] = ()

    @property
    def is_model(self) -> bool:
        return self.role in MODELS

    @property
    def parameters(self) -> int:
        return sum(component.parameters for component in self.components)

    @property
    def needs(self) -> Needs:
        """What planning has to know, as ``folders.FolderInfo.needs`` says it of an installed model."""
        pixels = (self.size[0] * self.size[1]) or 1024 * 1024
        return Needs(self.components, pixels, self.pipeline, self.token_area)
