"""What the real hub process makes of networks and hubs in trouble: each its own code, with the facts its words need."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from app import hub_protocol as protocol
from app.hub_protocol import PullSpec
from app.messages import words
from models.errors import ErrorCode, ErrorInfo
from tests.fakehub import FakeHub, Fault
from tests.integration.hub import HubProcess, Start, safetensors, small_model


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def described(process: HubProcess) -> ErrorInfo:
    return process.refused(lambda request: protocol.Describe(request, PullSpec("org/m")))


def pulled(process: HubProcess) -> ErrorInfo:
    process.pull("org/m")
    return process.failed()


def searched(process: HubProcess) -> ErrorInfo:
    return process.refused(lambda request: protocol.Search(request, "x"))


Way = Callable[[HubProcess], ErrorInfo]
every_way = pytest.mark.parametrize("way", [described, pulled, searched])


def look(error: ErrorInfo, code: ErrorCode, **facts: object) -> None:
    assert error.code is code, error
    assert {name: error.facts.get(name) for name in facts} == facts
    assert "?" not in words(error).sentence + words(error).advice  # every fact its words need is there


@every_way
def test_nobody_there(start: Start, way: Way) -> None:
    port = closed_port()
    look(way(start(endpoint=f"http://127.0.0.1:{port}")), ErrorCode.NO_CONNECTION, host=f"127.0.0.1:{port}")


def test_a_name_that_is_none(start: Start) -> None:
    look(described(start(endpoint="http://no.such.host.invalid")), ErrorCode.NO_CONNECTION, host="no.such.host.invalid")


@pytest.mark.parametrize("endpoint", ["gopher://x", "http://", "no address"])
def test_an_address_that_is_none(start: Start, endpoint: str) -> None:
    assert described(start(endpoint=endpoint)).code is ErrorCode.NOT_A_HUB


@every_way
def test_a_proxy_that_is_not_there(hub: FakeHub, start: Start, way: Way) -> None:
    proxy = f"http://127.0.0.1:{closed_port()}"
    process = start(env={"HTTP_PROXY": proxy, "NO_PROXY": ""}, endpoint="http://hub.example")
    look(way(process), ErrorCode.PROXY_FAILED)


def test_a_proxy_that_refuses(hub: FakeHub, start: Start) -> None:
    hub.faults["*"] = Fault(status=407)
    process = start(env={"HTTP_PROXY": hub.url, "NO_PROXY": ""}, endpoint="http://hub.example")
    look(described(process), ErrorCode.PROXY_FAILED)


@every_way
def test_a_certificate_nobody_trusts(start: Start, way: Way, tmp_path: Path) -> None:
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "mine.pem"))
    with FakeHub(certificate=tmp_path / "mine.pem") as hub:
        hub.add("org/m", small_model())
        look(way(start(endpoint=hub.url)), ErrorCode.TLS_FAILED, host=hub.url.removeprefix("https://"))


@every_way
def test_a_login_page_in_between(hub: FakeHub, start: Start, way: Way) -> None:
    hub.faults["*"] = Fault(html=True)
    look(way(start()), ErrorCode.NOT_A_HUB, host=hub.url.removeprefix("http://"))


@pytest.mark.parametrize("pattern", ["*/resolve/*.safetensors", "/cdn/*"])
def test_a_login_page_in_the_middle_of_a_download(hub: FakeHub, start: Start, pattern: str) -> None:
    hub.add("org/m", {"model.safetensors": safetensors(100_000)})
    process = start()
    hub.faults[pattern] = Fault(html=True)
    process.pull("org/m")
    assert process.failed().code is ErrorCode.NOT_A_HUB
    hub.faults.clear()
    process.pull("org/m", "again")
    process.done("again")


def test_another_web_server(hub: FakeHub, start: Start) -> None:
    hub.faults["*"] = Fault(status=404, without=("Content-Type",))
    assert described(start()).code in (ErrorCode.REPO_NOT_FOUND, ErrorCode.NOT_A_HUB)


def test_files_without_a_commit_are_of_no_hub(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", {"model.safetensors": safetensors(1000)})
    hub.faults["*/resolve/*"] = Fault(without=("X-Repo-Commit",))
    assert pulled(start()).code is ErrorCode.NOT_A_HUB


@pytest.mark.parametrize("status", [500, 503])
def test_trouble_of_the_hub_that_stays(hub: FakeHub, start: Start, status: int) -> None:
    hub.add("org/m", {"model.safetensors": safetensors(1000)})
    hub.faults["/cdn/*"] = Fault(status=status)
    look(pulled(start(patience_seconds=0.6)), ErrorCode.HUB_TROUBLE, status=status)


def test_trouble_of_the_hub_that_passes(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", small_model())
    hub.faults = {"/api/*": Fault(status=503, times=2), "*/resolve/*": Fault(status=500, times=1)}
    process = start()
    assert process.describe("org/m").problem is None
    hub.faults = {"/api/*": Fault(status=429, retry_after="1", times=1), "/cdn/*": Fault(status=504, times=2)}
    process.pull("org/m")
    process.done()


def test_too_many_requests(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", {"model.safetensors": safetensors(1000)})
    process = start(patience_seconds=1.0)
    hub.faults["*"] = Fault(status=429, retry_after="120")
    look(described(process), ErrorCode.RATE_LIMITED)  # at once: nobody waits two minutes for a description
    hub.faults = {"/cdn/*": Fault(status=429, retry_after="120")}
    look(pulled(process), ErrorCode.RATE_LIMITED)


def test_a_hub_that_says_nothing_is_given_up_in_time(hub: FakeHub, start: Start) -> None:
    """A stop is heard while the hub is asked which files there are."""
    hub.add("org/m", small_model())
    hub.faults["/api/*"] = Fault(wait=60.0)
    process = start()
    process.pull("org/m")
    process.wait_for(protocol.Counted)
    process.send(protocol.Stop("p", discard=True))
    assert process.wait_for(protocol.Stopped).id == "p"


def test_the_library_told_to_stay_offline(hub: FakeHub, start: Start) -> None:
    process = start(env={"HF_HUB_OFFLINE": "1"})
    look(described(process), ErrorCode.OFFLINE)
    assert not hub.requests


def test_a_file_that_went_from_its_commit(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", {"model.safetensors": safetensors(1000)})
    hub.faults["*/resolve/*"] = Fault(status=404, code="EntryNotFound")
    look(pulled(start()), ErrorCode.MODEL_INCOMPLETE, model="org/m", file="model.safetensors")


def test_a_repository_that_was_disabled(hub: FakeHub, start: Start) -> None:
    hub.faults["/api/*"] = Fault(status=403, message="Access to this resource is disabled.")
    look(described(start()), ErrorCode.REPO_NOT_FOUND, repo="org/m")


def test_an_address_that_stays_expired(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", {"model.safetensors": safetensors(1000)})
    hub.faults["/cdn/*"] = Fault(status=403)
    look(pulled(start(patience_seconds=30.0)), ErrorCode.HUB_TROUBLE, status=403)
    assert 2 <= len(hub.asked("/cdn/*")) <= 5


def test_a_mirror(hub: FakeHub, start: Start) -> None:
    """HF_ENDPOINT is used when the app names no address; nobody else is asked."""
    hub.add("org/m", small_model())
    process = start(endpoint="", env={"HF_ENDPOINT": hub.url + "/"})
    assert process.wait_for(protocol.Ready).endpoint == hub.url
    process.pull("org/m")
    assert process.done().folder


def test_signatures_and_tokens_stay_out_of_the_log(hub: FakeHub, start: Start) -> None:
    token = "hf_secretsecretsecret"
    hub.users[token] = "ann"
    hub.add("org/m", {"model.safetensors": safetensors(1000)})
    hub.faults["/cdn/*"] = Fault(status=500)
    process = start(patience_seconds=0.1, env={"HF_TOKEN": token, "HF_DEBUG": "1"})
    error = pulled(process)
    assert process.words()
    for text in (process.words(), repr(error)):
        assert "Signature" not in text
        assert token not in text
