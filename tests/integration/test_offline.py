"""Offline means offline: making a picture uses no network, and what needs one says so at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.hub_protocol import PullSpec
from models.errors import AtelierError, ErrorCode, ErrorInfo
from tests.integration.conftest import Studio

# Loaded by every Python that is started: writes down whoever is connected to or looked up, and refuses it.
SPY = """
import os, socket
def _tell(what):
    with open(os.environ["ATELIER_SPY"], "a") as log:
        log.write(f"{os.getpid()} {what}\\n")
    raise OSError("the spy allows no network")
_connect = socket.socket.connect
def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _tell(f"connect {address}")
    return _connect(self, address)
socket.socket.connect = connect
socket.getaddrinfo = lambda *a, **k: _tell(f"getaddrinfo {a}")
with open(os.environ["ATELIER_SPY"], "a") as log:
    log.write(f"{os.getpid()} watched\\n")
"""


@pytest.fixture
def spied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of every child process's network calls."""
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "sitecustomize.py").write_text(SPY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "spy"))
    monkeypatch.setenv("ATELIER_SPY", str(tmp_path / "spy.log"))
    return tmp_path / "spy.log"


@pytest.mark.worker
@pytest.mark.torch
def test_making_a_picture_makes_no_network_call(spied: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "generate", "red apple", "--model", "pocket", "--seed", "1", "--steps", "2",
         "--out", str(tmp_path / "apple.png"), "--json"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "apple.png").exists()
    lines = spied.read_text().splitlines()
    assert len({line.split()[0] for line in lines if line.endswith("watched")}) >= 2, "command and worker were watched"
    assert [line for line in lines if not line.endswith("watched")] == []


def test_the_spy_would_have_noticed(spied: Path) -> None:
    code = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode != 0
    assert "127.0.0.1" in spied.read_text()


@pytest.mark.worker
@pytest.mark.parametrize("how", ["setting", "ATELIER_OFFLINE", "HF_HUB_OFFLINE"])
def test_what_needs_a_connection_says_so_at_once(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how != "setting":
        monkeypatch.setenv(how, "1")
    studio = Studio(offline=how == "setting")
    try:
        core = studio.core
        assert core.hub.offline
        with pytest.raises(AtelierError) as refusal:
            core.downloads.start("org/model")
        assert refusal.value.code is ErrorCode.OFFLINE
        said: list[ErrorInfo] = []
        core.hub.describe(PullSpec("org/model"), lambda facts: None, said.append)
        core.hub.search("fox", "", lambda hits: None, said.append)
        studio.until(lambda: len(said) == 2)
        assert {error.code for error in said} == {ErrorCode.OFFLINE}
        assert core.hub.requests == 0
        assert core.hub._process is None, "nothing was even started"
        assert studio.finish(studio.submit()).results, "pictures are made as ever"
    finally:
        core.close()


def test_the_command_line_offline(tmp_path: Path) -> None:
    environment = {**os.environ, "ATELIER_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "app", "models", "pull", "org/model", "--json"],
        capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[-1])["error"]["code"] == "offline"
    assert "needs a connection" in done.stderr
    listed = subprocess.run(
        [sys.executable, "-m", "app", "models", "list", "--installed"],
        capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip
    assert listed.returncode == 0
    assert "pocket" in listed.stdout
