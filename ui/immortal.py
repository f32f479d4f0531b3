"""Keeps None, True and False alive on Python 3.11 under PySide6 6.12.

Those wheels are built for interpreters in which the singletons are immortal (3.12 and newer): calls that return nothing
give back a reference to ``None`` they never took, and after some ten thousand of them Python 3.11 aborts with
"deallocating None". A large count of references makes the singletons immortal there too. Where they already are, or
the interpreter is not CPython, nothing is done.
"""

from __future__ import annotations

import ctypes
import sys

_MANY = 1 << 50


def keep_singletons() -> None:
    """Call once before Qt is used; calling it again does no harm."""
    if sys.version_info >= (3, 12) or sys.implementation.name != "cpython" or hasattr(sys, "gettotalrefcount"):
        return
    for singleton in (None, True, False, NotImplemented):
        if sys.getrefcount(singleton) < _MANY // 2:
            ctypes.c_ssize_t.from_address(id(singleton)).value += _MANY
