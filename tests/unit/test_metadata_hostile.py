"""No file and no text makes a reader raise, hang or eat memory; what is written is read again, letter for letter."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from models import metadata, recipe, texts
from models.metadata import comfy, infotext, invoke, names, others
from models.metadata.found import Found
from models.metadata.read import foreign
from tests.unit import foreign_texts as written

SAMPLES = [
    written.A1111, written.FORGE_FLUX, written.CIVITAI, written.DREAM, written.DRAW_THINGS_XMP,
    *(json.dumps(one) for one in (
        written.COMFY, written.COMFY_FLUX, written.COMFY_WORKFLOW, written.INVOKE, written.INVOKE_2, written.FOOOCUS,
        written.NOVELAI, written.DRAW_THINGS, written.EASY, written.SWARM)),
]  # fmt: skip
KEYS = ["parameters", "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Dream", "Comment", "Description",
        "Source", "Software", texts.XMP, texts.COMMENT, "exif:Make", "exif:Model", "negative_prompt",
        "use_stable_diffusion_model", "atelier"]  # fmt: skip

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A text as some tool writes it, cut off, repeated or with something else in the middle."""
    text = draw(st.sampled_from(SAMPLES))
    start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    middle = draw(st.text(max_size=20) | st.sampled_from(['"', "{", "[", "\0", "\ud800", "9" * 400, "null", text[:50]]))
    return text[:start] + middle + text[end:]


def all_readers(text: str) -> None:
    for reader in (infotext.read, comfy.read, others.fooocus, others.draw_things, others.swarm):
        assert isinstance(reader(text), Found | None)
    foreign(dict.fromkeys(KEYS, text))
    texts.xmp_values(text)
    recipe.of_texts({"atelier": text, texts.XMP: text})


@quick
@given(mangled())
def test_mangled_texts(text: str) -> None:
    all_readers(text)


@quick
@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    all_readers(text)
    names.sampler(text, text)


@quick
@given(st.dictionaries(st.sampled_from(KEYS), mangled() | st.text(max_size=60)))
def test_any_set_of_texts_gives_a_recipe_that_can_be_written(carried: dict[str, str]) -> None:
    found = foreign(carried)
    if found is not None:
        made = metadata.as_recipe(found, texts.Carried())
        assert json.loads(json.dumps(made, allow_nan=False)) == made
        recipe.parameters_text(made)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Nodes of kinds that exist, wired in any way, in rings too."""
    ids = [str(n) for n in range(draw(st.integers(1, 7)))]
    kinds = sorted({node["class_type"] for graph in (written.COMFY, written.COMFY_FLUX) for node in graph.values()})
    inputs = ["model", "positive", "negative", "latent_image", "seed", "steps", "text", "guider", "noise", "sigmas",
              "sampler", "images", "lora_name", "sampler_name", "denoise", "width", "value", "cfg"]  # fmt: skip
    link = st.tuples(st.sampled_from(ids), st.integers(0, 2)).map(list)
    return {
        key: {
            "class_type": draw(st.sampled_from(kinds)),
            "inputs": draw(st.dictionaries(st.sampled_from(inputs), link | values, max_size=8)),
        }
        for key in ids
    }


@quick
@given(graphs())
def test_any_graph(graph: dict[str, Any]) -> None:
    found = comfy.read(json.dumps(graph))
    assert found is not None
    json.dumps(metadata.as_recipe(found, texts.Carried()), allow_nan=False)


@quick
@given(
    st.dictionaries(st.sampled_from(sorted({*written.INVOKE, *written.FOOOCUS, *written.DRAW_THINGS, "image"})), values)
)
def test_any_values_under_known_names(data: dict[str, Any]) -> None:
    text = json.dumps(data)
    invoke.read({"invokeai_metadata": text, "sd-metadata": text})
    others.fooocus(json.dumps({"base_model": "x", "prompt": "y", **data}))
    others.draw_things(json.dumps({"c": "x", "uc": "y", **data}))
    others.swarm(json.dumps({"sui_image_params": {"prompt": "x", **data}}))
    others.easy_diffusion({"use_stable_diffusion_model": "x", "sampler_name": "y", **data})
    others.novelai({"Software": "NovelAI", "Comment": text})


@quick
@given(mangled())
def test_any_workflow(text: str) -> None:
    comfy.read("", text)
    try:
        data = json.loads(text)
    except ValueError:
        return
    comfy.read("", json.dumps({"nodes": [data, data], "links": [data, [1, 1, 0, 1, 0]]}))


@pytest.mark.parametrize(
    "text",
    [
        " " * 400_000, "\n" * 400_000, "a: " * 150_000, 'a: "' * 100_000, "a:{" * 150_000, "a:[" * 150_000,
        "<lora:" * 80_000, "(" * 400_000, "Steps: 1, " * 60_000, "[" * 400_000, '{"a":' * 200_000,
        "<a>" * 100_000, "<lora:a:" + "1" * 400_000, "Negative prompt:" * 30_000,
    ],
    ids=str.__len__,
)  # fmt: skip
def test_long_texts_take_time_in_proportion(text: str) -> None:
    """Growth with the square of the length would run into the test's own time limit."""
    all_readers(text + "\nSteps: 20, Sampler: Euler, Seed: 5")


def test_graphs_that_branch_endlessly_are_left() -> None:
    graph: dict[str, Any] = {
        str(n): {"class_type": "KSampler", "inputs": {name: [str((n * 7 + i) % 300), 0] for i, name in enumerate(
            ("model", "positive", "negative", "latent_image", "seed", "steps", "value", "text", "string", "cfg"))}}
        for n in range(300)
    }  # fmt: skip
    assert comfy.read(json.dumps(graph)) is not None  # a walk along every way would never end


# -- files -------------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    data = buffer.getvalue()
    return data[:33] + b"".join(chunks) + data[33:]


def files() -> list[bytes]:
    made = []
    for kind in ("PNG", "JPEG", "WEBP", "AVIF"):
        made.append(recipe.encode(Image.new("RGB", (16, 16)), {"inputs": {"prompt": "x" * 50}, "seed": 1}, kind))
    return made


FILES = files()


@quick
@given(st.sampled_from(FILES), st.data())
def test_damaged_files(tmp_path: Path, whole: bytes, data: st.DataObject) -> None:
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 6))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "x"
    path.write_bytes(broken)
    metadata.read(path)


@quick
@given(st.binary(max_size=400), st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"eXIf"]))
def test_any_chunk(tmp_path: Path, data: bytes, kind: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png_with(chunk(kind, data), chunk(kind, b"parameters\0" + data)))
    metadata.read(path)
    texts.user_comment(data)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(200_000_000), 9)
    path = tmp_path / "x.png"
    path.write_bytes(png_with(chunk(b"zTXt", b"parameters\0\0" + bomb), chunk(b"iTXt", b"prompt\0\1\0\0\0" + bomb)))
    carried = texts.read(path)
    assert all(len(text) <= texts.MAX_TEXT for text in carried.texts.values())
    assert metadata.read(path) is None


def test_entities_of_xml_are_not_unfolded() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    assert texts.xmp_values(bomb) == {}


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"text", bytes(99)]
)
def test_what_is_no_picture_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    assert metadata.read(path) is None


# -- writing and reading again -----------------------------------------------------------------------------------------

plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
recipes = st.fixed_dictionaries(
    {
        "format": st.just(1),
        "seed": st.integers(0, 2**32 - 1),
        "model": st.fixed_dictionaries({"id": plain, "name": plain}),
        "inputs": st.fixed_dictionaries(
            {"prompt": plain, "negative_prompt": plain, "steps": st.integers(1, 150)},
            optional={
                "loras": st.lists(st.fixed_dictionaries({"name": plain, "weight": st.floats(-4, 4)}), max_size=3)
            },
        ),
    }
)


@quick
@given(recipes, st.sampled_from(["PNG", "JPEG", "WEBP", "AVIF"]))
def test_our_recipe_comes_back_from_every_format(tmp_path: Path, made: dict[str, Any], kind: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(recipe.encode(Image.new("RGB", (16, 16)), made, kind))
    assert recipe.read(path) == made


@quick
@given(
    prompt=st.text("abcxyz äé漢😀,.:()[]<>\n", max_size=80).map(str.strip),
    negative=st.text("abc ,:(漢\n", max_size=40).map(str.strip),
    steps=st.integers(1, 150),
    seed=st.integers(0, 2**32 - 1),
    name=st.text('abc ,:"{}', max_size=20).map(str.strip),
    scheduler=st.sampled_from(["euler", "euler_a", "dpmpp_2m_karras", "dpmpp_2m_sde", "unipc", "ddim", "lcm", "pndm"]),
    kind=st.sampled_from(["PNG", "JPEG", "WEBP", "AVIF"]),
)
def test_the_text_for_others_says_the_same(
    tmp_path: Path, prompt: str, negative: str, steps: int, seed: int, name: str, scheduler: str, kind: str
) -> None:
    inputs = {"prompt": prompt, "negative_prompt": negative, "steps": steps, "width": 64, "height": 32,
              "guidance_scale": 2.5, "scheduler": scheduler}  # fmt: skip
    made = {"inputs": inputs, "seed": seed, "model": {"name": name}}
    path = tmp_path / "x"
    path.write_bytes(recipe.encode(Image.new("RGB", (16, 16)), made, kind))
    carried = texts.read(path).texts
    found = infotext.read(carried.get("parameters") or carried[texts.COMMENT])
    assert found is not None
    assert found.tool == "Atelier"
    assert (found.prompt, found.negative_prompt) == (prompt, negative)
    assert (found.steps, found.seed, found.scheduler, found.guidance_scale) == (steps, seed, scheduler, 2.5)
    assert (found.width, found.height) == (64, 32)


def test_a_long_recipe_is_packed_into_jpeg_and_a_huge_one_refused(tmp_path: Path) -> None:
    image, path = Image.new("RGB", (16, 16)), tmp_path / "x.jpg"
    made = {"inputs": {"prompt": "漢字 many words " * 5_000}, "seed": 1}
    path.write_bytes(recipe.encode(image, made, "JPEG"))
    assert recipe.read(path) == made
    noise = "".join(chr(0x4E00 + (n * n * 7919 + n * 104729) % 20_000) for n in range(200_000))
    with pytest.raises(ValueError, match="too long"):
        recipe.encode(image, {"inputs": {"prompt": noise}}, "JPEG")


LOCAL = st.sampled_from(["/home/me/secret/a.png", "C:\\Users\\me\\secret\\a.png", "\\\\nas\\secret\\a.png",
                         "~/secret/a.png", "file:///home/me/secret/a.png"])  # fmt: skip


@quick
@given(LOCAL, st.booleans())
def test_no_local_path_leaves(path: str, private: bool) -> None:
    made = {
        "inputs": {"prompt": "/imagine a cat", "image": path, "loras": [{"name": path, "weight": 1}]},
        "model": {"id": path, "name": "x"}, "image": {"path": path, "sha256": "1"}, "job": "j", "device": "GPU",
    }  # fmt: skip
    left = recipe.shared(made, private)
    assert "secret" not in json.dumps(left)
    assert left["inputs"]["prompt"] == "/imagine a cat"
    assert left["inputs"]["image"] == "a.png"
    assert ("job" in left) is not private
