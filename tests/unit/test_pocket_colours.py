"""Recolouring and reading colours back, on drawn squares."""

from __future__ import annotations

import numpy as np
import pytest

from models.pocket.colours import (
    GROUNDS,
    HUES,
    Bytes,
    dominant_hue,
    from_hsv,
    name_of_hue,
    over,
    recolour,
    to_hsv,
    unit,
)
from models.pocket.data import HELD_OUT, Concept, Variant, caption, list_variants, read_concepts


def square(rgb: tuple[int, int, int]) -> Bytes:
    """A filled square with a see-through border."""
    icon = np.zeros((16, 16, 4), np.uint8)
    icon[4:12, 4:12] = (*rgb, 255)
    return icon


def test_hsv_and_back_is_the_same() -> None:
    rgb = np.random.default_rng(0).random((50, 3)).astype(np.float32)
    assert np.allclose(from_hsv(*to_hsv(rgb)), rgb, atol=1e-5)


@pytest.mark.parametrize("colour", sorted(HUES))
def test_a_red_square_takes_every_colour(colour: str) -> None:
    changed = recolour(square((230, 40, 40)), colour)
    assert changed is not None
    hue = dominant_hue(unit(changed[..., :3]), changed[..., 3] > 128)
    assert hue is not None
    assert name_of_hue(hue) == colour


def test_grey_cannot_be_recoloured() -> None:
    assert recolour(square((120, 120, 120)), "red") is None


def test_a_ground_shows_only_around_the_thing() -> None:
    flat = over(square((230, 40, 40)), GROUNDS["blue"])
    assert tuple(flat[0, 0]) == GROUNDS["blue"]
    assert tuple(flat[8, 8]) == (230, 40, 40)


def test_no_caption_holds_a_held_out_pair() -> None:
    concepts = read_concepts()
    icons = np.stack([square((230, 40, 40))] * len(concepts))
    rng = np.random.default_rng(1)
    forbidden = {
        f"{colour} {name}" for colour, thing in HELD_OUT for c in concepts if c.name == thing for name in c.names
    }
    for variant in list_variants(concepts, icons):
        for _ in range(5):
            text = caption(variant, concepts[variant.concept], rng)
            assert not any(f" {pair} " in f" {text} " for pair in forbidden), text


def test_every_held_out_pair_names_a_concept_and_another_than_its_own_colour() -> None:
    colours = {c.name: c.colour for c in read_concepts()}
    assert all(thing in colours and colours[thing] != colour for colour, thing in HELD_OUT)


def test_captions_name_the_background() -> None:
    said = caption(Variant(0, "blue", "red", 1.0), Concept("cat", "🐱", "yellow", ()), np.random.default_rng(0))
    assert "blue cat" in said
    assert said.endswith("on a red background")
