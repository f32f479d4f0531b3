"""Settings: kept, checked, and never lost to a bad file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec import ValidationError

from app.settings import Settings, SettingsStore


def test_a_change_is_saved_and_read_back_with_the_users_comments(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('# my own words\ntheme = "dark"\n')
    told: list[tuple[str, ...]] = []
    store = SettingsStore(path, told.append)
    assert store.value.theme == "dark"
    store.change(theme="light", model_folders=("/models",))
    assert told == [("theme", "model_folders")]
    assert path.read_text().startswith("# my own words")
    assert SettingsStore(path).value == store.value


def test_a_change_to_the_same_value_writes_nothing(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "settings.toml")
    store.change(theme="system")
    assert not (tmp_path / "settings.toml").exists()


def test_a_wrong_value_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "settings.toml")
    with pytest.raises(ValidationError):
        store.change(theme="purple")
    assert store.value == Settings()


def test_one_bad_value_in_the_file_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('theme = "purple"\nmodel = "mine"\nunknown = 3\n')
    store = SettingsStore(path)
    assert (store.value.theme, store.value.model) == ("system", "mine")
    assert store.problems == ["Setting “theme” has a value that cannot be used; its default stands instead."]


@pytest.mark.parametrize("content", [b"theme = ", b"\xff\xfe\x00", b"[[["])
def test_an_unreadable_file_is_put_aside_not_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    store = SettingsStore(path)
    assert store.value == Settings()
    assert len(store.problems) == 1
    kept = [file for file in tmp_path.iterdir() if file.name.startswith("settings-unreadable")]
    assert [file.read_bytes() for file in kept] == [content]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.toml"
    store = SettingsStore(path)
    store.change(theme="dark")
    before = path.read_text()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.change(theme="light")
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["settings.toml"]
