"""How many tokens a prompt has and how many the model reads, by the model's own tokenizer files, without torch.

``tokenizers`` is the library that transformers itself reads words with; it is imported when the first prompt is counted
and used off the window's thread.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import prompts
from models.pipelines import row

LENGTH = "max_sequence_length"
_LARGEST = 60_000_000
_FOLDERS = ("tokenizer", "tokenizer_2", "tokenizer_3", "tokenizer_4")


@dataclass(frozen=True, slots=True)
class Count:
    """``tokens`` of ``room``; ``cut``: what does not fit is not read. A model that reads in chunks has as many times
    its room as it takes, so nothing is cut there. ``room`` 0: not known."""

    tokens: int
    room: int = 0
    chunks: int = 1
    cut: bool = False

    @property
    def over(self) -> bool:
        """Whether the end of the prompt is not read."""
        return self.cut and self.tokens > self.room > 0


@dataclass(frozen=True)
class Gauge:
    """What counts the prompts of one model."""

    numbers: Callable[[str], int]
    room: int
    chunked: bool

    def count(self, text: str, room: int = 0) -> Count:
        """``room`` replaces the model's own, where a form says how much is read."""
        room = room or self.room
        if not self.chunked:
            return Count(self.numbers(prompts.unweighted(text)), room, cut=room > 0)
        parts = prompts.parse(text).parts
        sizes = [sum(self.numbers(piece.text) for piece in part) for part in parts]
        chunks = sum(max(1, math.ceil(size / room)) for size in sizes) if room else 1
        return Count(sum(sizes), room * chunks, chunks)


def gauge(folder: Path, pipeline: str, values: Mapping[str, Any]) -> Gauge | None:
    """The gauge of the model in ``folder``; None where its tokenizer is of a kind that cannot be read here.

    Raises OSError, ValueError for files that are not what they should be.
    """
    chunked = prompts.weighs(pipeline)
    found = [name for name in _FOLDERS if (folder / name).is_dir()]
    # Families with several encoders read most with the last (T5 beside CLIP); CLIP families count with the first.
    for name in found if chunked else reversed(found):
        numbers = _reader(folder / name)
        if numbers is not None:
            return Gauge(numbers, _room(folder / name, pipeline, values, chunked), chunked)
    return None


def _room(folder: Path, pipeline: str, values: Mapping[str, Any], chunked: bool) -> int:
    if chunked:
        longest = _config(folder).get("model_max_length")
        return int(longest) - 2 if isinstance(longest, int) and 2 < longest < 10_000 else 75
    known = row(pipeline)
    length = values.get(LENGTH) or (known.defaults.get(LENGTH) if known is not None else None)
    return int(length) if isinstance(length, int) else 0


def _config(folder: Path) -> dict[str, Any]:
    file = folder / "tokenizer_config.json"
    found = json.loads(file.read_text("utf-8")) if file.is_file() and file.stat().st_size < _LARGEST else {}
    return found if isinstance(found, dict) else {}


def _reader(folder: Path) -> Callable[[str], int] | None:
    """Counts the tokens of a text, without the marks around it."""
    whole, vocabulary, merges = folder / "tokenizer.json", folder / "vocab.json", folder / "merges.txt"
    if whole.is_file():
        mark = whole.stat()
        return _counted(_whole(whole, mark.st_mtime_ns, mark.st_size))
    if vocabulary.is_file() and merges.is_file() and "CLIP" in str(_config(folder).get("tokenizer_class", "CLIP")):
        return _counted(_clip(vocabulary, merges, vocabulary.stat().st_mtime_ns))
    return None


def _counted(tokenizer: Any) -> Callable[[str], int]:
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids) if text.strip() else 0


@functools.lru_cache(4)
def _whole(file: Path, mark: int, size: int) -> Any:
    from tokenizers import Tokenizer

    if size > _LARGEST:
        raise ValueError("the tokenizer is too large")
    try:
        made = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing more exact
        raise ValueError(str(error)) from error
    made.no_truncation()
    made.no_padding()
    return made


@functools.lru_cache(4)
def _clip(vocabulary: Path, merges: Path, mark: int) -> Any:
    """CLIP's byte pairs from its two files, as ``transformers.convert_slow_tokenizer.CLIPConverter`` puts them
    together: most models of these families bring no ``tokenizer.json``."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    pairs = [tuple(line.split()) for line in merges.read_text("utf-8").splitlines() if not line.startswith("#version")]
    words = json.loads(vocabulary.read_text("utf-8"))
    model = models.BPE(
        vocab=words, merges=[pair for pair in pairs if len(pair) == 2], dropout=None, continuing_subword_prefix="",
        end_of_word_suffix="</w>", fuse_unk=False, unk_token="<|endoftext|>",
    )  # fmt: skip
    made = Tokenizer(model)
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return made
