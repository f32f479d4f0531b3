"""Reading a hub cache in all its layouts: what is there, how much it takes, and that nothing is followed out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app import cache
from tests import cache_trees as trees


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    return tmp_path / "hub"


def test_a_repository_its_revision_files_and_blobs(hub: Path) -> None:
    files = trees.pipeline()
    trees.put(hub, "org/small", files)
    repo = cache.scan(hub).repo("org/small")
    assert repo is not None
    assert repo.current is not None
    assert (repo.current.commit, repo.current.refs) == (trees.COMMIT, ("main",))
    assert {file.path: file.blob.checksum for file in repo.current.files if file.blob} == {
        name: trees.blob_name(name, data) for name, data in files.items()
    }
    assert repo.size == sum(len(data) for data in set(files.values()))
    assert repo.unused == ()


def test_ids_are_found_whatever_their_capitals(hub: Path) -> None:
    trees.put(hub, "Org/Small--Name", trees.pipeline())
    found = cache.scan(hub).repo("ORG/small--name")
    assert found is not None
    assert found.id == "Org/Small--Name"


def test_two_revisions_share_their_blobs_and_the_one_of_main_is_current(hub: Path) -> None:
    files = trees.pipeline()
    trees.put(hub, "org/m", files, trees.OTHER_COMMIT, ref="")
    trees.put(hub, "org/m", {**files, "new.json": b"{}"})
    repo = cache.scan(hub).repo("org/m")
    assert repo is not None
    assert len(repo.revisions) == 2
    assert repo.current is not None
    assert repo.current.commit == trees.COMMIT
    assert repo.size == trees.disk_bytes(hub / "models--org--m" / "blobs")


def test_links_into_the_shared_store(hub: Path) -> None:
    for name in ("org/a", "org/b"):
        trees.put(hub, name, trees.pipeline())
    blob = trees.sha256(trees.pipeline()["unet/diffusion_pytorch_model.safetensors"])
    payloads = {trees.share(hub, name, blob) for name in ("org/a", "org/b")}
    found = cache.scan(hub)
    shared = {blob.inode for repo in found.repos for blob in repo.blobs if blob.store}
    assert len(found.store) == len(payloads) == len(shared) == 1
    assert {repo.id for repo in found.repos} == {"org/a", "org/b"}
    assert len(list(cache.links_into_store(hub))) == 2


def test_snapshots_that_hold_the_files_themselves(hub: Path) -> None:
    files = trees.pipeline()
    trees.put(hub, "org/m", files, links=False)
    repo = cache.scan(hub).repo("org/m")
    assert repo is not None
    assert repo.size == sum(map(len, files.values()))
    assert not any(blob.checksum for blob in repo.content)


def test_unfinished_files_missing_ones_and_unused_ones(hub: Path) -> None:
    snapshot = trees.put(hub, "org/m", trees.pipeline())
    trees.part(hub, "org/m", size=4096)
    trees.part(hub, "org/m", "d" * 64 + ".12345678.incomplete", 8192)
    (snapshot / "vae/config.json").unlink()
    (snapshot / "unet/diffusion_pytorch_model.safetensors").resolve().unlink()
    repo = cache.scan(hub).repo("org/m")
    assert repo is not None
    assert sorted((part.size, part.ours) for part in repo.parts) == [(4096, True), (8192, False)]
    assert repo.current is not None
    assert [file.path for file in repo.current.files if file.blob is None] == [
        "unet/diffusion_pytorch_model.safetensors"
    ]
    assert [blob.name for blob in repo.unused] == [trees.git_sha1(trees.pipeline()["vae/config.json"])]


def test_links_out_of_the_cache_are_read_and_belong_to_another(hub: Path, tmp_path: Path) -> None:
    snapshot = trees.put(hub, "org/m", trees.pipeline())
    elsewhere = trees.write(tmp_path / "other", {"big.safetensors": bytes(10_000)}) / "big.safetensors"
    (snapshot / "big.safetensors").symlink_to(elsewhere)
    loop = snapshot / "loop"
    loop.symlink_to(snapshot)
    (snapshot / "nowhere.json").symlink_to(tmp_path / "gone")
    repo = cache.scan(hub).repo("org/m")
    assert repo is not None
    assert repo.current is not None
    by_path = {file.path: file.blob for file in repo.current.files}
    big = by_path["big.safetensors"]
    assert big is not None
    assert big.outside
    assert by_path["nowhere.json"] is None
    assert repo.size == trees.disk_bytes(hub / "models--org--m" / "blobs")
    assert not any(path.startswith("loop/") for path in by_path)


def test_a_blobs_folder_that_is_not_marked_is_no_store(hub: Path) -> None:
    trees.write(hub, {f"blobs/aa/{'a' * 64}": b"mine"})
    assert cache.scan(hub).store == {}


def test_other_peoples_things_in_the_cache_are_left_alone(hub: Path) -> None:
    trees.write(hub, {"version.txt": b"1", "models--": b"", "models--file--x": b"", "datasets--a--b/refs/main": b"c"})
    trees.put(hub, "gpt2", {"config.json": b"{}"})
    assert [repo.id for repo in cache.scan(hub).repos] == ["gpt2"]


def test_names_that_are_long_or_not_ascii(hub: Path) -> None:
    name = "ünïcödé-模型/" + "n" * 90
    trees.put(hub, name, {f"{'ö' * 60}/{'長' * 60}.json": b"{}"})
    repo = cache.scan(hub).repo(name)
    assert repo is not None
    assert repo.current is not None
    assert repo.current.files[0].blob is not None


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that bind")
def test_a_folder_that_cannot_be_read_hides_only_itself(hub: Path) -> None:
    for name in ("org/a", "org/b"):
        trees.put(hub, name, trees.pipeline())
    blobs = trees.folder_of(hub, "org/a") / "blobs"
    blobs.chmod(0)
    try:
        found = cache.scan(hub)
    finally:
        blobs.chmod(0o755)
    assert {repo.id for repo in found.repos} == {"org/a", "org/b"}


def test_no_cache_at_all(tmp_path: Path) -> None:
    found = cache.scan(tmp_path / "none")
    assert not found.present
    assert found.repos == ()
