"""GIT's way of writing about a picture, by a tiny model of its class."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from PIL import Image
from tiny_helpers import WORDS, tokenizer
from tiny_runs import Ear

from models.card import ModelRef
from models.planning import Plan
from models.recognise import helper_kind
from models.runners.caption import CaptionKind
from models.tools import CAPTION


def git(folder: Path) -> Path:
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32,
        "patch_size": 8,
    }  # fmt: skip
    config = transformers.GitConfig(
        vision_config=vision, vocab_size=len(WORDS), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=512, bos_token_id=5, eos_token_id=6, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(1)
    transformers.GitForCausalLM(config).save_pretrained(folder)
    images = transformers.CLIPImageProcessor(size={"height": 32, "width": 32}, crop_size={"height": 32, "width": 32})
    transformers.GitProcessor(images, tokenizer()).save_pretrained(folder)
    return folder


def test_git_describes_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (60, 90, 200)).save(tmp_path / "photo.png")
    folder = git(tmp_path / "git")
    assert helper_kind(folder) == "caption"
    captioner = CaptionKind().load(ModelRef("g", "GIT", "caption", str(folder)), Plan("cpu"), Ear(), folder)
    ear = Ear()
    values = CAPTION.validate({"image": str(tmp_path / "photo.png"), "length": "short"})
    said = captioner.run(values, 0, tmp_path / "keep", ear)
    assert set(said.text.split()) <= set(WORDS)
    assert said.text
    assert ear.steps[-1][0] == ear.steps[-1][1]
