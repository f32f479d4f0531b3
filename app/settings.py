"""Every setting: its type, default and limits; read from and written to one TOML file.

The file may be edited by hand: tomlkit keeps its comments. A value that is wrong falls back to its default and is
reported, the rest is kept; a file that is no TOML is put aside, never overwritten.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError

from app.files import write_atomically

log = logging.getLogger(__name__)


class Settings(msgspec.Struct, frozen=True):
    """All settings with their defaults. Frozen: ``SettingsStore.change`` makes the next value.

    Checked by msgspec, not pydantic: this is read before the window opens, and pydantic takes its time to import.
    """

    theme: Literal["system", "light", "dark"] = "system"
    """Light, dark, or as the system is."""
    canvas: Literal["neutral", "black", "white"] = "neutral"
    """The colour behind pictures."""
    model: str = "pocket"
    """The model chosen last."""
    device: str = "auto"
    """Where models run: auto, cpu, cuda:0, mps, xpu:0."""
    previews: bool = True
    """Show the picture while it forms."""
    preload: bool = True
    """Load the chosen model before the first Generate."""
    offline: bool = False
    """Never use the network."""
    pictures_folder: str = ""
    """Where pictures are kept; empty: the usual place."""
    model_folders: tuple[str, ...] = ()
    """Folders with models in diffusers layout."""
    model_files: tuple[str, ...] = ()
    """Single model files used where they lie."""
    sources: tuple[str, ...] = ()
    """Folders of other apps (ComfyUI, A1111, Forge, InvokeAI)."""
    models_cache: str = ""
    """Where downloads are kept; empty: the hub's own cache, shared with others."""
    hub_endpoint: str = ""
    """Address of a mirror of the model hub; empty: the hub itself."""
    downloads_at_once: Annotated[int, msgspec.Meta(ge=1, le=8)] = 2
    """How many models are downloaded at the same time."""
    engine_python: str = ""
    """The interpreter that runs the engine; empty: this one."""
    worker_memory_gb: Annotated[float, msgspec.Meta(ge=0, le=4096)] = 0.0
    """Memory for loaded models; 0: chosen for this machine."""
    private_exports: bool = True
    """Leave out what tells of this computer when pictures are exported."""
    export_name: str = "{date}-{prompt}-{seed}"
    """How exported pictures are called."""
    reduced_motion: bool = False
    """No animations."""


def is_offline(settings: Settings) -> bool:
    """Whether the network is forbidden: by the setting, or by ATELIER_OFFLINE (or the hub's own HF_HUB_OFFLINE)."""
    return settings.offline or any(_said_yes(os.environ.get(name)) for name in ("ATELIER_OFFLINE", "HF_HUB_OFFLINE"))


def _said_yes(value: str | None) -> bool:
    return (value or "").strip().lower() in ("1", "true", "yes", "on")


class SettingsStore:
    """Holds the current settings and keeps the file in step. ``problems`` are sentences about what was not usable."""

    def __init__(
        self,
        path: Path,
        changed: Callable[[tuple[str, ...]], None] = lambda names: None,
        later: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """``changed`` is told the names of changed settings; ``later`` does the writing elsewhere, in order."""
        self._path = path
        self._changed = changed
        self._later = later
        self.problems: list[str] = []
        self._document = self._read()
        self.value = self._parse(self._document.unwrap())

    def change(self, **changes: Any) -> Settings:
        """Set and save; values are checked first.

        Raises:
            msgspec.ValidationError: a value is of the wrong type or out of range; nothing was changed.
            OSError: without ``later``, the file could not be written; the change holds until the program ends.
        """
        new = msgspec.convert({**msgspec.structs.asdict(self.value), **changes}, Settings, strict=False)
        names = tuple(name for name in changes if getattr(new, name) != getattr(self.value, name))
        if not names:
            return self.value
        self.value = new
        for name in names:
            value = getattr(new, name)
            self._document[name] = list(value) if isinstance(value, tuple) else value
        self._changed(names)
        data = tomlkit.dumps(self._document).encode()
        if self._later is None:
            write_atomically(self._path, data)
        else:
            self._later(lambda: write_atomically(self._path, data))
        return new

    def _read(self) -> tomlkit.TOMLDocument:
        try:
            return tomlkit.parse(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return tomlkit.document()
        except (TOMLKitError, UnicodeDecodeError) as error:
            aside = self._path.with_name(f"settings-unreadable-{time.strftime('%Y%m%d-%H%M%S')}.toml")
            os.replace(self._path, aside)
            self.problems.append(f"The settings file could not be read ({error}); it was kept as {aside.name}.")
            return tomlkit.document()
        except OSError as error:
            self.problems.append(f"The settings file could not be opened: {error}.")
            return tomlkit.document()

    def _parse(self, values: dict[str, Any]) -> Settings:
        good: dict[str, Any] = {}
        for field in msgspec.structs.fields(Settings):
            if field.name not in values:
                continue
            try:
                good[field.name] = msgspec.convert(values[field.name], field.type, strict=False)
            except msgspec.ValidationError:
                sentence = f"Setting “{field.name}” has a value that cannot be used; its default stands instead."
                self.problems.append(sentence)
        return Settings(**good)
