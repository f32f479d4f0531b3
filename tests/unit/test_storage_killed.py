"""Killed at any step of a removal, a merge, a move, a repair or a copy: models are whole or gone, and nothing of others
is touched.

Each trial runs in a forked child that ends itself with SIGKILL just before its n-th change to the disk, as Python's
audit events tell it; n goes through the whole deed in small random steps.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import storage_report
from app.cache import scan
from app.imports import Imports
from app.serial import AtOnce
from models import recognise
from models.errors import AtelierError
from models.recognise import FileKind, Recognised
from tests import cache_trees as trees
from tests.shops import Shop, quiet

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod", "os.utime", "shutil.")
NAMES = ("org/a", "org/b", "org/c")


def die_at(change: int, deed: Callable[[], object]) -> bool:
    """Do ``deed`` in a child that is killed before its n-th change; False if it was done before that."""
    child = os.fork()
    if child == 0:
        left = change

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if writes or event.startswith(CHANGES):
                left -= 1
                if left <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        try:
            deed()
        except BaseException:  # noqa: BLE001 - whatever it is, the parent must not go on twice
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the deed itself failed"
    return False


def trials(root: Path, seed: int, widest: int = 4) -> Iterator[tuple[int, Path]]:
    """Numbers of changes, ever larger, each with an empty folder."""
    luck, change = random.Random(seed), 1
    while True:
        folder = root / str(change)
        folder.mkdir()
        yield change, folder
        change += luck.randint(1, widest)


@pytest.fixture(autouse=True)
def small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_report, "MERGED_FROM", 100)


def build(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Shop, Path]:
    monkeypatch.setenv("ATELIER_HOME", str(folder / "home"))
    hub = folder / "hub"
    for n, name in enumerate(NAMES):
        trees.put(hub, name, trees.pipeline(n), links=name != "org/c")
    trees.share(hub, "org/a", trees.sha256(trees.pipeline(0)["text_encoder/model.safetensors"]))
    trees.share(hub, "org/b", trees.sha256(trees.pipeline(1)["text_encoder/model.safetensors"]))
    return Shop(hub), hub


def is_whole(shop: Shop, name: str) -> bool:
    shop.models.runnable(name)
    return shop.verify(name).bad == ()


def listed(shop: Shop) -> set[str]:
    return {item.id for item in shop.report().items} - {"pocket"}


def test_removing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    for change, folder in trials(tmp_path, 1, widest=6):
        shop, hub = build(folder, monkeypatch)
        killed = die_at(change, lambda shop=shop: shop.remove("org/a"))
        shop = Shop(hub)
        left = listed(shop)
        seen.add("org/a" in left)
        assert left in (set(NAMES), set(NAMES) - {"org/a"})
        assert all(is_whole(shop, name) for name in left)
        if "org/a" in left:
            shop.remove("org/a")
        shop.ask(shop.storage.clean)
        size = trees.disk_bytes(hub)
        shop.ask(shop.storage.clean)
        assert trees.disk_bytes(hub) == size
        assert {path.name for path in hub.iterdir()} == {"blobs", "models--org--b", "models--org--c"}
        assert all(is_whole(shop, name) for name in ("org/b", "org/c"))
        if not killed:
            break
    assert seen == {True, False}, "some were killed before it was gone, some after"


def test_merging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    merged = set()
    for change, folder in trials(tmp_path, 2):
        shop, hub = build(folder, monkeypatch)
        killed = die_at(change, lambda shop=shop: shop.ask(shop.storage.merge, quiet))
        shop = Shop(hub)
        assert listed(shop) == set(NAMES)
        assert all(is_whole(shop, name) for name in NAMES)
        merged.add(shop.report().duplicate_bytes)
        shop.ask(shop.storage.merge, quiet)
        assert shop.report().duplicate_bytes == 0
        assert all(is_whole(shop, name) for name in NAMES)
        if not killed:
            break
    assert len(merged) > 2, "killed before, in the middle, and not at all"


@pytest.mark.parametrize("linked", [True, False])
def test_moving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool) -> None:
    if not linked:  # as on another disk
        real = os.link

        def link(source: Path, target: Path, **options: object) -> None:
            if "/new/" not in str(source):
                raise OSError(18, "Invalid cross-device link")
            real(source, target)

        monkeypatch.setattr(os, "link", link)
    used = set()
    for change, folder in trials(tmp_path, 3, widest=40):
        shop, hub = build(folder, monkeypatch)
        new = folder / "new"
        killed = die_at(change, lambda shop=shop, new=new: shop.ask(shop.storage.move, new, quiet))
        shop = Shop(hub)
        used.add(shop.models.cache == new)
        assert listed(shop) == set(NAMES), "whichever is in use is whole"
        assert all(is_whole(shop, name) for name in NAMES)
        shop.storage.resume()
        if shop.models.cache != new:
            shop.ask(shop.storage.move, new, quiet)
        assert scan(hub).repos == ()
        assert listed(shop) == set(NAMES)
        assert all(is_whole(shop, name) for name in NAMES)
        assert not (shop.paths.data / "moving.json").exists()
        if not killed:
            break
    assert used == {True, False}


def test_repairing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "unet/diffusion_pytorch_model.safetensors"
    for change, folder in trials(tmp_path, 4, widest=1):
        shop, hub = build(folder, monkeypatch)
        file = (hub / "models--org--a" / "snapshots" / trees.COMMIT / name).resolve()
        file.write_bytes(file.read_bytes()[:-1] + b"?")
        assert [bad.path for bad in shop.verify("org/a").bad] == [name]
        killed = die_at(change, lambda shop=shop: shop.storage.repair("org/a"))
        shop = Shop(hub)
        shop.models.refresh()
        assert [bad.path for bad in shop.verify("org/a").bad] == [name], "damaged or missing, never taken for good"
        shop.storage.repair("org/a")
        trees.put(hub, "org/a", trees.pipeline(0))
        shop.models.refresh()
        assert all(is_whole(shop, each) for each in NAMES)
        if not killed:
            break


def test_copying_a_file_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        recognise, "recognise", lambda path: Recognised(str(path), FileKind.LORA, "safetensors", size_bytes=1)
    )
    file = trees.write(tmp_path, {"hat.safetensors": b"w" * 3000}) / "hat.safetensors"
    for change, folder in trials(tmp_path, 5, widest=1):
        shop, hub = build(folder, monkeypatch)
        wares = Imports(shop.settings, shop.paths, shop.models, AtOnce(), lambda work: work())
        killed = die_at(change, lambda shop=shop, wares=wares: shop.ask(wares.add, file, True, quiet))
        shop = Shop(hub)
        copied = [Path(addon.path) for addon in shop.models.addons()]
        assert all(path.read_bytes() == file.read_bytes() for path in copied)
        left = [path for path in shop.paths.models.rglob("*") if path.is_file() and path not in copied]
        assert all(path.name.startswith(".") for path in left)
        if not killed:
            assert len(copied) == 1
            break


def test_a_deed_that_fails_is_no_kill(tmp_path: Path) -> None:
    def fails() -> None:
        raise AtelierError.from_info(None)  # type: ignore[arg-type]

    with pytest.raises(AssertionError):
        die_at(10, fails)
