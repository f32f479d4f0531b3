"""What the hub process does to itself before anything else: guarded pipes, death with its parent, and privacy."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
from typing import BinaryIO

from app.hub.errors import scrub
from models.guard import die_with_parent, guard_streams

PRIVATE = {
    # Nothing goes over the network but what somebody asked for, and a token only where we put it.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "DO_NOT_TRACK": "1",
    # Transfers are ours (see app.hub); the window's form of progress is ours, too.
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_SYMLINKS_WARNING": "1",
}
_LOUD = ("HF_DEBUG", "HF_HUB_VERBOSITY")
"""Would write requests with their headers into the log."""


class _Scrubbed(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


def prepare() -> tuple[BinaryIO, BinaryIO]:
    """All of the above, before huggingface_hub is imported. A Ctrl+C in the terminal is the parent's to handle."""
    os.environ.update(PRIVATE)
    for name in _LOUD:
        os.environ.pop(name, None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    streams = guard_streams()
    faulthandler.enable(file=sys.stderr)
    die_with_parent()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Scrubbed("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("httpx2", "httpcore2", "filelock", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.WARNING)  # they write every (signed) address
    return streams
