"""Maps that need no weights, by OpenCV: what ControlNets for edges were trained with is its Canny.

Sources: J. Canny, "A computational approach to edge detection", 1986; R. Grompone von Gioi et al., "LSD: a line segment
detector", 2012; H. Winnemöller et al., "XDoG", 2012. Line art is the difference of a picture to its blurred self, as
the "standard" line art of ControlNet's preprocessors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageFilter, ImageOps

Pixels = np.ndarray[Any, np.dtype[Any]]
"""Height x width (x 3, RGB); bytes unless said otherwise."""
Options = Mapping[str, float]


def canny(image: Image.Image, options: Options) -> Image.Image:
    """Edges one pixel wide. Thresholds are those of ``cv2.Canny``; the lower of the two is the weak one."""
    low, high = sorted((options["low_threshold"], options["high_threshold"]))
    return _at(image, options, lambda grey: cv2.Canny(grey, low, high))


def soft_edges(image: Image.Image, options: Options) -> Image.Image:
    """Gradient magnitude of the smoothed picture at three scales; the strongest one in a hundred is white."""

    def find(grey: Pixels) -> Pixels:
        total = np.zeros(grey.shape, np.float32)
        for scale in (1.0, 2.0, 4.0):
            smooth = _blurred(grey.astype(np.float32), options["smoothing"] * scale)
            across, down = cv2.Scharr(smooth, cv2.CV_32F, 1, 0), cv2.Scharr(smooth, cv2.CV_32F, 0, 1)
            total += cv2.magnitude(across, down) * scale
        return _stretched(total)

    return _at(image, options, find)


def line_art(image: Image.Image, options: Options) -> Image.Image:
    """What is darker or lighter than its surroundings, faint things left out."""

    def find(grey: Pixels) -> Pixels:
        around = _blurred(grey.astype(np.float32), options["line_width"])
        lines = around - grey
        lines[lines < options["cut"]] = 0.0
        # A picture has hardly ever nothing at all; the middle of what there is sets the ink.
        seen = lines[lines > 0]
        ink = max(16.0, float(np.median(seen))) if seen.size else 16.0
        return np.clip(lines / ink * 127.0, 0, 255).astype(np.uint8)

    return _at(image, options, find)


def scribble(image: Image.Image, options: Options) -> Image.Image:
    """Strokes where a narrow and a wide blur differ (XDoG), black or white."""

    def find(grey: Pixels) -> Pixels:
        grey = grey.astype(np.float32)
        narrow, wide = _blurred(grey, 0.5), _blurred(grey, 5.0)
        difference = 2 * (255.0 - np.clip(narrow - wide, -255, 255) - 255.0)
        return np.where(difference > options["threshold"], 255, 0).astype(np.uint8)

    return _at(image, options, find)


def straight_lines(image: Image.Image, options: Options) -> Image.Image:
    """Line segments at least so long, white on black."""

    def find(grey: Pixels) -> Pixels:
        shortest = max(grey.shape) * options["shortest"] / 100
        drawn = np.zeros(grey.shape, np.uint8)
        # On very small pictures the detector's own scaling leaves nothing to look at.
        found = cv2.createLineSegmentDetector().detect(grey)[0] if min(grey.shape) >= 8 else None
        for x1, y1, x2, y2 in [] if found is None else found.reshape(-1, 4):
            if np.hypot(x2 - x1, y2 - y1) >= shortest:
                cv2.line(drawn, (round(x1), round(y1)), (round(x2), round(y2)), 255, 1, cv2.LINE_AA)
        return drawn

    return _at(image, options, find)


def tile(image: Image.Image, options: Options) -> Image.Image:
    """The picture made smaller and large again."""
    factor = options["shrink"]
    small = (max(1, round(image.width / factor)), max(1, round(image.height / factor)))
    return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC)


def blur(image: Image.Image, options: Options) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(options["radius"]))


def grayscale(image: Image.Image, options: Options) -> Image.Image:
    return image.convert("L").convert("RGB")


def invert(image: Image.Image, options: Options) -> Image.Image:
    return ImageOps.invert(image)


DRAWN: dict[str, Callable[[Image.Image, Options], Image.Image]] = {
    "canny": canny,
    "softedge": soft_edges,
    "lineart": line_art,
    "scribble": scribble,
    "lines": straight_lines,
    "tile": tile,
    "blur": blur,
    "grayscale": grayscale,
    "invert": invert,
}


def _at(image: Image.Image, options: Options, find: Callable[[Pixels], Pixels]) -> Image.Image:
    """What ``find`` makes of the grey picture at the resolution asked for, in the picture's own size."""
    grey = image.convert("L")
    scale = options["resolution"] / min(grey.size)
    # So long a strip would stay too large to work on at any useful width.
    scale = min(scale, 8192 / max(grey.size))
    if scale < 1:
        grey = grey.resize(
            (max(1, round(grey.width * scale)), max(1, round(grey.height * scale))), Image.Resampling.BOX
        )
    found = Image.fromarray(find(np.asarray(grey)))
    if found.size != image.size:
        found = found.resize(image.size, Image.Resampling.BICUBIC)
    return found.convert("RGB")


def _blurred(values: Pixels, sigma: float) -> Pixels:
    return cv2.GaussianBlur(values, (0, 0), sigma) if sigma > 0 else values


def _stretched(values: Pixels) -> Pixels:
    """From 0 to what one in a hundred passes, as bytes; a flat picture stays black."""
    high = float(np.percentile(values, 99))
    return np.clip(values / high * 255, 0, 255).astype(np.uint8) if high > 1.0 else np.zeros(values.shape, np.uint8)
