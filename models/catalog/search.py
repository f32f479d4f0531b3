"""Search as you type: every word must be found, the best match comes first.

The index is built once over all entries: each word of an entry with how much it says about it. A query's words are
starts of words ("lum" finds Lumina); case and accents do not matter. If a word is found nowhere, words one slip away
are tried (a letter too many, too few, wrong or swapped): all slips of the typed word are looked up, a few hundred
binary searches, which is quicker than measuring the distance to every known word and needs no library for it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from models.catalog.entry import CatalogEntry, Role, Use
from models.families import family_title

NAME, ID, FAMILY, ROLE, TAG, REPO, AUTHOR, LICENCE, SUMMARY = 12, 12, 5, 5, 4, 3, 2, 2, 1
"""How much it says that a word stands in a field."""
WHOLE = 2
"""A whole word counts so many times what its start counts."""
LONGEST = 400
"""Characters of a query that are looked at; a whole page that was pasted must not hold up the window."""
LONGEST_SLIP = 40
"""Letters; no word of the catalog is longer, and the ways to mistype one grow with its length."""
SHORTEST_SLIP = 4
"""Letters; shorter words are taken as they are typed."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_WORD = re.compile(r"[^\W_]+")
_PARTS = re.compile(r"[^\W\d_]+|\d+")

ROLE_WORDS: dict[Role, str] = {
    Role.TEXT_TO_IMAGE: "text to image generate create txt2img",
    Role.EDIT: "edit editing change instruction img2img",
    Role.INPAINT: "inpaint inpainting outpaint outpainting fill repaint extend",
    Role.CONTROLNET: "controlnet control net guide",
    Role.IP_ADAPTER: "ip-adapter ipadapter reference style",
    Role.LORA: "lora style add-on",
    Role.VAE: "vae autoencoder decoder",
    Role.PREVIEW: "preview taesd decoder",
    Role.UPSCALER: "upscaler upscale upscaling enlarge super resolution",
    Role.EMBEDDING: "embedding textual inversion negative",
    Role.TEXT_ENCODER: "text encoder",
    Role.DEPTH: "depth distance",
    Role.BACKGROUND: "background removal remove cut-out matting",
    Role.CAPTION: "caption captioning describe description",
    Role.SEGMENTATION: "segmentation segment mask select",
    Role.NORMALS: "normals normal map surface",
    Role.POSE: "pose poses openpose skeleton people joints",
    Role.DETECTION: "detection detect detector find objects people",
}


USE_WORDS: dict[Use, str] = {
    Use.COMMERCIAL: "commercial free open",
    Use.CONDITIONS: "conditions limits",
    Use.OUTPUTS: "outputs",
    Use.RESEARCH: "research",
    Use.UNKNOWN: "",
}


class Filter(msgspec.Struct, frozen=True):
    """What of an entry itself can be chosen by; empty means everything. ``max_bytes`` is of the download."""

    roles: frozenset[Role] = frozenset()
    uses: frozenset[Use] = frozenset()
    families: frozenset[str] = frozenset()
    max_bytes: int = 0

    def takes(self, entry: CatalogEntry) -> bool:
        return (
            (not self.roles or not self.roles.isdisjoint((entry.role, *entry.also)))
            and (not self.uses or entry.licence.use in self.uses)
            and (not self.families or not self.families.isdisjoint((entry.family, *entry.fits)))
            and (not self.max_bytes or 0 < entry.download_bytes <= self.max_bytes)
        )


def only(entries: Iterable[CatalogEntry], wanted: Filter) -> list[CatalogEntry]:
    """The entries that ``wanted`` takes, in their order."""
    return [entry for entry in entries if wanted.takes(entry)]


def fold(text: str) -> str:
    """Lower case without accents, so that "Zürich" and "zurich" are the same."""
    if text.isascii():
        return text.lower()
    split = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in split if not unicodedata.combining(letter))


def words(text: str) -> Iterator[str]:
    """The words of a text, and those of their parts that are letters or digits only ("sd15" also gives "sd", "15")."""
    for word in _WORD.findall(fold(text)):
        yield word
        parts = _PARTS.findall(word)
        if len(parts) > 1:
            yield from parts


class Index:
    """Entries, ready to be searched. Order of ``entries`` decides between equal matches."""

    def __init__(self, entries: Sequence[CatalogEntry]) -> None:
        self._entries = tuple(entries)
        self._found: dict[str, dict[int, int]] = {}
        for number, entry in enumerate(self._entries):
            for word, weight in _weights(entry).items():
                self._found.setdefault(word, {})[number] = weight
        self._words = sorted(self._found)
        self._short: dict[str, dict[int, int]] = {}

    def search(self, query: str) -> list[CatalogEntry]:
        """The entries in which every word of ``query`` is found, best first; all of them for an empty query."""
        typed = list(dict.fromkeys(_WORD.findall(fold(query[:LONGEST]))))
        if not typed:
            return list(self._entries)
        total: dict[int, int] | None = None
        for word in sorted(typed, key=len, reverse=True):  # long words are rare: the rest has less to look at
            total = _both(total, self._matches(word))
            if not total:
                return []
        scores = total or {}
        ranked = sorted(scores)
        ranked.sort(key=scores.__getitem__, reverse=True)
        return [self._entries[number] for number in ranked]

    def _matches(self, word: str) -> dict[int, int]:
        """Entries by number with how well ``word`` describes them."""
        return self._starting(word) or self._slipped(word)

    def _starting(self, start: str) -> dict[int, int]:
        if len(start) > 2:
            return self._gather(start)
        if start not in self._short:  # many words begin so: the answer is kept
            self._short[start] = self._gather(start)
        return self._short[start]

    def _gather(self, start: str) -> dict[int, int]:
        best: dict[int, int] = {}
        for word in self._words_with(start):
            factor = WHOLE if word == start else 1
            for number, weight in self._found[word].items():
                if best.get(number, 0) < weight * factor:
                    best[number] = weight * factor
        return best

    def _words_with(self, start: str) -> Sequence[str]:
        begin = bisect_left(self._words, start)
        end = bisect_left(self._words, start + "\U0010ffff", begin)
        return self._words[begin:end]

    def _slipped(self, word: str) -> dict[int, int]:
        best: dict[int, int] = {}
        if not SHORTEST_SLIP <= len(word) <= LONGEST_SLIP:
            return best
        for slip in _slips(word):
            begin = bisect_left(self._words, slip)
            if begin < len(self._words) and self._words[begin].startswith(slip):
                for number, weight in self._gather(slip).items():
                    if best.get(number, 0) < weight:
                        best[number] = weight
        return best


def _weights(entry: CatalogEntry) -> dict[str, int]:
    roles = " ".join(ROLE_WORDS[role] for role in (entry.role, *entry.also))
    fields: tuple[tuple[int, str], ...] = (
        (SUMMARY, entry.summary),
        (LICENCE, f"{entry.licence.name} {USE_WORDS[entry.licence.use]}"),
        (AUTHOR, entry.authors),
        (REPO, entry.repo),
        (TAG, " ".join((*entry.tags, *entry.trigger))),
        (ROLE, roles),
        (FAMILY, " ".join((family_title(entry.family), *(family_title(name) for name in entry.fits)))),
        (ID, entry.id),
        (NAME, entry.name),
    )
    found: dict[str, int] = {}
    for weight, text in fields:
        for word in words(text):
            found[word] = max(found.get(word, 0), weight)
    return found


def _both(total: dict[int, int] | None, more: dict[int, int]) -> dict[int, int]:
    if total is None:
        return more
    return {number: score + more[number] for number, score in total.items() if number in more}


def _slips(word: str) -> Collection[str]:
    """All spellings one slip away from ``word``. Its first letter is taken as right."""
    spots = range(1, len(word))
    dropped = (word[:at] + word[at + 1 :] for at in spots)
    swapped = (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in spots[:-1])
    wrong = (word[:at] + letter + word[at + 1 :] for at in spots for letter in _LETTERS)
    added = (word[:at] + letter + word[at:] for at in (*spots, len(word)) for letter in _LETTERS)
    return {*dropped, *swapped, *wrong, *added} - {word}
