"""What lies in a model folder of diffusers' layout, found out from names, JSON files and headers, without torch.

``inspect`` finds what is missing, damaged or not to be trusted before anything is loaded (half a load takes minutes and
ends in an error that names no file), and counts what the model needs. A folder of usual size takes milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from models.errors import AtelierError, ErrorCode
from models.headers import BrokenHeaderError, Header, read_header
from models.machine import Component, Needs
from models.pipelines import row
from models.sizes import native_size, token_area
from models.skeleton import NOTE, Note, Slice, is_skeleton, read_note
from models.skeleton import folder_name as skeleton_name

INDEX = "model_index.json"
ABOUT = "atelier.json"
MAX_JSON = 32_000_000
"""Bytes; the largest JSON that is read: a tokenizer's or a shard index's are below 20 MB."""

_NEVER_LOADED = ("safety_checker", "feature_extractor")
_WEIGHTLESS = ("Tokenizer", "TokenizerFast", "Scheduler", "Processor", "FeatureExtractor", "ProcessorFast")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_VARIANTS = ("", "fp16", "bf16", "fp32")
"""Preferred first: the plain files serve every number type; other variants ("non_ema") are for training."""
_STEMS = ("diffusion_pytorch_model", "model")
_SHARD = re.compile(r"-\d{5}-of-\d{5}(?=\.)")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class About(msgspec.Struct, frozen=True):
    """The optional ``atelier.json`` beside a model: words and recommended settings, by whoever put the folder there."""

    name: str = ""
    summary: str = ""
    licence: str = ""
    recommended: dict[str, str | int | float | bool] = {}
    examples: tuple[str, ...] = ()


class Part(msgspec.Struct, frozen=True):
    """One component as it lies on the disk: what it is made of, its configuration, and the weight files to be loaded.

    ``variant`` is the one of its files ("fp16" in ``model.fp16.safetensors``), ``stored_dtype`` the type most of its
    weights are stored in, ``quantization`` the method if it is quantized ("bitsandbytes"). Of a skeleton's components
    ``folder`` says in which folder of another model they lie, or ``single`` that they are part of one file.
    """

    name: str
    library: str
    class_name: str
    config: dict[str, Any] = {}
    files: tuple[str, ...] = ()
    variant: str = ""
    parameters: int = 0
    stored_dtype: str = ""
    largest_leaf: int = 0
    quantization: str = ""
    size_bytes: int = 0
    folder: str = ""
    single: Slice | None = None


class FolderInfo(msgspec.Struct, frozen=True):
    """A folder that was looked through and found whole. Sizes in bytes; ``weights_bytes`` is what is loaded of it.

    ``single`` is there for a skeleton only: which file its weights are in.
    """

    folder: str
    name: str
    pipeline: str
    parts: tuple[Part, ...]
    revision: str
    total_bytes: int
    weights_bytes: int
    about: About = About()
    single: Note | None = None

    def home(self, part: Part) -> Path:
        """The folder of one component's files."""
        return Path(part.folder) if part.folder else Path(self.folder) / part.name

    def part(self, name: str) -> Part | None:
        return next((part for part in self.parts if part.name == name), None)

    @property
    def vae(self) -> Part | None:
        return next((part for part in self.parts if _component(part).is_vae), None)

    @property
    def denoiser(self) -> Part | None:
        heavy = [part for part in self.parts if _component(part).is_denoiser]
        return max(heavy, key=lambda part: part.parameters, default=None)

    @property
    def denoiser_config(self) -> dict[str, Any] | None:
        return self.denoiser.config if self.denoiser else None

    @property
    def needs(self) -> Needs:
        """What planning has to know: the loaded components, and the model's own picture size."""
        size = native_size(row(self.pipeline), self.configs)
        loaded = tuple(_component(part) for part in self.parts if part.parameters)
        return Needs(loaded, size.width * size.height, self.pipeline, token_area(self.denoiser_config, self.configs))

    @property
    def configs(self) -> dict[str, dict[str, Any]]:
        """The components' configurations by name, each with its class as ``_class_name``."""
        return {part.name: {**part.config, "_class_name": part.class_name} for part in self.parts}


def inspect(folder: Path, model: str = "") -> FolderInfo:
    """Look through ``folder``. ``model`` is what errors call it (default: its own or its folder's name).

    Raises:
        AtelierError: MODEL_NOT_INSTALLED (no such folder), MODEL_INCOMPLETE or MODEL_CORRUPT (with ``file``, relative
            to the folder), MODEL_NEEDS_PICKLE, MODEL_NEEDS_REMOTE_CODE, MODEL_UNSUPPORTED (with ``pipeline``); all with
            ``model``.
    """
    about = read_about(folder)
    reader = _Reader(folder, model or about.name or folder_name(folder))
    index = reader.index()
    pipeline = reader.pipeline(index)
    note = reader.note()
    parts = tuple(reader.part(name, *pair) for name, pair in _components(index).items())
    outside = note.size_bytes if note else 0
    return FolderInfo(
        folder=str(folder),
        name=about.name or folder_name(folder),
        pipeline=pipeline,
        parts=parts,
        revision=revision(folder),
        total_bytes=sum(path.stat().st_size for path in _files(folder)) + outside,
        weights_bytes=sum(part.size_bytes for part in parts),
        about=about,
        single=note,
    )


def _components(index: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The components an index names as [library, class]; those given as [null, null] are left out on purpose."""
    found = {}
    for name, value in index.items():
        is_pair = isinstance(value, list) and len(value) == 2 and all(isinstance(word, str) for word in value)
        if is_pair and not name.startswith("_") and name not in _NEVER_LOADED:
            found[name] = (value[0], value[1])
    return found


class _Reader:
    """Reads one folder; knows what to call the model in errors."""

    def __init__(self, folder: Path, model: str) -> None:
        self._folder = folder
        self._model = model
        self._note: Note | None = None

    # -- the index

    def index(self) -> dict[str, Any]:
        if not self._folder.is_dir():
            raise AtelierError(ErrorCode.MODEL_NOT_INSTALLED, str(self._folder), model=self._model)
        if _exists(self._folder / INDEX):
            return self._json(self._folder / INDEX)
        if any((self._folder / name).is_dir() for name in ("unet", "transformer", "vae")):
            raise self._incomplete(INDEX)
        raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, f"no {INDEX}", model=self._model, pipeline="no diffusers model")

    def pipeline(self, index: dict[str, Any]) -> str:
        name = index.get("_class_name")
        if isinstance(name, list):  # [module, class]: a Python file in the folder
            raise self._remote_code(f"_class_name is {name}")
        if not isinstance(name, str) or not name.isidentifier():
            raise self._corrupt(INDEX, f"_class_name is {name!r}")
        return name

    def note(self) -> Note | None:
        """Which file a skeleton stands for, once it is sure that it is still that file."""
        try:
            self._note = note = read_note(self._folder)
            current = note is None or (
                is_skeleton(self._folder) and skeleton_name(Path(note.file)) == self._folder.absolute().name
            )
        except FileNotFoundError as error:
            raise self._incomplete(Path(str(error.filename)).name) from error
        except (ValueError, OSError) as error:
            raise self._corrupt(NOTE, str(error)) from error
        if note is not None and not current:
            raise self._corrupt(Path(note.file).name, "it is not the file this folder was made for")
        return note

    # -- one component

    def part(self, name: str, library: str, class_name: str) -> Part:
        if not name.isidentifier():  # it becomes part of a path
            raise self._corrupt(INDEX, f"a component named {name!r}")
        folder = self._folder / name
        if not library.isidentifier() or _exists(folder / f"{library}.py"):
            raise self._remote_code(f"{name} is made of code in {library!r}")
        if not folder.is_dir():
            raise self._incomplete(name)
        if class_name.endswith(_WEIGHTLESS):
            return self._weightless(folder, library, class_name)
        if class_name.startswith(("Onnx", "OV", "Flax")):
            raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, class_name, model=self._model, pipeline=class_name)
        config = self._json(folder / "config.json")
        if class_name.startswith("Auto") and "auto_map" in config:
            raise self._remote_code(f"auto_map in {name}/config.json")
        slice_ = self._note.parts.get(name) if self._note else None
        if slice_ is not None:
            return self._elsewhere(name, library, class_name, config, slice_)
        return self._weighted(folder, library, class_name, config)

    def _elsewhere(self, name: str, library: str, class_name: str, config: dict[str, Any], slice_: Slice) -> Part:
        """A component of a skeleton: part of its file, or a folder of another model."""
        assert self._note is not None
        if slice_.folder:
            home = Path(slice_.folder)
            if not home.is_dir():
                raise self._incomplete(str(home))
            other = _Reader(home.parent, self._model)._weighted(home, library, class_name, config)
            return msgspec.structs.replace(other, name=name, folder=slice_.folder)
        file = Path(slice_.file or self._note.file)
        if not file.is_file():
            raise self._incomplete(file.name)
        return Part(
            name=name,
            library=library,
            class_name=class_name,
            config=config,
            files=(file.name,),
            parameters=slice_.parameters,
            stored_dtype=slice_.stored_dtype,
            largest_leaf=slice_.largest_leaf,
            quantization=slice_.quantization,
            size_bytes=slice_.size_bytes,
            single=slice_,
        )

    def _weightless(self, folder: Path, library: str, class_name: str) -> Part:
        config = {}
        if class_name.endswith("Scheduler"):
            config = self._json(folder / "scheduler_config.json")
        elif not any(path.stat().st_size for path in _files(folder)):
            raise self._incomplete(folder.name)
        return Part(folder.name, library, class_name, config)

    def _weighted(self, folder: Path, library: str, class_name: str, config: dict[str, Any]) -> Part:
        paths, variant, promised = self._weights(folder)
        headers = [self._header(path) for path in paths]
        lost = promised - frozenset().union(*(header.tensors for header in headers))
        if lost:
            raise self._corrupt(self._relative(paths[0]), f"{len(lost)} tensors are in no file: {min(lost)}...")
        by_dtype: dict[str, int] = {}
        leaves: dict[str, int] = {}
        for header in headers:
            _add(by_dtype, header.bytes_by_dtype)
            _add(leaves, header.leaves)
        return Part(
            name=folder.name,
            library=library,
            class_name=class_name,
            config=config,
            files=tuple(self._relative(path) for path in paths),
            variant=variant,
            parameters=sum(header.parameters for header in headers),
            stored_dtype=max(by_dtype, key=lambda dtype: by_dtype[dtype], default=""),
            largest_leaf=max(leaves.values(), default=0),
            quantization=_quantization(config),
            size_bytes=sum(path.stat().st_size for path in paths),
        )

    # -- weight files

    def _weights(self, folder: Path) -> tuple[list[Path], str, frozenset[str]]:
        """The files to load, their variant, and the tensors that an index promises."""
        names = {path.name for path in folder.iterdir()}  # broken links too: a hub cache whose blob is gone
        for variant in _VARIANTS:
            for stem in _STEMS:
                if (single := _single(stem, variant)) in names:
                    return [folder / single], variant, frozenset()
                index = next((name for name in _indexes(stem, variant) if name in names), "")
                if index:
                    paths, promised = self._shards(folder / index)
                    return paths, variant, promised
        raise self._nothing_to_load(folder, names)

    def _nothing_to_load(self, folder: Path, names: set[str]) -> AtelierError:
        shard = next((name for name in sorted(names) if name.endswith(".safetensors") and _SHARD.search(name)), "")
        if shard:
            return self._incomplete(f"{folder.name}/{_SHARD.sub('', shard)}.index.json")
        pickled = next((name for name in sorted(names) if name.endswith(_PICKLES)), "")
        if pickled:
            return AtelierError(ErrorCode.MODEL_NEEDS_PICKLE, model=self._model, file=f"{folder.name}/{pickled}")
        stem = _STEMS[1] if folder.name.startswith(("text_encoder", "image_encoder")) else _STEMS[0]
        return self._incomplete(f"{folder.name}/{stem}.safetensors")

    def _shards(self, index: Path) -> tuple[list[Path], frozenset[str]]:
        weight_map = self._json(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise self._corrupt(self._relative(index), "no weight_map")
        names = set(weight_map.values())
        if not all(isinstance(name, str) and re.fullmatch(r"[\w.-]+\.safetensors", name) for name in names):
            raise self._corrupt(self._relative(index), "a shard that is no file name")  # "../../other" among them
        return [index.parent / name for name in sorted(names)], frozenset(weight_map)

    def _header(self, path: Path) -> Header:
        try:
            return read_header(path)
        except FileNotFoundError as error:
            raise self._incomplete(self._relative(path)) from error
        except (BrokenHeaderError, OSError) as error:
            raise self._corrupt(self._relative(path), str(error)) from error

    # -- files and errors

    def _json(self, path: Path) -> dict[str, Any]:
        relative = self._relative(path)
        try:
            if path.stat().st_size > MAX_JSON:
                raise self._corrupt(relative, f"more than {MAX_JSON} bytes")
            value = json.loads(path.read_bytes())  # not msgspec: schedulers' files hold Infinity, which Python writes
        except FileNotFoundError as error:
            raise self._incomplete(relative) from error
        except (OSError, ValueError, RecursionError) as error:
            raise self._corrupt(relative, str(error)) from error
        if not isinstance(value, dict):
            raise self._corrupt(relative, "not a JSON object")
        return value

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _incomplete(self, file: str) -> AtelierError:
        return AtelierError(ErrorCode.MODEL_INCOMPLETE, model=self._model, file=file)

    def _corrupt(self, file: str, detail: str) -> AtelierError:
        return AtelierError(ErrorCode.MODEL_CORRUPT, detail, model=self._model, file=file)

    def _remote_code(self, detail: str) -> AtelierError:
        return AtelierError(ErrorCode.MODEL_NEEDS_REMOTE_CODE, detail, model=self._model)


def _single(stem: str, variant: str) -> str:
    return f"{stem}.{variant}.safetensors" if variant else f"{stem}.safetensors"


def _indexes(stem: str, variant: str) -> tuple[str, ...]:
    if not variant:
        return (f"{stem}.safetensors.index.json",)
    return f"{stem}.safetensors.index.{variant}.json", f"{stem}.{variant}.safetensors.index.json"


def _add(total: dict[str, int], more: dict[str, int]) -> None:
    for key, value in more.items():
        total[key] = total.get(key, 0) + value


def _quantization(config: dict[str, Any]) -> str:
    settings = config.get("quantization_config")
    return str(settings.get("quant_method", "unknown")) if isinstance(settings, dict) else ""


def _exists(path: Path) -> bool:
    return path.is_file() or path.is_symlink()


def _files(folder: Path) -> list[Path]:
    """All files of a folder and its direct subfolders that can be read: diffusers' layout is no deeper."""
    return [path for pattern in ("*", "*/*") for path in sorted(folder.glob(pattern)) if path.is_file()]


# -- what a folder says about itself ----------------------------------------------------------------------------------


def read_about(folder: Path) -> About:
    """The folder's ``atelier.json``; empty when there is none or it is not well formed, since it holds only words."""
    try:
        return msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return About()


def folder_name(folder: Path) -> str:
    """A name for people: "org/repo" in a hub cache (``models--org--repo/snapshots/<sha>``), else the folder's own."""
    path = folder.absolute()
    if path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--"):
        return path.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
    return path.name


def revision(folder: Path) -> str:
    """The commit of a hub snapshot, else a digest of the names, sizes and times of its files (16 hex digits)."""
    path = folder.absolute()
    if path.parent.name == "snapshots" and _COMMIT.fullmatch(path.name):
        return path.name
    digest = hashlib.sha256()
    for file in _files(folder):
        facts = file.stat()
        digest.update(
            f"{file.relative_to(folder).as_posix()}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode(
                errors="surrogateescape"
            )
        )
    return digest.hexdigest()[:16]


def _component(part: Part) -> Component:
    # force_upcast is written by those who know: false in autoencoders that were made to decode in float16
    upcast = part.config.get("force_upcast", part.class_name != "AutoencoderTiny")
    return Component(
        name=part.name,
        parameters=part.parameters,
        stored_dtype=part.stored_dtype or "float32",
        class_name=part.class_name,
        largest_leaf=part.largest_leaf,
        quantized=bool(part.quantization),
        fp16_safe=not upcast,
    )
