"""Weights in the folders of other apps, found where they lie: ComfyUI, AUTOMATIC1111 and Forge, InvokeAI, Fooocus, or
any folder of files. Nothing there is ever written, moved or copied.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from app.files import is_text
from models.recognise import HELPERS, FileKind, helper_kind

log = logging.getLogger(__name__)

INDEX = "model_index.json"
WEIGHTS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth", ".bin")
GRAPH = ".onnx"
"""One graph is a model by itself: a cut-out."""
DEEPEST = 8
"""Folders in folders."""
MOST = 5000
"""Things of one source; a mistaken source such as a whole disk ends here."""
_MOST_FOLDERS = 20_000
_MAX_YAML = 1_000_000  # bytes

_K = FileKind
KINDS: dict[str, FileKind] = {
    "checkpoints": _K.CHECKPOINT, "stable-diffusion": _K.CHECKPOINT,
    "unet": _K.DENOISER, "diffusion_models": _K.DENOISER,
    "loras": _K.LORA, "lora": _K.LORA, "lycoris": _K.LORA,
    "vae": _K.VAE, "vae_approx": _K.VAE, "vae-approx": _K.VAE,
    "controlnet": _K.CONTROLNET, "t2i_adapter": _K.CONTROLNET, "ipadapter": _K.IP_ADAPTER, "ip_adapter": _K.IP_ADAPTER,
    "clip": _K.TEXT_ENCODER, "text_encoders": _K.TEXT_ENCODER, "text_encoder": _K.TEXT_ENCODER,
    "embeddings": _K.EMBEDDING, "embedding": _K.EMBEDDING,
    "upscale_models": _K.UPSCALER, "esrgan": _K.UPSCALER, "realesrgan": _K.UPSCALER, "dat": _K.UPSCALER,
    "swinir": _K.UPSCALER,
}  # fmt: skip
"""What the apps call the folder of each kind, in lower case. A hint only: files are known by their contents."""

_SKIPPED = frozenset({"__pycache__", "node_modules", "venv", "site-packages", "output", "outputs", "custom_nodes"})


class Found(msgspec.Struct, frozen=True):
    """A weight file, or a model folder in diffusers layout. ``hint`` is what its place says it is; of a helper (its
    folder, or a graph) what it is."""

    path: Path
    is_folder: bool = False
    hint: FileKind = FileKind.UNKNOWN

    @property
    def is_helper(self) -> bool:
        return self.hint in HELPERS


def find(folder: Path) -> Iterator[Found]:
    """Everything usable in the folder of another app, in a steady order; nothing twice, and nothing read but listings.

    Links are followed, since people keep models on other disks; a folder is visited once, however often it is linked.
    """
    walker = _Walker()
    for root, hint in _roots(folder):
        yield from walker.walk(root, hint, 0)


def app_of(folder: Path) -> str:
    """Which app a folder belongs to, as people call it; empty if it is just a folder."""
    root = folder.parent if folder.name == "models" else folder
    if (root / "fooocus_version.py").is_file():
        return "Fooocus"
    if (root / "models" / "checkpoints").is_dir() or (root / "comfy").is_dir():
        return "ComfyUI"
    if (root / "models" / "Stable-diffusion").is_dir():
        return "Forge" if (root / "modules_forge").is_dir() else "AUTOMATIC1111"
    return "InvokeAI" if (root / "invokeai.yaml").is_file() else ""


def _roots(folder: Path) -> list[tuple[Path, FileKind]]:
    """Where to look: an app's own folder also holds its program and the pictures it made."""
    models = folder / "models"
    if not models.is_dir() or (folder / INDEX).is_file():
        return [(folder, _hint(folder))]
    extra = _extra_paths(folder / "extra_model_paths.yaml")
    return [(models, FileKind.UNKNOWN), (folder / "embeddings", FileKind.EMBEDDING), *extra]


def _extra_paths(file: Path) -> Iterator[tuple[Path, FileKind]]:
    """The folders that ComfyUI's file of extra places names: ``base_path`` and, below it, one or several for a kind."""
    import yaml  # only where such a file is: the start of the window has no time for it

    try:
        if file.stat().st_size > _MAX_YAML:
            return
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        log.warning("cannot read %s: %s", file, error)
        return
    for places in document.values() if isinstance(document, dict) else ():
        if not isinstance(places, dict):
            continue
        base = (file.parent / Path(str(places.get("base_path") or ".")).expanduser()).resolve()
        for kind, value in places.items():
            if str(kind).lower() in KINDS and isinstance(value, str):
                hint = KINDS[str(kind).lower()]
                yield from ((base / line.strip(), hint) for line in value.splitlines() if line.strip())


class _Walker:
    def __init__(self) -> None:
        self._folders: set[tuple[int, int]] = set()
        self._files: set[tuple[int, int]] = set()

    def walk(self, folder: Path, hint: FileKind, depth: int) -> Iterator[Found]:
        if not self._is_new(folder):
            return
        entries = _entries(folder)
        if any(entry.name == INDEX for entry in entries):
            self._files.add(_inode(folder / INDEX))
            yield Found(folder, is_folder=True)
            return
        if (helper := _helper(folder, entries)) in HELPERS:
            self._files.add(_inode(folder))
            yield Found(folder, is_folder=True, hint=helper)
            return
        for entry in entries:
            if len(self._files) >= MOST:
                return
            if entry.name.startswith(".") or entry.name in _SKIPPED:
                continue
            path = Path(entry.path)
            if _is_dir(entry):
                if depth < DEEPEST:
                    yield from self.walk(path, _hint(path) if _hint(path) is not FileKind.UNKNOWN else hint, depth + 1)
            elif entry.name.lower().endswith(WEIGHTS) and self._is_whole_and_new(path):
                yield Found(path, hint=hint)
            elif entry.name.lower().endswith(GRAPH) and helper_kind(path) in HELPERS and self._is_whole_and_new(path):
                yield Found(path, hint=helper_kind(path))

    def _is_new(self, folder: Path) -> bool:
        inode = _inode(folder)
        if inode in self._folders or inode == (0, 0) or len(self._folders) >= _MOST_FOLDERS:
            return False
        self._folders.add(inode)
        return True

    def _is_whole_and_new(self, path: Path) -> bool:
        """Not empty, not being downloaded by aria2, and not the same file under another name."""
        try:
            facts = path.stat()
        except OSError:
            return False
        inode = (facts.st_dev, facts.st_ino)
        if not facts.st_size or inode in self._files or path.with_name(path.name + ".aria2").exists():
            return False
        self._files.add(inode)
        return True


def _helper(folder: Path, entries: list[os.DirEntry[str]]) -> FileKind:
    """What helper the folder as a whole is: it has a configuration, or its one graph lies in a folder of its own."""
    names = {entry.name for entry in entries}
    return helper_kind(folder) if "config.json" in names or "onnx" in names else FileKind.UNKNOWN


def _hint(folder: Path) -> FileKind:
    return KINDS.get(folder.name.lower(), FileKind.UNKNOWN)


def _inode(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError:  # it is gone, may not be read, or is a link that leads back to itself
        return 0, 0
    return facts.st_dev, facts.st_ino


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry in found if is_text(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        log.info("cannot list %s: %s", folder, error)
        return []
