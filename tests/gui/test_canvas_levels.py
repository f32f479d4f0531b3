"""Smaller versions of large pictures: the right colours at odd sizes, with alpha, and read off the GUI thread."""

from __future__ import annotations

import pytest
from PIL import Image
from PySide6.QtGui import QColor, QImage

from ui.viewmodels.levels import levels_of, premultiplied, smaller
from ui.viewmodels.opening import from_pillow, open_for_canvas

FORM = QImage.Format


def halves(width: int, height: int, form: QImage.Format = FORM.Format_RGB32) -> QImage:
    """Left red, right blue."""
    image = QImage(width, height, form)
    image.fill(QColor(200, 10, 20))
    for y in range(height):
        for x in range(width // 2, width):
            image.setPixelColor(x, y, QColor(10, 30, 220))
    return image


@pytest.mark.parametrize("size", [(2401, 33), (33, 2401), (2400, 32)])
def test_each_level_is_half_of_the_one_before(size) -> None:
    levels, thumb = smaller(halves(*size))
    assert [(each.width(), each.height()) for each in levels] == [((size[0] + 1) // 2, (size[1] + 1) // 2)]
    for image in (*levels, thumb):
        assert image.pixelColor(0, image.height() // 2).getRgb()[:3] == (200, 10, 20)
        assert image.pixelColor(image.width() - 1, image.height() // 2).getRgb()[:3] == (10, 30, 220)


def test_small_pictures_need_none() -> None:
    image = halves(200, 100)
    levels, thumb = smaller(image)
    assert levels == ()
    assert thumb.width() == 256


def test_transparent_places_do_not_darken_what_is_beside_them() -> None:
    image = QImage(2400, 4, FORM.Format_ARGB32)
    image.fill(QColor(0, 255, 0, 0))
    for x in range(0, 2400, 2):
        for y in range(4):
            image.setPixelColor(x, y, QColor(240, 120, 40, 255))
    ready = premultiplied(image)
    assert ready.format() == FORM.Format_ARGB32_Premultiplied
    assert ready == image.convertToFormat(FORM.Format_ARGB32_Premultiplied)
    (half,) = levels_of(ready)
    seen = half.pixelColor(600, 1)
    assert seen.alpha() in (127, 128)
    assert all(abs(one - other) <= 2 for one, other in zip(seen.getRgb()[:3], (240, 120, 40), strict=True))


def test_other_forms_of_pixels_are_taken_too() -> None:
    grey = QImage(2000, 10, FORM.Format_Grayscale8)
    grey.fill(90)
    (half,) = levels_of(grey)
    assert half.pixelColor(500, 2).getRgb()[:3] == (90, 90, 90)


def test_a_picture_is_the_same_whoever_reads_it(tmp_path) -> None:
    picture = Image.effect_noise((1003, 701), 80).convert("RGB")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(tmp_path / "one.png")
    picture.save(tmp_path / "one.webp", lossless=True, exact=True)
    by_qt, by_pillow = open_for_canvas(str(tmp_path / "one.png")), open_for_canvas(str(tmp_path / "one.webp"))
    assert by_qt.image == by_pillow.image == from_pillow(picture)
