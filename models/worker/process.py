"""What a worker does to its own process before anything else: guarded pipes, no network, death with its parent."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
from typing import BinaryIO

_PR_SET_PDEATHSIG = 1

OFFLINE = {
    # Only the downloader talks to the network; these make every hub client in this process refuse.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DIFFUSERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "DO_NOT_TRACK": "1",
    # The window's form of progress is ours, and tokenizers must not fork-warn.
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # On Apple silicon the few operations Metal lacks run on the processor; read when torch is imported.
    "PYTORCH_ENABLE_MPS_FALLBACK": "1",
}


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
    """Linux ends us when the parent ends, however it ends; elsewhere the end of the request pipe tells (see loop)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def prepare() -> tuple[BinaryIO, BinaryIO]:
    """All of the above, before torch is imported. A Ctrl+C in the terminal is the parent's to handle, not ours."""
    os.environ.update(OFFLINE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    streams = guard_streams()
    faulthandler.enable(file=sys.stderr)
    die_with_parent()
    return streams


def resident_memory() -> int:
    """Bytes of memory this process takes."""
    import psutil

    return int(psutil.Process().memory_info().rss)
