"""Who is signed in, and whether the files of a gated repository may be read. Tokens are kept by the hub's library."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from huggingface_hub import constants, login
from huggingface_hub._login import _logout_from_token
from huggingface_hub.utils._auth import get_stored_tokens

from app.hub.api import Api, Info
from app.hub.errors import NetError, hide
from app.hub_protocol import Identity, SignIn, SignOut, WhoAmI
from models.errors import AtelierError, ErrorCode

_STANDINGS = {
    ErrorCode.GATED_NO_TOKEN: "no_token",
    ErrorCode.GATED_TOKEN_SCOPE: "token_scope",
    ErrorCode.GATED_NOT_ACCEPTED: "licence_not_accepted",
    ErrorCode.GATED_AWAITING: "awaiting_review",
}


def standing(api: Api, repo: str, info: Info) -> tuple[str, NetError | None]:
    """What ``RepoFacts.access`` says, and the reason when the files may not be read."""
    if not info.gated:
        return ("granted" if info.private else "open"), None
    try:
        api.auth_check(repo)
    except NetError as error:
        if error.code not in _STANDINGS:
            raise
        return _STANDINGS[error.code], error
    return "granted", None


def sign_in(api: Api, asked: SignIn) -> Identity:
    """Check a token and keep it where the hub's own command line keeps it.

    Raises:
        AtelierError: TOKEN_REFUSED (with ``url``), or the network's trouble.
    """
    token = asked.token.strip()
    hide(token)
    if not token or not token.isascii() or any(letter.isspace() for letter in token):
        raise AtelierError(ErrorCode.TOKEN_REFUSED, url=f"{constants.ENDPOINT}/settings/tokens")
    user = api.user(token)  # before ``login``, whose errors are for people at a terminal
    login(token=token, add_to_git_credential=False)
    return Identity(asked.request, user, _source())


def sign_out(asked: SignOut) -> Identity:
    """Forget the token in use; other tokens that the hub's library keeps stay. Not its ``logout``, which would also
    run git to change its settings. A token in the environment stays in use: ``source`` is "env" then."""
    with contextlib.suppress(OSError):
        active = Path(constants.HF_TOKEN_PATH).read_text().strip()
        for name, token in get_stored_tokens().items():
            if token == active:
                _logout_from_token(name)
        Path(constants.HF_TOKEN_PATH).unlink(missing_ok=True)
    return Identity(asked.request, "", _source())


def who(api: Api, asked: WhoAmI, token: str | None) -> Identity:
    """Whose token is in use. Raises AtelierError TOKEN_REFUSED when the hub does not know it (any more)."""
    return Identity(asked.request, api.user(token), _source()) if token else Identity(asked.request)


def _source() -> str:
    """Where the token in use is kept; empty when there is none."""
    if os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN"):
        return "env"
    return "store" if Path(constants.HF_TOKEN_PATH).is_file() else ""
