"""Wildcards: files of lines in a folder, called ``__name__`` or ``__folder/name__`` in prompts.

``.txt``: a value a line, ``#`` for comments, ``3::red`` is three times as likely. ``.yaml``, ``.yml`` and ``.json``:
lists in keys, called by their keys (``__clothes/hats__``), as the collections that people share have them. ``*`` stands
for any part of a name. The folder of the user comes before the few that Atelier brings.
"""

from __future__ import annotations

import difflib
import fnmatch
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.files import is_text, write_atomically
from app.prompting.expand import PromptError, Value

TYPES = (".txt", ".yaml", ".yml", ".json")
LARGEST = 20_000_000
_LARGEST_TREE = 4_000_000
_MOST_VALUES = 500_000
_WEIGHT = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?)::")
_NAME = re.compile(r"[^\W_][\w\-]*(?:/[^\W_][\w\-]*)*")


@dataclass(frozen=True)
class WildcardFile:
    """One file as the manager lists it. ``names`` are what its values are called by; ``own``: the user's, can be
    changed; ``problem`` is a sentence."""

    name: str
    path: Path
    own: bool
    names: tuple[str, ...]
    count: int
    problem: str = ""


class Wildcards:
    """All wildcards. Any thread; files are read again when they have changed."""

    def __init__(self, folder: Path, brought: Path | None = None) -> None:
        self.folder = folder
        self._brought = brought
        self._lock = threading.Lock()
        self._read: dict[Path, tuple[tuple[int, int], dict[str, tuple[Value, ...]], str]] = {}

    # -- asking --

    def files(self) -> list[WildcardFile]:
        """Every file, the user's first, by name."""
        found = []
        roots = [(self.folder, True), *([(self._brought, False)] if self._brought is not None else [])]
        for root, own in roots:
            for path in _paths(root):
                values, problem = self._values_in(root, path)
                name = path.relative_to(root).with_suffix("").as_posix()
                count = sum(map(len, values.values()))
                found.append(WildcardFile(name, path, own, tuple(sorted(values)), count, problem))
        mine = {file.name.casefold() for file in found if file.own}
        return [file for file in found if file.own or file.name.casefold() not in mine]

    def names(self) -> list[str]:
        """What can be called, sorted."""
        return sorted({name for file in self.files() for name in file.names}, key=str.casefold)

    def values(self, name: str) -> Sequence[Value]:
        """The lines of ``__name__``. Raises PromptError with a sentence that names what is near."""
        return self.lookup()(name)

    def lookup(self) -> Callable[[str], Sequence[Value]]:
        """``values`` for many questions: the folder is looked through once."""
        table: dict[str, tuple[Value, ...]] = {}
        broken: dict[str, str] = {}
        for file in reversed(self.files()):  # the user's count before others of the same name
            values, problem = self._values_in(self._root(file.own), file.path)
            table |= {each.casefold(): lines for each, lines in values.items()}
            broken |= {file.name.casefold(): problem} if problem else {}
        return lambda name: _found(name, table, broken)

    def _root(self, own: bool) -> Path:
        return self.folder if own or self._brought is None else self._brought

    def text(self, name: str) -> str:
        """A file as it is written. Raises PromptError."""
        return _text(self._file(name).path)

    def _file(self, name: str) -> WildcardFile:
        wanted = name.strip("_").casefold()
        found = next((file for file in self.files() if file.name.casefold() == wanted), None)
        if found is None:
            near = difflib.get_close_matches(wanted, [file.name.casefold() for file in self.files()], n=1)
            hint = f" Did you mean “{near[0]}”?" if near else ""
            raise PromptError(f"There is no wildcard file called “{name}”.{hint}")
        return found

    # -- changing --

    def save(self, name: str, text: str) -> WildcardFile:
        """Write the file ``name`` (with ``/`` for folders) anew. Raises PromptError for a name that cannot be called;
        OSError."""
        clean = name.strip().strip("_").replace(" ", "-")
        if not _NAME.fullmatch(clean) or len(clean) > 150:
            raise PromptError(f"“{name}” cannot be a wildcard's name: use letters, digits, - and /.")
        known = next((file for file in self.files() if file.own and file.name.casefold() == clean.casefold()), None)
        path = known.path if known is not None else self.folder / f"{clean}.txt"
        write_atomically(path, text.encode())
        return self._file(clean)

    def remove(self, name: str) -> tuple[Path, bytes]:
        """Take a file of the user's away; what ``restore`` needs to bring it back. Raises PromptError, OSError."""
        file = self._file(name)
        if not file.own:
            raise PromptError(
                f"“{file.name}” comes with Atelier and stays; a file of yours with that name replaces it."
            )
        data = file.path.read_bytes()
        file.path.unlink()
        return file.path, data

    def restore(self, removed: tuple[Path, bytes]) -> None:
        write_atomically(*removed)

    def take_in(self, source: Path) -> list[str]:
        """Copy a file, or all wildcard files of a folder with its subfolders; their names. Files of the same name are
        replaced. Raises PromptError when there is none, OSError."""
        source = source.expanduser()
        if not source.exists():
            raise PromptError(f"There is no file or folder {source}.")
        root = source if source.is_dir() else source.parent
        taken = []
        for path in _paths(source) if source.is_dir() else [source]:
            if path.suffix.lower() not in TYPES:
                continue
            if path.stat().st_size > LARGEST:
                raise PromptError(f"{path.name} is too large: {LARGEST // 1_000_000} MB are the most.")
            target = self.folder / path.relative_to(root)
            write_atomically(target, path.read_bytes())
            taken.append(target.relative_to(self.folder).with_suffix("").as_posix())
        if not taken:
            raise PromptError(f"{source} holds no wildcards: they are files ending in {', '.join(TYPES)}.")
        return taken

    # -- reading --

    def _values_in(self, root: Path, path: Path) -> tuple[dict[str, tuple[Value, ...]], str]:
        """What a file holds by name, and what is wrong with it."""
        try:
            about = path.stat()
        except OSError as error:
            return {}, os.strerror(error.errno or 0)
        mark = (about.st_mtime_ns, about.st_size)
        with self._lock:
            known = self._read.get(path)
        if known is not None and known[0] == mark:
            return known[1], known[2]
        name = path.relative_to(root).with_suffix("").as_posix()
        try:
            values, problem = _parsed(name, path), ""
        except PromptError as error:
            values, problem = {}, str(error)
        except OSError as error:
            values, problem = {}, os.strerror(error.errno or 0)
        with self._lock:
            self._read[path] = (mark, values, problem)
        return values, problem


def _found(name: str, table: Mapping[str, tuple[Value, ...]], broken: Mapping[str, str]) -> Sequence[Value]:
    wanted = name.casefold().strip("/")
    if wanted in broken:
        raise PromptError(f"The wildcard __{name}__ cannot be read: {broken[wanted]}.")
    keys = fnmatch.filter(sorted(table), wanted) if "*" in wanted else [wanted] if wanted in table else []
    found = [value for key in keys for value in table[key]]
    if found:
        return found
    if keys:
        raise PromptError(f"The wildcard __{name}__ is empty.")
    near = difflib.get_close_matches(wanted, table, n=1)
    hint = f" Did you mean __{near[0]}__?" if near else ""
    raise PromptError(f"There is no wildcard called __{name}__.{hint}")


def _paths(root: Path) -> list[Path]:
    """Files of wildcards under ``root``; links to folders are not followed, they may go round in circles."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and is_text(name))
        named = [name for name in sorted(files) if name.lower().endswith(TYPES) and name[0] != "." and is_text(name)]
        found += [Path(folder, name) for name in named]
        if len(found) > 20_000:
            break
    return found


def _text(path: Path) -> str:
    """UTF-8, else what Windows' editors wrote before."""
    if path.stat().st_size > LARGEST:
        raise PromptError(f"it is larger than {LARGEST // 1_000_000} MB")
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _parsed(name: str, path: Path) -> dict[str, tuple[Value, ...]]:
    text = _text(path)
    if path.suffix.lower() == ".txt":
        return {name: tuple(lines(text.splitlines()))}
    if len(text) > _LARGEST_TREE:
        raise PromptError(f"it is larger than {_LARGEST_TREE // 1_000_000} MB")
    import yaml  # most folders hold none

    try:
        tree = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise PromptError(
            f"it is not well formed ({str(error).splitlines()[0] if str(error) else 'nested'})"
        ) from error
    if isinstance(tree, list):
        tree = {name: tree}
    return _walked(tree)


def _walked(tree: Any) -> dict[str, tuple[Value, ...]]:
    """Lists by the keys above them. Counted, since in YAML a few lines may stand for billions."""
    found: dict[str, tuple[Value, ...]] = {}
    waiting: list[tuple[str, Any]] = [("", tree)]
    work = 0
    while waiting:
        name, node = waiting.pop()
        work += 1
        if isinstance(node, dict):
            waiting += [(f"{name}/{key}".strip("/"), inner) for key, inner in node.items()]
        elif isinstance(node, list):
            plain = [str(item) for item in node if isinstance(item, str | int | float)]
            found[name] = tuple(lines(plain))
            work += len(plain)
        elif isinstance(node, str):
            found[name] = tuple(lines(node.splitlines()))
        if work > _MOST_VALUES or len(waiting) > _MOST_VALUES:
            raise PromptError("it holds too many values")
    return {name: values for name, values in found.items() if name}


def lines(texts: Sequence[str]) -> Iterator[Value]:
    """The values among lines: no empty ones, no comments; ``3::`` is a weight."""
    for number, text in enumerate(texts):
        words = text.strip()
        if not words or words.startswith("#") or len(words) > 20_000 or number > _MOST_VALUES:
            continue
        weight = _WEIGHT.match(words)
        yield Value(words[weight.end() :].strip(), float(weight[1])) if weight else Value(words)
