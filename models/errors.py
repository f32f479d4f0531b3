"""The one list of what can go wrong, shared by the worker and the app.

An error has two faces. Here is the technical one: a code, the facts that fill its sentence, and the raw detail for the
log. The words a person reads are made from code and facts in ``app.messages``, so a new code needs words there (a test
says so).
"""

from __future__ import annotations

import errno
from enum import StrEnum

import msgspec

Fact = str | int | float


class ErrorCode(StrEnum):
    """Why something did not work. The values travel between processes and lie in the database: never rename one."""

    # what was asked for
    INVALID_INPUT = "invalid_input"
    PICTURE_UNREADABLE = "picture_unreadable"
    # the model
    MODEL_NOT_INSTALLED = "model_not_installed"
    MODEL_INCOMPLETE = "model_incomplete"
    MODEL_CORRUPT = "model_corrupt"
    MODEL_UNSUPPORTED = "model_unsupported"
    MODEL_NEEDS_PICKLE = "model_needs_pickle"
    MODEL_NEEDS_REMOTE_CODE = "model_needs_remote_code"
    FILE_UNKNOWN = "file_unknown"
    BASE_MISSING = "base_missing"
    MODEL_IN_USE = "model_in_use"
    LICENCE_NOT_ACCEPTED = "licence_not_accepted"
    ADDON_BROKEN = "addon_broken"
    ADDON_MISFIT = "addon_misfit"
    # the network and the hub
    OFFLINE = "offline"
    NO_CONNECTION = "no_connection"
    CONNECTION_LOST = "connection_lost"
    PROXY_FAILED = "proxy_failed"
    TLS_FAILED = "tls_failed"
    NOT_A_HUB = "not_a_hub"
    HUB_TROUBLE = "hub_trouble"
    RATE_LIMITED = "rate_limited"
    REPO_NOT_FOUND = "repo_not_found"
    REVISION_GONE = "revision_gone"
    FILE_NOT_IN_REPO = "file_not_in_repo"
    REPO_HOSTILE = "repo_hostile"
    GATED_NO_TOKEN = "gated_no_token"
    GATED_TOKEN_SCOPE = "gated_token_scope"
    GATED_NOT_ACCEPTED = "gated_not_accepted"
    GATED_AWAITING = "gated_awaiting"
    TOKEN_REFUSED = "token_refused"
    CHECKSUM_WRONG = "checksum_wrong"
    ROOM_SHORT = "room_short"
    STORAGE_BUSY = "storage_busy"
    FOLDER_GONE = "folder_gone"
    HUB_PROCESS_FAILED = "hub_process_failed"
    # the machine
    OUT_OF_MEMORY = "out_of_memory"
    DEVICE_FAILED = "device_failed"
    DISK_FULL = "disk_full"
    FOLDER_NOT_WRITABLE = "folder_not_writable"
    # the result
    RESULT_BROKEN = "result_broken"
    # the engine process
    ENGINE_MISSING = "engine_missing"
    ENGINE_START_FAILED = "engine_start_failed"
    ENGINE_CRASHED = "engine_crashed"
    ENGINE_UNRESPONSIVE = "engine_unresponsive"
    # the app itself
    LIBRARY_DAMAGED = "library_damaged"
    LIBRARY_UNUSABLE = "library_unusable"
    SETTINGS_DAMAGED = "settings_damaged"
    INTERNAL = "internal"


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong with one input: its name, the value as given, and a sentence that says what is allowed."""

    name: str
    value: str
    sentence: str


class ErrorInfo(msgspec.Struct, frozen=True):
    """An error as it travels and is stored.

    ``facts`` fill the sentence of the code (``model``, ``path``, ``needed_gb``...); ``detail`` is technical text shown
    behind "Details"; ``problems`` is filled for ``INVALID_INPUT`` only.
    """

    code: ErrorCode
    facts: dict[str, Fact] = {}
    detail: str = ""
    problems: tuple[Problem, ...] = ()


class AtelierError(Exception):
    """Raised on either side for every failure that has a code."""

    def __init__(self, code: ErrorCode, detail: str = "", problems: tuple[Problem, ...] = (), **facts: Fact) -> None:
        self.info = ErrorInfo(code, facts, detail, problems)
        super().__init__(f"{code.value}: {facts or ''} {detail}".strip())

    @property
    def code(self) -> ErrorCode:
        return self.info.code

    @classmethod
    def from_info(cls, info: ErrorInfo) -> AtelierError:
        return cls(info.code, info.detail, info.problems, **info.facts)


class InvalidInputError(AtelierError):
    """One or more inputs were refused; all problems are reported, not only the first."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(ErrorCode.INVALID_INPUT, problems=problems)


_FULL = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def is_disk_error(error: OSError) -> bool:
    """True when ``error`` is about room or permission on a disk, not about anything else the system can refuse."""
    return error.errno in _FULL | _DENIED


def disk_error(error: OSError, path: str = "") -> AtelierError:
    """What an OSError while writing means for a person; ``path`` is the folder, if the error does not say."""
    code = ErrorCode.DISK_FULL if error.errno in _FULL else ErrorCode.FOLDER_NOT_WRITABLE
    return AtelierError(code, str(error), path=path or str(error.filename or "the disk"))
