"""Which files of a repository make up a model: the smallest complete set of safetensors, told from the listing alone.

Repositories hold the same weights several times: in float32 and float16, as pickles, for ONNX, Flax and OpenVINO, and
once more as one file. Of all that one copy of each component is needed, with its configuration. What is chosen here is
what ``models.folders.inspect`` accepts after the download; where that cannot be, ``Choice.problem`` says why.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

import msgspec

from models import ways
from models.errors import AtelierError, ErrorCode, ErrorInfo

INDEX = "model_index.json"
CONFIG = "config.json"

_NEVER_LOADED = ("safety_checker", "feature_extractor")
_WEIGHTLESS = ("Tokenizer", "TokenizerFast", "Scheduler", "Processor", "FeatureExtractor", "ProcessorFast")
_FOREIGN = ("Onnx", "OV", "Flax")
_VARIANTS = ("", "fp16", "bf16", "fp32")
_STEMS = ("diffusion_pytorch_model", "model")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_LIGHT = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".bpe", ".vocab")
_LIGHT_LIMIT = 64_000_000
"""Bytes; a tokenizer's largest file has below 40 MB, so anything above is no such file."""
_SMALLER = 0.8
"""A variant is taken in place of the plain files when it has at most this fraction of their bytes."""
_LICENCES = re.compile(r"(licen[cs]e|notice)[^/]*", re.IGNORECASE)
_MATTERING = (".safetensors", ".gguf", ".pth", ".onnx", INDEX)
_LEFTOVERS = re.compile(r"(^|/)(checkpoint-\d+|optimizer|scheduler\.|random_states|training_args|onnx|openvino|flax)")
_SHARD = re.compile(r"-\d{5}-of-\d{5}")
_QUANTS = ("q4_k_m", "q4_k_s", "q4_0", "q4_1", "q5_k_m", "q5_k_s", "q5_0", "q8_0", "q6_k")
"""Kinds of GGUF files by what people should start with: small, and hardly worse."""
_CHECKPOINT_BYTES = 1_500_000_000
_EMBEDDING_BYTES = 1_000_000
_NAMED = (
    ("lora", "lora"), ("lycoris", "lora"), ("locon", "lora"), ("controlnet", "controlnet"), ("control_", "controlnet"),
    ("t2i-adapter", "controlnet"), ("ip-adapter", "ip-adapter"), ("ip_adapter", "ip-adapter"), ("upscal", "upscaler"),
    ("esrgan", "upscaler"), ("swinir", "upscaler"), ("vae", "vae"), ("embedding", "embedding"),
    ("textual", "embedding"), ("text_encoder", "text-encoder"), ("t5xxl", "text-encoder"), ("clip_l", "text-encoder"),
)  # fmt: skip


class Choice(msgspec.Struct, frozen=True):
    """What to fetch of a repository.

    ``kind`` is "pipeline", a kind of file ("checkpoint", "lora", "vae", "controlnet"...: a guess from names until the
    header was read), "helper" for other models of the transformers library, or "unknown". ``files`` and ``others`` are
    paths in the repository, ``others`` (of a repository of single files) what one could choose instead. ``risks`` are
    "pickle_only" and "remote_code"; ``problem`` says why it cannot be run.
    """

    kind: str
    files: tuple[str, ...] = ()
    pipeline: str = ""
    others: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    problem: ErrorInfo | None = None


def choose(model: str, sizes: Mapping[str, int], index: object = None, config: object = None) -> Choice:
    """The files of the repository ``model`` to fetch.

    ``sizes`` is the listing (path: bytes); ``index`` and ``config`` what ``model_index.json`` and ``config.json`` in
    its root hold, None when they are not there or may not be read. Never raises, whatever those hold.
    """
    listing = _Listing(model, sizes)
    if INDEX in sizes:
        return _Pipeline(listing, index).choice()
    if isinstance(config, dict) and "_class_name" in config:
        return _component(listing, config)
    if isinstance(config, dict) and ("architectures" in config or "model_type" in config):
        return _helper(listing, config)
    return _singles(listing)


def choose_file(model: str, sizes: Mapping[str, int], file: str) -> Choice:
    """One weight file of a repository, as asked for. Raises nothing; a file that is not there is the ``problem``."""
    listing = _Listing(model, sizes)
    others = tuple(path for path in listing.weights() if path != file)
    risks = ("pickle_only",) if file.endswith(_PICKLES) else ()
    if file not in sizes:
        missing = ErrorInfo(ErrorCode.FILE_NOT_IN_REPO, {"repo": model, "file": file[:200]})
        return Choice("unknown", others=others, problem=missing)
    return Choice(_guess(model, file, sizes[file]), (file, *listing.licences()), others=others, risks=risks)


def unmet(patterns: Iterable[str], paths: Iterable[str]) -> list[str]:
    """The patterns that match none of ``paths``; of those for weights and the index, where there are any: which small
    files a repository has besides may change."""
    patterns, paths = list(patterns), list(paths)
    mattering = [pattern for pattern in patterns if pattern.endswith(_MATTERING)]
    return [pattern for pattern in mattering or patterns if not fnmatch.filter(paths, pattern)]


class _Listing:
    """The files of a repository, by folder."""

    def __init__(self, model: str, sizes: Mapping[str, int]) -> None:
        self.model = model
        self.sizes = sizes
        self.folders: dict[str, set[str]] = {}
        for path in sizes:
            folder, _, name = path.rpartition("/")
            self.folders.setdefault(folder, set()).add(name)

    def in_folder(self, folder: str) -> set[str]:
        return self.folders.get(folder, set())

    def light(self, folder: str) -> list[str]:
        """Configurations and vocabularies of a folder; no lists of shards."""
        names = (name for name in sorted(self.in_folder(folder)) if name.endswith(_LIGHT))
        paths = (_join(folder, name) for name in names if ".index." not in name)
        return [path for path in paths if self.sizes[path] <= _LIGHT_LIMIT]

    def licences(self) -> list[str]:
        names = sorted(name for name in self.in_folder("") if _LICENCES.fullmatch(name))
        return [name for name in names if self.sizes[name] < 1_000_000]

    def weights(self) -> list[str]:
        """Weight files that are of use by themselves."""
        return [
            path
            for path in sorted(self.sizes)
            if path.endswith((".safetensors", ".gguf")) and not _LEFTOVERS.search(path) and not _SHARD.search(path)
        ]

    def variants(self, folder: str) -> dict[str, list[str]]:
        """The complete sets of safetensors of a component, by variant; each with its list of shards, if it has one."""
        found = {}
        for variant in _VARIANTS:
            for stem in _STEMS:
                if files := self._set(folder, stem, variant):
                    found[variant] = files
                    break
        return found

    def _set(self, folder: str, stem: str, variant: str) -> list[str]:
        names = self.in_folder(folder)
        single = f"{stem}.{variant}.safetensors" if variant else f"{stem}.safetensors"
        if single in names:
            return [_join(folder, single)]
        indexes = [f"{stem}.safetensors.index.json"]
        if variant:
            indexes = [f"{stem}.safetensors.index.{variant}.json", f"{stem}.{variant}.safetensors.index.json"]
        index = next((name for name in indexes if name in names), "")
        shards = _shards(names, stem, variant) if index else []
        return [_join(folder, name) for name in (index, *shards)] if shards else []

    def smallest(self, folder: str) -> list[str]:
        """The weight files of the component in ``folder`` to fetch.

        Raises:
            AtelierError: MODEL_NEEDS_PICKLE, MODEL_INCOMPLETE.
        """
        found = self.variants(folder)
        if not found:
            raise self._nothing(folder)
        size = {variant: sum(self.sizes[path] for path in files) for variant, files in found.items()}
        best = next(iter(found))
        for variant in found:
            if size[variant] < _SMALLER * size[best]:
                best = variant
        return found[best]

    def _nothing(self, folder: str) -> AtelierError:
        names = self.in_folder(folder)
        broken = next((name for name in sorted(names) if name.endswith(".safetensors") and _SHARD.search(name)), "")
        if broken:
            return self.incomplete(_join(folder, broken))
        pickled = next((name for name in sorted(names) if name.endswith(_PICKLES)), "")
        if pickled:
            path = _join(folder, pickled)
            return AtelierError(ErrorCode.MODEL_NEEDS_PICKLE, model=self.model, file=path)
        stem = _STEMS[1] if folder.startswith(("text_encoder", "image_encoder")) else _STEMS[0]
        return self.incomplete(_join(folder, f"{stem}.safetensors"))

    def incomplete(self, file: str) -> AtelierError:
        return AtelierError(ErrorCode.MODEL_INCOMPLETE, model=self.model, file=file)

    def unsupported(self, what: str) -> ErrorInfo:
        return ErrorInfo(ErrorCode.MODEL_UNSUPPORTED, {"model": self.model, "pipeline": what})


def _shards(names: set[str], stem: str, variant: str) -> list[str]:
    """The shards of one complete set, in order; empty when some are missing."""
    mark = rf"\.{variant}" if variant else ""
    pattern = re.compile(rf"{stem}(?:{mark}-(\d{{5}})-of-(\d{{5}})|-(\d{{5}})-of-(\d{{5}}){mark})\.safetensors")
    sets: dict[int, list[str]] = {}
    for name in sorted(names):
        if match := pattern.fullmatch(name):
            sets.setdefault(int(match[2] or match[4]), []).append(name)
    return next((shards for count, shards in sorted(sets.items()) if len(shards) == count), [])


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


# -- a pipeline -------------------------------------------------------------------------------------------------------


class _Pipeline:
    """Chooses of a repository in diffusers' layout."""

    def __init__(self, listing: _Listing, index: object) -> None:
        self._listing = listing
        self._index: dict[str, Any] = index if isinstance(index, dict) else {}
        self._known = index is not None
        self._problem: ErrorInfo | None = None
        self._risks: set[str] = set()

    def choice(self) -> Choice:
        pipeline = self._pipeline()
        files: list[str] = [INDEX, *self._listing.licences()]
        for name, pair in (self._components() if self._known else self._likely()).items():
            try:
                files += self._part(name, *pair)
            except AtelierError as error:
                self._trouble(error.info)
        risks = tuple(sorted(self._risks))
        return Choice("pipeline", tuple(files), pipeline, risks=risks, problem=self._problem)

    def _trouble(self, problem: ErrorInfo) -> None:
        self._problem = self._problem or problem
        if problem.code is ErrorCode.MODEL_NEEDS_PICKLE:
            self._risks.add("pickle_only")
        elif problem.code is ErrorCode.MODEL_NEEDS_REMOTE_CODE:
            self._risks.add("remote_code")

    def _pipeline(self) -> str:
        if not self._known:
            return ""
        name = self._index.get("_class_name")
        if isinstance(name, list):
            self._trouble(self._remote_code(f"_class_name is {name}"[:200]))
            return str(name[-1])[:80] if name else ""
        if not isinstance(name, str) or not name.isidentifier():
            detail = f"_class_name is {name!r}"[:200]
            facts: dict[str, str | int | float] = {"model": self._listing.model, "file": INDEX}
            self._trouble(ErrorInfo(ErrorCode.MODEL_CORRUPT, facts, detail))
            return ""
        return name

    def _remote_code(self, detail: str) -> ErrorInfo:
        return ErrorInfo(ErrorCode.MODEL_NEEDS_REMOTE_CODE, {"model": self._listing.model}, detail)

    def _components(self) -> dict[str, tuple[str, str]]:
        found = {}
        for name, value in self._index.items():
            is_pair = isinstance(value, list) and len(value) == 2 and all(isinstance(word, str) for word in value)
            if is_pair and not name.startswith("_") and not self._left_out(name):
                found[name] = (value[0], value[1])
        return found

    def _left_out(self, name: str) -> bool:
        """Safety checkers and what prepares pictures for them, and for no other part, are never loaded."""
        if name == _NEVER_LOADED[1]:
            looks = ways.taking(str(self._index.get("_class_name"))).way is ways.Way.VARY
            return _NEVER_LOADED[0] in self._index and not looks
        return name in _NEVER_LOADED

    def _likely(self) -> dict[str, tuple[str, str]]:
        """Components as far as the folders tell, when the index may not be read yet (a gate)."""
        found = {}
        for folder in sorted(self._listing.folders):
            if folder and "/" not in folder and folder not in _NEVER_LOADED:
                names = self._listing.in_folder(folder)
                heavy = any(name.endswith((".safetensors", *_PICKLES)) for name in names)
                if heavy or self._listing.light(folder):
                    found[folder] = ("diffusers", "" if heavy else "Scheduler")
        return found

    def _part(self, name: str, library: str, class_name: str) -> list[str]:
        listing = self._listing
        if not name.isidentifier():
            raise AtelierError(ErrorCode.MODEL_CORRUPT, f"a part named {name!r}"[:200], model=listing.model, file=INDEX)
        names = listing.in_folder(name)
        if not library.isidentifier() or f"{library}.py" in names:
            raise AtelierError.from_info(self._remote_code(f"{name} is made of code in {library!r}"[:200]))
        if not names:
            raise listing.incomplete(name)
        if class_name.endswith(_WEIGHTLESS):
            return self._weightless(name, class_name)
        if class_name.startswith(_FOREIGN):
            raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=listing.model, pipeline=class_name)
        if CONFIG not in names:
            raise listing.incomplete(f"{name}/{CONFIG}")
        return [*listing.light(name), *listing.smallest(name)]

    def _weightless(self, name: str, class_name: str) -> list[str]:
        light = self._listing.light(name)
        if self._known and class_name.endswith("Scheduler") and f"{name}/scheduler_config.json" not in light:
            raise self._listing.incomplete(f"{name}/scheduler_config.json")
        if not any(self._listing.sizes[path] for path in light):
            raise self._listing.incomplete(name)
        return light


# -- everything else --------------------------------------------------------------------------------------------------


def _component(listing: _Listing, config: dict[str, Any]) -> Choice:
    """One component by itself: a ControlNet, an autoencoder, a denoiser."""
    class_name = str(config["_class_name"])[:100]
    try:
        chosen = listing.smallest("")
    except AtelierError as error:
        if listing.weights():
            return _singles(listing)
        risks = ("pickle_only",) if error.code is ErrorCode.MODEL_NEEDS_PICKLE else ()
        return Choice(_class_kind(class_name), risks=risks, problem=error.info)
    return Choice(_class_kind(class_name), (CONFIG, *listing.licences(), *chosen))


def _class_kind(class_name: str) -> str:
    if "ControlNet" in class_name or "Adapter" in class_name:
        return "controlnet"
    if class_name.startswith(("Autoencoder", "VQModel", "AsymmetricAutoencoder")):
        return "vae"
    return "denoiser" if "Transformer" in class_name or "UNet" in class_name else "unknown"


def _helper(listing: _Listing, config: dict[str, Any]) -> Choice:
    """A model of the transformers library: depth, captions, a text encoder."""
    named = config.get("architectures")
    classes = [str(name) for name in named] if isinstance(named, list) else []
    encoder = any(name.endswith(("TextModel", "EncoderModel", "TextModelWithProjection")) for name in classes)
    risks, problem = [], None
    if "auto_map" in config:
        risks.append("remote_code")
        problem = ErrorInfo(ErrorCode.MODEL_NEEDS_REMOTE_CODE, {"model": listing.model}, "auto_map in config.json")
    files: tuple[str, ...] = ()
    try:
        files = (*listing.light(""), *listing.licences(), *listing.smallest(""))
    except AtelierError as error:
        if listing.weights():
            return _singles(listing)
        problem = problem or error.info
        risks += ["pickle_only"] if error.code is ErrorCode.MODEL_NEEDS_PICKLE else []
    kind = "text-encoder" if encoder else "helper"
    return Choice(kind, tuple(dict.fromkeys(files)), risks=tuple(risks), problem=problem)


def _singles(listing: _Listing) -> Choice:
    """A repository of weight files that each stand for themselves; the likeliest is the default."""
    weights = listing.weights()
    if not weights:
        return _without_weights(listing)
    best = min(weights, key=lambda path: _rank(listing.model, path, listing.sizes[path]))
    others = tuple(path for path in weights if path != best)
    return Choice(_guess(listing.model, best, listing.sizes[best]), (best, *listing.licences()), others=others)


def _without_weights(listing: _Listing) -> Choice:
    pickles = [path for path in sorted(listing.sizes) if path.endswith(_PICKLES) and not _LEFTOVERS.search(path)]
    if not pickles:
        return Choice("unknown", problem=listing.unsupported("no model files"))
    best = min(pickles, key=lambda path: _rank(listing.model, path, listing.sizes[path]))
    problem = ErrorInfo(ErrorCode.MODEL_NEEDS_PICKLE, {"model": listing.model, "file": best})
    others = tuple(path for path in pickles if path != best)
    kind = _guess(listing.model, best, listing.sizes[best])
    return Choice(kind, (best, *listing.licences()), others=others, risks=("pickle_only",), problem=problem)


def _rank(model: str, path: str, size: int) -> tuple[int, int, float, int, str]:
    """What people most likely want of a repository's files sorts first."""
    name = PurePosixPath(path).name.lower()
    stem = PurePosixPath(name).stem
    quant = next((at for at, kind in enumerate(_QUANTS) if kind in name), len(_QUANTS)) if name.endswith("gguf") else 0
    known = 0 if name.startswith("pytorch_lora_weights.") else 1
    special = sum(word in name for word in ("inpaint", "refiner", "offset", "fp32", "non_ema", "full-ema", "vae"))
    alike = difflib.SequenceMatcher(None, model.rpartition("/")[2].lower(), stem).ratio()
    return known, special + path.count("/"), quant - alike, size, path


def _guess(model: str, path: str, size: int) -> str:
    """What a file is by its name, until its header was read."""
    if path.endswith(".gguf"):
        return "denoiser"
    for words in (path.lower(), model.lower()):
        for word, kind in _NAMED:
            if word in words and not (kind in ("vae", "upscaler") and size > _CHECKPOINT_BYTES):
                return kind
    if size >= _CHECKPOINT_BYTES:
        return "checkpoint"
    return "embedding" if size < _EMBEDDING_BYTES else "unknown"
