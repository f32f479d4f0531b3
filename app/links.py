"""What people paste when they mean a model of the hub: a name, a link to its page or to one of its files."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from app.hub_protocol import PullSpec

# What the hub allows in names: https://huggingface.co/docs/huggingface_hub (validate_repo_id).
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}")
_NOT_MODELS = ("datasets", "spaces", "docs", "blog", "papers", "collections", "models", "api")
_PAGES = ("tree", "blob", "resolve", "raw", "commit")
_HOSTS = ("huggingface.co/", "www.huggingface.co/", "hf.co/", "hf-mirror.com/")
_WEIGHTS = (".safetensors", ".gguf")


def parse_link(text: str) -> PullSpec | None:
    """The repository (with revision and file, where the text names them) that ``text`` means; None when it means none.

    Takes ``org/name``, ``org/name@revision``, ``hf://org/name`` and links to a hub's or a mirror's pages.
    """
    text = text.strip()
    if text.startswith(_HOSTS):
        text = f"https://{text}"
    is_link = "://" in text
    path = text.removeprefix("hf://") if text.startswith("hf://") else unquote(urlsplit(text).path) if is_link else text
    parts = [part for part in path.split("/") if part]
    if (
        text.startswith(("/", "~", "."))
        or len(parts) < 2
        or (len(parts) > 2 and not is_link)
        or parts[0] in _NOT_MODELS
        or ".." in path
    ):
        return None
    name, _, revision = parts[1].partition("@")
    repo = f"{parts[0]}/{name}"
    if not _NAME.fullmatch(repo) or "--" in repo:
        return None
    file = ""
    if len(parts) > 3 and parts[2] in _PAGES:
        revision = revision or parts[3]
        file = "/".join(parts[4:]) if parts[2] in ("blob", "resolve", "raw") else ""
    return PullSpec(repo, revision or "main", file=file if file.endswith(_WEIGHTS) else "")


def repo_url(repo: str, endpoint: str = "") -> str:
    """The page of a repository."""
    return f"{endpoint.rstrip('/') or 'https://huggingface.co'}/{repo}"
