"""Pieces of the hub process by themselves: the cache on disks without links, errors' words, notes, patience."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from app.hub import cache as caching
from app.hub import errors
from app.hub.cache import Cache, MissingBlobError
from app.hub.errors import HaltedError, NetError, refusal, retry_after, scrub
from app.hub.net import Halt, Patience
from app.hub.notes import Begun, Verified
from app.hub.plan import check_name
from app.hub_protocol import HubFile, PullSpec
from models.errors import AtelierError, ErrorCode

COMMIT = "a" * 40


def put(cache: Cache, repo: str, path: str, data: bytes) -> HubFile:
    file = HubFile(path, len(data), sha256=hashlib.sha256(data).hexdigest())
    cache.prepare(repo)
    cache.blob(repo, file).write_bytes(data)
    return file


def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk such as a memory stick: neither symbolic nor hard links."""

    def refuse(*args: object) -> None:
        raise OSError(1, "not permitted")

    monkeypatch.setattr(caching, "are_symlinks_supported", lambda folder: False)
    monkeypatch.setattr(os, "link", refuse)


def test_without_any_links_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_links(monkeypatch)
    cache = Cache(tmp_path)
    file = put(cache, "org/a", "unet/model.safetensors", b"weights")
    for _ in range(2):  # twice is as good as once
        folder = cache.publish("org/a", "main", COMMIT, [file])
        assert (folder / file.path).read_bytes() == b"weights"
    cache.prepare("org/b")
    assert cache.share("org/b", file, Halt())
    assert cache.blob("org/b", file).read_bytes() == b"weights"
    assert not list(tmp_path.rglob("*.part"))


def test_a_copy_is_given_up_when_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_links(monkeypatch)
    cache, halt = Cache(tmp_path), Halt()
    file = put(cache, "org/a", "model.safetensors", b"weights")
    cache.prepare("org/b")
    halt.set()
    with pytest.raises(HaltedError):
        cache.share("org/b", file, halt)
    assert not list((cache.repo("org/b") / "blobs").iterdir())


def test_a_blob_that_vanished_makes_no_snapshot(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    files = [put(cache, "org/a", "a.txt", b"a"), put(cache, "org/a", "b.txt", b"b")]
    cache.blob("org/a", files[1]).unlink()
    with pytest.raises(MissingBlobError):
        cache.publish("org/a", "main", COMMIT, files)
    assert not (cache.repo("org/a") / "snapshots").exists()


def test_a_snapshot_is_added_to(tmp_path: Path) -> None:
    """Another program fetched some of the files before."""
    cache = Cache(tmp_path)
    first, second = put(cache, "org/a", "a.txt", b"a"), put(cache, "org/a", "sub/b.txt", b"b")
    cache.publish("org/a", "main", COMMIT, [first])
    old = cache.repo("org/a") / ".atelier" / "killed"
    old.mkdir(parents=True)
    os.utime(old, (1, 1))
    folder = cache.publish("org/a", "refs/pr/1", "b" * 40, [first, second])
    assert not old.parent.exists()  # what a killed process left
    folder = cache.publish("org/a", "main", COMMIT, [first, second])
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.txt")} == {"a.txt", "sub/b.txt"}
    assert (cache.repo("org/a") / "refs/refs/pr/1").read_text() == "b" * 40


def test_nothing_that_is_used_is_thrown_away(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    used, spare, kept = (put(cache, "org/a", f"{name}.txt", name.encode() * 9) for name in ("used", "spare", "kept"))
    cache.publish("org/a", "main", COMMIT, [used])
    (cache.repo("org/a") / "blobs" / "0123.abcd.incomplete").write_bytes(b"another program's")
    names = {file.sha256 for file in (used, spare, kept)}
    assert cache.discard("org/a", names, keep={kept.sha256}) == spare.size
    assert not cache.has("org/a", spare)
    assert cache.has("org/a", used)
    assert cache.has("org/a", kept)
    assert len(list((cache.repo("org/a") / "blobs").iterdir())) == 3


def test_notes_of_checks_are_about_the_very_file(tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(b"one")
    Verified(tmp_path).add(blob)
    with (tmp_path / "verified.txt").open("ab") as notes:
        notes.write(b"\xff mangled")
    later = Verified(tmp_path)
    assert later.holds(blob)
    blob.write_bytes(b"two")
    os.utime(blob, ns=(1, 1))
    assert not later.holds(blob)
    assert not later.holds(tmp_path / "absent")


def test_notes_of_begun_downloads(tmp_path: Path) -> None:
    begun = Begun(tmp_path)
    one, other = PullSpec("org/a", commit=COMMIT, file="a"), PullSpec("org/a", commit=COMMIT, file="b")
    begun.note("models--org--a", one, {"x", "y"})
    begun.note("models--org--a", other, {"y", "z"})
    assert begun.names("models--org--a", one) == ({"x", "y"}, {"y", "z"})
    assert begun.names("models--org--a", PullSpec("org/a", file="a"))[0] == {"x", "y"}  # its commit is not known
    begun.forget("models--org--a", one)
    assert begun.names("models--org--a", one) == (set(), {"y", "z"})


@pytest.mark.parametrize(
    ("status", "headers", "code"),
    [
        (401, {"x-error-message": 'User Access Token "x" is expired'}, ErrorCode.TOKEN_REFUSED),
        (401, {"x-error-message": "Invalid username or password."}, ErrorCode.REPO_NOT_FOUND),
        (404, {"x-error-code": "RepoNotFound"}, ErrorCode.REPO_NOT_FOUND),
        (404, {"content-type": "text/html; charset=utf-8"}, ErrorCode.NOT_A_HUB),
        (511, {}, ErrorCode.NOT_A_HUB),
        (418, {}, ErrorCode.HUB_TROUBLE),
        (403, {"x-error-message": "Forbidden: your token has no permission"}, ErrorCode.GATED_TOKEN_SCOPE),
    ],
)
def test_refusals(status: int, headers: dict[str, str], code: ErrorCode) -> None:
    assert refusal(status, headers, "https://hub", "org/m").code is code


def test_waits_that_are_asked_for() -> None:
    assert retry_after({"retry-after": "7"}) == 7.0
    assert retry_after({"ratelimit": '"api";r=0;t=55'}) == 55.0
    assert retry_after({"ratelimit": '"api";r=10;t=55'}) is None
    assert retry_after({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}) is None


def test_secrets_are_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "_hidden", {"plainsecret"})
    text = "GET https://me:word@hub/x?Signature=abc Bearer xyz hf_abcdefghij plainsecret"
    cleaned = scrub(text)
    for secret in ("me:word", "Signature", "xyz", "abcdefghij", "plainsecret"):
        assert secret not in cleaned
    assert "https://***@hub/x?..." in cleaned


def test_patience_ends() -> None:
    waits: list[float] = []
    patience = Patience(Halt(), 0.3, waiting=waits.append)
    error = NetError(ErrorCode.CONNECTION_LOST, again=True, after=0.05)
    patience._tries = -5  # so that the waits of this test are short
    began = time.monotonic()
    tries = 0
    while not given_up(patience, error):
        tries += 1
    assert tries >= 2
    assert time.monotonic() - began < 0.6
    assert waits[-1] == 0.0
    for hopeless in (
        NetError(ErrorCode.REPO_NOT_FOUND),
        NetError(ErrorCode.RATE_LIMITED, again=True, after=1000.0),
        NetError(ErrorCode.NO_CONNECTION, again=True, reached=False),
    ):
        with pytest.raises(NetError) as caught:
            Patience(Halt(), 5.0).again(hopeless)
        assert caught.value is hopeless


def given_up(patience: Patience, error: NetError) -> bool:
    try:
        patience.again(error)
    except NetError:
        return True
    return False


@pytest.mark.parametrize("path", ["", "/", "a/", "../a", "a/../b", "a\\b", "a\0b", "a//b", "\ud800", "x" * 5000])
def test_names_that_reach_out(path: str) -> None:
    with pytest.raises(AtelierError) as caught:
        check_name("org/m", path)
    assert caught.value.code is ErrorCode.REPO_HOSTILE


def test_names_that_do_not() -> None:
    for path in ("a.json", "sub/a b (1).json", "..a/b..", "bilder/schön.png", "images/12:30.png"):
        check_name("org/m", path)
