"""What a worker does to its own process before anything else: no network, guarded pipes, death with its parent."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from typing import BinaryIO

from models.guard import die_with_parent, guard_streams

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


def prepare() -> tuple[BinaryIO, BinaryIO]:
    """Offline and guarded, before torch is imported. A Ctrl+C in the terminal is the parent's to handle, not ours."""
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
