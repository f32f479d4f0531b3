"""From latents to pixels without losing a picture: whole, then in tiles, then on the CPU; and again in float32 when
the numbers overflowed.

float16 autoencoders overflow to NaN on some latents (known of SDXL's), and decoding is where memory peaks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch

from models import faults
from models.errors import AtelierError, ErrorCode
from models.folders import FolderInfo
from models.planning import TILE, Plan
from models.runners.base import OutOfMemoryError, Report
from models.runners.diffusion.hooks import repeated_blocks
from models.runners.diffusion.loading import enable_tiling, load_part, vae_of
from models.runners.diffusion.memory import oom_as
from models.sizes import vae_factor

log = logging.getLogger(__name__)

Attempt = Callable[[torch.Tensor, dict[str, Any]], Any]


class Decoder:
    """Stands in for ``vae.decode`` of one pipeline; holds its own way to the original.

    Results are what the autoencoder's own ``decode`` returns, with pixels roughly in -1..1 as item 0; they may lie on
    the CPU in float32 whatever the plan was.
    """

    def __init__(self, pipe: Any, info: FolderInfo, plan: Plan, report: Report) -> None:
        name, self._vae = vae_of(pipe)
        self._info = info
        self._part = info.part(name)
        self._device = torch.device(plan.device)
        # Autoencoders that say so overflow in float16; SDXL casts its own up and back around each decode.
        upcast = plan.vae_dtype == "float16" and self._vae.config.get("force_upcast")
        self._dtype: torch.dtype = torch.float32 if upcast else getattr(torch, plan.vae_dtype)
        self._report = report
        self._original = self._vae.decode
        self._ways: tuple[tuple[str, str, Attempt], ...] = (
            ("decode:whole", "", self._as_planned),
            ("decode:tiled", "decode_tiled", self._tiled),
            ("decode:cpu", "decode_on_cpu", self._on_cpu),
        )

    def decode(self, latents: torch.Tensor, options: dict[str, Any]) -> Any:
        """Decode ``latents`` by the first way that has room; in float32 if the result is not finite.

        Raises:
            OutOfMemoryError: with stage "decode" when even the CPU has no room.
            AtelierError: RESULT_BROKEN when float32 does not help.
        """
        result = self._by_ladder(latents, options)
        return result if finite(result[0]) else self.decode_safely(latents, options)

    def decode_safely(self, latents: torch.Tensor, options: dict[str, Any]) -> Any:
        """Decode in float32 with weights read from the disk again; raises as ``decode``."""
        self._report.notice("decoded_again_float32")
        try:
            with oom_as("decode", str(self._device)):
                result = self._fresh(self._device, latents, options)
        except OutOfMemoryError:
            with oom_as("decode", str(self._device)):
                result = self._on_cpu(latents, options)
        if not finite(result[0]):
            raise AtelierError(ErrorCode.RESULT_BROKEN, "not finite after decoding in float32", what="nan")
        return result

    def _by_ladder(self, latents: torch.Tensor, options: dict[str, Any]) -> Any:
        detail = ""
        for point, notice, attempt in self._ways:
            try:
                with oom_as("decode", str(self._device)):
                    broken = faults.hit(point)
                    result = attempt(latents, options)
            except OutOfMemoryError as error:
                detail = str(error)
                log.warning("%s: %s", point, detail)
                continue
            if result is not None:
                if notice:
                    self._report.notice(notice)
                return _planted(result) if broken else result
        raise OutOfMemoryError("decode", detail)

    def _as_planned(self, latents: torch.Tensor, options: dict[str, Any]) -> Any:
        if self._vae.dtype != self._dtype:
            self._vae.to(dtype=self._dtype)
        return self._original(latents.to(self._device, self._dtype), **options)

    def _tiled(self, latents: torch.Tensor, options: dict[str, Any]) -> Any:
        """In tiles of at most half the picture; None when this autoencoder cannot."""
        before = {name: value for name, value in vars(self._vae).items() if name.startswith(("tile_", "use_tiling"))}
        side = max(latents.shape[-2:]) * vae_factor({"vae": self._vae.config})
        if not enable_tiling(self._vae, tile_for(side)):
            return None
        try:
            return self._as_planned(latents, options)
        finally:
            vars(self._vae).update(before)

    def _on_cpu(self, latents: torch.Tensor, options: dict[str, Any]) -> Any:
        return self._fresh(torch.device("cpu"), latents, options)

    def _fresh(self, device: torch.device, latents: torch.Tensor, options: dict[str, Any]) -> Any:
        """Decode with another copy of the autoencoder, so that offload hooks and number types of the loaded one are
        not disturbed."""
        again = vars(self._vae).get("read_again")  # another one than the model's own (``vaes``)
        assert self._part is not None
        vae = (again() if again else load_part(self._info, self._part, torch.float32)).to(device)
        with ExitStack() as stack, torch.no_grad():
            for block in repeated_blocks(vae):
                stack.callback(block.register_forward_pre_hook(lambda *_: self._report.checkpoint()).remove)
            return vae.decode(latents.to(device, torch.float32), **options)


def tile_for(side: int) -> int:
    """Pixels of a tile of at most half of ``side``. A power of two: three quarters of other tiles are no whole number
    of latents, and the picture put together from them would not have its size."""
    return min(TILE, 1 << max((side // 2).bit_length() - 1, 5))


def finite(tensor: torch.Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _planted(result: Any) -> tuple[torch.Tensor]:
    return (torch.full_like(result[0], float("nan")),)
