"""Is the environment as the last set-up left it? The stamp answers in milliseconds, without starting a process.

It is removed before anything is changed and written when everything is done, so a set-up that was killed half way
leaves none, and the next one looks at every file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from installers._boot.choose import TORCH, TORCHVISION

FORMAT = 1
NAME = "atelier-setup.json"
RELEVANT = (("build-system",), ("project",), ("tool", "setuptools"))


@dataclass(frozen=True)
class Stamp:
    """What was set up, and for what."""

    root: str
    project: str  # hash of what the installation depends on
    python: str  # where the environment's Python really lies
    extras: tuple[str, ...]
    machine: str  # detect.signature()
    torch: str  # the label that was chosen
    wanted: str  # the label that the user asked for, if any
    plain: bool  # the default index's build stands in for the vendor's, and does less
    entries: str  # hash of the names in site-packages
    missing: tuple[str, ...] = ()  # system libraries that the window lacks
    format: int = FORMAT


def project_hash(pyproject: Path) -> str:
    """Changes when an installation could come out differently; not when a linter's settings do."""
    data = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    kept: list[Any] = [TORCH, TORCHVISION]
    for keys in RELEVANT:
        node: Any = data
        for key in keys:
            node = node.get(key, {})
        kept.append(node)
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]


def python_of(venv: Path) -> Path:
    """The environment's interpreter."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def site_of(venv: Path) -> Path | None:
    """The environment's site-packages, whatever Python made it."""
    pattern = "Lib/site-packages" if os.name == "nt" else "lib/python3.*/site-packages"
    found = sorted(venv.glob(pattern))
    return found[-1] if found else None


def entries_hash(venv: Path) -> str:
    """A mark of what lies at the top of site-packages; a package taken away, added or upgraded changes it."""
    site = site_of(venv)
    if site is None:
        return ""
    names = sorted(name for name in os.listdir(site) if name != "__pycache__")  # noqa: PTH208  (three times quicker)
    for name in names:
        if name.endswith(".dist-info") and not (site / name / "RECORD").is_file():
            return ""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def read(venv: Path) -> Stamp | None:
    """The stamp, or None when there is none that can be used."""
    try:
        data = json.loads((venv / NAME).read_text(encoding="utf-8"))
        if data.get("format") != FORMAT:
            return None
        return Stamp(**{**data, "extras": tuple(data["extras"]), "missing": tuple(data["missing"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write(venv: Path, stamp: Stamp) -> None:
    """Put the stamp down, whole or not at all."""
    temporary = venv / (NAME + ".new")
    temporary.write_text(json.dumps(asdict(stamp), indent=1), encoding="utf-8")
    temporary.replace(venv / NAME)


def clear(venv: Path) -> None:
    """Take the stamp away: from now on the environment counts as unfinished."""
    (venv / NAME).unlink(missing_ok=True)


def stale(stamp: Stamp | None, root: Path, venv: Path, extras: Iterable[str], machine: str, wanted: str = "") -> str:
    """Why a set-up is needed; empty when all is ready."""
    python = python_of(venv)
    if stamp is None:
        return "it was not finished" if venv.exists() else "it is the first time"
    checks = {
        "its Python is gone": not python.exists(),
        "the folder was moved": stamp.root != str(root),
        "its Python was replaced": os.path.realpath(python) != stamp.python,
        "the project's requirements changed": stamp.project != project_hash(root / "pyproject.toml"),
        "more is needed than was installed": not set(extras) <= set(stamp.extras),
        "the graphics hardware or its driver changed": stamp.machine != machine,
        "another PyTorch is asked for": wanted != stamp.wanted,
        "packages were changed": stamp.entries != entries_hash(venv),
    }
    return next((reason for reason, true in checks.items() if true), "")


def installed(venv: Path) -> dict[str, str]:
    """Installed distributions and their versions, from the names of their folders."""
    site = site_of(venv)
    found: dict[str, str] = {}
    for info in site.glob("*.dist-info") if site else ():
        name, _, number = info.name[: -len(".dist-info")].rpartition("-")
        if (info / "METADATA").is_file():
            found[name.lower().replace("_", "-")] = number
    return found


def damaged(venv: Path) -> list[Path]:
    """The dist-info folders of packages with a file missing or of another size than was installed."""
    site = site_of(venv)
    return sorted(info for info in site.glob("*.dist-info") if not _whole(site, info)) if site else []


def _recorded(info: Path) -> Iterator[tuple[str, str]]:
    """Paths and sizes in a package's RECORD. (Split by hand: the csv module takes three times as long.)"""
    for line in (info / "RECORD").read_text(encoding="utf-8").splitlines():
        path, _, rest = line.rpartition(",")
        yield path.rpartition(",")[0].strip('"'), rest


def _whole(site: Path, info: Path) -> bool:
    base = str(site) + os.sep
    try:
        if not (info / "METADATA").is_file():
            return False
        for path, size in _recorded(info):
            if not size or path.endswith(".pyc"):
                continue
            real = os.stat(base + path).st_size  # noqa: PTH116  (40 000 of them)
            if not path.startswith("..") and real != int(size):
                return False
    except (OSError, ValueError):
        return False
    return True


def remove_package(info: Path) -> None:
    """Take a damaged package away, so that pip installs it anew."""
    site = info.parent
    try:
        recorded = [path for path, _size in _recorded(info)]
    except OSError:
        recorded = []
    for path in recorded:
        target = Path(os.path.normpath(site / path))
        if site in target.parents:
            target.unlink(missing_ok=True)
    shutil.rmtree(info, ignore_errors=True)


def remove_leftovers(venv: Path) -> None:
    """Folders that an interrupted pip renamed to ``~name``."""
    site = site_of(venv)
    for path in site.glob("~*") if site else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
