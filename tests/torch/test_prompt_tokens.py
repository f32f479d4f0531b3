"""The window's token counter agrees with the tokenizers that the worker uses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tiny
import transformers

from app.prompting.tokens import gauge

POCKET = Path(__file__).parents[2] / "assets" / "pocket"
TEXTS = ["a red cat", "It's 12 o'clock, naïve   Café!", "(red:1.2) apple, [blue]", "", "ありがとう 🙂"]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_clip(text: str, whole: bool, tmp_path: Path) -> None:
    shutil.copytree(POCKET / "tokenizer", tmp_path / "tokenizer")
    if not whole:  # as the models of these families come
        (tmp_path / "tokenizer" / "tokenizer.json").unlink()
    own = transformers.AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    made = gauge(tmp_path, "StableDiffusionPipeline", {})
    assert made is not None
    assert made.room == own.model_max_length - 2
    plain = text.replace("(red:1.2)", "red").replace("[blue]", "blue")
    assert made.count(text).tokens == len(own(plain, add_special_tokens=False).input_ids)


def test_long_prompts_are_read_in_chunks() -> None:
    made = gauge(POCKET, "StableDiffusionPipeline", {})
    assert made is not None
    long = made.count("red apple " * 40)
    assert long.chunks == -(-long.tokens // made.room)
    assert (long.room, long.over) == (long.chunks * made.room, False)
    assert made.count("a BREAK b").chunks == 2


def test_families_that_cut_say_so(tmp_path: Path) -> None:
    folder = tiny.build("flux", tmp_path / "flux")
    made = gauge(folder, "FluxPipeline", {"max_sequence_length": 16})
    assert made is not None
    assert not made.chunked
    assert made.count("a cat").over is False
    assert made.count("a cat on a mat " * 10).over is True


def test_a_tokenizer_of_another_kind_is_not_counted_with(tmp_path: Path) -> None:
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "spiece.model").write_bytes(b"x")
    assert gauge(tmp_path, "PixArtSigmaPipeline", {}) is None
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError):
        gauge(tmp_path, "PixArtSigmaPipeline", {})
