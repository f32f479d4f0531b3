"""Colours, sizes, type and icons, defined once and applied to the whole application."""

from __future__ import annotations

from ui.theme.tokens import DARK, Colors

_current = DARK


def current() -> Colors:
    """The colours in use now; ask again at every paint, never keep them."""
    return _current


def set_current(colors: Colors) -> None:
    """For ``ui.theme.apply`` only."""
    global _current
    _current = colors
