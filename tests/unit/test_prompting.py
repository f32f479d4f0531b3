"""Wildcards, alternatives, styles, presets and history, without a window or an engine."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs import Result
from app.paths import ASSETS
from app.prompting.expand import PromptError, Value, expand
from app.prompting.history import History
from app.prompting.service import Prompting
from app.prompting.styles import Style, apply, read
from app.prompting.syntax import loras
from app.prompting.syntax import read as read_template
from app.prompting.wildcards import Wildcards
from models.errors import InvalidInputError

HOSTILE = st.text(alphabet="ab {}|$:23_\\-*/,<>", max_size=200)
TABLE = {
    "colour": [Value("red"), Value("blue", 3)],
    "a": [Value("__b__")],
    "b": [Value("{__a__|__a__}")],
    "deep": [Value("{x|y} __colour__")],
}


def table(name: str) -> list[Value]:
    if name not in TABLE:
        raise PromptError(f"no {name}")
    return TABLE[name]


def outcomes(text: str, seeds: int = 200) -> Counter[str]:
    return Counter(expand(text, seed, table) for seed in range(seeds))


def test_the_same_seed_makes_the_same_expansion() -> None:
    text = "a {red|blue|green} {2$$cat|dog|fox} in __colour__"
    assert [expand(text, seed, table) for seed in range(20)] == [expand(text, seed, table) for seed in range(20)]
    assert len(outcomes(text)) > 10
    # written down once, so that a later version cannot choose otherwise unnoticed
    assert expand(text, "7/prompt", table) == "a red cat, fox in blue"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a|b}", {"a", "b"}),
        ("{|a}", {"", "a"}),
        ("{2$$a|b}", {"a, b", "b, a"}),
        ("{1-2$$ and $$a|b}", {"a", "b", "a and b", "b and a"}),
        ("{2$$__colour__}", {"red, blue", "blue, red"}),
        ("{9$$a|b}", {"a, b", "b, a"}),
        ("{a|{b|c}}", {"a", "b", "c"}),
        ("__deep__", {"x red", "y red", "x blue", "y blue"}),
        ('{"subject": "a cat"}', {'{"subject": "a cat"}'}),
        ("{a|b", {"{a|b"}),
        ("a}|b", {"a}|b"}),
        (r"\{a|b\}", {"{a|b}"}),
        ("(word:1.2) [less] ^__^", {"(word:1.2) [less] ^__^"}),
    ],
)
def test_alternatives(text: str, expected: set[str]) -> None:
    assert set(outcomes(text)) == expected


def test_weights_decide_how_often() -> None:
    found = outcomes("{3::a|b}", 1000)
    assert 680 < found["a"] < 820
    found = outcomes("__colour__", 1000)
    assert 680 < found["blue"] < 820
    assert set(outcomes("{0::a|b}")) == {"b"}


def test_a_wildcard_that_calls_itself_gets_a_clear_answer() -> None:
    with pytest.raises(PromptError, match="__a__ → __b__ → __a__"):
        expand("a __a__", 1, table)


@pytest.mark.parametrize(
    "text",
    ["{a|" * 10_000 + "}" * 10_000, "{" * 10_000 + "a|b" + "}" * 10_000, "{" * 20_000, "__a" * 6000, "_" * 20_000],
)
def test_hostile_nesting_ends(text: str) -> None:
    try:
        expand(text, 1, table)
    except PromptError as error:
        assert "nested" in str(error) or "calls" in str(error)  # noqa: PT017


def test_a_prompt_that_grows_without_end_is_refused() -> None:
    bombs = {f"w{number}": [Value(f"__w{number + 1}__ " * 10)] for number in range(10)} | {"w10": [Value("x" * 50)]}
    with pytest.raises(PromptError, match="grows"):
        expand("__w0__", 1, lambda name: bombs[name])


@given(HOSTILE)
def test_any_text_is_read(text: str) -> None:
    template = read_template(text)
    assert all(0 <= at < len(text) for at in template.loose)
    try:
        assert isinstance(expand(text, 1, table), str)
    except PromptError:
        assert template.dynamic


@given(st.text(alphabet="abc (),.:[]1'-", max_size=60))
def test_text_without_its_syntax_stays(text: str) -> None:
    assert expand(text, 1, table) == text


def test_loras_leave_the_words() -> None:
    assert loras("a cat <lora:ink:0.8>, in rain") == ("a cat, in rain", [("ink", "0.8")])
    assert loras("<LORA:my/file>a") == ("a", [("my/file", "")])
    assert loras("a < b > c") == ("a < b > c", [])


# -- files


def test_wildcard_files(tmp_path: Path) -> None:
    folder = tmp_path / "wildcards"
    (folder / "places").mkdir(parents=True)
    (folder / "colour.txt").write_bytes("\ufeff# my colours\nred\n\n3::blue\n".encode())
    (folder / "places" / "city.txt").write_text("Rome\nOslo\n")
    (folder / "old.txt").write_bytes("caf\xe9\n".encode("latin-1"))
    (folder / "clothes.yaml").write_text("clothes:\n  hats:\n    - cap\n    - 2::bonnet\n  shoes: [clog]\n")
    (folder / "broken.yaml").write_text("a: [b\n")
    cards = Wildcards(folder)
    assert list(cards.values("colour")) == [Value("red"), Value("blue", 3.0)]
    assert [value.text for value in cards.values("Places/City")] == ["Rome", "Oslo"]
    assert [value.text for value in cards.values("old")] == ["café"]
    assert [value.text for value in cards.values("clothes/*")] == ["cap", "bonnet", "clog"]
    with pytest.raises(PromptError, match="Did you mean __colour__"):
        cards.values("colours")
    with pytest.raises(PromptError, match="cannot be read"):
        cards.values("broken")
    assert {file.name: bool(file.problem) for file in cards.files()}["broken"] is True


def test_names_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret\n")
    cards = Wildcards(tmp_path / "wildcards")
    for name in ("../secret", "x/../../secret", "/etc/passwd"):
        with pytest.raises(PromptError):
            cards.values(name)
        with pytest.raises(PromptError):
            cards.save(name, "a")


def test_yaml_that_stands_for_billions_is_refused(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} {{" + ", ".join(f"k{i}: *a{n - 1}" for i in range(10)) + "}" for n in range(1, 9)]
    (tmp_path / "bomb.yaml").write_text("\n".join(rows))
    with pytest.raises(PromptError, match="too many"):
        Wildcards(tmp_path).values("bomb")


def test_large_files_are_read_and_larger_ones_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "many.txt").write_text("\n".join(f"value {number}" for number in range(100_000)))
    cards = Wildcards(tmp_path)
    assert len(cards.values("many")) == 100_000
    monkeypatch.setattr("app.prompting.wildcards.LARGEST", 1000)
    with pytest.raises(PromptError, match="larger"):
        Wildcards(tmp_path).values("many")


def test_managing_wildcards(tmp_path: Path) -> None:
    cards = Wildcards(tmp_path / "wildcards", ASSETS / "prompts" / "wildcards")
    assert "colour" in cards.names()
    cards.save("birds/small", "wren\n")
    cards.save("colour", "mauve\n")
    assert [value.text for value in cards.values("colour")] == ["mauve"], "the user's file counts"
    removed = cards.remove("colour")
    assert len(cards.values("colour")) > 5
    cards.restore(removed)
    assert [value.text for value in cards.values("colour")] == ["mauve"]
    with pytest.raises(PromptError, match="comes with Atelier"):
        cards.remove("weather")
    shared = tmp_path / "shared" / "pack"
    shared.mkdir(parents=True)
    (shared / "fish.txt").write_text("carp\n")
    (shared / "readme.md").write_text("no")
    assert cards.take_in(tmp_path / "shared") == ["pack/fish"]
    assert [value.text for value in cards.values("pack/fish")] == ["carp"]
    with pytest.raises(PromptError, match="no wildcards"):
        cards.take_in(shared / "readme.md")


# -- styles


def test_styles_of_a1111(tmp_path: Path) -> None:
    file = tmp_path / "styles.csv"
    file.write_text(
        "\ufeffname,prompt,negative_prompt\r\n"
        "None,,\r\n"
        '"— PHOTO —",,\r\n'
        '"Cinematic","cinematic still of {prompt}, ""anamorphic""\nsecond line","cartoon, drawing"\r\n'
        'Sharp,"sharp focus, 8k",\r\n'
        'Clean,,"blurry, text"\r\n'
        "too,many,columns,here,x\r\n",
        encoding="utf-8",
    )
    found = {style.name: style for style in read(file)}
    assert list(found) == ["Cinematic", "Sharp", "Clean", "too"]
    assert found["Cinematic"].prompt == 'cinematic still of {prompt}, "anamorphic"\nsecond line'
    assert apply([found["Sharp"], found["Clean"]], "a cat,", "dog") == ("a cat, sharp focus, 8k", "dog, blurry, text")
    assert apply([found["Cinematic"]], "a cat", "")[0].startswith("cinematic still of a cat, ")


def test_styles_of_fooocus(tmp_path: Path) -> None:
    file = tmp_path / "sdxl_styles_test.json"
    rows = [
        {"name": "sai-anime", "prompt": "anime artwork {prompt} . key visual", "negative_prompt": "photo, deformed"},
        {"name": "ads-luxury", "prompt": "luxury {prompt}", "negative_prompt": ""},
        {"name": "empty"},
        "no style",
    ]
    file.write_text(json.dumps(rows))
    assert [style.name for style in read(file)] == ["sai-anime", "ads-luxury"]


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 5000, '{"a": 1}', "name;x", "\0\0", "prompt,negative\na,b\n"])
@pytest.mark.parametrize("ending", [".csv", ".json"])
def test_files_that_hold_no_styles_get_a_clear_answer(text: str, ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"styles{ending}"
    file.write_text(text)
    with pytest.raises(PromptError, match="styles"):
        read(file)


def test_managing_styles(tmp_path: Path) -> None:
    prompting = Prompting(tmp_path, ASSETS)
    styles = prompting.styles
    given = styles.all()
    assert len(given) >= 8
    assert all(style.prompt and not style.own for style in given)
    styles.save(Style("Mine", "{prompt}, mine", "yours"))
    styles.save(Style("Mine too", "x"), old="mine")
    assert styles.find(["mine TOO"])[0].prompt == "x"
    with pytest.raises(PromptError, match="Did you mean “Mine too”"):
        styles.find(["Mine to"])
    styles.remove(given[0].name)
    assert given[0].name not in [style.name for style in styles.all()]
    for ending in ("csv", "json"):
        target = tmp_path / f"out.{ending}"
        assert styles.export(target) == len(styles.all())
        other = Prompting(tmp_path / ending, tmp_path / "none").styles
        other.take_in(target)
        assert [(s.name, s.prompt, s.negative_prompt) for s in other.all()] == [
            (s.name, s.prompt, s.negative_prompt) for s in styles.all()
        ]


def test_a_damaged_file_of_styles_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "styles.json").write_text("{broken")
    assert Prompting(tmp_path, ASSETS).styles.all()
    assert (tmp_path / "styles.damaged.json").read_text() == "{broken"


# -- presets


def test_presets(tmp_path: Path) -> None:
    presets = Prompting(tmp_path, ASSETS).presets
    inputs = {"steps": 4, "seed": 7, "image": "/x.png", "prompt": "a cat", "loras": [{"name": "ink", "weight": 0.5}]}
    presets.save("Quick", "pocket", inputs, ["Ink drawing"])
    saved = presets.find("quick")
    assert saved.inputs == {"steps": 4, "prompt": "a cat", "loras": [{"name": "ink", "weight": 0.5}]}
    presets.save("Other", "pocket", {})
    with pytest.raises(PromptError, match="already"):
        presets.rename("quick", "Other")
    presets.rename("quick", "Quicker")
    assert presets.export(tmp_path / "out.json", ["quicker"]) == 1
    again = Prompting(tmp_path / "b", ASSETS).presets
    assert again.take_in(tmp_path / "out.json") == ["Quicker"]
    assert again.find("Quicker").styles == ["Ink drawing"]
    removed = presets.remove("Quicker")
    presets.restore(removed)
    assert [preset.name for preset in presets.all()] == ["Other", "Quicker"]
    (tmp_path / "bad.json").write_text('{"presets": 3}')
    with pytest.raises(PromptError, match="cannot be read as presets"):
        presets.take_in(tmp_path / "bad.json")


# -- history


def _result(prompt: str, created: float, **recipe: Any) -> Result:
    return Result(prompt, "", "", created, "", "", prompt, 1, 1, 1, recipe)


def test_history_offers_what_was_written_and_forgets(tmp_path: Path) -> None:
    pictures = [
        _result("a red cat", 3.0, template={"prompt": "a {red|blue} cat"}),
        _result("a dog", 2.0),
        _result("a dog", 1.0),
    ]
    history = History(tmp_path / "h.json", lambda limit: pictures)
    assert history.prompts() == ["a {red|blue} cat", "a dog"]
    before = history.forget()
    assert history.prompts() == []
    history.remember(before)
    history.set_private(True)
    assert history.prompts() == []
    history.set_private(False)
    assert len(history.prompts()) == 2


# -- what is queued


def prepare(tmp_path: Path, values: dict[str, Any], count: int = 1, styles: tuple[str, ...] = (), **more: Any) -> Any:
    return Prompting(tmp_path, ASSETS).prepare({"seed": 5, **values}, count, more.get("variants", ()), styles)


def test_what_has_nothing_to_choose_is_left_alone(tmp_path: Path) -> None:
    found = prepare(tmp_path, {"prompt": "a (red:1.2) cat"}, 3)
    assert (found.variants, found.about) == ([], {})
    assert found.values["prompt"] == "a (red:1.2) cat"


def test_a_picture_has_the_expansion_of_its_seed_alone_or_among_many(tmp_path: Path) -> None:
    text = {"prompt": "a {red|blue|green|black} __material__ cat"}
    many = prepare(tmp_path, text, 8)
    assert [cell["seed"] for cell in many.variants] == list(range(5, 13))
    assert len({cell["prompt"] for cell in many.variants}) > 3
    assert many.about == {"template": text}
    for cell in many.variants:
        alone = prepare(tmp_path, {**text, "seed": cell["seed"]})
        assert alone.values["prompt"] == cell["prompt"]


def test_a_grids_cells_are_expanded_too(tmp_path: Path) -> None:
    cells = [{"seed": 9, "steps": 2}, {"seed": 9, "steps": 4}]
    found = prepare(tmp_path, {"prompt": "{a|b} cat", "steps": 1}, variants=cells)
    assert (
        found.variants[0]["prompt"]
        == found.variants[1]["prompt"]
        == prepare(tmp_path, {"prompt": "{a|b} cat", "seed": 9}).values["prompt"]
    )
    assert [cell["steps"] for cell in found.variants] == [2, 4]


def test_styles_go_around(tmp_path: Path) -> None:
    found = prepare(tmp_path, {"prompt": "a cat", "negative_prompt": "dog"}, 2, ("ink drawing",))
    assert found.values["prompt"].startswith("ink drawing of a cat")
    assert found.values["negative_prompt"].startswith("dog, ")
    assert found.about["styles"] == ["Ink drawing"]
    assert found.about["template"] == {"prompt": "a cat", "negative_prompt": "dog"}
    assert "negative_prompt" not in prepare(tmp_path, {"prompt": "a cat"}, 1, ("ink drawing",)).values


def test_loras_of_the_words_become_inputs(tmp_path: Path) -> None:
    given = [{"name": "ink", "weight": 1.0}, {"name": "paper", "weight": 0.3}]
    found = prepare(tmp_path, {"prompt": "a cat <lora:ink:0.8><lora:new>", "loras": given})
    assert found.values["prompt"] == "a cat"
    assert found.values["loras"] == [
        {"name": "ink", "weight": 0.8}, {"name": "paper", "weight": 0.3}, {"name": "new", "weight": 1.0}
    ]  # fmt: skip
    assert found.about["template"]["prompt"] == "a cat <lora:ink:0.8><lora:new>"


@pytest.mark.parametrize(
    ("values", "styles", "words"),
    [
        ({"prompt": "__nowhere__"}, (), "no wildcard"),
        ({"prompt": "a"}, ("nope",), "no style"),
        ({"prompt": "a <lora:x:1>"}, (), "takes no LoRAs"),
        ({"prompt": "a <lora:x:much>", "loras": []}, (), "must be a number"),
        ({"prompt": "a <lora:x:9>", "loras": []}, (), "from -4 to 4"),
        ({"prompt": "a", "negative_prompt": "<lora:x:1>", "loras": []}, (), "Avoid"),
    ],
)
def test_problems_are_said_at_once(tmp_path: Path, values: dict[str, Any], styles: tuple[str, ...], words: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        prepare(tmp_path, values, 1, styles)
    assert words in caught.value.info.problems[0].sentence


def test_wildcards_nested_too_deep_in_each_other_are_refused_in_a_sentence() -> None:
    deep = {f"w{n}": [Value("{2$$" * 50 + f"__w{n + 1}__" + "}" * 50)] for n in range(20)}
    with pytest.raises(PromptError, match="too deep"):
        expand("__w0__", 1, lambda name: deep[name])
