"""What the hub is asked, and its answers checked: nothing of them is believed before its shape is known.

huggingface_hub has functions for the same questions. They are not used because they cannot be stopped, try again for
half a minute by themselves, and turn a malformed answer into an error that says nothing.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

import msgspec
from huggingface_hub import hf_hub_url
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id

from app.cache import hasher
from app.hub.errors import NetError, host_of, hostile, refusal
from app.hub.net import Halt, Net, Patience
from app.hub_protocol import HubFile
from models.errors import AtelierError, ErrorCode

MAX_ANSWER = 64_000_000
"""Bytes; the listing of a repository of 100,000 files has 30 MB."""
ASK_SECONDS = 8.0
"""How long a question is asked again when the hub has trouble."""

T = TypeVar("T")


class Lfs(msgspec.Struct, frozen=True):
    oid: str
    size: int


class Entry(msgspec.Struct, frozen=True):
    """One line of a listing."""

    path: str
    type: str = "file"
    size: int = 0
    oid: str = ""
    lfs: Lfs | None = None


class Info(msgspec.Struct, frozen=True, rename="camel"):
    """A repository. What authors fill in as they like is read with care, by ``describe``."""

    id: str
    sha: str | None = None
    private: bool = False
    gated: bool | str | None = False
    downloads: int = 0
    likes: int = 0
    last_modified: str | None = None
    pipeline_tag: str | None = msgspec.field(default=None, name="pipeline_tag")
    library_name: str | None = msgspec.field(default=None, name="library_name")
    tags: tuple[str, ...] = ()  # never null in what the hub sends
    card_data: Any = None
    config: Any = None
    security_repo_status: Any = None


class _User(msgspec.Struct, frozen=True):
    name: str


class Api:
    """Questions to one hub. Every function raises NetError, and AtelierError REPO_HOSTILE or NOT_A_HUB for answers
    that cannot be; all of them HaltedError."""

    def __init__(self, net: Net, halt: Halt) -> None:
        self._net, self._halt = net, halt

    def info(self, repo: str, revision: str) -> Info:
        """What the hub says about ``repo`` at ``revision`` (branch, tag or commit)."""
        self._check_id(repo)
        path = f"/api/models/{repo}/revision/{urllib.parse.quote(revision, safe='')}"
        return self._ask(path, Info, repo, {"securityStatus": True})

    def tree(self, repo: str, commit: str) -> list[Entry]:
        """All files of a commit."""
        url: str | None = f"{self._net.endpoint}/api/models/{repo}/tree/{commit}"
        params: dict[str, Any] | None = {"recursive": True, "expand": False}
        entries: list[Entry] = []
        while url:
            body, url = self._get(url, repo, params=params)
            entries += self._decode(body, list[Entry], repo)
            params = None  # the next page's address holds them
            if len(entries) > 200_000:
                raise hostile(repo, "it lists too many files")
        return [entry for entry in entries if entry.type == "file"]

    def auth_check(self, repo: str) -> None:
        """Raises NetError with the reason when the files may not be read."""
        self._get(f"{self._net.endpoint}/api/models/{repo}/auth-check", repo)

    def file(self, repo: str, commit: str, file: HubFile, limit: int) -> bytes:
        """A small file, as the listing has it.

        Raises:
            AtelierError: also REPO_HOSTILE when it has more than ``limit`` bytes, CHECKSUM_WRONG.
        """

        tries = count(1)

        def check(body: bytes) -> None:
            taken = hasher(file.size, git=not file.sha256)
            taken.update(body)
            if taken.hexdigest() != (file.sha256 or file.git_sha1):
                raise NetError(ErrorCode.CHECKSUM_WRONG, again=next(tries) == 1, file=file.path)

        return self._get(self.address(repo, commit, file.path), repo, limit=limit, file=file.path, check=check)[0]

    def search(self, params: dict[str, Any]) -> list[Info]:
        return self._ask("/api/models", list[Info], "", params)

    def user(self, token: str | None = None) -> str:
        """Whose token it is."""
        return self._ask("/api/whoami-v2", _User, "", token=token).name

    def page(self, repo: str) -> str:
        """The repository's page, for people."""
        return f"{self._net.endpoint}/{repo}"

    def address(self, repo: str, commit: str, path: str) -> str:
        """Where a file is."""
        return hf_hub_url(repo, path, revision=commit, endpoint=self._net.endpoint)

    def _check_id(self, repo: str) -> None:
        try:
            validate_repo_id(repo)
        except HFValidationError as error:
            raise AtelierError(ErrorCode.REPO_NOT_FOUND, str(error), repo=repo[:200]) from error

    def _ask(
        self, path: str, kind: type[T], repo: str, params: dict[str, Any] | None = None, token: str | None = None
    ) -> T:
        return self._decode(self._get(self._net.endpoint + path, repo, params=params, token=token)[0], kind, repo)

    def _decode(self, body: bytes, kind: type[T], repo: str) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            if body[:1] in (b"{", b"["):
                raise hostile(repo or self._net.endpoint, f"its description is malformed ({error})") from error
            detail = body[:200].decode(errors="replace")
            raise AtelierError(ErrorCode.NOT_A_HUB, detail, host=host_of(self._net.endpoint)) from error

    def _get(
        self,
        url: str,
        repo: str,
        limit: int = MAX_ANSWER,
        params: dict[str, Any] | None = None,
        token: str | None = None,
        file: str = "",
        check: Callable[[bytes], None] = lambda body: None,
    ) -> tuple[bytes, str | None]:
        """The body, and the address of the next page if there is one."""

        def once() -> tuple[bytes, str | None]:
            headers = self._net.headers(url, token)
            with self._net.stream(url, self._halt, headers, params=params) as response:
                if response.status_code != 200:
                    raise refusal(response.status_code, response.headers, self._net.endpoint, repo, file)
                body = bytearray()
                for block in response.iter_bytes():
                    body += block
                    if len(body) > limit:
                        raise hostile(repo, f"{file or 'its description'} is too large")
                whole = bytes(body)
                check(whole)
                return whole, response.links.get("next", {}).get("url")

        return tried(once, Patience(self._halt, ASK_SECONDS))


def tried(once: Callable[[], T], patience: Patience) -> T:
    """``once``, again while ``patience`` has it."""
    while True:
        try:
            return once()
        except NetError as error:
            patience.again(error)
