"""Moving the cache: every model is whole afterwards, what others keep there stays, and what cannot work is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app import storage_move
from app.cache import scan
from app.states import DownloadState
from app.storage_move import Note
from models.errors import AtelierError, ErrorCode
from tests import cache_trees as trees
from tests.shops import Shop, quiet, refusal

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A cache with everything in it: plain, copied, shared, hard-linked, unfinished and foreign things."""
    hub = tmp_path / "hub"
    for n, name in enumerate(("org/a", "org/b", "org/c", "ünï/模型")):
        trees.put(hub, name, trees.pipeline(n), links=name != "org/c")
    trees.put(hub, "org/a", trees.pipeline(9), trees.OTHER_COMMIT, ref="v2")
    blob = trees.sha256(trees.pipeline(0)["vae/diffusion_pytorch_model.safetensors"])
    trees.link_blob(hub, "org/a", "org/b", blob)
    for name in ("org/a", "ünï/模型"):
        trees.share(hub, name, trees.sha256(trees.pipeline(0)["text_encoder/model.safetensors"]))
    trees.part(hub, "org/p", "7" * 64 + ".part", 900)
    trees.write(hub, {"datasets--org--d/blobs/x": b"theirs", "CACHEDIR.TAG": b"x", ".locks/models--org--a/l.lock": b""})
    return hub


@pytest.fixture
def shop(home: Path, hub: Path) -> Shop:
    return Shop(hub)


@pytest.fixture(params=["same disk", "another disk"])
def anywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The second is the first without links between the two places."""
    if request.param == "another disk":
        real = os.link

        def link(source: Path, target: Path, **options: object) -> None:
            if "/new/" not in str(source) and "/new/" in str(target):
                raise OSError(18, "Invalid cross-device link")
            real(source, target)

        monkeypatch.setattr(os, "link", link)
    return str(request.param)


def contents(hub: Path) -> dict[str, dict[str, bytes]]:
    """Each model's files, through the snapshots in use, and its unfinished ones."""
    found = {}
    for repo in scan(hub).repos:
        files = {
            f"{one.commit}/{f.path}": Path(f.blob.path).read_bytes()
            for one in repo.revisions
            for f in one.files
            if f.blob
        }
        found[repo.id] = files | {Path(part.path).name: Path(part.path).read_bytes() for part in repo.parts}
    return found


def test_everything_arrives_and_nothing_of_others_goes(shop: Shop, hub: Path, tmp_path: Path, anywhere: str) -> None:
    new = tmp_path / "disk" / "new"
    before, report = contents(hub), shop.report()
    shop.verify("org/a")
    checked = shop.item("org/a").verified
    told: list[tuple[int, int]] = []
    moved = shop.ask(shop.storage.move, new, lambda done, total: told.append((done, total)))
    assert moved == told[-1][0] == told[-1][1] > 0
    assert contents(new) == before
    assert shop.models.cache == new
    assert Shop(hub).settings.value.models_cache == str(new)
    assert contents(hub) == {}
    assert (hub / "datasets--org--d/blobs/x").read_bytes() == b"theirs"
    after = shop.report()
    assert (after.total_bytes, after.saved_bytes) == (report.total_bytes, report.saved_bytes)
    assert {item.id: item.freed_bytes for item in after.items} == {item.id: item.freed_bytes for item in report.items}
    assert shop.item("org/a").verified == checked
    for name in ("org/a", "org/b", "org/c", "ünï/模型"):
        assert shop.verify(name).bad == ()
        assert shop.models.runnable(name)
    assert not (shop.paths.data / "moving.json").exists()
    assert not [path for path in new.rglob("*") if "atelier" in path.name]


def test_links_out_of_the_cache_still_lead_there(shop: Shop, hub: Path, tmp_path: Path) -> None:
    other = trees.write(tmp_path / "other", {"big.safetensors": b"w" * 300})
    snapshot = hub / "models--org--a" / "snapshots" / trees.COMMIT
    (snapshot / "relative.safetensors").symlink_to(os.path.relpath(other / "big.safetensors", snapshot))
    (snapshot / "absolute.json").symlink_to((snapshot / "unet/config.json").resolve())
    (snapshot / "broken.json").symlink_to("../../blobs/gone")
    trees.put(tmp_path / "far", "org/l", trees.pipeline(4))
    (hub / "models--org--l").symlink_to(tmp_path / "far" / "models--org--l", target_is_directory=True)
    new = tmp_path / "far away" / "new"
    shop.ask(shop.storage.move, new, quiet)
    moved = new / "models--org--a" / "snapshots" / trees.COMMIT
    assert (moved / "relative.safetensors").read_bytes() == b"w" * 300
    assert (moved / "absolute.json").resolve().is_relative_to(new.resolve())
    assert (moved / "broken.json").is_symlink()
    assert (tmp_path / "far" / "models--org--l").is_dir()
    assert shop.models.runnable("org/l")


def test_into_another_cache(shop: Shop, hub: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    trees.put(new, "org/a", trees.pipeline(0))
    trees.put(new, "org/there", trees.pipeline(5))
    before = contents(hub) | {"org/there": contents(new)["org/there"]}
    shop.ask(shop.storage.move, new, quiet)
    assert contents(new) == before


def test_what_cannot_work_is_refused(shop: Shop, hub: Path, tmp_path: Path) -> None:
    trees.write(tmp_path / "full", {"thesis.doc": b"x"})
    trees.write(tmp_path / "odd", {"blobs/x": b"x"})
    (tmp_path / "alias").symlink_to(hub)
    file = trees.write(tmp_path, {"file": b"x"}) / "file"
    inside = (hub, hub / "sub", tmp_path, tmp_path / "alias", tmp_path / "alias" / "x")
    for folder in (*inside, tmp_path / "full", tmp_path / "odd", file):
        assert refusal(shop.ask, shop.storage.move, folder, quiet) is ErrorCode.INVALID_INPUT, folder
    shop.downloads.has("org/x", DownloadState.RUNNING)
    assert refusal(shop.ask, shop.storage.move, tmp_path / "new", quiet) is ErrorCode.STORAGE_BUSY
    assert shop.settings.value.models_cache == ""
    assert len(contents(hub)) == 5


def test_no_room_is_told_before_anything_is_written(
    shop: Shop, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Path("/dev/shm") / f"atelier-test-{os.getpid()}"
    if not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    usage = shutil.disk_usage(tmp_path)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(storage_move.shutil, "disk_usage", lambda path: usage._replace(free=storage_move.SPARE + 100))
            with pytest.raises(AtelierError) as caught:
                shop.ask(shop.storage.move, new, quiet)
        assert caught.value.code is ErrorCode.ROOM_SHORT
        assert list(new.iterdir()) == []
        before = contents(hub)
        shop.ask(shop.storage.move, new, quiet)  # a real other file system
        assert contents(new) == before
        assert contents(hub) == {}
    finally:
        shutil.rmtree(new, ignore_errors=True)


def test_a_stopped_move_goes_on_later_and_its_rest_can_be_tidied(
    shop: Shop, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anywhere: str
) -> None:
    monkeypatch.setattr("app.background._EVERY", 0.0)
    new, before = tmp_path / "new", contents(hub)
    asked: list[int] = []
    assert shop.ask(shop.storage.move, new, lambda done, total: asked.append(done) or len(asked) < 9) == 0
    assert shop.models.cache == hub
    assert contents(hub) == before
    assert trees.disk_bytes(new) > 0
    shop.ask(shop.storage.clean)
    assert scan(new).repos == ()
    asked.clear()
    assert shop.ask(shop.storage.move, new, lambda done, total: asked.append(done) or len(asked) < 9) == 0
    assert shop.ask(shop.storage.move, new, quiet) > 0
    assert contents(new) == before


def test_tidying_never_deletes_a_cache_that_was_there_before(shop: Shop, hub: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    trees.put(new, "org/there", trees.pipeline(5))
    storage_move.write_note(shop.paths.data / "moving.json", Note(str(hub), str(new), fresh=False))
    shop.ask(shop.storage.clean)
    assert len(scan(new).repos) == 1


def test_a_crash_after_the_change_is_finished_at_the_next_start(shop: Shop, hub: Path, tmp_path: Path) -> None:
    new, before = tmp_path / "new", contents(hub)
    storage_move.copy(scan(hub), new, lambda done, total: None)
    storage_move.write_note(shop.paths.data / "moving.json", Note(str(hub), str(new), fresh=True))
    shop.storage.resume()
    assert contents(hub) == before, "the setting still names the old one"
    shop.settings.change(models_cache=str(new))
    trees.put(hub, "org/late", trees.pipeline(8))
    shop.storage.resume()
    assert contents(hub) == {}
    assert contents(new).keys() == {*before, "org/late"}
    assert not (shop.paths.data / "moving.json").exists()


def test_with_settings_that_cannot_be_written_the_old_cache_stays(
    shop: Shop, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.WRITTEN_WITHIN", 0.2)
    shop.settings._later = lambda write: None
    before = contents(hub)
    shop.ask(shop.storage.move, tmp_path / "new", quiet)
    assert contents(hub) == contents(tmp_path / "new") == before
    assert (shop.paths.data / "moving.json").exists()


def test_no_cache_yet_and_a_cache_whose_disk_is_gone(shop: Shop, hub: Path, tmp_path: Path) -> None:
    shutil.rmtree(hub)
    assert shop.ask(shop.storage.move, tmp_path / "new", quiet) == 0
    assert shop.models.cache == tmp_path / "new"
    (tmp_path / "new").rmdir()
    assert refusal(shop.ask, shop.storage.move, tmp_path / "third", quiet) is ErrorCode.FOLDER_GONE


def test_what_is_done_at_the_same_time_waits_its_turn(home: Path, hub: Path, tmp_path: Path) -> None:
    held: list[Callable[[], None]] = []

    class Held:
        """A worker that does nothing until it is told."""

        def do(self, work: Callable[[], object], then: Callable[..., None], failed: Callable[..., None]) -> None:
            held.append(lambda: then(work()))

    shop = Shop(hub, worker=Held())
    answers: list[object] = []
    shop.storage.move(tmp_path / "new", quiet, answers.append, answers.append)
    for action, *arguments in (
        (shop.storage.merge, quiet), (shop.storage.clean,), (shop.storage.remove, "org/a"),
        (shop.storage.verify, "org/a", quiet), (shop.storage.move, tmp_path / "other", quiet),
    ):  # fmt: skip
        assert refusal(shop.ask, action, *arguments) is ErrorCode.STORAGE_BUSY
    assert refusal(shop.storage.repair, "org/a") is ErrorCode.STORAGE_BUSY
    while held:
        held.pop(0)()
    assert len(answers) == 1
    assert shop.models.cache == tmp_path / "new"
    shop.storage.clean(answers.append, answers.append)
    while held:
        held.pop(0)()
    assert len(answers) == 2
