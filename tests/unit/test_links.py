"""What people paste is understood, and what is no model is refused."""

from __future__ import annotations

import pytest

from app.hub_protocol import PullSpec
from app.links import parse_link, repo_url


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("org/name", PullSpec("org/name")),
        ("  org/name \n", PullSpec("org/name")),
        ("org/name@v2", PullSpec("org/name", "v2")),
        ("hf://org/name", PullSpec("org/name")),
        ("https://huggingface.co/org/name", PullSpec("org/name")),
        ("huggingface.co/org/name", PullSpec("org/name")),
        ("hf.co/org/name/tree/main", PullSpec("org/name")),
        ("https://huggingface.co/org/name/", PullSpec("org/name")),
        ("https://huggingface.co/org/name/tree/main", PullSpec("org/name")),
        ("https://hf-mirror.com/org/na.me-1_0/tree/fp16?x=1#y", PullSpec("org/na.me-1_0", "fp16")),
        (
            "https://huggingface.co/org/name/blob/main/sub/a%20b.safetensors",
            PullSpec("org/name", file="sub/a b.safetensors"),
        ),
        (
            "https://huggingface.co/org/name/resolve/abc/x.gguf?download=true",
            PullSpec("org/name", "abc", file="x.gguf"),
        ),
        ("https://huggingface.co/org/name/blob/main/README.md", PullSpec("org/name")),
    ],
)
def test_names_and_links_are_understood(text: str, spec: PullSpec) -> None:
    assert parse_link(text) == spec


@pytest.mark.parametrize(
    "text",
    [
        "", "a red fox", "fox", "a/b/c", "../etc", "org/../name", "org/na me", "https://huggingface.co/",
        "https://huggingface.co/datasets/org/name", "https://huggingface.co/docs/diffusers", "org/a--b",
        "/tmp/x.safetensors", "hf://org/name/../../x", "https://huggingface.co/blog/flux",
    ],
)  # fmt: skip
def test_what_is_no_model_is_none(text: str) -> None:
    assert parse_link(text) is None


def test_the_page_of_a_repository() -> None:
    assert repo_url("a/b") == "https://huggingface.co/a/b"
    assert repo_url("a/b", "https://mirror.example/") == "https://mirror.example/a/b"
