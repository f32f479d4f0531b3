"""Weights in prompts: what is read out of any text, and how an editor changes them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import prompts
from models.prompts import Piece

HOSTILE = st.text(alphabet="ab ()[]{}|\\:.1-BREAK<>,_", max_size=200)


def flat(text: str) -> list[tuple[str, float]]:
    return [(piece.text, round(piece.weight, 3)) for part in prompts.parse(text).parts for piece in part]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a cat", [("a cat", 1.0)]),
        ("a (red) cat", [("a ", 1.0), ("red", 1.1), (" cat", 1.0)]),
        ("a (red:1.3) cat", [("a ", 1.0), ("red", 1.3), (" cat", 1.0)]),
        ("[dark]", [("dark", 0.909)]),
        ("((deep))", [("deep", 1.21)]),
        ("(a (b:1.5) c:2)", [("a ", 2.0), ("b", 3.0), (" c", 2.0)]),
        (r"smile \(:\)", [("smile (:)", 1.0)]),
        ("open (ended", [("open (ended", 1.0)]),
        ("ended) early]", [("ended) early]", 1.0)]),
        ("(mixed [up) pair]", [("mixed [up", 1.1), (" pair]", 1.0)]),
        ("at 12:30 (noon)", [("at 12:30 ", 1.0), ("noon", 1.1)]),
        ("(less:.5)", [("less", 0.5)]),
        ("(against:-1)", [("against", -1.0)]),
        ("(much:1e9)", [("much:1e9", 1.1)]),
        ("(much:99999)", [("much", 10.0)]),
        ("", []),
    ],
)
def test_pieces(text: str, pieces: list[tuple[str, float]]) -> None:
    assert flat(text) == pieces


def test_break_parts_words_but_not_inside_a_word() -> None:
    assert prompts.parse("a BREAK b").parts == ((Piece("a "),), (Piece(" b"),))
    assert len(prompts.parse("BREAKFAST breakfast").parts) == 1


def test_loose_brackets_are_found() -> None:
    assert prompts.loose("a (b [c) d]") == (5, 10)
    assert prompts.loose("(fine) [too]") == ()


@given(HOSTILE)
def test_any_text_is_read(text: str) -> None:
    parsed = prompts.parse(text)
    assert all(
        math.isfinite(piece.weight) and abs(piece.weight) <= prompts.MOST for part in parsed.parts for piece in part
    )
    assert all(0 <= at < len(text) for at in parsed.loose)
    assert len(parsed.text) <= len(text)
    for start, end, weight in prompts.spans(text):
        assert 0 <= start < end <= len(text)
        assert math.isfinite(weight)


@given(st.text(alphabet="abc ,.:1'-", max_size=80))
def test_text_without_brackets_stays_as_it_is(text: str) -> None:
    parsed = prompts.parse(text)
    assert parsed.text == text
    assert not parsed.weighted
    assert prompts.unweighted(text) == text


@given(HOSTILE, st.integers(0, 200), st.integers(0, 200), st.sampled_from([0.1, -0.1]))
def test_reweighing_keeps_the_words(text: str, one: int, other: int, by: float) -> None:
    start, end = sorted((min(one, len(text)), min(other, len(text))))
    new, first, last = prompts.reweigh(text, start, end, by)
    assert 0 <= first <= last <= len(new)


@pytest.mark.parametrize("text", ["(" * 10_000 + "a" + ")" * 10_000, "(a[" * 10_000, "])" * 10_000, "(" * 20_000])
def test_deep_nesting_costs_no_more_than_its_length(text: str) -> None:
    prompts.parse(text)
    prompts.spans(text)
    prompts.unweighted(text)


def test_numbers_are_left_out_for_models_that_do_not_weigh() -> None:
    assert prompts.unweighted("a (red:1.2) (small) cat (very (big:2):1.5)") == "a red (small) cat very big"


def test_which_pipelines_weigh() -> None:
    assert prompts.weighs("StableDiffusionXLControlNetPipeline")
    assert prompts.weighs("LatentConsistencyModelPipeline")
    assert not prompts.weighs("StableDiffusion3Pipeline")
    assert not prompts.weighs("FluxPipeline")


def test_weights_by_keyboard() -> None:
    text, start, end = prompts.reweigh("a red cat", 2, 5, 0.1)
    assert (text, text[start:end]) == ("a (red:1.1) cat", "red")
    text, start, end = prompts.reweigh(text, start, end, 0.1)
    assert (text, text[start:end]) == ("a (red:1.2) cat", "red")
    text, start, end = prompts.reweigh(text, start, end, -0.1)
    text, start, end = prompts.reweigh(text, start, end, -0.1)
    assert (text, text[start:end]) == ("a red cat", "red")


def test_without_a_selection_the_word_at_the_cursor_counts() -> None:
    assert prompts.reweigh("a red, cat", 3, 3, 0.1)[0] == "a (red:1.1), cat"
    assert prompts.reweigh("a (red) cat", 4, 4, 0.1)[0] == "a (red:1.2) cat"
    assert prompts.reweigh("a  cat", 2, 2, 0.1)[0] == "a  cat"


def test_what_is_not_read_is_found() -> None:
    assert prompts.unread("a [day:night:0.5] sky") == "[day:night:0.5]"
    assert prompts.unread("a [cow|horse] on grass") == "[cow|horse]"
    assert prompts.unread("a cat AND a dog") == "AND"
    for text in ("a [dark] (red:1.2) sky", "SAND AND", "and", "12:30", "[a, b]", "[note: later]"):
        assert prompts.unread(text) == ""
    prompts.unread("[a:" * 7000)
