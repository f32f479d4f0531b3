"""What changes a mask as a whole, on plain grey pictures: grow, shrink, feather, invert.

Pillow lets other threads run meanwhile, so these are called off the GUI thread.
"""

from __future__ import annotations

from PIL import Image, ImageChops, ImageFilter
from PySide6.QtGui import QImage

from ui.viewmodels.levels import writable


def to_pillow(image: QImage) -> Image.Image:
    """A copy of a grey ``image``."""
    size = (image.width(), image.height())
    return Image.frombuffer("L", size, bytes(image.constBits()), "raw", "L", image.bytesPerLine(), 1)


def to_qimage(picture: Image.Image) -> QImage:
    """A grey image that owns its pixels."""
    image = QImage(picture.width, picture.height, QImage.Format.Format_Grayscale8)
    room, data, line = writable(image), picture.tobytes(), image.bytesPerLine()
    if line == picture.width:
        room[:] = data
    else:
        for y in range(picture.height):
            room[y * line : y * line + picture.width] = data[y * picture.width : (y + 1) * picture.width]
    return image


def spread(picture: Image.Image, pixels: int) -> Image.Image:
    """Every bright spot grown by ``pixels`` in all directions (an octagon, which is near enough to a circle)."""
    slanted = int(pixels * 0.293)
    grown = _steps(picture, pixels - 2 * slanted, ((1, 0), (0, 1)))
    return _steps(grown, slanted, ((1, 1), (1, -1)))


def _steps(picture: Image.Image, reach: int, ways: tuple[tuple[int, int], ...]) -> Image.Image:
    """The brightest within ``reach`` along each way; doubling the step needs only a few passes."""
    for dx, dy in ways:
        covered = 0
        while covered < reach:
            step = min(max(1, covered), reach - covered)
            ahead, behind = _moved(picture, dx * step, dy * step), _moved(picture, -dx * step, -dy * step)
            picture = ImageChops.lighter(picture, ImageChops.lighter(ahead, behind))
            covered += step
    return picture


def _moved(picture: Image.Image, dx: int, dy: int) -> Image.Image:
    width, height = picture.size
    moved = Image.new("L", picture.size, 0)
    moved.paste(picture.crop((max(0, -dx), max(0, -dy), min(width, width - dx), min(height, height - dy))),
                (max(0, dx), max(0, dy)))  # fmt: skip
    return moved


def grown(image: QImage, pixels: int) -> QImage:
    """Grown by ``pixels``; shrunk when that is negative. What touches the picture's edge shrinks from inside only."""
    picture = to_pillow(image)
    if pixels >= 0:
        return to_qimage(spread(picture, pixels))
    return to_qimage(ImageChops.invert(spread(ImageChops.invert(picture), -pixels)))


def feathered(image: QImage, pixels: int) -> QImage:
    """Edges made soft over about ``pixels``."""
    return to_qimage(to_pillow(image).filter(ImageFilter.GaussianBlur(pixels / 2)))


def inverted(image: QImage) -> QImage:
    return to_qimage(ImageChops.invert(to_pillow(image)))
