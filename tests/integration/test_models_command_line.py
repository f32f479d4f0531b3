"""``atelier models`` as a person or program uses it, against a hub on loopback and the real hub process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cache_trees import safetensors
from tests.fakehub import FakeHub, Fault

ROOT = Path(__file__).resolve().parents[2]
POCKET = ROOT / "assets" / "pocket"
REPO = "atelier/pocket-copy"

pytestmark = pytest.mark.worker


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    files = {path.relative_to(POCKET).as_posix(): path.read_bytes() for path in POCKET.rglob("*") if path.is_file()}
    with FakeHub() as hub:
        hub.add(REPO, files, licence="apache-2.0", pipeline_tag="text-to-image")
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def atelier(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments], capture_output=True, text=True, timeout=120, cwd=ROOT, **more
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_catalog_is_listed_searched_and_shown() -> None:
    listed = lines(atelier("models", "list", "--task", "text-to-image", "--json"))
    assert len(listed) > 10
    assert {entry["task"] for entry in listed} >= {"text-to-image"}
    assert all(entry["verdict"] is not None for entry in listed if entry["status"] == "available"), (
        "each says what fits"
    )
    found = lines(atelier("models", "search", "sdxl", "turbo", "--json"))
    assert any("turbo" in entry["id"] for entry in found)
    shown = lines(atelier("models", "show", found[0]["id"], "--json"))[0]
    assert shown["allow"]
    text = atelier("models", "show", found[0]["id"])
    assert found[0]["repo"] in text.stdout


@pytest.mark.torch
def test_a_model_of_the_hub_is_fetched_used_offline_checked_and_removed(hub: FakeHub, tmp_path: Path) -> None:
    shown = lines(atelier("models", "show", REPO, "--json"))[0]
    assert shown["pipeline"] == json.loads((POCKET / "model_index.json").read_text())["_class_name"]
    assert shown["verdict"]["fit"] == "fast"

    pulled = atelier("models", "pull", REPO, "--json")
    assert pulled.returncode == 0, pulled.stderr
    said = lines(pulled)
    assert {"preparing", "done"} <= {line["state"] for line in said if line.get("event") == "download"}
    assert said[-1]["status"] == "succeeded"
    assert Path(said[-1]["folder"], "model_index.json").is_file()

    offline = {**os.environ, "ATELIER_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}
    out = tmp_path / "apple.png"
    made = atelier("generate", "red apple", "--model", REPO, "--steps", "2", "--out", str(out), "--json", env=offline)
    assert made.returncode == 0, made.stderr
    assert out.is_file()

    checked = atelier("models", "verify", REPO, "--json", env=offline)
    assert checked.returncode == 0, checked.stdout
    report = lines(checked)[0]
    assert (report["bad"], report["files"] > 5) == ([], True)

    before = lines(atelier("models", "storage", "--json"))[0]
    removed = lines(atelier("models", "remove", REPO, "--json", env=offline))[-1]
    after = lines(atelier("models", "storage", "--json"))[0]
    assert removed["freed_bytes"] > 10_000_000
    difference = before["total_bytes"] - after["total_bytes"]
    assert abs(difference - removed["freed_bytes"]) < 1000, "but for the reference to the commit"
    gone = atelier("generate", "red apple", "--model", REPO, "--json", env=offline)
    assert gone.returncode == 3


def test_a_killed_pull_goes_on_where_it_stopped(hub: FakeHub) -> None:
    hub.faults["/cdn/*"] = Fault(rate=4_000_000)
    command = [sys.executable, "-m", "app", "models", "pull", REPO, "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if json.loads(line).get("done_bytes", 0) > 6_000_000:
                break
        first.kill()
    sent = hub.sent
    time.sleep(0.5)  # the hub process ends with its parent
    hub.forget_requests()
    hub.faults.clear()
    assert atelier("models", "pull", REPO, "--json").returncode == 0
    again = hub.sent
    whole = sum(path.stat().st_size for path in POCKET.rglob("*") if path.is_file())
    assert sent >= 6_000_000
    assert again < whole - 5_000_000, "what had arrived is not fetched again"


def test_an_interrupted_pull_says_that_it_can_go_on(hub: FakeHub) -> None:
    hub.faults["/cdn/*"] = Fault(rate=2_000_000)
    pull = subprocess.Popen(
        [sys.executable, "-m", "app", "models", "pull", REPO], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert pull.stderr is not None
    for line in pull.stderr:
        if "running" in line:
            break
    pull.send_signal(signal.SIGINT)
    _, rest = pull.communicate(timeout=30)
    assert pull.returncode == 130
    assert "the same command goes on with it" in rest


def test_what_does_not_exist_is_said_so(hub: FakeHub) -> None:
    missing = atelier("models", "pull", "nobody/nothing", "--json")
    assert missing.returncode == 1
    assert lines(missing)[-1]["error"]["code"] == "repo_not_found"
    unknown = atelier("models", "pull", "sdxl-trubo")
    assert unknown.returncode == 1
    assert "sdxl-turbo" in unknown.stderr, "a near name is offered"


def test_nothing_is_begun_when_one_of_several_is_refused(hub: FakeHub) -> None:
    refused = atelier("models", "pull", REPO, "sdxl-trubo", "--json")
    assert refused.returncode == 1
    assert [line["status"] for line in lines(refused)] == ["failed"]
    assert not hub.requests


SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"


def test_an_entry_whose_files_were_renamed_comes_whole_and_is_known_by_its_id(hub: FakeHub, tmp_path: Path) -> None:
    hub.add(SD15, {**hub.repos[REPO].files})  # no “fp16” in any name
    assert atelier("models", "pull", "sd15", "--json").returncode == 0
    assert lines(atelier("models", "show", "sd15", "--json"))[0]["status"] == "installed"
    checked = lines(atelier("models", "verify", "sd15", "--json"))
    assert checked[0]["bad"] == []
    assert checked[-1] == {"status": "succeeded", "checked": 1, "bad": 0}
    cache = Path(os.environ["HF_HUB_CACHE"])
    next(cache.glob("models--stable*/snapshots/*/vae/*.safetensors")).resolve().unlink()
    damaged = atelier("models", "verify", "sd15", "--json")
    assert (damaged.returncode, lines(damaged)[-1]["status"]) == (1, "failed")
    assert atelier("models", "repair", "sd15", "--json").returncode == 0
    assert lines(atelier("models", "remove", "sd15", "--json"))[-1]["freed_bytes"] > 10_000_000


def test_one_of_several_files_of_a_repository_is_not_removed_with_all(hub: FakeHub) -> None:
    names = ("Hyper-SD15-8steps-lora.safetensors", "Hyper-SDXL-8steps-lora.safetensors")
    hub.add("ByteDance/Hyper-SD", {name: lora(number) for number, name in enumerate(names)})
    assert atelier("models", "pull", "hyper-sd15-8", "hyper-sdxl-8", "--json").returncode == 0
    removed = atelier("models", "remove", "hyper-sdxl-8", "--json")
    listed = {line["entry"] for line in lines(atelier("models", "list", "--installed", "--json")) if "entry" in line}
    assert "hyper-sd15-8" in listed, removed.stdout


def lora(fill: int) -> bytes:
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    shapes = {f"{name}.lora_down.weight": ("F16", [4, 320]), f"{name}.lora_up.weight": ("F16", [320, 4])}
    return safetensors(shapes, fill + 1)


def test_a_folder_that_is_not_there_is_no_source() -> None:
    refused = atelier("models", "source", "/nowhere/at/all", "--json")
    assert refused.returncode == 2
    assert "/nowhere/at/all" in lines(refused)[-1]["error"]["sentence"]


def test_a_licence_has_to_be_accepted_first() -> None:
    listed = lines(atelier("models", "list", "--licence", "research", "--json"))
    refused = atelier(
        "models", "pull", listed[0]["id"], "--json", env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"}
    )
    assert refused.returncode == 1
    assert lines(refused)[-1]["error"]["code"] == "licence_not_accepted"


def test_signing_in_and_out_keeps_the_token_with_the_hubs_library(hub: FakeHub, tmp_path: Path) -> None:
    token = "hf_abcdefgh"
    hub.users = {token: "tester"}
    signed = atelier("models", "sign-in", "--json", input=token + "\n")
    assert lines(signed)[-1]["user"] == "tester", signed.stderr
    kept = Path(os.environ["HF_HOME"]) / "token"
    assert kept.read_text().strip() == token
    home = Path(os.environ["ATELIER_HOME"])
    assert not any(token in path.read_text(errors="replace") for path in home.rglob("*") if path.is_file())
    assert lines(atelier("models", "sign-out", "--json"))[-1]["user"] == ""
    assert not kept.exists()
    bad = atelier("models", "sign-in", "--json", input="hf_wrong\n")
    assert lines(bad)[-1]["error"]["code"] == "token_refused"
    assert "hf_wrong" not in bad.stdout + bad.stderr
