"""Downloads by the real hub process from a hub on loopback: whole, resumed, shared, stopped, and what others find."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from huggingface_hub import snapshot_download

from app import hub_protocol as protocol
from app.hub_protocol import HubFile, PullSpec
from models import folders
from models.errors import ErrorCode
from tests.fakehub import FakeHub, Fault, git_sha1, sha256
from tests.integration.hub import CHOSEN, Start, noise, safetensors, small_model

UNET = "unet/diffusion_pytorch_model.fp16.safetensors"


def blobs(tmp_path: Path, repo: str = "org/m") -> dict[str, int]:
    folder = tmp_path / "cache" / f"models--{repo.replace('/', '--')}" / "blobs"
    return {path.name: path.stat().st_size for path in folder.glob("*")} if folder.is_dir() else {}


def fetched(hub: FakeHub) -> int:
    """Bytes of large files that went over the network."""
    return hub.sent


# -- what a whole download is


def test_a_pull_leaves_an_ordinary_cache_and_a_model(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    repo = hub.add("org/m", small_model())
    process = start()
    process.pull("org/m")
    done = process.done()
    assert Path(done.folder) == tmp_path / "cache" / "models--org--m" / "snapshots" / repo.sha
    found = {path.relative_to(done.folder).as_posix() for path in Path(done.folder).rglob("*") if path.is_file()}
    assert found == CHOSEN
    for name in CHOSEN:
        assert (Path(done.folder) / name).read_bytes() == repo.files[name]
    assert snapshot_download("org/m", cache_dir=tmp_path / "cache", local_files_only=True) == done.folder
    assert folders.inspect(Path(done.folder)).pipeline == "StableDiffusionPipeline"
    assert done.total_bytes == done.fetched_bytes == sum(len(bytes(repo.files[name])) for name in CHOSEN)
    assert not list((tmp_path / "cache").rglob("*.part"))
    kinds = [type(message).__name__ for message in process.seen]
    assert kinds.index("Pulling") < kinds.index("Moved") < kinds.index("Checking") < kinds.index("Pulled")
    process.close()


def test_a_second_pull_fetches_nothing(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", small_model())
    process = start()
    process.pull("org/m")
    process.done()
    hub.forget_requests()
    process.pull("org/m", "again")
    assert process.done("again").fetched_bytes == 0
    assert not hub.asked("*/unet/*")


def test_patterns_and_single_files(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", small_model())
    process = start()
    process.pull("org/m", "some", allow=("*.json", "vae/*.safetensors"))
    names = {path.name for path in Path(process.done("some").folder).rglob("*") if path.is_file()}
    assert "diffusion_pytorch_model.safetensors" in names
    assert "vocab.json" in names
    assert "merges.txt" not in names
    process.pull("org/m", "one", file="model.safetensors")
    assert (Path(process.done("one").folder) / "model.safetensors").is_file()
    process.pull("org/m", "none", file="absent.safetensors")
    assert process.failed("none").code is ErrorCode.FILE_NOT_IN_REPO


def test_patterns_the_repository_has_outgrown(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    hub.add("org/m", small_model())
    process = start()
    gone = ("model_index.json", "*/*.json", "unet/diffusion_pytorch_model.bf16.safetensors")
    process.pull("org/m", "model", allow=gone)
    folder = Path(process.done("model").folder)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == CHOSEN, "the smallest complete set instead"
    hub.add("org/loras", {"README.md": b"x", "new-name.safetensors": noise(5000)})
    process.pull("org/loras", "file", allow=("*.md", "old-name.safetensors"))
    error = process.failed("file")
    assert (error.code, error.facts["file"]) == (ErrorCode.FILE_NOT_IN_REPO, "old-name.safetensors")
    assert not (tmp_path / "cache" / "models--org--loras").exists()


def test_a_repository_kept_by_xet_comes_over_the_bridge(hub: FakeHub, start: Start) -> None:
    repo = hub.add("org/m", small_model(), xet=True)
    process = start()
    process.pull("org/m")
    assert (Path(process.done().folder) / UNET).read_bytes() == repo.files[UNET]


def test_blobs_of_others_are_checked_and_bad_ones_fetched_again(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    """What another program left damaged, of the right size, is no part of an installed model."""
    files = small_model()
    hub.add("org/m", files)
    snapshot_download("org/m", cache_dir=tmp_path / "cache", endpoint=hub.url)
    name = sha256(files[UNET])
    blob = tmp_path / "cache/models--org--m/blobs" / name
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    hub.forget_requests()
    process = start()
    process.pull("org/m")
    done = process.done()
    assert (Path(done.folder) / UNET).read_bytes() == files[UNET]
    assert len(hub.asked("/cdn/*")) == 1


# -- resume


@pytest.mark.parametrize("seed", range(3))
def test_killed_anywhere_it_goes_on_where_it_was(hub: FakeHub, start: Start, tmp_path: Path, seed: int) -> None:
    """kill -9 at random points, again and again: no more is fetched again than what was under way at each."""
    repo = hub.add("org/m", small_model(count=1_500_000))  # 4.2 MB are fetched
    hub.throttle = 4_000_000
    total = sum(len(bytes(repo.files[name])) for name in CHOSEN)
    chance, kills = random.Random(seed), 3
    for _ in range(kills):
        process = start()
        process.pull("org/m")
        time.sleep(chance.uniform(0.3, 0.8))
        process.kill()
        for snapshot in (tmp_path / "cache/models--org--m").glob("snapshots/*"):
            assert folders.inspect(snapshot)  # what looks like a model is whole
    hub.throttle = None
    process = start()
    process.pull("org/m")
    done = process.done()
    assert (Path(done.folder) / UNET).read_bytes() == repo.files[UNET]
    # What is in flight at a kill is in the sockets' buffers: some hundred kilobytes a connection, three of them.
    assert fetched(hub) <= total + kills * 3 * 1_000_000


def test_resume_asks_for_the_rest_only(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", {"model.safetensors": safetensors(2_000_000)})
    hub.throttle = 4_000_000
    process = start()
    process.pull("org/m")
    process.moved(1_000_000)
    process.kill()
    hub.throttle = None
    hub.forget_requests()
    process = start()
    process.pull("org/m")
    done = process.done()
    (request,) = hub.asked("/cdn/*")
    assert request.range is not None
    assert int(request.range.removeprefix("bytes=").split("-")[0]) >= 1_000_000
    assert done.fetched_bytes <= done.total_bytes - 1_000_000


@pytest.mark.parametrize(
    "fault",
    [
        Fault(drop_after=300_000, times=3),
        Fault(stall_after=300_000, times=1),
        Fault(status=503, retry_after="1", times=1),
        Fault(status=403, times=1, message="Request has expired"),  # the signature of the address ran out
    ],
    ids=["dropped", "stalled", "unavailable", "expired"],
)
def test_a_bad_connection_is_made_again(hub: FakeHub, start: Start, fault: Fault) -> None:
    files = hub.add("org/m", {"model.safetensors": safetensors(1_000_000)}).files
    hub.faults["/cdn/*"] = fault
    process = start(stall_seconds=0.5)
    process.pull("org/m")
    done = process.done()
    assert (Path(done.folder) / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert done.fetched_bytes == done.total_bytes  # nothing came twice
    if fault.retry_after:
        assert any(isinstance(message, protocol.Moved) and message.waiting > 0 for message in process.seen)


def test_a_server_that_ignores_ranges_is_read_from_the_start(hub: FakeHub, start: Start) -> None:
    files = hub.add("org/m", {"model.safetensors": safetensors(500_000)}).files
    hub.faults["/cdn/*"] = Fault(drop_after=400_000, times=1)
    hub.faults["/cdn/**"] = Fault(no_range=True)
    process = start()
    process.pull("org/m")
    assert (Path(process.done().folder) / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_a_network_that_is_cut_and_comes_back(start: Start) -> None:
    content = safetensors(1_000_000)
    with FakeHub() as hub:
        hub.add("org/m", {"model.safetensors": content})
        hub.throttle = 2_000_000
        port = int(hub.url.rpartition(":")[2])
        process = start(endpoint=hub.url)
        process.pull("org/m")
        process.moved(300_000)
    process.wait_for(protocol.Moved, lambda message: message.waiting > 0)
    with FakeHub(port=port) as hub:
        hub.add("org/m", {"model.safetensors": content})
        done = process.done()
    assert (Path(done.folder) / "model.safetensors").read_bytes() == content
    assert done.fetched_bytes == len(content)


def test_lost_for_too_long_it_fails_and_keeps_what_came(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    hub.add("org/m", {"model.safetensors": safetensors(500_000)})
    hub.faults = {"/cdn/*": Fault(stall_after=100_000, times=1), "/cdn/**": Fault(status=502)}
    process = start(stall_seconds=0.3, patience_seconds=1.5)
    process.pull("org/m")
    error = process.failed()
    assert (error.code, error.facts["status"]) == (ErrorCode.HUB_TROUBLE, 502)
    assert list(blobs(tmp_path).values()) == [100_000]


def test_a_part_goes_when_another_program_was_faster(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    hub.add("org/m", {"model.safetensors": safetensors(500_000)})
    hub.throttle = 2_000_000
    process = start()
    process.pull("org/m")
    process.moved(200_000)
    process.send(protocol.Stop("p"))
    process.wait_for(protocol.Stopped)
    hub.throttle = None
    snapshot_download("org/m", cache_dir=tmp_path / "cache", endpoint=hub.url)
    process.pull("org/m", "again")
    assert process.done("again").fetched_bytes == 0
    assert not list((tmp_path / "cache").rglob("*.part"))


# -- what was fetched is what the hub has


def test_wrong_bytes_are_fetched_once_more(hub: FakeHub, start: Start) -> None:
    files = hub.add("org/m", {"model.safetensors": safetensors(200_000)}).files
    hub.faults["/cdn/*"] = Fault(corrupt=True, times=1)
    process = start()
    process.pull("org/m")
    assert (Path(process.done().folder) / "model.safetensors").read_bytes() == files["model.safetensors"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("fault", [Fault(corrupt=True), Fault(short=7)], ids=["corrupt", "short"])
def test_wrong_bytes_twice_are_refused(hub: FakeHub, start: Start, tmp_path: Path, name: str, fault: Fault) -> None:
    """Large files by their sha256, all others by git's sha1."""
    hub.add("org/m", {"model.safetensors": safetensors(200_000), "config.json": b'{"_class_name": "AutoencoderKL"}'})
    process = start()
    hub.faults[f"*/{name}"] = fault
    process.pull("org/m", allow=("*",))
    error = process.failed()
    assert (error.code, error.facts["file"]) == (ErrorCode.CHECKSUM_WRONG, name)
    assert not (tmp_path / "cache/models--org--m/snapshots").exists()
    content = hub.repos["org/m"].files[name]
    assert not any(blob.startswith((sha256(content), git_sha1(content))) for blob in blobs(tmp_path))


def test_an_index_that_arrives_damaged_decides_nothing(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", small_model())
    hub.faults["*/model_index.json"] = Fault(corrupt=True, times=1)
    process = start()
    process.pull("org/m")
    assert process.done().folder
    hub.faults["*/model_index.json"] = Fault(corrupt=True)
    error = process.refused(lambda request: protocol.Describe(request, PullSpec("org/m")))
    assert (error.code, error.facts["file"]) == (ErrorCode.CHECKSUM_WRONG, "model_index.json")


def test_a_resumed_part_that_was_damaged_is_noticed(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    files = hub.add("org/m", {"model.safetensors": safetensors(200_000)}).files
    part = tmp_path / "cache/models--org--m/blobs" / f"{sha256(files['model.safetensors'])}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(noise(100_000, 5))
    process = start()
    process.pull("org/m")
    assert (Path(process.done().folder) / "model.safetensors").read_bytes() == files["model.safetensors"]


# -- shared


def test_a_blob_of_another_repository_is_used(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    shared = safetensors(300_000, seed=77)
    hub.add("org/a", {"config.json": b'{"_class_name": "AutoencoderKL"}', "model.safetensors": shared})
    hub.add("org/b", {"config.json": b'{"_class_name": "AutoencoderKL"} ', "model.safetensors": shared})
    process = start()
    process.pull("org/a")
    first = process.done()
    hub.forget_requests()
    facts = process.describe("org/b")
    assert facts.total_bytes - facts.here_bytes < 1000
    process.pull("org/b")
    second = process.done()
    assert not hub.asked("/cdn/*")
    one, other = (Path(done.folder) / "model.safetensors" for done in (first, second))
    assert one.samefile(other)
    assert one.stat().st_nlink == 2


def test_a_shared_blob_that_rotted_is_not_taken_over(hub: FakeHub, start: Start) -> None:
    """Its other owner found it right once; since then the disk failed, and no time of change tells."""
    shared = safetensors(300_000, seed=77)
    hub.add("org/a", {"model.safetensors": shared})
    hub.add("org/b", {"model.safetensors": shared})
    process = start()
    process.pull("org/a")
    blob = (Path(process.done().folder) / "model.safetensors").resolve()
    facts = blob.stat()
    blob.write_bytes(shared[:-1] + b"?")
    os.utime(blob, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    process.pull("org/b", "b")
    assert (Path(process.done("b").folder) / "model.safetensors").read_bytes() == shared


def test_two_pulls_of_the_same_blob_fetch_it_once(hub: FakeHub, start: Start) -> None:
    shared = safetensors(700_000, seed=78)
    hub.add("org/a", {"model.safetensors": shared})
    hub.add("org/b", {"model.safetensors": shared})
    hub.throttle = 2_000_000
    process = start()
    process.pull("org/a", "a")
    process.pull("org/b", "b")
    seen = [process.wait_for(protocol.Pulled), process.wait_for(protocol.Pulled)]
    assert {message.id for message in seen} == {"a", "b"}
    assert len(hub.asked("/cdn/*")) == 1
    waited = next(message for message in seen if not message.fetched_bytes)
    moves = [m.done_bytes for m in process.seen if isinstance(m, protocol.Moved) and m.id == waited.id]
    assert any(0 < done < waited.total_bytes for done in moves)  # it told of the other's progress


def test_two_programs_pull_the_same_model(hub: FakeHub, start: Start) -> None:
    repo = hub.add("org/m", small_model(count=400_000))
    hub.throttle = 3_000_000
    first, second = start("state-1"), start("state-2")
    first.pull("org/m")
    second.pull("org/m")
    done = [first.done(), second.done()]
    assert done[0].folder == done[1].folder
    assert (Path(done[0].folder) / UNET).read_bytes() == repo.files[UNET]
    assert sum(one.fetched_bytes for one in done) == done[0].total_bytes


def test_another_program_takes_over_when_the_first_is_killed(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", {"model.safetensors": safetensors(1_000_000)})
    hub.throttle = 2_000_000
    first, second = start("state-1"), start("state-2")
    first.pull("org/m")
    first.moved(300_000)
    second.pull("org/m")
    second.wait_for(protocol.Moved, lambda message: message.done_bytes > 300_000)
    first.kill()
    done = second.done()
    assert done.fetched_bytes < done.total_bytes - 300_000


# -- stop, cancel


def test_a_stop_is_heard_at_once_even_in_silence(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    hub.add("org/m", {"model.safetensors": safetensors(500_000)})
    hub.faults["/cdn/*"] = Fault(stall_after=300_000, times=1)
    process = start(stall_seconds=30.0)
    process.pull("org/m")
    process.moved(300_000)
    began = time.monotonic()
    process.send(protocol.Stop("p"))
    assert process.wait_for(protocol.Stopped).freed_bytes == 0
    assert time.monotonic() - began < 1.0  # 0.02 s measured; the rest is for busy machines
    assert list(blobs(tmp_path).values()) == [300_000]
    process.pull("org/m", "again")
    assert process.done("again").fetched_bytes == len(safetensors(500_000)) - 300_000


def test_a_cancel_frees_the_space(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    hub.add("org/m", small_model(count=1_000_000))
    hub.throttle = 3_000_000
    process = start()
    process.pull("org/m")
    process.moved(1_000_000)
    process.send(protocol.Stop("p", discard=True))
    assert process.wait_for(protocol.Stopped).freed_bytes >= 1_000_000
    assert not (tmp_path / "cache/models--org--m").exists()
    assert not list((tmp_path / "state/pulls").glob("*"))


def test_what_another_snapshot_uses_survives_a_cancel(hub: FakeHub, start: Start) -> None:
    repo = hub.add("org/m", small_model())
    process = start()
    process.pull("org/m")
    first = Path(process.done().folder)
    plain = UNET.replace(".fp16", "")
    repo.publish({**repo.files, UNET: safetensors(900_000, seed=55), plain: safetensors(900_000, "F32")})
    hub.throttle = 1_500_000
    process.pull("org/m", "update")
    process.moved(500_000, "update")
    process.send(protocol.Stop("update", discard=True))
    assert process.wait_for(protocol.Stopped).freed_bytes >= 500_000
    assert folders.inspect(first).pipeline == "StableDiffusionPipeline"


def test_a_paused_download_is_thrown_away_without_a_network(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    repo = hub.add("org/m", small_model(count=1_000_000))
    hub.throttle = 3_000_000
    process = start()
    process.pull("org/m")
    process.moved(700_000)
    process.kill()
    hub.forget_requests()
    process = start()
    process.send(protocol.Discard("p", PullSpec("org/m", commit=repo.sha)))
    assert process.wait_for(protocol.Stopped).freed_bytes >= 700_000
    assert not (tmp_path / "cache/models--org--m").exists()
    assert not hub.requests


def test_a_shared_blob_survives_the_cancel_of_one_of_two(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", {"a.safetensors": safetensors(300_000), "b.safetensors": safetensors(600_000, seed=3)})
    hub.throttle = 2_000_000
    process = start()
    process.pull("org/m", "one", file="b.safetensors")
    process.moved(200_000, "one")
    process.pull("org/m", "two", file="b.safetensors")
    process.wait_for(protocol.Pulling, lambda message: message.id == "two")
    process.send(protocol.Stop("one", discard=True))
    process.wait_for(protocol.Stopped)
    done = process.done("two")
    assert done.fetched_bytes < done.total_bytes


def test_a_cancel_leaves_what_another_paused_download_has(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    """Of the same repository: its own files go, the other's parts stay."""
    hub.add("org/m", {"a.safetensors": safetensors(300_000), "b.safetensors": safetensors(300_000, seed=3)})
    hub.throttle = 2_000_000
    process = start()
    for key in ("a", "b"):
        process.pull("org/m", key, file=f"{key}.safetensors")
        process.moved(100_000, key)
        process.send(protocol.Stop(key))
        process.wait_for(protocol.Stopped)
    sizes = blobs(tmp_path)
    process.send(protocol.Discard("a", PullSpec("org/m", file="a.safetensors")))
    assert process.wait_for(protocol.Stopped).freed_bytes >= 100_000
    assert len(blobs(tmp_path)) == len(sizes) - 1 == 1
    process.pull("org/m", "again", file="b.safetensors")
    assert process.done("again").fetched_bytes < len(safetensors(300_000))


def test_very_large_files_come_in_slices(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delivery networks refuse answers above 50 GB; here a slice is small."""
    from app.hub import blobs as fetching
    from app.hub.cache import Cache
    from app.hub.net import Halt, Net
    from app.hub.notes import Verified

    monkeypatch.setattr(fetching, "SLICE", 100_000)
    content = safetensors(125_000)
    repo = hub.add("org/m", {"model.safetensors": content})
    net, cache = Net(hub.url, 2.0), Cache(tmp_path / "cache")
    file = HubFile("model.safetensors", len(content), sha256=sha256(content))
    cache.prepare("org/m")
    slots = fetching.Slots(1)
    fetcher = fetching.Fetcher(net, cache, Verified(tmp_path), slots, 5.0, "org/m", repo.sha, Halt())
    fetcher.bring(file)
    assert cache.blob("org/m", file).read_bytes() == content
    ranges = [request.range for request in hub.asked("/cdn/*")]
    assert ranges == ["bytes=0-99999", "bytes=100000-199999", f"bytes=200000-{len(content) - 1}"]


# -- revisions


def test_a_branch_that_moves_meanwhile_keeps_the_begun_commit(hub: FakeHub, start: Start) -> None:
    repo = hub.add("org/m", small_model())
    begun = repo.sha
    repo.publish({**repo.files, UNET: safetensors(1000, seed=8)})
    process = start()
    process.pull("org/m", commit=begun)
    done = process.done()
    assert (done.commit, Path(done.folder).name) == (begun, begun)
    assert (Path(done.folder).parents[1] / "refs/main").read_text() == begun


def test_a_commit_that_is_gone(hub: FakeHub, start: Start) -> None:
    repo = hub.add("org/m", small_model())
    begun = repo.sha
    repo.publish({**repo.files, "more.txt": b"x"})
    repo.forget(begun)
    process = start()
    process.pull("org/m", commit=begun)
    error = process.failed()
    assert (error.code, error.facts["repo"]) == (ErrorCode.REVISION_GONE, "org/m")


def test_other_branches(hub: FakeHub, start: Start) -> None:
    repo = hub.add("org/m", small_model())
    old = repo.sha
    repo.publish({**repo.files, "more.txt": b"x"})
    process = start()
    process.pull("org/m", revision=old)
    done = process.done()
    assert done.commit == old
    assert not (Path(done.folder).parents[1] / "refs").exists()


# -- the disk


def test_no_room_is_said_before_a_byte_is_fetched(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    hub.add("org/m", small_model())
    process = start(min_free=10**15)
    process.pull("org/m")
    error = process.failed()
    assert error.code is ErrorCode.ROOM_SHORT
    assert error.facts["needed_gb"] == pytest.approx(1e6, rel=0.01)
    assert 0 < float(error.facts["free_gb"]) < 1e6
    assert error.facts["path"] == str(tmp_path / "cache")
    assert not hub.asked("/cdn/*")


def test_a_full_disk_keeps_what_came(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    import resource

    hub.add("org/m", {"model.safetensors": safetensors(500_000)})
    process = start()
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (400_000, 400_000))
    process.pull("org/m")
    error = process.failed()
    assert error.code is ErrorCode.DISK_FULL
    assert list(blobs(tmp_path).values()) == [400_000]
    process = start()
    process.pull("org/m")
    assert process.done().fetched_bytes == len(safetensors(500_000)) - 400_000


def test_a_full_disk_as_the_system_says_it(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", small_model())
    process = start(env={"ATELIER_FAULTS": "hub.write=full"})
    process.pull("org/m")
    assert process.failed().code is ErrorCode.DISK_FULL


def test_a_cache_that_cannot_be_written(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    hub.add("org/m", small_model())
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/models--org--m").write_bytes(b"in the way")
    process = start()
    process.pull("org/m")
    error = process.failed()
    assert (error.code, error.facts["path"]) == (ErrorCode.FOLDER_NOT_WRITABLE, str(tmp_path / "cache"))


def test_without_links_a_file_has_two_names(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    """As on Windows without developer mode."""
    hub.add("org/m", small_model())
    process = start(env={"HF_HUB_DISABLE_SYMLINKS": "1"})
    process.pull("org/m")
    folder = Path(process.done().folder)
    assert not (folder / UNET).is_symlink()
    assert (folder / UNET).stat().st_nlink == 2
    assert folders.inspect(folder).pipeline == "StableDiffusionPipeline"
    assert snapshot_download("org/m", cache_dir=tmp_path / "cache", local_files_only=True) == str(folder)


# -- the process


def test_it_dies_with_its_pipe(start: Start) -> None:
    process = start()
    process.wait_for(protocol.Ready)
    assert process.process.stdin is not None
    process.process.stdin.close()
    assert process.process.wait(10) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the end of the pipe tells")
def test_it_dies_with_its_parent() -> None:
    code = (
        "import subprocess as s, sys; p = s.Popen([sys.executable, '-m', 'app.hub'], stdin=s.PIPE, stdout=s.PIPE);"
        "print(p.pid, flush=True); p.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.5)  # until it has said so to the system
        parent.kill()
    end = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_app_of_another_version_is_told_so(hub: FakeHub, start: Start) -> None:
    process = start()
    process.wait_for(protocol.Ready)
    process.send(protocol.Hello(protocol.VERSION + 1, "", ""))
    assert process.wait_for(protocol.Fatal).error.code is ErrorCode.HUB_PROCESS_FAILED
    assert process.process.wait(10) == 1


def test_requests_are_counted(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", small_model())
    process = start()
    process.pull("org/m")
    process.done()
    wanted = len(hub.requests)
    process.wait_for(protocol.Counted, lambda message: message.requests == wanted)
