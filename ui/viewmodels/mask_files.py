"""What the canvas hands to a job as files: masks, and pictures from the clipboard.

Queued jobs find their mask as it was: each is written anew, none is changed.
"""

from __future__ import annotations

import io
import secrets
import time
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtGui import QImage

from app.files import write_atomically
from app.paths import Paths

MASKS_KEPT = 200
"""The newest; older ones belong to jobs long done."""


def new_pasted_file(paths: Paths) -> Path:
    """Where a picture from the clipboard is kept, so that it can be an input."""
    return paths.cache / "pasted" / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}.png"


def write_picture(image: QImage, path: Path) -> None:
    """Write ``image`` as PNG, whole or not at all. Raises OSError."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG", 90)  # type: ignore[call-overload]  # the stubs want bytes, the call wants text
    write_atomically(path, bytes(buffer.data().data()))


def new_mask_file(paths: Paths) -> Path:
    """A name no mask had yet; names sort by their time."""
    return paths.data / "masks" / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}.png"


def write_mask(image: QImage, path: Path, keep: int = 0) -> None:
    """Write a grey image as PNG, whole or not at all; ``keep`` so many of the newest in its folder (0: all).

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    from ui.viewmodels.mask_shapes import to_pillow

    buffer = io.BytesIO()
    to_pillow(image).save(buffer, "PNG", compress_level=1)
    write_atomically(path, buffer.getvalue())
    if keep:
        for old in sorted(path.parent.glob("*.png"))[:-keep]:
            old.unlink(missing_ok=True)
