"""The vocabulary of CLIP's tokenizer, which no single-file checkpoint carries with it.

It is kept as the list of byte pairs it was trained to join (``assets/tokenizers/clip/merges.txt.xz``); the vocabulary
follows from that. ``python -m models.singles.clip_words bpe_simple_vocab_16e6.txt.gz`` makes the list from the file
that CLIP and open_clip publish under the MIT licence.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
from pathlib import Path

START, END = "<|startoftext|>", "<|endoftext|>"
_KEPT = Path(__file__).resolve().parents[2] / "assets/tokenizers/clip/merges.txt.xz"
_PAIRS = 49152 - 256 - 2
"""Pairs that CLIP uses of those published; with 256 bytes, as many that end a word, and two marks: 49408 tokens."""


def write_tokenizer(folder: Path, pad: str = END, length: int = 77) -> None:
    """Write CLIP's tokenizer into ``folder`` as transformers reads it.

    ``pad`` fills short prompts (the second encoder of SDXL and those of SD 2 were trained with "!"); ``length`` is the
    longest prompt in tokens.
    """
    pairs = lzma.decompress(_KEPT.read_bytes()).decode().splitlines()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs, ""]), encoding="utf-8")
    vocabulary = json.dumps(_vocabulary(pairs), ensure_ascii=False)
    (folder / "vocab.json").write_text(vocabulary, encoding="utf-8")
    marks = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": length, "do_lower_case": True, **marks}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def _vocabulary(pairs: list[str]) -> dict[str, int]:
    letters = _letters()
    joined = [pair.replace(" ", "") for pair in pairs]
    words = [*letters, *(letter + "</w>" for letter in letters), *joined, START, END]
    return {word: number for number, word in enumerate(words)}


def _letters() -> list[str]:
    """One printable character for each byte, in the order of byte-level BPE: first those bytes that are printable."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]


def main(argv: list[str] | None = None) -> int:
    """Make the list of pairs from the published file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("published", type=Path, help="bpe_simple_vocab_16e6.txt.gz of open_clip_torch")
    text = gzip.decompress(parser.parse_args(argv).published.read_bytes()).decode()
    pairs = "\n".join(text.split("\n")[1 : _PAIRS + 1]) + "\n"
    _KEPT.write_bytes(lzma.compress(pairs.encode(), preset=9 | lzma.PRESET_EXTREME))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
