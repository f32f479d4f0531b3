"""Running out of memory, in all the ways the devices say it, as the one error the worker understands."""

from __future__ import annotations

import gc
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

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
def oom_as(stage: str) -> Iterator[None]:
    """Turn any out-of-memory within into ``OutOfMemoryError(stage)`` that holds no tensors alive.

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
        give_back()
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


def give_back() -> None:
    """Hand cached memory back to the device, so that other programs and the next try can have it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
    elif hasattr(torch, "xpu") and torch.xpu.is_available():
        torch.xpu.empty_cache()


def free_bytes(device: torch.device) -> int:
    """Bytes that can still be taken on ``device``, as its driver sees it."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    if device.type == "xpu":
        return int(torch.xpu.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a timing measures what it should."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    elif device.type == "xpu":
        torch.xpu.synchronize(device)
