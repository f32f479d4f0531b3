"""Maps by models that see: depth, normals and kinds of things.

Depth comes from any of transformers' depth estimators or from Marigold (diffusers). Normals come from Marigold, or from
the slopes of depth. They are coloured as the ControlNets for normals were trained: what faces left is red, up green,
the viewer blue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from models import maps
from models.card import AddonRef
from models.errors import InvalidInputError, Problem
from models.runners.base import Addons
from models.runners.maps import helpers
from models.runners.maps.palette import colour

_DEPTH = "ForDepthEstimation$|^MarigoldDepthPipeline$"
_NORMALS = "^MarigoldNormalsPipeline$|ForNormalEstimation$"
_AREAS = "ForSemanticSegmentation$|ForUniversalSegmentation$|^MaskFormerForInstanceSegmentation$"
_METRIC = ("zoedepth", "glpn", "depth_pro")  # model types that tell metres, not nearness
_THINNEST = 8  # how many times longer than wide a picture may be for these models


def depth(image: Image.Image, options: Mapping[str, float], addons: Addons, device: str) -> Image.Image:
    """Near is white, far is black, over the whole range."""
    values = _nearness(image, _found(addons, "depth", (maps.DEPTH,), _DEPTH), device)
    return _fit(Image.fromarray((values * 255).round().astype(np.uint8)), image).convert("RGB")


def normals(image: Image.Image, options: Mapping[str, float], addons: Addons, device: str) -> Image.Image:
    """Unit vectors as colours; from depth where no model for normals is there."""
    ref = helpers.helper(addons, (maps.NORMALS,), _NORMALS)
    if ref is not None:
        vectors = _vectors(image, ref, device)
    else:
        near = _nearness(image, _found(addons, "normal", (maps.DEPTH,), _DEPTH), device)
        vectors = slopes(near, options["relief"])
    return _fit(Image.fromarray(((vectors + 1) * 127.5).round().clip(0, 255).astype(np.uint8)), image)


def slopes(near: np.ndarray[Any, Any], relief: float) -> np.ndarray[Any, Any]:
    """Normals (height x width x 3: left, up, towards the viewer) of a surface whose nearness is 0..1."""
    smooth = cv2.GaussianBlur(near.astype(np.float32), (0, 0), 1.0)
    # A rise over the whole range within a tenth of the picture stands at 45 degrees.
    scale = relief * max(near.shape) / 10 / 8
    left = cv2.Sobel(smooth, cv2.CV_32F, 1, 0) * scale
    up = cv2.Sobel(smooth, cv2.CV_32F, 0, 1) * scale
    vectors = np.dstack([left, up, np.ones_like(left)])
    unit: np.ndarray[Any, Any] = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    return unit


def areas(image: Image.Image, options: Mapping[str, float], addons: Addons, device: str) -> Image.Image:
    """Each kind of thing in its colour of ADE20K."""
    ref = _found(addons, "segmentation", (maps.SEGMENTATION,), _AREAS)
    small = _workable(image)
    prepare = helpers.processor(ref, "SegformerImageProcessor")
    with helpers.loaded(ref, device) as model:
        given = prepare(images=small, return_tensors="pt").to(device)
        found = model(**given)
        classes = prepare.post_process_semantic_segmentation(found, target_sizes=[small.size[::-1]])[0].cpu().numpy()
    colours = np.array([colour(number) for number in range(256)] + [(0, 0, 0)], np.uint8)
    classes = np.where((classes < 0) | (classes > 255), 256, classes)
    return _fit(Image.fromarray(colours[classes]), image, Image.Resampling.NEAREST)


def _found(addons: Addons, name: str, roles: tuple[str, ...], fitting: str) -> AddonRef:
    ref = helpers.helper(addons, roles, fitting)
    if ref is None:
        raise InvalidInputError(Problem(maps.PREPROCESSOR, name, maps.missing(name)))
    return ref


def _nearness(image: Image.Image, ref: AddonRef, device: str) -> np.ndarray[Any, Any]:
    """0 for the farthest to 1 for the nearest."""
    small = _workable(image)
    if helpers.class_of(ref).endswith("Pipeline"):
        with helpers.pipeline(ref, device) as pipe:
            far: np.ndarray[Any, Any] = np.asarray(pipe(small).prediction, np.float32).reshape(-1, *small.size[::-1])[0]
            return 1.0 - far
    prepare = helpers.processor(ref, "DPTImageProcessor")
    with helpers.loaded(ref, device) as model:
        found = model(**prepare(images=small, return_tensors="pt").to(device))
        sizes = [small.size[::-1]]
        values = prepare.post_process_depth_estimation(found, target_sizes=sizes)[0]["predicted_depth"]
        metric = getattr(model.config, "depth_estimation_type", "") == "metric" or model.config.model_type in _METRIC
    told = values.float().cpu().numpy().reshape(small.size[::-1])
    near = 1 / np.maximum(told, 1e-3) if metric else told
    low, high = np.percentile(near, (0.1, 99.9))
    level: np.ndarray[Any, Any] = np.clip((near - low) / max(high - low, 1e-12), 0, 1)
    return level


def _vectors(image: Image.Image, ref: AddonRef, device: str) -> np.ndarray[Any, Any]:
    """Normals as a model sees them; models tell right, up, towards the viewer."""
    small = _workable(image)
    if helpers.class_of(ref).endswith("Pipeline"):
        with helpers.pipeline(ref, device) as pipe:
            told = np.asarray(pipe(small).prediction, np.float32)[0]
    else:
        prepare = helpers.processor(ref, "DPTImageProcessor")
        with helpers.loaded(ref, device) as model:
            found = model(**prepare(images=small, return_tensors="pt").to(device)).normals
            told = torch.nn.functional.normalize(found.float(), dim=1)[0].permute(1, 2, 0).cpu().numpy()
    vectors: np.ndarray[Any, Any] = told * np.array([-1, 1, 1], np.float32)
    return vectors


def _workable(image: Image.Image) -> Image.Image:
    """A thin strip made thicker: models that keep the shape would make millions of pixels of it."""
    least = max(image.size) / _THINNEST
    size = (max(round(least), image.width, 32), max(round(least), image.height, 32))
    largest = 2048 / max(size)
    if largest < 1:
        size = (max(32, round(size[0] * largest)), max(32, round(size[1] * largest)))
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def _fit(made: Image.Image, image: Image.Image, how: Image.Resampling = Image.Resampling.BICUBIC) -> Image.Image:
    return made if made.size == image.size else made.resize(image.size, how)
