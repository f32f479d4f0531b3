"""What the real hub process says about repositories: what would be fetched, gates, risks, searches, signing in."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from app import hub_protocol as protocol
from app.hub_protocol import PullSpec
from models import folders
from models.errors import ErrorCode
from models.machine import Needs
from tests.fakehub import Content, FakeHub
from tests.integration.hub import CHOSEN, Start, noise, safetensors, small_model

TOKEN = "hf_verysecretverysecret"


def test_a_pipeline_before_and_after_its_download(hub: FakeHub, start: Start) -> None:
    repo = hub.add("org/m", small_model(), licence="mit", tags=("art",), downloads=7, likes=3)
    process = start()
    facts = process.describe("org/m")
    assert {file.path for file in facts.files} == CHOSEN
    assert (facts.kind, facts.pipeline, facts.commit) == ("pipeline", "StableDiffusionPipeline", repo.sha)
    assert (facts.licence, facts.access, facts.risks, facts.problem) == ("mit", "open", (), None)
    assert facts.licence_url == f"{hub.url}/org/m/blob/main/LICENSE.md"
    assert (facts.downloads, facts.likes, facts.here_bytes) == (7, 3, 0)
    assert "art" in facts.tags
    assert hub.sent < facts.total_bytes + 10_000  # headers of small files are whole files
    process.pull("org/m")
    folder = Path(process.done().folder)
    assert facts.needs == folders.inspect(folder).needs
    hub.forget_requests()
    again = process.describe("org/m")
    assert again.here_bytes == again.total_bytes == facts.total_bytes
    assert again.needs == facts.needs
    assert not hub.asked("*/unet/*")


def test_needs_are_read_from_headers_alone(hub: FakeHub, start: Start) -> None:
    """Judging 60 MB of weights costs headers only."""
    files = {name: content for name, content in small_model().items() if "unet/diff" not in name}
    files["unet/diffusion_pytorch_model.safetensors"] = safetensors(30_000_000)
    hub.add("org/m", files)
    process = start()
    facts = process.describe("org/m")
    assert isinstance(facts.needs, Needs)
    assert max(component.parameters for component in facts.needs.components) == 30_000_000
    requests = hub.asked("/cdn/*/unet/*")
    assert [request.range for request in requests] == ["bytes=0-262143"]


def test_long_headers_are_read_whole(hub: FakeHub, start: Start) -> None:
    tensors = {
        f"some.long.name.of.a.layer.{n}": {"dtype": "F16", "shape": [1], "data_offsets": [2 * n, 2 * n + 2]}
        for n in range(5000)
    }
    header = json.dumps(tensors).encode()
    assert len(header) > 262_144
    files = small_model()
    files["unet/diffusion_pytorch_model.safetensors"] = len(header).to_bytes(8, "little") + header + bytes(10_000)
    del files["unet/diffusion_pytorch_model.fp16.safetensors"]
    hub.add("org/m", files)
    needs = start().describe("org/m").needs
    assert needs is not None
    assert max(component.parameters for component in needs.components) == 10_000


def test_it_is_quick(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", small_model())
    process = start()
    process.wait_for(protocol.Ready)
    began = time.monotonic()
    process.describe("org/m")
    assert time.monotonic() - began < 5.0  # 0.1 s measured


def test_parts_count_as_here(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", {"model.safetensors": safetensors(500_000)})
    hub.throttle = 2_000_000
    process = start()
    process.pull("org/m")
    process.moved(300_000)
    process.send(protocol.Stop("p"))
    process.wait_for(protocol.Stopped)
    assert process.describe("org/m").here_bytes >= 300_000


# -- gates


@pytest.mark.parametrize(
    ("standing", "access", "code", "page"),
    [
        (None, "no_token", ErrorCode.GATED_NO_TOKEN, "/org/m"),
        ("no_scope", "token_scope", ErrorCode.GATED_TOKEN_SCOPE, "/settings/tokens"),
        ("", "licence_not_accepted", ErrorCode.GATED_NOT_ACCEPTED, "/org/m"),
        ("rejected", "licence_not_accepted", ErrorCode.GATED_NOT_ACCEPTED, "/org/m"),
        ("pending", "awaiting_review", ErrorCode.GATED_AWAITING, "/org/m"),
        ("granted", "granted", None, ""),
    ],
)
def test_gates_are_told_apart_before_anything_starts(
    hub: FakeHub, start: Start, standing: str | None, access: str, code: ErrorCode | None, page: str
) -> None:
    hub.users[TOKEN] = "ann"
    repo = hub.add("org/m", small_model(), gated="manual", licence="other", licence_name="be-nice")
    env = {} if standing is None else {"HF_TOKEN": TOKEN}
    if standing:
        repo.access[TOKEN] = standing
    process = start(env=env)
    facts = process.describe("org/m")
    assert (facts.gated, facts.access, facts.licence) == (True, access, "be-nice")
    assert facts.pipeline == "StableDiffusionPipeline"
    assert {file.path for file in facts.files} == CHOSEN  # size and files are known in any case
    assert (facts.problem and facts.problem.code) == code
    process.pull("org/m")
    if code is None:
        assert process.done().folder
        assert not any(request.authorised for request in hub.asked("/cdn/*"))
        return
    error = process.failed()
    assert facts.problem is not None
    assert (error.code, error.facts["url"]) == (code, hub.url + page)
    assert facts.problem.facts["url"] == hub.url + page
    assert not hub.asked("/cdn/*")


def test_private_and_missing_repositories(hub: FakeHub, start: Start) -> None:
    hub.users[TOKEN] = "ann"
    hub.add("org/mine", small_model(), private=True, access={TOKEN: "granted"})
    stranger, owner = start(), start(env={"HF_TOKEN": TOKEN})
    for process, repo in ((stranger, "org/mine"), (stranger, "org/none"), (owner, "org/none"), (owner, "not an id")):
        error = process.refused(lambda request, repo=repo: protocol.Describe(request, PullSpec(repo)))  # type: ignore[misc]
        assert (error.code, error.facts["repo"]) == (ErrorCode.REPO_NOT_FOUND, repo)
    facts = owner.describe("org/mine")
    assert (facts.private, facts.access) == (True, "granted")


def test_an_unknown_token(hub: FakeHub, start: Start) -> None:
    hub.add("org/m", small_model())
    process = start(env={"HF_TOKEN": "hf_unknownunknown"})
    process.pull("org/m")
    error = process.failed()
    assert error.code is ErrorCode.TOKEN_REFUSED
    assert "hf_unknown" not in repr(error)


# -- signing in


def test_signing_in_and_out(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    hub.users[TOKEN] = "ann"
    process = start()
    assert process.ask(protocol.WhoAmI).user == ""
    assert process.refused(lambda r: protocol.SignIn(r, "hf_wrongwrongwrong")).code is ErrorCode.TOKEN_REFUSED
    assert process.refused(lambda r: protocol.SignIn(r, "no token\n")).code is ErrorCode.TOKEN_REFUSED
    assert not (tmp_path / "hf/token").exists()
    answer = process.ask(lambda r: protocol.SignIn(r, f" {TOKEN}\n"))
    assert (answer.user, answer.source) == ("ann", "store")
    assert (tmp_path / "hf/token").read_text() == TOKEN  # where the hub's own command line keeps it
    later = start("later")
    assert later.ask(protocol.WhoAmI).user == "ann"
    assert later.ask(protocol.SignOut).user == ""
    assert not (tmp_path / "hf/token").exists()
    assert process.ask(protocol.WhoAmI).user == ""
    ours = [path for folder in ("state", "later", "cache") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    assert ours
    assert not [path for path in ours if TOKEN.encode() in path.read_bytes()]
    assert TOKEN not in repr(process.seen) + repr(protocol.SignIn("r", TOKEN))


def test_a_token_of_the_environment_stays(hub: FakeHub, start: Start) -> None:
    hub.users[TOKEN] = "ann"
    process = start(env={"HF_TOKEN": TOKEN})
    answer = process.ask(protocol.WhoAmI)
    assert (answer.user, answer.source) == ("ann", "env")
    assert process.ask(protocol.SignOut).source == "env"


# -- searching


def test_search(hub: FakeHub, start: Start) -> None:
    hub.add("org/paint", small_model(), pipeline_tag="text-to-image", downloads=5, licence="mit", gated="auto")
    hub.add("org/paint-more", small_model(), pipeline_tag="text-to-image", downloads=9, likes=4)
    hub.add("org/paint-lora", {"a.safetensors": b""}, pipeline_tag="text-to-image", tags=("lora",), downloads=1)
    hub.add("org/write", {}, library="transformers", pipeline_tag="text-generation")
    process = start()
    answer = process.ask(lambda request: protocol.Search(request, "paint"))
    assert [hit.repo for hit in answer.hits] == ["org/paint-more", "org/paint", "org/paint-lora"]
    assert (answer.hits[1].licence, answer.hits[1].gated, answer.hits[0].likes) == ("mit", True, 4)
    answer = process.ask(lambda request: protocol.Search(request, "paint", "lora"))
    assert [hit.repo for hit in answer.hits] == ["org/paint-lora"]
    assert not process.ask(lambda request: protocol.Search(request, "write")).hits
    assert len(process.ask(lambda request: protocol.Search(request, "", limit=1)).hits) == 1


# -- what is in a repository


def lora() -> bytes:
    names = ["unet.down_blocks.0.attentions.0.to_q.lora_A.weight", "unet.down_blocks.0.attentions.0.to_q.lora_B.weight"]
    tensors = {
        name: {"dtype": "F16", "shape": [4, 8], "data_offsets": [64 * at, 64 * at + 64]}
        for at, name in enumerate(names)
    }
    header = json.dumps(tensors).encode()
    return len(header).to_bytes(8, "little") + header + bytes(128)


def one_file(hub: FakeHub) -> dict[str, Content]:
    return {"pytorch_lora_weights.safetensors": lora(), "other.safetensors": lora(), "README.md": b"", "train.py": b""}


def test_a_repository_of_single_files(hub: FakeHub, start: Start) -> None:
    hub.add("org/some-lora", one_file(hub))
    process = start()
    facts = process.describe("org/some-lora")
    assert facts.kind == "lora"
    assert [file.path for file in facts.files] == ["pytorch_lora_weights.safetensors"]
    assert [file.path for file in facts.others] == ["other.safetensors"]
    facts = process.describe("org/some-lora", file="other.safetensors")
    assert [file.path for file in facts.files] == ["other.safetensors"]


def test_pickles_and_code_are_named(hub: FakeHub, start: Start) -> None:
    pickled = {n.replace(".safetensors", ".bin"): c for n, c in small_model().items() if n != "model.safetensors"}
    hub.add("org/old", pickled)
    index: dict[str, Any] = json.loads(bytes(small_model()["model_index.json"]))  # type: ignore[arg-type]
    coded = {**small_model(), "model_index.json": json.dumps({**index, "_class_name": ["pipeline", "My"]}).encode()}
    hub.add("org/coded", {**coded, "pipeline.py": b"import os"})
    hub.add("org/marked", small_model(), unsafe=("model.safetensors", "vae/diffusion_pytorch_model.safetensors"))
    process = start()
    for repo, risk, code in (
        ("org/old", "pickle_only", ErrorCode.MODEL_NEEDS_PICKLE),
        ("org/coded", "remote_code", ErrorCode.MODEL_NEEDS_REMOTE_CODE),
        ("org/marked", "unsafe_scan", None),
    ):
        facts = process.describe(repo)
        assert (facts.risks, facts.problem and facts.problem.code) == ((risk,), code)
        if code:
            process.pull(repo, repo)
            assert process.failed(repo).code is code  # what cannot be run is not fetched


def test_a_malformed_index_is_a_problem_of_the_repository(hub: FakeHub, start: Start) -> None:
    process = start()
    for index in (
        b"", b"{", b"[]", b'"x"', b"{}", b'{"_class_name": 3}', b'{"_class_name": "../x"}', b"[" * 100_000, b"\xff\xfe",
    ):  # fmt: skip
        hub.add("org/m", {**small_model(), "model_index.json": index})
        facts = process.describe("org/m")
        assert facts.problem is not None, index[:20]
        assert facts.problem.code is ErrorCode.MODEL_CORRUPT
        assert facts.problem.facts["file"] == "model_index.json"


def test_broken_configurations_and_weights_are_problems(hub: FakeHub, start: Start) -> None:
    hub.add("org/a", {**small_model(), "unet/config.json": b"{"})
    hub.add("org/b", {**small_model(), "unet/diffusion_pytorch_model.fp16.safetensors": noise(5000)})
    hub.add("org/c", {name: content for name, content in small_model().items() if not name.startswith("vae/")})
    process = start()
    for repo, code, file in (
        ("org/a", ErrorCode.MODEL_CORRUPT, "unet/config.json"),
        ("org/b", ErrorCode.MODEL_CORRUPT, "unet/diffusion_pytorch_model.fp16.safetensors"),
        ("org/c", ErrorCode.MODEL_INCOMPLETE, "vae"),
    ):
        problem = process.describe(repo).problem
        assert problem is not None
        assert (problem.code, problem.facts["file"]) == (code, file)


def test_a_pipeline_that_makes_no_pictures(hub: FakeHub, start: Start) -> None:
    index = {**json.loads(bytes(small_model()["model_index.json"])), "_class_name": "NobodyKnowsPipeline"}  # type: ignore[arg-type]
    hub.add("org/m", {**small_model(), "model_index.json": json.dumps(index).encode()})
    problem = start().describe("org/m").problem
    assert problem is not None
    assert (problem.code, problem.facts["pipeline"]) == (ErrorCode.MODEL_UNSUPPORTED, "NobodyKnowsPipeline")


# -- hostile repositories


def listed(path: str, size: int = 10, oid: str = "0" * 40, **more: Any) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": size, "oid": oid, **more}


HOSTILE = [
    listed("../../evil.safetensors"), listed("/etc/evil.json"), listed("vae/../../../x.json"),
    listed("a\\..\\..\\evil.json"), listed("C:evil.json"), listed("vae//x.json"), listed("vae/./x.json"),
    listed("nul\0.json"), listed("new\nline.json"), listed("unet/config.json"),
    listed("vae/CONFIG.json"), listed("vae/aux.json"), listed("vae/trailing.txt."),
    listed("tokenizer/" + "x" * 300), listed("vae/huge.json", size=10**15), listed("vae/less.json", size=-5),
    listed("vae/x.json", oid="../../../../x"),
    listed("vae/y.safetensors", lfs={"oid": "../" * 20, "size": 5, "pointerSize": 134}),
    listed("vae/z.safetensors", lfs={"oid": "0" * 64, "size": 10**18, "pointerSize": 134}),
    listed("model_index.json/x.json"),
]  # fmt: skip


def test_hostile_listings_are_refused_before_any_byte(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    process = start()
    for number, entry in enumerate(HOSTILE):
        hub.add("org/m", small_model(), listing=[entry])
        process.pull("org/m", f"p{number}", allow=("*",))
        error = process.failed(f"p{number}")
        assert (error.code, error.facts["repo"]) == (ErrorCode.REPO_HOSTILE, "org/m"), entry
        assert error.facts["what"]
    assert not hub.asked("*/resolve/*safetensors")
    assert not (tmp_path / "cache/models--org--m").exists()


@pytest.mark.parametrize("answer", [b'{"sha": 3}', b'{"id": "x", "sha": "../../.."}', b'[{"path": 3}]', b"[" * 100_000])
def test_hostile_answers(hub: FakeHub, start: Start, answer: bytes) -> None:
    repo = hub.add("org/m", small_model())
    repo.sha = "no commit" if b"sha" in answer else repo.sha
    repo.commits[repo.sha] = repo.files
    repo.listing = [{"type": "file", "path": 3}] if b"path" in answer else [{"x": {"y": [1]}}]
    process = start()
    error = process.refused(lambda request: protocol.Describe(request, PullSpec("org/m")))
    assert error.code is ErrorCode.REPO_HOSTILE


class Evil:
    """What a pickled file can do to whoever opens it."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._marker,)


def test_a_pickled_file_with_code_in_it_is_never_opened(hub: FakeHub, start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    content = pickle.dumps(Evil(marker))
    hub.add("org/evil", {"model.ckpt": content})
    process = start()
    assert process.describe("org/evil").risks == ("pickle_only",)
    facts = process.describe("org/evil", file="model.ckpt")
    assert (facts.risks, facts.problem) == (("pickle_only",), None)  # asked for by name it can be had, with a warning
    process.pull("org/evil", file="model.ckpt")
    assert (Path(process.done().folder) / "model.ckpt").read_bytes() == content
    assert not marker.exists()


def test_what_looks_like_a_link_is_only_text(hub: FakeHub, start: Start) -> None:
    """git keeps a symbolic link as a small file with the target's name; here it stays one."""
    hub.add("org/m", {**small_model(), "tokenizer/vocab.json": b"/etc/passwd"})
    process = start()
    process.pull("org/m")
    path = Path(process.done().folder) / "tokenizer/vocab.json"
    assert path.read_bytes() == b"/etc/passwd"
    assert path.resolve().parent.name == "blobs"
