"""What a file's own metadata says: words of its makers, used as names and hints, never to decide what it is.

Two conventions are in use: ModelSpec (``modelspec.title``, https://github.com/Stability-AI/ModelSpec) and what kohya's
trainer writes (``ss_base_model_version``, ``ss_tag_frequency``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

_LONGEST = 200
"""Characters of a word from a file that are shown."""
_TRIGGERS = 8


class Words(msgspec.Struct, frozen=True):
    """``trigger`` are words that call a LoRA's subject, ``base`` the model it was trained on."""

    title: str = ""
    trigger: tuple[str, ...] = ()
    base: str = ""


def words_of(metadata: Mapping[str, str]) -> Words:
    """Title, trigger words and base of a file; empty where it says nothing."""
    return Words(
        title=_first(metadata, "modelspec.title", "ss_output_name", "name", "general.name"),
        trigger=_triggers(metadata),
        base=_first(
            metadata,
            "ss_sd_model_name",
            "modelspec.base_model",
            "ss_base_model_version",
            "modelspec.architecture",
            "general.basename",
            "sd_checkpoint_name",
        ),
    )


def prediction_of(metadata: Mapping[str, str]) -> str:
    """How the model predicts, "epsilon" or "v", where its metadata says so."""
    return metadata.get("modelspec.prediction_type", "").strip().lower()


def resolution_of(metadata: Mapping[str, str]) -> tuple[int, int]:
    """Width and height in pixels the file was made for; zeros where it does not say or is not to be believed."""
    sides = metadata.get("modelspec.resolution", "").lower().split("x")
    if not all(side.isdecimal() and len(side) < 6 for side in sides) or not 1 <= len(sides) <= 2:
        return 0, 0
    width, height = int(sides[0]), int(sides[-1])
    return (width, height) if 64 <= min(width, height) <= max(width, height) <= 4096 else (0, 0)


def _first(metadata: Mapping[str, str], *names: str) -> str:
    found = (metadata.get(name, "").strip() for name in names)
    return next((value[:_LONGEST] for value in found if value and value.lower() != "none"), "")


def _triggers(metadata: Mapping[str, str]) -> tuple[str, ...]:
    stated = _first(metadata, "modelspec.trigger_phrase", "trigger_word", "instance_prompt", "ss_trigger_words")
    if stated:
        return tuple(word.strip() for word in stated.split(",") if word.strip())[:_TRIGGERS]
    return _most_frequent(metadata.get("ss_tag_frequency", ""))


def _most_frequent(text: str) -> tuple[str, ...]:
    """Tags that every picture of a training set had: what its captions called the subject."""
    try:
        sets = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return ()
    found: list[str] = []
    for tags in sets.values() if isinstance(sets, dict) else ():
        counts = [count for count in tags.values() if isinstance(count, int)] if isinstance(tags, dict) else []
        if counts and max(counts) > 1:
            found += [tag.strip() for tag, count in tags.items() if count == max(counts)][:2]
    return tuple(dict.fromkeys(word[:_LONGEST] for word in found if word))[:_TRIGGERS]
