"""Textual inversions, another VAE and CLIP skip: for one run, with nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_loras as make
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from tiny_runs import Ear, Loaded

from models.card import AddonRef
from models.errors import AtelierError, ErrorCode


def run(model: Loaded, keep: Path, prompt: str, addons: dict[str, AddonRef] | None = None, **inputs: Any) -> Any:
    keep.unlink(missing_ok=True)
    values = model.schema.validate({"prompt": prompt, **inputs})
    return model.runner.run(values, 7, keep, Ear(), addons or {})


def pixels(picture: Any) -> bytes:
    return picture.image.tobytes()


def embedding(path: Path, tensors: dict[str, torch.Tensor]) -> AddonRef:
    save_file(tensors, path)
    return make.ref(path, kind="embedding")


def word_of(pipe: Any, word: str) -> torch.Tensor:
    """The vectors that the tokens of ``word`` have in the model itself."""
    numbers = pipe.tokenizer(word, add_special_tokens=False).input_ids
    return pipe.text_encoder.get_input_embeddings().weight.data[numbers].clone()


@pytest.mark.parametrize("key", ["emb_params", "*", "<fine-cat>"])
def test_a_words_own_vectors_under_another_name_make_the_same_picture(
    sd: Loaded, keep: Path, tmp_path: Path, key: str
) -> None:
    vectors = word_of(sd.pipe, "cat")
    assert len(vectors) > 1, "several vectors"
    ref = embedding(tmp_path / "Fine-Cat.safetensors", {key: vectors})
    wanted = pixels(run(sd, keep, "a red cat on a mat"))
    assert pixels(run(sd, keep, "a red Fine-Cat on a mat", {ref.id: ref})) == wanted
    assert pixels(run(sd, keep, "a red fine-cat on a mat", {ref.id: ref}, embeddings=[ref.id])) == wanted
    assert pixels(run(sd, keep, "a red fine-cat on a mat")) != wanted
    weighed = pixels(run(sd, keep, "a red (Fine-Cat:1.3) on a mat", {ref.id: ref}))
    assert weighed == pixels(run(sd, keep, "a red (cat:1.3) on a mat")) != wanted


def test_it_works_against_a_picture_too_and_leaves_the_model_as_it_was(sd: Loaded, keep: Path, tmp_path: Path) -> None:
    ref = embedding(tmp_path / "ugly.safetensors", {"emb_params": torch.randn(3, 32)})
    plain = pixels(run(sd, keep, "a red cat", negative_prompt="ugly"))
    made = run(sd, keep, "a red cat", {ref.id: ref}, negative_prompt="ugly")
    assert pixels(made) != plain
    assert [item["name"] for item in made.facts["embeddings"]] == ["ugly"]
    assert pixels(run(sd, keep, "a red cat", negative_prompt="ugly")) == plain
    assert "<atelier-0-0>" not in sd.pipe.tokenizer.get_vocab()


def test_sdxl_has_vectors_for_both_of_its_encoders(loaded: Callable[[str], Loaded], keep: Path, tmp_path: Path) -> None:
    sdxl = loaded("sdxl")
    widths = [e.get_input_embeddings().embedding_dim for e in (sdxl.pipe.text_encoder, sdxl.pipe.text_encoder_2)]
    tensors = {"clip_l": torch.randn(2, widths[0]), "clip_g": torch.randn(2, widths[1])}
    ref = embedding(tmp_path / "both.safetensors", tensors)
    plain = pixels(run(sdxl, keep, "both of them"))
    assert pixels(run(sdxl, keep, "both of them", {ref.id: ref})) != plain
    assert pixels(run(sdxl, keep, "both of them")) == plain


def test_one_for_another_text_encoder_is_refused(sd: Loaded, keep: Path, tmp_path: Path) -> None:
    ref = embedding(tmp_path / "wide.safetensors", {"emb_params": torch.randn(2, 768)})
    with pytest.raises(AtelierError) as caught:
        run(sd, keep, "wide", {ref.id: ref})
    assert caught.value.code is ErrorCode.ADDON_BROKEN
    assert "768 numbers wide, this model's words are 32" in str(caught.value.info.facts["reason"])


# -- another VAE


def other_vae(model: Loaded, seed: int = 5) -> AutoencoderKL:
    torch.manual_seed(seed)
    vae = AutoencoderKL.from_config(model.pipe.vae.config)
    return vae.eval()


def test_another_vae_is_used_for_the_run_only(sd: Loaded, keep: Path, tmp_path: Path) -> None:
    own, other = sd.pipe.vae, other_vae(sd)
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    other.save_pretrained(tmp_path / "folder")
    plain = pixels(run(sd, keep, "a red cat"))
    sd.pipe.vae = other
    try:
        wanted = pixels(run(sd, keep, "a red cat"))
    finally:
        sd.pipe.vae = own
    for path in (tmp_path / "other.safetensors", tmp_path / "folder"):
        ref = make.ref(path, kind="vae")
        made = run(sd, keep, "a red cat", {ref.id: ref}, vae=ref.id)
        assert pixels(made) == wanted
        assert made.facts["vae"]["name"] == path.stem
        assert sd.pipe.vae is own
    assert pixels(run(sd, keep, "a red cat")) == plain != wanted


def test_a_vae_of_another_shape_is_refused(sd: Loaded, keep: Path, tmp_path: Path) -> None:
    vae = AutoencoderKL(latent_channels=16, block_out_channels=(32,), norm_num_groups=8)
    save_file(vae.state_dict(), tmp_path / "other.safetensors")
    ref = make.ref(tmp_path / "other.safetensors", kind="vae", family="flux1")
    with pytest.raises(AtelierError) as caught:
        run(sd, keep, "a red cat", {ref.id: ref}, vae=ref.id)
    assert caught.value.code is ErrorCode.ADDON_MISFIT
    assert caught.value.info.facts["made_for"] == "FLUX.1"


def test_clip_skip_counts_the_layer_that_is_taken(sd: Loaded, keep: Path) -> None:
    plain = pixels(run(sd, keep, "a red cat"))
    assert pixels(run(sd, keep, "a red cat", clip_skip=1)) == plain
    assert pixels(run(sd, keep, "a red cat", clip_skip=2)) != plain
