"""What a child process of ours does to itself before anything else: guarded pipes, and death with its parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import BinaryIO

_PR_SET_PDEATHSIG = 1


def guard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Take the two pipes for ourselves, and point 0 and 1 elsewhere: a stray ``print`` lands in the log.

    Returns the streams to read requests from and to write messages to.
    """
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    messages = os.fdopen(os.dup(1), "wb")
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(requests.fileno(), os.O_BINARY)
        msvcrt.setmode(messages.fileno(), os.O_BINARY)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, messages


def die_with_parent() -> None:
    """Linux ends us when the parent ends, however it ends; elsewhere the end of the request pipe tells."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
