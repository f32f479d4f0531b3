"""What went wrong on the way to the hub, as codes of ours with the facts their words need.

Sources: ``huggingface_hub.utils._http.hf_raise_for_status`` for what the hub's error headers mean; the wording of gate
answers as the hub sends them (its API has no code for "you have not asked yet" and the like).
"""

from __future__ import annotations

import re
import ssl
import traceback
import urllib.parse
import urllib.request
from collections.abc import Mapping

from models.errors import AtelierError, ErrorCode, ErrorInfo, disk_error, is_disk_error

_TOKEN = re.compile(r"\b(hf|api_org)_[A-Za-z0-9_-]{6,}|(?<=Bearer )\S+")
_LOGIN = re.compile(r"(?<=://)[^/\s@'\"]+@")
_QUERY = re.compile(r"(https?://[^\s?'\"<>]+)\?[^\s'\"<>]*")
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""Answers after which the same question may be asked again."""

_hidden: set[str] = set()


class HaltedError(Exception):
    """Somebody said stop."""


class NetError(AtelierError):
    """A failure on the way to the hub. ``again`` says that it may pass; ``after`` in how many seconds, if it was said.

    ``reached`` is False when no connection came about.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str = "",
        *,
        again: bool = False,
        after: float | None = None,
        reached: bool = True,
        **facts: str | int | float,
    ) -> None:
        super().__init__(code, scrub(detail), (), **facts)
        self.again, self.after, self.reached = again, after, reached


def hide(secret: str) -> None:
    """Never let ``secret`` into a log or a message."""
    if len(secret) >= 4:
        _hidden.add(secret)


def scrub(text: str) -> str:
    """``text`` without tokens, and without the names, passwords and signatures in addresses."""
    for secret in _hidden:
        text = text.replace(secret, "***")
    return _QUERY.sub(r"\1?...", _LOGIN.sub("***@", _TOKEN.sub("***", text)))


def as_info(error: BaseException) -> ErrorInfo:
    """Any exception as an error that can travel; what is not known to us has its traceback as detail."""
    if isinstance(error, OSError) and is_disk_error(error):
        error = disk_error(error)
    detail = scrub("".join(traceback.format_exception(error)))
    if isinstance(error, AtelierError):
        return ErrorInfo(error.info.code, error.info.facts, scrub(error.info.detail) or detail, error.info.problems)
    return ErrorInfo(ErrorCode.INTERNAL, {}, detail)


def host_of(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc.rpartition("@")[2] or url


def hostile(repo: str, what: str) -> AtelierError:
    """A repository that is refused as a whole. ``what`` ends up in a sentence."""
    return AtelierError(ErrorCode.REPO_HOSTILE, repo=repo, what=what[:200])


# -- answers ----------------------------------------------------------------------------------------------------------


def refusal(status: int, headers: Mapping[str, str], endpoint: str, repo: str = "", file: str = "") -> NetError:
    """What an answer that is no success means. ``headers`` looks names up in any case (httpx's do)."""
    code, message = headers.get("x-error-code", ""), headers.get("x-error-message", "")
    detail = f"{status} {code} {message}".strip()
    page, tokens = f"{endpoint}/{repo}", f"{endpoint}/settings/tokens"
    if status in _AGAIN:
        kind = ErrorCode.RATE_LIMITED if status == 429 else ErrorCode.HUB_TROUBLE
        return NetError(kind, detail, again=True, after=retry_after(headers), status=status)
    if gate := _gate(status, code, message):
        url = tokens if gate is ErrorCode.GATED_TOKEN_SCOPE else page
        return NetError(gate, detail, repo=repo, url=url)
    if code == "RevisionNotFound":
        return NetError(ErrorCode.REVISION_GONE, detail, repo=repo)
    if code == "EntryNotFound":
        return NetError(ErrorCode.MODEL_INCOMPLETE, detail, model=repo, file=file)
    if status == 401 and (not repo or re.search("credentials|token", message, re.IGNORECASE)):
        return NetError(ErrorCode.TOKEN_REFUSED, detail, url=tokens)
    if status == 407:
        return NetError(ErrorCode.PROXY_FAILED, detail)
    if status == 511 or (status == 404 and not code and "text/html" in headers.get("content-type", "")):
        return NetError(ErrorCode.NOT_A_HUB, detail, host=host_of(endpoint))
    if repo and (status in (401, 404) or "disabled" in message):
        return NetError(ErrorCode.REPO_NOT_FOUND, detail, repo=repo)
    return NetError(ErrorCode.HUB_TROUBLE, detail, status=status)


def _gate(status: int, code: str, message: str) -> ErrorCode | None:
    """Which gate is closed, told apart by what the hub says."""
    if status == 403 and "token" in message and ("gated" in message or "permission" in message):
        return ErrorCode.GATED_TOKEN_SCOPE
    if code != "GatedRepo":
        return None
    if status == 401:
        return ErrorCode.GATED_NO_TOKEN
    return ErrorCode.GATED_AWAITING if "awaiting" in message else ErrorCode.GATED_NOT_ACCEPTED


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the hub asks to wait: from Retry-After, or from its rate limit's headers when nothing is left."""
    if (stated := headers.get("retry-after", "").strip()).isdigit():
        return float(stated)
    left = re.search(r"r\s*=\s*0+\s*;\s*t\s*=\s*(\d+)", headers.get("ratelimit", ""))
    return float(left[1]) if left else None


# -- no answer --------------------------------------------------------------------------------------------------------


def unreached(error: Exception, url: str) -> NetError:
    """What it means that no answer came, or no whole one."""
    import httpx2
    from huggingface_hub.errors import OfflineModeIsEnabled

    host, detail = host_of(url), f"{type(error).__name__}: {error}"
    if isinstance(error, OfflineModeIsEnabled):
        return NetError(ErrorCode.OFFLINE, detail)
    if isinstance(error, httpx2.ProxyError):
        return NetError(ErrorCode.PROXY_FAILED, detail, reached=False)
    if _about_tls(error):
        return NetError(ErrorCode.TLS_FAILED, detail, host=host, reached=False)
    if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol | httpx2.TooManyRedirects):
        return NetError(ErrorCode.NOT_A_HUB, detail, host=host)
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        if _proxied(url):
            return NetError(ErrorCode.PROXY_FAILED, detail, reached=False)
        return NetError(ErrorCode.NO_CONNECTION, detail, again=True, reached=False, host=host)
    return NetError(ErrorCode.CONNECTION_LOST, detail, again=True)


def _about_tls(error: BaseException | None) -> bool:
    """Whether a certificate or a handshake was at fault; a connection cut off while it was encrypted is not."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        error = error.__cause__ or error.__context__
    return False


def _proxied(url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    proxies = urllib.request.getproxies()
    wanted = parts.scheme in proxies or "all" in proxies
    return wanted and not urllib.request.proxy_bypass(parts.hostname or "")
