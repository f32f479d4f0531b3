"""Every message between the app and its hub process (``python -m app.hub``), in one closed list.

The app asks, the process answers; each answer carries the ``request`` or download ``id`` it belongs to. Framing is
``models.codec``. A token travels in ``SignIn`` only and is never logged or written by us: the hub's library keeps it.
"""

from __future__ import annotations

import msgspec

from models.errors import ErrorInfo
from models.machine import Needs

VERSION = 1


class HubFile(msgspec.Struct, frozen=True):
    """One file of a repository. ``sha256`` of large files, ``git_sha1`` of small ones: the name of its blob."""

    path: str
    size: int
    sha256: str = ""
    git_sha1: str = ""


class RepoFacts(msgspec.Struct, frozen=True):
    """A repository as it was read, and what of it would be fetched.

    ``kind`` is "pipeline", or what the file was recognised as ("checkpoint", "lora", "vae", "controlnet", "embedding",
    "upscaler"...), "helper" (another model of the transformers library), or "unknown"; ``pipeline`` the diffusers
    class. ``files`` is the smallest complete set, ``total_bytes`` its size, ``here_bytes`` how much of it is on the
    disk already (shared files of other models count).
    ``access`` is "open", "granted", or why not: "no_token", "token_scope", "licence_not_accepted", "awaiting_review".
    ``risks`` are codes: "pickle_only", "remote_code", "unsafe_scan". ``problem`` says why it cannot be fetched or run.
    ``needs`` is read from the weights' headers, None where that was not possible.
    """

    repo: str
    commit: str
    kind: str = "unknown"
    pipeline: str = ""
    family: str = ""
    files: tuple[HubFile, ...] = ()
    total_bytes: int = 0
    here_bytes: int = 0
    licence: str = ""
    licence_url: str = ""
    gated: bool = False
    private: bool = False
    access: str = "open"
    risks: tuple[str, ...] = ()
    problem: ErrorInfo | None = None
    needs: Needs | None = None
    tags: tuple[str, ...] = ()
    downloads: int = 0
    likes: int = 0
    modified: str = ""
    others: tuple[HubFile, ...] = ()
    """Other weight files one could choose instead (``Describe.file``), of a repository of single files."""


class Hit(msgspec.Struct, frozen=True):
    """One repository found by a search."""

    repo: str
    pipeline_tag: str = ""
    library: str = ""
    licence: str = ""
    gated: bool = False
    downloads: int = 0
    likes: int = 0
    modified: str = ""


class PullSpec(msgspec.Struct, frozen=True):
    """What to fetch: repository, revision, and either patterns (a catalog entry's), or ``file``, or neither (the
    smallest complete set is chosen). A ``commit`` fixes what an earlier run began with."""

    repo: str
    revision: str = "main"
    commit: str = ""
    allow: tuple[str, ...] = ()
    file: str = ""


# -- to the process ----------------------------------------------------------------------------------------------------


class Hello(msgspec.Struct, frozen=True, tag=True):
    """First message. ``cache`` is the hub cache folder, ``state`` a folder of ours for small notes, ``endpoint`` empty
    for the usual one; ``parallel`` how many files at once, over all pulls; ``min_free`` bytes of the disk that are
    never used up. A connection without a byte for ``stall_seconds`` is made anew; a pull without one for
    ``patience_seconds`` fails."""

    version: int
    cache: str
    state: str
    endpoint: str = ""
    parallel: int = 3
    min_free: int = 500_000_000
    stall_seconds: float = 30.0
    patience_seconds: float = 300.0


class Describe(msgspec.Struct, frozen=True, tag=True):
    request: str
    spec: PullSpec


class Search(msgspec.Struct, frozen=True, tag=True):
    """``role`` narrows to a catalog role ("text-to-image", "lora"...); empty: all that diffusers can use."""

    request: str
    query: str
    role: str = ""
    limit: int = 30


class Pull(msgspec.Struct, frozen=True, tag=True):
    id: str
    spec: PullSpec


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Stop a pull; with ``discard`` what was fetched of it and nothing else uses is deleted."""

    id: str
    discard: bool = False


class Discard(msgspec.Struct, frozen=True, tag=True):
    """Delete what a pull that does not run now has fetched and nothing else uses; answered by ``Stopped``."""

    id: str
    spec: PullSpec


class SignIn(msgspec.Struct, frozen=True, tag=True):
    request: str
    token: str

    def __repr__(self) -> str:
        return f"SignIn({self.request!r}, ...)"  # a token never lands in a log


class SignOut(msgspec.Struct, frozen=True, tag=True):
    request: str


class WhoAmI(msgspec.Struct, frozen=True, tag=True):
    request: str


class Shutdown(msgspec.Struct, frozen=True, tag=True):
    pass


ToHub = Hello | Describe | Search | Pull | Stop | Discard | SignIn | SignOut | WhoAmI | Shutdown

# -- from the process --------------------------------------------------------------------------------------------------


class Ready(msgspec.Struct, frozen=True, tag=True):
    version: int
    endpoint: str


class Described(msgspec.Struct, frozen=True, tag=True):
    request: str
    facts: RepoFacts


class Found(msgspec.Struct, frozen=True, tag=True):
    request: str
    hits: tuple[Hit, ...]


class Identity(msgspec.Struct, frozen=True, tag=True):
    """Who is signed in; ``user`` is empty when nobody is. ``source`` says where the token is kept ("store", "env")."""

    request: str
    user: str = ""
    source: str = ""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """A request failed."""

    request: str
    error: ErrorInfo


class Pulling(msgspec.Struct, frozen=True, tag=True):
    """The pull's files are known and the disk has room: bytes begin to move."""

    id: str
    commit: str
    total_bytes: int
    files: int


class Moved(msgspec.Struct, frozen=True, tag=True):
    """At most ten a second. ``done_bytes`` counts what was here before; ``waiting`` is set while retries are under way
    after a lost connection, with the seconds until the next try."""

    id: str
    done_bytes: int
    fetched_bytes: int
    file: str = ""
    waiting: float = 0.0


class Checking(msgspec.Struct, frozen=True, tag=True):
    """All bytes are here; checksums that could not be taken on the way are taken now."""

    id: str


class Pulled(msgspec.Struct, frozen=True, tag=True):
    """Complete and verified; ``folder`` is the snapshot."""

    id: str
    folder: str
    commit: str
    total_bytes: int
    fetched_bytes: int


class PullFailed(msgspec.Struct, frozen=True, tag=True):
    """What was fetched is kept, except bytes of a wrong checksum."""

    id: str
    error: ErrorInfo


class Stopped(msgspec.Struct, frozen=True, tag=True):
    id: str
    freed_bytes: int = 0


class Counted(msgspec.Struct, frozen=True, tag=True):
    """Requests sent over the network since this process started."""

    requests: int


class Fatal(msgspec.Struct, frozen=True, tag=True):
    error: ErrorInfo


FromHub = (
    Ready
    | Described
    | Found
    | Identity
    | Refused
    | Pulling
    | Moved
    | Checking
    | Pulled
    | PullFailed
    | Stopped
    | Counted
    | Fatal
)
