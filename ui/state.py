"""What the window remembers between starts: its place, its panels and the last values of each model's form."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from app.files import write_atomically

log = logging.getLogger(__name__)


class WindowState:
    """A small JSON file beside the settings. A file that cannot be read is forgotten: nothing in it is precious."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values = _read(path)
        self._saved = dict(self._values)

    def get(self, name: str, default: Any = None) -> Any:
        return self._values.get(name, default)

    def number(self, name: str, default: int) -> int:
        value = self._values.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def table(self, name: str) -> dict[str, Any]:
        value = self._values.get(name)
        return dict(value) if isinstance(value, dict) else {}

    def set(self, name: str, value: Any) -> None:
        self._values[name] = value

    def save(self) -> None:
        """Write what changed; a disk that refuses costs only the memory of the window's place."""
        if self._values == self._saved:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(self._values, indent=1, default=str).encode())
            self._saved = dict(self._values)
        except OSError as error:
            log.warning("the window's state could not be saved: %s", error)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
