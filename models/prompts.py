"""The weighting syntax of prompts, read into pieces: ``(word)``, ``(word:1.2)``, ``[word]``, ``\\(`` and ``BREAK``.

It is the syntax of the A1111 web UI, which most people know: round brackets make words count 1.1 times as much, square
ones 1.1 times less, a number after a colon says how much; nested brackets multiply. A bracket without a partner is
plain text. Nothing here raises or recurses, whatever the text: hostile nesting costs what its length costs.

Form, command line and worker all read prompts through here. Compel (MIT) was looked at and not taken: its syntax is
another one (``word++``), so that this parser would have been needed all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

STRONGER = 1.1
"""What a pair of brackets multiplies or divides by."""
MOST = 10.0
"""Weights are held between -MOST and MOST; beyond that there is only noise."""

WEIGHED = re.compile(r"(StableDiffusion(?!3|InstructPix2Pix)|LatentConsistencyModel)")
"""Pipeline classes whose words go through CLIP text encoders token by token."""

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"
_TOKEN = re.compile(
    rf"(?P<escaped>\\[\\()\[\]{{}}|])|(?P<open>[(\[])|(?P<number>:\s*(?P<value>{_NUMBER})\s*\))|(?P<close>[)\]])|"
    r"(?P<break>\bBREAK\b)|[^\\()\[\]:B]+|.",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Words that count alike; 1 is as written, 0 is nothing, below 0 is against them."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Parsed:
    """A prompt as pieces. ``parts`` are what lies between ``BREAK``s; ``loose`` are the positions of brackets without a
    partner; ``text`` is all of it without its syntax."""

    parts: tuple[tuple[Piece, ...], ...]
    loose: tuple[int, ...] = ()

    @property
    def weighted(self) -> bool:
        return any(piece.weight != 1.0 for part in self.parts for piece in part)

    @property
    def text(self) -> str:
        return " ".join("".join(piece.text for piece in part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Bracket:
    """One pair: where it opens and where it closes (the end of ``:1.2)``), and what it multiplies by. ``number`` is
    where the colon stands, -1 without one."""

    start: int
    end: int
    factor: float
    number: int = -1


def parse(text: str) -> Parsed:
    """Read ``text``; any text has a meaning."""
    tokens = list(_TOKEN.finditer(text))
    found, loose = _matched(tokens)
    opens = {bracket.start: bracket for bracket in found}
    closes = {bracket.number if bracket.number >= 0 else bracket.end - 1: bracket for bracket in found}
    parts: list[list[tuple[list[str], float]]] = [[]]
    weights = [1.0]
    for token in tokens:
        at = token.start()
        if token["open"] and at in opens:
            weights.append(max(-1e6, min(1e6, weights[-1] * opens[at].factor)))
        elif at in closes and (token["close"] or token["number"]):
            weights.pop()
        elif token["break"]:
            parts.append([])
        else:
            _add(parts[-1], token[0][1:] if token["escaped"] else token[0], max(-MOST, min(MOST, weights[-1])))
    return Parsed(tuple(tuple(Piece("".join(words), weight) for words, weight in part) for part in parts), loose)


def _add(part: list[tuple[list[str], float]], words: str, weight: float) -> None:
    """Neighbours of one weight stand together."""
    if part and part[-1][1] == weight:
        part[-1][0].append(words)
    else:
        part.append(([words], weight))


def brackets(text: str) -> list[Bracket]:
    """Every pair of brackets, inner ones before those around them."""
    return _matched(list(_TOKEN.finditer(text)))[0]


def loose(text: str) -> tuple[int, ...]:
    """Where brackets without a partner stand."""
    return _matched(list(_TOKEN.finditer(text)))[1]


def _matched(tokens: list[re.Match[str]]) -> tuple[list[Bracket], tuple[int, ...]]:
    """Pairs, and the positions of what has no partner. ``( [ )`` leaves the square one alone."""
    waiting: list[tuple[str, int]] = []
    round_ones = square_ones = 0
    pairs, alone = [], []
    for token in tokens:
        if token["open"]:
            waiting.append((token["open"], token.start()))
            round_ones, square_ones = _count(token["open"], 1, round_ones, square_ones)
            continue
        closes = token["close"] or (")" if token["number"] else "")
        if not closes:
            continue
        opened = "(" if closes == ")" else "["
        if not (round_ones if opened == "(" else square_ones):
            alone.append(token.end() - 1)
            continue
        while waiting[-1][0] != opened:
            kind, at = waiting.pop()
            alone.append(at)
            round_ones, square_ones = _count(kind, -1, round_ones, square_ones)
        _, start = waiting.pop()
        round_ones, square_ones = _count(opened, -1, round_ones, square_ones)
        number = token.start() if token["number"] else -1
        factor = float(token["value"]) if token["number"] else STRONGER if opened == "(" else 1 / STRONGER
        pairs.append(Bracket(start, token.end(), factor, number))
    return pairs, tuple(sorted(alone + [at for _, at in waiting]))


def _count(kind: str, step: int, round_ones: int, square_ones: int) -> tuple[int, int]:
    return (round_ones + step, square_ones) if kind == "(" else (round_ones, square_ones + step)


def weighs(pipeline: str) -> bool:
    """Whether brackets mean something to pipelines of this class."""
    return WEIGHED.match(pipeline) is not None


_STEPPED = re.compile(
    rf"\[[^\[\]]{{0,500}}:\s*{_NUMBER}\s*\]|\[[^\[\]|]{{1,200}}\|[^\[\]]{{1,200}}\]|(?:^|\s)AND(?=\s)"
)


def unread(text: str) -> str:
    """Syntax of other programs in ``text`` that is read as plain words here: prompts that change from step to step
    (``[from:to:0.5]``, ``[a|b]``) and ``AND``. The first such place; empty if there is none."""
    found = _STEPPED.search(text)
    return found[0].strip() if found is not None else ""


def unweighted(text: str) -> str:
    """``text`` for a model that cannot weigh words: ``(word:1.2)`` becomes ``word``, since nobody wants the number in
    the picture. Brackets without a number are common punctuation and stay."""
    numbered = [bracket for bracket in brackets(text) if bracket.number >= 0]
    if not numbered:
        return text
    out = {bracket.start: bracket.start + 1 for bracket in numbered}
    out |= {bracket.number: bracket.end for bracket in numbered}
    kept, at = [], 0
    for start in sorted(out):
        kept.append(text[at:start])
        at = out[start]
    return "".join([*kept, text[at:]])


# -- changing weights, as an editor does -----------------------------------------------------------------------------

_WORD = re.compile(r"[^\s,()\[\]{}|:<>]+")


def reweigh(text: str, start: int, end: int, by: float) -> tuple[str, int, int]:
    """``text`` with the weight of what is selected changed by ``by``, and the new selection.

    Without a selection the brackets around the cursor count, or else the word at it. A weight of 1 takes the brackets
    away again. Nothing to weigh: all stays as it was.
    """
    around = _around(text, start, end)
    if around is not None:
        inside = text[around.start + 1 : around.number if around.number >= 0 else around.end - 1]
        return _weighed(text, around.start, around.end, inside, around.factor + by)
    if start == end:
        word = next((m for m in _WORD.finditer(text) if m.start() <= start <= m.end()), None)
        if word is None:
            return text, start, end
        start, end = word.span()
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start == end:
        return text, start, end
    return _weighed(text, start, end, text[start:end], 1.0 + by)


def _around(text: str, start: int, end: int) -> Bracket | None:
    """The innermost pair that holds the cursor, or the one whose inside (or whole) is just what is selected."""
    for bracket in brackets(text):
        closing = bracket.number if bracket.number >= 0 else bracket.end - 1
        if start == end and bracket.start < start < bracket.end:
            return bracket
        if (start, end) in ((bracket.start, bracket.end), (bracket.start + 1, closing)):
            return bracket
    return None


def _weighed(text: str, start: int, end: int, inside: str, weight: float) -> tuple[str, int, int]:
    weight = round(max(0.0, min(MOST, weight)), 2)
    words = inside if weight == 1.0 else f"({inside}:{weight:g})"
    first = start if weight == 1.0 else start + 1
    return text[:start] + words + text[end:], first, first + len(inside)


def spans(text: str) -> list[tuple[int, int, float]]:
    """Stretches of ``text`` (start, end, weight) that do not weigh 1, for a highlighter."""
    edges: dict[int, float] = {0: 1.0}
    steps: list[tuple[int, float, int]] = []
    for bracket in brackets(text):
        steps += [(bracket.start, bracket.factor, 1), (bracket.end, bracket.factor, -1)]
    weights = [1.0]
    for at, factor, step in sorted(steps, key=lambda each: (each[0], each[2])):
        if step > 0:
            weights.append(max(-1e6, min(1e6, weights[-1] * factor)))
        elif len(weights) > 1:
            weights.pop()
        edges[at] = weights[-1]
    marks = [*sorted(edges.items()), (len(text), 1.0)]
    return [(a, b, max(-MOST, min(MOST, weight))) for (a, weight), (b, _) in pairwise(marks) if a < b and weight != 1.0]
