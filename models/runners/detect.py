"""Finding things in a picture: detectors of fixed classes (DETR, RT-DETR, YOLOS...) and of anything named (OWLv2,
Grounding DINO), by transformers and from safetensors files only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from models import devices
from models.card import AddonRef
from models.runners.base import OutOfMemoryError, Report
from models.runners.diffusion.memory import oom_as
from models.runners.helpers import read_model

LEAST_SCORE = 0.3
_AUTOS = ("AutoModelForZeroShotObjectDetection", "AutoModelForObjectDetection")
_OVERLAP = 0.6
"""Boxes that share so much of their joint area are the same thing."""


@dataclass(frozen=True)
class Found:
    """One thing: its box in pixels (right and bottom outside), what it is called, and how sure that is, 0..1."""

    box: tuple[int, int, int, int]
    label: str
    score: float

    @property
    def area(self) -> int:
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


def find(addon: AddonRef, image: Image.Image, what: tuple[str, ...], device: str, report: Report) -> list[Found]:
    """What the detector sees of ``what`` in ``image``, the surest first; on the processor when memory is short.

    Raises:
        AtelierError: MODEL_INCOMPLETE, MODEL_CORRUPT or MODEL_UNSUPPORTED for what is no detector.
    """
    report.checkpoint()
    try:
        with oom_as("run", device):
            return _find(addon, image, what, device)
    except OutOfMemoryError:
        if device == "cpu":
            raise
    return _find(addon, image, what, "cpu")


def _find(addon: AddonRef, image: Image.Image, what: tuple[str, ...], device: str) -> list[Found]:
    names = read_model(Path(addon.path), addon.name, _AUTOS, words=_AUTOS[:1])
    model, processor = names.model.to(device), names.processor
    try:
        with torch.inference_mode():
            if names.auto == _AUTOS[0]:
                found = _named(model, processor, image, what or ("thing",), device)
            else:
                found = _known(model, processor, image, what, device)
    finally:
        del model, names
        devices.release(device)
    return _distinct(found, image.size)


def _known(model: Any, processor: Any, image: Image.Image, what: tuple[str, ...], device: str) -> list[Found]:
    given = processor(images=image, return_tensors="pt").to(device)
    answer = model(**given)
    sizes = torch.tensor([[image.height, image.width]])
    boxes = processor.post_process_object_detection(answer, threshold=LEAST_SCORE, target_sizes=sizes)[0]
    labels = [str(model.config.id2label.get(int(each), int(each))) for each in boxes["labels"]]
    wanted = [_words(each) for each in what]
    return [
        found
        for found in _rows(boxes, labels)
        if not wanted or any(_fits(each, _words(found.label)) for each in wanted)
    ]


def _named(model: Any, processor: Any, image: Image.Image, what: tuple[str, ...], device: str) -> list[Found]:
    sizes = [(image.height, image.width)]
    if "dino" in model.config.model_type:
        given = processor(images=image, text=[list(what)], return_tensors="pt").to(device)
        boxes = processor.post_process_grounded_object_detection(
            model(**given), given["input_ids"], threshold=LEAST_SCORE, text_threshold=0.25, target_sizes=sizes
        )[0]
    else:
        given = processor(text=[[f"a photo of a {each}" for each in what]], images=image, return_tensors="pt").to(
            device
        )
        boxes = processor.post_process_grounded_object_detection(
            model(**given), threshold=LEAST_SCORE / 2, target_sizes=torch.tensor(sizes), text_labels=[list(what)]
        )[0]
    labels = boxes.get("text_labels") or boxes["labels"]
    return _rows(boxes, [_asked(str(label), what) for label in labels])


def _asked(label: str, what: tuple[str, ...]) -> str:
    """Which of ``what`` a detector means by ``label``: Grounding DINO answers with pieces of the whole question, its
    full stops and marks too ("red hand . [SEP]")."""
    if label in what:
        return label
    said = set(_words(re.sub(r"\[[A-Z]+\]|##", " ", label)).split())
    shared = {each: len(said & set(_words(each).split())) for each in what}
    return max(what, key=lambda each: shared[each] / max(1, len(_words(each).split())))


def _rows(boxes: Any, labels: list[str]) -> list[Found]:
    found = []
    for box, score, label in zip(boxes["boxes"].tolist(), boxes["scores"].tolist(), labels, strict=True):
        left, top, right, bottom = (round(side) for side in box)
        found.append(Found((left, top, right, bottom), label, float(score)))
    return found


def _distinct(found: list[Found], size: tuple[int, int]) -> list[Found]:
    """Inside the picture, large enough to matter, and each thing once."""
    kept: list[Found] = []
    for each in sorted(found, key=lambda one: -one.score):
        left, top = max(0, each.box[0]), max(0, each.box[1])
        right, bottom = min(size[0], each.box[2]), min(size[1], each.box[3])
        if right - left < 8 or bottom - top < 8:
            continue
        inside = Found((left, top, right, bottom), each.label, each.score)
        if all(_shared(inside, other) < _OVERLAP for other in kept):
            kept.append(inside)
    return kept


def _shared(one: Found, other: Found) -> float:
    wide = min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
    high = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    both = max(0, wide) * max(0, high)
    return both / (one.area + other.area - both)


def _words(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def _fits(wanted: str, label: str) -> bool:
    return wanted == label or wanted in label.split() or wanted.rstrip("s") in label.split()
