"""Styles: words that go around a prompt. ``{prompt}`` says where it stands; without it the words are put behind.

Read and written as other programs do: the A1111 web UI's ``styles.csv`` and Fooocus' ``sdxl_styles`` JSON. Those of the
user lie in one file in the data folder; a few come with Atelier and can be replaced or put away.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from app.files import write_atomically
from app.prompting.expand import PromptError

HERE = "{prompt}"
LARGEST = 20_000_000
_LONGEST = 20_000


class Style(msgspec.Struct, frozen=True):
    """``own`` is false for those that come with Atelier."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""
    own: bool = True


class _File(msgspec.Struct):
    styles: list[Style] = []
    away: list[str] = []


class Styles:
    """All styles. Any thread; a style is found by its name in any capitals."""

    def __init__(self, file: Path, brought: Path | None = None) -> None:
        self._file = file
        self._brought = brought

    def all(self) -> list[Style]:
        """The user's and those that come with Atelier, by name."""
        kept = self._kept()
        mine = {style.name.casefold() for style in kept.styles} | {name.casefold() for name in kept.away}
        both = kept.styles + [style for style in self._given() if style.name.casefold() not in mine]
        return sorted(both, key=lambda style: style.name.casefold())

    def find(self, names: Iterable[str]) -> list[Style]:
        """The styles of these names, in their order. Raises PromptError."""
        known = {style.name.casefold(): style for style in self.all()}
        found = []
        for name in names:
            style = known.get(name.strip().casefold())
            if style is None:
                near = difflib.get_close_matches(name.casefold(), known, n=1)
                hint = f" Did you mean “{known[near[0]].name}”?" if near else ""
                raise PromptError(f"There is no style called “{name}”.{hint}")
            found.append(style)
        return found

    def save(self, style: Style, old: str = "") -> None:
        """Add or replace; ``old`` is the name it had before. Raises PromptError for one without a name, OSError."""
        name = " ".join(style.name.split())
        if not name or len(name) > 120:
            raise PromptError("A style needs a name of at most 120 characters.")
        kept = self._kept()
        gone = {name.casefold(), old.casefold()}
        others = [each for each in kept.styles if each.name.casefold() not in gone]
        away = [each for each in kept.away if each.casefold() != name.casefold()]
        fresh = Style(name, style.prompt.strip()[:_LONGEST], style.negative_prompt.strip()[:_LONGEST])
        self._write(_File([*others, fresh], away))

    def remove(self, name: str) -> Style:
        """Take away; one that comes with Atelier is put away. Raises PromptError, OSError."""
        style = self.find([name])[0]
        kept = self._kept()
        others = [each for each in kept.styles if each.name.casefold() != style.name.casefold()]
        given = any(each.name.casefold() == style.name.casefold() for each in self._given())
        self._write(_File(others, [*kept.away, style.name] if given else kept.away))
        return style

    def take_in(self, source: Path) -> list[str]:
        """Styles of a ``.csv`` or ``.json`` file; their names. Those of the same name are replaced.

        Raises PromptError for a file that holds none, OSError.
        """
        found = read(source)
        kept = self._kept()
        fresh = {style.name.casefold(): style for style in found}
        others = [each for each in kept.styles if each.name.casefold() not in fresh]
        away = [name for name in kept.away if name.casefold() not in fresh]
        self._write(_File([*others, *fresh.values()], away))
        return [style.name for style in fresh.values()]

    def export(self, target: Path, names: Sequence[str] = ()) -> int:
        """Write styles (all, or these) as ``.csv`` or ``.json``, whichever ``target`` ends in; how many."""
        styles = self.find(names) if names else self.all()
        if target.suffix.lower() == ".csv":
            out = io.StringIO(newline="")
            writer = csv.writer(out)
            writer.writerow(["name", "prompt", "negative_prompt"])
            writer.writerows([style.name, style.prompt, style.negative_prompt] for style in styles)
            write_atomically(target, out.getvalue().encode("utf-8-sig"))
        else:
            plain = [{"name": s.name, "prompt": s.prompt, "negative_prompt": s.negative_prompt} for s in styles]
            write_atomically(target, json.dumps(plain, ensure_ascii=False, indent=2).encode())
        return len(styles)

    def _kept(self) -> _File:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_File)
        except FileNotFoundError:
            return _File()
        except msgspec.MsgspecError:
            aside = self._file.with_suffix(".damaged.json")
            self._file.replace(aside)
            return _File()

    def _given(self) -> list[Style]:
        if self._brought is None or not self._brought.is_file():
            return []
        return [msgspec.structs.replace(style, own=False) for style in read(self._brought)]

    def _write(self, kept: _File) -> None:
        write_atomically(self._file, msgspec.json.format(msgspec.json.encode(kept)))


def apply(styles: Sequence[Style], prompt: str, negative: str) -> tuple[str, str]:
    """Both prompts with ``styles`` around them, the first one innermost."""
    for style in styles:
        prompt, negative = _around(prompt, style.prompt), _around(negative, style.negative_prompt)
    return prompt, negative


def _around(text: str, style: str) -> str:
    if HERE in style:
        return style.replace(HERE, text.strip()).strip().strip(",").strip()
    return ", ".join(part for part in (text.strip().rstrip(","), style.strip().strip(",").strip()) if part)


def read(source: Path) -> list[Style]:
    """The styles in a file of another program. Raises PromptError, OSError."""
    source = source.expanduser()
    if source.stat().st_size > LARGEST:
        raise PromptError(f"{source.name} is too large: {LARGEST // 1_000_000} MB are the most.")
    data = source.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    try:
        rows = _rows_of_csv(text) if source.suffix.lower() == ".csv" else _rows_of_json(json.loads(text))
    except (ValueError, csv.Error, RecursionError) as error:
        raise PromptError(f"{source.name} cannot be read as styles: {error}.") from error
    found = [style for row in rows if (style := _style(row)) is not None]
    if not found:
        raise PromptError(f"{source.name} holds no styles (each needs a name and words).")
    return found


def _rows_of_csv(text: str) -> list[dict[str, Any]]:
    text = text.replace("\0", "")
    first = text.split("\n", 1)[0]
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ",")
    if not rows.fieldnames or "name" not in [str(name).strip().lower() for name in rows.fieldnames]:
        raise ValueError("its first line does not name the columns name, prompt, negative_prompt")
    return [{str(key).strip().lower(): value for key, value in row.items()} for row in rows]


def _rows_of_json(tree: Any) -> list[dict[str, Any]]:
    """A list of styles (Fooocus, SD.Next), one style, or styles by their names."""
    if isinstance(tree, dict):
        if isinstance(tree.get("styles"), list):
            tree = tree["styles"]
        elif "name" in tree:
            tree = [tree]
        else:
            tree = [{"name": key, **value} for key, value in tree.items() if isinstance(value, dict)]
    return [row for row in tree if isinstance(row, dict)] if isinstance(tree, list) else []


def _style(row: dict[str, Any]) -> Style | None:
    """One style of any of the programs; None for a line that is only there to part others."""

    def words(*names: str) -> str:
        found = next((row[name] for name in names if isinstance(row.get(name), str)), "")
        return found.strip()[:_LONGEST]

    name = " ".join(words("name").split())[:120]
    prompt, negative = words("prompt", "text"), words("negative_prompt", "negative", "negative prompt")
    return Style(name, prompt, negative) if name and (prompt or negative) else None
