"""Which files a download is: a commit, the files chosen of it, and whether they may lie on this disk at all.

Names and sizes come from whoever made the repository; they are refused here, before a byte is fetched, when they could
reach out of the cache or could not be told apart on some disk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from huggingface_hub.utils._paths import filter_repo_objects

from app.hub.api import Api, Entry, Info
from app.hub.errors import hostile
from app.hub_protocol import HubFile, PullSpec
from models import choose
from models.choose import Choice
from models.errors import AtelierError, ErrorCode, ErrorInfo

MAX_FILE = 2_000_000_000_000
"""Bytes; a hundred times the largest weight file there is."""
MAX_JSON = 32_000_000
_MAX_NAME, _MAX_PATH = 200, 600
_HEX = {40: re.compile(r"[0-9a-f]{40}"), 64: re.compile(r"[0-9a-f]{64}")}
_REVISION = re.compile(r"[\w][\w./@+-]{0,200}")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_OURS = re.compile(r"atelier[^/]*|\.[^/]*", re.IGNORECASE)
"""Names in a model's root that we give a meaning, or nobody needs: not taken from repositories."""


class Plan(msgspec.Struct, frozen=True):
    """What to fetch. ``index`` is the parsed ``model_index.json``, None where there is none or it may not be read."""

    repo: str
    revision: str
    commit: str
    choice: Choice
    files: tuple[HubFile, ...]
    others: tuple[HubFile, ...]
    index: Any = None

    @property
    def total_bytes(self) -> int:
        return sum(file.size for file in self.files)


def make_plan(api: Api, spec: PullSpec, info: Info, closed: bool = False) -> Plan:
    """The plan for ``spec``. ``closed`` says that files may not be read yet, so it is made from the listing alone.

    Raises:
        AtelierError: REPO_HOSTILE, FILE_NOT_IN_REPO, and what ``Api`` raises.
    """
    commit = info.sha or ""
    if not _HEX[40].fullmatch(commit) or not _REVISION.fullmatch(spec.revision) or ".." in spec.revision:
        raise hostile(spec.repo, "it has no proper version")
    listing = {}
    for entry in api.tree(spec.repo, commit):
        check_name(spec.repo, entry.path)
        if entry.path in listing:
            raise hostile(spec.repo, f"it lists {entry.path} twice")
        listing[entry.path] = _hub_file(spec.repo, entry)
    sizes = {path: file.size for path, file in listing.items()}
    index = _json(api, spec.repo, commit, choose.INDEX, listing) if not closed else _said_index(info)
    config = None
    if choose.INDEX not in listing and not closed and not spec.file:
        config = _json(api, spec.repo, commit, choose.CONFIG, listing)
    choice = _choice(spec, sizes, index, config, closed)
    files = [listing[path] for path in choice.files]
    check_together(spec.repo, files)
    others = tuple(listing[path] for path in choice.others)
    known = index if isinstance(index, dict) and not closed else None
    return Plan(spec.repo, spec.revision, commit, choice, tuple(files), others, known)


def _choice(spec: PullSpec, sizes: dict[str, int], index: Any, config: Any, closed: bool) -> Choice:
    if spec.file:
        return choose.choose_file(spec.repo, sizes, spec.file)
    choice = choose.choose(spec.repo, sizes, None if closed else index, config)
    if closed and isinstance(index, dict):
        choice = msgspec.structs.replace(choice, pipeline=str(index.get("_class_name", ""))[:100])
    if not spec.allow:
        return choice
    allowed = tuple(
        filter_repo_objects([path for path in sizes if not _OURS.fullmatch(path)], allow_patterns=list(spec.allow))
    )
    if missing := choose.unmet(spec.allow, allowed):
        if choice.kind == "pipeline" and choice.problem is None:
            return choice  # its files have other names by now
        facts: dict[str, str | int | float] = {"repo": spec.repo, "file": missing[0][:200]}
        gone = ErrorInfo(ErrorCode.FILE_NOT_IN_REPO, facts)
        return msgspec.structs.replace(choice, files=(), others=(), problem=gone)
    problem = choice.problem if choice.kind == "pipeline" and choose.INDEX in allowed else None
    return msgspec.structs.replace(choice, files=allowed, others=(), problem=problem)


def _json(api: Api, repo: str, commit: str, path: str, listing: dict[str, HubFile]) -> Any:
    """What a JSON file in the root holds; None when there is none, and the text's own trouble as a string."""
    if path not in listing:
        return None
    try:
        return json.loads(api.file(repo, commit, listing[path], MAX_JSON))
    except (ValueError, RecursionError) as error:
        return str(error)


def _said_index(info: Info) -> dict[str, Any]:
    """What the hub itself tells of the index of a repository that may not be read."""
    config = info.config if isinstance(info.config, dict) else {}
    said = config.get("diffusers")
    return said if isinstance(said, dict) else {}


# -- names and sizes --------------------------------------------------------------------------------------------------


def check_name(repo: str, path: str) -> None:
    """Raises AtelierError REPO_HOSTILE for a path that could reach out of its folder on any system."""
    parts = path.split("/")
    if not path or any(part in ("", ".", "..") for part in parts) or "\\" in path:
        raise hostile(repo, f"it lists a file named {path!r}")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in path) or not _encodes(path):
        raise hostile(repo, f"it lists a file named {path!r}")
    if len(path.encode()) > 4096:
        raise hostile(repo, "it lists a file with an endless name")


def _encodes(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_together(repo: str, files: Iterable[HubFile]) -> None:
    """Raises AtelierError REPO_HOSTILE unless the files can lie beside each other on every disk."""
    seen: dict[str, str] = {}
    for file in files:
        for part in file.path.split("/"):
            too_long = len(part.encode()) > _MAX_NAME or len(file.path.encode()) > _MAX_PATH
            if too_long or _DEVICES.fullmatch(part) or part.endswith((".", " ")) or set(part) & set('<>:"|?*'):
                raise hostile(repo, f"it has a file named {file.path!r}")
        parts = file.path.split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            kind = "file" if depth == len(parts) else "folder"
            other = seen.setdefault(path.casefold(), f"{kind} {path}")
            if other != f"{kind} {path}":
                raise hostile(repo, f"{file.path!r} cannot lie beside {other.partition(' ')[2]!r}")


def _hub_file(repo: str, entry: Entry) -> HubFile:
    size = entry.lfs.size if entry.lfs else entry.size
    if not 0 <= size <= MAX_FILE:
        raise hostile(repo, f"{entry.path} is said to have {size} bytes")
    name, length = (entry.lfs.oid.removeprefix("sha256:"), 64) if entry.lfs else (entry.oid, 40)
    if not _HEX[length].fullmatch(name):
        raise hostile(repo, f"{entry.path} has no proper checksum")
    return HubFile(entry.path, size, sha256=name) if entry.lfs else HubFile(entry.path, size, git_sha1=name)


def open_plan(api: Api, spec: PullSpec) -> Plan:
    """The plan of a download that begins now, or goes on: a begun commit stays.

    Raises:
        AtelierError: as ``make_plan``, and the choice's own problem: what could not be run is not fetched, unless the
            files were named.
    """
    plan = make_plan(api, spec, api.info(spec.repo, spec.commit or spec.revision))
    named = bool(plan.files and (spec.allow or spec.file))
    if plan.choice.problem is not None and not named:
        raise AtelierError.from_info(plan.choice.problem)
    return plan
