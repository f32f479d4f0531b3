"""Another VAE in the place of the model's own, for the runs that ask for it; the rest stays loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

from models.card import AddonRef
from models.planning import Plan
from models.runners.base import Addons
from models.runners.diffusion.hooks import attribute, execution_device
from models.runners.diffusion.loading import enable_tiling, vae_of
from models.runners.diffusion.lora_files import broken, file_of, misfit, read_tensors, short_hash

AGAIN = "read_again"
"""The attribute of a VAE that is not the model's: a function that reads it anew, in float32."""


def ref_of(inputs: Mapping[str, Any], addons: Addons) -> AddonRef | None:
    name = inputs.get("vae")
    return addons[name] if name else None


class Vaes:
    """The VAE that was used last beside the model's own. ``bytes`` is what it takes."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._known: tuple[AddonRef, int, Any] | None = None

    @property
    def bytes(self) -> int:
        if self._known is None:
            return 0
        return sum(tensor.numel() * tensor.element_size() for tensor in self._known[2].parameters())

    @contextmanager
    def used(self, ref: AddonRef | None, plan: Plan, facts: dict[str, Any]) -> Iterator[None]:
        """Within, the pipeline encodes and decodes with the VAE ``ref``; None: with its own.

        Raises:
            AtelierError: ADDON_MISFIT when its layers are not those of the model's VAE; ADDON_BROKEN and others as
                ``lora_files.read_tensors``.
        """
        if ref is None:
            self._known = None
            yield
            return
        name, own = vae_of(self._pipe)
        if own is None:
            raise broken(ref, Path(ref.path), "this model works without a VAE")
        vae = self._get(ref, own)
        facts["vae"] = {"name": ref.name, "hash": short_hash(_file(ref))}
        vae.to(execution_device(self._pipe), getattr(torch, plan.vae_dtype))
        if plan.vae_slicing and hasattr(vae, "use_slicing"):
            vae.enable_slicing()
        if plan.vae_tiling:
            enable_tiling(vae)
        try:
            with attribute(self._pipe, name, vae):
                yield
        finally:
            vae.to("cpu")

    def _get(self, ref: AddonRef, own: Any) -> Any:
        stamp = _file(ref).stat().st_mtime_ns
        if self._known is None or self._known[:2] != (ref, stamp):
            self._known = None
            vae = _read(ref, own)
            vars(vae)[AGAIN] = lambda: _read(ref, own).float()
            self._known = (ref, stamp, vae)
        return self._known[2]


def _file(ref: AddonRef) -> Path:
    path = file_of(ref)
    if not path.is_file():
        raise broken(ref, path, "the file is no longer there")
    return path


def _read(ref: AddonRef, own: Any) -> Any:
    """The VAE in a file or folder, of the class and configuration of the model's own: they share their latents."""
    tensors, _ = read_tensors(ref)
    tensors = {name.removeprefix("first_stage_model.").removeprefix("vae."): t for name, t in tensors.items()}
    if any(name.startswith("encoder.down.0.") for name in tensors):
        tensors = convert_ldm_vae_checkpoint(tensors, dict(own.config))
    with diffusers.models.modeling_utils.no_init_weights():
        vae = type(own).from_config(own.config)
    wanted = vae.state_dict()
    right = [name for name, tensor in wanted.items() if name in tensors and tensors[name].shape == tensor.shape]
    if len(right) < len(wanted):
        raise misfit(ref, len(right), len(wanted))
    vae.load_state_dict({name: tensors[name] for name in wanted})
    return vae.eval().requires_grad_(False)
