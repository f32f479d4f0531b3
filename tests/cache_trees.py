"""Small hub caches as huggingface_hub leaves them, in each of its layouts, and single files to go with them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COMMIT = "a" * 40
OTHER_COMMIT = "b" * 40
WIDTH = {"F16": 2, "BF16": 2, "F32": 4, "U8": 1}

Tensors = Mapping[str, tuple[str, list[int]]]
Files = Mapping[str, bytes]


def safetensors(tensors: Tensors, fill: int = 0, metadata: Mapping[str, str] | None = None) -> bytes:
    """A whole file; every byte of its weights is ``fill``."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        size = WIDTH[dtype]
        for side in shape:
            size *= side
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + bytes([fill]) * end


UNET = {"down.0.weight": ("F16", [64, 32]), "up.weight": ("F16", [2, 2])}
TEXT = {"embed.weight": ("F16", [16, 8])}
VAE = {"decoder.weight": ("F32", [4, 4])}


def pipeline(fill: int = 1, text: int = 7) -> dict[str, bytes]:
    """The files of a small Stable Diffusion; ``fill`` makes its unet its own, ``text`` its text encoder."""
    index = {
        "_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", "PNDMScheduler"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "text_encoder": ["transformers", "CLIPTextModel"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
    }  # fmt: skip
    blocks = ["CrossAttnDownBlock2D", "DownBlock2D"]
    return {
        "model_index.json": _json(index),
        "scheduler/scheduler_config.json": _json({"_class_name": "PNDMScheduler"}),
        "tokenizer/vocab.json": _json({"a": 0}),
        "text_encoder/config.json": _json({}),
        "text_encoder/model.safetensors": safetensors(TEXT, text),
        "unet/config.json": _json({"sample_size": 64, "down_block_types": blocks, "in_channels": 4}),
        "unet/diffusion_pytorch_model.safetensors": safetensors(UNET, fill),
        "vae/config.json": _json({"block_out_channels": [1, 2, 4, 4], "latent_channels": 4}),
        "vae/diffusion_pytorch_model.safetensors": safetensors(VAE, 3),
    }


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def write(root: Path, files: Files) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def blob_name(path: str, data: bytes) -> str:
    return sha256(data) if path.endswith((".safetensors", ".gguf", ".ckpt", ".bin")) else git_sha1(data)


def folder_of(cache: Path, repo: str) -> Path:
    return cache / ("models--" + repo.replace("/", "--"))


def put(
    cache: Path,
    repo: str,
    files: Files,
    commit: str = COMMIT,
    ref: str = "main",
    links: bool = True,
    tree: bool = True,
    twins: bool = False,
) -> Path:
    """Add a revision; returns its snapshot. Without ``links`` it holds the files themselves, as on Windows; with
    ``twins`` they are hard links of the blobs."""
    folder = folder_of(cache, repo)
    snapshot = folder / "snapshots" / commit
    for name, data in files.items():
        target = snapshot / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if links or twins:
            blob = folder / "blobs" / blob_name(name, data)
            blob.parent.mkdir(parents=True, exist_ok=True)
            if not blob.exists():
                blob.write_bytes(data)
            if twins and not target.exists():
                os.link(blob, target)
            elif not twins and not target.is_symlink():
                target.symlink_to(os.path.relpath(blob, target.parent))
        else:
            target.write_bytes(data)
    if ref:
        write(folder, {f"refs/{ref}": commit.encode()})
    if tree:
        write_tree(folder, commit, files)
    return snapshot


def write_tree(folder: Path, commit: str, files: Files) -> None:
    listing: dict[str, dict[str, Any]] = {}
    for name, data in files.items():
        listing[name] = {"size": len(data), "blob_id": git_sha1(data)}
        if len(blob_name(name, data)) == 64:
            listing[name] |= {"lfs_sha256": sha256(data), "lfs_size": len(data)}
    write(folder, {f"trees/{commit}.json": _json({"format_version": 1, "files": listing})})


def share(cache: Path, repo: str, blob: str) -> Path:
    """Move a blob of ``repo`` into the store all repositories share, as the hub library does for Xet files; where its
    payload is there already, only the link is made. Returns the payload."""
    inside = folder_of(cache, repo) / "blobs" / blob
    data = inside.read_bytes()
    payload_name = sha256(b"xet" + data)
    payload = cache / "blobs" / payload_name[:2] / payload_name
    write(cache, {"blobs/.huggingface-shared-blobs": b"1\n"})
    payload.parent.mkdir(parents=True, exist_ok=True)
    if payload.exists():
        inside.unlink()
    else:
        inside.rename(payload)
        payload.chmod(0o444)
    with payload.with_name(payload_name + ".refs").open("a") as manifest:
        manifest.write(f"{inside.relative_to(cache).as_posix()}\n")
    inside.symlink_to(os.path.relpath(payload, inside.parent))
    return payload


def link_blob(cache: Path, repo: str, other: str, blob: str) -> None:
    """Make two repositories' blobs hard links of one another."""
    kept, replaced = (folder_of(cache, name) / "blobs" / blob for name in (repo, other))
    replaced.unlink()
    os.link(kept, replaced)


def part(cache: Path, repo: str, name: str = "c" * 64 + ".part", size: int = 1000, age: float = 0.0) -> Path:
    """An unfinished file, ``age`` seconds old."""
    path = folder_of(cache, repo) / "blobs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    if age:
        when = path.stat().st_mtime - age
        os.utime(path, (when, when))
    return path


def age(folder: Path, seconds: float = 7200.0) -> None:
    """Make everything below ``folder`` this much older."""
    for path in [folder, *folder.rglob("*")]:
        facts = path.lstat()
        os.utime(path, (facts.st_atime - seconds, facts.st_mtime - seconds), follow_symlinks=False)


def disk_bytes(*folders: Path) -> int:
    """What all regular files below take, each inode once; folders are free."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            facts = path.lstat()
            if path.is_file() and not path.is_symlink():
                found[facts.st_dev, facts.st_ino] = facts.st_size
    return sum(found.values())
