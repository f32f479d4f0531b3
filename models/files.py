"""Writing a file from the worker so that it appears complete or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write beside ``path``, flush to the disk, rename. Only one writer at a time: the name beside it is fixed.

    Raises:
        OSError: nothing was left behind (ENOSPC: the disk is full).
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
