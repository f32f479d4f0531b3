"""The storage page's numbers and deeds on caches as they really look: shared, linked, unfinished, damaged."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import cache_removal, storage_report
from app.cache import scan
from app.states import DownloadState
from app.storage_checks import Checks
from models import skeleton
from models.errors import AtelierError, ErrorCode
from tests import cache_trees as trees
from tests.shops import Shop, quiet, refusal

UNET = "unet/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    return tmp_path / "hub"


@pytest.fixture
def shop(home: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(storage_report, "MERGED_FROM", 100)
    return Shop(hub)


@pytest.fixture
def free(tmp_path: Path) -> Iterator[Any]:
    """How many bytes of files there are below the test's folder."""
    return lambda: trees.disk_bytes(tmp_path)


def blob(hub: Path, repo: str, files: dict[str, bytes], name: str) -> Path:
    return trees.folder_of(hub, repo) / "blobs" / trees.blob_name(name, files[name])


def damage(path: Path) -> None:
    """Change one byte; sizes and, as a failing disk does, times stay."""
    facts = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_what_a_model_takes_is_what_removing_it_frees(shop: Shop, hub: Path, free: Any) -> None:
    trees.put(hub, "org/a", trees.pipeline(1))
    item = shop.item("org/a")
    assert (item.state, item.problem, item.verified, item.removable) == ("complete", None, 0.0, True)
    assert item.size_bytes == item.freed_bytes == trees.disk_bytes(hub / "models--org--a" / "blobs")
    before = free()
    trees_bytes = trees.disk_bytes(hub / "models--org--a") - item.size_bytes  # refs and the list of files
    assert shop.remove("org/a") == item.freed_bytes + trees_bytes
    assert before - free() >= item.freed_bytes
    assert [stored.id for stored in shop.report().items] == ["pocket"]
    assert not (hub / "models--org--a").exists()


def test_hard_links_count_once_and_are_freed_with_the_last_name(shop: Shop, hub: Path) -> None:
    for name in ("org/a", "org/b"):
        trees.put(hub, name, trees.pipeline(1))
    for path in sorted((hub / "models--org--a" / "blobs").iterdir()):
        trees.link_blob(hub, "org/a", "org/b", path.name)
    report = shop.report()
    size = trees.disk_bytes(hub / "models--org--a" / "blobs")
    a = next(item for item in report.items if item.id == "org/a")
    assert (a.size_bytes, a.freed_bytes, a.shared_bytes, a.shared_with) == (size, 0, size, ("org/b",))
    assert report.saved_bytes == size
    assert report.duplicate_bytes == 0
    shop.remove("org/a")
    assert shop.item("org/b").freed_bytes == size
    assert shop.verify("org/b").bad == ()


def test_a_hard_link_that_nobody_told_of_frees_nothing(shop: Shop, hub: Path, tmp_path: Path) -> None:
    files = trees.pipeline(1)
    trees.put(hub, "org/a", files)
    os.link(blob(hub, "org/a", files, UNET), tmp_path / "mine.safetensors")
    item = shop.item("org/a")
    assert item.size_bytes - item.freed_bytes == len(files[UNET])
    shop.remove("org/a")
    assert (tmp_path / "mine.safetensors").read_bytes() == files[UNET]


def test_the_shared_store_keeps_what_another_uses(shop: Shop, hub: Path) -> None:
    files = trees.pipeline(1)
    for name in ("org/a", "org/b", "org/c"):
        trees.put(hub, name, files if name != "org/c" else trees.pipeline(5))
    payload = {trees.share(hub, name, trees.sha256(files[UNET])) for name in ("org/a", "org/b")}.pop()
    report = shop.report()
    a = next(item for item in report.items if item.id == "org/a")
    assert a.shared_bytes == len(files[UNET])
    assert a.size_bytes - a.freed_bytes == len(files[UNET])
    assert report.saved_bytes == len(files[UNET])
    shop.remove("org/a")
    assert payload.is_file()
    assert shop.item("org/b").freed_bytes == shop.item("org/b").size_bytes
    assert shop.verify("org/b").bad == ()
    assert shop.remove("org/b") >= shop.item("org/c").size_bytes
    assert not payload.exists()
    assert not payload.with_name(payload.name + ".refs").exists()


def test_a_payload_that_a_data_set_uses_or_without_a_list_stays(shop: Shop, hub: Path) -> None:
    files = trees.pipeline(1)
    trees.put(hub, "org/a", files)
    payload = trees.share(hub, "org/a", trees.sha256(files[UNET]))
    other = hub / "datasets--org--d" / "blobs" / "x"
    other.parent.mkdir(parents=True)
    other.symlink_to(os.path.relpath(payload, other.parent))
    with payload.with_name(payload.name + ".refs").open("a") as manifest:
        manifest.write("datasets--org--d/blobs/x\n../../etc/passwd\n")
    trees.put(hub, "org/b", trees.pipeline(6))
    unlisted = trees.share(hub, "org/b", trees.sha256(trees.pipeline(6)[UNET]))
    unlisted.with_name(unlisted.name + ".refs").unlink()
    shop.remove("org/a")
    shop.remove("org/b")
    assert payload.is_file()
    assert unlisted.is_file()
    assert shop.report().orphan_bytes == 0


def test_two_hundred_models_are_reported_fast(shop: Shop, hub: Path) -> None:
    for n in range(200):
        trees.put(hub, f"org/m{n}", trees.pipeline(n % 250))
    assert len(shop.report().items) == 201
    began = time.perf_counter()
    shop.report()
    assert time.perf_counter() - began < 5.0, "a guard against the absurd; the bench measures"


def test_an_unfinished_download_is_shown_as_such(shop: Shop, hub: Path) -> None:
    files = trees.pipeline(1)
    trees.part(hub, "org/a", trees.sha256(files[UNET]) + ".part", 5000)
    trees.write_tree(trees.folder_of(hub, "org/a"), trees.COMMIT, files)
    shop.downloads.has("Org/A")
    item = shop.item("org/a")
    assert item.state == "partial"
    assert item.problem is not None
    assert item.problem.facts["file"] == UNET
    assert item.size_bytes == item.freed_bytes == 5000
    assert shop.report().orphan_bytes == 0


def test_single_files_folders_and_the_embedded_one_are_items_too(shop: Shop, tmp_path: Path) -> None:
    mine = trees.write(tmp_path / "mine", trees.pipeline(2))
    copied = trees.write(shop.paths.models / "folder" / "copied", trees.pipeline(3))
    shop.settings.change(model_folders=(str(mine),))
    items = {item.id: item for item in shop.report().items}
    assert not items["pocket"].removable
    assert (items[str(mine)].freed_bytes, items[str(mine)].removable) == (0, True)
    assert items[str(copied)].freed_bytes == items[str(copied)].size_bytes == trees.disk_bytes(copied)
    assert shop.remove(str(mine)) == 0
    assert mine.is_dir()
    assert shop.remove(str(copied)) == items[str(copied)].freed_bytes
    assert not copied.exists()
    assert shop.settings.value.model_folders == ()


def test_two_names_instead_of_links(shop: Shop, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As downloads are kept where the system knows no links: a blob and the snapshot's file are one."""
    files = trees.pipeline(1)
    snapshot = trees.put(hub, "org/a", files, twins=True, tree=False)
    item = shop.item("org/a")
    assert item.size_bytes == item.freed_bytes == trees.disk_bytes(hub / "models--org--a" / "blobs")
    later = time.time() + 7200
    monkeypatch.setattr(cache_removal.time, "time", lambda: later)
    assert shop.report().orphan_bytes == 0
    assert shop.ask(shop.storage.clean) == 0
    report = shop.verify("org/a")
    assert (report.unknown, report.bad) == (0, ())
    damage(snapshot / UNET)
    assert [bad.path for bad in shop.verify("org/a").bad] == [UNET]
    shop.storage.repair("org/a")
    assert not (snapshot / UNET).exists()
    assert not blob(hub, "org/a", files, UNET).exists(), "or it would be taken for what is wanted"
    trees.put(hub, "org/a", files, twins=True, tree=False)
    trees.put(hub, "org/b", files, twins=True, tree=False)
    saved = shop.ask(shop.storage.merge, quiet)
    assert saved > 0
    shop.downloads.rows.clear()
    shop.remove("org/a")
    assert shop.verify("org/b").bad == ()
    assert shop.item("org/b").freed_bytes == shop.item("org/b").size_bytes


# -- removing ----------------------------------------------------------------------------------------------------------


def test_nothing_is_removed_while_it_is_used_or_fetched(shop: Shop, hub: Path) -> None:
    trees.put(hub, "org/a", trees.pipeline(1))
    refusals = []
    shop.busy.add("org/a")
    refusals.append(refusal(shop.remove, "org/a"))
    shop.busy.clear()
    shop.downloads.has("org/A", DownloadState.RUNNING)
    refusals.append(refusal(shop.remove, "org/a"))
    shop.downloads.rows.clear()
    lock = hub / ".locks" / "models--org--a" / f"{'a' * 64}.lock"
    lock.parent.mkdir(parents=True)
    with filelock.FileLock(lock):
        refusals.append(refusal(shop.remove, "org/a"))
    claim = hub / ".locks" / "atelier" / "models--org--a.77.1.claim"
    claim.parent.mkdir(parents=True)
    with filelock.FileLock(claim):
        refusals.append(refusal(shop.remove, "org/a"))
    assert refusals == [ErrorCode.MODEL_IN_USE] * 4
    assert shop.item("org/a").state == "complete"
    assert shop.remove("ORG/a") > 0


def test_links_out_of_the_cache_are_never_followed(shop: Shop, hub: Path, tmp_path: Path) -> None:
    precious = trees.write(tmp_path / "precious", {"a.safetensors": b"x" * 500, "sub/b": b"y"})
    snapshot = trees.put(hub, "org/a", trees.pipeline(1))
    (snapshot / "out").symlink_to(precious, target_is_directory=True)
    (snapshot / "file.safetensors").symlink_to(precious / "a.safetensors")
    moved = tmp_path / "elsewhere"
    trees.put(tmp_path / "other", "org/b", trees.pipeline(2))
    (tmp_path / "other" / "models--org--b").rename(moved)
    (hub / "models--org--b").symlink_to(moved, target_is_directory=True)
    assert shop.item("org/b").freed_bytes == 0
    shop.remove("org/a")
    assert shop.remove("org/b") == 0
    assert (precious / "a.safetensors").stat().st_size == 500
    assert (precious / "sub/b").is_file()
    assert (moved / "snapshots").is_dir()
    assert not (hub / "models--org--b").is_symlink()


def test_what_is_not_there_and_what_belongs_to_others_is_not_removed(shop: Shop, tmp_path: Path) -> None:
    other = trees.write(tmp_path / "app", {f"models/x/{name}": data for name, data in trees.pipeline().items()})
    shop.settings.change(sources=(str(other),))
    shop.models.refresh()
    key = str(other / "models" / "x")
    assert not shop.item(key).removable
    assert refusal(shop.remove, key) is ErrorCode.INVALID_INPUT
    assert refusal(shop.remove, "pocket") is ErrorCode.INVALID_INPUT
    assert refusal(shop.remove, "org/none") is ErrorCode.MODEL_NOT_INSTALLED
    assert (Path(key) / "model_index.json").is_file()


def test_one_of_several_models_in_a_folder_is_forgotten_alone(shop: Shop, tmp_path: Path) -> None:
    for n in (1, 2, 3):
        trees.write(tmp_path / "many" / f"m{n}", trees.pipeline(n))
    shop.models.add_folder(tmp_path / "many")
    shop.remove(str(tmp_path / "many" / "m2"))
    assert [Path(path).name for path in shop.settings.value.model_folders] == ["m1", "m3"]


@pytest.mark.parametrize("layout", [{}, {"links": False}, {"twins": True}])
def test_one_of_several_files_of_a_repository_is_removed_alone(
    shop: Shop, hub: Path, free: Any, layout: dict[str, bool]
) -> None:
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    shapes = {f"{name}.lora_down.weight": ("F16", [4, 320]), f"{name}.lora_up.weight": ("F16", [320, 4])}
    files = {f"{letter}.safetensors": trees.safetensors(shapes, fill) for fill, letter in enumerate("abc")}
    trees.put(hub, "org/loras", {**files, "twin/c.safetensors": files["c.safetensors"]}, **layout)
    shop.models.refresh()
    before = free()
    freed = shop.remove("org/loras/b.safetensors")
    assert freed == before - free() == len(files["b.safetensors"])
    assert {addon.path.rpartition("/")[2] for addon in shop.models.addons()} == {"a.safetensors", "c.safetensors"}
    kept = len(files["c.safetensors"]) if layout == {"links": False} else 0
    assert shop.remove("org/loras/c.safetensors") == kept, "the same content has another name"
    assert shop.remove("org/loras") > 0
    assert not trees.folder_of(hub, "org/loras").exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that bind")
def test_a_cache_that_cannot_be_written(shop: Shop, hub: Path) -> None:
    trees.put(hub, "org/a", trees.pipeline(1))
    hub.chmod(0o555)
    try:
        assert not shop.report().writable
        assert refusal(shop.remove, "org/a") is ErrorCode.FOLDER_NOT_WRITABLE
        assert shop.item("org/a").state == "complete"
    finally:
        hub.chmod(0o755)


def test_two_models_whose_names_differ_in_capitals_are_two(shop: Shop, hub: Path) -> None:
    trees.put(hub, "Org/A", trees.pipeline(1))
    if (hub / "models--org--a").exists():
        pytest.skip("this disk takes them for one")
    trees.put(hub, "org/a", trees.pipeline(2))
    assert {item.id for item in shop.report().items} == {"pocket", "Org/A", "org/a"}
    shop.models.refresh()
    shop.remove("org/a")
    assert [repo.id for repo in scan(hub).repos] == ["Org/A"]
    assert shop.models.runnable("org/a")[0].id == "Org/A"


# -- checking and repairing --------------------------------------------------------------------------------------------


def test_a_check_reads_everything_and_is_remembered(shop: Shop, hub: Path) -> None:
    files = trees.pipeline(1)
    trees.put(hub, "org/a", files)
    told: list[tuple[int, int]] = []
    before = time.time()
    report = shop.ask(shop.storage.verify, "org/a", lambda done, total: told.append((done, total)))
    assert (report.files, report.unknown, report.bad) == (len(files), 0, ())
    assert report.bytes == told[-1][0] == told[-1][1]
    assert shop.item("org/a").verified >= before
    assert Shop(hub).item("org/a").verified >= before, "after a restart, too"


@pytest.mark.parametrize("links", [True, False])
def test_one_wrong_byte_is_found_and_only_that_file_fetched_again(shop: Shop, hub: Path, links: bool) -> None:
    files = trees.pipeline(1)
    snapshot = trees.put(hub, "org/a", files, links=links)
    shop.verify("org/a")
    damage((snapshot / UNET).resolve())
    damage((snapshot / "vae/config.json").resolve())
    assert shop.item("org/a").state == "complete", "nobody looked yet"
    assert {(bad.path, bad.why) for bad in shop.verify("org/a").bad} == {
        (UNET, "checksum"), ("vae/config.json", "checksum"),
    }  # fmt: skip
    item = shop.item("org/a")
    assert (item.state, item.verified) == ("damaged", 0.0)
    assert item.problem is not None
    assert item.problem.code is ErrorCode.MODEL_CORRUPT
    download = shop.storage.repair("org/a")
    assert (download.spec.repo, download.spec.commit) == ("org/a", trees.COMMIT)
    assert set(download.spec.allow) == set(files)
    gone = [file.path for repo in scan(hub).repos for file in repo.revisions[0].files if file.blob is None]
    there = {file.path for repo in scan(hub).repos for file in repo.revisions[0].files if file.blob}
    assert sorted(gone) == (["unet/diffusion_pytorch_model.safetensors", "vae/config.json"] if links else [])
    assert there == set(files) - {UNET, "vae/config.json"}
    assert shop.item("org/a").state == "partial"
    trees.put(hub, "org/a", files, links=links)
    assert shop.verify("org/a").bad == ()
    assert shop.item("org/a").state == "complete"


def test_a_repair_that_cannot_start_changes_nothing(shop: Shop, hub: Path) -> None:
    files = trees.pipeline(1)
    snapshot = trees.put(hub, "org/a", files)
    payload = trees.share(hub, "org/a", trees.sha256(files[UNET]))
    damage(payload)
    assert [bad.path for bad in shop.verify("org/a").bad] == [UNET]
    shop.downloads.refusal = AtelierError(ErrorCode.OFFLINE)
    with pytest.raises(AtelierError):
        shop.storage.repair("org/a")
    assert (snapshot / UNET).is_file()
    shop.downloads.refusal = None
    shop.storage.repair("org/a")
    assert refusal(shop.storage.repair, "org/none") is ErrorCode.MODEL_NOT_INSTALLED
    assert not payload.exists(), "or the next download would take it from there"
    assert not (snapshot / UNET).exists()


def test_missing_and_cut_off_files(shop: Shop, hub: Path) -> None:
    files = trees.pipeline(1)
    trees.put(hub, "org/a", files)
    blob(hub, "org/a", files, UNET).unlink()
    text = blob(hub, "org/a", files, TEXT)
    text.write_bytes(text.read_bytes()[:-5])
    assert {(bad.path, bad.why) for bad in shop.verify("org/a").bad} == {(UNET, "missing"), (TEXT, "size")}
    assert shop.storage.repair("org/a").spec.commit == trees.COMMIT


def test_files_without_known_checksums_have_their_headers_checked_and_then_are_known(
    shop: Shop, tmp_path: Path
) -> None:
    mine = trees.write(tmp_path / "mine", trees.pipeline(2))
    shop.settings.change(model_folders=(str(mine),))
    shop.models.refresh()
    first = shop.verify(str(mine))
    assert (first.unknown, first.bad) == (first.files, ())
    second = shop.verify(str(mine))
    assert (second.unknown, second.bad) == (0, ())
    damage(mine / UNET)
    assert [(bad.path, bad.why) for bad in shop.verify(str(mine)).bad] == [(UNET, "checksum")]
    assert shop.item(str(mine)).state == "damaged"
    (mine / TEXT).write_bytes(b"\xff" * 300)
    assert (TEXT, "unreadable") in {(bad.path, bad.why) for bad in shop.verify(str(mine)).bad}
    assert refusal(shop.storage.repair, str(mine)) is ErrorCode.MODEL_CORRUPT


def test_a_check_can_be_stopped_and_keeps_what_it_found(home: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.background._EVERY", 0.0)
    files = trees.pipeline(1)
    trees.put(hub, "org/a", files)
    shop = Shop(hub)
    report = shop.ask(shop.storage.verify, "org/a", lambda done, total: done == 0)
    assert 0 < report.files < len(files)
    assert report.bad == ()


def test_what_the_hub_process_verified_counts_as_verified(shop: Shop, hub: Path) -> None:
    snapshot = trees.put(hub, "org/a", trees.pipeline(1))
    shop.storage.arrived(snapshot)
    assert shop.item("org/a").verified > 0


def test_damaged_notes_cost_only_another_look(tmp_path: Path, hub: Path) -> None:
    trees.put(hub, "org/a", trees.pipeline(1))
    for data in (b"", b"{", b"[1]", b'{"a": 3}'):
        (tmp_path / "checked.json").write_bytes(data)
        assert Checks(tmp_path / "checked.json").of(scan(hub).repos[0].blobs[0]) is None


# -- merging -----------------------------------------------------------------------------------------------------------


def test_equal_files_are_stored_once_and_everything_stays_whole(shop: Shop, hub: Path, free: Any) -> None:
    trees.put(hub, "org/a", trees.pipeline(1))
    trees.put(hub, "org/b", trees.pipeline(2))
    trees.put(hub, "org/c", trees.pipeline(2), links=False)
    copied = trees.write(shop.paths.models / "folder" / "copied", trees.pipeline(3))
    before, report = free(), shop.report()
    saved = shop.ask(shop.storage.merge, quiet)
    assert saved == report.duplicate_bytes == before - free() + _notes(shop)
    after = shop.report()
    assert after.duplicate_bytes == 0
    assert after.saved_bytes > report.saved_bytes
    assert after.total_bytes == report.total_bytes - saved
    for key in ("org/a", "org/b", "org/c", str(copied)):
        assert shop.verify(key).bad == ()
        assert shop.models.runnable(key)
    assert shop.ask(shop.storage.merge, quiet) == 0
    shop.remove("org/a")
    assert shop.verify("org/b").bad == ()


def _notes(shop: Shop) -> int:
    """Bytes of our own notes, written meanwhile."""
    return trees.disk_bytes(shop.paths.data) - trees.disk_bytes(shop.paths.models) + shop.paths.known.stat().st_size


def test_files_that_only_look_equal_are_not_merged(shop: Shop, hub: Path) -> None:
    one, other = trees.pipeline(1), trees.pipeline(1)
    large = trees.safetensors({"w.weight": ("U8", [400_000])})
    one["big.safetensors"] = large
    changed = bytearray(large)
    changed[100_000] = 7
    other["big.safetensors"] = bytes(changed)
    trees.put(hub, "org/a", one, links=False, tree=False)
    trees.put(hub, "org/b", other, links=False, tree=False)
    shop.ask(shop.storage.merge, quiet)
    inode = {(hub / f"models--org--{n}/snapshots/{trees.COMMIT}/big.safetensors").stat().st_ino for n in "ab"}
    assert len(inode) == 2


def test_a_damaged_file_does_not_spread(shop: Shop, hub: Path) -> None:
    files = trees.pipeline(1)
    for name in ("org/a", "org/b"):
        trees.put(hub, name, files)
    damage(blob(hub, "org/a", files, UNET))
    shop.ask(shop.storage.merge, quiet)
    assert [bad.path for bad in shop.verify("org/a").bad] == [UNET]
    assert shop.verify("org/b").bad == ()


def test_in_place_folders_are_not_touched_by_merging(shop: Shop, hub: Path, tmp_path: Path) -> None:
    mine = trees.write(tmp_path / "mine", trees.pipeline(1))
    trees.put(hub, "org/a", trees.pipeline(1))
    shop.settings.change(model_folders=(str(mine),))
    assert shop.report().duplicate_bytes == 0
    assert shop.ask(shop.storage.merge, quiet) == 0
    assert (mine / UNET).stat().st_nlink == 1


# -- tidying up --------------------------------------------------------------------------------------------------------


def test_orphans_are_what_nobody_can_want_any_more(shop: Shop, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = trees.pipeline(1)
    snapshot = trees.put(hub, "org/a", files)
    kept = [
        trees.part(hub, "org/wanted", "1" * 64 + ".part", age=9000),
        trees.part(hub, "org/fresh", "2" * 64 + ".part"),
        trees.part(hub, "org/fresh", "3" * 64 + ".12345678.incomplete", age=60),
        locked := trees.part(hub, "org/locked", "4" * 64 + ".part", age=9000),
    ]
    gone = [
        trees.part(hub, "org/old", "5" * 64 + ".part", 3000, age=9000),
        trees.part(hub, "org/wanted", "6" * 64 + ".12345678.incomplete", 2000, age=9000),
    ]
    broken_off = trees.write(hub / ".atelier-removed-1234", {"blobs/x": b"z" * 700})
    (snapshot / "unet/config.json").unlink()
    unused = blob(hub, "org/a", files, "unet/config.json")
    shop.downloads.has("org/Wanted")
    lock = hub / ".locks" / "models--org--locked" / f"{'4' * 64}.lock"
    lock.parent.mkdir(parents=True)
    assert shop.report().orphan_bytes == 3000 + 2000 + 700 + 1000, "the locked one among them"
    with filelock.FileLock(lock):
        assert shop.ask(shop.storage.clean) == 3000 + 2000 + 700
    assert locked.is_file()
    assert unused.is_file(), "fresh: its link may be on the way"
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in (*gone, broken_off))
    later = time.time() + 7200
    monkeypatch.setattr(cache_removal.time, "time", lambda: later)
    assert shop.ask(shop.storage.clean) >= unused_size(files)
    assert not unused.exists()
    assert kept[0].exists()


def unused_size(files: dict[str, bytes]) -> int:
    return len(files["unet/config.json"])


def test_a_payload_nobody_refers_to_is_an_orphan(shop: Shop, hub: Path) -> None:
    files = trees.pipeline(1)
    trees.put(hub, "org/a", files)
    payload = trees.share(hub, "org/a", trees.sha256(files[UNET]))
    shutil.rmtree(hub / "models--org--a")  # by hand
    assert shop.report().orphan_bytes == len(files[UNET])
    assert shop.ask(shop.storage.clean) == len(files[UNET])
    assert not payload.exists()


# -- everything at once ------------------------------------------------------------------------------------------------

KINDS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d"]), st.integers(1, 3), st.sampled_from(["plain", "copy", "shared"])),
    min_size=1, max_size=5, unique_by=lambda made: made[0],
)  # fmt: skip


@given(made=KINDS, merged=st.booleans(), order=st.permutations("abcd"))
def test_what_is_said_to_be_freed_is_freed(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[str, int, str]], merged: bool, order: list[str]
) -> None:
    """Whatever is shared how, in whatever order models go: the numbers hold, and what stays is whole."""
    root = tmp_path_factory.mktemp("any")
    hub = root / "hub"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_HOME", str(root / "home"))
        patch.setattr(storage_report, "MERGED_FROM", 100)
        shop = Shop(hub)
        for name, fill, layout in made:
            trees.put(hub, f"org/{name}", trees.pipeline(fill), links=layout != "copy", tree=False)
            if layout == "shared":
                trees.share(hub, f"org/{name}", trees.sha256(trees.pipeline(fill)[UNET]))
        if merged:
            shop.ask(shop.storage.merge, quiet)
        present = {f"org/{name}" for name, _, _ in made}
        for key in (f"org/{name}" for name in order if f"org/{name}" in present):
            item, before = shop.item(key), trees.disk_bytes(hub)
            refs = (trees.folder_of(hub, key) / "refs" / "main").stat().st_size
            manifests = sum(path.stat().st_size for path in hub.rglob("*.refs"))
            freed = shop.remove(key)
            manifests -= sum(path.stat().st_size for path in hub.rglob("*.refs"))
            assert freed == item.freed_bytes + refs
            assert before - trees.disk_bytes(hub) == freed + manifests
            present.discard(key)
            for other in present:
                assert shop.verify(other).bad == ()


# -- others' opinion ---------------------------------------------------------------------------------------------------


def test_the_hubs_own_library_finds_nothing_to_complain_of(shop: Shop, hub: Path, tmp_path: Path) -> None:
    """After everything that is done to a cache it is still one, as huggingface_hub reads it."""
    library = pytest.importorskip("huggingface_hub")
    for n, name in enumerate(("org/a", "org/b", "org/c", "org/d")):
        trees.put(hub, name, trees.pipeline(n % 3))
    for name in ("org/a", "org/d"):
        trees.share(hub, name, trees.sha256(trees.pipeline(0)[UNET]))
    assert library.scan_cache_dir(hub).warnings == []
    shop.ask(shop.storage.merge, quiet)
    shop.remove("org/a")
    shop.ask(shop.storage.clean)
    for folder in (hub, tmp_path / "new"):
        if folder != hub:
            shop.ask(shop.storage.move, folder, quiet)
        found = library.scan_cache_dir(folder)
        assert found.warnings == []
        assert {repo.repo_id for repo in found.repos} == {"org/b", "org/c", "org/d"}
        assert found.size_on_disk >= sum(len(data) for data in set(trees.pipeline(1).values()))
    for _ in range(3):  # one repository at a time: their commits are all called the same
        library.scan_cache_dir(tmp_path / "new").delete_revisions(trees.COMMIT).execute()
    assert not list((tmp_path / "new").glob("blobs/??/*[0-9a-f]")), "its list of references came along"


def test_folders_that_stood_for_files_now_gone_are_tidied_away(shop: Shop, tmp_path: Path) -> None:
    file = trees.write(tmp_path, {"x.safetensors": b"w" * 100}) / "x.safetensors"
    kept, old = (
        trees.write(shop.paths.singles / name, {skeleton.NOTE: as_note(file), "unet/config.json": b"{}"})
        for name in (skeleton.folder_name(file), "x-0000000000000000")
    )
    shop.ask(shop.storage.clean)
    assert kept.is_dir()
    assert not old.exists()


def as_note(file: Path) -> bytes:
    facts = file.stat()
    return msgspec.json.encode(skeleton.Note(str(file), facts.st_size, facts.st_mtime_ns))


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names there are always text")
def test_files_whose_names_are_no_text_go_with_their_model(shop: Shop, hub: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9.safetensors")
    for name in ("org/a", "org/b"):
        (trees.put(hub, name, trees.pipeline(1)) / odd).write_bytes(b"x" * 200)
    assert shop.verify("org/a").bad == ()
    assert shop.item("org/a").verified > 0
    shop.ask(shop.storage.merge, quiet)
    shop.remove("org/a")
    assert not (hub / "models--org--a").exists()
    shop.ask(shop.storage.move, tmp_path / "new", quiet)
    assert (tmp_path / "new/models--org--b/snapshots" / trees.COMMIT / odd).is_file()
