"""Painted areas with words of their own, for denoisers that are UNets.

Method: the noise is predicted once for the prompt and once more for the words of each region, and the predictions are
blended by the masks, at every step (MultiDiffusion, Bar-Tal et al. 2023). All of them share one latent picture, so that
they grow together at the borders. The other way, cross-attention masked by region at each resolution, costs less but
needs attention processors of its own, which IP-Adapters, attention guidance and future kernels need too; and words leak
where the UNet's self-attention mixes areas. This one needs nothing of the denoiser but to be called, so it holds with
guidance, ControlNets, LoRAs, pictures and masks.

Only what is predicted for the prompt is blended; what is to be avoided is the same everywhere. Cost: each region adds
half a step's time to a step with guidance, and a whole one without.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from models import pictures
from models.control import REGIONAL, REGIONS
from models.errors import InvalidInputError, Problem
from models.folders import FolderInfo
from models.items import Region
from models.runners.diffusion.fit import Cut
from models.runners.diffusion.hooks import attribute

_NOTHING = 0.01
"""Regions with no weight above this are left out."""


@dataclass
class Area:
    """``mask`` is (1, 1, height, width) of the work, 0..1, with the region's strength in it."""

    prompt: str
    mask: torch.Tensor


@dataclass
class _Words:
    embeds: torch.Tensor
    pooled: torch.Tensor | None


def areas_of(inputs: dict[str, Any], info: FolderInfo, cut: Cut) -> tuple[list[Area], dict[str, Any]]:
    """The job's regions on its work, and what the recipe says of their masks.

    Raises:
        AtelierError: PICTURE_UNREADABLE for a mask that is gone.
        InvalidInputError: a mask is black everywhere.
    """
    items = [Region(**item) for item in inputs.get(REGIONS) or ()]
    if info.pipeline not in REGIONAL:
        return [], {}
    areas: list[Area] = []
    facts: dict[str, Any] = {}
    for number, item in enumerate(items, 1):
        opened = pictures.open_mask(item.mask)
        if opened.image.getbbox() is None:
            sentence = f"Region {number} is black everywhere: paint white where its words count."
            raise InvalidInputError(Problem(REGIONS, item.mask, sentence))
        facts[f"region_{number}"] = {"path": str(Path(item.mask)), "sha256": opened.sha256}
        mask = _floats(cut.mask(opened.image)) * item.strength
        if float(mask.max()) > _NOTHING:
            areas.append(Area(item.prompt, mask))
    return areas, facts


def _floats(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image, dtype=np.float32))[None, None] / 255


def weights(areas: list[Area], height: int, width: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """How much the prompt counts, and each region, (1, 1, height, width) each; together 1 everywhere.

    Edges are softened over one latent on either side; where regions overlap they share.
    """
    masks = []
    for area in areas:
        small = functional.adaptive_avg_pool2d(area.mask, (height, width))
        masks.append(functional.avg_pool2d(functional.pad(small, (1, 1, 1, 1), mode="replicate"), 3, 1))
    total = torch.stack(masks).sum(0)
    shares = [mask / total.clamp(min=1.0) for mask in masks]
    return (1 - total).clamp(min=0.0), shares


@contextmanager
def regional(pipe: Any, denoiser: Any, areas: list[Area]) -> Iterator[None]:
    """Within, the words of ``areas`` count where they are painted; a job without any is not touched."""
    if not areas:
        yield
        return
    painter = _Painter(pipe, denoiser, areas)
    with ExitStack() as stack:
        stack.enter_context(attribute(pipe, "encode_prompt", painter.encoding(pipe.encode_prompt)))
        stack.enter_context(attribute(denoiser, "forward", painter.predicting(denoiser.forward)))
        yield


class _Painter:
    def __init__(self, pipe: Any, denoiser: Any, areas: list[Area]) -> None:
        self._pipe = pipe
        self._areas = areas
        self._signature = inspect.signature(type(denoiser).forward)
        self._words: list[_Words] = []
        self._weights: tuple[torch.Tensor, list[torch.Tensor]] | None = None

    def encoding(self, encode: Callable[..., Any]) -> Callable[..., Any]:
        """``encode`` (the pipeline's, with whatever understands the prompt's signs), which also reads the regions."""
        signature = inspect.signature(encode)

        def encoded(*args: Any, **kwargs: Any) -> Any:
            answer = encode(*args, **kwargs)
            given = dict(signature.bind(*args, **kwargs).arguments)
            given.update(given.pop("kwargs", {}))
            own = {name: value for name, value in given.items() if "embeds" not in name and name != "prompt_2"}
            self._words = [self._read(encode(**{**own, "prompt": area.prompt})) for area in self._areas]
            return answer

        return encoded

    def _read(self, answer: tuple[Any, ...]) -> _Words:
        """Of what ``encode_prompt`` answers: words, words to avoid, and for SDXL both once more as one vector."""
        return _Words(answer[0], answer[2] if len(answer) > 2 else None)

    def predicting(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        def predict(*args: Any, **kwargs: Any) -> Any:
            answer = forward(*args, **kwargs)
            if not self._words:
                return answer
            named = dict(self._signature.bind(None, *args, **kwargs).arguments)
            named.pop("self", None)
            first = answer[0] if isinstance(answer, tuple) else answer.sample
            mixed = self._mixed(forward, named, first)
            if isinstance(answer, tuple):
                return (mixed, *answer[1:])
            answer.sample = mixed
            return answer

        return predict

    def _mixed(self, forward: Callable[..., Any], named: dict[str, Any], first: torch.Tensor) -> torch.Tensor:
        batch = first.shape[0]
        guided = batch > 1 and bool(self._pipe.do_classifier_free_guidance)
        kept = slice(1 if guided else 0, batch)
        base, shares = self._shares(first)
        mixed = first[kept] * base
        # Attention guidance tells the parts of a batch by their places, so there the batch stays whole.
        whole = bool(getattr(self._pipe, "do_perturbed_attention_guidance", False))
        part = named if whole else _sliced(named, kept, batch)
        count = batch if whole else batch - kept.start
        for words, share in zip(self._words, shares, strict=True):
            call = {**part, **_spoken(part, words, count, first), "return_dict": False}
            found = forward(**call)[0]
            mixed = mixed + (found[kept] if whole else found) * share
        return torch.cat([first[: kept.start], mixed]) if guided else mixed

    def _shares(self, like: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        if self._weights is None or self._weights[0].shape[-2:] != like.shape[-2:]:
            base, shares = weights(self._areas, like.shape[-2], like.shape[-1])
            self._weights = base.to(like), [share.to(like) for share in shares]
        return self._weights


def _spoken(part: dict[str, Any], words: _Words, count: int, like: torch.Tensor) -> dict[str, Any]:
    """The region's words in the place of the prompt's."""
    embeds = words.embeds.to(like)
    said: dict[str, Any] = {"encoder_hidden_states": embeds.expand(count, *embeds.shape[1:])}
    if words.pooled is not None and "text_embeds" in (part.get("added_cond_kwargs") or {}):
        pooled = words.pooled.to(like).expand(count, -1)
        said["added_cond_kwargs"] = {**part["added_cond_kwargs"], "text_embeds": pooled}
    return said


def _sliced(value: Any, kept: slice, batch: int) -> Any:
    """The part of a batch, of everything that is one."""
    if isinstance(value, torch.Tensor):
        return value[kept] if value.ndim and value.shape[0] == batch else value
    if isinstance(value, dict):
        return {key: _sliced(one, kept, batch) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_sliced(one, kept, batch) for one in value)
    return value
