"""The small CLIP-format tokenizer and text encoder of pocket."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from models.pocket.colours import GROUNDS, HUES
from models.pocket.data import Concept

POSITIONS = 32
WIDTH = 192
SPECIAL = ("<|startoftext|>", "<|endoftext|>")
FILLERS = "a an the of on with and in picture emoji icon background white black brown grey gray small big happy cute"


def corpus(concepts: list[Concept]) -> list[str]:
    """Every word of the captions, often enough that byte-pair merging makes each one a single token."""
    words = " ".join([FILLERS, *HUES, *GROUNDS, *(name for c in concepts for name in c.names)])
    return [words] * 50


def build_tokenizer(concepts: list[Concept], folder: Path, size: int = 2400) -> CLIPTokenizer:
    """Byte-pair encoding as CLIP's (Radford et al. 2021), learned on our words; written to `folder` and loaded."""
    coder = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    coder.normalizer = normalizers.Lowercase()
    words = Regex(r"\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")
    coder.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    coder.train_from_iterator(
        corpus(concepts),
        trainers.BpeTrainer(
            vocab_size=size, initial_alphabet=letters, end_of_word_suffix="</w>", special_tokens=list(SPECIAL)
        ),
    )
    learned = json.loads(coder.to_str())["model"]
    vocab: dict[str, int] = learned["vocab"]
    for letter in letters:
        vocab.setdefault(letter + "</w>", len(vocab))
    merges = [m if isinstance(m, str) else " ".join(m) for m in learned["merges"]]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    return load_tokenizer(folder)


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer that `build_tokenizer` wrote."""
    start, end = SPECIAL
    return CLIPTokenizer(
        str(folder / "vocab.json"),
        str(folder / "merges.txt"),
        model_max_length=POSITIONS,
        unk_token=end,
        bos_token=start,
        eos_token=end,
        pad_token=end,
    )


def build_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Two transformer layers, trained together with the denoiser."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=POSITIONS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            projection_dim=WIDTH,
            attn_implementation="eager",
        )
    )


def token_ids(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """Padded token numbers, as StableDiffusionPipeline makes them."""
    found = tokenizer(texts, padding="max_length", max_length=POSITIONS, truncation=True)
    return torch.tensor(found.input_ids)
