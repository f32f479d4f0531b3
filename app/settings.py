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
from typing import Any, Literal

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tomlkit.exceptions import TOMLKitError

from app.files import write_atomically

log = logging.getLogger(__name__)


class Settings(BaseModel):
    """All settings with their defaults. Frozen: ``SettingsStore.change`` makes the next value."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    theme: Literal["system", "light", "dark"] = Field("system", description="Light, dark, or as the system is.")
    canvas: Literal["neutral", "black", "white"] = Field("neutral", description="The colour behind pictures.")
    model: str = Field("pocket", description="The model chosen last.")
    device: str = Field("auto", description="Where models run: auto, cpu, cuda:0, mps, xpu:0.")
    previews: bool = Field(True, description="Show the picture while it forms.")
    preload: bool = Field(True, description="Load the chosen model before the first Generate.")
    offline: bool = Field(False, description="Never use the network.")
    pictures_folder: str = Field("", description="Where pictures are kept; empty: the usual place.")
    model_folders: tuple[str, ...] = Field((), description="Folders with models in diffusers layout.")
    model_files: tuple[str, ...] = Field((), description="Single model files used where they lie.")
    sources: tuple[str, ...] = Field((), description="Folders of other apps (ComfyUI, A1111, Forge, InvokeAI).")
    models_cache: str = Field(
        "", description="Where downloads are kept; empty: the hub's own cache, shared with others."
    )
    hub_endpoint: str = Field("", description="Address of a mirror of the model hub; empty: the hub itself.")
    downloads_at_once: int = Field(2, ge=1, le=8, description="How many models are downloaded at the same time.")
    engine_python: str = Field("", description="The interpreter that runs the engine; empty: this one.")
    worker_memory_gb: float = Field(
        0, ge=0, le=4096, description="Memory for loaded models; 0: chosen for this machine."
    )
    private_exports: bool = Field(True, description="Leave out what tells of this computer when pictures are exported.")
    export_name: str = Field("{date}-{prompt}-{seed}", description="How exported pictures are called.")
    reduced_motion: bool = Field(False, description="No animations.")


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
        self.value = self._parse(dict(self._document))

    def change(self, **changes: Any) -> Settings:
        """Set and save; values are checked first.

        Raises:
            pydantic.ValidationError: a value is of the wrong type or out of range; nothing was changed.
            OSError: without ``later``, the file could not be written; the change holds until the program ends.
        """
        new = Settings.model_validate({**self.value.model_dump(), **changes})
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
        try:
            return Settings.model_validate(values)
        except ValidationError as error:
            bad = {str(item["loc"][0]) for item in error.errors()}
            for name in sorted(bad):
                self.problems.append(f"Setting “{name}” has a value that cannot be used; its default stands instead.")
            return Settings.model_validate({key: value for key, value in values.items() if key not in bad})
