"""Where everything lies. ``ATELIER_HOME`` puts it all under one folder: portable installs and tests use it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

ASSETS = Path(__file__).resolve().parent.parent / "assets"


@dataclass(frozen=True)
class Paths:
    """The folders of one installation; made on first use by ``create``."""

    config: Path
    data: Path
    cache: Path
    logs: Path
    pictures: Path

    @property
    def settings(self) -> Path:
        return self.config / "settings.toml"

    @property
    def library(self) -> Path:
        return self.data / "library.sqlite3"

    @property
    def journal(self) -> Path:
        """What people said of their pictures, so that it survives the loss of the library's file."""
        return self.data / "library.journal"

    @property
    def outbox(self) -> Path:
        """Finished files of jobs lie here, a folder a job, from the worker's rename until the library took them."""
        return self.data / "outbox"

    @property
    def sessions(self) -> Path:
        """One locked file for each running program, so that a later start knows which jobs are orphans."""
        return self.data / "sessions"

    @property
    def models(self) -> Path:
        """Copies of weight files and model folders that people gave us, in a folder for each kind."""
        return self.data / "models"

    @property
    def singles(self) -> Path:
        """Folders of configurations through which single-file checkpoints are used; can be made again."""
        return self.cache / "singles"

    @property
    def known(self) -> Path:
        """What folders and files were found to be; can be found out again."""
        return self.cache / "known.msgpack"

    @property
    def checked(self) -> Path:
        """When which weights were last found to match their checksums."""
        return self.data / "checked.json"

    @property
    def machine(self) -> Path:
        """What was last known of the device models run on."""
        return self.data / "machine.json"

    @property
    def hub(self) -> Path:
        """Small notes of the hub process."""
        return self.data / "hub"

    def create(self) -> Paths:
        for folder in (self.config, self.data, self.cache, self.logs, self.pictures, self.outbox, self.sessions):
            folder.mkdir(parents=True, exist_ok=True)
        return self


def default_paths() -> Paths:
    home = os.environ.get("ATELIER_HOME")
    if home:
        root = Path(home).expanduser().resolve()
        return Paths(root / "settings", root / "data", root / "cache", root / "logs", root / "pictures")
    dirs = platformdirs.PlatformDirs("atelier", appauthor=False)
    return Paths(
        Path(dirs.user_config_path),
        Path(dirs.user_data_path),
        Path(dirs.user_cache_path),
        Path(dirs.user_log_path),
        Path(platformdirs.user_pictures_path()) / "Atelier",
    )
