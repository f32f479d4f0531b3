"""Earlier prompts, newest first: read from the library, which keeps them with its pictures, never stored twice.

Only two things are remembered here: since when (forgetting moves that to now), and whether to look at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from app.files import write_atomically
from app.jobs import Result

MOST = 500
_LOOKED_AT = 1500


class _Kept(msgspec.Struct):
    since: float = 0.0
    private: bool = False


class History:
    """Any thread; ``recent`` gives the newest pictures."""

    def __init__(self, file: Path, recent: Callable[[int], Sequence[Result]]) -> None:
        self._file = file
        self._recent = recent

    @property
    def private(self) -> bool:
        """Nothing is offered while this is on."""
        return self._kept().private

    def set_private(self, private: bool) -> None:
        self._write(msgspec.structs.replace(self._kept(), private=private))

    def forget(self) -> float:
        """Offer nothing of what was made until now; the moment that counted before, for ``remember``."""
        kept = self._kept()
        self._write(msgspec.structs.replace(kept, since=time.time()))
        return kept.since

    def remember(self, since: float) -> None:
        """Undo ``forget``."""
        self._write(msgspec.structs.replace(self._kept(), since=since))

    def prompts(self) -> list[str]:
        """Different prompts as they were written, newest first."""
        kept = self._kept()
        if kept.private:
            return []
        found: dict[str, None] = {}
        for result in self._recent(_LOOKED_AT):
            if result.created > kept.since and (text := written(result)):
                found.setdefault(text)
            if len(found) >= MOST:
                break
        return list(found)

    def _kept(self) -> _Kept:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except (OSError, msgspec.MsgspecError):
            return _Kept()

    def _write(self, kept: _Kept) -> None:
        write_atomically(self._file, msgspec.json.encode(kept))


def written(result: Result) -> str:
    """The prompt as its author wrote it: with its alternatives, where there were any."""
    template = result.recipe.get("template")
    text = template.get("prompt") if isinstance(template, dict) else None
    return (text if isinstance(text, str) else result.prompt).strip()
