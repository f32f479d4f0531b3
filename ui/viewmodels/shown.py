"""What stands on the canvas, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QImage


@dataclass(frozen=True)
class Shown:
    """What the user looks at: picture number ``number`` of ``job`` (0: whatever it is at), or ``result``."""

    job: str = ""
    number: int = 0
    result: str = ""


@dataclass(frozen=True)
class Picture:
    """``image`` is None while there is none yet: then a frame of ``width`` x ``height`` stands in for it."""

    image: QImage | None
    width: int
    height: int
    preview: bool = False
    missing: bool = False


@dataclass(frozen=True)
class StripItem:
    """One picture of the shown job: made (``result``, ``path``), being made, or still to come."""

    number: int
    result: str
    path: str
    current: bool
    live: bool
