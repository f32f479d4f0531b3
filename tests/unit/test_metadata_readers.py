"""What other tools write into pictures is understood, in every place they put it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from models import metadata, texts
from models.metadata import comfy, infotext, names
from models.metadata.read import foreign
from tests.unit import foreign_texts as written


def only(found: dict[str, Any] | None, **wanted: Any) -> None:
    assert found is not None
    assert {key: found["inputs"].get(key) for key in wanted} == wanted


def png(path: Path, texts_of: dict[str, str], size: tuple[int, int] = (8, 8)) -> Path:
    info = PngImagePlugin.PngInfo()
    for key, text in texts_of.items():
        info.add_itxt(key, text)
    Image.new("RGB", size).save(path, pnginfo=info)
    return path


def exif_file(path: Path, comment: bytes, **others: Any) -> Path:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    for tag, value in others.items():
        exif[int(tag[1:])] = value
    Image.new("RGB", (8, 8)).save(path, exif=exif.tobytes())
    return path


# -- A1111 and its like ------------------------------------------------------------------------------------------------


def test_a1111_says_everything() -> None:
    found = infotext.read(written.A1111)
    assert found is not None
    assert found.tool == "A1111"
    assert found.version == "v1.10.1"
    assert found.prompt == "a red apple, (detailed:1.2) \non a table"
    assert found.negative_prompt == "blurry, low quality\nEasyNegative"
    assert (found.steps, found.guidance_scale, found.seed, found.clip_skip) == (20, 7.0, 2966098153, 2)
    assert (found.sampler, found.scheduler) == ("DPM++ 2M", "dpmpp_2m_karras")
    assert (found.width, found.height, found.strength) == (512, 768, 0.4)
    assert found.model == metadata.ModelName("v1-5-pruned-emaonly", "6ce0161689")
    assert found.loras == (metadata.LoraUse("ink-style", 0.8, "1234567890ab"),)
    assert found.embeddings == ("EasyNegative",)
    assert found.hires == metadata.Hires(2.0, 10, 0.4, "4x-UltraSharp")
    assert found.hashes["lora:ink-style"] == "1234567890ab"
    assert found.unmapped == ("“ControlNet” settings are not taken over.",)
    assert "Module: canny" in found.others["ControlNet 0"]


@pytest.mark.parametrize(
    ("text", "tool", "scheduler", "seed", "size"),
    [
        (written.A1111_OLD, "A1111", "euler_a", 5, (512, 512)),
        (written.FORGE_FLUX, "Forge", "euler", 7, (896, 1152)),
        (written.SDNEXT, "SD.Next", "unipc", 11, (1024, 1024)),
        (written.CIVITAI, "CivitAI", "euler_a", 99, (832, 1216)),
    ],
)
def test_its_descendants(text: str, tool: str, scheduler: str, seed: int, size: tuple[int, int]) -> None:
    found = infotext.read(text)
    assert found is not None
    assert (found.tool, found.scheduler, found.seed, (found.width, found.height)) == (tool, scheduler, seed, size)


def test_civitai_names_what_was_used() -> None:
    found = infotext.read(written.CIVITAI)
    assert found is not None
    assert found.resources[0]["modelName"] == "Pony"


def test_the_guidance_of_flux_is_its_own() -> None:
    found = infotext.read(written.FORGE_FLUX)
    assert found is not None
    recipe = metadata.as_recipe(found, texts.Carried())
    assert recipe["inputs"]["guidance_scale"] == 3.5
    assert recipe["inputs"]["true_cfg_scale"] == 1.0


@pytest.mark.parametrize("text", ["", "a photo of my dog", "Meeting: 10:30, room 4", "{}", "Negative prompt: x"])
def test_other_texts_are_no_settings(text: str) -> None:
    assert infotext.read(text) is None


@pytest.mark.parametrize(
    ("code", "encoding"),
    [
        (b"UNICODE\0", "utf-16-be"), (b"UNICODE\0", "utf-16-le"), (b"UNICODE\0", "utf-16"), (b"UNICODE\0", "utf-8"),
        (b"ASCII\0\0\0", "ascii"), (bytes(8), "utf-8"), (b"", "utf-8"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["jpg", "webp", "avif", "png"])
def test_user_comments_of_all_encodings(tmp_path: Path, code: bytes, encoding: str, ending: str) -> None:
    path = exif_file(tmp_path / f"x.{ending}", code + written.A1111_OLD.encode(encoding))
    only(metadata.read(path), prompt="an apple", seed=5, scheduler="euler_a", steps=30)


def test_letters_of_all_alphabets_in_jpeg(tmp_path: Path) -> None:
    text = written.A1111_OLD.replace("an apple", "林檎 né 😀")
    path = exif_file(tmp_path / "x.jpg", b"UNICODE\0" + text.encode("utf-16-be"))
    only(metadata.read(path), prompt="林檎 né 😀")


def test_texts_behind_the_pixels_and_in_every_kind_of_chunk(tmp_path: Path) -> None:
    for add, zipped in (("add_text", False), ("add_text", True), ("add_itxt", False)):
        info = PngImagePlugin.PngInfo()
        getattr(info, add)("parameters", written.A1111_OLD, zip=zipped)
        path = tmp_path / "x.png"
        Image.new("RGB", (8, 8)).save(path, pnginfo=info)
        only(metadata.read(path), seed=5)
        data = path.read_bytes()
        start = data.index(b"tEXt" if add == "add_text" and not zipped else b"zTXt" if zipped else b"iTXt") - 4
        length = int.from_bytes(data[start : start + 4]) + 12
        chunk = data[start : start + length]
        moved = data.replace(chunk, b"")
        path.write_bytes(moved[:-12] + chunk + moved[-12:])
        only(metadata.read(path), seed=5)


# -- ComfyUI -----------------------------------------------------------------------------------------------------------


def test_comfy_prompt_with_loras_in_order() -> None:
    found = comfy.read(json.dumps(written.COMFY))
    assert found is not None
    assert (found.prompt, found.negative_prompt) == ("a bottle, embedding:easy", "text, watermark")
    assert (found.seed, found.steps, found.guidance_scale) == (156680208700286, 20, 8.0)
    assert found.scheduler == "dpmpp_2m_karras"
    assert found.model.name == "v1-5"
    assert found.loras == (metadata.LoraUse("one", 0.5), metadata.LoraUse("two", 0.7))
    assert (found.width, found.height) == (512, 768)
    assert found.embeddings == ("easy",)
    assert found.unmapped == ()


def test_comfy_with_parts_of_a_sampler() -> None:
    found = comfy.read(json.dumps(written.COMFY_FLUX))
    assert found is not None
    assert (found.prompt, found.negative_prompt) == ("a fox in the snow", "")
    assert (found.seed, found.steps, found.distilled_guidance) == (219670278747233, 24, 3.5)
    assert found.scheduler == "euler"
    assert found.model.name == "flux1-dev"
    assert found.loras == (metadata.LoraUse("realism", 0.9),)
    assert (found.width, found.height) == (1024, 1536)
    assert found.vae == "ae"


def test_comfy_takes_the_pass_that_composes() -> None:
    found = comfy.read(json.dumps(written.COMFY_TWO_PASSES))
    assert found is not None
    assert (found.seed, found.steps) == (156680208700286, 20)
    assert found.hires == metadata.Hires(1.5, 12, 0.55, "bislerp")


def test_comfy_with_one_node_for_all() -> None:
    found = comfy.read(json.dumps(written.COMFY_EFFICIENT))
    assert found is not None
    assert (found.prompt, found.negative_prompt, found.seed) == ("a knight", "bad", 42)
    assert (found.model.name, found.clip_skip, found.scheduler) == ("dream", 2, "euler_a")
    assert found.loras == (metadata.LoraUse("ink", 0.6),)
    assert (found.width, found.height) == (640, 896)


def test_comfy_from_the_editors_workflow_alone() -> None:
    found = comfy.read("", json.dumps(written.COMFY_WORKFLOW))
    assert found is not None
    assert (found.prompt, found.negative_prompt) == ("a lighthouse", "fog")
    assert (found.seed, found.steps, found.guidance_scale, found.scheduler) == (8566257, 22, 7.5, "unipc")
    assert found.model.name == "base"
    assert found.loras == ()  # it is bypassed
    assert (found.width, found.height) == (768, 512)


def test_comfy_subgraphs_are_unfolded() -> None:
    inner = {
        "id": "abc", "nodes": written.COMFY_WORKFLOW["nodes"][:7],
        "links": [
            {"id": n, "origin_id": a, "origin_slot": b, "target_id": c, "target_slot": d}
            for n, a, b, c, d, _ in written.COMFY_WORKFLOW["links"] if c != 9
        ] + [{"id": 99, "origin_id": 8, "origin_slot": 0, "target_id": -20, "target_slot": 0}],
    }  # fmt: skip
    outer = {
        "nodes": [
            {"id": 1, "type": "abc", "inputs": []},
            {"id": 2, "type": "SaveImage", "inputs": [{"name": "images", "link": 5}], "widgets_values": ["x"]},
        ],
        "links": [[5, 1, 0, 2, 0, "IMAGE"]],
        "definitions": {"subgraphs": [inner]},
    }
    found = comfy.read("", json.dumps(outer))
    assert found is not None
    assert (found.prompt, found.seed) == ("a lighthouse", 8566257)


def test_comfy_nodes_that_nobody_knows_do_no_harm() -> None:
    graph = {**written.COMFY, "6": {"class_type": "MagicPrompt9000", "inputs": {"x": ["7", 0], "y": [["deep"]]}}}
    found = comfy.read(json.dumps(graph))
    assert found is not None
    assert found.seed == 156680208700286


def test_comfy_in_webp_and_with_a_picture_as_input(tmp_path: Path) -> None:
    graph = {
        **written.COMFY,
        "5": {"class_type": "VAEEncode", "inputs": {"pixels": ["50", 0], "vae": ["4", 2]}},
        "50": {"class_type": "LoadImage", "inputs": {"image": "house.png"}},
    }
    path = tmp_path / "x.webp"
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(graph)
    Image.new("RGB", (8, 8)).save(path, exif=exif.tobytes())
    recipe = metadata.read(path)
    only(recipe, steps=20, strength=1.0)
    assert recipe is not None
    assert "“house.png”" in recipe["unmapped"][0]


# -- the others --------------------------------------------------------------------------------------------------------

OTHERS = [
    ({"invokeai_metadata": json.dumps(written.INVOKE)}, "InvokeAI", "landscape", "dpmpp_2m_sde_karras", 356120443),
    ({"invokeai_metadata": json.dumps(written.INVOKE_3)}, "InvokeAI", "a hill", "euler_a", 340088185),
    ({"sd-metadata": json.dumps(written.INVOKE_2)}, "InvokeAI", "a church", None, 123),
    ({"Dream": written.DREAM}, "InvokeAI", "a church", "euler_a", 3512),
    ({"parameters": json.dumps(written.FOOOCUS), "fooocus_scheme": "fooocus"}, "Fooocus", "A sunflower field",
     "dpmpp_2m_sde_karras", 127589946317439009),
    (written.NOVELAI, "NovelAI", "1girl, garden\ngirl, red hair", "euler_a", 3232910467),
    ({"XML:com.adobe.xmp": written.DRAW_THINGS_XMP}, "Draw Things", "a red cube", "euler_a", 2441935286),
    (written.EASY, "Easy Diffusion", "a ship", "euler_a", 77),
    ({"parameters": json.dumps(written.SWARM)}, "SwarmUI", "a face", "euler", 2042464333),
    ({"prompt": json.dumps(written.COMFY)}, "ComfyUI", "a bottle, embedding:easy", "dpmpp_2m_karras", 156680208700286),
]  # fmt: skip


@pytest.mark.parametrize(("carried", "tool", "prompt", "scheduler", "seed"), OTHERS)
def test_other_tools(
    tmp_path: Path, carried: dict[str, str], tool: str, prompt: str, scheduler: str | None, seed: int
) -> None:
    recipe = metadata.read(png(tmp_path / "x.png", carried))
    only(recipe, prompt=prompt, scheduler=scheduler, seed=seed)
    assert recipe is not None
    assert recipe["tool"] == tool
    assert recipe["width"] == 8  # that of the picture, whatever it says


def test_what_invoke_cannot_hand_over_is_said() -> None:
    found = foreign({"invokeai_metadata": json.dumps(written.INVOKE)})
    assert found is not None
    assert found.unmapped == ("ControlNets: not taken over.",)
    assert found.loras == (metadata.LoraUse("add-detail", 0.75, "blake3:cd"),)
    assert found.model.name == "Juggernaut XL v9"


def test_loras_of_the_others() -> None:
    assert foreign({"parameters": json.dumps(written.FOOOCUS)}).loras[0].weight == 0.1  # type: ignore[union-attr]
    assert [one.weight for one in foreign(written.EASY).loras] == [0.5, 0.7]  # type: ignore[union-attr]
    assert foreign({"xmp": written.DRAW_THINGS_XMP}).loras[0].name == "detail"  # type: ignore[union-attr]
    assert foreign({"parameters": json.dumps(written.SWARM)}).loras[0].weight == 0.8  # type: ignore[union-attr]


@pytest.mark.parametrize(("signature", "mode"), [(b"stealth_pngcomp", "RGBA"), (b"stealth_pnginfo", "RGBA"),
                                                 (b"stealth_rgbcomp", "RGB")])  # fmt: skip
def test_settings_hidden_in_pixels(tmp_path: Path, signature: bytes, mode: str) -> None:
    data = json.dumps(written.NOVELAI).encode()
    data = gzip.compress(data) if signature.endswith(b"comp") else data
    payload = signature + (len(data) * 8).to_bytes(4) + data
    bits = [int(bit) for byte in payload for bit in f"{byte:08b}"]
    image = Image.new(mode, (120, 96), (10, 20, 30, 254)[: len(mode)])
    pixels = image.load()
    assert pixels is not None
    if mode == "RGBA":
        for place, bit in enumerate(bits):
            x, y = divmod(place, image.height)
            pixels[x, y] = (10, 20, 30, 254 | bit)
    else:
        for place, bit in enumerate(bits):
            x, y = divmod(place // 3, image.height)
            colour = list(pixels[x, y])
            colour[place % 3] = colour[place % 3] & 254 | bit
            pixels[x, y] = tuple(colour)
    image.save(tmp_path / "x.png")
    only(metadata.read(tmp_path / "x.png"), seed=3232910467, steps=28)
    assert metadata.read(tmp_path / "x.png", hidden=False) is None


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "schedule", "ours"),
    [
        ("DPM++ 2M Karras", "", "dpmpp_2m_karras"), ("dpmpp_2m_sde_k", "", "dpmpp_2m_sde_karras"),
        ("DPM++ 2M SDE", "Karras", "dpmpp_2m_sde_karras"), ("k_euler_a", "", "euler_a"), ("PLMS", "", "pndm"),
        ("uni_pc", "normal", "unipc"), ("Euler Ancestral", "automatic", "euler_a"), ("", "", ""),
        ("DPM++ 2M", "SGM Uniform", "dpmpp_2m"),
    ],
)  # fmt: skip
def test_samplers_by_any_name(name: str, schedule: str, ours: str) -> None:
    assert names.sampler(name, schedule) == names.Mapped(ours)


def test_samplers_that_are_not_here_are_named() -> None:
    assert "Restart" in names.sampler("Restart").unmapped
    assert "Wobble" in names.sampler("Wobble").unmapped
    half = names.sampler("LCM", "exponential")
    assert half.scheduler == "lcm"
    assert "exponential" in half.unmapped
