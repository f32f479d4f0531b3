"""Textual inversions: words with vectors of their own, for one run.

Neither the tokenizer's vocabulary nor the table of embeddings is changed. For the run the pipeline has copies of its
tokenizers with stand-ins for the new words; the text encoder reads a stand-in as a plain word, and its layer of
embeddings answers with the word's vectors instead. diffusers' own way grows both tables and cuts them again, which
loses words where a vocabulary's special tokens come first, and lets CLIP take a new word for the end of the prompt.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.card import AddonRef
from models.recognise import FileKind
from models.runners.base import Addons
from models.runners.diffusion.hooks import attribute
from models.runners.diffusion.lora_files import broken, file_of, read_tensors

_ENCODERS = (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))
_BY_NAME = {"clip_l": "text_encoder", "clip_g": "text_encoder_2"}
_SKIPPED = ("string_to_token", "name", "step", "sd_")

Words = dict[str, list[str]]
"""By a word of the prompt (small letters): the stand-ins that are read in its place."""


def refs_of(inputs: Mapping[str, Any], addons: Addons) -> list[AddonRef]:
    """The embeddings a job names, and those that its prompts call by name."""
    named = [addons[name] for name in inputs.get("embeddings") or ()]
    called = [ref for ref in addons.values() if ref.kind == FileKind.EMBEDDING and ref not in named]
    return named + called


def tokens_of(ref: AddonRef) -> list[str]:
    """What calls an embedding in a prompt: its name, its file's name, and the word its makers chose."""
    path = Path(ref.path)
    names = (ref.name, path.stem if path.suffix else path.name, *ref.trigger)
    return list(dict.fromkeys(name.casefold() for name in names if name.strip()))


@contextmanager
def spoken(pipe: Any, refs: Sequence[AddonRef], facts: dict[str, Any]) -> Iterator[None]:
    """Within, the prompts of ``pipe`` may use the embeddings' names; ``facts`` gets what the recipe says of them.

    Raises:
        AtelierError: ADDON_BROKEN for one that is no embedding of this model's text encoders, or as
            ``lora_files.read_tensors``.
    """
    if not refs:
        yield
        return
    found = {ref: _vectors(pipe, ref) for ref in dict.fromkeys(refs)}
    facts["embeddings"] = [{"name": ref.name, "hash": _hash(ref)} for ref in found]
    words: dict[int, Words] = {}
    with ExitStack() as stack:
        for tokenizer_name, encoder_name in _ENCODERS:
            tokenizer, encoder = getattr(pipe, tokenizer_name, None), getattr(pipe, encoder_name, None)
            if tokenizer is None or encoder is None:
                continue
            own = copy.deepcopy(tokenizer)
            vectors, words[id(own)] = _taught(own, {ref: by[encoder_name] for ref, by in found.items()})
            stack.enter_context(attribute(pipe, tokenizer_name, own))
            _answering(encoder, own, vectors, stack)
        stack.enter_context(attribute(pipe, "maybe_convert_prompt", _converter(words)))
        yield


def _taught(tokenizer: Any, vectors: Mapping[AddonRef, torch.Tensor]) -> tuple[dict[int, torch.Tensor], Words]:
    """Give ``tokenizer`` a stand-in for each vector; returns the vectors by the stand-ins' numbers, and the words."""
    by_number: dict[int, torch.Tensor] = {}
    words: Words = {}
    for number, (ref, rows) in enumerate(vectors.items()):
        standins = [f"<atelier-{number}-{row}>" for row in range(len(rows))]
        tokenizer.add_tokens(standins)
        by_number |= dict(zip(tokenizer.convert_tokens_to_ids(standins), rows, strict=True))
        words |= dict.fromkeys(tokens_of(ref), standins)
    return by_number, words


def _answering(encoder: nn.Module, tokenizer: Any, vectors: dict[int, torch.Tensor], stack: ExitStack) -> None:
    """While ``stack`` is open, ``encoder`` reads the numbers of stand-ins as a plain word, and as these vectors."""
    table = encoder.get_input_embeddings()  # type: ignore[operator]
    plain = next(n for n in range(table.num_embeddings) if n not in tokenizer.all_special_ids)
    asked: list[torch.Tensor] = []

    def before(module: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any]:
        asked.clear()
        numbers = args[0] if args else options.get("input_ids")
        if not isinstance(numbers, torch.Tensor):
            return args, options
        asked.append(numbers)
        strange = torch.isin(numbers, torch.tensor(list(vectors), device=numbers.device))
        known = numbers.masked_fill(strange, plain)
        return ((known, *args[1:]), options) if args else (args, {**options, "input_ids": known})

    def after(module: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        if not asked or asked[0].shape != output.shape[:-1]:
            return output
        output = output.clone()
        for number, vector in vectors.items():
            output[asked[0] == number] = vector.to(output.device, output.dtype)
        return output

    stack.callback(encoder.register_forward_pre_hook(before, with_kwargs=True).remove)
    stack.callback(table.register_forward_hook(after).remove)


def _converter(words: dict[int, Words]) -> Any:
    """Stands in for ``pipe.maybe_convert_prompt``: writes stand-ins for the words, whatever their capitals."""

    def convert(prompt: Any, tokenizer: Any) -> Any:
        known = words.get(id(tokenizer), {})
        if isinstance(prompt, list):
            return [convert(each, tokenizer) for each in prompt]
        return replaced(prompt, known) if known else prompt

    return convert


def replaced(text: str, words: Words) -> str:
    """``text`` with each of ``words`` replaced where it stands by itself; longer ones first."""
    several = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    pattern = rf"(?<![\w-])<?({several})>?(?![\w-])"
    return re.sub(pattern, lambda found: " " + " ".join(words[found[1].casefold()]) + " ", text, flags=re.IGNORECASE)


def _vectors(pipe: Any, ref: AddonRef) -> dict[str, torch.Tensor]:
    """By text encoder the vectors of an embedding, [count, width]."""
    path = file_of(ref)
    tensors, _ = read_tensors(ref)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(_SKIPPED)}
    widths = {
        name: int(encoder.get_input_embeddings().embedding_dim)
        for _, name in _ENCODERS
        if (encoder := getattr(pipe, name, None)) is not None
    }
    found: dict[str, torch.Tensor] = {}
    for name, width in widths.items():
        chosen = [t for key, t in tensors.items() if _BY_NAME.get(key, name) == name and t.shape[-1] == width]
        if chosen:
            found[name] = chosen[0].reshape(-1, width)
    missing = [width for name, width in widths.items() if name not in found]
    if missing:
        wide = ", ".join(str(side) for side in sorted({t.shape[-1] for t in tensors.values() if t.ndim})) or "none"
        raise broken(ref, path, f"its vectors are {wide} numbers wide, this model's words are {missing[0]}")
    return found


def _hash(ref: AddonRef) -> str:
    with file_of(ref).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
