"""The catalog read from its TOML files: this folder's own, and those of a folder that a person adds.

What ships here is tested, so a fault in it raises. A person's own files are read with care: what is wrong in one of
them becomes a sentence in ``Catalog.problems`` and the rest stays usable.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

from models.catalog.entry import CatalogEntry, Role
from models.families import FAMILIES

RULES = "shelves.toml"
"""The one file of the folder that holds no entries."""
MAX_FILE = 4_000_000
"""Bytes; a larger file of a person's own is not read."""

_ROLES = {role: number for number, role in enumerate(Role)}


class CatalogError(ValueError):
    """A catalog file is not what it should be; the text says which and why."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    entry: tuple[CatalogEntry, ...] = ()


class _Preferred(msgspec.Struct, frozen=True):
    preferred: tuple[str, ...] = ()


class Catalog:
    """All entries: recommended ones first, then models from new to old, those behind a gate last, then add-ons by role.

    ``problems`` are sentences about a person's own files that could not be used.
    """

    def __init__(
        self, entries: Iterable[CatalogEntry], preferred: Iterable[str] = (), problems: Iterable[str] = ()
    ) -> None:
        self.preferred = tuple(preferred)
        self.problems = tuple(problems)
        self.entries = _ordered(entries, self.preferred)
        self._by_id = {entry.id: entry for entry in self.entries}
        self._by_repo: dict[str, tuple[CatalogEntry, ...]] = {}
        for entry in self.entries:
            known = self._by_repo.get(entry.repo.casefold(), ())
            self._by_repo[entry.repo.casefold()] = (*known, entry)

    def __iter__(self) -> Iterator[CatalogEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def get(self, entry_id: str) -> CatalogEntry | None:
        """The entry with this id, None if there is none."""
        return self._by_id.get(entry_id)

    def by_repo(self, repo: str) -> tuple[CatalogEntry, ...]:
        """The entries whose files lie in ``repo``: often one, more where a repository holds several add-ons."""
        return self._by_repo.get(repo.casefold(), ())


def catalog(own: Path | None = None) -> Catalog:
    """The catalog that ships with the program, with the ``*.toml`` files of the folder ``own`` added.

    The shipped part is read once a process (some 25 ms), the person's own at each call.
    """
    shipped = _shipped()
    if own is None:
        return shipped
    added, problems = _own_entries(own, shipped)
    return Catalog([*shipped.entries, *added], shipped.preferred, problems) if added or problems else shipped


@cache
def _shipped() -> Catalog:
    entries: list[CatalogEntry] = []
    preferred: tuple[str, ...] = ()
    for file in sorted(resources.files("models.catalog").iterdir(), key=lambda item: item.name):
        if file.name == RULES:
            preferred = msgspec.convert(tomllib.loads(file.read_text("utf-8")), _Preferred).preferred
        elif file.name.endswith(".toml"):
            entries += entries_of(file.read_text("utf-8"), file.name)
    found = check(entries, {})
    if found:
        raise CatalogError("; ".join(found.values()))
    return Catalog(entries, preferred)


def entries_of(text: str, name: str) -> tuple[CatalogEntry, ...]:
    """The entries of one file's ``text``.

    Raises:
        CatalogError: not TOML, a field missing, unknown or of the wrong type; with ``name`` and the place.
    """
    try:
        return msgspec.convert(tomllib.loads(text), _File).entry
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise CatalogError(f"{name}: {error}") from error


def check(entries: Iterable[CatalogEntry], known: dict[str, CatalogEntry]) -> dict[str, str]:
    """What is wrong among ``entries``, by id: an id given twice (or in ``known``), a name of a family or of another
    entry that does not exist."""
    entries = tuple(entries)
    ids = {*known, *(entry.id for entry in entries)}
    seen, found = set(known), {}
    for entry in entries:
        missing = [name for name in (*entry.requires, *entry.fast, entry.ungated) if name and name not in ids]
        strange = [name for name in (entry.family, *entry.fits) if name not in FAMILIES]
        if entry.id in seen:
            found[entry.id] = f"{entry.id} is there twice"
        elif missing:
            found[entry.id] = f"{entry.id} names {', '.join(missing)}, which is not in the catalog"
        elif strange:
            found[entry.id] = f"{entry.id} names a family that is not known: {', '.join(strange)}"
        seen.add(entry.id)
    return found


def _own_entries(folder: Path, shipped: Catalog) -> tuple[list[CatalogEntry], list[str]]:
    found: list[CatalogEntry] = []
    problems: list[str] = []
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".toml" and path.is_file())
    except OSError:
        return [], []  # no such folder is no problem
    for file in files:
        try:
            found += entries_of(_text(file), file.name)
        except (CatalogError, OSError, UnicodeDecodeError) as error:
            problems.append(str(error) if isinstance(error, CatalogError) else f"{file.name}: {error}")
    known = {entry.id: entry for entry in shipped}
    wrong = check(found, known)
    while wrong:  # what is left out may be what another one named
        problems += wrong.values()
        found = [entry for entry in found if entry.id not in wrong]
        wrong = check(found, known)
    return found, problems


def _text(file: Path) -> str:
    if file.stat().st_size > MAX_FILE:
        raise CatalogError(f"{file.name}: larger than {MAX_FILE // 1_000_000} MB")
    return file.read_text("utf-8")


def _ordered(entries: Iterable[CatalogEntry], preferred: tuple[str, ...]) -> tuple[CatalogEntry, ...]:
    rank = {name: number for number, name in enumerate(preferred)}

    def first(entry: CatalogEntry) -> tuple[int, int, bool, int, str]:
        newest = -int(entry.released.replace("-", "")[:6] or 0) if entry.released[:4].isdigit() else 0
        kind = 0 if entry.is_model else 1 + _ROLES[entry.role]
        return (rank.get(entry.id, len(rank)), kind, entry.gated, newest, entry.name)

    return tuple(sorted(entries, key=first))
