"""Tiny helper models with random weights: a captioner, detectors, and a cut-out graph written by hand as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "<s>",
    "</s>",
    "a",
    "red",
    "cat",
    "on",
    "blue",
    "ground",
    "photo",
    "of",
]


def tokenizer() -> Any:
    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        bos_token="<s>", eos_token="</s>",
    )  # fmt: skip


def blip(folder: Path) -> Path:
    text = {
        "vocab_size": len(WORDS), "hidden_size": 16, "encoder_hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "projection_dim": 16, "max_position_embeddings": 512,
        "bos_token_id": 5, "eos_token_id": 6, "pad_token_id": 0, "sep_token_id": 3,
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32,
        "patch_size": 8, "projection_dim": 16,
    }  # fmt: skip
    config = transformers.BlipConfig(text_config=text, vision_config=vision, projection_dim=16)
    torch.manual_seed(1)
    model = transformers.BlipForConditionalGeneration(config)
    model.save_pretrained(folder)
    images = transformers.BlipImageProcessor(size={"height": 32, "width": 32})
    transformers.BlipProcessor(images, tokenizer()).save_pretrained(folder)
    return folder


def _field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _tensor(name: str, values: np.ndarray[Any, Any]) -> bytes:
    dims = b"".join(_field(1, side) for side in values.shape)
    return dims + _field(2, 1) + _field(8, name.encode()) + _field(9, values.astype("<f4").tobytes())


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dims = b"".join(_field(1, _field(1, side)) for side in shape)
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, 1) + _field(2, dims)))


def _node(kind: str, given: list[str], made: str) -> bytes:
    return b"".join(_field(1, name.encode()) for name in given) + _field(2, made.encode()) + _field(4, kind.encode())


def onnx(path: Path, channels: int = 3, side: int = 32) -> Path:
    """Sigmoid of (red - blue) * 4: warm colours are the subject."""
    weight = np.array([4.0, 0.0, -4.0][:channels] + [0.0] * max(0, channels - 3)).reshape(1, channels, 1, 1)
    graph = (
        _field(1, _node("Conv", ["image", "w"], "logits")) + _field(1, _node("Sigmoid", ["logits"], "mask"))
        + _field(2, b"tiny") + _field(5, _tensor("w", weight)) + _field(11, _value("image", (1, channels, side, side)))
        + _field(12, _value("mask", (1, 1, side, side)))
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(2, 13)))
    return path


def yolos(folder: Path) -> Path:
    config = transformers.YolosConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=[32, 32],
        patch_size=8, num_detection_tokens=6, id2label={0: "face", 1: "hand"}, label2id={"face": 0, "hand": 1},
    )  # fmt: skip
    torch.manual_seed(2)
    transformers.YolosForObjectDetection(config).save_pretrained(folder)
    transformers.YolosImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def owlv2(folder: Path) -> Path:
    """A detector of whatever is named; its text side knows bytes."""
    text = {
        "vocab_size": 400, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "max_position_embeddings": 16, "bos_token_id": 5, "eos_token_id": 6, "pad_token_id": 0,
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32,
        "patch_size": 8,
    }  # fmt: skip
    torch.manual_seed(4)
    config = transformers.Owlv2Config(text_config=text, vision_config=vision, projection_dim=16)
    transformers.Owlv2ForObjectDetection(config).save_pretrained(folder)
    images = transformers.Owlv2ImageProcessor(size={"height": 32, "width": 32})
    transformers.Owlv2Processor(images, clip_tokenizer()).save_pretrained(folder)
    return folder


def clip_tokenizer() -> Any:
    vocab = {word: place for place, word in enumerate(WORDS)}
    vocab |= {f"{letter}</w>": len(vocab) + place for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
    vocab |= {"<|startoftext|>": 200, "<|endoftext|>": 201}
    return transformers.CLIPTokenizer(vocab=vocab, merges=[], model_max_length=16)
