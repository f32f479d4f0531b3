"""Maps of pictures, for ControlNets: the heavy half of ``models.maps``."""

from __future__ import annotations

from PIL import Image

from models import maps
from models.errors import InvalidInputError, Problem
from models.pictures import flatten
from models.runners.base import NO_ADDONS, Addons, Report

__all__ = ["make_map"]


def make_map(
    preprocessor: str,
    image: Image.Image,
    addons: Addons = NO_ADDONS,
    report: Report | None = None,
    *,
    device: str = "cpu",
    **options: float,
) -> Image.Image:
    """The map that ``preprocessor`` (a name in ``models.maps``; empty: the picture is the map) makes of ``image``.

    Mode RGB, of the size of ``image``, which may have any mode; what is transparent counts as white. Of ``addons``
    those are used whose ``kind`` is a role that the preprocessor needs, by whatever name they go. ``device`` is where
    helper models run, as torch calls it. ``options`` are the preprocessor's own; others are ignored.

    Raises:
        InvalidInputError: there is no such preprocessor, or no add-on that it needs.
        CancelledRunError: from ``report.checkpoint``.
    """
    picture = flatten(image)
    if not preprocessor:
        return picture
    if preprocessor not in maps.PREPROCESSORS:
        raise InvalidInputError(Problem("preprocessor", preprocessor, maps.unknown(preprocessor)))
    if report is not None:
        report.checkpoint()
    return _make(preprocessor, picture, addons, device, maps.settings(preprocessor, options))


def _make(name: str, picture: Image.Image, addons: Addons, device: str, options: dict[str, float]) -> Image.Image:
    from models.runners.maps import drawn  # here, and below: libraries are imported when a map needs them

    if name in drawn.DRAWN:
        return drawn.DRAWN[name](picture, options)
    from models.runners.maps import pose, seen

    ways = {"depth": seen.depth, "normal": seen.normals, "segmentation": seen.areas, "pose": pose.pose}
    return ways[name](picture, options, addons, device)
