"""Questions that a page has to put to the user, as plain values; the views make dialogs of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ui.i18n import tr


@dataclass(frozen=True)
class Confirm:
    """A yes or no. ``yes`` is what the button says; ``danger`` marks what cannot be taken back."""

    title: str
    text: str
    yes: str
    then: Callable[[], None]
    danger: bool = False


@dataclass(frozen=True)
class LicenceAsk:
    """A licence to read and accept before the first download; ``accepted`` goes on with it."""

    name: str
    licence: str
    badge: str
    tone: str
    allows: str
    note: str
    url: str
    accepted: Callable[[], None]


@dataclass(frozen=True)
class GateAsk:
    """A repository whose authors let in only whom they know.

    ``access`` is "no_token", "token_scope", "licence_not_accepted" or "awaiting_review"; ``other`` the name of an entry
    that does much the same without a gate, ``show_other`` leads to it; ``again`` looks whether the gate is open by now.
    """

    name: str
    access: str
    sentence: str
    steps: tuple[str, ...]
    url: str
    url_words: str
    again: Callable[[], None]
    other: str = ""
    show_other: Callable[[], None] | None = None


@dataclass(frozen=True)
class SignInAsk:
    """``then`` is done once somebody is signed in."""

    then: Callable[[], None] | None = None


Ask = Confirm | LicenceAsk | GateAsk | SignInAsk

TOKENS_URL = "https://huggingface.co/settings/tokens"


def gate_words(access: str) -> tuple[str, tuple[str, ...], str]:
    """Sentence, steps and the words of the link for each kind of closed gate."""
    match access:
        case "no_token":
            return (
                tr("Its authors want to know who downloads it. That takes a free account of the hub."),
                (tr("Accept the conditions on its page."), tr("Sign in here with an access token.")),
                tr("Open its page"),
            )
        case "token_scope":
            return (
                tr("You are signed in, but your access token may not read gated models."),
                (
                    tr("Allow “Read access to public gated repos” for your token, or make one of type “Read”."),
                    tr("Sign in again if you made a new one."),
                ),
                tr("Open my tokens"),
            )
        case "awaiting_review":
            return (
                tr("Its authors have your request and have not answered yet."),
                (tr("Look again when you have heard from them."),),
                tr("Open its page"),
            )
        case _:
            return (
                tr("You are signed in, but have not accepted its conditions yet."),
                (tr("Accept them on its page."), tr("Come back and look again.")),
                tr("Open its page"),
            )
