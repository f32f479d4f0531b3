"""Alternatives and wildcards in a prompt: ``{a|b}``, ``{3::a|b}``, ``{2$$a|b|c}``, ``__name__``, all of them nested.

It is the syntax of the Dynamic Prompts extension that most people know. The library of that name (dynamicprompts, MIT)
was tried and not taken: it raises on unbalanced braces and on wildcards that call themselves, eats the braces of JSON
prompts and of escapes, and drops everything after a ``#``. Here any text has a meaning: braces without a partner, and
pairs without a bar in them, are plain text. Nothing recurses while reading: nesting costs what its length costs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"(?P<escaped>\\[{}|_])|(?P<open>\{)|(?P<close>\})|(?P<bar>\|)|"
    r"(?P<wildcard>__(?P<name>(?:[^\W_]|\*)[\w*/.\-]{0,199}?)__(?!_))|[^\\{}|_]+|.",
    re.DOTALL,
)
_HEAD = re.compile(r"\s*(?P<low>\d{0,4})(?P<dash>-?)(?P<high>\d{0,4})\$\$(?:(?P<joiner>[^{}|$]{0,100})\$\$)?")
_WEIGHT = re.compile(r"\s*(?P<weight>\d{1,6}(?:\.\d{1,6})?)::")

JOINER = ", "
DEEPEST = 50
"""Alternatives inside alternatives go no deeper."""


@dataclass(frozen=True, slots=True)
class Wildcard:
    """One of a file's lines stands here."""

    name: str


@dataclass(frozen=True, slots=True)
class Option:
    """One alternative, ``weight`` times as likely as one of weight 1."""

    nodes: tuple[Node, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Choice:
    """``low`` to ``high`` of the options stand here, each at most once, with ``joiner`` between them."""

    options: tuple[Option, ...]
    low: int = 1
    high: int = 1
    joiner: str = JOINER


Node = str | Wildcard | Choice


@dataclass
class _Frame:
    """A choice that is being read."""

    low: int = 1
    high: int = 1
    joiner: str = JOINER
    options: list[Option] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt as read; ``deepest`` is how deep its alternatives are nested, ``loose`` where braces stand alone."""

    nodes: tuple[Node, ...]
    deepest: int = 0
    loose: tuple[int, ...] = ()

    @property
    def dynamic(self) -> bool:
        """Whether it can come out in more than one way."""
        return any(not isinstance(node, str) for node in self.nodes)


def read(text: str) -> Template:
    """Read any text."""
    tokens = list(_TOKEN.finditer(text))
    heads, closes, deepest, loose = _choices(text, tokens)
    stack = [_Frame()]
    skip = 0
    for token in tokens:
        at = token.start()
        if token.end() <= skip:
            continue
        if at in heads:
            stack.append(_headed(heads[at]))
            skip = heads[at].end() if heads[at] is not None else 0  # type: ignore[union-attr]
        elif at in closes:
            _end_option(stack[-1])
            done = stack.pop()
            stack[-1].nodes.append(Choice(tuple(done.options), done.low, done.high, done.joiner))
        elif token["bar"] and len(stack) > 1:
            _end_option(stack[-1])
        elif token["wildcard"]:
            stack[-1].nodes.append(Wildcard(token["name"]))
        else:
            stack[-1].nodes.append(token[0][1:] if token["escaped"] else text[max(at, skip) : token.end()])
    return Template(_joined(stack[0].nodes), deepest, loose)


def _choices(
    text: str, tokens: list[re.Match[str]]
) -> tuple[dict[int, re.Match[str] | None], set[int], int, tuple[int, ...]]:
    """Where choices begin (with their head, if there is one) and end, how deep they go, and braces without partner."""
    heads: dict[int, re.Match[str] | None] = {}
    closes: set[int] = set()
    loose: list[int] = []
    waiting: list[tuple[int, bool, int]] = []  # where, whether it is a choice, how deep the choices in it go
    deepest = 0
    for token in tokens:
        at = token.start()
        if token["open"]:
            waiting.append((at, _HEAD.match(text, at + 1) is not None, 0))
        elif token["bar"] and waiting:
            start, _, depth = waiting[-1]
            waiting[-1] = (start, True, depth)
        elif token["close"] and not waiting:
            loose.append(at)
        elif token["close"]:
            start, chosen, depth = waiting.pop()
            if chosen:
                depth += 1
                heads[start] = _HEAD.match(text, start + 1)
                closes.add(at)
                deepest = max(deepest, depth)
            if waiting:
                outer, is_choice, inside = waiting[-1]
                waiting[-1] = (outer, is_choice, max(inside, depth))
    return heads, closes, deepest, tuple(sorted(loose + [start for start, _, _ in waiting]))


def _headed(head: re.Match[str] | None) -> _Frame:
    if head is None:
        return _Frame()
    low = int(head["low"] or (0 if head["dash"] else 1))
    high = int(head["high"]) if head["high"] else 10_000 if head["dash"] else low
    return _Frame(min(low, high), max(low, high), JOINER if head["joiner"] is None else head["joiner"])


def _end_option(frame: _Frame) -> None:
    """What was read since the last bar is an option; ``3::`` before it is its weight."""
    weight = 1.0
    nodes = _joined(frame.nodes)
    if nodes and isinstance(nodes[0], str) and (found := _WEIGHT.match(nodes[0])):
        weight = float(found["weight"])
        nodes = (nodes[0][found.end() :], *nodes[1:])
    frame.options.append(Option(nodes, weight))
    frame.nodes = []


def _joined(nodes: list[Node]) -> tuple[Node, ...]:
    """Neighbouring words as one."""
    found: list[Node] = []
    words: list[str] = []
    for node in nodes:
        if isinstance(node, str):
            words.append(node)
            continue
        if words:
            found.append("".join(words))
            words = []
        found.append(node)
    return (*found, "".join(words)) if words else tuple(found)


# -- LoRAs in a prompt -----------------------------------------------------------------------------------------------

_LORA = re.compile(r"\s*<(?:lora|lyco):(?P<name>[^<>:]{1,300})(?::(?P<weight>[^<>:]{0,30}))?(?::[^<>]{0,100})?>", re.I)


def loras(text: str) -> tuple[str, list[tuple[str, str]]]:
    """``text`` without its ``<lora:name:0.8>``, and their names and weights as they were written ("" : none)."""
    found = [(match["name"].strip(), (match["weight"] or "").strip()) for match in _LORA.finditer(text)]
    return (_LORA.sub("", text).strip() if found else text), found
