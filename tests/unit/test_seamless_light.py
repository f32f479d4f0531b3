"""Textures without a model: the seam score, sheets, the cross over old edges, and padding that wraps."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from models import seamless
from models.errors import InvalidInputError


def waves(periods_x: float, periods_y: float, side: int = 64) -> Image.Image:
    """Smooth waves that meet at the edges where the number of periods is whole."""
    y, x = np.mgrid[0:side, 0:side] / side
    light = 127 + 60 * np.sin(2 * np.pi * periods_x * x) + 60 * np.cos(2 * np.pi * periods_y * y)
    return Image.fromarray(np.stack([light] * 3, axis=2).clip(0, 255).astype(np.uint8))


def test_the_score_knows_a_tile_from_a_picture() -> None:
    assert seamless.seam_score(waves(2, 3)) < 1.8
    assert seamless.seam_score(waves(2.5, 3)) < seamless.seam_score(waves(2.25, 3))
    assert seamless.seam_score(waves(2.25, 3)) > 4
    assert seamless.seam_score(waves(2.25, 3), (False, True)) < 1.8
    assert seamless.seam_score(Image.new("RGB", (8, 8), (9, 9, 9))) == 1
    assert seamless.seam_score(Image.new("L", (1, 1))) == 1


def test_the_score_is_that_of_the_picture_moved_round() -> None:
    tile = waves(3, 2)
    assert abs(seamless.seam_score(seamless.shifted(tile)) - seamless.seam_score(tile)) < 0.4


def test_a_sheet_repeats_every_pixel() -> None:
    tile = waves(1.3, 1)
    made = np.asarray(seamless.sheet(tile, 3, 2))
    assert made.shape == (128, 192, 3)
    assert (made == np.tile(np.asarray(tile), (2, 3, 1))).all()
    for columns, rows in ((0, 1), (1, 257)):
        with pytest.raises(InvalidInputError):
            seamless.sheet(tile, columns, rows)


def test_old_edges_lie_under_the_cross_and_new_ones_are_left() -> None:
    mask = np.asarray(seamless.cross((64, 48)))
    assert mask[:, 31:33].all()
    assert mask[23:25, :].all()
    assert not mask[0, 0]
    one = np.asarray(seamless.cross((64, 48), (True, False)))
    assert not one[:, 0].any()
    assert one[0, 32]


@pytest.mark.parametrize("scale", [1, 2])
def test_wrapped_pictures_come_back_whole(scale: int) -> None:
    tile = waves(1.7, 2.2)
    padded = seamless.wrapped(tile, 16)
    assert padded.size == (96, 96)
    assert padded.getpixel((0, 0)) == tile.getpixel((48, 48))
    bigger = padded.resize((96 * scale, 96 * scale), Image.Resampling.NEAREST)
    back = seamless.unwrapped(bigger, tile.size, 16)
    assert (np.asarray(back)[::scale, ::scale] == np.asarray(tile)).all()
