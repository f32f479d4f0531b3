"""Faults planted on purpose, so that tests can see what happens when a real process runs out of luck.

``ATELIER_FAULTS="decode:whole=oom;step=sleep:0.2"`` arms points by name; unset (always, for users) a point costs one
dictionary look-up. Actions: ``oom`` raises MemoryError, ``sleep:SECONDS``, ``exit:CODE`` ends the process,
``full`` raises OSError(ENOSPC), ``nan`` makes ``hit`` return True and the caller plants a NaN.
"""

from __future__ import annotations

import errno
import os
import time

_armed: dict[str, str] = {}
for _entry in filter(None, os.environ.get("ATELIER_FAULTS", "").split(";")):
    _point, _, _action = _entry.partition("=")
    _armed[_point.strip()] = _action.strip()


def hit(point: str) -> bool:
    """Do what is armed for ``point``; True when the caller should plant a NaN."""
    action = _armed.get(point)
    if action is None:
        return False
    verb, _, argument = action.partition(":")
    if verb == "oom":
        raise MemoryError(f"planted at {point}")
    if verb == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), point)
    if verb == "sleep":
        time.sleep(float(argument))
    elif verb == "exit":
        os._exit(int(argument))
    elif verb == "nan":
        return True
    else:
        raise ValueError(f"no fault action called {verb!r}")
    return False
