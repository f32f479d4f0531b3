"""Presets: values of a model's form under a name, in one file of the data folder; exchanged as one JSON file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from app.files import write_atomically
from app.prompting.expand import PromptError

LARGEST = 20_000_000
LEFT_OUT = frozenset({"seed", "variation_seed", "image", "mask"})
"""Inputs that belong to one picture, not to a way of making pictures."""


class Preset(msgspec.Struct, frozen=True):
    """``inputs`` are values of the form of ``model``; ``styles`` names of styles."""

    name: str
    model: str = ""
    inputs: dict[str, Any] = {}
    styles: list[str] = []


class _File(msgspec.Struct):
    presets: list[Preset] = []


class Presets:
    """All presets. Any thread; found by name in any capitals."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def all(self) -> list[Preset]:
        return sorted(self._kept(), key=lambda preset: preset.name.casefold())

    def find(self, name: str) -> Preset:
        """Raises PromptError, naming what is near."""
        known = {preset.name.casefold(): preset for preset in self._kept()}
        wanted = name.strip().casefold()
        if wanted not in known:
            near = difflib.get_close_matches(wanted, known, n=1)
            hint = f" Did you mean “{known[near[0]].name}”?" if near else ""
            raise PromptError(f"There is no preset called “{name}”.{hint}")
        return known[wanted]

    def save(self, name: str, model: str, inputs: Mapping[str, Any], styles: Sequence[str] = ()) -> Preset:
        """Add or replace. Raises PromptError for one without a name, OSError."""
        plain = {key: value for key, value in inputs.items() if key not in LEFT_OUT and value is not None}
        preset = Preset(_named(name), model, plain, list(styles))
        self._write([each for each in self._kept() if each.name.casefold() != preset.name.casefold()] + [preset])
        return preset

    def rename(self, old: str, new: str) -> Preset:
        """Raises PromptError where ``new`` is no name or already another's, OSError."""
        preset, name = self.find(old), _named(new)
        others = [each for each in self._kept() if each.name.casefold() != preset.name.casefold()]
        if any(each.name.casefold() == name.casefold() for each in others):
            raise PromptError(f"There is already a preset called “{name}”.")
        renamed = msgspec.structs.replace(preset, name=name)
        self._write([*others, renamed])
        return renamed

    def remove(self, name: str) -> Preset:
        preset = self.find(name)
        self._write([each for each in self._kept() if each.name.casefold() != preset.name.casefold()])
        return preset

    def restore(self, preset: Preset) -> None:
        """Undo ``remove``."""
        self._write([each for each in self._kept() if each.name.casefold() != preset.name.casefold()] + [preset])

    def export(self, target: Path, names: Sequence[str] = ()) -> int:
        """Write presets (all, or these) into one file; how many."""
        presets = [self.find(name) for name in names] if names else self.all()
        write_atomically(target, msgspec.json.format(msgspec.json.encode(_File(presets))))
        return len(presets)

    def take_in(self, source: Path) -> list[str]:
        """Presets of an exported file; those of the same name are replaced. Raises PromptError, OSError."""
        source = source.expanduser()
        if source.stat().st_size > LARGEST:
            raise PromptError(f"{source.name} is too large: {LARGEST // 1_000_000} MB are the most.")
        try:
            found = msgspec.json.decode(source.read_bytes(), type=_File).presets
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise PromptError(f"{source.name} cannot be read as presets: {error}.") from error
        named = {preset.name.casefold(): preset for preset in found if preset.name.strip()}
        if not named:
            raise PromptError(f"{source.name} holds no presets.")
        self._write([each for each in self._kept() if each.name.casefold() not in named] + list(named.values()))
        return [preset.name for preset in named.values()]

    def _kept(self) -> list[Preset]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_File).presets
        except FileNotFoundError:
            return []
        except msgspec.MsgspecError:
            self._file.replace(self._file.with_suffix(".damaged.json"))
            return []

    def _write(self, presets: list[Preset]) -> None:
        write_atomically(self._file, msgspec.json.format(msgspec.json.encode(_File(presets))))


def _named(name: str) -> str:
    clean = " ".join(name.split())
    if not clean or len(clean) > 120:
        raise PromptError("A preset needs a name of at most 120 characters.")
    return clean
