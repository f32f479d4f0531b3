"""Folders of other apps: their models are found where they lie, whatever links and oddities are in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app import sources
from models.recognise import FileKind
from tests import cache_trees as trees

FILE = b"weights"


def found(folder: Path) -> dict[str, FileKind]:
    return {thing.path.name: thing.hint for thing in sources.find(folder)}


def test_comfyui_with_the_places_of_its_own_file(tmp_path: Path) -> None:
    comfy = trees.write(tmp_path / "ComfyUI", {
        "models/checkpoints/sd/a.safetensors": FILE, "models/unet/b.gguf": FILE, "models/loras/c.safetensors": FILE,
        "models/vae/d.pt": FILE, "models/clip/e.safetensors": FILE, "models/upscale_models/f.pth": FILE,
        "models/ipadapter/g.bin": FILE, "models/controlnet/h.safetensors": FILE, "models/unknown/i.safetensors": FILE,
        "output/picture.safetensors": FILE, "custom_nodes/x/y.safetensors": FILE, "models/checkpoints/put_here": b"",
        "extra_model_paths.yaml": b"a111:\n  base_path: ../webui\n  checkpoints: models/SD\n  loras: |\n"
        b"    more/one\n    more/two\n  is_default: true\nother: nothing\n",
    })  # fmt: skip
    trees.write(tmp_path / "webui", {
        "models/SD/j.safetensors": FILE, "more/one/k.safetensors": FILE, "more/two/l.safetensors": FILE,
    })  # fmt: skip
    kind = FileKind
    assert found(comfy) == {
        "a.safetensors": kind.CHECKPOINT, "b.gguf": kind.DENOISER, "c.safetensors": kind.LORA, "d.pt": kind.VAE,
        "e.safetensors": kind.TEXT_ENCODER, "f.pth": kind.UPSCALER, "g.bin": kind.IP_ADAPTER,
        "h.safetensors": kind.CONTROLNET, "i.safetensors": kind.UNKNOWN, "j.safetensors": kind.CHECKPOINT,
        "k.safetensors": kind.LORA, "l.safetensors": kind.LORA,
    }  # fmt: skip
    assert sources.app_of(comfy) == sources.app_of(comfy / "models") == "ComfyUI"
    assert "a.safetensors" in found(comfy / "models")


@pytest.mark.parametrize("text", [b"\xff", b"a: [", b"[1, 2]", b"a: {base_path: 3, checkpoints: 7, loras: x}", b""])
def test_a_file_of_places_that_is_no_use(tmp_path: Path, text: bytes) -> None:
    trees.write(tmp_path, {"models/loras/c.safetensors": FILE, "extra_model_paths.yaml": text})
    assert found(tmp_path) == {"c.safetensors": FileKind.LORA}


def test_a1111_forge_invokeai_and_fooocus(tmp_path: Path) -> None:
    trees.write(tmp_path / "webui", {
        "models/Stable-diffusion/a.ckpt": FILE, "models/Lora/b.safetensors": FILE, "models/ESRGAN/c.pth": FILE,
        "embeddings/d.pt": FILE, "outputs/e.safetensors": FILE,
    })  # fmt: skip
    assert found(tmp_path / "webui") == {
        "a.ckpt": FileKind.CHECKPOINT, "b.safetensors": FileKind.LORA, "c.pth": FileKind.UPSCALER,
        "d.pt": FileKind.EMBEDDING,
    }  # fmt: skip
    assert sources.app_of(tmp_path / "webui") == "AUTOMATIC1111"
    (tmp_path / "webui" / "modules_forge").mkdir()
    assert sources.app_of(tmp_path / "webui") == "Forge"
    trees.write(tmp_path / "invoke", {"models/sdxl/main/one/" + name: data for name, data in trees.pipeline().items()})
    trees.write(tmp_path / "invoke", {"models/sdxl/lora/b.safetensors": FILE, "invokeai.yaml": b""})
    things = list(sources.find(tmp_path / "invoke"))
    assert [(thing.path.name, thing.is_folder) for thing in things] == [("b.safetensors", False), ("one", True)]
    assert sources.app_of(tmp_path / "invoke") == "InvokeAI"
    trees.write(tmp_path / "fooocus", {"fooocus_version.py": b"", "models/checkpoints/a.safetensors": FILE})
    assert sources.app_of(tmp_path / "fooocus") == "Fooocus"


def test_a_plain_folder_and_a_model_folder(tmp_path: Path) -> None:
    trees.write(tmp_path, {"a.safetensors": FILE, "x/b.gguf": FILE, "x/c.txt": FILE})
    assert sorted(found(tmp_path)) == ["a.safetensors", "b.gguf"]
    model = trees.write(tmp_path / "model", trees.pipeline())
    assert [(thing.path, thing.is_folder) for thing in sources.find(model)] == [(model, True)]
    assert sources.app_of(tmp_path) == ""


def test_unfinished_hidden_and_empty_files_are_left_out(tmp_path: Path) -> None:
    trees.write(tmp_path, {
        "a.safetensors.part": FILE, "b.safetensors": b"", "c.safetensors": FILE, "c.safetensors.aria2": b"",
        ".d.safetensors": FILE, ".cache/e.safetensors": FILE, "venv/f.safetensors": FILE,
    })  # fmt: skip
    assert found(tmp_path) == {}


def test_links_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    other = trees.write(tmp_path / "disk", {"loras/a.safetensors": FILE})
    root = trees.write(tmp_path / "root", {"own.safetensors": FILE})
    (root / "linked").symlink_to(other)
    (root / "again").symlink_to(other / "loras")
    (root / "loop").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (root / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    (root / "same.safetensors").symlink_to(root / "own.safetensors")
    os.link(root / "own.safetensors", root / "twin.safetensors")
    names = [thing.path.name for thing in sources.find(root)]
    assert sorted(names) == ["a.safetensors", "own.safetensors"]


def test_a_mistaken_source_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST", 10)
    trees.write(tmp_path, {f"{n}.safetensors": FILE for n in range(50)})
    trees.write(tmp_path, {"/".join("d" * 30) + "/deep.safetensors": FILE})
    assert len(list(sources.find(tmp_path))) == 10
    assert list(sources.find(tmp_path / "not there")) == []


def test_names_of_any_sort(tmp_path: Path) -> None:
    names = ["模型 ünï.safetensors", "n" * 240 + ".gguf", "it's [1].SAFETENSORS", "new\nline.ckpt"]
    trees.write(tmp_path, dict.fromkeys(names, FILE))
    assert sorted(found(tmp_path)) == sorted(names)
