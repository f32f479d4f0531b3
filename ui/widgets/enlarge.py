"""Small pictures enlarged with a bicubic filter: Qt's own enlarging is bilinear and shows its grid."""

from __future__ import annotations

import math

from PySide6.QtGui import QImage

SIDE_MOST = 256
FACTOR_MOST = 12


def factor_for(image: QImage, scale: float) -> int:
    """How much larger ``image`` should be made to be shown at ``scale`` screen pixels a pixel; 1: leave it."""
    side = max(image.width(), image.height())
    if scale < 1.5 or side > SIDE_MOST or side == 0:
        return 1
    return max(1, min(FACTOR_MOST, math.ceil(scale), 2048 // side))


def enlarged(image: QImage, factor: int) -> QImage:
    """``image`` times ``factor``; takes a few milliseconds, for small pictures only."""
    from PIL import Image  # loaded with the first small picture, not with the window

    plain = image.convertToFormat(QImage.Format.Format_RGBA8888)
    width, height = plain.width(), plain.height()
    source = Image.frombuffer("RGBA", (width, height), bytes(plain.constBits()), "raw", "RGBA", plain.bytesPerLine(), 1)
    large = source.resize((width * factor, height * factor), Image.Resampling.BICUBIC)
    data = large.tobytes()
    return QImage(data, large.width, large.height, large.width * 4, QImage.Format.Format_RGBA8888).copy()
