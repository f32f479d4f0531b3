"""Bringing in files and folders: looked at first, in place or copied whole, and refused without a trace."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app import imports
from app.imports import Imports
from app.serial import AtOnce
from models import recognise
from models.errors import AtelierError, ErrorCode
from models.recognise import FileKind, Recognised
from tests import cache_trees as trees
from tests.shops import Shop, quiet, refusal

WORDS = {"lora": FileKind.LORA, "checkpoint": FileKind.CHECKPOINT, "vae": FileKind.VAE}


def told_by_content(path: Path) -> Recognised:
    """Stands in for ``recognise``: the file's first word is what it is."""
    data = path.read_bytes()
    if data.startswith(b"broken"):
        raise AtelierError(ErrorCode.MODEL_CORRUPT, model=path.stem, file=path.name)
    if data.startswith(b"text"):
        raise AtelierError(ErrorCode.FILE_UNKNOWN, file=path.name)
    kind = WORDS.get(data.split()[0].decode("ascii", "replace"), FileKind.UNKNOWN)
    style = "pickle" if path.suffix in (".ckpt", ".pt") else "safetensors"
    return Recognised(str(path), kind, style, family="sd15", size_bytes=len(data))


@pytest.fixture
def shop(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(recognise, "recognise", told_by_content)
    return Shop(tmp_path / "hub")


@pytest.fixture
def wares(shop: Shop) -> Imports:
    return Imports(shop.settings, shop.paths, shop.models, AtOnce(), lambda work: work())


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], Path]:
    return lambda name, data: trees.write(tmp_path / "downloads", {name: data}) / name


Put = Callable[[str, bytes], Path]


def copies(shop: Shop) -> list[str]:
    return sorted(path.relative_to(shop.paths.models).as_posix() for path in shop.paths.models.rglob("*"))


def test_a_file_in_place(shop: Shop, wares: Imports, put: Put) -> None:
    file = put("模型 hat.safetensors", b"lora 1")
    assert shop.ask(wares.look, file).kind is FileKind.LORA
    assert shop.settings.value.model_files == ()
    key = shop.ask(wares.add, file, False, quiet)
    assert key == str(file)
    assert shop.ask(wares.add, file, False, quiet) == key
    assert shop.settings.value.model_files == (key,)
    assert [addon.id for addon in shop.models.addons()] == [key]
    assert copies(shop) == []
    assert shop.remove(key) == 0
    assert file.is_file()
    assert shop.models.addons() == []


def test_a_copy_is_whole_kept_apart_and_can_be_removed(shop: Shop, wares: Imports, put: Put) -> None:
    file = put("Hat.safetensors", b"lora " + bytes(10_000))
    told: list[tuple[int, int]] = []
    key = shop.ask(wares.add, file, True, lambda done, total: told.append((done, total)))
    assert Path(key) == shop.paths.models / "lora" / "Hat.safetensors"
    assert Path(key).read_bytes() == file.read_bytes()
    assert told[-1] == (10_005, 10_005)
    assert shop.item(key).verified > 0
    assert shop.verify(key).unknown == 0, "its checksum was taken on the way"
    file.unlink()
    assert [addon.id for addon in shop.models.addons()] == [key]
    assert shop.remove(key) == 10_005
    assert not Path(key).exists()


def test_names_that_are_taken_or_too_long(shop: Shop, wares: Imports, put: Put) -> None:
    names = [shop.ask(wares.add, put(name, data), True, quiet) for name, data in (
        ("a.safetensors", b"lora 1"), ("A.safetensors", b"lora 2"), ("x/a.safetensors", b"lora 3"),
        (f"{'ö' * 120}.safetensors", b"lora 4"), (f"x/{'ö' * 120}.safetensors", b"lora 5"),
    )]  # fmt: skip
    stems = [Path(name).name for name in names]
    assert stems[:3] == ["a.safetensors", "A (2).safetensors", "a (3).safetensors"]
    assert stems[4].endswith(" (2).safetensors")
    assert len(set(names)) == 5
    assert [Path(name).read_bytes()[-1:] for name in names] == [b"1", b"2", b"3", b"4", b"5"]


def test_a_model_folder_in_place_and_copied(shop: Shop, wares: Imports, tmp_path: Path) -> None:
    snapshot = trees.put(tmp_path / "elsewhere", "org/m", trees.pipeline(1))
    seen = shop.ask(wares.look, snapshot)
    assert (seen.kind, seen.format, seen.base) == (FileKind.CHECKPOINT, "diffusers", "StableDiffusionPipeline")
    key = shop.ask(wares.add, snapshot, True, quiet)
    shutil.rmtree(tmp_path / "elsewhere")
    assert shop.models.runnable(key)
    assert not any(path.is_symlink() for path in Path(key).rglob("*"))
    mine = trees.write(tmp_path / "mine", trees.pipeline(2))
    assert shop.ask(wares.add, mine, False, quiet) == str(mine)
    assert shop.settings.value.model_folders == (str(mine),)
    shop.remove(key)
    assert copies(shop) == ["checkpoint"]


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("broken.safetensors", b"broken", ErrorCode.MODEL_CORRUPT),
        ("notes.txt", b"text", ErrorCode.FILE_UNKNOWN),
        ("odd.safetensors", b"what is this", ErrorCode.FILE_UNKNOWN),
        ("old.ckpt", b"checkpoint", ErrorCode.MODEL_NEEDS_PICKLE),
    ],
)
def test_what_is_refused_changes_nothing(
    shop: Shop, wares: Imports, put: Put, copy: bool, name: str, data: bytes, code: ErrorCode
) -> None:
    assert refusal(shop.ask, wares.add, put(name, data), copy, quiet) is code
    assert shop.settings.value.model_files == ()
    assert copies(shop) == []


def test_a_broken_folder_and_what_is_not_there(shop: Shop, wares: Imports, tmp_path: Path) -> None:
    broken = trees.write(tmp_path / "broken", trees.pipeline(1))
    (broken / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"\xff" * 40)
    assert refusal(shop.ask, wares.add, broken, True, quiet) is ErrorCode.MODEL_CORRUPT
    assert refusal(shop.ask, wares.look, tmp_path / "none.safetensors") is ErrorCode.FOLDER_GONE
    odd = tmp_path / os.fsdecode(b"caf\xe9.safetensors")
    assert refusal(shop.ask, wares.add, odd, False, quiet) is ErrorCode.FILE_UNKNOWN
    (tmp_path / "empty").mkdir()
    assert refusal(shop.ask, wares.look, tmp_path / "empty") is ErrorCode.FILE_UNKNOWN
    assert copies(shop) == []


def test_a_persons_word_for_a_pickle_holds_for_that_very_file(shop: Shop, wares: Imports, put: Put) -> None:
    file = put("old.ckpt", b"checkpoint 1")
    assert refusal(shop.ask, wares.add, file, False, quiet) is ErrorCode.MODEL_NEEDS_PICKLE
    answers: list[str] = []
    wares.add(file, True, quiet, answers.append, lambda error: None, allow_pickle=True)
    assert wares.allowed() == {str(file), answers[0]}
    again = Imports(shop.settings, shop.paths, shop.models, AtOnce(), lambda work: work())
    assert again.allowed() == wares.allowed()
    file.write_bytes(b"checkpoint other")
    assert again.allowed() == {answers[0]}
    failures: list[object] = []
    wares.add(put("x", b"").with_name("gone.ckpt"), True, quiet, answers.append, failures.append, allow_pickle=True)
    assert len(failures) == 1


def test_a_stopped_copy_and_a_full_disk_leave_nothing(
    shop: Shop, wares: Imports, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.background._EVERY", 0.0)
    monkeypatch.setattr(imports, "CHUNK", 100)
    file = put("big.safetensors", b"lora " + bytes(5000))
    assert shop.ask(wares.add, file, True, lambda done, total: done < 1000) == ""
    assert copies(shop) == ["lora"]
    usage = shutil.disk_usage(shop.paths.data)
    monkeypatch.setattr(imports.shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    with pytest.raises(AtelierError) as caught:
        shop.ask(wares.add, file, True, quiet)
    assert caught.value.code is ErrorCode.ROOM_SHORT
    assert caught.value.info.facts["free_gb"] == 0.0
    monkeypatch.undo()
    monkeypatch.setattr(recognise, "recognise", told_by_content)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert refusal(shop.ask, wares.add, file, True, quiet) is ErrorCode.DISK_FULL
    assert copies(shop) == ["lora"]


def test_another_apps_folder_as_a_source(shop: Shop, wares: Imports, tmp_path: Path) -> None:
    comfy = trees.write(tmp_path / "ComfyUI", {
        "comfy/x.py": b"", "models/loras/a.safetensors": b"lora", "models/vae/b.safetensors": b"vae",
        "models/unet/c.gguf": b"what",
    })  # fmt: skip
    seen = shop.ask(wares.look, comfy)
    assert (seen.format, seen.title, seen.layers) == ("folder", "ComfyUI", 3)
    assert shop.ask(wares.add_source, comfy) == 3
    assert shop.ask(wares.add_source, comfy) == 3
    assert shop.settings.value.sources == (str(comfy),)
    assert sorted(addon.name for addon in shop.models.addons()) == ["a", "b"]
    assert refusal(shop.ask, wares.add, comfy, False, quiet) is ErrorCode.FILE_UNKNOWN
    wares.remove_source(str(comfy))
    assert shop.models.addons() == []
    assert (comfy / "models/loras/a.safetensors").is_file()


def test_what_can_be_no_source(shop: Shop, wares: Imports, tmp_path: Path) -> None:
    trees.put(tmp_path / "hub", "org/a", trees.pipeline())
    assert refusal(shop.ask, wares.add_source, tmp_path / "hub") is ErrorCode.INVALID_INPUT
    assert refusal(shop.ask, wares.add_source, tmp_path) is ErrorCode.INVALID_INPUT
    (tmp_path / "empty").mkdir()
    assert refusal(shop.ask, wares.add_source, tmp_path / "empty") is ErrorCode.FILE_UNKNOWN
    assert refusal(shop.ask, wares.add_source, tmp_path / "none") is ErrorCode.FILE_UNKNOWN
    assert shop.settings.value.sources == ()


@pytest.mark.parametrize("copy", [False, True])
def test_a_folder_with_one_part_is_its_weights_called_like_the_folder(
    shop: Shop, wares: Imports, put: Put, copy: bool
) -> None:
    file = put("tiny-lines/diffusion_pytorch_model.safetensors", b"lora 1")
    put("tiny-lines/config.json", b"{}")
    assert shop.ask(wares.look, file.parent).kind is FileKind.LORA
    key = shop.ask(wares.add, file.parent, copy, quiet)
    assert Path(key).is_file()
    assert [addon.name for addon in shop.models.addons()] == ["tiny-lines"]


def test_a_folder_with_several_weights_stays_a_folder(put: Put) -> None:
    one = put("many/a.safetensors", b"lora 1")
    put("many/config.json", b"{}")
    assert imports.lone_weights(one.parent) == one
    put("many/b.safetensors", b"lora 2")
    assert imports.lone_weights(one.parent) == one.parent
