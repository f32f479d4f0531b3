"""Running out of memory, in all the ways the devices say it, as the one error the worker understands."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from models import devices
from models.errors import AtelierError, ErrorCode
from models.runners.base import OutOfMemoryError

_FAILED = re.compile(r"\b(CUDA|HIP|XPU|MPS|cuDNN|cuBLAS|MIOpen) (error|failed)|device-side assert", re.IGNORECASE)

_WORDS = (
    "out of memory",
    "can't allocate memory",
    "defaultcpuallocator",
    "cannot allocate memory",
    "cublas_status_alloc_failed",
    "out_of_device_memory",
    "out_of_resources",
)


def is_oom(error: BaseException) -> bool:
    """True for CUDA's, Metal's, XPU's and the CPU allocator's way of saying that there is no room."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == 12:
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)


@contextmanager
def oom_as(stage: str, device: str) -> Iterator[None]:
    """Turn any out-of-memory within into ``OutOfMemoryError(stage)`` that holds no tensors alive on ``device``.

    The frames of the original hold the very tensors whose room is needed for the next try, so they are cleared and the
    original is not shown as its cause.
    """
    detail = None
    try:
        yield
    except Exception as error:
        if isinstance(error, OutOfMemoryError) or not is_oom(error):
            raise
        detail = str(error) or type(error).__name__
        traceback.clear_frames(error.__traceback__)
    if detail is not None:
        devices.release(device)
        raise OutOfMemoryError(stage, detail) from None


@contextmanager
def device_failures(device: str) -> Iterator[None]:
    """A device that stopped working (lost, hung, or an assertion in a kernel), as DEVICE_FAILED naming it.

    Nothing on it can be trusted afterwards: the worker process should be replaced.
    """
    try:
        yield
    except RuntimeError as error:
        if is_oom(error) or not (isinstance(error, torch.AcceleratorError) or _FAILED.search(str(error))):
            raise
        raise AtelierError(ErrorCode.DEVICE_FAILED, str(error), device=device) from error


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a timing measures what it should."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    elif device.type == "xpu":
        torch.xpu.synchronize(device)
