"""Weights and long prompts, by the pipelines' own text encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from PIL import Image, ImageChops
from tiny_runs import Ear, Loaded

from models.runners.diffusion import words

POCKET = Path(__file__).parents[2] / "assets" / "pocket"


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return Loaded(POCKET, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tiny.build("sdxl", tmp_path_factory.mktemp("sdxl"))
    return Loaded(folder, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return Loaded(tiny.build("flux", tmp_path_factory.mktemp("flux")), tmp_path_factory.mktemp("cache"))


def embeds(pipe: Any, prompt: str, against: str = "", **more: Any) -> tuple[torch.Tensor, ...]:
    with torch.no_grad(), words.weighed(pipe):
        given: dict[str, Any] = {"prompt": prompt, "device": torch.device("cpu"), "num_images_per_prompt": 1}
        answer = pipe.encode_prompt(**given, do_classifier_free_guidance=True, negative_prompt=against, **more)
    return tuple(each for each in answer if each is not None)


def own(pipe: Any, prompt: str, against: str = "", **more: Any) -> tuple[torch.Tensor, ...]:
    """What the pipeline itself answers."""
    with torch.no_grad():
        given: dict[str, Any] = {"prompt": prompt, "device": torch.device("cpu"), "num_images_per_prompt": 1}
        answer = pipe.encode_prompt(**given, do_classifier_free_guidance=True, negative_prompt=against, **more)
    return tuple(each for each in answer if each is not None)


def far(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.float() - other.float()).norm())


@pytest.mark.parametrize("name", ["pocket", "sdxl"])
def test_a_short_prompt_without_brackets_is_bit_identical(name: str, request: pytest.FixtureRequest) -> None:
    pipe = request.getfixturevalue(name).pipe
    for mine, theirs in zip(embeds(pipe, "a red cat", "blue"), own(pipe, "a red cat", "blue"), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("name", ["pocket", "sdxl"])
def test_an_escaped_bracket_is_a_bracket(name: str, request: pytest.FixtureRequest) -> None:
    pipe = request.getfixturevalue(name).pipe
    assert torch.equal(embeds(pipe, r"a \(cat\)")[0], own(pipe, "a (cat)")[0])


@pytest.mark.parametrize("name", ["pocket", "sdxl"])
def test_embeddings_made_here_are_those_of_the_pipeline_at_weight_one(
    name: str, request: pytest.FixtureRequest
) -> None:
    """A weight somewhere makes all of them go this way: those of the negative prompt and the pooled ones stay."""
    pipe = request.getfixturevalue(name).pipe
    mine, theirs = embeds(pipe, "a (red:1.5) cat", "blue"), own(pipe, "a red cat", "blue")
    assert len(mine) == len(theirs)
    assert not torch.equal(mine[0], theirs[0])
    for one, other in zip(mine[1:], theirs[1:], strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["pocket", "sdxl"])
def test_a_weight_moves_the_embedding_away_from_the_empty_one(name: str, request: pytest.FixtureRequest) -> None:
    pipe = request.getfixturevalue(name).pipe
    empty, plain = own(pipe, "")[0], own(pipe, "red")[0]
    place = slice(1, 2)  # the first word's
    whole = far(plain[:, place], empty[:, place])
    for weight in (0.0, 0.5, 1.5, 2.0):
        moved = embeds(pipe, f"(red:{weight})")[0]
        assert far(moved[:, place], empty[:, place]) == pytest.approx(weight * whole, rel=0.02, abs=0.02 * whole)
    stronger, weaker = embeds(pipe, "(red)")[0] - plain, embeds(pipe, "[red]")[0] - plain
    cosine = torch.nn.functional.cosine_similarity
    assert float(cosine(stronger[:, place].flatten(), (plain - empty)[:, place].flatten(), dim=0)) > 0.98
    assert float(cosine(stronger.flatten(), weaker.flatten(), dim=0)) < -0.9
    later = embeds(pipe, "a (red:1.5) cat")[0] - own(pipe, "a red cat")[0]
    assert float(later[:, 1].abs().max()) == 0, "only what stands in brackets is weighed"


@pytest.mark.parametrize("name", ["pocket", "sdxl"])
def test_what_stands_far_behind_matters(name: str, request: pytest.FixtureRequest) -> None:
    pipe = request.getfixturevalue(name).pipe
    long = "red cat, " * 30
    one, other = embeds(pipe, long + "a sunny day", "blue"), embeds(pipe, long + "at midnight", "blue")
    room = words.Encoder(pipe, pipe.tokenizer, pipe.text_encoder, 0, False).room + 2
    assert one[0].shape[1] > room
    assert one[0].shape[1] % room == 0
    assert one[0].shape == one[1].shape, "the negative prompt is filled up alike"
    assert torch.equal(one[0][:, :room], other[0][:, :room])
    assert not torch.equal(one[0][:, -room:], other[0][:, -room:])
    if len(one) == 4:
        torch.testing.assert_close(one[2], other[2])


def test_break_begins_a_new_chunk(pocket: Loaded) -> None:
    one = embeds(pocket.pipe, "a red cat BREAK a blue dog")[0]
    assert one.shape[1] == 2 * own(pocket.pipe, "a")[0].shape[1]
    torch.testing.assert_close(one[:, : one.shape[1] // 2], own(pocket.pipe, "a red cat")[0])


@pytest.mark.parametrize("name", ["pocket", "sdxl"])
def test_clip_skip_is_honoured_for_both_prompts(name: str, request: pytest.FixtureRequest) -> None:
    pipe = request.getfixturevalue(name).pipe
    plain, skipped = embeds(pipe, "a red cat", "blue"), embeds(pipe, "a red cat", "blue", clip_skip=1)
    assert not torch.equal(plain[0], skipped[0])
    assert not torch.equal(plain[1], skipped[1])
    assert plain[0].shape == skipped[0].shape


def test_a_chunk_rather_ends_at_a_comma() -> None:
    tokens = [(number, 1.0) for number in [*range(1, 70), 0, *range(71, 90)]]
    first, second = words.cut(tokens, 75, frozenset([0]))
    assert first[-1][0] == 0
    assert [*first, *second] == tokens
    assert [len(chunk) for chunk in words.cut(tokens, 75, frozenset())] == [75, len(tokens) - 75]
    assert words.cut([], 75, frozenset()) == [[]]


@pytest.mark.parametrize("prompt", ["a (red:1.6) cat", "red cat, " * 20])
@pytest.mark.parametrize("name", ["pocket", "sdxl"])
def test_pictures_are_made_with_and_without_a_mask(
    name: str, prompt: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model: Loaded = request.getfixturevalue(name)
    before = vars(model.pipe).get("encode_prompt")
    plain = model.run(tmp_path / "a", steps=2).image
    assert ImageChops.difference(plain, model.run(tmp_path / "b", prompt=prompt, steps=2).image).getbbox() is not None
    image, mask = tmp_path / "picture.png", tmp_path / "mask.png"
    plain.save(image)
    Image.linear_gradient("L").resize(plain.size).point(lambda value: 255 * (value > 128)).save(mask)
    masked = {"image": str(image), "mask": str(mask), "strength": 1.0, "steps": 2}
    one = model.run(tmp_path / "c", prompt="a red cat", **masked).image
    other = model.run(tmp_path / "d", prompt=prompt, **masked).image
    assert ImageChops.difference(one, other).getbbox() is not None
    assert vars(model.pipe).get("encode_prompt") is before


def test_a_model_that_cannot_weigh_words_leaves_the_numbers_out_and_says_so(flux: Loaded, tmp_path: Path) -> None:
    ear = Ear()
    weighed = flux.run(tmp_path / "a", prompt="a (red:1.4) cat (small)", ear=ear, steps=1).image
    assert ear.notices == ["weights_not_read"]
    quiet = Ear()
    plain = flux.run(tmp_path / "b", prompt="a red cat (small)", ear=quiet, steps=1).image
    assert quiet.notices == []
    assert weighed.tobytes() == plain.tobytes()


def test_what_no_model_reads_is_said(pocket: Loaded, tmp_path: Path) -> None:
    ear = Ear()
    pocket.run(tmp_path / "a", prompt="a [red:blue:0.5] cat", ear=ear, steps=1)
    assert ear.notices == ["syntax_not_read"]
