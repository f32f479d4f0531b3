"""From a picture's file to a row of the library: what it is, how it was made, the checksum of its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.jobs import Result

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif")
"""Files the library lists."""


def result_of(recipe: Mapping[str, Any], path: Path, job_id: str, created: float, identity: str = "") -> Result:
    """The row of a picture. Raises TypeError, ValueError, AttributeError or OverflowError for nonsense."""
    model, inputs = recipe.get("model", {}), recipe.get("inputs", {})
    number = recipe.get("picture")
    ours = f"{job_id}-{number}" if job_id and number else f"file-{path.stem}"
    return Result(
        id=identity or ours,
        job=job_id,
        path=str(path),
        created=created,
        model=str(model.get("id", "")),
        model_name=str(model.get("name", "")),
        prompt=str(inputs.get("prompt", "")),
        seed=int(recipe.get("seed") or 0),
        width=int(recipe.get("width", inputs.get("width", 0))),
        height=int(recipe.get("height", inputs.get("height", 0))),
        recipe=dict(recipe),
    )


def imported_id(path: Path) -> str:
    """The id of a picture that is used where it lies."""
    return f"i{hashlib.sha256(str(path).encode('utf-8', 'surrogateescape')).hexdigest()[:20]}"


def checksum(path: Path) -> str:
    """SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def facts_of(path: Path, hashed: bool = True) -> dict[str, Any]:
    """What ``app.rows.put`` keeps of the file itself. Raises OSError."""
    about = path.stat()
    facts = {"bytes": about.st_size, "modified": about.st_mtime}
    return {**facts, "hash": checksum(path)} if hashed else facts
