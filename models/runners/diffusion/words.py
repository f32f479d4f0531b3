"""Prompts with weights and prompts longer than a text encoder reads at once, for pipelines with CLIP text encoders.

While ``weighed`` is in force, the pipeline's own ``encode_prompt`` answers for such prompts with embeddings made here,
by the same encoders; ControlNets, masks, regions and everything else around it see a usual answer. A short prompt
without brackets goes the pipeline's own way, number for number.

* Long: the words are read in chunks of what the encoder takes (75 and the two marks around them for CLIP), which are
  put one behind the other, as the A1111 web UI does; a chunk rather ends at a comma. The pooled embedding of SDXL is
  the first chunk's. The shorter of prompt and negative prompt is filled up with empty chunks.
* Weights: each token's embedding is moved away from that of the empty prompt at its place, ``e + (z - e) * weight``, as
  ComfyUI does. Unlike scaling to a kept mean (A1111) that has no place where it divides by almost nothing.
* CLIP skip counts for the negative prompt too (diffusers leaves that out), as in the tools that brought it up.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from models import prompts
from models.runners.base import Report
from models.runners.diffusion.hooks import attribute

_CLIP = ("CLIPTextModel", "CLIPTextModelWithProjection")
_COMMA_WITHIN = 20
"""A chunk ends at a comma if one stands among its last so many tokens."""

Token = tuple[int, float]


@dataclass
class Encoder:
    """One of a pipeline's text encoders with its tokenizer. ``last`` says which of the layers' outputs is taken,
    counted from the end; 0 is the last one's own output. ``normed``: the final norm is applied to an earlier one."""

    pipe: Any
    tokenizer: Any
    model: Any
    last: int
    normed: bool

    @property
    def room(self) -> int:
        """Tokens of the words in one chunk, without the two marks."""
        return min(int(self.tokenizer.model_max_length), int(self.model.config.max_position_embeddings)) - 2

    def chunks(self, text: str) -> list[list[Token]]:
        """The prompt's tokens with their weights, at most ``room`` in each chunk; ``BREAK`` ends one."""
        found = []
        for part in prompts.parse(text).parts:
            tokens = [(number, piece.weight) for piece in part for number in self._numbers(piece.text)]
            found += cut(tokens, self.room, frozenset(self._numbers(",")))
        return found

    def _numbers(self, text: str) -> list[int]:
        words = self.pipe.maybe_convert_prompt(text, self.tokenizer) if text.strip() else ""
        numbers: list[int] = self.tokenizer(words, add_special_tokens=False, truncation=False, verbose=False).input_ids
        return numbers

    def encode(self, tokens: list[Token], device: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        """One chunk: [1, room + 2, width], and the pooled embedding where the encoder has one."""
        z, pooled = self._run([number for number, _ in tokens], device)
        if any(weight != 1.0 for _, weight in tokens):
            empty, _ = self._run([], device)
            weights = torch.ones(z.shape[1], dtype=torch.float32, device=z.device)
            weights[1 : 1 + len(tokens)] = torch.tensor([weight for _, weight in tokens])
            moved = empty.float() + (z.float() - empty.float()) * weights[None, :, None]
            z = torch.where((weights == 1.0)[None, :, None], z, moved.to(z.dtype))
        return z, pooled

    def _run(self, numbers: list[int], device: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        tokenizer = self.tokenizer
        row = [tokenizer.bos_token_id, *numbers, tokenizer.eos_token_id]
        mask = [1] * len(row) + [0] * (self.room + 2 - len(row))
        row += [tokenizer.pad_token_id] * (self.room + 2 - len(row))
        masked = bool(getattr(self.model.config, "use_attention_mask", False))
        output = self.model(
            torch.tensor([row], device=device),
            attention_mask=torch.tensor([mask], device=device) if masked else None,
            output_hidden_states=True,
        )
        pooled = output[0] if output[0].ndim == 2 else None
        if not self.last:
            return output[0], pooled
        z = output.hidden_states[-self.last]
        if self.normed:  # transformers 5 took one level of nesting away
            z = getattr(self.model, "text_model", self.model).final_layer_norm(z)
        return z, pooled


def cut(tokens: list[Token], room: int, commas: frozenset[int]) -> list[list[Token]]:
    """``tokens`` in chunks of at most ``room``, at least one; rather after a comma than in the middle of a thought."""
    found = []
    while len(tokens) > room:
        near = range(room - 1, max(0, room - 1 - _COMMA_WITHIN), -1)
        end = next((at + 1 for at in near if tokens[at][0] in commas), room)
        found.append(tokens[:end])
        tokens = tokens[end:]
    return [*found, tokens]


@contextmanager
def weighed(pipe: Any) -> Iterator[None]:
    """Within, ``pipe`` understands weights and long prompts; pipelines without CLIP text encoders are left alone."""
    if not understands(pipe):
        yield
        return
    original = pipe.encode_prompt
    signature = inspect.signature(original)

    @functools.wraps(original)
    def encode_prompt(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.arguments.update(_spoken(pipe, bound.arguments))
        return original(*bound.args, **bound.kwargs)

    with attribute(pipe, "encode_prompt", encode_prompt):
        yield


def understands(pipe: Any) -> bool:
    """Whether brackets mean something to this pipeline."""
    needed = ("maybe_convert_prompt", "encode_prompt")
    if not prompts.weighs(type(pipe).__name__) or not all(hasattr(pipe, name) for name in needed):
        return False
    models = [model for name in ("text_encoder", "text_encoder_2") if (model := getattr(pipe, name, None)) is not None]
    return bool(models) and all(type(model).__name__ in _CLIP for model in models)


def plainly(pipe: Any, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """``arguments`` of the call for a pipeline that cannot weigh words: without the numbers, and that is said; so
    is syntax that no model here reads."""
    texts = {name: value for name in ("prompt", "negative_prompt") if isinstance(value := arguments.get(name), str)}
    if what := next(filter(None, map(prompts.unread, texts.values())), ""):
        report.notice("syntax_not_read", what=what[:80])
    if understands(pipe):
        return arguments
    plain = {name: prompts.unweighted(text) for name, text in texts.items()}
    if plain != texts:
        report.notice("weights_not_read")
    return {**arguments, **plain}


@torch.no_grad()
def _spoken(pipe: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What ``encode_prompt`` is to be called with instead; nothing where its own way is the same."""
    texts, against = _listed(given.get("prompt")), _listed(given.get("negative_prompt"))
    if texts is None or any(given.get(f"{name}prompt_embeds") is not None for name in ("", "negative_")):
        return {}
    skip = given.get("clip_skip")
    encoders = _encoders(pipe, skip)
    special = [_is_special(encoder, text) for encoder in encoders for text in [*texts, *(against or [])]]
    if not skip and not any(special):
        # Escapes stand for the bracket itself, also in the pipeline's own way.
        both = {"prompt": _plain(given["prompt"]), "negative_prompt": _plain(given.get("negative_prompt"))}
        return {name: value for name, value in both.items() if given.get(name) is not None}
    guided = bool(given.get("do_classifier_free_guidance", True))
    zeros = against is None and bool(pipe.config.get("force_zeros_for_empty_prompt"))
    against = None if zeros or not guided else against or [""] * len(texts)
    device = given.get("device") or pipe._execution_device
    return _embedded(encoders, texts, against, device)


def _encoders(pipe: Any, skip: int | None) -> list[Encoder]:
    """SDXL takes the layer before the last of both its encoders; the others take the last."""
    double = hasattr(pipe, "text_encoder_2")
    last = (skip or 0) + 2 if double else (skip + 1 if skip else 0)
    named = (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))
    pairs = [(getattr(pipe, one, None), getattr(pipe, other, None)) for one, other in named]
    return [Encoder(pipe, tokenizer, model, last, not double) for tokenizer, model in pairs if model is not None]


def _embedded(encoders: list[Encoder], texts: list[str], against: list[str] | None, device: Any) -> dict[str, Any]:
    """The embeddings of all ``texts`` (and of what to avoid) by all ``encoders``, with equally many chunks each."""
    every = [*texts, *(against or [])]
    cuts = [[encoder.chunks(text) for text in every] for encoder in encoders]
    longest = max(len(chunks) for row in cuts for chunks in row)
    embeds, pooled = [], None
    for encoder, row in zip(encoders, cuts, strict=True):
        lines, pools = [], list[torch.Tensor]()
        for chunks in row:
            made = [encoder.encode(tokens, device) for tokens in [*chunks, *[[]] * (longest - len(chunks))]]
            lines.append(torch.cat([z for z, _ in made], dim=1))
            pools += [made[0][1]] if made[0][1] is not None else []
        embeds.append(torch.cat(lines))
        pooled = torch.cat(pools) if pools else pooled
    whole, count = torch.cat(embeds, dim=-1), len(texts)
    found: dict[str, Any] = {"prompt_embeds": whole[:count]}
    if against is not None:
        found["negative_prompt_embeds"] = whole[count:]
    if pooled is not None and hasattr(encoders[0].pipe, "text_encoder_2"):
        found["pooled_prompt_embeds"] = pooled[:count]
        if against is not None:
            found["negative_pooled_prompt_embeds"] = pooled[count:]
    return found


def _is_special(encoder: Encoder, text: str) -> bool:
    parsed = prompts.parse(text)
    return parsed.weighted or len(parsed.parts) > 1 or len(encoder.chunks(text)) > 1


def _listed(value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list) and value and all(isinstance(text, str) for text in value) else None


def _plain(value: Any) -> Any:
    return [prompts.parse(text).text for text in value] if isinstance(value, list) else prompts.parse(value or "").text
