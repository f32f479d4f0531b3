"""What lies in a model folder of diffusers' layout, found out from names, JSON files and headers, without torch.

``inspect`` finds what is missing, damaged or not to be trusted before anything is loaded (half a load takes minutes and
ends in an error that names no file), and counts what the model needs. A folder of usual size takes milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from models.errors import AtelierError, ErrorCode
from models.headers import BrokenHeaderError, Header, read_header
from models.inputs import Size
from models.machine import Component, Needs
from models.pipelines import PipelineRow, row

Configs = Mapping[str, Mapping[str, Any]]
"""Components' configurations by component name."""

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
VAE_NAMES = ("vae", "movq", "vqvae", "vqgan")
"""What families call the part that turns latents into pixels."""
_DENOISERS = ("unet", "transformer", "prior", "decoder")
MAX_SIDE = 4096
"""Pixels; no form offers more, whatever a configuration says."""
DEFAULT_SIDE = 1024
"""Pixels, where a configuration does not say: true of those that leave it out (FLUX.1, Qwen-Image, Z-Image)."""
UNET_SIDE = 512
"""What Stable Diffusion's pipelines take when a UNet's configuration names no size."""


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
    weights are stored in, ``quantization`` the method if it is quantized ("bitsandbytes").
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


class FolderInfo(msgspec.Struct, frozen=True):
    """A folder that was looked through and found whole. Sizes in bytes; ``weights_bytes`` is what is loaded of it."""

    folder: str
    name: str
    pipeline: str
    parts: tuple[Part, ...]
    revision: str
    total_bytes: int
    weights_bytes: int
    about: About = About()

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
    def needs(self) -> Needs:
        """What planning has to know: the loaded components, and the model's own picture size."""
        size = native_size(row(self.pipeline), self.configs)
        loaded = tuple(_component(part) for part in self.parts if part.parameters)
        return Needs(loaded, size.width * size.height, self.pipeline, token_area(self))

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
    parts = tuple(reader.part(name, *pair) for name, pair in _components(index).items())
    return FolderInfo(
        folder=str(folder),
        name=about.name or folder_name(folder),
        pipeline=pipeline,
        parts=parts,
        revision=revision(folder),
        total_bytes=sum(path.stat().st_size for path in _files(folder)),
        weights_bytes=sum(part.size_bytes for part in parts),
        about=about,
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
        return self._weighted(folder, library, class_name, config)

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
        digest.update(f"{file.relative_to(folder).as_posix()}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def vae_factor(configs: Configs) -> int:
    """Pixels a latent stands for, on a side: 1 for models that work on pixels, 8 where nothing is said."""
    vae = _vae(configs)
    if vae is None:
        return 1 if any(name.startswith(_DENOISERS) for name in configs) else 8
    for key in ("scale_factor_spatial", "spatial_compression_ratio"):
        if (ratio := _whole(vae.get(key))) > 0:
            return ratio
    if halvings := _list(vae.get("temperal_downsample")):  # spelled so in Wan's and Qwen-Image's configurations
        return 1 << min(len(halvings), 6)
    keys = ("block_out_channels", "encoder_block_out_channels", "decoder_block_out_channels")
    levels = next((len(_list(vae.get(key))) for key in keys if _list(vae.get(key))), 4)
    return 1 << min(levels - 1, 6)


def size_multiple(found: PipelineRow | None, configs: Configs) -> int:
    """What width and height must be multiples of, in pixels: one latent, times the patch a transformer takes, and 8,
    which most pipelines insist on whatever their autoencoder does."""
    factor, denoiser = vae_factor(configs), _denoiser(found, configs)
    if denoiser == "transformer" and (_vae(configs) or {}).get("_class_name") != "AutoencoderDC":
        # Families that state 1 (or nothing) pack two by two latents into a token themselves.
        factor *= max(_whole(configs.get(denoiser, {}).get("patch_size")), 2)
    return math.lcm(factor, 8)


def native_size(found: PipelineRow | None, configs: Configs) -> Size:
    """The size the model was made for, as its form offers it and as its plans are made for: stated by the signature,
    or by the denoiser's ``sample_size`` in latents; at most 4096, in steps of ``size_multiple``."""
    sides = _stated_size(found, configs)
    if min(sides) <= 0:
        side = UNET_SIDE if _denoiser(found, configs).startswith("unet") else DEFAULT_SIDE
        sides = (side, side)
    multiple = size_multiple(found, configs)
    width, height = (nearest(min(side, MAX_SIDE), multiple) for side in sides)
    return Size(width, height)


def nearest(value: int, multiple: int) -> int:
    """The multiple nearest to ``value``, at least one."""
    return max(multiple, round(value / multiple) * multiple)


def _stated_size(found: PipelineRow | None, configs: Configs) -> tuple[int, int]:
    """Width and height; 0 where nothing is said."""
    defaults = found.defaults if found else {}
    width, height = _whole(defaults.get("width")), _whole(defaults.get("height"))
    if width > 0 and height > 0:
        return width, height
    stated = configs.get(_denoiser(found, configs), {}).get("sample_size")
    sides = _list(stated) or [stated, stated]  # a list is height, width
    factor = vae_factor(configs)
    return (_whole(sides[1]) * factor, _whole(sides[0]) * factor) if len(sides) == 2 else (0, 0)


def _denoiser(found: PipelineRow | None, configs: Configs) -> str:
    """The name of the part that denoises: the table's, unless the folder has another one instead."""
    if found and (found.denoiser in configs or not configs):
        return found.denoiser
    others = (name for name in configs if name.startswith(_DENOISERS))
    return next(others, found.denoiser if found else "")


def _vae(configs: Configs) -> Mapping[str, Any] | None:
    for name, config in configs.items():
        if name in VAE_NAMES or str(config.get("_class_name")).startswith(("Autoencoder", "VQModel")):
            return config
    return None


def token_area(info: FolderInfo) -> int:
    """Pixels that one attention token covers at the finest level of the denoiser."""
    if info.denoiser is None:
        return 256
    config, scale = info.denoiser.config, vae_factor(info.configs)
    blocks = [str(block) for block in _list(config.get("down_block_types"))]
    if blocks:
        finest = next((level for level, block in enumerate(blocks) if "Attn" in block), len(blocks))
        return int(scale * 2**finest) ** 2
    patch = config.get("patch_size", config.get("all_patch_size"))  # the latter in Z-Image
    side = _whole(patch[-1] if isinstance(patch, list) and patch else patch) or 1
    return (scale * side * _packing(info, config)) ** 2


def _packing(info: FolderInfo, config: dict[str, Any]) -> int:
    """Latents packed into one token along a side before patching (FLUX.1: 2, told by four times the channels)."""
    vae = info.vae.config if info.vae else {}
    latent = _whole(vae.get("latent_channels")) or _whole(vae.get("z_dim"))
    channels = _whole(config.get("in_channels"))
    if _whole(config.get("patch_size", 2)) != 1 or not latent or channels % latent:
        return 1
    return math.isqrt(channels // latent) or 1


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


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
