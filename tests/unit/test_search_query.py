"""The search field: what is typed means what people expect, and nothing typed is ever an error."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.jobs import Result
from app.journal import Journal
from app.records import Records
from app.search_query import FILTERS, parse
from app.store import Store

DAY = dt.date(2026, 11, 23)

PICTURES = [
    # id, prompt, negative, model, seed, size, inputs, day
    ("harbour", "a quiet harbour at dawn, red sky", "people", "FLUX.2 klein 4B", 42, (1024, 768), {"steps": 20}, 1),
    ("fog", "harbour in fog, Québec", "", "Stable Diffusion XL", 420, (768, 1024), {"scheduler": "euler_a"}, 2),
    ("cat", "a cat on a red chair", "dog", "pocket", 7, (512, 512), {"loras": [{"name": "ink", "weight": 0.8}]}, 3),
    ("cjk", "夕焼けの港、赤い空", "", "pocket", 8, (512, 512), {}, 4),
    ("big", "“quotes” and % signs_under", "", "pocket", 2**64 - 5, (512, 512), {"image": "/home/me/house.png"}, 5),
]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    folder: Path = tmp_path_factory.mktemp("library")
    store = Store(folder / "library.sqlite3")
    for key, prompt, negative, model, seed, (width, height), inputs, day in PICTURES:
        created = dt.datetime(2026, 11, day, 12).timestamp()
        recipe = {"inputs": {"prompt": prompt, "negative_prompt": negative, **inputs}, "seed": seed}
        store.add_result(
            Result(key, "", f"/p/{key}.png", created, model.lower(), model, prompt, seed, width, height, recipe)
        )
    found = Records(store, Journal(folder / "journal"))
    found.tag(["harbour", "cat"], ["Poster art"])
    found.rate(["harbour"], 5)
    found.rate(["fog"], 3)
    found.favour(["cat"])
    found.note("cat", "for grandmother's birthday")
    found.collect("Best of", ["fog", "cat"])
    return found


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("", "big cjk cat fog harbour"),
        ("harb", "fog harbour"),
        ("HARBOUR dawn", "harbour"),
        ('"red sky"', "harbour"),
        ('"sky red"', ""),
        ("red -chair", "harbour"),
        ("-harbour", "big cjk cat"),
        ("quebec", "fog"),
        ("people", "harbour"),  # negative prompts are searched too
        ("grandmo", "cat"),
        ("ink", "cat"),
        ("euler_a", "fog"),
        ("港", "cjk"),
        ("赤い空", "cjk"),
        ("house", "big"),
        ("home", ""),  # folders are not
        ("signs_under", "big"),
        ("model:flux", "harbour"),
        ('model:"stable diffusion"', "fog"),
        ("-model:pocket", "fog harbour"),
        ("seed:42", "harbour"),
        (f"seed:{2**64 - 5}", "big"),
        ("size:512x512", "big cjk cat"),
        ("size:landscape", "harbour"),
        ("size:portrait", "fog"),
        ("after:2026-11-04", "big cjk"),
        ("before:2026-11-02", "harbour"),
        ("after:2026-11-02 before:2026-11-04", "cat fog"),
        ("after:2026", "big cjk cat fog harbour"),
        ('tag:"poster art"', "cat harbour"),
        ("tag:poster", ""),
        ("poster", "cat harbour"),
        ("rating:3", "fog"),
        ("rating:3+", "fog harbour"),
        ("rating:>3", "harbour"),
        ("rating:0", "big cjk cat"),
        ("is:favourite", "cat"),
        ("-is:favourite", "big cjk fog harbour"),
        ("is:rated", "fog harbour"),
        ("is:trash", ""),
        ("is:imported", ""),
        ('collection:"best of"', "cat fog"),
        ("harbour rating:5 model:flux seed:42 size:1024x768", "harbour"),
        ("tool:atelier harbour", "fog harbour"),
        ("***", "big cjk cat fog harbour"),
        ("unknown:harbour", ""),
        ("dawn: red", "harbour"),
    ],
)
def test_what_is_typed_is_found(records: Records, typed: str, wanted: str) -> None:
    page = records.page(typed)
    assert " ".join(result.id for result in page.results) == wanted
    assert records.count(typed) == len(wanted.split())
    assert records.ids(typed) == wanted.split()
    assert [r.id for r in records.page(typed, oldest=True).results] == wanted.split()[::-1]


def test_days_may_be_relative() -> None:
    assert parse("after:yesterday", DAY).since == dt.datetime(2026, 11, 22).timestamp()
    assert parse("after:7d", DAY).since == dt.datetime(2026, 11, 16).timestamp()
    assert parse("before:2026-10", DAY).until == dt.datetime(2026, 10, 1).timestamp()


def test_filters_that_make_no_sense_are_words() -> None:
    for typed in ("seed:abc", "rating:9", "after:soon", "is:blue", "after:2026-13-40", "size:huge", "tag:", "model:"):
        assert parse(typed, DAY).since is None


def test_every_filter_has_an_example_that_works() -> None:
    for examples in FILTERS.values():
        for example in examples.split(", "):
            assert not parse(example, DAY).empty


hostile = st.text(max_size=60) | st.lists(
    st.sampled_from(['"', "'", "*", "NEAR(", "AND", "OR", "NOT", "(", ")", ":", "-", "^", "{", "}", "\0", "\ud800", ";",
                     "model:", "seed:", "is:", "tag:", "after:", "size:", "rating:", "-", " ", "a", "漢", "search", "%",
                     "marks : x", "DROP TABLE results", "+", "1e9", "after:999999", "after:9999", "before:0001",
                     "seed:99999999999999999999", "after:9999y"]), max_size=12).map("".join)  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile)
def test_nothing_typed_is_an_error(records: Records, typed: str) -> None:
    found = records.page(typed, limit=3)
    assert len(found.results) <= 3
    assert records.count(typed) >= len(found.results)
    assert records.count() == len(PICTURES)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PICTURES), st.data())
def test_any_beginning_of_any_word_finds_its_picture(records: Records, picture: tuple, data: st.DataObject) -> None:
    words = [word for word in picture[1].replace("“", " ").replace("”", " ").split() if word[0].isalnum()]
    word = data.draw(st.sampled_from(words)).strip(",、。")
    typed = word[: data.draw(st.integers(1, len(word)))]
    assert picture[0] in records.ids(typed)


def test_very_long_input_is_cut(records: Records) -> None:
    assert records.page("harbour " * 100_000).results
    assert records.page('"' + "a" * 1_000_000).results == ()
