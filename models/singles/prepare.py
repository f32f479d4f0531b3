"""From a recognised single file to a skeleton: a model folder without weights that stands for it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from models.errors import AtelierError, ErrorCode
from models.families import family_title
from models.folders import ABOUT, INDEX
from models.headers import Listing
from models.recognise.files import list_tensors
from models.recognise.finding import Finding, Tensors, under
from models.recognise.kinds import FileKind, Recognised
from models.recognise.tensors import find, unwrapped
from models.recognise.words import resolution_of
from models.singles import bases, parts, schedulers
from models.singles.clip_words import write_tokenizer
from models.singles.parts import Component
from models.singles.shapes import ShapeError
from models.singles.templates import TEMPLATES, Template
from models.skeleton import NOTE, Note, folder_name, read_note

Base = Callable[[str], Path | None]
"""The folder of an installed model of a family that can give the parts a file lacks; None when there is none."""

_BEGUN = ".making-"
_ABANDONED = 3600
"""Seconds after which an unfinished skeleton is nobody's: making one takes less than one."""


def prepare(path: Path, recognised: Recognised, cache: Path, base: Base, allow_pickle: bool = False) -> Path:
    """The skeleton of a checkpoint or denoiser, made under ``cache`` unless it is there already.

    ``allow_pickle`` is a person's consent to read this file although it is a pickle (never with its code).

    Raises:
        AtelierError: MODEL_UNSUPPORTED (with ``model``, ``pipeline``) for other kinds of files and families that cannot
            be run, BASE_MISSING (``model``, ``family``, ``base``), MODEL_NEEDS_PICKLE (``model``, ``file``) without
            consent, MODEL_CORRUPT (``model``, ``file``) when tensors are missing; or as ``recognise``.
        OSError: the file cannot be read or the cache not written.
    """
    if recognised.kind not in (FileKind.CHECKPOINT, FileKind.DENOISER):
        raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=path.stem, pipeline=recognised.kind.value)
    if recognised.format == "pickle" and not allow_pickle:
        raise AtelierError(ErrorCode.MODEL_NEEDS_PICKLE, model=path.stem, file=path.name)
    allow_pickle = allow_pickle and recognised.format == "pickle"
    path = path.absolute()
    folder = cache / folder_name(path)
    if not _is_current(folder, allow_pickle):
        _write(folder, _Maker(path, recognised, base, allow_pickle), allow_pickle)
    return folder


def _is_current(folder: Path, allow_pickle: bool) -> bool:
    try:
        note = read_note(folder)
    except ValueError:
        return False
    return note is not None and note.allow_pickle == allow_pickle and (not note.base or Path(note.base).is_dir())


def _write(folder: Path, maker: _Maker, allow_pickle: bool) -> None:
    """Make the skeleton beside its place and move it there, so that one that is there is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    made = Path(tempfile.mkdtemp(prefix=_BEGUN, dir=folder.parent))
    try:
        maker.make(made)
        if _is_current(folder, allow_pickle):  # another process was faster, with the same result
            shutil.rmtree(made, ignore_errors=True)
            return
        if folder.exists():
            os.replace(folder, made / ".old")
        made.chmod(0o755)
        _move(made, folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    shutil.rmtree(folder / ".old", ignore_errors=True)


def _sweep(cache: Path) -> None:
    """Delete what a process that was killed had begun; younger ones may be at work."""
    for begun in cache.glob(f"{_BEGUN}*"):
        with contextlib.suppress(OSError):
            if time.time() - begun.stat().st_mtime > _ABANDONED:
                shutil.rmtree(begun, ignore_errors=True)


def _move(made: Path, folder: Path) -> None:
    try:
        os.replace(made, folder)
    except OSError:
        if read_note(folder) is None:
            raise
        shutil.rmtree(made, ignore_errors=True)  # another process was faster, with the same result


class _Maker:
    """Makes one skeleton."""

    def __init__(self, path: Path, recognised: Recognised, base: Base, allow_pickle: bool) -> None:
        self._path = path
        self._recognised = recognised
        self._find_base = base
        self._allow_pickle = allow_pickle
        self._base: bases.Base | None = None

    def make(self, folder: Path) -> None:
        """Write everything into ``folder``; raises as ``prepare``."""
        listing = list_tensors(self._path)
        tensors = unwrapped(listing.tensors)
        found = find(tensors)
        if "packed" in found.warnings:
            raise self._unsupported("weights packed for another program")
        template = TEMPLATES.get(found.family)
        try:
            if template is not None:
                components = self._stable_diffusion(folder, listing, tensors, found, template)
            else:
                components = self._on_base(folder, tensors, found)
        except ShapeError as error:
            model, file = self._path.stem, self._path.name
            raise AtelierError(ErrorCode.MODEL_CORRUPT, str(error), model=model, file=file) from error
        for component in components:
            _write_json(folder / component.name / "config.json", component.config)
        self._write_note(folder, components, found)

    # -- Stable Diffusion: by template

    def _stable_diffusion(
        self, folder: Path, listing: Listing, tensors: Tensors, found: Finding, template: Template
    ) -> list[Component]:
        pipeline = template.pipelines.get(found.variant)
        if pipeline is None:
            raise self._unsupported(f"{found.family} {found.variant}")
        scheduler = schedulers.scheduler(template, found, listing, self._path)
        side = max(resolution_of(listing.metadata)) or schedulers.side_of(template, scheduler, found)
        unet = parts.unet(tensors, found.prefix, found.layout, template, side)
        vae = parts.vae(tensors, template.vae, side) or self._given("vae", found)
        encoders = [
            parts.text_encoder(tensors, encoder) or self._given(encoder.name, found) for encoder in template.encoders
        ]
        unet = parts.with_time_facts(unet, encoders[-1].config.get("projection_dim", 0), template.facts)
        for encoder, component in zip(template.encoders, encoders, strict=True):
            length = component.config.get("max_position_embeddings", 77)
            write_tokenizer(folder / encoder.tokenizer, encoder.pad, length)
        _write_json(folder / "scheduler/scheduler_config.json", scheduler)
        components = [unet, vae, *encoders]
        index = {
            "_class_name": pipeline,
            **template.index,
            **{encoder.tokenizer: ["transformers", "CLIPTokenizer"] for encoder in template.encoders},
            "scheduler": ["diffusers", scheduler["_class_name"]],
        }
        _write_index(folder, index, components)
        return components

    def _given(self, name: str, found: Finding) -> Component:
        """A part that the file lacks, from an installed model."""
        component = self._need_base(found).component(name)
        if component is None:
            raise self._base_missing(found)
        return component

    # -- all others: by an installed model

    def _on_base(self, folder: Path, tensors: Tensors, found: Finding) -> list[Component]:
        base = self._need_base(found)
        own = base.info.denoiser
        if own is None:
            raise self._base_missing(found)
        inner = under(tensors, found.prefix)
        config = bases.denoiser_config(own.config, found, inner)
        slice_ = parts.slice_of(inner, found.prefix, found.layout)
        denoiser = Component(own.name, own.library, own.class_name, config, slice_)
        components = [denoiser, *base.others(own.name)]
        base.copy_light(folder)
        index = json.loads((base.folder / INDEX).read_bytes())
        index["_class_name"] = bases.pipeline(base, found)
        scheduler = base.info.part("scheduler")
        if scheduler is not None:
            _write_json(folder / "scheduler/scheduler_config.json", bases.scheduler(scheduler.config, found))
        _write_index(folder, index, components)
        return components

    def _need_base(self, found: Finding) -> bases.Base:
        if self._base is None:
            folder = self._find_base(found.family) if found.family else None
            if folder is None:
                raise self._base_missing(found) if found.family else self._unsupported(found.variant or "unknown")
            self._base = bases.Base(folder.absolute(), folder.name)
        return self._base

    # -- notes and errors

    def _write_note(self, folder: Path, components: list[Component], found: Finding) -> None:
        facts = self._path.stat()
        note = Note(
            file=str(self._path),
            size_bytes=facts.st_size,
            mtime_ns=facts.st_mtime_ns,
            format=self._recognised.format,
            family=found.family,
            variant=found.variant,
            base=str(self._base.folder) if self._base else "",
            allow_pickle=self._allow_pickle,
            parts={component.name: component.slice for component in components},
        )
        about = {"name": self._recognised.title or self._path.stem, "recommended": bases.recommended(found)}
        _write_json(folder / ABOUT, about)
        (folder / NOTE).write_bytes(msgspec.json.encode(note))

    def _unsupported(self, pipeline: str) -> AtelierError:
        return AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=self._path.stem, pipeline=pipeline)

    def _base_missing(self, found: Finding) -> AtelierError:
        title = family_title(found.family)
        return AtelierError(ErrorCode.BASE_MISSING, model=self._path.stem, family=title, base=title)


def _write_index(folder: Path, index: dict[str, Any], components: list[Component]) -> None:
    named = {component.name: [component.library, component.class_name] for component in components}
    _write_json(folder / INDEX, {**index, **named})


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
