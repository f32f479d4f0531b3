"""The list of models: everything on the disk is found once, called by any of its names, and looked at only when it
changed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from app import judging
from app.events import EventBus, ModelsChanged
from app.known import Known
from app.models import Models
from app.paths import ASSETS, default_paths
from app.settings import SettingsStore
from models import folders, recognise
from models.catalog.entry import CatalogEntry, Licence, Role, Use
from models.errors import AtelierError, ErrorCode
from models.machine import Backend, DeviceFacts
from models.recognise import FileKind, Recognised
from tests import cache_trees as trees

ENTRY = CatalogEntry(
    id="small", name="Small", repo="Org/Small", summary="A small one.", role=Role.TEXT_TO_IMAGE, family="sd15",
    licence=Licence("MIT", Use.COMMERCIAL), allow=("*",), checked="", defaults={"steps": 9}, examples=("a fox",),
)  # fmt: skip
SPEEDUP = msgspec.structs.replace(
    ENTRY, id="fast", name="Fast", repo="org/fast", role=Role.LORA, file="fast.safetensors", trigger=("quick",)
)
WORDS = {"lora": FileKind.LORA, "checkpoint": FileKind.CHECKPOINT, "denoiser": FileKind.DENOISER, "vae": FileKind.VAE}


class Catalog:
    def get(self, key: str) -> CatalogEntry | None:
        return next((entry for entry in (ENTRY, SPEEDUP) if entry.id == key), None)

    def by_repo(self, repo: str) -> list[CatalogEntry]:
        return [entry for entry in (ENTRY, SPEEDUP) if entry.repo.casefold() == repo.casefold()]


def told_by_content(path: Path) -> Recognised:
    """Stands in for ``recognise``: the file's first word is what it is."""
    data = path.read_bytes()
    kind = WORDS.get(data.split()[0].decode("ascii", "replace"), FileKind.UNKNOWN)
    if data.startswith(b"broken"):
        raise AtelierError(ErrorCode.MODEL_CORRUPT, model=path.stem, file=path.name)
    style = "pickle" if path.suffix in (".ckpt", ".pt") else "safetensors"
    return Recognised(str(path), kind, style, family="sd15", size_bytes=len(data), title="", trigger=("hat",))


@pytest.fixture
def settings(home: Path) -> SettingsStore:
    return SettingsStore(default_paths().create().settings)


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    return tmp_path / "hub"


@pytest.fixture
def make(settings: SettingsStore, hub: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Models]:
    monkeypatch.setattr(recognise, "recognise", told_by_content)
    monkeypatch.setenv("ATELIER_FAKE", "0")

    def prepare(path: Path, found: Recognised, cache: Path, base: Callable[[str], Path | None], allowed: bool) -> Path:
        if found.format == "pickle" and not allowed:
            raise AtelierError(ErrorCode.MODEL_NEEDS_PICKLE, model=path.stem, file=path.name)
        if found.kind is FileKind.DENOISER and base(found.family) is None:
            raise AtelierError(ErrorCode.BASE_MISSING, model=path.stem, family=found.family, base="Small")
        return trees.write(cache / f"{path.stem}-{path.stat().st_size}", trees.pipeline())

    def models() -> Models:
        found = Models(settings, EventBus(), ASSETS, hub, paths=default_paths(), catalog=Catalog(), prepare=prepare)
        found.allow(lambda: frozenset({str(hub.parent / "agreed.ckpt")}))
        return found

    return models


def ids(models: Models) -> list[str]:
    return [entry.card.id for entry in models.entries()]


def test_a_model_of_the_catalog_has_the_catalogs_words_and_all_its_names(make: Callable[[], Models], hub: Path) -> None:
    trees.put(hub, "Org/Small", trees.pipeline())
    models = make()
    assert ids(models) == ["pocket", "Org/Small"]
    card, schema = models.runnable("small")
    assert card == models.get("org/SMALL").card == models.get("Org/Small").card
    assert (card.name, card.summary, card.licence, card.examples) == ("Small", "A small one.", "MIT", ("a fox",))
    assert card.defaults == {"steps": 9}
    assert card.ref.revision == trees.COMMIT
    assert schema is not None
    assert models.id_of(ENTRY) == "Org/Small"
    assert models.id_of(SPEEDUP) == ""
    assert models.knows("small")


def test_every_place_is_looked_at_and_nothing_is_listed_twice(
    make: Callable[[], Models], settings: SettingsStore, hub: Path, tmp_path: Path
) -> None:
    trees.put(hub, "Org/Small", trees.pipeline())
    mine = trees.write(tmp_path / "mine", trees.pipeline(2))
    comfy = trees.write(tmp_path / "ComfyUI", {
        "models/checkpoints/dream.safetensors": b"checkpoint 1", "models/loras/hat.safetensors": b"lora 1",
        "models/diffusers/x/note.txt": b"", "models/checkpoints/put_here.txt": b"", "main.py": b"",
    })  # fmt: skip
    trees.write(default_paths().models / "lora", {"copied.safetensors": b"lora 2"})
    settings.change(
        model_folders=(str(mine), str(mine)), sources=(str(comfy),),
        model_files=(str(comfy / "models/checkpoints/dream.safetensors"),),
    )  # fmt: skip
    models = make()
    assert ids(models) == ["pocket", str(mine), "Org/Small", str(comfy / "models/checkpoints/dream.safetensors")]
    assert all(entry.problem is None for entry in models.entries())
    assert {addon.name: (addon.kind, addon.source) for addon in models.addons()} == {
        "copied": ("lora", ""),
        "hat": ("lora", str(comfy)),
    }
    addon = models.addons()[0]
    assert (addon.family, addon.trigger) == ("sd15", ("hat",))


def test_files_in_repositories_of_the_hub(make: Callable[[], Models], hub: Path) -> None:
    trees.put(hub, "org/fast", {"fast.safetensors": b"lora 1", "README.md": b"x"})
    trees.put(hub, "org/many", {"a.safetensors": b"checkpoint 1", "b/b.safetensors": b"vae 1", "c.bin": b"what"})
    trees.put(hub, "org/language", {f"model-0000{n}-of-00002.safetensors": b"checkpoint" for n in (1, 2)})
    models = make()
    assert ids(models) == ["pocket", "org/many/a.safetensors"]
    assert {(addon.id, addon.name, addon.trigger, addon.entry) for addon in models.addons()} == {
        ("org/fast", "Fast", ("quick",), "fast"),
        ("org/many/b/b.safetensors", "b", ("hat",), ""),
    }
    assert models.id_of(SPEEDUP) == "org/fast"
    language = models.thing("org/language")
    assert language is not None
    assert (language.role, language.entry, language.addon) == ("unknown", None, None)


def test_an_unfinished_download_is_not_offered_and_asked_for_says_so(make: Callable[[], Models], hub: Path) -> None:
    data = trees.pipeline()["unet/diffusion_pytorch_model.safetensors"]
    trees.part(hub, "Org/Small", trees.sha256(data) + ".part")
    trees.write_tree(trees.folder_of(hub, "Org/Small"), trees.COMMIT, trees.pipeline())
    models = make()
    assert ids(models) == ["pocket"]
    for name in ("small", "org/small"):
        with pytest.raises(AtelierError) as caught:
            models.runnable(name)
        assert caught.value.code is ErrorCode.MODEL_INCOMPLETE
        assert caught.value.info.facts["file"] == "unet/diffusion_pytorch_model.safetensors"


def test_what_a_processor_runs_is_called_fast_only_when_it_is_small(
    make: Callable[[], Models], hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.put(hub, "org/a", trees.pipeline())
    models = make()
    models.refresh(DeviceFacts(Backend.CPU, -1, "CPU", 32 << 30, 24 << 30, 32 << 30, 24 << 30))
    assert models.get("org/a").fit == "fast"
    monkeypatch.setattr(judging, "QUICK_ON_PROCESSOR", 100)
    models.refresh()
    assert models.get("org/a").fit == "offload"


def test_of_two_revisions_a_whole_one_is_used(make: Callable[[], Models], hub: Path) -> None:
    trees.put(hub, "org/m", trees.pipeline(), trees.OTHER_COMMIT, ref="")
    newer = trees.put(hub, "org/m", trees.pipeline(4))
    (newer / "unet/diffusion_pytorch_model.safetensors").resolve().unlink()
    entry = make().get("org/m")
    assert entry.problem is None
    assert entry.card.ref.revision == trees.OTHER_COMMIT


def test_what_is_nowhere_says_what_is_near(make: Callable[[], Models], hub: Path) -> None:
    trees.put(hub, "org/model", trees.pipeline())
    with pytest.raises(AtelierError) as caught:
        make().get("org/modell")
    assert caught.value.code is ErrorCode.MODEL_NOT_INSTALLED
    assert "org/model" in caught.value.info.detail
    with pytest.raises(AtelierError) as caught:
        make().get("small")
    assert "atelier models pull small" in caught.value.info.detail


def test_nothing_is_forgotten_while_the_disk_of_the_cache_is_gone(
    make: Callable[[], Models], settings: SettingsStore, hub: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    settings.change(models_cache=str(disk / "hub"))
    trees.put(disk / "hub", "org/a", trees.pipeline())
    assert ids(make()) == ["pocket", "org/a"]
    disk.rename(tmp_path / "unplugged")
    models = make()
    assert ids(models) == ["pocket", "org/a"]
    assert models.trouble is not None
    assert models.trouble.code is ErrorCode.FOLDER_GONE
    with pytest.raises(AtelierError) as caught:
        models.runnable("org/a")
    assert caught.value.code is ErrorCode.FOLDER_GONE
    (tmp_path / "unplugged").rename(disk)
    models.refresh()
    assert models.runnable("org/a")
    assert models.trouble is None


def test_a_folder_and_a_file_that_are_gone_stay_listed_with_the_reason(
    make: Callable[[], Models], settings: SettingsStore, tmp_path: Path
) -> None:
    settings.change(model_folders=(str(tmp_path / "f"),), model_files=(str(tmp_path / "x.safetensors"),))
    models = make()
    assert models.get(str(tmp_path / "f")).problem is not None
    assert [addon.problem.code for addon in models.addons() if addon.problem] == [ErrorCode.FOLDER_GONE]


def test_a_pickle_runs_only_after_consent_and_a_part_only_with_its_base(
    make: Callable[[], Models], settings: SettingsStore, hub: Path, tmp_path: Path
) -> None:
    trees.write(tmp_path, {
        "asked.ckpt": b"checkpoint", "agreed.ckpt": b"checkpoint", "part.safetensors": b"denoiser",
        "bad.safetensors": b"broken",
    })  # fmt: skip
    names = ("asked.ckpt", "agreed.ckpt", "part.safetensors", "bad.safetensors")
    settings.change(model_files=tuple(str(tmp_path / name) for name in names))
    models = make()
    problems = {Path(entry.card.id).name: entry.problem and entry.problem.code for entry in models.entries()[1:]}
    assert problems == {
        "asked.ckpt": ErrorCode.MODEL_NEEDS_PICKLE, "agreed.ckpt": None, "part.safetensors": ErrorCode.BASE_MISSING,
    }  # fmt: skip
    assert [addon.problem.code for addon in models.addons() if addon.problem] == [ErrorCode.MODEL_CORRUPT]
    trees.put(hub, "Org/Small", trees.pipeline())
    models.refresh()
    assert models.get(str(tmp_path / "part.safetensors")).problem is None


def test_what_was_looked_at_is_not_looked_at_again_until_it_changes(
    make: Callable[[], Models], settings: SettingsStore, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.put(hub, "org/a", trees.pipeline())
    mine = trees.write(tmp_path / "mine", trees.pipeline(2))
    file = trees.write(tmp_path, {"x.safetensors": b"lora 1"}) / "x.safetensors"
    settings.change(model_folders=(str(mine),), model_files=(str(file),))
    looked: list[str] = []
    inspect, recognised = folders.inspect, recognise.recognise
    monkeypatch.setattr(folders, "inspect", lambda folder, name: (looked.append(folder.name), inspect(folder, name))[1])
    monkeypatch.setattr(recognise, "recognise", lambda path: (looked.append(path.name), recognised(path))[1])
    first = make()
    assert first.entries()
    assert sorted(looked) == sorted(["pocket", trees.COMMIT, "mine", "x.safetensors"])
    looked.clear()
    again = make()  # a new start: the notes are on the disk
    assert again.entries() == first.entries()
    assert looked == []
    file.write_bytes(b"lora 22")
    (mine / "vae/config.json").write_bytes(b"broken")
    again.refresh()
    assert sorted(looked) == ["mine", "x.safetensors"]
    assert again.get(str(mine)).problem is not None


def test_damaged_notes_are_made_anew(tmp_path: Path) -> None:
    folder = trees.write(tmp_path / "m", trees.pipeline())
    notes = tmp_path / "known.msgpack"
    known = Known(notes)
    info = known.folder(folder, "m")
    known.save()
    assert Known(notes).folder(folder, "m") == info
    for data in (b"", b"\xff\x00rubbish", notes.read_bytes()[:-20]):
        notes.write_bytes(data)
        assert Known(notes).folder(folder, "m") == info


def test_looking_happens_elsewhere_and_is_announced(settings: SettingsStore, hub: Path) -> None:
    trees.put(hub, "org/a", trees.pipeline())
    events, asked, seen = EventBus(), [], []
    events.subscribe(ModelsChanged, seen.append)
    models = Models(settings, events, ASSETS, hub, lambda work, then: asked.append((work, then)))
    assert "org/a" not in ids(models)
    models.refresh()
    assert seen == []
    (work, then), = asked  # fmt: skip
    then(work())
    assert len(seen) == 1
    assert "org/a" in ids(models)


def test_removing_and_adding_folders(make: Callable[[], Models], tmp_path: Path) -> None:
    models = make()
    mine = trees.write(tmp_path / "mine", trees.pipeline())
    assert models.add_folder(mine).schema is not None
    assert str(mine) in ids(models)
    models.remove_folder(str(mine))
    assert str(mine) not in ids(models)
    assert mine.is_dir()
    shutil.rmtree(mine / "vae")
    with pytest.raises(AtelierError):
        models.add_folder(mine)
    assert str(mine) not in ids(models)


HELPERS = {
    entry.id: entry
    for entry in (
        msgspec.structs.replace(ENTRY, id="canny", name="Canny", repo="org/canny", role=Role.CONTROLNET,
                                file="diffusion_pytorch_model.fp16.safetensors"),
        msgspec.structs.replace(ENTRY, id="big", name="Big", repo="org/big", role=Role.TEXT_ENCODER),
        msgspec.structs.replace(ENTRY, id="depth", name="Depth", repo="org/depth", role=Role.DEPTH),
        msgspec.structs.replace(ENTRY, id="one", name="One", repo="org/loras", role=Role.LORA, file="one.safetensors"),
        msgspec.structs.replace(ENTRY, id="two", name="Two", repo="org/loras", role=Role.LORA, file="two.safetensors"),
    )
}  # fmt: skip


def test_helpers_of_the_catalog_are_add_ons_by_their_role(
    make: Callable[[], Models], hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Catalog, "get", lambda self, key: HELPERS.get(key))
    monkeypatch.setattr(
        Catalog, "by_repo", lambda self, repo: [entry for entry in HELPERS.values() if entry.repo == repo]
    )
    canny = trees.put(hub, "org/canny", {
        "config.json": b"{}", "diffusion_pytorch_model.fp16.safetensors": b"what",
        "diffusion_pytorch_model.bin": b"lora",
        "diffusion_pytorch_model.safetensors": b"lora",
    })  # fmt: skip
    trees.put(hub, "org/big", {"config.json": b"{}", "model-00001-of-00002.safetensors": b"x"})
    trees.put(hub, "org/depth", {**trees.pipeline(), "vae/config.json": b"damaged"})
    trees.put(hub, "org/loras", {"one.safetensors": b"lora"})
    models = make()
    assert ids(models) == ["pocket"]
    found = {addon.id: addon for addon in models.addons()}
    assert {key: (addon.kind, addon.entry, addon.problem is None) for key, addon in found.items()} == {
        "org/canny": ("controlnet", "canny", True), "org/big": ("text-encoder", "big", True),
        "org/depth": ("depth", "depth", False), "org/loras": ("lora", "one", True),
    }  # fmt: skip
    assert found["org/canny"].path == str(canny)
    trees.put(hub, "org/loras", {"two.safetensors": b"lora 2"})
    models.refresh()
    assert models.id_of(HELPERS["two"]) == "org/loras/two.safetensors"
    one = models.thing("org/loras/one.safetensors")
    assert one is not None
    assert one.name == "One"
    assert models.thing("ORG/loras") is not None


def test_of_number_types_the_plain_one_stands_for_a_component(make: Callable[[], Models], hub: Path) -> None:
    vae = trees.put(hub, "org/my-vae", {
        "config.json": b"{}", "diffusion_pytorch_model.fp16.safetensors": b"lora",
        "diffusion_pytorch_model.safetensors": b"vae",
    })  # fmt: skip
    (addon,) = make().addons()
    assert (addon.id, addon.name, addon.kind, addon.path) == ("org/my-vae", "my-vae", "vae", str(vae))


def test_a_file_that_is_not_on_the_list_can_be_asked_for(make: Callable[[], Models], tmp_path: Path) -> None:
    trees.write(tmp_path, {"x.safetensors": b"checkpoint", "hat.safetensors": b"lora", "bad.safetensors": b"broken"})
    models = make()
    assert models.runnable(str(tmp_path / "x.safetensors"))[0].name == "x"
    codes = {}
    for name in ("hat", "bad", "none"):
        with pytest.raises(AtelierError) as caught:
            models.runnable(str(tmp_path / f"{name}.safetensors"))
        codes[name] = caught.value.code
    assert codes == {
        "hat": ErrorCode.MODEL_UNSUPPORTED, "bad": ErrorCode.MODEL_CORRUPT, "none": ErrorCode.MODEL_NOT_INSTALLED,
    }  # fmt: skip


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names there are always text")
def test_names_that_are_no_text_stop_nothing(
    make: Callable[[], Models], settings: SettingsStore, hub: Path, tmp_path: Path
) -> None:
    """Bytes that are no UTF-8: such files are left out, everything beside them is found and can be written down."""
    odd = os.fsdecode(b"caf\xe9.safetensors")
    source = trees.write(tmp_path / "source", {odd: b"lora", "good.safetensors": b"lora 2"})
    mine = trees.write(tmp_path / "mine", {**trees.pipeline(1), odd: b"x", f"unet/{odd}": b"x"})
    snapshot = trees.put(hub, "org/a", trees.pipeline(2))
    (snapshot / odd).write_bytes(b"x")
    settings.change(sources=(str(source),), model_folders=(str(mine),))
    models = make()
    assert [addon.name for addon in models.addons()] == ["good"]
    assert models.get("org/a").problem is None
    assert ids(models) == ["pocket", str(mine), "org/a"]
    assert default_paths().known.stat().st_size > 0
    assert make().entries() == models.entries()
