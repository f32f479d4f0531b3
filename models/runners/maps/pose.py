"""People as stick figures, in the colours that ControlNets for poses were trained with (OpenPose's 18 joints).

Joints are found by ViTPose; where a detector is installed each person is looked at alone, else the picture is taken to
show one. Sources: Z. Cao et al., "OpenPose", 2019; Y. Xu et al., "ViTPose", 2022.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from models import maps
from models.errors import InvalidInputError, Problem
from models.runners.base import Addons
from models.runners.maps import helpers

_POSES = "^VitPoseForPoseEstimation$"
_FINDERS = "^(?!.*GroundingDino|Owl|OmDet).*ForObjectDetection$"  # those are asked in words
_MOST_PEOPLE = 40
_SURE = 0.5  # how sure a detector has to be of a person

# OpenPose's joints (nose, neck, right arm, left arm, right leg, left leg, eyes, ears) among the 17 of COCO; the neck,
# which COCO does not have, lies between the shoulders.
_OF_COCO = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_SHOULDERS = (5, 6)
_BONES = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
    (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip

Joint = tuple[float, float] | None
"""Pixels from the left and the top; None where it was not seen."""


def pose(image: Image.Image, options: Mapping[str, float], addons: Addons, device: str) -> Image.Image:
    """All people in the picture, on black."""
    ref = helpers.helper(addons, (maps.POSE,), _POSES)
    if ref is None:
        raise InvalidInputError(Problem(maps.PREPROCESSOR, "pose", maps.missing("pose")))
    boxes = _people(image, addons, device)
    if not boxes:
        return Image.new("RGB", image.size)
    prepare = helpers.processor(ref, "VitPoseImageProcessor")
    with helpers.loaded(ref, device) as model:
        given = prepare(images=[image], boxes=[boxes], return_tensors="pt").to(device)
        if getattr(model.config.backbone_config, "num_experts", 1) > 1:  # ViTPose++: the expert for people
            given["dataset_index"] = torch.zeros(len(boxes), dtype=torch.long, device=device)
        found = prepare.post_process_pose_estimation(model(**given), boxes=[np.array(boxes, np.float32)])[0]
    return drawn(image.size, [joints(each["keypoints"], each["scores"], options["confidence"]) for each in found])


def joints(points: Any, scores: Any, least: float) -> list[Joint]:
    """COCO's 17 points as OpenPose's 18 joints, without those that are less sure than ``least``."""
    seen = [(float(x), float(y)) if float(score) >= least else None
            for (x, y), score in zip(points, scores, strict=True)]  # fmt: skip
    left, right = (seen[number] for number in _SHOULDERS)
    neck = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2) if left and right else None
    return [neck if number is None else seen[number] for number in _OF_COCO]


def drawn(size: tuple[int, int], people: Sequence[Sequence[Joint]]) -> Image.Image:
    """Bones as coloured ellipses, darkened, with the joints as dots over them."""
    picture = Image.new("RGB", size)
    draw = ImageDraw.Draw(picture)
    thick = max(1.0, min(size) / 512 * 4)
    for person in people:
        for number, (one, other) in enumerate(_BONES):
            start, end = person[one], person[other]
            if start is not None and end is not None:
                draw.polygon(_ellipse(start, end, thick), fill=_colour(number, 0.6))
        for number, joint in enumerate(person):
            if joint is not None:
                x, y = joint
                draw.ellipse((x - thick, y - thick, x + thick, y + thick), fill=_colour(number))
    return picture


def _people(image: Image.Image, addons: Addons, device: str) -> list[list[float]]:
    """Boxes (left, top, width, height) of people, the surest first; the whole picture without a detector."""
    ref = helpers.helper(addons, (maps.DETECTION,), _FINDERS, knows="person")
    if ref is None:
        return [[0.0, 0.0, float(image.width), float(image.height)]]
    prepare = helpers.processor(ref, "RTDetrImageProcessor")
    with helpers.loaded(ref, device) as model:
        found = model(**prepare(images=image, return_tensors="pt").to(device))
        told = prepare.post_process_object_detection(found, threshold=_SURE, target_sizes=[image.size[::-1]])[0]
        names = model.config.id2label
    boxes = []
    for score, label, box in zip(told["scores"].tolist(), told["labels"].tolist(), told["boxes"].tolist(), strict=True):
        left, top, right, bottom = box
        if str(names.get(label, "")).lower() == "person" and right > left and bottom > top:
            boxes.append((score, [left, top, right - left, bottom - top]))
    boxes.sort(key=lambda item: -item[0])
    return [box for _, box in boxes[:_MOST_PEOPLE]]


def _colour(number: int, light: float = 1.0) -> tuple[int, int, int]:
    """OpenPose goes once round the colour circle, in eighteen steps from red."""
    red, green, blue = colorsys.hsv_to_rgb(number / 18, 1.0, light)
    return round(red * 255), round(green * 255), round(blue * 255)


def _ellipse(start: tuple[float, float], end: tuple[float, float], thick: float) -> list[tuple[float, float]]:
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    length = math.dist(start, end) / 2
    turn = math.atan2(end[1] - start[1], end[0] - start[0])
    points = []
    for step in range(24):
        along, across = length * math.cos(step * math.pi / 12), thick * math.sin(step * math.pi / 12)
        x = middle[0] + along * math.cos(turn) - across * math.sin(turn)
        points.append((x, middle[1] + along * math.sin(turn) + across * math.cos(turn)))
    return points
