"""From a recognised single file to a skeleton: a model folder without weights that stands for it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from models.errors import AtelierError, ErrorCode
from models.folders import ABOUT, INDEX
from models.headers import Listing
from models.recognise.files import list_tensors
from models.recognise.finding import Finding
from models.recognise.kinds import FileKind, Recognised
from models.recognise.tensors import find
from models.recognise.words import prediction_of, resolution_of
from models.singles import parts
from models.singles.clip_words import write_tokenizer
from models.singles.parts import Component
from models.singles.shapes import ShapeError
from models.singles.templates import TEMPLATES, Template
from models.skeleton import NOTE, Note, folder_name, read_note

Base = Callable[[str], Path | None]
"""The folder of an installed model of a family that can give the parts a file lacks; None when there is none."""


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
    path = path.absolute()
    folder = cache / folder_name(path)
    if not _is_current(folder, allow_pickle):
        _write(folder, _Maker(path, recognised, base, allow_pickle))
    return folder


def _is_current(folder: Path, allow_pickle: bool) -> bool:
    try:
        note = read_note(folder)
    except ValueError:
        return False
    return note is not None and note.allow_pickle == allow_pickle and (not note.base or Path(note.base).is_dir())


def _write(folder: Path, maker: _Maker) -> None:
    """Make the skeleton beside its place and move it there, so that one that is there is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        maker.make(made)
        if folder.exists():
            os.replace(folder, made / ".old")
        made.chmod(0o755)
        _move(made, folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    shutil.rmtree(folder / ".old", ignore_errors=True)


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
        self._base = base
        self._allow_pickle = allow_pickle
        self._used_base = ""

    def make(self, folder: Path) -> None:
        listing = list_tensors(self._path)
        found = find(listing.tensors)
        template = TEMPLATES.get(found.family)
        if template is None:
            raise self._unsupported(found.family or "unknown")
        try:
            components = self._stable_diffusion(listing, found, template)
        except ShapeError as error:
            detail = str(error)
            raise AtelierError(ErrorCode.MODEL_CORRUPT, detail, model=self._path.stem, file=self._path.name) from error
        self._write_components(folder, components)
        for encoder in template.encoders:
            length = next(c.config["max_position_embeddings"] for c in components if c.name == encoder.name)
            write_tokenizer(folder / encoder.tokenizer, encoder.pad, length)
        _write_json(folder / "scheduler/scheduler_config.json", _scheduler(template, found, listing))
        self._write_index(folder, components, template, found)
        self._write_notes(folder, components, found)

    # -- components

    def _stable_diffusion(self, listing: Listing, found: Finding, template: Template) -> list[Component]:
        side = max(resolution_of(listing.metadata)) or template.side
        tensors = listing.tensors
        unet = parts.unet(tensors, found.prefix, found.layout, template, side)
        vae = parts.vae(tensors, template.vae, side) or self._from_base("vae", found.family)
        encoders = [
            parts.text_encoder(tensors, encoder) or self._from_base(encoder.name, found.family)
            for encoder in template.encoders
        ]
        unet = parts.with_time_facts(unet, encoders[-1].config.get("projection_dim", 0), template.facts)
        return [unet, vae, *encoders]

    def _from_base(self, name: str, family: str) -> Component:
        raise NotImplementedError

    # -- files

    def _write_components(self, folder: Path, components: list[Component]) -> None:
        for component in components:
            _write_json(folder / component.name / "config.json", component.config)

    def _write_index(self, folder: Path, components: list[Component], template: Template, found: Finding) -> None:
        pipeline = template.pipelines.get(found.variant)
        if pipeline is None:
            raise self._unsupported(found.variant)
        named: dict[str, Any] = {c.name: [c.library, c.class_name] for c in components}
        tokenizers = {encoder.tokenizer: ["transformers", "CLIPTokenizer"] for encoder in template.encoders}
        scheduler = {"scheduler": ["diffusers", template.scheduler["_class_name"]]}
        index = {"_class_name": pipeline, **template.index, **named, **tokenizers, **scheduler}
        _write_json(folder / INDEX, index)

    def _write_notes(self, folder: Path, components: list[Component], found: Finding) -> None:
        facts = self._path.stat()
        note = Note(
            file=str(self._path),
            size_bytes=facts.st_size,
            mtime_ns=facts.st_mtime_ns,
            format=self._recognised.format,
            family=found.family,
            variant=found.variant,
            base=self._used_base,
            allow_pickle=self._allow_pickle,
            parts={component.name: component.slice for component in components},
        )
        _write_json(folder / ABOUT, {"name": self._recognised.title or self._path.stem})
        (folder / NOTE).write_bytes(msgspec.json.encode(note))

    def _unsupported(self, pipeline: str) -> AtelierError:
        return AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=self._path.stem, pipeline=pipeline)


def _scheduler(template: Template, found: Finding, listing: Listing) -> dict[str, Any]:
    settings = dict(template.scheduler)
    if found.variant == "v-prediction" or prediction_of(listing.metadata) == "v":
        settings["prediction_type"] = "v_prediction"
    if "ztsnr" in listing.tensors:
        settings.update(rescale_betas_zero_snr=True, timestep_spacing="trailing")
    return settings


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
