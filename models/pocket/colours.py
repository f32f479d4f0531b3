"""Colours by name: recolouring pictograms, coloured grounds, and reading a colour back from a picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

HUES: dict[str, float] = {
    "red": 0.0,
    "orange": 30 / 360,
    "yellow": 50 / 360,
    "green": 125 / 360,
    "blue": 213 / 360,
    "purple": 272 / 360,
    "pink": 328 / 360,
}
"""Colour words a thing can be recoloured to, with the hue (0 to 1) that stands for each."""

GROUNDS: dict[str, tuple[int, int, int]] = {
    "blue": (120, 180, 240),
    "green": (140, 210, 140),
    "yellow": (250, 225, 120),
    "pink": (250, 180, 210),
    "red": (225, 90, 80),
    "purple": (180, 150, 225),
    "orange": (250, 180, 100),
    "grey": (170, 170, 170),
    "black": (25, 25, 28),
}
"""Background colours other than the usual white."""

WHITE = (255, 255, 255)


def unit(rgb: Bytes) -> Floats:
    """Bytes as 0 to 1."""
    return (rgb.astype(np.float32) / np.float32(255)).astype(np.float32)


def to_hsv(rgb: Floats) -> tuple[Floats, Floats, Floats]:
    """Hue, saturation and value (each 0 to 1) of an array [..., 3] in 0 to 1."""
    top, low = rgb.max(-1), rgb.min(-1)
    span = top - low + 1e-8
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    hue = np.where(top == r, ((g - b) / span) % 6, np.where(top == g, (b - r) / span + 2, (r - g) / span + 4)) / 6
    return hue.astype(np.float32), ((top - low) / (top + 1e-8)).astype(np.float32), top


def from_hsv(hue: Floats, sat: Floats, val: Floats) -> Floats:
    """The inverse of `to_hsv`."""
    sector = np.floor(hue * 6) % 6
    part = hue * 6 - np.floor(hue * 6)
    p, q, t = val * (1 - sat), val * (1 - part * sat), val * (1 - (1 - part) * sat)
    cases = [(val, t, p), (q, val, p), (p, val, t), (p, q, val), (t, p, val), (val, p, q)]
    channels = [np.select([sector == k for k in range(6)], [case[j] for case in cases]) for j in range(3)]
    return np.stack(channels, -1).astype(np.float32)


def over(picture: Bytes, ground: tuple[int, int, int] = WHITE) -> Bytes:
    """Lay an RGBA picture on a plain ground."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    mixed = picture[..., :3] * alpha + np.array(ground, np.float32) * (1 - alpha)
    return mixed.round().astype(np.uint8)


def hue_distance(a: Floats | float, b: float) -> Floats:
    """Distance between hues on the colour circle, 0 to 0.5."""
    gap: Floats = np.abs((np.asarray(a, np.float32) - np.float32(b) + np.float32(0.5)) % 1 - np.float32(0.5))
    return gap


def dominant_hue(rgb: Floats, mask: npt.NDArray[np.bool_], share: float = 0.35) -> float | None:
    """The hue that most of the coloured pixels inside `mask` share, or None where there is no such hue."""
    hue, sat, val = to_hsv(rgb)
    coloured = mask & (sat > 0.25) & (val > 0.2)
    if coloured.sum() < share * max(int(mask.sum()), 1):
        return None
    counts, _ = np.histogram(hue[coloured], bins=36, range=(0, 1))
    smooth = np.sum([(3 - abs(k)) * np.roll(counts, k) for k in (-2, -1, 0, 1, 2)], axis=0)
    centre = (int(smooth.argmax()) + 0.5) / 36
    near = coloured & (hue_distance(hue, centre) < 2.5 / 36)
    if near.sum() < 0.5 * coloured.sum():
        return None
    return float((centre + ((hue[near] - centre + 0.5) % 1 - 0.5).mean()) % 1)


def recolour(picture: Bytes, name: str) -> Bytes | None:
    """A copy whose main hue is turned to the named colour; None where the picture has no main hue."""
    rgb = unit(picture[..., :3])
    main = dominant_hue(rgb, picture[..., 3] > 128)
    if main is None:
        return None
    hue, sat, val = to_hsv(rgb)
    near = hue_distance(hue, main) < 0.10
    hue = np.where(near, (hue - main + HUES[name]) % 1, hue).astype(np.float32)
    if name in ("yellow", "orange", "pink"):
        val = np.where(near & (sat > 0.3), np.maximum(val, 0.75 * val + 0.25), val).astype(np.float32)
    if name == "pink":
        sat = np.where(near, sat * 0.65, sat).astype(np.float32)
    out = picture.copy()
    out[..., :3] = (from_hsv(hue, sat, val) * 255).round().clip(0, 255).astype(np.uint8)
    return out


def name_of_hue(hue: float) -> str:
    """The colour word whose hue is nearest."""
    return min(HUES, key=lambda word: float(hue_distance(hue, HUES[word])))
