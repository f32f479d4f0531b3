"""Child processes of ours: started on pipes with a log for their standard error, ended for certain.

Used by the two that have a child: ``engine`` (the worker) and ``hub_client`` (the hub process).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

_LOG_LIMIT = 2_000_000  # bytes
_TAIL = 4000  # bytes


def spawn(python: str, module: str, log: Path) -> subprocess.Popen[bytes]:
    """Start ``python -m module`` with pipes for input and output; its errors go to ``log``. Raises OSError."""
    log.parent.mkdir(parents=True, exist_ok=True)
    mode = "wb" if log.exists() and log.stat().st_size > _LOG_LIMIT else "ab"
    # The child must find our packages wherever the app was started from.
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    with log.open(mode) as log_file:
        return subprocess.Popen(
            [python, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            env=environment,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )


def end(process: subprocess.Popen[bytes], wait: float) -> None:
    """Give a child that was asked to end ``wait`` seconds, then force it."""
    try:
        process.wait(wait)
    except subprocess.TimeoutExpired:
        process.kill()
        # One that hangs inside a driver cannot even be killed; it is left to the system.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5.0)
    close_pipes(process)


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.close()


def log_tail(log: Path) -> str:
    """The last lines of a child's log; empty when there is none."""
    with contextlib.suppress(OSError):
        return log.read_bytes()[-_TAIL:].decode(errors="replace")
    return ""
