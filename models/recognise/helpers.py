"""Folders and graphs of models that work beside those that paint: captioners, detectors, makers of maps, cut-outs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from models.recognise.graphs import cuts_out
from models.recognise.kinds import FileKind

GRAPH = ".onnx"
_MAX_CONFIG = 1_000_000  # bytes
_MOST_GRAPHS = 8
_CLASSES: tuple[tuple[str, FileKind], ...] = (
    (r"ForObjectDetection$", FileKind.DETECTION),
    (r"ForDepthEstimation$", FileKind.DEPTH),
    (r"ForPoseEstimation$", FileKind.POSE),
    (r"For(Semantic|Universal|Instance|Image)Segmentation$", FileKind.SEGMENTATION),
)
_WRITERS = r"(ForConditionalGeneration|ForImageTextToText|GitForCausalLM)$"
"""Classes that write; with a part that sees they are captioners, without one something like T5."""


def helper_kind(path: Path) -> FileKind:
    """The kind of helper that a folder, or one ONNX file, holds; UNKNOWN for none. Reads one small file, and of graphs
    only what they declare."""
    if path.suffix.lower() == GRAPH and path.is_file():
        return FileKind.BACKGROUND if cuts_out(path) else FileKind.UNKNOWN
    if any(cuts_out(graph) for graph in graphs_in(path)[:_MOST_GRAPHS]):
        return FileKind.BACKGROUND
    config = _config(path)
    classes = config.get("architectures")
    for name in classes if isinstance(classes, list) else ():
        if not isinstance(name, str):
            continue
        kind = next((kind for words, kind in _CLASSES if re.search(words, name)), FileKind.UNKNOWN)
        if kind is not FileKind.UNKNOWN:
            return kind
        if re.search(_WRITERS, name) and isinstance(config.get("vision_config"), dict):
            return FileKind.CAPTION
    return FileKind.UNKNOWN


def graphs_in(folder: Path) -> list[Path]:
    """The ONNX files of a folder that is one model, where repositories keep them: kinds of one graph, or the only one.
    Several with names of their own are a collection."""
    found = [path for pattern in ("model*.onnx", "onnx/*.onnx") for path in folder.glob(pattern)]
    if not found and len(alone := list(folder.glob("*.onnx"))) == 1:
        found = [] if any(path.is_dir() for path in folder.iterdir()) else alone
    return sorted(path for path in found if path.is_file())


def _config(folder: Path) -> dict[str, Any]:
    try:
        value = json.loads((folder / "config.json").read_bytes()[:_MAX_CONFIG])
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
