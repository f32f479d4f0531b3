"""What could follow in a prompt: wildcards after ``__``, LoRAs after ``<``, else known words and earlier prompts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

MOST = 8
_LEAST = 2
_OPENED = re.compile(
    r"__(?P<wildcard>[^\W_][\w*/\-]{0,100}|)$|<(?:lora:?|lor|lo|l)?(?P<lora>(?<=:)[^<>:]{0,100})?$", re.I
)
_PHRASE = re.compile(r"[^,()\[\]{}|<>\n]*$")


@dataclass(frozen=True, slots=True)
class Offer:
    """``text`` replaces what stands from ``start`` to the cursor; ``kind`` is "wildcard", "lora", "word", "phrase" or
    "prompt"."""

    kind: str
    text: str
    start: int
    note: str = ""


@dataclass
class Known:
    """What can be offered. ``loras`` are name and weight as they are put in; ``words`` are trigger words and tokens of
    embeddings with what they belong to; ``prompts`` earlier ones, newest first."""

    wildcards: Sequence[str] = ()
    loras: Sequence[str] = ()
    words: Sequence[tuple[str, str]] = ()
    prompts: Sequence[str] = ()
    phrases: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.phrases = list(dict.fromkeys((part, part.casefold()) for part in _phrases(self.prompts)))


def _phrases(prompts: Iterable[str]) -> Iterable[str]:
    for prompt in prompts:
        for part in re.split(r"[,\n]", prompt):
            words = part.strip()
            if 4 <= len(words) <= 60 and not re.search(r"[(){}\[\]|<>]|__", words):
                yield words


def offers(text: str, position: int, known: Known) -> list[Offer]:
    """At most ``MOST``, best first, for the cursor at ``position``; none in the middle of a word."""
    if position < len(text) and (text[position].isalnum() or text[position] == "_"):
        return []
    before = text[:position]
    opened = _OPENED.search(before)
    if opened is not None and opened["wildcard"] is not None:
        return _named("wildcard", known.wildcards, opened["wildcard"], opened.start(), "__{}__")
    if opened is not None:
        return _named("lora", known.loras, opened["lora"] or "", opened.start(), "<lora:{}:1>")
    phrase = _PHRASE.search(before)
    words = phrase[0].lstrip() if phrase is not None else ""
    return _worded(before, words, position - len(words), known) if len(words.strip()) >= _LEAST else []


def _named(kind: str, names: Sequence[str], typed: str, start: int, pattern: str) -> list[Offer]:
    wanted = typed.casefold()
    near = [name for name in names if wanted in name.casefold()]
    near.sort(key=lambda name: (not name.casefold().startswith(wanted), name.casefold()))
    return [Offer(kind, pattern.format(name), start) for name in near[:MOST]]


def _worded(before: str, typed: str, start: int, known: Known) -> list[Offer]:
    """Whole earlier prompts that begin alike, then known words, then parts of earlier prompts."""
    found: dict[str, Offer] = {}
    whole, wanted = before.lstrip().casefold(), typed.casefold()
    for prompt in known.prompts:
        if len(found) < 3 and prompt.casefold().startswith(whole) and len(prompt) > len(whole):
            found.setdefault(prompt, Offer("prompt", prompt, len(before) - len(before.lstrip())))
    for word, note in known.words:
        if word.casefold().startswith(wanted) and word.casefold() != wanted:
            found.setdefault(word, Offer("word", word, start, note))
    for phrase, folded in known.phrases:
        if len(found) >= MOST:
            break
        if folded.startswith(wanted) and folded != wanted:
            found.setdefault(phrase, Offer("phrase", phrase, start))
    return list(found.values())[:MOST]
