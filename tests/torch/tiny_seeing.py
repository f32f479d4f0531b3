"""Tiny models with random weights of the kinds the catalog names: Florence-2, SmolVLM (Idefics 3), Grounding DINO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tiny_helpers import WORDS
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

TEMPLATE = (
    "{% for message in messages %}{% for each in message['content'] %}"
    "{% if each['type'] == 'image' %}<image>{% else %}{{ each['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %} Assistant:{% endif %}"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz.,?:"


def _words(special: tuple[str, ...], **roles: str) -> Any:
    """A tokenizer of whole words, then letters; ``special`` are tokens of its own that it leaves out when asked to."""
    known = ["<pad>", "<s>", "</s>", "<unk>", *(word for word in WORDS if word[0].isalpha()), *_LETTERS]
    places = {word: place for place, word in enumerate(dict.fromkeys(known))}
    made = Tokenizer(models.WordLevel(places, "<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.decoder = decoders.WordPiece(prefix="##")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        extra_special_tokens=roles, additional_special_tokens=list(special),
    )  # fmt: skip
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    return tokenizer


def florence(folder: Path) -> Path:
    """Its tokenizer has places (``<loc_0>``...) as words that are not "special", as the real one has."""
    tokenizer = _words(("<image>",), image_token="<image>")
    tokenizer.add_tokens([f"<loc_{place}>" for place in range(8)])
    text = {
        "model_type": "bart", "vocab_size": len(tokenizer), "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
        "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
        "max_position_embeddings": 512, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
        "decoder_start_token_id": 2, "forced_eos_token_id": 2,
    }  # fmt: skip
    vision = {
        "depths": [1, 1], "patch_size": [7, 3], "patch_stride": [4, 2], "patch_padding": [3, 1],
        "patch_prenorm": [False, True], "embed_dim": [8, 16], "num_heads": [2, 2], "num_groups": [2, 2],
        "window_size": 4, "projection_dim": 16,
    }  # fmt: skip
    torch.manual_seed(3)
    config = transformers.Florence2Config(
        text_config=text, vision_config=vision, image_token_id=tokenizer.convert_tokens_to_ids("<image>")
    )
    model = transformers.Florence2ForConditionalGeneration(config)
    with torch.no_grad():  # at random it would only say again what it began with
        model.get_input_embeddings().weight[2].zero_()
    model.save_pretrained(folder)
    images = transformers.CLIPImageProcessor(
        size={"height": 32, "width": 32}, crop_size={"height": 32, "width": 32}, do_center_crop=False
    )
    images.image_seq_length = (32 // 8) ** 2 + 1
    transformers.Florence2Processor(images, tokenizer).save_pretrained(folder)
    return folder


def smolvlm(folder: Path) -> Path:
    marks = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")
    tokenizer = _words(marks)
    text = {
        "model_type": "llama", "vocab_size": len(tokenizer) + 40, "hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "bos_token_id": 1,
        "eos_token_id": 2, "pad_token_id": 0, "max_position_embeddings": 2048,
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32,
        "patch_size": 8,
    }  # fmt: skip
    torch.manual_seed(5)
    config = transformers.Idefics3Config(
        text_config=text, vision_config=vision, scale_factor=2, pad_token_id=0,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    transformers.Idefics3ForConditionalGeneration(config).save_pretrained(folder)
    images = transformers.Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    made = transformers.Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=TEMPLATE)
    made.save_pretrained(folder)
    return folder


def grounding_dino(folder: Path) -> Path:
    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "red", "hand", ".", "?"]
    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(known)}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]",
    )  # fmt: skip
    text = {
        "model_type": "bert", "vocab_size": 2000, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 64,
    }  # fmt: skip
    sees = {
        "model_type": "swin", "image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 1, 1, 1],
        "num_heads": [1, 1, 2, 2], "window_size": 2, "out_indices": [2, 3, 4],
    }  # fmt: skip
    torch.manual_seed(6)
    config = transformers.GroundingDinoConfig(
        backbone_config=sees, text_config=text, num_queries=12, encoder_layers=2, decoder_layers=2, d_model=32,
        encoder_ffn_dim=32, decoder_ffn_dim=32, encoder_attention_heads=2, decoder_attention_heads=2, max_text_len=16,
    )  # fmt: skip
    transformers.GroundingDinoForObjectDetection(config).save_pretrained(folder)
    images = transformers.GroundingDinoImageProcessor(size={"shortest_edge": 32, "longest_edge": 64})
    transformers.GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
    return folder
