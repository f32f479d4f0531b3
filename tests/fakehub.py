"""A stand-in for the Hugging Face Hub on loopback: standard library only, so that every test can have one.

It answers what huggingface_hub 2.4 and Atelier ask for when they look at models and fetch them:

    GET  /api/models?search=&filter=&pipeline_tag=&limit=      list_models
    GET  /api/models/{id}[/revision/{rev}]                     model_info: commit, licence, gate, tags...
    GET  /api/models/{id}/tree/{rev}?recursive=                list_repo_tree, in pages by a Link header
    GET  /api/models/{id}/auth-check                           may this token read the files?
    HEAD, GET /{id}/resolve/{rev}/{file}                       ETag, X-Repo-Commit, X-Linked-*; ranges; large files are
                                                               redirected to /cdn/ on another host name, without token
    GET  /api/whoami-v2                                        whose token is this?

Status codes, ``X-Error-Code`` and messages of gates are those that the real hub was seen to send: information and
listing of a gated repository are public, its files answer 401 or 403. ``FakeHub.faults`` plants bad luck by path.

By hand: ``python -m tests.fakehub FOLDER [--port N] [--throttle BYTES_PER_S]`` serves every diffusers folder (or
``org/name``) found in FOLDER; then ``HF_ENDPOINT=http://127.0.0.1:N atelier``.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import hashlib
import json
import re
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

Content = bytes | Path
"""A file's bytes, or where on the disk they are."""

BLOCK = 64 * 1024  # bytes sent at a time
LARGE = re.compile(r"\.(safetensors|bin|gguf|ckpt|pt|pth|msgpack|onnx|onnx_data|pb|h5)$")
OPEN_WHEN_GATED = ("README.md", ".gitattributes")

NO_TOKEN = (
    "Access to model {id} is restricted. You must have access to it and be authenticated to access it. Please log in."
)
NOT_LISTED = (
    "Access to model {id} is restricted and you are not in the authorized list. Visit {url}/{id} to ask for access."
)
AWAITING = "Your request to access model {id} is awaiting a review from the repo authors."
REJECTED = "Your request to access model {id} has been rejected by the repo's authors."
NO_SCOPE = (
    "Please enable access to public gated repositories in your fine-grained token settings to view this repository."
)
_GATES = {"pending": ("GatedRepo", AWAITING), "rejected": ("GatedRepo", REJECTED), "no_scope": (None, NO_SCOPE)}


@dataclass
class Fault:
    """Bad luck for the requests whose path matches (see ``FakeHub.faults``). Unset means: as usual.

    Answers: ``status`` (with ``code`` and ``message`` as the hub's error headers and ``retry_after`` seconds),
    ``html`` (a login page with 200), ``wait`` seconds before answering, ``headers`` to leave out of the answer.
    Bodies: ``rate`` bytes a second, ``drop_after`` or ``stall_after`` so many bytes of one answer (the connection is
    closed, or left without a word), ``corrupt`` flips a byte, ``short`` announces and sends that many bytes less,
    ``no_range`` ignores ranges. ``times`` is how many answers are affected (None: all), ``method`` limits it to one.
    """

    status: int | None = None
    code: str | None = None
    message: str = ""
    retry_after: str = ""
    html: bool = False
    wait: float = 0.0
    without: tuple[str, ...] = ()
    rate: int | None = None
    drop_after: int | None = None
    stall_after: int | None = None
    corrupt: bool = False
    short: int = 0
    no_range: bool = False
    times: int | None = None
    method: str = ""

    @property
    def spoils_body(self) -> bool:
        cut_off = self.drop_after is not None or self.stall_after is not None
        return cut_off or self.corrupt or self.no_range or self.short > 0


@dataclass
class Repo:
    """A repository. ``files`` are those of its branch ``main``; ``publish`` a new set as a new commit.

    ``lfs`` names the large files (default: weight files by their ending), whose blobs are known by their sha256.
    ``access`` says of tokens what they may do with a gated repository: "granted", "pending", "rejected", "no_scope";
    other tokens are not in its list. ``listing`` are raw entries added to the file listing, for hostile ones.
    """

    files: dict[str, Content]
    lfs: set[str] | None = None
    gated: bool | str = False
    private: bool = False
    access: dict[str, str] = field(default_factory=dict)
    licence: str = ""
    licence_name: str = ""
    licence_link: str = ""
    pipeline_tag: str = ""
    library: str = "diffusers"
    tags: tuple[str, ...] = ()
    downloads: int = 1
    likes: int = 0
    modified: str = "2026-11-01T12:00:00.000Z"
    unsafe: tuple[str, ...] = ()
    xet: bool = False
    listing: list[dict[str, Any]] = field(default_factory=list)
    commits: dict[str, dict[str, Content]] = field(default_factory=dict)
    sha: str = ""

    def __post_init__(self) -> None:
        self.publish(self.files)

    def publish(self, files: dict[str, Content]) -> str:
        """Make ``files`` the newest commit of ``main``; returns its id. Older commits stay."""
        digest = hashlib.sha1(str(len(self.commits)).encode())
        for name, content in sorted(files.items()):
            digest.update(name.encode() + b"\0" + (content if isinstance(content, bytes) else bytes(content)))
        self.files, self.sha = files, digest.hexdigest()
        self.commits[self.sha] = files
        return self.sha

    def forget(self, commit: str) -> None:
        """A commit that was squashed away."""
        self.commits.pop(commit)

    def is_large(self, name: str) -> bool:
        return bool(LARGE.search(name)) if self.lfs is None else name in self.lfs


@dataclass(frozen=True)
class Request:
    """One request that was answered. ``authorised`` says that it carried a token; ``sent`` are bytes of its body."""

    method: str
    path: str
    range: str | None
    status: int
    authorised: bool
    sent: int = 0


def size_of(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def blocks(content: Content, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes from ``start`` to before ``end``, a block at a time."""
    end = size_of(content) if end is None else end
    if isinstance(content, bytes):
        for at in range(start, end, BLOCK):
            yield content[at : min(at + BLOCK, end)]
        return
    with content.open("rb") as file:
        file.seek(start)
        while start < end and (block := file.read(min(16 * BLOCK, end - start))):
            start += len(block)
            yield block


@cache
def sha256(content: Content) -> str:
    """The name of a large file's blob."""
    digest = hashlib.sha256()
    for block in blocks(content):
        digest.update(block)
    return digest.hexdigest()


@cache
def git_sha1(content: Content) -> str:
    """The name of any other file's blob: what git calls it."""
    digest = hashlib.sha1(b"blob %d\0" % size_of(content))
    for block in blocks(content):
        digest.update(block)
    return digest.hexdigest()


class FakeHub:
    """The hub; a context manager that serves while it is open.

    ``repos`` by id; ``users`` are names by token (a token not among them is refused); ``faults`` by a pattern of the
    path (fnmatch; files are ``/ORG/NAME/resolve/REV/FILE`` and, the large ones, ``/cdn/SHA/ORG/NAME/REV/FILE``);
    ``throttle`` bytes a second for all answers together; ``page`` entries a page of a listing. ``requests`` and
    ``sent`` (bytes of files) tell what happened. With ``certificate`` (a PEM file with key) it speaks TLS.
    """

    def __init__(self, repos: dict[str, Repo] | None = None, port: int = 0, certificate: Path | None = None) -> None:
        self.repos = dict(repos or {})
        self.users: dict[str, str] = {}
        self.faults: dict[str, Fault] = {}
        self.throttle: int | None = None
        self.page = 1000
        self.requests: list[Request] = []
        self.sent = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._clock = 0.0
        self._server = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"hub": self}))
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        # Another host name, as the real one's: the client's HEAD follows redirects on its own host only.
        self.cdn = self.url.replace("127.0.0.1", "localhost")
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> FakeHub:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.cut()
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def add(self, repo_id: str, files: dict[str, Content], **facts: Any) -> Repo:
        """A new repository called ``repo_id``."""
        self.repos[repo_id] = Repo(files, **facts)
        return self.repos[repo_id]

    def asked(self, pattern: str, method: str = "") -> list[Request]:
        """The requests answered so far whose path matches."""
        with self.lock:
            return [
                one for one in self.requests if fnmatch.fnmatchcase(one.path, pattern) and method in ("", one.method)
            ]

    def forget_requests(self) -> None:
        with self.lock:
            self.requests, self.sent = [], 0

    # -- for the handler

    def fault(self, method: str, path: str, body: bool) -> Fault:
        """The fault that applies, used up by one: those that spoil bodies where a body is sent, others before."""
        with self.lock:
            for pattern, fault in self.faults.items():
                if fault.times == 0 or fault.method not in ("", method) or not fnmatch.fnmatchcase(path, pattern):
                    continue
                if fault.times is not None and body == fault.spoils_body:
                    fault.times -= 1
                return fault
        return Fault()

    def pace(self, count: int, rate: int | None) -> None:
        """Wait as long as ``count`` bytes take."""
        if rate:
            self.closing.wait(count / rate)
        if self.throttle:
            with self.lock:
                self._clock = max(self._clock, time.monotonic()) + count / self.throttle
                wait = self._clock - time.monotonic()
            self.closing.wait(max(0.0, wait))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        """Break every connection."""
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away in the middle is what the tests do all day."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self._full = urllib.parse.urlsplit(self.path)
        self._path = urllib.parse.unquote(self._full.path)
        self._query = urllib.parse.parse_qs(self._full.query)
        self._token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self._fault = self.hub.fault(self.command, self._path, body=False)
        if self._fault.wait:
            self.hub.closing.wait(self._fault.wait)
        try:
            if self._fault.html:
                self._send(200, b"<html><body>Please sign in to this network.</body></html>", "text/html")
            elif self._fault.status is not None:
                self._refuse(self._fault.status, self._fault.code, self._fault.message or "planted")
            elif self._token and self._token not in self.hub.users and not self._path.startswith("/cdn/"):
                self._refuse(401, None, "Invalid credentials in Authorization header")
            else:
                self._route()
        except OSError:  # the client went away
            self.close_connection = True

    def _route(self) -> None:
        for pattern, answer in (
            (r"/api/whoami-v2", self._whoami),
            (r"/api/models", self._search),
            (r"/api/models/([^/]+/[^/]+)/tree/([^/]+)(?:/.*)?", self._tree),
            (r"/api/models/([^/]+/[^/]+)/auth-check", self._auth_check),
            (r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", self._info),
            (r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._resolve),
            (r"/cdn/[0-9a-f]{64}/([^/]+/[^/]+)/([^/]+)/(.+)", self._cdn),
        ):
            if match := re.fullmatch(pattern, self._path):
                answer(*match.groups())
                return
        self._refuse(404, None, "Sorry, we can't find the page you are looking for.")

    # -- answers

    def _send(self, status: int, body: bytes = b"", kind: str = "application/json", **headers: str) -> None:
        self._head(status, len(body), kind, **headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, length: int, kind: str, sent: int = 0, **headers: str) -> None:
        request = Request(self.command, self._path, self.headers.get("Range"), status, bool(self._token), sent)
        with self.hub.lock:
            self.hub.requests.append(request)
        self.send_response(status)
        names = {"Content-Type": kind, "Content-Length": str(length)}
        names |= {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in names.items():
            if name.lower() not in {left.lower() for left in self._fault.without}:
                self.send_header(name, value)
        self.end_headers()

    def _json(self, value: object, **headers: str) -> None:
        self._send(200, json.dumps(value).encode(), **headers)

    def _refuse(self, status: int, code: str | None, message: str) -> None:
        headers = {"X_Error_Message": message} | ({"X_Error_Code": code} if code else {})
        if self._fault.retry_after:
            headers["Retry_After"] = self._fault.retry_after
        self._send(status, json.dumps({"error": message}).encode(), **headers)

    # -- who asks, for what

    def _repo(self, repo_id: str, revision: str | None) -> tuple[Repo, str] | None:
        """The repository and the commit asked for; answers by itself when there is none (for this token)."""
        repo = self.hub.repos.get(repo_id)
        if repo is None or (repo.private and repo.access.get(self._token) != "granted"):
            if self._token:
                self._refuse(404, "RepoNotFound", "Repository not found")
            else:
                self._refuse(401, None, "Invalid username or password.")
            return None
        commit = repo.sha if revision in (None, "main") else str(revision)
        if commit not in repo.commits:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {commit}")
            return None
        return repo, commit

    def _barred(self, repo_id: str, repo: Repo) -> bool:
        """Whether the gate is closed to this token; if so it was answered."""
        if not repo.gated or (standing := repo.access.get(self._token, "")) == "granted":
            return False
        if not self._token:
            self._refuse(401, "GatedRepo", NO_TOKEN.format(id=repo_id))
            return True
        code, message = _GATES.get(standing, ("GatedRepo", NOT_LISTED))
        self._refuse(403, code, message.format(id=repo_id, url=self.hub.url))
        return True

    def _whoami(self) -> None:
        if not self._token:
            self._refuse(401, None, "Invalid username or password.")
            return
        access = {"displayName": "for tests", "role": "read"}
        name = self.hub.users[self._token]
        self._json({"type": "user", "id": "1", "name": name, "orgs": [], "auth": {"accessToken": access}})

    def _auth_check(self, repo_id: str) -> None:
        found = self._repo(repo_id, None)
        if found and not self._barred(repo_id, found[0]):
            self._send(200, b"OK", "text/plain")

    # -- facts

    def _search(self) -> None:
        words = self._query.get("search", [""])[0].lower()
        wanted = set(self._query.get("filter", []))
        tag = self._query.get("pipeline_tag", [""])[0]
        hits = [
            self._facts(repo_id, repo, repo.sha)
            for repo_id, repo in self.hub.repos.items()
            if words in repo_id.lower()
            and not repo.private
            and tag in ("", repo.pipeline_tag)
            and wanted <= {repo.library, repo.pipeline_tag, *repo.tags}
        ]
        hits.sort(key=lambda facts: -facts["downloads"])
        self._json([self._expanded(hit) for hit in hits[: int(self._query.get("limit", ["1000"])[0])]])

    def _info(self, repo_id: str, revision: str | None = None) -> None:
        if found := self._repo(repo_id, revision):
            self._json(self._expanded(self._facts(repo_id, *found)), X_Repo_Commit=found[1])

    def _expanded(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Only what was asked for by ``expand``, as the hub does."""
        wanted = self._query.get("expand", self._query.get("expand[]", []))
        return {name: value for name, value in facts.items() if not wanted or name in {"_id", "id", *wanted}}

    def _facts(self, repo_id: str, repo: Repo, commit: str) -> dict[str, Any]:
        card = {"license": repo.licence, "license_name": repo.licence_name, "license_link": repo.licence_link}
        licence = [f"license:{repo.licence}"] if repo.licence else []
        facts: dict[str, Any] = {
            "_id": "0" * 24, "id": repo_id, "modelId": repo_id, "author": repo_id.split("/")[0], "sha": commit,
            "private": repo.private, "gated": repo.gated, "disabled": False, "downloads": repo.downloads,
            "likes": repo.likes, "lastModified": repo.modified, "createdAt": repo.modified,
            "library_name": repo.library, "tags": [repo.library, *repo.tags, *licence],
            "cardData": {name: value for name, value in card.items() if value},
            "siblings": [self._sibling(repo, name, content) for name, content in repo.commits[commit].items()],
        }  # fmt: skip
        if repo.pipeline_tag:
            facts["pipeline_tag"] = repo.pipeline_tag
        if "model_index.json" in repo.commits[commit]:
            facts["config"] = {"diffusers": {"_class_name": _class_name(repo.commits[commit]["model_index.json"])}}
        if "securityStatus" in self._query:
            issues = [{"path": path, "level": "unsafe"} for path in repo.unsafe]
            facts["securityRepoStatus"] = {"scansDone": True, "filesWithIssues": issues}
        return facts

    def _sibling(self, repo: Repo, name: str, content: Content) -> dict[str, Any]:
        if "blobs" not in self._query:
            return {"rfilename": name}
        entry = self._entry(repo, name, content)
        sibling = {"rfilename": name, "size": entry["size"], "blobId": entry["oid"]}
        if lfs := entry.get("lfs"):
            sibling["lfs"] = {"sha256": lfs["oid"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
        return sibling

    def _entry(self, repo: Repo, name: str, content: Content) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "file", "path": name, "size": size_of(content)}
        if not repo.is_large(name):
            return entry | {"oid": git_sha1(content)}
        digest = sha256(content)
        pointer = hashlib.sha1(digest.encode()).hexdigest()
        entry |= {"oid": pointer, "lfs": {"oid": digest, "size": entry["size"], "pointerSize": 134}}
        return entry | ({"xetHash": digest[::-1]} if repo.xet else {})

    def _tree(self, repo_id: str, revision: str) -> None:
        if (found := self._repo(repo_id, revision)) is None:
            return
        repo, commit = found
        entries = [self._entry(repo, name, content) for name, content in repo.commits[commit].items()]
        folders = {name.split("/")[0] for name in repo.commits[commit] if "/" in name}
        entries += [{"type": "directory", "path": name, "size": 0, "oid": "0" * 40} for name in sorted(folders)]
        entries += repo.listing
        start = int(self._query.get("cursor", ["0"])[0])
        end = start + self.hub.page
        more = {}
        if end < len(entries):
            query = urllib.parse.urlencode({"recursive": "true", "cursor": end})
            more = {"Link": f'<{self.hub.url}{self._full.path}?{query}>; rel="next"'}
        self._json(entries[start:end], X_Repo_Commit=commit, **more)

    # -- files

    def _resolve(self, repo_id: str, revision: str, name: str) -> None:
        if (found := self._repo(repo_id, revision)) is None:
            return
        repo, commit = found
        if name not in OPEN_WHEN_GATED and self._barred(repo_id, repo):
            return
        content = repo.commits[commit].get(name)
        if content is None:
            self._send(404, b"Entry not found", "text/plain", X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            return
        headers = {"X_Repo_Commit": commit, "Accept_Ranges": "bytes"}
        if not repo.is_large(name):
            self._body(content, headers | {"ETag": f'"{git_sha1(content)}"'})
            return
        digest = sha256(content)
        path = urllib.parse.quote(f"/cdn/{digest}/{repo_id}/{commit}/{name}")
        headers |= {"X_Linked_Size": str(size_of(content)), "X_Linked_Etag": f'"{digest}"'}
        self._send(302, b"", ETag=f'"{digest[:40]}"', Location=f"{self.hub.cdn}{path}?Signature=fake", **headers)

    def _cdn(self, repo_id: str, commit: str, name: str) -> None:
        content = self.hub.repos[repo_id].commits[commit][name]
        self._body(content, {"ETag": f'"{sha256(content)}"', "Accept_Ranges": "bytes"})

    def _body(self, content: Content, headers: dict[str, str]) -> None:
        fault = Fault() if self.command == "HEAD" else self.hub.fault(self.command, self._path, body=True)
        start, end, status = 0, size_of(content), 200
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and not fault.no_range:
            start, last = int(asked[1]), int(asked[2]) if asked[2] else end - 1
            if start >= end:
                self._send(416, b"", Content_Range=f"bytes */{end}")
                return
            status = 206
            headers["Content_Range"] = f"bytes {start}-{min(last, end - 1)}/{end}"
            end = min(last + 1, end)
        end -= fault.short
        kind = "application/octet-stream"
        if self.command == "HEAD":
            self._head(status, end - start, kind, **headers)
            return
        self._head(status, end - start, kind, sent=end - start, **headers)
        self._pour(content, start, end, fault)

    def _pour(self, content: Content, start: int, end: int, fault: Fault) -> None:
        sent = 0
        limits = [limit for limit in (fault.drop_after, fault.stall_after) if limit is not None]
        for block in blocks(content, start, end):
            part = bytes([block[0] ^ 255]) + block[1:] if fault.corrupt and not sent else block
            if limits and sent + len(part) >= min(limits):
                self._write(part[: min(limits) - sent])
                if fault.stall_after is not None:
                    self.hub.closing.wait()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._write(part)
            sent += len(part)
            self.hub.pace(len(part), fault.rate)

    def _write(self, part: bytes) -> None:
        self.wfile.write(part)
        with self.hub.lock:
            self.hub.sent += len(part)


def _class_name(index: Content) -> str:
    try:
        value = json.loads(index if isinstance(index, bytes) else index.read_bytes())
        return str(value.get("_class_name", ""))
    except (ValueError, AttributeError, RecursionError):
        return ""


def repos_in(folder: Path) -> dict[str, Repo]:
    """Every folder with a model in ``folder``, as ``local/NAME`` or, one level deeper, ``ORG/NAME``."""
    found = {}
    for path in sorted(path for path in folder.resolve().iterdir() if path.is_dir()):
        inner = [] if (path / "model_index.json").is_file() else [one for one in path.iterdir() if one.is_dir()]
        for repo_id, place in [(f"{path.name}/{one.name}", one) for one in inner] or [(f"local/{path.name}", path)]:
            files: dict[str, Content] = {
                file.relative_to(place).as_posix(): file for file in sorted(place.rglob("*")) if file.is_file()
            }
            if files:
                found[repo_id] = Repo(files, licence="apache-2.0", pipeline_tag="text-to-image")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakehub", description="A model hub on this computer.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--throttle", type=int, default=None, metavar="BYTES_PER_S")
    asked = parser.parse_args()
    with FakeHub(repos_in(asked.folder), asked.port) as hub:
        hub.throttle = asked.throttle
        print(hub.url, *hub.repos, sep="\n", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
