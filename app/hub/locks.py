"""One at a time, over all processes: locks that lie in the cache, as huggingface_hub's own do.

filelock is what huggingface_hub uses; taking the same files keeps other tools from fetching what is being fetched here.
A lock ends with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from app.hub.net import Halt

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2

_ours: set[Path] = set()


@contextlib.contextmanager
def hold(path: Path, halt: Halt, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock ``path`` during the block; ``waiting`` is called now and then while somebody else has it.

    On a file system that knows no locks there is none: blobs appear whole in any case.

    Raises:
        HaltedError: somebody said stop meanwhile.
    """
    lock = _new(path)
    while lock is not None:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            waiting()
            halt.wait(LOOK_SECONDS)
        except (OSError, NotImplementedError):
            log.warning("no lock can be had at %s", path)
            lock = None
    _ours.add(path)
    try:
        yield
    finally:
        _ours.discard(path)
        if lock is not None:
            lock.release()


def held_elsewhere(path: Path) -> bool:
    """Whether another process holds the lock ``path`` just now."""
    lock = _new(path)
    if lock is None or path in _ours:
        return False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False
    lock.release()
    return False


def _new(path: Path) -> FileLock | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return FileLock(path, thread_local=False)
